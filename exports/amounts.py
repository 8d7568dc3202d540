"""How a letter writes a sum and a day, in digits and in words. Knows Thai and English; knows no paper."""
from __future__ import annotations

import datetime as dt

from pythainlp.util import bahttext

from namjai.languages import NBSP, date_words, money, thai_digits

_ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)
_TENS = (
    "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
)
_SCALES = ((10**12, "trillion"), (10**9, "billion"), (10**6, "million"), (10**3, "thousand"), (10**2, "hundred"))
# bahttext takes a float: beyond this a satang could be lost.
LARGEST = 10**14


def amount_in_words(satang: int, language: str) -> str:
    """A sum in words: หนึ่งหมื่นสองพันบาทถ้วน, twelve thousand baht. ValueError when negative or absurdly large."""
    if not 0 <= satang < LARGEST:
        raise ValueError("a sum on a letter is not negative and below one trillion baht")
    baht, rest = divmod(satang, 100)
    if language != "en":
        words = bahttext(satang / 100)
        return words.removeprefix("ศูนย์บาท") if rest and not baht else words
    parts = [f"{english_number(baht)} baht"] if baht or not rest else []
    return " and ".join([*parts, f"{english_number(rest)} satang"] if rest else parts)


def english_number(number: int) -> str:
    """A whole number in English words: one thousand two hundred and five."""
    for size, name in _SCALES:
        if number >= size:
            many, rest = divmod(number, size)
            joint = " and " if 0 < rest < 100 else " "
            return f"{english_number(many)} {name}" + (joint + english_number(rest) if rest else "")
    if number < 20:
        return _ONES[number]
    tens, one = divmod(number, 10)
    return _TENS[tens - 2] + (f"-{_ONES[one]}" if one else "")


def amount_in_digits(satang: int, language: str) -> str:
    """A sum in digits with its unit, joined by U+00A0: ๑๒,๐๐๐ บาท, 12,000 baht."""
    thai = money(satang, "th")
    return thai.replace("บาท", "baht") if language == "en" else thai_digits(thai)


def letter_date(day: dt.date, language: str) -> str:
    """A day as a letter writes it: ๒๖ พฤศจิกายน พ.ศ. ๒๕๖๙, 26 November 2026. The Thai year may go to the next line."""
    if language == "en":
        return date_words(day, "en", short=False, year=True)
    day_month = thai_digits(date_words(day, "th", short=False, year=False))
    return f"{day_month} พ.ศ.{NBSP}{thai_digits(str(day.year + 543))}"
