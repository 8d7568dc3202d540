"""Exports: ask for a form's answers as a file, watch it being made, take it until it expires.

The file itself is made by a job; here stand its row and, when it is ready, its pieces.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Blueprint, Response, g, redirect, request, url_for

from cases import export_requests, form_list
from cases.export_requests import Line
from cases.export_wish import CONTENT_TYPES, FORMATS, MULTIPLE, PROFILES, STYLES, LanguageUnknown, Wish
from cases.form_uploads import schema_now
from cases.titles import Titles
from namjai.languages import NAMES
from namjai.problems import Forbidden, NotFound, Problem, catalogue
from web import words
from web.frame import page
from web.signed_in import acting, may, programme, requires, saw, store
from web.words import t

pages = Blueprint("exports", __name__)


@pages.get("/exports")
@requires("export.make")
def home() -> str:
    saw("export.listed", "export", None)
    titles = _titles()
    forms = [{"title": one["title"], "submissions": one["submissions"], "id": one["form_id"]}
             for one in form_list.forms(g.tx, g.me.project, titles)]
    return page("exports.html", form=None, forms=forms, exports=_lines(None, titles))


@pages.get("/forms/<form_id>/exports")
@requires("export.make")
def index(form_id: str) -> str:
    return _index(form_id)


@pages.post("/forms/<form_id>/exports")
@requires("export.make", alone=True)
def ask(form_id: str) -> Any:
    """Ask, and show the line with its bar. The purpose is in the audit when this is answered."""
    given = request.form
    wish = Wish(
        form_id, given.get("style", "central"), given.get("format", "zip"), given.get("labels") or None,
        given.get("multiple", "text"), given.get("profile", "anonymous"),
        # What only its author reads leaves with nobody who may not read it.
        restricted=given.get("profile") == "full" and may("case.restricted"),
    )
    try:
        with acting() as tx:
            schema = schema_now(tx, g.me.project, form_id)
            if schema is not None and wish.labels is not None and wish.labels not in schema.languages:
                known = ", ".join(schema.languages) or "—"
                raise LanguageUnknown(form=form_id[:60], language=wish.labels[:20], known=known)
            export_requests.ask(
                tx, store(), g.actor, g.me.role, wish, given.get("purpose", ""), confirmed=given.get("names") == "yes"
            )
    except (NotFound, Forbidden):
        raise
    except Problem as problem:
        with acting() as g.tx:
            return Response(_index(form_id, error=problem.text(words.language())), problem.http_status)
    return redirect(url_for("exports.index", form_id=form_id) + "#made", 303)


@pages.get("/exports/<uuid:id>/file")
@requires("export.make", alone=True)
def file(id: UUID) -> Response:
    """The file, opened piece by piece. That it is taken stands in the audit before the first byte leaves."""
    with acting() as tx:
        line = export_requests.one(tx, g.actor, id)
        pieces = export_requests.take(tx, store(), g.actor, g.me.role, id)
    answer = Response(pieces, content_type=CONTENT_TYPES[line.wish.format])
    answer.headers.set("Content-Disposition", "attachment", filename=line.wish.file_name)
    if line.size is not None:
        answer.content_length = line.size
    return answer


def _index(form_id: str, error: str | None = None) -> str:
    schema = schema_now(g.tx, g.me.project, form_id)
    if schema is None:
        raise NotFound()
    saw("export.listed", "export", None, form=form_id[:60])
    titles, lang = _titles(), words.language()
    return page(
        "exports.html",
        form={"id": form_id, "title": titles.title(form_id)},
        exports=_lines(form_id, titles),
        error=error,
        given=request.form,
        styles=[(name, said.in_(lang)) for name, said in STYLES.items()],
        formats=[(name, said.in_(lang)) for name, said in FORMATS.items()],
        multiple=[(name, said.in_(lang)) for name, said in MULTIPLE.items()],
        languages=[(code, NAMES.get(code, code)) for code in schema.languages],
        profiles=[name for name, right in PROFILES.items() if may(right)],
        least=export_requests.SHORTEST_PURPOSE,
        most=export_requests.LONGEST_PURPOSE,
    )


def _lines(form_id: str | None, titles: Titles) -> list[dict[str, Any]]:
    return [_shown(one, titles) for one in export_requests.mine(g.tx, g.actor, form_id)]


def _shown(one: Line, titles: Titles) -> dict[str, Any]:
    lang = words.language()
    problem, title = catalogue().get(one.problem or "", Problem), titles.title(one.wish.form)
    return {
        "id": one.id,
        "title": title,
        "file": one.wish.file_name,
        "style": STYLES[one.wish.style].in_(lang),
        "profile": one.wish.profile,
        "state": one.state,
        "moving": one.moving,
        "part": one.part,
        "done": one.done,
        "total": one.total,
        "at": one.asked_at,
        "until": one.expires_at,
        "size": _size(one.size),
        "problem": problem(form=title, language=one.wish.labels or "").text(lang) if one.problem else None,
    }


def _size(size: int | None) -> str | None:
    if size is None:
        return None
    return t("{n} kB", "{n} กิโลไบต์", n=max(1, size // 1000)) if size < 1_000_000 else t(
        "{n} MB", "{n} เมกะไบต์", n=f"{size / 1e6:.1f}"
    )


def _titles() -> Titles:
    return Titles(g.tx, g.me.project, programme(), words.language())
