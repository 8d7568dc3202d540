"""What stands around a KoboToolbox's assets: media, counts, the history of a project, with whom it is shared."""
from __future__ import annotations

import hashlib
import json
from base64 import b64decode
from typing import Any

from doubles.kobo_forms import jsonb
from doubles.kobo_http import NOT_FOUND, Asked, Basics, in_json, mimetype, multipart, recorded
from doubles.kobo_world import Form, Media, Refused, World
from doubles.server import Answer

_LABELS = {"add_submissions": "Add submissions", "change_asset": "Edit form", "change_submissions": "Edit submissions", "delete_submissions": "Delete submissions",
           "manage_asset": "Manage project", "validate_submissions": "Validate submissions", "view_asset": "View form", "view_submissions": "View submissions"}

class Around(Basics):
    def __init__(self, world: World, **hosts: str) -> None:
        super().__init__(world, **hosts)
        self.route(
            ("GET", "{a}/files/", self.files), ("POST", "{a}/files/", self.put_file), ("GET", "{a}/files/([^/]+)/content/", self.file_content),
            ("GET", "{a}/counts/", self.counts), ("GET", "{a}/history/", self.history),
            ("GET", "{a}/permission-assignments/", self.permissions), ("POST", "{a}/permission-assignments/", self.share),
            ("POST", "{a}/permission-assignments/bulk/", self.share_many),
        )

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
            "user": self.url(f"users/{one['by']}/"), "user_uid": recorded(9)["extra_details__uid"], "username": one["by"], "action": one["action"],
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
        return found | {"label": _LABELS.get(name) or next(one["label"] for one in recorded(36)["assignable_permissions"] if one["url"].endswith(f"{name}/"))}

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


def _last(url: str) -> str:
    return url.rstrip("/").rsplit("/", 1)[1]
