"""How fast Namjai starts: `namjai --help`, and a second `make run` until it answers. `python tests/benchmarks/starting.py`."""
from __future__ import annotations

import contextlib
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parents[1])]

from browser import ROOT, free_port  # noqa: E402


def help_seconds(times: int = 7) -> float:
    """The median of `namjai --help`."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        subprocess.run([ROOT / ".venv" / "bin" / "namjai", "--help"], check=True, capture_output=True)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def run_seconds(folder: str, patience: float = 300) -> float:
    """Seconds from `make run` to the first answer of /readyz; stops it again."""
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NAMJAI_")}
    environment |= {"NAMJAI_DATA_DIR": folder, "PORT": str(port), "HOST": "127.0.0.1"}
    began = time.perf_counter()
    process = subprocess.Popen(["make", "run"], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        while time.perf_counter() - began < patience and process.poll() is None:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1) as answer:
                    if answer.status == 200:
                        return time.perf_counter() - began
            except OSError:
                time.sleep(0.02)
        raise TimeoutError("make run does not answer")
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End make and all that it started, as a terminal that closes does; make waits for its own."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(40)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    time.sleep(1)  # the database's last breath: the next start must find nobody


def main() -> dict[str, float]:
    """Seconds."""
    with tempfile.TemporaryDirectory(prefix="namjai-bench-") as folder:
        first = run_seconds(folder)
        second = statistics.median(run_seconds(folder) for _ in range(3))
    return {"help": help_seconds(), "first run": first, "second run": second}


if __name__ == "__main__":
    for name, seconds in main().items():
        print(f"{name:12} {seconds:6.2f} s")
