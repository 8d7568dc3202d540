"""How much waits for a person: the numbers in the navigation, each in the scope of its own right."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from cases import access, quarantine_list
from cases.paging import MOST_COUNTED, counted
from cases.review_queue import waiting_for
from cases.sessions import SignedIn
from store.actor import act_as
from store.tables import grants


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers that are shown; 0 where there is nothing, or no right."""

    review: int | str = 0
    tasks: int | str = 0
    grants: int | str = 0
    tablets: int | str = 0
    quarantine: int | str = 0


def counts(tx: sa.Connection, me: SignedIn) -> Counts:
    """What waits for this person. Changes whose eyes the transaction sees with; the caller sets them back."""
    review = decide = 0
    if access.may("submission.review", me.role):
        actor = me.actor(access.scope_of("submission.review", me.role))
        act_as(tx, actor)
        review = _count(tx, waiting_for(actor))
    if access.may("grant.decide", me.role):
        act_as(tx, me.actor(access.scope_of("grant.decide", me.role)))
        decide = _count(tx, grants_to_decide(me))
    kept = quarantine_list.count(tx, me.project) if me.project and access.may("quarantine.manage", me.role) else 0
    return Counts(review=counted(review), grants=counted(decide), quarantine=kept)


def grants_to_decide(me: SignedIn) -> sa.Select:
    """Grants that wait for a decision, but not those that this person asked for."""
    return sa.select(grants.c.id).where(
        grants.c.project_id == me.project,
        grants.c.state.in_(("requested", "suspended")),
        grants.c.requested_by.is_distinct_from(me.user_id),
    )


def _count(tx: sa.Connection, query: sa.Select) -> int:
    return tx.scalar(sa.select(sa.func.count()).select_from(query.limit(MOST_COUNTED + 1).subquery())) or 0
