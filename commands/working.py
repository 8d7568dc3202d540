"""`namjai worker`: background jobs, and the sealing of the audit each second."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from concurrent.futures import ThreadPoolExecutor

import click

from store.opening import Store

_log = logging.getLogger("namjai.worker")
_SWEEP_EVERY = 60
# A first reading takes hours: the other servers, and a hint of one of them, do not wait for it.
_AT_ONCE = {"sources": 3}


@click.command()
@click.option("--with-parent", is_flag=True, hidden=True, help="End when the process that started this one is gone.")
def worker(with_parent: bool) -> None:
    """Do background jobs until Ctrl-C."""
    # These register their handlers.
    from commands.opening import opened
    from exports import making, printing  # noqa: F401
    from sync import schedule, trials  # noqa: F401

    with opened(pool_size=12) as store:
        asyncio.run(_work(store, os.getppid() if with_parent else None))


async def _work(store: Store, parent: int | None) -> None:
    from store.jobs import QUEUES, sweep_stalled, worker_app

    app = worker_app(store)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    # A thread for each job that may run at once, and some for sealing: on one core, asyncio would have five.
    loop.set_default_executor(ThreadPoolExecutor(len(QUEUES) + sum(_AT_ONCE.values()) + 4))
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stopping.set)
    async with app.open_async():
        jobs = asyncio.gather(
            *(
                app.run_worker_async(
                    queues=[queue],
                    name=queue,
                    install_signal_handlers=False,
                    listen_notify=False,
                    fetch_job_polling_interval=0.5,
                    delete_jobs="successful",
                    concurrency=_AT_ONCE.get(queue, 1),
                    shutdown_graceful_timeout=10,
                )
                for queue in QUEUES
            )
        )
        seconds = 0
        while not stopping.is_set() and not jobs.done():
            if parent is not None and os.getppid() != parent:
                break
            await asyncio.to_thread(_seal, store)
            if seconds % _SWEEP_EVERY == 0:
                await sweep_stalled(app, seconds=_SWEEP_EVERY)
            seconds += 1
            try:
                await asyncio.wait_for(stopping.wait(), 1)
            except TimeoutError:
                continue
        jobs.cancel()
        await asyncio.gather(jobs, return_exceptions=True)


def _seal(store: Store) -> None:
    """One batch of the audit's chain. What fails now is sealed a second later."""
    from cases.projects import keeper
    from namjai.problems import Problem
    from store.audit import seal_pending
    from store.opening import KEEPER

    try:
        with store.database.begin(KEEPER) as tx:
            actor = keeper(tx)
        with store.database.begin(actor) as tx:
            seal_pending(tx)
    except Problem as problem:
        _log.warning("audit not sealed this second: %s", problem.code)
