"""Sources on their own schedules: once a minute the worker asks for those that are due, each in a job of its own."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from uuid import UUID

import sqlalchemy as sa

from cases import source_trials, sources
from cases.projects import all_projects, in_project
from store.jobs import READ_DUE_SOURCES, READ_SOURCE, defer_once, handles, repeats
from store.opening import KEEPER, Store
from sync import registry
from sync.run import run
from sync.work import timezone_of

# Everything is compared at night, when tablets and people are at rest.
_NIGHT = range(1, 5)
_CENSUS = dt.timedelta(hours=20)
# Seconds until a run that was asked for is tried again, when another one is at work.
_BUSY = 30


@repeats(READ_DUE_SOURCES, "* * * * *")
def read_due(store: Store, timestamp: int = 0) -> None:
    """Ask for a run of every source whose time has come. Asking twice is asking once."""
    now = dt.datetime.now(dt.UTC)
    with store.database.begin(KEEPER) as tx:
        projects = [row.id for row in all_projects(tx)]
    for project in projects:
        with store.database.begin(in_project(project, "worker")) as tx:
            source_trials.forget_old(tx, project)
            for row in registry.listed(tx, project):
                if is_due(row, now):
                    defer_once(tx, READ_SOURCE, f"source/{row.id}", project=str(project), source=row.name)


@handles(READ_SOURCE)
def read(store: Store, project: str, source: str, full: bool = False, asked: bool = False) -> None:
    """One run. When another one is at work, that one will do, unless everything is to be compared.

    `asked`: somebody asked for it, so also files that are not due yet are asked for, and a pause does not count.
    """
    with store.database.begin(in_project(UUID(project), "worker")) as tx:
        rows = [row for row in registry.listed(tx, UUID(project)) if row.name == source]
        all_of_it = full or (bool(rows) and _census_is_due(tx, rows[0]))
    for row in rows:
        if asked or row.paused_at is None:
            done = run(store, row, full=all_of_it, wait=False, everything_due=asked)
            if done.busy and full:
                # It waits without a place at work: another source may need that.
                with store.database.begin(in_project(UUID(project), "worker")) as tx:
                    again = {"project": project, "source": source, "full": full, "asked": asked}
                    defer_once(tx, READ_SOURCE, sources.waiting_lock(row.id, full=full), after=_BUSY, **again)


def is_due(row: sa.Row, now: dt.datetime) -> bool:
    """Whether the source's interval has passed since it was tried last, or its last run never ended; unless it is
    paused.

    Of a run that is still at work nothing comes of asking: the second one finds it busy. A time of trial that is yet
    to come was noted by a clock that ran ahead.
    """
    if row.paused_at is not None:
        return False
    if row.tried_at is None or row.run_id is not None or row.tried_at > now:
        return True
    return now - row.tried_at >= dt.timedelta(seconds=row.every_seconds)


def _census_is_due(tx: sa.Connection, row: sa.Row) -> bool:
    now = dt.datetime.now(dt.UTC)
    if now - (row.census_at or row.created_at) < _CENSUS:
        return False
    return now.astimezone(zoneinfo.ZoneInfo(timezone_of(tx, row.project_id))).hour in _NIGHT
