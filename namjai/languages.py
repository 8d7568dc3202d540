"""The two languages side by side, and how each writes a day and a sum.

Every sentence that a person reads stands in English and Thai at the same place in the source, so that neither can be
changed without seeing the other.
"""
from __future__ import annotations

import datetime as dt
import unicodedata
from typing import NamedTuple

NBSP = "\u00a0"
LANGUAGES = ("en", "th")
NAMES = {"en": "English", "th": "ไทย", "my": "မြန်မာ", "km": "ខ្មែរ", "lo": "ລາວ", "vi": "Tiếng Việt"}

_MONTHS = {
    "en": [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ],
    "th": [
        "มกราคม",
        "กุมภาพันธ์",
        "มีนาคม",
        "เมษายน",
        "พฤษภาคม",
        "มิถุนายน",
        "กรกฎาคม",
        "สิงหาคม",
        "กันยายน",
        "ตุลาคม",
        "พฤศจิกายน",
        "ธันวาคม",
    ],
}
_MONTHS_SHORT = {
    "en": ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"],
    "th": ["ม.ค.", "ก.พ.", "มี.ค.", "เม.ย.", "พ.ค.", "มิ.ย.", "ก.ค.", "ส.ค.", "ก.ย.", "ต.ค.", "พ.ย.", "ธ.ค."],
}
_DAYS = {
    "en": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
    "th": ["วันจันทร์", "วันอังคาร", "วันพุธ", "วันพฤหัสบดี", "วันศุกร์", "วันเสาร์", "วันอาทิตย์"],
}
_DAYS_SHORT = {
    "en": ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"],
    "th": ["จ.", "อ.", "พ.", "พฤ.", "ศ.", "ส.", "อา."],
}
_THAI_DIGITS = str.maketrans("0123456789", "๐๑๒๓๔๕๖๗๘๙")


class Words(NamedTuple):
    """One phrase in both languages."""

    en: str
    th: str

    def in_(self, language: str) -> str:
        return self.th if language == "th" else self.en


# A language as a reader of ours calls it; NAMES is how it calls itself.
SPOKEN = {
    "en": Words("English", "อังกฤษ"),
    "th": Words("Thai", "ไทย"),
    "my": Words("Burmese", "พม่า"),
    "km": Words("Khmer", "เขมร"),
    "lo": Words("Lao", "ลาว"),
    "vi": Words("Vietnamese", "เวียดนาม"),
}


def thai_digits(text: str) -> str:
    """Arabic digits as Thai ones: 2569 → ๒๕๖๙."""
    return str(text).translate(_THAI_DIGITS)


def year_words(year: int, language: str) -> str:
    """A common-era year as it is counted in the language: 2026, or 2569 (Buddhist era)."""
    return str(year + 543) if language == "th" else str(year)


def date_words(
    day: dt.date,
    language: str,
    *,
    short: bool = True,
    year: bool | None = None,
    weekday: bool = False,
    time: bool = False,
    today: dt.date | None = None,
) -> str:
    """A date (or a datetime, already in the reader's zone) in words, number and unit joined by U+00A0.

    `year=None` shows the year only when it is not the present one. Arabic digits: Thai digits belong to letters.
    """
    language = language if language in LANGUAGES else "en"
    plain = day.date() if isinstance(day, dt.datetime) else day
    if year is None:
        year = plain.year != (today or dt.date.today()).year
    months = _MONTHS_SHORT if short else _MONTHS
    text = f"{plain.day}{NBSP}{months[language][plain.month - 1]}"
    if year:
        text += f"{NBSP}{year_words(plain.year, language)}"
    if weekday:
        names = _DAYS_SHORT if short else _DAYS
        joint = "ที่" if language == "th" and not short else NBSP if short else " "
        text = f"{names[language][plain.weekday()]}{joint}{NBSP if joint == 'ที่' else ''}{text}"
    if time and isinstance(day, dt.datetime):
        text += f" {day:%H:%M}{NBSP}น." if language == "th" else f", {day:%H:%M}"
    return text


def money(satang: int, language: str) -> str:
    """A sum in satang as ฿12,000 or 12,000 บาท; satang only when there are any; a true minus sign."""
    baht, rest = divmod(abs(satang), 100)
    number = f"{baht:,}" + (f".{rest:02d}" if rest else "")
    sign = "−" if satang < 0 else ""
    return f"{sign}{number}{NBSP}บาท" if language == "th" else f"{sign}฿{number}"


_LEADING = "เแโใไ"
_MARKS = "็่้๊๋์ํ"


def sort_key(text: str) -> str:
    """A key by which names sort as a dictionary has them, in any script, with plain text comparison.

    Thai (Royal Institute order): a leading vowel counts after its consonant, tone marks only where all else is equal.
    """
    folded = unicodedata.normalize("NFC", text).casefold()
    letters, marks = [], []
    skip = False
    for position, letter in enumerate(folded):
        if skip:
            skip = False
            continue
        if letter in _LEADING and position + 1 < len(folded) and "ก" <= folded[position + 1] <= "ฮ":
            letters += [folded[position + 1], letter]
            skip = True
        elif letter in _MARKS:
            marks.append(f"{len(letters):03d}{letter}")
        else:
            letters.append(letter)
    return "".join(letters) + ("\x01" + "".join(marks) if marks else "")
