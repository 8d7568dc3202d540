"""The files of submissions that came from a source: those that are still expected, and in a full run all of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from namjai.problems import Problem
from store.tables import source_file, source_form, source_row
from submissions import attachments
from sync.parallel import Hands
from sync.source import FetchedFile, RemoteForm, SourceNotThere, SourceProblem, SourceSlow, SourceTalksOtherwise
from sync.work import Work

_AT_ONCE = 40
_BYTES_AT_ONCE = 4 * 1024 * 1024
# A file that has not come is asked for again later and later, up to twice a day; a full run asks always.
_FIRST, _LONGEST = dt.timedelta(minutes=2), dt.timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class _Due:
    """A submission whose files are looked at, and what was fetched of them before."""

    row: sa.Row
    form: RemoteForm
    tags: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Found:
    due: _Due
    fetched: tuple[FetchedFile, ...] = ()
    lacking: bool = False
    problem: Problem | None = None

    @property
    def weight(self) -> int:
        """How many bytes it keeps."""
        return sum(len(one.file.content) for one in self.fetched)


def bring_files(work: Work) -> None:
    """Ask for the files that are due and store what is there. Raises SourceProblem for all of a source."""
    done, after = 0, ("", "")
    with closing(Hands(max(work.source.connections, 1))) as hands:
        while batch := work.look(_due, work, after):
            after = (batch[-1].row.remote, batch[-1].row.remote_id)
            with closing(hands.each(lambda one: _look(work, one), batch, lambda found: found.weight)) as found:
                for some in _pieces(_patient(found)):
                    work.steadily(_store, work, some)
                    done += len(some)
                    work.tell("files", "", done, None)


def _due(tx: sa.Connection, work: Work, after: tuple[str, str]) -> list[_Due]:
    """The next submissions in the order of their addresses: those due, or in a full run all that are there."""
    here = (source_row.c.project_id == work.project, source_row.c.source_id == work.id)
    query = (
        sa.select(source_row, source_form.c.xml_form_id, source_form.c.title)
        .join(
            source_form,
            sa.and_(
                source_form.c.project_id == source_row.c.project_id,
                source_form.c.source_id == source_row.c.source_id,
                source_form.c.remote == source_row.c.remote,
            ),
        )
        .where(*here, source_row.c.deleted_at.is_(None), source_row.c.submission_id.is_not(None))
        .where(sa.tuple_(source_row.c.remote, source_row.c.remote_id) > after)
        .order_by(source_row.c.remote, source_row.c.remote_id)
        .limit(_AT_ONCE)
    )
    has_files = sa.exists().where(
        source_file.c.project_id == source_row.c.project_id,
        source_file.c.source_id == source_row.c.source_id,
        source_file.c.remote == source_row.c.remote,
        source_file.c.remote_id == source_row.c.remote_id,
    )
    if work.full:
        query = query.where(sa.or_(source_row.c.files_due_at.is_not(None), has_files))
    elif work.everything_due:
        query = query.where(source_row.c.files_due_at.is_not(None))
    else:
        query = query.where(source_row.c.files_due_at <= dt.datetime.now(dt.UTC))
    rows = tx.execute(query).all()
    tags: dict[tuple[str, str], dict[str, str]] = {}
    if rows:
        places = [(row.remote, row.remote_id) for row in rows]
        asked = sa.tuple_(source_file.c.remote, source_file.c.remote_id).in_(places)
        for one in tx.execute(
            sa.select(source_file).where(
                source_file.c.project_id == work.project, source_file.c.source_id == work.id, asked
            )
        ):
            tags.setdefault((one.remote, one.remote_id), {})[one.name] = one.tag
    return [
        _Due(row, RemoteForm(row.remote, row.xml_form_id, row.title), tags.get((row.remote, row.remote_id), {}))
        for row in rows
    ]


def _look(work: Work, due: _Due) -> _Found:
    """Which files there are now, and the bytes of those that are new or others than before."""
    source, remote_id = work.source, due.row.remote_id
    try:
        named = source.files(due.form, remote_id)
        fetched, lacking = [], False
        for one in named:
            known = due.tags.get(one.name, "")
            if not one.exists:
                lacking = True
            elif not known or work.full or (one.tag and one.tag != known):
                got = source.file(due.form, remote_id, one, known)
                if got is not None:
                    fetched.append(got)
                elif not known:
                    lacking = True
        return _Found(due, tuple(fetched), lacking)
    except (SourceSlow, SourceTalksOtherwise, SourceNotThere) as problem:
        return _Found(due, lacking=True, problem=problem)


def _pieces(found: Iterator[_Found]) -> Iterator[list[_Found]]:
    """So many as are stored in one transaction: large files do not wait for each other in memory."""
    some: list[_Found] = []
    size = 0
    for one in found:
        some.append(one)
        size += one.weight
        if size >= _BYTES_AT_ONCE:
            yield some
            some, size = [], 0
    if some:
        yield some


def _patient(found: Iterator[_Found]) -> Iterator[_Found]:
    failed = 0
    for one in found:
        failed = failed + 1 if one.problem else 0
        if failed >= 8 and isinstance(one.problem, SourceProblem):
            raise one.problem
        yield one


def _store(tx: sa.Connection, work: Work, found: list[_Found]) -> None:
    now = dt.datetime.now(dt.UTC)
    for one in found:
        row = one.due.row
        where = {"project_id": work.project, "source_id": work.id, "remote": row.remote, "remote_id": row.remote_id}
        for got in one.fetched:
            try:
                changed = attachments.put(tx, work.store, work.project, row.submission_id, got.file, now)
            except attachments.FileNameUnusable:
                work.counts["files_unusable"] += 1
                continue
            work.counts["files"] += changed
            said = {"tag": got.tag or "-"}
            tx.execute(
                insert(source_file)
                .values(**where, name=got.file.name, **said)
                .on_conflict_do_update(index_elements=[*where, "name"], set_=said)
            )
        asked = row.files_asked + 1
        pause = min(_FIRST * 2 ** min(asked, 12), _LONGEST)
        values = {"files_due_at": now + pause if one.lacking else None, "files_asked": asked if one.lacking else 0}
        if one.lacking:
            work.counts["files_missing"] += 1
        if any(getattr(row, name) != value for name, value in values.items()):
            this = (source_row.c[name] == value for name, value in where.items())
            tx.execute(source_row.update().where(*this).values(**values))
