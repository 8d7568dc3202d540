"""What a hostile or unlucky sender finds: nothing lost, nothing stuck, nothing shown."""
from __future__ import annotations

import dataclasses
import html
import re
import secrets
import urllib.parse
import uuid

import pytest
import sqlalchemy as sa
from readers import Field, signed_in
from test_receive import NOTE, PERSON, note, person_xml

from cases import deliveries
from namjai.problems import DatabaseUnreachable, StorageFull
from store.tables import cases, entity, quarantine, submission, submission_attachment


@pytest.fixture
def rows(store, aftercare):
    """Counts the rows of a table in the project."""

    def count(table, **where):
        with store.database.begin(aftercare) as tx:
            query = sa.select(sa.func.count()).select_from(table).where(table.c.project_id == aftercare.project)
            return tx.scalar(query.where(*(table.c[name] == value for name, value in where.items())))

    return count


START = """
| survey   |
|          | type     | name  | label |
|          | start    | start |       |
|          | dateTime | when  | When  |
|          | text     | words | Words |
| settings |
|          | form_id | version    |
|          | started | 2026112401 |
"""


@pytest.mark.parametrize("when", [
    "0001-01-01T00:00:00.000+14:00", "9999-12-31T23:59:59.000-12:00", "0001-01-01", "10000-01-01T00:00:00.000Z",
    "2026-02-30T10:00:00.000+07:00", "2026-11-24T10:00:00.000+99:99", "x" * 5000,
])
def test_no_clock_however_wrong_keeps_a_submission_out(tablet, publish, rows, when):
    publish(START)
    xml = (f'<data id="started" version="2026112401"><start>{when}</start><when>{when}</when><words>w</words>'
           "<meta><instanceID>uuid:1</instanceID></meta></data>")
    answer = tablet.post(xml)
    assert answer.status_code == 201, answer.text
    assert rows(submission) == 1


# No two the same, so that nothing of it can be compressed.
LONG = "".join(chr(0xE01 + secrets.randbelow(46)) for _ in range(5000))


@pytest.mark.parametrize("said", [
    {"case_code": LONG}, {"pseudonym": LONG}, {"risk": LONG}, {"case_code": "A/../B?c#d"}, {"case_code": "  "},
])
def test_no_answer_however_long_keeps_a_submission_out(tablet, publish, rows, said):
    publish(PERSON.replace("${given}", "${case_code}").replace("${how}", "${risk}"))
    answer = tablet.post(person_xml("c", **({"case_code": "KTR-MDV-QHT", "pseudonym": "Fah", "risk": "low"} | said)))
    assert answer.status_code == 201, answer.text
    assert rows(submission) == rows(entity) == rows(cases) == 1


def test_the_same_original_twice_at_once_after_its_edit_is_no_conflict(tablet, publish, rows, monkeypatch):
    from submissions import rows as statements

    publish(NOTE)
    original = note("0")
    for xml in (note("1", "edited", edit_of="0"), original):
        tablet.post(xml)
    asked, version_of = [], statements.version_of

    def not_here_yet(arrival, instance_id):
        """The first look happens before the other delivery is committed."""
        asked.append(instance_id)
        return None if len(asked) == 1 else version_of(arrival, instance_id)

    monkeypatch.setattr(statements, "version_of", not_here_yet)
    assert tablet.post(original).status_code == 201
    assert rows(quarantine) == 0


def test_what_the_driver_says_of_the_doors_own_statements_is_told_apart(store, aftercare):
    def fails(statement: str):
        with store.database.begin(aftercare) as tx, tx.connection.cursor() as cursor:
            cursor.execute(statement)

    raising = "DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{}'; END $$"
    for state in ("23505", "40P01", "40001", "22003"):
        with pytest.raises(sa.exc.DBAPIError) as caught:
            fails(raising.format(state))
        assert caught.value.orig.sqlstate == state
    for state in ("53300", "25006", "57P03", "08006"):
        with pytest.raises(DatabaseUnreachable):
            fails(raising.format(state))
    for state in ("53100", "58030"):
        with pytest.raises(StorageFull):
            fails(raising.format(state))


def test_a_case_is_reached_by_its_code_whatever_the_code_holds(app, store, tablet, publish, person):
    publish(PERSON.replace("${given}", "${case_code}").replace("${how}", "${risk}"))
    told = {"A/../B?c#d": "Slash", "A": "Plain", "A-2": "Numbered", "..": "Dots", "กข 1%": "Thai"}
    for code, pseudonym in [*told.items(), ("A", "Second")]:
        tablet.post(person_xml(pseudonym, str(uuid.uuid4()), case_code=code, pseudonym=pseudonym, risk="low"))
    reader = signed_in(app, store, person("coordinator"))
    addresses = set(re.findall(r'href="(/cases/[^"?]+)"', reader.page("/cases")))
    assert len(addresses) == len(told) + 1
    pages = [reader.page(html.unescape(address)) for address in addresses]
    for pseudonym in (*told.values(), "Second"):
        assert sum(pseudonym in page for page in pages) == 1, pseudonym


def test_what_meets_a_fault_of_ours_is_kept_and_taken_once_that_is_mended(tablet, publish, rows, store, aftercare, monkeypatch, caplog):
    publish(NOTE)

    def broken(*_):
        raise KeyError("".join(("hel", "lo")))

    monkeypatch.setattr(deliveries, "receive", broken)
    for _ in range(2):
        answer = tablet.post(note(photo="1.jpg"), {"1.jpg": b"picture"})
        assert answer.status_code == 500 and "OpenRosaResponse" in answer.text and "เก็บไว้" in answer.text
    assert "hello" not in caplog.text and "KeyError" in caplog.text
    assert rows(quarantine, problem="delivery-stuck", times=2) == 1
    monkeypatch.undo()
    with store.database.begin(aftercare) as tx:
        deliveries.replay(tx, store, aftercare, tx.scalar(sa.select(quarantine.c.id)))
    assert rows(submission) == rows(submission_attachment, state="verified") == 1


def test_what_is_refused_over_and_over_leaves_its_files_once(tablet, publish, rows, settings):
    publish(NOTE)
    for _ in range(3):
        assert tablet.post(note(form="nowhere", photo="1.jpg"), {"1.jpg": b"picture"}).status_code == 404
    assert rows(quarantine, times=3) == 1
    assert len([one for one in (settings.data_dir / "blobs").rglob("*") if one.is_file()]) == 1


# What a tablet keeps of people that are no longer its worker's

def hash_of(tablet, form="visit", name="survivors.csv"):
    found = re.search(rf"<filename>{re.escape(name)}</filename>\s*<hash>(.*?)</hash>", tablet.get(f"forms/{form}/manifest").text)
    return found[1]


def test_two_people_who_change_places_change_the_hash_of_a_list(store, aftercare, new_tablet, person):
    nok, mai = person("field_staff", "Nok"), person("field_staff", "Mai")
    tablet = new_tablet("Of Nok", nok.id)
    for code, worker in (("KTR-MDV-QHT", nok), ("BCD-FGH-JKC", mai)):
        Field(store, aftercare, code=code).intake(by=worker)
    before, list_before = hash_of(tablet), tablet.get("forms/visit/attachments/survivors.csv").text
    with store.database.begin(aftercare) as tx:
        tx.execute(cases.update().values(worker=sa.case((cases.c.worker == nok.id, mai.id), else_=nok.id)))
    assert tablet.get("forms/visit/attachments/survivors.csv").text != list_before
    assert hash_of(tablet) != before


def test_a_tablet_that_sent_something_about_a_colleagues_person_asks_anew_and_is_told_that_they_are_gone(store, aftercare, new_tablet, person):
    nok, mai = person("field_staff", "Nok"), person("field_staff", "Mai")
    tablet, case = new_tablet("Of Mai", mai.id), Field(store, aftercare)
    case.intake(by=nok)
    before = hash_of(tablet)
    case.visit(by=mai)
    assert hash_of(tablet) != before
    assert case.survivor not in tablet.get("forms/visit/attachments/survivors.csv").text
    assert "<deleted>true</deleted>" in tablet.get(f"entity-lists/survivors/integrity?id={case.survivor}").text


def test_a_person_who_turns_out_to_be_a_colleagues_leaves_the_lists_of_the_first_with_a_hash_that_never_was(store, aftercare, new_tablet, person):
    nok, mai = person("field_staff", "Nok"), person("field_staff", "Mai")
    tablet, case = new_tablet("Of Nok", nok.id), Field(store, aftercare)

    def of_grants():
        return hash_of(tablet, "fund_receipt", "grants.csv")

    hashes = [of_grants()]
    case.request(by=nok)  # the intake is still on the other tablet
    hashes.append(of_grants())
    case.intake(by=mai)
    hashes.append(of_grants())
    assert len(set(hashes)) == 3
    assert tablet.get("forms/fund_receipt/attachments/grants.csv").text.count("\n") == 1


def test_what_does_not_say_whose_it_is_goes_to_no_tablet(store, aftercare, new_tablet, person):
    tablet, case = new_tablet("Of Nok", person("field_staff", "Nok").id), Field(store, aftercare)
    case.request(by=person("field_staff", "Mai"))
    with store.database.begin(aftercare) as tx:
        tx.execute(entity.update().where(entity.c.list == "grants").values(case_id=None))
    assert tablet.get("forms/fund_receipt/attachments/grants.csv").text.count("\n") == 1


# Where a stranger may be

def offers(app, **environ):
    return app.test_client().get("/sign-in", environ_overrides=environ)


def test_one_click_is_offered_to_a_browser_on_this_machine_alone(app, person):
    person("coordinator", "Ploy W.")
    here = {"REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "localhost:8000", "SERVER_PROTOCOL": "HTTP/1.1"}
    assert "Ploy W." in offers(app, **here).text
    for stranger in (
        {"REMOTE_ADDR": "192.0.2.7"}, {"HTTP_HOST": "evil.example.org"}, {"HTTP_X_FORWARDED_FOR": "127.0.0.1"},
        {"HTTP_X_FORWARDED_HOST": "localhost"}, {"HTTP_FORWARDED": "for=127.0.0.1"}, {"HTTP_X_REAL_IP": "127.0.0.1"},
        {"HTTP_CF_CONNECTING_IP": "192.0.2.7"}, {"HTTP_VIA": "1.1 proxy"},
        {"SERVER_PROTOCOL": "HTTP/1.0"},  # nginx as it is installed: no header, the host of its upstream
        {"HTTP_HOST": "127.0.0.1.evil.example.org"}, {"HTTP_HOST": "localhost@evil.example.org"},
    ):
        assert "Ploy W." not in offers(app, **(here | stranger)).text, stranger


def test_one_click_is_not_offered_where_the_installation_has_an_address_of_its_own(store, person):
    from web.app import create_app

    person("coordinator", "Ploy W.")
    for base, offered in (("https://namjai.example.org", False), ("http://127.0.0.1:8000", True)):
        app = create_app(dataclasses.replace(store, settings=store.settings.model_copy(update={"base_url": base})))
        assert ("Ploy W." in offers(app, HTTP_HOST="localhost", SERVER_PROTOCOL="HTTP/1.1").text) is offered, base


@pytest.mark.parametrize("wanted", [
    "//evil.example.org", "/\\evil.example.org", "https://evil.example.org", "/\t/evil.example.org", "\\\\evil.example.org", "/\r\n/evil.example.org",
    " //evil.example.org", "javascript:alert(1)", "/%09/evil.example.org", "///evil.example.org", "/.//evil.example.org",
])
def test_nobody_is_led_to_another_site_after_signing_in(app, store, person, wanted):
    from web.sign_in import trial_link

    path = trial_link(store, person("coordinator").id)
    answer = app.test_client().get(path + "&next=" + urllib.parse.quote(wanted))
    location = urllib.parse.urlsplit(urllib.parse.urljoin("http://localhost/sign-in/link", re.sub(r"[\t\r\n]", "", answer.headers["Location"]).replace("\\", "/")))
    assert answer.status_code == 303 and location.hostname == "localhost", answer.headers["Location"]


def test_addresses_that_a_tablet_is_told_can_be_followed_whatever_a_form_is_called(tablet, publish, store, aftercare):
    from conftest import compile_markdown

    from cases.publishing import publish as publish_version

    compiled = compile_markdown(NOTE.replace("note    | 20", "a b-ก%2F | 20"))
    with store.database.begin(aftercare) as tx:
        publish_version(tx, store, aftercare, compiled, programme=None)
    listed = re.findall(r"<downloadUrl>(.*?)</downloadUrl>", tablet.get("formList").text)
    assert listed and all(one.isascii() and " " not in one for one in listed)
    for address in listed:
        path = urllib.parse.urlsplit(html.unescape(address)).path
        assert tablet.client.get(path).status_code == 200, path


def test_an_addresss_host_is_never_markup_in_what_a_tablet_reads(tablet):
    answer = tablet.client.get(f"/key/{tablet.token}/formList", headers={"Host": 'x"><evil/>'})
    assert "<evil/>" not in answer.text


def test_what_is_hashed_now_is_hashed_by_the_newest_key_and_an_old_hash_by_its_own() -> None:
    from store.keys import Keyring

    ring = Keyring({1: b"o" * 32}, {("audit", 2): b"b" * 32, ("audit", 1): b"a" * 32})
    assert ring.purpose_version("audit") == 2
    assert ring.hash("audit", "x") == ring.hash_by("audit", 2, "x") != ring.hash_by("audit", 1, "x")
