"""Opening a masked value: GET asks why, POST writes it into the audit, commits, and only then shows it."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from flask import Blueprint, Response, g, request, url_for
from markupsafe import Markup

from cases import answers_shown, reveal, safe_contact
from cases.opened import Opener
from cases.who import Who, by_key, of_submissions, who
from namjai.problems import NotFound, Problem
from store.tables import membership
from web import words
from web.files import attachment, content_of
from web.frame import page
from web.photos import PictureUnreadable, redrawn
from web.signed_in import acting, programme, requires, saw, store
from web.words import t

pages = Blueprint("reveal", __name__)
_NEVER = {"Cache-Control": "no-store, private"}


@pages.route("/submissions/<uuid:id>/reveal", methods=["GET", "POST"])
@requires("case.reveal", alone=True)
def submission(id: UUID) -> Response:
    """One answer of a submission, by its key."""
    key = request.args.get("key", "")
    with acting() as g.tx:
        row, _ = reveal.find(g.tx, store(), g.actor, id, key)
        held = _cases_of(id)
        shown = of_submissions(g.tx, g.me.project, [id], words.language()).get(id, [])
        asked = _asked(row, key)
    label = answers_shown.label(asked, words.language(), {})
    back = url_for("submissions.show", id=id)

    def read() -> str:
        if asked.media:
            return _picture(row, key)
        return reveal.value(g.tx, store(), g.me.project, row, key, words.language(), words.zone())

    return _asking(
        label,
        url_for("reveal.submission", id=id, key=key),
        back,
        shown[0] if shown else None,
        held or [("submission", id)],
        id,
        [key],
        read,
    )


@pages.route("/cases/<code>/reveal/name", methods=["GET", "POST"])
@requires("case.reveal", alone=True)
def name(code: str) -> Response:
    """Who the person of a case is."""
    with acting() as g.tx:
        case = by_key(g.tx, g.me.project, code)
        found = reveal.person(g.tx, store(), g.me.project, case.id, programme())
        line = who(case, words.language())
    if found is None:
        raise NotFound()
    row, paths, answered = found
    keys = reveal.name_fields(paths, answered)
    if not keys:
        raise NotFound()

    def read() -> str:
        return reveal.whole_name(g.tx, store(), g.me.project, row, paths, words.language(), words.zone())

    back = url_for("cases.show", code=line.key)
    return _asking(
        t("Name", "ชื่อจริง"), url_for("reveal.name", code=line.key), back, line, [("case", case.id)], row.id, keys, read
    )


@pages.route("/cases/<code>/reveal/number", methods=["GET", "POST"])
@requires("case.sensitive", alone=True)
def number(code: str) -> Response:
    """Where a person may be called: for whoever may read how to reach her."""
    with acting() as g.tx:
        case = by_key(g.tx, g.me.project, code)
        row = safe_contact.number(g.tx, store(), programme(), g.me.project, case.id)
        line = who(case, words.language())
    if row is None:
        raise NotFound()
    key = safe_contact.number_path(programme(), row.xml_form_id)

    def read() -> str:
        return reveal.value(g.tx, store(), g.me.project, row, key, words.language(), words.zone())

    back, url = (url_for(page, code=line.key) for page in ("cases.show", "reveal.number"))
    label = t("Safe number", "หมายเลขที่ปลอดภัย")
    return _asking(label, url, f"{back}#contact", line, [("case", case.id)], row.id, [key], read)


def _asking(
    label: str,
    url: str,
    back: str,
    case: Who | None,
    subjects: list[tuple[str, UUID]],
    submission_id: UUID,
    keys: list[str],
    read: Callable[[], str],
) -> Response:
    mask: dict[str, Any] = {"label": label, "url": url, "seconds": reveal.SECONDS, "back": back}
    reasons = [{"value": value, "label": said.in_(words.language())} for value, said in reveal.REASONS.items()]
    status, error = 200, None
    if request.method == "POST":
        try:
            reveal.allow(
                store(),
                g.actor,
                subjects=subjects,
                submission_id=submission_id,
                fields=keys,
                reason=request.form.get("reason", ""),
                note=request.form.get("note", ""),
            )
            with acting() as g.tx:
                mask["open"] = read()
        except Problem as problem:
            if problem.http_status not in (400, 429):
                raise
            status, error = problem.http_status, problem.text(words.language())
    with acting() as g.tx:
        # What was opened is in the audit already.
        for kind, subject_id in subjects if "open" not in mask else ():
            saw("reveal.asked", kind, subject_id)
        body = page("reveal.html", mask=mask, case=case, reasons=reasons, error=error, back_url=back)
    return Response(body, status, headers=_NEVER, content_type="text/html; charset=utf-8")


def _cases_of(submission_id: UUID) -> list[tuple[str, UUID]]:
    """All whose submission it is: whoever asks who looked at them must find this."""
    held = (
        sa.select(membership.c.case_id)
        .where(membership.c.project_id == g.me.project, membership.c.submission_id == submission_id)
        .order_by(membership.c.case_id)
    )
    return [("case", one) for one in g.tx.scalars(held)]


def _asked(row: Any, key: str) -> Any:

    return (
        Opener(g.tx, store(), g.me.project)
        .version(row.xml_form_id, row.form_version, row.form_origin)
        .schema.field(key)
    )


def _picture(row: Any, key: str) -> str:
    """A signature or a face, within the page: no address of its own that a browser would keep."""

    opener = Opener(g.tx, store(), g.me.project)
    file = attachment(row, str((opener.identifying(row) | opener.sensitive(row)).get(key)))
    if file is None:
        return t("The file is not in yet.", "ยังไม่ได้รับไฟล์")
    try:
        drawn, kind = redrawn(content_of(row, file))
    except PictureUnreadable as problem:
        return problem.text(words.language())
    return Markup('<img class="pic is-open" alt="" src="data:{};base64,{}">').format(
        kind, base64.b64encode(drawn).decode()
    )
