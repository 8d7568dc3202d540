"""What every style of export is: tables with headers, and a submission's rows in them."""
from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from exports.layout import Column, Layout
from exports.reading import Asked, Submitted
from odk.schema import Privacy

Tables = list[list[list[Any]]]
CLASSES = {
    "anonymous": (Privacy.OPEN,),
    "internal": (Privacy.OPEN, Privacy.SENSITIVE),
    "full": (Privacy.OPEN, Privacy.SENSITIVE, Privacy.IDENTIFYING),
}


@dataclass(frozen=True, slots=True)
class Sheet:
    """One table of the file. `title` names a workbook's sheet, `file` a CSV; each style sees that they are unique."""

    title: str
    file: str
    header: list[str]


class Style(Protocol):
    """A way of writing: what it reads, its tables, and the rows of a submission, added to those of each table."""

    asked: Asked
    layout: Layout

    def sheets(self) -> list[Sheet]: ...

    def add(self, one: Submitted, into: Tables) -> None: ...

    def heads(self, column: Column) -> list[str]: ...


def unique(names: Iterable[str], more: Iterable[str]) -> list[str]:
    """The names, each once: one that comes again is told apart by what stands beside it in `more`."""
    found: list[str] = []
    taken: set[str] = set()
    for name, other in zip(names, more, strict=True):
        number, wanted = 1, name
        while wanted in taken:
            wanted = f"{name} ({other})" if number == 1 else f"{name} ({other} {number})"
            number += 1
        taken.add(wanted)
        found.append(wanted)
    return found


def keys_of(layout: Layout, table: int) -> list[tuple[str, bool]]:
    """The steps of a repeat's path, and whether each is a repeat: what the key of a row is made of."""
    path, repeats = layout.tables[table].path, set(layout.form.repeats)
    names = path.split("/")
    return [(name, "/".join(names[: depth + 1]) in repeats) for depth, name in enumerate(names)]


def place_of(steps: list[tuple[str, bool]], positions: tuple[int, ...]) -> str:
    """ "people[2]/phones[1]" """
    numbers = iter(positions)
    return "/".join(f"{name}[{next(numbers)}]" if repeats else name for name, repeats in steps)



def heads_of(column: Column, name: str, parts: list[str], language: str | None) -> list[str]:
    """The heads of a question's columns: `parts` for a place, name/choice for the 0 and 1 of a select_multiple."""
    question = column.question
    if question.field.type == "geopoint":
        return parts
    heads = [name] if column.text else []
    return heads + [f"{name}/{one if language is None else question.choice(one, language)}" for one in column.choices]


def header_of(layout: Layout, table: int, heads: Callable[[Column], list[str]]) -> list[str]:
    """The heads of a table's answers, each once."""
    names: list[str] = []
    paths: list[str] = []
    for column in layout.tables[table].columns:
        said = heads(column)
        names += said
        paths += [column.question.path] * len(said)
    return unique(names, paths)
