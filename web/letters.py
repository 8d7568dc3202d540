"""Letters: the list, one letter, its PDF."""

from __future__ import annotations

import datetime as dt
from typing import Any

from flask import Blueprint, Response, g, redirect, request, url_for
from werkzeug.wrappers import Response as Answer

from cases import letter_lists, letters
from cases.letter_lists import LetterLine
from cases.who import script_of
from web import words
from web.frame import page
from web.signed_in import programme, requires, saw, store

pages = Blueprint("letters", __name__)
# The page embeds the PDF, so the PDF may stand in a frame of ours.
_PDF_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; object-src 'self'; frame-ancestors 'self'"
    ),
    "X-Frame-Options": "SAMEORIGIN",
}
# After this long a letter that is still being made may be asked for again: its job may have got lost.
_SLOW = dt.timedelta(minutes=2)


@pages.get("/letters")
@requires("letter.read")
def index() -> str:
    view = request.args.get("view", "held")
    view = view if view in letter_lists.VIEWS else "held"
    lang = words.language()
    found = letter_lists.letters_for_list(g.tx, g.actor, programme(), lang, view=view, after=request.args.get("after"))
    saw("letter.listed", "letter", None, view=view, subjects=[str(one.id) for one in found.lines])
    views = [
        {
            "label": name.in_(lang),
            "url": url_for("letters.index", view=one if one != "held" else None),
            "current": one == view,
        }
        for one, name in letter_lists.VIEWS.items()
    ]
    return page(
        "letters.html",
        views=views,
        letters=[_line(one) for one in found.lines],
        page={
            "shown": len(found.lines),
            "next": words.url_with(after=found.after) if found.after else None,
            "first": words.url_with(after=None) if request.args.get("after") else None,
        },
    )


@pages.get("/letters/<number>")
@requires("letter.read")
def show(number: str) -> str:
    found = letter_lists.letter_page(g.tx, store(), g.actor, programme(), words.language(), number)
    saw("letter.opened", "letter", found.line.id, number=number)
    return page(
        "letter.html",
        letter=_line(found.line)
        | {
            "amount": found.amount,
            "with_receipt": found.with_receipt,
            "envelope": words.t("Window envelope", "ซองหน้าต่าง")
            if found.envelope
            else words.t("By hand", "มอบให้ถึงมือ"),
            "by": found.by,
            "sha256": found.sha256,
            # Nobody holds a code or a number of what was never on paper.
            "verify_url": found.verify_url if found.sha256 else None,
            "on_paper": found.on_paper if found.sha256 and found.on_paper != number else None,
            "on_paper_lang": script_of(found.on_paper),
            "voided": found.voided,
            "edited": found.grant_state == "suspended",
            "grant": found.line.grant,
            "problem": found.problem,
            "slow": words.now() - found.line.issued > _SLOW,
        },
    )


@pages.post("/letters/<number>/again")
@requires("letter.read")
def again(number: str) -> Answer:
    """Make the PDF once more. What was numbered and frozen stays as it is; a PDF that is there stays, too."""
    letter_id = letter_lists.letter_id_of(g.tx, g.actor, number)
    if letters.print_again(g.tx, g.me.project, letter_id):
        saw("letter.asked_again", "letter", letter_id, number=number)
    return redirect(url_for("letters.show", number=number), 303)


@pages.get("/letters/<number>.pdf")
@requires("letter.read")
def pdf(number: str) -> Response:
    letter_id = letter_lists.letter_id_of(g.tx, g.actor, number)
    content = letters.pdf_of(g.tx, store(), g.me.project, letter_id)
    saw("letter.printed", "letter", letter_id, number=number)
    answer = Response(content, content_type="application/pdf", headers=_PDF_HEADERS)
    answer.headers.set(
        "Content-Disposition", "attachment" if request.args.get("download") else "inline", filename=f"{number}.pdf"
    )
    return answer


def _line(one: LetterLine) -> dict[str, Any]:
    return {
        "key": one.key,
        "number": one.number,
        "kind": one.kind,
        "case": one.case,
        "state": one.state,
        "language": one.language,
        "issued": one.issued,
    }
