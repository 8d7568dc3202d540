"""How a KoboToolbox answers: who asks, where it leads, pages and their links, errors. Knows the world; knows no sockets."""
from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote_plus, unquote, urlsplit

from doubles.kobo_world import Form, Refused, World
from doubles.server import Answer

_RECORDED = Path(__file__).parents[1] / "recordings" / "kobo" / "bodies"
_KINDS = {"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "csv": "text/csv", "pdf": "application/pdf", "m4a": "audio/mp4", "mp3": "audio/mpeg", "mp4": "video/mp4", "xml": "text/xml"}
NOT_FOUND = Refused(404, "Not found.")
FORBIDDEN = Refused(403, "You do not have permission to perform this action.")


@cache
def recorded(number: int) -> Any:
    """The body of a recorded answer. Nobody changes it."""
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
                return Answer(500, recorded(100), {"Content-Type": "text/html; charset=utf-8"})
            said = refused.message if isinstance(refused.message, dict | list) else {"detail": refused.message}
            return in_json(said | refused.more if isinstance(said, dict) else said, refused.status, **({"WWW-Authenticate": "Session"} if refused.status == 401 else {}))
        except Broken:
            return Answer(500, recorded(100), {"Content-Type": "text/html; charset=utf-8"})

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


def multipart(asked: Asked) -> dict[str, tuple[str, bytes]]:
    """The parts of a form: by name, the file's name and the content."""
    boundary = re.search(r'boundary="?([^";]+)', asked.headers.get("Content-Type") or "")
    found: dict[str, tuple[str, bytes]] = {}
    for part in asked.body.split(b"--" + boundary[1].encode())[1:-1] if boundary else ():
        head, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        named = dict(re.findall(r'(name|filename)="([^"]*)"', head.decode("utf-8", "replace")))
        found[named.get("name", "")] = (named.get("filename", ""), content.removesuffix(b"\r\n"))
    return found


def mimetype(name: str) -> str:
    return _KINDS.get(name.rpartition(".")[2].lower(), "application/octet-stream")
