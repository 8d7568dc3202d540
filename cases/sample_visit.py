"""A sample visit, for whoever has no tablet at hand: what Collect would send about one of the open cases.

Fills in the visit form of the aftercare programme as it is published here. Knows its questions by name; a programme
without them has no sample.
"""
from __future__ import annotations

import datetime as dt
import random
import uuid
import zoneinfo

import sqlalchemy as sa

from cases.tablet_lists import xform
from namjai.problems import NotFound, Problem
from odk.filling import PathUnknown, fill
from odk.programme import Programme
from store.actor import Actor
from store.opening import Store
from store.tables import app_user, cases, entity, project_user
from submissions.delivery import Delivery

FORM = "visit"
DEVICE = "collect:sample"
_MEETINGS: tuple[tuple[str, tuple[str, ...], str, str], ...] = (
    ("home", ("family", "safety_plan"), "visit", "บ้านเรียบร้อย นอนหลับดี ถามเรื่องกลับไปเรียน"),
    ("shelter", ("emotional", "goods"), "counselling", "Eats with the others again. Asked about the papers."),
    ("phone", ("emotional",), "call", "รับสายเอง เสียงสดใส ขอให้โทรใหม่หลังหกโมงเย็น"),
    ("school", ("schooling",), "school", "Came to every lesson this month. The teacher is content."),
    ("hospital", ("health",), "health", "หมอนัดอีกครั้งสัปดาห์หน้า ยาเดิม อาการคงที่"),
)


class SampleNotPossible(Problem):
    code, http_status = "sample-not-possible", 409
    en = ("A sample visit needs the form “visit” of the aftercare programme and an open case. Nothing was sent; "
          "install the programme, or run: namjai demo")
    th = ("ตัวอย่างการเยี่ยมต้องมีแบบฟอร์ม visit ของโครงการดูแลหลังช่วยเหลือและเคสที่เปิดอยู่ ยังไม่ได้ส่งข้อมูล "
          "ติดตั้งโครงการ หรือใช้คำสั่ง namjai demo")


def make(
    tx: sa.Connection, store: Store, project: uuid.UUID, programme: Programme, today: dt.date | None = None,
    *, chance: random.Random | None = None,
) -> tuple[Delivery, Actor]:
    """A visit of today to an open case that the transaction's actor sees, as a delivery, and the tablet that brings it.

    The tablet is one that is enrolled, or none where there is none yet. Raises SampleNotPossible.
    """
    now = dt.datetime.now(dt.UTC)
    xml, _ = sample_visit(tx, project, programme, chance=chance, now=now)
    row = tx.execute(
        sa.select(app_user.c.id, app_user.c.user_id, project_user.c.team)
        .outerjoin(project_user, sa.and_(
            project_user.c.project_id == app_user.c.project_id, project_user.c.user_id == app_user.c.user_id))
        .where(app_user.c.project_id == project, app_user.c.revoked_at.is_(None))
        .order_by(app_user.c.user_id.is_(None), app_user.c.name).limit(1)
    ).one_or_none()
    tablet, user, team = (row.id, row.user_id, row.team) if row else (None, None, None)
    delivery = Delivery(
        xml, now, app_user_id=tablet, user_id=user, team=team, device_id=DEVICE, timezone=programme.timezone)
    return delivery, Actor("tablet", tablet, (project,), "all", team)


def sample_visit(
    tx: sa.Connection, project: uuid.UUID, programme: Programme, *, chance: random.Random | None = None,
    now: dt.datetime | None = None,
) -> tuple[bytes, uuid.UUID]:
    """The XML of a visit of today to an open case that the transaction's actor sees, and that case's id.

    It says what Collect would say with the list that the tablet has now. Raises SampleNotPossible.
    """
    chance = chance or random.SystemRandom()
    now = (now or dt.datetime.now(dt.UTC)).astimezone(zoneinfo.ZoneInfo(programme.timezone))
    rows = tx.execute(
        sa.select(cases.c.id, cases.c.code, entity.c.uuid, entity.c.version, entity.c.data)
        .join(entity, sa.and_(
            entity.c.project_id == cases.c.project_id, entity.c.list == cases.c.list, entity.c.uuid == cases.c.entity))
        .where(cases.c.project_id == project, cases.c.list == programme.case_list, cases.c.status == "open",
               cases.c.placeholder.is_(False), entity.c.deleted_at.is_(None))
        .order_by(cases.c.id).limit(500)
    ).all()
    if not rows or FORM not in programme.forms:
        raise SampleNotPossible()
    row = chance.choice(rows)
    try:
        said = {"id": str(row.uuid), "update": "1", "baseVersion": row.version}
        instance = f"uuid:{uuid.UUID(int=chance.getrandbits(128), version=4)}"
        xml = fill(xform(tx, project, FORM), _answers(row, chance, now), instance_id=instance, entities={"": said})
    except (PathUnknown, NotFound) as problem:
        raise SampleNotPossible() from problem
    return xml, row.id


def _answers(row: sa.Row, chance: random.Random, now: dt.datetime) -> dict[str, object]:
    where, services, what, observed = chance.choice(_MEETINGS)
    risk = str(row.data.get("risk") or "medium")
    day = now.date()
    return {
        "start": now - dt.timedelta(minutes=21), "end": now - dt.timedelta(minutes=4), "today": day, "deviceid": DEVICE,
        "visit/survivor": str(row.uuid), "visit/case_code": row.code, "visit/risk_before": risk,
        "visit/due_before": str(row.data.get("next_follow_up") or ""), "visit/visit_date": day,
        "visit/met_where": where,
        "visit/language": "th", "visit/with_interpreter": "no", "people[1]/relation": "friend",
        "people[1]/stayed": "no",
        "care/services": list(services), "care/wellbeing": chance.choice("234"), "care/risk": risk,
        "care/observed": observed,
        "next/next_follow_up": day + dt.timedelta(days=chance.randint(7, 21)), "next/next_what": what,
        "meta/instanceName": f"{row.code} · {day}",
    }
