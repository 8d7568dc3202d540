"""The row of an entity in its list: typed slots, filled from what the programme names as columns (storage.md 11)."""
from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from namjai.languages import sort_key
from store.tables import cases, entity, entity_list, list_field, list_row
from store.tables.entities import DATE_SLOTS, NUMBER_SLOTS, TEXT_SLOTS

_LONGEST = 200
_SLOTS = (*TEXT_SLOTS, *NUMBER_SLOTS, *DATE_SLOTS)


def write(tx: sa.Connection, project: UUID, list_name: str, uuid: UUID) -> None:
    """Bring an entity's row up to date; nothing is written where nothing changed."""
    stored = tx.execute(
        sa.select(
            entity.c.label,
            entity.c.data,
            entity.c.case_id,
            entity.c.deleted_at,
            cases.c.worker,
            cases.c.team,
            cases.c.stage,
            cases.c.status,
            entity_list.c.is_case_list,
            entity_list.c.roles,
        )
        .join(
            entity_list, sa.and_(entity_list.c.project_id == entity.c.project_id, entity_list.c.name == entity.c.list)
        )
        .outerjoin(cases, sa.and_(cases.c.project_id == entity.c.project_id, cases.c.id == entity.c.case_id))
        .where(entity.c.project_id == project, entity.c.list == list_name, entity.c.uuid == uuid)
    ).one()
    where = (list_row.c.project_id == project, list_row.c.list == list_name, list_row.c.id == uuid)
    if stored.deleted_at:
        tx.execute(list_row.delete().where(*where))
        return
    data = dict(stored.data)
    if stored.is_case_list and stored.stage and "stage" in stored.roles:
        data[stored.roles["stage"]] = stored.stage
    fields = tx.execute(
        sa.select(list_field.c.property, list_field.c.slot).where(
            list_field.c.project_id == project, list_field.c.list == list_name
        )
    ).all()
    row = {
        "case_id": stored.case_id,
        "status": stored.status,
        "worker": stored.worker,
        "team": stored.team,
        "sort": sort_key(stored.label)[:_LONGEST],
    } | slots({field.slot: data.get(field.property) for field in fields})
    statement = insert(list_row).values(project_id=project, list=list_name, id=uuid, **row)
    tx.execute(
        statement.on_conflict_do_update(
            index_elements=["project_id", "list", "id"],
            set_=row,
            where=sa.or_(*(list_row.c[name].is_distinct_from(statement.excluded[name]) for name in row)),
        )
    )


def slots(given: dict[str, Any]) -> dict[str, Any]:
    """Typed values for all slots. What is not of its slot's type is NULL, and its slot named in `ill_typed`."""
    values: dict[str, Any] = dict.fromkeys(_SLOTS)
    wrong = []
    for slot, value in given.items():
        if value in (None, ""):
            continue
        try:
            values[slot] = _typed(slot, str(value))
        except ValueError:
            wrong.append(slot)
    return values | {"ill_typed": ",".join(sorted(wrong)) or None}


def _typed(slot: str, text: str) -> Any:
    if slot in NUMBER_SLOTS:
        return float(text)
    return dt.date.fromisoformat(text[:10]) if slot in DATE_SLOTS else text[:_LONGEST]
