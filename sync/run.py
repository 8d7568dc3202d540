"""One run of a source: lists and forms, what changed, a census when it is due, entities, files.

The same for every kind of server. Each page commits its data and its cursor together, so that a killed run goes on
where it was.
"""

from __future__ import annotations

import datetime as dt
import sys
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from namjai.problems import Problem
from store.opening import Store
from store.tables import source_form, source_row
from sync import registry
from sync.batch import Batch, news
from sync.feed import bring_entities
from sync.files import bring_files
from sync.forms import bring_forms, bring_lists, forms_of
from sync.patience import FILES, apart, of_a_form, of_a_list, patient
from sync.progress import Noted
from sync.rows import of_form, take_again
from sync.seen import Seen
from sync.source import OF_ONE, Page, RemoteForm, Row, SourceProblem, SourceUncertain
from sync.work import Progress, Work, alone, begin, end, timezone_of

_CENSUS_EVERY = dt.timedelta(hours=24)
_CENSUS_ROWS = 500
# Of what could not be had in earlier runs: so many are asked for in one run, so many at once.
_WAITING, _WAITING_AT_ONCE = 1000, 25
_OFTEN, _NOW_AND_THEN = 10, 0.1
# Seconds that a thread may go on while another one wants to.
_TURN = 0.00005
# Pages that are downloading while one is stored.
_AHEAD = 2


@dataclass(frozen=True, slots=True)
class Ran:
    """What became of a run. `problem` None: it went well. `busy`: another run was at work, and we did not wait."""

    name: str
    counts: Mapping[str, int]
    problem: Problem | None = None
    busy: bool = False


def run(
    store: Store,
    row: sa.Row,
    *,
    full: bool = False,
    wait: bool = True,
    everything_due: bool = True,
    tell: Progress | None = None,
) -> Ran:
    """Read one source (its row). `full` compares every id and every file; `everything_due` asks for all files that
    have not come, whenever they were asked for last. Never raises for what a source does: that is in the answer.
    """
    # Whoever downloads has something to do every few milliseconds; at Python's 5 ms it would wait for whoever stores.
    sys.setswitchinterval(min(sys.getswitchinterval(), _TURN))
    actor = registry.actor_of(row.project_id, row.id)
    with alone(store, actor, row, wait=wait) as mine:
        if not mine:
            return Ran(row.name, {}, busy=True)
        with store.database.begin(actor) as tx:
            row = registry.named(tx, row.project_id, row.name)
            source, timezone = registry.opened(tx, store, row), timezone_of(tx, row.project_id)
        work = Work(store, actor, row, source, full, everything_due, timezone)
        work.tell = Noted(work, tell)
        begin(work)
        try:
            _everything(work)
        except Problem as problem:
            work.problems.insert(0, problem)
        except Exception:
            # Nobody foresaw it: kept as such, so that the run does not look unfinished; what it was is for the caller.
            work.problems.insert(0, Problem())
            end(work)
            raise
        finally:
            source.close()
        end(work)
        return Ran(row.name, dict(work.counts), work.problems[0] if work.problems else None)


def _everything(work: Work) -> None:
    work.tell("forms", "", 0, None)
    lists = bring_lists(work)
    forms = bring_forms(work, lists)
    # Asked once for all forms: of those in which nothing changed, nothing else is asked.
    rows = {row.remote: row for row in work.look(_all, forms_of(work))}
    unsettled = set(work.look(_unsettled, work))
    well = [apart(work, of_a_form(one), _form, one, rows[one.remote], one.remote in unsettled) for one in forms]
    if forms and not any(well) and work.part_failed:
        # Where not one form could be had, it is no matter of forms.
        work.problems.insert(0, work.part_failed)
    for one in lists:
        work.tell("entities", one.name, 0, None)
        apart(work, of_a_list(one), bring_entities, one)
    apart(work, FILES, bring_files)
    work.reached_end = True


def _form(work: Work, form: RemoteForm, row: sa.Row, unsettled: bool) -> None:
    """What changed in one form; then a census, when it is due or when the numbers say that something is missing."""
    if unsettled:
        apart(work, of_a_form(form), _waiting, form)
    total = _changes(work, form, row.cursor)
    if total is not None:
        row = work.look(lambda tx: tx.execute(sa.select(source_form).where(*of_form(work, form))).one())
    if total is not None and total != row.live:
        # Perhaps something arrived between the listing and the counting.
        again = _changes(work, form, row.cursor)
        row = work.look(lambda tx: tx.execute(sa.select(source_form).where(*of_form(work, form))).one())
        total = total if again is None else again
    if total is not None and total != row.theirs:
        _counted(work, form, total)
    now = dt.datetime.now(dt.UTC)
    unsure = form.remote in work.unsure or (total is not None and total != row.live)
    if row.census_at is None and total == row.live and not unsure:
        # The first pass was everything.
        work.steadily(lambda tx: tx.execute(source_form.update().where(*of_form(work, form)).values(census_at=now)))
    elif work.full or unsure or now - (row.census_at or now) > _CENSUS_EVERY:
        _census(work, form)


def _changes(work: Work, form: RemoteForm, cursor: Mapping[str, Any]) -> int | None:
    """All pages since the cursor: one is stored while the next is downloading. Gives what the source counts."""
    total, expected, done = None, None, 0
    # How fast it goes is counted from here on.
    work.tell("changes", form.title, 0, None)
    pages = work.source.changes(form, cursor)
    # The oldest first; while it is stored, the others are downloading.
    ahead: deque[tuple[Page, Batch]] = deque()

    def store() -> None:
        nonlocal total, expected, done
        page, batch = ahead.popleft()
        with closing(batch):
            batch.store(page.cursor)
        total, expected, done = page.total, page.expected or expected, done + len(page.rows)
        work.tell("changes", form.title, done, expected)

    try:
        while True:
            try:
                page = next(pages, None)
            except SourceProblem:
                while ahead:
                    store()
                raise
            if page is None:
                while ahead:
                    store()
                return total
            ahead.append((page, Batch(work, form, page.rows)))
            if len(ahead) > _AHEAD:
                store()
    finally:
        for _, batch in ahead:
            batch.close()


def _unsettled(tx: sa.Connection, work: Work) -> list[str]:
    """Forms of which something waits for its content, or lies in quarantine."""
    here = (source_row.c.project_id == work.project, source_row.c.source_id == work.id)
    to_come = sa.and_(source_row.c.mark.is_(None), source_row.c.deleted_at.is_(None))
    waits = sa.or_(to_come, source_row.c.quarantine_id.is_not(None))
    return list(tx.scalars(sa.select(source_row.c.remote).where(*here, waits).distinct()))


def _waiting(work: Work, form: RemoteForm) -> None:
    """What could not be had in an earlier run is asked for again, and what somebody replayed from quarantine."""
    work.steadily(lambda tx: take_again(tx, work, form, new_version=False))
    query = sa.select(source_row.c.remote_id).where(
        source_row.c.project_id == work.project,
        source_row.c.source_id == work.id,
        source_row.c.remote == form.remote,
        source_row.c.mark.is_(None),
        source_row.c.deleted_at.is_(None),
    )
    if not (work.full or work.everything_due):
        # What failed often is asked for now and then.
        query = query.where(sa.or_(source_row.c.tries < _OFTEN, sa.func.random() < _NOW_AND_THEN))
    # Those first that were asked for least: what can be had must not wait for ever behind what cannot.
    query = query.order_by(source_row.c.tries, source_row.c.remote_id).limit(_WAITING)
    for some in _cut(iter(work.look(lambda tx: list(tx.scalars(query)))), _WAITING_AT_ONCE):
        rows, problem = [], None
        try:
            looked = (_now(work, form, remote_id) for remote_id in some)
            for one in patient(work, of_a_form(form, waiting=True), looked):
                rows += [one.row] if one.row else []
        except SourceProblem as said:
            problem = said
        Batch(work, form, rows, waiting=True).store()
        if problem:
            raise problem


@dataclass(frozen=True, slots=True)
class _Looked:
    """What a source says of one row now. Neither: it is deleted."""

    row: Row | None = None
    problem: Problem | None = None


def _now(work: Work, form: RemoteForm, remote_id: str) -> _Looked:
    try:
        return _Looked(work.source.look(form, remote_id))
    except OF_ONE as problem:
        work.steadily(_tried, work, form, remote_id)
        return _Looked(problem=problem)


def _tried(tx: sa.Connection, work: Work, form: RemoteForm, remote_id: str) -> None:
    """What cannot even be looked at lets the others go first next time."""
    place = {"project_id": work.project, "source_id": work.id, "remote": form.remote, "remote_id": remote_id}
    this = (source_row.c[name] == value for name, value in place.items())
    tx.execute(source_row.update().where(*this).values(tries=source_row.c.tries + 1))


def _census(work: Work, form: RemoteForm) -> None:
    """Compare everything: unknown rows and other marks are fetched, and what the source lacks gets a tombstone."""
    row = work.look(lambda tx: tx.execute(sa.select(source_form).where(*of_form(work, form))).one())
    seen, done, about = Seen(), 0, row.theirs or row.live or None
    work.tell("census", form.title, 0, about)
    for some in _cut(work.source.census(form), _CENSUS_ROWS):
        for row in some:
            seen.add(row.remote_id)
        if new := work.look(news, work, form, some):
            Batch(work, form, new).store()
        done += len(some)
        work.tell("census", form.title, done, max(about, done) if about else None)
    # A listing that forgot half of its rows must not bury them: each one that it lacks is asked for.
    gone = [one for one in _not_in(work, form, seen) if not work.source.is_there(form, one)]
    if gone and form.remote not in {one.remote for one in work.source.forms()}:
        # The form went, or our right to it, while we asked: then every answer was "not there".
        raise SourceUncertain(name=work.source.name)
    for remote_id in gone:
        _bury(work, form, remote_id)
    values = {"census_at": dt.datetime.now(dt.UTC), "theirs": len(seen)}
    work.steadily(lambda tx: tx.execute(source_form.update().where(*of_form(work, form)).values(**values)))


def _counted(work: Work, form: RemoteForm, total: int) -> None:
    """What the source itself counts now: pages show it beside what is here."""
    work.steadily(lambda tx: tx.execute(source_form.update().where(*of_form(work, form)).values(theirs=total)))


def _not_in(work: Work, form: RemoteForm, seen: Seen) -> Iterator[str]:
    after = ""
    while True:
        query = (
            sa.select(source_row.c.remote_id, source_row.c.deleted_at)
            .where(
                source_row.c.project_id == work.project,
                source_row.c.source_id == work.id,
                source_row.c.remote == form.remote,
                source_row.c.remote_id > after,
            )
            .order_by(source_row.c.remote_id)
            .limit(1000)
        )
        rows = work.look(_all, query)
        for row in rows:
            if row.deleted_at is None and row.remote_id not in seen:
                yield row.remote_id
        if not rows:
            return
        after = rows[-1].remote_id


def _bury(work: Work, form: RemoteForm, remote_id: str) -> None:
    def gone(tx: sa.Connection) -> sa.Row:
        return tx.execute(
            sa.select(source_row).where(
                source_row.c.project_id == work.project,
                source_row.c.source_id == work.id,
                source_row.c.remote == form.remote,
                source_row.c.remote_id == remote_id,
            )
        ).one()

    row = work.look(gone)
    now = dt.datetime.now(dt.UTC)
    # The source forgot when: it is from now on that we know.
    Batch(work, form, [Row(remote_id, row.root_instance_id, row.mark or "", now, deleted_at=now)]).store()


def _cut(rows: Iterator[Any], size: int) -> Iterator[list[Any]]:
    some: list[Any] = []
    for row in rows:
        some.append(row)
        if len(some) == size:
            yield some
            some = []
    if some:
        yield some


def _all(tx: sa.Connection, query: sa.Select) -> list[sa.Row]:
    return list(tx.execute(query))
