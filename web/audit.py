"""The audit: of everything, of a person, of a case."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from flask import Blueprint, g, request

from cases import audit_list, people
from cases.audit_words import KINDS
from cases.who import by_key, who
from namjai.problems import NotFound
from store.tables import audit_seal
from web import words
from web.frame import page
from web.signed_in import programme, requires, saw, store
from web.words import t

pages = Blueprint("audit", __name__)


@pages.get("/audit")
@requires("audit.read")
def index() -> str:
    person = _uuid(request.args.get("person", ""))
    kind = request.args.get("kind") if request.args.get("kind") in KINDS else None
    events, after = audit_list.page(
        g.tx,
        store().keyring,
        g.me.project,
        programme(),
        words.language(),
        person=person,
        kind=kind,
        after=request.args.get("after"),
    )
    rows = people.listed(g.tx, g.me.project)
    named = next((row for row in rows if row.id == person), None)
    saw("audit.read", "user" if named else "audit", named.id if named else None)
    filters = [
        {
            "name": "person",
            "label": t("Person", "ผู้ใช้"),
            "any": t("Anybody", "ทุกคน"),
            "value": str(person or ""),
            "choices": [{"value": str(row.id), "label": row.name} for row in rows],
        },
        _kinds(kind),
    ]
    return page(
        "audit.html",
        case=None,
        person={"id": named.id, "name": named.name} if named else None,
        filters=filters,
        filtered=bool(person or kind),
        events=events,
        page=_page(events, after),
        sealed_until=_sealed_until(),
        seconds=_seconds,
    )


def of_case(code: str) -> str:
    """All that was done with one case: a page of `web/cases`."""
    row = by_key(g.tx, g.me.project, code)
    kind = request.args.get("kind") if request.args.get("kind") in KINDS else None
    events, after = audit_list.page(
        g.tx,
        store().keyring,
        g.me.project,
        programme(),
        words.language(),
        case=row.id,
        kind=kind,
        after=request.args.get("after"),
    )
    saw("audit.read", "case", row.id)
    return page(
        "audit.html",
        case=who(row, words.language()),
        filters=[_kinds(kind)],
        filtered=bool(kind),
        events=events,
        page=_page(events, after),
        sealed_until=_sealed_until(),
        seconds=_seconds,
    )


def _kinds(kind: str | None) -> dict[str, Any]:
    choices = [{"value": one, "label": name.in_(words.language())} for one, (name, _) in KINDS.items()]
    return {
        "name": "kind",
        "label": t("Kind", "ประเภท"),
        "any": t("Everything", "ทุกประเภท"),
        "value": kind or "",
        "choices": choices,
    }


def _page(events: list[Any], after: str | None) -> dict[str, Any]:
    return {
        "shown": len(events),
        "next": words.url_with(after=after) if after else None,
        "first": words.url_with(after=None) if request.args.get("after") else None,
    }


def _sealed_until() -> dt.datetime | None:
    newest = sa.select(audit_seal.c.sealed_at).order_by(audit_seal.c.epoch.desc(), audit_seal.c.ordinal.desc())
    return g.tx.scalar(newest.limit(1))


def _seconds(at: dt.datetime) -> str:
    return t("{at}", "{at}\u00a0น.", at=f"{at.astimezone(words.zone()):%H:%M:%S}")


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError as error:
        raise NotFound() from error
