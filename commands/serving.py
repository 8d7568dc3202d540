"""`namjai serve` and `namjai run`: the web, the tablets' door and the worker on one machine."""
from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import click

from namjai.problems import Problem
from namjai.settings import ROOT, Settings

# One more than the cores of a small server: there is always one that does not wait for the disk.
WEB_PROCESSES = 3
# More than the cores: a tablet on a slow line holds its thread for as long as its pictures take to arrive.
THREADS = 8


class PortTaken(Problem):
    code = "port-taken"
    en = "Port {port} is in use already. Stop what uses it, or take another: PORT={other} make run"
    th = "พอร์ต {port} ถูกใช้อยู่แล้ว ปิดโปรแกรมที่ใช้ หรือเปลี่ยนพอร์ต: PORT={other} make run"


@click.command()
@click.option("--host", help="The address to listen on (default 127.0.0.1, or HOST).")
@click.option("--port", type=int, help="The port (default 8000, or PORT).")
@click.option("--no-worker", is_flag=True, help="Leave the background jobs to another process.")
def serve(host: str | None, port: int | None, no_worker: bool) -> None:
    """Serve the web and the tablets' door until Ctrl-C."""
    settings = _settings(host, port)
    from commands.first_run import keep_apart
    from commands.opening import opened

    _need_free(settings)
    with opened(settings, pool_size=1) as store:
        keep_apart(store)
        _serve(settings, worker=not no_worker)


@click.command()
def run() -> None:
    """Set up what is missing (schema, programme, demonstration data on a first run), then serve."""
    settings = _settings(None, None)
    from commands.first_run import keep_apart, prepare, welcome
    from commands.opening import opened

    _need_free(settings)
    with opened(settings, pool_size=2) as store:
        keep_apart(store)
        prepare(store)
        welcome(store)
        _serve(settings, worker=True)


def _settings(host: str | None, port: int | None) -> Settings:
    given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    for name, value in given.items():
        # The web processes read the settings themselves.
        os.environ[name.upper()] = str(value)
    return Settings(**given)


def _need_free(settings: Settings) -> None:
    with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise PortTaken(port=settings.port, other=settings.port + 1) from error


def _serve(settings: Settings, *, worker: bool) -> None:
    from granian import Granian
    from granian.constants import Interfaces
    from granian.log import LogLevels

    # A fork would inherit the files' runtime of a process that has used it (a first run makes demonstration data), but
    # not its threads: the first readings of a file would wait for them for ever.
    multiprocessing.set_start_method("spawn", force=True)
    os.environ["HOST"], os.environ["PORT"] = settings.host, str(settings.port)
    os.chdir(ROOT)
    logging.getLogger("_granian").addFilter(_is_for_whoever_runs_it)
    background = Background() if worker else None
    note = settings.data_dir / "run" / "address"
    try:
        note.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        note.write_text(settings.public_url, "utf-8")
        Granian(
            "commands.wsgi:application", factory=True, address=settings.host, port=settings.port,
            interface=Interfaces.WSGI, workers=WEB_PROCESSES, blocking_threads=THREADS, respawn_failed_workers=True,
            # A browser that keeps its connection must not keep us from stopping.
            workers_kill_timeout=5,
            # Addresses hold tokens, so nothing writes an access log; warnings are enough.
            log_access=False, log_level=LogLevels.warning, websockets=False, working_dir=Path(ROOT),
        ).serve()
    finally:
        if background:
            background.stop()
        note.unlink(missing_ok=True)
        click.echo("\nNamjai has stopped. Everything is kept.")


def noted_address(settings: Settings) -> str | None:
    """The address of the server that runs over the same data directory, where one does."""
    note = settings.data_dir / "run" / "address"
    return note.read_text("utf-8") if note.is_file() else None


def _is_for_whoever_runs_it(told: logging.LogRecord) -> bool:
    """Whether a word of the server belongs on the terminal: not its advice about WEB_PROCESSES and THREADS, which we
    have weighed, nor that it ended a process which a browser kept waiting."""
    advice = ("Configuration allows spawning up to", "Configured number of workers appears", "Killing worker-")
    return not told.getMessage().startswith(advice)


class Background:
    """The worker as a process of its own, started again when it dies, ended with us."""

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._keep_alive, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(15)
            except subprocess.TimeoutExpired:
                self._process.kill()

    def _keep_alive(self) -> None:
        while not self._stopping.is_set():
            command = [sys.executable, "-m", "commands.main", "worker", "--with-parent"]
            self._process = subprocess.Popen(command, cwd=ROOT)
            self._process.wait()
            if not self._stopping.is_set():
                time.sleep(1)
