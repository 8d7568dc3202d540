"""Storing one page of a source: its contents come in while what came is being stored, piece by piece.

A page's last piece commits together with its cursor, so the cursor is never ahead of a row. A piece is stored at one
go; when a row of it cannot be taken, it is stored again row by row (`sync/rows`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any
from uuid import UUID

import psycopg
import sqlalchemy as sa

from cases import deliveries
from namjai.problems import Problem
from store.actor import driver
from store.tables import source_form, submission
from submissions.delivery import Changes
from submissions.submitters import learn
from sync.patience import of_a_form, patient
from sync.rows import BROKEN_ROW, One, RowFailed, delivery_of, is_of_the_row, is_refused, of_form, review_of, stored
from sync.source import Content, RemoteForm, Row, SourceProblem
from sync.work import Work

_AT_ONCE = 32
_BYTES_AT_ONCE = 4 * 1024 * 1024


class Batch:
    """Some rows on their way into the store: their contents are downloading since this was made.

    `waiting`: those that could not be had in earlier runs. A page of a listing leaves them to that.
    """

    def __init__(self, work: Work, form: RemoteForm, rows: Iterable[Row], *, waiting: bool = False) -> None:
        # A page may name a row twice; the last word counts.
        self.rows = {row.remote_id: row for row in rows}
        self._work, self._form = work, form
        known = work.look(stored, work, form, self.rows)
        self._part = of_a_form(form, waiting=waiting)
        needed = [
            row
            for row in self.rows.values()
            if _needs_content(row, known.get(row.remote_id)) and (waiting or not _waits(known.get(row.remote_id)))
        ]
        self._contents: Iterator[Content] = work.source.contents(form, needed) if needed else iter(())
        self._needed = len(needed)

    def store(self, cursor: Mapping[str, Any] | None = None) -> None:
        """Store everything as it comes, at last the cursor. Raises SourceProblem for all of a source."""
        self._learn_submitters()
        rest, still = dict(self.rows), self._needed
        last: dict[str, Content] = {}
        try:
            for piece in _pieces(patient(self._work, self._part, self._contents)):
                still -= len(piece)
                # Content may say more of its row than the listing did.
                told = {name: one.row for name, one in piece.items()}
                if still > 0:
                    for name in piece:
                        del rest[name]
                    self._piece(told, piece, None)
                else:
                    last = piece
                    rest |= told
        except SourceProblem:
            if last:
                self._piece({name: rest[name] for name in last}, last, None)
            raise
        self._piece(rest, last, cursor)

    def close(self) -> None:
        """What was not stored is not wanted any more."""
        if close := getattr(self._contents, "close", None):
            close()

    def _learn_submitters(self) -> None:
        """In a transaction of its own: what the run remembers of them is then stored, whatever becomes of the page."""
        work = self._work
        new = {row.submitter for row in self.rows.values() if row.submitter} - work.submitters.keys()
        if new:
            work.submitters |= work.steadily(lambda tx: learn(tx, work.store, work.actor, work.id, new))

    def _piece(self, rows: dict[str, Row], contents: dict[str, Content], cursor: Mapping[str, Any] | None) -> None:
        piece = _Piece(self._work, self._form, rows, contents, cursor)
        try:
            # A savepoint a row is two more round trips; nearly always no row needs one.
            self._work.steadily(piece.store, False)
        except RowFailed:
            self._work.steadily(piece.store, True)


@dataclass(frozen=True, slots=True)
class _Piece:
    """What is stored in one transaction: rows, the contents of those that have some, the cursor that holds then."""

    work: Work
    form: RemoteForm
    rows: dict[str, Row]
    contents: dict[str, Content]
    cursor: Mapping[str, Any] | None

    def store(self, tx: sa.Connection, careful: bool) -> None:
        """Store all that is new. Raises RowFailed where that needs care."""
        known = stored(tx, self.work, self.form, self.rows)
        found = _submissions(tx, self.work, self.form, self.rows.values())
        # In the order in which they came: of what several say of one entity, the last is the last word. Two sources
        # that wait for each other in a circle are told so by PostgreSQL, and one of them tries again.
        changed = sorted(
            (row for row in self.rows.values() if self._is_new(row, known.get(row.remote_id), found)),
            key=lambda row: row.received_at,  # of one instant: as they were listed
        )
        # Of a million rows that a census lists, only those that changed are locked: a lock is a write.
        if again := [row.remote_id for row in changed if row.remote_id in known]:
            known |= stored(tx, self.work, self.form, again, lock=True)
        live, kept = 0, []
        for row, changes in self._taken(tx, changed, found, careful):
            before, here = known.get(row.remote_id), found.get(row.root_instance_id)
            one = One(tx, self.work, self.form, row, before, self.contents.get(row.remote_id), here, changes, careful)
            live += one.store()
            if one.kept:
                kept.append(one.kept)
        _keep(tx, kept)
        values: dict[str, Any] = {"live": source_form.c.live + live}
        if self.cursor is not None:
            values["cursor"] = dict(self.cursor)
        if live or self.cursor is not None:
            tx.execute(source_form.update().where(*of_form(self.work, self.form)).values(**values))

    def _is_new(self, row: Row, known: sa.Row | None, found: Mapping[str, UUID]) -> bool:
        here = found.get(row.root_instance_id)
        return row.remote_id in self.contents or not _is_as_it_was(self.work, row, known, here)

    def _taken(
        self, tx: sa.Connection, rows: list[Row], found: Mapping[str, UUID], careful: bool
    ) -> Iterator[tuple[Row, Changes | None]]:
        """The rows, each with what became of its content where that was taken together with others."""
        plain = set() if careful else {row.remote_id for row in rows if self._is_plain(row, found)}
        done: dict[str, Changes] = {}
        for at, row in enumerate(rows):
            if row.remote_id in plain:
                tried, changes = self._take_new(tx, self._together(rows[at:], plain))
                plain -= tried
                done |= changes
            yield row, done.get(row.remote_id)

    def _together(self, rows: list[Row], plain: set[str]) -> list[Row]:
        """Which of these are taken at once. Where submissions write entities here, none overtakes another."""
        if self.work.source.keeps_entities:
            return [row for row in rows if row.remote_id in plain]
        return list(takewhile(lambda row: row.remote_id in plain, rows))

    def _is_plain(self, row: Row, found: Mapping[str, UUID]) -> bool:
        content = self.contents.get(row.remote_id)
        return content is not None and len(content.versions) == 1 and row.root_instance_id not in found

    def _take_new(self, tx: sa.Connection, rows: list[Row]) -> tuple[set[str], dict[str, Changes]]:
        """Take at once what is new: which rows were tried, and what became of those that were taken. Raises RowFailed
        when one of them cannot be taken so."""
        work = self.work
        given = [delivery_of(work, self.contents[row.remote_id].versions[0]) for row in rows]
        try:
            done = deliveries.take_new(tx, work.store, work.actor, given, in_order=not work.source.keeps_entities)
        except Problem as said:
            if not is_refused(said):
                raise
            raise RowFailed from None
        except (sa.exc.DBAPIError, psycopg.Error) as error:
            if not is_of_the_row(error):
                raise
            raise RowFailed from None
        except BROKEN_ROW:
            raise RowFailed from None
        tried = [row.remote_id for row in rows[: len(done)]]
        return set(tried), {name: one for name, one in zip(tried, done, strict=True) if one is not None}


def news(tx: sa.Connection, work: Work, form: RemoteForm, rows: list[Row]) -> list[Row]:
    """Those of a census's rows of which not everything is stored already: of a million, nearly none."""
    known = stored(tx, work, form, [row.remote_id for row in rows])
    found = _submissions(tx, work, form, rows)
    return [
        row
        for row in rows
        if _needs_content(row, known.get(row.remote_id))
        or not _is_as_it_was(work, row, known.get(row.remote_id), found.get(row.root_instance_id))
    ]




def _pieces(contents: Iterator[Content]) -> Iterator[dict[str, Content]]:
    """By the id of their rows: so many at once, or so large, as are stored in one transaction."""
    some: dict[str, Content] = {}
    size = 0
    try:
        for one in contents:
            some[one.row.remote_id] = one
            size += one.weight
            if len(some) == _AT_ONCE or size >= _BYTES_AT_ONCE:
                yield some
                some, size = {}, 0
    except SourceProblem:
        # What came before it is stored all the same.
        if some:
            yield some
        raise
    if some:
        yield some


def _needs_content(row: Row, known: sa.Row | None) -> bool:
    if row.deleted_at is not None:
        return False
    if known is None or known.mark != row.mark:
        return True
    return row.remarks and bool(row.review_mark) and row.review_mark != known.review_mark


def _waits(known: sa.Row | None) -> bool:
    """Whether its content could not be had in an earlier run, and is asked for by itself in each."""
    return known is not None and known.mark is None and known.tries > 0 and known.deleted_at is None


def _is_as_it_was(work: Work, row: Row, known: sa.Row | None, found: UUID | None) -> bool:
    """Whether all that a listing says of a row is stored already."""
    return (
        known is not None
        and known.deleted_at == row.deleted_at
        and known.review == review_of(row, known)
        and known.review_mark == row.review_mark
        and known.root_instance_id == row.root_instance_id
        and known.submission_id == found
        and (row.submitter is None or known.submitter_id == work.submitters.get(row.submitter))
    )


def _submissions(tx: sa.Connection, work: Work, form: RemoteForm, rows: Iterable[Row]) -> dict[str, UUID]:
    """The submissions that are here of these rows, by their root instance."""
    query = sa.select(submission.c.root_instance_id, submission.c.id).where(
        submission.c.project_id == work.project,
        submission.c.xml_form_id == form.xml_form_id,
        submission.c.root_instance_id == sa.any_(sa.bindparam("roots", type_=sa.ARRAY(sa.Text))),
    )
    return dict(tx.execute(query, {"roots": [row.root_instance_id for row in rows]}).tuples().all())


_KEPT = (
    "project_id", "source_id", "remote", "remote_id", "root_instance_id", "submission_id", "mark", "review",
    "review_mark", "deleted_at", "files_due_at", "files_asked", "problem", "tries", "quarantine_id",
    "submitter_id",
)  # fmt: skip
_KEEP = f"""
INSERT INTO source_row ({", ".join(_KEPT)}) VALUES ({", ".join(f"%({name})s" for name in _KEPT)})
ON CONFLICT (project_id, source_id, remote, remote_id) DO UPDATE
SET {", ".join(f"{name} = EXCLUDED.{name}" for name in _KEPT[4:])}
"""


def _keep(tx: sa.Connection, rows: list[dict[str, Any]]) -> None:
    """What is known of a page's rows from now on, in one round trip."""
    if rows:
        with driver(tx) as cursor:
            cursor.executemany(_KEEP, rows)
