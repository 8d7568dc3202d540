"""How a question stands in its columns: as one text, a place in its parts, choices as 0 and 1, in a language.

Knows questions and series of stored values; knows no style's names and no file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pandas import DataFrame, Series

from exports.layout import Layout, text_of
from exports.merged import Question
from exports.style import unique

_PARTS = 4


@dataclass(frozen=True, slots=True)
class Shape:
    """How a style writes a value that needs more than its text: a list as one text; its choices as 0 and 1."""

    language: str | None = None
    between: str = " "
    multiple: str = "text"
    # Whether a place has its text beside its four parts.
    whole_place: bool = False

    def choices(self, question: Question) -> list[str]:
        """The choices that have a column of 0 and 1."""
        return list(question.choices) if question.field.type == "select" and self.multiple != "text" else []

    def text(self, question: Question) -> bool:
        """Whether there is a column for the value itself."""
        if question.field.type == "geopoint":
            return self.whole_place
        return self.multiple != "columns" or not self.choices(question)

    def heads(self, question: Question, name: str, parts: list[str]) -> list[str]:
        """The heads of a question's columns: `parts` for a place, name/choice for a choice's."""
        heads = [name] if self.text(question) else []
        if question.field.type == "geopoint":
            return heads + parts
        said = (one if self.language is None else question.choice(one, self.language) for one in self.choices(question))
        return heads + [f"{name}/{one}" for one in said]


def header_of(layout: Layout, table: int, heads: Callable[[Question], list[str]]) -> list[str]:
    """The heads of a table's answers, each once."""
    said = [(head, one.path) for one in layout.tables[table].questions for head in heads(one)]
    return unique([head for head, _ in said], [path for _, path in said])


def written(gathered: DataFrame, questions: list[Question], shape: Shape) -> list[Series]:
    """The columns of a table's answers, as its heads stand."""
    return [column for one in questions for column in columns_of(gathered[one.path], one, shape)]


def side_by_side(columns: Iterable[Series | Sequence[Any]]) -> DataFrame:
    """Columns as one frame. Their heads stand in the sheet, where two may be called the same."""
    # As arrays: there is one order of rows, which need not be found out again from each column's index.
    arrays = (one.to_numpy() if isinstance(one, Series) else one for one in columns)
    return DataFrame(dict(enumerate(arrays)), dtype=object, copy=False)


def columns_of(said: Series, question: Question, shape: Shape) -> list[Series]:
    """A question's columns. What was not answered is empty in all of them."""
    kind = question.field.type
    if kind == "geopoint":
        return [said] * shape.whole_place + _parts(said)
    if kind in ("select", "rank"):
        return _picked(said, question, shape)
    if shape.language is not None and question.choices:
        return [said.map(lambda one: question.choice(text_of(one), shape.language) if one != "" else "")]
    return [said.map(text_of)] if kind == "boolean" else [said]


def _parts(said: Series) -> list[Series]:
    """Latitude, longitude, altitude, accuracy. What is no place stands whole in the first."""
    rows = [[text] if len(parts := text.split()) > _PARTS else parts for text in map(text_of, said)]
    frame = DataFrame([[*row, *[""] * (_PARTS - len(row))] for row in rows], columns=range(_PARTS), dtype=object)
    return [frame[at] for at in range(_PARTS)]


def _picked(said: Series, question: Question, shape: Shape) -> list[Series]:
    values = said.map(text_of)
    columns = []
    if shape.text(question):
        language = shape.language
        if language is None:
            text = values if shape.between == " " else values.str.replace(" ", shape.between)
        else:
            text = values.map(lambda one: shape.between.join(question.choice(value, language) for value in one.split()))
        columns.append(text)
    if choices := shape.choices(question):
        zeros_and_ones = values.str.get_dummies(" ").reindex(columns=choices, fill_value=0).astype(object)
        zeros_and_ones[values == ""] = ""
        columns += [zeros_and_ones[one] for one in choices]
    return columns
