"""Forms: upload an XLSForm, read what is wrong and what it would change, publish it; see those in use."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g, redirect, request, url_for

from cases import form_list, form_uploads
from cases.form_uploads import Upload
from cases.publishing import publish as publish_version
from cases.titles import Titles
from namjai.problems import Problem, TooLarge
from odk.findings import Finding
from web import words
from web.frame import page, toast
from web.signed_in import acting, may, programme, requires, saw, store
from web.words import t

pages = Blueprint("forms", __name__)


class NoFile(Problem):
    code, http_status = "form-file-missing", 400
    en = "Choose a spreadsheet (.xlsx) first. Nothing was uploaded."
    th = "เลือกไฟล์สเปรดชีต (.xlsx) ก่อน ยังไม่มีการอัปโหลด"


@pages.get("/forms")
@requires("form.read")
def index() -> str:
    return _index()


@pages.post("/forms/upload")
@requires("form.publish", alone=True)
def upload() -> Any:
    """Keep the file and show what it would do. The checks run outside a transaction: they take a second or two."""
    given = request.files.get("file")
    try:
        if given is None or not given.filename:
            raise NoFile()
        content = given.read()
        if len(content) > form_uploads.MOST_BYTES:
            raise TooLarge(limit=form_uploads.MOST_BYTES // 1_000_000)
        with acting() as g.tx:
            form_uploads.keep(
                g.tx, g.me.project, g.me.user_id, given.filename.replace("\\", "/").rpartition("/")[2][:120], content
            )
    except Problem as problem:
        with acting() as g.tx:
            return Response(_index(error=problem.text(words.language())), problem.http_status)
    return redirect(url_for("forms.index") + "#upload", 303)


@pages.post("/forms/publish")
@requires("form.publish", alone=True)
def publish() -> Any:
    with acting() as tx:
        kept = form_uploads.taken(tx, g.me.project, g.me.user_id, request.form.get("upload", ""))
    compiled, _ = form_uploads.read(kept)
    if compiled is None:
        return redirect(url_for("forms.index") + "#upload", 303)
    try:
        with acting() as tx:
            media = form_uploads.media_of(tx, g.me.project, compiled.form_id)
            done = publish_version(tx, store(), g.actor, compiled, programme=programme(), media=media)
            form_uploads.discard(tx, g.me.project, g.me.user_id)
    except Problem as problem:
        with acting() as g.tx:
            return Response(_index(error=problem.text(words.language())), problem.http_status)
    toast(
        t("Published. Tablets fetch it within a quarter of an hour.", "เผยแพร่แล้ว แท็บเล็ตจะรับภายในสิบห้านาที")
        if done.new
        else t("This version is published already; nothing changed.", "รุ่นนี้เผยแพร่แล้ว ไม่มีการเปลี่ยนแปลง")
    )
    return redirect(url_for("forms.show", form_id=done.form_id), 303)


@pages.post("/forms/discard")
@requires("form.publish")
def discard() -> Any:
    form_uploads.discard(g.tx, g.me.project, g.me.user_id)
    return redirect(url_for("forms.index"), 303)


@pages.get("/forms/<form_id>")
@requires("form.read")
def show(form_id: str) -> str:
    saw("form.opened", "form", None, form=form_id[:60])
    return page("form.html", **form_list.one(g.tx, g.me.project, form_id, _titles()))


def _index(error: str | None = None) -> str:
    kept = form_uploads.kept(g.tx, g.me.project, g.me.user_id) if may("form.publish") else None
    return page(
        "forms.html",
        forms=form_list.forms(g.tx, g.me.project, _titles()),
        upload=_checked(kept) if kept else None,
        error=error,
    )


def _checked(kept: Upload) -> dict[str, Any]:
    compiled, findings = form_uploads.read(kept, validate=False)
    lang = words.language()
    shown = [one for one in findings if one.severity in ("error", "warning")]
    before = form_uploads.schema_now(g.tx, g.me.project, compiled.form_id) if compiled else None
    return {
        "id": kept.id,
        "file": kept.file,
        "at": kept.at,
        "errors": sum(1 for one in shown if one.severity == "error"),
        "warnings": sum(1 for one in shown if one.severity == "warning"),
        "version": compiled.version if compiled else None,
        "findings": [_finding(one, lang) for one in shown],
        "changes": form_uploads.changes(before, compiled.schema, lang) if compiled else [],
    }


def _finding(one: Finding, lang: str) -> dict[str, Any]:
    cell = t("row {n}", "แถว {n}", n=one.row) if one.row else one.key
    return {"severity": one.severity, "file": one.file, "sheet": one.sheet, "cell": cell, "text": one.text(lang)}


def _titles() -> Titles:
    return Titles(g.tx, g.me.project, programme(), words.language())
