"""One run while it is at work: who it is, how it reaches the database, what it has counted.

One run a source at a time, across machines: a lock of PostgreSQL that ends with the connection of whoever held it; and
every transaction of a run checks that its source still names this run, so that one that lost its lock writes nothing.
"""

from __future__ import annotations

import datetime as dt
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import psycopg
import sqlalchemy as sa

from namjai.problems import DatabaseUnreachable, Problem
from store.actor import Actor
from store.keys import new_id
from store.opening import Store
from store.tables import project as project_table
from store.tables import source as source_table
from store.tables import source_run
from submissions.submitters import Submitter
from sync.source import Source, SourceFileElsewhere, SourceProblem

# Serialization failure, deadlock, and a statement that somebody cancelled: the same once more may go well.
_AGAIN = {"40001", "40P01", "57014"}
_TRIES = 4


class RunOvertaken(Problem):
    code, http_status = "source-run-overtaken", 409
    en = "{name} is being read by another run. This one stopped; nothing is lost."
    th = "มีการอ่าน {name} โดยรอบอื่นอยู่ รอบนี้หยุดแล้ว ไม่มีข้อมูลสูญหาย"


# (phase, what, done, in all or None)
Progress = Callable[[str, str, int, int | None], None]


@dataclass
class Work:
    """One run of one source."""

    store: Store
    actor: Actor
    row: sa.Row
    source: Source
    full: bool
    everything_due: bool
    timezone: str
    run_id: UUID = field(default_factory=new_id)
    counts: Counter = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)
    # Those that this run has met, by their ids here.
    submitters: dict[Submitter, UUID] = field(default_factory=dict, repr=False)
    # Forms of which something was deleted while it was read: numbers alone do not show what became of it.
    unsure: set[str] = field(default_factory=set)
    # Entity lists of which something could not be had, and why.
    lists_unsure: dict[str, Problem] = field(default_factory=dict)
    # How many of one part could not be had, one after the other, in all of this run.
    in_a_row: Counter = field(default_factory=Counter)
    # How many parts of the source could not be had, one after the other, and why the last one could not.
    failed_parts: int = 0
    part_failed: SourceProblem | None = None
    # Whether everything was asked for that a run asks for, though some of it may have been refused.
    reached_end: bool = False
    tell: Progress = lambda *_: None
    started: float = field(default_factory=time.monotonic)

    @property
    def project(self) -> UUID:
        return self.actor.project

    @property
    def id(self) -> UUID:
        return self.row.id

    @property
    def name(self) -> str:
        return self.row.name

    @contextmanager
    def tx(self) -> Iterator[sa.Connection]:
        """One transaction of this run. Raises RunOvertaken when another run has begun."""
        with self.store.database.begin(self.actor) as tx:
            mine = tx.scalar(sa.select(source_table.c.run_id).where(*_is(self)).with_for_update(read=True))
            if mine != self.run_id:
                raise RunOvertaken(name=self.name)
            yield tx

    def steadily(self, do: Callable[..., Any], *given: Any) -> Any:
        """`do(tx, *given)` in a transaction, again when the database was in the way; it counts when it commits."""
        return self._again_and_again(self.tx, do, given)

    def look(self, do: Callable[..., Any], *given: Any) -> Any:
        """The same for what only reads: without the check, which writes a lock, and so without waiting for the disk."""
        return self._again_and_again(lambda: self.store.database.begin(self.actor), do, given)

    def _again_and_again(
        self, begin: Callable[[], AbstractContextManager[sa.Connection]], do: Callable[..., Any], given: tuple[Any, ...]
    ) -> Any:
        for tried in range(1, _TRIES + 1):
            before = self.counts.copy()
            try:
                with begin() as tx:
                    return do(tx, *given)
            except (DatabaseUnreachable, sa.exc.DBAPIError, psycopg.Error) as error:
                self.counts = before
                state = getattr(getattr(error, "orig", error), "sqlstate", None)
                if tried == _TRIES or not (isinstance(error, DatabaseUnreachable) or state in _AGAIN):
                    raise
                time.sleep(0.3 * 3**tried)
            except BaseException:
                self.counts = before
                raise
        raise DatabaseUnreachable()


@contextmanager
def alone(store: Store, actor: Actor, row: sa.Row, *, wait: bool) -> Iterator[bool]:
    """Hold the source for one run. False, at once, when another run holds it and we do not wait."""
    key = {"key": f"{row.project_id}/{row.id}"}
    take = sa.text("SELECT pg_try_advisory_xact_lock(hashtextextended(:key, 7426107))")
    while True:
        # A transaction of its own, which does nothing else: it ends with us, however we end.
        with ExitStack() as held:
            holder = held.enter_context(store.database.begin(actor))
            if holder.scalar(take, key):
                try:
                    yield True
                finally:
                    # The lock may have died meanwhile (PostgreSQL restarted): then there is nothing to let go.
                    with suppress(DatabaseUnreachable, sa.exc.DBAPIError, psycopg.Error):
                        held.close()
                return
        if not wait:
            yield False
            return
        time.sleep(0.5)


def begin(work: Work) -> None:
    """The run has begun: the source names it, and a run that was killed is closed."""
    now = dt.datetime.now(dt.UTC)
    with work.store.database.begin(work.actor) as tx:
        tx.execute(
            source_run.update()
            .where(
                source_run.c.project_id == work.project,
                source_run.c.source_id == work.id,
                source_run.c.ended_at.is_(None),
            )
            .values(ended_at=now, progress=None, problem="run-interrupted")
        )
        tx.execute(
            source_run.insert().values(
                project_id=work.project, id=work.run_id, source_id=work.id, started_at=now, full=work.full, counts={}
            )
        )
        tx.execute(source_table.update().where(*_is(work)).values(run_id=work.run_id, tried_at=now))


def end(work: Work) -> None:
    """The run has ended, well or with problems: its counts and the first problem are kept."""
    now = dt.datetime.now(dt.UTC)
    first = work.problems[0] if work.problems else None
    facts = {name: str(value)[:100] for name, value in first.facts.items()} if first else None
    said = {"problem": first.code if first else None, "facts": facts}
    with work.store.database.begin(work.actor) as tx:
        tx.execute(
            source_run.update()
            .where(source_run.c.project_id == work.project, source_run.c.id == work.run_id)
            .values(ended_at=now, counts=dict(work.counts), progress=None, **said)
        )
        done = {}
        if work.reached_end and not any(_is_lacking(one) for one in work.problems):
            done["succeeded_at"] = now
        if work.reached_end and work.full:
            done["census_at"] = now
        tx.execute(
            source_table.update()
            .where(*_is(work), source_table.c.run_id == work.run_id)
            .values(run_id=None, **said, **done)
        )


def _is_lacking(problem: Problem) -> bool:
    """Whether something is lacking that the next run may bring. What cannot be used here, such as a list that somebody
    else keeps, was read all the same; what lies elsewhere stays there."""
    return isinstance(problem, SourceProblem) and not isinstance(problem, SourceFileElsewhere)


def timezone_of(tx: sa.Connection, project: UUID) -> str:
    return tx.scalar(sa.select(project_table.c.timezone).where(project_table.c.id == project)) or "UTC"


def _is(work: Work) -> tuple[sa.ColumnElement[bool], ...]:
    return (source_table.c.project_id == work.project, source_table.c.id == work.id)
