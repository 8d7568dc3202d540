"""What approving a submission does, said before it is done. Reads; changes nothing."""

from __future__ import annotations

import sqlalchemy as sa

from namjai.languages import Words, money
from odk.programme import Programme
from store.tables import entity_version, grants
from submissions.form_versions import TABLETS


def effects(tx: sa.Connection, row: sa.Row, programme: Programme, language: str) -> list[str]:
    """Sentences, the most far-reaching first."""
    if row.review_state == "approved":
        return []
    found: list[Words] = []
    asked = tx.execute(
        sa.select(grants.c.number, grants.c.amount, grants.c.state).where(
            grants.c.project_id == row.project_id, grants.c.submission_id == row.id
        )
    ).all()
    for one in asked:
        if one.state in ("requested", "suspended"):
            found.append(
                Words(
                    f"The request for {money(one.amount, 'en')} still waits for its approval: this pays nothing.",
                    f"คำขอ {money(one.amount, 'th')} ยังต้องรออนุมัติอีกขั้น การ\u2060อนุมัติที่นี่ไม่ใช่การจ่ายเงิน",
                )
            )
    made = tx.execute(
        sa.select(entity_version.c.list, entity_version.c.act, entity_version.c.stale).where(
            entity_version.c.project_id == row.project_id, entity_version.c.submission_id == row.id
        )
    ).all()
    if any(one.list == programme.case_list and one.act in ("create", "upsert") for one in made):
        found.append(Words("The intake counts as accepted.", "ถือว่ารับเข้าเป็นเคสของทีมแล้ว"))
    if any(one.list == programme.case_list and one.act == "update" for one in made):
        found.append(Words("The case already shows what it changed.", "ค่าที่เปลี่ยนในเคสมีผลแล้วตั้งแต่ได้รับข้อมูล"))
    if any(one.stale for one in made):
        found.append(
            Words(
                "It was filled in from an older list: what it changed stands as the tablet sent it.",
                "กรอกจากรายชื่อรุ่นเก่า ค่าที่เปลี่ยนยังเป็นไปตามที่แท็บเล็ตส่งมา",
            )
        )
    found.append(_leaves(row.form_origin))
    return [one.in_(language) for one in found]


def _leaves(origin: str) -> Words:
    """Who hears of it. A server that it was read from is told nothing, ever."""
    if origin == TABLETS:
        return Words(
            "It leaves the queue, and its sender sees that it was approved.",
            "รายการจะออกจากคิว และผู้ส่งจะเห็นว่าอนุมัติแล้ว",
        )
    return Words(f"It leaves the queue here; {origin} is told nothing.", f"รายการจะออกจากคิวที่\u2060นี่ โดยไม่แจ้ง {origin}")
