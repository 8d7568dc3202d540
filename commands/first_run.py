"""What `make run` does before it serves: the shipped programme, demonstration data, and a word of welcome."""
from __future__ import annotations

import socket
from pathlib import Path

import click

from namjai.settings import ROOT
from store.opening import KEEPER, Store

SHIPPED = ROOT / "forms" / "aftercare"


def prepare(store: Store) -> None:
    """Install the shipped programme where there is none, and seed demonstration data on a first run on trial."""
    from cases import projects
    from commands.forms import _install as install

    with store.database.begin(KEEPER) as tx:
        fresh = not projects.all_projects(tx)
    if fresh:
        install(store, Path(SHIPPED), None)
        if store.settings.demo:
            from commands.demo import seed

            seed(store)


def welcome(store: Store) -> None:
    """Say where Namjai is, as whom the link signs in, and how a tablet connects."""
    settings = store.settings
    here = settings.public_url if settings.base_url else f"http://{_shown(settings.host)}:{settings.port}"
    click.echo()
    if settings.demo:
        link, name = _link(store, here)
        click.echo(f"Namjai is on trial: invented people, watermarked letters. Sign in as {name} with one click:")
        click.echo(f"  {link}")
    else:
        click.echo(f"Namjai: {here}")
    if settings.host in ("127.0.0.1", "localhost", "::1") and not settings.base_url:
        click.echo("Tablets cannot reach 127.0.0.1. To connect one on the same network: HOST=0.0.0.0 make run")
    else:
        click.echo(f"Tablets: open {here}/tablets and scan the QR code with ODK Collect.")
    click.echo("Ctrl-C stops it.\n")


def lan_address() -> str:
    """The address under which other devices on the network reach this machine. No packet is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # a documentation address: only the route is asked for
            return probe.getsockname()[0]
        except OSError:
            return "127.0.0.1"


def _shown(host: str) -> str:
    return lan_address() if host in ("0.0.0.0", "::") else host  # noqa: S104


def _link(store: Store, here: str) -> tuple[str, str]:
    from cases.access import role_name
    from cases.people import demonstrators
    from cases.projects import keeper
    from web.sign_in import trial_link

    with store.database.begin(KEEPER) as tx:
        actor = keeper(tx)
    with store.database.begin(actor) as tx:
        people = demonstrators(tx)
    first = next((one for one in people if one.role == "coordinator"), None)
    if first is None:
        return f"{here}/", "—"
    return f"{here}{trial_link(store, first.id)}", f"{first.name} ({role_name(first.role, 'en')})"
