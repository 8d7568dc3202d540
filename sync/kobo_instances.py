"""A Kobo's XML as ours: instances under the house's form id and version, XForms that carry the same. Knows XML only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lxml import etree

from namjai.problems import Problem
from odk import xml as safe
from odk.xml import local
from sync.kobo_words import prefixed

_BOOKKEEPING = ("formhub/uuid", "__version__")


def of_listing(xml: bytes) -> dict[str, etree._Element]:
    """The instances of a bulk answer by their instanceID. Raises the problems of `odk.xml`."""
    root = safe.parse(xml)
    results = next((node for node in root if local(node.tag) == "results"), None)
    found = {} if results is None else {id_of(node): node for node in results}
    found.pop("", None)
    return found


def id_of(root: etree._Element) -> str:
    """The instanceID, with its prefix; "" where there is none."""
    node = _in_meta(root, "instanceID")
    text = (node.text or "").strip() if node is not None else (root.get("instanceID") or "").strip()
    return prefixed(text)


def version_in(root: etree._Element) -> str:
    """The version of the form that an instance says it was filled with, by Kobo's id; "" where it says none."""
    return next(((node.text or "").strip() for node in root if local(node.tag) == "__version__"), "")


def names_in(root: etree._Element, uploads: frozenset[str]) -> list[tuple[str, str]]:
    """The files that an instance names: (path, name)."""
    return [(path, text) for path, text in _leaves(root, "") if path in uploads]


def _leaves(parent: etree._Element, above: str) -> Iterator[tuple[str, str]]:
    for node in parent:
        path = f"{above}/{local(node.tag)}" if above else local(node.tag)
        if len(node):
            yield from _leaves(node, path)
        elif node.text and node.text.strip():
            yield path, node.text


def instance(root: etree._Element, form_id: str, version: str, root_id: str) -> bytes:
    """An instance as the house knows its form. An edit names the first id and what it replaces.

    The same instance gives the same bytes, wherever it was read.
    """
    root.set("id", form_id)
    root.set("version", version)
    for name in ("instanceID", "deprecatedID"):
        node = _in_meta(root, name)
        if node is not None:
            node.text = prefixed((node.text or "").strip())
    if id_of(root) != root_id:
        _say(root, "deprecatedID", root_id, keep=True)
        _say(root, "rootUuid", root_id, keep=False)
    return etree.tostring(root, encoding="utf-8", with_tail=False)


def _say(root: etree._Element, name: str, text: str, *, keep: bool) -> None:
    node = _in_meta(root, name)
    if node is None:
        beside = _in_meta(root, "instanceID")
        if beside is None:
            return
        node = etree.Element(beside.tag.replace("instanceID", name))
        beside.addnext(node)
    if not (keep and node.text):
        node.text = text


def _in_meta(root: etree._Element, name: str) -> etree._Element | None:
    for meta in root.iterchildren("{*}meta"):
        for node in meta:
            if local(node.tag) == name:
                return node
    return None


def xform(xml: bytes, form_id: str, version: str) -> bytes:
    """An XForm under the house's form id and version, with the nodes that Kobo adds when it deploys.

    What cannot be read is given back as it is: who publishes it says what is wrong.
    """
    try:
        document = safe.parse(xml)
    except Problem:
        return xml
    model = next(document.iter("{*}model"), None)
    primary = next(model.iterchildren("{*}instance"), None) if model is not None else None
    root = next(iter(primary), None) if primary is not None else None
    if model is None or root is None:
        return xml
    root.set("id", form_id)
    root.set("version", version)
    for path in _BOOKKEEPING:
        if _place(root, path):
            bind = etree.SubElement(model, model.tag.replace("model", "bind"))
            bind.set("nodeset", f"/{local(root.tag)}/{path}")
            bind.set("type", "string")
    return etree.tostring(document, encoding="utf-8", xml_declaration=True)


def _place(root: etree._Element, path: str) -> bool:
    """Make a node for a path. False when there is one."""
    parent, made = root, False
    namespace = root.tag.rpartition("}")[0]
    for step in path.split("/"):
        child = next((node for node in parent if local(node.tag) == step), None)
        if child is None:
            child, made = etree.SubElement(parent, f"{namespace}}}{step}" if namespace else step), True
        parent = child
    return made


# The content of a version, as the sheets of an XLSForm

_KINDS = ("begin_group", "end_group", "begin_repeat", "end_repeat")


def sheets(
    content: Mapping[str, Any], form_id: str, version: str, *, entities: bool
) -> dict[str, list[dict[str, str]]]:
    """The content of a form's version as the sheets of the XLSForm that it came from."""
    languages = [str(one) if one else "" for one in content.get("translations") or [None]]
    made = {
        name: [_spread(row, languages, entities) for row in content.get(name) or ()]
        for name in ("survey", "choices", *(("entities",) if entities else ()))
    }
    settings = {
        key: str(value)
        for key, value in (content.get("settings") or {}).items()
        if key not in ("id_string", "form_id", "version") and isinstance(value, str)
    }
    return made | {"settings": [settings | {"form_id": form_id, "version": version}]}


def _spread(row: Mapping[str, Any], languages: list[str], entities: bool) -> dict[str, str]:
    made: dict[str, str] = {}
    for key, value in row.items():
        # Kobo's own columns.
        if key.startswith("$") or value is None:
            continue
        if isinstance(value, list):
            spread = zip(languages, value, strict=False)
            made |= {f"{key}::{to}" if to else key: str(one) for to, one in spread if one is not None}
        else:
            made[key] = ("yes" if value else "no") if isinstance(value, bool) else str(value)
    saved = made.pop("bind::entities:saveto", "")
    if saved and entities:
        made["save_to"] = saved
    choices = made.pop("select_from_list_name", "") or made.pop("file", "")
    kind = made.get("type", "")
    if kind in _KINDS:
        made["type"] = kind.replace("_", " ")
    elif choices:
        made["type"] = f"{kind} {choices}"
    return made
