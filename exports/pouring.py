"""Pour a letter's values into its wording. Knows LetterData and wordings; knows no HTML page and no PDF.

The order is the safety: optional text is chosen, Markdown becomes HTML, and only then do the values come, escaped, so
that nothing in a value is ever read as a placeholder, as Markdown, as HTML or as a template.
"""
from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass

from markupsafe import Markup, escape

from exports.amounts import amount_in_digits, amount_in_words, letter_date
from exports.breaking import held, plain, running_text, thai_numbers
from namjai.languages import NBSP
from odk.letter import LetterData, filled, spoken
from odk.wording import CLOSING, HEAD_KEYS, OPENING, PLACEHOLDERS, choose, read_wording

# With what stands before it a date or an amount makes one thing: (ลงวันที่ ((request_date))), (((amount_words))).
_POUR = re.compile(f"((?:ลง)?วันที่ ?)?{OPENING}([a-z][a-z0-9_]*){CLOSING}")
_DEADLINES = ("pay_by", "return_by")
_DAY = "วันที่"
# Neither a sum in words nor a number is broken over two lines, unless it is most of one.
_UNBROKEN = ("amount_words", "number")
_LONGEST_UNBROKEN = 40


@dataclass(frozen=True, slots=True)
class Text:
    """A poured wording: `head` by key, the `html` of its body, and the same paragraph by paragraph."""

    head: dict[str, Markup]
    html: Markup
    blocks: tuple[Markup, ...]
    draft: bool


def values_of(data: LetterData, language: str) -> dict[str, str]:
    """Every placeholder's text in `language` ("" when empty): what was frozen, and what is made of the facts."""
    ours = spoken(language)
    values = filled(data, language) | {"date": letter_date(dt.date.fromisoformat(data.date), ours)}
    given = {name for name, text in data.values.get(language, {}).items() if text}
    made = {name: in_words(text, ours, name) for name, text in data.dates.items() if text}
    if data.amount is not None:
        made |= {"amount": amount_in_digits(data.amount, ours), "amount_words": amount_in_words(data.amount, ours)}
    # What was frozen in the reader's own language wins: Burmese months are written by whoever filled the letter.
    values |= {name: text for name, text in made.items() if name not in given}
    if language == "th":
        values |= {name: thai_numbers(values[name]) for name in given if _is_free(name)}
    return values


def in_words(iso: str, language: str, name: str) -> str:
    """A date placeholder's text; a deadline carries its วันที่ in Thai, so that ภายใน((pay_by)) reads well."""
    text = letter_date(dt.date.fromisoformat(iso), language)
    return f"{_DAY}{NBSP}{text}" if language == "th" and name in _DEADLINES else text


def poured(text: str, data: LetterData, language: str, name: str) -> Text:
    """The wording `text` with the values of `data`. Raises the Problems of `odk.wording`."""
    values = values_of(data, language)
    wording = read_wording(text, file=f"{name}.{language}.md", language=language, extra=values.keys())
    chosen = choose(wording, values)
    # Half a page's width holds shorter words.
    longest = 60 if len(data.languages) == 1 else 28

    def fill(html: str) -> Markup:
        return _pour(html, values, language, longest)

    return Text(
        head={key: fill(str(escape(chosen.head.get(key, "")))) for key in HEAD_KEYS},
        html=fill(chosen.html),
        blocks=tuple(fill(block) for block in chosen.blocks),
        draft=wording.draft,
    )


def _pour(html: str, values: dict[str, str], language: str, longest: int) -> Markup:
    def one(match: re.Match[str]) -> str:
        before, value = match[1] or "", plain(values[match[2]])
        if before and value.startswith(_DAY):
            value = value.removeprefix(_DAY).lstrip(f"{NBSP} ")
        if match[2] in _UNBROKEN and len(value) <= min(longest, _LONGEST_UNBROKEN):
            value = value.replace(" ", NBSP)
        whole = match[2] in PLACEHOLDERS and PLACEHOLDERS[match[2]].whole
        return held(value, bool(before) or whole, language, before.replace(" ", NBSP), longest)

    return Markup(_POUR.sub(one, running_text(html, language)))  # noqa: S704 - escaped in `held` and by Markdown


def _is_free(name: str) -> bool:
    return name not in PLACEHOLDERS or PLACEHOLDERS[name].free


