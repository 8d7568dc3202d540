"""The rows of entities and their versions: found, locked, made and written. Knows no submission's words.

Every change of an entity's row tells its list, so that tablets are served it again (`list_rows`).
"""
from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from store.tables import entity, entity_list, entity_version
from submissions import case_rows, list_rows
from submissions.fold import State, Version


def known_lists(tx: sa.Connection, project: UUID) -> dict[str, sa.Row]:
    """The project's entity lists by name."""
    rows = tx.execute(sa.select(entity_list).where(entity_list.c.project_id == project))
    return {row.name: row for row in rows}


def ensured(
    tx: sa.Connection, project: UUID, row: sa.Row, uuid: UUID, *, now: dt.datetime, submission: UUID, lock: bool = True
) -> sa.Row:
    """The entity's row, made as a placeholder where there is none, locked until the transaction ends."""
    if not lock and (found := tx.execute(sa.select(entity).where(*is_entity(project, row.name, uuid))).one_or_none()):
        return found
    tx.execute(
        insert(entity)
        .values(
            project_id=project, list=row.name, uuid=uuid, label="", data={}, version=0, placeholder=True,
            created_by=submission, created_at=now, updated_at=now,
        )
        .on_conflict_do_nothing()
    )
    return locked(tx, project, row.name, uuid)


def locked(tx: sa.Connection, project: UUID, list_name: str, uuid: UUID) -> sa.Row:
    return tx.execute(sa.select(entity).where(*is_entity(project, list_name, uuid)).with_for_update()).one()


def versions_of(tx: sa.Connection, project: UUID, list_name: str, uuid: UUID) -> list[Version]:
    rows = tx.execute(
        sa.select(entity_version)
        .where(
            entity_version.c.project_id == project, entity_version.c.list == list_name, entity_version.c.uuid == uuid
        )
        .order_by(entity_version.c.version)
    )
    return [
        Version(
            row.version, row.act, row.label, row.data, row.base_version, row.branch_id,
            (row.submission_id, row.position) if row.submission_id else None,
        )
        for row in rows
    ]


def store_version(
    tx: sa.Connection, project: UUID, row: sa.Row, uuid: UUID, version: Version, *, now: dt.datetime,
    user_id: UUID | None, trunk: int | None = None, stale: bool = False, instance_id: str | None = None,
) -> None:
    tx.execute(
        entity_version.insert().values(
            project_id=project, list=row.name, uuid=uuid, version=version.number, act=version.act, label=version.label,
            data=version.data, base_version=version.base, trunk_version=trunk, branch_id=version.branch, stale=stale,
            submission_id=version.origin[0] if version.origin else None,
            position=version.origin[1] if version.origin else None,
            instance_id=instance_id, user_id=user_id, created_at=now,
        )
    )


def store_state(
    tx: sa.Connection, project: UUID, row: sa.Row, stored: sa.Row, state: State, number: int, *, now: dt.datetime,
    **more: Any,
) -> None:
    if stored.case_id and more.get("case_id", stored.case_id) != stored.case_id:
        case_rows.somebody_left(tx, project, row.name)
    tx.execute(
        entity.update()
        .where(*is_entity(project, row.name, stored.uuid))
        .values(
            label=state.label, data=state.data, version=number, placeholder=not state.created, updated_at=now, **more
        )
    )
    list_rows.write(tx, project, row.name, stored.uuid)


def is_entity(project: UUID, list_name: str, uuid: UUID) -> tuple[sa.ColumnElement[bool], ...]:
    return (entity.c.project_id == project, entity.c.list == list_name, entity.c.uuid == uuid)
