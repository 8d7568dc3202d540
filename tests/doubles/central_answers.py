"""A Central's answers as the recordings show them. Knows the world; knows no sockets."""
from __future__ import annotations

import csv
import datetime as dt
import hashlib
import io
import json
import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass
from email.parser import BytesParser
from email.policy import HTTP
from html import escape
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from doubles.central_rows import fields, folded, row, table
from doubles.central_world import Dataset, Entity, Form, FormVersion, Refused, Sub, World, declared, hash_of, written
from doubles.server import Answer

NOT_THERE = Refused(404, "Could not find the resource you were looking for.", 404.1)
NO_ENTRY = Refused(401, "Could not authenticate with the provided credentials.", 401.2)


@dataclass
class Asked:
    method: str
    path: str
    query: dict[str, str]
    headers: Any
    body: bytes = b""
    rest: tuple[str, ...] = ()


def in_json(value: Any, status: int = 200, **headers: str) -> Answer:
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return Answer(status, body, {"Content-Type": "application/json; charset=utf-8", "ETag": _etag(body), **headers})


def _etag(body: bytes) -> str:
    return f'W/"{len(body):x}-{b64encode(hashlib.sha1(body).digest()).decode()[:27]}"'


# Of a question to OData, what chooses rows: the rest does not make another ETag.
_CHOOSING = ("$filter", "$orderby", "$top", "$skip", "$skiptoken")


class Answers:
    """Routes and shapes. `domain` is the host that Central believes it has, which may not be the one that was dialled."""

    def __init__(self, world: World, domain: str = "https://central.example.org") -> None:
        self.world, self.domain = world, domain
        self.tokens: set[str] = set()
        self.keys: set[str] = set()
        p, f, s, d = f"/v1/projects/{world.project}", "/forms/([^/]+)", "/submissions/([^/]+)", "/datasets/([^/]+)"
        self.routes: list[tuple[str, re.Pattern, Callable]] = [
            (method, re.compile(pattern + r"\Z"), do)
            for method, pattern, do in [
                ("POST", "/v1/sessions", self.sign_in), ("DELETE", "/v1/sessions/([^/]+)", self.sign_out),
                ("POST", "/v1/projects", self.make_project), ("GET", p, self.show_project),
                ("POST", f"{p}/app-users", self.app_user),
                ("POST", f"{p}{f}/assignments/app-user/(\\d+)", self.done),
                ("GET", f"{p}/forms", self.forms), ("POST", f"{p}/forms", self.upload),
                ("GET", f"{p}{f}/draft/attachments", self.draft_files),
                ("POST", f"{p}{f}/draft/attachments/([^/]+)", self.put_draft_file),
                ("POST", f"{p}{f}/draft/publish", self.publish),
                ("GET", f"{p}/forms/([^/]+)\\.xml", self.form_xml), ("GET", f"{p}{f}/versions", self.versions),
                ("GET", f"{p}{f}/versions/(.+)\\.xml", self.version_xml),
                ("GET", f"{p}{f}/versions/([^/]+)/attachments", self.version_files),
                ("GET", f"{p}{f}/versions/([^/]+)/attachments/([^/]+)", self.version_file),
                ("GET", f"{p}/forms/([^/]+)\\.svc/Submissions", self.odata),
                ("GET", f"{p}/forms/([^/]+)\\.svc/Submissions\\.([^/]+)", self.odata_table),
                ("GET", f"{p}/forms/([^/]+)\\.svc/Submissions\\('([^/]+)'\\)", self.odata_row),
                ("GET", f"{p}{f}/submissions", self.listing),
                ("GET", f"{p}{f}/submissions/([^/]+)\\.xml", self.sub_xml),
                ("GET", f"{p}{f}{s}/versions", self.sub_versions),
                ("GET", f"{p}{f}{s}/versions/(.+)\\.xml", self.sub_version_xml),
                ("GET", f"{p}{f}{s}/attachments", self.sub_files),
                ("GET", f"{p}{f}{s}/attachments/([^/]+)", self.sub_file),
                ("GET", f"{p}{f}{s}/comments", self.comments), ("POST", f"{p}{f}{s}/comments", self.comment),
                ("GET", f"{p}{f}{s}/audits", self.audits), ("POST", f"{p}{f}{s}/restore", self.restore),
                ("GET", f"{p}{f}{s}", self.sub), ("PATCH", f"{p}{f}{s}", self.review), ("PUT", f"{p}{f}{s}", self.edit),
                ("DELETE", f"{p}{f}{s}", self.delete),
                ("GET", f"{p}/datasets", self.datasets), ("GET", f"{p}{d}", self.dataset),
                ("GET", f"{p}{d}/entities.csv", self.entity_csv),
                ("GET", f"{p}/datasets/([^/]+)\\.svc/Entities", self.entity_odata),
                ("GET", f"{p}{d}/entities/([^/]+)", self.entity), ("GET", f"{p}{d}/entities/([^/]+)/versions", self.entity_versions),
                ("PATCH", f"{p}{d}/entities/([^/]+)", self.change_entity), ("POST", f"{p}{d}/entities", self.new_entity),
                ("DELETE", f"{p}{d}/entities/([^/]+)", self.remove_entity),
            ]
        ]

    def answer(self, method: str, target: str, headers: Any, body: bytes) -> Answer:
        parts = urlsplit(target)
        query = {key: values[-1] for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
        asked = Asked(method, parts.path, query, headers, body)
        before, self.world.agent = self.world.agent, headers.get("User-Agent") or self.world.agent
        try:
            return self._openrosa(asked) if parts.path.startswith("/v1/key/") else self._routed(asked)
        finally:
            self.world.agent = before

    def _routed(self, asked: Asked) -> Answer:
        try:
            if not asked.path.startswith("/v1/sessions") and not self._known(asked.headers):
                raise NO_ENTRY
            for wanted, pattern, do in self.routes:
                if wanted == asked.method and (found := pattern.match(asked.path)):
                    asked.rest = tuple(unquote(one) for one in found.groups())
                    return do(asked, *asked.rest)
            raise NOT_THERE
        except Refused as refused:
            said = {"message": refused.message, "code": refused.code} | ({"details": refused.details} if refused.details else {})
            return in_json(said, refused.status)

    def _known(self, headers: Any) -> bool:
        return (headers.get("Authorization") or "").removeprefix("Bearer ") in self.tokens

    # Who

    def sign_in(self, asked: Asked) -> Answer:
        said = json.loads(asked.body)
        if (said.get("email"), said.get("password")) != (self.world.email, self.world.password):
            raise NO_ENTRY
        token, csrf, now = self.world.uid("token"), self.world.uid("token"), self.world.tick()
        self.tokens.add(token)
        return in_json({"token": token, "csrf": csrf, "expiresAt": written(self.world.now + dt.timedelta(days=1)), "createdAt": now})

    def sign_out(self, asked: Asked, token: str) -> Answer:
        self.tokens.discard(token)
        return self.done(asked)

    def done(self, asked: Asked, *_: str) -> Answer:
        return in_json({"success": True})

    def make_project(self, asked: Asked) -> Answer:
        return in_json(self._project(json.loads(asked.body)["name"]))

    def show_project(self, asked: Asked) -> Answer:
        return in_json(self._project("Recorded"))

    def _project(self, name: str) -> dict:
        return {"id": self.world.project, "name": name, "acteeId": self.world.uid("project"), "createdAt": self.world.tick(), "updatedAt": None, "deletedAt": None, "archived": None, "keyId": None, "description": None}

    def app_user(self, asked: Asked) -> Answer:
        key, csrf, now = self.world.uid("token"), self.world.uid("token"), self.world.tick()
        self.keys.add(key)
        self.world.tablet_made = now
        return in_json({"projectId": self.world.project, "id": self.world.tablet, "type": "field_key", "displayName": json.loads(asked.body)["displayName"], "createdAt": now, "updatedAt": None, "deletedAt": None, "token": key, "csrf": csrf, "expiresAt": "9999-12-31T23:59:59.000Z"})

    # Forms

    def upload(self, asked: Asked) -> Answer:
        from odk.xlsform import compile_xlsform

        form = self.world.upload(compile_xlsform(asked.body, validate=False).xform)
        return in_json(self._form(form, form.draft, draft=True))

    def publish(self, asked: Asked, form: str) -> Answer:
        self.world.publish(form)
        return self.done(asked)

    def forms(self, asked: Asked) -> Answer:
        extended = asked.headers.get("X-Extended-Metadata")
        return in_json([self._form(one, one.published or one.draft, extended=bool(extended)) for one in sorted(self.world.forms.values(), key=lambda one: one.id)])

    def versions(self, asked: Asked, form: str) -> Answer:
        found = self._known_form(form)
        return in_json([self._form(found, one) for one in reversed(found.versions)])

    def _form(self, form: Form, version: FormVersion, *, extended: bool = False, draft: bool = False) -> dict:
        xform, moment = version.xform, version.at
        shown = {
            "projectId": self.world.project, "xmlFormId": form.id, "state": form.state, "enketoId": None, "enketoOnceId": None,
            "createdAt": form.made, "updatedAt": moment, "webformsEnabled": True, "keyId": None, "version": version.version,
            "hash": hashlib.md5(xform).hexdigest(), "sha": hashlib.sha1(xform).hexdigest(), "sha256": hashlib.sha256(xform).hexdigest(),
            "draftToken": self.world.uid("token") if draft else None, "publishedAt": moment, "name": form.title,
        }
        if extended:
            live = [one for one in form.subs.values() if not one.deleted]
            shown |= {
                "submissions": len(live), "entityRelated": bool(declared(xform)),
                "reviewStates": {name: sum((one.review or "received") == name for one in live) for name in ("received", "hasIssues", "edited")},
                "lastSubmission": max((one.at for one in live), default=None), "excelContentType": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
                "publicLinks": 0, "createdBy": self._actor(self.world.admin),
            }
        return shown

    def form_xml(self, asked: Asked, form: str) -> Answer:
        return _xml(self._known_form(form).published.xform)

    def version_xml(self, asked: Asked, form: str, version: str) -> Answer:
        return _xml(self._version(form, version).xform)

    def draft_files(self, asked: Asked, form: str) -> Answer:
        return in_json(self._files(self.world.forms[form].draft))

    def put_draft_file(self, asked: Asked, form: str, name: str) -> Answer:
        self.world.forms[form].draft.media[name] = asked.body
        mine = next(one for one in self._files(self.world.forms[form].draft) if one["name"] == name)
        return in_json(mine | {"size": len(asked.body), "updatedAt": self.world.tick()})

    def version_files(self, asked: Asked, form: str, version: str) -> Answer:
        return in_json(self._files(self._version(form, version)))

    def version_file(self, asked: Asked, form: str, version: str, name: str) -> Answer:
        content = self._version(form, version).media.get(name)
        if content is None:
            raise NOT_THERE
        return _file(name, content, asked)

    def _files(self, version: FormVersion) -> list[dict]:
        found = []
        for name, content in sorted(version.media.items()):
            dataset = content is None and name.removesuffix(".csv") in self.world.datasets
            digest = hashlib.md5(content).hexdigest() if content is not None else None
            found.append({"name": name, "type": "file", "hash": digest, "exists": dataset or content is not None, "blobExists": content is not None, "datasetExists": dataset})
        return found

    def _known_form(self, form: str) -> Form:
        if form not in self.world.forms or not self.world.forms[form].versions:
            raise NOT_THERE
        return self.world.forms[form]

    def _version(self, form: str, version: str) -> FormVersion:
        wanted = "" if version == "___" else version
        found = [one for one in self._known_form(form).versions if one.version == wanted]
        if not found:
            raise NOT_THERE
        return found[0]

    # Submissions

    def odata(self, asked: Asked, form: str) -> Answer:
        found = self._known_form(form)
        rows = _ordered(_listed(found, asked.query.get("$filter")), asked.query.get("$orderby"))
        shown, extra = self._paged(asked, rows, lambda one: one.root, "instanceId")
        etag = _event_hash(found, asked)
        if asked.headers.get("If-None-Match") == etag:
            return Answer(304, b"", {"ETag": etag})
        return in_json({"value": self._rows(found, shown, asked), **self._context(form), **extra(f"{self._svc(form)}/Submissions")}, ETag=etag)

    def odata_table(self, asked: Asked, form: str, path: str) -> Answer:
        found = self._known_form(form)
        rows = [self._row(found, one, asked) for one in _listed(found)]
        return in_json({"value": table(rows, path.split(".")), **self._context(form, f"Submissions.{path}")}, ETag=_event_hash(found, asked))

    def odata_row(self, asked: Asked, form: str, root: str) -> Answer:
        return in_json({"value": self._rows(self._known_form(form), [self.world.sub(form, root)], asked), **self._context(form)})

    def _svc(self, form: str) -> str:
        return f"{self.domain}/v1/projects/{self.world.project}/forms/{form}.svc"

    def _context(self, form: str, name: str = "Submissions") -> dict:
        return {"@odata.context": f"{self._svc(form)}/$metadata#{name}"}

    def _rows(self, form: Form, subs: list[Sub], asked: Asked) -> list[dict]:
        # Of what `$select` may name the double knows the two that name and date a submission.
        if asked.query.get("$select") == "__id,__system":
            return [{"__id": one.root, "__system": self._system(one)} for one in subs]
        found = [self._row(form, one, asked) for one in subs]
        return found if asked.query.get("$expand") == "*" else [folded(one) for one in found]

    def _row(self, form: Form, sub: Sub, asked: Asked) -> dict:
        shown = row(sub.current.xml, fields(form.published.xform), sub.root, wkt=asked.query.get("$wkt") == "true")
        return shown | {"__system": self._system(sub)}

    def _paged(self, asked: Asked, rows: list, key: Callable, name: str) -> tuple[list, Callable[[str], dict]]:
        total, start = len(rows), 0
        if token := asked.query.get("$skiptoken"):
            after = json.loads(b64decode(token[2:]))[name]
            start = next((i for i, one in enumerate(rows) if key(one) == after), None)
            if start is None:
                raise Refused(400, "Invalid skiptoken", 400.33)
            start += 1
        size = int(asked.query.get("$top", total) or total)
        page = rows[start : start + size]

        def extra(url: str) -> dict:
            said: dict[str, Any] = {}
            if start + size < total and page:
                token = "01" + b64encode(json.dumps({name: key(page[-1])}, separators=(",", ":")).encode()).decode()
                query = "&".join(f"{quote(one)}={quote(value, safe='*')}" for one, value in {**asked.query, "$skiptoken": token}.items())
                said["@odata.nextLink"] = f"{url}?{query}"
            return said | ({"@odata.count": total} if asked.query.get("$count") == "true" else {})

        return page, extra

    def _system(self, sub: Sub) -> dict:
        here = sum(content is not None for content in sub.files.values())
        return {
            "submissionDate": sub.at, "updatedAt": sub.updated, "submitterId": str(self.world.tablet), "submitterName": "Tablet 1",
            "attachmentsPresent": here, "attachmentsExpected": len(sub.files), "status": None, "reviewState": sub.review,
            "deviceId": sub.device, "edits": len(sub.versions) - 1, "formVersion": sub.versions[0].form_version, "deletedAt": sub.deleted,
        }

    def listing(self, asked: Asked, form: str) -> Answer:
        found = self._known_form(form)
        return in_json([self._sub(one) for one in _listed(found)], ETag=_event_hash(found, asked))

    def sub(self, asked: Asked, form: str, root: str) -> Answer:
        return in_json(self._sub(self.world.sub(form, root)))

    def _sub(self, sub: Sub) -> dict:
        return self._head(sub) | {"userAgent": sub.versions[0].agent, "submitter": self._actor(self.world.tablet), "currentVersion": self._def(sub, sub.current)}

    def _head(self, sub: Sub) -> dict:
        return {"instanceId": sub.root, "submitterId": self.world.tablet, "deviceId": sub.device, "createdAt": sub.at, "updatedAt": sub.updated, "reviewState": sub.review, "deletedAt": sub.deleted}

    def _def(self, sub: Sub, version: Any, *, who: bool = True) -> dict:
        shown = {"submitterId": version.actor, "createdAt": version.at, "instanceName": version.name, "instanceId": version.instance_id, "current": version is sub.current, "deviceId": sub.device, "userAgent": version.agent}
        return shown | ({"submitter": self._actor(version.actor)} if who else {})

    def _actor(self, number: int) -> dict:
        person = number == self.world.admin
        return {"id": number, "type": "user" if person else "field_key", "displayName": self.world.email if person else "Tablet 1", "createdAt": "2026-11-24T03:11:01.330Z" if person else self.world.tablet_made, "updatedAt": None, "deletedAt": None}

    def sub_xml(self, asked: Asked, form: str, root: str) -> Answer:
        return _xml(self.world.sub(form, root).current.xml)

    def sub_versions(self, asked: Asked, form: str, root: str) -> Answer:
        sub = self.world.sub(form, root)
        return in_json([self._def(sub, one) | {"formVersion": one.form_version} for one in reversed(sub.versions)])

    def sub_version_xml(self, asked: Asked, form: str, root: str, instance: str) -> Answer:
        found = [one for one in self.world.sub(form, root).versions if one.instance_id == instance]
        if not found:
            raise NOT_THERE
        return _xml(found[0].xml)

    def sub_files(self, asked: Asked, form: str, root: str) -> Answer:
        return in_json([{"name": name, "exists": content is not None} for name, content in sorted(self.world.sub(form, root).files.items())])

    def sub_file(self, asked: Asked, form: str, root: str, name: str) -> Answer:
        content = self.world.sub(form, root).files.get(name)
        if content is None:
            raise NOT_THERE
        return _file(name, content, asked)

    def comments(self, asked: Asked, form: str, root: str) -> Answer:
        return in_json(self.world.sub(form, root).comments)

    def comment(self, asked: Asked, form: str, root: str) -> Answer:
        return in_json(self.world.comment(form, root, json.loads(asked.body)["body"]))

    def audits(self, asked: Asked, form: str, root: str) -> Answer:
        return in_json(self.world.sub(form, root).audits)

    def review(self, asked: Asked, form: str, root: str) -> Answer:
        state = json.loads(asked.body)["reviewState"]
        return in_json(self._head(self.world.review(form, root, state, asked.headers.get("X-Action-Notes"))))

    def edit(self, asked: Asked, form: str, root: str) -> Answer:
        sub = self.world.edit(form, root, asked.body)
        return in_json(self._head(sub) | {"userAgent": sub.versions[0].agent, "currentVersion": self._def(sub, sub.current, who=False)})

    def delete(self, asked: Asked, form: str, root: str) -> Answer:
        self.world.delete(form, root)
        return self.done(asked)

    def restore(self, asked: Asked, form: str, root: str) -> Answer:
        self.world.restore(form, root)
        return self.done(asked)

    # Entities

    def _dataset(self, name: str) -> Dataset:
        if name not in self.world.datasets:
            raise NOT_THERE
        return self.world.datasets[name]

    def _dataset_head(self, one: Dataset) -> dict:
        return {"name": one.name, "createdAt": one.made, "projectId": self.world.project, "approvalRequired": False, "ownerOnly": False, "deletedAt": None}

    def datasets(self, asked: Asked) -> Answer:
        shown = []
        for one in self.world.datasets.values():
            live = [entity for entity in one.entities.values() if not entity.deleted]
            more = {"entities": len(live), "lastEntity": max((entity.at for entity in live), default=None), "conflicts": sum(entity.conflict is not None for entity in live)}
            shown.append(self._dataset_head(one) | (more if asked.headers.get("X-Extended-Metadata") else {}))
        return in_json(shown)

    def dataset(self, asked: Asked, name: str) -> Answer:
        one = self._dataset(name)
        properties = [{"name": prop, "publishedAt": one.published.get(prop), "odataName": prop, "forms": self._savers(one, prop)} for prop in self._properties(one)]
        linked = [form for form in self._published() if f"{name}.csv" in form.published.media and form.published.media[f"{name}.csv"] is None]
        return in_json(self._dataset_head(one) | {
            "lastUpdate": one.updated, "linkedForms": [_named(form) for form in linked], "sourceForms": self._savers(one),
            "draftLinkedForms": [], "draftSourceForms": [], "properties": properties,
        })

    def _published(self) -> list[Form]:
        return sorted((one for one in self.world.forms.values() if one.published), key=lambda one: one.title)

    def _savers(self, one: Dataset, prop: str | None = None) -> list[dict]:
        """The forms that write the list, or one of its properties."""
        return [_named(form) for form in self._published() if (found := declared(form.published.xform).get(one.name)) is not None and (prop is None or prop in found)]

    def _properties(self, one: Dataset) -> list[str]:
        # What several forms save came first in what was recorded; Central promises no order.
        return sorted(one.properties, key=lambda prop: -len(self._savers(one, prop)))

    def _entities(self, one: Dataset) -> list[Entity]:
        live = [entity for entity in one.entities.values() if not entity.deleted]
        return sorted(reversed(live), key=lambda entity: entity.at, reverse=True)

    def _name_of(self, actor: int) -> str:
        return self._actor(actor)["displayName"]

    def entity_csv(self, asked: Asked, name: str) -> Answer:
        one, out = self._dataset(name), io.StringIO()
        properties = self._properties(one)
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["__id", "label", *properties, "__createdAt", "__creatorId", "__creatorName", "__updates", "__updatedAt", "__version"])
        for entity in self._entities(one):
            now = entity.versions[-1]
            writer.writerow([entity.uuid, now["label"], *(now["data"].get(prop, "") for prop in properties), entity.at, entity.actor, self._name_of(entity.actor), len(entity.versions) - 1, entity.updated or "", now["version"]])
        etag = f'"{hash_of(name, one.events)}"'
        if asked.headers.get("If-None-Match") == etag:
            return Answer(304, b"", {"ETag": etag})
        return Answer(200, out.getvalue().encode(), {"Content-Type": "text/csv; charset=utf-8", "ETag": etag, "Content-Disposition": f"attachment; filename=\"{name}.csv\"; filename*=UTF-8''{name}.csv"})

    def entity_odata(self, asked: Asked, name: str) -> Answer:
        one = self._dataset(name)
        wanted = asked.query.get("$filter")
        rows = [entity for entity in self._entities(one) if not wanted or _times(wanted, {"createdAt": entity.at, "updatedAt": entity.updated})]
        shown, extra = self._paged(asked, rows, lambda entity: entity.uuid, "uuid")
        value = []
        for entity in shown:
            now = entity.versions[-1]
            system = {"createdAt": entity.at, "creatorId": str(entity.actor), "creatorName": self._name_of(entity.actor), "updates": len(entity.versions) - 1, "updatedAt": entity.updated, "version": now["version"], "conflict": entity.conflict}
            value.append({"__id": entity.uuid, "label": now["label"], "__system": system, **{prop: now["data"].get(prop, "") for prop in one.properties}})
        base = f"{self.domain}/v1/projects/{self.world.project}/datasets/{name}.svc"
        found = in_json({"value": value, "@odata.context": f"{base}/$metadata#Entities", **extra(f"{base}/Entities")})
        found.headers.pop("ETag")
        return found

    def entity(self, asked: Asked, name: str, uuid: str) -> Answer:
        return in_json(self._entity(self.world.entity(name, uuid), who=True))

    def _entity(self, entity: Entity, *, who: bool = False) -> dict:
        shown = {"uuid": entity.uuid, "creatorId": entity.actor, "conflict": entity.conflict, "createdAt": entity.at, "updatedAt": entity.updated, "deletedAt": entity.deleted}
        now = self._entity_version(entity.versions[-1], entity) | ({"creator": self._actor(entity.actor)} if who else {})
        return shown | {"currentVersion": now} | ({"creator": self._actor(entity.actor)} if who else {})

    def _entity_version(self, one: dict, entity: Entity) -> dict:
        return {key: value for key, value in one.items() if key not in ("sub", "form", "event", "conflict")} | {"current": one is entity.versions[-1]}

    def entity_versions(self, asked: Asked, name: str, uuid: str) -> Answer:
        entity = self.world.entity(name, uuid)
        return in_json([self._entity_version(one, entity) | self._of_conflict(one, entity) | {"source": self._source(one)} for one in entity.versions])

    def _source(self, one: dict) -> dict:
        sub = one["sub"]
        if sub is None:
            return {}
        # Here, Central gives for the time of a submission that of the line about it in its audit log.
        return {"event": one["event"] | {"actor": self._actor(one["event"]["actorId"])}, "submission": {"xmlFormId": one["form"].id} | self._sub(sub) | {"createdAt": sub.audits[-1]["loggedAt"]}}

    def _of_conflict(self, one: dict, entity: Entity) -> dict:
        """What a version says of conflicts: which of what it brought is other than in its base, and than on the server."""
        states = {each["version"]: each for each in entity.versions}
        good = max(each["version"] for each in entity.versions if each["conflict"] is None)
        bases = [each["baseVersion"] for each in entity.versions if each["conflict"]]
        matters = one["conflict"] is not None or one["version"] in (good, *bases)
        return {
            "conflict": one["conflict"], "resolved": one["conflict"] is not None and entity.conflict is None,
            "baseDiff": _other(one, states.get(one["baseVersion"])), "serverDiff": _other(one, states.get(one["version"] - 1)),
            "lastGoodVersion": one["version"] > 1 and one["version"] == good, "relevantToConflict": entity.conflict is not None and matters,
        }

    def change_entity(self, asked: Asked, name: str, uuid: str) -> Answer:
        said, query = json.loads(asked.body), asked.query
        base = int(query["baseVersion"]) if "baseVersion" in query else None
        done = self.world.change_entity(name, uuid, said.get("data") or {}, said.get("label"), base, force=query.get("force") == "true", resolve=query.get("resolve") == "true")
        return in_json(self._entity(done))

    def new_entity(self, asked: Asked, name: str) -> Answer:
        said = json.loads(asked.body)
        if "entities" in said:
            now = self.world.tick()
            for one in said["entities"]:
                self.world.new_entity(name, one.get("uuid") or self.world.uid("entity"), one["label"], one.get("data") or {}, at=now)
            return self.done(asked)
        return in_json(self._entity(self.world.new_entity(name, said.get("uuid") or self.world.uid("entity"), said["label"], said.get("data") or {})))

    def remove_entity(self, asked: Asked, name: str, uuid: str) -> Answer:
        self.world.remove_entity(name, uuid)
        return self.done(asked)

    # Tablets

    def _openrosa(self, asked: Asked) -> Answer:
        if asked.path.split("/")[3] not in self.keys:
            return _said(403, "error", "The authentication you provided does not have rights to perform that action.")
        if not asked.path.endswith("/submission"):
            return _said(404, "error", NOT_THERE.message)
        if asked.method == "HEAD":
            return Answer(204, b"", {"X-OpenRosa-Version": "1.0", "ETag": _etag(b"")})
        message = BytesParser(policy=HTTP).parsebytes(f"Content-Type: {asked.headers['Content-Type']}\r\n\r\n".encode() + asked.body)
        parts = {part.get_param("name", header="content-disposition"): part.get_payload(decode=True) for part in message.iter_parts()}
        xml = parts.pop("xml_submission_file")
        try:
            self.world.submit(xml, {name: content for name, content in parts.items() if name != "*isIncomplete*"})
        except Refused as refused:
            return _said(refused.status, "error", refused.message)
        return _said(201, "", "full submission upload was successful!")


def _named(form: Form) -> dict:
    return {"name": form.title, "xmlFormId": form.id}


def _other(one: dict, than: dict | None) -> list[str]:
    known = than["data"] | {"label": than["label"]} if than else {}
    return [name for name, value in one["dataReceived"].items() if than and known.get(name) != value]


def _event_hash(form: Form, asked: Asked) -> str:
    chosen = [(name, asked.query[name]) for name in _CHOOSING if name in asked.query]
    return f'W/"eventhash:{hash_of(form.events, chosen) if form.subs else "0" * 32}"'


def _listed(form: Form, wanted: str | None = None) -> list[Sub]:
    return sorted((one for one in form.subs.values() if _matches(one, wanted)), key=lambda one: (one.at, one.id), reverse=True)


def _ordered(subs: list[Sub], wanted: str | None) -> list[Sub]:
    if not wanted:
        return subs
    name, _, way = wanted.removeprefix("__system/").partition(" ")
    return sorted(subs, key=lambda one: _of(one)[name] or "", reverse=way == "desc")


def _xml(body: bytes) -> Answer:
    return Answer(200, body, {"Content-Type": "application/xml; charset=utf-8", "ETag": _etag(body)})


def _file(name: str, content: bytes, asked: Asked) -> Answer:
    etag = f'"{hashlib.md5(content).hexdigest()}"'
    if asked.headers.get("If-None-Match") == etag:
        return Answer(304, b"", {"ETag": etag})
    kind = {"png": "image/png", "csv": "text/csv"}.get(name.rpartition(".")[2], "application/octet-stream")
    return Answer(200, content, {"Content-Type": kind, "ETag": etag, "Content-Disposition": f"inline; filename=\"{name}\"; filename*=UTF-8''{quote(name)}"})


def _said(status: int, nature: str, text: str) -> Answer:
    shown = escape(text).replace("&#x27;", "&#39;")
    body = f'\n  <OpenRosaResponse xmlns="http://openrosa.org/http/response" items="0">\n    <message nature="{nature}">{shown}</message>\n  </OpenRosaResponse>'.encode()
    version = {"X-OpenRosa-Version": "1.0"} if status != 403 else {}
    return Answer(status, body, {**version, "Content-Type": "text/xml; charset=utf-8", "ETag": _etag(body)})


def _matches(sub: Sub, wanted: str | None) -> bool:
    """Deleted ones are hidden, unless the filter names deletion."""
    if not wanted or "deletedAt" not in wanted:
        return not sub.deleted and (not wanted or _times(wanted, _of(sub)))
    return _times(wanted, _of(sub))


def _of(sub: Sub) -> dict[str, str | None]:
    return {"submissionDate": sub.at, "updatedAt": sub.updated, "deletedAt": sub.deleted, "reviewState": sub.review}


def _times(wanted: str, values: dict[str, str | None]) -> bool:
    def holds(clause: str) -> bool:
        found = re.fullmatch(r"__system/(\w+) (ge|gt|eq|ne) '?([^']*)'?", clause.strip())
        if not found:
            raise Refused(501, f"The given OData filter expression references fields not supported by this server: {clause.split()[0]} at 0", 501.5, {"at": 0, "text": clause.split()[0]})
        name, sign, text = found.groups()
        value = values.get(name)
        if text == "null":
            return (value is None) == (sign == "eq")
        return value is not None and {"ge": value >= text, "gt": value > text, "eq": value == text, "ne": value != text}[sign]

    return any(holds(one) for one in wanted.split(" or "))
