"""How to reach a person without harm: from the newest form that says it. Sensitive, and only for whom may read that."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from cases import answers_shown
from cases.opened import Opener
from cases.who import script_of
from namjai.languages import Words
from odk.programme import FormRule, Programme
from store.opening import Store
from store.tables import membership, submission

_ROWS = {
    "how": Words("How", "วิธีติดต่อ"),
    "when": Words("When", "เวลา"),
    "number": Words("Number", "หมายเลข"),
    "who": Words("Who may answer", "ผู้รับสายได้"),
    "say": Words("Say", "ให้บอกว่า"),
}
_CONSENTS = {
    "services": Words("Services", "รับบริการ"),
    "reporting": Words("Reports without names", "รายงานแบบไม่ระบุตัวตน"),
    "sharing": Words("Sharing with others", "เปิดเผยต่อผู้อื่น"),
}
_NEVER_SHARE = Words("never share", "ห้ามเปิดเผย")
# Said whatever was answered: so it gives nothing away.
_MORE_WITHHELD = Words(
    "more may be withheld; ask the worker of this case", "อาจมีข้อมูลที่ห้ามเปิดเผยอีก สอบถามผู้รับผิดชอบเคส"
)
_STATES = {"yes": "yes", "no": "no", "limited": "limited"}


@dataclass(frozen=True, slots=True)
class Contact:
    """The card: rows in order, and what must never be done. A number is there or not; it is opened on its own."""

    checked: dt.date
    rows: tuple[dict[str, Any], ...]
    never: str | None
    never_lang: str | None


@dataclass(frozen=True, slots=True)
class Consent:
    """What the person agreed to, and the note below it."""

    rows: tuple[dict[str, Any], ...]
    note: str | None
    limited: bool


def newest(tx: sa.Connection, project: UUID, case_id: UUID, forms: list[str]) -> sa.Row | None:
    """The newest submission of these forms that belongs to the case."""
    if not forms:
        return None
    return tx.execute(
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
            submission.c.review_state != "rejected",
        )
        .order_by(membership.c.event_date.desc(), submission.c.received_at.desc())
        .limit(1)
    ).one_or_none()


def contact(
    tx: sa.Connection, store: Store, programme: Programme, row: sa.Row, language: str, zone: dt.tzinfo
) -> Contact | None:
    """The card from a submission; None where it says nothing about contact."""
    rule = programme.forms[row.xml_form_id]
    opener = Opener(tx, store, row.project_id)
    values = dict(row.open) | opener.sensitive(row)
    version = opener.version(row.xml_form_id, row.form_version, row.form_origin)

    def said(part: str) -> str:
        path = rule.safe_contact.get(part)
        return (
            answers_shown.text(
                version.schema, version.schema.field(path), values.get(path), language, names={}, zone=zone
            )
            if path
            else ""
        )

    rows = tuple(
        {"label": words.in_(language), "masked": True}
        if part == "number"
        else {"label": words.in_(language), "text": text, "lang": script_of(text), "strong": part == "say"}
        for part, words in _ROWS.items()
        if (text := said(part))
    )
    never = said("never") or None
    if not rows and not never:
        return None
    return Contact(row.event_date, rows, never, script_of(never) if never else None)


def number(tx: sa.Connection, store: Store, programme: Programme, project: UUID, case_id: UUID) -> sa.Row | None:
    """The submission whose card holds a number; `number_path` says where in it."""
    row = newest(tx, project, case_id, forms_of(programme))
    if row is None:
        return None
    path = number_path(programme, row.xml_form_id)
    opener = Opener(tx, store, project)
    return row if path and (dict(row.open) | opener.sensitive(row)).get(path) else None


def number_path(programme: Programme, form: str) -> str:
    """Where a form says the safe number; "" where it does not ask for one."""
    return programme.forms[form].safe_contact.get("number", "") if form in programme.forms else ""


def forms_of(programme: Programme) -> list[str]:
    """The forms that say how to reach a person."""
    return [one.id for one in programme.forms.values() if one.safe_contact]


def consent(
    opener: Opener, programme: Programme, row: sa.Row, language: str, zone: dt.tzinfo, *, sensitive: bool
) -> Consent:
    """What the newest form with consents says."""
    rule: FormRule = programme.forms[row.xml_form_id]
    version = opener.version(row.xml_form_id, row.form_version, row.form_origin)
    values = dict(row.open) | (opener.sensitive(row) if sensitive else {})

    def said(part: str) -> str:
        path = rule.consent.get(part)
        return (
            answers_shown.text(
                version.schema, version.schema.field(path), values.get(path), language, names={}, zone=zone
            )
            if path
            else ""
        )

    never = said("withhold") and f"{_NEVER_SHARE.in_(language)}: {said('withhold')}"
    if not sensitive and rule.consent.get("withhold"):
        never = _MORE_WITHHELD.in_(language)
    answers = {part: values[path] for part in _CONSENTS if (path := rule.consent.get(part)) and path in values}
    limited = answers.get("sharing") == "limited"
    rows = []
    for part, answer in answers.items():
        more = (limited and said("share_with"), never) if part == "sharing" else ()
        detail = " · ".join(one for one in more if one)
        state = _STATES.get(str(answer), "limited")
        rows.append({"text": _CONSENTS[part].in_(language), "detail": detail, "state": state})
    # What must not be shared stands with the sharing; where that was not asked or answered, beside who gave it.
    said_last = (said("giver"), said("date"), "" if "sharing" in answers else never)
    return Consent(tuple(rows), ", ".join(one for one in said_last if one) or None, limited)
