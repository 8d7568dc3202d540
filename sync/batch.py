"""Storing one page of a source: its contents come in while what came is being stored, piece by piece.

A page's last piece commits together with its cursor, so the cursor is never ahead of a row. A piece is stored at one
go; when a row of it cannot be taken, it is stored again row by row (`sync/rows`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
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
from sync.rows import BROKEN_ROW, One, RowFailed, delivery_of, is_of_the_row, of_form, review_of, stored
from sync.source import Content, RemoteForm, Row
from sync.work import Work

_AT_ONCE = 64
_BYTES_AT_ONCE = 4 * 1024 * 1024
# So many in a row are no coincidence.
_ALL_OF_THEM = 8


class Batch:
    """Some rows on their way into the store: their contents are downloading since this was made."""

    def __init__(self, work: Work, form: RemoteForm, rows: Iterable[Row]) -> None:
        # A page may name a row twice; the last word counts.
        self.rows = {row.remote_id: row for row in rows}
        self._work, self._form = work, form
        known = work.look(stored, work, form, self.rows)
        needed = [row for row in self.rows.values() if _needs_content(row, known.get(row.remote_id))]
        self._contents: Iterator[Content] = work.source.contents(form, needed) if needed else iter(())

    def store(self, cursor: Mapping[str, Any] | None = None) -> None:
        """Store everything as it comes, at last the cursor. Raises SourceProblem for all of a source."""
        self._learn_submitters()
        rest = dict(self.rows)
        before: dict[str, Content] = {}
        for piece in _pieces(patient(self._contents)):
            if before:
                self._piece({name: rest.pop(name) for name in before}, before, None)
            before = piece
        self._piece(rest, before, cursor)

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
        try:
            # A savepoint a row is two more round trips; nearly always no row needs one.
            self._work.steadily(self._store, rows, contents, cursor, False)
        except RowFailed:
            self._work.steadily(self._store, rows, contents, cursor, True)

    def _store(
        self,
        tx: sa.Connection,
        rows: dict[str, Row],
        contents: dict[str, Content],
        cursor: Mapping[str, Any] | None,
        careful: bool,
    ) -> None:
        work, form = self._work, self._form
        known = stored(tx, work, form, rows)
        found = _submissions(tx, work, form, rows.values())

        def is_new(row: Row) -> bool:
            name, here = row.remote_id, found.get(row.root_instance_id)
            return name in contents or not _is_as_it_was(work, row, known.get(name), here)

        # In the order in which they came: of what several say of one entity, the last is the last word. Two sources
        # that wait for each other in a circle are told so by PostgreSQL, and one of them tries again.
        new = (row for row in rows.values() if is_new(row))
        changed = sorted(new, key=lambda row: (row.received_at, row.remote_id))
        # Of a million rows that a census lists, only those that changed are locked: a lock is a write.
        if again := [row.remote_id for row in changed if row.remote_id in known]:
            known |= stored(tx, work, form, again, lock=True)
        taken = {} if careful else self._take_new(tx, changed, contents, found)
        live, kept = 0, []
        for row in changed:
            name = row.remote_id
            one = One(
                tx,
                work,
                form,
                row,
                known.get(name),
                contents.get(name),
                found=found.get(row.root_instance_id),
                changes=taken.get(name),
                careful=careful,
            )
            live += one.store()
            if one.kept:
                kept.append(one.kept)
        _keep(tx, kept)
        values: dict[str, Any] = {"live": source_form.c.live + live}
        if cursor is not None:
            values["cursor"] = dict(cursor)
        if live or cursor is not None:
            tx.execute(source_form.update().where(*of_form(work, form)).values(**values))

    def _take_new(
        self, tx: sa.Connection, rows: list[Row], contents: dict[str, Content], found: Mapping[str, UUID]
    ) -> dict[str, Changes]:
        """Take all at once what is plainly new. Raises RowFailed when any of them cannot be taken so."""
        work = self._work
        plain = {
            row.remote_id: contents[row.remote_id].versions[0]
            for row in rows
            if row.root_instance_id not in found
            and row.remote_id in contents
            and len(contents[row.remote_id].versions) == 1
            and contents[row.remote_id].problem is None
        }
        given = [delivery_of(work, version) for version in plain.values()]
        try:
            done = deliveries.take_new(tx, work.store, work.actor, given) if given else []
        except Problem as said:
            if not deliveries.is_kept(said):
                raise
            raise RowFailed from None
        except (sa.exc.DBAPIError, psycopg.Error) as error:
            if not is_of_the_row(error):
                raise
            raise RowFailed from None
        except BROKEN_ROW:
            raise RowFailed from None
        return {name: changes for name, changes in zip(plain, done, strict=True) if changes is not None}


def patient(contents: Iterator[Content]) -> Iterator[Content]:
    """The contents, as long as it is single ones that cannot be had. Raises the problem when it is all of them."""
    failed: list[Problem] = []
    for one in contents:
        failed = [*failed, one.problem] if one.problem else []
        if len(failed) >= _ALL_OF_THEM:
            raise failed[0]
        yield one


def _pieces(contents: Iterator[Content]) -> Iterator[dict[str, Content]]:
    """By the id of their rows: so many at once, or so large, as are stored in one transaction."""
    some: dict[str, Content] = {}
    size = 0
    for one in contents:
        some[one.row.remote_id] = one
        size += one.weight
        if len(some) == _AT_ONCE or size >= _BYTES_AT_ONCE:
            yield some
            some, size = {}, 0
    if some:
        yield some


def _needs_content(row: Row, known: sa.Row | None) -> bool:
    if row.deleted_at is not None:
        return False
    if known is None or known.mark != row.mark:
        return True
    return row.remarks and bool(row.review_mark) and row.review_mark != known.review_mark


def _is_as_it_was(work: Work, row: Row, known: sa.Row | None, found: UUID | None) -> bool:
    """Whether all that a listing says of a row is stored already."""
    return (
        known is not None
        and known.deleted_at == row.deleted_at
        and known.review == review_of(row, known)
        and known.review_mark == row.review_mark
        and known.root_instance_id == row.root_instance_id
        and known.submission_id == found
        and (row.submitter is None or known.submitter_id == work.submitters[row.submitter])
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
