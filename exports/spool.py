"""A heap of bytes that comes later in a file than it was made: in memory, and beyond that encrypted on the disk.

The key lives as long as the process, the file has no name: when the process ends, however it ends, nothing can be read.
"""
from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from typing import BinaryIO

from namjai.problems import StorageFull
from store.actor import NO_PROJECT
from store.keys import RecordKey

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_CHUNK = 1 << 18
_IN_MEMORY = 1 << 22


class Spool:
    """Write, then read once from the start. Up to 4 MB stay in memory. Raises StorageFull."""

    def __init__(self) -> None:
        self._held: list[bytes] = []
        self._size = 0
        self._file: BinaryIO | None = None
        self._key = RecordKey(NO_PROJECT, NO_PROJECT, os.urandom(32))
        self._chunks: list[int] = []

    def write(self, data: bytes) -> int:
        self._held.append(data)
        self._size += len(data)
        if self._size >= (_CHUNK if self._file else _IN_MEMORY):
            self._flush()
        return len(data)

    def read_all(self) -> Iterator[bytes]:
        """Everything in its order; the spool is empty afterwards."""
        if self._file is not None:
            self._file.seek(0)
            for number, size in enumerate(self._chunks):
                yield self._key.decrypt(f"spool:{number}", self._file.read(size))
        yield from self._held
        self.close()

    def close(self) -> None:
        self._held.clear()
        self._size = 0
        if self._file is not None:
            self._file.close()
            self._file = None

    def _flush(self) -> None:
        secret = self._key.encrypt(f"spool:{len(self._chunks)}", b"".join(self._held))
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile()  # noqa: SIM115 closed by `close`
            self._file.write(secret)
            self._file.flush()
        except OSError as error:
            if error.errno in FULL:
                raise StorageFull() from error
            raise
        self._chunks.append(len(secret))
        self._held.clear()
        self._size = 0
