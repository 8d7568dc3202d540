"""`namjai users …` and `namjai app-users …`: people and tablets."""
from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING
from uuid import UUID

import click

if TYPE_CHECKING:
    import sqlalchemy as sa

    from store.opening import Store

_ROLES = ("field_staff, therapist, coordinator, supervisor, finance, legal, director, donor_liaison, auditor or "
          "admin.")
_PROJECT = click.option("--project", help="The project's name; left out: the only one.")
_EMAIL = click.argument("email")


@click.group()
def users() -> None:
    """People who sign in, and what they may."""


@users.command("create")
@_EMAIL
@click.option("--role", required=True, help=_ROLES)
@click.option("--name", help="The name that others see; left out: the part before the @.")
@click.option("--team", help="The team of a supervisor and her people.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input instead of making one.")
@_PROJECT
def create_user(
    email: str, role: str, name: str | None, team: str | None, password_stdin: bool, project: str | None
) -> None:
    """Add a person. Prints a first password, which the person changes."""
    from cases import people
    from commands.opening import opened, project_actor

    password = sys.stdin.readline().rstrip("\n") if password_stdin else None
    with opened() as store:
        actor = project_actor(store, project)
        with store.database.begin(actor) as tx:
            _, first = people.create(
                tx, store, actor, email=email, name=name or email.split("@")[0], role=role, team=team, password=password
            )
    click.echo(f"{email} may sign in as {role}." + (f" First password: {first}" if first else ""))


@users.command("list")
@_PROJECT
def list_users(project: str | None) -> None:
    """Everybody, with role and state."""
    from cases import people
    from commands.opening import opened, project_actor

    with opened() as store:
        actor = project_actor(store, project)
        with store.database.begin(actor) as tx:
            for row in people.listed(tx, actor.project):
                click.echo(f"{row.email}  {row.role}  {row.team or '—'}  {'disabled' if row.disabled_at else 'active'}")


@users.command("disable")
@_EMAIL
@_PROJECT
def disable_user(email: str, project: str | None) -> None:
    """Sessions and tablets of the person end at once."""
    _change(email, project, "disable")
    click.echo(f"{email} can no longer sign in; their tablets are revoked.")


@users.command("reset")
@_EMAIL
@_PROJECT
def reset_user(email: str, project: str | None) -> None:
    """A new first password."""
    click.echo(f"First password of {email}: {_change(email, project, 'reset')}")


@users.command("set-role")
@_EMAIL
@click.argument("role")
@_PROJECT
def set_role(email: str, role: str, project: str | None) -> None:
    """Another role, from the next page on."""
    _change(email, project, "set_role", role)
    click.echo(f"{email} is now {role}.")


def _change(email: str, project: str | None, what: str, *more: str) -> str | None:
    from cases import people
    from commands.opening import opened, project_actor

    with opened() as store:
        actor = project_actor(store, project)
        with store.database.begin(actor) as tx:
            return getattr(people, what)(tx, store, actor, _person(tx, actor.project, email), *more)


def _person(tx: sa.Connection, project: UUID, email: str) -> UUID:
    from cases import people
    from namjai.languages import Words
    from namjai.problems import InputInvalid

    wanted = people.folded(email)
    found = next((row.id for row in people.listed(tx, project) if row.email == wanted), None)
    if found is None:
        raise InputInvalid(
            field=Words("Email", "อีเมล"),
            reason=Words("nobody here signs in with it", "ไม่มีผู้ใช้ที่ใช้อีเมลนี้"),
        )
    return found


@click.group("app-users")
def app_users() -> None:
    """Tablets: ODK's app users."""


@app_users.command("create")
@click.argument("name")
@click.option("--user", "email", help="Whose tablet it is: it sees that person's cases only.")
@click.option("--json", "as_json", is_flag=True, help="Name, server URL and the settings of the QR code as JSON.")
@_PROJECT
def create_tablet(name: str, email: str | None, as_json: bool, project: str | None) -> None:
    """Enrol a tablet. Prints its server URL and, on a terminal, the QR code for ODK Collect."""
    from cases import tablets
    from commands.opening import opened, project_actor

    with opened() as store:
        actor = project_actor(store, project)
        with store.database.begin(actor) as tx:
            user_id = _person(tx, actor.project, email) if email else None
            _, token = tablets.create(tx, store, actor, name, user_id)
        url = tablets.server_url(_address(store), token)
        settings = tablets.collect_settings(url, "Namjai")
    if as_json:
        click.echo(json.dumps({"name": name, "url": url, "qr": settings}))
        return
    click.echo(url)
    if sys.stdout.isatty():
        import segno

        segno.make(settings, error="l").terminal(compact=True)
    if "//127." in url or "//localhost" in url:
        click.echo("A tablet cannot reach this address: set NAMJAI_BASE_URL, or HOST=0.0.0.0 make run.", err=True)


def _address(store: Store) -> str:
    """The address that tablets reach: the one that is set, else that of the server which runs over the same data."""
    from commands.serving import noted_address

    return store.settings.base_url or noted_address(store.settings) or store.settings.public_url


@app_users.command("revoke")
@click.argument("name")
@_PROJECT
def revoke_tablet(name: str, project: str | None) -> None:
    """The tablet's token opens nothing from now on."""
    from cases import tablets
    from commands.opening import opened, project_actor
    from namjai.languages import Words
    from namjai.problems import InputInvalid

    with opened() as store:
        actor = project_actor(store, project)
        with store.database.begin(actor) as tx:
            found = next((row.id for row in tablets.listed(tx, actor.project) if row.name == name), None)
            if found is None:
                raise InputInvalid(
                    field=Words("Name", "ชื่อ"),
                    reason=Words("no tablet in use has it", "ไม่มีแท็บเล็ตที่ใช้งานอยู่ชื่อนี้"),
                )
            tablets.revoke(tx, store, actor, found)
    click.echo(f"{name} is revoked.")
