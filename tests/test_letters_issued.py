"""Letters of grants: numbered in the approval's own transaction, frozen, printed once, verified by anybody."""
from __future__ import annotations

import datetime as dt
import hashlib
import io
import threading
import uuid
from collections.abc import Callable
from dataclasses import replace

import pytest
import sqlalchemy as sa
from grant_desk import PURPOSE, Desk
from pypdf import PdfReader

from cases import letters, verification
from cases.grant_problems import (
    GrantAddressTooLong,
    LetterAddressUnset,
    LetterChanged,
    LetterheadMissing,
    LetterNotPrintedYet,
    LetterVoidAlready,
    LetterWordingMissing,
    LetterWordingUnchecked,
)
from cases.letter_data import language_of
from exports import paper, printing
from namjai.languages import Words
from namjai.problems import NotFound, Problem
from odk.programme import LetterRule
from odk.wording_problems import PlaceholderEmpty
from store import tables
from store.actor import NOBODY, Actor
from store.blobs import BlobMissing
from store.keys import KeyMissing
from store.opening import Store

YEAR = letters.today_in("Asia/Bangkok").year


@pytest.fixture
def worker(person: Callable[..., Actor]) -> Actor:
    return person("field_staff", "Nok")


@pytest.fixture
def coordinator(person: Callable[..., Actor]) -> Actor:
    return person("coordinator", "Ploy")


@pytest.fixture
def desk(store: Store, aftercare: Actor, worker: Actor) -> Desk:
    made = Desk(store, aftercare)
    made.intake(worker)
    return made


@pytest.fixture
def real(desk: Desk) -> Desk:
    """The same desk where letters count."""
    settings = desk.store.settings.model_copy(update={"demo": False, "base_url": "https://letters.example.org"})
    return replace(desk, store=replace(desk.store, settings=settings))


def reword(desk: Desk, letter: str, language: str, old: str, new: str) -> None:
    """Somebody installs a programme with another wording."""
    table = tables.wording
    one = (table.c.letter == letter, table.c.language == language)
    with desk.store.database.begin(desk.home) as tx:
        text = tx.scalar(sa.select(table.c.content).where(*one))
        assert old in text
        tx.execute(table.update().where(*one).values(content=text.replace(old, new)))


def pdf(desk: Desk, letter: uuid.UUID) -> bytes:
    with desk.store.database.begin(desk.home) as tx:
        return letters.pdf_of(tx, desk.store, desk.project, letter)


def verified(desk: Desk, number: str, k: str) -> verification.Verified:
    with desk.store.database.begin(NOBODY) as tx:
        return verification.look_up(tx, desk.store.keyring, number, k)


# Numbers


def test_on_trial_a_letter_never_takes_a_number_of_the_real_series(desk: Desk, real: Desk, worker: Actor, coordinator: Actor) -> None:
    on_trial = [desk.approve(desk.request(worker), coordinator).number for _ in range(2)]
    counts = real.approve(real.request(worker), coordinator).number
    assert on_trial == [f"AC-T-{YEAR}-0001", f"AC-T-{YEAR}-0002"]
    assert counts == f"AC-L-{YEAR}-0001"
    assert {one.number: one.series for one in desk.letters()} == {**dict.fromkeys(on_trial, "trial"), counts: "real"}
    assert all("ทดลอง" in desk.data(one.id).printed_number for one in desk.letters() if one.series == "trial")
    assert desk.data(next(one.id for one in desk.letters() if one.series == "real")).printed_number.startswith("ทศ ๐๐๐๑/")


def test_only_what_does_not_count_is_marked_as_a_trial(desk: Desk, real: Desk, worker: Actor, coordinator: Actor) -> None:
    trial, counts = desk.approve(desk.request(worker), coordinator), real.approve(real.request(worker), coordinator)
    desk.work()
    text = {one.id: PdfReader(io.BytesIO(pdf(desk, one.id))).pages[0].extract_text() for one in (trial, counts)}
    assert "ทดลอง" in text[trial.id] and "ทดลอง" not in text[counts.id]


def test_eight_approvals_at_once_leave_no_gap(desk: Desk, worker: Actor, coordinator: Actor) -> None:
    asked = [desk.request(worker) for _ in range(8)]
    desk.request(worker, recipient="")  # one more that is never approved
    ready, told = threading.Barrier(8), []

    def decide(grant: uuid.UUID) -> None:
        ready.wait()
        told.append(desk.approve(grant, coordinator).number)

    threads = [threading.Thread(target=decide, args=(one,)) for one in asked]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(told) == [f"AC-T-{YEAR}-{count:04d}" for count in range(1, 9)] == [one.number for one in desk.letters()]


def test_an_approval_that_is_rolled_back_gives_its_number_back(desk: Desk, worker: Actor, coordinator: Actor) -> None:
    from cases import grants

    grant = desk.request(worker)
    row = desk.row(grant)
    with pytest.raises(RuntimeError), desk.store.database.begin(coordinator) as tx:
        grants.approve(tx, desk.store, coordinator, grant, role="coordinator", row_version=row.row_version, seen_content=bytes(row.content))
        raise RuntimeError("the power goes")
    assert desk.row(grant) == row and not desk.letters()
    assert desk.approve(grant, coordinator).number.endswith("-0001")
    desk.work()
    assert [one.pdf_blob is not None for one in desk.letters()] == [True]


# What it says


def test_a_thai_letter_says_what_was_asked_and_approved(desk: Desk, worker: Actor, coordinator: Actor) -> None:
    grant = desk.request(worker)
    letter = desk.data(desk.approve(grant, coordinator).id)
    assert (letter.kind, letter.language, letter.amount, letter.trial) == ("scholarship_letter", "th", 350000, True)
    assert letter.date == letters.today_in("Asia/Bangkok").isoformat()
    assert letter.values == {"th": {
        "recipient": "คุณตัวอย่าง", "purpose": PURPOSE, "term": "ภาคเรียนที่ 2 ปีการศึกษา 2569", "payment": "มอบเงินสดแก่ท่าน",
        "school": "โรงเรียนสมมติวิทยา", "payee": "นางสาวสมมติ ตัวอย่างดี", "payee_id": "XX0000000", "kind": "ทุนการศึกษา",
        "request_number": desk.row(grant).number,
    }}
    assert letter.dates == {"request_date": "2026-11-12", "pay_by": "2099-11-30", "return_by": "2099-12-14"}
    assert letter.window.lines == ("คุณตัวอย่าง", "99 หมู่ 9 ถนนสมมติ", "ตำบลตัวอย่าง อำเภอสมมติ", "50000")
    assert letter.receipt and set(letter.receipt) == {"th"}


def test_an_english_letter_that_is_handed_over_has_no_address(desk: Desk, worker: Actor, coordinator: Actor) -> None:
    grant = desk.request(
        worker, kind="cash", language="en", delivery="hand", address="", recipient="", purpose="food and rent", term_words="",
        payment_words="hand you the money in cash", school_name="",
    )
    letter = desk.data(desk.approve(grant, coordinator, condition="Keep the ticket.").id)
    assert (letter.kind, letter.language) == ("grant_letter", "en")
    assert letter.values["en"]["recipient"] == letter.values["en"]["payee"] == "Miss Sommut Tuayangdee"
    assert letter.values["en"]["condition"] == "Keep the ticket."
    assert letter.window.lines == () and letter.window.return_line == ""


def test_money_for_somebody_else_names_them_and_not_the_persons_number(desk: Desk, worker: Actor, coordinator: Actor) -> None:
    grant = desk.request(worker, payee_relation="guardian", payee="นางป้า ตัวอย่าง")
    values = desk.data(desk.approve(grant, coordinator).id).values["th"]
    assert values["payee"] == "นางป้า ตัวอย่าง" and "payee_id" not in values


def test_a_day_that_has_gone_by_is_not_promised(desk: Desk, worker: Actor, coordinator: Actor) -> None:
    letter = desk.data(desk.approve(desk.request(worker, needed_by="2026-01-01"), coordinator).id)
    assert letter.dates["pay_by"] == letter.date


def test_the_newest_name_that_the_office_keeps_is_the_one_on_the_letter(desk: Desk, worker: Actor, coordinator: Actor) -> None:
    desk.take(
        "intake", {"who/known": desk.survivor, "consent/consent_date": "2026-11-20", "identity/identity_now": "yes",
                   "identity/person/given_name": "ชื่อใหม่"},
        f'<entities:entity dataset="survivors" id="{desk.survivor}" update="1" baseVersion="1"/>', by=worker,
    )
    values = desk.data(desk.approve(desk.request(worker), coordinator).id).values["th"]
    assert values["payee"] == "ชื่อใหม่", "and nothing of the older one is mixed in"


# Fail closed


@pytest.mark.parametrize(("answers", "problem"), [
    ({"purpose": ""}, PlaceholderEmpty), ({"payment_words": ""}, PlaceholderEmpty), ({"term_words": " "}, PlaceholderEmpty),
    ({"address": "1\n2\n3\n4\n5"}, GrantAddressTooLong),
])
def test_a_letter_that_cannot_be_written_refuses_the_approval(desk: Desk, worker: Actor, coordinator: Actor, answers: dict[str, str], problem: type[Problem]) -> None:
    grant = desk.request(worker, **answers)
    before = desk.row(grant)
    with pytest.raises(problem):
        desk.approve(grant, coordinator)
    assert desk.row(grant) == before and not desk.letters()
    assert desk.approve(desk.request(worker), coordinator).number.endswith("-0001"), "no number was used"


def test_a_name_nobody_knows_refuses_the_approval(store: Store, aftercare: Actor, worker: Actor, coordinator: Actor) -> None:
    desk = Desk(store, aftercare)
    desk.intake(worker, **{"identity/identity_now": "no", "identity/person/given_name": "", "identity/person/family_name": ""})
    with pytest.raises(PlaceholderEmpty, match="payee"):
        desk.approve(desk.request(worker), coordinator)


def test_a_draft_is_printed_on_trial_and_refused_when_it_counts(desk: Desk, real: Desk, worker: Actor, coordinator: Actor) -> None:
    reword(desk, "receipt", "th", "---\nsubject", "---\ndraft: yes\nsubject")
    grant = desk.request(worker)
    with pytest.raises(LetterWordingUnchecked, match=r"receipt\.th\.md"):
        real.approve(grant, coordinator)
    assert desk.row(grant).state == "requested" and not desk.letters()
    desk.approve(grant, coordinator)


def test_a_missing_wording_or_letterhead_refuses_the_approval(desk: Desk, worker: Actor, coordinator: Actor) -> None:
    grant = desk.request(worker)
    with desk.store.database.begin(desk.home) as tx:
        tx.execute(tables.wording.delete().where(tables.wording.c.language == "th"))
    with pytest.raises(LetterWordingMissing):
        desk.approve(grant, coordinator)
    with desk.store.database.begin(desk.home) as tx:
        definition = tx.scalar(sa.select(tables.program.c.definition))
        tx.execute(tables.program.update().values(definition=definition | {"letterhead": None}, digest="another"))
    with pytest.raises(LetterheadMissing):
        desk.approve(grant, coordinator)
    assert desk.row(grant).state == "requested" and not desk.letters()


def test_a_letter_that_counts_never_carries_an_address_that_only_this_computer_knows(desk: Desk, real: Desk, worker: Actor, coordinator: Actor) -> None:
    settings = real.store.settings.model_copy(update={"base_url": None})
    grant = desk.request(worker)
    with pytest.raises(LetterAddressUnset):
        replace(real, store=replace(real.store, settings=settings)).approve(grant, coordinator)
    issued = real.approve(grant, coordinator)
    assert desk.data(issued.id).verify_url.startswith(f"https://letters.example.org/verify/{issued.number}?k=1-")


def test_a_programme_without_letters_approves_without_one(desk: Desk, worker: Actor, coordinator: Actor) -> None:
    with desk.store.database.begin(desk.home) as tx:
        definition = tx.scalar(sa.select(tables.program.c.definition))
        tx.execute(tables.program.update().values(definition=definition | {"letters": []}, digest="without letters"))
    grant = desk.request(worker)
    assert desk.approve(grant, coordinator) is None
    assert desk.row(grant).state == "approved" and not desk.letters()


def test_a_letter_in_two_languages_stands_side_by_side(desk: Desk, worker: Actor, coordinator: Actor) -> None:
    with desk.store.database.begin(desk.home) as tx:
        definition = tx.scalar(sa.select(tables.program.c.definition))
        beside = [one | {"languages": ["th", "my-th"]} for one in definition["letters"]]
        tx.execute(tables.program.update().values(definition=definition | {"letters": beside}, digest="two languages"))
        for row in tx.execute(sa.select(tables.wording).where(tables.wording.c.language == "th")).all():
            tx.execute(tables.wording.insert().values(row._asdict() | {"language": "my"}))
    issued = desk.approve(desk.request(worker, language="my"), coordinator)
    letter = desk.data(issued.id)
    assert letter.language == "my-th" and set(letter.wording) == {"my", "th"} == set(letter.values)
    desk.work()
    assert pdf(desk, issued.id).startswith(b"%PDF") and desk.failures() == []


def test_a_language_without_a_wording_falls_back_to_the_programmes_first() -> None:
    rule = LetterRule("grant_letter", Words("Letter", "หนังสือ"), languages=("th", "en", "my-th"))
    assert [language_of(rule, wanted) for wanted in ("en", "my", "my-th", "km", "")] == ["en", "my-th", "my-th", "th", "th"]


# Frozen


def test_a_letter_stays_as_it_was_issued(desk: Desk, worker: Actor, coordinator: Actor) -> None:
    issued = desk.approve(desk.request(worker), coordinator)
    before = desk.data(issued.id)
    reword(desk, "scholarship_letter", "th", "จึงเรียนมาเพื่อโปรดทราบ", "ข้อความใหม่")
    desk.intake(coordinator)
    desk.work()
    assert desk.data(issued.id) == before
    assert "ข้อความใหม่" not in before.wording["th"]


def test_nothing_of_a_letter_lies_open_in_the_database(desk: Desk, worker: Actor, coordinator: Actor) -> None:
    issued = desk.approve(desk.request(worker), coordinator)
    desk.work()
    with desk.store.database.begin(desk.home) as tx:
        for table in ("letter", "grants", "action", "audit", "rule_failure", "procrastinate_jobs", "procrastinate_events"):
            lies = str(tx.execute(sa.text(f"SELECT row_to_json(t)::text FROM {table} t")).all())
            assert not any(word in lies for word in ("สมมติ", "ตัวอย่าง", "XX0000000", "เล่าเรียน")), table
    with pytest.raises(KeyMissing), desk.store.database.begin(desk.home) as tx:
        tx.execute(tables.record_key.delete().where(tables.record_key.c.record_id == issued.id))
        letters.letter_data_of(tx, desk.store, desk.project, issued.id)


def test_data_that_was_changed_is_not_shown(desk: Desk, worker: Actor, coordinator: Actor) -> None:
    issued = desk.approve(desk.request(worker), coordinator)
    with desk.store.database.begin(desk.home) as tx:
        key = desk.store.keyring.record(tx, desk.project, issued.id)
        other = letters.frozen_bytes(replace(letters.letter_data_of(tx, desk.store, desk.project, issued.id), amount=1))
        tx.execute(tables.letter.update().values(data=key.encrypt("data", other)))
    with pytest.raises(LetterChanged):
        desk.data(issued.id)


# Printed


def test_the_job_makes_the_pdf_once_however_often_it_runs(desk: Desk, worker: Actor, coordinator: Actor) -> None:
    issued = desk.approve(desk.request(worker), coordinator)
    with pytest.raises(LetterNotPrintedYet):
        pdf(desk, issued.id)
    desk.work()
    first = desk.letters()[0]
    assert pdf(desk, issued.id).startswith(b"%PDF")
    assert hashlib.sha256(pdf(desk, issued.id)).hexdigest() == first.pdf_sha256
    printing.print_letter(desk.store, project=str(desk.project), letter=str(issued.id))
    desk.work()
    assert desk.letters()[0] == first
    assert b"%PDF" not in desk.store.blobs.get(first.pdf_blob)
    assert first.template_version == letters.paper_version() == paper.template_version()


def test_two_workers_at_once_make_one_pdf(desk: Desk, worker: Actor, coordinator: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    issued = desk.approve(desk.request(worker), coordinator)
    made, render = [], printing.render_letter
    monkeypatch.setattr(printing, "render_letter", lambda data: made.append(data.number) or render(data))
    threads = [
        threading.Thread(target=printing.print_letter, args=(desk.store,), kwargs={"project": str(desk.project), "letter": str(issued.id)})
        for _ in range(2)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert made == [issued.number] and pdf(desk, issued.id)


def test_a_letter_that_cannot_be_printed_stays_issued_and_is_told(desk: Desk, worker: Actor, coordinator: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    issued = desk.approve(desk.request(worker), coordinator)

    def broken(_: object) -> bytes:
        raise paper.LetterAssetMissing(name="seal.svg")

    with monkeypatch.context() as patch:
        patch.setattr(printing, "render_letter", broken)
        desk.work()
        printing.print_letter(desk.store, project=str(desk.project), letter=str(issued.id))
    assert desk.failures() == ["letter-asset-missing"]
    assert [(one.state, one.pdf_blob) for one in desk.letters()] == [("issued", None)]
    with desk.store.database.begin(desk.home) as tx:
        letters.print_again(tx, desk.project, issued.id)
    desk.work()
    assert desk.failures() == [] and pdf(desk, issued.id)


def test_a_letter_made_void_before_its_printing_is_not_printed(desk: Desk, worker: Actor, coordinator: Actor) -> None:
    desk.approve(desk.request(worker), coordinator)
    desk.edit(worker, amount="100")
    desk.work()
    assert [(one.state, one.pdf_blob) for one in desk.letters()] == [("void", None)]


def test_a_lost_file_is_told_and_not_made_up(desk: Desk, worker: Actor, coordinator: Actor) -> None:
    issued = desk.approve(desk.request(worker), coordinator)
    desk.work()
    with desk.store.database.begin(desk.home) as tx:
        tx.execute(tables.letter.update().values(pdf_blob="0" * 64))
    with pytest.raises(BlobMissing):
        pdf(desk, issued.id)


# Void, and verified


def test_anybody_with_the_paper_can_ask_whether_it_is_ours(desk: Desk, worker: Actor, coordinator: Actor) -> None:
    issued = desk.approve(desk.request(worker), coordinator)
    url = desk.data(issued.id).verify_url
    address, _, k = url.partition("?k=")
    assert address == f"{desk.store.settings.public_url}/verify/{issued.number}"
    told = verified(desk, issued.number, k)
    assert told == verification.Verified(
        "genuine", issued.number, letters.today_in("Asia/Bangkok"), 350000, True, desk.data(issued.id).printed_number)
    assert verified(desk, issued.number, k.lower()).answer == "genuine", "typed by hand"
    with desk.store.database.begin(coordinator) as tx:
        letters.void_letter(tx, desk.store, coordinator, issued.id, because="lost")
    assert verified(desk, issued.number, k).answer == "void"
    with pytest.raises(LetterVoidAlready), desk.store.database.begin(coordinator) as tx:
        letters.void_letter(tx, desk.store, coordinator, issued.id, because="lost")


def test_what_was_tampered_with_is_unknown(desk: Desk, worker: Actor, coordinator: Actor) -> None:
    one, two = (desk.approve(desk.request(worker), coordinator).number for _ in range(2))
    right = verification.token(desk.store.keyring, one)
    never = f"AC-T-{YEAR}-0999"
    wrong = [
        (two, right), (one, right[:-1] + ("A" if right[-1] != "A" else "B")), (one, ""), (one, "2" + right[1:]), (one, right[2:]),
        (never, right), (never, verification.token(desk.store.keyring, never)), (one.replace("AC", "ZZ"), right),
        ("", ""), (f"{one}' OR 1=1", right), (one, "๑" + right[1:]), (one.lower(), right), ("AC-T-2026-0001\n", right), (one, "9999-" + "A" * 16),
    ]
    for number, k in wrong:
        told = verified(desk, number, k)
        assert (told.answer, told.amount, told.issued_on) == ("unknown", None, None), (number, k)
    assert verified(desk, one, right).answer == "genuine"


def test_asking_leaves_the_transaction_without_a_project(desk: Desk, worker: Actor, coordinator: Actor) -> None:
    issued = desk.approve(desk.request(worker), coordinator)
    with desk.store.database.begin(NOBODY) as tx:
        assert verification.check(tx, desk.store.keyring, issued.number, verification.token(desk.store.keyring, issued.number)) == "genuine"
        assert tx.execute(sa.select(tables.letter)).all() == [] == tx.execute(sa.select(tables.grants)).all()


def test_a_letter_whose_person_was_erased_is_still_ours(desk: Desk, worker: Actor, coordinator: Actor) -> None:
    issued = desk.approve(desk.request(worker), coordinator)
    k = desk.data(issued.id).verify_url.partition("?k=")[2]
    with desk.store.database.begin(desk.home) as tx:
        tx.execute(tables.record_key.delete().where(tables.record_key.c.record_id == issued.id))
    told = verified(desk, issued.number, k)
    assert (told.answer, told.amount) == ("genuine", None)


def test_the_proof_is_eighty_bits_and_names_its_key(store: Store) -> None:
    version, _, proof = verification.token(store.keyring, "AC-L-2026-0001").partition("-")
    assert version == "1" and len(proof) * 5 == 80


def test_another_project_does_not_see_the_letter(desk: Desk, worker: Actor, coordinator: Actor) -> None:
    issued = desk.approve(desk.request(worker), coordinator)
    stranger = Actor("person", uuid.uuid4(), (uuid.uuid4(),), "all")
    with pytest.raises(NotFound), desk.store.database.begin(stranger) as tx:
        letters.pdf_of(tx, desk.store, desk.project, issued.id)


def test_the_day_of_a_letter_is_the_programmes(monkeypatch: pytest.MonkeyPatch) -> None:
    class Late(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:
            return dt.datetime(2026, 12, 31, 18, 30, tzinfo=dt.UTC).astimezone(tz)

    monkeypatch.setattr(letters.dt, "datetime", Late)
    assert letters.today_in("Asia/Bangkok") == dt.date(2027, 1, 1)
