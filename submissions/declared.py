"""Entities of submissions from servers that know none: what the house's own version of the form declares is applied.

Ids that no answer holds are made of the submission's first id and the place where the row was seen first. An edit finds
the same entities again, also when rows were taken out, put in or moved.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from uuid import UUID

import sqlalchemy as sa
from lxml import etree

from odk.alignment import aligned
from odk.declared import Rule, Rules, declare, made_id, places, plain, rules_of
from odk.entities import EntityAction, entity_actions
from odk.instance import read_instance
from odk.schema import FormSchema, without_positions
from store.tables import entity_version, form_version, submission_version

if TYPE_CHECKING:
    from submissions.receive import Arrival

TABLETS = "tablets"
# A stored version of an entity; its id and the number of the place where it was seen first.
_Stored = tuple[sa.Row, tuple[UUID, int]]


@dataclass(frozen=True, slots=True)
class Said:
    """What a submission does to entities, and what could not be worked out: (list, reason). `applies`: its form
    declares some, whether or not this submission has any."""

    actions: tuple[EntityAction, ...] = ()
    failed: tuple[tuple[str, str], ...] = ()
    applies: bool = False


def said(arrival: Arrival) -> Said:
    """What the delivery says; from a server that knows no entities, what our own version of its form declares."""
    schema, instance = arrival.version.schema, arrival.instance
    # Some servers drop the entities sheet of some forms alone: what a tablet wrote into the instance counts.
    itself = (
        not arrival.delivery.declares or instance.encrypted or next(instance.root.iter("{*}entity"), None) is not None
    )
    if itself:
        return Said(entity_actions(instance, schema), applies=bool(schema.entities))
    own = _own_version(arrival)
    return _declared(arrival, *own) if own else Said()


def _declared(arrival: Arrival, rules: Rules, schema: FormSchema) -> Said:
    root = plain(arrival.instance.root, rules.root)
    ids = {rule: _ids(arrival, rules, rule, schema, root) for rule in rules.rules if rule.entity_id is None}
    failed = declare(root, rules, lambda rule, number: str(ids[rule][number][0]))
    actions = entity_actions(replace(arrival.instance, root=root), schema)
    # What its place is called stays as it was when it was seen first: an edit stands for what it edits.
    named = {str(uuid): f"{rule.path}[{first}]" for rule, made in ids.items() if rule.path for uuid, first in made}
    kept = tuple(replace(one, key=named.get(one.entity_id, one.key)) for one in actions)
    return Said(kept, tuple((rule.list, reason) for rule, reason in failed), applies=True)


def _ids(
    arrival: Arrival, rules: Rules, rule: Rule, schema: FormSchema, root: etree._Element
) -> list[tuple[UUID, int]]:
    """The id of each place of a rule, with the number of the place where it was seen first."""
    now = places(root, rule)
    first_id = arrival.instance.root_id or arrival.instance.deprecated_id or arrival.instance.instance_id
    if not rule.path:
        return [(made_id(first_id, rule, 1), 1)]
    before, ever = _before(arrival, rules, rule, schema)
    known = [one for _, one in before]
    found = [None if number is None else known[number] for number in aligned([row for row, _ in before], now)]
    highest = max([len(now), *(number for _, number in ever)])
    used = {uuid for uuid, _ in ever} | {one[0] for one in found if one}
    made: list[tuple[UUID, int]] = []
    for number, one in enumerate(found, 1):
        if one is None:
            first = number
            while made_id(first_id, rule, first) in used:
                highest += 1
                first = highest
            one = (made_id(first_id, rule, first), first)
            used.add(one[0])
        made.append(one)
    return made


def _before(
    arrival: Arrival, rules: Rules, rule: Rule, schema: FormSchema
) -> tuple[list[tuple[etree._Element, tuple[UUID, int] | None]], list[tuple[UUID, int]]]:
    """The rows of the version before with the ids that they have (None: none yet); and all that the submission made."""
    tx, project = arrival.tx, arrival.project
    stored = [
        (row, (row.uuid, int(row.position.rpartition("[")[2].rstrip("]") or 0)))
        for row in tx.execute(
            sa.select(entity_version).where(
                entity_version.c.project_id == project,
                entity_version.c.submission_id == arrival.submission_id,
                entity_version.c.list == rule.list,
            )
        )
        if without_positions(row.position or "") == rule.path
    ]
    ever = [one for _, one in stored]
    waiting = sorted(
        ((row, one) for row, one in stored if row.instance_id == arrival.replaced), key=lambda pair: pair[1][1]
    )
    if not waiting:
        return [], ever
    root = plain(read_instance(_raw(arrival)).root, rules.root)
    declare(root, rules, lambda _, number: str(UUID(int=number)))
    rows = places(root, rule)
    actions = entity_actions(replace(arrival.instance, root=root), schema)
    # Which row it is, is told by the id that it was just given; a row that made no entity has no action.
    told = {UUID(one.entity_id).int: one for one in actions if without_positions(one.key) == rule.path}
    found: list[tuple[etree._Element, tuple[UUID, int] | None]] = []
    for number, row in enumerate(rows):
        action = told.get(number)
        chosen = _chosen(waiting, action) if action is not None else None
        if chosen is not None:
            waiting.remove(chosen)
        found.append((row, chosen[1] if chosen is not None else None))
    return found, ever


def _chosen(waiting: list[_Stored], action: EntityAction) -> _Stored | None:
    """What was stored of an action: by what it said. Two that said the same are the same to everybody."""
    alike = (pair for pair in waiting if (pair[0].data, pair[0].label) == (action.data, action.label))
    return next(alike, None) or next(iter(waiting), None)


def _raw(arrival: Arrival) -> bytes:
    """The version before, as it came."""
    raw = arrival.tx.scalar(
        sa.select(submission_version.c.raw).where(
            submission_version.c.project_id == arrival.project,
            submission_version.c.xml_form_id == arrival.version.xml_form_id,
            submission_version.c.instance_id == arrival.replaced,
        )
    )
    return arrival.open_key().decrypt(f"raw:{arrival.replaced}", bytes(raw or b""))


def _own_version(arrival: Arrival) -> tuple[Rules, FormSchema] | None:
    """The newest version of the form that was published here, when it declares entities."""
    here = (
        form_version.c.project_id == arrival.project,
        form_version.c.xml_form_id == arrival.version.xml_form_id,
        form_version.c.origin == TABLETS,
    )
    newest = sa.select(form_version.c.version, form_version.c.md5).where(*here)
    row = arrival.tx.execute(newest.order_by(form_version.c.ordinal.desc()).limit(1)).one_or_none()
    if row is None:
        return None
    key = (arrival.project, arrival.version.xml_form_id, row.version, row.md5)
    if key not in _remembered:
        stored = sa.select(form_version.c.xform, form_version.c.schema)
        found = arrival.tx.execute(stored.where(*here, form_version.c.version == row.version)).one()
        if len(_remembered) > _MOST:
            _remembered.clear()
        _remembered[key] = (rules_of(bytes(found.xform)), FormSchema.from_json(found.schema))
    rules, schema = _remembered[key]
    return (rules, schema) if rules.rules else None


_MOST = 200
_remembered: dict[tuple, tuple[Rules, FormSchema]] = {}
