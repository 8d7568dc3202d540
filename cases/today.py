"""What waits today: for review, overdue, to approve, from the tablets. Numbers are doors to lists."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from cases import access, people, quarantine_list, source_list
from cases.paging import MOST_COUNTED, counted
from cases.review_queue import waiting_for
from cases.sessions import SignedIn
from cases.waiting import grants_to_decide
from odk.programme import GrantRule
from store.actor import Actor
from store.tables import app_user, cases, grants, submission

# A tablet that was not heard for this long may be lost, broken or without a network.
SILENT = dt.timedelta(days=7)


@dataclass(frozen=True, slots=True)
class TabletSeen:
    """A tablet and when it was last heard."""

    name: str
    user: str | None
    last_seen: dt.datetime | None
    silent: bool


def review(tx: sa.Connection, actor: Actor, *, own: bool = False) -> dict:
    """How much waits, how much of it is edited, since when; `own` with what the actor sent."""
    inner = (
        waiting_for(actor, own=own)
        .add_columns(submission.c.review_state, submission.c.received_at)
        .limit(MOST_COUNTED + 1)
        .subquery()
    )
    row = tx.execute(
        sa.select(
            sa.func.count().label("n"),
            sa.func.count().filter(inner.c.review_state == "edited").label("edited"),
            sa.func.min(inner.c.received_at).label("oldest"),
        ).select_from(inner)
    ).one()
    return {"n": row.n, "edited": row.edited, "oldest": row.oldest}


def to_approve(tx: sa.Connection, me: SignedIn, rule: GrantRule | None) -> dict:
    """How many grants wait for this person, who approves them or names their requester, and their sum."""
    inner = grants_to_decide(me, rule).add_columns(grants.c.amount).limit(MOST_COUNTED + 1).subquery()
    row = tx.execute(
        sa.select(
            sa.func.count().label("n"), sa.func.coalesce(sa.func.sum(inner.c.amount), 0).label("amount")
        ).select_from(inner)
    ).one()
    return {"n": row.n, "amount": int(row.amount)}


def open_cases(tx: sa.Connection, me: SignedIn) -> dict:
    """How many cases are open, and how many of them are this person's."""
    where = (cases.c.project_id == me.project, cases.c.status != "closed")
    mine = tx.scalar(sa.select(sa.func.count()).select_from(cases).where(*where, cases.c.worker == me.user_id)) or 0
    if access.scope_of("case.read", me.role) == "own":
        return {"n": counted(mine), "mine": mine}
    n = tx.scalar(
        sa.select(sa.func.count()).select_from(sa.select(cases.c.id).where(*where).limit(MOST_COUNTED + 1).subquery())
    )
    return {"n": counted(n or 0), "mine": mine}


def sources_waiting(tx: sa.Connection, me: SignedIn) -> dict | None:
    """What somebody should see to: how much lies in quarantine, which sources could not be read. None: nothing."""
    if me.project is None:
        return None
    kept = quarantine_list.count(tx, me.project) if access.may("quarantine.manage", me.role) else 0
    failed = source_list.trouble(tx, me.project) if access.may("source.manage", me.role) else []
    return {"kept": kept, "failed": failed} if kept or failed else None


def tablets_seen(tx: sa.Connection, project: UUID, today: dt.date, zone: dt.tzinfo) -> tuple[dict, list[TabletSeen]]:
    """How many tablets sent something today, and when each was last heard."""
    rows = tx.execute(
        sa.select(app_user)
        .where(app_user.c.project_id == project, app_user.c.revoked_at.is_(None))
        .order_by(app_user.c.name)
    ).all()
    names = people.names(tx, (row.user_id for row in rows))
    begin = dt.datetime.combine(today, dt.time(), zone)
    sent = tx.scalar(
        sa.select(sa.func.count(sa.distinct(submission.c.app_user_id))).where(
            submission.c.project_id == project,
            submission.c.received_at >= begin,
            submission.c.app_user_id.in_([row.id for row in rows]),
        )
    )
    now = dt.datetime.now(dt.UTC)
    seen = [
        TabletSeen(
            row.name,
            names.get(row.user_id),
            row.last_seen_at,
            row.last_seen_at is not None and now - row.last_seen_at > SILENT,
        )
        for row in rows
    ]
    return {"today": sent or 0, "n": len(rows), "silent": any(one.silent for one in seen)}, seen
