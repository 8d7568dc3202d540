"""Adding a server in the browser: tell of it, have the connection tested, choose what comes, add it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from flask import Blueprint, Response, g, redirect, request, url_for

from cases import source_trials
from cases.source_kinds import KINDS, Kind, SourceAnswerMissing
from namjai.problems import Forbidden, NotFound, Problem
from web import words
from web.frame import is_part, page, toast
from web.signed_in import acting, requires, store
from web.sources import asked_of
from web.words import t

pages = Blueprint("source_trials", __name__)
_FIELDS = {"source-name-unusable": "name", "source-name-taken": "name", "source-address-unsafe": "url"}


@pages.get("/sources/new")
@requires("source.manage")
def new() -> str:
    return _new(request.args.get("kind", ""), request.args)


@pages.post("/sources/new")
@requires("source.manage", alone=True)
def ask() -> Any:
    """Have the worker ask the server. Nothing is added yet."""
    given, kind = request.form, request.form.get("kind", "")
    try:
        with acting() as tx:
            trial = source_trials.ask(
                tx, store(), g.actor, name=given.get("name", ""), kind=kind, url=given.get("url", ""), given=given
            )
    except (NotFound, Forbidden):
        raise
    except Problem as problem:
        with acting() as g.tx:
            return Response(_new(kind, given, problem), problem.http_status)
    return redirect(url_for("source_trials.show", id=trial), 303)


@pages.get("/sources/trials/<uuid:id>")
@requires("source.manage")
def show(id: UUID) -> Any:
    return _show(id)


@pages.post("/sources/trials/<uuid:id>")
@requires("source.manage", alone=True)
def use(id: UUID) -> Any:
    """Add the source with the forms that were chosen; the worker begins to read at once."""
    try:
        with acting() as tx:
            trial = source_trials.one(tx, g.actor, id)
            source_id = source_trials.use(tx, store(), g.actor, id, request.form.getlist("form"))
    except (NotFound, Forbidden):
        raise
    except Problem as problem:
        with acting() as g.tx:
            return Response(_show(id, problem), problem.http_status)
    toast(
        t("{name} has a new account.", "{name} ใช้บัญชีใหม่แล้ว", name=trial.name)
        if trial.known
        else t("{name} is added and being read.", "เพิ่ม {name} แล้วและกำลังอ่าน", name=trial.name)
    )
    return redirect(url_for("sources.show", id=source_id), 303)


def _new(kind: str, given: Any, problem: Problem | None = None) -> str:
    kind = kind if kind in KINDS else next(iter(KINDS))
    described = KINDS[kind]
    kinds = [
        {"label": one.title, "url": url_for("source_trials.new", kind=name), "current": name == kind}
        for name, one in KINDS.items()
    ]
    return page(
        "source_new.html",
        kind=kind,
        kinds=kinds,
        title=described.title,
        example=described.example,
        right=described.right.in_(words.language()),
        place=asked_of(described.place),
        account=asked_of(described.account),
        given=_given_back(described, given, sent=problem is not None),
        wrong=_wrong(problem) if problem else None,
        error=problem.text(words.language()) if problem else None,
    )


def _given_back(kind: Kind, given: Any, *, sent: bool) -> dict[str, str]:
    """What is filled in again. What is secret is typed anew: it stands in no page, and no account in an address."""
    names = ["name", "url", *(one.name for one in kind.place)]
    if sent:
        names += [one.name for one in kind.account if one.type != "password"]
    return {name: given.get(name, "") for name in names}


def _wrong(problem: Problem) -> str | None:
    """The field that a problem is about; None where it is about none alone."""
    if isinstance(problem, SourceAnswerMissing):
        return str(problem.facts["field"])
    return _FIELDS.get(problem.code)


def _show(id: UUID, problem: Problem | None = None) -> Any:
    trial = source_trials.one(g.tx, g.actor, id)
    told = {"kind": trial.kind, "name": trial.name, "url": trial.url, **trial.place}
    again = url_for("sources.account", id=trial.known) if trial.known else url_for("source_trials.new", **told)
    body = page(
        "source_trial.html",
        trial=trial,
        host=urlsplit(trial.url).netloc,
        title=KINDS[trial.kind].title,
        expected=sum(one.n or 0 for one in trial.forms),
        counted=any(one.n is not None for one in trial.forms),
        refusal=trial.problem.text(words.language()) if trial.problem else None,
        again=again,
        error=problem.text(words.language()) if problem else None,
    )
    if is_part() and not trial.moving:
        return Response(body, headers={"HX-Refresh": "true"}, content_type="text/html; charset=utf-8")
    return body
