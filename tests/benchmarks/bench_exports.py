"""How fast answers become files, and in how much memory: Central's recorded registration form, two members each.

The submissions are made as `receive` stores them and copied in; each has its own key, its raw XML and three rows of
repeats. Central's own submissions.csv.zip of 14,000 such takes 3.0 s.
"""
from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

MASTER = b"a master key for tests, 32 bytes"
FORM = "registration"
XML = (
    "<?xml version=\"1.0\"?><data id=\"registration\" version=\"2026010101\"><start>2026-01-01T10:00:00.000+07:00</start>"
    "<end>2026-01-01T10:20:00.000+07:00</end><username>tablet</username><deviceid>collect:abc123</deviceid><person>"
    "<full_name>คนที่ {n}</full_name><birth_date>2001-02-01</birth_date><age>15</age></person><consent>yes</consent>"
    "<needs>food school</needs><income>1500.50</income><location>13.7563 100.5018 5.0 10.0</location><member><member_name>"
    "สมาชิก 0</member_name><member_age>10</member_age></member><member><member_name>สมาชิก 1</member_name><member_age>11"
    "</member_age><document><document_no>D{n}-1-0</document_no></document></member><photo>photo.png</photo><paper></paper>"
    "<code>C{n}</code><stage>open</stage><meta><entity dataset=\"people\" create=\"1\" id=\"{entity}\"><label>คนที่ {n}"
    "</label></entity><instanceID>{instance}</instanceID><instanceName>คนที่ {n}</instanceName></meta></data>"
)
_COLUMNS = {
    "submission": "project_id, id, xml_form_id, root_instance_id, instance_id, form_origin, form_version, review_state,"
    " event_date, received_at, open, sensitive, flags, row_version",
    "submission_version": "project_id, xml_form_id, instance_id, submission_id, form_origin, form_version, received_at,"
    " digest, raw",
    "record_key": "project_id, record_id, kind, version, wrapped",
    "submission_attachment": "project_id, submission_id, name, state, expected, blob",
}


def made(store: Any, project: uuid.UUID, schema: Any, rows: int, after: int) -> Iterator[dict[str, tuple]]:
    """The rows of so many submissions, table by table, as `receive` would store them."""
    from odk.answers import read_answers
    from odk.instance import read_instance
    from odk.schema import Privacy
    from store.keys import new_id

    began = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    sample = XML.format(n="{n}", entity=uuid.uuid4(), instance="{instance}").encode()
    classes = read_answers(read_instance(sample), schema).by_privacy(schema, "strict")
    plain = json.dumps(classes[Privacy.OPEN], ensure_ascii=False)
    secret = json.dumps(classes[Privacy.SENSITIVE], ensure_ascii=False)
    for n in range(after, after + rows):
        id_, instance = new_id(), f"uuid:{uuid.uuid4()}"
        key, wrapped = store.keyring.new_record(project, id_)
        at = began + dt.timedelta(seconds=n)
        xml = XML.format(n=n, entity=uuid.uuid4(), instance=instance).encode()
        yield {
            "submission": (
                project, id_, FORM, instance, instance, "tablets", "2026010101", "received", at.date(), at,
                plain.replace("{n}", str(n)).replace("{instance}", instance),
                key.encrypt("sensitive", secret.replace("{n}", str(n)).encode()), "{}", 1,
            ),
            "submission_version": (
                project, FORM, instance, id_, "tablets", "2026010101", at, os.urandom(32), key.encrypt(f"raw:{instance}", xml),
            ),
            "record_key": (project, id_, "wrapped", store.keyring.version, wrapped),
            "submission_attachment": (project, id_, "photo.png", "verified", True, "x"),
        }


def fill(url: str, store: Any, project: uuid.UUID, schema: Any, rows: int, after: int) -> None:
    """Copy submissions into the database, past the walls, in pieces."""
    import psycopg

    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        left, begin = rows, after
        while left:
            some = list(made(store, project, schema, min(left, 20_000), begin))
            for table, columns in _COLUMNS.items():
                with connection.cursor() as cursor, cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
                    for one in some:
                        copy.write_row(one[table])
            connection.commit()
            left, begin = left - len(some), begin + len(some)
        connection.autocommit = True
        connection.execute("VACUUM ANALYZE submission, submission_version, record_key, submission_attachment")


def export(data_dir: str, url: str, form: str, kind: str, profile: str) -> dict[str, float]:
    """One export in this process: seconds, and the most memory that it held (MB)."""
    from cases import projects
    from cases.export_wish import Wish
    from exports.tables import collect_seldom, write
    from namjai.settings import Settings
    from store.opening import KEEPER, open_store

    store = open_store(Settings(data_dir=Path(data_dir), master_key=MASTER, database_url=url), url, pool_size=2)
    with store.database.begin(KEEPER) as tx:
        actor = projects.in_project(projects.find(tx, None).id)
    collect_seldom()
    style = "kobo" if kind == "xlsx" else "central"
    with tempfile.TemporaryFile() as out:
        if os.environ.get("PROFILE"):
            import cProfile

            cProfile.runctx("write(store, actor, Wish(form, style, kind, profile=profile), out)", globals(), locals(), os.environ["PROFILE"])
        began, worked = time.perf_counter(), time.process_time()
        written = write(store, actor, Wish(form, style, kind, profile=profile), out)
        took, worked = time.perf_counter() - began, time.process_time() - worked
        size = out.tell()
    store.close()
    # Not getrusage: its maximum begins with that of the process that this one was forked from.
    status = Path("/proc/self/status").read_text()
    memory = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    return {"rows": written.submissions, "seconds": took, "cpu": worked, "memory": memory, "megabytes": size / 1e6}


def in_process(*arguments: str) -> dict[str, float]:
    """The same in a fresh process, so that its memory is its own."""
    code = f"import sys, json; sys.path.insert(0, {str(Path(__file__).parent)!r}); import bench_exports as b;" \
        f" print(json.dumps(b.export(*{arguments!r})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return json.loads(done.stdout.strip().splitlines()[-1])


def main(sizes: tuple[int, ...] = (14_000, 131_072)) -> dict[str, dict[str, float]]:
    """Measure each size on a fresh PostgreSQL. Gives {"14000 zip": {"seconds": …, "memory": …}, …}.

    The smallest also as a workbook and as an anonymous file; a million and more as one CSV.
    """
    from test_exports import publish_recorded

    from cases import projects
    from namjai.settings import Settings
    from odk.xform import read_xform
    from store.migrate import migrate
    from store.opening import KEEPER, open_store
    from store.postgres import EmbeddedPostgres

    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres.start(Path(folder) / "pg") as server:
        migrate(server.url)
        store = open_store(Settings(data_dir=Path(folder) / "data", master_key=MASTER, database_url=server.url), server.url)
        with store.database.begin(KEEPER) as tx:
            project = projects.make(tx, store, name="bench", short_name="BE", timezone="Asia/Bangkok")
        actor = projects.in_project(project.id)
        publish_recorded(store, actor, "central", "016-response.xml")
        with store.database.begin(actor) as tx:
            from store.tables import form_version

            tx.execute(form_version.update().values(undeclared="strict"))
        schema = read_xform((ROOT / "tests/recordings/central/bodies/016-response.xml").read_bytes())
        there = 0
        for size in sizes:
            fill(server.url, store, project.id, schema, size - there, there)
            there = size
            data = str(Path(folder) / "data")
            kind = "csv" if size >= 1_000_000 else "zip"
            runs = [in_process(data, server.url, FORM, kind, "full") for _ in range(3 if size < 100_000 else 1)]
            found[f"{size} {kind}"] = sorted(runs, key=lambda one: one["seconds"])[len(runs) // 2]
            if size < 100_000:
                found[f"{size} xlsx"] = in_process(data, server.url, FORM, "xlsx", "full")
                found[f"{size} anonymous"] = in_process(data, server.url, FORM, "zip", "anonymous")
        store.close()
    return found


if __name__ == "__main__":
    chosen = tuple(int(one) for one in sys.argv[1:]) or (14_000, 131_072)
    for name, one in main(chosen).items():
        print(f"{name:>20}: {one['seconds']:.2f} s (our own {one['cpu']:.2f} s), {one['rows'] / one['seconds']:,.0f} rows/s, {one['memory']:.0f} MB, file {one['megabytes']:.1f} MB")
