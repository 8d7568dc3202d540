"""What a delivery does to grants: a request makes or refreshes one, an edit takes an approval back, a receipt ends it.

Runs in the tablets' door after `receive`, in a savepoint. What it cannot follow is kept and noted as a failed rule.
"""
from __future__ import annotations

import datetime as dt
import zoneinfo
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from cases import grant_rows, letters
from cases.grant_problems import (
    GrantAmountUnreadable,
    GrantAskedTwice,
    GrantLeft,
    GrantReceiptDiffers,
    GrantReceiptNotApproved,
    GrantReceiptUnreadable,
    GrantUnknown,
)
from cases.grant_requests import Request, content_of, request_of
from cases.grant_rules import APPROVED, after_edit, number_of, satang_of
from namjai.problems import Problem
from odk.programme import GrantRule, ListRule, Programme
from store.actor import Actor
from store.keys import new_id
from store.opening import Store
from store.tables import cases, grant_counter, grants, rule_failure, submission
from submissions.delivery import Changes, EntityChange, Outcome


@dataclass(frozen=True, slots=True)
class _Context:
    tx: sa.Connection
    store: Store
    actor: Actor
    changes: Changes
    programme: Programme
    rule: GrantRule

    @property
    def project(self) -> UUID:
        return self.actor.project

    @property
    def list(self) -> ListRule:
        return self.programme.lists[self.rule.list]

    def fail(self, problem: type[Problem], **facts: str) -> None:
        """Note what could not be followed; the submission itself is kept."""
        self.tx.execute(
            rule_failure.insert().values(
                project_id=self.project, id=new_id(), rule="grant", submission_id=self.changes.submission_id,
                problem=problem.code, facts=facts, at=dt.datetime.now(dt.UTC),
            )
        )


def apply_changes(tx: sa.Connection, store: Store, actor: Actor, changes: Changes, programme: Programme) -> None:
    """Follow a delivery: make, refresh, suspend or receipt the grants that it touches.

    Of a delivery whose answers are not the current ones only an original matters that joined a chain of edits: then the
    submission may say something else than what was approved.
    """
    if programme.grants is None or programme.grants.list not in programme.lists:
        return
    at = _Context(tx, store, actor.everywhere(), changes, programme, programme.grants)
    if not changes.current:
        if changes.outcome is Outcome.ORIGINAL and changes.xml_form_id == at.rule.form:
            _recheck(at)
        return
    if changes.outcome is Outcome.EDITED:
        _settle(at)
    touched = [one for one in changes.entities if one.list == at.rule.list]
    for one in touched:
        _follow(at, one)
    if changes.xml_form_id == at.rule.form and changes.outcome is Outcome.EDITED:
        _let_go(at, {one.uuid for one in touched})
    if any(one.list == programme.case_list for one in changes.entities):
        _hand_over(at)


def request_gone(tx: sa.Connection, store: Store, actor: Actor, gone: sa.Row, programme: Programme) -> None:
    """A request was deleted at its source: nobody may approve or pay it, and an approval is taken back.

    `gone`: id, xml_form_id and instance_id of the submission.
    """
    at = _standing(tx, store, actor, gone, programme)
    if at is None:
        return
    for grant in _asked_by(at):
        _changed(at, grant, content=_nothing(at, grant))


def request_back(tx: sa.Connection, store: Store, actor: Actor, back: sa.Row, programme: Programme) -> None:
    """A deleted request is there again: its grants can be decided upon anew."""
    at = _standing(tx, store, actor, back, programme)
    if at is None:
        return
    for grant in _asked_by(at):
        request = request_of(tx, store, at.project, grant.submission_id)
        data = grant_rows.entity_data(tx, at.project, grant)
        amount, kind = (_text(data.get(name)) for name in (at.list.amount, at.list.kind))
        if request:
            _changed(at, grant, content=content_of(store, at.project, grant.entity, amount, kind, request))


def _standing(
    tx: sa.Connection, store: Store, actor: Actor, row: sa.Row, programme: Programme
) -> _Context | None:
    if programme.grants is None or row.xml_form_id != programme.grants.form:
        return None
    changes = Changes(Outcome.EDITED, actor.project, row.id, row.xml_form_id, row.instance_id)
    return _Context(tx, store, actor.everywhere(), changes, programme, programme.grants)


def _settle(at: _Context) -> None:
    """An edit is judged anew: what its earlier version could not be followed in no longer waits for anybody."""
    at.tx.execute(
        rule_failure.update()
        .where(
            rule_failure.c.project_id == at.project, rule_failure.c.settled_at.is_(None),
            rule_failure.c.rule == "grant", rule_failure.c.submission_id == at.changes.submission_id,
        )
        .values(settled_at=dt.datetime.now(dt.UTC))
    )


def _follow(at: _Context, one: EntityChange) -> None:
    form = at.changes.xml_form_id
    grant = grant_rows.by_entity(at.tx, at.project, one.list, one.uuid)
    if grant is None:
        if form == at.rule.form:
            _ask(at, one)
        elif form == at.rule.receipt_form:
            at.fail(GrantUnknown, grant=str(one.uuid))
        return
    if form == at.rule.form and grant.submission_id != at.changes.submission_id:
        at.fail(GrantAskedTwice, number=grant.number)
        return
    grant = _refresh(at, grant, one)
    if form == at.rule.receipt_form:
        _receive(at, grant, one)


def _ask(at: _Context, one: EntityChange) -> None:
    request = request_of(at.tx, at.store, at.project, at.changes.submission_id)
    amount = satang_of(one.data.get(at.list.amount))
    if request is None or amount is None:
        at.fail(GrantAmountUnreadable, property=at.list.amount)
        return
    owner = grant_rows.case_of(at.tx, at.project, one.case_id)
    received = at.tx.scalar(
        sa.select(submission.c.received_at).where(
            submission.c.project_id == at.project, submission.c.id == at.changes.submission_id
        )
    )
    grant = at.tx.execute(
        grants.insert()
        .values(
            project_id=at.project, id=new_id(), list=one.list, entity=one.uuid, case_id=one.case_id,
            worker=owner.worker if owner else None, team=owner.team if owner else None,
            submission_id=at.changes.submission_id, number=_number(at), kind=_text(one.data.get(at.list.kind)),
            amount=amount, state="requested", requested_by=request.user_id, requested_at=received,
            content=_content(at, one, request), facts={"properties": _open(at, one)}, row_version=1,
        )
        .returning(grants)
    ).one()
    grant_rows.note(at.tx, at.store, at.actor, "grant.requested", grant, {"requested_by": _text(request.user_id)})
    grant_rows.publish(at.tx, at.programme, at.project, grant, user_id=request.user_id)


def _refresh(at: _Context, grant: sa.Row, one: EntityChange) -> sa.Row:
    """What is asked may have changed: then the grant follows, and an approval is taken back."""
    request = request_of(at.tx, at.store, at.project, grant.submission_id)
    content = _content(at, one, request) if request else b""
    if content == bytes(grant.content):
        return grant
    amount = satang_of(one.data.get(at.list.amount))
    if amount is None:
        at.fail(GrantAmountUnreadable, property=at.list.amount, number=grant.number)
    owner = grant_rows.case_of(at.tx, at.project, one.case_id)
    return _changed(
        at, grant, content=content, amount=amount or grant.amount, kind=_text(one.data.get(at.list.kind)),
        case_id=one.case_id, worker=owner.worker if owner else None, team=owner.team if owner else None,
        facts=grant.facts | {"properties": _open(at, one)},
    )


def _changed(at: _Context, grant: sa.Row, **values: Any) -> sa.Row:
    state = after_edit(grant.state)
    now = grant_rows.change(at.tx, at.project, grant, state=state, **values)
    kind = "grant.suspended" if state == "suspended" and grant.state != "suspended" else "grant.changed"
    grant_rows.note(at.tx, at.store, at.actor, kind, now, {"was": grant.state, "amount_was": grant.amount})
    if kind == "grant.suspended":
        letters.void_letters_of(at.tx, at.store, at.actor, grant.id, because="edited")
    grant_rows.publish(at.tx, at.programme, at.project, now, user_id=None)
    return now


def _receive(at: _Context, grant: sa.Row, one: EntityChange) -> None:
    """The tablet says that the money arrived. Only what was approved can be received; else it waits for somebody."""
    received_on = _day(one.data.get(at.rule.receipt_date))
    amount = satang_of(one.data.get(at.rule.receipt_amount))
    if received_on is None or amount is None:
        at.fail(GrantReceiptUnreadable, number=grant.number)
        return
    known = {"received_on": received_on, "received_amount": amount}
    if grant.state not in APPROVED:
        at.fail(GrantReceiptNotApproved, number=grant.number, state=grant.state)
        if grant.state == "suspended":
            # It was approved when the money left: the receipt counts as soon as somebody approves again.
            grant_rows.change(at.tx, at.project, grant, **known)
        return
    if grant.state == "receipted" and (grant.received_on, grant.received_amount) == (received_on, amount):
        return
    now = grant_rows.change(at.tx, at.project, grant, state="receipted", **known)
    if amount != grant.amount:
        at.fail(GrantReceiptDiffers, number=grant.number)
    said = {"received_on": received_on.isoformat(), "received_amount": amount}
    grant_rows.note(at.tx, at.store, at.actor, "grant.receipted", now, said)
    grant_rows.publish(at.tx, at.programme, at.project, now, user_id=None)


def _let_go(at: _Context, named: set[UUID]) -> None:
    """An edit of a request that names another grant no longer asks for the first: nobody may approve or pay that."""
    for grant in _asked_by(at):
        if grant.entity not in named:
            at.fail(GrantLeft, number=grant.number)
            if bytes(grant.content) != _nothing(at, grant):
                _changed(at, grant, content=_nothing(at, grant))


def _recheck(at: _Context) -> None:
    """Two halves of a chain of edits became one: an approval of what is no longer asked is taken back."""
    for grant in _asked_by(at):
        request = request_of(at.tx, at.store, at.project, grant.submission_id)
        data = grant_rows.entity_data(at.tx, at.project, grant)
        amount, kind = (_text(data.get(name)) for name in (at.list.amount, at.list.kind))
        content = content_of(at.store, at.project, grant.entity, amount, kind, request) if request else b""
        if grant.state in APPROVED and content != bytes(grant.content):
            _changed(at, grant, content=_nothing(at, grant))


def _asked_by(at: _Context) -> list[sa.Row]:
    """The grants that the delivery's submission asks for, locked."""
    query = sa.select(grants).where(
        grants.c.project_id == at.project, grants.c.submission_id == at.changes.submission_id
    )
    return list(at.tx.execute(query.order_by(grants.c.id).with_for_update()))


def _nothing(at: _Context, grant: sa.Row) -> bytes:
    """The content of a grant that nobody asks for any more: no request says this, so nobody can approve it."""
    return at.store.keyring.hash("digest", "grant", str(at.project), str(grant.entity), "asked no more")


def _hand_over(at: _Context) -> None:
    """Whose case it is may have become known: grants are seen by the same people as their case."""
    at.tx.execute(
        grants.update()
        .where(
            grants.c.project_id == at.project, grants.c.case_id.in_(at.changes.cases), cases.c.project_id == at.project,
            cases.c.id == grants.c.case_id,
            sa.or_(grants.c.worker.is_distinct_from(cases.c.worker), grants.c.team.is_distinct_from(cases.c.team)),
        )
        .values(worker=cases.c.worker, team=cases.c.team)
    )


def _content(at: _Context, one: EntityChange, request: Request) -> bytes:
    amount, kind = (_text(one.data.get(name)) for name in (at.list.amount, at.list.kind))
    return content_of(at.store, at.project, one.uuid, amount, kind, request)


def _open(at: _Context, one: EntityChange) -> dict[str, str]:
    """What lists show of a grant: the entity's own properties, which are open by declaration."""
    left_out = {at.list.parent, *at.list.server_owned}
    return {name: _text(value) for name, value in one.data.items() if name not in left_out and value}


def _number(at: _Context) -> str:
    """The next number of the year. The counter's row stays locked until the delivery is committed: no gap."""
    year = dt.datetime.now(zoneinfo.ZoneInfo(at.programme.timezone)).year
    counter = insert(grant_counter).values(project_id=at.project, year=year, last=1)
    counted = counter.on_conflict_do_update(
        index_elements=["project_id", "year"], set_={"last": grant_counter.c.last + 1}
    )
    count = at.tx.execute(counted.returning(grant_counter.c.last)).scalar_one()
    return number_of(at.rule.number_format, year, count)


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _day(value: object) -> dt.date | None:
    try:
        return dt.date.fromisoformat(str(value)[:10]) if value else None
    except ValueError:
        return None
