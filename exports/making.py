"""The job that makes an export: writes pieces, each encrypted, and says how far it is. Knows no rights.

Run again after a kill it begins anew: what the first run left is taken away, and only a complete file is ever ready.
"""
from __future__ import annotations

import datetime as dt
import time
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from cases.export_requests import HOURS, expire
from cases.export_wish import Wish
from cases.projects import keeper
from namjai.problems import Problem
from store import jobs
from store.actor import Actor
from store.audit import Event, record
from store.blobs import address_of
from store.keys import RecordKey
from store.opening import KEEPER, Store
from store.tables import export

PIECE = 4 << 20
_EVERY = 0.5
_LOCK = "SELECT pg_try_advisory_xact_lock(hashtextextended(:export, 7426107))"


@jobs.handles(jobs.MAKE_EXPORT)
def make_export(store: Store, *, project: str, export: str) -> None:
    """Make one export. A Problem of the export itself is noted, not raised: trying again would find the same."""
    actor = Actor("worker", projects=(UUID(project),), scope="all")
    with store.database.begin(actor) as guard:
        # Held as long as this run lives, so that another one never writes into the same row.
        if guard.scalar(sa.text(_LOCK), {"export": export}):
            _make(store, actor, UUID(export))


@jobs.repeats(jobs.EXPIRE_EXPORTS, "*/10 * * * *")
def expire_exports(store: Store, **_: Any) -> None:
    """Every ten minutes: take away the files whose day is over, in every project."""
    with store.database.begin(KEEPER) as tx:
        actor = keeper(tx)
    with store.database.begin(actor) as tx:
        expire(tx, store, actor)


def _make(store: Store, actor: Actor, export_id: UUID) -> None:
    with store.database.begin(actor) as tx:
        expire(tx, store, actor)
        begun = _begin(tx, store, actor, export_id)
    if begun is None:
        return
    from exports.tables import write  # pandas: only the worker that makes one pays for it

    wish, key = begun
    pieces = Pieces(store, actor, export_id, key)
    try:
        written = write(store, actor, wish, pieces, pieces.progress)  # type: ignore[arg-type]
        pieces.end()
    except Problem as problem:
        if problem.http_status in (503, 507):
            raise  # the database or the disk: the queue tries again
        pieces.failed(problem.code)
        return
    except Exception:
        pieces.failed(Problem.code)
        raise
    pieces.ready(wish, written.submissions)


class Pieces:
    """A file that is written into blobs. Each address is noted first, so that a run after a kill finds it."""

    def __init__(self, store: Store, actor: Actor, export_id: UUID, key: RecordKey) -> None:
        self._store, self._actor, self._id, self._key = store, actor, export_id, key
        self._held = bytearray()
        self._addresses: list[str] = []
        self._size, self._said = 0, time.monotonic()

    def write(self, data: bytes) -> int:
        self._held += data
        self._size += len(data)
        while len(self._held) >= PIECE:
            self._put(bytes(self._held[:PIECE]))
            del self._held[:PIECE]
        return len(data)

    def flush(self) -> None:
        """Nothing: a piece is written when it is whole."""

    def end(self) -> None:
        if self._held or not self._addresses:
            self._put(bytes(self._held))
            self._held.clear()

    def progress(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._said >= _EVERY:
            self._said = now
            self._set(done=done, total=total)

    def failed(self, code: str) -> None:
        self._set(state="failed", problem=code, pieces=[], finished_at=dt.datetime.now(dt.UTC))
        for address in self._addresses:
            self._store.blobs.remove(address)

    def ready(self, wish: Wish, submissions: int) -> None:
        now = dt.datetime.now(dt.UTC)
        detail = {"form": wish.form[:80], "profile": wish.profile, "rows": submissions}
        event = Event("export.made", "export", self._id, detail)
        with self._store.database.begin(self._actor) as tx:
            record(tx, self._store.keyring, self._actor, event)
            self._update(
                tx, state="ready", done=submissions, total=submissions, size=self._size, finished_at=now, problem=None,
                expires_at=now + dt.timedelta(hours=HOURS),
            )

    def _put(self, plain: bytes) -> None:
        secret = self._key.encrypt(f"piece:{len(self._addresses)}", plain)
        self._addresses.append(address_of(secret))
        self._set(pieces=self._addresses)
        self._store.blobs.put(secret)

    def _set(self, **values: Any) -> None:
        with self._store.database.begin(self._actor) as tx:
            self._update(tx, **values)

    def _update(self, tx: sa.Connection, **values: Any) -> None:
        values["seen_at"] = dt.datetime.now(dt.UTC)
        tx.execute(
            export.update().where(export.c.project_id == self._actor.project, export.c.id == self._id).values(**values)
        )


def _begin(tx: sa.Connection, store: Store, actor: Actor, export_id: UUID) -> tuple[Wish, RecordKey] | None:
    """The wish and the key; None when there is nothing to do. What an earlier run left is taken away."""
    row = tx.execute(
        sa.select(export).where(export.c.project_id == actor.project, export.c.id == export_id).with_for_update()
    ).one_or_none()
    if row is None or row.state in ("ready", "expired"):
        return None
    for address in row.pieces:
        store.blobs.remove(address)
    tx.execute(
        export.update().where(export.c.project_id == actor.project, export.c.id == export_id)
        .values(state="running", done=0, total=None, pieces=[], problem=None, seen_at=dt.datetime.now(dt.UTC))
    )
    return Wish.from_json(row.wish), store.keyring.record(tx, actor.project, export_id)
