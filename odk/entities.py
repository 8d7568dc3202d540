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
    undeclared (the form's schema declares no entity there), other-list (another list than the form's).
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
    actions = []
    for node in instance.root.iter("{*}entity"):
        meta = node.getparent()
        if meta is None or local(meta.tag) != "meta" or meta.getparent() is None:
            continue
        attributes = {local(name): value.strip() for name, value in node.attrib.items()}
        act = _act(attributes)
        if act is not None:
            actions.append(_action(node, meta.getparent(), attributes, act, schema))
    return tuple(actions)


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


def _action(node: etree._Element, container: etree._Element, attributes: Mapping[str, str], act: Act,
            schema: FormSchema) -> EntityAction:
    path, key = _place(container, schema)
    declared = schema.entity_at.get(path)
    list_name = attributes.get("dataset") or (declared.list if declared else "")
    entity_id = attributes.get("id", "").removeprefix("uuid:")
    label = next((child.text for child in node if local(child.tag) == "label"), None)
    base, trunk = attributes.get("baseVersion", ""), attributes.get("trunkVersion", "")
    branch = attributes.get("branchId", "")
    return EntityAction(
        list=list_name, entity_id=entity_id.lower() if UUID.fullmatch(entity_id) else entity_id, act=act,
        label=label if label and label.strip() else None, data=_data(container, declared, schema),
        base_version=_version(base), trunk_version=_version(trunk), branch_id=branch or None, key=key,
        problem=_problem(declared, list_name, entity_id, act, label, (base, trunk), branch))


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


def _place(container: etree._Element, schema: FormSchema) -> tuple[str, str]:
    """The path and the key of the group, row or root that a declaration stands in."""
    steps: list[str] = []
    nodes: list[etree._Element] = []
    while (above := container.getparent()) is not None:
        steps.insert(0, local(container.tag))
        nodes.insert(0, container)
        container = above
    key = ""
    for depth, node in enumerate(nodes, 1):
        known = schema.by_path.get("/".join(steps[:depth]))
        before = sum(1 for one in node.itersiblings("{*}" + steps[depth - 1], preceding=True))
        position = f"[{before + 1}]" if before or (known is not None and known.kind == "repeat") else ""
        key += ("/" if key else "") + steps[depth - 1] + position
    return "/".join(steps), key


def _data(container: etree._Element, declared: EntityDeclaration | None, schema: FormSchema) -> dict[str, str]:
    data: dict[str, str] = {}
    if declared is None:
        return data
    start = len(declared.path) + 1 if declared.path else 0
    for path, saved_as in declared.saves:
        node: etree._Element | None = container
        for step in path[start:].split("/"):
            node = next((one for one in node if local(one.tag) == step), None)
            if node is None:
                break
        if node is not None:
            text = node.text or ""
            data.setdefault(saved_as, "" if text.isspace() else text)
    return data
