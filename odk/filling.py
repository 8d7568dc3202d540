"""Fill in a form as Collect would. Knows an XForm and answers by path; evaluates nothing, knows no database.

Calculations, choices and constraints are the caller's: what is given is written as it is. The bytes depend on the
arguments alone.
"""
from __future__ import annotations

import copy
import datetime as dt
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from lxml import etree

from odk import xml as safe
from odk.xml import local

_XFORMS = "http://www.w3.org/2002/xforms"
_TEMPLATE = "{http://openrosa.org/javarosa}template"
_STEP = re.compile(r"([^/\[\]]+)(?:\[(\d+)\])?")
# What an entity node may say beside its label; an empty one is written empty, as JavaRosa writes it.
_ACTS = ("create", "update")
_MOST_ROWS = 10_000


class PathUnknown(ValueError):
    """An answer for a question that the form does not have: the caller and the form do not belong together."""


@dataclass(frozen=True)
class _Blank:
    """A form's own empty instance: its root without namespaces of its own, and which paths repeat or may be absent."""

    root: etree._Element
    repeats: frozenset[str]
    conditional: frozenset[str]


def fill(
    xform: bytes, answers: Mapping[str, Any], *, instance_id: str, deprecated_id: str | None = None,
    entities: Mapping[str, Mapping[str, Any]] | None = None,
) -> bytes:
    """The instance that Collect would send: UTF-8, the form's id, version and order of questions.

    `answers`: path -> value, with positions for repeats ("people[2]/relation"); a list is several choices, True and
    False are written as JavaRosa does, None is no answer. A question without an answer is left out where the form asks
    it under a condition, else written empty; "" keeps such a question, empty. A repeat has as many rows as its highest
    position. `entities`: path of the group or row ("" for the root) -> attributes of its entity (id, create, update,
    baseVersion, …) and "label"; a declaration that is not named here does nothing.

    Raises PathUnknown, and the problems of `odk.xml` for a form that is no XML.
    """
    blank = _blank(xform)
    given = {key: value for key, value in answers.items() if value is not None}
    root = copy.deepcopy(blank.root)
    filled = _Filling(blank, given, dict(entities or {}))
    filled.group(root, "", "")
    filled.check()
    _identify(root, instance_id, deprecated_id)
    etree.cleanup_namespaces(root)
    return b"<?xml version='1.0' ?>" + etree.tostring(root, encoding="utf-8")


@lru_cache(maxsize=32)
def _blank(xform: bytes) -> _Blank:
    document = safe.parse(xform)
    model = next(document.iter(f"{{{_XFORMS}}}model"), None)
    instance = model.find(f"{{{_XFORMS}}}instance") if model is not None else None
    if model is None or instance is None or not len(instance):
        raise PathUnknown("the form has no instance of its own")
    first = instance[0]
    conditional = {_path(bind, first) for bind in model.iter(f"{{{_XFORMS}}}bind") if bind.get("relevant")}
    repeats = {_path_of(node) for node in first.iter() if node.get(_TEMPLATE) is not None}
    repeats |= {_path_of_ref(one.get("nodeset", ""), first) for one in document.iter(f"{{{_XFORMS}}}repeat")}
    return _Blank(_plain(first, frozenset(repeats)), frozenset(repeats), frozenset(conditional))


def _path(bind: etree._Element, root: etree._Element) -> str:
    return _path_of_ref(bind.get("nodeset", ""), root)


def _path_of_ref(reference: str, root: etree._Element) -> str:
    """"/data/people/name" -> "people/name", prefixes dropped."""
    steps = [step.rpartition(":")[2] for step in reference.strip().strip("/").split("/")]
    return "/".join(steps[1:]) if steps and steps[0] == local(root.tag) else reference


def _path_of(node: etree._Element) -> str:
    steps: list[str] = []
    while (parent := node.getparent()) is not None and local(node.tag) != "instance":
        if local(parent.tag) == "instance":
            break
        steps.append(local(node.tag))
        node = parent
    return "/".join(reversed(steps))


def _plain(node: etree._Element, repeats: frozenset[str], path: str = "") -> etree._Element:
    """A copy outside the XForms namespace, as JavaRosa writes it, with one row of each repeat."""
    namespace = node.tag.partition("}")[0][1:] if node.tag[0] == "{" else ""
    made = etree.Element(local(node.tag) if namespace == _XFORMS else node.tag,
                         nsmap={prefix: uri for prefix, uri in node.nsmap.items() if prefix and uri == namespace})
    for name, value in node.attrib.items():
        if name != _TEMPLATE:
            made.set(name, value)
    made.text = node.text if node.text and node.text.strip() else None
    rows: set[str] = set()
    for child in node:
        below = f"{path}/{local(child.tag)}" if path else local(child.tag)
        if below in repeats:
            if below in rows:
                continue
            rows.add(below)
        made.append(_plain(child, repeats, below))
    return made


class _Filling:
    """Walks the blank instance and writes the answers into it."""

    def __init__(self, blank: _Blank, answers: dict[str, Any], entities: dict[str, Mapping[str, Any]]) -> None:
        self._blank, self._answers, self._entities = blank, answers, entities
        self._used: set[str] = set()
        self._used_entities: set[str] = set()
        # Every group that holds an answer or an entity, and the highest position of each repeat.
        self._inhabited: set[str] = {""}
        self._rows: dict[str, int] = {}
        for key in (*answers, *entities):
            self._note(key, whole=key in entities)

    def group(self, element: etree._Element, path: str, key: str) -> None:
        """Fill in all that stands in a group, a row or the root."""
        for child in list(element):
            name = local(child.tag)
            below = f"{path}/{name}" if path else name
            where = f"{key}/{name}" if key else name
            if name == "meta":
                self._meta(element, child, below, where, key)
            elif below in self._blank.repeats:
                self._repeat(element, child, below, where)
            elif len(child):
                if below in self._blank.conditional and where not in self._inhabited:
                    element.remove(child)
                else:
                    self.group(child, below, where)
            else:
                self._answer(element, child, below, where)

    def check(self) -> None:
        """Raises PathUnknown for what found no place."""
        lost = [key for key in self._answers if key not in self._used]
        lost += [f"{key or 'root'}: entity" for key in self._entities if key not in self._used_entities]
        if lost:
            raise PathUnknown(", ".join(sorted(lost)[:5]))

    def _note(self, key: str, *, whole: bool) -> None:
        walked = ""
        steps = list(_STEP.finditer(key))
        for step in steps if whole else steps[:-1]:
            walked = f"{walked}/{step[0]}" if walked else step[0]
            self._inhabited.add(walked)
            if step[2]:
                position, name = int(step[2]), walked.removesuffix(f"[{step[2]}]")
                if not 0 < position <= _MOST_ROWS:
                    raise PathUnknown(key)
                self._rows[name] = max(position, self._rows.get(name, 0))

    def _repeat(self, element: etree._Element, child: etree._Element, path: str, key: str) -> None:
        at = element.index(child)
        element.remove(child)
        for number in range(1, self._rows.get(key, 0) + 1):
            row = copy.deepcopy(child)
            element.insert(at + number - 1, row)
            self.group(row, path, f"{key}[{number}]")

    def _answer(self, element: etree._Element, child: etree._Element, path: str, key: str) -> None:
        if key in self._answers:
            self._used.add(key)
            child.text = _text(self._answers[key]) or None
        elif path in self._blank.conditional:
            element.remove(child)

    def _meta(self, element: etree._Element, meta: etree._Element, path: str, where: str, key: str) -> None:
        for child in list(meta):
            if local(child.tag) == "entity":
                self._entity(meta, child, key)
            else:
                self._answer(meta, child, f"{path}/{local(child.tag)}", f"{where}/{local(child.tag)}")
        if not len(meta):
            element.remove(meta)

    def _entity(self, meta: etree._Element, node: etree._Element, key: str) -> None:
        wanted = self._entities.get(key)
        if wanted is None:
            meta.remove(node)
            return
        self._used_entities.add(key)
        for name, value in wanted.items():
            if name != "label":
                node.set(name, _text(value))
        for act in _ACTS:
            # A form that may do either says which by the caller; what it only may not do stays away.
            if act in node.attrib and act not in wanted and any(one in wanted for one in _ACTS):
                node.set(act, "false")
        label = next((one for one in node if local(one.tag) == "label"), None)
        if "label" in wanted:
            if label is None:
                label = etree.SubElement(node, node.tag.removesuffix("entity") + "label")
            label.text = _text(wanted["label"])


def _identify(root: etree._Element, instance_id: str, deprecated_id: str | None) -> None:
    """Put the ids where the form keeps them; a form without a place for them gets OpenRosa's."""
    node = next(_named(root, "instanceID"), None)
    if node is None:
        openrosa = "http://openrosa.org/xforms"
        meta = next(root.iterchildren("{*}meta"), None)
        if meta is None:
            meta = etree.SubElement(root, f"{{{openrosa}}}meta", nsmap={"orx": openrosa})
        space = etree.QName(meta).namespace
        node = etree.SubElement(meta, f"{{{space}}}instanceID" if space else "instanceID")
    node.text = instance_id
    if deprecated_id:
        old = etree.Element(node.tag.replace("instanceID", "deprecatedID"))
        old.text = deprecated_id
        node.addnext(old)


def _named(root: etree._Element, name: str) -> Iterator[etree._Element]:
    for meta in root.iterchildren("{*}meta"):
        yield from (node for node in meta if local(node.tag) == name)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return " ".join(_text(one) for one in value)
    if isinstance(value, dt.datetime):
        return value.isoformat(timespec="milliseconds")
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    return str(value)
