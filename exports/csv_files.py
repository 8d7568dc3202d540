"""CSV in UTF-8 with a mark, so that every spreadsheet reads its letters: one file, or one a table in a ZIP.

Knows cells and bytes; knows no form.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol

import numpy as np
from pandas import DataFrame

from exports.archive import Archive
from exports.cells import RISKY, harmless, printable
from exports.spool import Spool
from exports.style import Sheet, Tables

_BOM = "\ufeff".encode()
_NOT_IN_NAMES = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|]')
_HELD = 1 << 16
_RISKY = [ord(one) for one in RISKY]


class Writer(Protocol):
    """Where rows go. `close` finishes the file, `abandon` sees that it never looks finished."""

    def rows(self, batch: Tables) -> None: ...

    def close(self) -> None: ...

    def abandon(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a style separates and quotes."""

    delimiter: str = ","
    quoting: int = csv.QUOTE_MINIMAL


DIALECTS = {"central": Dialect(), "kobo": Dialect(";", csv.QUOTE_ALL)}


class _Lines:
    """A table as CSV, collected until it is worth writing."""

    def __init__(self, out: Any, header: list[str], dialect: Dialect) -> None:
        self._out, self._text, self._dialect = out, io.StringIO(newline=""), dialect
        out.write(_BOM)
        self.write(DataFrame([header]))

    def write(self, table: DataFrame) -> None:
        _harmless(table).to_csv(
            self._text,
            header=False,
            index=False,
            lineterminator="\n",
            sep=self._dialect.delimiter,
            quoting=self._dialect.quoting,
        )
        if self._text.tell() > _HELD:
            self.flush()

    def flush(self) -> None:
        # All cells at once: what separates them is no control character.
        self._out.write(printable(self._text.getvalue()).encode())
        self._text.seek(0)
        self._text.truncate()


class CsvFile:
    """The first table in one file; the others are left out."""

    def __init__(self, out: BinaryIO, sheets: list[Sheet], dialect: Dialect) -> None:
        self._lines = _Lines(out, sheets[0].header, dialect)

    def rows(self, batch: Tables) -> None:
        self._lines.write(batch[0])

    def close(self) -> None:
        self._lines.flush()

    def abandon(self) -> None:
        """Nothing to end: what was written is for the caller to throw away."""


class CsvZip:
    """One CSV a table. The first goes straight into the file; the others wait in spools until it is complete."""

    def __init__(self, out: BinaryIO, sheets: list[Sheet], dialect: Dialect) -> None:
        self._archive = Archive(out)
        self._names = [_NOT_IN_NAMES.sub("_", one.file) for one in sheets]
        self._first = self._archive.entry(self._names[0])
        self._spools = [Spool() for _ in sheets[1:]]
        outs = [self._first, *self._spools]
        self._lines = [_Lines(one, sheet.header, dialect) for one, sheet in zip(outs, sheets, strict=True)]

    def rows(self, batch: Tables) -> None:
        for lines, table in zip(self._lines, batch, strict=True):
            if len(table):
                lines.write(table)

    def close(self) -> None:
        for lines in self._lines:
            lines.flush()
        self._first.close()
        for name, spool in zip(self._names[1:], self._spools, strict=True):
            with self._archive.entry(name) as entry:
                for chunk in spool.read_all():
                    entry.write(chunk)
        self._archive.close()

    def abandon(self) -> None:
        self._archive.abandon([self._first, *self._spools])


def _harmless(table: DataFrame) -> DataFrame:
    """The table with an apostrophe before what a spreadsheet would run: cells are looked at by their first letter."""
    cells = table.to_numpy(dtype=object)
    risky = np.isin(cells.astype("U1").view("u4"), _RISKY)
    if risky.any():
        cells = cells.copy()
        cells[risky] = [harmless(one) if type(one) is str else one for one in cells[risky]]
    return DataFrame(cells, dtype=object, copy=False)
