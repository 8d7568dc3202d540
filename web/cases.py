"""The case list and the page of one case."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Blueprint, g, request, url_for

from cases import people
from cases.caseload import DUE, VIEWS, Caseload, Line, Wanted
from odk.programme import Column
from web import case_page, words
from web.audit import of_case
from web.case_words import ABOUT, about, said
from web.frame import page
from web.signed_in import programme, requires, saw
from web.words import t

pages = Blueprint("cases", __name__)
_OWN_PLACE = ("stage", "risk")
# Said in the first cell or in columns that every programme has.
_ELSEWHERE = (*ABOUT, "next_what", "last_contact", "opened_on", "languages")


@pages.get("/cases")
@requires("case.read")
def index() -> str:
    plan, lang = programme(), words.language()
    load = Caseload(g.tx, g.me.project, plan, lang, words.today(), actor=g.actor)
    wanted = _wanted(load)
    found = load.page(wanted, g.me.user_id)
    counts = load.counts(g.me.user_id)
    further = [
        one for one in plan.cases.columns if one.filter and _is_further(load, one) and one.property not in _ELSEWHERE
    ][:3]
    workers = people.names(g.tx, (line.worker for line in found.lines))
    saw("case.listed", "case", None, view=wanted.view, subjects=[str(line.case_id) for line in found.lines])
    return page(
        "cases.html",
        words={"cases": _capital(plan.word("cases", lang))},
        view=wanted.view if wanted.view != "open" else None,
        views=_views(counts, wanted),
        q=wanted.q,
        filters=_filters(load, wanted),
        filtered=wanted.narrowed,
        near=found.near,
        columns=[{"label": one.label.in_(lang), "kind": one.kind} for one in further],
        cases=[_row(load, line, further, workers) for line in found.lines],
        page={
            "shown": len(found.lines),
            "first": words.url_with(after=None) if wanted.after else None,
            "next": words.url_with(after=found.after) if found.after else None,
            "total": _total(counts, wanted, found),
        },
    )


def _total(counts: Any, wanted: Wanted, found: Any) -> Any:
    """How many there are, where that is known: in a view as it is, or when all that was found is on this page."""
    if wanted.after:
        return None
    if wanted.narrowed:
        if found.after:
            return None
        n, every = len(found.lines), counts.get(wanted.view)
        return n if every is None or wanted.q else every
    return counts.get(wanted.view)


def _wanted(load: Caseload) -> Wanted:
    asked = request.args
    view = asked.get("view", "open")
    worker = asked.get("worker", "")
    return Wanted(
        view=view if view in VIEWS else "open",
        q=" ".join(asked.get("q", "").split())[:60],
        stage=asked.get("stage", "")[:60],
        risk=asked.get("risk", "")[:60],
        due=asked.get("due", "") if asked.get("due") in DUE else "",
        worker=_uuid(worker),
        filters={
            one.property: asked[one.property][:100]
            for one in load.rule.columns
            if one.filter and _is_further(load, one) and asked.get(one.property)
        },
        after=asked.get("after"),
    )


def _is_further(load: Caseload, column: Column) -> bool:
    """A column that the page has no place of its own for."""
    return column.property not in (load.rule.stage, load.rule.risk, load.rule.due, *_OWN_PLACE)


def _views(counts: dict[str, int | str], wanted: Wanted) -> list[dict[str, Any]]:
    labels = {
        "open": t("Open", "เปิดอยู่"),
        "mine": t("Mine", "ของฉัน"),
        "overdue": t("Overdue", "เลยกำหนด"),
        "high": t("High risk", "เสี่ยงสูง"),
        "closed": t("Closed", "ปิดแล้ว"),
    }
    return [
        {
            "label": labels[view],
            "url": url_for("cases.index", view=view if view != "open" else None),
            "n": counts.get(view),
            "current": view == wanted.view,
        }
        for view in VIEWS
    ]


def _filters(load: Caseload, wanted: Wanted) -> list[dict[str, Any]]:
    lang, plan = words.language(), programme()
    shown = []
    if plan.stages:
        choices = [(one.id, one.label.in_(lang)) for one in plan.stages]
        shown.append(_filter("stage", t("Stage", "ขั้น"), t("Any stage", "ทุกขั้น"), wanted.stage, choices))
    risk = plan.cases.column(plan.cases.risk)
    if risk is not None:
        shown.append(
            _filter("risk", risk.label.in_(lang), t("Any risk", "ทุกระดับความเสี่ยง"), wanted.risk, load.choices(risk))
        )
    due = [
        ("overdue", t("Overdue", "เลยกำหนด")),
        ("week", t("Within a week", "ภายในสัปดาห์")),
        ("later", t("Later", "ภายหลัง")),
        ("none", t("Nothing due", "ไม่มีกำหนด")),
    ]
    shown.append(_filter("due", t("Due", "ถึงกำหนด"), t("Due: any time", "กำหนด: ทั้งหมด"), wanted.due, due))
    if g.actor.scope != "own":
        held = [(str(one.id), one.name) for one in people.in_roles(g.tx, g.me.project, ("field_staff", "therapist"))]
        if held:
            any_worker = t("Any worker", "ผู้รับผิดชอบทุกคน")
            shown.append(_filter("worker", t("Worker", "ผู้รับผิดชอบ"), any_worker, str(wanted.worker or ""), held))
    for one in load.rule.columns:
        if one.filter and one.labels and _is_further(load, one):
            label = one.label.in_(lang)
            every = t("{what}: any", "{what}: ทั้งหมด", what=label)
            shown.append(_filter(one.property, label, every, wanted.filters.get(one.property, ""), load.choices(one)))
    return shown


def _filter(name: str, label: str, every: str, value: str, choices: list[tuple[str, str]]) -> dict[str, Any]:
    return {
        "name": name,
        "label": label,
        "any": every,
        "value": value,
        "choices": [{"value": v, "label": w} for v, w in choices],
    }


def _row(load: Caseload, line: Line, further: list[Column], workers: dict[UUID, str]) -> dict[str, Any]:
    lang, rule = words.language(), load.rule
    stage = programme().stage(line.values.get(rule.stage) or "")
    return {
        "key": line.who.key,
        "code": line.who.code,
        "own": line.who.own,
        "latin": line.who.latin,
        "lang": line.who.lang,
        "warn": line.who.warn,
        "about": about(load, line),
        "stage": stage.label.in_(lang) if stage else None,
        "risk": line.values.get(rule.risk),
        "closed": line.status == "closed",
        "due": line.due,
        "due_what": said(load, line, "next_what"),
        "worker": people.short(workers[line.worker]) if line.worker in workers else None,
        "last_contact": line.values.get("last_contact"),
        "cells": [said(load, line, one.property) for one in further],
    }


def _capital(word: str) -> str:
    return word[:1].upper() + word[1:]


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


@pages.get("/cases/<code>")
@requires("case.read")
def show(code: str) -> str:
    return case_page.shown(code)


@pages.get("/cases/<code>/audit")
@requires("case.audit")
def audit(code: str) -> str:
    return of_case(code)
