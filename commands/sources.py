"""`namjai sources …`: the servers that Namjai reads from."""

from __future__ import annotations

import sys

import click

_PROJECT = click.option("--into", "project", help="Our project's name; left out: the only one, or a new one.")
_EVERY = click.option(
    "--every", default=300, show_default=True, type=click.IntRange(30), help="Seconds between two runs of the worker."
)


@click.group()
def sources() -> None:
    """Servers that Namjai reads from."""


@sources.group()
def add() -> None:
    """Add a source, or give a known one new credentials. It is asked first; what it answers is shown."""


@add.command()
@click.argument("name")
@click.option("--url", required=True, help="The server's address, as in the browser.")
@click.option("--project", "number", required=True, type=click.IntRange(1), help="Central's number of the project.")
@click.option("--username", required=True, help="The e-mail of an account with the role Project Viewer or Manager.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@_EVERY
@_PROJECT
def central(
    name: str, url: str, number: int, username: str, password_stdin: bool, every: int, project: str | None
) -> None:
    """A project of an ODK Central."""
    password = _secret("Password", password_stdin)
    _add(name, "central", url, {"project": number}, {"email": username, "password": password}, every, project)


@sources.command("list")
@_PROJECT
def list_(project: str | None) -> None:
    """The sources, when each was read last, and what stands in the way."""
    from cases.health import sources as state
    from commands.opening import opened, project_actor

    with opened() as store:
        actor = project_actor(store, project)
        with store.database.begin(actor) as tx:
            rows = state(tx, actor.project)
    for row in rows:
        lag = f"{row['lag_seconds']} s ago" if row["lag_seconds"] is not None else "never read"
        click.echo(f"{row['name']}  {row['kind']}  {lag}{'  ' + row['error'] if row['error'] else ''}")
    click.echo(f"{len(rows)} sources." if rows else "No source yet: namjai sources add")


@sources.command()
@click.argument("name")
@_PROJECT
def remove(name: str, project: str | None) -> None:
    """Read a source no more and forget its credentials. What came from it stays."""
    from commands.opening import opened, project_actor
    from sync import registry

    with opened() as store:
        actor = project_actor(store, project)
        with store.database.begin(actor) as tx:
            registry.remove(tx, store, actor, name)
    click.echo(f"{name} is read no more. What came from it stays.")


def _add(
    name: str, kind: str, url: str, options: dict, credentials: dict[str, str], every: int, project: str | None
) -> None:
    from commands.opening import opened, project_actor
    from sync import registry

    # Asked before anything is stored: a wrong password shall not wait for the first run to be noticed.
    source = registry.open_kind(kind, name, registry.checked_address(url), options, credentials)
    try:
        account = source.check()
    finally:
        source.close()
    with opened() as store:
        actor = project_actor(store, project, make=project or "default")
        with store.database.begin(actor) as tx:
            registry.add(
                tx,
                store,
                actor,
                name=name,
                kind=kind,
                url=url,
                options=options,
                credentials=credentials,
                every_seconds=every,
            )
    click.echo(f"{name}: {account.who} at {account.server}, {len(account.forms)} forms")
    for title, _ in account.forms:
        click.echo(f"  {title}")
    click.echo("Read it now: namjai sync")


def _secret(what: str, from_stdin: bool) -> str:
    """Never an argument: those are seen by everybody on the machine."""
    given = sys.stdin.readline().rstrip("\r\n") if from_stdin else click.prompt(what, hide_input=True)
    if not given:
        raise click.UsageError(f"the {what.lower()} is empty")
    return given
