"""The database to the newest schema, or to any other: roles, Alembic's migrations, the jobs' tables.

Knows the two roles; everything else stands in the migrations.
"""
from __future__ import annotations

import time
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from store.database import APPLICATION, OWNER

_MIGRATIONS = Path(__file__).parent / "migrations"
# Two processes that start at once migrate one after the other.
_LOCK = 7_426_102


def alembic_config(connection: sa.Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def migrate(url: str, target: str = "head") -> None:
    """Make the roles where they are missing and bring the schema to `target`. All of it commits, or nothing.

    `url` is the address of a user who may create roles, or for whom both exist already.
    """
    engine = sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg"), poolclass=sa.NullPool)
    try:
        with engine.begin() as connection:
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            if target == "head" and current(connection) == head():
                return
            _make_roles(connection)
            connection.execute(sa.text(f"SET LOCAL ROLE {OWNER}"))
            config = alembic_config(connection)
            if target == "base" or target.startswith("-"):
                command.downgrade(config, target)
            else:
                command.upgrade(config, target)
    finally:
        engine.dispose()


def head() -> str | None:
    """The newest migration that this code knows."""
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    return ScriptDirectory.from_config(config).get_current_head()


def current(connection: sa.Connection) -> str | None:
    """The migration at which the database stands."""
    if not connection.scalar(sa.text("SELECT to_regclass('alembic_version') IS NOT NULL")):
        return None
    return connection.scalar(sa.text("SELECT version_num FROM alembic_version"))


def _make_roles(connection: sa.Connection) -> None:
    for role in (OWNER, APPLICATION):
        if not connection.scalar(sa.text("SELECT 1 FROM pg_roles WHERE rolname = :role"), {"role": role}):
            _try_as_one_of_many(connection, f"CREATE ROLE {role} NOLOGIN")
        if not connection.scalar(sa.text("SELECT pg_has_role(current_user, :role, 'MEMBER')"), {"role": role}):
            _try_as_one_of_many(connection, f"GRANT {role} TO CURRENT_USER")
    connection.execute(sa.text(f"GRANT USAGE, CREATE ON SCHEMA public TO {OWNER}"))
    connection.execute(sa.text(f"GRANT USAGE ON SCHEMA public TO {APPLICATION}"))


def _try_as_one_of_many(connection: sa.Connection, statement: str) -> None:
    """Roles belong to the whole cluster, locks to a database: somebody may be making the same role elsewhere."""
    for _ in range(_TRIES):
        try:
            with connection.begin_nested():
                connection.execute(sa.text(statement))
            return
        except sa.exc.DBAPIError as error:
            state = getattr(error.orig, "sqlstate", None)
            if state in _EXISTS:
                return
            if state != _CHANGED_MEANWHILE:
                raise
        time.sleep(0.1)


_TRIES = 20
_EXISTS = {"42710", "23505"}
_CHANGED_MEANWHILE = "XX000"  # "tuple concurrently updated"
