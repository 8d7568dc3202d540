"""`namjai letters print`: issued letters as PDF files."""
from __future__ import annotations

from pathlib import Path
from uuid import UUID

import click


@click.group()
def letters() -> None:
    """Issued letters."""


@letters.command("print")
@click.argument("letter", required=False)
@click.option("--grant", "grant_ids", multiple=True, type=click.UUID, help="The letters of these grants.")
@click.option("--all-due", is_flag=True, help="All that were issued and not yet printed.")
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="The folder to write to.")
@click.option("--project", help="The project's name; left out: the only one.")
def print_(letter: str | None, grant_ids: tuple[UUID, ...], all_due: bool, out: Path, project: str | None) -> None:
    """Write issued letters of a kind (LETTER, such as grant_letter; left out: of every kind) into a folder.

    A file is named by the letter's number; it holds a name, so the folder should be one that few can read.
    """
    import exports.printing  # noqa: F401  registers its handler
    from cases.letter_printing import chosen, mark_printed
    from cases.letters import pdf_of
    from commands.opening import opened, project_actor
    from store.jobs import run_pending

    if not grant_ids and not all_due:
        raise click.UsageError("Say which letters: --grant ID or --all-due.")
    with opened() as store:
        actor = project_actor(store, project)
        # Those that were approved a moment ago may still wait for their PDF.
        run_pending(store)
        with store.database.begin(actor) as tx:
            rows = chosen(tx, actor.project, kind=letter, grant_ids=grant_ids)
        out.mkdir(parents=True, exist_ok=True, mode=0o700)
        for row in rows:
            with store.database.begin(actor) as tx:
                pdf = pdf_of(tx, store, actor.project, row.id)
                (out / f"{row.number}.pdf").write_bytes(pdf)
                mark_printed(tx, store, actor, row.id)
            click.echo(f"{row.number}.pdf")
    click.echo(f"{len(rows)} letters written to {out}." if rows else "No letter is due.")
