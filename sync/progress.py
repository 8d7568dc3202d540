"""How far a run is, written beside it once a second at most, so that the pages can show it.

A comfort: where it cannot be written the run goes on. A run that is over within a second writes nothing.
"""

from __future__ import annotations

import datetime as dt
import time
from contextlib import suppress

import psycopg
import sqlalchemy as sa

from namjai.problems import DatabaseUnreachable
from store.tables import source_run
from sync.work import Progress, Work

_EVERY = 1.0


class Noted:
    """What a run calls with (phase, what, done, in all): it writes that down, and tells whoever else wants to know."""

    def __init__(self, work: Work, also: Progress | None = None) -> None:
        self._work, self._also = work, also
        self._written = time.monotonic()
        self._phase: tuple[str, str] | None = None
        self._since = dt.datetime.now(dt.UTC)

    def __call__(self, phase: str, what: str, done: int, total: int | None) -> None:
        now = dt.datetime.now(dt.UTC)
        if self._phase != (phase, what):
            self._phase, self._since = (phase, what), now
        if self._also is not None:
            self._also(phase, what, done, total)
        if time.monotonic() - self._written >= _EVERY:
            self._written = time.monotonic()
            said = {"phase": phase, "what": what[:200], "done": done, "total": total}
            self._write(said | {"since": self._since.isoformat(), "at": now.isoformat()})

    def _write(self, said: dict[str, object]) -> None:
        work = self._work
        here = (
            source_run.c.project_id == work.project,
            source_run.c.id == work.run_id,
            source_run.c.ended_at.is_(None),
        )
        with (
            suppress(DatabaseUnreachable, sa.exc.DBAPIError, psycopg.Error),
            work.store.database.begin(work.actor) as tx,
        ):
            tx.execute(source_run.update().where(*here).values(progress=said, counts=dict(work.counts)))
