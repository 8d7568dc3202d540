"""A workbook (XLSX), written row by row into its ZIP in constant memory. Knows cells and sheets; knows no form.

Written here, because a library's constant memory is plain text in the temporary folder. Texts are typed as texts, so
nothing in them is ever run; what looks like a formula also carries the mark that keeps it a text when it is edited.
"""
from __future__ import annotations

import re
import zipfile
from typing import Any, BinaryIO

from exports.cells import RISKY, for_xml
from exports.gate import Gate, abandon
from exports.spool import Spool
from exports.style import Sheet, Tables
from namjai.problems import Problem

LONGEST_TEXT = 32_767
MOST_ROWS, MOST_COLUMNS = 1_048_576, 16_384
LONGEST_TITLE = 31
LONG_TEXTS = "Long texts"
_NOT_IN_TITLES = re.compile(r"[\x00-\x1f\x7f\[\]:*?/\\]")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,10})?", re.ASCII)
_HELD = 1 << 16
_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_BEGIN = (
    f'{_XML}<worksheet xmlns="{_MAIN}"><sheetViews><sheetView workbookViewId="0"><pane ySplit="1" topLeftCell="A2"'
    ' activePane="bottomLeft" state="frozen"/></sheetView></sheetViews><sheetData>'
)
_END = "</sheetData></worksheet>"
# Styles: 0 as it is, 1 a head, 2 a text that stays one.
_XF = 'numFmtId="0" fontId="{}" fillId="0" borderId="0"'
_STYLES = (
    f'{_XML}<styleSheet xmlns="{_MAIN}">'
    '<fonts count="2"><font><sz val="11"/><name val="Calibri"/></font>'
    '<font><b/><sz val="11"/><name val="Calibri"/></font></fonts>'
    '<fills count="2"><fill><patternFill patternType="none"/></fill>'
    '<fill><patternFill patternType="gray125"/></fill></fills>'
    '<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>'
    f'<cellStyleXfs count="1"><xf {_XF.format(0)}/></cellStyleXfs>'
    f'<cellXfs count="3"><xf {_XF.format(0)} xfId="0"/><xf {_XF.format(1)} xfId="0" applyFont="1"/>'
    f'<xf {_XF.format(0)} xfId="0" quotePrefix="1"/></cellXfs>'
    '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>'
)


class TooManyRows(Problem):
    code, http_status = "export-too-many-rows", 400
    en = (
        "A workbook's sheet holds {rows} rows and {columns} columns, and this form has more. "
        "Export it as CSV (zip) instead; nothing was made."
    )
    th = (
        "แผ่นงานหนึ่งรับได้ {rows} แถวและ {columns} คอลัมน์ แต่แบบฟอร์มนี้มีมากกว่า "
        "ส่งออกเป็น CSV (zip) แทน ยังไม่ได้ทำไฟล์"
    )


class Workbook:
    """A workbook with these sheets. `numbers` writes plain numbers as numbers; without it all answers are texts."""

    def __init__(self, out: BinaryIO, sheets: list[Sheet], *, numbers: bool) -> None:
        if max(len(one.header) for one in sheets) > MOST_COLUMNS:
            raise _too_many()
        self._gate = Gate(out)
        self._zip = zipfile.ZipFile(self._gate, "w", zipfile.ZIP_DEFLATED, compresslevel=2)  # type: ignore[call-overload]
        self._titles = titles_of([one.title for one in sheets], taken=(LONG_TEXTS,))
        self._write("[Content_Types].xml", _content_types())
        self._write("_rels/.rels", _relations([("officeDocument", "xl/workbook.xml")]))
        self._write("xl/styles.xml", _STYLES)
        first = self._zip.open("xl/worksheets/sheet1.xml", "w", force_zip64=True)
        self._outs: list[Any] = [first, *(Spool() for _ in sheets[1:])]
        self._sheets = [_Rows(out, numbers, self._keep_long) for out in self._outs]
        self._long: _Rows | None = None
        self._numbers = numbers
        for rows, sheet in zip(self._sheets, sheets, strict=True):
            rows.add(sheet.header, head=True)

    def rows(self, batch: Tables) -> None:
        # Without the sheet of long texts, which may come up meanwhile.
        for sheet, rows in zip(self._sheets[: len(batch)], batch, strict=True):
            for row in rows:
                sheet.add(row)

    def close(self) -> None:
        if self._long is not None:
            self._titles.append(LONG_TEXTS)
        for number, (out, rows) in enumerate(zip(self._outs, self._sheets, strict=True), 1):
            rows.end()
            if number == 1:
                out.close()
                continue
            with self._zip.open(f"xl/worksheets/sheet{number}.xml", "w", force_zip64=True) as entry:
                for chunk in out.read_all():
                    entry.write(chunk)
        self._write("xl/workbook.xml", _workbook(self._titles))
        sheets = [("worksheet", f"worksheets/sheet{number}.xml") for number in range(1, len(self._titles) + 1)]
        self._write("xl/_rels/workbook.xml.rels", _relations([*sheets, ("styles", "styles.xml")]))
        self._zip.close()

    def abandon(self) -> None:
        abandon(self._gate, self._zip, self._outs)

    def _keep_long(self, sheet: _Rows, at: int, text: str) -> str:
        """A text that is too long for a cell: its whole stands in pieces on a sheet of its own."""
        if self._long is None:
            spool = Spool()
            self._long = _Rows(spool, False, self._keep_long)
            self._long.add(["sheet", "cell", "part", "text"], head=True)
            self._outs.append(spool)
            self._sheets.append(self._long)
        cell = f"{column_name(at)}{sheet.count + 1}"
        title = self._titles[self._sheets.index(sheet)]
        for number, piece in enumerate(pieces_of(text, LONGEST_TEXT), 1):
            self._long.add([title, cell, number, piece])
        note = f" … [{LONG_TEXTS}: {title} {cell}]"
        return pieces_of(text, LONGEST_TEXT - len(note) - 1)[0] + note

    def _write(self, name: str, text: str) -> None:
        self._zip.writestr(name, text.encode())


class _Rows:
    """One sheet's rows."""

    def __init__(self, out: Any, numbers: bool, too_long: Any) -> None:
        self._out, self._numbers, self._too_long = out, numbers, too_long
        self._held: list[str] = [_BEGIN]
        self._size, self.count = 0, 0
        self._columns: list[str] = []

    def add(self, row: list[Any], *, head: bool = False) -> None:
        if self.count >= MOST_ROWS:
            raise _too_many()
        number = self.count + 1
        while len(self._columns) < len(row):
            self._columns.append(column_name(len(self._columns)))
        cells = [f'<row r="{number}">']
        for at, value in enumerate(row):
            if value != "" and value is not None:
                cells.append(self._cell(f"{self._columns[at]}{number}", at, value, head))
        cells.append("</row>")
        text = "".join(cells)
        self._held.append(text)
        self._size += len(text)
        self.count = number
        if self._size > _HELD:
            self._flush()

    def end(self) -> None:
        self._held.append(_END)
        self._flush()

    def _cell(self, name: str, at: int, value: Any, head: bool) -> str:
        if type(value) is not str:
            return f'<c r="{name}"><v>{value}</v></c>'
        if self._numbers and not head and _is_number(value):
            return f'<c r="{name}"><v>{value}</v></c>'
        if len(value) > LONGEST_TEXT // 2 and _units(value) > LONGEST_TEXT:
            value = self._too_long(self, at, value)
        style = ' s="1"' if head else ' s="2"' if value[0] in RISKY else ""
        return f'<c r="{name}" t="inlineStr"{style}><is><t xml:space="preserve">{for_xml(value)}</t></is></c>'

    def _flush(self) -> None:
        self._out.write("".join(self._held).encode("utf-8", "replace"))
        self._held.clear()
        self._size = 0


def titles_of(wanted: list[str], *, taken: tuple[str, ...] = ()) -> list[str]:
    """Titles that Excel takes: 31 characters, without []:*?/\\, each once whatever its case."""
    found: list[str] = []
    used = {one.casefold() for one in taken} | {"history"}
    for one in wanted:
        plain = _NOT_IN_TITLES.sub("_", one).strip().strip("'") or "sheet"
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


def column_name(at: int) -> str:
    """0 -> A, 26 -> AA."""
    name, at = "", at + 1
    while at:
        at, rest = divmod(at - 1, 26)
        name = chr(65 + rest) + name
    return name


def _cut(text: str, most: int) -> str:
    return pieces_of(text, most)[0].rstrip().rstrip("'") or "sheet"


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _is_number(text: str) -> bool:
    """Whether a number keeps all its digits in a cell: fifteen are as many as Excel knows."""
    return len(text) <= 16 and _NUMBER.fullmatch(text) is not None and len(text.replace(".", "").lstrip("-")) <= 15


def _too_many() -> TooManyRows:
    return TooManyRows(rows=f"{MOST_ROWS:,}", columns=f"{MOST_COLUMNS:,}")


def _content_types() -> str:
    return (
        f'{_XML}<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Default Extension="xml" ContentType="{_TYPE}.worksheet+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPE}.sheet.main+xml"/>'
        f'<Override PartName="/xl/styles.xml" ContentType="{_TYPE}.styles+xml"/></Types>'
    )


def _relations(parts: list[tuple[str, str]]) -> str:
    said = "".join(
        f'<Relationship Id="rId{number}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        for number, (kind, target) in enumerate(parts, 1)
    )
    return f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">{said}</Relationships>'


def _workbook(titles: list[str]) -> str:
    said = "".join(
        f'<sheet name="{for_xml(title).replace(chr(34), "&quot;")}" sheetId="{number}" r:id="rId{number}"/>'
        for number, title in enumerate(titles, 1)
    )
    return f'{_XML}<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>{said}</sheets></workbook>'
