"""How the pages look to the person who reads them: language, theme, keys."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, g, redirect, request, url_for

from cases import people
from web.frame import page, toast
from web.signed_in import requires
from web.words import t

pages = Blueprint("me", __name__)


@pages.get("/me")
@requires("page.read")
def show() -> str:
    return page("me.html")


@pages.post("/me")
@requires("page.read")
def save() -> Any:
    people.prefer(
        g.tx,
        g.me.user_id,
        language=request.form.get("language", ""),
        theme=request.form.get("theme", ""),
        single_keys=request.form.get("single_keys") == "on",
    )
    g.lang = request.form.get("language") if request.form.get("language") in ("en", "th") else g.get("lang", "en")
    toast(t("Saved.", "บันทึกแล้ว"))
    return redirect(url_for("me.show"), 303)
