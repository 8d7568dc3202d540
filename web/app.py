"""The web application: one factory, given an open store. Knows HTTP, no SQL and no rule."""
from __future__ import annotations

from flask import Flask, Response
from jinja2 import select_autoescape

from namjai.settings import ROOT
from store.opening import Store
from web.openrosa import openrosa
from web.uploads import InMemoryRequest

_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'self'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "SAMEORIGIN",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def create_app(store: Store) -> Flask:
    """The application over an open store. One a process; threads share it."""
    app = Flask("web", template_folder=str(ROOT / "templates"), static_folder=str(ROOT / "web" / "static"))
    app.request_class = InMemoryRequest
    app.secret_key = store.settings.secret_key
    app.jinja_env.autoescape = select_autoescape(["html", "xml"])
    app.extensions["store"] = store
    app.register_blueprint(openrosa)
    app.after_request(_with_headers)
    return app


def _with_headers(answer: Response) -> Response:
    for name, value in _HEADERS.items():
        answer.headers.setdefault(name, value)
    return answer
