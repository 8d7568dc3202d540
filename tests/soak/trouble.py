"""What goes wrong while a year is read: kills, faults of the server and of the database, runs that repeat and overlap.

All of it is drawn from a seeded dice, so that a seed tells the same trouble again (but for the threads' own timing).
"""
from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

if TYPE_CHECKING:
    from soak.play import Stage

CHILD = """
import sys, uuid
from pathlib import Path
from namjai.settings import Settings
from store.opening import open_store
from cases.projects import in_project
from sync import registry
from sync.run import run
url, data, project = sys.argv[1:4]
store = open_store(Settings(data_dir=Path(data), master_key=b"a master key for tests, 32 bytes", database_url=url), url, pool_size=4)
actor = in_project(uuid.UUID(project))
with store.database.begin(actor) as tx:
    row = registry.named(tx, actor.project, "field")
print(run(store, row, full="full" in sys.argv[4:]))
"""
# Over by themselves within a run: kind, and how the run is told of it.
PASSING = ("truncated", "cut", "reset", "500", "502", "503", "504", "429", "unauthorized")


@dataclass
class Trouble:
    """`url`: the database's address, `admin`: that of a superuser's other database; `data`: the store's folder."""

    dice: random.Random
    url: str
    admin: str
    data: Path
    done: dict[str, int] = field(default_factory=dict)

    def meanwhile(self, stage: Stage, number: int) -> None:
        """Something goes wrong while this slice is read, in a long year two things, and the cursors hold after each."""
        moves: list[Callable[[Stage], None]] = [self.killed, self.faulted, self.overlapping, self.repeated, self.cut_off, self.busy_people]
        more = [self.dice.choice(moves)] if stage.year.slices > 2 * len(moves) else []
        for move in [moves[number % len(moves)], *more]:
            move(stage)
            stage.server.double.faults.clear()
            stage.server.double.before = None
            stage.cursors_hold()
            self.done[move.__name__] = self.done.get(move.__name__, 0) + 1

    def killed(self, stage: Stage) -> None:
        """SIGKILL to a process that reads, at a seeded request."""
        child, counted, at = self.child(stage), [0], self.dice.randrange(3, 160)

        def kill(_method: str, _path: str) -> None:
            counted[0] += 1
            if counted[0] == at:
                child.send_signal(signal.SIGKILL)

        stage.server.double.before = kill
        self.ended(stage, child)

    def faulted(self, stage: Stage) -> None:
        """The server and the way to it stumble, at seeded requests."""
        for _ in range(self.dice.randrange(1, 5)):
            kind = self.dice.choice(PASSING)
            stage.server.double.fail(kind, "", times=self.dice.choice((1, 2)), after=self.dice.randrange(120), text="0" if kind == "429" else "")
        stage.read()

    def overlapping(self, stage: Stage) -> None:
        """Two runs at once."""
        threads = [threading.Thread(target=stage.read, kwargs={"full": self.dice.random() < 0.3}) for _ in range(2)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()

    def repeated(self, stage: Stage) -> None:
        """The same once more, and everything compared."""
        stage.read()
        stage.read(full=True)

    def cut_off(self, stage: Stage) -> None:
        """PostgreSQL ends every connection, at seeded requests."""
        engine = sa.create_engine(self.admin, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
        name, counted = sa.make_url(self.url).database, [0]
        moments = {self.dice.randrange(2, 200) for _ in range(3)}

        def cut(_method: str, _path: str) -> None:
            counted[0] += 1
            if counted[0] in moments:
                with engine.connect() as connection:
                    connection.execute(sa.text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"), {"name": name})

        stage.server.double.before = cut
        stage.read()
        engine.dispose()

    def busy_people(self, stage: Stage) -> None:
        """People go on working while we page."""
        moves = [self.dice.randrange(3, 12)]

        def work(_method: str, _path: str) -> None:
            with stage.server.double.lock:
                if moves[0] and self.dice.random() < 0.2:
                    moves[0] -= 1
                    stage.year.act()

        stage.server.double.before = work
        stage.read()

    def child(self, stage: Stage, *words: str) -> subprocess.Popen:
        """A process of its own that reads the source."""
        command = [sys.executable, "-c", CHILD, self.url, str(self.data), str(stage.actor.project), *words]
        return subprocess.Popen(command, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    @staticmethod
    def ended(stage: Stage, child: subprocess.Popen) -> int:
        """Wait for it; what it printed is among what was said."""
        out, _ = child.communicate(timeout=120)
        stage.said.append(out)
        return child.returncode
