"""Moving a case to another stage: a question over the case's page, its answer, and taking it back."""

from __future__ import annotations

import datetime as dt
from typing import Any

from flask import Blueprint, Response, g, redirect, request, url_for

from cases import stages
from cases.stages import StageInFuture
from cases.who import by_key, who
from namjai.languages import Words
from namjai.problems import InputInvalid, Problem
from web import words
from web.frame import page, toast
from web.signed_in import programme, requires, saw, store
from web.words import t

pages = Blueprint("stages", __name__)


@pages.get("/cases/<code>/stage")
@requires("case.stage")
def ask(code: str) -> str:
    row = by_key(g.tx, g.me.project, code)
    saw("case.opened", "case", row.id, fields=["stage"])
    return _question(row)


@pages.post("/cases/<code>/stage")
@requires("case.stage")
def move(code: str) -> Any:
    """The stage and the day that were chosen; or those of before, when somebody takes the last move back."""
    row = by_key(g.tx, g.me.project, code)
    back = request.args.get("back") == "1"
    given = request.args if back else request.form
    came = dict(stages.history(g.tx, g.me.project, row.id)).get(row.stage)
    try:
        moved = stages.move(
            g.tx, store(), g.actor, row.id, given.get("stage", ""), since=_day(given.get("since", "")),
            programme=programme(), row_version=_version(given.get("revision", "")), back=back,
        )
    except Problem as problem:
        if problem.code in ("input-invalid", "stage-in-future") and not back:
            return Response(_question(row, problem.text(words.language())), problem.http_status)
        raise
    if moved:
        _told(code, row.stage if not back else None, came)
    return redirect(url_for("cases.show", code=who(row, words.language()).key), 303)


def _told(code: str, left: str | None, came: dt.date | None) -> None:
    """Say where the case is now, and how it comes back to the stage that it left."""
    now = by_key(g.tx, g.me.project, code)
    more = {}
    if left and came:
        more["undo_url"] = url_for(
            "stages.move", code=code, back=1, stage=left, since=came.isoformat(), revision=now.row_version
        )
    stage = programme().stage(now.stage)
    label = stage.label.in_(words.language()) if stage else now.stage
    toast(t("Stage: {stage}. Tablets learn of it.", "ขั้น: {stage} แท็บเล็ตจะได้รับด้วย", stage=label), **more)


def _question(row: Any, error: str | None = None) -> str:
    lang, asked = words.language(), request.form
    since = asked.get("since") or words.today().isoformat()
    return page(
        "stage.html",
        case=who(row, lang),
        stages=[
            {"id": one.id, "label": one.label.in_(lang), "now": one.id == row.stage} for one in programme().stages
        ],
        chosen=asked.get("stage") or row.stage,
        since=since,
        since_words=_in_words(since),
        latest=words.today().isoformat(),
        revision=asked.get("revision") or row.row_version,
        error=error,
    )


def _day(text: str) -> dt.date:
    try:
        day = dt.date.fromisoformat(text)
    except ValueError as error:
        raise InputInvalid(field=Words("Since", "ตั้งแต่วันที่"), reason=Words("it is no date", "ไม่ใช่วันที่")) from error
    if day > words.today():
        raise StageInFuture()
    return day


def _in_words(text: str) -> str:
    """A day as the page says it; "" for what is none."""
    try:
        return words.dayyear(dt.date.fromisoformat(text))
    except ValueError:
        return ""


def _version(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise InputInvalid(field=Words("Revision", "ลำดับการแก้ไข"), reason=Words("it is no number", "ไม่ใช่ตัวเลข"))
    return int(text)
