"""What all tables share: naming, the project first in every key, columns that RLS can still use with an index."""
from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

metadata = sa.MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    }
)

# The C collation everywhere: equal on every machine, ranges stand for prefixes (storage.md 7); sorting for readers has
# keys of its own.
Text = sa.Text(collation="C")
Moment = sa.DateTime(timezone=True)
Json = pg.JSONB(none_as_null=True)
Uuid = pg.UUID(as_uuid=True)

# Tables by the wall that guards them (storage.md 5 and 6): the migration writes a policy for each, a test compares.
PROJECT_TABLES: dict[str, sa.Table] = {}
SCOPED_TABLES: dict[str, sa.Table] = {}
APPEND_ONLY: set[str] = set()


def global_table(name: str, *parts: Any) -> sa.Table:
    """A reference table: no project, no row-level security, nothing personal about survivors."""
    return sa.Table(name, metadata, *parts)


def project_table(name: str, *parts: Any, scoped: bool = False, append_only: bool = False, **options: Any) -> sa.Table:
    """A table whose every row belongs to one project. `scoped` adds worker and team, by which rows are hidden too."""
    columns: list[Any] = [sa.Column("project_id", Uuid, nullable=False)]
    if scoped:
        columns += [sa.Column("worker", Uuid), sa.Column("team", Text)]
    table = sa.Table(name, metadata, *columns, *parts, **options)
    PROJECT_TABLES[name] = table
    if scoped:
        SCOPED_TABLES[name] = table
    if append_only:
        APPEND_ONLY.add(name)
    return table


def refers_to(table: str, *columns: str, to: tuple[str, ...] | None = None) -> sa.ForeignKeyConstraint:
    """A foreign key that carries the project, so that no row points into another project."""
    ours = ("project_id", *columns)
    theirs = ("project_id", *(to or columns))
    return sa.ForeignKeyConstraint(ours, [f"{table}.{column}" for column in theirs])


def required(name: str, kind: Any = Text, **options: Any) -> sa.Column:
    return sa.Column(name, kind, nullable=False, **options)


def optional(name: str, kind: Any = Text, **options: Any) -> sa.Column:
    return sa.Column(name, kind, **options)
