"""The way out of a file that is being written: shut, nothing more goes through, so that no half file looks whole."""
from __future__ import annotations

import zipfile
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, BinaryIO


class Gate:
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


def abandon(gate: Gate, archive: zipfile.ZipFile, outs: Iterable[Any]) -> None:
    """End a ZIP that is not complete: its end never reaches the file, and its spools are gone."""
    gate.shut()
    for one in outs:
        with suppress(Exception):
            one.close()
    with suppress(Exception):
        archive.close()
