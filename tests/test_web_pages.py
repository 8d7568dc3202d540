"""The pages as people use them: review, decide, take back, comment; grants, letters, forms, tablets; errors that say what to do."""
from __future__ import annotations

import datetime as dt
import re
import uuid
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from conftest import workbook_of
from flask import Flask
from readers import Field, Reader, events, problem_in, signed_in

from cases import timeline
from cases.letters import today_in
from exports import paper, printing
from store import tables
from store.actor import Actor
from store.opening import Store


@pytest.fixture
def worker(person: Callable[..., Actor]) -> Actor:
    return person("field_staff", "Nok P.", "north")


@pytest.fixture
def desk(store: Store, aftercare: Actor, worker: Actor) -> Field:
    made = Field(store, aftercare, team="north")
    made.intake(by=worker, **{"safety/safe_never": "Never call at night."})
    return made


@pytest.fixture
def coordinator(app: Flask, store: Store, person: Callable[..., Actor]) -> Reader:
    return signed_in(app, store, person("coordinator", "Ploy W.", "north"))


@pytest.fixture
def state(store: Store, aftercare: Actor) -> Callable[[uuid.UUID], tuple[str, int]]:
    def ask(submission: uuid.UUID) -> tuple[str, int]:
        with store.database.begin(aftercare) as tx:
            row = tx.execute(sa.select(tables.submission).where(tables.submission.c.id == submission)).one()
        return row.review_state, row.row_version

    return ask


# Reading

@pytest.mark.parametrize("sharing", [{"consent/consent_sharing": "limited", "consent/share_with": "lawyer"}, {}])
def test_what_must_not_be_shared_stands_on_the_case_whatever_else_was_answered(
    app: Flask, store: Store, aftercare: Actor, coordinator: Reader, worker: Actor, person: Callable[..., Actor],
    sharing: dict[str, str],
) -> None:
    desk = Field(store, aftercare, team="north", code="KTR-MDV-QHT", survivor=str(uuid.uuid4()))
    desk.intake(by=worker, **{"consent/withhold": "Where she lives", "consent/consent_services": "yes", **sharing})
    assert "never share: Where she lives" in coordinator.page(f"/cases/{desk.code}")
    paying = signed_in(app, store, person("finance")).page(f"/cases/{desk.code}")
    assert "Where she lives" not in paying and "more may be withheld" in paying, "who may not see it is told to ask"


def test_a_grant_that_was_picked_reads_as_pages_write_sums_and_days(coordinator: Reader, desk: Field, worker: Actor, person: Callable[..., Actor]) -> None:
    grant = desk.request(worker, amount="12000")
    desk.approve(grant, person("director"), role="director")
    sent = desk.receipt(grant, by=worker).submission_id
    assert "· ฿12,000 ·" in coordinator.page(f"/submissions/{sent}") and "· 12,000\u00a0บาท ·" in coordinator.page(f"/submissions/{sent}?lang=th")


@pytest.mark.parametrize("lang", ["en", "th"])
def test_a_submission_reads_as_its_form_asks(coordinator: Reader, desk: Field, worker: Actor, lang: str) -> None:
    desk.visit(by=worker)
    page = coordinator.page(f"/submissions/{desk.form['visit']}?lang={lang}")
    asked, answer = {"en": ("Where did you meet?", "Shelter"), "th": ("พบกันที่ไหน", "สถานคุ้มครอง")}[lang]
    assert answer in page and "She sleeps better." in page and ("Aunt or uncle" in page or lang == "th")
    assert page.index("KTR-MDV-QHT") < page.index(answer) < page.index("She sleeps better.")
    assert f'lang="{lang}"' in page and (asked in page or lang == "th")


def test_what_an_edit_changed_stands_beside_what_it_was(coordinator: Reader, desk: Field, worker: Actor, state: Callable) -> None:
    first = f"uuid:{uuid.uuid4()}"
    desk.visit(by=worker, instance_id=first, observed="She sleeps badly.")
    submission = desk.form["visit"]
    coordinator.post(f"/submissions/{submission}/review", {"state": "approved", "revision": state(submission)[1]})
    desk.visit(by=worker, deprecated=first, observed="She sleeps well.")
    assert state(submission)[0] == "edited"
    page = coordinator.page(f"/submissions/{submission}")
    assert re.search(r"<del>.*She sleeps badly\.</del>", page) and re.search(r"<ins>.*She sleeps well\.</ins>", page)
    assert "Version 2 changes one answer" in page and "of the one approved" in page
    only = coordinator.page(f"/submissions/{submission}?changes=1")
    assert "She sleeps well." in only and "Shelter" not in only


def test_a_person_added_to_a_visit_is_the_only_row_among_the_changes(coordinator: Reader, desk: Field, worker: Actor, state: Callable) -> None:
    first = f"uuid:{uuid.uuid4()}"
    answers = {"visit/survivor": desk.survivor, "visit/visit_date": "2026-11-20", "people[1]/relation": "aunt_uncle", "people[1]/stayed": "yes"}
    desk.take("visit", answers, "", by=worker, instance_id=first)
    submission = desk.form["visit"]
    coordinator.post(f"/submissions/{submission}/review", {"state": "approved", "revision": state(submission)[1]})
    added = answers | {"people[2]/relation": "friend", "people[2]/stayed": "yes"}
    desk.take("visit", added, "", by=worker, deprecated=first)
    only = coordinator.page(f"/submissions/{submission}?changes=1")
    assert '<th scope="row">2</th>' in only and '<th scope="row">1</th>' not in only and "Aunt or uncle" not in only
    assert re.search(r"<ins>.*Friend</ins>", only)


def test_the_timeline_tells_what_happened_newest_first(coordinator: Reader, desk: Field, worker: Actor) -> None:
    desk.visit(by=worker, visit_date="2026-11-10", observed="The earlier visit.")
    desk.visit(by=worker, visit_date="2026-11-20", observed="The later visit.")
    page = coordinator.page(f"/cases/{desk.code}")
    assert page.index("The later visit.") < page.index("The earlier visit.") < page.index("Stage: Report, rescue") or "Stage: Report, rescue" in page
    assert "The later visit." not in coordinator.page(f"/cases/{desk.code}?kind=money")


def test_the_timeline_says_of_a_grant_what_it_was_for_and_how_much(coordinator: Reader, desk: Field, worker: Actor, person: Callable[..., Actor]) -> None:
    grant = desk.request(worker)
    desk.approve(grant, person("coordinator", "Krit"))
    events = coordinator.page(f"/cases/{desk.code}?kind=money")
    assert re.search(r"Grant approved</.{0,200}Scholarship · ฿3,500", events, re.DOTALL)


def test_the_timeline_has_a_letter_after_its_approval(coordinator: Reader, desk: Field, worker: Actor, person: Callable[..., Actor]) -> None:
    number = desk.approve(desk.request(worker), person("coordinator", "Krit")).number
    page = coordinator.page(f"/cases/{desk.code}?kind=money")
    assert page.index(f"Letter {number} issued") < page.index("Grant approved"), "newest first"


def test_a_letter_that_was_stored_before_its_approval_stands_after_it_all_the_same() -> None:
    day, ids = dt.date(2026, 11, 20), sorted(uuid.uuid4() for _ in range(3))
    kinds = [("grant.approved", {"letter": "AC-L-2026-0002"}), ("letter.issued", {"number": "AC-L-2026-0002"}), ("letter.issued", {"number": "AC-L-2026-0001"})]
    rows = [("action", day, one, SimpleNamespace(kind=kind, data=data)) for one, (kind, data) in zip(reversed(ids), kinds, strict=True)]
    shown = [row.data for _, _, _, row in timeline._letters_after_approvals(rows)]
    assert shown == [{"number": "AC-L-2026-0002"}, {"letter": "AC-L-2026-0002"}, {"number": "AC-L-2026-0001"}]
    assert timeline._letters_after_approvals(rows[1:]) == rows[1:]


def test_a_long_timeline_goes_on_without_gap_or_repetition(coordinator: Reader, desk: Field, worker: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeline, "PAGE", 4)
    for n in range(9):
        desk.visit(by=worker, visit_date=f"2026-11-{10 + n // 2:02}", observed=f"Visit number {n}.")
    seen, path = [], f"/cases/{desk.code}?kind=visits"
    while path:
        page = coordinator.page(path)
        seen += re.findall(r"Visit number \d\.", page)
        more = re.search(r'href="(/cases/[^"#]+before=[^"#]+)#time"', page)
        path = more[1].replace("&amp;", "&") if more else None
    assert sorted(seen) == [f"Visit number {n}." for n in range(9)]


def test_what_a_form_does_not_know_is_shown_and_marked(coordinator: Reader, desk: Field, worker: Actor) -> None:
    desk.take("visit", {"visit/survivor": desk.survivor, "visit/visit_date": "2026-11-20", "surprise": "An unknown answer"}, "", by=worker)
    page = coordinator.page(f"/submissions/{desk.form['visit']}")
    assert "An unknown answer" in page and "kept as it came" in page


def test_what_people_wrote_is_never_markup(coordinator: Reader, desk: Field, worker: Actor) -> None:
    desk.visit(by=worker, observed='<script>alert("x")</script>')
    for path in (f"/submissions/{desk.form['visit']}", f"/cases/{desk.code}"):
        page = coordinator.page(path)
        assert "<script>alert" not in page and "&lt;script&gt;alert" in page


# Reviewing

def test_approving_opens_the_next_and_can_be_taken_back(coordinator: Reader, desk: Field, worker: Actor, state: Callable) -> None:
    desk.visit(by=worker)
    first, second = desk.form["intake"], desk.form["visit"]
    answer = coordinator.post(f"/submissions/{first}/review", {"state": "approved", "revision": state(first)[1]})
    assert answer.headers["Location"] == f"/submissions/{second}" and state(first)[0] == "approved"
    page = coordinator.page(f"/submissions/{second}")
    undo = re.search(r'action="(/submissions/[^"]+/undo[^"]+)"', page)
    assert undo and "Approved." in page
    assert coordinator.post(undo[1].replace("&amp;", "&")).status_code == 303
    assert state(first)[0] == "received"
    assert problem_in(coordinator.post(undo[1].replace("&amp;", "&"))) == "changed-meanwhile"


def test_a_message_is_shown_once(coordinator: Reader, desk: Field, state: Callable) -> None:
    coordinator.post(f"/submissions/{desk.form['intake']}/review", {"state": "approved", "revision": state(desk.form["intake"])[1]})
    assert "nj-toast\"" in coordinator.page("/submissions") and "nj-toast\"" not in coordinator.page("/submissions")


def test_sending_back_needs_a_reason_which_the_sender_reads(app: Flask, store: Store, coordinator: Reader, desk: Field, worker: Actor, state: Callable) -> None:
    submission = desk.form["intake"]
    silent = coordinator.post(f"/submissions/{submission}/review", {"state": "has_issues", "revision": state(submission)[1], "reason": " "})
    assert silent.status_code == 400 and "Say why" in silent.get_data(as_text=True) and state(submission)[0] == "received"
    coordinator.post(f"/submissions/{submission}/review", {"state": "has_issues", "revision": state(submission)[1], "reason": "The date is wrong."})
    assert state(submission)[0] == "has_issues"
    assert "The date is wrong." in signed_in(app, store, worker).page(f"/submissions/{submission}")


def test_an_edit_that_came_meanwhile_is_not_approved_unseen(coordinator: Reader, desk: Field, worker: Actor, state: Callable) -> None:
    first = f"uuid:{uuid.uuid4()}"
    desk.visit(by=worker, instance_id=first)
    seen = state(desk.form["visit"])[1]
    desk.visit(by=worker, deprecated=first, observed="Something else.")
    answer = coordinator.post(f"/submissions/{desk.form['visit']}/review", {"state": "approved", "revision": seen})
    assert (answer.status_code, problem_in(answer)) == (409, "changed-meanwhile") and state(desk.form["visit"])[0] == "edited"


def test_nobody_reviews_what_they_sent(app: Flask, store: Store, desk: Field, person: Callable[..., Actor], state: Callable) -> None:
    both = person("coordinator", "Both Things")
    desk.visit(by=both)
    reader = signed_in(app, store, both)
    assert "someone else reviews it" in reader.page(f"/submissions/{desk.form['visit']}")
    answer = reader.post(f"/submissions/{desk.form['visit']}/review", {"state": "approved", "revision": state(desk.form["visit"])[1]})
    assert problem_in(answer) == "own-submission"


@pytest.mark.parametrize("wanted", ["received", "edited", "paid", ""])
def test_a_state_that_nobody_may_set_is_not_there(coordinator: Reader, desk: Field, state: Callable, wanted: str) -> None:
    answer = coordinator.post(f"/submissions/{desk.form['intake']}/review", {"state": wanted, "revision": state(desk.form["intake"])[1]})
    assert answer.status_code == 404 and state(desk.form["intake"]) == ("received", 1)


def test_comments_are_read_by_both_and_lie_encrypted(app: Flask, store: Store, coordinator: Reader, desk: Field, worker: Actor) -> None:
    coordinator.post(f"/submissions/{desk.form['intake']}/comments", {"text": "Which shelter is it?"})
    reader = signed_in(app, store, worker)
    assert "Which shelter is it?" in reader.page(f"/submissions/{desk.form['intake']}")
    with store.database.begin(coordinator.actor) as tx:
        assert b"shelter" not in bytes(tx.scalar(sa.select(tables.comment.c.body)))


def test_the_queue_is_oldest_first_and_a_worker_sees_only_her_own(
    app: Flask, store: Store, aftercare: Actor, coordinator: Reader, desk: Field, worker: Actor, person: Callable[..., Actor]
) -> None:
    other = person("field_staff", "Other There", "south")
    theirs = Field(store, aftercare, code="BCD-FGH-JKC", pseudonym="Nam", team="south")
    theirs.intake(by=other)
    page = coordinator.page("/submissions")
    assert page.index("KTR-MDV-QHT") < page.index("BCD-FGH-JKC")
    own = signed_in(app, store, worker).page("/submissions")
    assert "KTR-MDV-QHT" in own and "BCD-FGH-JKC" not in own


# The rest of the desk

def test_the_way_from_a_request_to_its_printed_letter(app: Flask, store: Store, coordinator: Reader, desk: Field, worker: Actor, person: Callable[..., Actor]) -> None:
    grant = desk.request(worker)
    page = coordinator.page(f"/grants/{grant}")
    revision = re.search(r'name="revision" value="([^"]+)"', page)
    assert revision and "It waits for your approval" in page
    assert coordinator.post(f"/grants/{grant}/decision", {"decision": "approve", "revision": revision[1]}).status_code == 303
    number = desk.letters(grant)[0].number
    assert number in coordinator.page(f"/grants/{grant}")
    waiting = coordinator.get(f"/letters/{number}.pdf")
    assert waiting.status_code == 409 and "not made yet" in waiting.get_data(as_text=True)
    desk.work()
    pdf = coordinator.get(f"/letters/{number}.pdf")
    assert pdf.mimetype == "application/pdf" and pdf.data[:5] == b"%PDF-" and pdf.headers["Cache-Control"] == "no-store"
    assert "frame-ancestors 'self'" in pdf.headers["Content-Security-Policy"]
    page = coordinator.page(f"/letters/{number}")
    # Opening the PDF prints nothing: the letter stays "issued", and for `namjai letters` not yet printed.
    assert "Issued</span>" in page and desk.letters(grant)[0].printed_at is None
    assert desk.data(desk.letters(grant)[0].id).printed_number in page and "QR code" in page and "Receipt slip, page 2" in page
    finance = signed_in(app, store, person("finance"))
    paid = finance.post(f"/grants/{grant}/paid", {"paid_on": today_in("Asia/Bangkok").isoformat(), "how": "cash"})
    assert problem_in(paid) == "changed-meanwhile"
    revision = re.search(r'name="revision" value="([^"]+)"', finance.page(f"/grants/{grant}"))
    assert finance.post(f"/grants/{grant}/paid", {"paid_on": today_in("Asia/Bangkok").isoformat(), "how": "cash", "revision": revision[1]}).status_code == 303
    assert desk.row(grant).state == "paid"


def test_a_grant_without_a_requester_waits_to_be_named_everywhere(app: Flask, store: Store, coordinator: Reader, desk: Field, worker: Actor, person: Callable[..., Actor]) -> None:
    grant = desk.request(None)
    listed = coordinator.page("/grants")
    assert "One needs its requester named before it can be approved." in listed and "Requester to be named" in listed
    assert "Requester to be named" in coordinator.page("/")
    page = coordinator.page(f"/grants/{grant}")
    assert "Waits until the requester is named" in page and "Requester unknown" in page and "Waits for you" not in page
    director = signed_in(app, store, person("director"))
    assert "Nothing waits for your approval." in director.page("/grants") and "Requester to be named" not in director.page("/")
    desk.request(worker)
    listed = coordinator.page("/grants")
    assert "One waits for you: ฿3,500." in listed and "One more needs its requester named first." in listed


def test_a_grant_on_hold_says_what_became_of_its_letter(app: Flask, store: Store, coordinator: Reader, desk: Field, worker: Actor) -> None:
    grant = desk.request(worker)
    number = desk.approve(grant, coordinator.actor).number
    desk.edit(worker, amount="4800")
    page = coordinator.page(f"/grants/{grant}")
    assert f"Letter {number} is void." in page and f'href="/letters/{number}"' in page and "Written when it is approved again" in page
    theirs = signed_in(app, store, worker).page(f"/grants/{grant}")
    assert f"Letter {number} is void." in theirs and f"/letters/{number}" not in theirs
    void = coordinator.page(f"/letters/{number}")
    assert "before the PDF was made. This number is not used again." in void and "Void since" in void
    assert desk.letters()[0].pdf_blob is None and "QR code" not in void and "Number on the paper" not in void


def test_a_refused_grant_quotes_why(coordinator: Reader, desk: Field, worker: Actor) -> None:
    grant = desk.request(worker)
    desk.refuse(grant, coordinator.actor, "The school pays.")
    coordinator.post(f"/grants/{grant}/comments", {"text": "Told her today."})
    assert '<q class="nj-dim">The school pays.</q>' in coordinator.page(f"/grants/{grant}")


def test_the_grants_of_whoever_pays_begin_with_those_to_pay(app: Flask, store: Store, coordinator: Reader, desk: Field, worker: Actor, person: Callable[..., Actor]) -> None:
    approved, waiting = desk.request(worker), desk.request(worker)
    desk.approve(approved, coordinator.actor)
    finance = signed_in(app, store, person("finance"))
    for reader, path, there in ((finance, "/grants", approved), (finance, "/grants?view=waiting", waiting), (coordinator, "/grants", waiting)):
        assert re.findall(r'href="/grants/([0-9a-f-]{36})"', reader.page(path)) == [str(there)]


def test_a_letter_that_failed_is_made_again_from_its_page(app: Flask, store: Store, coordinator: Reader, desk: Field, worker: Actor, person: Callable[..., Actor], monkeypatch: pytest.MonkeyPatch) -> None:
    issued = desk.approve(desk.request(worker), coordinator.actor)
    address = f"/letters/{issued.number}"
    assert "Make the PDF again" not in coordinator.page(address)

    def broken(_: object) -> bytes:
        raise paper.LetterAssetMissing(name="seal.svg")

    with monkeypatch.context() as patch:
        patch.setattr(printing, "render_letter", broken)
        desk.work()
    assert "seal.svg" in coordinator.page(address) and "จัดทำ PDF อีกครั้ง" in coordinator.page(f"{address}?lang=th")
    assert signed_in(app, store, worker).post(f"{address}/again").status_code == 403
    assert coordinator.post(f"{address}/again").headers["Location"] == address
    assert "The letter is being made" in coordinator.page(f"{address}?lang=en") and [one.number for one in desk.letters()] == [issued.number]
    desk.work()
    made = desk.letters()[0].pdf_sha256
    assert made in coordinator.page(address) and coordinator.post(f"{address}/again").status_code == 303
    desk.work()
    assert desk.letters()[0].pdf_sha256 == made and len(events(store, desk.home, "letter.asked_again")) == 1


@pytest.mark.parametrize("role", ["coordinator", "supervisor", "finance", "director"])
def test_today_tells_those_who_see_many_cases_what_is_overdue(
    app: Flask, store: Store, aftercare: Actor, worker: Actor, person: Callable[..., Actor], role: str
) -> None:
    Field(store, aftercare, team="north").intake(by=worker, **{"safety/next_follow_up": "2020-01-02"})
    page = signed_in(app, store, person(role, team="north")).page("/")
    assert re.search(r'class="is-bad">Overdue<b>1</b>', page) and "days over" in page, page[page.index("nj-door"):][:600]


def test_today_begins_with_what_its_reader_must_do(app: Flask, store: Store, coordinator: Reader, desk: Field, worker: Actor, person: Callable[..., Actor]) -> None:
    desk.approve(desk.request(worker, amount="3500"), coordinator.actor)
    paying = signed_in(app, store, person("finance")).page("/")
    assert "One grant is to be paid: ฿3,500." in paying and paying.index('id="pay"') < paying.index('id="due"')
    visiting = signed_in(app, store, worker).page("/")
    assert visiting.index('id="due"') < visiting.index('id="review"') and 'id="pay"' not in visiting
    reviewing = coordinator.page("/")
    assert reviewing.index('id="review"') < reviewing.index('id="due"') and "Start reviewing" in reviewing


def test_the_public_page_knows_a_genuine_letter_and_no_name(app: Flask, coordinator: Reader, desk: Field, worker: Actor, person: Callable[..., Actor]) -> None:
    grant = desk.request(worker)
    issued = desk.approve(grant, person("director"), role="director")
    url = desk.data(issued.id).verify_url
    path = url[url.index("/verify/"):]
    page = app.test_client().get(path).get_data(as_text=True).replace("\u00a0", " ")
    # On trial no letter may look like one to rely on.
    assert "This is a trial letter" in page and "must not be relied on" in page and "genuine</h1>" not in page
    assert "Fah" not in page and "สมมติ" not in page
    for said in (desk.data(issued.id).printed_number, "฿3,500", str(today_in("Asia/Bangkok").year)):
        assert said in page, "what the paper says that scanning shows"
    assert "No such letter is known" in app.test_client().get(path[:-4] + "AAAA").get_data(as_text=True)


def test_an_enrolled_tablet_gets_a_code_that_collect_reads(app: Flask, store: Store, coordinator: Reader, worker: Actor) -> None:
    answer = coordinator.post("/tablets/new", {"name": "Tablet 8", "user": str(worker.id)})
    page = answer.get_data(as_text=True)
    assert answer.headers["Cache-Control"] == "no-store" and "<svg" in page and "style=" not in page
    url = re.search(r"(http://[^<\s\"]+/key/[^<\s\"]+)", page)
    assert url and app.test_client().get(url[1].partition("localhost")[2] + "/formList").status_code == 200
    assert "cannot reach this address yet" in page
    assert url[1] not in coordinator.page("/tablets")
    assert coordinator.post("/tablets/new", {"name": "Tablet 8"}).status_code == 409


def test_a_revoked_tablet_is_out_at_once(app: Flask, coordinator: Reader, tablet: Any) -> None:
    assert tablet.get("formList").status_code == 200
    assert "Revoke Tablet 1?" in coordinator.page(f"/tablets/{tablet.id}/revoke")
    coordinator.post(f"/tablets/{tablet.id}/revoke")
    assert tablet.get("formList").status_code == 403


def test_tablets_that_sent_today_are_some_of_those_in_use(store: Store, aftercare: Actor, coordinator: Reader, desk: Field, tablet: Any) -> None:
    with store.database.begin(aftercare) as tx:
        tx.execute(tables.submission.update().values(app_user_id=tablet.id))

    def door() -> str:
        found = re.search(r"Sent today<b>(\d+)<small>of (\d+)", coordinator.page("/"))
        return " of ".join(found.groups())

    assert door() == "1 of 1"
    coordinator.post(f"/tablets/{tablet.id}/revoke")
    assert door() == "0 of 0"


def test_an_address_that_nobody_knows_keeps_the_menu_of_whoever_is_signed_in(app: Flask, coordinator: Reader, desk: Field) -> None:
    page = coordinator.get("/review/of/nothing").get_data(as_text=True)
    assert problem_in(coordinator.get("/review/of/nothing")) == "not-found"
    assert "Back to Today" in page and 'href="/cases"' in page and "Ploy W." in page
    stranger = app.test_client().get("/review/of/nothing").get_data(as_text=True)
    assert "Back to Today" not in stranger and 'href="/cases"' not in stranger


def test_what_no_list_holds_says_which_list(coordinator: Reader, desk: Field) -> None:
    assert "Nothing was sent back" in coordinator.page("/submissions?state=has_issues")
    assert "Nothing was rejected" in coordinator.page("/submissions?state=rejected")
    assert "Nothing in this view" in coordinator.page("/cases?view=mine") and "No case yet" not in coordinator.page("/cases?view=mine")
    assert "No tablet was revoked" in coordinator.page("/tablets?revoked=1")


def test_a_sample_visit_arrives_in_the_queue(coordinator: Reader, desk: Field) -> None:
    before = coordinator.page("/submissions").count("Visit</a>")
    assert coordinator.post("/tablets/sample").status_code == 303
    assert coordinator.page("/submissions").count("Visit</a>") == before + 1


FORM = """
| survey |
|        | type    | name  | label    |
|        | text    | told  | What     |
|        | {type}  | how   | How many |
| settings |
|          | form_id | version   |
|          | weekly  | {version} |
"""


def upload(reader: Reader, content: bytes) -> str:
    import io

    answer = reader.post("/forms/upload", {"file": (io.BytesIO(content), "weekly.xlsx")}, content_type="multipart/form-data")
    assert answer.status_code == 303
    return reader.page("/forms")


def test_a_form_is_uploaded_checked_compared_and_published(coordinator: Reader, desk: Field) -> None:
    page = upload(coordinator, workbook_of(FORM.format(type="integer", version="1")))
    assert "A new form with 2 questions" in page and "Publish 1" in page
    waiting = re.search(r'name="upload" value="([^"]+)"', page)
    assert coordinator.post("/forms/publish", {"upload": waiting[1]}).headers["Location"] == "/forms/weekly"
    assert "How many" in coordinator.page("/forms/weekly")
    page = upload(coordinator, workbook_of(FORM.format(type="text", version="2")))
    assert "int → string" in page
    assert problem_in(coordinator.post("/forms/publish", {"upload": waiting[1]})) == "form-upload-gone"


def test_a_form_with_errors_says_where_and_cannot_be_published(coordinator: Reader, desk: Field) -> None:
    page = upload(coordinator, workbook_of(FORM.format(type="nonsense", version="1")))
    assert "nj-problems" in page and "disabled" in page and "survey" in page
    assert "weekly" not in re.findall(r'href="/forms/([^"#]+)"', page)


def test_a_file_that_is_no_spreadsheet_is_told_so(coordinator: Reader, desk: Field) -> None:
    assert "disabled" in upload(coordinator, b"this is no workbook")
    empty = coordinator.post("/forms/upload", {})
    assert empty.status_code == 400 and "Choose a spreadsheet" in empty.get_data(as_text=True)


def test_how_pages_look_is_kept_with_the_person(coordinator: Reader) -> None:
    coordinator.post("/me", {"language": "th", "theme": "dark"})
    page = coordinator.page("/cases")
    assert '<html lang="th" data-bs-theme="dark">' in page and 'data-keys="off"' in page
    coordinator.page("/cases?lang=en")
    assert '<html lang="en"' in coordinator.page("/cases")


# Errors, headers, health

def test_every_answer_carries_the_policies(app: Flask, coordinator: Reader, desk: Field) -> None:
    for answer in (coordinator.get("/"), coordinator.get("/nothing"), app.test_client().get("/sign-in"), app.test_client().get("/healthz")):
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"] and "unsafe" not in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff" and answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"] == "no-store"


def test_files_of_the_pages_are_kept_for_ever_under_their_hash(app: Flask, coordinator: Reader) -> None:
    path = re.search(r'href="(/static/css/tokens\.css\?v=[0-9a-f]{12})"', coordinator.page("/me"))
    assert path and "immutable" in app.test_client().get(path[1]).headers["Cache-Control"]
    assert "immutable" not in app.test_client().get("/static/css/tokens.css?v=other").headers["Cache-Control"]


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nothing", 404), ("PUT", "/cases", 405), ("GET", "/submissions/not-a-uuid", 404), ("GET", "/static/../app.py", 404)])
def test_what_is_not_there_is_told_in_a_sentence(coordinator: Reader, method: str, path: str, status: int) -> None:
    answer = coordinator.client.open(path, method=method)
    page = answer.get_data(as_text=True)
    assert answer.status_code == status and "<h1" in page and "Traceback" not in page and "Werkzeug" not in page


def test_too_large_a_form_is_refused(coordinator: Reader) -> None:
    answer = coordinator.post("/me", {"language": "x" * 3_000_000})
    assert answer.status_code == 413 and "larger than" in answer.get_data(as_text=True)


def test_an_unforeseen_error_tells_a_number_and_no_secret(app: Flask, coordinator: Reader, desk: Field, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    from cases import casepage

    name = " ".join(("a name", "that should not be told"))

    def breaks(*_: object) -> None:
        raise ValueError(name)

    monkeypatch.setattr(casepage, "seen", breaks)
    answer = coordinator.get(f"/cases/{desk.code}")
    page = answer.get_data(as_text=True)
    number = re.search(r"N500-[0-9a-f]{6}", page)
    assert answer.status_code == 500 and number and number[0] in caplog.text
    assert name not in page + caplog.text and "Traceback" not in page


def test_a_page_that_fails_leaves_no_event_behind(coordinator: Reader, store: Store, desk: Field, monkeypatch: pytest.MonkeyPatch) -> None:
    coordinator.get("/cases/XXX-XXX-XXX")
    assert events(store, coordinator.actor, "case.opened") == []


def test_health_says_whether_the_database_answers(app: Flask, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    client = app.test_client()
    assert client.get("/healthz").data == b"ok\n" and client.get("/readyz").status_code == 200
    assert client.get("/metrics").status_code == 404

    def unreachable(*_: object, **__: object) -> None:
        from namjai.problems import DatabaseUnreachable

        raise DatabaseUnreachable()

    monkeypatch.setattr(type(store.database), "begin", unreachable)
    assert client.get("/healthz").status_code == 200 and client.get("/readyz").status_code == 503
    page = client.get("/cases", headers={"Cookie": "namjai=x"})
    assert page.status_code == 503 and "The database does not answer" in page.get_data(as_text=True)


def test_a_page_without_its_shell_is_what_scripts_ask_for(coordinator: Reader, desk: Field) -> None:
    part = coordinator.get("/cases", headers={"HX-Request": "true"}).get_data(as_text=True)
    assert 'id="results"' in part and "<html" not in part


@pytest.mark.parametrize("role", ["field_staff", "therapist", "coordinator", "supervisor", "finance", "legal", "director", "donor_liaison", "auditor", "admin"])
@pytest.mark.parametrize("lang", ["en", "th"])
def test_no_page_links_to_what_its_reader_may_not_open(app: Flask, store: Store, desk: Field, worker: Actor, person: Callable[..., Actor], role: str, lang: str) -> None:
    desk.visit(by=worker)
    desk.request(worker)
    reader = signed_in(app, store, person(role, team="north"))
    seen, waiting = set(), [f"/?lang={lang}"]
    while waiting and len(seen) < 60:
        path = waiting.pop(0)
        answer = reader.get(path)
        assert answer.status_code == 200, (path, answer.status_code, problem_in(answer))
        seen.add(path)
        for link in re.findall(r'(?:href|src)="(/[^"#]*)', answer.get_data(as_text=True)) if answer.mimetype == "text/html" else []:
            link = link.replace("&amp;", "&")
            if not link.startswith("/static") and link not in seen and link not in waiting:
                waiting.append(link)
