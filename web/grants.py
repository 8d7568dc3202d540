"""Grants: the list, one grant, and the decisions about it. `cases/grants` sees that no one approves their own."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, g, redirect, request, url_for

from cases import grant_lists, grants, people
from cases.grant_page import grant_page
from cases.grant_problems import GrantNotApproved
from cases.grant_rules import seen_in
from cases.who import script_of
from namjai.languages import Words
from namjai.problems import InputInvalid, NotFound, Problem
from submissions.review import say, thread
from web import grant_words, words
from web.frame import page, toast
from web.signed_in import may, programme, requires, saw, store
from web.words import t

pages = Blueprint("grants", __name__)


@pages.get("/grants")
@requires("grant.read")
def index() -> str:
    # The number in the navigation tells whoever only pays what is to be paid: the list begins there.
    first = "approved" if may("grant.pay") and not may("grant.decide") else "waiting"
    view = request.args.get("view", first)
    view = view if view in grant_lists.VIEWS else first
    lang = words.language()
    found = grant_lists.grants_for_list(
        g.tx, g.actor, g.me.role, programme(), lang, view=view, after=request.args.get("after")
    )
    waiting = grant_lists.waiting_for(g.tx, g.actor, g.me.role, programme()) if may("grant.decide") else None
    saw("grant.listed", "grant", None, view=view, subjects=[str(one.id) for one in found.lines])
    views = [
        {
            "label": name.in_(lang),
            "url": url_for("grants.index", view=one if one != first else None),
            "n": found.counts[one],
            "current": one == view,
        }
        for one, name in grant_lists.VIEW_NAMES.items()
    ]
    return page(
        "grants.html",
        views=views,
        waiting=waiting,
        grants=[grant_words.line(one) for one in found.lines],
        empty_view=not found.lines and bool(found.counts["all"]),
        page={
            "shown": len(found.lines),
            "next": words.url_with(after=found.after) if found.after else None,
            "first": words.url_with(after=None) if request.args.get("after") else None,
        },
    )


@pages.get("/grants/<uuid:id>")
@requires("grant.read")
def show(id: UUID) -> str:
    lang = words.language()
    found = grant_page(g.tx, store(), g.actor, g.me.role, programme(), id, lang)
    saw(
        "grant.opened",
        "case" if found.case_id else "grant",
        found.case_id or id,
        grant=str(id),
        fields=[one.path for one in found.facts if not one.masked],
    )
    said = thread(g.tx, store(), g.me.project, id)
    refusal = grant_words.refusal(found, said)
    return page(
        "grant.html",
        grant={
            "id": found.id,
            "number": found.number,
            "title": grant_words.capital(found.title),
            "case": found.case,
            "amount": found.amount,
            "state": found.state,
            "submission": found.submission if may("submission.read") else None,
            "revision": found.revision,
            "fund": grant_words.capital(programme().word("fund", lang)),
        },
        facts=[grant_words.fact(found, one) for one in found.facts],
        ask=grant_words.ask(found),
        blocked=found.blocked,
        suspended=grant_words.suspended(found),
        steps=[grant_words.step(found, one, refusal) for one in found.steps],
        earlier=[
            {
                "id": one.id,
                "title": grant_words.capital(one.title),
                "source": grant_words.capital(programme().word("fund", lang)),
                "at": one.at,
                "amount": one.amount,
            }
            for one in found.earlier
        ],
        letter=grant_words.letter(found),
        comments=_comments(said),
    )


def _comments(said: list[Any]) -> list[dict[str, Any]]:
    """What people wrote, oldest first, with who they are."""
    names = people.names(g.tx, (one[0] for one in said))
    return [
        {
            "by": names.get(user, "?"),
            "initials": people.initials(names.get(user, "?")),
            "mine": user == g.me.user_id,
            "at": at,
            "text": text,
            "lang": script_of(text),
        }
        for user, at, text in said
    ]


@pages.post("/grants/<uuid:id>/decision")
@requires("grant.decide")
def decide(id: UUID) -> Any:
    decision = request.form.get("decision", "")
    if decision not in ("approve", "refuse"):
        raise NotFound()
    version, content = seen_in(request.form.get("revision", ""))
    if decision == "refuse":
        try:
            grants.refuse(g.tx, store(), g.actor, id, reason=request.form.get("reason", ""), row_version=version)
        except Problem as problem:
            if problem.code in ("reason-missing", "comment-too-long"):
                return Response(
                    _refusal(id, request.form.get("revision", ""), problem.text(words.language())), problem.http_status
                )
            raise
        toast(t("Refused. Its reason stands below the grant.", "บันทึกว่าไม่อนุมัติแล้ว เหตุผลอยู่ด้านล่าง"))
        return redirect(url_for("grants.show", id=id), 303)
    issued = grants.approve(
        g.tx,
        store(),
        g.actor,
        id,
        role=g.me.role,
        row_version=version,
        seen_content=content,
        condition=request.form.get("condition", "")[:500],
    )
    if issued is not None:
        more = (
            {"url": url_for("letters.show", number=issued.number), "url_text": t("Open the letter", "เปิดจดหมาย")}
            if may("letter.read")
            else {}
        )
        toast(
            t("Approved. Letter {number} is being made.", "อนุมัติแล้ว กำลังจัดทำจดหมาย {number}", number=issued.number),
            **more,
        )
    else:
        toast(t("Approved.", "อนุมัติแล้ว"))
    return redirect(url_for("grants.show", id=id), 303)


@pages.get("/grants/<uuid:id>/refuse")
@requires("grant.decide")
def refuse(id: UUID) -> str:
    return _refusal(id)


@pages.post("/grants/<uuid:id>/paid")
@requires("grant.pay")
def pay(id: UUID) -> Any:
    try:
        paid_on = dt.date.fromisoformat(request.form.get("paid_on", ""))
    except ValueError as error:
        raise InputInvalid(field=Words("Paid on", "วันที่จ่าย"), reason=Words("it is no date", "ไม่ใช่วันที่")) from error
    version, _ = seen_in(request.form.get("revision", ""))
    grants.mark_paid(
        g.tx, store(), g.actor, id, paid_on=paid_on, how=request.form.get("how", "")[:200], row_version=version
    )
    toast(t("Recorded as paid.", "บันทึกว่าจ่ายแล้ว"))
    return redirect(url_for("grants.show", id=id), 303)


@pages.post("/grants/<uuid:id>/requester")
@requires("grant.name_requester")
def name_requester(id: UUID) -> Any:
    try:
        person = UUID(request.form.get("person", ""))
    except ValueError as error:
        raise NotFound() from error
    grants.name_requester(g.tx, store(), g.actor, id, person)
    toast(t("The requester is named; somebody else approves now.", "ระบุผู้ยื่นแล้ว จากนี้ให้ผู้อื่นอนุมัติ"))
    return redirect(url_for("grants.show", id=id) if may("grant.read") else url_for("today.show"), 303)


@pages.post("/grants/<uuid:id>/comments")
@requires("grant.comment")
def comment(id: UUID) -> Any:
    grant_page(g.tx, store(), g.actor, g.me.role, programme(), id, words.language())
    say(g.tx, store(), g.actor, id, request.form.get("text", ""))
    return redirect(url_for("grants.show", id=id) + "#comment", 303)


def _refusal(id: UUID, revision: str | None = None, error: str | None = None) -> str:
    found = grant_page(g.tx, store(), g.actor, g.me.role, programme(), id, words.language())
    saw("grant.opened", "case" if found.case_id else "grant", found.case_id or id, grant=str(id), fields=[])
    if found.state not in ("requested", "suspended"):
        raise GrantNotApproved(state=found.state, state_th=found.state)
    return page(
        "reason.html",
        here="grants",
        title=t("Refuse {sum}?", "ไม่อนุมัติ {sum} ใช่หรือไม่", sum=words.money(found.amount)),
        case=found.case,
        text=t("Whoever asked reads your reason.", "ผู้ยื่นจะอ่านเหตุผลของคุณ"),
        action=url_for("grants.decide", id=id),
        hidden={"decision": "refuse", "revision": revision or found.revision},
        button=t("Refuse", "ไม่อนุมัติ"),
        icon="x-lg",
        danger=True,
        back_url=url_for("grants.show", id=id),
        error=error,
    )
