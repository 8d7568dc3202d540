"""Several downloads at a time, begun at once, handed over in order. A failure is raised in its turn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")


def in_parallel(do: Callable[[A], B], given: Iterable[A], at_once: int) -> Iterator[B]:
    """`do` of each, `at_once` at a time. The work begins here; what is left when the reader stops is dropped."""
    pool = ThreadPoolExecutor(at_once, thread_name_prefix="source")
    waiting = [pool.submit(do, one) for one in given]
    # No more will come: threads end by themselves when the work is done.
    pool.shutdown(wait=False)
    return _in_order(waiting)


def _in_order(waiting: list[Future[B]]) -> Iterator[B]:
    waiting.reverse()
    try:
        while waiting:
            yield waiting.pop().result()
    finally:
        for one in waiting:
            one.cancel()
