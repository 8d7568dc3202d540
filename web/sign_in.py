"""The way in and out: password, one click on trial, the link that a start prints, another role's eyes on trial."""

from __future__ import annotations

import ipaddress
import secrets
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from flask import Blueprint, Response, g, redirect, request, session, url_for
from itsdangerous import BadSignature, URLSafeTimedSerializer
from werkzeug.wrappers import Response as Answer

from cases import access, people, sessions
from cases.projects import keeper
from namjai.problems import NotFound, Problem
from store.actor import NOBODY, act_as
from store.audit import Event, record
from store.opening import Store
from web import words
from web.frame import page
from web.signed_in import COOKIE, forget, public, requires, saw, start, store, who

pages = Blueprint("sign_in", __name__)
_LINK_SECONDS = 24 * 3600
_PROXIES = ("Forwarded", "X-Real-Ip", "X-Real-IP", "Via", "Cf-Connecting-Ip", "CF-Connecting-IP", "True-Client-Ip")


class LinkOver(Problem):
    code, http_status = "sign-in-link-over", 403
    en = "This link is over, or it was made by another installation. Start Namjai again: it prints a new one."
    th = "ลิงก์นี้หมดอายุ หรือมาจากระบบอื่น เริ่ม Namjai ใหม่เพื่อรับลิงก์ใหม่"


def trial_link(opened: Store, user_id: UUID | None = None) -> str:
    """The path that signs in a demonstration person or, without one, offers them all. For a day, on trial only."""
    return f"/sign-in/link?k={_signer(opened).dumps([str(user_id) if user_id else '', secrets.token_urlsafe(6)])}"


@pages.get("/sign-in")
@public
def show() -> Any:
    g.me = None
    if who() is not None:
        return redirect(_next(), 303)
    return _page()


@pages.post("/sign-in")
@public
def enter() -> Any:
    g.me = None
    email = request.form.get("email", "")[:254]
    try:
        user_id = sessions.check_password(store(), email, request.form.get("password", ""), request.remote_addr or "")
    except Problem as problem:
        return Response(_page(email=email, error=problem.text(words.language())), problem.http_status)
    return _let_in(user_id, "password")


@pages.post("/sign-in/as")
@public
def as_person() -> Any:
    """One click on trial, from this machine or after the printed link."""
    g.me = None
    if not _offers_people():
        raise NotFound()
    return _let_in(_demonstrator(request.form.get("person", "")), "trial")


@pages.get("/sign-in/link")
@public
def link() -> Any:
    g.me = None
    if not store().settings.demo:
        raise NotFound()
    try:
        user, _ = _signer(store()).loads(request.args.get("k", ""), max_age=_LINK_SECONDS)
    except (BadSignature, ValueError) as error:
        raise LinkOver() from error
    session["trial"] = True
    if not user:
        return redirect(url_for("sign_in.show"), 303)
    return _let_in(_demonstrator(user), "link")


@pages.post("/sign-out")
@public
def leave() -> Any:
    token = request.cookies.get(COOKIE)
    if token and (me := who()):
        with store().database.begin(NOBODY) as tx:
            sessions.end(tx, store(), token)
            act_as(tx, me.actor("own"))
            if me.project:
                record(tx, store().keyring, me.actor("own"), Event("session.ended", "user", me.user_id, {}))
    return forget(redirect(url_for("sign_in.show"), 303))


@pages.post("/see-as")
@requires("page.read")
def see_as() -> Any:
    """The same page as another role: on trial this is another invented person, so that every rule holds for them."""
    role = request.form.get("role", "")
    if not (store().settings.demo and g.me.demonstration) or role not in access.ROLE_NAMES:
        raise NotFound()
    found = next((one for one in _demonstrators() if one.role == role and one.project_id == g.me.project), None)
    if found is None:
        raise NobodyInRole()
    saw("session.seen_as", "user", found.id, role=role)
    sessions.end(g.tx, store(), g.me.token)
    token = sessions.begin(g.tx, store(), found.id, how="see-as", project=g.me.project)
    act_as(g.tx, g.actor)
    return start(redirect(_next(), 303), token)


@pages.get("/sign-in/password")
@requires("page.read")
def choose() -> str:
    """A first password lets its person choose one."""
    return page("password.html", shortest=12)


@pages.post("/sign-in/password")
@requires("page.read")
def chosen() -> Any:
    try:
        sessions.choose_password(g.tx, store(), g.me.user_id, request.form.get("password", ""))
    except Problem as problem:
        return Response(page("password.html", shortest=12, error=problem.text(words.language())), problem.http_status)
    token = sessions.begin(g.tx, store(), g.me.user_id, how="new password", project=g.me.project)
    act_as(g.tx, g.actor)
    return start(redirect(url_for("today.show"), 303), token)


class NobodyInRole(Problem):
    code, http_status = "nobody-in-role", 409
    en = "No invented person has this role here. Nothing was changed; choose another role."
    th = "ไม่มีบุคคลสมมติในบทบาทนี้ เลือกบทบาทอื่น ยังไม่มีการเปลี่ยนแปลง"


def _page(**more: Any) -> str:
    # Somebody who comes here from another language's page keeps it.
    if request.args.get("lang"):
        session["lang"] = words.language()
    chosen = [
        {
            "id": one.id,
            "initials": people.initials(one.name),
            "name": one.name,
            "role_label": access.role_name(one.role, words.language()),
        }
        for one in (_demonstrators() if _offers_people() else [])
    ]
    return page("sign_in.html", people=chosen, next=_next(""), **more)


def _let_in(user_id: UUID, how: str) -> Answer:
    old = request.cookies.get(COOKIE)
    with store().database.begin(NOBODY) as tx:
        if old:
            sessions.end(tx, store(), old)
        token = sessions.begin(tx, store(), user_id, how=how)
    answer = redirect(_next(), 303)
    return start(answer, token)


def _demonstrators() -> list[Any]:
    with store().database.begin(NOBODY) as tx:
        act_as(tx, keeper(tx))
        return people.demonstrators(tx)


def _demonstrator(text: str) -> UUID:
    """The invented person of an id. Raises NotFound for everybody else: a real person has a password."""
    found = next((one.id for one in _demonstrators() if str(one.id) == text), None)
    if found is None:
        raise NotFound()
    return found


def _offers_people() -> bool:
    return store().settings.demo and (bool(session.get("trial")) or _from_this_machine())


def _from_this_machine() -> bool:
    """Whether the browser runs here. Behind a proxy every address is this machine's, so its traces say no."""
    if any(name.startswith("X-Forwarded-") or name in _PROXIES for name, _ in request.headers):
        return False
    # A proxy that adds no header asks in HTTP/1.0, as nginx does of itself; no browser does. And an installation that
    # has an address of its own is one that others reach.
    if request.environ.get("SERVER_PROTOCOL") == "HTTP/1.0" or not _is_here(store().settings.base_url):
        return False
    host = urlsplit(f"//{request.host}").hostname or ""
    return _is_loopback(request.remote_addr or "") and (host == "localhost" or _is_loopback(host))


def _is_here(base_url: str | None) -> bool:
    host = urlsplit(base_url or "http://localhost").hostname or ""
    return host == "localhost" or _is_loopback(host)


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _next(otherwise: str | None = None) -> str:
    """Where to go afterwards: a path of ours and nothing else."""
    wanted = request.values.get("next", "")
    parts = urlsplit(wanted)
    if wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and not parts.netloc and "\n" not in wanted:
        return wanted
    return url_for("today.show") if otherwise is None else otherwise


def _signer(opened: Store) -> URLSafeTimedSerializer:
    assert opened.settings.secret_key is not None  # made at construction where it is not set
    return URLSafeTimedSerializer(opened.settings.secret_key, salt="trial link")
