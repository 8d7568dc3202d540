"""Answers typed by the form. Knows an instance's nodes and a schema; knows no database, no HTTP, no people.

Nothing that was sent is dropped: what the form does not know, what is not of its type and what stands twice is kept
as it was written, and marked. A value stays as long as it is.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from lxml import etree

from odk.plan import Node, plan_of
from odk.schema import FormSchema, Privacy, without_positions
from odk.values import ILL_TYPED, UUID

if TYPE_CHECKING:
    from odk.instance import Instance

UNKNOWN, ILL, REPEATED = "unknown", "ill-typed", "repeated"
# Ids of the instance itself and what entity_actions reads are no answers.
_NOT_ANSWERS = frozenset({"instanceID", "deprecatedID", "rootUuid", "entity"})
_LAST = 1 << 30
# What XML calls white space. str.isspace() also takes the spaces of other scripts, which somebody may have typed.
_SPACE = " \t\r\n"


class Selection(NamedTuple):
    """An entity that was picked in a question with choices from a file. `list` is the file's name without ending."""

    list: str
    entity_id: str
    key: str


@dataclass(frozen=True)
class Answers:
    """What one instance says. Keys of `values` are paths with positions for repeats: "people[2]/relation".

    Values: int, bool, list (select, rank) and str for all else, as written (decimals, dates, times, places, file
    names). Empty answers are absent. `flags` marks keys: "unknown" (not in the form), "ill-typed" (kept as text),
    "repeated" (should stand once; its key ends in a position from the second on). `files` are the attachment names
    that the answers expect. `repeats` counts rows ("people" -> 3, "people[1]/phones" -> 2). `metadata` is what the
    tablet filled in, by its ODK name (start, end, today, deviceid, username, ...), also when the question is named
    otherwise; the same values stand in `values`. `selected` are the entities picked from lists.
    """

    values: dict[str, Any] = field(default_factory=dict)
    flags: dict[str, str] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    repeats: dict[str, int] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    selected: tuple[Selection, ...] = ()

    @property
    def device_id(self) -> str | None:
        return self.metadata.get("deviceid")

    @property
    def instance_name(self) -> str | None:
        """What the form calls this submission. It often holds a name: treat it as the answer it is made of."""
        return self.values.get("meta/instanceName")

    def by_privacy(self, schema: FormSchema, undeclared: str = "strict") -> dict[Privacy, dict[str, Any]]:
        """The values by class, each in the form's order; unknown and ill-typed ones are sensitive at least."""
        classes, flags = schema.privacies(undeclared), self.flags
        sorted_out: dict[Privacy, dict[str, Any]] = {each: {} for each in Privacy}
        for key, value in self.values.items():
            privacy = classes.get(key) or classes.get(without_positions(key)) or _around(key, classes)
            if privacy is Privacy.OPEN and flags.get(key) in (UNKNOWN, ILL):
                privacy = Privacy.SENSITIVE
            sorted_out[privacy][key] = value
        return sorted_out


def read_answers(instance: Instance, schema: FormSchema) -> Answers:
    """The answers of an instance, typed by the schema of its form's version. Never raises on what was sent."""
    reader = _Reader()
    if instance.encrypted:
        return Answers(files=_encrypted_files(instance.root))
    reader.group(instance.root, plan_of(schema), "", None)
    return Answers(reader.values, reader.flags, tuple(reader.files), reader.repeats, reader.metadata,
                   tuple(reader.selected))


def changed(before: Mapping[str, Any], after: Mapping[str, Any],
            schema: FormSchema | None = None) -> list[tuple[str, Any, Any]]:
    """What an edit changed: (key, was, now), None where there is no answer, in the form's order.

    With a schema, what the tablet fills in by itself (start, end, …) is left out.
    """
    differing = [(key, before.get(key), after.get(key)) for key in _merged(list(before), list(after))
                 if before.get(key) != after.get(key)]
    if schema is None:
        return differing
    return [one for one in differing if (asked := schema.field(one[0])) is None or asked.kind != "metadata"]


def _merged(before: list[str], after: list[str]) -> list[str]:
    """Both orders in one: what only `before` has stands after the key that it followed there."""
    known, place = set(after), None
    follows: dict[str | None, list[str]] = {}
    for key in before:
        if key not in known:
            follows.setdefault(place, []).append(key)
        else:
            place = key
    result = list(follows.get(None, ()))
    for key in after:
        result.append(key)
        result.extend(follows.get(key, ()))
    return result


def _around(key: str, classes: Mapping[str, Privacy]) -> Privacy:
    """The class of a node that the form does not know: that of the group it was put in, sensitive at least."""
    path = without_positions(key)
    while path and path not in classes:
        path = path.rpartition("/")[0]
    found = classes.get(path, Privacy.SENSITIVE)
    return Privacy.SENSITIVE if found is Privacy.OPEN else found


def _encrypted_files(root: etree._Element) -> tuple[str, ...]:
    names = [(node.text or "").strip() for name in ("file", "encryptedXmlFile") for node in root.iter("{*}" + name)]
    return tuple(dict.fromkeys(name for name in names if name))


class _Reader:
    """Walks one instance beside the plan of its form."""

    __slots__ = ("files", "flags", "metadata", "repeats", "selected", "values")

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.flags: dict[str, str] = {}
        self.files: dict[str, None] = {}
        self.repeats: dict[str, int] = {}
        self.metadata: dict[str, str] = {}
        self.selected: list[Selection] = []

    def group(self, element: etree._Element, node: Node, prefix: str, mark: str | None) -> None:
        """All that stands in a group, a repeat's row or the root."""
        plan, latest, in_order = node.children or {}, -1, True
        nodes: list[tuple[int, str, Node | None, etree._Element]] = []
        for child in element:
            tag = child.tag
            name = tag.rpartition("}")[2] if tag[0] == "{" else tag
            if node.is_meta and name in _NOT_ANSWERS:
                continue
            known = plan.get(name)
            if known is None and name == "meta":
                known = _META
            order = known.order if known is not None else _LAST
            if order < latest:
                in_order = False
            elif known is not None:
                latest = order
            nodes.append((order, name, known, child))
        if not in_order:
            nodes.sort(key=_by_order)
        self._each(nodes, prefix, mark)
        self._loose_text(element, prefix)

    def _each(self, nodes: list[tuple[int, str, Node | None, etree._Element]], prefix: str, mark: str | None) -> None:
        times: dict[str, int] = {}
        for _, name, known, child in nodes:
            time = times[name] = times.get(name, 0) + 1
            key = prefix + name
            if known is None:
                self._unknown(child, key if time == 1 else f"{key}[{time}]")
            elif known.is_repeat:
                self.repeats[key] = time
                self.group(child, known, f"{key}[{time}]/", mark)
            else:
                again = mark
                if time > 1:
                    key, again = f"{key}[{time}]", REPEATED
                if known.children is not None:
                    self.group(child, known, key + "/", again)
                else:
                    self._answer(child, known, key, again)

    def _answer(self, element: etree._Element, node: Node, key: str, mark: str | None) -> None:
        if len(element):
            # The form asks for one value here; whatever was nested in it is not in the form.
            self._unknown_below(element, key)
        text = _own_text(element) if len(element) else element.text
        if not text or not text.strip(_SPACE):
            return
        value = node.convert(text)
        if value is ILL_TYPED:
            self.values[key], self.flags[key] = text, ILL
            return
        self.values[key] = value
        if mark is not None:
            self.flags[key] = mark
        if node.special:
            self._special(node, key, value)

    def _special(self, node: Node, key: str, value: Any) -> None:
        if node.is_file:
            self.files[value] = None
        if node.list is not None:
            for one in value if type(value) is list else (value,):
                if UUID.fullmatch(one):
                    self.selected.append(Selection(node.list, one.lower(), key))
        if node.preload is not None:
            self.metadata.setdefault(node.preload, value)

    def _unknown(self, element: etree._Element, key: str) -> None:
        text = _own_text(element) if len(element) else element.text
        if text and text.strip(_SPACE):
            self.values[key], self.flags[key] = text, UNKNOWN
        self._unknown_below(element, key)

    def _unknown_below(self, element: etree._Element, key: str) -> None:
        times: dict[str, int] = {}
        for child in element:
            name = child.tag.rpartition("}")[2]
            time = times[name] = times.get(name, 0) + 1
            self._unknown(child, f"{key}/{name}" if time == 1 else f"{key}/{name}[{time}]")

    def _loose_text(self, element: etree._Element, prefix: str) -> None:
        """Text between the nodes of a group, where none should be."""
        text = _own_text(element)
        if text.strip(_SPACE):
            key = prefix.rstrip("/") or "text()"
            self.values[key], self.flags[key] = text, UNKNOWN


def _own_text(element: etree._Element) -> str:
    """The text that stands directly in an element, before, between and after its children."""
    text = element.text or ""
    for child in element:
        tail = child.tail
        if tail:
            text += tail
    return text


def _by_order(entry: tuple[int, str, Node | None, etree._Element]) -> int:
    return entry[0]


_META = Node.meta()
