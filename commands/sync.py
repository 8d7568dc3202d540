"""`namjai sync`: read the sources now."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

    from store.actor import Actor
    from store.opening import Store
    from sync.run import Ran
    from sync.work import Progress

_log = logging.getLogger("namjai.sync")
_COMPARE_EVERY = 24 * 3600
# In the singular where that is another word.
_ONE = {"forms": "form version", "remarks": "comment", "files": "file", "entities": "entity"}
_ONE |= {"entities_deleted": "entity deleted", "files_missing": "submission whose files have not come"}
_SHOWN = {
    "forms": "form versions",
    "new": "new",
    "edited": "edited",
    "deleted": "deleted",
    "restored": "restored",
    "reviewed": "reviewed",
    "remarks": "comments",
    "files": "files",
    "entities": "entities",
    "entities_deleted": "entities deleted",
    "quarantined": "in quarantine",
    "waiting": "to be had later",
    "files_missing": "submissions whose files have not come",
}


@click.command()
@click.option("--source", "names", multiple=True, help="Only this source; may be given several times.")
@click.option("--full", is_flag=True, help="Compare every id and every file.")
@click.option("--every", type=click.IntRange(1), help="Go on, with so many seconds between two runs, until Ctrl-C.")
@click.option("--project", help="The project's name; left out: the only one.")
def sync(names: tuple[str, ...], full: bool, every: int | None, project: str | None) -> None:
    """Read the sources now and wait until everything is in; exit 1 when a source could not be read."""
    from commands.opening import opened, project_actor

    with opened(pool_size=6) as store:
        actor = project_actor(store, project)
        if every is None:
            if _once(store, actor, names, full):
                raise SystemExit(1)
            return
        compared = time.monotonic()
        while True:
            # Without a worker, nobody else compares everything once a day.
            due = full or time.monotonic() - compared > _COMPARE_EVERY
            compared = time.monotonic() if due else compared
            _steadily(store, actor, names, due)
            time.sleep(every)


def _steadily(store: Store, actor: Actor, names: tuple[str, ...], full: bool) -> None:
    """Once, and what stands in the way of it ends nothing."""
    from namjai.problems import Problem

    try:
        _once(store, actor, names, full)
    except Problem as problem:
        click.echo(f"namjai: {problem.text('en')}", err=True)


def _once(store: Store, actor: Actor, names: tuple[str, ...], full: bool) -> int:
    """Read each of them. Gives how many could not be read, or not all of them."""
    from namjai.problems import Problem
    from sync import registry
    from sync.run import Ran, run

    with store.database.begin(actor) as tx:
        rows = [registry.named(tx, actor.project, name) for name in names] or registry.listed(tx, actor.project)
    if not rows:
        click.echo("No source yet: namjai sources add")
    failed = 0
    for row in rows:
        begun = time.monotonic()
        with _progress(row.name) as tell:
            try:
                done = run(store, row, full=full, tell=tell)
            except Problem as problem:
                done = Ran(row.name, {}, problem)
            except Exception as error:
                # One source in which we have a fault holds up no other. Its words may hold an answer.
                _log.error("reading a source failed: %s", type(error).__name__)
                done = Ran(row.name, {}, Problem())
        failed += _say(done, time.monotonic() - begun)
    return failed


def _say(done: Ran, seconds: float) -> int:
    said = ", ".join(
        f"{number} {_ONE.get(key, word) if number == 1 else word}"
        for key, word in _SHOWN.items()
        if (number := done.counts.get(key))
    )
    nothing = "nothing new" if done.problem is None else "nothing came"
    click.echo(f"{done.name}: {said or nothing} ({seconds:.1f} s)")
    if done.problem is None:
        return 0
    click.echo(f"namjai: {done.problem.text('en')}", err=True)
    return 1


@contextmanager
def _progress(name: str) -> Iterator[Progress | None]:
    """A bar with rows, rate and time left on a terminal; nothing elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task, shown, since = bar.add_task(name, total=None, rate=""), "", time.monotonic()

        def tell(phase: str, what: str, done: int, total: int | None) -> None:
            nonlocal shown, since
            now = f"{name} {phase} {what}".strip()
            if now != shown:
                shown, since = now, time.monotonic()
                bar.reset(task, total=total, description=now, rate="")
            passed = time.monotonic() - since
            rate = f"{done / passed:.0f}/s" if passed > 0.5 and done else ""
            bar.update(task, completed=done, total=total, rate=rate)

        yield tell
