"""Several downloads at a time, begun at once, handed over in order. A failure is raised in its turn."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, TypeVar

A = TypeVar("A")
B = TypeVar("B")

# What was downloaded and not yet taken, of one call. More than that waits, so that large answers fill no memory.
_ROOM = 8 * 1024 * 1024
# Whoever takes is woken for so many at once, unless they take longer than so many seconds: every waking takes turns of
# Python's away from whoever downloads.
_SOME, _SOON = 4, 0.05


class Hands:
    """So many downloads at a time and no more, whoever asks for them; what was asked for first begins first."""

    def __init__(self, at_once: int) -> None:
        self._pool = ThreadPoolExecutor(at_once, thread_name_prefix="source")
        self._ended = threading.Event()

    def each(self, do: Callable[[A], B], given: Iterable[A], weigh: Callable[[B], int] = lambda _: 0) -> InOrder[A, B]:
        """`do` of each, in order. The work begins here; `weigh` says how many bytes a result keeps until it is taken.

        Take the results of several calls in the order of the calls, and close what is not wanted any more.
        """
        return InOrder(self._pool, self._ended, do, given, weigh)

    def close(self) -> None:
        """Begin nothing more."""
        self._ended.set()
        self._pool.shutdown(wait=False, cancel_futures=True)


class InOrder(Iterator[B], Generic[A, B]):
    """Results in the order in which they were asked for."""

    def __init__(
        self,
        pool: ThreadPoolExecutor,
        ended: threading.Event,
        do: Callable[[A], B],
        given: Iterable[A],
        weigh: Callable[[B], int],
    ) -> None:
        self._do, self._weigh, self._ended = do, weigh, ended
        self._room, self._held, self._closed = threading.Condition(), 0, False
        # Whose turn it is: somebody waits for that one, so it waits for no room, whatever came before it.
        self._turn = -1
        # How many are downloaded or failed, and how many whoever takes waits for.
        self._finished = self._wanted = 0
        self._waiting: deque[Future[B]] = deque(pool.submit(self._one, n, one) for n, one in enumerate(given))

    def __next__(self) -> B:
        if not self._waiting:
            raise StopIteration
        with self._room:
            self._turn += 1
            self._room.notify_all()
            if not self._waiting[0].done():
                self._wanted = self._turn + min(_SOME, len(self._waiting))
                self._room.wait_for(lambda: self._finished >= self._wanted, timeout=_SOON)
        result = self._waiting.popleft().result()
        with self._room:
            self._held -= self._weigh(result)
            self._room.notify_all()
        return result

    def close(self) -> None:
        """Drop what was not taken."""
        with self._room:
            self._closed = True
            self._room.notify_all()
        for one in self._waiting:
            one.cancel()
        self._waiting.clear()

    def _one(self, number: int, given: A) -> B:
        with self._room:
            while self._held > _ROOM and number > self._turn and not self._closed and not self._ended.is_set():
                self._room.wait(1)
        weight = 0
        try:
            result = self._do(given)
            weight = self._weigh(result)
            return result
        finally:
            with self._room:
                self._held += weight
                self._finished += 1
                if self._finished == self._wanted:
                    self._room.notify_all()


class Flat(Iterator[B]):
    """The single results of downloads that bring several each."""

    def __init__(self, some: InOrder[Any, list[B]]) -> None:
        self._some = some
        self._now: Iterator[B] = iter(())

    def __next__(self) -> B:
        while True:
            for one in self._now:
                return one
            self._now = iter(next(self._some))

    def close(self) -> None:
        self._some.close()


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
