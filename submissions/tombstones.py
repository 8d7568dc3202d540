"""A submission that its source deleted: it leaves every list and count; nothing is erased, and it may come back."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

import sqlalchemy as sa

from store.actor import Actor
from store.audit import Event, record
from store.keys import new_id
from store.opening import Store
from store.tables import action, membership, submission


def bury(
    tx: sa.Connection, store: Store, actor: Actor, submission_id: UUID, at: dt.datetime, source: str
) -> sa.Row | None:
    """Mark a submission as deleted at its source. Gives its row, None when it was so already."""
    return _mark(tx, store, actor, submission_id, at, "submission.deleted", source)


def raise_again(tx: sa.Connection, store: Store, actor: Actor, submission_id: UUID, source: str) -> sa.Row | None:
    """Take a tombstone back, because the source has the submission again. None when there was none."""
    return _mark(tx, store, actor, submission_id, None, "submission.restored", source)


def _mark(
    tx: sa.Connection, store: Store, actor: Actor, submission_id: UUID, at: dt.datetime | None, verb: str, source: str
) -> sa.Row | None:
    here = submission.c.deleted_at.is_not(None) if at is None else submission.c.deleted_at.is_(None)
    row = tx.execute(
        submission.update()
        .where(submission.c.project_id == actor.project, submission.c.id == submission_id, here)
        .values(deleted_at=at, row_version=submission.c.row_version + 1)
        .returning(submission.c.id, submission.c.xml_form_id, submission.c.instance_id)
    ).one_or_none()
    if row is None:
        return None
    belongs = sa.select(membership.c.case_id).where(
        membership.c.project_id == actor.project, membership.c.submission_id == submission_id
    )
    for case_id in list(tx.scalars(belongs)) or [None]:
        tx.execute(
            action.insert().values(
                project_id=actor.project,
                id=new_id(),
                case_id=case_id,
                kind=verb,
                subject=submission_id,
                at=dt.datetime.now(dt.UTC),
                data={"source": source},
            )
        )
    record(tx, store.keyring, actor, Event(verb, "submission", submission_id, {"source": source}))
    return row
