"""What a form asks, as frozen facts. Knows questions, labels, choices, privacy; reads no XML and no answers."""
from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from dataclasses import field as default
from enum import StrEnum
from functools import cached_property
from typing import Any

_POSITION = re.compile(r"\[\d+\]")
_ALWAYS = frozenset({"form_id", "version", "title", "root", "path", "list"})
_BY_TYPE_OPEN = frozenset({"int", "decimal", "date", "time", "dateTime", "boolean", "select1", "select", "rank"})


class Privacy(StrEnum):
    """Who may see an answer, and how it lies in the database."""

    OPEN = "open"
    SENSITIVE = "sensitive"
    IDENTIFYING = "identifying"
    RESTRICTED = "restricted"


_RANKS = {one: rank for rank, one in enumerate(Privacy)}


@dataclass(frozen=True, slots=True)
class Field:
    """One node of the form: a question, a group, something calculated.

    `path` is relative to the root and has no positions: "people/relation". `type` is the bind's type, except that
    select1, select and rank follow the control. `kind` is question, calculation, group, repeat, metadata or note.
    `privacy` is what the form declares for the node or the nearest group around it, None where it says nothing.
    Labels and hints are keyed by language code, "" where the form names no language; "${name}" stands for an answer.
    `choices` names a list of the schema, `from_file` the file (without ending) that the choices come from,
    `media` what a file question takes: image, audio, video, file. `repeats` are the repeats around it, outermost first.
    `preload` is what the tablet fills in by itself: start, end, today, deviceid, username. `sources` are the answers
    that it is calculated from, where it declares no privacy of its own.
    """

    path: str
    type: str = "string"
    kind: str = "question"
    privacy: str | None = None
    labels: Mapping[str, str] = default(default_factory=dict)
    hints: Mapping[str, str] = default(default_factory=dict)
    appearance: str = ""
    choices: str | None = None
    from_file: str | None = None
    media: str | None = None
    save_to: str | None = None
    required: bool = False
    repeats: tuple[str, ...] = ()
    preload: str | None = None
    sources: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    def label(self, language: str = "en") -> str:
        """The label in the language, else in any, else the name."""
        return in_language(self.labels, language) or self.name


@dataclass(frozen=True, slots=True)
class EntityDeclaration:
    """That the form creates or updates an entity of a list. `path` is the group or repeat it stands in, "" the root.

    `saves` are the pairs (path of the question, property). Whether it really does is said by each instance.
    """

    list: str
    path: str = ""
    creates: bool = False
    updates: bool = False
    saves: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class FormSchema:
    """A version of a form. `fields` are in the form's order; `choices` is list -> value -> language -> label."""

    form_id: str
    version: str
    title: str
    root: str
    languages: tuple[str, ...] = ()
    default_language: str = ""
    fields: tuple[Field, ...] = ()
    choices: Mapping[str, Mapping[str, Mapping[str, str]]] = default(default_factory=dict)
    entities: tuple[EntityDeclaration, ...] = ()
    media: tuple[str, ...] = ()
    encrypted: bool = False

    @cached_property
    def by_path(self) -> dict[str, Field]:
        return {one.path: one for one in self.fields}

    @cached_property
    def entity_at(self) -> dict[str, EntityDeclaration]:
        """The declaration by the path of its group, "" for the root."""
        return {one.path: one for one in self.entities}

    def field(self, key: str) -> Field | None:
        """The field of a path or of an answer's key ("people[2]/relation"); None for a node not in the form."""
        return self.by_path.get(key) or self.by_path.get(_POSITION.sub("", key))

    def choice_label(self, asked: Field, value: str, language: str = "en") -> str:
        """What the person saw when picking the value; the value itself where the form does not say."""
        labels = self.choices.get(asked.choices or "", {}).get(value, {})
        return in_language(labels, language) or value

    def privacy_of(self, key: str, undeclared: str = "strict") -> Privacy:
        """The class of an answer. A node not in the form is sensitive; a word that is no class is identifying."""
        known = self.privacies(undeclared)
        return known.get(key) or known.get(_POSITION.sub("", key), Privacy.SENSITIVE)

    def privacies(self, undeclared: str) -> Mapping[str, Privacy]:
        """Path -> class for every field, worked out once."""
        return self._strict if undeclared == "strict" else self._by_type

    @cached_property
    def _strict(self) -> dict[str, Privacy]:
        return _worked_out(self, by_type=False)

    @cached_property
    def _by_type(self) -> dict[str, Privacy]:
        return _worked_out(self, by_type=True)

    def to_json(self) -> dict[str, Any]:
        """A plain dict for JSONB; defaults are left out. Choices are pairs: JSONB keeps no order of keys."""
        plain = _plain(self)
        if "choices" in plain:
            plain["choices"] = {name: [[value, labels] for value, labels in one.items()]
                                for name, one in plain["choices"].items()}
        return plain

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> FormSchema:
        """The schema that `to_json` wrote."""
        given = dict(data)
        given["fields"] = tuple(Field(**_tuples(one, "repeats", "sources")) for one in given.get("fields", ()))
        given["entities"] = tuple(
            EntityDeclaration(**{**one, "saves": tuple((p, q) for p, q in one.get("saves", ()))})
            for one in given.get("entities", ()))
        # What was stored before the pairs is a dict.
        given["choices"] = {name: dict(one) for name, one in given.get("choices", {}).items()}
        return cls(**_tuples(given, "languages", "media"))


def in_language(texts: Mapping[str, str], language: str) -> str:
    """The text in a language; else without language, in English, in any; "" when there is none."""
    return texts.get(language) or texts.get("") or texts.get("en") or next(iter(texts.values()), "")


def without_positions(key: str) -> str:
    """The path of an answer's key: "people[2]/relation" -> "people/relation"."""
    return _POSITION.sub("", key)


def _privacy(one: Field, *, by_type: bool) -> Privacy:
    if one.privacy is not None:
        # A mistyped class must not open anything: masked until the form is corrected.
        return Privacy(one.privacy) if one.privacy in Privacy.__members__.values() else Privacy.IDENTIFYING
    if one.save_to:
        return Privacy.OPEN
    return Privacy.OPEN if by_type and one.type in _BY_TYPE_OPEN else Privacy.SENSITIVE


def _worked_out(schema: FormSchema, *, by_type: bool) -> dict[str, Privacy]:
    classes = {one.path: _privacy(one, by_type=by_type) for one in schema.fields}
    # A calculation that declares nothing is at least as private as what it is made of. Once round is not enough where
    # calculations are made of calculations; each round settles at least one, and classes only ever rise.
    made = [one for one in schema.fields if one.sources]
    changing = True
    while changing:
        changing = False
        for one in made:
            strictest = max((classes[one.path], *(classes[path] for path in one.sources if path in classes)),
                            key=_RANKS.__getitem__)
            changing = changing or strictest is not classes[one.path]
            classes[one.path] = strictest
    return classes


def _plain(thing: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for one in fields(thing):
        value = getattr(thing, one.name)
        if one.name in ("fields", "entities"):
            value = [_plain(each) for each in value]
        elif isinstance(value, tuple):
            value = [list(each) if isinstance(each, tuple) else each for each in value]
        if value not in (None, "", False, [], {}) or one.name in _ALWAYS:
            plain[one.name] = value
    # `type` and `kind` have defaults that are not empty.
    if isinstance(thing, Field):
        plain = {k: v for k, v in plain.items() if (k, v) not in (("type", "string"), ("kind", "question"))}
    return plain


def _tuples(given: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {**given, **{name: tuple(given[name]) for name in names if name in given}}
