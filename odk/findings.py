"""What is wrong, or could be better, in a form or a programme: one finding a place. Knows no file format."""
from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to change, and where.

    `file` is a name for people, without folders of the machine. A spreadsheet's finding has `sheet` and, where it is
    known, `row` as Excel counts it; a TOML file's has `key` ("lists.grants.parent"); a wording's has `row` as line.
    `en` and `th` say what is wrong and what to do.
    """

    file: str
    severity: Severity
    code: str
    en: str
    th: str
    sheet: str = ""
    row: int | None = None
    key: str = ""

    def text(self, language: str = "en") -> str:
        """The sentence in a language."""
        return self.th if language == "th" else self.en

    def place(self, language: str = "en") -> str:
        """Where it is: "intake.xlsx, survey, row 12" or "program.toml, lists.grants.parent"."""
        english, thai = ("row", "แถว") if self.sheet else ("line", "บรรทัด")
        row = f"{thai if language == 'th' else english} {self.row}" if self.row else ""
        return ", ".join(part for part in (self.file, self.sheet, row, self.key) if part)


def has_errors(findings: Iterable[Finding]) -> bool:
    """Whether any finding forbids installing."""
    return any(one.severity == "error" for one in findings)


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that was probably meant, "" when none is near."""
    return next(iter(difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)), "")
