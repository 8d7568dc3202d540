"""Where an answer goes: which table, which row, which column. Worked out once a key, then looked up.

Knows questions and the keys of answers ("people[2]/relation"); knows no style and no file.
"""
from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from exports.merged import MergedForm, Question

Row = list[Any]
Put = Callable[[Row, int, Any], None]
_POSITION = re.compile(r"\[(\d+)\]")
# Keys repeat from submission to submission; what somebody made up must not fill the memory.
_MOST_KEYS = 50_000
_GEO = 4


@dataclass(frozen=True, slots=True)
class Column:
    """A question's first column in its table and how its value is written there, over `width` columns.

    `choices` are those with a column of 0 and 1, `text` says whether there is a column for the value itself.
    """

    question: Question
    at: int
    width: int
    put: Put | None
    choices: tuple[str, ...] = ()
    text: bool = True


@dataclass
class Table:
    """The form itself (path "") or one of its repeats. `width` counts the columns that answers fill."""

    path: str
    parent: int
    columns: list[Column] = field(default_factory=list)
    width: int = 0

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


class Spot(NamedTuple):
    """The place of one key. `positions` are those of the repeats around it, outermost first."""

    table: int
    positions: tuple[int, ...]
    at: int
    put: Put | None


_UNKNOWN = Spot(-1, (), -1, None)


@dataclass(frozen=True, slots=True)
class Shape:
    """How a style writes a value that needs more than its text: a list as one text; its choices as 0 and 1."""

    language: str | None = None
    between: str = " "
    multiple: str = "text"
    # Whether a place has its text beside its four parts.
    whole_place: bool = False


class Layout:
    """The tables of a form, and the way of each answer into them."""

    def __init__(self, form: MergedForm, shape: Shape, chosen: Iterable[Question] | None = None) -> None:
        self.form, self.shape = form, shape
        self.tables = [Table("", -1)]
        self._by_path = {"": 0}
        for path in form.repeats:
            parent = max((one for one in self._by_path if f"{path}/".startswith(f"{one}/" if one else "")), key=len)
            self._by_path[path] = len(self.tables)
            self.tables.append(Table(path, self._by_path[parent]))
        self._columns: dict[str, tuple[int, Column]] = {}
        for question in form.questions if chosen is None else chosen:
            self._add(question)
        self._spots: dict[str, Spot | None] = {}

    def rows(
        self, values: Mapping[str, Any], tagged: int | None = None,
        counts: Callable[[], Mapping[str, int]] | None = None,
    ) -> list[dict[tuple[int, ...], Row]]:
        """A submission's rows by table and positions; the form's own has none.

        Where the answers speak of other than `tagged` rows, some have no answers: `counts` says how many there are.
        """
        tables, spots = self.tables, self._spots
        root: Row = [""] * tables[0].width
        found: list[dict[tuple[int, ...], Row]] = [{} for _ in tables]
        found[0][()] = root
        for key, value in values.items():
            spot = spots.get(key, _UNKNOWN)
            if spot is _UNKNOWN:
                spot = self._find(key)
            if spot is None:
                continue
            table, positions, at, put = spot
            row = root if not positions else found[table].get(positions) or self._open(found, table, positions)
            if put is not None:
                put(row, at, value)
            elif row[at] == "":
                row[at] = value
            else:
                # A question that was answered twice, where the form asks once.
                row[at] = f"{row[at]} | {value}"
        if counts is not None and tagged != sum(map(len, found)) - 1:
            self._count(found, counts())
        return found

    def _open(self, found: list[dict[tuple[int, ...], Row]], table: int, positions: tuple[int, ...]) -> Row:
        """A repeat's row, with those before it and those it stands in."""
        rows, outer, number = found[table], positions[:-1], positions[-1]
        if outer and outer not in found[self.tables[table].parent]:
            self._open(found, self.tables[table].parent, outer)
        width = self.tables[table].width
        if number > 1 and (*outer, number - 1) not in rows:
            # Only as many as can be told apart from a number that somebody made up.
            for before in range(max(1, number - 1000), number):
                rows.setdefault((*outer, before), [""] * width)
        row = rows[positions] = [""] * width
        return row

    def _count(self, found: list[dict[tuple[int, ...], Row]], counts: Mapping[str, int]) -> None:
        for key, count in counts.items():
            table = self._by_path.get(_POSITION.sub("", key))
            if table and count:
                positions = (*(int(one) for one in _POSITION.findall(key)), count)
                if positions not in found[table]:
                    self._open(found, table, positions)

    def _add(self, question: Question) -> None:
        number = self._by_path.get(question.repeat, 0)
        table = self.tables[number]
        column = self._column(question, table.width)
        table.columns.append(column)
        table.width += column.width
        self._columns[question.path] = (number, column)

    def _column(self, question: Question, at: int) -> Column:
        kind, shape = question.field.type, self.shape
        if kind == "geopoint":
            return Column(question, at, _GEO + shape.whole_place, _place(shape.whole_place), text=shape.whole_place)
        if kind in ("select", "rank"):
            choices = tuple(question.choices) if kind == "select" and shape.multiple != "text" else ()
            text = not choices or shape.multiple == "both"
            return Column(question, at, len(choices) + text, _many(question, shape, choices, text), choices, text)
        if shape.language is not None and question.choices:
            return Column(question, at, 1, _one(question, shape.language))
        return Column(question, at, 1, _boolean if kind == "boolean" else None)

    def _find(self, key: str) -> Spot | None:
        positions = tuple(int(one) for one in _POSITION.findall(key))
        found = self._columns.get(_POSITION.sub("", key))
        spot = None
        if found is not None:
            number, column = found
            depth = self._depth(number)
            # A group that became a repeat, or the other way round, and a question answered twice.
            positions = (*positions[:depth], *(1 for _ in range(depth - len(positions))))
            spot = Spot(number, positions, column.at, column.put)
        if len(self._spots) < _MOST_KEYS:
            self._spots[key] = spot
        return spot

    def _depth(self, table: int) -> int:
        depth = 0
        while table > 0:
            depth, table = depth + 1, self.tables[table].parent
        return depth


def text_of(value: Any, between: str = " ") -> str:
    """A stored value as its text was written: lists with spaces between."""
    if type(value) is list:
        return between.join(map(str, value))
    if value is True or value is False:
        return "true" if value else "false"
    return value if type(value) is str else str(value)


def _boolean(row: Row, at: int, value: Any) -> None:
    row[at] = text_of(value)


def _place(whole: bool) -> Put:
    def put(row: Row, at: int, value: Any) -> None:
        text = text_of(value)
        if whole:
            row[at] = text
            at += 1
        parts = text.split()
        # What is no place stands whole in the first column.
        for part in parts if len(parts) <= _GEO else [text]:
            row[at] = part
            at += 1

    return put


def _one(question: Question, language: str) -> Put:
    def put(row: Row, at: int, value: Any) -> None:
        row[at] = question.choice(text_of(value), language)

    return put


def _many(question: Question, shape: Shape, choices: tuple[str, ...], text: bool) -> Put:
    language, between = shape.language, shape.between

    def put(row: Row, at: int, value: Any) -> None:
        picked = value if type(value) is list else text_of(value).split()
        if text:
            row[at] = between.join(picked if language is None else (question.choice(one, language) for one in picked))
            at += 1
        for choice in choices:
            row[at] = 1 if choice in picked else 0
            at += 1

    return put
