"""The paper of a letter as HTML, CSS and named assets. Knows templates/letters and the fonts; knows no PDF engine."""
from __future__ import annotations

import datetime as dt
import functools
import hashlib
import html as html_escapes
import re
from pathlib import Path
from typing import Any

import jinja2
import segno
from fontTools.ttLib import TTFont, TTLibError
from markupsafe import Markup

from exports.amounts import letter_date
from exports.breaking import plain, readable, together
from exports.pouring import Text, poured, values_of
from namjai.problems import Problem
from namjai.settings import FONTS, ROOT
from odk.letter import LetterData, check_letter

PAPER = ROOT / "templates" / "letters"
# One family name a file: subsets that share a family garble, Latin digits print as Thai marks, in silence. The
# stylesheets name these families. Subsets below the line serve names in other Latin spellings and may be missing.
NEEDED = ("sarabun-latin-400", "sarabun-latin-600", "sarabun-thai-400", "sarabun-thai-600", "maitree-latin-500",
          "maitree-thai-500", "noto-sans-myanmar-myanmar-400", "noto-sans-khmer-khmer-400", "noto-sans-lao-lao-400")
WELCOME = ("sarabun-latin-ext-400", "sarabun-latin-ext-600", "sarabun-vietnamese-400", "sarabun-vietnamese-600",
           "maitree-latin-ext-500", "maitree-vietnamese-500", "noto-sans-myanmar-myanmar-600",
           "noto-sans-khmer-khmer-600", "noto-sans-lao-lao-600")
# A later sheet may correct an earlier one.
SHEETS = ("page", "head", "letter", "ending", "beside", "receipt", "trial")
_THAI_TO_ARABIC = str.maketrans("๐๑๒๓๔๕๖๗๘๙", "0123456789")
_INVISIBLE = set(" \n\t\u00a0\u200b\u200d\u0e33")  # SARA AM has been taken apart before this is asked
_TAG = re.compile(r"<style.*?</style>|<svg.*?</svg>|<[^>]*>", re.S)


class LetterAssetMissing(Problem):
    code, http_status = "letter-asset-missing", 500
    en = (
        "The letter was not printed: {name} is missing or cannot be read. Run the set-up again (make run), or put "
        "the file back, then print again."
    )
    th = "ยังไม่ได้พิมพ์จดหมาย: ไม่มี {name} หรืออ่านไม่ได้ ติดตั้งใหม่ (make run) หรือนำไฟล์กลับมา แล้วพิมพ์อีกครั้ง"


class LetterGlyphMissing(Problem):
    code, http_status = "letter-glyph-missing", 422
    en = (
        "The letter was not printed: none of its fonts has the character {character}. Write that word with other "
        "letters, then print again."
    )
    th = "ยังไม่ได้พิมพ์จดหมาย: ไม่มีแบบอักษรสำหรับอักขระ {character} เขียนคำนั้นด้วยอักษรอื่น แล้วพิมพ์อีกครั้ง"


_JINJA = jinja2.Environment(loader=jinja2.FileSystemLoader(PAPER), autoescape=True, undefined=jinja2.StrictUndefined,
                            trim_blocks=True, lstrip_blocks=True)
_JINJA.filters["together"] = together


def page_html(data: LetterData, *, tight: bool = False) -> str:
    """The whole letter as one HTML page. `tight`: a little less air, for a text that would miss its one page.

    Raises: what `odk.letter.check_letter` raises, and LetterGlyphMissing.
    """
    check_letter(data)
    first, *others = (poured(data.wording[language], data, language, data.kind) for language in data.languages)
    beside = others[0] if others else None
    html = readable(_JINJA.get_template("grant.html").render(
        l=data, lang=data.languages[0], tight=tight, text=first, beside=beside,
        pairs=list(zip(first.blocks, beside.blocks, strict=True)) if beside else (),
        receipt=_receipt(data), qr=_qr(data.verify_url), address=_address(data), **_own_words(data)))
    _refuse_missing_glyphs(html)
    return html


def stylesheet() -> str:
    """The fonts' rules and every stylesheet of the paper. Raises LetterAssetMissing."""
    try:
        return _font_rules() + "\n".join((PAPER / "css" / f"{name}.css").read_text("utf-8") for name in SHEETS)
    except OSError as error:
        raise LetterAssetMissing(name=Path(error.filename).name) from error


def asset(url: str) -> bytes:
    """The bytes behind asset:<name> (templates/letters) or font:<name>. Raises LetterAssetMissing for anything else."""
    scheme, _, name = url.partition(":")
    folder = {"asset": PAPER, "font": FONTS}.get(scheme)
    if folder is None or name != Path(name).name:
        raise LetterAssetMissing(name=scheme)
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise LetterAssetMissing(name=name) from error


def template_version() -> str:
    """A short hash over everything in templates/letters: which paper a letter was printed on."""
    digest = hashlib.sha256()
    for file in sorted(PAPER.rglob("*")):
        if file.is_file():
            digest.update(file.relative_to(PAPER).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _receipt(data: LetterData) -> Text | None:
    if data.receipt is None:
        return None
    return poured(data.receipt[data.receipt_language], data, data.receipt_language, "receipt")


def _own_words(data: LetterData) -> dict[str, Any]:
    """What the paper itself prints around the wording."""
    ours = "en" if data.languages[0] == "en" else "th"
    values = {name: plain(text) for name, text in values_of(data, ours).items()}
    contact = data.organisation.contact
    return {"ours": ours, "v": values, "date": letter_date(dt.date.fromisoformat(data.date), ours),
            "name": data.organisation.name, "contact": contact.get(ours) or contact.get("th", ())}


def _address(data: LetterData) -> list[str]:
    """The window's lines: post offices read Arabic digits."""
    return [line for line in (plain(text).strip().translate(_THAI_TO_ARABIC) for text in data.window.lines) if line]


def _qr(url: str) -> Markup | None:
    # The only HTML here that is not escaped: segno draws it from the URL, which stands in it as black and white only.
    if not url:
        return None
    return Markup(segno.make(url, error="m").svg_inline(border=4, omitsize=True, dark="#000"))  # noqa: S704


@functools.cache
def _font_rules() -> str:
    rules = []
    for name in _font_files():
        family, weight = name.rsplit("-", 1)
        rules.append(f'@font-face {{ font-family: "{family}"; font-weight: {weight}; src: url(font:{name}.ttf) }}\n')
    return "".join(rules)


def _font_files() -> list[str]:
    for name in NEEDED:
        asset(f"font:{name}.ttf")
    return [*NEEDED, *(name for name in WELCOME if (FONTS / f"{name}.ttf").is_file())]


@functools.cache
def _drawable() -> frozenset[int]:
    """Every character that some regular weight of the text family has; the titles fall back on these."""
    found: set[int] = set()
    for name in _font_files():
        if name.startswith(("sarabun", "noto")) and name.endswith("400"):
            try:
                found |= TTFont(FONTS / f"{name}.ttf", lazy=True).getBestCmap().keys()
            except (TTLibError, OSError) as error:
                raise LetterAssetMissing(name=f"{name}.ttf") from error
    return frozenset(found)


def _refuse_missing_glyphs(html: str) -> None:
    text = html_escapes.unescape(_TAG.sub("", html))
    for character in sorted(set(text) - _INVISIBLE):
        if ord(character) not in _drawable():
            raise LetterGlyphMissing(character=f"{character} (U+{ord(character):04X})")
