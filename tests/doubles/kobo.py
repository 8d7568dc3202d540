"""A KoboToolbox on loopback, over TLS when it is asked to, that can be made to fail as servers, networks and lists do.

What it answers is checked against the recordings by test_kobo_double; what it holds is a `World`. Faults that every
double makes are in `server`; those of Kobo's own change a page of a listing (in XML, only those of its rows do):

    next-elsewhere  its `next` names another scheme or host: `text`, or https://elsewhere.example.org
    count           its `count` is another by `text` (default 1)
    empty           it says that there is nothing at all
    vanish          its rows (the first `text`, default 1) are deleted as soon as it is sent
    overlap         it begins with the last row of the page before
    duplicate       its last row stands there twice
    reversed        its rows are in the other order
    short           it lacks its last row, which no later page has
"""
from __future__ import annotations

import json
from collections.abc import Callable
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from doubles.kobo_exports import Exports as Answers
from doubles.kobo_world import Form, World
from doubles.server import Answer, Doubled, Fault, certificate, listen
from lxml import etree


def serve(world: World, *, tls: tuple[Path, Path] | None = None, own_address: bool = False) -> Doubled:
    """Start a Kobo on a free port of loopback. `tls`: certificate and key.

    Links name https://kobo.example.org, which is not what is dialled; with `own_address` they name the loopback address.
    """
    answers = Answers(world)
    double = listen(world, answers, tls=tls)
    if own_address:
        answers.domain = answers.kc = double.url

    def shake(fault: Fault) -> None:
        if fault.kind == "unauthorized":
            answers.unauthorized += 1

    double.shake = shake
    double.twist = lambda fault, answer: _twisted(answers, fault, answer)
    # Every answer, a broken one too, is dated by the world's clock.
    double.server.RequestHandlerClass.date_time_string = lambda *_: format_datetime(world.now, usegmt=True)
    return double


def _twisted(answers: Answers, fault: Fault, answer: Answer) -> Answer | None:
    """A page that lies; None for faults that are not Kobo's own, and for answers that are no pages."""
    if fault.kind == "unauthorized":
        return answer
    kind = answer.headers.get("Content-Type", "")
    if kind == "application/json" and answer.status == 200:
        page = json.loads(answer.body)
        if not isinstance(page, dict) or "results" not in page:
            return None
        if fault.kind in _PAGES:
            _PAGES[fault.kind](answers, page, fault.text)
        elif fault.kind in _ROWS:
            page["results"] = _ROWS[fault.kind](page["results"])
        else:
            return None
        return Answer(200, json.dumps(page, ensure_ascii=False, separators=(",", ":")).encode(), answer.headers)
    if kind.startswith("application/xml") and fault.kind in _ROWS and b"<results>" in answer.body:
        root = etree.fromstring(answer.body)
        results = root.find("results")
        results[:] = [etree.fromstring(one) for one in _ROWS[fault.kind]([etree.tostring(one) for one in results])]
        return Answer(200, etree.tostring(root, encoding="utf-8"), answer.headers)
    return None


# Pages that lie about themselves, and what becomes of their rows


def _elsewhere(answers: Answers, page: dict[str, Any], text: str) -> None:
    parts = urlsplit(page["next"] or f"{answers.domain}/api/v2/assets/?start=100")
    page["next"] = parts._replace(scheme=urlsplit(text).scheme or "https", netloc=urlsplit(text).netloc or "elsewhere.example.org").geturl()


def _count(answers: Answers, page: dict[str, Any], text: str) -> None:
    page["count"] += int(text or 1)


def _empty(answers: Answers, page: dict[str, Any], text: str) -> None:
    page |= {"count": 0, "next": None, "previous": None, "results": []}


def _vanish(answers: Answers, page: dict[str, Any], text: str) -> None:
    for row in page["results"][: int(text or 1)]:
        if form := _form_of(answers, row):
            answers.world.delete(form.uid, row["_id"])


def _overlap(answers: Answers, page: dict[str, Any], text: str) -> None:
    first = page["results"][0] if page["results"] else {}
    form = _form_of(answers, first)
    before = [one for one in form.ids if one < first["_id"]] if form else []
    if form and before:
        row = answers.shown(form, form.by_id[before[-1]])
        page["results"].insert(0, {name: row.get(name) for name in first if name in row})


def _form_of(answers: Answers, row: dict[str, Any]) -> Form | None:
    return next((one for one in answers.world.forms.values() if row.get("_id") in one.by_id), None)


_PAGES: dict[str, Callable[[Answers, dict[str, Any], str], None]] = {
    "next-elsewhere": _elsewhere, "count": _count, "empty": _empty, "vanish": _vanish, "overlap": _overlap,
}
_ROWS: dict[str, Callable[[list[Any]], list[Any]]] = {
    "duplicate": lambda rows: rows + rows[-1:], "reversed": lambda rows: rows[::-1], "short": lambda rows: rows[:-1],
}

__all__ = ["Answers", "Doubled", "Fault", "World", "certificate", "serve"]
