"""A Central at a given pace, in a process of its own and so cheap that it leaves the cores to whoever is measured.

Nothing is kept: row number `n` has its id, its times and its XML by arithmetic, so that a million rows cost nothing.
A request takes the server's one core for a while (Node.js has one) and answers some milliseconds later: with 2.5 ms
and 4.17 ms in all, one connection gets 240 XML a second and four get 400, as they did from the recorded Central.
"""
from __future__ import annotations

import argparse
import datetime as dt
import heapq
import json
import select
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

BEGAN = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
DATASET = "people"
_SPREAD = 2_654_435_761  # odd, so each number has its own id, and neighbours lie far apart in an index
_HEAD = "HTTP/1.1 {status} OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{more}\r\n"


def id_of(n: int) -> str:
    return f"uuid:{n * _SPREAD % 2**32:08x}-0000-4000-8000-{n:012x}"


def number_of(root: str) -> int:
    return int(root[-12:], 16)


def moment(n: int, thousandths: int = 0) -> str:
    """When row `n` came: a row a second."""
    return (BEGAN + dt.timedelta(seconds=n)).strftime(f"%Y-%m-%dT%H:%M:%S.{thousandths:03d}Z")


@dataclass
class Numbers:
    """What the double holds: `forms` alike, the first with `rows` submissions, some of them changed since."""

    xform: bytes
    xml: str
    forms: int = 1
    rows: int = 0
    clock: int = 0
    events: int = 0
    changed: dict[int, dict] = field(default_factory=dict)

    def form_ids(self) -> list[str]:
        return ["registration"] + [f"form{n}" for n in range(1, self.forms)]

    def tick(self) -> str:
        """Now: after all rows that came, before those that will."""
        self.clock += 1
        return moment(self.rows - 1, self.clock % 1000)

    def change(self, kind: str, numbers: list[int]) -> None:
        self.events += 1
        for n in numbers:
            one = self.changed.setdefault(n, {"edits": [], "updatedAt": None, "reviewState": None, "deletedAt": None})
            if kind == "edit":
                one["edits"].append(f"uuid:{len(one['edits']):08x}-0000-4000-9000-{n:012x}")
                one |= {"reviewState": "edited", "updatedAt": self.tick()}
            elif kind == "approve":
                one |= {"reviewState": "approved", "updatedAt": self.tick()}
            else:
                one["deletedAt"] = self.tick()

    def row(self, n: int) -> dict:
        one = self.changed.get(n, {})
        system = {
            "submissionDate": moment(n), "updatedAt": one.get("updatedAt"), "submitterId": "33", "submitterName": "Tablet 1",
            "attachmentsPresent": 0, "attachmentsExpected": 0, "status": None, "reviewState": one.get("reviewState"),
            "deviceId": "collect:abc123", "edits": len(one.get("edits", ())), "formVersion": "2026010101",
            "deletedAt": one.get("deletedAt"),
        }
        return {"__id": id_of(n), "__system": system}

    def live(self) -> int:
        return self.rows - sum(one["deletedAt"] is not None for one in self.changed.values())

    def matching(self, filter_: str | None) -> Iterator[int]:
        """The numbers of rows that a filter by time names, the newest first."""
        if filter_ is None:
            return (n for n in range(self.rows - 1, -1, -1) if not self.changed.get(n, {}).get("deletedAt"))
        mark = filter_.split(" ge ")[1].split(" ")[0]
        first = int((dt.datetime.fromisoformat(mark) - BEGAN).total_seconds())
        late = [n for n, one in self.changed.items() if max(one["updatedAt"] or "", one["deletedAt"] or "") >= mark]
        numbers = {*late, *range(max(first, 0), self.rows)}
        return iter(sorted(numbers, reverse=True))

    def xml_of(self, n: int, instance: str | None = None) -> bytes:
        root = id_of(n)
        chain = [root, *self.changed.get(n, {}).get("edits", ())]
        instance = instance or chain[-1]
        at = chain.index(instance)
        old = f"<deprecatedID>{chain[at - 1]}</deprecatedID>" if at else ""
        return self.xml.replace("{n}", str(n)).replace("{entity}", root[5:]).replace("{old}", old).replace("{instance}", instance).encode()


Body = bytes | Iterator[bytes]


class Routes:
    """What is asked, answered, and what it costs in seconds: of the core, and in all."""

    def __init__(self, numbers: Numbers, pace: bool) -> None:
        self.numbers, self.pace = numbers, pace
        self.prepared: dict[int, bytes] = {}

    def answer(self, method: str, target: str, etag: str) -> tuple[int, Body, str, float, float]:
        """Status, body, headers of its own, and what it costs."""
        parts = urlsplit(target)
        path, query = unquote(parts.path), {name: given[-1] for name, given in parse_qs(parts.query).items()}
        costs = ((0.0025, 0.00417) if path.endswith(".xml") else (0.01, 0.01)) if self.pace else (0.0, 0.0)
        status, body, headers = self._found(method, path, query, etag)
        return status, body, headers, *costs

    def _found(self, method: str, path: str, query: dict[str, str], etag: str) -> tuple[int, Body, str]:
        if path.startswith("/double/"):
            return self._told(path, query)
        steps = path.split("/")[2:]
        if steps[0] == "sessions":
            return 200, _json({"token": "T" * 64, "csrf": "C", "expiresAt": "9999-12-31T23:59:59.000Z"}), ""
        rest = steps[2:]
        if rest[:1] == ["datasets"]:
            return self._dataset(rest[1:], etag)
        if rest[:1] == ["forms"]:
            return self._form(rest[1:], query, etag)
        return 200, _json({"id": 6, "name": "Paced"}), ""

    def _dataset(self, rest: list[str], etag: str) -> tuple[int, Body, str]:
        if not rest:
            return 200, _json([{"name": DATASET}]), ""
        if rest[-1] == "Entities":
            return 200, _json({"value": [], "@odata.count": 0}), ""
        if rest[-1] == "entities.csv":
            return self._unless(etag, "list", lambda: b"__id,label\n")
        return 200, _json({"name": DATASET, "properties": [{"name": "full_name"}]}), ""

    def _form(self, rest: list[str], query: dict[str, str], etag: str) -> tuple[int, Body, str]:
        shown = {"version": "2026010101", "state": "open", "sha256": "0", "publishedAt": moment(0)}
        if not rest:
            return 200, _json([{"xmlFormId": one, "name": one} | shown for one in self.numbers.form_ids()]), ""
        name = rest[0].removesuffix(".svc")
        if rest[-1] == "versions" and len(rest) == 2:
            return 200, _json([{"xmlFormId": name} | shown]), ""
        if rest[1] == "versions" and rest[-1].endswith(".xml"):
            return 200, self.numbers.xform.replace(b'id="registration"', f'id="{name}"'.encode()), ""
        if rest[-1] in ("attachments", "comments", "audits"):
            return 200, b"[]", ""
        if rest[0].endswith(".svc"):
            return self._listing(name, query, etag)
        return self._submission(rest[2:])

    def _submission(self, rest: list[str]) -> tuple[int, Body, str]:
        n = number_of(rest[0].removesuffix(".xml"))
        if len(rest) == 1:
            if rest[0].endswith(".xml"):
                return 200, self.prepared.get(n) or self.numbers.xml_of(n), ""
            return 200, _json({"instanceId": id_of(n)}), ""
        if rest[-1] == "versions":
            chain = [id_of(n), *self.numbers.changed.get(n, {}).get("edits", ())]
            return 200, _json([{"instanceId": one, "createdAt": moment(n + at)} for at, one in enumerate(chain)]), ""
        return 200, self.numbers.xml_of(n, rest[-1].removesuffix(".xml")), ""

    def _listing(self, name: str, query: dict[str, str], etag: str) -> tuple[int, Body, str]:
        numbers = self.numbers if name == "registration" else Numbers(b"", "")
        if etag and etag == f'W/"{numbers.events}"':
            return 304, b"", f"ETag: {etag}\r\n"
        found = numbers.matching(query.get("$filter"))
        if skip := query.get("$skiptoken"):
            found = (n for n in found if n < int(skip))
        said = f"ETag: W/\"{numbers.events}\"\r\n"
        if "$top" not in query:
            return 200, _streamed(numbers, found), said
        page = [n for _, n in zip(range(int(query["$top"]) + 1), found, strict=False)]
        body: dict = {"value": [numbers.row(n) for n in page[: int(query["$top"])]]}
        if len(page) > int(query["$top"]):
            body["@odata.nextLink"] = f"https://central.example.org/v1/x?%24skiptoken={page[-2]}"
        if query.get("$count"):
            body["@odata.count"] = numbers.live()
        return 200, _json(body), said

    def _unless(self, etag: str, now: str, made: object) -> tuple[int, Body, str]:
        said = f'W/"{now}"'
        return (304, b"", f"ETag: {said}\r\n") if etag == said else (200, made(), f"ETag: {said}\r\n")  # type: ignore[operator]

    def _told(self, path: str, query: dict[str, str]) -> tuple[int, Body, str]:
        if path == "/double/rows":
            self.numbers.rows, self.numbers.events = int(query["to"]), self.numbers.events + 1
            self.prepared = {}
        elif path == "/double/prepare":
            self.prepared = {n: self.numbers.xml_of(n) for n in range(self.numbers.rows)}
        elif path == "/double/pace":
            self.pace = query["on"] == "1"
        elif path == "/double/change":
            self.numbers.change(query["kind"], [int(one) for one in query["rows"].split(",")])
        return 200, b"{}", ""


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _streamed(numbers: Numbers, found: Iterator[int]) -> Iterator[bytes]:
    """A listing of any length, piece by piece."""
    yield b'{"value":['
    piece: list[str] = []
    first = True
    for n in found:
        piece.append(json.dumps(numbers.row(n), separators=(",", ":")))
        if len(piece) == 500:
            yield ("" if first else ",").encode() + ",".join(piece).encode()
            piece, first = [], False
    if piece:
        yield ("" if first else ",").encode() + ",".join(piece).encode()
    yield f'],"@odata.count":{numbers.live()}}}'.encode()


class Server:
    """One thread, `select`: its timer is fine enough for milliseconds."""

    def __init__(self, routes: Routes) -> None:
        self.routes = routes
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.here: dict[socket.socket, bytes] = {}
        self.due: list[tuple[float, int, socket.socket, bytes, Iterator[bytes] | None]] = []
        self.free_at, self.order, self.spent, self.asked = 0.0, 0, 0.0, 0

    def run(self) -> None:
        while True:
            wait = max(0.0, self.due[0][0] - time.perf_counter()) if self.due else None
            readable, _, _ = select.select([self.listener, *self.here], [], [], wait)
            for one in readable:
                if one is self.listener:
                    made, _ = one.accept()
                    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self.here[made] = b""
                else:
                    self._read(one)
            while self.due and self.due[0][0] <= time.perf_counter():
                _, _, one, head, rest = heapq.heappop(self.due)
                self._write(one, head, rest)

    def _read(self, one: socket.socket) -> None:
        try:
            data = one.recv(65536)
        except OSError:
            data = b""
        if not data:
            del self.here[one]
            one.close()
            return
        data = self.here[one] + data
        head, found, body = data.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        if not found or len(body) < int(headers.get("content-length", 0)):
            self.here[one] = data
            return
        self.here[one] = b""
        method, target, _ = lines[0].split(" ")
        self._answer(one, method, target, headers.get("if-none-match", ""))

    def _answer(self, one: socket.socket, method: str, target: str, etag: str) -> None:
        now = time.perf_counter()
        if target == "/double/spent":
            self._later(one, now, now, 200, _json({"spent": self.spent, "asked": self.asked}), "")
            return
        status, body, more, core, in_all = self.routes.answer(method, target, etag)
        self.free_at = max(now, self.free_at) + core
        self._later(one, now, max(self.free_at, now + in_all), status, body, more)

    def _later(self, one: socket.socket, now: float, at: float, status: int, body: Body, more: str) -> None:
        kind = "application/xml" if more == "" and isinstance(body, bytes) and body[:1] == b"<" else "application/json"
        self.order += 1
        self.asked += 1
        if isinstance(body, bytes):
            head = _HEAD.format(status=status, kind=kind, length=len(body), more=more).encode() + body
            heapq.heappush(self.due, (at, self.order, one, head, None))
        else:
            head = f"HTTP/1.1 {status} OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n{more}\r\n".encode()
            heapq.heappush(self.due, (at, self.order, one, head, body))
        self.spent += max(at, time.perf_counter()) - now

    def _write(self, one: socket.socket, head: bytes, rest: Iterator[bytes] | None) -> None:
        try:
            one.sendall(head)
            for piece in rest or ():
                one.sendall(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            if rest is not None:
                one.sendall(b"0\r\n\r\n")
        except OSError:
            self.here.pop(one, None)
            one.close()


class Paced:
    """The double, running in a process of its own: `url`, and what can be told to it."""

    def __init__(self, xform: Path, xml: Path, *, rows: int = 0, forms: int = 1, pace: bool = True) -> None:
        given = [str(xform), str(xml), "--rows", str(rows), "--forms", str(forms), *(["--pace"] if pace else [])]
        self.process = subprocess.Popen([sys.executable, __file__, *given], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.url = f"http://127.0.0.1:{self.process.stdout.readline().strip()}"

    def tell(self, what: str, **facts: object) -> dict:
        """Tell it something, or ask what it spent."""
        query = "&".join(f"{name}={value}" for name, value in facts.items())
        with urllib.request.urlopen(f"{self.url}/double/{what}?{query}" if query else f"{self.url}/double/{what}") as answer:
            return json.loads(answer.read())

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(10)

    def __enter__(self) -> Paced:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def main() -> None:
    words = argparse.ArgumentParser(description="Be a paced Central; the port is printed.")
    words.add_argument("xform", type=Path)
    words.add_argument("xml", type=Path)
    words.add_argument("--rows", type=int, default=0)
    words.add_argument("--forms", type=int, default=1)
    words.add_argument("--pace", action="store_true")
    given = words.parse_args()
    numbers = Numbers(given.xform.read_bytes(), given.xml.read_text(), given.forms, given.rows)
    routes = Routes(numbers, given.pace)
    if given.pace:
        routes._told("/double/prepare", {})
    server = Server(routes)
    print(server.listener.getsockname()[1], flush=True)
    server.run()


if __name__ == "__main__":
    main()
