"""A KoboToolbox's data as the recordings show it: rows in JSON and XML, attachments, validation, bulk acts. Knows no sockets."""
from __future__ import annotations

import datetime as dt
import json
from email.utils import format_datetime
from typing import Any

from doubles.kobo_answers import Assets
from doubles.kobo_http import FORBIDDEN, NOT_FOUND, Asked, in_json, mimetype
from doubles.kobo_rows import Look, matches, sorting, where
from doubles.kobo_world import Form, Refused, Sub, World, bare, prefixed
from doubles.server import Answer

_MOST = 1000
_ALWAYS = ("_uuid", "meta/rootUuid")


class Data(Assets):
    def __init__(self, world: World, **hosts: str) -> None:
        super().__init__(world, **hosts)
        self.route(
            ("GET", "{a}/data/", self.rows), ("GET", r"{a}/data\.json", self.rows),
            ("PATCH", "{a}/data/bulk/", self.bulk_edit), ("DELETE", "{a}/data/bulk/", self.bulk_delete),
            ("PATCH", "{a}/data/validation_statuses/", self.validate_many),
            ("GET", "{a}/data/([^/]+)/", self.row), ("DELETE", "{a}/data/([^/]+)/", self.delete_row), ("POST", "{a}/data/([^/]+)/duplicate/", self.duplicate),
            ("GET", "{a}/data/([^/]+)/validation_status/", self.validation), ("PATCH", "{a}/data/([^/]+)/validation_status/", self.validate),
            ("DELETE", "{a}/data/([^/]+)/validation_status/", self.unvalidate),
            ("GET", "{a}/data/([^/]+)/attachments/", self.attachment_by_path), ("GET", "{a}/data/([^/]+)/attachments/([^/]+)/", self.attachment),
            ("GET", "{a}/data/([^/]+)/attachments/([^/]+)/(?:small|medium|large)/", self.attachment),
        )

    # Rows

    def rows(self, asked: Asked, uid: str) -> Answer:
        form = self._readable(asked, uid)
        if not form.versions:
            raise Refused(400, "The specified asset has not been deployed")
        if (kind := asked.query.get("format", "json")) not in ("json", "xml"):
            raise NOT_FOUND
        start, limit = self._window(asked)
        query, order, fields = (_json(asked, name) for name in ("query", "sort", "fields"))
        ids = self._found(form, self._mine(asked, form, query), order or {})
        # `page` is counted in the links, and forgotten when rows are taken (K110).
        begin, size = (0, 100) if "page" in asked.query else (start, min(limit, _MOST))
        shown, count = [form.by_id[one] for one in ids[begin : begin + size]], len(ids)
        links = self.links(asked, count, start, min(limit, _MOST))
        self.world.log(form, "view-data", by=asked.user)
        if kind == "xml":
            return _xml_page(count, links, shown)
        return in_json({"count": count, **links, "results": [self.shown(form, one, fields) for one in shown]})

    def _window(self, asked: Asked) -> tuple[int, int]:
        if "page" in asked.query and "limit" not in asked.query:
            size = int(asked.query.get("page_size", 100))
            return (int(asked.query["page"]) - 1) * size, size
        limit, start = asked.query.get("limit", "100"), asked.query.get("start", "0")
        if not limit.isdigit() or int(limit) < 1:
            raise Refused(400, {"limit": "A positive integer is required"})
        if not start.isdigit():
            raise Refused(400, {"start": "A positive integer is required."})
        return int(start), int(limit)

    def _mine(self, asked: Asked, form: Form, query: dict | None) -> dict:
        """The query, narrowed to the part that was shared with the asker."""
        part = form.shared[asked.user or ""].get("view_submissions")
        return {"$and": [query or {}, {"$or": part}]} if part else query or {}

    def _found(self, form: Form, query: dict, order: dict) -> list[int]:
        """The `_id`s that a query means, in their order. By `_id` alone, no row is looked at."""
        wanted = query.get("_id")
        least = [name for name in ("$gt", "$gte") if isinstance(wanted, dict) and list(wanted) == [name]]
        if not query:
            ids = form.ids
        elif list(query) == ["_id"] and isinstance(wanted, int):
            ids = [wanted] if wanted in form.by_id else []
        elif list(query) == ["meta/rootUuid"] and isinstance(query["meta/rootUuid"], str):
            ids = [form.subs[one].id for one in [query["meta/rootUuid"]] if one in form.subs]
        elif list(query) == ["_id"] and least:
            ids = form.above(wanted[least[0]], inclusive=least[0] == "$gte")
        else:
            ids = [one for one in form.ids if matches(self._look(form, form.by_id[one]), query)]
        if list(order) not in ([], ["_id"]):
            looks = {one: self._look(form, form.by_id[one]) for one in ids}
            for name, way in reversed(list(order.items())):
                ids = sorted(ids, key=lambda one: sorting(looks[one](name)), reverse=way == -1)
        elif order.get("_id") == -1:
            ids = ids[::-1]
        return ids

    def _look(self, form: Form, sub: Sub) -> Look:
        system = {
            "_id": sub.id, "_uuid": sub.current.uuid, "meta/rootUuid": sub.root, "_submission_time": sub.at[:19], "_submitted_by": sub.by,
            "_xform_id_string": sub.current.named, "_status": "submitted_via_web", "_validation_status.uid": sub.review,
        }
        answers = sub.current.answers
        return lambda name: system.get(name, answers.get(name))

    def shown(self, form: Form, sub: Sub, fields: list[str] | None = None) -> dict[str, Any]:
        """A row; of `fields` alone, in the order in which MongoDB gives them back, when they are named.

        A validation status that is not among the fields shows as {}, though there be one (K256)."""
        answers, now = sub.current.answers, sub.current
        if fields:
            wanted = {*fields, *_ALWAYS}
            answers = {name: value for name, value in answers.items() if name in wanted}
        ends: dict[str, Any] = {"_xform_id_string": sub.current.named, "_uuid": now.uuid}
        if "meta/rootUuid" not in answers:
            ends["meta/rootUuid"] = sub.root
        if not fields:
            return {
                "_id": sub.id, **answers, **ends, "_attachments": self._attachments(form, sub, answers), "_status": "submitted_via_web", "_geolocation": self._place(form, answers),
                "_submission_time": sub.at[:19], "_validation_status": sub.status or {}, "_submitted_by": sub.by,
            }
        ends |= {"_status": "submitted_via_web", "_submission_time": sub.at[:19]} | ({"_validation_status": sub.status} if sub.status else {}) | {"_submitted_by": sub.by}
        if "_attachments" in wanted or "_geolocation" in wanted:
            place = {"_attachments": self._attachments(form, sub, answers), "_geolocation": self._place(form, now.answers)}
            ends = {**{name: value for name, value in ends.items() if name in ("_xform_id_string", "_uuid", "meta/rootUuid")}, **place, **ends}
        kept = {**answers, **{name: value for name, value in ends.items() if name in wanted}, "_id": sub.id}
        return kept if "_validation_status" in kept else {**kept, "_validation_status": {}}

    def _attachments(self, form: Form, sub: Sub, answers: dict[str, Any]) -> list[dict[str, Any]]:
        shown = []
        for name, uid in sub.uids.items():
            url = self.url(f"assets/{form.uid}/data/{sub.id}/attachments/{uid}/")
            one: dict[str, Any] = {
                "download_url": url, "mimetype": mimetype(name), "filename": f"{self.world.owner}/attachments/{form.formhub}/{bare(sub.root)}/{name.replace(' ', '_')}",
                "media_file_basename": name, "uid": uid, "is_deleted": False,
            }
            if mimetype(name).startswith("image/"):
                one |= {f"download_{size}_url": f"{url}{size}/" for size in ("large", "medium", "small")}
            shown.append(one | {"question_xpath": where(answers, name)})
        return shown

    def _place(self, form: Form, answers: dict[str, Any]) -> list[float | None]:
        for path in form.versions[-1].points:
            if text := answers.get(path):
                return [float(one) for one in text.split()[:2]]
        return [None, None]

    def row(self, asked: Asked, uid: str, key: str) -> Answer:
        form, sub = self._row_of(asked, uid, key)
        if asked.query.get("format") == "xml":
            return Answer(200, sub.current.xml, {"Content-Type": "application/xml; charset=utf-8"})
        return in_json(self.shown(form, sub))

    def delete_row(self, asked: Asked, uid: str, key: str) -> Answer:
        form, sub = self._row_of(asked, uid, key, "delete_submissions")
        self.world.delete(form.uid, sub.id)
        return Answer(204)

    def _readable(self, asked: Asked, uid: str) -> Form:
        form = self.form(asked, uid)
        if "view_submissions" not in form.shared[asked.user or ""]:
            raise NOT_FOUND
        return form

    def _row_of(self, asked: Asked, uid: str, key: str, permission: str = "") -> tuple[Form, Sub]:
        form = self._readable(asked, uid)
        if permission and not self.world.may(form, asked.user, permission):
            raise FORBIDDEN
        sub = self.world.sub(uid, int(key) if key.isdigit() else prefixed(bare(key)))
        if not key.isdigit() and (prefixed(bare(key)) == bare(key) or bare(key) not in (bare(sub.root), sub.current.uuid)):
            # Found by the first uuid or by the current one; ids that are no uuids are not asked for in this way.
            raise NOT_FOUND
        if not matches(self._look(form, sub), self._mine(asked, form, None)):
            raise NOT_FOUND
        return form, sub

    # Many at once

    def _payload(self, asked: Asked) -> dict[str, Any]:
        said = asked.json()["payload"]
        return json.loads(said) if isinstance(said, str) else said

    def _many(self, form: Form, payload: dict[str, Any]) -> list[int]:
        wanted = payload.get("submission_ids") or (form.ids if payload.get("confirm") else [])
        return [int(one) for one in list(wanted) if int(one) in form.by_id]

    def bulk_edit(self, asked: Asked, uid: str) -> Answer:
        form, payload = self._allowed(asked, uid, "change_submissions")
        if "data" not in payload:
            raise Refused(400, {"payload": ["`data` is required"]})
        ids = self._many(form, payload)
        if not ids:
            raise Refused(400, ["No submissions match the given `submission_ids`"])
        changed = self.world.bulk_edit(uid, ids, payload["data"])
        results = [{"uuid": one.current.uuid, "root_uuid": bare(one.root), "status_code": 201, "message": "Successful submission"} for one in changed]
        return in_json({"count": len(results), "successes": len(results), "failures": 0, "results": results})

    def bulk_delete(self, asked: Asked, uid: str) -> Answer:
        form, payload = self._allowed(asked, uid, "delete_submissions")
        ids = self._many(form, payload)
        for one in ids:
            self.world.delete(uid, one)
        return in_json({"detail": f"{len(ids)} submissions have been deleted"})

    def validate_many(self, asked: Asked, uid: str) -> Answer:
        form, payload = self._allowed(asked, uid, "validate_submissions")
        ids = self._many(form, payload)
        for one in ids:
            self.world.review(uid, one, payload["validation_status.uid"], by=asked.user or "")
        return in_json({"detail": f"{len(ids)} submissions have been updated"})

    def _allowed(self, asked: Asked, uid: str, permission: str) -> tuple[Form, dict[str, Any]]:
        return self.form(asked, uid, permission), self._payload(asked)

    def duplicate(self, asked: Asked, uid: str, key: str) -> Answer:
        form, sub = self._row_of(asked, uid, key, "change_submissions")
        made = self.world.duplicate(uid, sub.id)
        return in_json(self.shown(form, made), 201)

    # Validation

    def validation(self, asked: Asked, uid: str, key: str) -> Answer:
        return in_json(self._row_of(asked, uid, key)[1].status or {})

    def validate(self, asked: Asked, uid: str, key: str) -> Answer:
        form, sub = self._row_of(asked, uid, key, "validate_submissions")
        return in_json(self.world.review(form.uid, sub.id, asked.json().get("validation_status.uid") or "", by=asked.user or "").status or {})

    def unvalidate(self, asked: Asked, uid: str, key: str) -> Answer:
        form, sub = self._row_of(asked, uid, key, "validate_submissions")
        self.world.review(form.uid, sub.id, None)
        return Answer(204)

    # Attachments

    def attachment_by_path(self, asked: Asked, uid: str, key: str) -> Answer:
        _, sub = self._row_of(asked, uid, key)
        if "format" in asked.query:
            return Answer(404, b"detail", {"Content-Type": "*/*"})
        if "xpath" not in asked.query:
            raise Refused(400, "`xpath` query parameter is required")
        for name in sub.uids:
            if where(sub.current.answers, name) == asked.query["xpath"]:
                return _file(asked, sub, name)
        raise NOT_FOUND

    def attachment(self, asked: Asked, uid: str, key: str, file: str) -> Answer:
        _, sub = self._row_of(asked, uid, key)
        for name, one in sub.uids.items():
            if one == file:
                return _file(asked, sub, name)
        raise NOT_FOUND


def _file(asked: Asked, sub: Sub, name: str) -> Answer:
    """A file as nginx gives it, with the time at which it came."""
    content, came = sub.files[name] or b"", dt.datetime.fromisoformat(sub.came[name]).replace(microsecond=0)
    etag = f'"{int(came.timestamp()):x}-{len(content):x}"'
    way = "inline" if mimetype(name).startswith("image/") else "attachment"
    headers = {"Last-Modified": format_datetime(came, usegmt=True), "Content-Disposition": f"{way}; filename={name}", "ETag": etag}
    if asked.headers.get("If-None-Match") == etag:
        return Answer(304, b"", headers)
    headers = {"Content-Type": mimetype(name), **headers}
    if wanted := asked.headers.get("Range"):
        first, last = (int(one) for one in wanted.removeprefix("bytes=").split("-"))
        return Answer(206, content[first : last + 1], headers | {"Content-Range": f"bytes {first}-{last}/{len(content)}"})
    return Answer(200, content, headers | {"Accept-Ranges": "bytes"})


def _json(asked: Asked, name: str) -> Any:
    if name not in asked.query:
        return None
    try:
        return json.loads(asked.query[name])
    except ValueError:
        raise Refused(400, {name: "Value must be valid JSON."}) from None


def _xml_page(count: int, links: dict[str, str | None], shown: list[Sub]) -> Answer:
    said = "".join(f"<{name}>{(value or 'None').replace('&', '&amp;')}</{name}>" for name, value in links.items())
    rows = b"".join(one.current.xml.partition(b"?>")[2] if one.current.xml.startswith(b"<?xml") else one.current.xml for one in shown)
    body = f'<?xml version="1.0" encoding="utf-8"?><root><count>{count}</count>{said}<results>'.encode() + rows + b"</results></root>"
    return Answer(200, body, {"Content-Type": "application/xml; charset=utf-8"})
