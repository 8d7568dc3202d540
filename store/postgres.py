"""The embedded PostgreSQL: a server of our own below the data directory, for whoever has set no database URL.

Knows processes, locks and one Unix socket; knows no table and no SQL beyond "make the database". Nothing listens on a
network. Three files say who is there, by locks that the kernel drops when a process dies, however it dies:

- `postgres.start.lock`: held while somebody starts or stops the server;
- `postgres.users.lock`: shared by every process that uses it, so that the last one out stops it;
- `postgres.alive.lock`: inherited by the server's own processes, so held exactly as long as one of them lives. A pid
  file says less: after a crash its number may belong to anybody.
"""
from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

import psycopg

from store.postgres_places import SOCKET_NAME, Binaries, Places, PostgresNotStarted, run_as_owner, settle

LOGIN = DATABASE = "namjai"
PORT = 5432  # a part of the socket's name, nothing more
PATIENCE = 60.0  # seconds for a start, recovery after a crash included, and for a stop
UNREACHABLE = 10.0  # seconds after which a living server without a socket is started anew

# Personal values reach PostgreSQL as parameters and come back in its messages ("Key (name)=(…) already exists"), so
# errors of statements are not logged at all, and what is logged comes without detail, query and parameters.
SETTINGS = """\
# Written by Namjai at each start of the server; changes are lost.
listen_addresses = ''
port = {port}
unix_socket_directories = '"{socket_dir}"'
unix_socket_permissions = 0700
max_connections = 60
shared_buffers = 256MB
effective_cache_size = 1GB
work_mem = 8MB
maintenance_work_mem = 64MB
random_page_cost = 1.1
jit = off
fsync = on
full_page_writes = on
synchronous_commit = on
wal_compression = on
min_wal_size = 128MB
max_wal_size = 1GB
checkpoint_timeout = 15min
timezone = 'UTC'
log_timezone = 'UTC'
lc_messages = 'C'
log_destination = 'stderr'
logging_collector = off
log_min_messages = log
log_min_error_statement = panic
log_error_verbosity = terse
log_statement = none
log_min_duration_statement = -1
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
log_lock_waits = off
log_checkpoints = off
log_autovacuum_min_duration = -1
"""



@dataclass(slots=True)
class EmbeddedPostgres:
    """A process's share in the embedded server. Made by `start`; left by `stop`, or at the end of a `with`."""

    places: Places
    _share: int | None = field(repr=False)

    @classmethod
    def start(cls, data_dir: Path, settings: Mapping[str, str] | None = None) -> EmbeddedPostgres:
        """Join the server below the data directory; make and start it when nobody has.

        Goes in: the data directory (made when missing), and settings of PostgreSQL for tests, such as
        `{"fsync": "off"}`. Comes out: a handle whose database answers under `url` and `dsn`. Raises PostgresMissing,
        PostgresNotStarted, PostgresNotYours, PostgresVersionMissing.
        """
        data_dir = Path(os.path.abspath(data_dir))
        try:
            binaries, places = settle(data_dir)
            with _alone(places):
                share = _open(places.run / "postgres.users.lock")
                fcntl.flock(share, fcntl.LOCK_SH)
                try:
                    _make_cluster(binaries, places)
                    _bring_up(binaries, places, settings or {})
                except BaseException:
                    os.close(share)
                    raise
        except OSError as error:  # a full or read-only disk
            raise PostgresNotStarted(reason=error.strerror or "the disk", log=data_dir / "run") from error
        return cls(places, share)

    @property
    def url(self) -> str:
        """For SQLAlchemy."""
        host = quote(str(self.places.socket_dir), safe="/")
        return f"postgresql+psycopg://{LOGIN}@/{DATABASE}?host={host}&port={PORT}"

    @property
    def dsn(self) -> str:
        """For psycopg and PostgreSQL's own tools."""
        return _dsn(self.places, DATABASE)

    def stop(self) -> None:
        """Give the share back; the last process that does stops the server. A second call does nothing."""
        if self._share is None:
            return
        with _alone(self.places):
            share, self._share = self._share, None
            os.close(share)
            users = _lock_if_free(self.places.run / "postgres.users.lock")
            if users is not None:
                _stop_server(self.places)
                os.close(users)

    def __enter__(self) -> EmbeddedPostgres:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _make_cluster(binaries: Binaries, places: Places) -> None:
    """Make the cluster beside its place and move it there whole: a killed initdb leaves no half one."""
    if (places.data / "PG_VERSION").exists():
        return
    home = places.data.parent
    for left in home.glob("new-*"):
        shutil.rmtree(left, ignore_errors=True)
    draft = Path(tempfile.mkdtemp(prefix="new-", dir=home))
    os.chown(draft, places.uid, -1)
    # The locale is always named: without LANG initdb would choose SQL_ASCII. Whoever enters the socket's folder is
    # its owner already, hence "trust".
    made = run_as_owner(
        places, [binaries / "initdb", "-D", draft, "-E", "UTF8", "--locale=C.UTF-8", "-k", "-U", LOGIN, "-A", "trust"],
        cwd=home, output=subprocess.PIPE,
    )
    if made.returncode:
        places.log.write_text(made.stdout)
        shutil.rmtree(draft, ignore_errors=True)
        raise PostgresNotStarted(reason=_last_line(made.stdout), log=places.log)
    with (draft / "postgresql.conf").open("a") as conf:
        conf.write("\ninclude_if_exists = 'namjai.conf'\n")
    draft.rename(places.data)


def _bring_up(binaries: Binaries, places: Places, settings: Mapping[str, str]) -> None:
    """Have a server that answers: the one that lives, or a new one once nothing of an older one lives any more."""
    begun = time.monotonic()
    reason = ""
    while time.monotonic() < begun + PATIENCE:
        alive = _lock_if_free(places.run / "postgres.alive.lock")
        if alive is not None:
            _launch(binaries, places, settings, alive)
        reason = _why_it_does_not_answer(places)
        if not reason:
            return
        if time.monotonic() > begun + UNREACHABLE and not (places.socket_dir / SOCKET_NAME).exists():
            _stop_server(places)  # it lives, but somebody swept its socket away
        time.sleep(0.05)
    raise PostgresNotStarted(reason=reason, log=places.log)


def _launch(binaries: Binaries, places: Places, settings: Mapping[str, str], alive: int) -> None:
    """Start the server, which inherits the lock. Nothing of an older one lives, or the lock would not be ours."""
    # PostgreSQL would ask whether the old pid is alive: it may be a stranger's now, or that of a zombie.
    for left in (places.data / "postmaster.pid", places.socket_dir / f"{SOCKET_NAME}.lock"):
        left.unlink(missing_ok=True)
    socket_dir = str(places.socket_dir).replace('"', '""').replace("'", "''")
    conf = places.data / "namjai.conf"
    more = "".join(f"{name} = {value}\n" for name, value in settings.items())
    conf.write_text(SETTINGS.format(socket_dir=socket_dir, port=PORT) + more)
    os.chown(conf, places.uid, -1)
    if places.log.exists() and places.log.stat().st_size > 5_000_000:
        places.log.replace(places.log.with_suffix(".log.1"))
    log = os.open(places.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        # "." because pg_ctl hands the folder to a shell, and a folder may be called anything.
        command: list[str | Path] = [binaries / "pg_ctl", "start", "-D", ".", "-w", "-s", "-t", str(int(PATIENCE))]
        started = run_as_owner(places, command, cwd=places.data, output=log, keep=(alive,))
    finally:
        os.close(log)
        os.close(alive)
    if started.returncode:
        raise PostgresNotStarted(reason=_reason_in(places.log), log=places.log)


def _why_it_does_not_answer(places: Places) -> str:
    """Empty when the database answers. Makes the database when only that is missing."""
    try:
        psycopg.connect(_dsn(places, DATABASE), connect_timeout=5).close()
        return ""
    except psycopg.OperationalError as error:
        said = str(error)
    if f'database "{DATABASE}" does not exist' in said:
        # Somebody who was killed while making it may have left a server process that is about to finish.
        made_meanwhile = contextlib.suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation)
        with psycopg.connect(_dsn(places, "postgres"), autocommit=True) as connection, made_meanwhile:
            connection.execute(f"CREATE DATABASE {DATABASE}")
    return _last_line(said)


def _stop_server(places: Places) -> None:
    """Stop the server and wait until none of its processes lives."""
    # SIGINT is the fast stop: what is committed is written, open transactions are rolled back. SIGQUIT gives up
    # without writing; the next start recovers.
    for how in (signal.SIGINT, signal.SIGQUIT):
        until = time.monotonic() + PATIENCE / 2
        asked = False
        while time.monotonic() < until:
            alive = _lock_if_free(places.run / "postgres.alive.lock")
            if alive is not None:
                os.close(alive)
                return
            asked = asked or _signal(places, how)
            time.sleep(0.02)


def _signal(places: Places, how: signal.Signals) -> bool:
    try:
        pid = int((places.data / "postmaster.pid").read_text().split("\n", 1)[0])
        os.kill(pid, how)
    except (OSError, ValueError):
        return False
    return True


@contextlib.contextmanager
def _alone(places: Places) -> Iterator[None]:
    lock = _open(places.run / "postgres.start.lock")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _lock_if_free(path: Path) -> int | None:
    lock = _open(path)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return lock
    except BlockingIOError:
        os.close(lock)
        return None


def _dsn(places: Places, database: str) -> str:
    # The port is said, because PGPORT may be meant for another server.
    return psycopg.conninfo.make_conninfo(host=str(places.socket_dir), port=PORT, user=LOGIN, dbname=database)


def _reason_in(log: Path) -> str:
    """What PostgreSQL said last is wrong. A bad setting is told before the file that it stands in."""
    lines = log.read_text(errors="replace").splitlines()[-20:]
    said = [found[1] for line in lines if (found := re.search(r"(?:LOG|FATAL|PANIC): +(.+)", line))]
    return "; ".join(said[-2:]) or _last_line("\n".join(lines))


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it gave no reason"
