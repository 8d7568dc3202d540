"""A ZIP that is written once, from its beginning to its end, into something that need not seek. Knows no form.

Abandoned, its end never reaches the file, so that no half file looks whole.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from contextlib import suppress
from typing import IO, Any, BinaryIO

_LEVEL = 2


class Archive:
    """Entries one after the other; each says nothing about when or where it was made."""

    def __init__(self, out: BinaryIO) -> None:
        self._gate = _Gate(out)
        self._zip = zipfile.ZipFile(self._gate, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL)  # type: ignore[call-overload]

    def entry(self, name: str) -> IO[bytes]:
        """An entry to write into and to close before the next one is asked for."""
        made = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
        made.compress_type = zipfile.ZIP_DEFLATED
        made._compresslevel = _LEVEL  # type: ignore[attr-defined]
        return self._zip.open(made, "w", force_zip64=True)

    def close(self) -> None:
        self._zip.close()

    def abandon(self, outs: Iterable[Any]) -> None:
        """End it without an end, and close what it would have been made of."""
        self._gate.shut()
        for one in outs:
            with suppress(Exception):
                one.close()
        with suppress(Exception):
            self._zip.close()


class _Gate:
    """Passes bytes on until it is shut. It does not seek, so what is written through it is written once."""

    def __init__(self, out: BinaryIO) -> None:
        self._out: BinaryIO | None = out

    def write(self, data: bytes) -> int:
        return self._out.write(data) if self._out is not None else len(data)

    def flush(self) -> None:
        if self._out is not None:
            self._out.flush()

    def shut(self) -> None:
        self._out = None
