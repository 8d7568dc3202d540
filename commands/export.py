"""`namjai export`: a form's answers as a file."""
from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

_FORMATS = (".zip", ".xlsx", ".csv")
Progress = Callable[[int, int], None]


@click.command()
@click.argument("form")
@click.option(
    "--out", required=True, type=click.Path(dir_okay=False, path_type=Path),
    help="The file: .zip (a CSV for each repeat), .xlsx, or .csv (without repeats).",
)
@click.option(
    "--style", type=click.Choice(["central", "kobo"]), help="Whose columns; left out: central, for .xlsx kobo."
)
@click.option("--labels", metavar="LANG", help="Labels in this language, such as th; left out: names.")
@click.option(
    "--multiple", type=click.Choice(["text", "columns", "both"]),
    help="select_multiple as text, as columns of 0 and 1, or both; left out: text, for kobo both.",
)
@click.option(
    "--profile", type=click.Choice(["full", "internal", "anonymous"]), default="full", show_default=True,
    help="full: everything; internal: nothing identifying or restricted; anonymous: nobody can be told.",
)
@click.option("--purpose", metavar="TEXT", help="Why; it stands in the audit.")
@click.option("--project", help="The project's name; left out: the only one.")
def export(
    form: str, out: Path, style: str | None, labels: str | None, multiple: str | None, profile: str,
    purpose: str | None, project: str | None,
) -> None:
    """Write the answers of FORM into a file.

    The file appears when it is complete. Except with --profile anonymous it speaks of people: keep it where few can
    read it, and delete it when it has served its purpose.
    """
    from cases.export_requests import note_export
    from cases.export_wish import Wish
    from cases.form_list import ids
    from commands.opening import opened, project_actor
    from exports.tables import collect_seldom, write
    from exports.target import complete

    if out.suffix.lower() not in _FORMATS:
        raise click.UsageError(f"--out ends in {', '.join(_FORMATS)}.")
    kind = out.suffix.lower()[1:]
    style = style or ("kobo" if kind == "xlsx" else "central")
    multiple = multiple or ("both" if style == "kobo" else "text")
    if purpose is None:
        # Without an answer (Enter) it was the command line all the same.
        asked = sys.stdin.isatty() and sys.stderr.isatty()
        purpose = click.prompt("What is it for", default="command line", err=True) if asked else "command line"
    wish = Wish(form, style, kind, labels, multiple, profile, restricted=profile == "full")
    collect_seldom()
    with opened() as store:
        actor = project_actor(store, project)
        with store.database.begin(actor) as tx:
            known = ids(tx, actor.project)
        if form not in known:
            raise click.UsageError(f"There is no form {form} here. There is: {', '.join(known) or 'none yet'}.")
        with complete(out) as file:
            # Committed before anything is read: a file that was made is always in the audit.
            with store.database.begin(actor) as tx:
                note_export(tx, store, actor, wish, purpose)
            with _bar(form) as progress:
                written = write(store, actor, wish, file, progress)
    click.echo(f"{written.submissions:,} submissions written to {out}.")
    if written.left_out:
        left_out = ", ".join(written.left_out)
        click.echo(f"A .csv holds no repeats; left out: {left_out}. Use .zip or .xlsx for them.", err=True)


@contextmanager
def _bar(form: str) -> Iterator[Progress]:
    """A bar with the rate and the time left; nothing where nobody watches."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bars(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task(form)
        yield lambda done, total: bars.update(task, completed=done, total=total)
