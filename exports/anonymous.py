"""Answers that speak of nobody: an allow-list of its own, codes made anew for each export, days shifted.

What is not on the list is not in the file: no text that somebody wrote, no place, no file, no id of any system, no time
of receipt. A case's days move together by up to a month, so that what lies between them stays true.
"""
from __future__ import annotations

import datetime as dt
import hashlib
import os
import re
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from exports.layout import Column
from exports.merged import Question
from exports.reading import Asked, Submitted
from exports.style import CLASSES, Sheet, Style, Tables, header_of
from odk.schema import Privacy, without_positions
from odk.sounds import sounds_like
from store.tables import membership

_KINDS = frozenset({"question", "calculation"})
_TYPES = frozenset({"int", "decimal", "date", "dateTime", "boolean", "select1", "select", "rank"})
# A number with more digits may be somebody's: a telephone, an identity card.
_NUMBER = re.compile(r"[+-]?[0-9]{1,8}(?:\.[0-9]{0,6})?", re.ASCII)
_LETTERS = "BCDFGHJKMNPQRTVX"
_MONTH = 30


def allowed(question: Question) -> bool:
    """Whether a question is on the list: open, of a closed kind, and not sounding like somebody's name or number."""
    asked = question.field
    if question.privacy is not Privacy.OPEN or asked.kind not in _KINDS or asked.type not in _TYPES:
        return False
    if asked.from_file or (asked.type in ("select1", "select", "rank") and not question.choices):
        return False
    return not sounds_like(asked)


class AnonymousStyle:
    """Another style's columns for the allowed questions, with codes of this export alone."""

    def __init__(self, inner: Style, joined: dict[str, str], *, salt: bytes | None = None) -> None:
        self._salt = salt or os.urandom(32)
        self._inner, self._joined, self.layout = inner, joined, inner.layout
        self.asked = Asked(CLASSES["anonymous"], "shuffled", raw=False, more="case", salt=self._salt.hex())
        self._types = {one.question.path: one.question for table in self.layout.tables for one in table.columns}

    def sheets(self) -> list[Sheet]:
        made = []
        for number, sheet in enumerate(self._inner.sheets()):
            header = header_of(self.layout, number, self.heads)
            header = [*header, "PARENT_KEY", "KEY"] if number else ["case", *header, "KEY"]
            made.append(Sheet(sheet.title, sheet.file, header))
        return made

    def heads(self, column: Column) -> list[str]:
        return self._inner.heads(column)

    def add(self, one: Submitted, into: Tables) -> None:
        case = self._joined.get(one.more, one.more) if one.more else f"alone:{one.id}"
        days = self.shift(case)
        values = {key: said for key, value in one.values.items() if (said := self._value(key, value, days)) is not None}
        found, key = self.layout.rows(values), self.code(f"row:{one.id}")
        into[0].append([self.code(f"case:{one.more}") if one.more else "", *found[0][()], key])
        for number in range(1, len(found)):
            for positions in sorted(found[number]):
                above = ".".join([key, *map(str, positions[:-1])])
                into[number].append([*found[number][positions], above, f"{above}.{positions[-1]}"])

    def code(self, what: str) -> str:
        """A code of this export alone: twelve letters without vowels, so that they make no words and no numbers."""
        digest = hashlib.blake2b(what.encode(), key=self._salt, digest_size=6).hexdigest()
        return "".join(_LETTERS[int(one, 16)] for one in digest)

    def shift(self, case: str) -> int:
        """By how many days a case's dates move: a month at most, never not at all."""
        digest = hashlib.blake2b(f"days:{case}".encode(), key=self._salt, digest_size=8).digest()
        days = int.from_bytes(digest, "big") % (2 * _MONTH)
        return days - _MONTH if days < _MONTH else days - _MONTH + 1

    def _value(self, key: str, value: Any, days: int) -> Any:
        question = self._types.get(key) or self._types.get(without_positions(key))
        if question is None:
            return None
        kind = question.field.type
        if kind in ("date", "dateTime"):
            return _moved(value, days)
        if kind in ("int", "decimal"):
            return value if _NUMBER.fullmatch(str(value)) else None
        if kind == "select1":
            return value if value in question.choices else None
        if kind in ("select", "rank"):
            return [one for one in value if one in question.choices] if type(value) is list else None
        return value if type(value) is bool else None


def joined_cases(tx: sa.Connection, project: UUID) -> dict[str, str]:
    """Cases that share a submission, each with the one that stands for all of them: their days must move as one."""
    member = membership.c
    shared = tx.execute(
        sa.select(sa.func.array_agg(sa.cast(member.case_id, sa.Text)).label("cases"))
        .where(member.project_id == project).group_by(member.submission_id).having(sa.func.count() > 1)
    )
    stands: dict[str, str] = {}

    def root(case: str) -> str:
        while (above := stands.setdefault(case, case)) != case:
            case = above
        return case

    for row in shared:
        first, *others = sorted(row.cases)
        for other in others:
            stands[root(other)] = root(first)
    return {case: root(case) for case in stands}


def _moved(value: Any, days: int) -> str | None:
    """The day moved, the clock as it was; None for what is no date."""
    text = str(value)
    try:
        day = dt.date.fromisoformat(text[:10]) + dt.timedelta(days=days)
    except (ValueError, OverflowError):
        return None
    return day.isoformat() + text[10:]
