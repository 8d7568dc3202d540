"""Grants: asked for from a tablet, decided by somebody else, taken back by an edit, paid, received."""
from __future__ import annotations

import contextlib
import datetime as dt
import random
import threading
import uuid
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from grant_desk import Desk

from cases import grants
from cases.grant_problems import (
    GrantAboveEveryLimit,
    GrantAboveLimit,
    GrantCaseUnknown,
    GrantDecidedAlready,
    GrantNamedByYou,
    GrantNotApproved,
    GrantOutOfDate,
    GrantOwnRequest,
    GrantRequesterKnown,
    GrantRequesterUnknown,
    GrantRequestRejected,
)
from cases.grant_rules import after_edit, baht_of, number_of, revision_of, satang_of, seen_in
from cases.projects import programme_of
from namjai.problems import ChangedMeanwhile, Forbidden, InputInvalid, NotFound, Problem, catalogue
from odk.schema import Privacy
from store import tables
from store.actor import Actor
from store.opening import Store
from submissions.review import ReasonMissing, ReviewState, set_review_state, thread


@pytest.fixture
def worker(person: Callable[..., Actor]) -> Actor:
    return person("field_staff", "Nok")


@pytest.fixture
def coordinator(person: Callable[..., Actor]) -> Actor:
    return person("coordinator", "Ploy")


@pytest.fixture
def director(person: Callable[..., Actor]) -> Actor:
    return person("director", "Krit")


@pytest.fixture
def desk(store: Store, aftercare: Actor, worker: Actor) -> Desk:
    made = Desk(store, aftercare)
    made.intake(worker)
    return made


# Asking


def test_a_request_from_a_tablet_becomes_a_grant_of_the_tablets_person(desk: Desk, worker: Actor) -> None:
    grant = desk.row(desk.request(worker))
    year = dt.date.today().year
    assert (grant.number, grant.state, grant.amount, grant.kind) == (f"SF-{year}-0001", "requested", 350000, "scholarship")
    assert grant.requested_by == worker.id == grant.worker
    assert desk.entity(grant.id)["number"] == grant.number
    assert desk.entity(grant.id)["state"] == "requested"
    assert desk.timeline(grant.id) == ["grant.requested"]
    assert grant.facts["properties"]["needed_by"] == "2099-11-30" and "สมมติ" not in str(grant.facts)


def test_the_same_request_sent_twice_is_one_grant(desk: Desk, worker: Actor) -> None:
    desk.request(worker)
    again = f"uuid:{uuid.uuid4()}"
    entity = f'<entities:entity dataset="grants" id="{uuid.uuid4()}" create="1"><entities:label>x</entities:label></entities:entity>'
    answers = {"request/survivor": desk.survivor, "request/kind": "cash", "request/amount": "100"}
    for _ in range(3):
        desk.take("fund_request", answers, entity, by=worker, instance_id=again)
    with desk.store.database.begin(desk.home) as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(tables.grants)) == 2


@pytest.mark.parametrize("amount", ["many", "0", "-5", "1.005", "", "๓๕๐๐", "1e30", "NaN"])
def test_an_amount_that_is_none_is_kept_and_noted_and_makes_no_grant(desk: Desk, worker: Actor, amount: str) -> None:
    assert desk.request(worker, amount=amount) is None
    assert desk.failures() == ["grant-amount"]
    assert desk.row(desk.request(worker)).number.endswith("-0001"), "no number was used"


def test_a_corrected_amount_makes_the_grant_and_settles_the_failure(desk: Desk, worker: Actor) -> None:
    desk.request(worker, amount="many")
    desk.edit(worker, amount="900")
    assert desk.failures() == []
    with desk.store.database.begin(desk.home) as tx:
        assert tx.scalars(sa.select(tables.grants.c.amount)).all() == [90000]


def test_what_cannot_be_followed_is_told_in_sentences(desk: Desk, worker: Actor) -> None:
    desk.request(worker, amount="many")
    with desk.store.database.begin(desk.home) as tx:
        row = tx.execute(sa.select(tables.rule_failure)).one()
    told = catalogue()[row.problem](**row.facts)
    assert "many" not in str(row.facts) and told.text("en").startswith("The amount asked for is no sum")


def test_a_second_form_that_asks_for_the_same_grant_changes_nothing(desk: Desk, worker: Actor, coordinator: Actor) -> None:
    grant = desk.request(worker)
    before = desk.row(grant)
    desk.request(coordinator, grant=str(before.entity), amount="99999")
    assert desk.failures() == ["grant-asked-twice"]
    assert desk.row(grant) == before


# Deciding


def test_a_coordinator_approves_and_the_letter_has_a_number(desk: Desk, worker: Actor, coordinator: Actor) -> None:
    grant = desk.request(worker)
    issued = desk.approve(grant, coordinator)
    row = desk.row(grant)
    assert (row.state, row.approved_by, bytes(row.approved_content)) == ("approved", coordinator.id, bytes(row.content))
    assert issued and [one.number for one in desk.letters(grant)] == [issued.number]
    assert desk.entity(grant) | {"state": "approved", "amount_approved": "3500"} == desk.entity(grant)
    assert desk.timeline(grant) == ["grant.requested", "grant.approved"]


def test_nobody_approves_their_own_request(desk: Desk, coordinator: Actor, director: Actor) -> None:
    grant = desk.request(coordinator)
    with pytest.raises(GrantOwnRequest):
        desk.approve(grant, coordinator)
    assert desk.row(grant).state == "requested" and not desk.letters()
    desk.approve(grant, director, "director")


def test_the_database_itself_refuses_an_approval_by_the_requester(desk: Desk, worker: Actor) -> None:
    grant = desk.request(worker)
    wrong = tables.grants.update().values(state="approved", approved_by=worker.id, approved_content=tables.grants.c.content)
    with pytest.raises(sa.exc.IntegrityError, match="not_by_requester"), desk.store.database.begin(desk.home) as tx:
        tx.execute(wrong.where(tables.grants.c.id == grant))
    assert desk.row(grant).state == "requested"


def test_the_database_itself_refuses_an_approval_of_another_content(desk: Desk, worker: Actor, coordinator: Actor) -> None:
    grant = desk.request(worker)
    desk.approve(grant, coordinator)
    with pytest.raises(sa.exc.IntegrityError, match="approval_holds_for_this"), desk.store.database.begin(desk.home) as tx:
        tx.execute(tables.grants.update().values(content=b"something else").where(tables.grants.c.id == grant))


def test_whoever_edited_the_request_cannot_approve_it(desk: Desk, worker: Actor, coordinator: Actor, director: Actor) -> None:
    grant = desk.request(worker)
    desk.edit(coordinator, amount="4000")
    with pytest.raises(GrantOwnRequest):
        desk.approve(grant, coordinator)
    desk.approve(grant, director, "director")


def test_an_approver_who_edits_after_approval_cannot_approve_again(desk: Desk, worker: Actor, coordinator: Actor, director: Actor) -> None:
    grant = desk.request(worker)
    desk.approve(grant, coordinator)
    desk.edit(coordinator, amount="4900")
    assert desk.row(grant).state == "suspended"
    with pytest.raises(GrantOwnRequest):
        desk.approve(grant, coordinator)
    desk.approve(grant, director, "director")


def test_a_request_of_nobody_waits_until_its_requester_is_named(desk: Desk, worker: Actor, coordinator: Actor, director: Actor) -> None:
    grant = desk.request(None)
    with pytest.raises(GrantRequesterUnknown):
        desk.approve(grant, coordinator)
    desk.name(grant, coordinator, worker)
    assert desk.row(grant).requested_by == worker.id
    with pytest.raises(GrantNamedByYou):
        desk.approve(grant, coordinator)
    desk.approve(grant, director, "director")
    assert desk.timeline(grant) == ["grant.requested", "grant.requester_named", "grant.approved"]


def test_naming_oneself_as_the_requester_gives_no_right_to_approve(desk: Desk, coordinator: Actor) -> None:
    grant = desk.request(None)
    desk.name(grant, coordinator, coordinator)
    with pytest.raises(GrantOwnRequest):
        desk.approve(grant, coordinator)


def test_a_known_requester_is_not_renamed_and_a_stranger_is_no_requester(desk: Desk, worker: Actor, coordinator: Actor) -> None:
    grant = desk.request(worker)
    with pytest.raises(GrantRequesterKnown):
        desk.name(grant, coordinator, coordinator)
    unknown = desk.request(None)
    with pytest.raises(NotFound):
        desk.name(unknown, coordinator, Actor("person", uuid.uuid4()))


def test_an_edit_by_a_tablet_of_nobody_must_be_named_again(desk: Desk, worker: Actor, coordinator: Actor, director: Actor) -> None:
    grant = desk.request(worker)
    desk.edit(None, amount="4000")
    with pytest.raises(GrantRequesterUnknown):
        desk.approve(grant, coordinator)
    desk.name(grant, director, coordinator)
    with pytest.raises(GrantOwnRequest):
        desk.approve(grant, coordinator)


@pytest.mark.parametrize(("amount", "role", "problem"), [
    ("5000", "coordinator", None), ("5000.01", "coordinator", GrantAboveLimit), ("5000.01", "director", None),
    ("200000", "director", None), ("200000.01", "director", GrantAboveEveryLimit), ("100", "finance", Forbidden), ("100", None, Forbidden),
])
def test_a_role_approves_up_to_its_limit(desk: Desk, worker: Actor, coordinator: Actor, amount: str, role: str | None, problem: type[Problem] | None) -> None:
    grant = desk.request(worker, amount=amount)
    if problem is None:
        desk.approve(grant, coordinator, role)
        return
    with pytest.raises(problem):
        desk.approve(grant, coordinator, role)
    assert desk.row(grant).state == "requested" and not desk.letters()


def test_the_sentence_about_a_limit_says_who_may(desk: Desk, worker: Actor, coordinator: Actor, director: Actor) -> None:
    grant = desk.request(worker, amount="12000")
    with pytest.raises(GrantAboveLimit) as told:
        desk.approve(grant, coordinator)
    assert "the director" in told.value.text("en") and "ผู้อำนวยการ" in told.value.text("th")
    assert "…" in GrantAboveLimit().text("th"), "also when nobody says who"
    desk.approve(grant, director, "director")
    with pytest.raises(GrantDecidedAlready) as again:
        desk.approve(grant, coordinator)
    assert "approved" in again.value.text("en") and "อนุมัติแล้ว" in again.value.text("th")


def test_only_a_person_approves(desk: Desk, worker: Actor) -> None:
    grant = desk.request(worker)
    with pytest.raises(Forbidden):
        desk.approve(grant, desk.home, "director")


def test_a_second_approval_and_one_after_a_refusal_are_told_so(desk: Desk, worker: Actor, coordinator: Actor, director: Actor) -> None:
    grant = desk.request(worker)
    desk.approve(grant, coordinator)
    with pytest.raises(GrantDecidedAlready):
        desk.approve(grant, director, "director")
    other = desk.request(worker)
    desk.refuse(other, coordinator)
    with pytest.raises(GrantDecidedAlready):
        desk.approve(other, director, "director")
    assert len(desk.letters()) == 1 and not desk.letters(other)


def test_a_refusal_needs_a_reason_which_is_kept_encrypted(desk: Desk, worker: Actor, coordinator: Actor) -> None:
    grant = desk.request(worker)
    with pytest.raises(ReasonMissing):
        desk.refuse(grant, coordinator, "  ")
    desk.refuse(grant, coordinator, "Her aunt pays.")
    assert desk.row(grant).state == "refused" and desk.entity(grant)["state"] == "refused"
    with desk.store.database.begin(desk.home) as tx:
        assert [text for _, _, text in thread(tx, desk.store, desk.project, grant)] == ["Her aunt pays."]
        assert b"aunt" not in tx.scalar(sa.select(tables.comment.c.body))
        assert "aunt" not in str(tx.execute(sa.select(tables.action.c.data)).all())


def test_a_refused_request_that_is_edited_is_asked_anew(desk: Desk, worker: Actor, coordinator: Actor) -> None:
    grant = desk.request(worker)
    desk.refuse(grant, coordinator)
    desk.edit(worker, amount="2000")
    assert (desk.row(grant).state, desk.row(grant).amount) == ("requested", 200000)
    desk.approve(grant, coordinator)


def test_a_page_that_is_out_of_date_decides_nothing(desk: Desk, worker: Actor, coordinator: Actor) -> None:
    grant = desk.request(worker)
    seen = desk.row(grant)
    desk.edit(worker, amount="4999")
    with pytest.raises(ChangedMeanwhile):
        desk.approve(grant, coordinator, row_version=seen.row_version, seen_content=bytes(seen.content))
    # Also when only the content betrays it.
    with pytest.raises(ChangedMeanwhile):
        desk.approve(grant, coordinator, seen_content=seen.content.hex())
    assert desk.row(grant).state == "requested" and not desk.letters()


def test_a_rejected_request_is_not_approved(desk: Desk, worker: Actor, coordinator: Actor) -> None:
    grant = desk.request(worker)
    with desk.store.database.begin(coordinator) as tx:
        set_review_state(tx, desk.store, coordinator, desk.row(grant).submission_id, ReviewState.REJECTED, row_version=1, reason="No.")
    with pytest.raises(GrantRequestRejected):
        desk.approve(grant, coordinator)


def test_a_request_rejected_after_its_approval_is_not_paid(desk: Desk, worker: Actor, coordinator: Actor) -> None:
    grant = desk.request(worker)
    desk.approve(grant, coordinator)
    with desk.store.database.begin(coordinator) as tx:
        set_review_state(tx, desk.store, coordinator, desk.row(grant).submission_id, ReviewState.REJECTED, row_version=1, reason="No.")
    with pytest.raises(GrantRequestRejected):
        desk.pay(grant, coordinator)
    assert desk.row(grant).state == "approved"


def test_a_grant_for_a_person_nobody_has_told_us_of_is_not_approved(store: Store, aftercare: Actor, worker: Actor, coordinator: Actor) -> None:
    desk = Desk(store, aftercare)
    grant = desk.request(worker)
    with pytest.raises(GrantCaseUnknown):
        desk.approve(grant, coordinator)
    desk.intake(worker)
    assert desk.row(grant).worker == worker.id
    desk.approve(grant, coordinator)


def test_a_rule_that_failed_at_the_door_is_not_approved_over(desk: Desk, worker: Actor, coordinator: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    grant = desk.request(worker)
    monkeypatch.setattr("cases.grant_changes._refresh", lambda *_: 1 / 0)
    desk.edit(worker, amount="4999")
    assert desk.failures() == ["rule-broken"]
    with pytest.raises(GrantOutOfDate):
        desk.approve(grant, coordinator)


def test_an_approval_that_was_never_taken_back_at_the_door_pays_nothing(desk: Desk, worker: Actor, coordinator: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    grant = desk.request(worker)
    desk.approve(grant, coordinator)
    monkeypatch.setattr("cases.grant_changes._refresh", lambda *_: 1 / 0)
    desk.edit(worker, account="another account")
    with pytest.raises(GrantOutOfDate):
        desk.pay(grant, coordinator)


# Edits after approval


def test_an_edit_after_approval_suspends_and_shows_the_difference(desk: Desk, worker: Actor, coordinator: Actor) -> None:
    grant = desk.request(worker)
    first = desk.approve(grant, coordinator)
    desk.edit(worker, amount="4800", payee_relation="guardian", payee="นางป้า ตัวอย่าง")
    row = desk.row(grant)
    assert (row.state, row.approved_by, row.amount) == ("suspended", coordinator.id, 480000)
    assert desk.entity(grant) | {"state": "suspended", "amount_approved": ""} == desk.entity(grant)
    with desk.store.database.begin(coordinator) as tx:
        shown = grants.differences(tx, desk.store, coordinator, grant)
    assert shown == [
        ("request/amount", "Amount in baht", "3500", "4800", Privacy.OPEN),
        ("payment/payee_relation", "Who receives the money?", "The person", "Guardian", Privacy.OPEN),
        ("payment/payee", "Payee's name", "", "นางป้า ตัวอย่าง", Privacy.IDENTIFYING),
    ]
    second = desk.approve(grant, coordinator)
    assert desk.row(grant).state == "approved"
    assert [(one.number, one.state) for one in desk.letters(grant)] == [(first.number, "void"), (second.number, "issued")]
    assert desk.timeline(grant) == ["grant.requested", "grant.approved", "grant.suspended", "grant.approved"]


@pytest.mark.parametrize("answer", [
    {"purpose": "ค่าเทอม"}, {"address": "1 ถนนอื่น\n50000"}, {"recipient": "คุณอื่น"}, {"school_name": "โรงเรียนอื่น"}, {"term": "1"},
    {"kind": "cash"}, {"way": "transfer"}, {"account": "000-0-00000-0"}, {"needed_by": "2099-12-31"}, {"reason": "Another."},
])
def test_an_edit_of_any_answer_takes_the_approval_back(desk: Desk, worker: Actor, coordinator: Actor, answer: dict[str, str]) -> None:
    grant = desk.request(worker)
    desk.approve(grant, coordinator)
    desk.edit(worker, **answer)
    assert desk.row(grant).state == "suspended"
    assert [one.state for one in desk.letters(grant)] == ["void"]


def test_an_edit_that_changes_no_answer_leaves_the_approval(desk: Desk, worker: Actor, coordinator: Actor) -> None:
    grant = desk.request(worker)
    desk.approve(grant, coordinator)
    desk.edit(worker)
    assert desk.row(grant).state == "approved"
    desk.pay(grant, coordinator)


def test_an_edit_to_an_amount_that_is_none_suspends_and_cannot_be_approved(desk: Desk, worker: Actor, coordinator: Actor) -> None:
    grant = desk.request(worker)
    desk.approve(grant, coordinator)
    desk.edit(worker, amount="plenty")
    assert desk.row(grant).state == "suspended" and "grant-amount" in desk.failures()
    with pytest.raises(GrantOutOfDate):
        desk.approve(grant, coordinator)


def test_an_edit_of_a_paid_grant_suspends_it_and_its_approval_restores_it(desk: Desk, worker: Actor, coordinator: Actor) -> None:
    grant = desk.request(worker)
    desk.approve(grant, coordinator)
    desk.pay(grant, coordinator)
    desk.edit(worker, purpose="ค่าเทอม")
    assert desk.row(grant).state == "suspended"
    with pytest.raises(GrantNotApproved):
        desk.pay(grant, coordinator)
    desk.approve(grant, coordinator)
    assert desk.row(grant).state == "paid"


def test_a_suspended_grant_can_be_refused(desk: Desk, worker: Actor, coordinator: Actor) -> None:
    grant = desk.request(worker)
    desk.approve(grant, coordinator)
    desk.edit(worker, amount="100")
    desk.refuse(grant, coordinator)
    assert desk.row(grant).state == "refused" and [one.state for one in desk.letters(grant)] == ["void"]


def test_an_edit_that_names_another_grant_lets_go_of_the_first(desk: Desk, worker: Actor, coordinator: Actor) -> None:
    grant = desk.request(worker)
    desk.approve(grant, coordinator)
    desk.sent[desk.last] = (str(uuid.uuid4()), desk.sent[desk.last][1])
    desk.edit(worker)
    assert desk.row(grant).state == "suspended" and "grant-left" in desk.failures()
    with pytest.raises(GrantOutOfDate):
        desk.approve(grant, coordinator)


def test_an_edit_that_joins_its_original_late_takes_the_approval_back(desk: Desk, worker: Actor, coordinator: Actor) -> None:
    grant = desk.request(worker)
    first = desk.last
    between, last = f"uuid:{uuid.uuid4()}", f"uuid:{uuid.uuid4()}"
    entity_id, answers = desk.sent[first]
    entity = f'<entities:entity dataset="grants" id="{entity_id}" create="1"><entities:label>a grant</entities:label></entities:entity>'
    desk.take("fund_request", answers | {"request/amount": "4900"}, entity, by=worker, instance_id=last, deprecated=between)
    desk.approve(grant, coordinator)
    changes = desk.take("fund_request", answers | {"request/amount": "4800"}, entity, by=worker, instance_id=between, deprecated=first)
    assert not changes.current
    with pytest.raises((GrantOutOfDate, GrantNotApproved)):
        desk.pay(grant, coordinator)
    with desk.store.database.begin(desk.home) as tx:
        grants.apply_changes(tx, desk.store, desk.home, changes, programme_of(tx, desk.project))
    assert desk.row(grant).state == "suspended" and [one.state for one in desk.letters(grant)] == ["void"]
    with pytest.raises(GrantOutOfDate):
        desk.approve(grant, coordinator)
    desk.take("fund_request", answers | {"request/amount": "4700"}, entity, by=worker, instance_id=f"uuid:{uuid.uuid4()}", deprecated=last)
    desk.approve(grant, coordinator)
    assert desk.row(grant).amount == 470000


# Paying and receiving


def test_paid_then_received(desk: Desk, worker: Actor, coordinator: Actor, person: Callable[..., Actor]) -> None:
    grant = desk.request(worker)
    with pytest.raises(GrantNotApproved):
        desk.pay(grant, person("finance"))
    desk.approve(grant, coordinator)
    desk.pay(grant, person("finance"))
    assert desk.row(grant).state == "paid" and desk.entity(grant)["state"] == "paid"
    desk.receipt(grant, by=worker)
    row = desk.row(grant)
    assert (row.state, row.received_on, row.received_amount) == ("receipted", dt.date(2026, 11, 24), 350000)
    assert desk.entity(grant)["state"] == "receipted" and desk.failures() == []
    assert desk.timeline(grant) == ["grant.requested", "grant.approved", "grant.paid", "grant.receipted"]


def test_a_receipt_may_come_before_the_payment_is_recorded(desk: Desk, worker: Actor, coordinator: Actor) -> None:
    grant = desk.request(worker)
    desk.approve(grant, coordinator)
    desk.receipt(grant)
    assert desk.row(grant).state == "receipted"


@pytest.mark.parametrize("refused", [False, True])
def test_a_receipt_of_a_grant_that_is_not_approved_is_kept_and_noted(desk: Desk, worker: Actor, coordinator: Actor, refused: bool) -> None:
    grant = desk.request(worker)
    if refused:
        desk.refuse(grant, coordinator)
    before = desk.row(grant)
    desk.receipt(grant)
    assert desk.failures() == ["grant-receipt-not-approved"]
    assert desk.row(grant) == before
    assert desk.entity(grant)["amount_received"] == "3500", "what the tablet said is kept"


def test_a_receipt_while_the_grant_is_suspended_counts_once_it_is_approved_again(desk: Desk, worker: Actor, coordinator: Actor) -> None:
    grant = desk.request(worker)
    desk.approve(grant, coordinator)
    desk.edit(worker, amount="3000")
    desk.receipt(grant, amount="3000")
    assert desk.row(grant).state == "suspended" and desk.failures() == ["grant-receipt-not-approved"]
    desk.approve(grant, coordinator)
    assert desk.row(grant).state == "receipted"


def test_a_receipt_of_another_sum_is_taken_and_noted(desk: Desk, worker: Actor, coordinator: Actor) -> None:
    grant = desk.request(worker)
    desk.approve(grant, coordinator)
    desk.receipt(grant, amount="3000")
    assert desk.row(grant).state == "receipted" and desk.failures() == ["grant-receipt-differs"]


def test_no_payment_in_the_future_or_before_its_approval(desk: Desk, worker: Actor, coordinator: Actor) -> None:
    grant = desk.request(worker)
    desk.approve(grant, coordinator)
    for day in (dt.date(2020, 1, 1), dt.date.today() + dt.timedelta(days=3)):
        with pytest.raises(InputInvalid):
            desk.pay(grant, coordinator, day)
    assert desk.row(grant).state == "approved"


# At once


def test_of_two_coordinators_at_once_one_wins(desk: Desk, worker: Actor, coordinator: Actor, director: Actor) -> None:
    grant = desk.request(worker)
    row, told = desk.row(grant), []
    ready = threading.Barrier(2)

    def decide(by: Actor, role: str) -> None:
        ready.wait()
        try:
            desk.approve(grant, by, role, row_version=row.row_version, seen_content=bytes(row.content))
            told.append("approved")
        except Problem as problem:
            told.append(problem.code)

    threads = [threading.Thread(target=decide, args=one) for one in ((coordinator, "coordinator"), (director, "director"))]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(told) == ["approved", "changed-meanwhile"]
    assert len(desk.letters(grant)) == 1


def test_an_edit_and_an_approval_at_once_never_leave_an_approval_of_something_else(desk: Desk, worker: Actor, coordinator: Actor) -> None:
    for turn in range(4):
        grant = desk.request(worker)
        ready = threading.Barrier(2)

        def edit(amount: str = str(1000 + turn), ready: threading.Barrier = ready) -> None:
            ready.wait()
            desk.edit(worker, amount=amount)

        thread_of_edit = threading.Thread(target=edit)
        thread_of_edit.start()
        ready.wait()
        with contextlib.suppress(ChangedMeanwhile):
            desk.approve(grant, coordinator)
        thread_of_edit.join()
        row = desk.row(grant)
        assert row.amount == (1000 + turn) * 100
        assert row.state in ("suspended", "requested") or bytes(row.approved_content) == bytes(row.content)
        assert row.state != "approved" or desk.data(desk.letters(grant)[-1].id).amount == row.amount


def test_requests_at_once_get_numbers_without_a_gap(desk: Desk, worker: Actor) -> None:
    ready = threading.Barrier(8)

    def ask() -> None:
        ready.wait()
        Desk(desk.store, desk.home, desk.survivor).request(worker)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    with desk.store.database.begin(desk.home) as tx:
        numbers = tx.scalars(sa.select(tables.grants.c.number).order_by(tables.grants.c.number)).all()
    assert [int(one[-4:]) for one in numbers] == list(range(1, 9))


# Pure rules


@pytest.mark.parametrize(("text", "satang"), [
    ("12000", 1200000), ("12000.5", 1200050), ("0.01", 1), ("1e3", 100000), (" 7 ", 700), (None, None), ("1_000", None), ("1,000", None),
    ("Infinity", None), ("100000000.01", None), ("9" * 400, None),
])
def test_a_sum_as_a_form_writes_it_in_satang(text: str | None, satang: int | None) -> None:
    assert satang_of(text) == satang


def test_numbers_follow_the_programmes_pattern() -> None:
    assert number_of("SF-{year}-{number:04}", 2026, 147) == "SF-2026-0147"
    assert number_of("{year}-{number}", 2026, 7) == "2026-7"
    assert number_of("{number.__class__}{year}", 2026, 7) == "{number.__class__}2026"


def test_small_rules() -> None:
    assert [after_edit(one) for one in ("requested", "refused", "approved", "paid", "receipted", "suspended")] == [
        "requested", "requested", "suspended", "suspended", "suspended", "suspended"]
    assert (baht_of(1200000), baht_of(1200050)) == ("12000", "12000.50")
    assert seen_in(revision_of(3, b"\x01\xff")) == (3, b"\x01\xff")
    assert seen_in("rubbish") == (-1, b"")


# Whatever happens


@pytest.mark.parametrize("seed", [11, 2026, 407])
def test_whatever_people_do_in_whatever_order_no_approval_stands_that_should_not(
    desk: Desk, worker: Actor, coordinator: Actor, director: Actor, seed: int
) -> None:
    chance = random.Random(seed)
    people = [(worker, "field_staff"), (coordinator, "coordinator"), (director, "director")]
    asked: list[tuple[uuid.UUID, str]] = []
    wrote: dict[uuid.UUID, set[Actor]] = {}

    def act() -> None:
        (by, role), amount = chance.choice(people), chance.choice(("100", "4999", "5001", "junk"))
        if not asked or chance.random() < 0.25:
            grant = desk.request(by, amount=chance.choice(("100", "5001")))
            asked.append((grant, desk.last))
            wrote[grant] = {by}
            return
        grant, desk.last = chance.choice(asked)
        what = chance.choice(("edit", "approve", "approve", "approve", "approve", "refuse", "pay", "pay", "receipt"))
        if what == "edit":
            wrote[grant].add(by)
            desk.edit(by, amount=amount)
            asked[:] = [(one, desk.last if one == grant else last) for one, last in asked]
        elif what == "receipt":
            desk.receipt(grant, amount=amount)
        elif what == "approve":
            desk.approve(grant, by, role)
        else:
            (desk.refuse if what == "refuse" else desk.pay)(grant, by)

    for _ in range(80):
        with contextlib.suppress(Problem):
            act()
    every = desk.letters()
    assert [int(one.number[-4:]) for one in every] == list(range(1, len(every) + 1)) and every
    for grant, _ in asked:
        row, held = desk.row(grant), [one for one in every if one.grant_id == grant and one.state == "issued"]
        stands = row.state in ("approved", "paid", "receipted")
        assert len(held) == (1 if stands else 0), "one letter holds for an approval, none without"
        if stands:
            assert bytes(row.approved_content) == bytes(row.content)
            assert row.approved_by not in {one.id for one in wrote[grant]} and row.approved_by != worker.id
            assert row.amount <= 500000 or row.approved_by == director.id
            assert desk.data(held[0].id).amount == row.amount
        assert desk.entity(grant)["state"] == row.state
        assert desk.entity(grant).get("amount_approved", "") == (baht_of(row.amount) if stands else "")
    assert not set(desk.failures()) - {"grant-amount", "grant-receipt-not-approved", "grant-receipt-differs", "grant-receipt-unreadable"}


BUMP = """
| survey   |
|          | type                          | name   | label  | save_to |
|          | select_one_from_file grants.csv | grant  | Grant  |         |
|          | decimal                       | amount | Amount | amount  |
| entities |
|          | list_name | entity_id |
|          | grants    | ${grant}  |
| settings |
|          | form_id | version    |
|          | bump    | 2026112401 |
"""


def test_whoever_raised_the_sum_by_another_form_does_not_approve_it(desk: Desk, publish, person):
    """A coordinator may publish forms: one that writes the list of grants makes its sender one who asks."""
    publish(BUMP)
    worker, raiser, other = person("field_staff"), person("coordinator"), person("coordinator")
    desk.intake(by=worker)
    grant = desk.request(worker)
    row = desk.row(grant)
    entity = f'<entities:entity dataset="grants" id="{row.entity}" update="1" baseVersion="{1}"/>'
    desk.take("bump", {"grant": str(row.entity), "amount": "4000"}, entity, by=raiser)
    assert desk.row(grant).amount == 400000
    with pytest.raises(GrantOwnRequest):
        desk.approve(grant, raiser)
    desk.approve(grant, other)
    assert desk.row(grant).state == "approved"
