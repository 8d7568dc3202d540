"""`namjai …`: the groups of commands, each imported only when it is called, so that `--help` answers at once.

The one place where a problem becomes a line on standard error and an exit status.
"""
from __future__ import annotations

import importlib
import sys

import click

# command: (module, what it does). The module has a click command of the same name, dashes as underscores.
COMMANDS = {
    "run": ("commands.serving", "Set up what is missing, then serve: what `make run` calls."),
    "serve": ("commands.serving", "Web and tablets' door, with the worker."),
    "worker": ("commands.working", "Background jobs only."),
    "migrate": ("commands.schema", "Bring the database to the newest schema."),
    "demo": ("commands.demo", "Demonstration data, sent through the tablets' door."),
    "status": ("commands.state", "Counts and health."),
    "doctor": ("commands.state", "What this machine lacks, and what to do."),
    "forms": ("commands.forms", "Check and publish forms."),
    "programs": ("commands.forms", "Install programmes."),
    "users": ("commands.people", "People who sign in."),
    "app-users": ("commands.people", "Tablets."),
    "export": ("commands.export", "A form's answers as a file."),
    "letters": ("commands.letters", "Issued letters as PDF."),
    "sources": ("commands.sources", "Servers that Namjai reads from."),
    "sync": ("commands.sync", "Read the sources now."),
    "quarantine": ("commands.held", "What could not be taken."),
    "audit": ("commands.audit", "The record of who did what."),
}


class Lazy(click.Group):
    """A group that knows its commands' names and sentences without importing them."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module, _ = COMMANDS[name]
        return getattr(importlib.import_module(module), name.replace("-", "_"))

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="namjai", message="Namjai %(version)s")
def namjai() -> None:
    """Namjai: aftercare for survivors of trafficking. ODK forms in, cases, grants and printed letters out."""


def main() -> None:
    """Run a command. Exit status: 0 done, 1 it failed and said why in one line, 2 wrong usage."""
    from namjai.problems import Problem

    try:
        namjai.main(standalone_mode=False)
    except click.exceptions.Exit as leaving:
        sys.exit(leaving.exit_code)
    except click.Abort:
        sys.exit(1)
    except click.ClickException as wrong:
        wrong.show()
        sys.exit(wrong.exit_code)
    except Problem as problem:
        click.echo(f"namjai: {problem.text('en')}", err=True)
        sys.exit(problem.exit_status)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(1)
    except Exception as error:
        # A command must not end in a traceback: it may show what a person wrote. NAMJAI_DEBUG=1 is for developers.
        import os

        if os.environ.get("NAMJAI_DEBUG"):
            raise
        click.echo(f"namjai: {Problem().text('en')} ({type(error).__name__}; NAMJAI_DEBUG=1 shows where)", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
