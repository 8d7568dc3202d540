"""`make bench`: one table of what Namjai takes, beside what it may take, and the machine that it was measured on.

Each measurement runs in a process of its own, one after the other. `--markdown` prints the table for docs/benchmarks.md.
"""
from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Line:
    """One figure: what, how much, in what, and what it may be at most (or must be at least)."""

    what: str
    value: float
    unit: str
    most: float | None = None
    least: float | None = None

    @property
    def good(self) -> str:
        if self.most is None and self.least is None:
            return ""
        over = (self.most is not None and self.value > self.most) or (self.least is not None and self.value < self.least)
        return "over" if over else "ok"

    @property
    def target(self) -> str:
        if self.least is not None:
            return f"≥ {self.least:g}"
        return f"≤ {self.most:g}" if self.most is not None else ""

    @property
    def shown(self) -> str:
        return f"{self.value:,.0f}" if self.value >= 100 else f"{self.value:.1f}" if self.value >= 10 else f"{self.value:.2f}"


def door() -> list[Line]:
    found = measured("door", "door.main(seconds=5)")
    return [
        Line("Tablets' door, 30 answers and a repeat of 3 rows, 4 clients", found["rate"], "submissions/s", least=600),
        Line("… 95 of 100 are answered within", found["p95"], "ms", most=50),
    ]


def reading() -> list[Line]:
    found = measured("bench_reading", "bench_reading.measure()")
    return [Line("Reading one such submission: XML, answers, privacy, entities", found["all four"], "ms", most=0.8)]


def pages() -> list[Line]:
    found = measured("pages", "pages.main()")
    return [Line(f"20,000 cases: {name}", value, "ms", most=40 if name.startswith("case ") else None) for name, value in found.items()]


def letters() -> list[Line]:
    found = measured("bench_letters", "{name: value[0] for name, value in bench_letters.measure().items()}")
    return [
        Line("A warm letter, Thai", found["Thai letter"], "s", most=0.09),
        Line("… with its receipt", found["Thai letter and receipt"], "s", most=0.16),
        Line("… in English, with its receipt", found["English letter and receipt"], "s", most=0.16),
        Line("… Burmese beside Thai", found["Burmese beside Thai"], "s"),
    ]


def starting() -> list[Line]:
    found = measured("starting", "starting.main()")
    return [
        Line("namjai --help", found["help"], "s", most=0.5),
        Line("make run again, until it answers", found["second run"], "s", most=5),
        Line("make run for the first time, with demonstration data (packages are there)", found["first run"], "s"),
    ]


def exports() -> list[Line]:
    found = measured("bench_exports", "bench_exports.main()")
    small, large = found["14000 zip"], found["131072 zip"]
    return [
        Line("14,000 registrations as Central's ZIP of CSVs (Central: 3.0 s)", small["seconds"], "s", most=1.0),
        Line("131,072 of them", large["seconds"], "s", most=15),
        Line("… in memory", large["memory"], "MB", most=300),
        Line("14,000 of them as an anonymous ZIP", found["14000 anonymous"]["seconds"], "s"),
        Line("… as Kobo's workbook", found["14000 xlsx"]["seconds"], "s"),
    ]


def sync() -> list[Line]:
    four, one = (measured("bench_sync", f"bench_sync.content({given})") for given in ("10_000, 4, 3", "10_000, 1, 3"))
    poll = measured("bench_sync", "bench_sync.poll()")
    small, large = 10_000, 1_000_000 if BIG else 100_000
    behind = measured("bench_sync", f"bench_sync.growth(({small}, {large}))")
    few, many = behind[str(small)], behind[str(large)]
    return [
        Line("First reading of a year's 10,000 submissions, XML over 4 connections (a bare loop: 400)", four["rate"], "XML/s"),
        Line("… as a part of the bare loop's rate", four["ratio"], "×", least=0.9),
        Line("… our own work, PostgreSQL's too", four["cpu"] + four["database"], "ms of a core"),
        Line("… over one connection, as a part of the bare loop's (240)", one["ratio"], "×", least=0.9),
        Line("… in memory", four["memory"], "MB", most=200),
        Line("Twenty forms in which nothing changed, our own time", poll["own"], "ms", most=50),
        Line(f"A run with 100 changes, {large:,} rows behind it", many["changes"], "s"),
        Line(f"… beside {small:,} rows", many["changes"] / few["changes"], "×", most=1.2),
        Line("… in memory", many["memory"], "MB", most=200),
        Line(f"Comparing all {large:,} rows (a census)", many["census"], "s"),
        Line("… in memory", many["census memory"], "MB", most=200),
    ]


PARTS: dict[str, Callable[[], list[Line]]] = {
    "door": door, "reading": reading, "pages": pages, "letters": letters, "starting": starting,
    "exports": exports, "sync": sync,
}
# With --big a million rows are filled in, which takes some minutes more.
BIG = False


def measured(module: str, expression: str) -> dict[str, float]:
    """The value of an expression over one of the modules beside this one, computed in a fresh process."""
    code = f"import sys, json; sys.path.insert(0, {str(HERE)!r}); import {module}; print(json.dumps({expression}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{module}: {done.stderr.strip()[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def machine() -> str:
    """Processor, cores, memory, Python; and how busy it was."""
    cpu = next((line.split(":", 1)[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    memory = next((int(line.split()[1]) // 2**20 for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), 0)
    return f"{cpu}, {os.cpu_count()} cores, {memory + 1} GiB, {platform.system()}, Python {platform.python_version()}"


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def main() -> int:
    words = argparse.ArgumentParser(description="Measure, and print a table.")
    words.add_argument("parts", nargs="*", help=", ".join(PARTS))
    words.add_argument("--markdown", action="store_true")
    words.add_argument("--big", action="store_true", help="a million rows behind the reading of a server")
    chosen = words.parse_args()
    global BIG
    BIG = chosen.big
    load, began = os.getloadavg()[0], time.monotonic()
    lines: list[Line] = []
    for name in chosen.parts or PARTS:
        print(f"measuring: {name} …", file=sys.stderr, flush=True)
        lines += PARTS[name]()
    busy = "" if load < 1.5 else f" Measured under load ({load:.1f} processes waiting at the start): real figures are better."
    print(f"{machine()}. {dt.date.today()}.{busy}\n")
    show(lines, chosen.markdown)
    print(f"\n{time.monotonic() - began:.0f} s. Over: {sum(line.good == 'over' for line in lines)} of {len(lines)}.", file=sys.stderr)
    return 0


def show(lines: list[Line], markdown: bool) -> None:
    rows = [(line.what, f"{line.shown} {line.unit}", line.target, line.good) for line in lines]
    if markdown:
        print("| What | Measured | Target | |\n|---|--:|--:|---|")
        for row in rows:
            print("| " + " | ".join(row) + " |")
        return
    wide = max(len(row[0]) for row in rows)
    for what, value, target, good in rows:
        print(f"{what:{wide}}  {value:>20}  {target:>7}  {good}")


if __name__ == "__main__":
    raise SystemExit(main())
