"""Where a fault is played: a server with some weeks of work on it, Namjai that reads it, and what may break between."""
from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import invariants
import sqlalchemy as sa
from central_truth import QUICK
from soak import compare
from soak.play import Stage
from soak.trouble import Trouble

from namjai.problems import Problem
from store import tables
from sync import registry

# What the doubles put into their errors: it may be a survivor's, so nobody may repeat it.
SERVERS_WORDS = "SECRET-OF-A-SURVIVOR"


def crowded() -> float:
    """How many times as long things take here, because others are at work on this machine, too."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def patience() -> dict[str, float]:
    """How long a reading waits here: little, and longer where others are at work, too."""
    waits = ("connect", "silence", "answer", "in_all")
    return QUICK | {name: QUICK[name] * crowded() for name in waits}


@dataclass
class Scene:
    """`trouble` knows the way to the database; `log` is what was logged so far."""

    stage: Stage
    trouble: Trouble
    dice: random.Random
    patch: Any
    log: Callable[[], str]
    folder: Path
    doubles: list[Any] = field(default_factory=list)

    @property
    def double(self) -> Any:
        return self.stage.server.double

    @property
    def year(self) -> Any:
        return self.stage.year

    @property
    def truth(self) -> Any:
        return self.stage.year.truth

    def acts(self, number: int) -> None:
        """People do this and that."""
        with self.double.lock:
            for _ in range(number):
                self.year.act()

    def read(self, **options: bool) -> Any:
        return self.stage.read(**options)

    def tries(self, **options: bool) -> Any:
        """A reading that may fail altogether, as when the database is gone; None then."""
        try:
            return self.stage.read(**options)
        except Problem as problem:
            self.stage.said += [str(problem), problem.text("en"), problem.text("th")]
            return None

    def fail(self, kind: str, place: str = "", *, times: int = 1, after: int = 0, text: str = "") -> None:
        """A fault at a place of the server that both kinds have: listing, content, forms, files, sign-in, lists."""
        self.stage.server.fail(kind, place, times=times, after=after, text=text)

    def fails_for_good(self, kind: str, place: str, said: str | tuple[str, ...], *, text: str = "", within: float = 30) -> None:
        """As long as it lasts a run ends soon, in plain words that repeat nothing, and the source's row tells them."""
        self.fail(kind, place, times=100_000, text=text)
        begun, crowd = time.monotonic(), crowded()
        done = self.read()
        assert done.problem is not None and done.problem.code in (said if isinstance(said, tuple) else (said,)), (done.problem, dict(done.counts))
        assert time.monotonic() - begun < within * max(crowd, crowded()), time.monotonic() - begun
        assert SERVERS_WORDS not in self.log() + str(done.problem) + done.problem.text("th")
        with self.store_tx() as tx:
            assert tx.scalar(sa.select(tables.source.c.problem)) == done.problem.code
        self.stage.cursors_hold()

    def passes(self, kind: str, place: str, *, times: int = 2, after: int = 0, text: str = "") -> None:
        """What goes by is waited for: the same run brings everything."""
        self.acts(6)
        self.fail(kind, place, times=times, after=after, text=text)
        done = self.read()
        assert done.problem is None, done.problem
        assert done.counts.get("waiting", 0) == 0, dict(done.counts)
        assert not any(one.times for one in self.double.faults), "nobody met the fault"

    def before(self, do: Callable[[str, str], None] | None) -> None:
        self.double.before = do

    @contextmanager
    def store_tx(self) -> Iterator[sa.Connection]:
        with self.stage.store.database.begin(self.stage.actor) as tx:
            yield tx

    def row(self) -> sa.Row:
        with self.store_tx() as tx:
            return registry.named(tx, self.stage.actor.project, "field")

    def count(self, table: sa.Table, *where: Any) -> int:
        with self.store_tx() as tx:
            return tx.scalar(sa.select(sa.func.count()).select_from(table).where(table.c.project_id == self.stage.actor.project, *where)) or 0

    def administer(self, *statements: str) -> None:
        """As PostgreSQL's own administrator; "%db" is this test's database."""
        engine = sa.create_engine(self.trouble.admin, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for one in statements:
                connection.exec_driver_sql(one.replace("%db", str(sa.make_url(self.trouble.url).database)))
        engine.dispose()

    def cut_connections(self, *, only: str = "true") -> None:
        self.administer(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '%db' AND pid <> pg_backend_pid() AND {only}".replace("%", "%%").replace("%%db", "%db"))

    def settled(self) -> None:
        """Whatever went wrong is over: reading by itself is all it takes, within a minute, and everything is well."""
        self.double.faults.clear()
        self.before(None)
        begun = time.monotonic()
        done = self.read()
        assert done.problem is None, (done.problem, dict(done.counts))
        if self.truth.acts.get("replaced file"):
            # That another picture has the same name shows only when everything is compared.
            assert self.read(full=True).problem is None
        assert time.monotonic() - begun < 60 * crowded(), "I6: it took longer than a minute"
        self.stage.said.append(self.log())
        compare.check(self.stage.store, self.stage.actor, self.year, styles=("csv",))
        invariants.check_all(self.stage.store, self.stage.actor, self.stage.evidence())
        unended = self.count(tables.source_run, tables.source_run.c.ended_at.is_(None))
        assert unended == 0, "a run never ended"
