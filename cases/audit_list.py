"""The audit as people read it: who saw and did what, newest first. Codes in, words out; values never were in it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from cases import access, people
from cases.paging import Cursor, cursor
from cases.reveal import REASONS
from cases.who import Who, lines
from namjai.languages import Words
from store.keys import Keyring
from store.tables import app_user, audit, project_user

PAGE = 60
# kind: its name, and the beginnings of its verbs.
KINDS: dict[str, tuple[Words, tuple[str, ...]]] = {
    "seen": (
        Words("Views", "การเข้าดู"),
        (
            "case.opened",
            "case.listed",
            "submission.opened",
            "submission.listed",
            "grant.opened",
            "grant.listed",
            "letter.opened",
            "letter.printed",
            "letter.listed",
            "file.opened",
            "reveal.asked",
            "quarantine.asked",
            "list.served",
        ),
    ),
    "revealed": (Words("Reveals", "การเปิดดูข้อมูลที่ปิดไว้"), ("value.revealed",)),
    "decided": (
        Words("Decisions", "การตัดสินใจ"),
        (
            "submission.reviewed",
            "grant.approved",
            "grant.refused",
            "grant.paid",
            "letter.issued",
            "letter.voided",
            "case.stage",
        ),
    ),
    "left": (Words("Exports", "การส่งออก"), ("export.asked", "export.made", "export.taken")),
    "door": (
        Words("Way in", "การเข้าสู่ระบบ"),
        (
            "session.begun",
            "session.ended",
            "session.seen_as",
            "session.refused",
            "user.created",
            "user.role",
            "user.disabled",
            "user.reset",
            "tablet.created",
            "tablet.revoked",
            "tablet.shown",
        ),
    ),
    "sources": (
        Words("Sources and quarantine", "แหล่งข้อมูลและรายการที่พักไว้"),
        (
            "source.added",
            "source.renewed",
            "source.removed",
            "source.paused",
            "source.resumed",
            "source.tried",
            "source.asked",
            "quarantine.kept",
            "quarantine.replayed",
            "quarantine.dismissed",
        ),
    ),
}
_SAID: dict[str, Words] = {
    "case.opened": Words("opened the case", "เปิดเคส"),
    "case.listed": Words("saw a list of cases", "ดูรายการเคส"),
    "case.stage": Words("moved the case to another stage", "เปลี่ยนขั้นของเคส"),
    "submission.opened": Words("opened a submission", "เปิดข้อมูลที่ส่งมา"),
    "submission.listed": Words("saw a list of submissions", "ดูรายการข้อมูลที่ส่งมา"),
    "submission.reviewed": Words("decided on a submission", "ตรวจข้อมูล"),
    "submission.new": Words("sent a submission", "ส่งข้อมูล"),
    "submission.edited": Words("sent an edit", "ส่งการแก้ไข"),
    "submission.original": Words("sent the first version of an edit", "ส่งฉบับแรกของการแก้ไข"),
    "grant.opened": Words("opened a grant", "เปิดดูเงินช่วยเหลือ"),
    "grant.listed": Words("saw a list of grants", "ดูรายการเงินช่วยเหลือ"),
    "grant.requested": Words("requested a grant", "ยื่นคำขอเงินช่วยเหลือ"),
    "grant.approved": Words("approved a grant", "อนุมัติเงินช่วยเหลือ"),
    "grant.refused": Words("refused a grant", "ไม่อนุมัติเงินช่วยเหลือ"),
    "grant.paid": Words("recorded a payment", "บันทึกการจ่ายเงิน"),
    "grant.receipted": Words("sent a receipt", "ส่งใบรับเงิน"),
    "grant.suspended": Words("edited an approved request", "แก้ไขคำขอที่อนุมัติแล้ว"),
    "grant.changed": Words("edited a request", "แก้ไขคำขอ"),
    "grant.requester_named": Words("named a requester", "ระบุผู้ยื่นคำขอ"),
    "letter.issued": Words("issued a letter", "ออกจดหมาย"),
    "letter.made": Words("made a letter’s PDF", "จัดทำ PDF ของจดหมาย"),
    "letter.asked_again": Words("asked for a letter’s PDF again", "ขอจัดทำ PDF ของจดหมายอีกครั้ง"),
    "letter.failed": Words("could not make a letter’s PDF", "จัดทำ PDF ของจดหมายไม่สำเร็จ"),
    "letter.opened": Words("opened a letter", "เปิดจดหมาย"),
    "letter.printed": Words("opened a letter’s PDF", "เปิด PDF ของจดหมาย"),
    "letter.listed": Words("saw a list of letters", "ดูรายการจดหมาย"),
    "letter.voided": Words("made a letter void", "ยกเลิกจดหมาย"),
    "export.listed": Words("saw the exports", "ดูรายการส่งออก"),
    "export.asked": Words("asked for an export", "ขอส่งออกข้อมูล"),
    "export.made": Words("made an export", "จัดทำไฟล์ส่งออก"),
    "export.taken": Words("took an export", "รับไฟล์ส่งออก"),
    "file.opened": Words("opened a file", "เปิดไฟล์"),
    "value.revealed": Words("revealed a masked value", "เปิดดูข้อมูลที่ปิดไว้"),
    "reveal.asked": Words("asked for a masked value", "ขอดูข้อมูลที่ปิดไว้"),
    "list.served": Words("fetched a list of people", "รับรายชื่อลงเครื่อง"),
    "comment.added": Words("commented", "แสดงความเห็น"),
    "session.begun": Words("signed in", "เข้าสู่ระบบ"),
    "session.ended": Words("signed out", "ออกจากระบบ"),
    "session.seen_as": Words("looked as another role", "ดูในบทบาทอื่น"),
    "session.refused": Words("was refused at the door", "เข้าสู่ระบบไม่สำเร็จ"),
    "user.created": Words("added a person", "เพิ่มผู้ใช้"),
    "user.role": Words("changed a role", "เปลี่ยนบทบาท"),
    "user.disabled": Words("disabled a person", "ปิดใช้งานผู้ใช้"),
    "user.reset": Words("made a new first password", "ออกรหัสผ่านแรกใหม่"),
    "user.password": Words("chose a password", "ตั้งรหัสผ่าน"),
    "user.listed": Words("saw the people with access", "ดูรายชื่อผู้ใช้"),
    "user.opened": Words("opened a person with access", "เปิดข้อมูลผู้ใช้"),
    "tablet.created": Words("enrolled a tablet", "ลงทะเบียนแท็บเล็ต"),
    "tablet.shown": Words("saw a tablet’s QR code", "ดูคิวอาร์โค้ดของแท็บเล็ต"),
    "tablet.revoked": Words("revoked a tablet", "เพิกถอนแท็บเล็ต"),
    "tablet.listed": Words("saw the tablets", "ดูรายการแท็บเล็ต"),
    "form.opened": Words("opened a form", "เปิดแบบฟอร์ม"),
    "form.published": Words("published a form", "เผยแพร่แบบฟอร์ม"),
    "project.made": Words("made the project", "สร้างโครงการ"),
    "demonstration.made": Words("made the demonstration data", "สร้างข้อมูลสาธิต"),
    "programme.installed": Words("installed the programme", "ติดตั้งโครงการ"),
    "quarantine.kept": Words("sent what could not be taken", "ส่งข้อมูลที่รับไม่ได้"),
    "quarantine.replayed": Words("took in what had been set aside", "รับข้อมูลที่พักไว้เข้าระบบ"),
    "quarantine.dismissed": Words("left out what had been set aside", "ไม่รับข้อมูลที่พักไว้"),
    "quarantine.listed": Words("saw what had been set aside", "ดูรายการที่พักไว้"),
    "quarantine.asked": Words("was asked why, before what had been set aside", "เปิดหน้าขอดูข้อมูลที่พักไว้"),
    "source.added": Words("added a source", "เพิ่มแหล่งข้อมูล"),
    "source.renewed": Words("gave a source a new account", "เปลี่ยนบัญชีของแหล่งข้อมูล"),
    "source.removed": Words("removed a source", "นำแหล่งข้อมูลออก"),
    "source.paused": Words("paused a source", "หยุดพักแหล่งข้อมูล"),
    "source.resumed": Words("let a source be read again", "ให้อ่านแหล่งข้อมูลต่อ"),
    "source.tried": Words("tested a connection", "ทดสอบการเชื่อมต่อ"),
    "source.asked": Words("asked for a source to be read", "สั่งอ่านแหล่งข้อมูล"),
    "source.listed": Words("saw the sources", "ดูรายการแหล่งข้อมูล"),
    "source.opened": Words("opened a source", "เปิดหน้าแหล่งข้อมูล"),
    "audit.read": Words("read this record", "อ่านบันทึกนี้"),
}
_ACTORS = {
    "worker": Words("Namjai itself", "ระบบ Namjai"),
    "command": Words("the command line", "บรรทัดคำสั่ง"),
    "nobody": Words("nobody signed in", "ไม่ได้เข้าสู่ระบบ"),
    "tablet": Words("a tablet", "แท็บเล็ต"),
    "source": Words("a source", "แหล่งข้อมูล"),
}


@dataclass(frozen=True, slots=True)
class Told:
    """One event as a line. `reason` is why a value was revealed."""

    at: dt.datetime
    who: str
    role_label: str | None
    what: str
    tone: str | None
    icon: str | None
    case: Who | None
    reason: str | None


def page(
    tx: sa.Connection,
    keyring: Keyring,
    project: UUID,
    language: str,
    *,
    subject: UUID | None = None,
    person: UUID | None = None,
    kind: str | None = None,
    after: str | None = None,
) -> tuple[list[Told], str | None]:
    """A page of events, and the cursor of the earlier ones."""
    query = sa.select(audit).where(audit.c.project_id == project)
    if subject:
        query = query.where(audit.c.subject_id == subject)
    if person:
        query = query.where(audit.c.actor_id == person)
    if kind in KINDS:
        query = query.where(audit.c.verb.in_(KINDS[kind][1]))
    start = cursor(after, kind=dt.datetime)
    if start is not None:
        query = query.where(
            sa.tuple_(audit.c.at, audit.c.id) < sa.tuple_(sa.literal(start.moment), sa.literal(start.id))
        )
    rows = tx.execute(query.order_by(audit.c.at.desc(), audit.c.id.desc()).limit(PAGE + 1)).all()
    listed = rows[:PAGE]
    later = Cursor(listed[-1].at.isoformat(), listed[-1].id).text() if len(rows) > PAGE else None
    return _told(tx, keyring, project, language, listed), later


def _told(tx: sa.Connection, keyring: Keyring, project: UUID, language: str, rows: Sequence[sa.Row]) -> list[Told]:
    names = people.names(tx, (row.actor_id for row in rows if row.actor_kind == "person"))
    roles = (
        {
            row.user_id: row.role
            for row in tx.execute(
                sa.select(project_user.c.user_id, project_user.c.role).where(
                    project_user.c.project_id == project, project_user.c.user_id.in_(list(names))
                )
            )
        }
        if names
        else {}
    )
    held = {row.actor_id for row in rows if row.actor_kind == "tablet" and row.actor_id}
    tablets = (
        {
            row.id: row.name
            for row in tx.execute(
                sa.select(app_user.c.id, app_user.c.name).where(
                    app_user.c.project_id == project, app_user.c.id.in_(held)
                )
            )
        }
        if held
        else {}
    )
    cases = lines(tx, project, (row.subject_id for row in rows if row.subject_kind == "case"), language)
    notes = _notes(tx, keyring, project, rows)
    return [_one(row, language, names, roles, tablets, cases, notes) for row in rows]


def _one(
    row: sa.Row,
    language: str,
    names: Mapping[UUID, str],
    roles: Mapping[UUID, str],
    tablets: Mapping[UUID, str],
    cases: Mapping[UUID, Who],
    notes: Mapping[UUID, str],
) -> Told:
    said = _SAID.get(row.verb)
    reason = REASONS.get(row.detail.get("reason", ""))
    why = ": ".join(part for part in (reason.in_(language) if reason else "", notes.get(row.id, "")) if part)
    by = (
        names.get(row.actor_id)
        or tablets.get(row.actor_id)
        or _ACTORS.get(row.actor_kind, Words("?", "?")).in_(language)
    )
    revealed = row.verb == "value.revealed"
    number = str(row.detail.get("number", "")) if row.verb.startswith("letter.") else ""
    return Told(
        row.at,
        by,
        access.role_name(roles[row.actor_id], language) if row.actor_id in roles else None,
        " ".join(part for part in (said.in_(language) if said else row.verb, number) if part),
        "wait" if revealed else None,
        "eye" if revealed else None,
        cases.get(row.subject_id),
        why or None,
    )


def _notes(tx: sa.Connection, keyring: Keyring, project: UUID, rows: Sequence[sa.Row]) -> dict[UUID, str]:
    """What people wrote themselves when they revealed or exported something; "" where its record was erased."""
    wanted: dict[UUID, UUID] = {}
    named: dict[UUID, str] = {}
    for row in rows:
        if row.sealed is not None and (record := row.detail.get("submission")):
            wanted[row.id], named[row.id] = UUID(record), "reveal-note"
        elif row.sealed is not None and row.verb == "export.asked":
            wanted[row.id], named[row.id] = row.subject_id, "purpose"
    if not wanted:
        return {}
    keys: dict[UUID, Any] = keyring.records(tx, project, list(set(wanted.values())))
    return {
        row.id: keys[wanted[row.id]].decrypt(named[row.id], bytes(row.sealed)).decode()
        for row in rows
        if row.id in wanted and wanted[row.id] in keys
    }
