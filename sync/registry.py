"""The sources of a project: adding, listing, removing, opening. Credentials lie encrypted under the row's own key."""

from __future__ import annotations

import datetime as dt
import importlib
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import sqlalchemy as sa

from namjai.problems import Problem
from store.actor import NO_PROJECT, Actor
from store.audit import Event, record
from store.keys import new_id
from store.opening import Store
from store.tables import source as source_table
from sync.source import Source

# Another kind of server is one more file, named here.
KINDS = {"central": "sync.central:open_source"}
EVERY_SECONDS = 300
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,59}")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_RESERVED = ("tablets",)


class SourceNameUnusable(Problem):
    code, http_status, exit_status = "source-name-unusable", 400, 2
    en = (
        "{name} cannot be the name of a source. Use up to 60 Latin letters, digits, dots and dashes, and "
        "not: tablets."
    )
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
        "{server} cannot be used: a source's address begins with https:// (http:// only on this "
        "computer) and holds no password."
    )
    th = "ใช้ {server} ไม่ได้ ที่อยู่ต้องขึ้นต้นด้วย https:// (http:// ได้เฉพาะเครื่องนี้) และไม่มีรหัสผ่าน"


class SourceKindUnknown(Problem):
    code, http_status, exit_status = "source-kind-unknown", 400, 2
    en = "{kind} is no kind of source that Namjai reads. Known: {known}."
    th = "ระบบไม่รู้จักแหล่งข้อมูลชนิด {kind} ที่รู้จัก: {known}"


def actor_of(project: UUID, source_id: UUID) -> Actor:
    """A source at work in its project."""
    return Actor("source", source_id, (project, NO_PROJECT), "all")


def checked_address(url: str) -> str:
    """The address without a slash at its end. Raises SourceAddressUnsafe."""
    parts = urlsplit(url.strip())
    local = parts.hostname in _LOOPBACK
    safe = parts.scheme == "https" or (parts.scheme == "http" and local)
    if not safe or not parts.hostname or parts.password:
        raise SourceAddressUnsafe(server=parts.hostname or "—")
    return url.strip().rstrip("/").removesuffix("/v1")


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
    if not _NAME.fullmatch(name) or name in _RESERVED:
        raise SourceNameUnusable(name=name[:60])
    url, project, now = checked_address(url), actor.project, dt.datetime.now(dt.UTC)
    row = tx.execute(
        sa.select(source_table)
        .where(source_table.c.project_id == project, source_table.c.name == name)
        .with_for_update()
    ).one_or_none()
    secret = json.dumps(dict(credentials)).encode()
    if row is not None:
        if (row.kind, row.url) != (kind, url) or _place(row.options) != _place(options):
            raise SourceNameTaken(name=name)
        key = store.keyring.record(tx, project, row.id)
        values = {
            "credentials": key.encrypt("credentials", secret),
            "options": dict(options),
            "removed_at": None,
            "problem": None,
            "facts": None,
            "every_seconds": every_seconds,
        }
        tx.execute(source_table.update().where(*_one(project, row.id)).values(**values))
        source_id = row.id
    else:
        source_id = new_id()
        key = store.keyring.add_record(tx, project, source_id)
        tx.execute(
            source_table.insert().values(
                project_id=project,
                id=source_id,
                name=name,
                kind=kind,
                url=url,
                options=dict(options),
                credentials=key.encrypt("credentials", secret),
                every_seconds=every_seconds,
                created_at=now,
                created_by=actor.id,
            )
        )
    record(tx, store.keyring, actor, Event("source.added", "source", source_id, {"name": name, "kind": kind}))
    return source_id


def remove(tx: sa.Connection, store: Store, actor: Actor, name: str) -> None:
    """Read a source no more and forget its credentials; what came from it stays. Raises SourceUnknown."""
    row = named(tx, actor.project, name)
    values = {"credentials": None, "removed_at": dt.datetime.now(dt.UTC), "run_id": None}
    tx.execute(source_table.update().where(*_one(actor.project, row.id)).values(**values))
    record(tx, store.keyring, actor, Event("source.removed", "source", row.id, {"name": name}))


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


def opened(tx: sa.Connection, store: Store, row: sa.Row) -> Source:
    """The server of a source's row, ready to be asked. Raises KeyMissing when its credentials are gone."""
    key = store.keyring.record(tx, row.project_id, row.id)
    credentials = json.loads(key.decrypt("credentials", bytes(row.credentials or b"")))
    return open_kind(row.kind, row.name, row.url, row.options, credentials)


def open_kind(kind: str, name: str, url: str, options: Mapping[str, Any], credentials: Mapping[str, str]) -> Source:
    """A server that is not stored (yet): what a connection test asks. Raises SourceKindUnknown."""
    if kind not in KINDS:
        raise SourceKindUnknown(kind=kind[:20], known=", ".join(KINDS))
    module, _, function = KINDS[kind].partition(":")
    return getattr(importlib.import_module(module), function)(name, url, options, credentials)


def _place(options: Mapping[str, Any]) -> object:
    """What makes it the same place at the same server: a Central's project."""
    return options.get("project")


def _one(project: UUID, source_id: UUID) -> tuple[sa.ColumnElement[bool], ...]:
    return (source_table.c.project_id == project, source_table.c.id == source_id)
