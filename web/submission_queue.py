"""The review queue: what waits, what was decided, by form and state."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, g, request, url_for

from cases import review_queue
from cases.review_queue import Queued
from cases.titles import Titles
from web import words
from web.frame import page
from web.signed_in import programme, requires, saw
from web.words import t

pages = Blueprint("submissions", __name__)


@pages.get("/submissions")
@requires("submission.read")
def index() -> str:
    state = request.args.get("state", "waiting")
    state = state if state in review_queue.STATES else "waiting"
    form = request.args.get("form") or None
    titles = Titles(g.tx, g.me.project, programme(), words.language())
    queued, after = review_queue.page(g.tx, g.actor, titles, state=state, form=form, after=request.args.get("after"))
    saw("submission.listed", "submission", None, state=state, subjects=[str(one.id) for one in queued])
    forms = {
        "name": "form",
        "label": t("Form", "แบบฟอร์ม"),
        "any": t("Any form", "ทุกแบบฟอร์ม"),
        "value": form or "",
        "choices": [{"value": one, "label": title} for one, title in titles.all()],
    }
    first = next((one for one in queued if one.state in ("received", "edited")), None)
    return page(
        "submissions.html",
        views=_views(state),
        state=state if state != "waiting" else None,
        oldest_first=state == "waiting",
        filters=[forms],
        filtered=bool(form),
        submissions=[row_of(one) for one in queued],
        page={
            "shown": len(queued),
            "next": words.url_with(after=after) if after else None,
            "first": words.url_with(after=None) if request.args.get("after") else None,
        },
        review_url=url_for("submissions.show", id=first.id) if first and state == "waiting" else None,
    )


def _views(state: str) -> list[dict[str, Any]]:
    """The queue's states as tabs, with how many are in each."""
    counts = review_queue.counts(g.tx, g.actor)
    labels = {
        "waiting": t("To review", "รอตรวจ"),
        "has_issues": t("Has issues", "ต้องแก้ไข"),
        "rejected": t("Rejected", "ไม่รับ"),
        "approved": t("Approved", "อนุมัติแล้ว"),
        "all": t("All", "ทั้งหมด"),
    }
    return [
        {
            "label": labels[one],
            "url": url_for("submissions.index", state=one if one != "waiting" else None),
            "n": counts.get(one),
            "current": one == state,
        }
        for one in review_queue.STATES
    ]


def row_of(one: Queued) -> dict[str, Any]:
    """A submission as lists show it."""
    return {
        "id": one.id,
        "form": one.form,
        "icon": one.icon,
        "case": one.case,
        "more_cases": one.more_cases,
        "state": one.state,
        "by": one.by,
        "sent": one.sent,
        "restricted": one.restricted,
        "flag": t("Photo not in yet", "ยังไม่ได้รับรูป") if one.files_missing else None,
    }
