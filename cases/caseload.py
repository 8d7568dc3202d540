"""The case list: saved views, filters by what the programme names, search by code and pseudonym, next due first.

Sees through row-level security only what its transaction's actor may see. Names are never searched here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from cases import codes
from cases.dues import WEEK, Due, due
from cases.paging import MOST_COUNTED, Cursor, counted, cursor
from cases.who import LINE, Who, who
from odk.programme import Column, ListRule, Programme
from store.actor import Actor
from store.tables import cases, list_field, list_row

PAGE = 50
VIEWS = ("open", "mine", "overdue", "high", "closed")
COUNTED = ("open", "mine", "overdue", "high")
DUE = ("overdue", "week", "later", "none")
# What the page shows in places of its own; every other column is one of the programme's further ones.
_LAST = "\U0010ffff"
_MOST_FOUND = 200


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody asks the list for. `filters` are properties of the case list with a value."""

    view: str = "open"
    q: str = ""
    stage: str = ""
    risk: str = ""
    due: str = ""
    worker: UUID | None = None
    filters: Mapping[str, str] = field(default_factory=dict)
    after: str | None = None

    @property
    def narrowed(self) -> bool:
        """Whether anything but the view is set."""
        return bool(self.q or self.stage or self.risk or self.due or self.worker or self.filters)


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the list: whose, and the values of the list's properties by name."""

    who: Who
    case_id: UUID
    status: str
    worker: UUID | None
    due: Due | None
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Found:
    """A page of the list. `after` is the cursor of the next page, `near` a code that was probably meant."""

    lines: tuple[Line, ...]
    after: str | None = None
    near: Who | None = None


class Caseload:
    """The case list of a project, as its programme lays it out."""

    def __init__(
        self, tx: sa.Connection, project: UUID, programme: Programme, language: str, today: dt.date,
        *, actor: Actor | None = None,
    ) -> None:
        self._tx, self._project, self._language, self._today = tx, project, language, today
        # Row-level security hides the others anyway; said here once more, an index finds them.
        self._own = actor.id if actor is not None and actor.scope == "own" else None
        self.rule: ListRule = programme.cases
        rows = tx.execute(
            sa.select(list_field).where(list_field.c.project_id == project, list_field.c.list == self.rule.name)
        )
        self.slots: dict[str, str] = {row.property: row.slot for row in rows}

    def page(self, wanted: Wanted, me: UUID) -> Found:
        """A page of what is wanted; with a code whose check letter does not fit, the one that was meant."""
        start = cursor(wanted.after, kind=dt.date)
        found = self._rows(self._where(wanted, me), start)
        more = len(found) > PAGE
        lines = tuple(self._line(row) for row in found[:PAGE])
        if not lines and wanted.q and not start:
            return Found((), near=self._near(wanted.q))
        last = found[PAGE - 1] if more else None
        after = Cursor(last.due_on.isoformat() if last.due_on else None, last.id).text() if last is not None else None
        return Found(lines, after)

    def counts(self, me: UUID) -> dict[str, int | str]:
        """How many cases each view holds, counted up to a thousand; one statement. Closed ones are not counted."""
        queries = [
            self._some(self._ones().where(*self._where(Wanted(view=view), me))).label(view) for view in COUNTED
        ]
        row = self._tx.execute(sa.select(*queries)).one()
        return {view: counted(getattr(row, view)) for view in COUNTED}

    def due(self, me: UUID, *, mine: bool, most: int) -> tuple[list[Line], int | str]:
        """What is over or due within a week, most pressing first, and how much that is in all."""
        where = [*self._where(Wanted(view="mine" if mine else "open"), me), self._due <= self._today + WEEK]
        rows = self._full(self._ids().where(*where).order_by(self._due, list_row.c.id).limit(most))
        return [self._line(row) for row in rows], counted(self._count(where))

    def overdue(self, me: UUID, *, mine: bool, high: bool = False) -> int | str:
        """How many cases have a day that is over; with `high`, of those at high risk."""
        where = [*self._where(Wanted(view="mine" if mine else "open"), me), self._due < self._today]
        if high:
            where.append(self._equals(self.rule.risk, cases.c.risk, self.rule.high_risk))
        return counted(self._count(where))

    def choices(self, column: Column) -> list[tuple[str, str]]:
        """The values of a filter with their words."""
        return [(value, words.in_(self._language)) for value, words in column.labels.items()]

    def one(self, case_id: UUID) -> Line | None:
        """The row of one case."""
        row = self._tx.execute(self._select().where(*self._base(), cases.c.id == case_id).limit(1)).one_or_none()
        return self._line(row) if row else None

    def _count(self, where: list[sa.ColumnElement[bool]]) -> int:
        return self._tx.scalar(sa.select(self._some(self._ones().where(*where)))) or 0

    def _some(self, query: sa.Select) -> sa.ScalarSelect:
        return sa.select(sa.func.count()).select_from(query.limit(MOST_COUNTED + 1).subquery()).scalar_subquery()

    def _ones(self) -> sa.Select:
        return sa.select(sa.literal(1).label("one")).select_from(list_row)

    def _ids(self) -> sa.Select:
        """What a page holds is found in the list's rows alone: an index in the order of the page, no join."""
        return sa.select(list_row.c.id)

    def _full(self, ids: sa.Select) -> list[sa.Row]:
        """The rows of a page in the order in which its ids were found."""
        order = {found: place for place, found in enumerate(self._tx.scalars(ids))}
        if not order:
            return []
        rows = self._tx.execute(self._select().where(*self._base(), list_row.c.id.in_(order)))
        return sorted(rows, key=lambda row: order[row.id])

    @property
    def _due_slot(self) -> str | None:
        return self.slots.get(self.rule.due)

    @property
    def _due(self) -> sa.ColumnElement[dt.date]:
        return list_row.c[self._due_slot] if self._due_slot else sa.cast(sa.null(), sa.Date)

    def _from(self, *columns: Any) -> sa.Select:
        # By the entity, not by the case: so both sides have an index, whichever the planner begins with.
        joined = sa.join(
            list_row,
            cases,
            sa.and_(
                cases.c.project_id == list_row.c.project_id,
                cases.c.list == list_row.c.list,
                cases.c.entity == list_row.c.id,
            ),
        )
        return sa.select(*columns).select_from(joined)

    def _select(self) -> sa.Select:
        slots = [list_row.c[slot] for slot in self.slots.values()]
        return self._from(
            list_row.c.id,
            *(one.label(f"case_{one.name}") if one.name == "id" else one for one in LINE),
            cases.c.status,
            cases.c.worker,
            cases.c.risk,
            cases.c.stage,
            self._due.label("due_on"),
            *slots,
        )

    def _base(self) -> list[sa.ColumnElement[bool]]:
        where = [list_row.c.project_id == self._project, list_row.c.list == self.rule.name]
        return [*where, list_row.c.worker == self._own] if self._own else where

    def _where(self, wanted: Wanted, me: UUID) -> list[sa.ColumnElement[bool]]:
        where = self._base()
        # Whoever types a code wants that case, be it closed.
        if not (wanted.q and wanted.view == "open"):
            where.append(list_row.c.status == "closed" if wanted.view == "closed" else list_row.c.status != "closed")
        if wanted.view == "mine":
            where.append(list_row.c.worker == me)
        if wanted.view == "overdue":
            where.append(self._due < self._today)
        if wanted.view == "high":
            where.append(self._equals(self.rule.risk, cases.c.risk, self.rule.high_risk))
        if wanted.stage:
            where.append(self._equals(self.rule.stage, cases.c.stage, wanted.stage))
        if wanted.risk:
            where.append(self._equals(self.rule.risk, cases.c.risk, wanted.risk))
        if wanted.worker:
            where.append(list_row.c.worker == wanted.worker)
        where += self._by_due(wanted.due) + [
            self._holds(list_row.c[self.slots[name]], value)
            for name, value in wanted.filters.items()
            if name in self.slots
        ]
        if wanted.q:
            where.append(list_row.c.id.in_(self._matching(wanted.q)))
        return where

    def _equals(self, prop: str, column: sa.ColumnElement[str], value: str) -> sa.ColumnElement[bool]:
        """By the slot, where there is one: its index also sorts by what is due."""
        slot = self.slots.get(prop)
        if slot:
            return list_row.c[slot] == value
        entities = sa.select(cases.c.entity).where(cases.c.project_id == self._project, column == value)
        return list_row.c.id.in_(entities)

    def _holds(self, column: sa.Column, value: str) -> sa.ColumnElement[bool]:
        """A choice, or one of several: "my th" holds "th". Not for an index, so it comes after the others."""
        if not column.name.startswith("t"):
            return sa.cast(column, sa.Text) == value
        return sa.or_(column == value, (sa.literal(" ") + column + " ").contains(f" {value} ", autoescape=True))

    def _by_due(self, when: str) -> list[sa.ColumnElement[bool]]:
        if when == "overdue":
            return [self._due < self._today]
        if when == "week":
            return [self._due >= self._today, self._due <= self._today + WEEK]
        if when == "later":
            return [self._due > self._today + WEEK]
        return [self._due.is_(None)] if when == "none" else []

    def _rows(self, where: list[sa.ColumnElement[bool]], start: Cursor | None) -> list[sa.Row]:
        """Rows with a day first, in its order; then those without. A range of the index each, never an offset."""
        rows: list[sa.Row] = []
        if start is None or start.value:
            dated = [*where, self._due.is_not(None)]
            if start is not None:
                dated.append(
                    sa.tuple_(self._due, list_row.c.id) > sa.tuple_(sa.literal(start.day), sa.literal(start.id))
                )
            rows += self._full(self._ids().where(*dated).order_by(self._due, list_row.c.id).limit(PAGE + 1))
        if len(rows) <= PAGE:
            undated = [*where, self._due.is_(None)]
            if start is not None and not start.value:
                undated.append(list_row.c.id > start.id)
            rows += self._full(self._ids().where(*undated).order_by(list_row.c.id).limit(PAGE + 1 - len(rows)))
        return rows

    def _matching(self, q: str) -> list[UUID]:
        """Entities of cases whose code or pseudonym begins so; ranges, because under RLS no LIKE uses an index."""
        text = " ".join(q.split())[:60]
        beginnings = {text, text.lower(), text.capitalize(), text.title()}
        either = [sa.and_(cases.c.pseudonym >= one, cases.c.pseudonym < one + _LAST) for one in sorted(beginnings)]
        if letters := codes.typed(text):
            code = codes.grouped(letters)
            either.append(sa.and_(cases.c.code >= code, cases.c.code < code + _LAST))
        either.append(cases.c.code == text)
        return list(
            self._tx.scalars(
                sa.select(cases.c.entity)
                .where(cases.c.project_id == self._project, cases.c.list == self.rule.name, sa.or_(*either))
                .limit(_MOST_FOUND)
            )
        )

    def _near(self, q: str) -> Who | None:
        letters = codes.typed(q)
        if letters is None or len(letters) != codes.LENGTH or codes.fits(letters):
            return None
        row = self._tx.execute(
            sa.select(*LINE).where(cases.c.project_id == self._project, cases.c.code.in_(codes.near(letters))).limit(1)
        ).one_or_none()
        return who(row, self._language) if row else None

    def _line(self, row: sa.Row) -> Line:
        values = {name: getattr(row, slot) for name, slot in self.slots.items()}
        if self.rule.stage and row.stage:
            values[self.rule.stage] = row.stage
        return Line(who(row, self._language), row.case_id, row.status, row.worker, due(row.due_on, self._today), values)
