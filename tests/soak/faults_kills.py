"""SIGKILL to a process that reads: at each thing it does, again and again, and while it waits inside a transaction."""
from __future__ import annotations

import datetime as dt
import signal
import threading
import time

import sqlalchemy as sa
from soak.catalogue import ALL, CENTRAL, fault
from soak.scene import Scene

from store import tables
from sync.schedule import is_due


def killed_at(scene: Scene, place: str, *, after: int = 0, full: bool = False, perhaps: bool = False) -> None:
    """A process reads; at the request of this place it is killed, unless it was over before and that may be (`perhaps`).
    The cursors hold.
    """
    child, seen = scene.trouble.child(scene.stage, *(["full"] if full else [])), [0]

    def kill(method: str, path: str) -> None:
        if scene.stage.server.is_at(place, method, path):
            seen[0] += 1
            if seen[0] > after:
                child.send_signal(signal.SIGKILL)

    scene.before(kill)
    code = scene.trouble.ended(scene.stage, child)
    scene.before(None)
    assert code == -signal.SIGKILL or perhaps, "it was over before"
    scene.stage.cursors_hold()


def _kill(place: str, after: int, number: int):  # type: ignore[no-untyped-def]
    def play(scene: Scene) -> None:
        for _ in range(number):
            scene.year._visit()
        killed_at(scene, place, after=after)

    return play


for _name, _place, _after, _number, _on, _quick in (
    ("killed at the list of forms", "forms", 0, 2, ALL, ()),
    ("killed at the first listing", "listing", 1, 2, ALL, ()),
    ("killed at the first content", "content", 0, 4, ALL, ALL),
    ("killed in the middle of a page's content", "content", 12, 20, CENTRAL, ()),
    ("killed between two pages", "content", 255, 270, CENTRAL, ()),
    ("killed while a file comes", "files", 0, 12, ALL, CENTRAL),
    ("killed while entities come", "entities", 2, 4, CENTRAL, ()),
):
    fault(_name, on=_on, quick=_quick)(_kill(_place, _after, _number))


@fault("killed in the middle of a census")
def _census(scene: Scene) -> None:
    scene.acts(10)
    scene.read()
    scene.acts(4)
    killed_at(scene, "census", full=True, after=1)


@fault("killed three times in a row, while people go on working")
def _three_times(scene: Scene) -> None:
    for _ in range(30):
        scene.year._visit()
    for _ in range(3):
        killed_at(scene, "content", after=scene.dice.randrange(4), perhaps=True)
        scene.acts(4)


@fault("killed while it waits inside a transaction")
def _inside(scene: Scene) -> None:
    """Its page is half written when it dies: PostgreSQL takes all of it back."""
    scene.acts(10)
    child = scene.trouble.child(scene.stage)
    held = threading.Event()
    engine = sa.create_engine(scene.trouble.admin, poolclass=sa.NullPool)
    url = sa.make_url(scene.trouble.admin).set(database=sa.make_url(scene.trouble.url).database)
    engine = sa.create_engine(url, poolclass=sa.NullPool)

    def hold(method: str, path: str) -> None:
        # The first content is asked for: the page's transaction has not begun yet.
        if scene.stage.server.is_at("content", method, path):
            held.set()

    scene.before(hold)
    assert held.wait(60)
    with engine.begin() as tx:
        tx.exec_driver_sql("LOCK TABLE submission_version IN ACCESS EXCLUSIVE MODE")
        waits = sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'submission_version'::regclass")
        begun = time.monotonic()
        while not tx.scalar(waits) and time.monotonic() - begun < 30:
            time.sleep(0.05)
        assert tx.scalar(waits), "it never came to its transaction"
        child.send_signal(signal.SIGKILL)
        scene.trouble.ended(scene.stage, child)
    engine.dispose()
    scene.before(None)
    assert scene.count(tables.submission) == 0
    scene.stage.cursors_hold()


@fault("a worker that was killed is followed by another within a minute", quick=CENTRAL)
def _worker(scene: Scene) -> None:
    """What the schedule says is all that brings it back: nobody asks."""
    scene.acts(6)
    killed_at(scene, "content")
    row = scene.row()
    assert row.run_id is not None
    assert is_due(row, dt.datetime.now(dt.UTC)), "a run that was killed waits for its next turn, minutes later"
