"""Storing one row of a source: its content through the door, then what the listing says of deletion and review.

A row that cannot be taken goes to quarantine after three tries, and the rest goes on; one whose content cannot be had
now waits for the next run.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from contextlib import nullcontext
from typing import Any
from uuid import UUID, uuid5

import psycopg
import sqlalchemy as sa

from cases import deliveries
from cases.source_problems import RowBroken
from namjai.problems import Problem
from odk.xml import XmlTooLarge
from store.tables import quarantine, source_form, source_row, submission
from submissions.delivery import Changes, Delivery, Outcome
from submissions.quarantine import settle, waiting_of
from submissions.review import ReviewState, remark, review_by_source
from sync.source import Content, RemoteForm, Row, VersionContent
from sync.work import Work

_TRIES = 3
# What says something of the database, not of the row.
_NOT_THE_ROW = ("08", "53", "57", "58", "40", "25P")
_FORM_LACKED = ("form-unknown", "form-version-unknown", "form-closed")
# What a row that breaks a parser may raise.
BROKEN_ROW = (ValueError, KeyError, TypeError, AttributeError, LookupError, ArithmeticError, RecursionError)
_COUNTED = {Outcome.NEW: "new", Outcome.EDITED: "edited"}


class RowFailed(Exception):
    """A row could not be taken, and nothing guarded the others: the page is stored again, with care."""


class One:
    """One row of a page, being stored. `kept` is then what to remember of it.

    `found` is its submission, where there is one; `changes` what became of its content, where it was taken already.
    """

    def __init__(
        self,
        tx: sa.Connection,
        work: Work,
        form: RemoteForm,
        row: Row,
        before: sa.Row | None,
        content: Content | None,
        found: UUID | None,
        changes: Changes | None,
        careful: bool,
    ) -> None:
        self.tx, self.work, self.form, self.row, self.before, self.content = tx, work, form, row, before, content
        self.found, self.changes, self.careful = found, changes, careful
        self.review = review_of(row, before)
        self.values: dict[str, Any] = {}
        # Of its versions: those that were taken, and what became of the others in quarantine.
        self.instances: list[str] = []
        self.refused: list[UUID] = []
        self.kept: dict[str, Any] | None = None
        self.taken: UUID | None = None

    def store(self) -> int:
        """Gives by how much the number of submissions that are there grew: 1, 0 or -1."""
        row, before = self.row, self.before
        if self.content is not None and self.content.gone and before is None:
            self.work.unsure.add(self.form.remote)
            return 0
        here, was_here = row.deleted_at is None, before is not None and before.deleted_at is None
        if self.content is not None and not self.content.gone:
            self._take(self.content)
        found = self.taken or self.found
        if before is not None and here and before.deleted_at is not None:
            self._count("restored", found is not None and deliveries.restore(*self._place(), found, self.work.name))
        if not here and (before is None or was_here) and not self._is_elsewhere(found):
            at = row.deleted_at or dt.datetime.now(dt.UTC)
            self._count("deleted", found is not None and deliveries.delete(*self._place(), found, at, self.work.name))
        if not here and before is not None and before.quarantine_id is not None:
            # Nobody need look at what its server threw away; should it come back, it is asked for anew.
            self._let_go(before.quarantine_id, "dismissed")
            self.values |= {"mark": None, "problem": None, "tries": 0, "quarantine_id": None}
        if found and here:
            self._review(found)
        self._remember(found)
        return int(here) - int(was_here)

    def _is_elsewhere(self, found: UUID | None) -> bool:
        """Whether another server, or another form of this one, still has the submission: then it is not gone."""
        where = source_row.c.project_id == self.work.project, source_row.c.submission_id == found
        this = sa.and_(
            source_row.c.source_id == self.work.id,
            source_row.c.remote == self.form.remote,
            source_row.c.remote_id == self.row.remote_id,
        )
        query = sa.select(sa.literal(1)).where(*where, sa.not_(this), source_row.c.deleted_at.is_(None))
        return found is not None and self.tx.scalar(query.limit(1)) is not None

    def _place(self) -> tuple[sa.Connection, Any, Any]:
        return self.tx, self.work.store, self.work.actor

    def _count(self, what: str, done: bool) -> None:
        if done:
            self.work.counts[what] += 1

    def _take(self, content: Content) -> None:
        if content.problem is not None:
            self.work.counts["waiting"] += 1
            tries = (self.before.tries if self.before else 0) + 1
            self.values = {"mark": None, "problem": content.problem.code, "tries": tries}
            return
        self.values = {"mark": self.row.mark, "problem": None, "tries": 0, "quarantine_id": None}
        if self.changes is not None:
            self._took(self.changes)
        else:
            for version in content.versions:
                self._version(version)
        if self.taken and self.found is None and content.versions[0].received_at != self.row.received_at:
            # First seen after an edit, as a server shows it that keeps the newest version alone.
            self._came_at(self.taken, self.row.received_at)
        if waited := self.before.quarantine_id if self.before else None:
            # What could be taken now waits no more, nor what came otherwise this time and was refused again.
            self._let_go(waited, "dismissed" if self.refused else "replayed")

    def _let_go(self, waited: UUID, state: str) -> None:
        """Settle what this row has in quarantine, and the items of those of its versions that were taken now."""
        place = (self.tx, self.work.project, self.work.name)
        for item in waiting_of(*place, waited, self.form.xml_form_id, self.instances):
            if item not in self.refused:
                settle(*self._place(), item, state, dt.datetime.now(dt.UTC))

    def _version(self, version: VersionContent) -> None:
        delivery = delivery_of(self.work, version)
        problem: Problem = RowBroken()
        # The first try was the one without care.
        for _ in range(_TRIES - 1):
            try:
                with self.tx.begin_nested() if self.careful else nullcontext():
                    changes = deliveries.take(*self._place(), delivery)
                self._took(changes)
                return
            except Problem as said:
                if not is_refused(said):
                    raise
                self._only_with_care()
                problem = said
                break
            except (sa.exc.DBAPIError, psycopg.Error) as error:
                if not is_of_the_row(error):
                    raise
                self._only_with_care()
            except BROKEN_ROW:
                self._only_with_care()
        self.work.counts["quarantined"] += 1
        item = deliveries.refuse(*self._place(), delivery, problem)
        self.refused.append(item)
        self.values |= {"problem": problem.code, "tries": _TRIES, "quarantine_id": item}

    def _took(self, changes: Changes) -> None:
        self.taken = changes.submission_id
        self.instances.append(changes.instance_id)
        self._count(_COUNTED.get(changes.outcome, ""), changes.outcome in _COUNTED)

    def _came_at(self, found: UUID, at: dt.datetime) -> None:
        place = (submission.c.project_id == self.work.project, submission.c.id == found)
        self.tx.execute(submission.update().where(*place).values(received_at=at))

    def _only_with_care(self) -> None:
        if not self.careful:
            raise RowFailed

    def _review(self, found: UUID) -> None:
        row, before, review = self.row, self.before, self.review
        said_before = before.review if before else ReviewState.RECEIVED
        taken = self.content is not None and self.content.versions
        if review is not None and (said_before != review or (taken and review is not ReviewState.RECEIVED)):
            at = _moment(row.review_mark) or row.received_at
            self._count("reviewed", review_by_source(*self._place(), found, review, at))
        for one in self.content.remarks if self.content else ():
            comment_id = uuid5(self.work.id, f"{self.form.remote}/{row.remote_id}/{one.remote_id}")
            self._count("remarks", remark(*self._place(), found, comment_id, one.at, one.author, one.text))

    def _remember(self, found: UUID | None) -> None:
        row, before = self.row, self.before
        values: dict[str, Any] = {name: getattr(before, name) if before else None for name in _REMEMBERED}
        values |= {"tries": before.tries if before else 0, "files_asked": before.files_asked if before else 0}
        values |= {"root_instance_id": row.root_instance_id, "submission_id": found}
        values |= {"review": self.review, "deleted_at": row.deleted_at}
        if row.deleted_at is not None:
            # What was said of it before it was deleted was not taken: should it come back, that is still to come.
            values["review"] = before.review if before else None
        if row.submitter:
            values["submitter_id"] = self.work.submitters[row.submitter]
        values |= self.values
        if row.deleted_at is None and (self.content is None or self.content.problem is None):
            values["review_mark"] = row.review_mark
        if found and row.deleted_at is None and (due := self._files_due()):
            values |= {"files_due_at": due, "files_asked": 0}
        place = {"project_id": self.work.project, "source_id": self.work.id, "remote": self.form.remote}
        self.kept = place | {"remote_id": row.remote_id} | values

    def _files_due(self) -> dt.datetime | None:
        """Files are asked for after new content that may have some. A listing that counts them saves the question."""
        fresh = self.content is not None and bool(self.content.versions)
        told = self.content.row if self.content is not None else self.row
        if not fresh or told.files_expected == 0:
            return None
        return dt.datetime.now(dt.UTC)


_REMEMBERED = ("mark", "review_mark", "files_due_at", "problem", "quarantine_id", "submitter_id")


def stored(
    tx: sa.Connection, work: Work, form: RemoteForm, ids: Iterable[str], *, lock: bool = False
) -> dict[str, sa.Row]:
    """What is known of these submissions of a form, by their remote id."""
    query = sa.select(source_row).where(
        source_row.c.project_id == work.project,
        source_row.c.source_id == work.id,
        source_row.c.remote == form.remote,
        source_row.c.remote_id == sa.any_(sa.bindparam("ids", type_=sa.ARRAY(sa.Text))),
    )
    if lock:
        query = query.order_by(source_row.c.remote_id).with_for_update()
    return {row.remote_id: row for row in tx.execute(query, {"ids": list(ids)})}


def take_again(tx: sa.Connection, work: Work, form: RemoteForm, *, new_version: bool) -> None:
    """Rows in quarantine that are to be taken anew: somebody replayed them, or the version they lacked has come.

    A full run asks for all that wait there: perhaps it was not the server that sent them as they came.
    """
    here = (
        source_row.c.project_id == work.project,
        source_row.c.source_id == work.id,
        source_row.c.remote == form.remote,
        source_row.c.quarantine_id.is_not(None),
    )
    replayed = sa.exists().where(
        quarantine.c.project_id == source_row.c.project_id,
        quarantine.c.id == source_row.c.quarantine_id,
        quarantine.c.state.in_(("replayed", "waiting") if work.full else ("replayed",)),
    )
    again = sa.or_(replayed, source_row.c.problem.in_(_FORM_LACKED)) if new_version else replayed
    tx.execute(source_row.update().where(*here, again).values(mark=None))


def of_form(work: Work, form: RemoteForm) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        source_form.c.project_id == work.project,
        source_form.c.source_id == work.id,
        source_form.c.remote == form.remote,
    )


def delivery_of(work: Work, version: VersionContent) -> Delivery:
    """A version as it knocks at the door."""
    return Delivery(
        version.xml,
        version.received_at,
        source=work.name,
        device_id=version.device_id,
        timezone=work.timezone,
        declares=not work.source.keeps_entities,
    )


def is_refused(problem: Problem) -> bool:
    """Whether the fault is the delivery's own: then it goes to quarantine, however large it is.

    A tablet hears that it is too large, and keeps it; a server would be asked for it for ever.
    """
    return deliveries.is_kept(problem) or problem.code == XmlTooLarge.code


def is_of_the_row(error: Exception) -> bool:
    """Whether an error of the database is about what was to be stored, not about the database."""
    state = getattr(getattr(error, "orig", error), "sqlstate", None) or "08"
    return not state.startswith(_NOT_THE_ROW)


def review_of(row: Row, before: sa.Row | None) -> ReviewState | None:
    """The review that a row says. An approval that may be of an earlier content is taken back."""
    if row.review is not ReviewState.APPROVED or row.review_sure:
        return row.review
    if before is None or before.mark != row.mark:
        return ReviewState.EDITED
    # The content is as it was: an approval that is new is of it, and an old one means what it meant.
    return row.review if before.review_mark != row.review_mark else ReviewState(before.review or ReviewState.EDITED)


def _moment(text: str) -> dt.datetime | None:
    try:
        return dt.datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
