"""`namjai forms …` and `namjai programs …`: from spreadsheets to what tablets fetch."""
from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from odk.findings import Finding
    from store.opening import Store

_PATHS = click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
_PROJECT = click.option("--project", help="The project's name; left out: the only one, or a new one.")


@click.group()
def forms() -> None:
    """Check and publish forms: XLSForm files or whole programme folders."""


@forms.command()
@_PATHS
def check(paths: tuple[Path, ...]) -> None:
    """Say everything that is wrong, with file, sheet and row; exit 1 when any of it is an error."""
    from odk.check import check as look
    from odk.findings import has_errors

    findings = [finding for path in paths for finding in look(path)]
    _say(findings)
    errors = sum(one.severity == "error" for one in findings)
    click.echo(f"{_counted(errors, 'error')}, {_counted(len(findings) - errors, 'warning')}.")
    if has_errors(findings):
        raise SystemExit(1)


@forms.command()
@_PATHS
@_PROJECT
def publish(paths: tuple[Path, ...], project: str | None) -> None:
    """Publish new versions. The identical one again does nothing; other content under the same version is refused."""
    from commands.opening import opened

    with opened() as store:
        for path in paths:
            if path.is_dir():
                _install(store, path, project)
            else:
                _publish_file(store, path, project)


@click.group()
def programs() -> None:
    """Programmes: a folder of forms, lists, letters and their words."""


@programs.command()
@click.argument("path", type=click.Path(exists=True, file_okay=False, path_type=Path))
@_PROJECT
def install(path: Path, project: str | None) -> None:
    """Check a programme folder and install all of it, or nothing."""
    from commands.opening import opened

    with opened() as store:
        _install(store, path, project)


@programs.command("list")
def list_() -> None:
    """The projects and the programme of each."""
    from cases import projects
    from commands.opening import opened
    from store.opening import KEEPER

    with opened() as store:
        with store.database.begin(KEEPER) as tx:
            rows = projects.all_projects(tx)
        for row in rows:
            with store.database.begin(projects.in_project(row.id)) as tx:
                programme = projects.programme_of(tx, row.id)
            click.echo(f"{row.name}  {programme.name.en if programme else 'no programme'}  letters {row.short_name}-…")


def _publish_file(store: Store, path: Path, project: str | None) -> None:
    from cases.projects import programme_of
    from cases.publishing import publish as publish_version
    from commands.opening import project_actor
    from odk.xlsform import compile_xlsform

    compiled = compile_xlsform(path)
    _say(compiled.warnings)
    actor = project_actor(store, project, make="default")
    media = {one.name: one.read_bytes() for one in (path.parent / "media").glob("*") if one.is_file()}
    with store.database.begin(actor) as tx:
        done = publish_version(tx, store, actor, compiled, programme=programme_of(tx, actor.project), media=media)
    click.echo(f"{done.form_id} {done.version}: {'published' if done.new else 'was published already'}")


def _install(store: Store, path: Path, project: str | None) -> None:
    from cases import installation, projects
    from odk.check import load_folder
    from store.opening import KEEPER

    programme, folder = load_folder(path)
    _say(one for one in folder.findings if one.severity != "error")
    with store.database.begin(KEEPER) as tx:
        known = {row.name for row in projects.all_projects(tx)}
        row = projects.find(tx, project) if project in known or (project is None and known) else None
        if row is None:
            row = projects.make(
                tx, store, name=project or programme.id, short_name=programme.short_name, timezone=programme.timezone
            )
    actor = projects.in_project(row.id)
    with store.database.begin(actor) as tx:
        done = installation.install(tx, store, actor, programme, folder)
    new = [f"{one.form_id} {one.version}" for one in done.forms if one.new]
    click.echo(f"{programme.name.en}: {', '.join(new) or 'nothing new'} ({len(done.forms)} forms)")


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _say(findings: Iterable[Finding]) -> None:
    for one in findings:
        click.echo(f"{one.place()}: {one.severity}: {one.en}", err=one.severity == "error")
