"""What Central's OData makes of a submission: its answers by the fields of the form, its repeats as tables of their own."""
from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from lxml import etree


@dataclass(frozen=True)
class Field:
    name: str
    kind: str
    inner: tuple[Field, ...] = ()


@lru_cache(maxsize=64)
def fields(xform: bytes) -> tuple[Field, ...]:
    root = etree.fromstring(xform)
    kinds = {one.get("nodeset"): one.get("type") or "string" for one in root.iter("{*}bind")}
    kinds |= {one.get("nodeset"): "repeat" for one in root.iter("{*}repeat")}
    primary = root.find(".//{*}model/{*}instance/*")
    return _inside(primary, "/" + etree.QName(primary).localname, kinds)


def _inside(node: etree._Element, path: str, kinds: dict[str, str]) -> tuple[Field, ...]:
    # A repeat stands twice: once as the template of its rows.
    named = {etree.QName(one).localname: one for one in node}
    found = []
    for name, one in named.items():
        inner = _inside(one, f"{path}/{name}", kinds)
        found.append(Field(name, kinds.get(f"{path}/{name}", "structure" if inner else "string"), inner))
    return tuple(found)


def row(xml: bytes, wanted: tuple[Field, ...], key: str, *, wkt: bool) -> dict:
    """A submission with its repeats in it."""
    return {**_answers(etree.fromstring(xml), wanted, key, f"Submissions('{quote(key)}')", wkt), "__id": key}


def _answers(node: etree._Element | None, wanted: tuple[Field, ...], key: str, link: str, wkt: bool) -> dict:
    found: dict[str, Any] = {}
    for one in wanted:
        here = node.findall("{*}" + one.name) if node is not None else []
        if one.kind == "repeat":
            if here:
                at = f"{link}/{one.name}"
                found |= {f"{one.name}@odata.navigationLink": at, one.name: [_repeated(each, one, number, key, at, wkt) for number, each in enumerate(here)]}
        elif one.kind == "structure":
            found[one.name] = _answers(here[0] if here else None, one.inner, key, f"{link}/{one.name}", wkt)
        else:
            found[one.name] = _value(here[0].text if here else None, one.kind, wkt)
    return found


def _repeated(node: etree._Element, wanted: Field, number: int, key: str, link: str, wkt: bool) -> dict:
    # An id that is the same at every reading, and another in every place.
    mine = hashlib.sha1(f"{key}|{link}|{number}".encode()).hexdigest()
    return {**_answers(node, wanted.inner, key, f"{link}('{mine}')", wkt), "__id": mine}


def _value(text: str | None, kind: str, wkt: bool) -> Any:
    if not text:
        return None
    if kind in ("int", "decimal"):
        return _number(text)
    if kind == "geopoint":
        north, east, high, accuracy = (_number(one) for one in text.split())
        if wkt:
            return f"POINT ({east} {north} {high})"
        return {"type": "Point", "coordinates": [east, north, high], "properties": {"accuracy": accuracy}}
    return text


def _number(text: str) -> int | float:
    found = float(text)
    return int(found) if found.is_integer() else found


def folded(shown: dict) -> dict:
    """Without its repeats, of which the links are left."""
    return {name: folded(one) if isinstance(one, dict) else one for name, one in shown.items() if not (isinstance(one, list) and f"{name}@odata.navigationLink" in shown)}


def table(rows: list[dict], path: list[str]) -> list[dict]:
    """The rows of a repeat below these, each with the id of the row that it stands in."""
    above = "Submissions"
    for name in path:
        rows = [{**one, f"__{above}-id": each["__id"]} for each in rows for one in each.get(name, ())]
        above += f"-{name}"
    return [folded(one) for one in rows]
