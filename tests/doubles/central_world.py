"""What a Central holds, and what people do to it: forms, submissions, reviews, entities. Knows no HTTP.

The clock is the world's own and only moves when something happens, so that a history ends the same at every run.
"""
from __future__ import annotations

import datetime as dt
import hashlib
import itertools
import uuid as uuids
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from xml.sax.saxutils import escape

from lxml import etree

_ENTITIES = "http://www.opendatakit.org/xforms/entities"
_START = dt.datetime(2026, 11, 24, 3, 25, 38, tzinfo=dt.UTC)


class Refused(Exception):
    """What Central answers instead: status, message, code."""

    def __init__(self, status: int, message: str, code: float, details: Any = None) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.details = status, message, code, details


@dataclass
class Version:
    instance_id: str
    xml: bytes
    at: str
    actor: int
    form_version: str
    name: str | None
    agent: str
    number: int


@dataclass
class Sub:
    id: int
    root: str
    at: str
    versions: list[Version]
    files: dict[str, bytes | None]
    updated: str | None = None
    deleted: str | None = None
    # No server tells this.
    restored: str = ""
    review: str | None = None
    comments: list[dict] = field(default_factory=list)
    audits: list[dict] = field(default_factory=list)
    device: str | None = None

    @property
    def current(self) -> Version:
        return self.versions[-1]


@dataclass
class FormVersion:
    xform: bytes
    version: str
    at: str | None
    media: dict[str, bytes | None] = field(default_factory=dict)


@dataclass
class Form:
    id: str
    title: str
    made: str
    actee: str
    versions: list[FormVersion] = field(default_factory=list)
    draft: FormVersion | None = None
    state: str = "open"
    subs: dict[str, Sub] = field(default_factory=dict)
    events: int = 0

    @property
    def published(self) -> FormVersion | None:
        return self.versions[-1] if self.versions else None


@dataclass
class Entity:
    uuid: str
    at: str
    actor: int
    versions: list[dict]
    updated: str | None = None
    deleted: str | None = None
    conflict: str | None = None


@dataclass
class Dataset:
    name: str
    made: str
    properties: list[str]
    updated: str
    published: dict[str, str] = field(default_factory=dict)
    entities: dict[str, Entity] = field(default_factory=dict)
    events: int = 0


class World:
    """One Central with one project."""

    def __init__(self, project: int = 6) -> None:
        self.project, self.now = project, _START
        self.forms: dict[str, Form] = {}
        self.datasets: dict[str, Dataset] = {}
        # Submissions and their versions are numbered apart.
        self.numbers, self.version_numbers = itertools.count(10246), itertools.count(10249)
        self.admin, self.tablet = 5, 33
        self.tablet_made = written(_START)
        # What a server makes up: replace it to have ids of one's own.
        self.uid = made_up
        # Who asks, as it calls itself.
        self.agent = "double"
        # Central makes entities some seconds after it has taken a submission: with `prompt` off, when `work` is called.
        self.prompt, self.to_do = True, []
        self.backlog: list[tuple[Sub, dict]] = []
        self.email, self.password = "admin@example.org", "PASSWORD"

    def tick(self, **passed: float) -> str:
        """Time passes (a millisecond, unless said otherwise); gives the time as Central writes it."""
        self.now += dt.timedelta(**passed) if passed else dt.timedelta(milliseconds=1)
        return written(self.now)

    # Forms

    def upload(self, xform: bytes, title: str | None = None) -> Form:
        """A draft of a form, from its XForm."""
        root = _primary(xform)
        form_id, version = root.get("id"), root.get("version") or ""
        if form_id not in self.forms:
            found = etree.fromstring(xform).find(".//{*}title")
            self.forms[form_id] = Form(form_id, title or (found.text if found is not None else form_id), self.tick(), self.uid("form"))
        form = self.forms[form_id]
        form.draft = FormVersion(xform, version, None, dict.fromkeys(_media(xform)))
        for name, properties in declared(xform).items():
            made = self.tick()
            known = self.datasets.setdefault(name, Dataset(name, made, [], made))
            known.properties += [one for one in properties if one not in known.properties]
        return form

    def publish(self, form_id: str) -> None:
        form = self.forms[form_id]
        form.draft.at = self.tick()
        for name, properties in declared(form.draft.xform).items():
            self.datasets[name].published = dict.fromkeys(properties, form.draft.at) | self.datasets[name].published
        form.versions.append(form.draft)
        form.draft = None

    def release(self, xform: bytes, media: dict[str, bytes] | None = None) -> Form:
        """Upload and publish at once."""
        form = self.upload(xform)
        form.draft.media |= media or {}
        self.publish(form.id)
        return form

    # Submissions

    def submit(self, xml: bytes, files: dict[str, bytes] | None = None, *, at: str | None = None, device: str | None = None) -> Sub:
        root = _parse(xml)
        form = self.forms.get(root.get("id") or "")
        if form is None or form.published is None:
            raise Refused(404, "Could not find the resource you were looking for.", 404.1)
        version = root.get("version") or ""
        if version not in [one.version for one in form.versions]:
            raise Refused(404, f"The form version specified in this submission '{version}' does not exist.", 404.6)
        instance = _meta(root, "instanceID") or self.uid("instance")
        if known := form.subs.get(instance):
            if known.current.xml != xml:
                raise Refused(409, "A submission already exists with this ID, but with different XML. Resubmissions to attach additional multimedia must resubmit an identical xml_submission_file.", 409.5)
            self._attach(known, files or {}, only_named=True)
            return known
        moment = at or self.tick()
        sub = Sub(next(self.numbers), instance, moment, [self._version(root, xml, moment, self.tablet, instance)], {}, device=device)
        sub.files = dict.fromkeys(_named_files(root, form))
        self._attach(sub, files or {}, only_named=True)
        form.subs[instance] = sub
        form.events += 1
        sub.audits.append(self._audit(self.tablet, "submission.create", form, sub, instance))
        self.to_do.append((root, form, sub))
        if self.prompt:
            self.work()
        return sub

    def _version(self, root: etree._Element, xml: bytes, moment: str, actor: int, instance: str) -> Version:
        name = _meta(root, "instanceName")
        # Central gives the name as it stands in the XML.
        shown = escape(name) if name else name
        return Version(instance, xml, moment, actor, root.get("version") or "", shown, self.agent, next(self.version_numbers))

    def edit(self, form_id: str, root_id: str, xml: bytes) -> Sub:
        sub, root = self.sub(form_id, root_id), _parse(xml)
        deprecated = _meta(root, "deprecatedID")
        if deprecated != sub.current.instance_id:
            raise Refused(409, f"You tried to update a submission, but the copy you were editing ({deprecated}) is now out of date. Please get the new version that has been submitted, and make your edits again.", 409.9, {"deprecatedId": deprecated})
        form = self.forms[form_id]
        sub.updated, sub.review = self.tick(), "edited"
        sub.versions.append(self._version(root, xml, self.tick(), self.admin, _meta(root, "instanceID")))
        sub.files = {name: sub.files.get(name) for name in _named_files(root, form)}
        sub.audits.insert(0, self._audit(self.admin, "submission.update.version", form, sub, sub.current.instance_id))
        form.events += 1
        return sub

    def attach(self, form_id: str, root_id: str, name: str, content: bytes) -> None:
        """A file comes late, or takes another's place: no time changes, no ETag."""
        self._attach(self.sub(form_id, root_id), {name: content}, only_named=False)

    def review(self, form_id: str, root_id: str, state: str | None, note: str | None = None) -> Sub:
        if state not in (None, "hasIssues", "edited", "rejected", "approved"):
            raise Refused(400, f"Unexpected state value {state}; not a recognized state name", 400.8, {"field": "state", "value": state, "reason": "not a recognized state name"})
        sub = self.sub(form_id, root_id)
        sub.review, sub.updated = state, self.tick()
        sub.audits.insert(0, self._audit(self.admin, "submission.update", self.forms[form_id], sub, root_id) | {"notes": note})
        self.forms[form_id].events += 1
        return sub

    def comment(self, form_id: str, root_id: str, text: str) -> dict:
        said = {"body": text, "actorId": self.admin, "createdAt": self.tick()}
        self.sub(form_id, root_id).comments.append(said)
        return said

    def delete(self, form_id: str, root_id: str) -> None:
        self.sub(form_id, root_id).deleted = self.tick()
        self.forms[form_id].events += 1

    def restore(self, form_id: str, root_id: str) -> None:
        """Leaves no time behind, but the ETag is another."""
        sub = self.forms[form_id].subs[root_id]
        sub.deleted, sub.restored = None, written(self.now)
        self.forms[form_id].events += 1

    def purge(self, form_id: str, root_id: str) -> None:
        del self.forms[form_id].subs[root_id]
        self.forms[form_id].events += 1

    def sub(self, form_id: str, root_id: str) -> Sub:
        form = self.forms.get(form_id)
        sub = form.subs.get(root_id) if form else None
        if sub is None or sub.deleted:
            raise Refused(404, "Could not find the resource you were looking for.", 404.1)
        return sub

    def _attach(self, sub: Sub, files: dict[str, bytes], *, only_named: bool) -> None:
        for name, content in files.items():
            if name in sub.files or not only_named:
                sub.files[name] = content

    def _audit(self, actor: int, action: str, form: Form, sub: Sub, instance: str | None) -> dict:
        named = {"instanceId": instance} if instance else {}
        details = {**named, "submissionId": sub.id, "submissionDefId": sub.current.number}
        return {"actorId": actor, "action": action, "acteeId": form.actee, "details": details, "loggedAt": self.tick(), "notes": None}

    # Entities

    def work(self) -> None:
        """Make of the submissions that came what they say of entities."""
        while self.to_do:
            self._entity(*self.to_do.pop(0))

    def _entity(self, root: etree._Element, form: Form, sub: Sub) -> None:
        for node in root.iter("{*}entity"):
            name, uuid = node.get("dataset"), node.get("id")
            saves = _saves(next(one.xform for one in form.versions if one.version == sub.current.form_version))
            data = {prop: found.text or "" for prop, path in saves.items() if (found := root.find("/".join("{*}" + part for part in path.split("/")))) is not None}
            label = next((one.text for one in node if etree.QName(one).localname == "label"), None)
            if node.get("create") in ("1", "true") and uuid not in self.datasets[name].entities:
                self.new_entity(name, uuid, label or "", data, actor=self.tablet, sub=sub, form=form)
            elif node.get("update") in ("1", "true") and uuid in self.datasets[name].entities:
                base, trunk = (int(node.get(one) or 0) or None for one in ("baseVersion", "trunkVersion"))
                self._update(sub, {"name": name, "uuid": uuid, "data": data, "label": label, "base": base, "trunk": trunk, "branch": node.get("branchId") or None, "form": form})

    def _update(self, sub: Sub, said: dict) -> None:
        """Offline updates wait for the one before them in their branch; one taken may let the next one in."""
        if self._is_early(said):
            self.backlog.append((sub, said))
            sub.audits.insert(0, self._audit(self.tablet, "submission.backlog.hold", said["form"], sub, None))
            return
        self.change_entity(**said, actor=self.tablet, sub=sub, force=True)
        while freed := next((one for one in self.backlog if not self._is_early(one[1])), None):
            self.backlog.remove(freed)
            sub, said = freed
            event = self._audit(self.tablet, "submission.backlog.reprocess", said["form"], sub, None)
            sub.audits.insert(0, event)
            self.change_entity(**said, actor=self.tablet, sub=sub, force=True, event=event)

    def _is_early(self, said: dict) -> bool:
        return bool(said["branch"]) and (said["base"] or 0) > self.entity(said["name"], said["uuid"]).versions[-1]["version"]

    def new_entity(self, name: str, uuid: str, label: str, data: dict, *, actor: int | None = None, sub: Sub | None = None, form: Form | None = None, at: str | None = None) -> Entity:
        actor, at = actor or self.admin, at or self.tick()
        if uuid in self.datasets[name].entities:
            raise Refused(409, "A resource already exists with uuid value(s) of " + uuid, 409.3)
        entity = Entity(uuid, at, actor, [self._state(1, label, data, data | {"label": label}, actor, at, None, sub, form)])
        self.datasets[name].entities[uuid] = entity
        self._touched(name, at)
        return entity

    def change_entity(
        self, name: str, uuid: str, data: dict, label: str | None, base: int | None, *, actor: int | None = None, sub: Sub | None = None,
        force: bool = False, resolve: bool = False, trunk: int | None = None, branch: str | None = None,
        form: Form | None = None, event: dict | None = None,
    ) -> Entity:
        entity = self.entity(name, uuid)
        current = entity.versions[-1]
        if base != current["version"] and not force:
            raise Refused(409, f"Current version of the Entity is '{current['version']}' and you provided '{base}'. Please correct the version number or pass '?force=true' in the URL to forcefully update the Entity.", 409.15, {"current": str(current["version"]), "provided": str(base)})
        received = {**data, **({"label": label} if label else {})}
        at = self.tick()
        state = self._state(current["version"] + 1, label or current["label"], current["data"] | data, received, actor or self.admin, at, base, sub, form)
        state |= {"trunkVersion": trunk, "branchId": branch, "branchBaseVersion": base if branch else None, "event": event or state["event"]}
        if base is not None and base < current["version"]:
            since = {key for one in entity.versions if one["version"] > base for key in one["dataReceived"]}
            hard = bool(since & set(received))
            state |= {"conflict": "hard" if hard else "soft", "conflictingProperties": sorted(since & set(received))}
            entity.conflict = state["conflict"]
        if resolve:
            entity.conflict = None
        entity.versions.append(state)
        entity.updated = at
        self._touched(name, at)
        return entity

    def remove_entity(self, name: str, uuid: str) -> None:
        self.entity(name, uuid).deleted = at = self.tick()
        self._touched(name, at)

    def _touched(self, name: str, at: str) -> None:
        self.datasets[name].updated = at
        self.datasets[name].events += 1

    def _state(self, version: int, label: str, data: dict, received: dict, actor: int, at: str, base: int | None, sub: Sub | None, form: Form | None) -> dict:
        return {
            "version": version, "label": label, "data": dict(data), "dataReceived": dict(received), "creatorId": actor, "createdAt": at,
            "baseVersion": base, "conflict": None, "conflictingProperties": None, "branchId": None, "trunkVersion": None,
            "branchBaseVersion": None, "userAgent": sub.current.agent if sub else self.agent,
            "sub": sub, "form": form, "event": sub.audits[-1] if sub else None,
        }

    def entity(self, name: str, uuid: str) -> Entity:
        dataset = self.datasets.get(name)
        found = dataset.entities.get(uuid) if dataset else None
        if found is None or found.deleted:
            raise Refused(404, "Could not find the resource you were looking for.", 404.1)
        return found


def made_up(kind: str) -> str:
    return uuids.uuid4().hex * 2 if kind == "token" else str(uuids.uuid4())


def written(moment: dt.datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def _parse(xml: bytes) -> etree._Element:
    try:
        return etree.fromstring(xml)
    except etree.XMLSyntaxError:
        raise Refused(400, "Required parameter form ID xml attribute missing.", 400.2) from None


def _meta(root: etree._Element, name: str) -> str | None:
    found = root.find("{*}meta/{*}" + name)
    return found.text if found is not None else None


def _primary(xform: bytes) -> etree._Element:
    return etree.fromstring(xform).find(".//{*}model/{*}instance/*")


@lru_cache(maxsize=64)
def _saves(xform: bytes) -> dict[str, str]:
    """Entity property → path below the root."""
    found = {}
    for bind in etree.fromstring(xform).iter("{*}bind"):
        if prop := bind.get(f"{{{_ENTITIES}}}saveto"):
            found[prop] = bind.get("nodeset").strip("/").split("/", 1)[1]
    return found


@lru_cache(maxsize=64)
def declared(xform: bytes) -> dict[str, list[str]]:
    return {one.get("dataset"): list(_saves(xform)) for one in _primary(xform).iter("{*}entity")}


def _media(xform: bytes) -> list[str]:
    return [one.get("src").rsplit("/", 1)[1] for one in etree.fromstring(xform).iter("{*}instance") if one.get("src", "").startswith("jr://file")]


@lru_cache(maxsize=64)
def _binaries(xform: bytes) -> set[str]:
    return {bind.get("nodeset").rsplit("/", 1)[1] for bind in etree.fromstring(xform).iter("{*}bind") if bind.get("type") == "binary"}


def _named_files(root: etree._Element, form: Form) -> list[str]:
    """Files that an instance expects: those that binary questions name."""
    wanted = _binaries(form.published.xform)
    if root.get("encrypted") == "yes":
        wanted = {"file", "encryptedXmlFile"}
    names = [node.text.strip() for node in root.iter() if isinstance(node.tag, str) and etree.QName(node).localname in wanted and (node.text or "").strip()]
    return sorted(dict.fromkeys(names))


def hash_of(*parts: object) -> str:
    return hashlib.md5("|".join(map(str, parts)).encode()).hexdigest()
