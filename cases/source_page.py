"""One source in full: theirs and ours form by form, which files have come, the lists that it keeps. Reads only."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from cases.source_list import NOT_HERE, capped, files_of
from cases.source_problems import FormElsewhere
from store.tables import form, source_form, source_list, source_row

# Counting further would cost more than the number says.
MOST_FILES = 20_000


@dataclass(frozen=True, slots=True)
class FormLine:
    """A form at a source. `theirs` is what the source counted last, None while it has not; `here` what is stored.

    `waiting` could not be had yet, `kept` lies in quarantine. `local` is the id under which its page is found, or None.
    """

    remote: str
    local: str | None
    title: str
    closed: bool
    read: bool
    theirs: int | None
    here: int
    waiting: int
    kept: int
    compared_at: dt.datetime | None
    problem: FormElsewhere | None

    @property
    def equal(self) -> bool:
        return self.theirs == self.here and not self.waiting and not self.kept


def forms(tx: sa.Connection, row: sa.Row) -> list[FormLine]:
    """The forms of a source, by title."""
    here = (source_row.c.project_id == row.project_id, source_row.c.source_id == row.id)
    there = source_row.c.deleted_at.is_(None)
    waits = _by_form(tx, *here, there, source_row.c.mark.is_(None), source_row.c.quarantine_id.is_(None))
    kept = _by_form(tx, *here, there, source_row.c.quarantine_id.is_not(None))
    query = (
        sa.select(source_form, form.c.xml_form_id.label("local"))
        .outerjoin(
            form,
            sa.and_(form.c.project_id == source_form.c.project_id, form.c.xml_form_id == source_form.c.xml_form_id),
        )
        .where(source_form.c.project_id == row.project_id, source_form.c.source_id == row.id)
        .order_by(source_form.c.title, source_form.c.remote)
    )
    chosen = row.options.get("forms")
    return [
        FormLine(
            one.remote,
            one.local,
            one.title,
            one.closed,
            chosen is None or one.remote in chosen,
            one.theirs,
            one.live - waits.get(one.remote, 0) - kept.get(one.remote, 0),
            waits.get(one.remote, 0),
            kept.get(one.remote, 0),
            one.census_at,
            FormElsewhere(name=row.name, form=one.xml_form_id, reason=one.problem) if one.problem else None,
        )
        for one in tx.execute(query)
    ]


def files(tx: sa.Connection, row: sa.Row) -> dict[str, int]:
    """How many files are in which state: expected, partial, verified, missing; each no further than MOST_FILES."""
    return {state: capped(tx, files_of(row.project_id, row.id, state), MOST_FILES) for state in ("verified", *NOT_HERE)}


def lists(tx: sa.Connection, row: sa.Row) -> list[dict[str, Any]]:
    """The entity lists that a source keeps: how many entities each has."""
    found = tx.execute(
        sa.select(source_list)
        .where(source_list.c.project_id == row.project_id, source_list.c.source_id == row.id)
        .order_by(source_list.c.name)
    )
    return [{"name": one.name, "n": one.live} for one in found]


def _by_form(tx: sa.Connection, *where: sa.ColumnElement[bool]) -> dict[str, int]:
    query = sa.select(source_row.c.remote, sa.func.count()).where(*where).group_by(source_row.c.remote)
    return {remote: n for remote, n in tx.execute(query)}
