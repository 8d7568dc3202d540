"""Case codes as people type them: with or without hyphens, small, with one letter wrong. Pure."""

from __future__ import annotations

import re

from stdnum import luhn

ALPHABET = "BCDFGHJKMNPQRTVX"
LENGTH = 9
_NOT_LETTERS = re.compile(r"[\s\-–_.·]+")


def typed(text: str) -> str | None:
    """The letters of a code, or of its beginning; None when it can be none."""
    letters = _NOT_LETTERS.sub("", text).upper()
    return letters if letters and len(letters) <= LENGTH and all(one in ALPHABET for one in letters) else None


def grouped(letters: str) -> str:
    """BCDFGHJKM → BCD-FGH-JKM; a beginning keeps its hyphens too."""
    return "-".join(letters[at : at + 3] for at in range(0, len(letters), 3))


def fits(letters: str) -> bool:
    """Whether the check letter is right."""
    return len(letters) == LENGTH and luhn.is_valid(letters, ALPHABET)


def near(letters: str) -> list[str]:
    """The codes that differ by one letter, or by two neighbours that changed places, and whose check letter fits."""
    found: dict[str, None] = {}
    for at in range(len(letters)):
        for letter in ALPHABET:
            found[letters[:at] + letter + letters[at + 1 :]] = None
    for at in range(len(letters) - 1):
        found[letters[:at] + letters[at + 1] + letters[at] + letters[at + 2 :]] = None
    return [grouped(one) for one in found if one != letters and fits(one)]
