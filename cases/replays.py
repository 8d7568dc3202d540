"""Taking things from quarantine again: one, or as many as fit into some seconds. Each in a transaction of its own."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from cases import deliveries, quarantine_list
from namjai.problems import DatabaseUnreachable, Problem
from store.actor import Actor
from store.opening import Store
from submissions.delivery import Changes
from submissions.problems import DeliveryStuck

_log = logging.getLogger("namjai.replays")
# As long as somebody waits before a page; what is left is replayed by pressing again.
SECONDS, MOST = 8.0, 500


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of it: how many were taken, how many still wait, how many there was no time for."""

    taken: int
    waiting: int
    left: int


def one(store: Store, actor: Actor, item: UUID, language: str) -> Changes:
    """Take one item again. Raises NotFound, the Problem for which it still waits, DeliveryStuck for a fault of ours."""
    try:
        with store.database.begin(actor) as tx:
            quarantine_list.one(tx, actor.project, item, language)
            return deliveries.replay(tx, store, actor, item)
    except (Problem, DatabaseUnreachable):
        raise
    except Exception as error:
        if isinstance(error, sa.exc.DBAPIError) and error.connection_invalidated:
            raise DatabaseUnreachable() from None
        # Its words may hold an answer: only its kind is said.
        _log.error("a replay is stuck: %s", type(error).__name__)
        raise DeliveryStuck() from None


def many(store: Store, actor: Actor, language: str, source: str | None = None) -> Replayed:
    """Take again what waits longest, of one source or all, for some seconds. Raises DatabaseUnreachable."""
    with store.database.begin(actor) as tx:
        ids = quarantine_list.oldest(tx, actor.project, source, MOST)
    began, taken, waiting = time.monotonic(), 0, 0
    for tried, item in enumerate(ids):
        if time.monotonic() - began > SECONDS:
            return Replayed(taken, waiting, len(ids) - tried)
        try:
            one(store, actor, item, language)
            taken += 1
        except DatabaseUnreachable:
            raise
        except Problem:
            waiting += 1
    return Replayed(taken, waiting, 0)
