"""`namjai sources …`: the servers that Namjai reads from."""

from __future__ import annotations

import sys
from contextlib import closing
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import sqlalchemy as sa

    from store.actor import Actor
    from store.opening import Store
    from sync.source import Account

_PROJECT = click.option("--into", "project", help="Our project's name; left out: the only one, or a new one.")
_EVERY = click.option(
    "--every", type=click.IntRange(30), help="Seconds between two runs of the worker; 300, or as it is set already."
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
    name: str, url: str, number: int, username: str, password_stdin: bool, every: int | None, project: str | None
) -> None:
    """A project of an ODK Central."""
    password = _secret("Password", password_stdin)
    _add(name, "central", url, {"project": number}, {"email": username, "password": password}, every, project)


@add.command()
@click.argument("name")
@click.option("--url", required=True, help="The server's address, as in the browser, such as https://kf.kobotoolbox.org.")
@click.option("--token-stdin", is_flag=True, help="Read the account's API key from standard input.")
@click.option("--asset", "assets", multiple=True, help="Only this project, by its uid; may be given several times.")
@_EVERY
@_PROJECT
def kobo(
    name: str, url: str, token_stdin: bool, assets: tuple[str, ...], every: int | None, project: str | None
) -> None:
    """An account of a KoboToolbox."""
    token = _secret("API key", token_stdin)
    options = {"forms": list(dict.fromkeys(assets))} if assets else {}
    _add(name, "kobo", url, options, {"token": token}, every, project)


@sources.command("list")
@click.option("--hooks", is_flag=True, help="Show the secret addresses to which servers send their hints, too.")
@_PROJECT
def list_(hooks: bool, project: str | None) -> None:
    """The sources, when each was read last, and what stands in the way."""
    from cases.health import sources as state
    from commands.opening import opened, project_actor

    with opened() as store:
        actor = project_actor(store, project)
        with store.database.begin(actor) as tx:
            rows = state(tx, actor.project)
            addresses = _hook_addresses(tx, store, actor) if hooks else {}
    for row in rows:
        lag = f"{row['lag_seconds']} s ago" if row["lag_seconds"] is not None else "never read"
        click.echo(f"{row['name']}  {row['kind']}  {lag}{'  paused' if row['paused'] else ''}")
        if row["error"]:
            click.echo(f"  {row['error']}: {row['says']}")
        if row["name"] in addresses:
            click.echo(f"  REST service: {addresses[row['name']]}")
    number = f"{len(rows)} source{'' if len(rows) == 1 else 's'}."
    click.echo(number if rows else "No source yet: namjai sources add")


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
    name: str, kind: str, url: str, options: dict, credentials: dict[str, str], every: int | None, project: str | None
) -> None:
    from commands.opening import opened, project_actor
    from sync import registry

    # Asked before anything is stored: a wrong password shall not wait for the first run to be noticed.
    url = registry.checked_address(url)
    account = _tried(kind, name, url, options, credentials)
    with opened() as store:
        actor = project_actor(store, project, make=project or "default")
        with store.database.begin(actor) as tx:
            before = registry.at_its_place(tx, actor.project, name, kind, url, options)
            if before is not None and before.removed_at is None:
                # New credentials change nothing else: neither which forms are read, nor how often.
                options, every = {**before.options, **options}, every or before.every_seconds
            registry.add(
                tx,
                store,
                actor,
                name=name,
                kind=kind,
                url=url,
                options=options,
                credentials=credentials,
                every_seconds=every or registry.EVERY_SECONDS,
            )
            addresses = _hook_addresses(tx, store, actor)
    forms = f"{len(account.forms)} form{'' if len(account.forms) == 1 else 's'}"
    click.echo(f"{name}: {account.who} at {account.server}, {forms}")
    for title, _ in account.forms:
        click.echo(f"  {title}")
    if name in addresses:
        click.echo("To be told of new submissions at once, enter this as a REST service of each project in Kobo:")
        click.echo(f"  {addresses[name]}")
        click.echo("Whoever has this address can make Namjai look there, and no more. It is shown again by:")
        click.echo("  namjai sources list --hooks")
    click.echo("Read it now: namjai sync")


def _tried(kind: str, name: str, url: str, options: dict, credentials: dict[str, str]) -> Account:
    """What the server says to these. Raises SourceProblem, SourceFormUnknown for a form that it does not show."""
    from cases.source_problems import SourceFormUnknown
    from sync import registry

    with closing(registry.open_kind(kind, name, url, options, credentials)) as source:
        account = source.check()
    if chosen := options.get("forms"):
        every = {option: value for option, value in options.items() if option != "forms"}
        with closing(registry.open_kind(kind, name, url, every, credentials)) as source:
            there = {one.remote: one.title for one in source.forms()}
        if unknown := [one for one in chosen if one not in there]:
            known = ", ".join(f"{remote} ({title})" for remote, title in there.items())
            raise SourceFormUnknown(name=name, form=", ".join(unknown), known=known or "—")
    return account


def _hook_addresses(tx: sa.Connection, store: Store, actor: Actor) -> dict[str, str]:
    """Where the sources that can hint are to do so, by name."""
    from cases.hooks import address
    from sync import registry

    rows = registry.listed(tx, actor.project)
    return {row.name: address(tx, store, actor.project, row.id) for row in rows if row.kind == "kobo"}


def _secret(what: str, from_stdin: bool) -> str:
    """Never an argument: those are seen by everybody on the machine."""
    given = sys.stdin.readline().rstrip("\r\n") if from_stdin else click.prompt(what, hide_input=True)
    if not given:
        raise click.UsageError(f"the {what.lower()} is empty")
    return given
