"""How much waits for a person: the numbers in the navigation, each in the scope of its own right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa

from cases import access, quarantine_list
from cases.grant_rules import WAITING
from cases.paging import MOST_COUNTED, counted
from cases.review_queue import waiting_for
from cases.sessions import SignedIn
from odk.programme import GrantRule
from store.actor import act_as
from store.tables import cases, grants, submission, submission_version


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
    """Grants that this person can approve, and for who may name requesters those that have none.

    grant_rules.why_not_approve as conditions, of the request alone: its page also looks at what other forms wrote.
    """
    ours = grants.c.project_id == me.project, grants.c.state.in_(WAITING)
    if rule is None or me.role not in rule.approvers:
        return sa.select(grants.c.id).where(*ours, sa.false())
    unknown = sa.or_(grants.c.requested_by.is_(None), _sent(lambda sender: sender.is_(None)))
    theirs = sa.or_(
        grants.c.requested_by == me.user_id,
        _sent(lambda sender: sender == str(me.user_id)),
        grants.c.facts.contains({"named_by": [str(me.user_id)]}),
    )
    can = sa.and_(~unknown, ~theirs, _within(rule, me.role), _about(cases, "case_id", ~cases.c.placeholder))
    if access.may("grant.name_requester", me.role):
        can = sa.or_(unknown, can)
    rejected = _about(submission, "submission_id", submission.c.review_state == "rejected")
    return sa.select(grants.c.id).where(*ours, ~rejected, can)


def _sent(by: Callable[[sa.ColumnElement[str]], sa.ColumnElement[bool]]) -> sa.ColumnElement[bool]:
    """That a version of the request was sent by such a one: who is known by the tablet, or was named afterwards."""
    version = submission_version.c
    named = sa.func.jsonb_extract_path_text(grants.c.facts, "named", version.instance_id)
    sender = sa.func.coalesce(sa.cast(version.user_id, sa.Text), named)
    return sa.exists().where(
        version.project_id == grants.c.project_id, version.submission_id == grants.c.submission_id, by(sender)
    )


def _about(table: sa.Table, key: str, condition: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """That what the grant's key leads to is so."""
    return sa.exists().where(table.c.project_id == grants.c.project_id, table.c.id == grants.c[key], condition)


def _within(rule: GrantRule, role: str) -> sa.ColumnElement[bool]:
    """GrantRule.may_approve as a condition."""
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
