"""`namjai audit verify`."""
from __future__ import annotations

import click


@click.group()
def audit() -> None:
    """The record of who did and saw what."""


@audit.command()
def verify() -> None:
    """Read the whole record and its chain; exit 1 when anything was changed."""
    from cases.projects import keeper
    from commands.opening import opened
    from store.audit import verify as read
    from store.opening import KEEPER

    with opened() as store:
        with store.database.begin(KEEPER) as tx:
            actor = keeper(tx)
        with store.database.begin(actor) as tx:
            verdict = read(tx, store.keyring)
    click.echo(f"{verdict.rows} events, {verdict.seals} seals, {verdict.unsealed} not yet sealed.")
    for fault in verdict.faults:
        click.echo(f"namjai: {fault}", err=True)
    if verdict.faults:
        raise SystemExit(1)
    click.echo("The record is whole.")
