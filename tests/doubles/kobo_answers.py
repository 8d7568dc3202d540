"""A KoboToolbox's answers as the recordings show them: who asks, assets, versions, media. Knows the world; knows no sockets.

What stands in every asset alike is taken from a recorded one. Data, hooks and OpenRosa have modules of their own.
"""
from __future__ import annotations

import hashlib
import json
import re
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote_plus, unquote, urlsplit

from doubles.kobo_forms import flat, jsonb, xform_of
from doubles.kobo_world import Form, FormVersion, Media, Refused, World
from doubles.server import Answer

_RECORDED = Path(__file__).parents[1] / "recordings" / "kobo" / "bodies"
_LABELS = {"add_submissions": "Add submissions", "change_asset": "Edit form", "change_submissions": "Edit submissions", "delete_submissions": "Delete submissions",
           "manage_asset": "Manage project", "validate_submissions": "Validate submissions", "view_asset": "View form", "view_submissions": "View submissions"}
_EFFECTIVE = ("change_asset", "delete_submissions", "delete_asset", "add_submissions", "manage_asset", "view_asset", "view_submissions", "validate_submissions", "change_submissions")
_GROUPS = ("begin_group", "end_group", "begin_repeat", "end_repeat")
NOT_FOUND = Refused(404, "Not found.")
FORBIDDEN = Refused(403, "You do not have permission to perform this action.")


def _recorded(number: int) -> Any:
    found = next(_RECORDED.glob(f"{number:03d}-response.*"))
    return json.loads(found.read_bytes()) if found.suffix == ".json" else found.read_bytes()


@dataclass
class Asked:
    method: str
    path: str
    query: dict[str, str]
    headers: Any
    user: str | None
    body: bytes = b""

    @property
    def suffix(self) -> str:
        """What Kobo hangs on its own addresses when asked with ?format=."""
        return f"?format={self.query['format']}" if "format" in self.query else ""

    def json(self) -> Any:
        try:
            return json.loads(self.body or b"{}")
        except ValueError:
            raise Broken from None


class Broken(Exception):
    """Kobo's page for errors of its own."""


def in_json(value: Any, status: int = 200, **headers: str) -> Answer:
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return Answer(status, body, {"Content-Type": "application/json", **headers})


class Basics:
    """Routes and who asks. `domain` is the address that Kobo believes it has, which may not be the one that was dialled."""

    def __init__(self, world: World, domain: str = "https://kobo.example.org", kc: str = "https://kc.kobo.example.org") -> None:
        self.world, self.domain, self.kc = world, domain, kc
        self.secure = True
        self.routes: list[tuple[str, re.Pattern, Callable]] = []
        self.unauthorized = 0

    def route(self, *routes: tuple[str, str, Callable]) -> None:
        asset = "/api/v2/assets/([A-Za-z0-9]+)"
        self.routes += [(method, re.compile(path.replace("{a}", asset) + r"\Z"), do) for method, path, do in routes]

    def answer(self, method: str, target: str, headers: Any, body: bytes) -> Answer:
        parts = urlsplit(target)
        asked = Asked(method, parts.path, dict(parse_qsl(parts.query, keep_blank_values=True)), headers, None, body)
        try:
            asked.user = self._who(headers)
            return self._routed(asked)
        except Refused as refused:
            if refused.status == 500:
                return Answer(500, _recorded(100), {"Content-Type": "text/html; charset=utf-8"})
            said = refused.message if isinstance(refused.message, dict | list) else {"detail": refused.message}
            return in_json(said | refused.more if isinstance(said, dict) else said, refused.status, **({"WWW-Authenticate": "Session"} if refused.status == 401 else {}))
        except Broken:
            return Answer(500, _recorded(100), {"Content-Type": "text/html; charset=utf-8"})

    def _routed(self, asked: Asked) -> Answer:
        known = False
        for wanted, pattern, do in self.routes:
            if found := pattern.match(asked.path):
                known = True
                if wanted == asked.method:
                    return do(asked, *(unquote(one) for one in found.groups()))
        raise Refused(405, f'Method "{asked.method}" not allowed.') if known else NOT_FOUND

    def _who(self, headers: Any) -> str | None:
        """The user; None for nobody. What is neither Token nor Basic is not looked at."""
        kind, _, secret = (headers.get("Authorization") or "").partition(" ")
        if kind == "Token":
            if self.unauthorized or secret not in self.world.tokens:
                self.unauthorized = max(0, self.unauthorized - 1)
                raise Refused(401, "Invalid token.")
            return self.world.tokens[secret]
        if kind == "Basic":
            name, _, password = b64decode(secret).decode().partition(":")
            if self.world.passwords.get(name) != password:
                raise Refused(401, "Invalid username/password.")
            return name
        return None

    def form(self, asked: Asked, uid: str, *permissions: str) -> Form:
        """An asset that the asker may see; 403 when seeing is all that is allowed, 404 when not even that."""
        form = self.world.forms.get(uid)
        mine = form.shared.get(asked.user or "", {}) if form else {}
        if form is None or not mine:
            raise NOT_FOUND
        if permissions and not any(one in mine for one in permissions):
            raise FORBIDDEN
        return form

    def paged(self, asked: Asked, rows: list[Any], size: int = 100, path: str = "") -> dict[str, Any]:
        """A page of a list with Kobo's links to its neighbours."""
        start, limit = int(asked.query.get("start", 0)), int(asked.query.get("limit", size))
        return {"count": len(rows), **self.links(asked, len(rows), start, limit), "results": rows[start : start + limit]}

    def links(self, asked: Asked, count: int, start: int, limit: int) -> dict[str, str | None]:
        return {
            "next": self._link(asked, start + limit, limit) if start + limit < count else None,
            "previous": self._link(asked, start - limit, limit) if start > 0 else None,
        }

    def _link(self, asked: Asked, start: int, limit: int) -> str:
        query = {**asked.query, "limit": str(limit), "start": str(start)}
        if start <= 0:
            del query["start"]
        return f"{self.domain}{asked.path}?" + "&".join(f"{name}={quote_plus(query[name])}" for name in sorted(query))

    def url(self, path: str) -> str:
        return f"{self.domain}/api/v2/{path}"


class Assets(Basics):
    """Assets, their versions, content, media and sharing."""

    def __init__(self, world: World, **hosts: str) -> None:
        super().__init__(world, **hosts)
        self.route(
            ("GET", "/api/v2/environment/", lambda asked: in_json(_recorded(1))), ("GET", "/me/", self.me), ("GET", "/token/", self.token),
            ("GET", "/api/v1/.*", lambda asked: Answer(410, _recorded(10), {"Content-Type": "text/html; charset=utf-8"})),
            ("GET", "/api/v2/assets/", self.assets), ("GET", "{a}/", self.asset), ("PATCH", "{a}/", self.change), ("DELETE", "{a}/", self.remove),
            ("GET", r"{a}\.xml", self.asset_xform), ("GET", "{a}/content/", self.content),
            ("GET", "{a}/versions/", self.versions), ("GET", "{a}/versions/([^/]+)/", self.version),
            ("GET", "{a}/deployment/", self.deployment), ("POST", "{a}/deployment/", self.deploy), ("PATCH", "{a}/deployment/", self.redeploy),
            ("GET", "{a}/files/", self.files), ("POST", "{a}/files/", self.put_file), ("GET", "{a}/files/([^/]+)/content/", self.file_content),
            ("GET", "{a}/counts/", self.counts), ("GET", "{a}/history/", self.history),
            ("GET", "{a}/permission-assignments/", self.permissions), ("POST", "{a}/permission-assignments/", self.share),
            ("POST", "{a}/permission-assignments/bulk/", self.share_many),
            ("POST", "/api/v2/imports/", self.take), ("GET", "/api/v2/imports/([^/]+)/", self.taken),
        )

    # Who

    def me(self, asked: Asked) -> Answer:
        if asked.user is None:
            return in_json({"message": "user is not logged in"})
        return in_json(_recorded(9) | {"username": asked.user, "email": f"{asked.user}@example.org", "server_time": self.world.tick()[:19] + "Z"})

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

    # Media

    def files(self, asked: Asked, uid: str) -> Answer:
        form = self.form(asked, uid)
        return in_json(self.paged(asked, [self._media(form, one) for one in form.media.values()]))

    def put_file(self, asked: Asked, uid: str) -> Answer:
        form = self.form(asked, uid, "change_asset")
        if asked.headers.get("Content-Type", "").startswith("multipart/"):
            parts = multipart(asked)
            name, content, said = json.loads(parts["metadata"][1])["filename"], parts["content"][1], parts["description"][1].decode()
        else:
            given = asked.json()
            name, content, said = given["metadata"]["filename"], b64decode(given["base64Encoded"].partition(",")[2]), given["description"]
        if name in form.media:
            raise Refused(400, {"content": ["File already exists"]})
        made = self._media(form, self.world.put_media(uid, name, content, said))
        return in_json(made, 201, Location=made["url"])

    def file_content(self, asked: Asked, uid: str, file: str) -> Answer:
        form = self.form(asked, uid)
        for one in form.media.values():
            if one.uid == file:
                return Answer(200, one.content, {"Content-Type": mimetype(one.name), "Content-Disposition": f"attachment; filename={one.name}"})
        raise NOT_FOUND

    def _media(self, form: Form, one: Media) -> dict[str, Any]:
        url = self.url(f"assets/{form.uid}/files/{one.uid}/")
        return {
            "uid": one.uid, "url": url, "asset": self.url(f"assets/{form.uid}/"), "user": self.url(f"users/{one.by}/"), "user__username": one.by, "file_type": "form_media",
            "description": one.description, "date_created": one.made, "content": url + "content/",
            "metadata": {"hash": "md5:" + hashlib.md5(one.content).hexdigest(), "filename": one.name, "mimetype": mimetype(one.name)},
        }

    # Counts, history, sharing

    def counts(self, asked: Asked, uid: str) -> Answer:
        form = self.form(asked, uid)
        return in_json({"daily_submission_counts": form.days, "total_submission_count": len(form.subs)})

    def history(self, asked: Asked, uid: str) -> Answer:
        form = self.form(asked, uid, "manage_asset")
        # A Boolean query; here as much of it as is asked: terms joined by AND, or by OR.
        wanted = [one.split(":", 1) for one in asked.query.get("q", "").split() if ":" in one]
        joined = any if " OR " in asked.query.get("q", "") else all
        rows = [one for one in reversed(form.history) if joined(str(one.get(name)) == value for name, value in wanted) or not wanted]
        page = self.paged(asked, rows)
        return in_json(page | {"results": [self._happened(form, one) for one in page["results"]]})

    def _happened(self, form: Form, one: dict[str, Any]) -> dict[str, Any]:
        more = {name: value for name, value in one.items() if name not in ("action", "by", "at")}
        metadata = {"source": "Python Requests (Other)", "asset_uid": form.uid, "ip_address": "192.0.2.10", "log_subtype": "project", "project_owner": self.world.owner, **more}
        return {
            "user": self.url(f"users/{one['by']}/"), "user_uid": _recorded(9)["extra_details__uid"], "username": one["by"], "action": one["action"],
            "metadata": jsonb(metadata), "date_created": one["at"][:19] + "Z",
        }

    def permissions(self, asked: Asked, uid: str) -> Answer:
        return in_json(self._permissions(asked, self.form(asked, uid)))

    def _permissions(self, asked: Asked, form: Form) -> list[dict[str, Any]]:
        shown = []
        for (user, name), uid in sorted(form.permissions.items(), key=lambda one: one[0]):
            if asked.user in (user, self.world.owner):
                shown.append(self._permission(asked, form, user, name, uid))
        return shown

    def _permission(self, asked: Asked, form: Form, user: str, name: str, uid: str) -> dict[str, Any]:
        tail = asked.suffix
        found: dict[str, Any] = {
            "url": self.url(f"assets/{form.uid}/permission-assignments/{uid}/") + tail, "user": self.url(f"users/{user}/") + tail, "permission": self.url(f"permissions/{name}/") + tail,
        }
        if name == "partial_submissions":
            found["partial_permissions"] = [{"url": self.url("permissions/view_submissions/"), "filters": form.shared[user]["view_submissions"]}]
        return found | {"label": _LABELS.get(name) or next(one["label"] for one in json.loads(_TEMPLATE)["assignable_permissions"] if one["url"].endswith(f"{name}/"))}

    def share(self, asked: Asked, uid: str) -> Answer:
        form, said = self.form(asked, uid, "manage_asset"), asked.json()
        user, name = _last(said["user"]), _last(said["permission"])
        self.world.share(uid, user, "view_asset", name)
        made = self._permission(asked, form, user, name, form.permissions[user, name])
        return in_json(made, 201, Location=made["url"])

    def share_many(self, asked: Asked, uid: str) -> Answer:
        form = self.form(asked, uid, "manage_asset")
        for said in asked.json():
            user, name = _last(said["user"]), _last(said["permission"])
            if name == "partial_submissions":
                self.world.share_part(uid, user, said["partial_permissions"][0]["filters"])
            else:
                self.world.share(uid, user, "view_asset", name)
        return in_json(self._permissions(asked, form))


def _meant(form: Form, query: str) -> list[int]:
    """Where in a history the lines are that a query means, the newest first: actions, joined by OR."""
    if not query:
        return list(range(len(form.history)))[::-1]
    wanted = {one.removeprefix("action:").strip('"') for one in query.split(" OR ") if one.startswith("action:")}
    if len(wanted) < len(query.split(" OR ")):
        raise Refused(400, "Bad query")
    return sorted((place for one in wanted for place in form.actions.get(one, ())), reverse=True)


def _template() -> str:
    found = _recorded(36)
    return json.dumps(found).replace(found["uid"], "{uid}")


def multipart(asked: Asked) -> dict[str, tuple[str, bytes]]:
    """The parts of a form: by name, the file's name and the content."""
    boundary = re.search(r'boundary="?([^";]+)', asked.headers.get("Content-Type") or "")
    found: dict[str, tuple[str, bytes]] = {}
    for part in asked.body.split(b"--" + boundary[1].encode())[1:-1] if boundary else ():
        head, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        named = dict(re.findall(r'(name|filename)="([^"]*)"', head.decode("utf-8", "replace")))
        found[named.get("name", "")] = (named.get("filename", ""), content.removesuffix(b"\r\n"))
    return found


_KINDS = {"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "csv": "text/csv", "pdf": "application/pdf", "m4a": "audio/mp4", "mp3": "audio/mpeg", "mp4": "video/mp4", "xml": "text/xml"}


def mimetype(name: str) -> str:
    return _KINDS.get(name.rpartition(".")[2].lower(), "application/octet-stream")


def _last(url: str) -> str:
    return url.rstrip("/").rsplit("/", 1)[1]


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
