"""Reading a long listing as a stream: `{"value": [item, …], "other": scalar}` in constant memory."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any, Protocol, TypeVar

import ijson

from namjai.problems import Problem

T = TypeVar("T")


class Readable(Protocol):
    def read(self, size: int = -1) -> bytes: ...


def items(
    body: Readable, made: Callable[[Mapping[str, Any]], T], broken: Callable[[], Problem]
) -> Generator[T, None, dict[str, Any]]:
    """What `made` makes of each item of "value", one by one; returns the scalars beside it.

    Raises `broken()` for what is not such a listing, ends early, or has fewer items than "@odata.count" says.
    """
    rest: dict[str, Any] = {}
    count, builder, ended = 0, ijson.ObjectBuilder(), False
    try:
        for prefix, event, value in ijson.parse(body, use_float=True):
            if prefix.startswith("value.item"):
                builder.event(event, value)
                if prefix == "value.item" and event == "end_map":
                    count += 1
                    yield made(builder.value)
                    builder = ijson.ObjectBuilder()
            elif event in ("string", "number", "null", "boolean"):
                rest[prefix] = value
            ended = ended or (prefix == "value" and event == "end_array")
    except (ijson.JSONError, KeyError, TypeError, ValueError):
        raise broken() from None
    total = rest.get("@odata.count")
    if not ended or (total is not None and count < int(total) and "@odata.nextLink" not in rest):
        raise broken()
    return rest
