"""The sources of a project: adding, pausing, removing, asking for a run. Reads none: that is done by a job.

Credentials lie encrypted under the row's own key.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import sqlalchemy as sa

from cases.source_kinds import KINDS
from namjai.problems import NotFound, Problem
from store import jobs
from store.actor import Actor
from store.audit import Event, record
from store.keys import new_id
from store.opening import Store
from store.tables import source as source_table

EVERY_SECONDS = 300
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,59}")
_LONGEST = 200
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_RESERVED = ("tablets",)


class SourceNameUnusable(Problem):
    code, http_status, exit_status = "source-name-unusable", 400, 2
    en = "{name} cannot be the name of a source. Use up to 60 Latin letters, digits, dots and dashes, and not: tablets."
    th = "ใช้ {name} เป็นชื่อแหล่งข้อมูลไม่ได้ ใช้อักษรละติน ตัวเลข จุด และขีด ไม่เกิน 60 ตัว และไม่ใช่ tablets"


class SourceNameTaken(Problem):
    code, http_status = "source-name-taken", 409
    en = "There is a source {name} already, at another place. Choose another name; nothing was changed."
    th = "มีแหล่งข้อมูลชื่อ {name} ที่ที่อยู่อื่นแล้ว เลือกชื่อใหม่ ยังไม่มีการเปลี่ยนแปลง"


class SourceUnknown(Problem):
    code, http_status = "source-unknown", 404
    en = "There is no source {name}. Known here: {known}. Add one: namjai sources add"
    th = "ไม่มีแหล่งข้อมูล {name} ที่มีอยู่: {known} เพิ่มด้วย namjai sources add"


class SourceAddressUnsafe(Problem):
    code, http_status, exit_status = "source-address-unsafe", 400, 2
    en = (
        "{server} cannot be used: a source’s address begins with https:// (http:// only on this "
        "computer) and contains no password."
    )
    th = "ใช้ {server} ไม่ได้ ที่อยู่ต้องขึ้นต้นด้วย https:// (http:// ได้เฉพาะเครื่องนี้) และต้องไม่มีรหัสผ่านอยู่ในที่อยู่"


class SourceKindUnknown(Problem):
    code, http_status, exit_status = "source-kind-unknown", 400, 2
    en = "{kind} is no kind of source that Namjai reads. Known: {known}."
    th = "ระบบไม่รู้จักแหล่งข้อมูลชนิด {kind} ที่รู้จัก: {known}"


def checked_address(url: str) -> str:
    """The server's address out of what a browser shows: without the page behind `#`. Raises SourceAddressUnsafe.

    Nothing that two readers of addresses could take for two hosts, and nobody's name, which may be a token.
    """
    url = url.strip()
    if len(url) > _LONGEST or not url.isprintable() or any(one in url for one in " \\@"):
        raise SourceAddressUnsafe(server="—")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise SourceAddressUnsafe(server="—") from None
    safe = parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK)
    if not safe or not host:
        raise SourceAddressUnsafe(server=host or "—")
    return url.partition("#")[0].rstrip("/").removesuffix("/v1")


def checked_name(name: str) -> str:
    """A name that a source may have. Raises SourceNameUnusable."""
    if not _NAME.fullmatch(name) or name in _RESERVED:
        raise SourceNameUnusable(name=name[:60])
    return name


def add(
    tx: sa.Connection,
    store: Store,
    actor: Actor,
    *,
    name: str,
    kind: str,
    url: str,
    options: Mapping[str, Any],
    credentials: Mapping[str, str],
    every_seconds: int = EVERY_SECONDS,
) -> UUID:
    """Add a source, or give a known one (also a removed one) new credentials. Gives its id.

    Raises SourceNameUnusable, SourceNameTaken, SourceAddressUnsafe, SourceKindUnknown.
    """
    if kind not in KINDS:
        raise SourceKindUnknown(kind=kind[:20], known=", ".join(KINDS))
    name, url, project = checked_name(name), checked_address(url), actor.project
    row = at_its_place(tx, project, name, kind, url, options, lock=True)
    source_id = row.id if row is not None else new_id()
    add_key = store.keyring.add_record if row is None else store.keyring.record
    secret = add_key(tx, project, source_id).encrypt("credentials", json.dumps(dict(credentials)).encode())
    said = {"credentials": secret, "options": dict(options), "every_seconds": every_seconds}
    if row is not None:
        said |= {"removed_at": None, "problem": None, "facts": None}
        tx.execute(source_table.update().where(*_one(project, row.id)).values(**said))
    else:
        place = {"project_id": project, "id": source_id, "name": name, "kind": kind, "url": url}
        by = {"created_at": dt.datetime.now(dt.UTC), "created_by": actor.id}
        tx.execute(source_table.insert().values(**place, **said, **by))
    verb = "source.added" if row is None or row.removed_at else "source.renewed"
    record(tx, store.keyring, actor, Event(verb, "source", source_id, {"name": name, "kind": kind}))
    return source_id


def at_its_place(
    tx: sa.Connection,
    project: UUID,
    name: str,
    kind: str,
    url: str,
    options: Mapping[str, Any],
    *,
    lock: bool = False,
) -> sa.Row | None:
    """The source of this name, also a removed one; None when the name is free. Raises SourceNameTaken."""
    query = sa.select(source_table).where(source_table.c.project_id == project, source_table.c.name == name)
    row = tx.execute(query.with_for_update() if lock else query).one_or_none()
    if row is not None and ((row.kind, row.url) != (kind, url) or _place(row.options) != _place(options)):
        raise SourceNameTaken(name=name)
    return row


def remove(tx: sa.Connection, store: Store, actor: Actor, name: str) -> None:
    """Read a source no more and forget its credentials; what came from it stays. Raises SourceUnknown."""
    row = named(tx, actor.project, name)
    values = {"credentials": None, "removed_at": dt.datetime.now(dt.UTC), "run_id": None, "paused_at": None}
    tx.execute(source_table.update().where(*_one(actor.project, row.id)).values(**values))
    record(tx, store.keyring, actor, Event("source.removed", "source", row.id, {"name": name}))


def pause(tx: sa.Connection, store: Store, actor: Actor, source_id: UUID, *, paused: bool) -> None:
    """Let the worker read a source by itself no more, or again. Raises NotFound."""
    row = one(tx, actor.project, source_id)
    if bool(row.paused_at) == paused:
        return
    at = dt.datetime.now(dt.UTC) if paused else None
    tx.execute(source_table.update().where(*_one(actor.project, source_id)).values(paused_at=at))
    verb = "source.paused" if paused else "source.resumed"
    record(tx, store.keyring, actor, Event(verb, "source", source_id, {"name": row.name}))


def ask_for_run(tx: sa.Connection, store: Store, actor: Actor, source_id: UUID, *, full: bool = False) -> bool:
    """Ask the worker to read a source now. False when that waits already. Raises NotFound."""
    row = one(tx, actor.project, source_id)
    record(tx, store.keyring, actor, Event("source.asked", "source", source_id, {"name": row.name, "full": full}))
    asked = {"project": str(actor.project), "source": row.name, "full": full, "asked": True}
    return jobs.defer_once(tx, jobs.READ_SOURCE, waiting_lock(source_id, full=full), **asked)


def waiting_lock(source_id: UUID, *, full: bool = False) -> str:
    """Under which a run that was asked for waits in the queue: once, however often it is asked for."""
    return f"source/{source_id}/full" if full else f"source/{source_id}"


def listed(tx: sa.Connection, project: UUID) -> list[sa.Row]:
    """The project's sources that are read, by name."""
    query = sa.select(source_table).where(source_table.c.project_id == project, source_table.c.removed_at.is_(None))
    return list(tx.execute(query.order_by(source_table.c.name)))


def named(tx: sa.Connection, project: UUID, name: str) -> sa.Row:
    """One source by its name. Raises SourceUnknown."""
    rows = {row.name: row for row in listed(tx, project)}
    if name not in rows:
        raise SourceUnknown(name=name[:60], known=", ".join(rows) or "—")
    return rows[name]


def one(tx: sa.Connection, project: UUID, source_id: UUID) -> sa.Row:
    """One source that is read, by its id. Raises NotFound."""
    query = sa.select(source_table).where(*_one(project, source_id), source_table.c.removed_at.is_(None))
    row = tx.execute(query).one_or_none()
    if row is None:
        raise NotFound()
    return row


def _place(options: Mapping[str, Any]) -> object:
    """What makes it the same place at the same server: a Central's project."""
    return options.get("project")


def _one(project: UUID, source_id: UUID) -> tuple[sa.ColumnElement[bool], ...]:
    return (source_table.c.project_id == project, source_table.c.id == source_id)
