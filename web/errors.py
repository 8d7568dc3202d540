"""What a person reads when a request cannot be answered. Rendered once, here, and never with a traceback."""

from __future__ import annotations

import logging
import uuid
from contextlib import suppress

import sqlalchemy as sa
from flask import Flask, g, redirect, request, url_for
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.wrappers import Response

from cases import access
from namjai.problems import Forbidden, NotFound, Problem, TooLarge
from store.database import translated
from web import words
from web.frame import page
from web.signed_in import PasswordToChoose, RequestUnreadable, SignInNeeded, to_sign_in, who
from web.uploads import MOST_BYTES

_log = logging.getLogger("namjai.web")
_TITLES = {
    400: ("This cannot be taken", "รับข้อมูลนี้ไม่ได้"),
    403: ("Not for your role", "คุณไม่มีสิทธิ์ในส่วนนี้"),
    404: ("Nothing here", "ไม่พบหน้านี้"),
    405: ("Not in this way", "ทำด้วยวิธีนี้ไม่ได้"),
    409: ("It changed meanwhile", "มีการเปลี่ยนแปลงระหว่างนี้"),
    413: ("Too large", "ข้อมูลใหญ่เกินไป"),
    429: ("Too many tries", "ลองหลายครั้งเกินไป"),
    503: ("The database does not answer", "ฐานข้อมูลไม่ตอบ"),
    507: ("The disk is full", "พื้นที่เต็ม"),
}
_UNFORESEEN = ("Something went wrong", "เกิดข้อผิดพลาด")


class FormExpired(Problem):
    code, http_status = "form-expired", 400
    en = "This page was open too long, or you signed in again meanwhile. Nothing was changed; open it again and send."
    th = "หน้านี้เปิดค้างไว้นาน หรือมีการเข้าสู่ระบบใหม่ ยังไม่มีการเปลี่ยนแปลง เปิดหน้าใหม่แล้วส่งอีกครั้ง"


class MethodUnusable(Problem):
    code, http_status = "method-unusable", 405
    en = "This address cannot be used in this way. Nothing was changed; go back and use the page's own buttons."
    th = "ใช้ที่อยู่นี้ด้วยวิธีนี้ไม่ได้ ยังไม่มีการเปลี่ยนแปลง กลับไปใช้ปุ่มบนหน้าเดิม"


def answer_for(app: Flask) -> None:
    """Answer every problem with a page."""
    app.register_error_handler(SignInNeeded, lambda _: to_sign_in())
    app.register_error_handler(PasswordToChoose, lambda _: redirect(url_for("sign_in.choose"), 303))
    app.register_error_handler(CSRFError, lambda _: shown(FormExpired()))
    app.register_error_handler(Problem, shown)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(sa.exc.DBAPIError, _database)
    app.register_error_handler(Exception, _unforeseen)


def shown(problem: Problem) -> Response:
    """The page of a problem: what happened and what to do, in the reader's language."""
    # Its transaction is over: the frame must not ask it anything more.
    g.pop("tx", None)
    title = _TITLES.get(problem.http_status, _UNFORESEEN)
    number = _number(problem.http_status)
    _log.info("%s %s %s", number, request.endpoint, problem.code)
    body = page(
        "error.html",
        number=number,
        kind=problem.code,
        title=words.t(*title),
        text=problem.text(words.language()),
        todo=_who_can() if isinstance(problem, Forbidden) else None,
    )
    answer = Response(body, problem.http_status, content_type="text/html; charset=utf-8")
    if problem.http_status == 429:
        answer.headers["Retry-After"] = str(60 * int(str(problem.facts.get("minutes", 1))))
    return answer


def _http(error: HTTPException) -> Response:
    if isinstance(error, RequestEntityTooLarge):
        return shown(TooLarge(limit=MOST_BYTES // 1_000_000))
    if error.code is not None and 300 <= error.code < 400:
        return error.get_response()
    if error.code == 404:
        _keep_the_menu()
        return shown(NotFound())
    if error.code == 405:
        answer = shown(MethodUnusable())
        answer.headers["Allow"] = ", ".join(sorted(getattr(error, "valid_methods", None) or []))
        return answer
    return shown(RequestUnreadable())


def _keep_the_menu() -> None:
    """An address that no route knows asked for nobody: whoever is signed in is not to think that they are not."""
    if g.get("me") is None:
        with suppress(Problem, sa.exc.DBAPIError):
            g.me = who()


def _database(error: sa.exc.DBAPIError) -> Response:
    problem = translated(error)
    return shown(problem) if isinstance(problem, Problem) else _unforeseen(error)


def _unforeseen(error: Exception) -> Response:
    """The kind of what went wrong goes to the log under a number; its words never do: they may hold an answer."""
    g.pop("tx", None)
    number = _number(500)
    _log.error("%s %s %s", number, request.endpoint, type(error).__name__, exc_info=without_words(error))
    text = Problem().text(words.language())
    body = page("error.html", number=number, kind=Problem.code, title=words.t(*_UNFORESEEN), text=text)
    return Response(body, 500, content_type="text/html; charset=utf-8")


def _number(status: int) -> str:
    """What somebody who asks for help can say, and the log knows."""
    return f"N{status}-{uuid.uuid4().hex[:6]}"


def _who_can() -> str | None:
    """Whom to ask: the roles that may do what this one may not."""
    roles = access.TABLE.get(g.get("verb", ""), {})
    if not roles:
        return None
    names = ", ".join(access.role_name(str(role), words.language()) for role in roles)
    return words.t("Who can: {roles}.", "ผู้ที่ทำได้: {roles}", roles=names)


def without_words(error: Exception) -> tuple:
    """Where an error arose, for the log, without what it says."""
    return (Exception, Exception("(what it said is left out: it may hold what a person wrote)"), error.__traceback__)
