"""`namjai status` and `namjai doctor`."""
from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from namjai.settings import Settings


@click.command()
@click.option("--project", help="The project's name; left out: the only one.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, under keys that scripts may rely on.")
def status(project: str | None, as_json: bool) -> None:
    """Counts and health."""
    from cases.health import status as count
    from commands.opening import opened, project_actor

    with opened() as store:
        actor = project_actor(store, project)
        with store.database.begin(actor) as tx:
            found = count(tx, actor.project)
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=1))
        return
    files, waiting = found["attachments"], found["quarantine"]
    click.echo(f"{found['submissions']} submissions in {found['cases']} cases")
    for form, number in found["submissions_by_form"].items():
        click.echo(f"  {form}: {number}")
    expected = files["expected"] + files["partial"]
    click.echo(f"files: {files['verified']} here, {expected} still expected, {files['missing']} missing")
    click.echo(f"quarantine: {waiting}{' (namjai quarantine list)' if waiting else ''}")
    for one in found["sources"]:
        lag = f"read {one['lag_seconds']} s ago" if one["lag_seconds"] is not None else "never read"
        paused = ", paused" if one["paused"] else ""
        click.echo(f"source {one['name']}: {lag}{paused}{', ' + one['error'] if one['error'] else ''}")
    click.echo(f"jobs: {found['jobs']['queued']} queued, {found['jobs']['failed']} failed")


@click.command()
def doctor() -> None:
    """What this machine lacks, and what to do; exit 1 when Namjai cannot run."""
    from namjai.settings import FONTS, Settings

    settings = Settings()
    wrong = 0
    for good, sentence in _looks(settings, FONTS):
        click.echo(f"{'ok  ' if good else 'MEND'}  {sentence}")
        wrong += not good
    raise SystemExit(1 if wrong else 0)


def _looks(settings: Settings, fonts: Path) -> Iterator[tuple[bool, str]]:
    """(whether it is well, what was looked at and what to do)."""
    from ctypes.util import find_library

    yield settings.data_dir.exists() or settings.data_dir.parent.exists(), f"data directory {settings.data_dir}"
    place = settings.data_dir if settings.data_dir.exists() else settings.data_dir.parent
    free = shutil.disk_usage(place).free // 2**30 if place.exists() else 0
    yield free >= 1, f"{free} GiB free on its disk"
    yield bool(list(fonts.glob("*.ttf"))), "fonts of the letters (make run brings them)"
    pango = "Pango, which sets the letters (apt-get install libpango-1.0-0 libpangoft2-1.0-0)"
    yield find_library("pango-1.0") is not None, pango
    java = "Java: forms are also checked by ODK Validate"
    yield True, java if shutil.which("java") else "no Java: forms are checked by pyxform alone"
    if not settings.demo:
        yield settings.public_url.startswith("https://"), "NAMJAI_BASE_URL must be an https address"
        outside = "the master key must lie outside the data directory (NAMJAI_MASTER_KEY_FILE)"
        yield not settings.master_key_lies_in_data_dir, outside
    yield from _database(settings)


def _database(settings: Settings) -> Iterator[tuple[bool, str]]:
    from commands.opening import opened
    from namjai.problems import Problem

    try:
        with opened(settings):
            yield True, "the database answers, its schema is the newest, the master key fits"
    except Problem as problem:
        yield False, problem.text("en")
