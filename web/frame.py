"""What every page is dressed in: who reads it, what waits in the navigation, messages after a decision."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from flask import Flask, g, has_request_context, render_template, request, session

from cases import access, people, waiting
from store.actor import act_as
from web import signed_in, words

_NO_COUNTS = SimpleNamespace(review=0, tasks=0, grants=0, tablets=0, quarantine=0)


def dress(app: Flask) -> None:
    """Give every template the frame's context."""
    app.context_processor(_frame)


def page(template: str, **context: Any) -> str:
    """A page of templates/pages; without its shell where JavaScript asks for a part of it."""
    return render_template(f"pages/{template}", fragment=is_part(), **context)


def is_part() -> bool:
    return "HX-Request" in request.headers and "HX-Boosted" not in request.headers


def toast(text: str, **more: str) -> None:
    """A message on the next page: `tone`, `undo_url`, `url`, `url_text`. It lies in the browser, so it names nobody."""
    session.setdefault("toasts", []).append({"text": text, **more})
    session.modified = True


def _frame() -> dict[str, Any]:
    if not has_request_context():
        return {}
    me, programme, lang = getattr(g, "me", None), getattr(g, "programme", None), words.language()
    whole = not is_part()
    return {
        "lang": lang,
        "theme": me.theme if me else "auto",
        "now": words.now(),
        "may": signed_in.may,
        "trial": signed_in.store().settings.demo,
        "me": _reader(me, lang) if me else None,
        "programme": {"name": programme.name.in_(lang), "team": me.team if me else None} if programme else None,
        "nav": _counts() if me and whole else _NO_COUNTS,
        "see_as": _roles(me, lang) if me and whole else [],
        "toasts": session.pop("toasts", []) if whole and request.endpoint != "static" and "toasts" in session else [],
    }


def _reader(me: Any, lang: str) -> SimpleNamespace:
    label = access.role_name(me.role, lang) if me.role else words.t("no role yet", "ยังไม่มีบทบาท")
    return SimpleNamespace(
        name=me.name,
        first_name=me.name.split(" ")[0],
        initials=people.initials(me.name),
        role=me.role,
        role_label=label,
        single_keys=me.single_keys,
    )


def _counts() -> SimpleNamespace:
    tx = g.get("tx")
    if tx is None or not g.me.project:
        return _NO_COUNTS
    if "counts" not in g:
        g.counts = waiting.counts(tx, g.me, g.programme.grants if g.get("programme") else None)
        act_as(tx, g.actor)
    return g.counts


def _roles(me: Any, lang: str) -> list[dict[str, Any]]:
    if not (signed_in.store().settings.demo and me.demonstration):
        return []
    return [
        {"role": role, "label": name.in_(lang), "current": role == me.role} for role, name in access.ROLE_NAMES.items()
    ]
