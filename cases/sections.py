"""A submission laid out as its form asks: groups as sections, repeats as tables, what changed beside what it was. Pure.

Knows answers and a schema; addresses come from the caller.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from cases import answers_shown
from cases.opened import Opened
from cases.who import script_of
from namjai.languages import Words
from odk.schema import Field, Privacy

_ROW = re.compile(r"^(.*)\[(\d+)\]$")
_ELSEWHERE = Words("Not in the form", "ไม่มีในแบบฟอร์ม")


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. `was` is None unless it changed; `mask` is a value that is not shown, `files` what to open."""

    label: str
    key: str
    text: str | None = None
    lang: str | None = None
    was: str | None = None
    flag: str | None = None
    mask: dict | None = None
    restricted: bool = False
    empty: bool = False
    place: dict | None = None
    files: list | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a repeat, with the number that each has among all."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Answer | None, ...], ...]
    numbers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Section:
    title: str = ""
    level: int = 2
    answers: tuple[Answer, ...] = ()
    table: Table | None = None


@dataclass(frozen=True)
class Layout:
    """How answers are laid out: in which language, with which addresses, and what an edit changed (key → was).

    `apart` are keys that open one by one, with a reason, though this reader may read the rest: a number to call.
    """

    language: str
    zone: dt.tzinfo
    reveal: Callable[[str], str | None]
    file: Callable[[str], dict]
    names: Mapping[str, str] = field(default_factory=dict)
    flags: Mapping[str, str] = field(default_factory=dict)
    was: Mapping[str, Any] = field(default_factory=dict)
    changed: frozenset[str] = frozenset()
    only_changed: bool = False
    apart: frozenset[str] = frozenset()
    may_see_places: bool = True


def sections(opened: Opened, layout: Layout) -> list[Section]:
    """The sections of a submission, in the form's order."""
    return _Laying(opened, layout).all()


class _Laying:
    def __init__(self, opened: Opened, layout: Layout) -> None:
        self._opened, self._layout, self._schema = opened, layout, opened.schema
        keys = [*opened.values, *opened.masked, *layout.changed]
        self._present = frozenset(keys)
        self._rows = _row_counts(keys)
        self._children: dict[str, list[Field]] = {}
        for one in self._schema.fields:
            self._children.setdefault(one.path.rpartition("/")[0], []).append(one)
        self._open = {
            one.rpartition("/")[2]: answers_shown.text(
                self._schema, self._schema.field(one), value, layout.language, names=layout.names, zone=layout.zone
            )
            for one, value in opened.values.items()
            if opened.privacy(one) is Privacy.OPEN
        }
        self._sections: list[Section] = []

    def all(self) -> list[Section]:
        self._group("", "", [], 2)
        self._unknown()
        return [one for one in self._sections if one.answers or (one.table and one.table.rows)]

    def _group(self, path: str, prefix: str, titles: list[str], level: int) -> None:
        """The questions that stand directly in a group, then the groups within it."""
        answers: list[Answer] = []

        def settle() -> None:
            if answers:
                self._sections.append(Section(" › ".join(titles), level, tuple(answers)))
                answers.clear()

        for one in self._children.get(path, ()):
            key = prefix + one.name
            if one.kind == "repeat":
                settle()
                self._repeat(one, key, titles, level)
            elif one.kind == "group":
                settle()
                inner = self._label(one)
                self._group(one.path, f"{key}/", [*titles, inner] if inner else titles, level)
            elif (answer := self._answer(one, key)) is not None:
                answers.append(answer)
        settle()

    def _repeat(self, one: Field, key: str, titles: list[str], level: int) -> None:
        columns = [asked for asked in self._flat(one.path) if asked.kind not in ("repeat", "group")]
        title = " › ".join([*titles, self._label(one) or one.name])
        rows = {}
        for number in range(1, self._rows.get(key, 0) + 1):
            keys = {asked.path: f"{key}[{number}]{asked.path[len(one.path) :]}" for asked in columns}
            # A row with a change is shown whole: half of it would say that the rest was not answered.
            if not self._layout.only_changed or not self._layout.changed.isdisjoint(keys.values()):
                rows[number] = {asked.path: self._answer(asked, keys[asked.path], whole=True) for asked in columns}
        shown = [asked for asked in columns if any(row[asked.path] for row in rows.values())]
        if rows:
            table = Table(
                tuple(self._label(asked) for asked in shown),
                tuple(tuple(row[asked.path] for asked in shown) for row in rows.values()),
                tuple(rows),
            )
            self._sections.append(Section(title, level, table=table))
        for inner in (
            each
            for each in self._schema.fields
            if each.kind == "repeat"
            and each.path.startswith(f"{one.path}/")
            and each.path.count("/") > one.path.count("/")
            and len(each.repeats) == len(one.repeats) + 1
        ):
            for number in range(1, self._rows.get(key, 0) + 1):
                self._repeat(inner, f"{key}[{number}]{inner.path[len(one.path) :]}", [f"{title} {number}"], 3)

    def _flat(self, path: str) -> Iterable[Field]:
        """Everything in a repeat, through its groups, but not through repeats within it."""
        for one in self._children.get(path, ()):
            if one.kind == "group":
                yield from self._flat(one.path)
            else:
                yield one

    def _answer(self, asked: Field, key: str, *, whole: bool = False) -> Answer | None:
        """One answer, or None where there is none; where only changes are shown, `whole` keeps what did not change."""
        layout, privacy = self._layout, self._opened.privacy(key)
        changed = key in layout.changed
        if layout.only_changed and not changed and not whole:
            return None
        if asked.kind not in ("question", "calculation") or (asked.kind == "calculation" and not asked.labels):
            return None
        if privacy is Privacy.RESTRICTED and self._opened.locked:
            return Answer(self._label(asked), key, restricted=True)
        if key not in self._present:
            return None
        plain = Answer(
            self._label(asked),
            key,
            flag=answers_shown.flag(layout.flags.get(key), layout.language),
            was="" if changed else None,
        )
        if key in self._opened.masked or privacy is Privacy.IDENTIFYING or key in layout.apart:
            return replace(plain, mask={"label": plain.label, "url": layout.reveal(key)})
        return self._valued(asked, key, plain, changed)

    def _valued(self, asked: Field, key: str, plain: Answer, changed: bool) -> Answer:
        layout, value = self._layout, self._opened.values.get(key)
        if asked.media and value is not None:
            return replace(plain, files=[layout.file(str(value))], was=None)
        if asked.type in ("geopoint", "geotrace", "geoshape") and value is not None:
            return replace(
                plain, place={"text": answers_shown.rough_place(str(value), layout.language), "url": layout.reveal(key)}
            )
        said = self._said(asked, value)
        if changed:
            return replace(plain, text=said, was=self._said(asked, layout.was.get(key)))
        return replace(plain, text=said, lang=script_of(said), empty=not said)

    def _unknown(self) -> None:
        """What the form does not know stands last, as it came."""
        found = []
        for key in self._opened.values:
            if (
                self._schema.field(key) is None
                and not key.startswith("meta/")
                and (not self._layout.only_changed or key in self._layout.changed)
            ):
                said = str(self._opened.values[key])
                found.append(
                    Answer(
                        key,
                        key,
                        said,
                        script_of(said),
                        flag=answers_shown.flag(self._layout.flags.get(key) or "unknown", self._layout.language),
                    )
                )
        if found:
            self._sections.append(Section(_ELSEWHERE.in_(self._layout.language), 2, tuple(found)))

    def _said(self, asked: Field | None, value: Any) -> str:
        return answers_shown.text(
            self._schema, asked, value, self._layout.language, names=self._layout.names, zone=self._layout.zone
        )

    def _label(self, asked: Field) -> str:
        if asked.kind in ("group", "repeat") and not asked.labels:
            return ""
        return answers_shown.label(asked, self._layout.language, self._open)


def _row_counts(keys: Iterable[str]) -> dict[str, int]:
    """ "people" → 3, "people[1]/phones" → 2."""
    counts: dict[str, int] = {}
    for key in keys:
        parts = key.split("/")
        for at in range(1, len(parts)):
            if found := _ROW.match("/".join(parts[:at])):
                counts[found[1]] = max(counts.get(found[1], 0), int(found[2]))
    return counts
