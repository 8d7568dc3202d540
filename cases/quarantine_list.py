"""What waits in quarantine, as pages show it: why in plain words, what to do, whence, when. Opens nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from cases.paging import Cursor, counted, cursor
from cases.source_list import capped
from namjai.languages import Words
from namjai.problems import NotFound, Problem, catalogue
from store.actor import Actor
from store.opening import Store
from store.tables import app_user, quarantine
from submissions.form_versions import TABLETS
from submissions.quarantine import settle

FEW, PAGE = 5, 40
_HELP = Words("Tell your administrator; it is kept until then.", "แจ้งผู้ดูแลระบบ ระบบเก็บข้อมูลไว้ให้")
_AGAIN = Words("Ask whoever sent it to send it again, then leave this one out.", "แจ้งผู้ส่งให้ส่งใหม่ แล้วตัดรายการนี้ออก")
# What happened, and what to do: for whoever looks after it, not for the tablet that sent it.
_SAID: Mapping[str, tuple[Words, Words]] = {
    "form-unknown": (
        Words("No form “{form}” here", "ไม่มีแบบฟอร์ม “{form}” ในระบบนี้"),
        Words("Publish it, then replay.", "เผยแพร่แบบฟอร์ม แล้วรับเข้าใหม่"),
    ),
    "form-version-unknown": (
        Words("Version {version} of “{form}” is not here", "ไม่มีแบบฟอร์ม “{form}” รุ่น {version} ในระบบนี้"),
        Words("Publish that version, then replay.", "เผยแพร่รุ่นนั้น แล้วรับเข้าใหม่"),
    ),
    "form-closed": (
        Words("The form “{form}” is closed", "แบบฟอร์ม “{form}” ปิดรับแล้ว"),
        Words("Open it again, then replay.", "เปิดรับใหม่ แล้วรับเข้าอีกครั้ง"),
    ),
    "instance-conflict": (
        Words("The same id came with other content", "id เดียวกันแต่เนื้อหาต่างจากที่มีอยู่"),
        Words("Compare it with the one that is here, then leave one out.", "เทียบกับรายการที่มีอยู่ แล้วตัดรายการหนึ่งออก"),
    ),
    "edit-conflict": (
        Words("Two people changed the same submission", "มีสองคนแก้ไขข้อมูลเดียวกัน"),
        Words("Enter what is missing by a new edit, then leave this one out.", "แก้ไขใหม่ให้ครบ แล้วตัดรายการนี้ออก"),
    ),
    "file-name-unusable": (Words("A file has a name that cannot be used", "มีไฟล์ที่ใช้ชื่อไม่ได้"), _HELP),
    "delivery-stuck": (
        Words("A fault of this system stood in the way", "ระบบขัดข้องจึงรับเข้าไม่ได้"),
        Words("Replay it after the next update.", "รับเข้าใหม่หลังปรับปรุงระบบ"),
    ),
    "row-broken": (Words("It could not be read, three times", "อ่านข้อมูลไม่ได้สามครั้ง"), _HELP),
    "xml-broken": (Words("It is incomplete and cannot be read as XML", "ข้อมูลไม่ครบ อ่านเป็น XML ไม่ได้"), _AGAIN),
    "xml-encoding": (Words("Its letters cannot be read", "อ่านตัวอักษรในข้อมูลไม่ได้"), _AGAIN),
    "xml-dtd": (Words("It holds a DTD, which no form sends", "มี DTD ซึ่งแบบฟอร์มไม่เคยส่ง"), _HELP),
    "xml-too-deep": (Words("It is nested too deeply", "โครงสร้างซ้อนลึกเกินไป"), _HELP),
    "instance-id-missing": (Words("It has no instance ID", "ไม่มี instance ID"), _AGAIN),
    "instance-id-unusable": (Words("Its instance ID cannot be used", "ใช้ instance ID ไม่ได้"), _HELP),
    "form-id-missing": (Words("It does not say which form it is", "ไม่ระบุว่าเป็นแบบฟอร์มใด"), _HELP),
}


@dataclass(frozen=True, slots=True)
class Item:
    """One thing in quarantine. `source`: a source's name, None: a tablet (`tablet`: its name, when it has one)."""

    id: UUID
    reason: str
    advice: str
    form: str | None
    source: str | None
    tablet: str | None
    received_at: dt.datetime
    seen_at: dt.datetime
    times: int


def items(
    tx: sa.Connection,
    project: UUID,
    language: str,
    *,
    source: str | None = None,
    after: str | None = None,
    most: int = PAGE,
) -> tuple[list[Item], str | None]:
    """What waits, newest first, of one source or all; and the cursor of the earlier ones."""
    query = _waiting(project, source)
    if (start := cursor(after, kind=dt.datetime)) is not None:
        place = sa.tuple_(quarantine.c.received_at, quarantine.c.id)
        query = query.where(place < sa.tuple_(sa.literal(start.moment), sa.literal(start.id)))
    rows = tx.execute(query.order_by(quarantine.c.received_at.desc(), quarantine.c.id.desc()).limit(most + 1)).all()
    shown = rows[:most]
    later = Cursor(shown[-1].received_at.isoformat(), shown[-1].id).text() if len(rows) > most else None
    return [_item(row, language) for row in shown], later


def one(tx: sa.Connection, project: UUID, item: UUID, language: str) -> Item:
    """One that waits. Raises NotFound, also when somebody settled it meanwhile."""
    row = tx.execute(_waiting(project, None).where(quarantine.c.id == item)).one_or_none()
    if row is None:
        raise NotFound()
    return _item(row, language)


def count(tx: sa.Connection, project: UUID, source: str | None = None) -> int | str:
    """How much waits: 3, 1,000+."""
    return counted(capped(tx, _waiting(project, source)))


def oldest(tx: sa.Connection, project: UUID, source: str | None, most: int) -> list[UUID]:
    """The ids of what waits longest: in this order it is replayed."""
    query = _waiting(project, source).order_by(quarantine.c.received_at, quarantine.c.id)
    return [row.id for row in tx.execute(query.limit(most))]


def leave_out(tx: sa.Connection, store: Store, actor: Actor, item: UUID) -> None:
    """Somebody decided that it is not taken. It stays kept, and is listed no more. Raises NotFound."""
    held = sa.select(quarantine.c.state).where(quarantine.c.project_id == actor.project, quarantine.c.id == item)
    if tx.scalar(held.with_for_update()) != "waiting":
        raise NotFound()
    settle(tx, store, actor, item, "dismissed", dt.datetime.now(dt.UTC))


def _waiting(project: UUID, source: str | None) -> sa.Select:
    names = ("id", "source", "problem", "facts", "xml_form_id", "received_at", "seen_at", "times")
    query = (
        sa.select(*(quarantine.c[name] for name in names), app_user.c.name.label("tablet"))
        .outerjoin(
            app_user,
            sa.and_(app_user.c.project_id == quarantine.c.project_id, app_user.c.id == quarantine.c.app_user_id),
        )
        .where(quarantine.c.project_id == project, quarantine.c.state == "waiting")
    )
    return query.where(quarantine.c.source == source) if source else query


def _item(row: sa.Row, language: str) -> Item:
    reason, advice = why(row.problem, row.facts, row.xml_form_id, language)
    source = None if row.source == TABLETS else row.source
    return Item(row.id, reason, advice, row.xml_form_id, source, row.tablet, row.received_at, row.seen_at, row.times)


def why(code: str, facts: Mapping[str, object], form: str | None, language: str) -> tuple[str, str]:
    """Why something waits, and what to do; "" where the reason says that itself."""
    if code in _SAID:
        said = {name: str(value) for name, value in facts.items()}
        reason, advice = (words.in_(language) for words in _SAID[code])
        return reason.format_map(_Facts(said | ({"form": form} if form else {}))), advice
    problem = catalogue().get(code, Problem)
    return problem(**facts).text(language), ""


class _Facts(dict):
    def __missing__(self, key: str) -> str:
        return "…"
