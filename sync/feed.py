"""The feed of an entity list: what changed, and now and then everything, becomes what the list is here."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import psycopg
import sqlalchemy as sa

from cases import deliveries
from namjai.problems import Problem
from store.tables import source_list
from submissions import entity_feed
from submissions.entity_feed import RemoteEntity
from sync.source import RemoteList
from sync.work import Work

Head = tuple[UUID, int, str | None]
_AT_ONCE = 200


class EntityBroken(Problem):
    code, http_status = "source-entity-broken", 502
    en = (
        "{name} has an entity in the list {list} that could not be taken. The others were; it is tried "
        "again at the next census."
    )
    th = "{name} มีรายการในรายชื่อ {list} ที่รับไม่ได้ รายการอื่นรับแล้ว ระบบจะลองใหม่เมื่อนับทั้งหมดครั้งหน้า"


def bring_entities(work: Work, one: RemoteList) -> None:
    """What changed since the cursor; a census when it is due, or when the numbers differ."""
    row = work.look(lambda tx: tx.execute(sa.select(source_list).where(*_of(work, one))).one())
    total, changed = None, False
    for page in work.source.entity_changes(one.name, row.cursor):
        _store(work, one, page.heads, page.cursor)
        total, changed = page.total, True
    here = work.look(lambda tx: entity_feed.count(tx, work.project, one.name)) if changed else None
    if work.full or (total is not None and total != here):
        _census(work, one)


def _census(work: Work, one: RemoteList) -> None:
    seen: set[UUID] = set()
    heads = work.source.entity_census(one.name)
    while batch := _next(heads):
        seen.update(head[0] for head in batch)
        _store(work, one, batch, None)
    here = work.look(lambda tx: entity_feed.known(tx, work.project, one.name))
    missing = [uuid for uuid in here if uuid not in seen]
    # A feed that forgot half of its list must not empty ours: each one that it lacks is asked for.
    there = {entity.uuid: entity for entity in work.source.entities(one.name, missing)} if missing else {}
    for some in _cut([uuid for uuid in missing if uuid not in there]):
        work.steadily(_remove, work, one, some)
    now = dt.datetime.now(dt.UTC)
    work.steadily(lambda tx: tx.execute(source_list.update().where(*_of(work, one)).values(census_at=now)))


def _store(work: Work, one: RemoteList, heads: tuple[Head, ...], cursor: Mapping[str, Any] | None) -> None:
    """Fetch what is not here in this version and conflict, and store it with the cursor."""
    known = work.look(lambda tx: entity_feed.known(tx, work.project, one.name, [head[0] for head in heads]))
    needed = [uuid for uuid, version, conflict in heads if known.get(uuid) != (version, conflict)]
    given = sorted(work.source.entities(one.name, needed), key=lambda entity: entity.uuid) if needed else []
    work.steadily(lambda tx: _take(tx, work, one, given, cursor))


def _take(
    tx: sa.Connection, work: Work, one: RemoteList, given: list[RemoteEntity], cursor: Mapping[str, Any] | None
) -> None:
    for entity in given:
        try:
            with tx.begin_nested():
                work.counts["entities"] += deliveries.take_entity(tx, work.store, work.actor, one.name, entity)
        except (ValueError, KeyError, TypeError, AttributeError, sa.exc.DataError, psycopg.DataError):
            work.problems.append(EntityBroken(name=work.name, list=one.name))
    if cursor is not None:
        tx.execute(source_list.update().where(*_of(work, one)).values(cursor=dict(cursor)))


def _remove(tx: sa.Connection, work: Work, one: RemoteList, uuids: list[UUID]) -> None:
    now = dt.datetime.now(dt.UTC)
    for uuid in sorted(uuids):
        work.counts["entities_deleted"] += entity_feed.remove(tx, work.project, one.name, uuid, now)


def _next(heads) -> tuple[Head, ...]:  # type: ignore[no-untyped-def]
    found = []
    for head in heads:
        found.append(head)
        if len(found) == _AT_ONCE:
            break
    return tuple(found)


def _cut(uuids: list[UUID]) -> list[list[UUID]]:
    return [uuids[start : start + _AT_ONCE] for start in range(0, len(uuids), _AT_ONCE)]


def _of(work: Work, one: RemoteList) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        source_list.c.project_id == work.project,
        source_list.c.source_id == work.id,
        source_list.c.name == one.name,
    )
