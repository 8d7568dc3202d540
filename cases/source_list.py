"""The sources of a project as pages show them: how fresh, how the runs went, how far the one at work is. Reads only."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from cases import sources
from cases.paging import MOST_COUNTED, Cursor, counted, cursor
from cases.source_kinds import KINDS
from namjai.problems import Problem, catalogue
from store.tables import app_user, source, source_row, source_run, submission, submission_attachment

BARS, FEW_RUNS, RUNS = 24, 6, 50
NOT_HERE = ("expected", "partial", "missing")
_REFUSED = ("source-sign-in", "source-forbidden")
_PATIENCE = dt.timedelta(minutes=15)
# A run tells how far it is whenever a page is stored; one that was not heard of for so long was killed.
_SILENT = dt.timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Bar:
    """One run in the small picture of the last ones."""

    height: int
    bad: bool


@dataclass(frozen=True, slots=True)
class Line:
    """A source in the list. `state`: paused, reading, waiting, refused, fails, new, late, works.

    `lag` since it was read well last, `over` when that is too long; `since` when the problem began.
    """

    id: UUID
    name: str
    kind: str
    state: str
    lag: dt.timedelta | None
    over: bool
    bars: tuple[Bar, ...]
    today: int
    missing: int | str
    problem: Problem | None
    since: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Running:
    """A run at work: what it does, how many of how many, how fast, how long still. Unknown is None."""

    source_id: UUID
    name: str
    full: bool
    phase: str | None
    what: str
    done: int
    total: int | None
    rate: float | None
    left: dt.timedelta | None
    counts: Mapping[str, int]
    silent: bool

    @property
    def part(self) -> int | None:
        return min(100, self.done * 100 // self.total) if self.total else None


@dataclass(frozen=True, slots=True)
class Run:
    """A run that ended, or is still at work (`took` None)."""

    id: UUID
    source_id: UUID
    name: str
    started_at: dt.datetime
    took: dt.timedelta | None
    full: bool
    counts: Mapping[str, int]
    problem: Problem | None


def lines(tx: sa.Connection, project: UUID, midnight: dt.datetime) -> list[Line]:
    """Every source that is read, by name. `midnight` is when the reader's day began."""
    rows = sources.listed(tx, project)
    asked = waiting(tx, [row.id for row in rows])
    return [_line(tx, row, midnight, row.id in asked) for row in rows]


def line(tx: sa.Connection, project: UUID, source_id: UUID, midnight: dt.datetime) -> Line:
    """One source. Raises NotFound."""
    row = sources.one(tx, project, source_id)
    return _line(tx, row, midnight, row.id in waiting(tx, [row.id]))


def trouble(tx: sa.Connection, project: UUID) -> list[str]:
    """The names of sources that could not be read last time: what Today tells."""
    return [row.name for row in sources.listed(tx, project) if row.problem and row.paused_at is None]


def tablets(tx: sa.Connection, project: UUID, midnight: dt.datetime) -> dict[str, Any]:
    """The tablets' own door beside the sources: how many tablets, what they sent today, which files have not come."""
    n = sa.select(sa.func.count()).where(app_user.c.project_id == project, app_user.c.revoked_at.is_(None))
    by_tablet = (submission.c.project_id == project, submission.c.app_user_id.is_not(None))
    today = sa.select(sa.func.count()).where(*by_tablet, submission.c.received_at >= midnight)
    return {
        "n": tx.scalar(n) or 0,
        "today": tx.scalar(today) or 0,
        "missing": counted(_missing_of_tablets(tx, project)),
    }


def running(tx: sa.Connection, project: UUID, source_id: UUID | None = None) -> list[Running]:
    """The runs at work, by their sources' names."""
    query = (
        sa.select(source.c.id, source.c.name, source_run)
        .join(source_run, sa.and_(source_run.c.project_id == source.c.project_id, source_run.c.id == source.c.run_id))
        .where(source.c.project_id == project, source.c.removed_at.is_(None), source_run.c.ended_at.is_(None))
        .order_by(source.c.name)
    )
    if source_id is not None:
        query = query.where(source.c.id == source_id)
    return [_running(row) for row in tx.execute(query)]


def runs(
    tx: sa.Connection, project: UUID, *, source_id: UUID | None = None, after: str | None = None, most: int = RUNS
) -> tuple[list[Run], str | None]:
    """Runs, newest first, and the cursor of the earlier ones."""
    query = (
        sa.select(source.c.name, source_run)
        .join(source, sa.and_(source.c.project_id == source_run.c.project_id, source.c.id == source_run.c.source_id))
        .where(source_run.c.project_id == project)
    )
    if source_id is not None:
        query = query.where(source_run.c.source_id == source_id)
    if (start := cursor(after, kind=dt.datetime)) is not None:
        place = sa.tuple_(source_run.c.started_at, source_run.c.id)
        query = query.where(place < sa.tuple_(sa.literal(start.moment), sa.literal(start.id)))
    rows = tx.execute(query.order_by(source_run.c.started_at.desc(), source_run.c.id.desc()).limit(most + 1)).all()
    shown = rows[:most]
    later = Cursor(shown[-1].started_at.isoformat(), shown[-1].id).text() if len(rows) > most else None
    return [_run(row) for row in shown], later


def waiting(tx: sa.Connection, ids: list[UUID]) -> set[UUID]:
    """The sources of which a run was asked for that has not ended, from the asking on."""
    locks = {sources.waiting_lock(one, full=full): one for one in ids for full in (False, True)}
    if not locks:
        return set()
    said = sa.text(
        "SELECT queueing_lock FROM procrastinate_jobs WHERE status IN ('todo', 'doing') AND queueing_lock = ANY(:locks)"
    )
    return {locks[one] for one in tx.scalars(said, {"locks": list(locks)})}


def worker_is_silent(tx: sa.Connection) -> bool:
    """Whether jobs wait that no worker takes: then pages say that one must be started."""
    said = sa.text(
        "SELECT EXISTS (SELECT 1 FROM procrastinate_jobs j JOIN procrastinate_events e ON e.job_id = j.id"
        " WHERE j.status = 'todo' AND j.queue_name IN ('sources', 'trials') AND e.type = 'deferred'"
        " AND e.at < now() - interval '60 seconds')"
        " AND NOT EXISTS (SELECT 1 FROM procrastinate_workers WHERE last_heartbeat > now() - interval '60 seconds')"
    )
    return bool(tx.scalar(said))


def capped(tx: sa.Connection, query: sa.Select, most: int = MOST_COUNTED) -> int:
    """How many rows a query has, but no more than one above `most` are looked for."""
    return tx.scalar(sa.select(sa.func.count()).select_from(query.limit(most + 1).subquery())) or 0


def awaited(project: UUID, source_id: UUID) -> sa.Select:
    """The submissions of a source whose files have not all come: an index holds just these."""
    return sa.select(source_row.c.project_id, source_row.c.submission_id).where(
        source_row.c.project_id == project,
        source_row.c.source_id == source_id,
        source_row.c.files_due_at.is_not(None),
        source_row.c.deleted_at.is_(None),
    )


def problem_of(code: str | None, facts: Mapping[str, Any] | None, name: str) -> Problem | None:
    """The problem that a code stands for, with what was noted of it; one of a source where nobody knows the code."""
    if not code:
        return None
    known = catalogue()
    return known.get(code, known["source-problem"])(**({"name": name} | dict(facts or {})))


def _missing_of_tablets(tx: sa.Connection, project: UUID) -> int:
    """Submissions of tablets that wait for files.

    In two questions: of tables that grew a moment ago PostgreSQL has no statistics yet, and a join would walk one of
    them once for each row of the other.
    """
    waiting_for = sa.select(submission_attachment.c.submission_id).where(
        submission_attachment.c.project_id == project, submission_attachment.c.state.in_(NOT_HERE)
    )
    found = set(tx.scalars(waiting_for.limit(MOST_COUNTED * 5)))
    by_tablet = sa.select(submission.c.id).where(
        submission.c.project_id == project,
        submission.c.id == sa.any_(sa.bindparam("ids", list(found), type_=ARRAY(sa.Uuid))),
        submission.c.app_user_id.is_not(None),
    )
    return capped(tx, by_tablet) if found else 0


def _line(tx: sa.Connection, row: sa.Row, midnight: dt.datetime, asked: bool) -> Line:
    now = dt.datetime.now(dt.UTC)
    of_source = (source_run.c.project_id == row.project_id, source_run.c.source_id == row.id)
    newest = source_run.c.started_at.desc()
    last = tx.execute(
        sa.select(source_run.c.counts, source_run.c.problem).where(*of_source).order_by(newest).limit(BARS)
    )
    new = sa.func.sum(sa.cast(source_run.c.counts["new"].astext, sa.BigInteger))
    today = tx.scalar(sa.select(new).where(*of_source, source_run.c.started_at >= midnight))
    since = None
    if row.problem:
        failed = sa.select(sa.func.min(source_run.c.started_at)).where(*of_source, source_run.c.problem.is_not(None))
        since = tx.scalar(failed.where(source_run.c.started_at > (row.succeeded_at or row.created_at)))
    lag = now - row.succeeded_at if row.succeeded_at else None
    patience = max(3 * dt.timedelta(seconds=row.every_seconds), _PATIENCE)
    late = now - (row.tried_at or row.created_at) > patience
    return Line(
        row.id,
        row.name,
        KINDS[row.kind].title if row.kind in KINDS else row.kind,
        _state(row, asked, late),
        lag,
        lag is not None and lag > patience and row.paused_at is None,
        tuple(_bar(one) for one in reversed(last.all())),
        int(today or 0),
        counted(capped(tx, awaited(row.project_id, row.id))),
        problem_of(row.problem, row.facts, row.name),
        since,
    )


def _state(row: sa.Row, asked: bool, late: bool) -> str:
    if row.run_id is not None:
        return "reading"
    if row.paused_at is not None:
        return "paused"
    if asked:
        return "waiting"
    if row.problem:
        return "refused" if row.problem in _REFUSED else "fails"
    if late:
        return "late"
    return "works" if row.succeeded_at else "new"


def _bar(row: sa.Row) -> Bar:
    n = sum(value for name, value in row.counts.items() if isinstance(value, int) and name != "files_missing")
    return Bar(min(18, 4 + round(2.5 * math.log1p(n))), row.problem is not None)


def _running(row: sa.Row) -> Running:
    said, now = row.progress or {}, dt.datetime.now(dt.UTC)
    seen = dt.datetime.fromisoformat(said["at"]) if said else row.started_at
    done, total = int(said.get("done") or 0), said.get("total")
    passed = (seen - dt.datetime.fromisoformat(said["since"])).total_seconds() if said else 0.0
    rate = done / passed if passed > 0.5 and done else None
    left = dt.timedelta(seconds=round((total - done) / rate)) if rate and total and total >= done else None
    return Running(
        row.source_id,
        row.name,
        row.full,
        said.get("phase"),
        str(said.get("what", "")),
        done,
        total,
        rate,
        left,
        row.counts,
        now - seen > _SILENT,
    )


def _run(row: sa.Row) -> Run:
    took = row.ended_at - row.started_at if row.ended_at else None
    problem = problem_of(row.problem, row.facts, row.name)
    return Run(row.id, row.source_id, row.name, row.started_at, took, row.full, row.counts, problem)
