"""Today: what waits, for whom, until when. Each part is seen in the scope of its own right."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from flask import Blueprint, g, request, url_for

from cases import access, grant_lists, today
from cases.caseload import Caseload, Line
from cases.review_queue import page as queue_page
from cases.titles import Titles
from cases.to_pay import to_pay
from cases.waiting import grants_to_decide
from cases.who import lines
from web import grant_words, words
from web.case_words import grant_title, said
from web.frame import page
from web.signed_in import may, programme, requires, saw, seeing
from web.submission_queue import row_of
from web.words import t

pages = Blueprint("today", __name__)
_FEW = 5
# What is due, where the programme names it as ours does.
_ICONS = {
    "visit": "house-heart",
    "call": "telephone",
    "counselling": "chat-left-text",
    "health": "hospital",
    "school": "mortarboard",
    "court": "bank",
    "papers": "passport",
    "money": "cash",
}


@pages.get("/")
@requires("page.read")
def show() -> str:
    if not g.me.project:
        return page("today.html", doors=SimpleNamespace(), review=[], due=[], approvals=[])
    doors: dict[str, Any] = {}
    context: dict[str, Any] = {"review": [], "due": [], "approvals": []}
    if may("submission.read"):
        _review(doors, context)
    if may("case.read"):
        _cases(doors, context)
    if may("grant.decide"):
        _approvals(doors, context)
    elif may("grant.pay"):
        _payments(doors, context)
    if may("tablet.manage"):
        doors["tablets"], context["tablets"] = today.tablets_seen(g.tx, g.me.project, words.today(), words.zone())
        context["may_sample"] = True
    context["sources"] = today.sources_waiting(g.tx, g.me)
    return page("today.html", doors=doors, **context)


def _review(doors: dict[str, Any], context: dict[str, Any]) -> None:
    with seeing("submission.read"):
        actor = g.me.actor(access.scope_of("submission.read", g.me.role))
        doors["review"] = today.review(g.tx, actor, own=not may("submission.review"))
        titles = Titles(g.tx, g.me.project, programme(), words.language())
        queued, _ = queue_page(g.tx, actor, titles, most=_FEW)
        saw("submission.listed", "submission", None, subjects=[str(one.id) for one in queued])
    context["review"] = [row_of(one) for one in queued]
    context["review_url"] = url_for("submissions.show", id=queued[0].id) if queued else None


def _cases(doors: dict[str, Any], context: dict[str, Any]) -> None:
    wide = access.scope_of("case.read", g.me.role) != "own"
    mine = not wide or request.args.get("due") == "mine"
    with seeing("case.read"):
        # Today itself sees no case: its own actor would find none that is due.
        actor = g.me.actor(access.scope_of("case.read", g.me.role))
        load = Caseload(g.tx, g.me.project, programme(), words.language(), words.today(), actor=actor)
        found, total = load.due(g.me.user_id, mine=mine, most=8)
        doors["overdue"] = {
            "n": load.overdue(g.me.user_id, mine=mine),
            "high_risk": load.overdue(g.me.user_id, mine=mine, high=True),
        }
        doors["cases"] = today.open_cases(g.tx, g.me)
        saw("case.listed", "case", None, view="due", subjects=[str(one.case_id) for one in found])
    context["due"] = [_due(load, one) for one in found]
    context["due_total"] = total
    context["due_whose"] = ("mine" if mine else "team") if wide else None


def _due(load: Caseload, line: Line) -> dict[str, Any]:
    return {
        "what": said(load, line, "next_what") or t("Follow-up", "ติดตาม"),
        "icon": _ICONS.get(str(line.values.get("next_what")), "clock"),
        "case": line.who,
        "due": line.due,
    }


def _approvals(doors: dict[str, Any], context: dict[str, Any]) -> None:
    with seeing("grant.decide"):
        doors["approve"] = today.to_approve(g.tx, g.me, programme().grants)
        chosen = grants_to_decide(g.me, programme().grants)
        found = grant_lists.first_of(g.tx, g.actor, g.me.role, programme(), words.language(), chosen, _FEW)
        saw("grant.listed", "grant", None, view="today", subjects=[str(one.id) for one in found])
    context["approvals"] = [grant_words.line(one) for one in found]


def _payments(doors: dict[str, Any], context: dict[str, Any]) -> None:
    """For whoever pays but does not decide: what was approved and is not paid."""
    with seeing("grant.pay"):
        found = to_pay(g.tx, g.me, _FEW)
        named = lines(g.tx, g.me.project, (row.case_id for row in found.first), words.language())
        saw("grant.listed", "grant", None, view="to_pay", subjects=[str(row.id) for row in found.first])
    doors["pay"] = found
    context["payments"] = [
        {"id": row.id, "title": grant_title(row.kind), "case": named.get(row.case_id), "amount": row.amount}
        for row in found.first
    ]
