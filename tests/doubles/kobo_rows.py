"""A submission as a row of Kobo's data: flat keys in the order of its XML; and which rows a query means. Knows no HTTP."""
from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Any

from lxml import etree

_NOTHING = object()


def answers_of(root: etree._Element, repeats: Collection[str]) -> dict[str, Any]:
    """Answers by their path without the root. A repeat is a list, and so is any group that comes twice; empty ones are absent."""
    nested = _children(root, "", repeats)
    found: dict[str, Any] = {}
    _flatten(nested or {}, "", found)
    return found


def _children(node: etree._Element, path: str, repeats: Collection[str]) -> dict[str, Any] | None:
    value: dict[str, Any] = {}
    for child in node:
        if not isinstance(child.tag, str):
            continue
        name = child.tag.rpartition("}")[2]
        inner = f"{path}/{name}" if path else name
        content = _children(child, inner, repeats) if len(child) else child.text
        if content is None or content == {}:
            continue
        if name in value:
            if not isinstance(value[name], list):
                value[name] = [value[name]]
            value[name].append(content)
        else:
            value[name] = [content] if inner in repeats else content
    return value or None


def _flatten(nested: dict[str, Any], path: str, into: dict[str, Any]) -> None:
    for name, value in nested.items():
        inner = f"{path}/{name}" if path else name
        if isinstance(value, dict):
            _flatten(value, inner, into)
        elif isinstance(value, list):
            into[inner] = [_row(one, inner) for one in value]
        else:
            into[inner] = value


def _row(value: Any, path: str) -> Any:
    if not isinstance(value, dict):
        return value
    found: dict[str, Any] = {}
    _flatten(value, path, found)
    return found


def where(answers: dict[str, Any], name: str) -> str:
    """The path of the question whose answer is a file of this name; "" when no answer shown says so."""
    for path, value in answers.items():
        if value == name:
            return path
        if isinstance(value, list):
            for number, one in enumerate(value, 1):
                if isinstance(one, dict) and (inner := where(one, name)):
                    return inner.replace(path, f"{path}[{number}]", 1)
    return ""


Look = Callable[[str], Any]


def matches(look: Look, query: dict[str, Any]) -> bool:
    """Whether a row, whose values `look` gives (None when absent), is meant by a MongoDB query."""
    return all(_clause(look, name, wanted) for name, wanted in query.items())


def _clause(look: Look, name: str, wanted: Any) -> bool:
    if name == "$and":
        return all(matches(look, one) for one in wanted)
    if name == "$or":
        return any(matches(look, one) for one in wanted)
    if name.startswith("$"):
        return False
    value = look(name)
    if isinstance(wanted, dict) and any(key.startswith("$") for key in wanted):
        return all(_holds(value, sign, one) for sign, one in wanted.items())
    return value == wanted and type(value) is type(wanted)


def _holds(value: Any, sign: str, wanted: Any) -> bool:
    if sign == "$ne":
        return value != wanted
    if sign == "$exists":
        return (value is not None) == bool(wanted)
    if sign == "$in":
        return value in wanted
    if sign == "$nin":
        return value not in wanted
    if sign == "$regex":
        return isinstance(value, str) and re.search(wanted, value) is not None
    if value is None or isinstance(value, str) != isinstance(wanted, str):
        return False
    return {"$gt": lambda: value > wanted, "$gte": lambda: value >= wanted, "$lt": lambda: value < wanted, "$lte": lambda: value <= wanted, "$eq": lambda: value == wanted}.get(sign, lambda: False)()


def sorting(value: Any) -> tuple:
    """A key under which values of several kinds can stand in one order, the absent first as in MongoDB."""
    return (0,) if value is None else (2, value) if isinstance(value, str) else (1, value) if isinstance(value, int | float) else (3, str(value))
