"""The files of submissions that came from a source: those that are still expected, and in a full run all of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from namjai.problems import Problem
from store.tables import source_file, source_form, source_row
from submissions import attachments
from sync.parallel import Hands
from sync.patience import FILES, patient
from sync.source import OF_ONE, FetchedFile, RemoteFile, RemoteForm, SourceProblem, SourceTooLarge
from sync.work import Work

_AT_ONCE = 40
_BYTES_AT_ONCE = 4 * 1024 * 1024
# Larger files are fetched one at a time: several of them fill the memory.
_LARGE = 8 * 1024 * 1024
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
    """What came of one submission's files. `large` are to be fetched still; `problem` is why some did not come."""

    due: _Due
    fetched: tuple[FetchedFile, ...] = ()
    large: tuple[RemoteFile, ...] = ()
    # Those whose bytes may be others than those that are here: they are asked for until they were had.
    unsure: tuple[str, ...] = ()
    lacking: bool = False
    problem: Problem | None = None

    @property
    def weight(self) -> int:
        """How many bytes it keeps."""
        return sum(len(one.file.content) for one in self.fetched)


def bring_files(work: Work) -> None:
    """Ask for the files that are due and store what is there. Raises SourceProblem for all of a source."""
    lacking: set[tuple[str, str]] = set()
    # What lacked something before comes behind all that did not: it must not keep the others waiting for ever.
    for before in (False, True):
        _bring(work, before, lacking)


def _bring(work: Work, before: bool, lacking: set[tuple[str, str]]) -> None:
    """Those that lacked something in an earlier run, or the others. In this run each is asked for once."""
    done, after = 0, (0, "", "")
    with closing(Hands(max(work.source.connections, 1))) as hands:
        while rows := work.look(_due, work, after, before):
            after = (rows[-1].row.files_asked, rows[-1].row.remote, rows[-1].row.remote_id)
            batch = [one for one in rows if (one.row.remote, one.row.remote_id) not in lacking]
            with closing(hands.each(lambda one: _look(work, one), batch, lambda found: found.weight)) as found:
                whole = (_with_large(work, one) for one in found)
                for some in _pieces(patient(work, FILES, whole)):
                    work.steadily(_store, work, some)
                    lacking |= {(one.due.row.remote, one.due.row.remote_id) for one in some if one.lacking}
                    done += len(some)
                    work.tell("files", "", done, None)


def _due(tx: sa.Connection, work: Work, after: tuple[int, str, str], before: bool) -> list[_Due]:
    """The next submissions, those asked for least first and by their addresses: those due, or in a full run all that
    are there. `before`: of those that lacked something before."""
    here = [source_row.c.project_id == work.project, source_row.c.source_id == work.id]
    order = [source_row.c.remote, source_row.c.remote_id]
    if before:
        order = [source_row.c.files_asked, *order]
        here += [source_row.c.files_asked > 0, source_row.c.files_due_at.is_not(None)]
    else:
        here += [source_row.c.files_asked == 0]
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
        .where(sa.tuple_(*order) > after[-len(order) :])
        .order_by(*order)
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
    fetched: list[FetchedFile] = []
    large: list[RemoteFile] = []
    unsure: list[str] = []
    lacking, problem = False, None
    # Of new content, all files are asked for: an edit may have brought another one under the same name.
    again = work.full or due.row.files_asked == 0
    try:
        named = work.source.files(due.form, due.row.remote_id)
    except OF_ONE as said:
        return _Found(due, unsure=tuple(due.tags) if again else (), lacking=True, problem=said)
    for one in named:
        known = due.tags.get(one.name, "")
        if not one.exists:
            lacking = True
        elif not known or again or (one.tag and one.tag != known):
            try:
                got = work.source.file(due.form, due.row.remote_id, one, known, most=_LARGE)
            except SourceTooLarge:
                large.append(one)
            except OF_ONE as said:
                # It alone waits: the others are taken.
                lacking, problem = True, said
                unsure.append(one.name)
            else:
                fetched += [got] if got else []
                lacking |= got is None and not known
    return _Found(due, tuple(fetched), tuple(large), tuple(unsure), lacking, problem)


def _with_large(work: Work, found: _Found) -> _Found:
    """Its large files are stored, each at once. What cannot be had is lacking still."""
    due, unsure, lacking, problem = found.due, list(found.unsure), found.lacking, found.problem
    for file in found.large:
        known = due.tags.get(file.name, "")
        try:
            got = work.source.file(due.form, due.row.remote_id, file, known)
        except OF_ONE as said:
            lacking, problem = True, said
            unsure.append(file.name)
            continue
        if got is not None:
            work.steadily(_keep, work, due.row, got)
        lacking |= got is None and not known
    return replace(found, large=(), unsure=tuple(unsure), lacking=lacking, problem=problem)


def _pieces(found: Iterator[_Found]) -> Iterator[list[_Found]]:
    """So many as are stored in one transaction: large files do not wait for each other in memory."""
    some: list[_Found] = []
    size = 0
    try:
        for one in found:
            some.append(one)
            size += one.weight
            if size >= _BYTES_AT_ONCE:
                yield some
                some, size = [], 0
    except SourceProblem:
        # What came before it is stored all the same, and what did not come is asked for later than the rest.
        if some:
            yield some
        raise
    if some:
        yield some


def _store(tx: sa.Connection, work: Work, found: list[_Found]) -> None:
    now = dt.datetime.now(dt.UTC)
    for one in found:
        row = one.due.row
        for got in one.fetched:
            _keep(tx, work, row, got)
        if one.unsure:
            this = (source_file.c[name] == value for name, value in _place(work, row).items())
            tx.execute(source_file.delete().where(*this, source_file.c.name.in_(one.unsure)))
        asked = row.files_asked + 1
        pause = min(_FIRST * 2 ** min(asked, 12), _LONGEST)
        values = {"files_due_at": now + pause if one.lacking else None, "files_asked": asked if one.lacking else 0}
        if one.lacking:
            work.counts["files_missing"] += 1
        if any(getattr(row, name) != value for name, value in values.items()):
            this = (source_row.c[name] == value for name, value in _place(work, row).items())
            tx.execute(source_row.update().where(*this).values(**values))


def _keep(tx: sa.Connection, work: Work, row: sa.Row, got: FetchedFile) -> None:
    """Store one file, and under which tag it is asked for next time."""
    try:
        changed = attachments.put(tx, work.store, work.project, row.submission_id, got.file, dt.datetime.now(dt.UTC))
    except attachments.FileNameUnusable:
        work.counts["files_unusable"] += 1
        return
    work.counts["files"] += changed
    place, said = _place(work, row), {"tag": got.tag or "-"}
    tx.execute(
        insert(source_file)
        .values(**place, name=got.file.name, **said)
        .on_conflict_do_update(index_elements=[*place, "name"], set_=said)
    )


def _place(work: Work, row: sa.Row) -> dict[str, Any]:
    return {"project_id": work.project, "source_id": work.id, "remote": row.remote, "remote_id": row.remote_id}
