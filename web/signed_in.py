"""Who asks, and whether they may. Every view names its right here; one that names none does not start.

One request is one transaction of the person who asks, bounded by the scope in which their role may do what the view
does. What is shown is written to the audit in the same transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from flask import Flask, Response, current_app, g, make_response, redirect, request, session, url_for
from flask_wtf.csrf import CSRFProtect
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wrappers import Response as Answer

from cases import access, people, sessions
from cases.no_programme import without_programme
from cases.projects import programme_of
from namjai.languages import LANGUAGES
from namjai.problems import Forbidden, Problem
from odk.programme import Programme
from store.actor import NOBODY, act_as
from store.audit import Event, record
from store.opening import Store

COOKIE = "namjai"
csrf = CSRFProtect()
View = Callable[..., Any]
_LONGEST_FORM = 1_000_000
# These need no right: files of the pages, and the tablets' door, which has tokens of its own.
WITHOUT = ("static",)
# Behind row-level security a plan without the values at hand is a bad guess: 80 ms instead of 2 at 20,000 cases.
_CUSTOM_PLANS = "SET LOCAL plan_cache_mode = force_custom_plan"
# What these are about is nobody's case, so their transactions see no more of cases than what is the person's own.
_NO_CASES = (
    "page.read",
    "form.read",
    "form.publish",
    "export.make",
    "tablet.manage",
    "user.manage",
    "source.manage",
    "quarantine.manage",
)


class ProgrammeMissing(Problem):
    code, http_status = "programme-missing", 409
    en = "You have no role in a project yet. Ask your administrator."
    th = "คุณยังไม่มีบทบาทในโครงการ แจ้งผู้ดูแลระบบ"


class RequestUnreadable(Problem):
    code, http_status = "request-unreadable", 400
    en = "What was sent cannot be read. Nothing was changed; go back and try again."
    th = "อ่านข้อมูลที่ส่งมาไม่ได้ ยังไม่มีการเปลี่ยนแปลง กลับไปลองใหม่"


class SignInNeeded(Exception):
    """Nobody is signed in, or no more. Not a problem: the way leads to the sign-in page."""


def store() -> Store:
    return current_app.extensions["store"]


def requires(verb: str, *, alone: bool = False) -> Callable[[View], View]:
    """A view for those whose role may do this. Its transaction is `g.tx`, its actor `g.actor`.

    `alone`: the view opens its own transactions by `acting()`, because something must be committed before it goes on.
    """

    def outer(view: View) -> View:
        @wraps(view)
        def inner(**arguments: Any) -> Any:
            with store().database.begin(NOBODY) as tx:
                _enter(tx, verb)
                if not alone:
                    answer = make_response(view(**arguments))
                _renew(tx)
            if alone:
                del g.tx
                answer = make_response(view(**arguments))
            return _kept(answer)

        inner.rights = verb  # type: ignore[attr-defined]
        return inner

    return outer


def public(view: View) -> View:
    """A view for everybody: sign-in, health, the genuineness of a letter."""

    @wraps(view)
    def inner(**arguments: Any) -> Any:
        _check()
        return view(**arguments)

    inner.rights = "public"  # type: ignore[attr-defined]
    return inner


def acting(verb: str | None = None) -> Any:
    """A transaction of the person who is signed in, in the scope of a verb (that of the view where none is given)."""
    actor = g.actor if verb is None else g.me.actor(access.scope_of(verb, g.me.role))
    return store().database.begin(actor)


@contextmanager
def seeing(verb: str) -> Iterator[None]:
    """Within this block the request's transaction sees what the person may see for another verb."""
    act_as(g.tx, g.me.actor(access.scope_of(verb, g.me.role)))
    try:
        yield
    finally:
        if not g.tx.connection.closed:
            act_as(g.tx, g.actor)


def may(verb: str) -> bool:
    """Whether the person who asks may do this at all, whosever it is."""
    return getattr(g, "me", None) is not None and access.may(verb, g.me.role)


def may_for(verb: str, worker: UUID | None, team: str | None) -> bool:
    """Whether they may do it to something of this worker and team."""
    scope = access.scope_of(verb, g.me.role)
    own = worker is not None and worker == g.me.user_id
    return (
        scope == "all"
        or (scope == "team" and (own or (team is not None and team == g.me.team)))
        or (scope == "own" and own)
    )


def programme() -> Programme:
    """The programme of the person's project. Raises ProgrammeMissing."""
    if not getattr(g, "programme", None):
        raise ProgrammeMissing()
    return g.programme


def saw(verb: str, kind: str, subject: UUID | None, /, **detail: Any) -> None:
    """Write what this request shows or does into the audit: field names and ids, never values."""
    record(g.tx, store().keyring, g.actor, Event(verb, kind, subject, {"page": request.endpoint, **detail}))


def start(answer: Response | Answer, token: str) -> Response | Answer:
    """Let the browser keep a new session. The old page's token for forms is forgotten, so that nobody fixed it."""
    kept = {name: session[name] for name in ("lang", "trial") if name in session}
    session.clear()
    session.update(kept)
    _keep_cookie(answer, token)
    return answer


def forget(answer: Response | Answer) -> Response | Answer:
    session.clear()
    answer.delete_cookie(COOKIE, httponly=True, samesite="Lax", secure=_secure())
    return answer


def to_sign_in() -> Answer:
    """Where somebody goes who is not signed in, and comes back from."""
    back = request.full_path.rstrip("?") if request.method == "GET" and "HX-Request" not in request.headers else None
    answer = redirect(url_for("sign_in.show", next=back if back != "/" else None), 303)
    if request.headers.get("HX-Request"):
        answer.headers["HX-Refresh"] = "true"
    return answer


def who() -> sessions.SignedIn | None:
    """Who asks, for a public page: a transaction of its own, nothing written but the last sight."""
    token = request.cookies.get(COOKIE)
    if not token:
        return None
    with store().database.begin(NOBODY) as tx:
        return sessions.resume(tx, store(), token)


def check_rights(app: Flask) -> None:
    """Raises RuntimeError for a route that names no right: the application does not start."""
    for rule in app.url_map.iter_rules():
        if rule.endpoint not in WITHOUT and not getattr(app.view_functions[rule.endpoint], "rights", None):
            raise RuntimeError(f"{rule} ({rule.endpoint}) names no right")


def _enter(tx: sa.Connection, verb: str) -> None:
    token = request.cookies.get(COOKIE)
    me = sessions.resume(tx, store(), token) if token else None
    if me is None:
        raise SignInNeeded()
    g.me, g.tx, g.verb = me, tx, verb
    _keep_language(tx)
    scope = access.scope_of(verb, me.role)
    g.actor = me.actor("own" if verb in _NO_CASES else scope)
    act_as(tx, g.actor)
    tx.exec_driver_sql(_CUSTOM_PLANS)
    if me.project:
        g.programme = programme_of(tx, me.project) or without_programme(tx, me.project)
    if me.must_choose and request.endpoint not in ("sign_in.choose", "sign_in.chosen", "sign_in.leave"):
        raise PasswordToChoose()
    # Whoever has no role yet still reaches Today, where that is said.
    if scope is None and not (verb == "page.read" and me.role is None):
        raise Forbidden()
    _check()


def _keep_language(tx: sa.Connection) -> None:
    """The switch on every page is a link with `lang`: what a person chose there holds on the next page, too."""
    asked = request.args.get("lang")
    if asked in LANGUAGES and asked != g.me.language:
        people.prefer(tx, g.me.user_id, language=asked)


class PasswordToChoose(Exception):
    """A first password lets its person choose another one, and nothing else."""


def _check() -> None:
    """Raises RequestUnreadable for what no database can hold, and CSRFError for a form that is none of our pages'."""
    changing = request.method not in ("GET", "HEAD", "OPTIONS")
    if changing and request.mimetype != "multipart/form-data" and (request.content_length or 0) > _LONGEST_FORM:
        raise RequestEntityTooLarge()
    given = [request.path, *request.args.values(), *(request.form.values() if changing else ())]
    if any("\x00" in one for one in given):
        raise RequestUnreadable()
    if changing:
        csrf.protect()


def _renew(tx: sa.Connection) -> None:
    fresh = sessions.renew(tx, store(), g.me.token)
    if fresh != g.me.token:
        g.fresh_token = fresh


def _kept(answer: Response) -> Response:
    if fresh := getattr(g, "fresh_token", None):
        _keep_cookie(answer, fresh)
    return answer


def _keep_cookie(answer: Response | Answer, token: str) -> None:
    answer.set_cookie(COOKIE, token, httponly=True, samesite="Lax", secure=_secure(), path="/")


def _secure() -> bool:
    return request.is_secure or (store().settings.base_url or "").startswith("https://")
