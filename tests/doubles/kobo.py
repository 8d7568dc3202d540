"""A KoboToolbox on loopback, over TLS when it is asked to, that can be made to fail as servers, networks and lists do.

What it answers is checked against the recordings by test_kobo_double; what it holds is a `World`. Faults that every
double makes are in `server`; those of Kobo's lists change a page of rows:

    next-elsewhere  its `next` names another scheme or host: `text`, or https://elsewhere.example.org
    count           its `count` is another by `text` (default 1)
    vanish          its rows (the first `text`, default 1) are deleted as soon as it is sent
    duplicate       its last row stands there twice
    reversed        its rows are in the other order
    short           it lacks its last row, which no later page has
    empty           it says that there is nothing at all
"""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from doubles.kobo_exports import Exports as Answers
from doubles.kobo_world import World
from doubles.server import Answer, Doubled, Fault, certificate, listen


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
    double.twist = lambda fault, answer: _twisted(world, fault, answer)
    return double


def _twisted(world: World, fault: Fault, answer: Answer) -> Answer | None:
    """A page that lies; None for faults that are not Kobo's own, and for answers that are no pages."""
    if fault.kind == "unauthorized":
        return answer
    if fault.kind not in _LIES or answer.headers.get("Content-Type") != "application/json":
        return None
    page = json.loads(answer.body)
    if not isinstance(page, dict) or "results" not in page:
        return None
    _LIES[fault.kind](world, page, fault.text)
    return Answer(answer.status, json.dumps(page, ensure_ascii=False, separators=(",", ":")).encode(), answer.headers)


def _elsewhere(world: World, page: dict[str, Any], text: str) -> None:
    parts = urlsplit(page["next"] or "https://kobo.example.org/api/v2/assets/?start=100")
    page["next"] = parts._replace(scheme=urlsplit(text).scheme or "https", netloc=urlsplit(text).netloc or "elsewhere.example.org").geturl()


def _count(world: World, page: dict[str, Any], text: str) -> None:
    page["count"] += int(text or 1)


def _vanish(world: World, page: dict[str, Any], text: str) -> None:
    for row in page["results"][: int(text or 1)]:
        for form in world.forms.values():
            if row["_id"] in form.by_id:
                world.delete(form.uid, row["_id"])


def _duplicate(world: World, page: dict[str, Any], text: str) -> None:
    page["results"] += page["results"][-1:]


def _reversed(world: World, page: dict[str, Any], text: str) -> None:
    page["results"].reverse()


def _short(world: World, page: dict[str, Any], text: str) -> None:
    page["results"] = page["results"][:-1]


def _empty(world: World, page: dict[str, Any], text: str) -> None:
    page |= {"count": 0, "next": None, "previous": None, "results": []}


_LIES = {"next-elsewhere": _elsewhere, "count": _count, "vanish": _vanish, "duplicate": _duplicate, "reversed": _reversed, "short": _short, "empty": _empty}

__all__ = ["Answers", "Doubled", "Fault", "World", "certificate", "serve"]
