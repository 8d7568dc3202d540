"""The way to PostgreSQL: an engine, and transactions that name their actor.

Every connection works as the role `namjai_app`, which owns nothing; only `migrated()` works as the owner.
"""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import psycopg
import sqlalchemy as sa
from sqlalchemy import event

from namjai.problems import DatabaseUnreachable, StorageFull
from store.actor import Actor, begin_as

OWNER, APPLICATION = "namjai_owner", "namjai_app"
_DISK_FULL = {"53100", "58030"}
# Broken connections, a server that goes down, is read-only for now, or has no room for one more of us.
_LOST = ("08", "57P", "25006", "53")


class Database:
    """Opens transactions on one database. Safe to share between threads; make one a process."""

    def __init__(self, url: str, *, pool_size: int = 8) -> None:
        # psycopg 3 is named here, so that a plain postgresql:// address works too.
        self.url = sa.make_url(url).set(drivername="postgresql+psycopg")
        self.engine = sa.create_engine(
            self.url,
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_timeout=10,
            pool_recycle=3600,
            connect_args={"connect_timeout": 5, "application_name": "namjai"},
            hide_parameters=True,  # an error never repeats what a person wrote
        )
        event.listen(self.engine, "connect", _work_as_application)

    @contextmanager
    def begin(self, actor: Actor) -> Iterator[sa.Connection]:
        """One transaction of this actor: committed at the end, rolled back on any exception.

        Raises DatabaseUnreachable when PostgreSQL does not answer, StorageFull when it cannot write.
        """
        try:
            with self.engine.begin() as tx:
                begin_as(tx, actor)
                yield tx
        except sa.exc.DBAPIError as error:
            raise translated(error) from error
        except psycopg.Error as error:
            # The door speaks to the driver directly: its errors are told apart like all others.
            told = sa.exc.DBAPIError.instance(None, None, error, psycopg.Error, hide_parameters=True)
            raise translated(cast("sa.exc.DBAPIError", told)) from error
        except sa.exc.TimeoutError as error:
            raise DatabaseUnreachable() from error

    def close(self) -> None:
        self.engine.dispose()


def translated(error: sa.exc.DBAPIError) -> Exception:
    """The problem behind a driver's error, by SQLSTATE; the error itself when it is none of ours."""
    state = getattr(error.orig, "sqlstate", None)
    if state in _DISK_FULL:
        return StorageFull()
    broken = state is None and isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError)
    lost = broken or error.connection_invalidated or (state or "").startswith(_LOST)
    return DatabaseUnreachable() if lost else error


def _work_as_application(connection: Any, _record: object) -> None:
    # The driver begins nothing by itself: `begin_as` sends BEGIN together with the actor, and commit and rollback still
    # end what is open. A statement outside `begin` would have no actor, and so see no row.
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f"SET ROLE {APPLICATION}")
