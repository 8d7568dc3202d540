"""What a submission does to entities, and to whose cases it belongs.

Knows lists, homes, parents and slots as rows; knows no programme. A list whose home is elsewhere is never written.
"""
from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from odk.entities import EntityAction
from store.keys import new_id
from store.tables import entity, entity_version, membership, rule_failure
from submissions import case_rows, declared, list_rows
from submissions.delivery import EntityChange
from submissions.entity_rows import ensured, is_entity, known_lists, locked, store_state, store_version, versions_of
from submissions.event_dates import event_of
from submissions.fold import State, Version, clashes, fold, is_stale

if TYPE_CHECKING:
    from submissions.receive import Arrival

TABLETS = "tablets"
# What a submission changed, and its cases.
Told = tuple[tuple[EntityChange, ...], tuple[UUID, ...]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """An entity that a submission names: by an action, or (action None) by picking it."""

    list: str
    uuid: UUID
    action: EntityAction | None


def apply(arrival: Arrival) -> Told:
    """Apply the delivery's entity actions and set the submission's cases. Gives what changed, and the cases."""
    said = said_by(arrival)
    if said is None:
        return (), ()
    lists = known_lists(arrival.tx, arrival.project)
    return applied(arrival, lists, wanted_by(arrival, lists, said))


def said_by(arrival: Arrival) -> declared.Said | None:
    """What a delivery says of entities; None when it neither says anything nor picks any."""
    selected = arrival.read().selected
    if not arrival.version.schema.entities and not selected and not arrival.delivery.declares:
        return None
    said = declared.said(arrival)
    return said if said.applies or selected else None


def applied(arrival: Arrival, lists: dict[str, sa.Row], wanted: list[Wanted]) -> Told:
    """Apply what a submission wants of entities, and set its cases."""
    # Always in the same order, so that two deliveries about the same people never wait for each other in a circle.
    wanted.sort(key=lambda one: (not lists[one.list].is_case_list, one.list, one.uuid, one.action is None))
    changes: list[EntityChange] = []
    cases: dict[UUID, None] = {}
    for one in wanted:
        row = lists[one.list]
        if one.action is not None and row.home == TABLETS:
            change = _act(arrival, row, one.action, one.uuid)
            changes.append(change)
            case_id = change.case_id
        else:
            case_id = case_of_known(arrival, row, one.uuid)
            if one.action is not None:
                told = fed_before(arrival, row, one.uuid, case_id) or _made_before(arrival, row, one, case_id)
                changes += [told] if told else []
        if case_id:
            cases[case_id] = None
    _set_cases(arrival, tuple(cases))
    return tuple(changes), tuple(cases)


def count_again(arrival: Arrival, later: UUID) -> None:
    """What a later part of a chain said of entities counts once more, now as edits of the arrival's submission.

    Both halves had spoken for themselves; joined, the later one must be the last word whenever it came.
    """
    tx, project = arrival.tx, arrival.project
    lists = known_lists(tx, project)
    said = tx.execute(
        sa.select(entity_version)
        .where(entity_version.c.project_id == project, entity_version.c.submission_id == later)
        .order_by(entity_version.c.list, entity_version.c.uuid, entity_version.c.version)
    ).all()
    tx.execute(
        entity_version.update()
        .where(entity_version.c.project_id == project, entity_version.c.submission_id == later)
        .values(submission_id=arrival.submission_id)
    )
    for one in said:
        row, now = lists[one.list], arrival.delivery.received_at
        stored = locked(tx, project, one.list, one.uuid)
        origin = (arrival.submission_id, one.position)
        version = Version(stored.version + 1, one.act, one.label, one.data, one.base_version, one.branch_id, origin)
        state = fold([*versions_of(tx, project, one.list, one.uuid), version], row.server_owned)
        store_version(
            tx, project, row, one.uuid, version, now=now, user_id=one.user_id, trunk=one.trunk_version,
            instance_id=one.instance_id,
        )
        case_id = _case_of(arrival, row, one.uuid, state)
        store_state(tx, project, row, stored, state, version.number, now=now, case_id=case_id)


def change_by_server(
    tx: sa.Connection, project: UUID, list_name: str, uuid: UUID, data: dict[str, str], *, user_id: UUID | None
) -> int:
    """A property that the server owns gets a new value; the tablets see it at their next refresh. Gives the version.

    Nothing is written when nothing would change: every version is a possible conflict for a tablet that is offline.
    Nor into a list whose home is elsewhere: its feed is the only writer.
    """
    row = known_lists(tx, project)[list_name]
    stored = locked(tx, project, list_name, uuid)
    if row.home != TABLETS or all(stored.data.get(name) == value for name, value in data.items()):
        return stored.version
    versions = versions_of(tx, project, list_name, uuid)
    version = Version(stored.version + 1, "update", None, data, base=stored.version)
    now = dt.datetime.now(dt.UTC)
    store_version(tx, project, row, uuid, version, now=now, user_id=user_id)
    store_state(tx, project, row, stored, fold([*versions, version], row.server_owned), version.number, now=now)
    return version.number


def wanted_by(arrival: Arrival, lists: dict[str, sa.Row], said: declared.Said) -> list[Wanted]:
    """The entities that a submission names. What it names wrongly is kept as a failure."""
    found: dict[tuple[str, UUID, bool], Wanted] = {}
    for name, reason in said.failed:
        _fail(arrival, "entity", reason, {"list": name, "key": ""})
    for action in said.actions:
        problem = action.problem or (None if action.list in lists else "list-unknown")
        uuid = _uuid(action.entity_id)
        if uuid is None or problem in ("no-list", "undeclared", "other-list", "list-unknown"):
            _fail(arrival, "entity", problem or "bad-uuid", {"list": action.list, "key": action.key})
            continue
        if problem:
            _fail(arrival, "entity", problem, {"list": action.list, "key": action.key})
        found.setdefault((action.list, uuid, True), Wanted(action.list, uuid, action))
    for selection in arrival.read().selected:
        uuid = _uuid(selection.entity_id)
        if selection.list not in lists:
            continue  # a choice from a media file is no entity
        if uuid is None:
            _fail(arrival, "entity", "bad-uuid", {"list": selection.list, "key": selection.key})
        elif (selection.list, uuid, True) not in found:
            found[selection.list, uuid, False] = Wanted(selection.list, uuid, None)
    return list(found.values())


def fed_before(arrival: Arrival, row: sa.Row, uuid: UUID, case_id: UUID | None) -> EntityChange | None:
    """What the feed of the list's home told of this submission's entity before the submission itself could be had."""
    told = (
        entity_version.c.project_id == arrival.project,
        entity_version.c.list == row.name,
        entity_version.c.uuid == uuid,
        entity_version.c.instance_id == arrival.instance.instance_id,
        entity_version.c.submission_id.is_(None),
    )
    act = arrival.tx.scalar(
        entity_version.update()
        .where(*told)
        .values(submission_id=arrival.submission_id, position="")
        .returning(entity_version.c.act)
    )
    stored = _stored(arrival, row, uuid) if act else None
    if stored is None or stored.placeholder or stored.deleted_at:
        return None
    data = dict(stored.data)
    before = None if act == "create" else data
    stale = stored.conflict is not None
    return EntityChange(row.name, uuid, stored.version, act, stored.label, data, before, stale, case_id)


def _made_before(arrival: Arrival, row: sa.Row, one: Wanted, case_id: UUID | None) -> EntityChange | None:
    """An edit that still names the entity which its submission made. The home of a list hears nothing of edits, so the
    entity stays as it was; but whoever follows the submission must know that it speaks of the same one."""
    if not arrival.instance.deprecated_id or one.action is None or one.action.act != "create":
        return None
    stored = _stored(arrival, row, one.uuid)
    if stored is None or stored.placeholder or stored.deleted_at:
        return None
    data, stale = dict(stored.data), stored.conflict is not None
    return EntityChange(row.name, one.uuid, stored.version, "update", stored.label, data, data, stale, case_id)


def _act(arrival: Arrival, row: sa.Row, action: EntityAction, uuid: UUID) -> EntityChange:
    tx, project = arrival.tx, arrival.project
    now = arrival.delivery.received_at
    stored = ensured(tx, project, row, uuid, now=now, submission=arrival.submission_id)
    versions = versions_of(tx, project, row.name, uuid)
    version = Version(
        stored.version + 1, action.act, action.label, action.data, action.base_version, action.branch_id,
        (arrival.submission_id, action.key),
    )
    stale = is_stale(version, versions)
    state = fold([*versions, version], row.server_owned)
    store_version(
        tx, project, row, uuid, version, now=now, user_id=arrival.delivery.user_id, trunk=action.trunk_version,
        stale=stale, instance_id=arrival.instance.instance_id,
    )
    case_id = _case_of(arrival, row, uuid, state)
    sender = arrival.delivery.user_id
    if case_id and sender and case_rows.responsible(tx, project, case_id).worker != sender:
        # The tablet has it from its own form and will never be served it: it must ask.
        case_rows.somebody_left(tx, project, row.name)
    conflict = ("hard" if clashes(version, versions) else "soft") if stale else stored.conflict
    store_state(tx, project, row, stored, state, version.number, now=now, conflict=conflict, case_id=case_id)
    before = dict(stored.data) if not stored.placeholder else None
    return EntityChange(row.name, uuid, version.number, action.act, state.label, state.data, before, stale, case_id)


def _case_of(arrival: Arrival, row: sa.Row, uuid: UUID, state: State) -> UUID | None:
    """The case of an entity: its own when the list is the case list, else that of the person it names as parent."""
    delivery = arrival.delivery
    if row.is_case_list:
        return case_rows.from_entity(
            arrival.tx, arrival.project, row, uuid, state, worker=delivery.user_id, team=delivery.team,
            now=delivery.received_at,
        )
    parent = _uuid(str(state.data.get(row.parent) or "")) if row.parent else None
    if parent is None:
        return None
    case_list = next((one for one in known_lists(arrival.tx, arrival.project).values() if one.is_case_list), None)
    return case_of_known(arrival, case_list, parent) if case_list else None


def case_of_known(arrival: Arrival, row: sa.Row, uuid: UUID) -> UUID | None:
    """The case of an entity that is only named: a placeholder is made for a person nobody has told us of yet."""
    stored = ensured(
        arrival.tx,
        arrival.project,
        row,
        uuid,
        now=arrival.delivery.received_at,
        submission=arrival.submission_id,
        lock=False,
    )
    if stored.case_id or not row.is_case_list:
        return stored.case_id
    case_id = _case_of(arrival, row, uuid, State(stored.label, dict(stored.data), not stored.placeholder))
    arrival.tx.execute(entity.update().where(*is_entity(arrival.project, row.name, uuid)).values(case_id=case_id))
    list_rows.write(arrival.tx, arrival.project, row.name, uuid)
    return case_id


def _stored(arrival: Arrival, row: sa.Row, uuid: UUID) -> sa.Row | None:
    return arrival.tx.execute(sa.select(entity).where(*is_entity(arrival.project, row.name, uuid))).one_or_none()


def _set_cases(arrival: Arrival, cases: tuple[UUID, ...]) -> None:
    """Exactly these are the submission's cases: an edit that picks another person leaves the first one's case."""
    tx, project = arrival.tx, arrival.project
    tx.execute(
        membership.delete().where(
            membership.c.project_id == project,
            membership.c.submission_id == arrival.submission_id,
            membership.c.case_id.not_in(cases),
        )
    )
    for case_id in cases:
        person = case_rows.responsible(tx, project, case_id)
        row = {"worker": person.worker, "team": person.team, "event_date": event_of(arrival).date}
        tx.execute(
            insert(membership)
            .values(project_id=project, case_id=case_id, submission_id=arrival.submission_id, **row)
            .on_conflict_do_update(index_elements=["project_id", "case_id", "submission_id"], set_=row)
        )


def _fail(arrival: Arrival, rule: str, problem: str, facts: dict[str, str]) -> None:
    arrival.tx.execute(
        rule_failure.insert().values(
            project_id=arrival.project, id=new_id(), rule=rule, submission_id=arrival.submission_id, problem=problem,
            facts=facts, at=arrival.delivery.received_at,
        )
    )


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
