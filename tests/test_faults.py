"""Faults at the worst moment, each for real: the disk full, the database gone, a backend ended, a broken programme."""
from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from conftest import AFTERCARE, Tablet, address, administer
from test_receive import NOTE, note

from cases import deliveries, installation, projects, tablets
from namjai.problems import StorageFull
from namjai.settings import ROOT, Settings
from odk.check import load_folder
from store.blobs import Blobs
from store.opening import KEEPER, open_store
from store.postgres import EmbeddedPostgres
from store.tables import audit, quarantine, submission, submission_attachment, submission_version

FILES = {"1.jpg": b"first picture " * 1000, "2.jpg": b"second picture " * 1000, "3.jpg": b"third picture " * 1000}


@pytest.fixture
def rows(store, aftercare):
    """Counts the rows of a table in the project."""

    def count(table, **where):
        with store.database.begin(aftercare) as tx:
            query = sa.select(sa.func.count()).select_from(table).where(table.c.project_id == aftercare.project)
            return tx.scalar(query.where(*(table.c[name] == value for name, value in where.items())))

    return count


def blobs_in(settings: Settings) -> list[Path]:
    return [one for one in (settings.data_dir / "blobs").rglob("*") if one.is_file()]


# The disk

def small_disk(folder: Path, size: str) -> bool:
    """Mount a file system of this size, where that is allowed."""
    return subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True).returncode == 0


@pytest.mark.parametrize("real", [True, False], ids=["a real full disk", "a disk that says so at the third file"])
def test_a_full_disk_keeps_nothing_half_and_the_same_sent_again_is_taken(tablet, publish, rows, store, settings, monkeypatch, real):
    publish(NOTE)
    folder = settings.data_dir / "blobs"
    if real:
        if not small_disk(folder, "32k"):
            pytest.skip("this machine lets nobody mount a small disk; the other case stands for it")
    else:
        put, count = Blobs.put, []

        def fills_up(self, ciphertext):
            count.append(1)
            if len(count) % 3 == 0:
                raise StorageFull()
            return put(self, ciphertext)

        monkeypatch.setattr(Blobs, "put", fills_up)
    try:
        for _ in range(5):
            answer = tablet.post(note(photo="1.jpg"), FILES)
            assert answer.status_code == 507
            assert "พื้นที่" in answer.text and "disk is full" in answer.text
            assert rows(submission) == rows(submission_version) == rows(submission_attachment) == rows(quarantine) == 0
            assert blobs_in(settings) == [], "what no row names fills the disk at each new try"
    finally:
        if real:
            subprocess.run(["umount", str(folder)], check=True)
        monkeypatch.undo()
    assert tablet.post(note(photo="1.jpg"), FILES).status_code == 201
    assert rows(submission) == 1 and rows(submission_attachment, state="verified") == 3
    assert len(blobs_in(settings)) == 3


def test_a_full_disk_for_what_is_refused_says_so_too(tablet, publish, rows, settings, monkeypatch):
    """It must not be answered 404: then the tablet would believe that it is kept."""
    publish(NOTE)

    def full(*_):
        raise StorageFull()

    monkeypatch.setattr(Blobs, "put", full)
    assert tablet.post(note(form="nowhere", photo="1.jpg"), FILES).status_code == 507
    assert rows(quarantine) == 0


def test_a_file_is_on_the_disk_before_the_tablet_is_told(tablet, publish, settings, monkeypatch):
    publish(NOTE)
    synced = set()
    fsync = os.fsync

    def watched(handle):
        synced.add(os.readlink(f"/proc/self/fd/{handle}"))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", watched)
    assert tablet.post(note(photo="1.jpg"), FILES).status_code == 201
    for blob in blobs_in(settings):
        assert {str(blob), str(blob.parent), str(blob.parent.parent)} <= synced


def test_an_upload_is_never_on_the_disk_in_plain_text(tablet, publish, settings, monkeypatch, tmp_path):
    """Not even for a moment: whatever opens a temporary file during the request is caught."""
    publish(NOTE)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    opened: list[str] = []
    watching = [True]

    def hook(event, arguments):
        if not watching:
            return
        file, writing = arguments[0], event == "open" and (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR)
        if writing and isinstance(file, str | Path):
            opened.append(str(file))
        if event.startswith("tempfile."):
            opened.append(str(arguments[0]))

    sys.addaudithook(hook)
    secret = b"a very plain secret " * 400_000
    try:
        assert sent(tablet, note(photo="1.jpg"), secret) == 201
        assert sent(tablet, note("2", form="nowhere"), secret) == 404
    finally:
        watching.clear()
    assert opened == [] and list(temporary.iterdir()) == []
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or b"a very plain secret" not in path.read_bytes()


def sent(tablet, xml: str, picture: bytes) -> int:
    """A POST whose body is made here: the test client's own way lays it on the disk."""
    parts = [("xml_submission_file", "s.xml", xml.encode()), ("1.jpg", "1.jpg", picture)]
    body = b"".join(
        b'--edge\r\nContent-Disposition: form-data; name="%b"; filename="%b"\r\nContent-Type: text/xml\r\n\r\n%b\r\n'
        % (name.encode(), file.encode(), content) for name, file, content in parts
    ) + b"--edge--\r\n"
    kind = "multipart/form-data; boundary=edge"
    return tablet.client.post(f"/key/{tablet.token}/submission", data=body, content_type=kind).status_code


# The database

def test_a_backend_ended_in_the_middle_of_a_delivery_costs_an_answer_and_doubles_nothing(tablet, publish, rows, cluster, monkeypatch):
    publish(NOTE)
    take = deliveries._taken

    def ended(tx, *rest):
        changes = take(tx, *rest)
        administer(cluster, f"SELECT pg_terminate_backend({tx.scalar(sa.text('SELECT pg_backend_pid()'))})")
        return changes

    monkeypatch.setattr(deliveries, "_taken", ended)
    answer = tablet.post(note(photo="1.jpg"), FILES)
    assert answer.status_code == 503 and "OpenRosaResponse" in answer.text
    monkeypatch.undo()
    assert rows(submission) == rows(audit, verb="submission.new") == 0
    assert tablet.post(note(photo="1.jpg"), FILES).status_code == 201
    assert tablet.post(note(photo="1.jpg"), FILES).status_code == 201
    assert rows(submission) == rows(submission_version) == rows(audit, verb="submission.new") == 1
    assert rows(submission_attachment, state="verified") == 3


def test_a_commit_whose_answer_is_lost_loses_no_file_and_doubles_nothing(tablet, publish, rows, store, settings, monkeypatch):
    """The worst moment: it is committed, and nobody knows."""
    publish(NOTE)
    commit = store.database.engine.dialect.do_commit

    def lost(connection):
        commit(connection)
        monkeypatch.undo()
        raise sa.exc.DBAPIError.instance("COMMIT", None, _lost(), Exception, hide_parameters=True) from None

    def _lost():
        import psycopg

        return psycopg.OperationalError("the connection is lost")

    monkeypatch.setattr(store.database.engine.dialect, "do_commit", lost)
    assert tablet.post(note(photo="1.jpg"), FILES).status_code == 503
    assert tablet.post(note(photo="1.jpg"), FILES).status_code == 201
    assert rows(submission) == rows(submission_version) == 1
    assert rows(submission_attachment, state="verified") == 3
    addresses = {f"{one.parent.name}{one.name}" for one in blobs_in(settings)}
    with store.database.begin(projects.in_project(_project(store))) as tx:
        assert set(tx.scalars(sa.select(submission_attachment.c.blob))) <= addresses


def _project(store):
    with store.database.begin(KEEPER) as tx:
        return projects.find(tx, None).id


def test_the_database_stopped_in_mid_run_is_told_as_503_and_all_works_within_seconds_of_its_return(tmp_path, master_key):
    """A PostgreSQL of its own is stopped under the application while tablets send, and comes back."""
    from web.app import create_app

    with EmbeddedPostgres.start(tmp_path / "postgres") as server:
        administer(server, "CREATE DATABASE stopped")
        from store.migrate import migrate

        url = address(server, "stopped")
        migrate(url)
        opened = open_store(Settings(data_dir=tmp_path / "data", master_key=master_key), url, pool_size=4)
        home = _installed(opened)
        app = create_app(opened)
        app.testing = True
        with opened.database.begin(home) as tx:
            tablet_id, token = tablets.create(tx, opened, home, "Tablet 1", None)
        accepted: list[int] = []
        answers: set[int] = set()
        stop = threading.Event()

        def sends() -> None:
            number = 0
            tablet = Tablet(app.test_client(), token, tablet_id)
            while not stop.is_set():
                number += 1
                while True:
                    status = tablet.post(note(str(number), form="started2").replace("<count>3</count>", "")).status_code
                    answers.add(status)
                    if status == 404:  # kept in quarantine: a form that is not here
                        accepted.append(number)
                        break
                    if stop.is_set():
                        return

        sender = threading.Thread(target=sends)
        sender.start()
        time.sleep(1)
        _restart(server)
        back = time.monotonic()
        before = len(accepted)
        while len(accepted) < before + 3 and time.monotonic() - back < 20:
            time.sleep(0.05)
        took = time.monotonic() - back
        stop.set()
        sender.join(30)
        assert answers <= {404, 503}, answers
        assert took < 10
        assert app.test_client().get("/readyz").status_code == 200
        with opened.database.begin(home) as tx:
            kept = tx.scalar(sa.select(sa.func.count()).select_from(quarantine))
        assert kept >= len(accepted)
        opened.close()


def _installed(opened):
    programme, folder = load_folder(AFTERCARE, validate=False)
    with opened.database.begin(KEEPER) as tx:
        made = projects.make(tx, opened, name=programme.id, short_name=programme.short_name, timezone=programme.timezone)
    home = projects.in_project(made.id)
    with opened.database.begin(home) as tx:
        installation.install(tx, opened, home, programme, folder)
    return home


def _restart(server: EmbeddedPostgres) -> None:
    """Stop the server's process and bring it up again, under those who use it."""
    from store import postgres

    postgres._stop_server(server.places)
    time.sleep(1)
    binaries, _ = postgres.settle(server.places.run.parent)
    postgres._bring_up(binaries, server.places, {})


# The programme

@pytest.mark.parametrize("break_it", [
    lambda text: text[: len(text) // 2] + "\n[[[", lambda text: text.replace('id = "aftercare"', "id = 7", 1),
    lambda text: text.replace("[programme]", "[program]", 1), lambda text: text.replace('case_list = "survivors"', 'case_list = "nobody"', 1),
    lambda text: "\x00" + text, lambda text: text.replace('timezone = "Asia/Bangkok"', 'timezone = "Asia/Nowhere"', 1), lambda text: "",
], ids=["cut", "wrong type", "wrong table", "unknown list", "zero byte", "unknown zone", "empty"])
def test_a_broken_programme_is_refused_with_file_and_key_and_installs_nothing(tmp_path, break_it):
    folder = tmp_path / "aftercare"
    shutil.copytree(AFTERCARE, folder)
    file = folder / "program.toml"
    before = file.read_text()
    file.write_text(break_it(before))
    assert file.read_text() != before
    done = subprocess.run(
        [sys.executable, "-m", "commands.main", "forms", "check", str(folder)], cwd=ROOT, capture_output=True, text=True,
        env={**os.environ, "NAMJAI_DATA_DIR": str(tmp_path / "data")}, timeout=120,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    assert "program.toml" in said and "Traceback" not in said
    assert re.search(r"program\.toml[^\n]*: error: \S", said), said
