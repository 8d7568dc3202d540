"""A KoboToolbox's assets as the recordings show them, with their versions, content and deployment. Knows no sockets.

What stands in every asset alike is taken from a recorded one.
"""
from __future__ import annotations

import hashlib
import json
from typing import Any

from doubles.kobo_around import Around
from doubles.kobo_forms import flat, jsonb, xform_of
from doubles.kobo_http import NOT_FOUND, Asked, in_json, multipart, recorded
from doubles.kobo_world import Form, FormVersion, Refused, World
from doubles.server import Answer

_EFFECTIVE = ("change_asset", "delete_submissions", "delete_asset", "add_submissions", "manage_asset", "view_asset", "view_submissions", "validate_submissions", "change_submissions")
_GROUPS = ("begin_group", "end_group", "begin_repeat", "end_repeat")


class Assets(Around):

    def __init__(self, world: World, **hosts: str) -> None:
        super().__init__(world, **hosts)
        self.route(
            ("GET", "/api/v2/environment/", lambda asked: in_json(recorded(1))), ("GET", "/me/", self.me), ("GET", "/token/", self.token),
            ("GET", "/api/v1/.*", lambda asked: Answer(410, recorded(10), {"Content-Type": "text/html; charset=utf-8"})),
            ("GET", "/api/v2/assets/", self.assets), ("GET", "{a}/", self.asset), ("PATCH", "{a}/", self.change), ("DELETE", "{a}/", self.remove),
            ("GET", r"{a}\.xml", self.asset_xform), ("GET", "{a}/content/", self.content),
            ("GET", "{a}/versions/", self.versions), ("GET", "{a}/versions/([^/]+)/", self.version),
            ("GET", "{a}/deployment/", self.deployment), ("POST", "{a}/deployment/", self.deploy), ("PATCH", "{a}/deployment/", self.redeploy),
            ("POST", "/api/v2/imports/", self.take), ("GET", "/api/v2/imports/([^/]+)/", self.taken),
        )

    # Who

    def me(self, asked: Asked) -> Answer:
        if asked.user is None:
            return in_json({"message": "user is not logged in"})
        return in_json(recorded(9) | {"username": asked.user, "email": f"{asked.user}@example.org", "server_time": self.world.tick()[:19] + "Z"})

    def token(self, asked: Asked) -> Answer:
        found = [token for token, user in self.world.tokens.items() if user == asked.user]
        if not found:
            raise NOT_FOUND
        return in_json({"token": found[0]})

    # Assets

    def assets(self, asked: Asked) -> Answer:
        rows = [one for one in self.world.forms.values() if self.world.may(one, asked.user, "view_asset")]
        wanted = asked.query.get("q", "")
        if "_deployment_status:" in wanted:
            status = wanted.partition("_deployment_status:")[2].split()[0]
            rows = [one for one in rows if _status(one) == status]
        ordering = asked.query.get("ordering", "-date_modified")
        value = {"date_modified": lambda one: one.modified, "date_created": lambda one: one.made, "name": lambda one: one.title, "uid": lambda one: one.uid}
        rows.sort(key=value.get(ordering.removeprefix("-"), value["date_modified"]), reverse=ordering.startswith("-"))
        page = self.paged(asked, rows)
        return in_json(page | {"results": [self._row(asked, one) for one in page["results"]]})

    def asset(self, asked: Asked, uid: str) -> Answer:
        return in_json(self._asset(asked, self.form(asked, uid)))

    def remove(self, asked: Asked, uid: str) -> Answer:
        del self.world.forms[self.form(asked, uid, "manage_asset").uid]
        return Answer(204)

    def change(self, asked: Asked, uid: str) -> Answer:
        form = self.form(asked, uid, "change_asset")
        said = asked.json()
        if "content" in said:
            self.world.change(form.uid, said["content"])
        form.title = said.get("name", form.title)
        return in_json(self._asset(asked, form))

    def _row(self, asked: Asked, form: Form) -> dict[str, Any]:
        """An asset as lists show it."""
        tail, base = asked.suffix, self.url(f"assets/{form.uid}/")
        kept = self._asset(asked, form)
        order = ["url", "date_created", "date_modified", "date_deployed", "owner", "summary", "owner__username", "parent", "uid", "tag_string", "settings", "kind", "name", "asset_type", "version_id", "has_deployment", "deployed_version_id", "deployment__active", "deployment__submission_count", "deployment__last_submission_time", "deployment__encrypted", "deployment__uuid", "deployment_status", "permissions", "export_settings", "downloads", "data", "subscribers_count", "status", "access_types", "children", "data_sharing", "owner_label", "last_modified_by", "created_by"]
        own = base.removesuffix("/") if not tail else base + tail
        kept |= {"downloads": [{"format": one, "url": f"{own}.{one}"} for one in ("xls", "xml")]}
        return {name: kept[name] for name in order}

    def _asset(self, asked: Asked, form: Form) -> dict[str, Any]:
        uid, draft, live, base, tail = form.uid, form.draft, form.published, self.url(f"assets/{form.uid}/"), asked.suffix
        own = {
            "url": base + tail, "owner": self.url("users/field/") + tail, "files": [self._media(form, one) for one in form.media.values()], "summary": _summary(draft.content),
            "date_created": form.made, "date_modified": form.modified, "date_deployed": form.deployed, "version_id": draft.uid, "version__content_hash": _hash(draft),
            "version_count": len(form.versions) + (draft not in form.versions), "has_deployment": bool(live), "deployed_version_id": live.uid if live else None,
            "deployed_versions": {"count": len(form.versions), "next": None, "previous": None, "results": [self._version(form, one) for one in reversed(form.versions)]},
            "deployment__active": form.active, "deployment__submission_count": len(form.subs), "deployment__last_submission_time": form.last,
            "deployment__uuid": form.formhub if live else None, "deployment_status": _status(form), "report_styles": _report_styles(draft.content), "content": draft.content,
            "uid": uid, "name": form.title, "permissions": self._permissions(asked, form),
            "effective_permissions": self._effective(asked, form),
            "data": base + "data/" + tail, "status": "shared" if len(form.shared) > 1 else "private", "last_modified_by": self.world.owner if len(form.versions) + (draft not in form.versions) > 1 else None,
        }
        template = json.loads(_TEMPLATE.replace("{uid}", uid).replace("https://kobo.example.org", self.domain).replace("https://kc.kobo.example.org", self.kc))
        if not live:
            template["deployment__data_download_links"] = {}
        return {name: own.get(name, template[name]) for name in template}

    def _effective(self, asked: Asked, form: Form) -> list[dict[str, str]]:
        mine = set(_EFFECTIVE) if asked.user == self.world.owner else set(form.shared[asked.user or ""])
        if "partial_submissions" in mine:
            mine.discard("view_submissions")
        return [{"codename": one} for one in (*_EFFECTIVE, "partial_submissions") if one in mine]

    def asset_xform(self, asked: Asked, uid: str) -> Answer:
        form = self.form(asked, uid)
        xform = xform_of(form.draft.content, form.title, form.uid)
        return Answer(200, xform, {"Content-Type": "application/xml; charset=utf-8", "Content-Disposition": f"attachment; filename={uid}.xml"})

    def content(self, asked: Asked, uid: str) -> Answer:
        content = self.form(asked, uid).draft.content
        data = {"survey": flat(content, "survey"), "choices": flat(content, "choices"), "settings": [content["settings"]]}
        return in_json({"kind": "asset.content", "uid_asset": uid, "data": data})

    # Versions and deployment

    def versions(self, asked: Asked, uid: str) -> Answer:
        form = self.form(asked, uid)
        return in_json(self.paged(asked, [self._version(form, one) for one in reversed(form.versions)]))

    def version(self, asked: Asked, uid: str, version: str) -> Answer:
        form = self.form(asked, uid)
        found = [one for one in [*form.versions, form.draft] if one.uid == version]
        if not found:
            raise NOT_FOUND
        return in_json(self._version(form, found[0]) | {"content": found[0].content})

    def _version(self, form: Form, one: FormVersion) -> dict[str, Any]:
        return {
            "uid": one.uid, "url": self.url(f"assets/{form.uid}/versions/{one.uid}/"), "content_hash": _hash(one),
            "date_deployed": one.deployed, "date_modified": one.deployed or one.made, "version_number": str(one.number) if one.number else None,
        }

    def deployment(self, asked: Asked, uid: str) -> Answer:
        form = self.form(asked, uid)
        if not form.versions:
            raise NOT_FOUND
        return in_json(self._deployment(asked, form))

    def deploy(self, asked: Asked, uid: str) -> Answer:
        form = self.form(asked, uid, "manage_asset")
        if form.versions:
            raise Refused(405, "Use PATCH to update an existing deployment")
        return in_json(self._deployment(asked, self.world.publish(uid)))

    def redeploy(self, asked: Asked, uid: str) -> Answer:
        form, said = self.form(asked, uid, "manage_asset"), asked.json()
        if "version_id" in said:
            self.world.publish(uid)
        else:
            self.world.archive(uid, active=said["active"])
        return in_json(self._deployment(asked, form))

    def _deployment(self, asked: Asked, form: Form) -> dict[str, Any]:
        return {"backend": "openrosa", "active": form.active, "version_id": form.versions[-1].uid, "asset": self._asset(asked, form)}

    def take(self, asked: Asked) -> Answer:
        parts = multipart(asked)
        try:
            form = self.world.upload(parts["file"][1], parts["name"][1].decode(), own=True)
            created = [{"uid": form.uid, "kind": "asset", "summary": jsonb(_summary(form.draft.content)), "owner__username": asked.user}]
            said = {"status": "complete", "messages": {"created": created}}
        except Refused:
            raise
        except Exception:  # whatever pyxform or openpyxl says of what is no workbook
            said = {"status": "error", "messages": {"error": "File is not a zip file", "error_type": "BadZipFile"}}
        uid = self.world.uid("i")
        self.world.imports[uid] = {"status": said["status"], "uid": uid, "messages": said["messages"], "date_created": self.world.tick()}
        return in_json({"uid": uid, "url": self.url(f"imports/{uid}/"), "status": "processing"}, 201)

    def taken(self, asked: Asked, uid: str) -> Answer:
        if uid not in self.world.imports:
            raise NOT_FOUND
        return in_json(self.world.imports[uid])


def _template() -> str:
    found = recorded(36)
    return json.dumps(found).replace(found["uid"], "{uid}")


def _status(form: Form) -> str:
    return "draft" if not form.versions else "deployed" if form.active else "archived"


def _hash(version: FormVersion) -> str:
    return hashlib.sha1(json.dumps(version.content, sort_keys=True).encode()).hexdigest()


def _summary(content: dict[str, Any]) -> dict[str, Any]:
    rows = content["survey"]
    asked = [one for one in rows if one["type"] not in (*_GROUPS, "start", "end")]
    columns = dict.fromkeys(name for one in asked for name in one if not name.startswith("$"))
    good = len(asked)
    return {
        "geo": any(one["type"].startswith("geo") for one in rows), "labels": [one["label"][0] for one in asked if "label" in one][:5], "columns": list(columns),
        "lock_all": False, "lock_any": False, "languages": content["translations"], "row_count": good,
        "name_quality": {"ok": 0, "bad": 0, "good": good, "total": good, "firsts": {}}, "default_translation": content["translations"][0],
    }


def _report_styles(content: dict[str, Any]) -> dict[str, Any]:
    names = {one.get("$autoname", one["$kuid"]): one["$kuid"] for one in content["survey"]}
    return {"default": {}, "specified": jsonb({name: {} for name in names}), "kuid_names": jsonb(names)}


_TEMPLATE = _template()
