"""One grant as its page shows it: what it pays, its way, what keeps it, what this reader can do. No HTML.

Values that a reader's role may not see are left out and marked; the page offers to reveal them.
"""
from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

import sqlalchemy as sa

from cases import access, grant_requests, grant_rows
from cases.grant_lists import GrantLine, of_case, shown_state, title_of
from cases.grant_problems import GrantRequesterUnknown
from cases.grant_requests import Request, request_of
from cases.grant_rules import APPROVED, WAITING, WAYS, approvers, revision_of, why_not_approve
from cases.grants import standing_of
from cases.letter_lists import LetterLine, letters_of_grant
from cases.who import Who, who
from namjai.languages import Words
from namjai.problems import NotFound
from odk.programme import Programme
from odk.schema import Privacy
from store.actor import Actor
from store.opening import Store
from store.tables import action, grants, project_user, users

_MADE = ("issued", "printed")
Progress = Literal["done", "now", "todo"]
# Without a choice of the programme: what the letter says, less what is not worth a line of its own.
_LEFT_OUT = ("language", "address", "recipient", "request_date")
_STEPS: dict[str, Words] = {
    "requested": Words("Requested", "ยื่นคำขอ"), "approval": Words("Approval", "อนุมัติ"),
    "approved": Words("Approved", "อนุมัติแล้ว"),
    "suspended": Words("On hold after an edit", "พักไว้หลังแก้ไข"), "refused": Words("Refused", "ไม่อนุมัติ"),
    "letter": Words("Letter", "จดหมาย"), "paid": Words("Paid", "จ่ายแล้ว"), "receipted": Words("Receipt", "ใบรับเงิน"),
}
_TO_PAY = Words("Payment", "จ่ายเงิน")


@dataclass(frozen=True, slots=True)
class Fact:
    """A line of what is paid. `masked`: there is a value that this reader does not see; `path` finds it in the
    request's answers.
    """

    path: str
    label: str
    text: str = ""
    masked: bool = False
    day: dt.date | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """An answer that is not what was approved. `masked` as in Fact."""

    path: str
    label: str
    was: str = ""
    now: str = ""
    masked: bool = False


@dataclass(frozen=True, slots=True)
class Suspended:
    """Since when and by whom an approval is taken back, and by what."""

    at: dt.datetime | None
    by: str | None
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the grant's way. `at` is a moment, or a day for what only a day is known of."""

    key: str
    label: str
    state: Progress
    at: dt.datetime | dt.date | None = None
    by: str | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """Something to pick on the page."""

    value: str
    label: str


@dataclass(frozen=True, slots=True)
class GrantPage:
    """The page. `ask` is what this reader can do now, `blocked` why they cannot approve; `revision` goes back with a
    decision. `people` may be named as the requester, `ways` are how it can be paid, `approvers` the roles it waits for.
    """

    id: UUID
    number: str
    title: str
    case: Who | None
    case_id: UUID | None
    state: str
    amount: int
    submission: UUID | None
    revision: str
    facts: tuple[Fact, ...]
    ask: Literal["approve", "name", "pay"] | None
    blocked: str | None
    people: tuple[Choice, ...]
    ways: tuple[Choice, ...]
    approvers: str
    suspended: Suspended | None
    steps: tuple[Step, ...]
    earlier: tuple[GrantLine, ...]
    letters: tuple[LetterLine, ...]


def grant_page(
    tx: sa.Connection, store: Store, actor: Actor, role: str | None, programme: Programme, grant_id: UUID, language: str
) -> GrantPage:
    """Everything that the page of a grant shows. Raises NotFound, also for one that the actor may not see."""
    grant = tx.execute(
        sa.select(grants).where(grants.c.project_id == actor.project, grants.c.id == grant_id)
    ).one_or_none()
    if grant is None:
        raise NotFound()
    request = request_of(tx, store, actor.project, grant.submission_id)
    case = grant_rows.case_of(tx, actor.project, grant.case_id)
    held = letters_of_grant(tx, actor, programme, language, grant.id)
    ask, blocked = _ask(tx, actor, role, programme, grant, request, language)
    others = of_case(tx, actor, role, programme, language, grant.case_id) if grant.case_id else []
    made = any(one.state in _MADE for one in held)
    return GrantPage(
        id=grant.id, number=grant.number, title=title_of(programme, grant.list, grant.kind, language),
        case=who(case, language) if case is not None and not case.placeholder else None, case_id=grant.case_id,
        state=shown_state(grant.state, made), amount=grant.amount, submission=grant.submission_id,
        revision=revision_of(grant.row_version, bytes(grant.content)),
        facts=tuple(_facts(programme, request, role, language)) if request else (), ask=ask, blocked=blocked,
        people=_people(tx, actor.project) if ask == "name" else (),
        ways=tuple(Choice(way, words.in_(language)) for way, words in WAYS.items()) if ask == "pay" else (),
        approvers=approvers(programme.grants, grant.amount).in_(language) if programme.grants else "",
        suspended=_suspended(tx, store, actor, role, grant, request, language) if grant.state == "suspended" else None,
        steps=tuple(_steps(tx, grant, held, language)), letters=tuple(held),
        earlier=tuple(one for one in others if one.id != grant.id and one.state in (*APPROVED, "letter")),
    )


def may_see(privacy: Privacy, role: str | None) -> bool:
    """Whether an answer of the class stands open on a grant's page. Names are revealed, never shown."""
    return privacy is Privacy.OPEN or (privacy is Privacy.SENSITIVE and access.may("case.sensitive", role))


def _ask(
    tx: sa.Connection, actor: Actor, role: str | None, programme: Programme, grant: sa.Row, request: Request | None,
    language: str,
) -> tuple[Literal["approve", "name", "pay"] | None, str | None]:
    if grant.state == "approved":
        return ("pay" if access.may("grant.pay", role) else None), None
    if grant.state not in WAITING or request is None or programme.grants is None:
        return None, None
    problem = why_not_approve(standing_of(tx, actor.project, grant, request), programme.grants, actor.id, role)
    if isinstance(problem, GrantRequesterUnknown) and access.may("grant.name_requester", role):
        return "name", None
    if not access.may("grant.decide", role):
        return None, None
    return ("approve", None) if problem is None else (None, problem.text(language))


def _facts(programme: Programme, request: Request, role: str | None, language: str) -> list[Fact]:
    facts, schema = [], request.schema
    chosen = programme.grants.shown if programme.grants else ()
    for path in chosen or [one for name, one in programme.letter_fields.items() if name not in _LEFT_OUT]:
        asked, text = schema.field(path), request.shown(path, language)
        # What the form works out for itself is worded for a letter, not for whoever decides.
        if not text or asked is None or not asked.labels:
            continue
        label = asked.label(language)
        if not may_see(schema.privacy_of(path, request.version.undeclared), role):
            facts.append(Fact(path, label, masked=True))
        else:
            facts.append(Fact(path, label, text, day=_day(text) if asked.type == "date" else None))
    return facts


def _suspended(
    tx: sa.Connection, store: Store, actor: Actor, role: str | None, grant: sa.Row, request: Request | None,
    language: str,
) -> Suspended:
    before = grant.facts.get("approved", {}).get("instance")
    changed = (
        grant_requests.differences(tx, store, actor.project, request, before, language) if request and before else []
    )
    # What the form worked out follows from an answer that is shown.
    worked_out = {one.path for one in request.schema.fields if one.kind == "calculation"} if request else set()
    shown = [
        Difference(key, label, was, now) if may_see(privacy, role) else Difference(key, label, masked=True)
        for key, label, was, now, privacy in changed
        if key not in worked_out
    ]
    editor = request.authors[-1][1] if request and request.authors else None
    since = _since(tx, grant, "grant.suspended")
    return Suspended(since, _names(tx, {editor}).get(editor), tuple(shown))


def _since(tx: sa.Connection, grant: sa.Row, kind: str) -> dt.datetime | None:
    """When this last happened to the grant."""
    return tx.scalar(
        sa.select(action.c.at)
        .where(action.c.project_id == grant.project_id, action.c.subject == grant.id, action.c.kind == kind)
        .order_by(action.c.at.desc())
        .limit(1)
    )


def _steps(tx: sa.Connection, grant: sa.Row, held: list[LetterLine], language: str) -> list[Step]:
    names = _names(tx, {grant.requested_by, grant.approved_by, grant.refused_by, grant.paid_by})

    def step(key: str, state: Progress, at: dt.datetime | dt.date | None = None, by: UUID | None = None) -> Step:
        words = _TO_PAY if key == "paid" and state != "done" else _STEPS[key]
        return Step(key, words.in_(language), state, at, names.get(by))

    steps = [step("requested", "done", grant.requested_at, grant.requested_by)]
    if grant.state == "refused":
        return [*steps, step("refused", "done", _since(tx, grant, "grant.refused"), grant.refused_by)]
    if grant.state == "suspended":
        steps += [step("approved", "done", grant.approved_at, grant.approved_by), step("suspended", "now")]
    elif grant.state == "requested":
        steps.append(step("approval", "now"))
    else:
        steps.append(step("approved", "done", grant.approved_at, grant.approved_by))
    letter = next((one for one in held if one.state != "void"), None)
    if letter or grant.state in WAITING:
        done = letter is not None and letter.state in _MADE
        steps.append(step("letter", "done" if done else "now" if letter else "todo", letter.issued if letter else None))
    steps.append(step("paid", "done", grant.paid_at, grant.paid_by) if grant.paid_at else step(
        "paid", "now" if grant.state == "approved" else "todo"))
    steps.append(step("receipted", "done", grant.received_on) if grant.received_on else step(
        "receipted", "now" if grant.state == "paid" else "todo"))
    return steps


def _people(tx: sa.Connection, project: UUID) -> tuple[Choice, ...]:
    rows = tx.execute(
        sa.select(users.c.id, users.c.name)
        .join(project_user, project_user.c.user_id == users.c.id)
        .where(project_user.c.project_id == project, users.c.disabled_at.is_(None))
        .order_by(users.c.name)
    )
    return tuple(Choice(str(row.id), row.name) for row in rows)


def _names(tx: sa.Connection, ids: set[UUID | None]) -> dict[UUID | None, str]:
    wanted = {one for one in ids if one}
    if not wanted:
        return {}
    return {row.id: row.name for row in tx.execute(sa.select(users.c.id, users.c.name).where(users.c.id.in_(wanted)))}


def _day(text: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return None
