"""One answer's text, typed. Knows what the XForms types look like; knows no form."""
from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from typing import Any, Final

ILL_TYPED: Final = object()
UUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}", re.ASCII)

Convert = Callable[[str], Any]

# All digits are ASCII: int() alone would take "๑๒" or "1_000", which no form means.
_INT = re.compile(r"[+-]?[0-9]{1,18}")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,2})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9](?::(?:[0-5][0-9]|60)(?:[.,][0-9]{1,9})?)?"
_ZONE = r"(?:[Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)?"
_TIME = re.compile(_CLOCK + _ZONE)
_FILE = re.compile(r"[^/\\\x00-\x1f\x7f]{1,255}")
_SPACES = re.compile(r"[ \t\r\n]+")
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_SPACE = " \t\r\n"


def _text(text: str) -> Any:
    return text


def _file(text: str) -> Any:
    # A name, never a path: what it names is stored and handed out under it.
    text = text.strip(_SPACE)
    return text if _FILE.fullmatch(text) and text not in (".", "..") else ILL_TYPED


def _int(text: str) -> Any:
    text = text.strip(_SPACE)
    return int(text) if _INT.fullmatch(text) else ILL_TYPED


def _decimal(text: str) -> Any:
    text = text.strip(_SPACE)
    return text if _DECIMAL.fullmatch(text) else ILL_TYPED


def _date(text: str) -> Any:
    text = text.strip(_SPACE)
    return text if _is_date(text) else ILL_TYPED


def _time(text: str) -> Any:
    text = text.strip(_SPACE)
    return text if _TIME.fullmatch(text) else ILL_TYPED


def _date_time(text: str) -> Any:
    text = text.strip(_SPACE)
    day, mark, clock = text.partition("T")
    return text if mark and _is_date(day) and _TIME.fullmatch(clock) else ILL_TYPED


def _boolean(text: str) -> Any:
    return _BOOLEANS.get(text.strip(_SPACE).lower(), ILL_TYPED)


def _point(text: str) -> Any:
    text = text.strip(_SPACE)
    return text if _is_point(text) else ILL_TYPED


def _points(text: str) -> Any:
    text = text.strip(_SPACE)
    points = [one for one in text.split(";") if one.strip(_SPACE)]
    return text if points and all(_is_point(one) for one in points) else ILL_TYPED


def _is_date(text: str) -> bool:
    if not _DATE.fullmatch(text):
        return False
    try:
        date(int(text[:4]), int(text[5:7]), int(text[8:]))
    except ValueError:
        return False
    return True


def _is_point(text: str) -> bool:
    """Latitude, longitude, perhaps altitude and accuracy."""
    numbers = _SPACES.split(text.strip(_SPACE))
    if not 2 <= len(numbers) <= 4 or not all(_DECIMAL.fullmatch(one) for one in numbers):
        return False
    return abs(float(numbers[0])) <= 90 and abs(float(numbers[1])) <= 180


_CONVERTS: dict[str, Convert] = {
    "int": _int, "decimal": _decimal, "date": _date, "time": _time, "dateTime": _date_time, "boolean": _boolean,
    "geopoint": _point, "geotrace": _points, "geoshape": _points, "binary": _file,
}


def converter(kind: str, choices: frozenset[str] | None = None) -> Convert:
    """The function that types a text: it gives the value, or ILL_TYPED.

    `choices` are the values of a select whose list stands in the form: anything else was not picked there.
    """
    if kind == "select1":
        def one(text: str) -> Any:
            text = text.strip(_SPACE)
            return text if choices is None or text in choices else ILL_TYPED
        return one
    if kind in ("select", "rank"):
        def many(text: str) -> Any:
            picked = _SPACES.split(text.strip(_SPACE))
            return picked if choices is None or choices.issuperset(picked) else ILL_TYPED
        return many
    return _CONVERTS.get(kind, _text)
