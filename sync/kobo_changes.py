"""What changed at a Kobo: new rows by `_id`, edits, reviews and deletions by the project's history.

Without the right to that history everything is compared now and then: the more pages a form has, the rarer. A poll in
which nothing changed costs one question a form (its history), or none.
"""

from __future__ import annotations

import datetime as dt
import json
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from submissions.review import ReviewState
from sync.kobo_forms import KoboForms
from sync.kobo_wire import KoboWire, at, data
from sync.kobo_words import Event, digest_of, events_of, is_uuid, row_of
from sync.parallel import in_parallel
from sync.source import Cursor, Page, RemoteForm, Row, SourceForbidden, SourceNotThere, SourceTalksOtherwise

# `_id`, `_uuid`, `meta/rootUuid` and `_validation_status` come unasked.
LIGHT = ("_id", "_uuid", "meta/rootUuid", "_validation_status", "_submission_time", "_submitted_by")
FULL = (*LIGHT, "__version__", "_attachments")
_ROWS = 250
# Numbers are given before rows are committed: so many of the newest are read again.
_AGAIN = 200
_OVERLAP = dt.timedelta(minutes=2)
_EVENTS = "action:modify-submission OR action:delete-submission"
# A form of one page is compared in every run, others so many seconds a page.
_COMPARE_EVERY, _COMPARE_AT_LEAST = 300.0, 86_400.0
_ASK_RIGHT_EVERY = 86_400.0
_MOST_LOOKS = 50

_State = dict[str, Any]
_Part = tuple[tuple[Row, ...], _State]


class KoboChanges(KoboForms):
    """The part of `Kobo` that lists submissions."""

    def __init__(self, kobo: KoboWire, only: Iterable[str] | None, connections: int) -> None:
        super().__init__(kobo, only, connections)
        self._histories: dict[str, tuple[dict[str, Event], dt.datetime | None]] = {}

    def changes(self, form: RemoteForm, cursor: Cursor) -> Iterator[Page]:
        state: _State = dict(cursor)
        waiting: _Part | None = None
        for part in self._parts(form, state):
            if waiting is not None:
                yield Page(waiting[0], waiting[1])
            waiting = (part[0], dict(part[1]))
        if waiting is not None:
            total = self._kobo.count(form.remote)
            # Other than the listing said: asked once more in this run, the newest are read again.
            self._listed[form.remote] = {**self._listed.get(form.remote, {}), "deployment__submission_count": total}
            yield Page(waiting[0], waiting[1], total=total)

    def _parts(self, form: RemoteForm, state: _State) -> Iterator[_Part]:
        """Rows that may have changed with the state that holds after each; nothing when nothing changed."""
        first, told = not state, self._told(form)
        if first:
            # From here on: whatever happens while everything is read is then seen by its history.
            state["history"] = self._history_begins(form)
            state["asked"] = time.time()
        if state.get("history") is None:
            # Not to be asked in vain.
            self._histories.setdefault(form.remote, ({}, None))
        if first or state.get("open") or state.get("told") != told:
            yield from self._new_rows(form, state, told)
        if first:
            return
        if state.get("history") is None and time.time() - state.get("asked", 0) > _ASK_RIGHT_EVERY:
            state["history"], state["asked"] = self._history_begins(form), time.time()
            state.pop("compared", None)
        if state.get("history") is not None:
            yield from self._by_history(form, state)
        if time.time() - state.get("compared", 0) > self._compared_every(form, state):
            yield from self._by_comparing(form, state)

    def _told(self, form: RemoteForm) -> str:
        """What the listing of forms says of the number and the newest of a form's submissions."""
        one = self._listed.get(form.remote) or {}
        return f"{one.get('deployment__submission_count')}/{one.get('deployment__last_submission_time')}"

    # New rows

    def _new_rows(self, form: RemoteForm, state: _State, told: str) -> Iterator[_Part]:
        after = state["after"] if state.get("open") else state.get("settled", 0)
        newest: deque[int] = deque(maxlen=_AGAIN)
        state |= {"open": True, "after": after, "from": state.get("settled", 0)}
        more, position = True, 0
        while more:
            found, more = self._kobo.rows(form.remote, after, FULL)
            for start in range(0, len(found), _ROWS):
                some = found[start : start + _ROWS]
                newest.extend(one["_id"] for one in some)
                after = some[-1]["_id"]
                state["after"] = after
                yield self._made(form, some, position + start), state
            position += len(found)
        settled = newest[0] - 1 if len(newest) == _AGAIN else state["from"]
        state |= {"settled": settled, "told": told, "open": False}
        for name in ("after", "from"):
            state.pop(name, None)
        yield (), state

    def _made(self, form: RemoteForm, found: list[dict[str, Any]], position: int) -> tuple[Row, ...]:
        try:
            rows = [row_of(one, position + number) for number, one in enumerate(found)]
        except (KeyError, TypeError, ValueError, AttributeError):
            raise self._kobo.wire.problem(SourceTalksOtherwise) from None
        return tuple(self._sure(form, row) for row in rows)

    def _sure(self, form: RemoteForm, row: Row) -> Row:
        """An approval of a row that was edited: what the history says of which came later, where it is told."""
        if row.review_sure or row.review is not ReviewState.APPROVED:
            return row
        last, since = self._last_events(form)
        event = last.get(row.remote_id)
        if event is not None:
            return _judged(row, event)
        reviewed = dt.datetime.fromisoformat(row.review_mark) if row.review_mark else None
        return replace(row, review_sure=bool(since and reviewed and reviewed > since))

    def _last_events(self, form: RemoteForm) -> tuple[dict[str, Event], dt.datetime | None]:
        """The newest event of each submission, and since when the history tells. Read at most once a run."""
        if form.remote not in self._histories:
            last: dict[str, Event] = {}
            since = None
            try:
                for event in self._events(form):
                    last.setdefault(event.root, event)
                    since = event.at
            except (SourceForbidden, SourceNotThere):
                pass
            self._histories[form.remote] = (last, since)
        return self._histories[form.remote]

    # By history

    def _events(self, form: RemoteForm, size: int = 1000) -> Iterator[Event]:
        lines = self._kobo.all_of(at(form.remote, "history/"), f"history of {form.remote}", {"q": _EVENTS}, size)
        return events_of(lines)

    def _history_begins(self, form: RemoteForm) -> dict[str, Any] | None:
        """Where the history stands now; None when this account may not read it."""
        try:
            return _remembered(list(_until(self._events(form, 100), None)), None)
        except (SourceForbidden, SourceNotThere):
            return None

    def _by_history(self, form: RemoteForm, state: _State) -> Iterator[_Part]:
        """One question when nothing happened."""
        before = state["history"]
        since = dt.datetime.fromisoformat(before["at"]) if before["at"] else dt.datetime.min.replace(tzinfo=dt.UTC)
        try:
            events = list(_until(self._events(form, 100), since - _OVERLAP if before["at"] else since))
        except (SourceForbidden, SourceNotThere):
            # The right was taken from us: from now on by comparing.
            state |= {"history": None, "asked": time.time()}
            return
        known = set(before["keys"])
        last: dict[str, Event] = {}
        for event in events:
            if event.key not in known:
                last.setdefault(event.root, event)
        if not last:
            return
        many = len(last) > _MOST_LOOKS and len(last) * 500 > self._size(form)
        if many:
            for rows, _ in self._everything(form):
                yield tuple(_judged(row, last[row.remote_id]) for row in rows if row.remote_id in last), state
            wanted = [event for event in last.values() if event.deleted]
        else:
            wanted = list(last.values())
        for start in range(0, len(wanted), _ROWS):
            some = wanted[start : start + _ROWS]
            yield tuple(in_parallel(lambda event: self._after(form, event), some, self.connections)), state
        state["history"] = _remembered(events, before)
        yield (), state

    def _after(self, form: RemoteForm, event: Event) -> Row:
        """What became of a submission of which the history tells."""
        row = self.look(form, event.root)
        if row is None and not self._sees_all(form):
            raise self._kobo.wire.problem(SourceForbidden, f"form {form.remote}")
        if row is None:
            root = f"uuid:{event.root}" if is_uuid(event.root) else event.root
            return Row(event.root, root, "", event.at, deleted_at=event.at)
        return _judged(row, event)

    def _size(self, form: RemoteForm) -> int:
        count = (self._listed.get(form.remote) or {}).get("deployment__submission_count")
        return count if isinstance(count, int) else 0

    # By comparing

    def _compared_every(self, form: RemoteForm, state: _State) -> float:
        """Seconds between two comparisons. With the history there is none: the census of the night is enough."""
        if state.get("history") is not None:
            return float("inf")
        return min(_COMPARE_EVERY * (self._size(form) // 1000), _COMPARE_AT_LEAST)

    def _by_comparing(self, form: RemoteForm, state: _State) -> Iterator[_Part]:
        """The pages that look otherwise than last time."""
        before, marks = state.get("marks") or {}, {}
        for rows, start in self._everything(form):
            marks[str(start)] = digest_of(rows)
            if before.get(str(start)) != marks[str(start)]:
                yield rows, state
        changed = before != marks
        state |= {"marks": marks, "compared": time.time()}
        if changed:
            yield (), state

    def _everything(self, form: RemoteForm) -> Iterator[tuple[tuple[Row, ...], int]]:
        """All rows in pieces, and the `_id` after which each begins."""
        after, more, position = 0, True, 0
        while more:
            found, more = self._kobo.rows(form.remote, after, LIGHT)
            for start in range(0, len(found), _ROWS):
                some = found[start : start + _ROWS]
                yield self._made(form, some, position + start), after
                after = some[-1]["_id"]
            position += len(found)

    def census(self, form: RemoteForm) -> Iterator[Row]:
        for rows, _ in self._everything(form):
            yield from rows

    def is_there(self, form: RemoteForm, remote_id: str) -> bool:
        if self._row(form, remote_id) is not None:
            return True
        # To an account that is shown some rows alone, the others look deleted.
        if not self._sees_all(form):
            raise self._kobo.wire.problem(SourceForbidden, f"form {form.remote}")
        return False

    def _sees_all(self, form: RemoteForm) -> bool:
        said = self._detail(form.remote).get("effective_permissions")
        return said is None or "view_submissions" in {str(one.get("codename")) for one in said}

    def look(self, form: RemoteForm, remote_id: str) -> Row | None:
        found = self._row(form, remote_id)
        if found is None:
            return None
        try:
            return row_of(found)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise self._kobo.wire.problem(SourceTalksOtherwise) from None

    def _row(self, form: RemoteForm, remote_id: str) -> dict[str, Any] | None:
        """One submission as JSON, by its first id; None when it is deleted."""
        what = f"form {form.remote}"
        if is_uuid(remote_id):
            return self._kobo.one_or_none(data(form.remote, remote_id), what, params={"format": "json"})
        asked = {"format": "json", "limit": "1", "query": json.dumps({"meta/rootUuid": remote_id})}
        found, _ = self._kobo.listing(data(form.remote), what, asked)
        return found[0] if found else None


def _judged(row: Row, event: Event) -> Row:
    """A row, with what its last event says of a standing approval."""
    placed = replace(row.inline, edited_at=None if event.reviewed else event.at)
    if event.reviewed or row.review is not ReviewState.APPROVED:
        return replace(row, review_sure=True, inline=placed)
    if row.review_sure:
        # Never edited: its history tells of something else.
        return replace(row, inline=placed)
    return replace(row, review=ReviewState.EDITED, review_sure=True, inline=placed)


def _until(events: Iterable[Event], since: dt.datetime | None) -> Iterator[Event]:
    """The events down to a moment; None: those of the newest two minutes."""
    for event in events:
        since = since or event.at - _OVERLAP
        if event.at < since:
            return
        yield event


def _remembered(events: list[Event], before: Mapping[str, Any] | None) -> dict[str, Any]:
    """How far the history was read: its newest moment, and what lies within the overlap."""
    if not events:
        return dict(before) if before else {"at": None, "keys": []}
    newest = events[0].at
    return {
        "at": newest.isoformat(),
        "keys": [event.key for event in events if event.at >= newest - _OVERLAP],
    }
