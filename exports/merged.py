"""All versions of a form as one: the newest one's questions in its order, and those it dropped, where they stood.

Knows schemas and privacy classes; reads no answer.
"""
from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from odk.schema import Field, FormSchema, Privacy, in_language

_BREAKS = re.compile(r"\s+")
_RANK = {one: rank for rank, one in enumerate(Privacy)}


@dataclass(frozen=True, slots=True)
class Version:
    """A published version: its schema, and what an undeclared question counts as there."""

    schema: FormSchema
    undeclared: str = "strict"
    # Whether an entity says its label, which is then a column of its own.
    labelled: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """A question over all versions: as its newest version asks it, as private as any of them says.

    `repeat` is the path of the repeat it stands in, "" for the form itself. `choices` are value -> labels of all
    versions, empty where the form has no list of them.
    """

    field: Field
    privacy: Privacy
    choices: Mapping[str, Mapping[str, str]]

    @property
    def path(self) -> str:
        return self.field.path

    @property
    def repeat(self) -> str:
        return self.field.repeats[-1] if self.field.repeats else ""

    def choice(self, value: str, language: str) -> str:
        """What the person saw when picking it; the value where no version says."""
        return in_language(self.choices.get(value, {}), language) or value


@dataclass(frozen=True)
class MergedForm:
    """What an export knows of a form. `repeats` are the paths of all its repeats, outer ones first."""

    form_id: str
    title: str
    questions: tuple[Question, ...]
    repeats: tuple[str, ...]
    labels: Mapping[str, Mapping[str, str]]
    languages: tuple[str, ...]
    encrypted: bool

    def label(self, path: str, language: str) -> str:
        """The label of a question, group or repeat in one line; its name where it has none."""
        text = _BREAKS.sub(" ", in_language(self.labels.get(path, {}), language)).strip()
        return text or path.rpartition("/")[2]

    def steps(self, path: str, language: str | None) -> list[str]:
        """The way to a question from the form's root: names, or labels in a language."""
        names = path.split("/")
        if language is None:
            return names
        return [self.label("/".join(names[: depth + 1]), language) for depth in range(len(names))]


def merge(versions: Iterable[Version]) -> MergedForm:
    """The versions, newest first, as one form."""
    known = [replace(one, schema=_with_entities(one)) if one.labelled else one for one in versions]
    newest = known[0].schema
    order = [field.path for field in newest.fields]
    fields = {field.path: field for field in newest.fields}
    for one in known[1:]:
        order = _inserted(order, [field.path for field in one.schema.fields])
        for field in one.schema.fields:
            fields.setdefault(field.path, field)
    labels: dict[str, Mapping[str, str]] = {}
    for one in reversed(known):
        labels |= {field.path: field.labels for field in one.schema.fields if field.labels}
    questions = tuple(
        Question(fields[path], _privacy(path, known), _choices(path, known))
        for path in order
        if fields[path].kind not in ("group", "repeat")
    )
    repeats = tuple(path for path in order if fields[path].kind == "repeat")
    languages = tuple(dict.fromkeys(code for one in known for code in one.schema.languages))
    return MergedForm(
        newest.form_id, newest.title or newest.form_id, questions, repeats, labels, languages, newest.encrypted
    )


def _with_entities(version: Version) -> FormSchema:
    """The schema with the label of each entity as a question: Central's column meta-entity-label."""
    schema, fields = version.schema, list(version.schema.fields)
    for entity in schema.entities:
        group = f"{entity.path}/meta" if entity.path else "meta"
        here = f"{entity.path}/"
        repeats = tuple(one.path for one in fields if one.kind == "repeat" and here.startswith(f"{one.path}/"))
        made = Field(f"{group}/entity/label", kind="metadata", privacy=Privacy.OPEN, repeats=repeats)
        inside = [n for n, one in enumerate(fields) if one.path.startswith(f"{group}/")]
        around = [n for n, one in enumerate(fields) if not entity.path or one.path.startswith(f"{entity.path}/")]
        at = inside[0] if inside else (around[-1] + 1 if around else len(fields))
        fields.insert(at, made)
    return replace(schema, fields=tuple(fields))


def _privacy(path: str, versions: list[Version]) -> Privacy:
    """The newest version's class; an older one's where that says more than sensitive."""
    found = [one.schema.privacies(one.undeclared)[path] for one in versions if path in one.schema.by_path]
    strict = [one for one in found if _RANK[one] > _RANK[Privacy.SENSITIVE]]
    return max([found[0], *strict], key=_RANK.__getitem__)


def _choices(path: str, versions: list[Version]) -> dict[str, Mapping[str, str]]:
    choices: dict[str, Mapping[str, str]] = {}
    for one in versions:
        asked = one.schema.by_path.get(path)
        for value, labels in one.schema.choices.get(asked.choices or "", {}).items() if asked else ():
            choices.setdefault(value, labels)
    return choices


def _inserted(order: list[str], older: list[str]) -> list[str]:
    """What only the older version has stands behind what it followed there."""
    known, place = set(order), None
    follows: dict[str | None, list[str]] = {}
    for path in older:
        if path in known:
            place = path
        else:
            follows.setdefault(place, []).append(path)
    result = list(follows.get(None, ()))
    for path in order:
        result.append(path)
        result.extend(follows.get(path, ()))
    return result
