"""One source in full: theirs and ours form by form, which files have come, the lists that it keeps. Reads only."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from cases.source_list import NOT_HERE, awaited, capped
from cases.source_problems import FormElsewhere
from store.tables import form, source_file, source_form, source_list, source_row, submission_attachment

# Counting further would cost more than the number says.
MOST_FILES, MOST_AWAITED = 20_000, 5_000


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

    @property
    def differs(self) -> bool:
        """Whether comparing everything could help: it is read, was counted, and is not only held back."""
        return self.read and not self.problem and self.theirs is not None and not self.equal and not self.held_back

    @property
    def held_back(self) -> bool:
        """Whether it is all here but for what lies in quarantine."""
        return self.kept > 0 and not self.waiting and self.theirs == self.here + self.kept


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
    """How many files are in which state: verified, expected, partial, missing. None is counted beyond MOST_FILES."""
    fetched = sa.select(source_file.c.name).where(
        source_file.c.project_id == row.project_id, source_file.c.source_id == row.id
    )
    # Two questions instead of a join, as in `source_list`.
    waits = [one.submission_id for one in tx.execute(awaited(row.project_id, row.id).limit(MOST_AWAITED))]
    of_them = (
        sa.select(submission_attachment.c.state, sa.func.count())
        .where(
            submission_attachment.c.project_id == row.project_id,
            submission_attachment.c.submission_id == sa.any_(sa.bindparam("ids", waits, type_=ARRAY(sa.Uuid))),
        )
        .group_by(submission_attachment.c.state)
    )
    states: dict[str, int] = {state: n for state, n in tx.execute(of_them)} if waits else {}
    return {"verified": capped(tx, fetched, MOST_FILES)} | {state: states.get(state, 0) for state in NOT_HERE}


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
