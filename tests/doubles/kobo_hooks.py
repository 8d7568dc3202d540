"""A KoboToolbox's REST services: what is told to whom when a submission comes, once and unsigned, and the log of it."""
from __future__ import annotations

import ipaddress
import json
import urllib.error
import urllib.request
from base64 import b64encode
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from doubles.kobo_forms import jsonb
from doubles.kobo_http import NOT_FOUND, Asked, in_json
from doubles.kobo_openrosa import OpenRosa
from doubles.kobo_world import Form, Refused, Sub, World
from doubles.server import Answer
from lxml import etree

_AGAIN = (429, 502, 503, 504)
_TRIES = 5
_STATES = {0: "failed", 1: "pending", 2: "success"}


@dataclass
class Log:
    uid: str
    sub: Sub
    tries: int = 0
    status: int = 1
    code: int | None = None
    message: str = ""
    at: str = ""


@dataclass
class Hook:
    """`said`: what its maker wrote. Fields alone, in JSON or XML, with headers and Basic auth, into a template: as recorded."""

    uid: str
    said: dict[str, Any]
    at: str
    logs: list[Log] = field(default_factory=list)


class Hooks(OpenRosa):
    """`private`: whether hooks may reach private and loopback addresses. Kobo's production refuses; tests need it."""

    def __init__(self, world: World, **hosts: str) -> None:
        super().__init__(world, **hosts)
        self.private = True
        world.after_submit.append(self.tell)
        self.route(
            ("GET", "{a}/hooks/", self.hooks), ("POST", "{a}/hooks/", self.make_hook), ("GET", "{a}/hooks/([^/]+)/", self.hook),
            ("PATCH", "{a}/hooks/([^/]+)/", self.change_hook), ("DELETE", "{a}/hooks/([^/]+)/", self.remove_hook),
            ("GET", "{a}/hooks/([^/]+)/logs/", self.logs), ("PATCH", "{a}/hooks/([^/]+)/logs/([^/]+)/retry/", self.retry_one), ("PATCH", "{a}/hooks/([^/]+)/retry/", self.retry),
        )

    # What people do to them

    def _hooked(self, asked: Asked, uid: str, hook: str = "") -> tuple[Form, Hook]:
        form = self.form(asked, uid)
        found = [one for one in form.hooks if one.uid == hook]
        if not self.world.may(form, asked.user, "change_asset") or (hook and not found):
            raise NOT_FOUND
        return form, found[0] if found else Hook("", {}, "")

    def hooks(self, asked: Asked, uid: str) -> Answer:
        form, _ = self._hooked(asked, uid)
        return in_json(self.paged(asked, [self._shown(form, one) for one in _in_order(form)]))

    def make_hook(self, asked: Asked, uid: str) -> Answer:
        (form, _), said = self._hooked(asked, uid), asked.json()
        if not said.get("endpoint"):
            raise Refused(400, {"endpoint": ["This field is required."]})
        hook = Hook(self.world.uid("h"), said, self.world.tick())
        form.hooks.append(hook)
        self._log(form, "register-service", hook)
        made = self._shown(form, hook) | {"settings": said["settings"]}
        return in_json(made, 201, Location=made["url"])

    def hook(self, asked: Asked, uid: str, hook: str) -> Answer:
        return in_json(self._shown(*self._hooked(asked, uid, hook)))

    def change_hook(self, asked: Asked, uid: str, hook: str) -> Answer:
        form, found = self._hooked(asked, uid, hook)
        found.said, found.at = found.said | asked.json(), self.world.tick()
        self._log(form, "modify-service", found)
        return in_json(self._shown(form, found))

    def remove_hook(self, asked: Asked, uid: str, hook: str) -> Answer:
        form, found = self._hooked(asked, uid, hook)
        form.hooks.remove(found)
        self._log(form, "delete-service", found)
        return Answer(204)

    def _log(self, form: Form, action: str, hook: Hook) -> None:
        self.world.log(form, action, hook={"uid": hook.uid, "active": hook.said["active"], "endpoint": hook.said["endpoint"]})

    def _shown(self, form: Form, hook: Hook) -> dict[str, Any]:
        said, url = hook.said, self.url(f"assets/{form.uid}/hooks/{hook.uid}/")
        count = {name: sum(one.status == status for one in hook.logs) for status, name in _STATES.items()}
        return {
            "active": said["active"], "asset": form.asset_number, "auth_level": said["auth_level"], "date_modified": hook.at, "email_notification": said["email_notification"],
            "endpoint": said["endpoint"], "export_type": said["export_type"], "failed_count": count["failed"], "logs_url": url + "logs/", "name": said["name"],
            "payload_template": said["payload_template"], "pending_count": count["pending"], "settings": jsonb(said["settings"]), "subset_fields": said["subset_fields"],
            "success_count": count["success"], "uid": hook.uid, "url": url,
        }

    def logs(self, asked: Asked, uid: str, hook: str) -> Answer:
        form, found = self._hooked(asked, uid, hook)
        rows = [one for one in reversed(found.logs) if asked.query.get("status") in (None, str(one.status))]
        page = self.paged(asked, rows)
        return in_json(page | {"results": [self._line(form, found, one) for one in page["results"]]})

    def _line(self, form: Form, hook: Hook, one: Log) -> dict[str, Any]:
        return {
            "url": self.url(f"assets/{form.uid}/hooks/{hook.uid}/logs/{one.uid}/"), "uid": one.uid, "submission_id": one.sub.id, "tries": one.tries, "status": one.status,
            "status_str": _STATES[one.status], "status_code": one.code, "message": one.message, "date_modified": one.at,
        }

    def retry_one(self, asked: Asked, uid: str, hook: str, log: str) -> Answer:
        self._hooked(asked, uid, hook)
        raise Refused(400, "Data is being or has already been processed", status_code=None)

    def retry(self, asked: Asked, uid: str, hook: str) -> Answer:
        form, found = self._hooked(asked, uid, hook)
        failed = [one for one in reversed(found.logs) if one.status == 0]
        for one in failed:
            self._send(form, found, one)
        return in_json({"detail": "Task successfully scheduled", "pending_uids": [one.uid for one in failed]})

    # What they tell

    def tell(self, form: Form, sub: Sub) -> None:
        """Once for each submission; not for edits, late files or duplicates."""
        for hook in _in_order(form):
            if hook.said["active"]:
                hook.logs.append(Log(self.world.uid("hl", hook.uid, sub.id), sub))
                self._send(form, hook, hook.logs[-1])

    def _send(self, form: Form, hook: Hook, log: Log) -> None:
        log.at = self.world.tick()
        if not self.private and _private(hook.said["endpoint"]):
            log.tries, log.status, log.code, log.message = log.tries + 1, 0, None, f"{hook.said['endpoint']} is not allowed"
            return
        for _ in range(_TRIES):
            log.tries += 1
            log.code, log.message = (self.world.deliver or post)(hook, *self._request(form, hook, log.sub))
            log.status = 2 if log.code and log.code < 300 else 0
            if log.code not in _AGAIN:
                return

    def _request(self, form: Form, hook: Hook, sub: Sub) -> tuple[dict[str, str], bytes]:
        said = hook.said
        headers = {
            "User-Agent": f"KoboToolbox external service - {urlsplit(self.domain).hostname} #{hook.uid}", "Content-Type": f"application/{said['export_type']}",
            **said["settings"].get("custom_headers", {}),
        }
        if said["auth_level"] == "basic_auth":
            headers["Authorization"] = "Basic " + b64encode(f"{said['settings']['username']}:{said['settings']['password']}".encode()).decode()
        if said["export_type"] == "xml":
            root = etree.fromstring(sub.current.xml, etree.XMLParser(remove_blank_text=True))
            return headers, etree.tostring(root, pretty_print=True, xml_declaration=True, encoding="utf-8")
        row = self.shown(form, sub)
        if wanted := said["subset_fields"]:
            row = {name: value for one in wanted for name, value in row.items() if name == one or name.startswith(one + "/")}
        text = json.dumps(row)
        return headers, (said["payload_template"].replace("%SUBMISSION%", text) if said["payload_template"] else text).encode()


def _in_order(form: Form) -> list[Hook]:
    return sorted(form.hooks, key=lambda one: one.said["name"])


def _private(endpoint: str) -> bool:
    try:
        return ipaddress.ip_address(urlsplit(endpoint).hostname or "").is_private
    except ValueError:
        return False


def post(hook: Hook, headers: dict[str, str], body: bytes) -> tuple[int | None, str]:
    """Carry it over HTTP: the status, and what was said."""
    try:
        with urllib.request.urlopen(urllib.request.Request(hook.said["endpoint"], body, headers, method="POST"), timeout=10) as answer:
            return answer.status, answer.read(1000).decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read(1000).decode("utf-8", "replace")
    except OSError as error:
        return None, type(error).__name__
