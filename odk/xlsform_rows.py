"""The rows of an XLSForm, as a person sees them in Excel: columns by plain name, rows by number. Knows no XForm."""
from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

REFERENCE = re.compile(r"\$\{\s*(?:last-saved#)?([^}\s]+)\s*\}")
SHEETS = ("survey", "choices", "settings", "entities")
# pyxform's own other names of columns that we look at.
_SAME = {
    "calculate": "calculation",
    "name_column": "name",
    "value": "name",
    "dataset": "list_name",
    "list name": "list_name",
    "caption": "label",
    "saveto": "save_to",
    "id_string": "form_id",
    "xform_id": "form_id",
    "title": "form_title",
}


@dataclass(frozen=True)
class Row:
    """One row: its number in Excel and what stands in it."""

    number: int
    cells: Mapping[str, str]

    def get(self, column: str) -> str:
        return self.cells.get(column, "")

    @property
    def name(self) -> str:
        return self.get("name")

    @property
    def type(self) -> str:
        return self.get("type")


@dataclass(frozen=True)
class Rows:
    """All sheets of one XLSForm."""

    sheets: Mapping[str, tuple[Row, ...]]
    columns: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, definition: Any) -> Rows:
        """From what pyxform read; it keeps empty rows, so that the count is Excel's."""
        sheets, columns = {}, {}
        for name in SHEETS:
            rows = getattr(definition, name, None) or ()
            sheets[name] = tuple(_row(number, one) for number, one in enumerate(rows, 2) if one)
            heads = getattr(definition, f"{name}_header", None) or ()
            columns[name] = frozenset(_column(head) for one in heads for head in one)
        return cls(sheets, columns)

    def sheet(self, name: str) -> tuple[Row, ...]:
        return self.sheets.get(name, ())

    @property
    def survey(self) -> tuple[Row, ...]:
        return self.sheet("survey")

    @property
    def settings(self) -> Row:
        return next(iter(self.sheet("settings")), Row(2, {}))

    @cached_property
    def by_name(self) -> dict[str, Row]:
        return {one.name: one for one in self.survey if one.name and not one.type.startswith("end")}

    def row_of(self, word: str) -> int | None:
        """The row of a question, by its name or by a type that no other question has."""
        typed = [one for one in self.survey if one.type == word]
        found = self.by_name.get(word) or (typed[0] if len(typed) == 1 else None)
        return found.number if found else None

    def walk(self) -> Iterator[tuple[str, Row]]:
        """Every named row below its groups, with its path."""
        above: list[str] = []
        for row in self.survey:
            kind = row.type.lower().replace("_", " ")
            if kind.startswith("end "):
                above = above[:-1]
            elif row.name:
                yield "/".join([*above, row.name]), row
                if kind.startswith("begin "):
                    above = [*above, row.name]

    @cached_property
    def row_by_path(self) -> dict[str, Row]:
        return dict(self.walk())

    def behind(self, expression: str) -> dict[str, Row]:
        """Every question that the expression uses, also through calculations."""
        found: dict[str, Row] = {}
        waiting = REFERENCE.findall(expression)
        while waiting:
            name = waiting.pop()
            row = self.by_name.get(name)
            if row is not None and name not in found:
                found[name] = row
                waiting += REFERENCE.findall(row.get("calculation"))
        return found


def _column(head: object) -> str:
    """A column's plain name: pyxform takes some in several spellings; translated ones stay as they are."""
    plain = str(head).strip()
    return plain if "::" in plain else _SAME.get(plain.lower(), plain.lower())


def _row(number: int, cells: Mapping[str, Any]) -> Row:
    return Row(number, {_column(key): str(value).strip() for key, value in cells.items() if value is not None})
