"""One answer as people read it: labels of choices, days, sums, places within a kilometre. Pure."""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from collections.abc import Mapping
from typing import Any

from namjai.languages import Words, date_words
from odk.schema import Field, FormSchema

_REFERENCE = re.compile(r"\$\{([^}]+)\}")
_NUMBER = re.compile(r"(-?\d+)(?:\.0+|(\.\d+))?", re.ASCII)
_FLAGS = {
    "unknown": Words("This is not in the form; it was kept as it came.", "ไม่มีคำถามนี้ในแบบฟอร์ม เก็บไว้ตามที่ส่งมา"),
    "ill-typed": Words(
        "This is not of the question’s kind; it was kept as it was written.", "คำตอบไม่ตรงชนิดของคำถาม เก็บไว้ตามที่เขียน"
    ),
    "repeated": Words("This should stand once and came again.", "ควรมีเพียงครั้งเดียวแต่ส่งมาซ้ำ"),
}
_YES_NO = {True: Words("yes", "ใช่"), False: Words("no", "ไม่ใช่")}
_PLACES = ("geopoint", "geotrace", "geoshape")


def text(
    schema: FormSchema, asked: Field | None, value: Any, language: str, *, names: Mapping[str, str], zone: dt.tzinfo
) -> str:
    """An answer in words; "" where there is none. `names` are the labels of entities that were picked."""
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return _YES_NO[value].in_(language)
    values = value if isinstance(value, list) else [value]
    if asked is not None and asked.from_file:
        return " · ".join(names.get(str(one).lower(), str(one)) for one in values)
    if asked is not None and asked.choices:
        return " · ".join(schema.choice_label(asked, str(one), language) for one in values)
    if asked is not None and asked.type in ("date", "dateTime"):
        return when(str(value), language, zone)
    if asked is not None and asked.type in _PLACES:
        return rough_place(str(value), language)
    if asked is not None and asked.type in ("decimal", "int"):
        return number(str(value))
    return ", ".join(str(one) for one in values)


def number(written: str) -> str:
    """12000.0, as Collect writes it, as 12,000; what is no plain number as it is."""
    found = _NUMBER.fullmatch(written)
    return f"{int(found[1]):,}{found[2] or ''}" if found and len(written) < 20 else written


def when(written: str, language: str, zone: dt.tzinfo) -> str:
    """A date or time as a form writes it, in words; as it is written when it is neither."""
    try:
        if "T" in written:
            moment = dt.datetime.fromisoformat(written.replace("Z", "+00:00"))
            return date_words(moment.astimezone(zone) if moment.tzinfo else moment, language, time=True, weekday=True)
        return date_words(dt.date.fromisoformat(written[:10]), language, weekday=True)
    except ValueError:
        return written


def rough_place(written: str, language: str) -> str:
    """Where something was, within a kilometre."""
    point = place(written)
    if point is None:
        return Words("a place that cannot be read", "ตำแหน่งที่อ่านไม่ได้").in_(language)
    where = f"{point[0]:.2f}, {point[1]:.2f}"
    return Words(f"within 1 km of {where}", f"ภายใน 1 กม. จาก {where}").in_(language)


def place(written: str) -> tuple[float, float] | None:
    """Latitude and longitude of the first point."""
    parts = written.split(";")[0].split()
    try:
        return float(parts[0]), float(parts[1])
    except (IndexError, ValueError):
        return None


def label(asked: Field, language: str, shown: Mapping[str, Any]) -> str:
    """A question's label, with open answers where it refers to some, and dots where it refers to others."""
    words = asked.label(language)
    return _REFERENCE.sub(lambda found: str(shown.get(found[1], "…")), words) if "${" in words else words


def flag(kind: str | None, language: str) -> str | None:
    """What a mark on an answer means."""
    words = _FLAGS.get(kind or "")
    return words.in_(language) if words else None


def size(n: int | None) -> str | None:
    """820 KB."""
    if n is None:
        return None
    return f"{n / 1_000_000:.1f} MB" if n >= 1_000_000 else f"{max(1, n // 1000)} KB"


def zone_of(name: str) -> zoneinfo.ZoneInfo:
    return zoneinfo.ZoneInfo(name)
