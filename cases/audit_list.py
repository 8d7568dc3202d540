"""The audit as people read it: who saw and did what, newest first. Codes in, words out; values never were in it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from cases import access
from cases.audit_subjects import Subjects, of_case
from cases.audit_words import ACTORS, DECIDED, KINDS, NAMED, NUMBERED, SAID, WITH
from cases.paging import Cursor, cursor
from cases.reveal import REASONS
from cases.who import Who
from namjai.languages import Words
from odk.programme import Programme
from store.keys import Keyring
from store.tables import audit, project_user

PAGE = 60


@dataclass(frozen=True, slots=True)
class Told:
    """One event as a line. `touched` are the questions whose answers were revealed, `reason` is why."""

    at: dt.datetime
    who: str
    role_label: str | None
    what: str
    touched: str
    tone: str | None
    icon: str | None
    cases: tuple[Who, ...]
    reason: str | None


def page(
    tx: sa.Connection,
    keyring: Keyring,
    project: UUID,
    programme: Programme,
    language: str,
    *,
    case: UUID | None = None,
    person: UUID | None = None,
    kind: str | None = None,
    after: str | None = None,
) -> tuple[list[Told], str | None]:
    """A page of events, and the cursor of the earlier ones. Of a case also what was done to its letters and files."""
    query = sa.select(audit).where(audit.c.project_id == project)
    if case:
        query = query.where(audit.c.subject_id == sa.any_(sa.literal(of_case(tx, project, case), sa.ARRAY(sa.Uuid))))
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
    return _told(tx, keyring, project, programme, language, listed), later


def _told(
    tx: sa.Connection, keyring: Keyring, project: UUID, programme: Programme, language: str, rows: Sequence[sa.Row]
) -> list[Told]:
    about = Subjects(tx, project, programme, language, rows)
    roles, notes = _roles(tx, project, rows), _notes(tx, keyring, project, rows)
    return [_one(row, language, about, roles, notes) for row in rows]


def _one(
    row: sa.Row, language: str, about: Subjects, roles: Mapping[UUID, str], notes: Mapping[UUID, str]
) -> Told:
    reason = REASONS.get(row.detail.get("reason", ""))
    why = ": ".join(part for part in (reason.in_(language) if reason else "", notes.get(row.id, "")) if part)
    revealed, touched = row.verb == "value.revealed", about.touched(row)
    return Told(
        row.at,
        about.actor(row) or ACTORS.get(row.actor_kind, Words("?", "?")).in_(language),
        access.role_name(roles[row.actor_id], language) if row.actor_id in roles else None,
        _said(row, "" if revealed else touched, language),
        touched if revealed else "",
        "wait" if revealed else None,
        "eye" if revealed else None,
        about.cases(row),
        why or None,
    )


def _said(row: sa.Row, touched: str, language: str) -> str:
    verb = row.verb
    words = SAID.get(verb)
    if verb == "submission.reviewed":
        words = DECIDED.get("undo" if row.detail.get("undo") else str(row.detail.get("to", "")), words)
    said = words.in_(language) if words else verb
    if not touched:
        return said
    together = WITH.get(verb, NUMBERED if verb.startswith("letter.") else NAMED)
    return together.in_(language).format(said=said, what=touched)


def _roles(tx: sa.Connection, project: UUID, rows: Sequence[sa.Row]) -> dict[UUID, str]:
    """The roles that those who acted have now."""
    acted = {row.actor_id for row in rows if row.actor_kind == "person"}
    if not acted:
        return {}
    found = tx.execute(
        sa.select(project_user.c.user_id, project_user.c.role).where(
            project_user.c.project_id == project, project_user.c.user_id.in_(acted)
        )
    )
    return {row.user_id: row.role for row in found}


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
