"""Which ids a listing showed, in eight bytes each: a million of them fit into eight megabytes."""

from __future__ import annotations

import hashlib
from array import array
from bisect import bisect_left

_BUCKETS = 4096


class Seen:
    """A set of ids that only grows, and is then asked. Two ids are one with a chance of 2⁻⁶⁴."""

    def __init__(self) -> None:
        self._buckets = [array("Q") for _ in range(_BUCKETS)]
        self._in_order = [True] * _BUCKETS

    def add(self, name: str) -> None:
        number = _number(name)
        self._buckets[number % _BUCKETS].append(number)
        self._in_order[number % _BUCKETS] = False

    def __contains__(self, name: str) -> bool:
        number = _number(name)
        bucket = self._bucket(number % _BUCKETS)
        at = bisect_left(bucket, number)
        return at < len(bucket) and bucket[at] == number

    def __len__(self) -> int:
        """How many different ones."""
        return sum(len(self._bucket(n)) for n in range(_BUCKETS))

    def _bucket(self, n: int) -> array[int]:
        if not self._in_order[n]:
            self._buckets[n] = array("Q", sorted(set(self._buckets[n])))
            self._in_order[n] = True
        return self._buckets[n]


def _number(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big")
