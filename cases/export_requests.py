"""Asking for an export, following it, taking it, letting it expire. Knows the row and its pieces; makes no file.

Why somebody asks is written into the audit with the request, before anything is read; each taking once more.
"""
from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from cases.access import may
from cases.export_wish import PROFILES, Wish
from namjai.problems import Forbidden, NotFound, Problem
from store import jobs
from store.actor import Actor
from store.audit import Event, record
from store.keys import KeyMissing, new_id
from store.opening import Store
from store.tables import export, form

HOURS = 24
SHORTEST_PURPOSE, LONGEST_PURPOSE = 10, 500
_MOST_SHOWN = 20
# One at a time for each person keeps the worker for everybody.
_MOST_WAITING = 3
# A job that was not heard of for so long was killed; its sweeper begins it again.
_SILENT = dt.timedelta(minutes=5)


class PurposeMissing(Problem):
    code, http_status = "export-purpose-missing", 400
    en = (
        "Say what the file is for, in a sentence of {least} to {most} characters: it stands in the audit. "
        "Nothing was made."
    )
    th = "บอกว่าจะใช้ไฟล์เพื่ออะไร {least} ถึง {most} ตัวอักษร ข้อความนี้เก็บไว้ในบันทึกการใช้งาน ยังไม่ได้ทำไฟล์"


class NamesNotConfirmed(Problem):
    code, http_status = "export-names-not-confirmed", 400
    en = "A file with names needs your tick that you need them and will keep it safe. Nothing was made."
    th = "ไฟล์ที่มีชื่อต้องทำเครื่องหมายยืนยันว่าจำเป็นและจะเก็บรักษาอย่างปลอดภัย ยังไม่ได้ทำไฟล์"


class TooManyExports(Problem):
    code, http_status = "export-too-many", 429
    en = "{most} of your exports are still being made. Wait until one is ready, then ask again."
    th = "ไฟล์ของคุณ {most} ไฟล์ยังจัดทำอยู่ รอให้เสร็จหนึ่งไฟล์แล้วขอใหม่"


class ExportNotReady(Problem):
    code, http_status = "export-not-ready", 409
    en = (
        "This file is not there to take: it is still being made, could not be made, or has expired. "
        "Look at its line, or ask again."
    )
    th = "ยังรับไฟล์นี้ไม่ได้ เพราะกำลังจัดทำ จัดทำไม่สำเร็จ หรือหมดอายุแล้ว ดูสถานะ หรือขอใหม่"


@dataclass(frozen=True, slots=True)
class Line:
    """An export as its asker sees it. `part` is how much of it is done, in hundredths; None while that is not known."""

    id: UUID
    wish: Wish
    state: str
    part: int | None
    done: int
    total: int | None
    asked_at: dt.datetime
    expires_at: dt.datetime | None
    size: int | None
    problem: str | None

    @property
    def moving(self) -> bool:
        return self.state in ("waiting", "running")


def ask(
    tx: sa.Connection, store: Store, actor: Actor, role: str | None, wish: Wish, purpose: str, *,
    confirmed: bool = False,
) -> UUID:
    """Ask for a file; a job makes it. Gives the export's id.

    Raises Forbidden for a profile that the role has no right to, PurposeMissing, NamesNotConfirmed, NotFound (form),
    WishUnknown, TooManyExports.
    """
    wish.checked()
    _check_right(wish, role)
    known = sa.select(form.c.xml_form_id).where(form.c.project_id == actor.project, form.c.xml_form_id == wish.form)
    if tx.scalar(known) is None:
        raise NotFound()
    purpose = purpose.strip()
    if not SHORTEST_PURPOSE <= len(purpose) <= LONGEST_PURPOSE:
        raise PurposeMissing(least=SHORTEST_PURPOSE, most=LONGEST_PURPOSE)
    if wish.profile == "full" and not confirmed:
        raise NamesNotConfirmed()
    waiting = sa.select(sa.func.count()).select_from(export).where(
        export.c.project_id == actor.project, export.c.asked_by == actor.id, export.c.state.in_(("waiting", "running"))
    )
    if (tx.scalar(waiting) or 0) >= _MOST_WAITING:
        raise TooManyExports(most=_MOST_WAITING)
    export_id = new_id()
    note_export(tx, store, actor, wish, purpose, export_id=export_id)
    key = store.keyring.record(tx, actor.project, export_id)
    tx.execute(
        export.insert().values(
            project_id=actor.project, id=export_id, xml_form_id=wish.form, wish=wish.to_json(),
            purpose=key.encrypt("purpose", purpose.encode()), asked_by=actor.id, asked_at=dt.datetime.now(dt.UTC),
            state="waiting", done=0, pieces=[],
        )
    )
    jobs.defer(tx, jobs.MAKE_EXPORT, project=str(actor.project), export=str(export_id))
    return export_id


def note_export(
    tx: sa.Connection, store: Store, actor: Actor, wish: Wish, purpose: str, *, export_id: UUID | None = None
) -> UUID:
    """Write into the audit what leaves and why. The purpose is a person's words, so a ciphertext of its own record."""
    export_id = export_id or new_id()
    key = store.keyring.add_record(tx, actor.project, export_id)
    detail = {"form": wish.form[:80], "profile": wish.profile, "style": wish.style, "format": wish.format,
              "restricted": wish.restricted}
    sealed = key.encrypt("purpose", purpose.strip()[:LONGEST_PURPOSE].encode())
    record(tx, store.keyring, actor, Event("export.asked", "export", export_id, detail), sealed=sealed)
    return export_id


def mine(tx: sa.Connection, actor: Actor, form_id: str | None = None) -> list[Line]:
    """The newest exports of the person who asks."""
    query = sa.select(export).where(export.c.project_id == actor.project, export.c.asked_by == actor.id)
    if form_id is not None:
        query = query.where(export.c.xml_form_id == form_id)
    return [_line(row) for row in tx.execute(query.order_by(export.c.asked_at.desc()).limit(_MOST_SHOWN))]


def one(tx: sa.Connection, actor: Actor, export_id: UUID) -> Line:
    """One's own export. Raises NotFound, also for somebody else's."""
    return _line(_own(tx, actor, export_id))


def take(tx: sa.Connection, store: Store, actor: Actor, role: str | None, export_id: UUID) -> Iterator[bytes]:
    """Write the taking into the audit; the pieces, opened one by one, may be read when that is committed.

    Raises NotFound, Forbidden when the right was lost meanwhile, ExportNotReady.
    """
    row = _own(tx, actor, export_id)
    wish = Wish.from_json(row.wish)
    _check_right(wish, role)
    if _state(row) != "ready":
        raise ExportNotReady()
    try:
        key = store.keyring.record(tx, actor.project, export_id)
    except KeyMissing:
        raise ExportNotReady() from None
    detail = {"form": wish.form[:80], "profile": wish.profile}
    record(tx, store.keyring, actor, Event("export.taken", "export", export_id, detail))
    addresses = list(row.pieces)
    return (key.decrypt(f"piece:{number}", store.blobs.get(one)) for number, one in enumerate(addresses))


def expire(tx: sa.Connection, store: Store, actor: Actor) -> int:
    """Take away files whose time is over. Gives how many."""
    now = dt.datetime.now(dt.UTC)
    rows = tx.execute(
        sa.select(export.c.project_id, export.c.id, export.c.pieces)
        .where(export.c.project_id.in_(actor.projects), export.c.state == "ready", export.c.expires_at < now)
        .with_for_update(skip_locked=True)
    ).all()
    for row in rows:
        for address in row.pieces:
            store.blobs.remove(address)
        tx.execute(
            export.update().where(export.c.project_id == row.project_id, export.c.id == row.id)
            .values(state="expired", pieces=[])
        )
    return len(rows)


def _check_right(wish: Wish, role: str | None) -> None:
    rights = [PROFILES.get(wish.profile, "export.full"), *(["case.restricted"] if wish.restricted else [])]
    if not all(may(one, role) for one in rights):
        raise Forbidden()


def _own(tx: sa.Connection, actor: Actor, export_id: UUID) -> sa.Row:
    row = tx.execute(
        sa.select(export).where(
            export.c.project_id == actor.project, export.c.id == export_id, export.c.asked_by == actor.id
        )
    ).one_or_none()
    if row is None:
        raise NotFound()
    return row


def _state(row: Any) -> str:
    now = dt.datetime.now(dt.UTC)
    if row.state == "ready" and row.expires_at and row.expires_at < now:
        return "expired"
    if row.state == "running" and row.seen_at and row.seen_at < now - _SILENT:
        return "failed"
    return row.state


def _line(row: Any) -> Line:
    part = None
    if row.total:
        part = min(100, row.done * 100 // row.total)
    return Line(
        row.id, Wish.from_json(row.wish), _state(row), part, row.done, row.total, row.asked_at, row.expires_at,
        row.size, row.problem,
    )
