"""How often something was tried lately: one row a key, in windows. Keys are keyed hashes, so no address is stored."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from namjai.problems import TooManyTries
from store.keys import Keyring
from store.tables import throttle


def count(tx: sa.Connection, keyring: Keyring, what: str, who: str, *, most: int, minutes: int) -> int:
    """Count one try in this transaction. Gives how many there were in the window.

    Raises TooManyTries beyond `most`: the caller commits the count before it acts, so that a rollback forgets nothing.
    """
    now = dt.datetime.now(dt.UTC)
    begin = now - dt.timedelta(minutes=minutes)
    over = throttle.c.window_start < begin
    row = tx.execute(
        insert(throttle)
        .values(key=_key(keyring, what, who), window_start=now, count=1)
        .on_conflict_do_update(
            index_elements=["key"],
            set_={
                "window_start": sa.case((over, now), else_=throttle.c.window_start),
                "count": sa.case((over, 1), else_=throttle.c.count + 1),
            },
        )
        .returning(throttle.c.count.label("times"), throttle.c.window_start)
    ).one()
    if row.times > most:
        left = row.window_start + dt.timedelta(minutes=minutes) - now
        raise TooManyTries(minutes=max(1, -(-int(left.total_seconds()) // 60)))
    return int(row.times)


def forget(tx: sa.Connection, keyring: Keyring, what: str, who: str) -> None:
    """Begin anew, after a success."""
    tx.execute(throttle.delete().where(throttle.c.key == _key(keyring, what, who)))


def _key(keyring: Keyring, what: str, who: str) -> bytes:
    return keyring.hash("tokens", "throttle", what, who)
