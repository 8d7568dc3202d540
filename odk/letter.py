"""What a letter says, as plain values: what is frozen when its number is allotted.

Knows no paper and no database. Facts stay facts (a sum in satang, days as ISO dates), so that whoever freezes them
needs to know nothing about how a language writes them; the paper does.
"""
from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from namjai.languages import thai_digits, year_words
from odk.programme import Letterhead
from odk.wording import PLACEHOLDERS, Chosen, choose, read_wording
from odk.wording_problems import LetterLanguageUnknown, LetterNumberSeries, LetterWordingDraft, WordingPairsDiffer

FORMAT = 1
_TRIAL = {"th": "ทดลอง {number}/{year}", "en": "TRIAL {number}/{year}"}


@dataclass(frozen=True, slots=True)
class Organisation:
    """Who writes, each text by language ("th", "en"): name, contact lines, who signs, whom to ask."""

    name: Mapping[str, str]
    contact: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    signatory: Mapping[str, str] = field(default_factory=dict)
    signatory_role: Mapping[str, str] = field(default_factory=dict)
    ask: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, letterhead: Letterhead) -> Organisation:
        """The organisation that [letterhead] of program.toml describes."""
        name, signatory, role, ask = (
            {language: text for language, text in words._asdict().items() if text}
            for words in (letterhead.organisation, letterhead.signatory, letterhead.signatory_role, letterhead.ask))
        contact = {language: tuple(lines) for language, lines in letterhead.contact.items()}
        return cls(name=name, contact=contact, signatory=signatory, signatory_role=role, ask=ask)


@dataclass(frozen=True, slots=True)
class Window:
    """What shows through the envelope: the safe address, line by line. No lines: the letter is handed over."""

    lines: tuple[str, ...] = ()
    return_line: str = ""
    language: str = "th"


@dataclass(frozen=True, slots=True)
class LetterData:
    """A whole letter.

    kind: the letter's id in program.toml. language: "th", "en", or two that stand side by side, the reader's first
    ("my-th"). number: the key, unique for ever ("AC-L-2026-0203"). printed_number: as it stands on the paper.
    wording, receipt: the wording files' texts by language, frozen (receipt None: no second page).
    values: by language, placeholder → text. amount: satang. dates: placeholder → ISO date, written by the paper.
    verify_url: what the QR code says; "" prints none.
    """

    kind: str
    language: str
    number: str
    printed_number: str
    trial: bool
    date: str
    organisation: Organisation
    wording: Mapping[str, str]
    values: Mapping[str, Mapping[str, str]]
    amount: int | None = None
    dates: Mapping[str, str] = field(default_factory=dict)
    window: Window = field(default_factory=Window)
    receipt: Mapping[str, str] | None = None
    verify_url: str = ""

    @property
    def languages(self) -> tuple[str, ...]:
        """The reader's language, and the one beside it."""
        return tuple(self.language.split("-"))

    @property
    def receipt_language(self) -> str:
        """The language of the receipt: the reader's where there is one; "" when there is no receipt."""
        return next((one for one in self.languages if one in (self.receipt or {})), "")

    def to_json(self) -> dict[str, Any]:
        """Plain dicts, lists and texts; `from_json` makes an equal letter of it."""
        return {"format": FORMAT, **asdict(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> LetterData:
        """The letter that `to_json` wrote."""
        plain = {key: value for key, value in data.items() if key != "format"}
        organisation = dict(plain.pop("organisation"))
        organisation["contact"] = {k: tuple(v) for k, v in organisation.get("contact", {}).items()}
        window = dict(plain.pop("window", {}))
        window["lines"] = tuple(window.get("lines", ()))
        return cls(organisation=Organisation(**organisation), window=Window(**window), **plain)


def printed_number(pattern: str, count: int, day: dt.date, language: str, *, trial: bool = False) -> str:
    """The number as it stands on the paper: ทศ ๐๓๑๒/๒๕๖๙, TS 0312/2026; of the trial series ทดลอง ๐๐๐๑/๒๕๖๙.

    `pattern` is the programme's number_format in the letter's language: text with {number} and {year}.
    """
    ours = spoken(language)
    pattern = _TRIAL[ours] if trial else pattern
    number, year = f"{count:04d}", year_words(day.year, ours)
    if ours == "th":
        number, year = thai_digits(number), thai_digits(year)
    return pattern.replace("{number}", number).replace("{year}", year)


def filled(data: LetterData, language: str) -> dict[str, str]:
    """What stands for each placeholder, "" where nothing does. Sums and days are still bare figures."""
    ours = spoken(language)
    organisation = data.organisation
    texts = {"organisation": organisation.name, "signatory": organisation.signatory,
             "signatory_role": organisation.signatory_role, "ask": organisation.ask}
    values = dict.fromkeys(PLACEHOLDERS, "") | {"number": data.printed_number, "date": data.date} | dict(data.dates)
    values |= {name: text.get(language) or text.get(ours, "") for name, text in texts.items()}
    if data.amount is not None:
        values |= {"amount": str(data.amount), "amount_words": str(data.amount)}
    return values | {name: text for name, text in data.values.get(language, {}).items() if text}


def only_printed(data: LetterData) -> LetterData:
    """The same letter without the values that its wordings and its receipt do not use: what may lie inside the PDF."""
    used: set[str] = {"payee", "purpose", "school"} if data.receipt else set()
    for texts in (data.wording, data.receipt or {}):
        for language, text in texts.items():
            used |= read_wording(text, file=data.kind, language=language, extra=data.values.get(language, ())).names
    values = {language: {name: text for name, text in given.items() if name in used}
              for language, given in data.values.items()}
    return dataclasses.replace(data, values=values)


def spoken(language: str) -> str:
    """Which of our two languages writes sums, days and labels for a reader of `language`."""
    return "en" if language == "en" else "th"


def check_letter(data: LetterData, *, numbered: bool = True) -> None:
    """Refuse a letter that could not be printed. `numbered=False`: before its number is allotted, without one.

    Raises: LetterNumberSeries, LetterLanguageUnknown, LetterWordingDraft, PlaceholderEmpty, PlaceholderUnknown, what
    else is wrong with a wording, and WordingPairsDiffer.
    """
    if not numbered:
        word = _TRIAL["en"] if data.trial else "–"
        data = dataclasses.replace(data, number=data.number or "–", printed_number=word)
    says_trial = "ทดลอง" in data.printed_number or "TRIAL" in data.printed_number.upper()
    if says_trial != data.trial or not data.number:
        raise LetterNumberSeries(number=data.number)
    texts = [_checked(data, data.wording, language, data.kind) for language in data.languages]
    if len({len(text.blocks) for text in texts}) > 1:
        one, other = (len(text.blocks) for text in texts)
        raise WordingPairsDiffer(first=data.languages[0], second=data.languages[1], one=one, other=other)
    if data.receipt is not None:
        _checked(data, data.receipt, data.receipt_language, "receipt")


def _checked(data: LetterData, texts: Mapping[str, str], language: str, name: str) -> Chosen:
    if language not in texts:
        raise LetterLanguageUnknown(number=data.number, language=language or data.language)
    values = filled(data, language)
    wording = read_wording(texts[language], file=f"{name}.{language}.md", language=language, extra=values.keys())
    if wording.draft and not data.trial:
        raise LetterWordingDraft(language=language, number=data.number)
    return choose(wording, values)
