"""Quarantine: what could not be taken and why; taking it again, leaving it out, looking into it with a reason."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Blueprint, Response, g, redirect, request, url_for

from cases import access, quarantine_list, quarantine_look, replays, reveal
from cases.answers_shown import size
from cases.quarantine_list import Item
from namjai.problems import DatabaseUnreachable, NotFound, Problem
from web import source_words, words
from web.frame import page, toast
from web.signed_in import acting, may, requires, saw, store
from web.words import t

pages = Blueprint("quarantine", __name__)
_NEVER = {"Cache-Control": "no-store, private"}


@pages.get("/quarantine")
@requires("quarantine.manage")
def index() -> str:
    source = request.args.get("source") or None
    found, later = quarantine_list.items(
        g.tx, g.me.project, words.language(), source=source, after=request.args.get("after")
    )
    saw("quarantine.listed", "quarantine", None)
    return page(
        "quarantine.html",
        source=source,
        items=[shown(one) for one in found],
        count=quarantine_list.count(g.tx, g.me.project, source),
        later=words.url_with(after=later) if later else None,
        first=words.url_with(after=None) if request.args.get("after") else None,
    )


@pages.post("/quarantine/replay")
@requires("quarantine.manage", alone=True)
def replay_all() -> Any:
    """Take again what waits longest, as many as some seconds allow."""
    source = request.form.get("source") or None
    done = replays.many(store(), g.actor.everywhere(), words.language(), source)
    toast(_said(done), **({} if done.taken and not done.waiting else {"tone": "wait"}))
    return redirect(url_for("quarantine.index", source=source), 303)


@pages.post("/quarantine/<uuid:id>/replay")
@requires("quarantine.manage", alone=True)
def replay(id: UUID) -> Any:
    try:
        changes = replays.one(store(), g.actor.everywhere(), id, words.language())
    except (NotFound, DatabaseUnreachable):
        raise
    except Problem as problem:
        said = problem.text(words.language())
        toast(t("It still waits. {reason}", "ยังรับเข้าไม่ได้ {reason}", reason=said), tone="wait")
        return redirect(url_for("quarantine.index"), 303)
    more = {}
    if may("submission.read"):
        more = {"url": url_for("submissions.show", id=changes.submission_id), "url_text": t("Open it", "เปิดดู")}
    toast(t("Taken. It is where it belongs now.", "รับเข้าระบบแล้ว"), **more)
    return redirect(url_for("quarantine.index"), 303)


@pages.get("/quarantine/<uuid:id>/leave-out")
@requires("quarantine.manage")
def leave_ask(id: UUID) -> str:
    item = quarantine_list.one(g.tx, g.me.project, id, words.language())
    return page(
        "confirm.html",
        here="sources",
        title=t("Leave this one out?", "ตัดรายการนี้ออกหรือไม่"),
        text=t(
            "{reason} (from {who}, {when}). This one leaves the list and is never taken in by itself; it is kept.",
            "{reason} (จาก {who} เมื่อ {when}) รายการนี้จะไม่แสดงอีก และระบบจะไม่รับเข้าเอง ข้อมูลเดิมยังเก็บไว้",
            reason=item.reason,
            # A name stays on its line, dashes and all.
            who=shown(item)["sender"].replace("-", "-\u2060"),
            when=shown(item)["when"],
        ),
        action=url_for("quarantine.leave_out", id=id),
        button=t("Leave it out", "ตัดรายการนี้ออก"),
        keep=t("Let it wait", "ให้รอต่อไป"),
        back_url=url_for("quarantine.index"),
    )


@pages.post("/quarantine/<uuid:id>/leave-out")
@requires("quarantine.manage")
def leave_out(id: UUID) -> Any:
    quarantine_list.leave_out(g.tx, store(), g.actor, id)
    toast(t("Left out. It is kept, and listed no more.", "ตัดรายการนี้ออกแล้ว ข้อมูลยังเก็บไว้แต่ไม่แสดง"))
    return redirect(url_for("quarantine.index"), 303)


@pages.route("/quarantine/<uuid:id>/look", methods=["GET", "POST"])
@requires("quarantine.open", alone=True)
def look(id: UUID) -> Response:
    """GET asks why; POST writes it into the audit, commits, and only then opens it."""
    lang, status, error, seen = words.language(), 200, None, None
    with acting() as tx:
        item = quarantine_list.one(tx, g.me.project, id, lang)
    if request.method == "POST":
        try:
            reveal.allow(
                store(),
                g.actor,
                subjects=[("quarantine", id)],
                submission_id=id,
                fields=["quarantine"],
                reason=request.form.get("reason", ""),
                note=request.form.get("note", ""),
            )
            with acting() as tx:
                restricted = access.scope_of("case.restricted", g.me.role) == "all"
                seen = quarantine_look.look(tx, store(), g.me.project, id, lang, words.zone(), restricted=restricted)
        except Problem as problem:
            if problem.http_status not in (400, 429):
                raise
            status, error = problem.http_status, problem.text(lang)
    with acting() as g.tx:
        if seen is None:
            saw("quarantine.asked", "quarantine", id)
        body = page(
            "quarantine_look.html",
            item=shown(item),
            look=seen,
            size=size(seen.size) if seen else None,
            reasons=[{"value": value, "label": said.in_(lang)} for value, said in reveal.REASONS.items()],
            seconds=reveal.SECONDS,
            error=error,
        )
    return Response(body, status, headers=_NEVER, content_type="text/html; charset=utf-8")


def shown(item: Item) -> dict[str, Any]:
    """One item as the list on this page and the one on the page of the sources show it."""
    sender = item.source or item.tablet or t("an unknown tablet", "แท็บเล็ตที่ไม่รู้จัก")
    return {
        "id": item.id,
        "reason": item.reason,
        "advice": item.advice,
        "form": item.form,
        "sender": sender,
        "at": item.received_at,
        "when": source_words.clock(item.received_at),
        "times": item.times,
    }


def _said(done: replays.Replayed) -> str:
    taken = t("{n} taken.", "รับเข้าแล้ว {n} รายการ", n=words.num(done.taken))
    still = t("{n} still wait.", "ยังรออยู่ {n} รายการ", n=words.num(done.waiting)) if done.waiting else ""
    left = (
        t("There was no time for {n}; press again.", "ยังไม่ได้ลอง {n} รายการ กดอีกครั้ง", n=words.num(done.left))
        if done.left
        else ""
    )
    return " ".join(one for one in (taken, still, left) if one)
