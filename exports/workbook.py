"""A workbook (XLSX) by xlsxwriter, in constant memory and without a plain word on the disk. Knows cells, not forms.

xlsxwriter would keep rows in temporary files, in plain text. Here each sheet's rows go into a spool; at the end they
take their place in the frame that the library makes in memory (styles, relations, a head and a foot for each sheet).
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable
from typing import IO, Any, BinaryIO

import xlsxwriter
from xlsxwriter.utility import xl_col_to_name as column_name
from xlsxwriter.utility import xl_rowcol_to_cell, xl_rowcol_to_cell_fast
from xlsxwriter.worksheet import CellStringTuple, Worksheet

from cases.export_wish import TooManyRows
from exports.archive import Archive
from exports.cells import RISKY, for_workbook, in_workbook, printable
from exports.spool import Spool
from exports.style import Sheet, Tables

LONGEST_TEXT = 32_767
_SURELY_SHORT = LONGEST_TEXT // 2
MOST_ROWS, MOST_COLUMNS = 1_048_576, 16_384
LONGEST_TITLE = 31
LONG_TEXTS = "Long texts"
_NOT_IN_TITLES = re.compile(r"[\x00-\x1f\x7f\[\]:*?/\\]")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,10})?", re.ASCII)
_NOTHING_CONVERTED = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
_ROWS = b"<sheetData/>"


class Workbook:
    """A workbook with these sheets. `numbers` writes plain numbers as numbers; without it all answers are texts."""

    def __init__(self, out: BinaryIO, sheets: list[Sheet], *, numbers: bool) -> None:
        if max(len(one.header) for one in sheets) > MOST_COLUMNS:
            raise TooManyRows()
        self._archive, self._frame = Archive(out), io.BytesIO()
        self._book = xlsxwriter.Workbook(self._frame, {"in_memory": True, **_NOTHING_CONVERTED})
        self._numbers = numbers
        self._long: _SpooledSheet | None = None
        self._plain, self._marked = None, self._book.add_format({"quote_prefix": True})
        self._sheets = [
            self._add(title, sheet.header)
            for title, sheet in zip(titles_of([one.title for one in sheets], taken=(LONG_TEXTS,)), sheets, strict=True)
        ]

    def rows(self, batch: Tables) -> None:
        for sheet, table in zip(self._sheets, batch, strict=True):
            for row in table.itertuples(index=False, name=None):
                self._write(sheet, row, numbers=self._numbers)
        for sheet in self._book.worksheets():
            sheet.spill()

    def close(self) -> None:
        self._book.close()
        spools = {f"xl/worksheets/sheet{at}.xml": one.spill() for at, one in enumerate(self._book.worksheets(), 1)}
        with zipfile.ZipFile(self._frame) as frame:
            for name in frame.namelist():
                with self._archive.entry(name) as entry:
                    _fill(entry, frame.read(name), spools.get(name))
        self._archive.close()

    def abandon(self) -> None:
        self._archive.abandon(one.rows for one in self._book.worksheets())

    def _add(self, title: str, header: list[str]) -> _SpooledSheet:
        sheet = self._book.add_worksheet(title, worksheet_class=_SpooledSheet)
        sheet.freeze_panes(1, 0)
        bold = self._book.add_format({"bold": True})
        bold_marked = self._book.add_format({"bold": True, "quote_prefix": True})
        for at, head in enumerate(header):
            sheet.write_string(0, at, self._short(sheet, at, head), bold_marked if head[:1] in RISKY else bold)
        sheet.count = 1
        return sheet

    def _write(self, sheet: _SpooledSheet, row: Iterable[Any], *, numbers: bool) -> None:
        number = sheet.count
        if number >= MOST_ROWS:
            raise TooManyRows()
        for at, value in enumerate(row):
            if value == "" or value is None:
                continue
            if type(value) is not str:
                sheet.write_number(number, at, value)
            elif numbers and _is_number(value):
                sheet.write_number(number, at, float(value))
            else:
                # What looks like a formula carries the mark that keeps it a text when somebody edits it.
                mark = self._marked if value[0] in RISKY else self._plain
                plain = value.isprintable() and len(value) <= _SURELY_SHORT
                sheet.write_string(number, at, value if plain else self._short(sheet, at, value), mark)
        sheet.count = number + 1

    def _short(self, sheet: _SpooledSheet, at: int, text: str) -> str:
        """The text as it fits into a cell. The whole of a longer one stands in pieces on a sheet of its own."""
        text = for_workbook(text)
        if len(text) <= _SURELY_SHORT or _units(text) <= LONGEST_TEXT:
            return text
        if self._long is None:
            self._long = self._add(LONG_TEXTS, ["sheet", "cell", "part", "text"])
        title, cell = sheet.get_name(), xl_rowcol_to_cell(sheet.count, at)
        for number, piece in enumerate(pieces_of(text, LONGEST_TEXT), 1):
            self._write(self._long, [title, cell, number, piece], numbers=False)
        note = f" … [{LONG_TEXTS}: {title} {cell}]"
        return pieces_of(text, LONGEST_TEXT - len(note) - 1)[0] + note


class _SpooledSheet(Worksheet):
    """xlsxwriter's sheet in its constant memory, but with a spool where it would open a temporary file."""

    def _initialize(self, init_data: dict[str, Any]) -> None:
        super()._initialize(init_data)
        self.count, self.rows = 0, Spool()
        self.constant_memory = True
        self.fh = self._held = io.StringIO()

    def spill(self) -> Spool:
        """Take the rows written so far out of the memory. Gives the spool that has them all."""
        self.rows.write(self._held.getvalue().encode())
        self._held.seek(0)
        self._held.truncate()
        return self.rows

    def _write_optimized_sheet_data(self) -> None:
        self._xml_empty_tag("sheetData")

    def _write_cell(self, row: int, col: int, cell: Any) -> None:
        # The library reads texts: what begins with <r> and ends with </r> it takes for one with formats. Ours were
        # typed by somebody; they stand in the file as they are.
        if not isinstance(cell, CellStringTuple):
            super()._write_cell(row, col, cell)
            return
        style = f' s="{cell.format._get_xf_index()}"' if cell.format else ""
        self.fh.write(
            f'<c r="{xl_rowcol_to_cell_fast(row, col)}"{style} t="inlineStr"><is><t xml:space="preserve">'
            f"{in_workbook(cell.string)}</t></is></c>"
        )


def _fill(entry: IO[bytes], content: bytes, rows: Spool | None) -> None:
    """A part of the workbook; a sheet with its rows."""
    if rows is None:
        entry.write(content)
        return
    head, _, foot = content.partition(_ROWS)
    entry.write(head + b"<sheetData>")
    for chunk in rows.read_all():
        entry.write(chunk)
    entry.write(b"</sheetData>" + foot)


def titles_of(wanted: list[str], *, taken: tuple[str, ...] = ()) -> list[str]:
    """Titles that Excel takes: 31 characters, without []:*?/\\, each once whatever its case."""
    found: list[str] = []
    used = {one.casefold() for one in taken} | {"history"}
    for one in wanted:
        plain = printable(_NOT_IN_TITLES.sub("_", one)).strip().strip("'") or "sheet"
        title, number = _cut(plain, LONGEST_TITLE), 2
        while title.casefold() in used:
            ending = f"~{number}"
            title = _cut(plain, LONGEST_TITLE - len(ending)) + ending
            number += 1
        used.add(title.casefold())
        found.append(title)
    return found


def pieces_of(text: str, most: int) -> list[str]:
    """The text in pieces of at most so many UTF-16 units, which is how Excel counts."""
    if _units(text) <= most:
        return [text]
    pieces: list[str] = []
    piece: list[str] = []
    size = 0
    for one in text:
        wide = 2 if ord(one) > 0xFFFF else 1
        if size + wide > most:
            pieces.append("".join(piece))
            piece, size = [], 0
        piece.append(one)
        size += wide
    return [*pieces, "".join(piece)]


def _cut(text: str, most: int) -> str:
    return pieces_of(text, most)[0].rstrip().rstrip("'") or "sheet"


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _is_number(text: str) -> bool:
    """Whether a number keeps all its digits in a cell: fifteen are as many as Excel knows."""
    return len(text) <= 16 and _NUMBER.fullmatch(text) is not None and len(text.replace(".", "").lstrip("-")) <= 15


__all__ = ["LONG_TEXTS", "TooManyRows", "Workbook", "column_name", "pieces_of", "titles_of"]
