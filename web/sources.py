"""Sources: how fresh each server's data is, what its runs brought, reading now, pausing, a new account, removing.

Reads no server: it asks the worker to, and shows what the worker wrote down.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, g, redirect, request, url_for

from cases import hooks, quarantine_list, source_list, source_page, source_trials, sources
from cases.source_kinds import KINDS
from cases.source_list import Line, Run, Running
from cases.source_page import FormLine
from cases.titles import Titles
from namjai.problems import Forbidden, NotFound, Problem
from web import source_words, words
from web.frame import is_part, page, toast
from web.quarantine import shown as quarantined
from web.signed_in import acting, may, programme, requires, saw, store
from web.words import t

pages = Blueprint("sources", __name__)


@pages.get("/sources")
@requires("source.manage")
def index() -> Any:
    lines, at_work = source_list.lines(g.tx, g.me.project, _midnight()), source_list.running(g.tx, g.me.project)
    if not is_part():
        saw("source.listed", "source", None)
    kept = may("quarantine.manage")
    few, _ = quarantine_list.items(g.tx, g.me.project, words.language(), most=quarantine_list.FEW) if kept else ([], "")
    return _still(
        page(
            "sources.html",
            lines=[_shown(one) for one in lines],
            tablets=source_list.tablets(g.tx, g.me.project, _midnight()),
            running=[_at_work(one) for one in at_work],
            moving=_moving(lines),
            no_worker=source_list.worker_is_silent(g.tx),
            runs=[_ran(one) for one in source_list.runs(g.tx, g.me.project, most=source_list.FEW_RUNS)[0]],
            kept=[quarantined(one) for one in few],
            kept_count=quarantine_list.count(g.tx, g.me.project) if kept else 0,
        ),
        _moving(lines),
    )


@pages.post("/sources/sync")
@requires("source.manage")
def sync_all() -> Any:
    """Ask for a run of every source that is not paused."""
    rows = [row for row in sources.listed(g.tx, g.me.project) if row.paused_at is None]
    for row in rows:
        sources.ask_for_run(g.tx, store(), g.actor, row.id)
    return redirect(url_for("sources.index"), 303)


@pages.get("/sources/runs")
@requires("source.manage")
def runs() -> str:
    """All runs, of one source or all."""
    name = request.args.get("source")
    row = next((one for one in sources.listed(g.tx, g.me.project) if one.name == name), None)
    if name and row is None:
        raise NotFound()
    found, later = source_list.runs(
        g.tx, g.me.project, source_id=row.id if row else None, after=request.args.get("after")
    )
    saw("source.listed", "source", row.id if row else None)
    return page(
        "source_runs.html",
        source={"id": row.id, "name": row.name} if row else None,
        runs=[_ran(one) for one in found],
        later=words.url_with(after=later) if later else None,
        first=words.url_with(after=None) if request.args.get("after") else None,
    )


@pages.get("/sources/<uuid:id>")
@requires("source.manage")
def show(id: UUID) -> Any:
    line, row = source_list.line(g.tx, g.me.project, id, _midnight()), sources.one(g.tx, g.me.project, id)
    if not is_part():
        saw("source.opened", "source", id)
    place = [
        {"label": one.label.in_(words.language()), "text": row.options.get(one.name)} for one in KINDS[row.kind].place
    ]
    runs, _ = source_list.runs(g.tx, g.me.project, source_id=id, most=source_list.FEW_RUNS)
    return _still(
        page(
            "source.html",
            source=_shown(line)
            | {"url": row.url, "place": place, "every": source_words.passed(dt.timedelta(seconds=row.every_seconds))}
            | {"read_at": row.succeeded_at, "compared_at": row.census_at, "paused_at": row.paused_at},
            running=[_at_work(one) for one in source_list.running(g.tx, g.me.project, id)],
            moving=_moving([line]),
            no_worker=source_list.worker_is_silent(g.tx),
            forms=_forms(row),
            files=source_page.files(g.tx, row),
            most_files=source_page.MOST_FILES,
            lists=source_page.lists(g.tx, row),
            kept=quarantine_list.count(g.tx, g.me.project, row.name) if may("quarantine.manage") else 0,
            runs=[_ran(one) for one in runs],
            hook=hooks.address(g.tx, store(), g.me.project, id, row.kind) if KINDS[row.kind].hints else None,
        ),
        _moving([line]),
    )


@pages.post("/sources/<uuid:id>/sync")
@requires("source.manage")
def sync(id: UUID) -> Any:
    """Ask for a run now; `full`: compare every id and every file."""
    sources.ask_for_run(g.tx, store(), g.actor, id, full=request.form.get("full") == "1")
    return redirect(url_for("sources.show", id=id), 303)


@pages.post("/sources/<uuid:id>/pause")
@requires("source.manage")
def pause(id: UUID) -> Any:
    paused = request.form.get("paused") == "1"
    sources.pause(g.tx, store(), g.actor, id, paused=paused)
    toast(
        t("Paused. It is read only when you say so.", "หยุดชั่วคราวแล้ว จะอ่านเมื่อคุณสั่งเท่านั้น")
        if paused
        else t("It is read by itself again.", "กลับมาอ่านเองตามกำหนดแล้ว")
    )
    return redirect(url_for("sources.show", id=id), 303)


@pages.get("/sources/<uuid:id>/account")
@requires("source.manage")
def account(id: UUID) -> str:
    """Ask for another account of the same server. What is stored of the present one is never shown."""
    return _account(id)


@pages.post("/sources/<uuid:id>/account")
@requires("source.manage", alone=True)
def new_account(id: UUID) -> Any:
    try:
        with acting() as tx:
            trial = source_trials.ask_again(tx, store(), g.actor, id, request.form)
    except (NotFound, Forbidden):
        raise
    except Problem as problem:
        with acting() as g.tx:
            return Response(_account(id, problem), problem.http_status)
    return redirect(url_for("source_trials.show", id=trial), 303)


@pages.get("/sources/<uuid:id>/remove")
@requires("source.manage")
def remove_ask(id: UUID) -> str:
    row = sources.one(g.tx, g.me.project, id)
    return page(
        "confirm.html",
        here="sources",
        title=t("Remove {name}?", "นำ {name} ออกหรือไม่", name=row.name),
        text=t(
            "Namjai stops reading it and deletes its account here. What came stays; that server is not changed.",
            "ระบบจะหยุดอ่านจากเซิร์ฟเวอร์นี้ และลบบัญชีที่เก็บไว้ ข้อมูลที่รับมาแล้วยังอยู่ครบ และไม่มีอะไรเปลี่ยนแปลงที่เซิร์ฟเวอร์ต้นทาง",
        ),
        action=url_for("sources.remove", id=id),
        button=t("Remove {name}", "นำ {name} ออก", name=row.name),
        back_url=url_for("sources.show", id=id),
    )


@pages.post("/sources/<uuid:id>/remove")
@requires("source.manage")
def remove(id: UUID) -> Any:
    row = sources.one(g.tx, g.me.project, id)
    sources.remove(g.tx, store(), g.actor, row.name)
    toast(t("{name} is no longer read. What came from it stays.", "เลิกอ่านจาก {name} แล้ว ข้อมูลที่รับมายังอยู่", name=row.name))
    return redirect(url_for("sources.index"), 303)


def _forms(row: Any) -> list[FormLine]:
    """The forms of a source, called here as everywhere else once they have come."""
    titles = Titles(g.tx, g.me.project, programme(), words.language())
    found = source_page.forms(g.tx, row)
    return [replace(one, title=titles.title(one.local)) if one.local else one for one in found]


def _account(id: UUID, problem: Problem | None = None) -> str:
    row = sources.one(g.tx, g.me.project, id)
    return page(
        "source_account.html",
        source={"id": id, "name": row.name, "url": row.url, "title": KINDS[row.kind].title},
        right=KINDS[row.kind].right.in_(words.language()),
        asked=asked_of(KINDS[row.kind].account),
        error=problem.text(words.language()) if problem else None,
    )


def asked_of(fields: Any) -> list[dict[str, str]]:
    """What a kind of server asks for, as a page shows it."""
    lang = words.language()
    return [
        {"name": one.name, "label": one.label.in_(lang), "hint": one.hint.in_(lang), "type": one.type} for one in fields
    ]


def _still(body: str, moving: bool) -> Any:
    """A part that JavaScript asked for while something moved: once nothing does, the whole page is to come anew."""
    if is_part() and not moving:
        return Response(body, headers={"HX-Refresh": "true"}, content_type="text/html; charset=utf-8")
    return body


def _moving(lines: list[Line]) -> bool:
    return any(one.state in ("reading", "waiting") for one in lines)


def _midnight() -> dt.datetime:
    return dt.datetime.combine(words.today(), dt.time(), words.zone())


def _shown(one: Line) -> dict[str, Any]:
    lang = words.language()
    return {
        "id": one.id,
        "name": one.name,
        "kind": one.kind,
        "state": one.state,
        "lag": source_words.ago(one.lag),
        "over": one.over,
        "bars": one.bars,
        "failed": sum(bar.bad for bar in one.bars),
        "today": one.today,
        "missing": one.missing,
        "problem": one.problem.text(lang) if one.problem else None,
        "sign_in": one.problem is not None and one.problem.code == "source-sign-in",
        "since": source_words.clock(one.since) if one.since else None,
    }


def _at_work(run: Running) -> dict[str, Any]:
    forms = source_page.forms(g.tx, sources.one(g.tx, g.me.project, run.source_id))
    titles = Titles(g.tx, g.me.project, programme(), words.language())
    # A run tells what its server calls a form.
    called = {one.title: titles.title(one.local) for one in forms if one.local}
    return {
        "source_id": run.source_id,
        "name": run.name,
        "full": run.full,
        "part": run.part,
        "doing": source_words.doing(run.phase, called.get(run.what, run.what)),
        "far": source_words.far(run),
        "brought": source_words.brought(run.counts),
        "silent": run.silent,
    }


def _ran(run: Run) -> dict[str, Any]:
    return {
        "source_id": run.source_id,
        "name": run.name,
        "started_at": run.started_at,
        "at": source_words.clock(run.started_at),
        "took": source_words.passed(run.took),
        "moving": run.took is None,
        "full": run.full,
        "counts": run.counts,
        "brought": source_words.brought(run.counts),
        "problem": run.problem.text(words.language()) if run.problem else None,
        "refused": run.problem is not None and run.problem.code in ("source-sign-in", "source-forbidden"),
    }
