"""An entity is the fold of its versions. Pure: rows in, state out.

Versions are numbered as they arrive; they are folded by the version each says it was made upon, so that offline
updates that come out of order end as they were meant. What is stale stays, marked.
"""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Version:
    """One stored version of an entity: what it changes, and upon what. `origin` is (submission, position), or None."""

    number: int
    act: str
    label: str | None
    data: dict[str, Any]
    base: int | None = None
    branch: str | None = None
    origin: tuple[UUID, str] | None = None


@dataclass(frozen=True, slots=True)
class State:
    """What an entity is. `created` is False while only updates are known."""

    label: str
    data: dict[str, Any]
    created: bool


def fold(versions: Iterable[Version], server_owned: Iterable[str] = ()) -> State:
    """The entity's state. A later version of the same origin takes the place of the earlier one (an edit); a second
    creation by another origin changes nothing; submissions do not change what the server owns once it is created.
    """
    owned = set(server_owned)
    label, data, created = "", {}, False
    for version in _in_order(versions):
        creates = version.act == "create" or (version.act == "upsert" and not created)
        if version.act == "create" and created:
            continue
        guarded = owned if version.origin and not creates else set()
        data.update({name: value for name, value in version.data.items() if name not in guarded})
        label = version.label or label
        created = created or creates
    return State(label, data, created)


def is_stale(version: Version, before: Iterable[Version]) -> bool:
    """Whether somebody else changed the entity after the state that this version was made upon.

    A server's own change and an edit of the same submission make nothing stale, and neither does the same offline
    branch arriving out of order.
    """
    before = list(before)
    if version.act == "create":
        return any(one.act == "create" and one.origin != version.origin for one in before)
    if version.base is None:
        return False
    return any(
        one.number > version.base
        and one.origin is not None  # what the server owns no tablet writes
        and one.act != "create"  # always the first in meaning, whenever it came
        and one.origin != version.origin
        and not (one.branch and one.branch == version.branch)
        and not (one.base is not None and one.base > version.base)
        for one in before
    )


def clashes(version: Version, before: Iterable[Version]) -> bool:
    """Whether a stale version touches a property that was changed since: a hard conflict, not a soft one."""
    since = {name for one in before if version.base is None or one.number > version.base for name in one.data}
    return version.act == "create" or bool(since & set(version.data))


def _in_order(versions: Iterable[Version]) -> list[Version]:
    latest: dict[Any, Version] = {}
    for version in sorted(versions, key=lambda one: one.number):
        key = version.origin or version.number
        # An edit stands where its original stood.
        base = latest[key].base if key in latest else version.base
        latest[key] = Version(
            version.number, version.act, version.label, version.data, base, version.branch, version.origin
        )
    creations = {"create": 0, "upsert": 0}
    return sorted(
        latest.values(),
        key=lambda one: (creations.get(one.act, 1) if one.base is None else 1, one.base or 0, one.number),
    )
