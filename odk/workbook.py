"""Open a spreadsheet that a stranger uploaded. Knows zip archives and limits; knows no question and no form.

An .xlsx is a zip of XML files. Before anything is unpacked, its central directory is read: how many parts, how large,
how tightly packed. A part with a DTD is refused, so that nothing in it can grow or fetch.
"""
from __future__ import annotations

import io
import zipfile
import zlib

from namjai.problems import Problem

LARGEST_FILE = 20 * 1024 * 1024
LARGEST_UNPACKED = 100 * 1024 * 1024
MOST_PARTS = 2_000
# Real workbooks pack 5 to 40 times; small ones may pack better without doing harm.
TIGHTEST = 200
_HARMLESS = 5 * 1024 * 1024
_DTD = tuple(mark.encode(code) for mark in ("<!DOCTYPE", "<!ENTITY") for code in ("ascii", "utf-16-le", "utf-16-be"))
_HEAD = 4096
_OLE = b"\xd0\xcf\x11\xe0"


class WorkbookBroken(Problem):
    code, http_status = "workbook-broken", 400
    en = "{file} cannot be opened as a spreadsheet. Nothing was installed. Save it from Excel as .xlsx, try again."
    th = "เปิด {file} เป็นสเปรดชีตไม่ได้ ยังไม่ได้ติดตั้ง เปิดใน Excel บันทึกเป็น .xlsx แล้วลองใหม่"


class WorkbookTooLarge(Problem):
    code, http_status = "workbook-too-large", 413
    en = (
        "{file} is larger than a form can be ({what}). It was not unpacked and nothing was installed. "
        "Take out pictures and empty rows, save it again."
    )
    th = "{file} ใหญ่เกินกว่าจะเป็นแบบฟอร์ม ({what}) จึงไม่ได้แตกไฟล์และยังไม่ได้ติดตั้ง นำภาพและแถวว่างออก แล้วบันทึกใหม่"


class WorkbookUnsafe(Problem):
    code, http_status = "workbook-unsafe", 400
    en = (
        "{file} holds an XML part with a DTD, which Excel never writes and which can attack the server. "
        "It was not read. Save it again from Excel."
    )
    th = "{file} มีส่วน XML ที่มี DTD ซึ่ง Excel ไม่เคยเขียนและอาจใช้โจมตีเซิร์ฟเวอร์ได้ จึงไม่ได้อ่าน บันทึกใหม่จาก Excel"


def check_workbook(data: bytes, name: str) -> str:
    """What kind of file it is: "xlsx", "xls" or "text" (CSV or Markdown tables). Raises when it is not safe to open."""
    if len(data) > LARGEST_FILE:
        raise WorkbookTooLarge(file=name, what=f"{len(data) // 1024 // 1024} MB")
    if data[:4] == _OLE:
        return "xls"
    if data[:2] != b"PK":
        if b"\x00" in data[:4096]:
            raise WorkbookBroken(file=name)
        return "text"
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _check_directory(archive.infolist(), name)
            _check_parts(archive, name)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, OSError, ValueError, zlib.error):
        # RuntimeError: a password. NotImplementedError: a packing that zipfile does not know.
        raise WorkbookBroken(file=name) from None
    return "xlsx"


def _check_directory(parts: list[zipfile.ZipInfo], name: str) -> None:
    unpacked = sum(one.file_size for one in parts)
    if len(parts) > MOST_PARTS:
        raise WorkbookTooLarge(file=name, what=f"{len(parts)} parts")
    if unpacked > LARGEST_UNPACKED:
        raise WorkbookTooLarge(file=name, what=f"{unpacked // 1024 // 1024} MB unpacked")
    for one in parts:
        if one.file_size > _HARMLESS and one.file_size > TIGHTEST * max(one.compress_size, 1):
            raise WorkbookTooLarge(file=name, what=f"packed {one.file_size // max(one.compress_size, 1)} times")


def _check_parts(archive: zipfile.ZipFile, name: str) -> None:
    for one in archive.infolist():
        if one.filename.lower().endswith((".xml", ".rels", ".vml")):
            with archive.open(one) as part:
                head = part.read(_HEAD)
            if any(mark in head for mark in _DTD):
                raise WorkbookUnsafe(file=name)
