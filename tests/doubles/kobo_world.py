"""What a KoboToolbox holds, and what people do to it: forms, submissions, validation, sharing. Knows no HTTP.

The clock is the world's own and only moves when something happens, so that a history ends the same at every run. Acts
have the names that they have in the world of Central; a form is found by the uid of its asset or by its `id_string`.
"""
from __future__ import annotations

import datetime as dt
import itertools
import random
import uuid as uuids
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from doubles.kobo_facts import (
    OWNERS,
    STATUSES,
    Form,
    Forms,
    FormVersion,
    Media,
    Refused,
    Sub,
    Version,
    as_deployed,
    bare,
    meta,
    parsed,
    prefixed,
    put,
    written,
)
from doubles.kobo_forms import content_of, with_ids, xform_of
from doubles.kobo_rows import answers_of
from lxml import etree

_START = dt.datetime(2026, 11, 24, 3, 52, 42, tzinfo=dt.UTC)
_LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_SHORT = {"approved": "validation_status_approved", "not_approved": "validation_status_not_approved", "on_hold": "validation_status_on_hold",
          "rejected": "validation_status_not_approved", "hasIssues": "validation_status_on_hold"}


class World:
    """One Kobo with one owner of everything, `field`."""

    def __init__(self, seed: int = 1) -> None:
        # Not the dice of whoever plays with this seed: they would throw the same ids.
        self.now, self.dice = _START, random.Random(f"kobo {seed}")
        self.owner = "field"
        self.passwords = {"field": "PASSWORD", "viewer": "PASSWORD", "other": "PASSWORD"}
        self.tokens = {"API_TOKEN": "field", "VIEWER_TOKEN": "viewer", "OTHER_TOKEN": "other"}
        self.forms = Forms()
        self.numbers, self.asset_numbers = itertools.count(1), itertools.count(1)
        # Uuids of submissions that another request is just taking.
        self.in_hand: set[str] = set()
        self.imports: dict[str, dict[str, Any]] = {}
        # Who makes ids, and who carries what hooks send: tests that replay recordings put their own here.
        self.uid: Callable[..., str] = self._uid
        self.deliver: Callable[[Any, dict[str, str], bytes], tuple[int | None, str]] | None = None
        self.after_submit: list[Callable[[Form, Sub], None]] = []

    def tick(self, **passed: float) -> str:
        """Time passes (a millisecond, unless said otherwise); gives the time as Kobo writes it."""
        self.now += dt.timedelta(**passed) if passed else dt.timedelta(milliseconds=1)
        return written(self.now)

    def _uid(self, kind: str, *_: Any) -> str:
        """An id as Kobo makes them: a letter or two for its kind, then 21 or so of an alphabet without doubles."""
        if kind == "formhub":
            return f"{self.dice.getrandbits(128):032x}"
        if kind == "uuid":
            return str(uuids.UUID(int=self.dice.getrandbits(128), version=4))
        if kind == "kuid":
            return "".join(self.dice.choices(_LETTERS, k=9))
        return kind + "".join(self.dice.choices(_LETTERS, k=22 - (len(kind) == 1)))

    # Forms

    def upload(self, xlsform: bytes | str, title: str | None = None, *, own: bool = False) -> Form:
        """A form from its XLSForm (a workbook, or a Markdown table): a new draft of the asset with that `id_string`, or (`own`) a new asset."""
        content = content_of(xlsform)
        known = [one for one in self.forms.values() if one.id_string == content["settings"].get("id_string")]
        if known and not own:
            return self.change(known[-1].uid, content)
        made, uid = self.tick(), self.uid("a")
        content = with_ids(content, lambda: self.uid("kuid", uid))
        draft = FormVersion(self.uid("v", uid), content, made)
        form = Form(uid, title or _title(xlsform) or uid, made, self.tick(), self.uid("formhub", uid), draft, next(self.asset_numbers))
        form.permissions = {(self.owner, name): self.uid("p", uid, self.owner, name) for name in OWNERS}
        form.shared[self.owner] = dict.fromkeys(OWNERS)
        self.forms[uid] = form
        return form

    def change(self, form_id: str, content: dict[str, Any]) -> Form:
        """Another content: a draft version, which tablets do not see before it is deployed."""
        form = self.forms[form_id]
        form.modified = self.tick()
        fresh = with_ids(content, lambda: self.uid("kuid", form.uid))
        form.draft = FormVersion(self.uid("v", form.uid), fresh, form.modified)
        return form

    def publish(self, form_id: str) -> Form:
        """Deploy the draft."""
        form = self.forms[form_id]
        draft, at = form.draft, self.tick()
        if any("label" in one for one in draft.content.get("entities", ())) and draft.content["translations"] != [None]:
            raise Refused(500, "Kobo does not deploy a form with translated labels whose entities sheet has labels (K13): take that sheet away")
        if draft not in form.versions:
            draft.number, draft.deployed = len(form.versions) + 1, at
            draft.version = f"{draft.number} ({draft.made[:19].replace('T', ' ')})"
            draft.xform = xform_of(draft.content, form.title, form.uid, version=draft.version, version_uid=draft.uid, formhub=form.formhub)
            survey = draft.content["survey"]
            draft.repeats = frozenset(one["$xpath"] for one in survey if one["type"] == "begin_repeat")
            draft.points = tuple(one["$xpath"] for one in survey if one["type"] == "geopoint")
            draft.media = frozenset(one["$xpath"].rpartition("/")[2] for one in survey if one["type"] in ("image", "file", "audio", "video", "background-audio"))
            form.versions.append(draft)
        form.number = form.number or 1 + max((one.number for one in self.forms.values()), default=0)
        form.active, form.deployed, form.modified = True, self.tick(), self.tick()
        form.first_deployed = form.first_deployed or form.deployed
        self.log(form, "deploy", version_uid=draft.uid) if len(form.versions) == 1 else self.log(form, "redeploy", version_uid=draft.uid)
        return form

    def release(self, xlsform: bytes | str, media: Mapping[str, bytes] | None = None, *, title: str | None = None) -> Form:
        """Upload and deploy at once."""
        form = self.upload(xlsform, title)
        for name, content in (media or {}).items():
            self.put_media(form.uid, name, content)
        return self.publish(form.uid)

    def put_media(self, form_id: str, name: str, content: bytes, description: str = "") -> Media:
        form = self.forms[form_id]
        uid = form.media[name].uid if name in form.media else self.uid("af", form.uid, name)
        number = form.media[name].number if name in form.media else 1 + sum(len(one.media) for one in self.forms.values())
        form.media[name] = Media(uid, name, content, self.tick(), description, number)
        return form.media[name]

    def archive(self, form_id: str, *, active: bool = False) -> Form:
        """Take no more submissions, or take them again; what is there stays readable."""
        form = self.forms[form_id]
        form.active = active
        form.modified = self.tick()
        self.log(form, "unarchive" if active else "archive")
        return form

    def share(self, form_id: str, user: str, *permissions: str) -> None:
        """Let a user do these things."""
        form = self.forms[form_id]
        form.shared[user] = dict.fromkeys(permissions)
        for name in permissions:
            if (user, name) not in form.permissions:
                form.permissions[user, name] = self.uid("p", form.uid, user, name)

    def share_part(self, form_id: str, user: str, filters: list[dict]) -> None:
        """Let a user see the rows that one of the filters means."""
        self.share(form_id, user, "view_asset", "partial_submissions")
        self.forms[form_id].shared[user]["view_submissions"] = filters

    def may(self, form: Form, user: str | None, permission: str) -> bool:
        return permission in form.shared.get(user or "", {})

    # Submissions

    def submit(
        self, xml: bytes, files: Mapping[str, bytes] | None = None, *, at: str | None = None, device: str | None = None, by: str | None = "field", form: Form | None = None, number: int | None = None,
    ) -> Sub:
        """Take an instance as tablets send it, or one written by a person, which names its form by `id_string` and is put
        into the deployed form's words. `number`: an `_id` that was taken from `numbers` before, because numbers are given
        before rows are there for all to see."""
        root = parsed(xml)
        form = form or self.form_for(root)
        if root.get("id") not in (form.uid, None) and root.get("id") == form.id_string:
            xml = as_deployed(root, form)
        if not self.may(form, by, "add_submissions") and by is not None:
            raise Refused(403, "Access denied")
        if not form.active:
            raise Refused(405, "Form is not active")
        instance = meta(root, "instanceID")
        if not instance:
            raise Refused(400, "Instance ID is required")
        if deprecated := meta(root, "deprecatedID"):
            return self._edited(form, deprecated, instance, xml, root, files or {}, by)
        uuid = bare(instance)
        if uuid in self.in_hand:
            raise Refused(423, f"Submission {uuid} is currently being processed. Try again later.")
        if known := form.by_uuid.get(uuid):
            return self._again(known, uuid, xml, files or {})
        moment = at or self.tick()
        version = self._version(form, instance, uuid, xml, root, moment, by)
        sub = Sub(next(self.numbers) if number is None else number, meta(root, "rootUuid") or prefixed(uuid), moment, by, [version])
        sub.files = dict.fromkeys(self._named(form, root))
        self._attach(sub, files or {})
        form.subs[sub.root] = form.by_id[sub.id] = form.by_uuid[uuid] = sub
        insort(form.ids, sub.id)
        form.last = max(form.last or "", moment)
        form.days[moment[:10]] = form.days.get(moment[:10], 0) + 1
        self.log(form, "add-submission", sub)
        for told in self.after_submit:
            told(form, sub)
        return sub

    insert = submit

    def form_for(self, root: etree._Element) -> Form:
        """The form that an instance is for: by formhub/uuid, whatever its id says; else by its id."""
        formhub = root.findtext("{*}formhub/{*}uuid")
        for form in self.forms.values():
            if form.versions and formhub and form.formhub == formhub:
                return form
        named = root.get("id") or ""
        form = self.forms.get(named) or next((one for one in self.forms.values() if one.id_string == named), None)
        if form is None or not form.versions or (formhub and form.uid == named):
            raise Refused(404, "Not found.", plain=True)
        return form

    def _version(self, form: Form, instance: str, uuid: str, xml: bytes, root: etree._Element, at: str, by: str | None) -> Version:
        return Version(instance, uuid, xml, at, by, answers_of(root, form.versions[-1].repeats), root.get("id") or form.uid)

    def _again(self, sub: Sub, uuid: str, xml: bytes, files: Mapping[str, bytes]) -> Sub:
        if sub.current.uuid != uuid or sub.current.xml != xml:
            next(self.numbers)
            raise Refused(409, "Submission with this instance ID already exists")
        for name, content in files.items():
            if sub.files.get(name) not in (None, content):
                raise Refused(409, "Attachment with same name already exists")
        fresh = {name: content for name, content in files.items() if name in sub.files and sub.files[name] is None}
        if not fresh:
            raise Refused(202, "Duplicate Instance")
        self._attach(sub, fresh)
        return sub

    def edit(self, form_id: str, root_id: str | int, xml: bytes, files: Mapping[str, bytes] | None = None) -> Sub:
        """Another version; its `deprecatedID` is the current one. The validation status stays."""
        self.sub(form_id, root_id)
        return self.submit(xml, files, form=self.forms[form_id])

    def _edited(self, form: Form, deprecated: str, instance: str, xml: bytes, root: etree._Element, files: Mapping[str, bytes], by: str | None) -> Sub:
        sub = form.by_uuid.get(bare(deprecated))
        if sub is None:
            raise Refused(404, "Invalid submission - deprecatedID not found")
        if sub.current.uuid != bare(deprecated):
            raise Refused(410, "Invalid submission - deprecatedID refers to an old version")
        if by is not None and not self.may(form, by, "change_submissions"):
            raise Refused(403, "Access denied")
        uuid = bare(instance)
        sub.versions.append(self._version(form, instance, uuid, xml, root, self.tick(), by))
        form.by_uuid[uuid] = sub
        named = self._named(form, root)
        sub.files = {name: sub.files.get(name) for name in named}
        sub.uids = {name: uid for name, uid in sub.uids.items() if name in sub.files}
        self._attach(sub, files)
        self.log(form, "modify-submission", sub)
        return sub

    def bulk_edit(self, form_id: str, ids: Iterable[int], data: Mapping[str, str]) -> list[Sub]:
        """The same answers changed in many rows: each gets a new `_uuid`."""
        form, changed = self.forms[form_id], []
        for sub in [form.by_id[one] for one in ids if one in form.by_id]:
            root = etree.fromstring(sub.current.xml)
            for path, value in data.items():
                put(root, path.split("/"), value)
            fresh = self.uid("uuid", form.uid)
            for name, value in (("instanceID", f"uuid:{fresh}"), ("deprecatedID", prefixed(sub.current.uuid)), ("rootUuid", sub.root)):
                put(root, ["meta", name], value)
            self._edited(form, sub.current.instance_id, f"uuid:{fresh}", etree.tostring(root, encoding="unicode").encode(), root, {}, self.owner)
            changed.append(sub)
        return changed

    def duplicate(self, form_id: str, root_id: str | int) -> Sub:
        """The same answers again, as begun and ended now, with copies of its files."""
        old = self.sub(form_id, root_id)
        root, fresh, now = etree.fromstring(old.current.xml), self.uid("uuid", form_id), self.tick()[:23] + "+00:00"
        for path in (["start"], ["end"]):
            if root.find("{*}" + path[0]) is not None:
                put(root, path, now)
        put(root, ["meta", "instanceID"], f"uuid:{fresh}")
        return self.submit(etree.tostring(root, encoding="unicode").encode(), {name: content for name, content in old.files.items() if content is not None})

    def attach(self, form_id: str, root_id: str | int, name: str, content: bytes) -> None:
        """A file comes late. Nothing else of the row changes."""
        self._attach(self.sub(form_id, root_id), {name: content}, only_named=False)

    def review(self, form_id: str, root_id: str | int, state: str | None, note: str | None = None, *, by: str = "field") -> Sub:
        """Set the validation status; None takes it away."""
        form, sub = self.forms[form_id], self.sub(form_id, root_id)
        uid = _SHORT.get(state or "", state)
        if uid is not None and uid not in STATUSES:
            raise Refused(400, f"Invalid validation status: `{uid}`")
        self.tick()
        sub.reviewed = len(sub.versions)
        sub.status = {"timestamp": int(self.now.timestamp()), "uid": uid, "by_whom": by, "label": STATUSES[uid]} if uid else None
        self.log(form, "modify-submission", sub, status=STATUSES[uid] if uid else "None")
        return sub

    def delete(self, form_id: str, root_id: str | int) -> None:
        """Gone without a trace but in the history; sent again it gets a new `_id`."""
        form, sub = self.forms[form_id], self.sub(form_id, root_id)
        del form.subs[sub.root], form.by_id[sub.id], form.ids[bisect_left(form.ids, sub.id)]
        for version in sub.versions:
            form.by_uuid.pop(version.uuid, None)
        self.tick()
        self.log(form, "delete-submission", sub)

    purge = delete

    def sub(self, form_id: str, root_id: str | int) -> Sub:
        """One submission, by its `_id`, its root's uuid or the uuid of any of its versions."""
        form = self.forms[form_id]
        found = form.by_id.get(root_id) if isinstance(root_id, int) else form.subs.get(root_id) or form.by_uuid.get(bare(root_id))
        if found is None:
            raise Refused(404, "Not found.")
        return found

    def _named(self, form: Form, root: etree._Element) -> list[str]:
        wanted = form.versions[-1].media
        names = [node.text.strip() for node in root.iter() if isinstance(node.tag, str) and node.tag.rpartition("}")[2] in wanted and (node.text or "").strip()]
        return list(dict.fromkeys(names))

    def _attach(self, sub: Sub, files: Mapping[str, bytes], *, only_named: bool = True) -> None:
        for name, content in files.items():
            if (name in sub.files or not only_named) and sub.files.get(name) != content:
                sub.files[name], sub.uids[name], sub.came[name] = content, self.uid("att", sub.id, name), self.tick()

    def log(self, form: Form, action: str, sub: Sub | None = None, *, by: str | None = None, **more: Any) -> None:
        """A line of the project history."""
        if sub is not None:
            more = {"submission": {**({"status": more.pop("status")} if "status" in more else {}), "root_uuid": bare(sub.root), "submitted_by": sub.by}, **more}
        form.actions.setdefault(action, []).append(len(form.history))
        form.history.append({"action": action, "by": by or self.owner, "at": written(self.now), **more})


def _title(xlsform: bytes | str) -> str | None:
    from pyxform.xls2json_backends import get_xlsform

    data = xlsform.encode() if isinstance(xlsform, str) else xlsform
    settings = get_xlsform(data, file_type=".md" if data.lstrip()[:1] == b"|" else ".xlsx").settings
    return settings[0].get("form_title") if settings else None


__all__ = ["Form", "FormVersion", "Media", "Refused", "Sub", "World", "bare", "prefixed", "written"]
