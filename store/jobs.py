"""Work that goes on after the answer: jobs in PostgreSQL, deferred inside the transaction that asks for them.

Names the jobs; each floor registers its handler, and only commands/worker imports them all. A handler may run twice,
so it must be safe to repeat.
"""
from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from typing import Any

import procrastinate
import sqlalchemy as sa
from procrastinate import SyncPsycopgConnector

from store.opening import Store

PRINT_LETTER = "letters.print"
READ_SOURCE = "sources.read"
READ_DUE_SOURCES = "sources.due"
TRY_SOURCE = "sources.try"
MAKE_EXPORT = "exports.make"
EXPIRE_EXPORTS = "exports.expire"

Handler = Callable[..., None]
# Queues are worked off each by itself, so that a long job does not hold up the others. Which job waits in which is said
# here and not by the handlers: the web asks for jobs whose handlers it does not know.
_queues = {READ_SOURCE: "sources", TRY_SOURCE: "trials", MAKE_EXPORT: "exports"}
QUEUES = ("default", *_queues.values())
_handlers: dict[str, Handler] = {}
_repeated: dict[str, str] = {}
# Never opened: it only writes into the transactions of its callers.
_deferring = procrastinate.App(connector=SyncPsycopgConnector())


def handles(name: str) -> Callable[[Handler], Handler]:
    """Register a function as the handler of a job: it takes the store and the job's plain arguments."""

    def keep(handler: Handler) -> Handler:
        _handlers[name] = handler
        return handler

    return keep


def repeats(name: str, cron: str) -> Callable[[Handler], Handler]:
    """Register a handler that the worker calls by itself at the times of `cron`; it is given the `timestamp`."""

    def keep(handler: Handler) -> Handler:
        _repeated[name] = cron
        return handles(name)(handler)

    return keep


def defer(tx: sa.Connection, name: str, **arguments: Any) -> None:
    """Ask for a job. It exists when this transaction commits, and not before.

    Never called in the tablets' door: the queue's NOTIFY would serialise all commits (storage.md 21).
    """
    task = _deferring.configure_task(
        name, allow_unknown=True, queue=_queues.get(name, "default"), connection=tx.connection.driver_connection
    )
    task.defer(**arguments)


def defer_once(tx: sa.Connection, name: str, lock: str, *, after: int = 0, **arguments: Any) -> bool:
    """Ask for a job, in so many seconds, unless one under the same lock waits already. False when it does."""
    task = _deferring.configure_task(
        name, allow_unknown=True, queue=_queues.get(name, "default"), queueing_lock=lock,
        schedule_in={"seconds": after} if after else None, connection=tx.connection.driver_connection,
    )
    try:
        with tx.begin_nested():
            task.defer(**arguments)
    except procrastinate.exceptions.AlreadyEnqueued:
        return False
    return True


def worker_app(store: Store) -> procrastinate.App:
    """The queue with every registered handler bound to this store."""
    url = store.database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    app = procrastinate.App(
        connector=procrastinate.PsycopgConnector(
            conninfo=url, min_size=1, max_size=3, kwargs={"options": "-c role=namjai_app"}
        )
    )
    for name, handler in _handlers.items():
        retry = procrastinate.RetryStrategy(max_attempts=5, exponential_wait=3)
        task = app.task(name=name, queue=_queues.get(name, "default"), retry=retry)(_bound(store, handler))
        if name in _repeated:
            app.periodic(cron=_repeated[name])(task)
    return app


def run_pending(store: Store) -> None:
    """Do all jobs that wait, then return: what tests and commands use."""
    worker_app(store).run_worker(
        wait=False, install_signal_handlers=False, listen_notify=False, delete_jobs="successful"
    )


async def sweep_stalled(app: procrastinate.App, *, seconds: int = 60) -> int:
    """Put jobs of killed workers back into the queue. Gives their number."""
    stalled = list(await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=seconds))
    for job in stalled:
        await app.job_manager.retry_job(job, retry_at=dt.datetime.now(dt.UTC))
    return len(stalled)


def _bound(store: Store, handler: Handler) -> Callable[..., Any]:
    async def run(**arguments: Any) -> None:
        await asyncio.to_thread(handler, store, **arguments)

    return run
