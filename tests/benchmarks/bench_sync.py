"""How fast a Central is read: beside a bare loop over the same connections, with much behind it, and for nothing new.

Each measurement runs in processes of its own: the double (`paced`), PostgreSQL with fsync on, and the run. A run's own
time is what it took less what the double took to answer. `bench_sync.py content|poll|growth [--big]`.
"""
from __future__ import annotations

import http.client
import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(Path(__file__).parent), str(ROOT), str(ROOT / "tests")]

from bench_exports import MASTER, XML  # noqa: E402
from paced import Paced, id_of, moment  # noqa: E402

XFORM = ROOT / "tests/recordings/central/bodies/016-response.xml"
REAL = 1000  # rows that really came through the door, at any size


@dataclass
class Place:
    """A PostgreSQL with a project that reads the double."""

    url: str
    data: str
    double: Paced
    source: int = 0

    def run(self, *words: str) -> dict[str, float]:
        """One run in a fresh process. Gives seconds, CPU, memory (MB), counts."""
        before = self.double.tell("spent")
        found = in_process("bench_sync", f"bench_sync.read({self.data!r}, {self.url!r}, {self.name!r}, {list(words)!r})")
        after = self.double.tell("spent")
        return found | {"answered": after["spent"] - before["spent"], "asked": after["asked"] - before["asked"]}

    @property
    def name(self) -> str:
        return f"source{self.source}"

    def new_source(self, connections: int = 4) -> None:
        """Another source of the same double: nothing of it is here yet."""
        self.source += 1
        given = f"{self.data!r}, {self.url!r}, {self.name!r}, {self.double.url!r}, {connections}"
        in_process("bench_sync", f"bench_sync.add({given})")

    def database_cpu(self) -> float:
        """Seconds of a core that PostgreSQL took until now, all its processes together."""
        found = next((Path(self.data).parent / "pg" / "pg").glob("*/postmaster.pid"))
        server, ticks = int(found.read_text().split()[0]), 0
        for one in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = one.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if server in (int(fields[1]), int(one.parent.name)):
                # Of those that ended, their parent knows.
                ticks += sum(int(field) for field in fields[11:15] if int(one.parent.name) == server or field in fields[11:13])
        return ticks / os.sysconf("SC_CLK_TCK")


@contextmanager
def place(folder: Path, double: Paced) -> Iterator[Place]:
    from cases import projects
    from namjai.settings import Settings
    from store.migrate import migrate
    from store.opening import KEEPER, open_store
    from store.postgres import EmbeddedPostgres

    with EmbeddedPostgres.start(folder / "pg") as server:
        migrate(server.url)
        store = open_store(Settings(data_dir=folder / "data", master_key=MASTER, database_url=server.url), server.url)
        with store.database.begin(KEEPER) as tx:
            projects.make(tx, store, name="bench", short_name="BE", timezone="Asia/Bangkok")
        store.close()
        yield Place(server.url, str(folder / "data"), double)


@contextmanager
def standing(*, rows: int, forms: int = 1, pace: bool = True) -> Iterator[Place]:
    """All that a measurement needs, in a folder that goes again."""
    with tempfile.TemporaryDirectory(prefix="namjai-bench-") as folder:
        xml = Path(folder) / "instance.xml"
        xml.write_text(instance())
        with Paced(XFORM, xml, rows=rows, forms=forms, pace=pace) as double, place(Path(folder), double) as made:
            yield made


def instance() -> str:
    """The registration of bench_exports without its picture, as a chain of edits goes on."""
    return XML.replace("<photo>photo.png</photo>", "<photo></photo>").replace("<instanceID>", "{old}<instanceID>")


# In processes of their own


def in_process(module: str, expression: str) -> Any:
    code = f"import sys, json; sys.path.insert(0, {str(Path(__file__).parent)!r}); import {module}; print(json.dumps({expression}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        raise RuntimeError(done.stderr[-3000:])
    return json.loads(done.stdout.strip().splitlines()[-1])


@contextmanager
def opened(data: str, url: str) -> Iterator[tuple[Any, Any]]:
    from cases import projects
    from namjai.settings import Settings
    from store.opening import KEEPER, open_store

    store = open_store(Settings(data_dir=Path(data), master_key=MASTER, database_url=url), url, pool_size=4)
    with store.database.begin(KEEPER) as tx:
        project = projects.find(tx, None)
    yield store, projects.in_project(project.id)
    store.close()


def add(data: str, url: str, name: str, server: str, connections: int) -> None:
    from sync import registry

    with opened(data, url) as (store, actor), store.database.begin(actor) as tx:
        registry.add(
            tx, store, actor, name=name, kind="central", url=server,
            options={"project": 6, "connections": connections},
            credentials={"email": "worker@example.org", "password": "not a real one"},
        )


def read(data: str, url: str, name: str, words: list[str]) -> dict[str, Any]:
    """Run a source in this process, `times=N` times."""
    from sync import registry
    from sync.run import run

    times = next((int(word[6:]) for word in words if word.startswith("times=")), 1)
    importlib.import_module("sync.central")  # as in the worker, which lives on
    with opened(data, url) as (store, actor):
        with store.database.begin(actor) as tx:
            row = registry.named(tx, actor.project, name)
        took, worked, profile = [], [], os.environ.get("PROFILE")
        for _ in range(times):
            began, cpu = time.perf_counter(), time.process_time()
            if profile:
                import cProfile

                cProfile.runctx("run(store, row)", globals(), locals(), profile)
                continue
            done = run(store, row, full="full" in words)
            took.append(time.perf_counter() - began)
            worked.append(time.process_time() - cpu)
            assert done.problem is None, done.problem.code
    status = Path("/proc/self/status").read_text()
    memory = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    if profile:
        return {}
    return {"seconds": statistics.median(took), "all": sum(took), "cpu": statistics.median(worked), "memory": memory, "counts": dict(done.counts)}


def bare(server: str, rows: int, connections: int) -> dict[str, float]:
    """Download the XML of all rows over so many connections, and do nothing with it. Gives XML a second."""
    left = iter(range(rows))
    lock, host = threading.Lock(), urlsplit(server).netloc

    def loop() -> None:
        connection = http.client.HTTPConnection(host)
        while True:
            with lock:
                n = next(left, None)
            if n is None:
                connection.close()
                return
            connection.request("GET", f"/v1/projects/6/forms/registration/submissions/{id_of(n)}.xml", headers={"Authorization": "Bearer T"})
            connection.getresponse().read()

    began = time.perf_counter()
    threads = [threading.Thread(target=loop) for _ in range(connections)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    return {"rate": rows / (time.perf_counter() - began)}


# What is measured


def content(rows: int = 10_000, connections: int = 4, rounds: int = 3) -> dict[str, float]:
    """XML a second of a first run, all of it counted, and as a part of the bare loop's rate in the same minute."""
    found: dict[str, list[float]] = {"rate": [], "ratio": [], "cpu": [], "database": [], "memory": []}
    for _ in range(rounds):
        with standing(rows=rows) as made:
            loop = in_process("bench_sync", f"bench_sync.bare({made.double.url!r}, {rows}, {connections})")["rate"]
            made.new_source(connections)
            before = made.database_cpu()
            done = made.run()
            database = made.database_cpu() - before
        assert done["counts"]["new"] == rows, done["counts"]
        rate, per_row = rows / done["seconds"], 1000 / rows
        took = (rate, rate / loop, done["cpu"] * per_row, database * per_row, done["memory"])
        for name, value in zip(found, took, strict=True):
            found[name].append(value)
    return {name: statistics.median(values) for name, values in found.items()}


def poll(forms: int = 20, times: int = 30) -> dict[str, float]:
    """Milliseconds of our own for a run in which nothing changed, warm, as the worker makes it every few minutes."""
    with standing(rows=REAL, forms=forms, pace=False) as made:
        made.new_source()
        made.run()
        before = made.database_cpu()
        done = made.run(f"times={times}")
        assert not done["counts"], done["counts"]
        database = (made.database_cpu() - before) / times
        took = {"own": (done["all"] - done["answered"]) / times, "cpu": done["cpu"] + database, "database": database}
        return {name: value * 1000 for name, value in took.items()} | {"asked": done["asked"] / times}


def growth(sizes: tuple[int, ...] = (10_000, 1_000_000), rounds: int = 5) -> dict[str, dict[str, float]]:
    """A run with 100 changes, and a census of everything, with so many rows behind it: seconds of our own, and memory."""
    found, turn = {}, 0
    with standing(rows=REAL, pace=False) as made:
        made.new_source()
        made.run()
        rows = REAL
        for size in sizes:
            fill(made.url, rows, size)
            rows = size
            made.double.tell("rows", to=rows)
            census = own(made, "full")
            assert not census["counts"], census["counts"]
            took = []
            for _ in range(rounds):
                rows = change(made.double, rows, turn)
                took.append(own(made))
                said = took[-1]["counts"]
                assert (said["new"], said["edited"], said["deleted"]) == (60, 20, 10), said
                turn += 1
            found[str(size)] = {
                "changes": statistics.median(one["own"] for one in took),
                "changes cpu": statistics.median(one["cpu"] for one in took),
                "memory": max(one["memory"] for one in took),
                "census": census["own"],
                "census memory": census["memory"],
            }
    return found


def own(made: Place, *words: str) -> dict[str, Any]:
    """One run: seconds of our own, and of a core, PostgreSQL's too."""
    before = made.database_cpu()
    done = made.run(*words)
    return done | {"own": done["seconds"] - done["answered"], "cpu": done["cpu"] + made.database_cpu() - before}


def change(double: Paced, rows: int, turn: int) -> int:
    """A hundred changes: sixty new, twenty edits, ten approvals, ten deletions of rows all over. How many rows now."""
    old = [n * (REAL // 40) + turn for n in range(40)]
    for kind, numbers in (("edit", old[:20]), ("approve", old[20:30]), ("delete", old[30:])):
        double.tell("change", kind=kind, rows=",".join(map(str, numbers)))
    double.tell("rows", to=rows + 60)
    return rows + 60


def fill(url: str, start: int, end: int) -> None:
    """Copies of a submission that came through the door, as the double would have sent them, past walls and references."""
    import psycopg

    n = "generate_series(%s::bigint, %s::bigint) n"
    root = "'uuid:' || lpad(to_hex(n * 2654435761 %% 4294967296), 8, '0') || '-0000-4000-8000-' || lpad(to_hex(n), 12, '0')"
    id_ = "('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid"
    at = "timestamptz '2020-01-01 00:00:00Z' + n * interval '1 second'"
    mark = f"to_char(({at}) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS') || '.000Z/0'"
    copies = [
        ("submission", {"id": id_, "root_instance_id": root, "instance_id": root, "received_at": at}),
        ("submission_version", {"submission_id": id_, "instance_id": root, "received_at": at}),
        ("record_key", {"record_id": id_}),
        ("source_row", {"remote_id": root, "root_instance_id": root, "submission_id": id_, "mark": mark}),
        ("audit", {"id": id_, "subject_id": id_, "at": at}),
        ("entity", {"uuid": f"substr({root}, 6)::uuid", "created_by": id_, "created_at": at}),
    ]
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        one = connection.execute("SELECT submission_id, root_instance_id FROM source_row LIMIT 1").fetchone()
        assert one is not None
        key = {"submission": "id", "record_key": "record_id", "audit": "subject_id", "entity": "created_by"}
        for table, other in copies:
            columns = [row[0] for row in connection.execute(
                "SELECT column_name FROM information_schema.columns WHERE table_name = %s", [table])]
            values = ", ".join(other.get(name, f'o."{name}"') for name in columns)
            names = ", ".join(f'"{name}"' for name in columns)
            connection.execute(
                f"INSERT INTO {table} ({names}) SELECT {values} FROM {n},"
                f" (SELECT * FROM {table} WHERE {key.get(table, 'submission_id')} = %s LIMIT 1) o",
                [start, end - 1, one[0]],
            )
        # As if all of it had been read: what is older than the cursor is not listed again.
        connection.execute(
            "UPDATE source_form SET live = live + %s, cursor = jsonb_build_object('since', %s::text, 'etag', '')",
            [end - start, moment(end - 1)],
        )
        connection.execute("SET session_replication_role = origin")
        connection.execute("VACUUM ANALYZE")


if __name__ == "__main__":
    what, more = sys.argv[1], [int(one) for one in sys.argv[2:] if one.isdigit()]
    done = {"content": content, "poll": poll, "growth": lambda *sizes: growth(sizes or (10_000, 1_000_000))}[what](*more)
    print(json.dumps(done, indent=1))
