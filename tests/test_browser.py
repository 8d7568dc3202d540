"""Chromium goes the whole way: sign in, review, approve a grant, open its letter. As a person at a desk and on a phone would.

One real server with a small demonstration for all of them.
"""
from __future__ import annotations

import io
import re
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import (
    CHROMIUM,
    DESK,
    NARROW,
    PHONE,
    Server,
    accessibility,
    chromium,
    enter,
    listen,
    overflow,
    prefer,
    served,
)
from central_truth import instance, xform
from doubles.central import certificate, serve
from doubles.central_world import World

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is missing (apt-get install chromium)"),
    # One server is enough: with pytest-xdist all of these go to one worker.
    pytest.mark.xdist_group("browser"),
]
APPROVE, APPROVED = {"en": "Approve", "th": "อนุมัติ"}, {"en": "Approved", "th": "อนุมัติแล้ว"}
UNDO = {"en": "Undo", "th": "เลิกทำ"}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The certificate, and its key, of servers that Namjai reads in these tests."""
    return certificate(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, authority: tuple[Path, Path]) -> Iterator[Server]:
    with pytest.MonkeyPatch.context() as patch:
        # As an administrator would who has an authority of their own.
        patch.setenv("REQUESTS_CA_BUNDLE", str(authority[0]))
        with served(tmp_path_factory.mktemp("browser"), 8) as running:
            running.settle()
            yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as launched:
        yield launched


def at(browser: Any, width: int, **options: Any) -> Any:
    """A window of its own, as wide as a desk's or a phone's screen."""
    page = browser.new_context(viewport={"width": width, "height": 900}, reduced_motion="reduce", **options).new_page()
    page.set_default_timeout(20_000)
    return page


def waiting_submission(server: Server, form: str = "visit") -> str:
    return str(server.ask(
        "SELECT id FROM submission WHERE review_state = 'received' AND xml_form_id = :form AND deleted_at IS NULL "
        "ORDER BY received_at LIMIT 1", form=form))


def waiting_grant(server: Server) -> str:
    """A grant that waits for a coordinator: requested by somebody known, within their limit. Made where none is left."""
    found = "SELECT id FROM grants WHERE state = 'requested' AND requested_by IS NOT NULL AND amount <= 500000 LIMIT 1"
    if (grant := server.ask(found)) is None:
        ask_for_money(server)
        grant = server.ask(found)
    return str(grant)


def ask_for_money(server: Server) -> None:
    """Nok's tablet sends a fund request of the demonstration once more, as a new one of a small sum."""
    from cases import tablets
    from cases.opened import Opener

    row = server.rows(
        "SELECT v.raw, v.instance_id, v.submission_id FROM submission_version v JOIN submission s ON s.id = v.submission_id "
        "WHERE s.xml_form_id = 'fund_request' AND v.deprecated_id IS NULL ORDER BY v.received_at LIMIT 1")[0]
    with server.store.database.begin(server.actor) as tx:
        key = Opener(tx, server.store, server.actor.project).key(row.submission_id)
        xml = key.decrypt(f"raw:{row.instance_id}", bytes(row.raw)).decode()
        _, token = tablets.create(
            tx, server.store, server.actor, f"Nok's {uuid.uuid4().hex[:6]}", uuid.UUID(server.person("nok")))
    xml = xml.replace(row.instance_id, f"uuid:{uuid.uuid4()}")
    grant = re.search(r'dataset="grants"[^>]*?\bid="([^"]+)"|\bid="([^"]+)"[^>]*?dataset="grants"', xml)
    assert grant is not None
    xml = xml.replace(grant[1] or grant[2], str(uuid.uuid4()))
    xml = re.sub(r"(<amount[a-z_]*>)[^<]+", r"\g<1>3500", xml)
    assert post(server, token, xml.encode()) == 201


def post(server: Server, token: str, xml: bytes) -> int:
    """One POST as ODK Collect makes it; the status of the answer."""
    edge = uuid.uuid4().hex
    body = io.BytesIO()
    body.write(f'--{edge}\r\nContent-Disposition: form-data; name="xml_submission_file"; filename="s.xml"\r\n'
               f"Content-Type: text/xml\r\n\r\n".encode() + xml + f"\r\n--{edge}--\r\n".encode())
    request = urllib.request.Request(
        f"{server.url}/key/{token}/submission?deviceID=collect:test", body.getvalue(),
        {"Content-Type": f"multipart/form-data; boundary={edge}", "X-OpenRosa-Version": "1.0"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.status


def read_letter(page: Any, url: str) -> str:
    """The letter's bytes as the browser gets them, read back as text by its number in the document."""
    from pypdf import PdfReader

    answer = page.context.request.get(url)
    assert answer.status == 200 and answer.headers["content-type"] == "application/pdf"
    content = answer.body()
    assert content.startswith(b"%PDF")
    return " ".join(part.extract_text() for part in PdfReader(io.BytesIO(content)).pages)


def approve_and_open(page: Any, server: Server, language: str) -> None:
    """Approve a waiting grant and read the letter that this issues."""
    page.goto(f"{server.url}/grants/{waiting_grant(server)}?lang={language}")
    button = page.locator("button[name=decision][value=approve], form:has(input[name=decision][value=approve]) button[type=submit]").locator("visible=true").first
    assert APPROVE[language] in button.inner_text() and re.search(r"\d", button.inner_text())
    button.click()
    page.wait_for_selector(f".nj-toast:has-text('{APPROVED[language]}')")
    page.locator(".nj-toast a").click()
    page.wait_for_url("**/letters/*")
    number = page.url.split("/letters/")[1].split("?")[0]
    server.settle()
    page.goto(f"{server.url}/letters/{number}")
    assert number in page.locator("main").inner_text()
    shown = page.locator("main object, main a[href*='.pdf']").first
    address = shown.get_attribute("data") or shown.get_attribute("href")
    text = read_letter(page, f"{server.url}{address}".replace("download=1", ""))
    digits = number.rsplit("-", 1)[1]
    thai = digits.translate(str.maketrans("0123456789", "๐๑๒๓๔๕๖๗๘๙"))
    assert any(one.lstrip("0๐") in text for one in (digits, thai)), text[:300]


@pytest.mark.parametrize("language", ["en", "th"])
@pytest.mark.parametrize("width", [DESK, PHONE])
def test_a_coordinator_reviews_approves_and_opens_the_letter(browser: Any, server: Server, width: int, language: str) -> None:
    page = at(browser, width)
    complaints = listen(page)
    enter(page, server.url, server.person("ploy"))
    page.goto(f"{server.url}/?lang={language}")
    assert page.locator("html").get_attribute("lang") == language
    subject = waiting_submission(server)
    page.goto(f"{server.url}/submissions/{subject}")
    page.keyboard.press("a")
    page.wait_for_selector(f".nj-toast:has-text('{APPROVED[language]}')")
    assert server.ask("SELECT review_state FROM submission WHERE id = :id", id=subject) == "approved"
    page.locator(".nj-toast button", has_text=UNDO[language]).click()
    page.wait_for_url(f"**/submissions/{subject}")
    assert server.ask("SELECT review_state FROM submission WHERE id = :id", id=subject) == "received"
    approve_and_open(page, server, language)
    assert complaints == []
    page.context.close()


def test_the_same_way_without_javascript(browser: Any, server: Server) -> None:
    page = at(browser, PHONE, java_script_enabled=False)
    enter(page, server.url, server.person("ploy"))
    subject = waiting_submission(server)
    page.goto(f"{server.url}/submissions/{subject}?lang=en")
    page.locator("button[name=state][value=approved], form:has(input[name=state][value=approved]) button[type=submit]").locator("visible=true").first.click()
    page.wait_for_selector(".nj-toast")
    assert server.ask("SELECT review_state FROM submission WHERE id = :id", id=subject) == "approved"
    page.locator(".nj-toast button").click()
    page.wait_for_url(f"**/submissions/{subject}")
    approve_and_open(page, server, "en")
    page.context.close()


def test_a_name_opens_for_a_reason_and_hides_again(browser: Any, server: Server) -> None:
    page = at(browser, DESK)
    enter(page, server.url, server.person("ploy"))
    page.goto(f"{server.url}/cases/{story(server)}?lang=en")
    before = server.ask("SELECT count(*) FROM audit WHERE verb LIKE '%reveal%'")
    page.locator('main a[href$="/reveal/name"]').first.click()
    page.locator("dialog[open] select").select_option(index=1)
    page.locator("dialog[open] button[type=submit]").click()
    page.wait_for_selector("main .nj-mask.is-open")
    assert server.ask("SELECT count(*) FROM audit WHERE verb LIKE '%reveal%'") > before
    page.locator("main [data-hide]").click()
    page.wait_for_selector("main .nj-mask.is-open", state="detached")
    page.context.close()


def test_what_a_tablet_sends_appears_in_the_review_queue(browser: Any, server: Server) -> None:
    token = server.tablet("Tablet of the test")
    page = at(browser, DESK)
    enter(page, server.url, server.person("ploy"))
    page.goto(f"{server.url}/submissions?lang=en")
    before = server.ask("SELECT count(*) FROM submission")
    name = f"visit-{uuid.uuid4().hex[:6]}"
    assert post(server, token, visit(server)) == 201, name
    page.reload()
    assert server.ask("SELECT count(*) FROM submission") == before + 1
    newest = server.ask("SELECT id FROM submission ORDER BY received_at DESC LIMIT 1")
    page.goto(f"{server.url}/submissions/{newest}")
    assert page.locator("h1").is_visible()
    page.goto(f"{server.url}/submissions?state=all")
    assert page.locator(f'main a[href*="{newest}"]').count() >= 1
    page.context.close()


def visit(server: Server) -> bytes:
    """The plainest visit: nothing answered but that it took place."""
    version = server.ask("SELECT version FROM form_version WHERE xml_form_id = 'visit' ORDER BY published_at DESC LIMIT 1")
    return (f'<data xmlns:jr="http://openrosa.org/javarosa" id="visit" version="{version}"><meta><instanceID>uuid:{uuid.uuid4()}'
            "</instanceID></meta></data>").encode()


def story(server: Server) -> str:
    return server.ask(
        "SELECT c.code FROM cases c JOIN setting s ON s.name = 'demonstration' AND s.value->>'case' = c.id::text")


TOWN_VISIT = """
| survey |
| | type | name | label |
| | select_one_from_file survivors.csv | who | Whom did you visit? |
| | text | note | Note |
| settings |
| | form_id | form_title | version |
| | town_visit | Visit in town | {version} |
"""


@pytest.mark.parametrize("javascript", [True, False])
def test_a_central_is_added_read_and_its_visit_stands_on_the_case(
    browser: Any, server: Server, authority: tuple[Path, Path], javascript: bool
) -> None:
    world, name = World(), f"central-{'quick' if javascript else 'plain'}"
    world.release(xform(TOWN_VISIT), {"survivors.csv": b"name,label\n"})
    case = server.rows("SELECT code, entity FROM cases WHERE list = 'survivors' AND status = 'open' AND NOT placeholder ORDER BY code LIMIT 1")[0]
    world.submit(instance("town_visit", f"uuid:{uuid.uuid4()}", who=str(case.entity), note="Met at the market"))
    double = serve(world, tls=authority)
    page = at(browser, DESK if javascript else PHONE, java_script_enabled=javascript)
    complaints = listen(page)
    try:
        enter(page, server.url, server.person("ploy"))
        page.goto(f"{server.url}/sources/new?lang=en")
        for field, value in {"name": name, "url": double.url, "project": "6", "email": world.email, "password": world.password}.items():
            page.fill(f"#{field}", value)
        page.locator("main form button[type=submit]").click()
        # Without JavaScript the page asks again by itself, too.
        page.wait_for_selector("text=It works")
        assert "Visit in town" in page.locator("main").inner_text() and world.password not in page.content()
        page.locator(f"button:has-text('Add {name}')").click()
        page.wait_for_url("**/sources/*-*")
        page.wait_for_selector("main .nj-chip:has-text('Equal')")
        assert server.ask("SELECT count(*) FROM submission WHERE xml_form_id = 'town_visit' AND form_origin = :name", name=name) == 1
        page.goto(f"{server.url}/cases/{case.code}")
        assert "Visit in town" in page.locator("main").inner_text()
        page.goto(f"{server.url}/sources")
        grave = [str(one) for one in accessibility(page) if one.grave] if javascript else []
        assert grave == [] and complaints == [] and "Works" in page.locator(f"tr:has-text('{name}')").first.inner_text()
    finally:
        page.context.close()
        double.close()


def test_what_was_set_aside_is_taken_again_with_the_keyboard(browser: Any, server: Server) -> None:
    token = server.tablet("Tablet that was early")
    version = f"2027{uuid.uuid4().int % 10**6:06d}"
    sent = visit(server).replace(b'id="visit" version="', f'id="visit" version="{version}" was="'.encode())
    with pytest.raises(urllib.error.HTTPError, match="404"):
        post(server, token, sent)
    page = at(browser, DESK)
    enter(page, server.url, server.person("ploy"))
    page.goto(f"{server.url}/quarantine?lang=en")
    page.locator(f"li:has-text('{version}') button").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector(".nj-toast:has-text('It still waits')")
    page.locator(f"li:has-text('{version}') a:has-text('Leave it out')").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog[open]")
    page.locator("dialog[open] button[type=submit]").click()
    page.wait_for_selector(".nj-toast:has-text('Left out')")
    assert page.locator(f"li:has-text('{version}')").count() == 0
    page.context.close()


def main_pages(server: Server) -> list[str]:
    grant = server.ask("SELECT id FROM grants ORDER BY requested_at LIMIT 1")
    letter = server.ask("SELECT number FROM letter WHERE state = 'issued' LIMIT 1")
    return [
        "/", "/cases", f"/cases/{story(server)}", f"/cases/{story(server)}/reveal/name", "/submissions", f"/submissions/{waiting_submission(server)}",
        "/grants", f"/grants/{grant}", "/letters", f"/letters/{letter}", "/forms", "/forms/visit", "/tablets", "/tablets/new", "/sources", "/sources/new", "/sources/runs", "/quarantine", "/me",
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_on_the_main_pages(browser: Any, server: Server, scheme: str) -> None:
    page = at(browser, DESK, color_scheme=scheme)
    complaints = listen(page)
    enter(page, server.url, server.person("ploy"))
    grave = []
    for number, path in enumerate(["/sign-in?lang=en", *main_pages(server)]):
        if number == 0:
            page.context.clear_cookies()
        elif number == 1:
            enter(page, server.url, server.person("ploy"))
        page.goto(f"{server.url}{path}{'&' if '?' in path else '?'}lang={'th' if number % 2 else 'en'}")
        for width in (DESK, PHONE):
            page.set_viewport_size({"width": width, "height": 900})
            grave += [f"{path} at {width}: {one}" for one in accessibility(page) if one.grave]
    assert grave == [] and complaints == []
    page.context.close()


def test_nothing_scrolls_sideways_on_the_narrowest_screen_or_at_double_size(browser: Any, server: Server) -> None:
    page = at(browser, NARROW)
    enter(page, server.url, server.person("ploy"))
    wide = []
    for path in main_pages(server):
        for language in ("en", "th"):
            page.goto(f"{server.url}{path}?lang={language}")
            if (pixels := overflow(page)) > 0:
                wide.append(f"{path} ({language}): {pixels} px")
    assert wide == []
    page.context.close()


def test_the_scheme_that_somebody_chooses_holds_whatever_the_device_says(browser: Any, server: Server) -> None:
    page = at(browser, DESK, color_scheme="light")
    enter(page, server.url, server.person("rung"))
    prefer(page, server.url, "th", "dark")
    page.goto(f"{server.url}/")
    assert page.locator("html").get_attribute("data-bs-theme") == "dark" and page.locator("html").get_attribute("lang") == "th"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(16, 22, 30)"
    page.context.close()
