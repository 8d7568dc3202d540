"""The embedded PostgreSQL: shared by processes, stopped by the last, whole again after any kill, silent about people."""
from __future__ import annotations

import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from namjai.settings import ROOT
from store import postgres_places
from store.postgres import EmbeddedPostgres, _lock_if_free
from store.postgres_places import PostgresMissing, PostgresNotStarted, PostgresNotYours, PostgresVersionMissing

USER = """
import sys
from pathlib import Path
from store.postgres import EmbeddedPostgres
with EmbeddedPostgres.start(Path(sys.argv[1])) as postgres:
    print(postgres.dsn, flush=True)
    sys.stdin.readline()
"""


class Process:
    """Another process that uses the server, until it leaves or is killed."""

    def __init__(self, data_dir: Path) -> None:
        self.popen = subprocess.Popen(
            [sys.executable, "-c", USER, str(data_dir)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def has_started(self) -> str:
        assert self.popen.stdout
        return self.popen.stdout.readline().strip()

    def leaves(self) -> None:
        self.popen.communicate("\n", timeout=60)
        assert self.popen.returncode == 0

    def is_killed(self) -> None:
        self.popen.kill()
        self.popen.communicate(timeout=60)


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that a user without rights can reach: where root may make no namespace, the server runs as one."""
    folder = Path(tempfile.mkdtemp(prefix="namjai-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def data_dir(place: Path) -> Iterator[Path]:
    folder = place / "var"
    yield folder
    if (folder / "run").is_dir():
        EmbeddedPostgres.start(folder).stop()  # whatever a test left behind


def runs(data_dir: Path) -> bool:
    """Whether any process of the server lives."""
    lock = _lock_if_free(data_dir / "run" / "postgres.alive.lock")
    if lock is not None:
        os.close(lock)
    return lock is None


def postmaster(data_dir: Path) -> int:
    (pid_file,) = (data_dir / "pg").glob("*/postmaster.pid")
    return int(pid_file.read_text().splitlines()[0])


def note(dsn: str, words: str) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS note (words text PRIMARY KEY)")
        connection.execute("INSERT INTO note VALUES (%s)", [words])


def notes(dsn: str) -> set[str]:
    with psycopg.connect(dsn) as connection:
        return {row[0] for row in connection.execute("SELECT words FROM note")}


def test_a_first_start_makes_a_database_in_utf8_with_checksums_and_a_login_of_its_own(data_dir: Path) -> None:
    with EmbeddedPostgres.start(data_dir) as postgres, psycopg.connect(postgres.dsn) as connection:
        row = connection.execute(
            "SELECT current_user, current_database(), current_setting('is_superuser'), current_setting('server_encoding'),"
            " current_setting('data_checksums'), current_setting('fsync'), current_setting('synchronous_commit'),"
            " (SELECT datcollate FROM pg_database WHERE datname = current_database())"
        ).fetchone()
    assert row == ("namjai", "namjai", "on", "UTF8", "on", "on", "on", "C.UTF-8")


def test_the_server_listens_on_one_socket_in_a_closed_folder_and_on_no_network(data_dir: Path) -> None:
    with EmbeddedPostgres.start(data_dir) as postgres:
        with psycopg.connect(postgres.dsn) as connection:
            assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
        socket_dir = postgres.places.socket_dir
        assert socket_dir.is_relative_to(data_dir)
        assert stat.S_IMODE(socket_dir.stat().st_mode) == 0o700
        assert stat.S_IMODE(postgres.places.data.stat().st_mode) == 0o700


def test_the_url_is_what_sqlalchemy_takes(data_dir: Path) -> None:
    import sqlalchemy

    with EmbeddedPostgres.start(data_dir) as postgres:
        engine = sqlalchemy.create_engine(postgres.url)
        with engine.connect() as connection:
            assert connection.scalar(sqlalchemy.text("SELECT current_database()")) == "namjai"
        engine.dispose()


def test_the_environment_of_whoever_starts_it_does_not_reach_the_server(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"LANG": "", "LC_ALL": "", "PGPORT": "5999", "PGDATA": "/nowhere", "PGHOST": "db.example.org"}.items():
        monkeypatch.setenv(name, value)
    with EmbeddedPostgres.start(data_dir) as postgres, psycopg.connect(postgres.dsn) as connection:
        assert connection.execute("SHOW server_encoding").fetchone() == ("UTF8",)


def test_two_processes_share_one_server_and_the_last_one_out_stops_it(data_dir: Path) -> None:
    first, second = Process(data_dir), Process(data_dir)
    assert first.has_started() == second.has_started()
    pid = postmaster(data_dir)
    first.leaves()
    assert runs(data_dir)
    assert postmaster(data_dir) == pid
    second.leaves()
    assert not runs(data_dir)


def test_eight_processes_that_begin_at_once_share_one_server(data_dir: Path) -> None:
    everybody = [Process(data_dir) for _ in range(8)]
    assert len({process.has_started() for process in everybody}) == 1
    for process in everybody:
        process.leaves()
    assert not runs(data_dir)


def test_stopping_twice_takes_nothing_from_the_others(data_dir: Path) -> None:
    one, other = EmbeddedPostgres.start(data_dir), EmbeddedPostgres.start(data_dir)
    one.stop()
    one.stop()
    note(other.dsn, "still here")
    other.stop()
    assert not runs(data_dir)


def test_data_outlives_a_stop(data_dir: Path) -> None:
    with EmbeddedPostgres.start(data_dir) as postgres:
        note(postgres.dsn, "kept")
    with EmbeddedPostgres.start(data_dir) as postgres:
        assert notes(postgres.dsn) == {"kept"}


def test_after_kill_9_of_every_process_nothing_committed_is_lost(data_dir: Path) -> None:
    process = Process(data_dir)
    note(process.has_started(), "committed")
    server = postmaster(data_dir)
    process.is_killed()
    os.kill(server, signal.SIGKILL)
    with EmbeddedPostgres.start(data_dir) as postgres:
        assert postmaster(data_dir) != server
        assert notes(postgres.dsn) == {"committed"}


def test_after_kill_9_of_namjai_alone_the_next_one_takes_the_server_over_and_puts_it_away(data_dir: Path) -> None:
    process = Process(data_dir)
    note(process.has_started(), "committed")
    server = postmaster(data_dir)
    process.is_killed()
    assert runs(data_dir)
    with EmbeddedPostgres.start(data_dir) as postgres:
        assert postmaster(data_dir) == server
        assert notes(postgres.dsn) == {"committed"}
    assert not runs(data_dir)


def test_a_server_killed_under_a_living_process_is_brought_up_again_by_the_next(data_dir: Path) -> None:
    process = Process(data_dir)
    dsn = process.has_started()
    note(dsn, "before")
    os.kill(postmaster(data_dir), signal.SIGKILL)
    with EmbeddedPostgres.start(data_dir) as postgres:
        assert notes(postgres.dsn) == {"before"}
        process.leaves()
        note(dsn, "after")  # the leaver was not the last one
    assert not runs(data_dir)


def test_a_backend_killed_in_a_transaction_costs_that_transaction_only(data_dir: Path) -> None:
    with EmbeddedPostgres.start(data_dir) as postgres:
        note(postgres.dsn, "committed")
        connection = psycopg.connect(postgres.dsn)
        connection.execute("INSERT INTO note VALUES ('open')")
        os.kill(connection.info.backend_pid if not postgres.places.in_namespace else backend_of(data_dir), signal.SIGKILL)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
        until = time.monotonic() + 30
        while time.monotonic() < until:
            try:
                assert notes(postgres.dsn) == {"committed"}
                return
            except psycopg.OperationalError:
                time.sleep(0.05)
        pytest.fail("the server did not recover")


def backend_of(data_dir: Path) -> int:
    """The pid of the one backend that serves a client."""
    server = postmaster(data_dir)
    for found in Path("/proc").glob("[0-9]*/cmdline"):
        pid = int(found.parent.name)
        with_parent = (found.parent / "stat").read_text().rsplit(")", 1)[1].split()
        if int(with_parent[1]) == server and b"namjai namjai [local]" in found.read_bytes():
            return pid
    raise AssertionError("no backend")


@pytest.mark.parametrize("milliseconds", [150, 300, 450, 600, 750, 900])
def test_kill_9_at_any_instant_of_a_first_start_leaves_something_that_starts(data_dir: Path, milliseconds: int) -> None:
    process = Process(data_dir)
    time.sleep(milliseconds / 1000)
    process.is_killed()
    with EmbeddedPostgres.start(data_dir) as postgres:
        note(postgres.dsn, "kept")
    assert not runs(data_dir)


def test_a_stale_pid_file_that_names_a_living_stranger_does_not_keep_the_server_down(data_dir: Path) -> None:
    with EmbeddedPostgres.start(data_dir) as postgres:
        note(postgres.dsn, "kept")
        data = postgres.places.data
    (data / "postmaster.pid").write_text(f"{os.getpid()}\n{data}\n{int(time.time())}\n5432\n/tmp\n\n  0 0\nready\n")
    with EmbeddedPostgres.start(data_dir) as postgres:
        assert notes(postgres.dsn) == {"kept"}


def test_a_killed_initdb_leaves_nothing_that_is_taken_for_a_cluster(data_dir: Path) -> None:
    half = data_dir / "pg" / "new-killed"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("15\n")
    with EmbeddedPostgres.start(data_dir) as postgres:
        note(postgres.dsn, "fresh")
    assert not half.exists()


def test_a_kill_between_the_start_and_the_making_of_the_database_is_mended(data_dir: Path) -> None:
    with EmbeddedPostgres.start(data_dir) as postgres:
        with psycopg.connect(postgres.dsn.replace("dbname=namjai", "dbname=postgres"), autocommit=True) as connection:
            connection.execute("DROP DATABASE namjai")
        with EmbeddedPostgres.start(data_dir) as again:
            note(again.dsn, "made again")


def test_a_data_directory_with_a_long_and_awkward_path_works(place: Path) -> None:
    folder = place / ("ที่เก็บข้อมูล " * 3) / "a 'quoted\" $HOME, `folder`" / "var"
    with EmbeddedPostgres.start(folder) as postgres:
        note(postgres.dsn, "kept")
        socket_dir = postgres.places.socket_dir
        assert not socket_dir.is_relative_to(folder)
        assert len(os.fsencode(socket_dir / ".s.PGSQL.5432")) <= 107
        assert stat.S_IMODE(socket_dir.stat().st_mode) == 0o700
    with EmbeddedPostgres.start(folder) as postgres:
        assert notes(postgres.dsn) == {"kept"}
    shutil.rmtree(socket_dir)


def test_a_socket_folder_that_somebody_else_made_first_is_refused(place: Path) -> None:
    folder = place / ("long " * 30)
    with EmbeddedPostgres.start(folder) as postgres:
        socket_dir = postgres.places.socket_dir
    socket_dir.rmdir()
    socket_dir.symlink_to(place)
    try:
        with pytest.raises(PostgresNotStarted, match="belongs to somebody else"):
            EmbeddedPostgres.start(folder)
    finally:
        socket_dir.unlink()


def deadlock(dsn: str, change: str, first: str, second: str) -> None:
    """Two transactions that wait for each other; PostgreSQL would log both statements."""
    with psycopg.connect(dsn) as one, psycopg.connect(dsn) as other:
        one.execute(f"{change} '{first}'")
        other.execute(f"{change} '{second}'")
        failed: list[str] = []

        def goes_on(connection: psycopg.Connection, with_row: str) -> None:
            try:
                connection.execute(f"{change} '{with_row}'")
            except psycopg.errors.DeadlockDetected as error:
                failed.append(str(error))
            connection.rollback()

        waiting = threading.Thread(target=goes_on, args=[other, first])
        waiting.start()
        goes_on(one, second)
        waiting.join()
        assert len(failed) == 1


def test_no_value_of_a_statement_reaches_the_log(data_dir: Path) -> None:
    with EmbeddedPostgres.start(data_dir) as postgres:
        note(postgres.dsn, "Fah Example")
        for failing in ("INSERT INTO note VALUES (%s)", "SELECT %s::text::int", "SELECT pg_sleep(0), 1 / 0, %s::text"):
            with pytest.raises(psycopg.Error), psycopg.connect(postgres.dsn) as connection:
                connection.execute(failing, ["Fah Example"])
        note(postgres.dsn, "second")
        deadlock(postgres.dsn, "UPDATE note SET words = words WHERE words = ", "Fah Example", "second")
        log = postgres.places.log.read_text()
    assert "Fah" not in log
    assert "note" not in log


def test_the_log_and_the_locks_are_readable_by_their_owner_alone(data_dir: Path) -> None:
    with EmbeddedPostgres.start(data_dir) as postgres:
        for file in postgres.places.run.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name


def test_settings_for_a_test_server_are_taken_and_forgotten_at_the_next_start(data_dir: Path) -> None:
    for wanted, settings in (("off", {"fsync": "off"}), ("on", None)):
        with EmbeddedPostgres.start(data_dir, settings) as postgres, psycopg.connect(postgres.dsn) as connection:
            assert connection.execute("SHOW fsync").fetchone() == (wanted,)


def test_a_swept_socket_is_put_back_by_the_next_start(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("store.postgres.UNREACHABLE", 0.2)
    first = EmbeddedPostgres.start(data_dir)
    note(first.dsn, "kept")
    for file in first.places.socket_dir.iterdir():
        file.unlink()
    with EmbeddedPostgres.start(data_dir) as postgres:
        assert notes(postgres.dsn) == {"kept"}
    first.stop()


def test_a_machine_without_postgresql_is_told_what_to_do(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_places, "find_binaries", lambda major=None: None)
    with pytest.raises(PostgresMissing) as told:
        EmbeddedPostgres.start(data_dir)
    assert "apt-get install postgresql" in told.value.text("en")
    assert "apt-get install postgresql" in told.value.text("th")


def test_a_cluster_of_a_version_that_is_not_installed_is_not_touched(data_dir: Path) -> None:
    made = data_dir / "pg" / "99"
    made.mkdir(parents=True)
    (made / "PG_VERSION").write_text("99\n")
    with pytest.raises(PostgresVersionMissing, match="postgresql-99"):
        EmbeddedPostgres.start(data_dir)
    assert [found.name for found in (data_dir / "pg").iterdir()] == ["99"]
    shutil.rmtree(data_dir)


def test_a_server_that_cannot_start_says_why_in_one_line(data_dir: Path) -> None:
    with pytest.raises(PostgresNotStarted, match="shared_buffers") as told:
        EmbeddedPostgres.start(data_dir, {"shared_buffers": "'-7'"})
    assert "\n" not in told.value.text("en")
    with EmbeddedPostgres.start(data_dir) as postgres:
        note(postgres.dsn, "after all")


def test_a_disk_that_takes_nothing_more_is_named(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("store.postgres._make_cluster", full)
    with pytest.raises(PostgresNotStarted, match="No space left on device"):
        EmbeddedPostgres.start(data_dir)


as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root has this difficulty")


@as_root
def test_root_runs_postgresql_as_somebody_else_and_keeps_its_own_folder(data_dir: Path) -> None:
    with EmbeddedPostgres.start(data_dir) as postgres:
        note(postgres.dsn, "kept")
        if postgres.places.in_namespace:
            assert postgres.places.data.stat().st_uid == 0
            inside = (Path("/proc") / str(postmaster(data_dir)) / "uid_map").read_text().split()
            assert inside[0] != "0"


@pytest.fixture
def without_namespaces(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A machine, such as most containers, where root may not make a user namespace."""
    place = Path(tempfile.mkdtemp(prefix="namjai-elsewhere-"))
    place.chmod(0o755)
    monkeypatch.setattr(postgres_places, "_namespaces_work", lambda: False)
    monkeypatch.setattr(postgres_places, "ELSEWHERE", place)
    yield place
    shutil.rmtree(place)


@as_root
def test_root_without_namespaces_runs_postgresql_under_a_user_without_rights(
    place: Path, without_namespaces: Path
) -> None:
    place.chmod(0o700)
    data_dir = place / "var"
    for _ in range(2):
        with EmbeddedPostgres.start(data_dir) as postgres:
            places = postgres.places
            assert places.data.is_relative_to(without_namespaces)  # nobody but root can enter the other
            user = pwd.getpwuid((Path("/proc") / (places.data / "postmaster.pid").read_text().split()[0]).stat().st_uid)
            assert user.pw_name in postgres_places.USERS_WITHOUT_RIGHTS
            with psycopg.connect(postgres.dsn) as connection:
                connection.execute("CREATE TABLE IF NOT EXISTS note (words text)")
    assert not runs(data_dir)


@as_root
def test_root_without_namespaces_keeps_the_cluster_in_a_data_directory_that_others_can_reach(
    without_namespaces: Path,
) -> None:
    folder = Path(tempfile.mkdtemp(prefix="namjai-open-"))
    folder.chmod(0o755)
    for _ in range(2):
        with EmbeddedPostgres.start(folder) as postgres:
            assert postgres.places.data.is_relative_to(folder)
            assert stat.S_IMODE(postgres.places.run.stat().st_mode) == 0o700
    shutil.rmtree(folder)


@as_root
def test_the_folder_of_an_ordinary_user_is_left_to_that_user(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = data_dir / "pg" / "15"
    made.mkdir(parents=True)
    (made / "PG_VERSION").write_text("15\n")
    monkeypatch.setattr(postgres_places, "_fitting_binaries", lambda home, made: postgres_places.Binaries(Path("/"), 15))
    os.chown(made, 12345, -1)
    with pytest.raises(PostgresNotYours, match="12345"):
        EmbeddedPostgres.start(data_dir)
    shutil.rmtree(data_dir)
