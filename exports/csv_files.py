"""CSV in UTF-8 with a mark, so that every spreadsheet reads its letters: one file, or one a table in a ZIP.

Knows cells and bytes; knows no form.
"""
from __future__ import annotations

import csv
import io
import re
import zipfile
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol

from exports.cells import RISKY, harmless, printable
from exports.gate import Gate, abandon
from exports.spool import Spool
from exports.style import Sheet, Tables

_BOM = "\ufeff".encode()
_NOT_IN_NAMES = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|]')
_LEVEL = 2
_HELD = 1 << 16


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
    """Rows as CSV, collected until they are worth writing."""

    def __init__(self, out: Any, header: list[str], dialect: Dialect) -> None:
        self._out, self._text = out, io.StringIO(newline="")
        self._writer = csv.writer(
            self._text, delimiter=dialect.delimiter, quoting=dialect.quoting, lineterminator="\n"  # type: ignore[arg-type]
        )
        out.write(_BOM)
        self.write([[harmless(one) for one in header]])

    def write(self, rows: list[list[Any]]) -> None:
        for row in rows:
            for at, cell in enumerate(row):
                if type(cell) is str and cell and cell[0] in RISKY:
                    row[at] = harmless(cell)
        self._writer.writerows(rows)
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
        self._gate = Gate(out)
        self._zip = zipfile.ZipFile(self._gate, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL)  # type: ignore[call-overload]
        self._names = [_NOT_IN_NAMES.sub("_", one.file) for one in sheets]
        self._first = self._zip.open(_entry(self._names[0]), "w", force_zip64=True)
        self._spools = [Spool() for _ in sheets[1:]]
        outs = [self._first, *self._spools]
        self._lines = [_Lines(one, sheet.header, dialect) for one, sheet in zip(outs, sheets, strict=True)]

    def rows(self, batch: Tables) -> None:
        for lines, rows in zip(self._lines, batch, strict=True):
            if rows:
                lines.write(rows)

    def close(self) -> None:
        for lines in self._lines:
            lines.flush()
        self._first.close()
        for name, spool in zip(self._names[1:], self._spools, strict=True):
            with self._zip.open(_entry(name), "w", force_zip64=True) as entry:
                for chunk in spool.read_all():
                    entry.write(chunk)
        self._zip.close()

    def abandon(self) -> None:
        abandon(self._gate, self._zip, [self._first, *self._spools])


def _entry(name: str) -> zipfile.ZipInfo:
    """An entry that says nothing about when or where it was made."""
    made = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    made.compress_type = zipfile.ZIP_DEFLATED
    made._compresslevel = _LEVEL  # type: ignore[attr-defined]
    return made
