"""The web application: one factory, given an open store. Knows HTTP, no SQL and no rule."""

from __future__ import annotations

from flask import Flask, Request, Response, g, request
from flask.sessions import NullSession, SecureCookieSession, SecureCookieSessionInterface
from jinja2 import select_autoescape
from werkzeug.middleware.proxy_fix import ProxyFix

from namjai.settings import ROOT
from store.opening import Store
from web import (
    audit,
    case_stage,
    cases,
    errors,
    exports,
    files,
    forms,
    frame,
    grants,
    health,
    letters,
    me,
    quarantine,
    reveal,
    sign_in,
    signed_in,
    source_trials,
    sources,
    submissions,
    tablets,
    today,
    users,
    verify,
    words,
)
from web.hooks import hooks
from web.openrosa import openrosa
from web.uploads import InMemoryRequest

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data:; object-src 'self'; base-uri 'none'; frame-ancestors 'none'; "
        "form-action 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_YEAR = "public, max-age=31536000, immutable"


def create_app(store: Store) -> Flask:
    """The application over an open store. One a process; threads share it.

    Raises RuntimeError for a route without a right.
    """
    app = _configured(store)
    for part in (
        sign_in,
        today,
        cases,
        case_stage,
        submissions,
        files,
        reveal,
        grants,
        letters,
        forms,
        exports,
        tablets,
        sources,
        source_trials,
        quarantine,
        users,
        audit,
        me,
        verify,
        health,
    ):
        app.register_blueprint(part.pages)
    app.register_blueprint(openrosa)
    app.register_blueprint(hooks)
    errors.answer_for(app)
    app.before_request(_begin)
    app.after_request(_with_headers)
    signed_in.check_rights(app)
    return app


class _PageSessions(SecureCookieSessionInterface):
    """Sessions for pages alone: a tablet has none, and looking for it is worth a fortieth of a submission."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | NullSession | None:
        if request.path.startswith("/key/"):
            return self.make_null_session(app)
        return super().open_session(app, request)


def _configured(store: Store) -> Flask:
    """Flask with its settings, templates and helpers, and no page yet."""
    app = Flask("web", template_folder=str(ROOT / "templates"), static_folder=str(ROOT / "web" / "static"))
    app.request_class = InMemoryRequest
    app.session_interface = _PageSessions()
    app.secret_key = store.settings.secret_key
    app.config.update(
        SESSION_COOKIE_NAME="namjai_page",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=(store.settings.base_url or "").startswith("https://"),
        # A page may stay open as long as its session; pages send no Referer, by which HTTPS would be checked.
        WTF_CSRF_CHECK_DEFAULT=False,
        WTF_CSRF_TIME_LIMIT=None,
        WTF_CSRF_SSL_STRICT=False,
    )
    if store.settings.proxies:
        # Only where somebody stands before us who writes this header: else anybody could pretend to be another.
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=store.settings.proxies, x_proto=0, x_host=0)  # type: ignore[method-assign]
    app.jinja_env.autoescape = select_autoescape(["html", "xml"])
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.extensions["store"] = store
    signed_in.csrf.init_app(app)
    words.speak(app)
    frame.dress(app)
    return app


def _begin() -> None:
    settings = signed_in.store().settings
    g.house_language, g.house_zone = settings.language, settings.timezone


def _with_headers(answer: Response) -> Response:
    for name, value in _HEADERS.items():
        answer.headers.setdefault(name, value)
    if request.endpoint == "static":
        fresh = words.is_fresh((request.view_args or {}).get("filename", ""), request.args.get("v"))
        answer.headers["Cache-Control"] = _YEAR if fresh else "public, max-age=3600"
    else:
        answer.headers.setdefault("Cache-Control", "no-store")
    return answer
