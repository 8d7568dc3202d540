"""Where an answer goes: which table, which row, which column. Worked out once a key, then looked up.

Knows questions and the keys of answers ("people[2]/relation"); knows no style and no file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pandas import DataFrame

from exports.merged import MergedForm, Question
from exports.reading import Submitted

Row = list[Any]
# Columns that stand beside the answers: the submission's number in its batch, and the positions of a repeat's row,
# outermost first. No path begins with a slash.
WHOSE, AT = "/whose", "/at"
_BESIDE = 2
_POSITION = re.compile(r"\[(\d+)\]")
# Keys repeat from submission to submission; what somebody made up must not fill the memory.
_MOST_KEYS = 50_000
# A row's place among those of its submission: its table's number, and its positions.
Where = tuple[int, tuple[int, ...]]
ROOT: Where = (0, ())
# Where an answer goes: its row, its column, and what it may be there beside a text.
Spot = tuple[Where, int, tuple[type, ...]]
_UNKNOWN: Spot = (ROOT, -1, ())
_TYPES: dict[str, tuple[type, ...]] = {"select": (list,), "rank": (list,), "boolean": (bool,)}


@dataclass
class Table:
    """The form itself (path "") or one of its repeats, with the questions that stand in it."""

    path: str
    parent: int
    questions: list[Question] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


class Layout:
    """The tables of a form, and the way of each answer into them."""

    def __init__(self, form: MergedForm, chosen: Iterable[Question]) -> None:
        self.form = form
        self.tables = [Table("", -1)]
        self._by_path = {"": 0}
        for path in form.repeats:
            parent = max((one for one in self._by_path if f"{path}/".startswith(f"{one}/" if one else "")), key=len)
            self._by_path[path] = len(self.tables)
            self.tables.append(Table(path, self._by_path[parent]))
        self._columns: dict[str, tuple[int, int, tuple[type, ...]]] = {}
        for question in chosen:
            number = self._by_path.get(question.repeat, 0)
            questions = self.tables[number].questions
            self._columns[question.path] = number, _BESIDE + len(questions), _TYPES.get(question.field.type, (int,))
            questions.append(question)
        self._empty = [[""] * len(table.questions) for table in self.tables]
        self._spots: dict[str, Spot | None] = {}
        # One and the same tuple for all keys of a row, so that a row's answers are told by identity.
        self._wheres: dict[Where, Where] = {ROOT: ROOT}

    def gather(self, batch: Sequence[Submitted]) -> list[DataFrame]:
        """A batch's answers as they are stored: a frame a table, a row a row, a column a question by its path."""
        rows: list[list[Row]] = [[] for _ in self.tables]
        for number, one in enumerate(batch):
            found = self._rows(number, one)
            for where in sorted(found) if len(found) > 1 else found:
                rows[where[0]].append(found[where])
        return [
            DataFrame(some, columns=[WHOSE, AT, *(one.path for one in table.questions)], dtype=object)
            for some, table in zip(rows, self.tables, strict=True)
        ]

    def _rows(self, number: int, one: Submitted) -> dict[Where, Row]:
        """A submission's rows. Where its XML speaks of other rows of repeats than its answers, all are counted."""
        spots = self._spots
        row: Row = [number, (), *self._empty[0]]
        found, here = {ROOT: row}, ROOT
        for key, value in one.values.items():
            spot = spots.get(key, _UNKNOWN)
            if spot is _UNKNOWN:
                spot = self._find(key)
            if spot is None:
                continue
            where, at, types = spot
            if type(value) is not str and type(value) not in types:
                # An older version asked for something else under this name.
                value = text_of(value)
            if where is not here:
                # Answers of a row stand together: what is looked up is where it ends.
                row, here = found.get(where) or self._open(found, where), where
            # A question may be answered twice where the form asks once.
            row[at] = value if row[at] == "" else f"{text_of(row[at])} | {text_of(value)}"
        if one.counts is not None and one.tagged != len(found) - 1:
            for key, count in one.counts().items():
                self._count(found, key, count)
        return found

    def _open(self, found: dict[Where, Row], where: Where) -> Row:
        """A repeat's row, with those before it and those it stands in."""
        table, (*outer, number) = where
        above = self.tables[table].parent, tuple(outer)
        if above not in found:
            self._open(found, above)
        if number > 1 and (table, (*outer, number - 1)) not in found:
            # Only as many as can be told apart from a number that somebody made up.
            for before in range(max(1, number - 1000), number):
                at = *outer, before
                found.setdefault((table, at), [found[ROOT][0], at, *self._empty[table]])
        row = found[where] = [found[ROOT][0], where[1], *self._empty[table]]
        return row

    def _count(self, found: dict[Where, Row], key: str, count: int) -> None:
        table = self._by_path.get(_POSITION.sub("", key))
        if table and count:
            where = table, (*(int(one) for one in _POSITION.findall(key)), count)
            if where not in found:
                self._open(found, where)

    def _find(self, key: str) -> Spot | None:
        """Where the answer of a key goes; None for what has no column."""
        positions = tuple(int(one) for one in _POSITION.findall(key))
        column = self._columns.get(_POSITION.sub("", key))
        spot = None
        if column is not None:
            table, at, types = column
            depth = self._depth(table)
            # A group that became a repeat, or the other way round, and a question answered twice.
            where = table, (*positions[:depth], *(1 for _ in range(depth - len(positions))))
            spot = self._wheres.get(where, where), at, types
        if len(self._spots) < _MOST_KEYS:
            self._spots[key] = spot
            if spot is not None:
                self._wheres[spot[0]] = spot[0]
        return spot

    def _depth(self, table: int) -> int:
        depth = 0
        while table > 0:
            depth, table = depth + 1, self.tables[table].parent
        return depth


def text_of(value: Any) -> str:
    """A stored value as its text was written: lists with spaces between."""
    if type(value) is list:
        return " ".join(map(str, value))
    if value is True or value is False:
        return "true" if value else "false"
    return value if type(value) is str else str(value)
