"""Is it alive, is it ready: for whoever watches the server. Says nothing about anybody."""

from __future__ import annotations

import sqlalchemy as sa
from flask import Blueprint, Response

from namjai.problems import NotFound, Problem
from store.actor import NOBODY
from web.signed_in import public, store

pages = Blueprint("health", __name__)


@pages.get("/healthz")
@public
def alive() -> Response:
    """The process answers."""
    return _said("ok")


@pages.get("/readyz")
@public
def ready() -> Response:
    """The database answers and has tables."""
    try:
        with store().database.begin(NOBODY) as tx:
            version = tx.scalar(sa.text("SELECT version_num FROM alembic_version"))
    except (Problem, sa.exc.DBAPIError):
        return _said("the database does not answer", 503)
    return _said("ok") if version else _said("the database is not migrated", 503)


@pages.get("/metrics")
@public
def metrics() -> Response:
    """No setting names a token for it yet, so there is nothing here."""
    raise NotFound()


def _said(text: str, status: int = 200) -> Response:
    return Response(text + "\n", status, content_type="text/plain; charset=utf-8")
