"""Showing what is masked: with a reason, in the audit before the value is read, so many times an hour.

Two steps that never share a transaction: `allow` commits its event, then `value` opens the answer.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from uuid import UUID

import sqlalchemy as sa

from cases import answers_shown, throttling
from cases.opened import Opener
from cases.review_queue import visible
from namjai.languages import Words
from namjai.problems import NotFound, Problem
from odk.programme import Programme
from odk.schema import Privacy
from store.actor import Actor
from store.audit import Event, record
from store.opening import Store
from store.tables import membership, submission

SECONDS = 60
AN_HOUR = 60
LONGEST_NOTE = 200
REASONS: dict[str, Words] = {
    "contact": Words("To reach the person safely", "เพื่อติดต่อเจ้าตัวอย่างปลอดภัย"),
    "letter": Words("For a letter or a payment", "เพื่อทำจดหมายหรือจ่ายเงิน"),
    "court": Words("For court or police papers", "เพื่อเอกสารศาลหรือตำรวจ"),
    "check": Words("To check who it is", "เพื่อตรวจสอบตัวบุคคล"),
    "danger": Words("Somebody is in danger", "มีผู้ตกอยู่ในอันตราย"),
    "other": Words("Another reason, in my own words", "เหตุผลอื่น อธิบายเอง"),
}


class RevealReasonMissing(Problem):
    code, http_status = "reveal-reason-missing", 400
    en = "Choose why you need it; another reason needs your own words. Nothing was opened."
    th = "เลือกเหตุผลที่ต้องดู หากเป็นเหตุผลอื่นให้อธิบาย ยังไม่ได้เปิดข้อมูล"


class RevealsUsedUp(Problem):
    code, http_status = "reveals-used-up", 429
    en = (
        "You opened {most} masked values within an hour, the most that one person may. "
        "Wait {minutes} minutes; in danger, ask a colleague."
    )
    th = "คุณเปิดดูข้อมูลที่ปิดไว้ครบ {most} ครั้งในหนึ่งชั่วโมง รออีก {minutes} นาที หากมีอันตรายให้เพื่อนร่วมงานเปิด"


def find(tx: sa.Connection, store: Store, actor: Actor, submission_id: UUID, key: str) -> tuple[sa.Row, str]:
    """The submission and the label's key, when there is such an answer and it may be revealed. Raises NotFound."""
    row = tx.execute(
        sa.select(submission).where(submission.c.id == submission_id, *visible(actor, few=True))
    ).one_or_none()
    if row is None:
        raise NotFound()
    opener = Opener(tx, store, actor.project)
    version = opener.version(row.xml_form_id, row.form_version, row.form_origin)
    if version.schema.privacy_of(key, version.undeclared) not in (Privacy.IDENTIFYING, Privacy.SENSITIVE):
        raise NotFound()
    asked = version.schema.field(key)
    if asked is None or key not in (opener.identifying(row) | opener.sensitive(row)):
        raise NotFound()
    return row, key


def allow(
    store: Store,
    actor: Actor,
    *,
    subjects: Iterable[tuple[str, UUID]],
    submission_id: UUID,
    fields: Iterable[str],
    reason: str,
    note: str,
) -> None:
    """Write that this person sees these fields now, and commit it. Nothing is opened before.

    Raises RevealReasonMissing, RevealsUsedUp.
    """
    note = " ".join(note.split())[:LONGEST_NOTE]
    if reason not in REASONS or (reason == "other" and not note):
        raise RevealReasonMissing()
    with store.database.begin(actor) as tx:
        try:
            throttling.count(tx, store.keyring, "reveal", str(actor.id), most=AN_HOUR, minutes=60)
        except Problem as problem:
            raise RevealsUsedUp(most=AN_HOUR, minutes=problem.facts.get("minutes")) from problem
        sealed = (
            store.keyring.record(tx, actor.project, submission_id).encrypt("reveal-note", note.encode())
            if note
            else None
        )
        detail = {"fields": sorted(fields), "reason": reason, "submission": str(submission_id)}
        seen = [Event("value.revealed", kind, subject_id, detail) for kind, subject_id in subjects]
        record(tx, store.keyring, actor, *seen, sealed=sealed)


def value(tx: sa.Connection, store: Store, project: UUID, row: sa.Row, key: str, language: str, zone: dt.tzinfo) -> str:
    """The answer in words, exact: after `allow`, and never otherwise."""
    opener = Opener(tx, store, project)
    version = opener.version(row.xml_form_id, row.form_version, row.form_origin)
    found = (dict(row.open) | opener.identifying(row) | opener.sensitive(row)).get(key)
    asked = version.schema.field(key)
    if asked is not None and asked.type == "geopoint":
        point = answers_shown.place(str(found))
        return f"{point[0]}, {point[1]}" if point else str(found)
    return answers_shown.text(version.schema, asked, found, language, names={}, zone=zone)


def person(
    tx: sa.Connection, store: Store, project: UUID, case_id: UUID, programme: Programme
) -> tuple[sa.Row, Mapping[str, str], frozenset[str]] | None:
    """The case's newest submission that says who the person is: its row, paths by part, and which are answered."""
    forms = [one.id for one in programme.forms.values() if one.person]
    if not forms:
        return None
    rows = tx.execute(
        sa.select(submission)
        .join(
            membership,
            sa.and_(membership.c.project_id == submission.c.project_id, membership.c.submission_id == submission.c.id),
        )
        .where(
            membership.c.project_id == project,
            membership.c.case_id == case_id,
            submission.c.xml_form_id.in_(forms),
            submission.c.deleted_at.is_(None),
            submission.c.identifying.is_not(None),
        )
        .order_by(membership.c.event_date.desc(), submission.c.received_at.desc())
        .limit(5)
    )
    opener = Opener(tx, store, project)
    for row in rows:
        paths = programme.forms[row.xml_form_id].person
        answered = frozenset(opener.identifying(row)) & frozenset(paths.values())
        if answered:
            return row, paths, answered
    return None


NAME = ("title", "given", "family", "nickname", "given_latin", "family_latin")


def name_fields(paths: Mapping[str, str], answered: frozenset[str]) -> list[str]:
    """The keys that make up a name, of those that are answered."""
    return [paths[part] for part in NAME if paths.get(part) in answered]


def whole_name(
    tx: sa.Connection,
    store: Store,
    project: UUID,
    row: sa.Row,
    paths: Mapping[str, str],
    language: str,
    zone: dt.tzinfo,
) -> str:
    """Title, given and family name, the nickname in quotes, the Latin in brackets: after `allow`."""

    def of(part: str) -> str:
        return value(tx, store, project, row, paths[part], language, zone) if paths.get(part) else ""

    own = " ".join(one for one in (of("title"), of("given"), of("family")) if one)
    nickname, latin = of("nickname"), " ".join(one for one in (of("given_latin"), of("family_latin")) if one)
    return " ".join(one for one in (own, f"“{nickname}”" if nickname else "", f"({latin})" if latin else "") if one)
