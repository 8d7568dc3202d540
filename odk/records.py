"""Frozen dataclasses as plain JSON and back. Knows types; knows no file and no database."""
from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

from namjai.languages import Words


def plain(thing: Any, *, ordered: bool = False) -> Any:
    """A dataclass (or what is in one) as dicts, lists and scalars, fit for JSONB.

    `ordered`: mappings as pairs, because JSONB sorts the keys of a dict by their length.
    """
    if isinstance(thing, Words):
        return {"en": thing.en, "th": thing.th}
    if is_dataclass(thing) and not isinstance(thing, type):
        return {one.name: plain(getattr(thing, one.name), ordered=ordered) for one in fields(thing)}
    if isinstance(thing, Mapping):
        pairs = [(key, plain(value, ordered=ordered)) for key, value in thing.items()]
        return [list(pair) for pair in pairs] if ordered else dict(pairs)
    if isinstance(thing, tuple | list):
        return [plain(value, ordered=ordered) for value in thing]
    return thing


def built(kind: Any, data: Any) -> Any:
    """What `plain` wrote, as `kind` again. A field that the data lacks keeps its default."""
    if data is None:
        return None
    if kind is Words:
        return Words(data["en"], data["th"])
    if isinstance(kind, type) and is_dataclass(kind):
        known = _hints(kind)
        made: Any = kind
        return made(**{name: built(known[name], value) for name, value in data.items() if name in known})
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is tuple:
        return tuple(built(arguments[0], value) for value in data)
    if origin in (Union, types.UnionType):
        return built(next(one for one in arguments if one is not type(None)), data)
    if origin is not None and issubclass(origin, Mapping):
        pairs = data.items() if isinstance(data, Mapping) else data
        return {key: built(arguments[1], value) for key, value in pairs}
    return data


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)
