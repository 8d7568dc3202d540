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
from sync.patience import note, of_a_list, patient
from sync.seen import Seen
from sync.source import RemoteList, SourceProblem
from sync.work import Work

Head = tuple[UUID, int, str | None]
_AT_ONCE = 200
_CENSUS_EVERY, _SOON = dt.timedelta(hours=24), dt.timedelta(hours=1)


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
    total = None
    for page in work.source.entity_changes(one.name, row.cursor):
        _store(work, one, page.heads, page.cursor)
        total = page.total
    if total is not None:
        row = work.look(lambda tx: tx.execute(sa.select(source_list).where(*_of(work, one))).one())
    now = dt.datetime.now(dt.UTC)
    if work.full or (total is not None and total != row.live) or now - (row.census_at or now) > _CENSUS_EVERY:
        _census(work, one)
    elif row.census_at is None:
        # The first pass was everything.
        work.steadily(_compared, work, one, now)
    if one.name in work.lists_unsure:
        note(work, of_a_list(one), work.lists_unsure[one.name])


def _census(work: Work, one: RemoteList) -> None:
    seen = Seen()
    heads = work.source.entity_census(one.name)
    while batch := _next(heads):
        for head in batch:
            seen.add(str(head[0]))
        _store(work, one, batch, None)
    after = UUID(int=0)
    while here := work.look(entity_feed.some_after, work.project, one.name, after, _AT_ONCE):
        after = here[-1]
        # A feed that forgot half of its list must not empty ours: each one that it lacks is asked for.
        missing = [uuid for uuid in here if str(uuid) not in seen]
        there = {entity.uuid for entity in work.source.entities(one.name, missing)} if missing else set()
        if gone := [uuid for uuid in missing if uuid not in there]:
            work.steadily(_remove, work, one, gone)
    work.steadily(_counted, work, one)


def _compared(tx: sa.Connection, work: Work, one: RemoteList, at: dt.datetime) -> None:
    tx.execute(source_list.update().where(*_of(work, one)).values(census_at=at))


def _soon() -> dt.datetime:
    """When a list counts as compared of which something could not be had: it is compared again within the hour."""
    return dt.datetime.now(dt.UTC) - _CENSUS_EVERY + _SOON


def _counted(tx: sa.Connection, work: Work, one: RemoteList) -> None:
    at = _soon() if one.name in work.lists_unsure else dt.datetime.now(dt.UTC)
    values = {"live": entity_feed.count(tx, work.project, one.name), "census_at": at}
    tx.execute(source_list.update().where(*_of(work, one)).values(**values))


def _store(work: Work, one: RemoteList, heads: tuple[Head, ...], cursor: Mapping[str, Any] | None) -> None:
    """Fetch what is not here in this version and conflict, and store it with the cursor."""
    known = work.look(lambda tx: entity_feed.known(tx, work.project, one.name, [head[0] for head in heads]))
    needed = [uuid for uuid, version, conflict in heads if known.get(uuid) != (version, conflict)]
    given: list[RemoteEntity] = []
    try:
        for entity in patient(work, of_a_list(one), work.source.entities(one.name, needed)) if needed else ():
            given.append(entity)
    except SourceProblem:
        # What came before it is stored all the same.
        work.steadily(_take, work, one, given, None)
        raise
    work.steadily(_take, work, one, given, cursor)


def _take(
    tx: sa.Connection, work: Work, one: RemoteList, given: list[RemoteEntity], cursor: Mapping[str, Any] | None
) -> None:
    before = entity_feed.known(tx, work.project, one.name, [entity.uuid for entity in given])
    live = 0
    for entity in sorted(given, key=lambda entity: entity.uuid):
        if entity.problem is not None:
            work.lists_unsure[one.name] = entity.problem
            continue
        if not entity.versions:
            work.problems.append(EntityBroken(name=work.name, list=one.name))
            continue
        try:
            with tx.begin_nested():
                work.counts["entities"] += deliveries.take_entity(tx, work.store, work.actor, one.name, entity)
            live += entity.uuid not in before
        except (ValueError, KeyError, TypeError, AttributeError, sa.exc.DataError, psycopg.DataError):
            work.problems.append(EntityBroken(name=work.name, list=one.name))
    values: dict[str, Any] = {"live": source_list.c.live + live}
    if cursor is not None:
        values["cursor"] = dict(cursor)
    if one.name in work.lists_unsure:
        values["census_at"] = _soon()
    if live or cursor is not None or one.name in work.lists_unsure:
        tx.execute(source_list.update().where(*_of(work, one)).values(**values))


def _remove(tx: sa.Connection, work: Work, one: RemoteList, uuids: list[UUID]) -> None:
    now = dt.datetime.now(dt.UTC)
    for uuid in uuids:
        work.counts["entities_deleted"] += entity_feed.remove(tx, work.project, one.name, uuid, now)


def _next(heads) -> tuple[Head, ...]:  # type: ignore[no-untyped-def]
    found = []
    for head in heads:
        found.append(head)
        if len(found) == _AT_ONCE:
            break
    return tuple(found)


def _of(work: Work, one: RemoteList) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        source_list.c.project_id == work.project,
        source_list.c.source_id == work.id,
        source_list.c.name == one.name,
    )
