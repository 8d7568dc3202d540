"""What the pages of grants and letters are told: lists, one grant, one letter; each as its reader may see it."""
from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable
from dataclasses import replace

import pytest
from grant_desk import PURPOSE, Desk

from cases import grants
from cases.grant_lists import GrantList, Waiting, first_of, grants_for_list, of_case, waiting_for
from cases.grant_page import GrantPage, grant_page
from cases.letter_lists import LetterList, LetterPage, letter_id_of, letter_page, letters_for_list
from cases.projects import programme_of
from cases.sessions import SignedIn
from cases.today import to_approve
from cases.waiting import counts, grants_to_decide
from exports import paper, printing
from namjai.problems import NotFound
from store.actor import Actor
from store.opening import Store
from submissions import review


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


def listed(desk: Desk, by: Actor, role: str, view: str = "waiting", language: str = "en", **more: object) -> GrantList:
    with desk.store.database.begin(by) as tx:
        return grants_for_list(tx, by, role, programme_of(tx, desk.project), language, view=view, **more)


def waiting(desk: Desk, by: Actor, role: str) -> Waiting:
    with desk.store.database.begin(by) as tx:
        return waiting_for(tx, by, role, programme_of(tx, desk.project))


def shown(desk: Desk, by: Actor, role: str, grant: uuid.UUID, language: str = "en") -> GrantPage:
    with desk.store.database.begin(by) as tx:
        return grant_page(tx, desk.store, by, role, programme_of(tx, desk.project), grant, language)


def letters_in(desk: Desk, by: Actor, view: str = "held", **more: object) -> LetterList:
    with desk.store.database.begin(by) as tx:
        return letters_for_list(tx, by, programme_of(tx, desk.project), "en", view=view, **more)


def counted(desk: Desk, by: Actor, role: str) -> int | str:
    """The number beside "Grants" in the navigation."""
    with desk.store.database.begin(by) as tx:
        return counts(tx, signed_in(desk, by, role), programme_of(tx, desk.project).grants).grants


def signed_in(desk: Desk, by: Actor, role: str) -> SignedIn:
    return SignedIn(by.id, "", "en", "auto", True, False, False, desk.project, role, None, "")


def letter(desk: Desk, by: Actor, number: str, language: str = "en") -> LetterPage:
    with desk.store.database.begin(by) as tx:
        return letter_page(tx, desk.store, by, programme_of(tx, desk.project), language, number)


def test_the_list_says_what_waits_for_whom(desk: Desk, worker: Actor, coordinator: Actor, director: Actor) -> None:
    small, large, own = desk.request(worker), desk.request(worker, amount="12000"), desk.request(coordinator)
    unknown = desk.request(None)
    seen = {line.id: line for line in listed(desk, coordinator, "coordinator").lines}
    assert {one: line.mine for one, line in seen.items()} == {small: True, large: False, own: False, unknown: False}
    assert (seen[small].title, seen[small].by, seen[small].case.code) == ("Scholarship", "Nok", "KTR-MDV-QHT")
    assert seen[unknown].by is None and {one for one, line in seen.items() if line.unnamed} == {unknown}
    assert waiting(desk, coordinator, "coordinator") == Waiting(1, 350000, unnamed=1)
    assert waiting(desk, director, "director") == Waiting(3, 1900000)
    assert waiting(desk, worker, "field_staff") == Waiting(0, 0)
    assert listed(desk, coordinator, "coordinator", language="th").lines[0].title == "ทุนการศึกษา"


def test_the_navigation_counts_what_a_role_may_decide_and_for_finance_what_is_to_be_paid(
    desk: Desk, worker: Actor, coordinator: Actor, director: Actor, person: Callable[..., Actor],
) -> None:
    first, *_ = [desk.request(by, amount=amount)
                 for amount, by in (("3500", worker), ("12000", worker), ("3500", coordinator), ("4800", None))]

    def all_count() -> tuple[int | str, ...]:
        who = (coordinator, "coordinator"), (director, "director"), (worker, "field_staff"), (finance, "finance")
        return tuple(counted(desk, by, role) for by, role in who)

    finance = person("finance")
    # Of the coordinator: one within the limit, and one whose requester is still to be named, which no director can do.
    assert all_count() == (2, 3, 0, 0)
    desk.approve(first, coordinator)
    assert all_count() == (1, 2, 0, 1)
    desk.pay(first, finance)
    assert all_count() == (1, 2, 0, 0)


def test_the_navigation_today_and_the_list_count_by_one_rule(desk: Desk, worker: Actor, coordinator: Actor, director: Actor) -> None:
    plain, touched = desk.request(worker), desk.request(worker, amount="3600")
    desk.edit(coordinator, amount="3700")
    named, rejected = desk.request(None, amount="3800"), desk.request(worker)
    desk.name(named, coordinator, worker)
    unknown = desk.request(None, amount="12000")
    anonymous = desk.request(worker)
    desk.edit(None, amount="3900")
    desk.survivor = str(uuid.uuid4())
    nobody_s = desk.request(worker)
    with desk.store.database.begin(coordinator) as tx:
        review.set_review_state(tx, desk.store, coordinator, desk.row(rejected).submission_id, review.ReviewState.REJECTED, row_version=1, reason="Sent twice.")
    for by, role, mine, unnamed in (
        (coordinator, "coordinator", [plain], [unknown, anonymous]), (director, "director", [plain, touched, named], []),
    ):
        lines = listed(desk, by, role).lines
        assert {line.id for line in lines if line.mine} == set(mine) and nobody_s in {line.id for line in lines}
        assert {line.id for line in lines if line.unnamed} == {unknown, anonymous}
        found, badge = waiting(desk, by, role), counted(desk, by, role)
        assert (found.n, found.unnamed, badge) == (len(mine), len(unnamed), len(mine + unnamed))
        with desk.store.database.begin(by) as tx:
            plan, me = programme_of(tx, desk.project), signed_in(desk, by, role)
            assert to_approve(tx, me, plan.grants)["n"] == badge
            few = first_of(tx, by, role, plan, "en", grants_to_decide(me, plan.grants), 5)
        assert [line.id for line in few] == sorted(mine + unnamed, key=lambda one: desk.row(one).requested_at)


def test_what_waits_for_an_approval_says_whose(desk: Desk, worker: Actor, coordinator: Actor, person: Callable[..., Actor]) -> None:
    small, large = desk.request(worker), desk.request(worker, amount="12000")
    finance = person("finance")
    assert shown(desk, finance, "finance", small).approvers == "the coordinator or the director"
    assert shown(desk, finance, "finance", small, "th").approvers == "ผู้ประสานงานหรือผู้อำนวยการ"
    assert shown(desk, coordinator, "coordinator", large).approvers == "the director"


def test_a_grant_goes_from_view_to_view_and_carries_its_letter(desk: Desk, worker: Actor, coordinator: Actor) -> None:
    grant = desk.request(worker)
    issued = desk.approve(grant, coordinator)
    assert listed(desk, coordinator, "coordinator").lines == ()
    (line,) = listed(desk, coordinator, "coordinator", "approved").lines
    assert (line.state, line.letter.number, line.mine) == ("approved", issued.number, False)
    desk.work()
    assert listed(desk, coordinator, "coordinator", "approved").lines[0].state == "letter"
    counts = listed(desk, coordinator, "coordinator").counts
    assert counts == {"waiting": 0, "approved": 1, "paid": 0, "receipted": 0, "refused": 0, "all": 1}


def test_pages_follow_each_other_without_a_gap_or_a_repetition(desk: Desk, worker: Actor, coordinator: Actor) -> None:
    asked = [desk.request(worker) for _ in range(7)]
    for grant in asked:
        desk.approve(grant, coordinator)
    found, papers, after, also = [], [], None, None
    for _ in range(3):
        page = listed(desk, coordinator, "coordinator", "all", limit=3, after=after)
        letters = letters_in(desk, coordinator, limit=3, after=also)
        found += [line.id for line in page.lines]
        papers += [line.number for line in letters.lines]
        after, also = page.after, letters.after
    assert found == asked[::-1] and after is None and also is None
    assert papers == sorted(papers, reverse=True) and len(papers) == 7
    assert len(listed(desk, coordinator, "coordinator", "all", after="rubbish").lines) == 7


def test_a_worker_sees_the_grants_of_their_own_cases_only(desk: Desk, worker: Actor, coordinator: Actor, person: Callable[..., Actor]) -> None:
    grant = desk.request(worker)
    issued = desk.approve(grant, coordinator)
    stranger = replace(person("field_staff", "Other"), scope="own")
    assert listed(desk, stranger, "field_staff", "all").lines == () == letters_in(desk, stranger).lines
    with pytest.raises(NotFound):
        shown(desk, stranger, "field_staff", grant)
    with pytest.raises(NotFound):
        letter(desk, stranger, issued.number)
    assert len(listed(desk, replace(worker, scope="own"), "field_staff", "all").lines) == 1


def test_the_page_tells_each_reader_what_they_can_do(desk: Desk, worker: Actor, coordinator: Actor, director: Actor, person: Callable[..., Actor]) -> None:
    finance = person("finance")
    grant = desk.request(worker, amount="12000")
    assert shown(desk, director, "director", grant).ask == "approve"
    blocked = shown(desk, coordinator, "coordinator", grant, "th")
    assert blocked.ask is None and "ผู้อำนวยการ" in blocked.blocked
    assert (shown(desk, finance, "finance", grant).ask, shown(desk, worker, "field_staff", grant).blocked) == (None, None)
    desk.approve(grant, director, "director")
    paying = shown(desk, finance, "finance", grant)
    assert paying.ask == "pay" and [one.value for one in paying.ways] == ["cash", "transfer", "provider", "other"]
    assert shown(desk, coordinator, "coordinator", grant).ask is None
    unknown = shown(desk, coordinator, "coordinator", desk.request(None))
    assert unknown.ask == "name" and {"Nok", "Ploy"} <= {one.label for one in unknown.people}


def test_a_decision_on_the_revision_of_the_page_holds(desk: Desk, worker: Actor, coordinator: Actor) -> None:
    from cases.grant_rules import seen_in

    grant = desk.request(worker)
    version, content = seen_in(shown(desk, coordinator, "coordinator", grant).revision)
    assert desk.approve(grant, coordinator, row_version=version, seen_content=content)


def test_names_are_masked_for_everybody_and_the_purpose_for_finance(desk: Desk, worker: Actor, coordinator: Actor, person: Callable[..., Actor]) -> None:
    grant = desk.request(worker)
    facts = {one.path: one for one in shown(desk, coordinator, "coordinator", grant).facts}
    assert facts["letter/purpose"].text == PURPOSE and facts["letter/purpose"].label == "The money is for"
    assert facts["school/school_name"].masked and facts["school/school_name"].text == ""
    assert facts["request/needed_by"].day == dt.date(2099, 11, 30)
    assert "letter/address" not in facts and "letter/recipient" not in facts
    way = facts["payment/way"]
    assert (way.label, way.text) == ("How shall it be paid?", "In cash") and "letter/payment_words" not in facts
    assert not any("verb" in one.label or "/" in one.label for one in facts.values())
    seen = shown(desk, person("finance"), "finance", grant)
    assert {one.path: one for one in seen.facts}["letter/purpose"].masked
    assert PURPOSE not in str(seen) and "สมมติ" not in str(seen)


def test_the_page_of_a_suspended_grant_shows_what_changed_and_masks_names(desk: Desk, worker: Actor, coordinator: Actor) -> None:
    grant = desk.request(worker)
    desk.approve(grant, coordinator)
    desk.edit(worker, amount="4800", recipient="คุณคนใหม่")
    page = shown(desk, coordinator, "coordinator", grant)
    assert (page.state, page.ask, page.suspended.by) == ("suspended", "approve", "Nok")
    money, name = page.suspended.differences  # and not the wording that the form worked out
    assert (money.was, money.now, money.masked) == ("3500", "4800", False)
    assert (name.path, name.was, name.now, name.masked) == ("letter/recipient", "", "", True)
    assert [(one.key, one.state) for one in page.steps] == [
        ("requested", "done"), ("approved", "done"), ("suspended", "now"), ("letter", "todo"), ("paid", "todo"), ("receipted", "todo")]


def test_the_steps_of_a_grant_name_who_did_what(desk: Desk, worker: Actor, coordinator: Actor, person: Callable[..., Actor]) -> None:
    first = desk.request(worker)
    desk.approve(first, coordinator)
    desk.pay(first, person("finance", "Suda"))
    desk.receipt(first)
    desk.work()
    page = shown(desk, coordinator, "coordinator", first)
    assert [(one.key, one.state, one.by) for one in page.steps] == [
        ("requested", "done", "Nok"), ("approved", "done", "Ploy"), ("letter", "done", None), ("paid", "done", "Suda"), ("receipted", "done", None)]
    assert page.earlier == ()
    second = shown(desk, coordinator, "coordinator", desk.request(worker))
    assert [one.id for one in second.earlier] == [first]
    with desk.store.database.begin(coordinator) as tx:
        lines = of_case(tx, coordinator, "coordinator", programme_of(tx, desk.project), "en", page.case_id)
    assert [one.id for one in lines] == [second.id, first]


def test_the_way_of_a_refused_grant_ends_on_the_day_of_the_refusal(desk: Desk, worker: Actor, coordinator: Actor) -> None:
    grant = desk.request(worker)
    with desk.store.database.begin(coordinator) as tx:
        grants.refuse(tx, desk.store, coordinator, grant, reason="Paid by the state already.", row_version=desk.row(grant).row_version)
    last = shown(desk, coordinator, "coordinator", grant).steps[-1]
    assert (last.label, last.by) == ("Refused", "Ploy") and last.at is not None


def test_a_letters_page_says_where_it_stands(desk: Desk, worker: Actor, coordinator: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    number = desk.approve(desk.request(worker), coordinator).number
    page = letter(desk, coordinator, number)
    assert (page.line.state, page.line.kind, page.line.language, page.by, page.amount) == ("waiting", "Scholarship letter", "Thai", "Ploy", 350000)
    assert page.with_receipt and page.envelope and page.trial and page.problem is None and page.sha256 is None
    assert page.on_paper.startswith("ทดลอง ๐๐๐๑/") and page.grant_state == "approved"

    def broken(_: object) -> bytes:
        raise paper.LetterAssetMissing(name="seal.svg")

    with monkeypatch.context() as patch:
        patch.setattr(printing, "render_letter", broken)
        desk.work()
    page = letter(desk, coordinator, number, "th")
    assert page.line.state == "failed" and "seal.svg" in page.problem
    assert [one.number for one in letters_in(desk, coordinator, "failed").lines] == [number]
    with desk.store.database.begin(coordinator) as tx:
        printing.print_letter(desk.store, project=str(desk.project), letter=str(letter_id_of(tx, coordinator, number)))
    page = letter(desk, coordinator, number)
    assert page.line.state == "issued" and len(page.sha256) == 64 and page.problem is None


def test_void_letters_lie_in_a_view_of_their_own(desk: Desk, worker: Actor, coordinator: Actor) -> None:
    number = desk.approve(desk.request(worker), coordinator).number
    desk.edit(worker, amount="100")
    assert letters_in(desk, coordinator).lines == ()
    assert [(one.number, one.state) for one in letters_in(desk, coordinator, "void").lines] == [(number, "void")]
    page = letter(desk, coordinator, number)
    assert page.voided is not None and page.grant_state == "suspended"


def test_what_is_not_there_is_not_found(desk: Desk, coordinator: Actor) -> None:
    with pytest.raises(NotFound):
        shown(desk, coordinator, "coordinator", uuid.uuid4())
    with pytest.raises(NotFound):
        letter(desk, coordinator, "AC-L-2026-0001")
