"""Where other servers hint that they have something new. Knows HTTP; what comes with a hint is not even read."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps

from flask import Blueprint, Response, current_app

from cases.hooks import hinted
from store.opening import Store

hooks = Blueprint("hooks", __name__)
# A hint that comes so soon after another is covered by the run which that one asked for: it begins later.
_COVERED_SECONDS = 2.0
_MOST_REMEMBERED = 1000


def for_server(view: Callable[[str], Response]) -> Callable[[str], Response]:
    """A view behind a secret in the address, which the view itself checks."""

    @wraps(view)
    def checked(secret: str) -> Response:
        return view(secret)

    checked.rights = "secret"  # type: ignore[attr-defined]
    return checked


@hooks.post("/hooks/kobo/<secret>")
@for_server
def kobo(secret: str) -> Response:
    """Kobo calls a REST service once a submission, and takes 202 for success."""
    store: Store = current_app.extensions["store"]
    recent: dict[bytes, float] = current_app.extensions.setdefault("hints", {})
    mark, now = store.keyring.hash("tokens", "hint", secret), time.monotonic()
    if now - recent.get(mark, float("-inf")) < _COVERED_SECONDS:
        return Response(status=202)
    if not hinted(store, "kobo", secret):
        return Response(status=404)
    if len(recent) >= _MOST_REMEMBERED:
        recent.clear()
    recent[mark] = now
    return Response(status=202)
