"""The guided path on the page of the demonstration's story: from a submission to its letter, in four steps.

Computed from what is really so, never remembered: a step is done when the thing is done, by whomever. Knows where the
pages lie (their addresses are fixed names); knows no role: a step that the reader may not do says whose it is.
"""
from __future__ import annotations

from typing import Any
from uuid import UUID

import sqlalchemy as sa

from cases.grant_rules import APPROVED, WAITING
from namjai.languages import money
from odk.programme import Programme
from store.tables import audit, grants, letter, membership, setting, submission, submission_version

SETTING = "demonstration"
_UNDECIDED = ("received", "edited")
# What made the letter is no reading of it.
_NOT_OPENED = ("letter.issued", "letter.voided")


def steps(
    tx: sa.Connection, project: UUID, case_id: UUID, programme: Programme, language: str = "en", *, reviews: bool = True
) -> list[dict[str, Any]]:
    """The steps in order, as case.html shows them: text, url (None: not there yet), done, now (the first not done).

    `reviews`: whether the reader may decide on submissions; who may not is told as whom to do it.
    Empty for every case but the demonstration's story.
    """
    if programme.grants is None or not is_story(tx, project, case_id):
        return []
    grant = _grant(tx, project, case_id)
    if grant is None:
        return []
    found = [_visit(tx, project, case_id, grant, language, reviews), _request(tx, project, grant, language, reviews),
             _decision(grant, programme, language), _letter(tx, project, grant, language)]
    shown = [one for one in found if one]
    ahead = next((at for at, one in enumerate(shown) if not one["done"]), None)
    return [{**one, "now": at == ahead} for at, one in enumerate(shown)]


def is_story(tx: sa.Connection, project: UUID, case_id: UUID) -> bool:
    """Whether this is the case that the demonstration leads through."""
    value = tx.scalar(sa.select(setting.c.value).where(setting.c.name == SETTING)) or {}
    return value.get("project") == str(project) and value.get("case") == str(case_id)


def _visit(
    tx: sa.Connection, project: UUID, case_id: UUID, grant: sa.Row, language: str, reviews: bool
) -> dict[str, Any] | None:
    """The newest submission of the case that was edited after it had come."""
    row = tx.execute(
        sa.select(submission.c.id, submission.c.review_state)
        .join(membership, _same(membership, "submission_id"))
        .join(submission_version, _same(submission_version, "submission_id"))
        .where(
            membership.c.project_id == project, membership.c.case_id == case_id, submission.c.deleted_at.is_(None),
            submission_version.c.deprecated_id.is_not(None), submission.c.id != grant.submission_id,
        )
        .order_by(submission.c.received_at.desc()).limit(1)
    ).one_or_none()
    if row is None:
        return None
    text = ("Review the visit that was edited after its approval: see what changed, then approve",
            "ตรวจการเยี่ยมที่ถูกแก้หลังอนุมัติ ดูว่าเปลี่ยนอะไร แล้วอนุมัติ")
    if not reviews:
        text = ("As coordinator (Ploy), review the visit that was edited after its approval: "
                "see what changed, then approve",
                "ในบทบาทผู้ประสาน\u2060งาน (Ploy) ตรวจการเยี่ยมที่ถูกแก้หลังอนุมัติ ดูว่าเปลี่ยนอะไร แล้วอนุมัติ")
    return _step(text, language, f"/submissions/{row.id}", done=row.review_state not in _UNDECIDED)


def _request(
    tx: sa.Connection, project: UUID, grant: sa.Row, language: str, reviews: bool
) -> dict[str, Any] | None:
    state = tx.scalar(sa.select(submission.c.review_state).where(
        submission.c.project_id == project, submission.c.id == grant.submission_id))
    if state is None:
        return None
    text = ("Review the fund request: what it is for, and what was given before",
            "ตรวจคำขอเงินช่วยเหลือ ดูว่าขอเพื่ออะไร และเคยได้รับอะไรแล้ว")
    if not reviews:
        text = ("As coordinator (Ploy), review the fund request: what it is for, and what was given before",
                "ในบทบาทผู้ประสาน\u2060งาน (Ploy) ตรวจคำขอเงินช่วยเหลือ ดูว่าขอเพื่ออะไร และเคยได้รับอะไรแล้ว")
    return _step(text, language, f"/submissions/{grant.submission_id}", done=state not in _UNDECIDED)


def _decision(grant: sa.Row, programme: Programme, language: str) -> dict[str, Any]:
    amount = money(grant.amount, language)
    assert programme.grants is not None
    alone = programme.grants.may_approve("coordinator", grant.amount)
    text = (f"Approve {amount}", f"อนุมัติ {amount}") if alone else (
        f"Approve {amount}: above the coordinator’s limit, so look at the page as director (Krit)",
        f"อนุมัติ {amount} ซึ่งเกินวงเงินของผู้ประสาน\u2060งาน ให้ดูหน้านี้ในบทบาทผู้อำนวยการ (Krit)")
    return _step(text, language, f"/grants/{grant.id}", done=grant.state not in WAITING)


def _letter(tx: sa.Connection, project: UUID, grant: sa.Row, language: str) -> dict[str, Any]:
    text = ("Open the letter that the approval issued, ready to print", "เปิดจดหมายที่ออกเมื่ออนุมัติ พร้อมพิมพ์")
    row = None
    if grant.state in APPROVED:
        row = tx.execute(
            sa.select(letter.c.id, letter.c.number)
            .where(letter.c.project_id == project, letter.c.grant_id == grant.id, letter.c.state == "issued")
            .order_by(letter.c.issued_at.desc()).limit(1)
        ).one_or_none()
    if row is None:
        return _step(text, language, None, done=False)
    opened = tx.scalar(sa.select(sa.literal(True)).where(
        audit.c.project_id == project, audit.c.subject_id == row.id, audit.c.actor_kind == "person",
        audit.c.verb.not_in(_NOT_OPENED)).limit(1))
    return _step(text, language, f"/letters/{row.number}", done=bool(opened))


def _grant(tx: sa.Connection, project: UUID, case_id: UUID) -> sa.Row | None:
    return tx.execute(
        sa.select(grants).where(grants.c.project_id == project, grants.c.case_id == case_id)
        .order_by(grants.c.requested_at.desc(), grants.c.id.desc()).limit(1)
    ).one_or_none()


def _same(table: sa.Table, column: str) -> sa.ColumnElement[bool]:
    return sa.and_(table.c.project_id == submission.c.project_id, table.c[column] == submission.c.id)


def _step(text: tuple[str, str], language: str, url: str | None, *, done: bool) -> dict[str, Any]:
    return {"text": text[1] if language == "th" else text[0], "url": url, "done": done}
