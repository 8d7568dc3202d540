"""Who acts. Every transaction names its actor first; PostgreSQL's row-level security shows nothing to nobody.

Knows settings of a transaction; knows no roles and no rights (they lie in cases/access).
"""
from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, cast
from uuid import UUID

import sqlalchemy as sa

if TYPE_CHECKING:
    import psycopg

Scope = Literal["all", "team", "own"]
NO_PROJECT = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Actor:
    """A person on the web, a tablet, the worker, a command. `projects` bounds every row that is seen or written."""

    kind: Literal["person", "tablet", "worker", "command", "source", "nobody"]
    id: UUID | None = None
    projects: tuple[UUID, ...] = ()
    scope: Scope = "own"
    team: str | None = None

    def everywhere(self) -> Actor:
        """The same actor without the limit of a scope: what `receive` and rules run as, within the same projects."""
        return replace(self, scope="all")

    @property
    def project(self) -> UUID:
        return self.projects[0] if self.projects else NO_PROJECT


NOBODY = Actor("nobody")


def settings_of(actor: Actor) -> str:
    """The SET LOCAL statements for a transaction. Literal, because set_config() does not reach Citus workers."""
    projects = ",".join(str(UUID(str(project))) for project in actor.projects)
    team = (actor.team or "").replace("'", "''")
    return (
        f"SET LOCAL namjai.actor = '{actor.id or NO_PROJECT}';"
        f"SET LOCAL namjai.projects = '{projects}';"
        f"SET LOCAL namjai.scope = '{actor.scope}';"
        f"SET LOCAL namjai.team = '{team}'"
    )


def driver(tx: sa.Connection) -> psycopg.Cursor[Any]:
    """A cursor of the driver itself, for what is asked at every request: a context manager that closes it."""
    return cast("psycopg.Cursor[Any]", tx.connection.cursor())


def begin_as(tx: sa.Connection, actor: Actor) -> None:
    """Begin a transaction that names its actor, in one round trip. Raises what the driver raises."""
    with driver(tx) as cursor:
        cursor.execute(f"BEGIN;{settings_of(actor)}")


def act_as(tx: sa.Connection, actor: Actor) -> None:
    """Go on as somebody else in the same transaction: a stranger who turned out to be a person. Raises as above."""
    with driver(tx) as cursor:
        cursor.execute(settings_of(actor))
