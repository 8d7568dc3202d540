"""How much waits for a person: the numbers in the navigation, each in the scope of its own right."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from cases import access, quarantine_list
from cases.paging import MOST_COUNTED, counted
from cases.review_queue import waiting_for
from cases.sessions import SignedIn
from odk.programme import GrantRule
from store.actor import act_as
from store.tables import grants


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers that are shown; 0 where there is nothing, or no right.

    `grants` are those to decide; for whoever pays and does not decide, those to pay.
    """

    review: int | str = 0
    tasks: int | str = 0
    grants: int | str = 0
    tablets: int | str = 0
    quarantine: int | str = 0


def counts(tx: sa.Connection, me: SignedIn, rule: GrantRule | None = None) -> Counts:
    """What waits for this person. Changes whose eyes the transaction sees with; the caller sets them back."""
    review = money = 0
    if access.may("submission.review", me.role):
        actor = me.actor(access.scope_of("submission.review", me.role))
        act_as(tx, actor)
        review = _count(tx, waiting_for(actor))
    if access.may("grant.decide", me.role):
        act_as(tx, me.actor(access.scope_of("grant.decide", me.role)))
        money = _count(tx, grants_to_decide(me, rule))
    elif access.may("grant.pay", me.role):
        act_as(tx, me.actor(access.scope_of("grant.pay", me.role)))
        to_pay = grants.c.project_id == me.project, grants.c.state == "approved"
        money = _count(tx, sa.select(grants.c.id).where(*to_pay))
    kept = quarantine_list.count(tx, me.project) if me.project and access.may("quarantine.manage", me.role) else 0
    return Counts(review=counted(review), grants=counted(money), quarantine=kept)


def grants_to_decide(me: SignedIn, rule: GrantRule | None) -> sa.Select:
    """Grants that wait for this person's decision: neither asked for by them, nor above what their role may approve."""
    return sa.select(grants.c.id).where(
        grants.c.project_id == me.project,
        grants.c.state.in_(("requested", "suspended")),
        grants.c.requested_by.is_distinct_from(me.user_id),
        _within(rule, me.role or ""),
    )


def _within(rule: GrantRule | None, role: str) -> sa.ColumnElement[bool]:
    """GrantRule.may_approve as a condition."""
    if rule is None or role not in rule.approvers:
        return sa.false()
    if not rule.limits:
        return sa.true()
    below = [sa.literal(-1), *(sa.literal(one.up_to) for one in rule.limits)]
    fitting = [
        sa.and_(grants.c.amount > low, grants.c.amount <= one.up_to)
        for low, one in zip(below, rule.limits, strict=False)
        if role in one.roles
    ]
    return sa.or_(sa.false(), *fitting)


def _count(tx: sa.Connection, query: sa.Select) -> int:
    return tx.scalar(sa.select(sa.func.count()).select_from(query.limit(MOST_COUNTED + 1).subquery())) or 0
