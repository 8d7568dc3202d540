"""Entities of a list whose home is another server: its feed is the only writer (design.md, The idea, 4).

Knows lists, entities and cases as rows; knows no server.
"""
from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from namjai.problems import Problem
from store.tables import cases, entity, entity_list, entity_version, form, submission_version
from submissions import case_rows, list_rows
from submissions.delivery import EntityChange
from submissions.fold import State


@dataclass(frozen=True, slots=True)
class EntityState:
    """One version of an entity as the feed has it: all that held then, and what this version changed."""

    version: int
    label: str
    data: Mapping[str, str] = field(repr=False)
    changed: Mapping[str, str] = field(repr=False)
    at: dt.datetime
    base_version: int | None = None
    trunk_version: int | None = None
    branch_id: str | None = None
    conflict: str | None = None
    # The submission that made it, by its first instance id; None for one made at the server itself.
    instance_id: str | None = None


@dataclass(frozen=True, slots=True)
class RemoteEntity:
    """An entity with its versions, the oldest first; the last is current. `conflict` is None, "soft" or "hard". Without
    any version: it is there, but cannot be read; with a `problem`: it could not be had now.
    """

    uuid: UUID
    versions: tuple[EntityState, ...]
    conflict: str | None = None
    problem: Problem | None = None

    @property
    def current(self) -> EntityState:
        return self.versions[-1]


@dataclass(frozen=True, slots=True)
class Fed:
    """One version that the feed brought, and the submission behind it."""

    change: EntityChange
    submission_id: UUID
    xml_form_id: str
    instance_id: str


def take(tx: sa.Connection, project: UUID, name: str, given: RemoteEntity) -> list[Fed] | None:
    """Bring an entity to what its home says. None when it was so already.

    Gives every version that is new here with the submission that made it; one that was made at the server itself with
    the submission that the entity began with. Those of which no submission is here are left out.
    """
    row = tx.execute(
        sa.select(entity_list).where(entity_list.c.project_id == project, entity_list.c.name == name)
    ).one()
    now = given.current
    _make(tx, project, name, given)
    where = (entity.c.project_id == project, entity.c.list == name, entity.c.uuid == given.uuid)
    stored = tx.execute(sa.select(entity).where(*where).with_for_update()).one()
    settled = (stored.version, stored.conflict, stored.deleted_at, stored.placeholder)
    if settled == (now.version, given.conflict, None, False):
        return None
    origins = _keep_versions(tx, project, name, given)
    state = State(now.label, dict(now.data), True)
    case_id = _case_of(tx, project, row, given.uuid, state, now.at)
    tx.execute(
        entity.update().where(*where).values(
            label=now.label, data=state.data, version=now.version, placeholder=False, conflict=given.conflict,
            deleted_at=None, case_id=case_id, updated_at=now.at,
        )
    )
    list_rows.write(tx, project, name, given.uuid)
    if case_id and case_id != stored.case_id and not row.is_case_list:
        # What spoke of it before anybody knew whose it is.
        case_rows.join(tx, project, case_id, [origin[0] for origin in origins.values()])
    return _steps(name, given, stored, case_id, origins)


def _steps(
    name: str, given: RemoteEntity, stored: sa.Row, case_id: UUID | None, origins: dict[str, tuple[UUID, str, str]]
) -> list[Fed]:
    first = next((origins[one.instance_id] for one in given.versions if one.instance_id in origins), None)
    steps: list[Fed] = []
    before = None if stored.placeholder or stored.deleted_at else dict(stored.data)
    for one in given.versions:
        origin = origins.get(one.instance_id or "", first)
        if origin is None or (one.version <= stored.version and one is not given.current):
            continue
        act = "create" if before is None else "update"
        stale, data = one.conflict is not None, dict(one.data)
        change = EntityChange(name, given.uuid, one.version, act, one.label, data, before, stale, case_id)
        steps.append(Fed(change, *origin))
        before = data
    return steps


def remove(tx: sa.Connection, project: UUID, name: str, uuid: UUID, at: dt.datetime) -> bool:
    """An entity that its home deleted leaves the lists; its versions and its case stay. False when it had left."""
    where = (entity.c.project_id == project, entity.c.list == name, entity.c.uuid == uuid)
    done = tx.execute(
        entity.update().where(*where, entity.c.deleted_at.is_(None)).values(deleted_at=at, updated_at=at)
    )
    if done.rowcount == 0:
        return False
    list_rows.write(tx, project, name, uuid)
    # A tablet must not meet a hash that this list had before (reliability: tablets).
    tx.execute(
        entity_list.update()
        .where(entity_list.c.project_id == project, entity_list.c.name == name)
        .values(removals=entity_list.c.removals + 1)
    )
    return True


def known(tx: sa.Connection, project: UUID, name: str, uuids: list[UUID]) -> dict[UUID, tuple]:
    """(version, conflict) of those of these entities that are here and not deleted."""
    query = sa.select(entity.c.uuid, entity.c.version, entity.c.conflict).where(
        *_here(project, name), entity.c.uuid == sa.any_(sa.bindparam("uuids", type_=sa.ARRAY(sa.Uuid)))
    )
    return {row.uuid: (row.version, row.conflict) for row in tx.execute(query, {"uuids": uuids})}


def some_after(tx: sa.Connection, project: UUID, name: str, after: UUID, most: int) -> list[UUID]:
    """The ids of the next entities in their order that are here and not deleted."""
    query = sa.select(entity.c.uuid).where(*_here(project, name), entity.c.uuid > after)
    return list(tx.scalars(query.order_by(entity.c.uuid).limit(most)))


def count(tx: sa.Connection, project: UUID, name: str) -> int:
    """How many entities of a list are here and not deleted."""
    return tx.scalar(sa.select(sa.func.count()).select_from(entity).where(*_here(project, name))) or 0


def _here(project: UUID, name: str) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        entity.c.project_id == project,
        entity.c.list == name,
        entity.c.deleted_at.is_(None),
        entity.c.placeholder.is_(False),
    )


def _make(tx: sa.Connection, project: UUID, name: str, given: RemoteEntity) -> None:
    first = given.versions[0]
    tx.execute(
        insert(entity)
        .values(
            project_id=project, list=name, uuid=given.uuid, label="", data={}, version=0, placeholder=True,
            created_at=first.at, updated_at=first.at,
        )
        .on_conflict_do_nothing()
    )


def _keep_versions(
    tx: sa.Connection, project: UUID, name: str, given: RemoteEntity
) -> dict[str, tuple[UUID, str, str]]:
    """Store the versions that are not here. Gives (submission, form, instance) by the instance id that made them."""
    origins = _origins(tx, project, [one.instance_id for one in given.versions if one.instance_id])
    for one in given.versions:
        origin = origins.get(one.instance_id or "")
        tx.execute(
            insert(entity_version)
            .values(
                project_id=project, list=name, uuid=given.uuid, version=one.version,
                act="create" if one is given.versions[0] else "update", label=one.label, data=dict(one.changed),
                base_version=one.base_version, trunk_version=one.trunk_version, branch_id=one.branch_id,
                stale=one.conflict is not None, submission_id=origin[0] if origin else None,
                instance_id=one.instance_id, position="" if origin else None, created_at=one.at,
            )
            .on_conflict_do_nothing()
        )
    return origins


def _origins(tx: sa.Connection, project: UUID, instances: list[str]) -> dict[str, tuple[UUID, str, str]]:
    """Which submissions these instances are versions of. Form by form: among a million, an index finds them only so."""
    if not instances:
        return {}
    forms = list(tx.scalars(sa.select(form.c.xml_form_id).where(form.c.project_id == project)))
    version = submission_version.c
    query = sa.select(version.submission_id, version.xml_form_id, version.instance_id).where(
        version.project_id == project,
        version.xml_form_id == sa.any_(sa.bindparam("forms", type_=sa.ARRAY(sa.Text))),
        version.instance_id == sa.any_(sa.bindparam("instances", type_=sa.ARRAY(sa.Text))),
    )
    rows = tx.execute(query.order_by(version.xml_form_id), {"forms": forms, "instances": instances})
    return {row.instance_id: (row.submission_id, row.xml_form_id, row.instance_id) for row in rows}


def _case_of(
    tx: sa.Connection, project: UUID, row: sa.Row, uuid: UUID, state: State, at: dt.datetime
) -> UUID | None:
    if row.is_case_list:
        return case_rows.from_entity(tx, project, row, uuid, state, worker=None, team=None, now=at)
    try:
        parent = UUID(str(state.data.get(row.parent) or "")) if row.parent else None
    except ValueError:
        parent = None
    if parent is None:
        return None
    return tx.scalar(sa.select(cases.c.id).where(cases.c.project_id == project, cases.c.entity == parent).limit(1))
