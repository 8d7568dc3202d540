"""What a form declares of entities, worked out for an instance that says nothing of them.

A tablet writes into an instance what the form's entities sheet says. A server that drops that sheet gets none of it,
but all the answers: the expressions are evaluated here over them. Knows XML; knows no database.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from lxml import etree

from odk import xml as safe
from odk.xml import local

_TRUE, _FALSE = "true", "false"


@dataclass(frozen=True, slots=True)
class Rule:
    """One declaration: where it stands ("" the root), of which list, and its expressions (None: it has none).

    `create` and `update` None: never. `entity_id` None: each new one is given an id.
    """

    path: str
    list: str
    create: str | None
    update: str | None
    entity_id: str | None
    label: str | None


@dataclass(frozen=True, slots=True)
class Blank:
    """A node of a form that nobody filled in yet."""

    name: str
    repeats: bool = False
    children: tuple[Blank, ...] = ()


@dataclass(frozen=True, slots=True)
class Rules:
    """All declarations of a form, and its root, with whose name expressions begin."""

    blank: Blank
    rules: tuple[Rule, ...]

    @property
    def root(self) -> str:
        return self.blank.name


class ExpressionUnknown(ValueError):
    """An expression asks for what can be known on a tablet alone: other files, the clock, chance."""


@lru_cache(maxsize=64)
def rules_of(xform: bytes) -> Rules:
    """What an XForm declares. Raises the problems of `odk.xml`."""
    document = safe.parse(xform)
    model = next(document.iter("{*}model"), None)
    primary = next(model.iterchildren("{*}instance"), None) if model is not None else None
    root = next(iter(primary), None) if primary is not None else None
    if root is None:
        return Rules(Blank(""), ())
    said = {
        one.get("nodeset", "").strip(): one.get("calculate", "").strip()
        for one in document.iter("{*}bind")
        if one.get("calculate")
    }
    found: dict[str, Rule] = {}
    for node in root.iter("{*}entity"):
        meta = node.getparent()
        if meta is None or local(meta.tag) != "meta" or meta.getparent() is None:
            continue
        path = _path(root, meta.getparent())
        found.setdefault(path, _rule(node, path, f"/{local(root.tag)}/{path}".rstrip("/") + "/meta/entity", said))
    repeats = {one.get("nodeset", "").strip() for one in document.iter("{*}repeat")}
    return Rules(_blank(root, "", repeats), tuple(found.values()))


def _blank(node: etree._Element, above: str, repeats: set[str]) -> Blank:
    name = local(node.tag)
    path = f"{above}/{name}"
    # A repeat stands twice, as template and as first row.
    children = {local(child.tag): child for child in node if local(child.tag) != "meta"}
    return Blank(name, path in repeats, tuple(_blank(child, path, repeats) for child in children.values()))


def _rule(node: etree._Element, path: str, place: str, said: dict[str, str]) -> Rule:
    has = {local(name): value for name, value in node.attrib.items()}
    acts = [said.get(f"{place}/@{act}") or "true()" if act in has else None for act in ("create", "update")]
    return Rule(path, has.get("dataset", ""), acts[0], acts[1], said.get(f"{place}/@id"), said.get(f"{place}/label"))


def plain(root: etree._Element, name: str) -> etree._Element:
    """A copy without namespaces and without entities, its root called `name`."""
    made = etree.Element(name)
    for key, value in root.attrib.items():
        made.set(local(key), value)
    made.text = root.text
    for child in root:
        if local(child.tag) != "entity":
            made.append(plain(child, local(child.tag)))
    return made


def places(root: etree._Element, rule: Rule) -> list[etree._Element]:
    """The root, group or rows that a declaration stands in, in the instance's order."""
    return [root] if not rule.path else root.findall(rule.path)


def declare(root: etree._Element, rules: Rules, made: Callable[[Rule, int], str]) -> list[tuple[Rule, str]]:
    """Write the entities into a plain copy. `made` gives the id of the n-th place of a rule without one of answers.

    Gives the rules that could not be worked out, with the reason.
    """
    failed = []
    found = [(rule, places(root, rule)) for rule in rules.rules]
    # To an expression a question that was not relevant is empty, while to an entity it says nothing.
    added = list(_completed(root, rules.blank))
    for rule, there in found:
        for number, place in enumerate(there):
            try:
                _write(place, rule, partial(made, rule, number))
            except ExpressionUnknown as unknown:
                failed.append((rule, str(unknown)))
    for parent, node in added:
        parent.remove(node)
    return failed


def _completed(node: etree._Element, blank: Blank) -> Iterator[tuple[etree._Element, etree._Element]]:
    for child in blank.children:
        there = [one for one in node if one.tag == child.name]
        for one in there:
            yield from _completed(one, child)
        if not there and not child.repeats:
            made = etree.SubElement(node, child.name)
            yield node, made
            # Goes with it.
            list(_completed(made, child))


def _write(place: etree._Element, rule: Rule, made: Callable[[], str]) -> None:
    meta = next((node for node in place if node.tag == "meta"), None)
    if meta is None:
        meta = etree.SubElement(place, "meta")
    node = etree.SubElement(meta, "entity", dataset=rule.list)
    label = etree.SubElement(node, "label")
    try:
        for act, expression in (("create", rule.create), ("update", rule.update)):
            if expression is not None:
                node.set(act, _evaluated(expression, label))
        node.set("id", _evaluated(rule.entity_id, label) if rule.entity_id else made())
    except ExpressionUnknown:
        meta.remove(node)
        raise
    if rule.label is not None:
        try:
            label.text = _evaluated(rule.label, label)
        except ExpressionUnknown:
            # An entity without a label is still this entity.
            label.text = None


# Expressions


def _evaluated(expression: str, node: etree._Element) -> str:
    """An expression's value as a tablet writes it. Raises ExpressionUnknown."""
    try:
        return _text(_compiled(expression)(node))
    except (etree.XPathError, RecursionError):
        raise ExpressionUnknown("expression-unknown") from None


@lru_cache(maxsize=512)
def _compiled(expression: str) -> etree.XPath:
    return etree.XPath(expression, extensions=_FUNCTIONS, smart_strings=False)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return _TRUE if value else _FALSE
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else ("" if value != value else repr(value))
    if isinstance(value, list):
        return _text(value[0]) if value else ""
    if isinstance(value, etree._Element):
        return "".join(value.itertext())
    return str(value)


def _truth(value: Any) -> bool:
    return bool(value)


def _chosen(value: Any) -> list[str]:
    return _text(value).split()


def _number(value: Any) -> float:
    try:
        return float(_text(value))
    except ValueError:
        return float("nan")


def _join(_: Any, between: Any, *values: Any) -> str:
    return _text(between).join(_each(values))


def _each(values: Sequence[Any]) -> Iterator[str]:
    for value in values:
        yield from (_text(one) for one in value) if isinstance(value, list) else (_text(value),)


def _substr(_: Any, text: Any, start: Any, end: Any = None) -> str:
    whole = _text(text)
    return whole[int(_number(start)) : int(_number(end)) if end is not None else None]


# Those of the XForms functions that are about answers alone. XPath's own come with lxml.
_FUNCTIONS = {
    (None, "if"): lambda _, asked, yes, no: yes if _truth(asked) else no,
    (None, "coalesce"): lambda _, *values: next((text for text in map(_text, values) if text), ""),
    (None, "once"): lambda _, value: _text(value),
    (None, "selected"): lambda _, value, one: _text(one) in _chosen(value),
    (None, "count-selected"): lambda _, value: float(len(_chosen(value))),
    (None, "selected-at"): lambda _, value, at: dict(enumerate(_chosen(value))).get(int(_number(at)), ""),
    (None, "join"): _join,
    (None, "concat"): lambda _, *values: "".join(_each(values)),
    (None, "substr"): _substr,
    (None, "int"): lambda _, value: float(int(_number(value))) if _number(value) == _number(value) else float("nan"),
    (None, "regex"): lambda _, value, pattern: re.search(_text(pattern)[:500], _text(value)[:2000]) is not None,
}


def made_id(root_id: str, rule: Rule, number: int) -> uuid.UUID:
    """The id of a new entity: always the same for a submission, a list and the place where it was seen first."""
    bare = root_id.removeprefix("uuid:")
    try:
        space = uuid.UUID(bare)
    except ValueError:
        space = uuid.uuid5(uuid.NAMESPACE_URL, root_id)
    return uuid.uuid5(space, f"{rule.list}/{rule.path}[{number}]")


def _path(root: etree._Element, node: etree._Element) -> str:
    steps = []
    while node is not root:
        steps.append(local(node.tag))
        node = node.getparent()
    return "/".join(reversed(steps))
