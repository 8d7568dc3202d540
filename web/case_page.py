"""The page of one case, part by part, each only for whom may see it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import g, request, url_for

from cases import casepage, guide, people, reveal, safe_contact, timeline
from cases.caseload import Caseload, Line
from cases.opened import Opener, Reader
from cases.titles import Titles
from cases.who import by_key, who
from web import words
from web.case_words import about, grant_title, said
from web.frame import page
from web.signed_in import may, may_for, programme, saw, store
from web.words import t


def shown(code: str) -> str:
    """The page of a case that this person may see. Raises NotFound."""
    row = by_key(g.tx, g.me.project, code)
    plan, lang = programme(), words.language()
    sensitive = may_for("case.sensitive", row.worker, row.team)
    load = Caseload(g.tx, g.me.project, plan, lang, words.today(), actor=g.actor)
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
        actions=_actions(row),
        **context,
    )


def _actions(row: Any) -> list[dict[str, Any]]:
    if row.placeholder or not programme().stages or not may_for("case.stage", row.worker, row.team):
        return []
    url = url_for("stages.ask", code=who(row, words.language()).key)
    label = t("Move to another stage", "ย้ายไปขั้นอื่น")
    return [{"label": label, "url": url, "icon": "signpost-2", "dialog": True, "quiet": True}]


def _guide(case_id: UUID) -> list[dict[str, Any]]:
    """The steps of the demonstration's story; those that this role may not take have no address."""
    rights = {"/submissions/": "submission.review", "/grants/": "grant.decide", "/letters/": "letter.read"}
    reviews = may("submission.review")
    steps = guide.steps(g.tx, g.me.project, case_id, programme(), words.language(), reviews=reviews)
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
    found = safe_contact.newest(g.tx, g.me.project, row.id, safe_contact.forms_of(programme()))
    if found is None:
        return
    card = safe_contact.contact(g.tx, store(), programme(), found, words.language(), words.zone())
    if card is not None:
        url = url_for("reveal.number", code=who(row, words.language()).key)
        mask = {"label": t("Safe number", "หมายเลขที่ปลอดภัย"), "url": url, "dots": "• •••• ••••"}
        context["contact"] = {
            "checked": card.checked,
            "rows": [one | {"mask": mask} if one.get("masked") else one for one in card.rows],
            "never": card.never,
            "never_lang": card.never_lang,
        }


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
