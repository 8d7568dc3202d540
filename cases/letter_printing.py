"""Which letters are due for the printer, and noting that they were printed."""
from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa

from store.actor import Actor
from store.audit import Event, record
from store.opening import Store
from store.tables import letter


def chosen(tx: sa.Connection, project: UUID, *, kind: str | None, grant_ids: Sequence[UUID]) -> list[sa.Row]:
    """Letters that hold, oldest first: those of the grants, or else all that were not printed yet."""
    query = sa.select(letter.c.id, letter.c.number).where(letter.c.project_id == project, letter.c.state == "issued")
    if kind:
        query = query.where(letter.c.kind == kind)
    query = query.where(letter.c.grant_id.in_(grant_ids)) if grant_ids else query.where(letter.c.printed_at.is_(None))
    return list(tx.execute(query.order_by(letter.c.issued_at, letter.c.id)))


def mark_printed(tx: sa.Connection, store: Store, actor: Actor, letter_id: UUID) -> None:
    """Note when a letter was first printed; each printing is an event of its own."""
    tx.execute(
        letter.update()
        .where(letter.c.project_id == actor.project, letter.c.id == letter_id, letter.c.printed_at.is_(None))
        .values(printed_at=dt.datetime.now(dt.UTC))
    )
    record(tx, store.keyring, actor, Event("letter.printed", "letter", letter_id, {}))
