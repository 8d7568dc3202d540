"""What an instance does to entity lists, and the lists as tablets read them. Knows the ODK entities specification
(2022.1 to 2025.1) and CSV; knows no database: whether an entity exists is for others to say.
"""
from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from lxml import etree

from odk.instance import Instance
from odk.schema import EntityDeclaration, FormSchema
from odk.values import UUID
from odk.xml import local

Act = Literal["create", "update", "upsert"]
_TRUE = frozenset({"1", "true"})
_SYSTEM_COLUMNS = ("name", "label", "__version")


@dataclass(frozen=True)
class EntityAction:
    """One entity that an instance creates, updates, or either ("upsert": update it, create it if it is not there).

    `entity_id` is the UUID in lower case, or the text as sent when `problem` is "bad-uuid". `label` is None when the
    instance says none. `data` holds the properties whose questions were in the instance, as written, "" when emptied;
    a question that was not relevant is not in it. `key` is where the declaration stands ("", "people[2]").
    `problem`: None, bad-uuid, no-list, no-label (a creation without one), bad-base-version, bad-branch,
    undeclared (the form's schema declares no entity there), other-list (another list than the form's),
    repeated (a second entity in one place).
    """

    list: str
    entity_id: str
    act: Act
    label: str | None = None
    data: dict[str, str] = field(default_factory=dict)
    base_version: int | None = None
    trunk_version: int | None = None
    branch_id: str | None = None
    key: str = ""
    problem: str | None = None


def entity_actions(instance: Instance, schema: FormSchema) -> tuple[EntityAction, ...]:
    """The actions of an instance, in its order. Nodes that neither create nor update say nothing and are left out."""
    if instance.encrypted:
        return ()
    reader = _Reader(schema)
    for node in instance.root.iter("{*}entity"):
        meta = node.getparent()
        if meta is not None and local(meta.tag) == "meta" and meta.getparent() is not None:
            reader.take(node, meta.getparent())
    return tuple(reader.actions)


def entity_csv(list_properties: Iterable[str],
               rows: Iterable[tuple[str, str, int, Mapping[str, Any]]]) -> bytes:
    """A list as Collect reads it: name, label, __version, then the properties; UTF-8, RFC 4180, always a header.

    A row is (entity id, label, version, data). Collect stops updating the whole list at a row without a label, so an
    entity that has none shows its id.
    """
    properties = [one for one in dict.fromkeys(list_properties) if one not in ("name", "label") and one[:2] != "__"]
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([*_SYSTEM_COLUMNS, *properties])
    for entity_id, label, version, data in rows:
        values = (data.get(one) for one in properties)
        writer.writerow([entity_id, label or entity_id, version, *("" if v is None else v for v in values)])
    return text.getvalue().encode("utf-8")


def _act(attributes: Mapping[str, str]) -> Act | None:
    creates = attributes.get("create", "").lower() in _TRUE
    updates = attributes.get("update", "").lower() in _TRUE
    if creates:
        return "upsert" if updates else "create"
    return "update" if updates else None


class _Reader:
    """Collects the actions of one instance. What it learns of a row it keeps: ten thousand rows cost no more each."""

    __slots__ = ("_data", "_places", "_positions", "_schema", "actions")

    def __init__(self, schema: FormSchema) -> None:
        self.actions: list[EntityAction] = []
        self._schema = schema
        self._data: dict[etree._Element, dict[str, str]] = {}
        self._places: dict[etree._Element, tuple[str, str]] = {}
        self._positions: dict[etree._Element, dict[etree._Element, int]] = {}

    def take(self, node: etree._Element, container: etree._Element) -> None:
        attributes = {local(name): value.strip() for name, value in node.attrib.items()}
        act = _act(attributes)
        if act is None:
            return
        path, key = self._place(container)
        declared = self._schema.entity_at.get(path)
        again = container in self._data
        if not again:
            self._data[container] = _saved(container, declared) if declared is not None else {}
        list_name = attributes.get("dataset") or (declared.list if declared else "")
        entity_id = attributes.get("id", "").removeprefix("uuid:")
        label = next((child.text for child in node if local(child.tag) == "label"), None)
        base, trunk = attributes.get("baseVersion", ""), attributes.get("trunkVersion", "")
        branch = attributes.get("branchId", "")
        self.actions.append(EntityAction(
            list=list_name, entity_id=entity_id.lower() if UUID.fullmatch(entity_id) else entity_id, act=act,
            label=label if label and label.strip() else None, data=self._data[container],
            base_version=_version(base), trunk_version=_version(trunk), branch_id=branch or None, key=key,
            problem="repeated" if again else
            _problem(declared, list_name, entity_id, act, label, (base, trunk), branch)))

    def _place(self, container: etree._Element) -> tuple[str, str]:
        """The path and the key of the group, row or root that a declaration stands in."""
        parent = container.getparent()
        if parent is None:
            return "", ""
        if container not in self._places:
            above, key_above = self._place(parent)
            name = local(container.tag)
            path, key = (f"{above}/{name}", f"{key_above}/{name}") if above else (name, name)
            position = self._position(container, parent)
            known = self._schema.by_path.get(path)
            if position > 1 or (known is not None and known.kind == "repeat"):
                key += f"[{position}]"
            self._places[container] = path, key
        return self._places[container]

    def _position(self, node: etree._Element, parent: etree._Element) -> int:
        """The how-manieth of its name a node is."""
        if parent not in self._positions:
            times: dict[str, int] = {}
            positions = self._positions[parent] = {}
            for child in parent:
                name = local(child.tag)
                positions[child] = times[name] = times.get(name, 0) + 1
        return self._positions[parent][node]


def _problem(declared: EntityDeclaration | None, list_name: str, entity_id: str, act: Act, label: str | None,
             versions: tuple[str, ...], branch: str) -> str | None:
    if not list_name:
        return "no-list"
    if declared is None:
        return "undeclared"
    if declared.list != list_name:
        return "other-list"
    if not UUID.fullmatch(entity_id):
        return "bad-uuid"
    if act == "create" and not (label and label.strip()):
        return "no-label"
    if any(one and _version(one) is None for one in versions):
        return "bad-base-version"
    return "bad-branch" if branch and not UUID.fullmatch(branch) else None


def _version(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and 0 < len(text) < 10 else None


def _saved(container: etree._Element, declared: EntityDeclaration) -> dict[str, str]:
    data: dict[str, str] = {}
    start = len(declared.path) + 1 if declared.path else 0
    children: dict[etree._Element, dict[str, etree._Element]] = {}
    for path, saved_as in declared.saves:
        node: etree._Element | None = container
        for step in path[start:].split("/"):
            if node not in children:
                children[node] = _first_of_each_name(node)
            node = children[node].get(step)
            if node is None:
                break
        if node is not None:
            text = node.text or ""
            data.setdefault(saved_as, text if text.strip(" \t\r\n") else "")
    return data


def _first_of_each_name(parent: etree._Element) -> dict[str, etree._Element]:
    found: dict[str, etree._Element] = {}
    for child in parent:
        found.setdefault(local(child.tag), child)
    return found
