"""The case list and the page of one case."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Blueprint, g, request, url_for

from cases import casepage, guide, people, reveal, safe_contact, timeline
from cases.caseload import DUE, VIEWS, Caseload, Line, Wanted
from cases.opened import Opener, Reader
from cases.titles import Titles
from cases.who import by_key, who
from odk.programme import Column
from web import words
from web.audit import of_case
from web.frame import page
from web.signed_in import may, may_for, programme, requires, saw, store
from web.words import t

pages = Blueprint("cases", __name__)
_OWN_PLACE = ("stage", "risk")
# Said in the first cell or in columns that every programme has.
_ABOUT = ("sex", "age_band")
_ELSEWHERE = (*_ABOUT, "next_what", "last_contact", "opened_on", "languages")


@pages.get("/cases")
@requires("case.read")
def index() -> str:
    plan, lang = programme(), words.language()
    load = Caseload(g.tx, g.me.project, plan, lang, words.today())
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
            "total": counts.get(wanted.view) if not wanted.narrowed and not wanted.after else None,
        },
    )


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
    shown.append(_filter("due", t("Due", "ถึงกำหนด"), t("Any time", "ทุกช่วงเวลา"), wanted.due, due))
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
        "due": line.due,
        "due_what": said(load, line, "next_what"),
        "worker": people.short(workers[line.worker]) if line.worker in workers else None,
        "last_contact": line.values.get("last_contact"),
        "cells": [said(load, line, one.property) for one in further],
    }


def about(load: Caseload, line: Line) -> str:
    """Sex and age in words, as far as the list has them."""
    return ", ".join(part for name in _ABOUT if (part := said(load, line, name)))


def said(load: Caseload, line: Line, prop: str) -> str | None:
    """A property of the list in words."""
    column, value = load.rule.column(prop), line.values.get(prop)
    if value in (None, ""):
        return None
    if column is not None and column.kind == "date":
        return words.day(value)
    if isinstance(value, float):
        return f"{value:,.0f}" if value.is_integer() else f"{value:,}"
    return column.shown(value, words.language()) if column else str(value)


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
    row = by_key(g.tx, g.me.project, code)
    plan, lang = programme(), words.language()
    sensitive = may_for("case.sensitive", row.worker, row.team)
    load = Caseload(g.tx, g.me.project, plan, lang, words.today())
    line = load.one(row.id)
    opener = Opener(g.tx, store(), g.me.project)
    context: dict[str, Any] = {}
    consent = _consent(row, opener, sensitive, context)
    _contact(row, sensitive, context)
    _timeline(row, sensitive, context)
    if may_for("grant.read", row.worker, row.team):
        _money(row, context)
    if may_for("case.audit", row.worker, row.team):
        context["seen"] = casepage.seen(g.tx, g.me.project, row.id, g.me.user_id, lang)
    context["guide"] = _guide(row.id) if store().settings.demo else []
    saw("case.opened", "case", row.id, fields=sorted({"timeline", *(("contact",) if sensitive else ())}))
    return page(
        "case.html",
        case=_head(row, line, load, consent),
        track=casepage.track(g.tx, g.me.project, row, plan, lang, words.today()),
        due=_due(load, line),
        actions=[],
        **context,
    )


def _guide(case_id: UUID) -> list[dict[str, Any]]:
    """The steps of the demonstration's story; those that this role may not take have no address."""
    rights = {"/submissions/": "submission.read", "/grants/": "grant.read", "/letters/": "letter.read"}
    steps = guide.steps(g.tx, g.me.project, case_id, programme(), words.language())
    for step in steps:
        verb = next((one for start, one in rights.items() if (step["url"] or "").startswith(start)), None)
        if verb and not may(verb):
            step["url"] = None
    return steps


def _head(row: Any, line: Line | None, load: Caseload, consent: safe_contact.Consent | None) -> dict[str, Any]:
    said_of = who(row, words.language())
    head = {name: getattr(said_of, name) for name in ("key", "code", "own", "latin", "lang", "warn")}
    head |= {
        "risk": row.risk,
        "status": "placeholder" if row.placeholder else row.status,
        "facts": _facts(row, line, load),
    }
    if consent and consent.limited:
        head["consent"] = t("Consent: limited sharing", "ยินยอมให้เปิดเผยบางส่วน")
    if may_for("case.reveal", row.worker, row.team):
        found = reveal.person(g.tx, store(), g.me.project, row.id, programme())
        if found and reveal.name_fields(found[1], found[2]):
            head["name"] = {"label": t("Name", "ชื่อจริง"), "url": url_for("reveal.name", code=said_of.key)}
    return head


def _facts(row: Any, line: Line | None, load: Caseload) -> list[str]:
    facts = []
    if line is not None:
        facts = [
            about(load, line),
            *(said(load, line, name) or "" for name in ("nationality", "languages", "province")),
        ]
    worker = people.names(g.tx, [row.worker]).get(row.worker)
    if worker:
        facts.append(t("Worker {name}", "ผู้รับผิดชอบ {name}", name=people.short(worker)))
    if row.opened_on:
        facts.append(t("Since {day}", "ตั้งแต่ {day}", day=words.day(row.opened_on)))
    return [one for one in facts if one]


def _due(load: Caseload, line: Line | None) -> list[dict[str, Any]]:
    if line is None or line.due is None:
        return []
    return [{"what": said(load, line, "next_what") or t("Follow-up", "ติดตาม"), "icon": "clock", "due": line.due}]


def _contact(row: Any, sensitive: bool, context: dict[str, Any]) -> None:
    context["contact"] = None
    if not sensitive:
        context["contact_hidden"] = True
        return
    forms = [one.id for one in programme().forms.values() if one.safe_contact]
    found = safe_contact.newest(g.tx, g.me.project, row.id, forms)
    if found is not None:
        context["contact"] = safe_contact.contact(g.tx, store(), programme(), found, words.language(), words.zone())


def _consent(row: Any, opener: Opener, sensitive: bool, context: dict[str, Any]) -> safe_contact.Consent | None:
    forms = [one.id for one in programme().forms.values() if one.consent]
    found = safe_contact.newest(g.tx, g.me.project, row.id, forms)
    if found is None:
        return None
    consent = safe_contact.consent(opener, programme(), found, words.language(), words.zone(), sensitive=sensitive)
    context["consents"], context["consent_note"] = consent.rows, consent.note
    return consent


def _timeline(row: Any, sensitive: bool, context: dict[str, Any]) -> None:
    lang, wanted = words.language(), request.args.get("kind")
    kind = wanted if wanted in timeline.KINDS else None
    allowed = ["case."]
    for verb, beginning in (("grant.read", "grant."), ("letter.read", "letter.")):
        if may_for(verb, row.worker, row.team):
            allowed.append(beginning)
    titles = Titles(g.tx, g.me.project, programme(), lang)
    made = timeline.Timeline(
        g.tx, store(), g.me.project, programme(), titles, Reader(sensitive=sensitive), words.zone()
    )
    happened, earlier = made.page(row.id, kind=kind, before=request.args.get("before"), actions=allowed)
    months: list[dict[str, Any]] = []
    for one in happened:
        label = words.month(one.day)
        if not months or months[-1]["label"] != label:
            months.append({"label": label, "events": []})
        months[-1]["events"].append(_event(one))
    labels = {
        "visits": t("Visits", "การเยี่ยม"),
        "care": t("Care", "การดูแล"),
        "legal": t("Legal", "คดี"),
        "money": t("Money", "เงิน"),
        "changes": t("Changes", "การเปลี่ยนแปลง"),
    }
    used = {one.kind for one in programme().forms.values()} | {"changes"}
    context["kinds"] = [
        {"label": t("All", "ทั้งหมด"), "url": words.url_with(kind=None, before=None), "current": kind is None}
    ] + [
        {"label": labels[one], "url": words.url_with(kind=one, before=None), "current": kind == one}
        for one in timeline.KINDS
        if one in used
    ]
    context["timeline"] = months
    context["earlier"] = {"url": words.url_with(before=earlier)} if earlier else None


def _event(one: timeline.Happened) -> dict[str, Any]:
    url = None
    if one.subject_kind == "submission" and may("submission.read"):
        url = url_for("submissions.show", id=one.subject)
    elif one.subject_kind == "grant" and may("grant.read"):
        url = url_for("grants.show", id=one.subject)
    elif one.subject_kind == "letter" and may("letter.read"):
        url = url_for("letters.show", number=one.subject)
    return {
        "icon": one.icon,
        "tone": one.tone,
        "title": one.title,
        "url": url,
        "state": one.state,
        "restricted": one.restricted,
        "summary": one.summary,
        "by": one.by,
        "at": one.at,
        "with_time": one.with_time,
    }


def _money(row: Any, context: dict[str, Any]) -> None:
    rows, letters, received = casepage.money(g.tx, g.me.project, row.id)
    shown = []
    for one in rows:
        held = letters.get(one.id)
        shown.append(
            {
                "id": one.id,
                "title": grant_title(one.kind),
                "amount": one.amount,
                "state": "letter" if held and one.state == "approved" else one.state,
                "letter": {"key": held.number, "number": held.number} if held and may("letter.read") else None,
            }
        )
    context["grants"], context["received"] = shown, received if shown else None


def grant_title(kind: str) -> str:
    """What a grant is for, in the reader's words."""
    plan, lang = programme(), words.language()
    rule = plan.lists.get(plan.grants.list) if plan.grants else None
    column = rule.column(rule.kind) if rule else None
    shown = column.shown(kind, lang) if column else kind
    return shown[:1].upper() + shown[1:] if shown else plan.word("grant", lang)


@pages.get("/cases/<code>/audit")
@requires("case.audit")
def audit(code: str) -> str:
    return of_case(code)
