"""The tablets' door: OpenRosa as ODK Collect speaks it, below a token URL. Knows HTTP and XML, decides nothing.

A tablet that is refused keeps its copy, so every refusal is a sentence that its holder can act on, and 201 is answered
only after the commit.
"""
from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from flask import Blueprint, Response, current_app, g, request
from jinja2 import Environment
from werkzeug.exceptions import RequestEntityTooLarge

from cases import tablet_lists, tablets
from cases.deliveries import is_kept, refuse, take
from namjai.problems import DatabaseUnreachable, Problem, TooLarge
from store.actor import Actor, act_as
from store.audit import Event, record
from store.opening import Store
from submissions.delivery import Changes, Delivery, File, Outcome
from submissions.problems import DeliveryStuck
from web.errors import without_words
from web.uploads import MOST_BYTES

openrosa = Blueprint("openrosa", __name__)
_XML = "text/xml; charset=utf-8"
_HEADERS = {
    "X-OpenRosa-Version": "1.0",
    "X-OpenRosa-Accept-Content-Length": str(MOST_BYTES),
    "Cache-Control": "no-store",
}
_SUBMISSION = "xml_submission_file"
_INCOMPLETE = "*isIncomplete*"
# Two deliveries that met at a constraint or in a circle: the loser starts again and finds what the other wrote.
_AGAIN = {"40001", "40P01", "23505"}
_TRIES = 4
# The statement was wrong, not the moment: values, constraints, limits, syntax.
_OURS = ("21", "22", "23", "42", "54")
_log = logging.getLogger("namjai.door")


class SubmissionFileMissing(Problem):
    code, http_status = "submission-file-missing", 400
    en = "The part xml_submission_file is missing or empty: the sending broke off. Nothing was taken; send again."
    th = "ไม่พบส่วน xml_submission_file หรือส่วนนี้ว่าง เพราะการส่งขาดตอน ยังไม่ได้รับข้อมูล ส่งใหม่อีกครั้ง"


def for_tablet(view: Callable[..., Response]) -> Callable[..., Response]:
    """A view behind a token, in the address or as the password of Basic credentials (Enketo, other clients).

    Says every problem in OpenRosa's own words, in Thai and English.
    """

    @wraps(view)
    def checked(token: str | None = None, **arguments: Any) -> Response:
        try:
            if token is None:
                given = request.authorization
                if given is None or given.type != "basic":
                    return Response(status=401, headers=_HEADERS | {"WWW-Authenticate": 'Basic realm="Namjai"'})
                token = given.password or ""
                g.tablets_base = _root()
            else:
                g.tablets_base = tablets.server_url(_root(), token)
            g.visitor, g.tablet = _identified(token, trusting=request.method == "POST")
            return view(**arguments)
        except Problem as problem:
            return _said(problem)
        except RequestEntityTooLarge:
            return _said(TooLarge(limit=MOST_BYTES // 1_000_000))

    checked.rights = "tablet"  # type: ignore[attr-defined]
    return checked


@openrosa.get("/formList")
@openrosa.get("/key/<token>/formList")
@for_tablet
def form_list() -> Response:
    with _store().database.begin(g.tablet.actor) as tx:
        forms = tablet_lists.forms(tx, g.tablet.actor.project, form_id=request.args.get("formID"))
    base = g.tablets_base
    listed = [
        {
            "id": one.id,
            "name": one.name,
            "version": one.version,
            "md5": one.md5,
            "url": f"{base}/forms/{quote(one.id)}.xml",
            "manifest_url": f"{base}/forms/{quote(one.id)}/manifest" if one.has_files else None,
        }
        for one in forms
    ]
    return _xml("form_list.xml", forms=listed)


@openrosa.get("/forms/<form_id>.xml")
@openrosa.get("/key/<token>/forms/<form_id>.xml")
@for_tablet
def form_definition(form_id: str) -> Response:
    with _store().database.begin(g.tablet.actor) as tx:
        return _bytes(tablet_lists.xform(tx, g.tablet.actor.project, form_id))


@openrosa.get("/forms/<form_id>/manifest")
@openrosa.get("/key/<token>/forms/<form_id>/manifest")
@for_tablet
def manifest(form_id: str) -> Response:
    with _store().database.begin(g.tablet.served()) as tx:
        files = tablet_lists.files(tx, g.tablet.actor.project, form_id)
    base = g.tablets_base
    listed = [
        {
            "name": one.name, "hash": one.hash,
            "url": f"{base}/forms/{quote(form_id)}/attachments/{quote(one.name)}",
            "integrity_url": f"{base}/entity-lists/{quote(one.list)}/integrity" if one.list else None,
        }
        for one in files
    ]
    return _xml("manifest.xml", files=listed)


@openrosa.get("/forms/<form_id>/attachments/<name>")
@openrosa.get("/key/<token>/forms/<form_id>/attachments/<name>")
@for_tablet
def attachment(form_id: str, name: str) -> Response:
    with _store().database.begin(g.tablet.served()) as tx:
        content, list_name = tablet_lists.file_content(tx, g.tablet.actor.project, form_id, name)
        if list_name:
            act_as(tx, g.tablet.actor)
            detail = {"list": list_name, "rows": content.count(b"\n") - 1}
            record(tx, _store().keyring, g.tablet.actor, Event("list.served", "tablet", g.tablet.actor.id, detail))
    kind = "text/csv; charset=utf-8" if list_name else "application/octet-stream"
    answer = Response(content, content_type=kind, headers=_HEADERS)
    answer.headers.set("Content-Disposition", "attachment", filename=name)
    return answer


@openrosa.get("/entity-lists/<name>/integrity")
@openrosa.get("/key/<token>/entity-lists/<name>/integrity")
@for_tablet
def integrity(name: str) -> Response:
    ids = ",".join(request.args.getlist("id")).split(",")[:2000]
    with _store().database.begin(g.tablet.served()) as tx:
        found = tablet_lists.integrity(tx, g.tablet.actor.project, name, ids)
    return _xml("integrity.xml", entities=[{"id": one, "deleted": gone} for one, gone in found])


@openrosa.route("/submission", methods=["HEAD"])
@openrosa.route("/key/<token>/submission", methods=["HEAD"])
@for_tablet
def submission_head() -> Response:
    """Collect asks first where to send: 204 says here."""
    return Response(status=204, headers=_HEADERS)


@openrosa.post("/submission")
@openrosa.post("/key/<token>/submission")
@for_tablet
def submission() -> Response:
    delivery = _delivery()
    try:
        changes = taken(_store(), g.tablet.actor, delivery, visitor=g.visitor)
    except Problem as problem:
        if is_kept(problem):
            with _store().database.begin(g.tablet.actor) as tx:
                refuse(tx, _store(), g.tablet.actor, delivery, problem)
        raise
    return _accepted(changes)


def taken(store: Store, actor: Actor, delivery: Delivery, *, visitor: tablets.Visitor | None = None) -> Changes:
    """Take a delivery in a transaction of its own, again when another one got in the way.

    With a visitor, the token is asked for once more in that transaction. Raises a Problem of the delivery,
    TokenUnknown, StorageFull, DatabaseUnreachable, DeliveryStuck for what nobody foresaw.
    """
    for attempt in range(_TRIES):
        try:
            with store.database.begin(actor) as tx:
                if visitor is not None:
                    tablets.identified(tx, visitor)
                return take(tx, store, actor, delivery)
        except Problem:
            raise
        except sa.exc.DBAPIError as error:
            state = getattr(error.orig, "sqlstate", None) or ""
            if state in _AGAIN and attempt < _TRIES - 1:
                continue
            if state.startswith(_OURS):
                raise _stuck(error) from error
            raise DatabaseUnreachable() from error
        except Exception as error:
            raise _stuck(error) from error
    raise DatabaseUnreachable()


def _stuck(error: Exception) -> DeliveryStuck:
    """Nothing that a tablet sends may come back for ever without anybody having it."""
    _log.error("a delivery is stuck: %s", type(error).__name__, exc_info=without_words(error))
    return DeliveryStuck()


class _Acquaintances:
    """Tablets that were identified a moment ago: whose body may be read before they are asked again.

    Nobody is let in by this. It spares a transaction a POST, and keeps strangers from making us read large bodies.
    """

    def __init__(self, most: int = 2000, seconds: float = 60) -> None:
        self._known: dict[bytes, tuple[float, tablets.Tablet]] = {}
        self._most, self._seconds = most, seconds

    def get(self, mark: bytes) -> tablets.Tablet | None:
        since, tablet = self._known.get(mark, (0.0, None))
        return tablet if time.monotonic() - since < self._seconds else None

    def add(self, mark: bytes, tablet: tablets.Tablet) -> None:
        if len(self._known) >= self._most:
            self._known.clear()
        self._known[mark] = (time.monotonic(), tablet)


def _identified(token: str, *, trusting: bool) -> tuple[tablets.Visitor, tablets.Tablet]:
    store = _store()
    who = tablets.visitor(store.database, store.keyring, token)
    acquaintances: _Acquaintances = current_app.extensions.setdefault("acquaintances", _Acquaintances())
    tablet = acquaintances.get(who.mark) if trusting else None
    if tablet is None:
        with store.database.begin(who.actor) as tx:
            tablet = tablets.identified(tx, who)
        acquaintances.add(who.mark, tablet)
    return who, tablet


def _delivery() -> Delivery:
    part = request.files.get(_SUBMISSION)
    xml = part.read() if part else request.form.get(_SUBMISSION, "").encode()
    if not xml:
        raise SubmissionFileMissing()
    files = tuple(
        File(name=one.filename or field, content=one.read(), content_type=one.mimetype or "application/octet-stream")
        for field, one in request.files.items(multi=True)
        if field not in (_SUBMISSION, _INCOMPLETE)
    )
    tablet = g.tablet
    return Delivery(
        xml,
        dt.datetime.now(dt.UTC),
        files=files,
        app_user_id=tablet.actor.id,
        user_id=tablet.user_id,
        team=tablet.team,
        device_id=(request.args.get("deviceID") or "")[:200] or None,
        timezone=tablet.timezone,
    )


def _accepted(changes: Changes) -> Response:
    same = changes.outcome is Outcome.SAME
    message = "รับไว้แล้วก่อนหน้านี้ · Received before" if same else "รับข้อมูลแล้ว · Received"
    return _bytes(_message(current_app.jinja_env, "submit_success", message), 201)


def _said(problem: Problem) -> Response:
    return _bytes(_message(current_app.jinja_env, "submit_error", problem.both()), problem.http_status)


@lru_cache(maxsize=64)
def _message(templates: Environment, nature: str, message: str) -> str:
    """OpenRosa's response. Remembered: nearly every tablet is told the same."""
    return templates.get_template("openrosa/response.xml").render(nature=nature, message=message)


def _xml(template: str, **context: Any) -> Response:
    """One of templates/openrosa. Not by Flask's render_template: a page's frame is worth a tenth of a submission."""
    return _bytes(current_app.jinja_env.get_template(f"openrosa/{template}").render(context))


def _bytes(body: str | bytes, status: int = 200) -> Response:
    return Response(body, status=status, content_type=_XML, headers=_HEADERS)


def _root() -> str:
    """The address under which this client reached us, so that it also works when the LAN address changes."""
    return (_store().settings.base_url or request.host_url).rstrip("/")


def _store() -> Store:
    return current_app.extensions["store"]
