"""`namjai quarantine …`: what could not be taken, and taking it again."""
from __future__ import annotations

import json
from uuid import UUID

import click


@click.group()
def quarantine() -> None:
    """What could not be taken, with the reason."""


@quarantine.command("list")
@click.option("--project", help="The project's name; left out: the only one.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def list_(project: str | None, as_json: bool) -> None:
    """What waits in quarantine, oldest first: which, since when, why, and what to do."""
    from cases.quarantine_list import why
    from commands.opening import opened, project_actor
    from submissions.quarantine import waiting

    with opened() as store:
        actor = project_actor(store, project)
        with store.database.begin(actor) as tx:
            rows = waiting(tx, actor.project)
    if as_json:
        click.echo(json.dumps(rows, default=str, ensure_ascii=False, indent=1))
        return
    for row in rows:
        click.echo(
            f"{row['id']}  {row['received_at']:%Y-%m-%d %H:%M}  "
            f"{row['problem']}  {row['xml_form_id'] or '—'}  ×{row['times']}"
        )
        click.echo(f"  {'. '.join(filter(None, why(row['problem'], row['facts'], row['xml_form_id'], 'en')))}")
    click.echo(f"{len(rows)} waiting." if rows else "Nothing waits in quarantine.")


@quarantine.command()
@click.argument("ids", nargs=-1, type=click.UUID)
@click.option("--project", help="The project's name; left out: the only one.")
def replay(ids: tuple[UUID, ...], project: str | None) -> None:
    """Take items again (all that wait, when none is named); exit 1 when one still cannot be taken."""
    from cases import replays
    from commands.opening import opened, project_actor
    from namjai.problems import DatabaseUnreachable, Problem
    from submissions.quarantine import waiting

    failed = 0
    with opened() as store:
        actor = project_actor(store, project)
        with store.database.begin(actor) as tx:
            chosen = ids or tuple(row["id"] for row in waiting(tx, actor.project))
        for item in chosen:
            try:
                replays.one(store, actor, item, "en")
                click.echo(f"{item}  taken")
            except DatabaseUnreachable:
                raise
            except Problem as problem:
                failed += 1
                click.echo(f"{item}  still waiting: {problem.text('en')}", err=True)
    if failed:
        raise SystemExit(1)
