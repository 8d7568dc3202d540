"""The page of a case, part by part: its way, what is due, its money, who looked. Few statements a part.

Each part is asked for only where the reader has the right to it; the transaction's row-level security bounds them all.
"""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from cases import people, stages
from namjai.languages import Words, date_words
from odk.programme import Programme
from store.tables import audit, grants, letter

_LOOKED = ("case.opened", "value.revealed", "submission.opened", "grant.opened")
_MOST_SEEN = 6


def track(
    tx: sa.Connection, project: UUID, row: sa.Row, programme: Programme, language: str, today: dt.date
) -> list[dict[str, Any]]:
    """The stages: behind, here, ahead. Each with the day on which the case came there."""
    if not programme.stages:
        return []
    since = dict(stages.history(tx, project, row.id))
    ids = [one.id for one in programme.stages]
    here = ids.index(row.stage) if row.stage in ids else -1
    found = []
    for number, one in enumerate(programme.stages, 1):
        state = (
            "now"
            if one.id == row.stage
            else "done"
            if number - 1 < here and (not one.beside or one.id in since)
            else ""
        )
        if one.beside and one.id in since and state != "now":
            state = "also"
        # A case that went back was once where it is not yet: that is told by its timeline.
        day = date_words(since[one.id], language, today=today) if one.id in since and state else None
        note = Words(f"since {day}", f"ตั้งแต่ {day}").in_(language) if day and state in ("now", "also") else day
        found.append({"number": number, "label": one.label.in_(language), "note": note, "state": state})
    return found


def money(tx: sa.Connection, project: UUID, case_id: UUID) -> tuple[list[sa.Row], dict[UUID, sa.Row], int]:
    """The case's grants, newest first, their newest letters by grant, and the sum that was received."""
    rows = tx.execute(
        sa.select(grants)
        .where(grants.c.project_id == project, grants.c.case_id == case_id)
        .order_by(grants.c.requested_at.desc())
        .limit(50)
    ).all()
    letters: dict[UUID, sa.Row] = {}
    if rows:
        held = sa.select(letter.c.id, letter.c.grant_id, letter.c.number, letter.c.state).where(
            letter.c.project_id == project, letter.c.case_id == case_id, letter.c.state == "issued"
        )
        letters = {one.grant_id: one for one in tx.execute(held.order_by(letter.c.issued_at))}
    received = sum(row.received_amount or (row.amount if row.state == "receipted" else 0) for row in rows)
    return list(rows), letters, received


def seen(tx: sa.Connection, project: UUID, case_id: UUID, me: UUID, language: str) -> list[dict[str, Any]]:
    """Who looked at the case last; one line a person and kind."""
    rows = tx.execute(
        sa.select(audit.c.at, audit.c.actor_id, audit.c.verb, audit.c.detail)
        .where(
            audit.c.project_id == project,
            audit.c.subject_id == case_id,
            audit.c.verb.in_(_LOOKED),
            audit.c.actor_kind == "person",
        )
        .order_by(audit.c.at.desc())
        .limit(60)
    ).all()
    names = people.names(tx, (row.actor_id for row in rows))
    found: dict[tuple, dict[str, Any]] = {}
    for row in rows:
        what = Words("revealed a masked value", "เปิดดูข้อมูลที่ปิดไว้").in_(language) if row.verb == "value.revealed" else None
        mark = (row.actor_id, row.verb == "value.revealed", row.detail.get("reason"))
        found.setdefault(
            mark,
            {"who": people.short(names.get(row.actor_id, "?")), "mine": row.actor_id == me, "what": what, "at": row.at},
        )
    return list(found.values())[:_MOST_SEEN]
