"""What every style of export is: tables with headers, and a batch of submissions as frames of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from pandas import DataFrame, Series

from exports.layout import Layout
from exports.reading import Asked, Submitted
from odk.schema import Privacy

Tables = list[DataFrame]
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
    """A way of writing: what it reads, its tables, and a batch in them.

    `header` and `answers` are those of a table's answers alone; `sheets` and `tables` are whole.
    """

    asked: Asked
    layout: Layout

    def sheets(self) -> list[Sheet]: ...

    def tables(self, batch: list[Submitted]) -> Tables: ...

    def header(self, table: int) -> list[str]: ...

    def answers(self, table: int, gathered: DataFrame) -> list[Series]: ...


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
