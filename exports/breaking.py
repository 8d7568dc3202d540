"""Where a line may end, and where it must not. Knows scripts and line breaking; knows no letter and no paper.

Pango breaks Thai by itself (not always well) and neither U+00A0 nor U+2060 holds Thai together there: only a span
that does not wrap does. Burmese, Khmer and Lao get a zero-width space at each of ICU's break points.
"""
from __future__ import annotations

import re
import unicodedata

from icu4py.breakers import LineBreaker
from markupsafe import Markup, escape

_HIDDEN = ("Cc", "Cf", "Co", "Cs", "Zl", "Zp")
NEEDS_BREAKS = ("my", "km", "lo")
# Pango would break inside these, and a reader would stumble.
_COMPOUNDS = re.compile(
    "สถานศึกษา|สถานพยาบาล|โรงพยาบาล|คณะกรรมการ|ชุดนักเรียน|ใบรับเงิน|ลายมือชื่อ|เจ้าหน้าที่|ผู้ดูแล"
    "|ลายนิ้วมือ|วัตถุดิบ|วัตถุประสงค์|ทุนการศึกษา|ค่าเล่าเรียน|ใบเสร็จ"
)
_NUMBER_AND_UNIT = re.compile("(?:ที่ )?[๐-๙]+ [ก-๎]{1,12}(?=[ <]|$)")
_TEXT = re.compile(r"[^<>&;]+(?![^<]*>)")
_LAST = re.compile("([^<>\ue000\ue001]+)(</(?:p|li)>)")
_ARABIC_NUMBER = re.compile(r"(?<![A-Za-z0-9\-/.@:])\d+(?:[.,:]\d+)*(?![A-Za-z0-9\-@])")
_DIGIT_GROUPS = re.compile("[0-9๐-๙]+(?:[ -][0-9๐-๙]+)+")
_NUMBER_AFTER = re.compile("(?<=[ก-๎]) (?=[๐-๙])")
_UNIT_AFTER = re.compile("(?<=[๐-๙]) (?=(?:บาท|วัน|สัปดาห์|เดือน|ปี|คน|ครั้ง|ชุด|ฉบับ|งวด)(?: |$))")
_UNSEEN = re.compile("[\u00ad\u200c\u200e\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
_OTHER_SPACES = re.compile("[\u2000-\u200a\u202f\u205f\u3000]")  # no font of ours has them
_SHORTEST_END = 14


def plain(value: str) -> str:
    """A value as it may be printed: composed, on one line, without characters that hide or that stop the layout."""
    text = re.sub(r"[^\S\u00a0]+", " ", unicodedata.normalize("NFC", str(value)))
    # Line breaks are ours to set, directions and private marks nobody's; U+200D belongs to some names.
    return "".join(c for c in text if c == "\u200d" or unicodedata.category(c) not in _HIDDEN)


def thai_numbers(text: str) -> str:
    """Arabic numbers in free Thai text in Thai digits; codes such as SF-2026-0147 stay."""
    return _ARABIC_NUMBER.sub(lambda m: "".join(chr(ord(c) + 0xE20) if c.isdigit() else c for c in m[0]), text)


def keep(html: str) -> str:
    """HTML that stays on one line."""
    return f'<span class="keep">{html}</span>'


def held(value: str, whole: bool, language: str, before: str = "", longest: int = 60) -> str:
    """A value as HTML, escaped. `whole`: no break inside a word; what U+00A0 joins stays together anyway.

    A word of more than `longest` letters may break all the same: it would run off the paper.
    """
    text = plain(value) if whole or language != "th" else _join_numbers(plain(value))
    first, *rest = text.split(" ")
    return " ".join(_held_word(word, whole, language, longest) for word in (before + first, *rest))


def together(text: str) -> Markup:
    """Text as HTML, escaped; groups of digits such as a telephone number stay on one line."""
    return Markup(_DIGIT_GROUPS.sub(lambda m: keep(m[0]), str(escape(text))))  # noqa: S704 - escaped first


def breakable(html: str, language: str) -> str:
    """Escaped text or HTML with break points where the script needs them and compounds held together."""
    return _hold_compounds(_add_breaks(html, language))


def running_text(html: str, language: str) -> str:
    """A wording's HTML, values still as marks: breakable, numbers with their unit, no lonely last word."""
    html = _LAST.sub(lambda m: _hold_end(m[1], language) + m[2], _add_breaks(html, language))
    return _NUMBER_AND_UNIT.sub(lambda m: keep(m[0]), _hold_compounds(html))


def readable(html: str) -> str:
    """A finished page, made fit to be laid out and to be read back from the PDF.

    SARA AM stands in its two parts, the tone mark between them. U+2011 goes: it makes the layout take a minute. Marks
    that nobody sees, such as an officer pastes in from elsewhere, go too.
    """
    html = _OTHER_SPACES.sub(" ", _UNSEEN.sub("", html)).replace("\u2011", "-")
    return re.sub("([\u0e48-\u0e4b]?)\u0e33", "\u0e4d\\1\u0e32", html)


def _held_word(word: str, whole: bool, language: str, longest: int) -> str:
    html = str(escape(word))
    long = sum(not unicodedata.combining(c) and unicodedata.category(c) != "Mn" for c in word) > longest
    return keep(html) if (whole or "\u00a0" in word) and not long else breakable(html, language)


def _join_numbers(text: str) -> str:
    return _UNIT_AFTER.sub("\u00a0", _NUMBER_AFTER.sub("\u00a0", text))


def _add_breaks(html: str, language: str) -> str:
    if language not in NEEDS_BREAKS:
        return html
    return _TEXT.sub(lambda m: "\u200b".join(_segments(m[0], language)), html)


def _hold_compounds(html: str) -> str:
    return _COMPOUNDS.sub(lambda m: keep(m[0]), html)


def _hold_end(text: str, language: str) -> str:
    if len(text) <= 40:
        return text
    cut = len(text)
    for part in reversed(_segments(text, language)):
        cut -= len(part)
        if len(text) - cut >= _SHORTEST_END:
            break
    # The end does not begin inside a compound.
    cut = next((m.start() for m in _COMPOUNDS.finditer(text) if m.start() < cut < m.end()), cut)
    return text[:cut] + keep(text[cut:])


def _segments(text: str, language: str) -> list[str]:
    return [text[start:end] for start, end in LineBreaker(text, language).segments()]
