"""Answers that speak of nobody: an allow-list of its own, codes made anew for each export, days shifted.

What is not on the list is not in the file: no text that somebody wrote, no place, no file, no id of any system, no time
of receipt. A case's days move together by up to a month, so that what lies between them stays true.
"""

from __future__ import annotations

import hashlib
import os
import re
from uuid import UUID

import sqlalchemy as sa
from pandas import DataFrame, Series, to_datetime, to_timedelta

from exports.columns import side_by_side
from exports.layout import AT, WHOSE, text_of
from exports.merged import Question
from exports.reading import Asked, Submitted
from exports.style import CLASSES, Sheet, Style, Tables
from odk.schema import Privacy
from odk.sounds import sounds_like
from store.tables import membership

_KINDS = frozenset({"question", "calculation"})
_TYPES = frozenset({"int", "decimal", "date", "dateTime", "boolean", "select1", "select", "rank"})
# A number with more digits may be somebody's: a telephone, an identity card.
_NUMBER = re.compile(r"[+-]?[0-9]{1,8}(?:\.[0-9]{0,6})?", re.ASCII)
_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:T[0-9:.]{1,15}(?:Z|[+-][0-9]{2}:?[0-9]{2})?)?"
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

    def sheets(self) -> list[Sheet]:
        made = []
        for number, sheet in enumerate(self._inner.sheets()):
            header = self._inner.header(number)
            header = [*header, "PARENT_KEY", "KEY"] if number else ["case", *header, "KEY"]
            made.append(Sheet(sheet.title, sheet.file, header))
        return made

    def header(self, table: int) -> list[str]:
        return self._inner.header(table)

    def answers(self, table: int, gathered: DataFrame) -> list[Series]:
        return self._inner.answers(table, gathered)

    def tables(self, batch: list[Submitted]) -> Tables:
        days = Series([self.shift(self._joined.get(one.more or "", one.more or f"alone:{one.id}")) for one in batch])
        keys = [self.code(f"row:{one.id}") for one in batch]
        made = []
        for number, gathered in enumerate(self.layout.gather(batch)):
            whose = gathered[WHOSE].astype(int)
            for question in self.layout.tables[number].questions:
                gathered[question.path] = _allowed(gathered[question.path], question, whose.map(days))
            answers = self.answers(number, gathered)
            if number:
                places = zip(whose, gathered[AT], strict=True)
                above = [".".join([keys[one], *map(str, at[:-1])]) for one, at in places]
                below = [f"{parent}.{at[-1]}" for parent, at in zip(above, gathered[AT], strict=True)]
                made.append(side_by_side([*answers, above, below]))
            else:
                cases = [self.code(f"case:{one.more}") if one.more else "" for one in batch]
                made.append(side_by_side([cases, *answers, keys]))
        return made

    def code(self, what: str) -> str:
        """A code of this export alone: twelve letters without vowels, so that they make no words and no numbers."""
        digest = hashlib.blake2b(what.encode(), key=self._salt, digest_size=6).hexdigest()
        return "".join(_LETTERS[int(one, 16)] for one in digest)

    def shift(self, case: str) -> int:
        """By how many days a case's dates move: a month at most, never not at all."""
        digest = hashlib.blake2b(f"days:{case}".encode(), key=self._salt, digest_size=8).digest()
        days = int.from_bytes(digest, "big") % (2 * _MONTH)
        return days - _MONTH if days < _MONTH else days - _MONTH + 1


def joined_cases(tx: sa.Connection, project: UUID) -> dict[str, str]:
    """Cases that share a submission, each with the one that stands for all of them: their days must move as one."""
    member = membership.c
    shared = tx.execute(
        sa.select(sa.func.array_agg(sa.cast(member.case_id, sa.Text)).label("cases"))
        .where(member.project_id == project)
        .group_by(member.submission_id)
        .having(sa.func.count() > 1)
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


def _allowed(said: Series, question: Question, days: Series) -> Series:
    """A question's values, those alone that are what it asks for; empty where they are not. Days are moved."""
    kind = question.field.type
    if kind in ("date", "dateTime"):
        return _moved(said.map(text_of), days)
    if kind in ("int", "decimal"):
        return said.map(lambda one: one if _NUMBER.fullmatch(str(one)) else "")
    if kind == "boolean":
        return said.map(lambda one: one if type(one) is bool else "")
    if kind == "select1":
        return said.where(said.isin(list(question.choices)), "")
    return said.map(lambda one: [each for each in one if each in question.choices] if type(one) is list else "")


def _moved(said: Series, days: Series) -> Series:
    """The day moved, the clock as it was; empty for what is no date.

    An older version may have asked for a text under the same name: what follows a day and is no clock is somebody's.
    """
    said = said.where(said.str.fullmatch(_DATE), "")
    day = to_datetime(said.str[:10], format="%Y-%m-%d", errors="coerce") + to_timedelta(days, unit="D")
    return (day.dt.strftime("%Y-%m-%d") + said.str[10:]).fillna("")
