"""The database and the disk in the middle of a run: lost, read-only, full, in conflict, restarting; two runs at once."""
from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import contextmanager

import psycopg
import sqlalchemy as sa
from soak.catalogue import ALL, fault
from soak.scene import Scene

from namjai.problems import StorageFull
from store import tables
from store.blobs import Blobs
from store.database import Database
from sync.work import alone


def at_request(scene: Scene, moments: set[int], do: Callable[[], None]) -> None:
    """Do something at the n-th requests of a run."""
    seen, lock = [0], threading.Lock()

    def act(_method: str, _path: str) -> None:
        with lock:
            seen[0] += 1
            now = seen[0]
        if now in moments:
            do()

    scene.before(act)


def at_a_page(scene: Scene, error: Callable[[], Exception], *, times: int = 1, after_commit: bool = False) -> None:
    """The transaction that stores a page ends in an error: before its commit, or after it, the reply lost."""
    begin, left = Database.begin, [times]

    @contextmanager
    def failing(self, actor):  # type: ignore[no-untyped-def]
        with begin(self, actor) as tx:
            before = tx.scalar(sa.text("SELECT count(*) FROM source_row"))
            yield tx
            writes = left[0] and before != tx.scalar(sa.text("SELECT count(*) FROM source_row"))
            if writes and not after_commit:
                left[0] -= 1
                raise error()
        if writes:
            left[0] -= 1
            raise error()

    scene.patch.setattr(Database, "begin", failing)
    scene.acts(8)
    scene.tries()
    scene.patch.setattr(Database, "begin", begin)
    assert left[0] < times, "no page was stored"
    scene.stage.cursors_hold()


def _state(code: str) -> sa.exc.DBAPIError:
    """An error of PostgreSQL with this SQLSTATE, as the driver raises it."""
    kind = psycopg.errors.lookup(code)
    return sa.exc.DBAPIError.instance(None, None, kind("made by the test"), psycopg.Error, hide_parameters=True)  # type: ignore[return-value]


_ERRORS = {
    "a serialization failure at a page": ("40001", 2, ALL),
    "a deadlock at a page": ("40P01", 2, ()),
    "a statement that was cancelled at a page": ("57014", 1, ()),
    "a disk that is full when a page is stored": ("53100", 1, ("central",)),
    "no connection left for a page": ("53300", 1, ()),
    "a database that is read-only when a page is stored": ("25006", 1, ()),
    "PostgreSQL shuts down at a page": ("57P01", 1, ()),
}


def _fails(code: str, times: int):  # type: ignore[no-untyped-def]
    return lambda scene: at_a_page(scene, lambda: _state(code), times=times)


for _name, (_code, _times, _quick) in _ERRORS.items():
    fault(_name, quick=_quick)(_fails(_code, _times))


@fault("the commit is done, and its reply is lost", quick=ALL)
def _reply_lost(scene: Scene) -> None:
    """Nobody knows whether it is stored: it is stored again, once."""
    from namjai.problems import DatabaseUnreachable

    at_a_page(scene, DatabaseUnreachable, times=2, after_commit=True)


@fault("the connection is lost before the commit")
def _connection_lost(scene: Scene) -> None:
    from namjai.problems import DatabaseUnreachable

    at_a_page(scene, DatabaseUnreachable, times=2)


@fault("every connection is ended, three times in a run", quick=("central",))
def _connections(scene: Scene) -> None:
    for _ in range(20):
        scene.year._visit()
    at_request(scene, {4, 16, 30}, scene.cut_connections)
    scene.tries()
    scene.stage.cursors_hold()


@fault("the backend that holds the source's lock is ended")
def _lock_lost(scene: Scene) -> None:
    scene.acts(10)
    at_request(scene, {10}, lambda: scene.cut_connections(only="state = 'idle in transaction'"))
    scene.tries()
    scene.stage.cursors_hold()


@fault("the whole database is read-only for a while")
def _read_only(scene: Scene) -> None:
    scene.acts(10)

    def freeze() -> None:
        scene.administer('ALTER DATABASE "%db" SET default_transaction_read_only = on')
        scene.cut_connections()

    at_request(scene, {12}, freeze)
    scene.tries()
    scene.before(None)
    scene.administer('ALTER DATABASE "%db" RESET default_transaction_read_only')
    scene.cut_connections()
    scene.stage.cursors_hold()


@fault("nobody may connect to the database for two seconds", quick=())
def _down(scene: Scene) -> None:
    scene.acts(10)
    timers = []

    def shut() -> None:
        scene.administer('ALTER DATABASE "%db" ALLOW_CONNECTIONS false')
        scene.cut_connections()
        timers.append(threading.Timer(2, scene.administer, ['ALTER DATABASE "%db" ALLOW_CONNECTIONS true']))
        timers[0].start()

    at_request(scene, {12}, shut)
    scene.tries()
    timers[0].join()
    scene.stage.cursors_hold()


@fault("a disk that has no room for a file", quick=("central",))
def _no_room(scene: Scene) -> None:
    scene.acts(14)
    put, left = Blobs.put, [3]

    def full(self: Blobs, ciphertext: bytes) -> str:
        if left[0]:
            left[0] -= 1
            raise StorageFull()
        return put(self, ciphertext)

    scene.patch.setattr(Blobs, "put", full)
    while left[0]:
        done = scene.tries()
        assert done is None or done.problem.code == "storage-full", done.problem
    scene.patch.setattr(Blobs, "put", put)
    scene.stage.cursors_hold()


@fault("two runs at once do everything once", quick=ALL)
def _two(scene: Scene) -> None:
    scene.acts(20)
    done: list = []
    threads = [threading.Thread(target=lambda: done.append(scene.read())) for _ in range(2)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert [one.problem for one in done] == [None, None]
    assert sorted(bool(one.counts.get("new")) for one in done) == [False, True]


@fault("two processes read at once")
def _two_processes(scene: Scene) -> None:
    scene.acts(10)
    children = [scene.trouble.child(scene.stage) for _ in range(2)]
    codes = [scene.trouble.ended(scene.stage, one) for one in children]
    assert codes == [0, 0]


@fault("who does not wait leaves a run under way alone")
def _busy(scene: Scene) -> None:
    scene.acts(4)
    with alone(scene.stage.store, scene.stage.actor, scene.row(), wait=False) as mine:
        assert mine and scene.read(wait=False).busy
    assert not scene.read(wait=False).busy


@fault("a run that lost its lock writes nothing", quick=("central",))
def _overtaken(scene: Scene) -> None:
    scene.acts(6)

    def overtaken(_method: str, path: str) -> None:
        if scene.stage.server.is_content(path):
            scene.before(None)
            with scene.store_tx() as tx:
                tx.execute(tables.source.update().values(run_id=scene.stage.actor.project))

    scene.before(overtaken)
    done = scene.read()
    assert done.problem.code == "source-run-overtaken" and "new" not in done.counts
    assert scene.count(tables.source_row) == 0
    with scene.store_tx() as tx:
        tx.execute(tables.source.update().values(run_id=None))
        tx.execute(tables.source_run.update().where(tables.source_run.c.ended_at.is_(None)).values(ended_at=sa.func.now()))


@fault("people here decide while a run is at work")
def _decide_meanwhile(scene: Scene) -> None:
    for _ in range(6):
        scene.year._request()
    scene.read()
    for _ in range(10):
        scene.year._visit()
    left = [3]

    def decide(_method: str, path: str) -> None:
        with scene.double.lock:
            if left[0] and scene.stage.server.is_content(path):
                left[0] -= 1
                scene.stage.decide(1)

    scene.before(decide)
    assert scene.read().problem is None
    assert scene.truth.decided


@fault("a run that takes long holds nobody up who is not concerned")
def _slow(scene: Scene) -> None:
    scene.acts(6)
    scene.double.pace = 0.02
    reading = threading.Thread(target=scene.tries)
    reading.start()
    while reading.is_alive():
        begun = time.monotonic()
        scene.count(tables.submission)
        assert time.monotonic() - begun < 2
        time.sleep(0.05)
    scene.double.pace = 0
