"""Is this letter genuine? Public; says nothing that does not stand on the paper."""

from __future__ import annotations

from flask import Blueprint, g, request

from cases import throttling, verification
from namjai.languages import NBSP
from store.actor import NOBODY
from web.frame import page
from web.signed_in import public, store

pages = Blueprint("verify", __name__)
_MOST, _MINUTES = 60, 10


@pages.get("/verify/<number>")
@public
def show(number: str) -> str:
    g.me = None
    opened = store()
    with opened.database.begin(NOBODY) as tx:
        throttling.count(tx, opened.keyring, "verify", request.remote_addr or "", most=_MOST, minutes=_MINUTES)
    with opened.database.begin(NOBODY) as tx:
        found = verification.look_up(tx, opened.keyring, number, request.args.get("k", ""))
    return page(
        "verify.html",
        result=found.answer,
        number=(found.printed or found.number or "").replace(" ", NBSP),
        issued=found.issued_on,
        amount=found.amount,
        trial=found.trial,
    )
