"""`namjai migrate`."""
from __future__ import annotations

import click


@click.command()
def migrate() -> None:
    """Bring the database to the newest schema. Safe to repeat."""
    from commands.opening import database_url
    from namjai.settings import Settings
    from store.migrate import head
    from store.migrate import migrate as bring

    with database_url(Settings()) as url:
        bring(url)
    click.echo(f"The database is at schema {head()}.")
