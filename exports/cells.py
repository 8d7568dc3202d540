"""What may stand in a cell. No spreadsheet runs it, no control character hides in it, nothing of it is lost.

An apostrophe before a formula is what spreadsheets themselves mean by "this is text".
"""

from __future__ import annotations

import re
from html import escape

# What begins a formula or a command, in any of the spreadsheets; the wide ones where East Asian input is on.
RISKY = frozenset("=+-@\t\r\n＝＋－＠")
# A plain number is no formula, however it is signed: -5 stays a number, +66812345678 stays a telephone's.
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:[.,][0-9]*)?|[.,][0-9]+)(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_LINE_ENDS = re.compile("\r\n?")
_LOOKS_ESCAPED = re.compile("_(?=x[0-9a-fA-F]{4}_)")


def harmless(text: str) -> str:
    """The text for a CSV cell: with an apostrophe before what a spreadsheet would run."""
    text = printable(text)
    return "'" + text if text[:1] in RISKY and text and not _NUMBER.fullmatch(text) else text


def printable(text: str) -> str:
    """Control characters as their pictures (NUL as ␀): seen, not obeyed. What no file can hold becomes U+FFFD."""
    return text if text.isprintable() else _CONTROL.sub(_picture, text)


def for_workbook(text: str) -> str:
    """The text for a workbook's cell: without control characters, with its line ends."""
    text = printable(text)
    return _LINE_ENDS.sub("\n", text) if "\r" in text else text


def in_workbook(text: str) -> str:
    """The same as it stands in the file's XML: what looks like one of the format's own escapes is escaped too."""
    return escape(_LOOKS_ESCAPED.sub("_x005F_", text) if "_x" in text else text, quote=False)


def _picture(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else "\ufffd"
