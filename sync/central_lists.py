"""Entity lists of a Central: the feed by OData, each entity with its versions."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import quote
from uuid import UUID

from submissions.entity_feed import RemoteEntity
from sync.central_words import head_of, newest, since_after, since_of, skiptoken, state_of, text_of
from sync.listing import items
from sync.parallel import in_parallel
from sync.source import OF_ONE, Cursor, EntityPage, RemoteList, SourceForbidden, SourceTalksOtherwise
from sync.wire import Wire

_PAGE_ROWS = 250
_ODD = (KeyError, TypeError, ValueError, AttributeError, LookupError)


def understood(method: Callable[..., Any]) -> Callable[..., Any]:
    """What a method reads is Central's; JSON of another shape is said to be none, not taken for a fault of ours."""

    def read(found: Iterator[Any], wire: Wire) -> Iterator[Any]:
        try:
            yield from found
        except _ODD:
            raise wire.problem(SourceTalksOtherwise) from None

    @functools.wraps(method)
    def watched(self: CentralLists, *given: Any, **named: Any) -> Any:
        try:
            found = method(self, *given, **named)
        except _ODD:
            raise self._wire.problem(SourceTalksOtherwise) from None
        return read(found, self._wire) if isinstance(found, Iterator) else found

    return watched


class CentralLists:
    """The part of `Central` that reads entity lists."""

    connections: int
    _wire: Wire
    _project: int

    @understood
    def lists(self) -> tuple[RemoteList, ...]:
        try:
            named = self._wire.json(self._at("datasets"), "entity lists", or_none=True) or []
            found = [self._wire.json(self._at("datasets", one["name"]), "entity lists") for one in named]
        except SourceForbidden:
            return ()
        return tuple(
            RemoteList(one["name"], tuple(each["name"] for each in one.get("properties", ()))) for one in found
        )

    @understood
    def entity_changes(self, name: str, cursor: Cursor) -> Iterator[EntityPage]:
        what, path = f"entity list {name}", self._at("datasets", f"{name}.svc", "Entities")
        skip, etag, began = cursor.get("skip"), cursor.get("etag_now", ""), cursor.get("began", "")
        if not skip:
            probe = self._wire.head_of(self._at("datasets", name, "entities.csv"), what, etag=cursor.get("etag", ""))
            if probe.status == 304:
                return
            etag, began = probe.etag, text_of(probe.sent_at) if probe.sent_at else ""
        since, high = cursor.get("since"), cursor.get("high") or cursor.get("since") or ""
        while True:
            asked = {"$top": str(_PAGE_ROWS)} | ({"$skiptoken": skip} if skip else {})
            if since:
                mark = since_of(since)
                asked["$filter"] = f"__system/createdAt ge {mark} or __system/updatedAt ge {mark}"
            found = self._wire.json(path, what, params=asked)
            heads = tuple(head_of(one) for one in found["value"])
            high = max([high, *(newest(one["__system"]) for one in found["value"])])
            skip = skiptoken(found.get("@odata.nextLink"))
            if not skip:
                count = self._wire.json(path, what, params={"$top": "1", "$count": "true"})["@odata.count"]
                yield EntityPage(heads, {"since": since_after(since, high, began), "etag": etag}, count)
                return
            yield EntityPage(heads, {**cursor, "skip": skip, "high": high, "etag_now": etag, "began": began})

    def entity_census(self, name: str) -> Iterator[tuple[UUID, int, str | None]]:
        path, asked = self._at("datasets", f"{name}.svc", "Entities"), {"$count": "true"}
        while True:
            with self._wire.stream(path, f"entity list {name}", params=asked) as body:
                rest = yield from items(body, head_of, lambda: self._wire.problem(SourceTalksOtherwise))
            skip = skiptoken(rest.get("@odata.nextLink"))
            if not skip:
                return
            asked = asked | {"$skiptoken": skip}

    def entities(self, name: str, uuids: Iterable[UUID]) -> Iterator[RemoteEntity]:
        found = in_parallel(lambda uuid: self._entity(name, uuid), uuids, self.connections)
        return (one for one in found if one is not None)

    def _entity(self, name: str, uuid: UUID) -> RemoteEntity | None:
        at = self._at("datasets", name, "entities", str(uuid))
        try:
            head = self._wire.json(at, f"entity list {name}", or_none=True)
            said = self._wire.json(f"{at}/versions", f"entity list {name}", or_none=True) if head else None
        except OF_ONE as problem:
            return RemoteEntity(uuid, (), problem=problem)
        if not head or not said:
            return None
        try:
            versions = sorted((state_of(one) for one in said), key=lambda one: one.version)
            return RemoteEntity(uuid, tuple(versions), head.get("conflict"))
        except (KeyError, TypeError, ValueError, AttributeError):
            # It is there, and nobody can read it: the others of its list go on.
            return RemoteEntity(uuid, ())

    def _at(self, *parts: str) -> str:
        return "/".join(("projects", str(self._project), *(quote(part, safe=".") for part in parts)))
