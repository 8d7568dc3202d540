"""Taking a delivery: receive it, then let the programme's rules follow. Door, sync, import and replay all come here.

A rule that fails never blocks a submission: it runs in a savepoint, and its failure waits in an inbox.
"""
from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa

from cases import grant_changes, grants, stages
from cases.projects import programme_of
from namjai.problems import Problem
from odk.instance import read_instance
from store.actor import Actor
from store.keys import new_id
from store.opening import Store
from store.tables import rule_failure
from submissions import entity_feed, quarantine, tombstones
from submissions.delivery import Changes, Delivery, Outcome
from submissions.many import receive_new
from submissions.problems import DeliveryRefused
from submissions.receive import receive

# An edit, also one that joins a chain late, may change what somebody approved.
_CHANGE_ANSWERS = (Outcome.EDITED, Outcome.ORIGINAL)
RULES = {"stage": stages.apply_changes, "grant": grants.apply_changes}
# What reading an instance may say; all of it is kept in quarantine, except what is too large to keep.
_READING = ("xml-", "instance-", "form-id-")
_NOT_KEPT = ("xml-too-large", "too-large", "storage-full", "database-unreachable")


def take(tx: sa.Connection, store: Store, actor: Actor, delivery: Delivery) -> Changes:
    """Receive a delivery and apply the programme's rules to what it changed, in the caller's transaction.

    Raises what `receive` raises; the caller then rolls back and calls `refuse`.
    """
    with store.blobs.together():
        return _taken(tx, store, actor, delivery)


def take_new(
    tx: sa.Connection, store: Store, actor: Actor, deliveries: Sequence[Delivery], *, in_order: bool
) -> list[Changes | None]:
    """The same for those of many deliveries that are new here; None for one that is to be taken alone, after them.

    With `in_order` the answer ends at the first such one. Raises what any of them raises; the caller then rolls back,
    and takes each alone.
    """
    with store.blobs.together():
        taken = receive_new(tx, store, actor, deliveries, in_order=in_order)
        for changes in taken:
            if changes is not None:
                _follow(tx, store, actor, changes)
    return taken


def _taken(tx: sa.Connection, store: Store, actor: Actor, delivery: Delivery) -> Changes:
    changes = receive(tx, store, actor, delivery)
    _follow(tx, store, actor, changes)
    return changes


def _follow(tx: sa.Connection, store: Store, actor: Actor, changes: Changes) -> None:
    """The programme's rules for what a delivery changed."""
    if changes.entities or changes.cases or changes.outcome in _CHANGE_ANSWERS:
        programme = programme_of(tx, actor.project)
        if programme is not None:
            for name, rule in RULES.items():
                _guarded(tx, store, actor, changes, name, rule, programme)


def delete(tx: sa.Connection, store: Store, actor: Actor, submission_id: UUID, at: dt.datetime, source: str) -> bool:
    """A source deleted a submission: a tombstone, and approvals of what it asked for are taken back.

    False when it was so already. The rule runs without a savepoint: money must not go out for a deleted request.
    """
    row = tombstones.bury(tx, store, actor, submission_id, at, source)
    programme = programme_of(tx, actor.project)
    if row is not None and programme is not None:
        grant_changes.request_gone(tx, store, actor, row, programme)
    return row is not None


def restore(tx: sa.Connection, store: Store, actor: Actor, submission_id: UUID, source: str) -> bool:
    """The source has a deleted submission again. What was approved stays suspended until somebody decides again."""
    row = tombstones.raise_again(tx, store, actor, submission_id, source)
    programme = programme_of(tx, actor.project)
    if row is not None and programme is not None:
        grant_changes.request_back(tx, store, actor, row, programme)
    return row is not None


def take_entity(tx: sa.Connection, store: Store, actor: Actor, name: str, given: entity_feed.RemoteEntity) -> bool:
    """An entity as its home's feed has it, then the programme's rules. False when nothing changed."""
    fed = entity_feed.take(tx, actor.project, name, given)
    if fed is None:
        return False
    programme = programme_of(tx, actor.project)
    for one in fed if programme is not None else ():
        cases = (one.change.case_id,) if one.change.case_id else ()
        changes = Changes(
            Outcome.NEW, actor.project, one.submission_id, one.xml_form_id, one.instance_id, current=True,
            entities=(one.change,), cases=cases,
        )
        for rule_name, rule in RULES.items():
            _guarded(tx, store, actor, changes, rule_name, rule, programme)
    return True


def is_kept(problem: Problem) -> bool:
    """Whether a delivery with this problem goes to quarantine."""
    return isinstance(problem, DeliveryRefused) or (
        problem.code.startswith(_READING) and problem.code not in _NOT_KEPT
    )


def refuse(tx: sa.Connection, store: Store, actor: Actor, delivery: Delivery, problem: Problem) -> UUID:
    """Keep a refused delivery in quarantine. Gives the item's id."""
    try:
        instance = read_instance(delivery.xml)
        named = quarantine.Named(instance.form_id, instance.instance_id)
    except Problem:
        named = quarantine.Named()
    with store.blobs.together():
        return quarantine.keep(tx, store, actor, delivery, problem, named)


def replay(tx: sa.Connection, store: Store, actor: Actor, item: UUID) -> Changes:
    """Take a quarantined delivery again. Raises what is still wrong with it; then it stays in quarantine."""
    delivery = quarantine.delivery_of(tx, store, actor.project, item)
    changes = take(tx, store, actor, delivery)
    quarantine.settle(tx, store, actor, item, "replayed", dt.datetime.now(dt.UTC))
    return changes


def _guarded(tx: sa.Connection, store: Store, actor: Actor, changes: Changes, name: str, rule, programme) -> None:
    try:
        with tx.begin_nested():
            rule(tx, store, actor, changes, programme)
    except sa.exc.DBAPIError as error:
        if error.connection_invalidated:
            raise
        _failed(tx, changes, name, "database", {"state": getattr(error.orig, "sqlstate", None) or ""})
    except Problem as problem:
        _failed(tx, changes, name, problem.code, {key: str(value)[:100] for key, value in problem.facts.items()})
    except (ValueError, KeyError, TypeError, AttributeError, LookupError, ArithmeticError) as error:
        _failed(tx, changes, name, "rule-broken", {"kind": type(error).__name__})


def _failed(tx: sa.Connection, changes: Changes, name: str, problem: str, facts: dict[str, str]) -> None:
    tx.execute(
        rule_failure.insert().values(
            project_id=changes.project, id=new_id(), rule=name, submission_id=changes.submission_id, problem=problem,
            facts=facts, at=dt.datetime.now(dt.UTC),
        )
    )
