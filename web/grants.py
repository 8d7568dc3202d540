"""Grants: the list, one grant, and the decisions about it. Whoever asked never approves; `cases/grants` sees to that."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, g, redirect, request, url_for

from cases import answers_shown, grant_lists, grants, people
from cases.dues import due
from cases.grant_lists import GrantLine
from cases.grant_page import GrantPage, Step, grant_page
from cases.grant_problems import GrantNotApproved
from cases.grant_rules import seen_in
from cases.who import script_of
from namjai.problems import InputInvalid, NotFound, Problem
from submissions.review import say, thread
from web import words
from web.frame import page, toast
from web.signed_in import may, programme, requires, saw, store
from web.words import t

pages = Blueprint("grants", __name__)


@pages.get("/grants")
@requires("grant.read")
def index() -> str:
    view = request.args.get("view", "waiting")
    view = view if view in grant_lists.VIEWS else "waiting"
    lang = words.language()
    found = grant_lists.grants_for_list(
        g.tx, g.actor, g.me.role, programme(), lang, view=view, after=request.args.get("after")
    )
    waiting = grant_lists.waiting_for(g.tx, g.actor, g.me.role, programme()) if may("grant.decide") else None
    saw("grant.listed", "grant", None, view=view, subjects=[str(one.id) for one in found.lines])
    views = [
        {
            "label": name.in_(lang),
            "url": url_for("grants.index", view=one if one != "waiting" else None),
            "n": found.counts[one],
            "current": one == view,
        }
        for one, name in grant_lists.VIEW_NAMES.items()
    ]
    return page(
        "grants.html",
        views=views,
        waiting=waiting,
        grants=[_line(one) for one in found.lines],
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
    names = people.names(g.tx, (one[0] for one in said))
    held = next((one for one in found.letters if one.state != "void"), None)
    return page(
        "grant.html",
        grant={
            "id": found.id,
            "number": found.number,
            "title": _capital(found.title),
            "case": found.case,
            "amount": found.amount,
            "state": found.state,
            "submission": found.submission if may("submission.read") else None,
            "revision": found.revision,
            "fund": _capital(programme().word("fund", lang)),
        },
        facts=[_fact(found, one) for one in found.facts],
        ask=_ask(found),
        blocked=found.blocked,
        suspended=_suspended(found),
        steps=[_step(one) for one in found.steps],
        earlier=[
            {
                "id": one.id,
                "title": _capital(one.title),
                "source": _capital(programme().word("fund", lang)),
                "at": one.at,
                "amount": one.amount,
            }
            for one in found.earlier
        ],
        letter=_letter(held),
        comments=[
            {
                "by": names.get(user, "?"),
                "initials": people.initials(names.get(user, "?")),
                "mine": user == g.me.user_id,
                "at": at,
                "text": text,
                "lang": script_of(text),
            }
            for user, at, text in said
        ],
    )


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
        toast(t("Refused. Its reason stands below the grant.", "ไม่อนุมัติแล้ว เหตุผลอยู่ด้านล่าง"))
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
        raise InputInvalid(field="paid_on", reason="it is no date") from error
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
    toast(t("The requester is named; somebody else approves now.", "ระบุผู้ยื่นแล้ว ให้ผู้อื่นอนุมัติ"))
    return redirect(url_for("grants.show", id=id) if may("grant.read") else url_for("today.show"), 303)


@pages.post("/grants/<uuid:id>/comments")
@requires("grant.comment")
def comment(id: UUID) -> Any:
    grant_page(g.tx, store(), g.actor, g.me.role, programme(), id, words.language())
    say(g.tx, store(), g.actor, id, request.form.get("text", ""))
    return redirect(url_for("grants.show", id=id) + "#comment", 303)


def _line(one: GrantLine) -> dict[str, Any]:
    return {
        "id": one.id,
        "title": _capital(one.title),
        "case": one.case,
        "state": one.state,
        "mine": one.mine,
        "by": people.short(one.by) if one.by else None,
        "at": one.at,
        "letter": one.letter if may("letter.read") else None,
        "amount": one.amount,
    }


def _fact(found: GrantPage, one: Any) -> dict[str, Any]:
    if one.masked:
        url = (
            url_for("reveal.submission", id=found.submission, key=one.path)
            if found.submission and may("case.reveal")
            else None
        )
        return {"label": one.label, "mask": {"label": one.label, "url": url}}
    if one.day is not None:
        if found.state in ("paid", "receipted", "refused"):
            return {"label": one.label, "text": words.day(one.day)}
        return {"label": one.label, "due": due(one.day, words.today())}
    return {"label": one.label, "text": one.text, "lang": script_of(one.text)}


def _ask(found: GrantPage) -> dict[str, Any] | None:
    if found.ask == "approve":
        again = found.state == "suspended"
        return {
            "kind": "approve",
            "title": t("It waits for you again", "รอคุณอนุมัติอีกครั้ง")
            if again
            else t("It waits for your approval", "รอคุณอนุมัติ"),
            "text": t(
                "Approving writes the letter and numbers it. Whoever requested cannot approve.",
                "เมื่ออนุมัติ ระบบออกจดหมายพร้อมเลขที่ ผู้ยื่นอนุมัติเองไม่ได้",
            ),
        }
    if found.ask == "name":
        return {
            "kind": "name",
            "title": t("Who requested it?", "ใครเป็นผู้ยื่น"),
            "people": [{"id": one.value, "name": one.label} for one in found.people],
            "text": t(
                "The tablet belongs to nobody, so nobody can approve before this is known. Whoever names cannot approve.",
                "แท็บเล็ตไม่มีผู้ถือ จึงยังอนุมัติไม่ได้จนกว่าจะระบุ ผู้ระบุอนุมัติเองไม่ได้",
            ),
        }
    if found.ask == "pay":
        return {"kind": "pay", "title": t("Approved: pay it out", "อนุมัติแล้ว รอจ่าย"), "ways": found.ways}
    return None


def _suspended(found: GrantPage) -> dict[str, Any] | None:
    if found.suspended is None:
        return None
    reveal = may("case.reveal") and found.submission
    return {
        "at": found.suspended.at or words.now(),
        "by": found.suspended.by,
        "differences": [
            {
                "label": one.label,
                "was": _said(one.was),
                "now": _said(one.now),
                "mask": {
                    "label": one.label,
                    "url": url_for("reveal.submission", id=found.submission, key=one.path) if reveal else None,
                }
                if one.masked
                else None,
            }
            for one in found.suspended.differences
        ],
    }


def _said(text: str) -> str:
    return answers_shown.when(text, words.language(), words.zone()) if len(text) == 10 and text[4:5] == "-" else text


def _step(one: Step) -> dict[str, Any]:
    icons = {
        "suspended": "pause-circle",
        "refused": "x-lg",
        "letter": "envelope-paper",
        "paid": "cash",
        "receipted": "receipt",
    }
    tones = {"suspended": "wait", "refused": "bad"}
    return {
        "state": one.state,
        "label": one.label,
        "text": one.by,
        "at": one.at,
        "with_time": isinstance(one.at, dt.datetime) and one.key != "paid",
        "icon": icons.get(one.key) if one.state != "done" or one.key == "refused" else None,
        "tone": tones.get(one.key),
    }


def _letter(held: Any) -> dict[str, Any] | None:
    if held is None:
        return None
    if not may("letter.read"):
        return {"text": t("Letter {number} was issued.", "ออกจดหมาย {number} แล้ว", number=held.number)}
    return {
        "key": held.key,
        "number": held.number,
        "state": held.state,
        "kind": held.kind,
        "language": held.language,
        "issued": held.issued,
    }


def _refusal(id: UUID, revision: str | None = None, error: str | None = None) -> str:
    found = grant_page(g.tx, store(), g.actor, g.me.role, programme(), id, words.language())
    if found.state not in ("requested", "suspended"):
        raise GrantNotApproved(state=found.state, state_th=found.state)
    return page(
        "reason.html",
        title=t("Refuse {sum}?", "ไม่อนุมัติ {sum} หรือ", sum=words.money(found.amount)),
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


def _capital(word: str) -> str:
    return word[:1].upper() + word[1:]
