"""The list of grants: views by state, newest first, and what waits for whoever reads. Data for a page, no HTML.

Sees through row-level security only what its transaction's actor may see.
"""
from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from cases import access
from cases.grant_problems import GrantRequesterUnknown
from cases.grant_rules import WAITING, Standing, why_not_approve
from cases.paging import MOST_COUNTED, Cursor, counted, cursor
from cases.who import LINE, Who, who
from namjai.languages import Words
from namjai.problems import Forbidden, Problem
from odk.programme import GrantRule, Programme
from store.actor import Actor
from store.tables import cases, grants, letter, submission, submission_version, users

PAGE = 50
VIEWS: dict[str, tuple[str, ...]] = {
    "waiting": WAITING, "approved": ("approved",), "paid": ("paid",), "receipted": ("receipted",),
    "refused": ("refused",), "all": (),
}
VIEW_NAMES: dict[str, Words] = {
    "waiting": Words("Waiting", "รออนุมัติ"), "approved": Words("To pay", "รอจ่าย"), "paid": Words("Paid", "จ่ายแล้ว"),
    "receipted": Words("Receipt in", "มีใบรับเงินแล้ว"), "refused": Words("Refused", "ไม่อนุมัติ"),
    "all": Words("All", "ทั้งหมด"),
}


@dataclass(frozen=True, slots=True)
class LetterKey:
    """A letter as a link needs it."""

    key: str
    number: str


@dataclass(frozen=True, slots=True)
class GrantLine:
    """A grant in one line. `mine`: this reader can approve it; `unnamed`: not before its requester is named; `by` is
    None while nobody knows who asked.
    """

    id: UUID
    number: str
    title: str
    case: Who | None
    state: str
    mine: bool
    by: str | None
    at: dt.datetime
    letter: LetterKey | None
    amount: int
    unnamed: bool = False


@dataclass(frozen=True, slots=True)
class Waiting:
    """What one reader could approve now: how many, and the sum in satang; how many wait for them to name a requester.
    At most 1,000 are looked at.
    """

    n: int
    amount: int
    unnamed: int = 0


@dataclass(frozen=True, slots=True)
class GrantList:
    """A page of the list; `after` is the cursor of the next one, `counts` stop at a thousand."""

    lines: tuple[GrantLine, ...]
    after: str | None
    counts: Mapping[str, int | str]


def grants_for_list(
    tx: sa.Connection, actor: Actor, role: str | None, programme: Programme, language: str, *, view: str = "waiting",
    after: str | None = None, limit: int = PAGE,
) -> GrantList:
    """A page of grants in a view, newest first, with the number in each view."""
    where = [grants.c.project_id == actor.project, *_in_view(view)]
    start = cursor(after, kind=dt.datetime)
    if start and start.value:
        seen = sa.tuple_(sa.literal(start.moment), sa.literal(start.id))
        where.append(sa.tuple_(grants.c.requested_at, grants.c.id) < seen)
    rows = tx.execute(_rows(where, limit + 1)).all()
    page, last = rows[:limit], rows[limit - 1] if len(rows) > limit else None
    return GrantList(
        tuple(_lines(tx, actor, role, programme, language, page)),
        Cursor(last.requested_at.isoformat(), last.id).text() if last else None,
        {name: counted(_count(tx, actor.project, name)) for name in VIEWS},
    )


def waiting_for(tx: sa.Connection, actor: Actor, role: str | None, programme: Programme) -> Waiting:
    """What this reader could approve now, or name the requester of."""
    rule = programme.grants
    if rule is None or role not in rule.approvers:
        return Waiting(0, 0)
    rows = tx.execute(_rows([grants.c.project_id == actor.project, *_in_view("waiting")], MOST_COUNTED)).all()
    authors = _authors(tx, actor.project, rows)
    problems = [_problem(row, rule, actor, role, authors.get(row.submission_id, ())) for row in rows]
    mine = [row.amount for row, problem in zip(rows, problems, strict=True) if problem is None]
    unnamed = sum(isinstance(one, GrantRequesterUnknown) for one in problems)
    return Waiting(len(mine), sum(mine), unnamed if access.may("grant.name_requester", role) else 0)


def first_of(
    tx: sa.Connection, actor: Actor, role: str | None, programme: Programme, language: str, chosen: sa.Select, most: int
) -> list[GrantLine]:
    """The first of the grants whose ids `chosen` selects: asked for longest first."""
    where = [grants.c.project_id == actor.project, grants.c.id.in_(chosen)]
    return _lines(tx, actor, role, programme, language, tx.execute(_rows(where, most, oldest=True)).all())


def of_case(
    tx: sa.Connection, actor: Actor, role: str | None, programme: Programme, language: str, case_id: UUID
) -> list[GrantLine]:
    """The grants of a case, newest first, two hundred at most."""
    rows = tx.execute(_rows([grants.c.project_id == actor.project, grants.c.case_id == case_id], 200)).all()
    return _lines(tx, actor, role, programme, language, rows)


def title_of(programme: Programme, list_name: str, kind: str, language: str) -> str:
    """What a grant is for, in one word or two: the label of its kind."""
    rule = programme.lists.get(list_name)
    column = rule.column(rule.kind) if rule else None
    return (column.shown(kind, language) if column else kind) or programme.word("grant", language)


def shown_state(state: str, made: bool) -> str:
    """A state as pages show it: "letter" once the letter of an approved grant can be opened."""
    return "letter" if state == "approved" and made else state


def _lines(
    tx: sa.Connection, actor: Actor, role: str | None, programme: Programme, language: str, rows: Sequence[sa.Row]
) -> list[GrantLine]:
    held = _letters(tx, actor.project, [row.id for row in rows])
    authors = _authors(tx, actor.project, [row for row in rows if row.state in WAITING])
    lines = []
    for row in rows:
        found = held.get(row.id)
        problem = _problem(row, programme.grants, actor, role, authors.get(row.submission_id, ()))
        lines.append(GrantLine(
            row.id, row.number, title_of(programme, row.list, row.kind, language), _who(row, language),
            shown_state(row.state, bool(found and found.pdf_blob)), problem is None, row.requester, row.requested_at,
            LetterKey(found.number, found.number) if found else None, row.amount,
            isinstance(problem, GrantRequesterUnknown),
        ))
    return lines


def _who(row: sa.Row, language: str) -> Who | None:
    return who(row, language) if row.code and not row.placeholder else None


def _rows(where: Sequence[sa.ColumnElement[bool]], limit: int, *, oldest: bool = False) -> sa.Select:
    """Grants with their case, who asked, and what review says of the request. Newest first, or oldest."""
    way = sa.asc if oldest else sa.desc
    # The page is cut before anything is joined: a long history costs no more than a short one.
    page = sa.select(grants).where(*where).order_by(way(grants.c.requested_at), way(grants.c.id)).limit(limit)
    held = page.subquery("held").c
    line = [column for column in LINE if column.name != "id"]
    same = sa.and_(submission.c.project_id == held.project_id, submission.c.id == held.submission_id)
    return (
        sa.select(*held, *line, users.c.name.label("requester"), submission.c.review_state)
        .outerjoin(cases, sa.and_(cases.c.project_id == held.project_id, cases.c.id == held.case_id))
        .outerjoin(users, users.c.id == held.requested_by)
        .outerjoin(submission, same)
        .order_by(way(held.requested_at), way(held.id))
    )


def _in_view(view: str) -> list[sa.ColumnElement[bool]]:
    states = VIEWS.get(view, WAITING)
    return [grants.c.state.in_(states)] if states else []


def _count(tx: sa.Connection, project: UUID, view: str) -> int:
    some = sa.select(sa.literal(1)).select_from(grants).where(grants.c.project_id == project, *_in_view(view))
    return tx.scalar(sa.select(sa.func.count()).select_from(some.limit(MOST_COUNTED + 1).subquery())) or 0


def _problem(
    row: sa.Row, rule: GrantRule | None, actor: Actor, role: str | None, authors: Sequence[tuple[str, UUID | None]]
) -> Problem | None:
    """What keeps this reader from approving, or None."""
    if rule is None:
        return Forbidden()
    named = {instance: UUID(user) for instance, user in row.facts.get("named", {}).items()}
    standing = Standing(
        state=row.state, amount=row.amount, requested_by=row.requested_by,
        authors=tuple(user or named.get(instance) for instance, user in authors),
        named_by=tuple(UUID(one) for one in row.facts.get("named_by", ())),
        case_known=row.code is not None and not row.placeholder, review_state=row.review_state or "",
    )
    return why_not_approve(standing, rule, actor.id, role)


def _authors(tx: sa.Connection, project: UUID, rows: Sequence[sa.Row]) -> dict[UUID, list[tuple[str, UUID | None]]]:
    """Submission → who sent each of its versions."""
    table = submission_version
    wanted = [row.submission_id for row in rows if row.submission_id]
    found: dict[UUID, list[tuple[str, UUID | None]]] = {}
    if wanted:
        query = sa.select(table.c.submission_id, table.c.instance_id, table.c.user_id)
        for row in tx.execute(query.where(table.c.project_id == project, table.c.submission_id.in_(wanted))):
            found.setdefault(row.submission_id, []).append((row.instance_id, row.user_id))
    return found


def _letters(tx: sa.Connection, project: UUID, ids: list[UUID]) -> dict[UUID, sa.Row]:
    """Grant → its letter that holds."""
    if not ids:
        return {}
    query = sa.select(letter.c.grant_id, letter.c.number, letter.c.pdf_blob).where(
        letter.c.project_id == project, letter.c.grant_id.in_(ids), letter.c.state == "issued"
    )
    return {row.grant_id: row for row in tx.execute(query)}
