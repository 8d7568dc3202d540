"""What the doubles of servers have in common: HTTP on loopback, over TLS when it is asked to, and failing on demand as
servers and networks do. What a double answers and holds is its own.
"""
from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@dataclass
class Answer:
    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Fault:
    """Something that goes wrong: `times` times, at requests whose method and path `where` accepts."""

    kind: str
    where: Callable[[str, str], bool] = lambda method, path: True
    times: int = 1
    after: int = 0
    text: str = ""


@dataclass
class Doubled:
    """A running double: `url`, its world, what was asked of it, and the faults that it will make."""

    url: str
    world: Any
    answers: Any
    server: ThreadingHTTPServer
    faults: list[Fault] = field(default_factory=list)
    asked: list[tuple[str, str, int]] = field(default_factory=list)
    tokens_seen: list[str] = field(default_factory=list)
    before: Callable[[str, str], None] | None = None
    pace: float = 0.0
    # What a double does before it answers a request with a fault, and what it makes of the answer (None: what all do).
    shake: Callable[[Fault], None] | None = None
    twist: Callable[[Fault, Answer], Answer | None] | None = None
    lock: threading.RLock = field(default_factory=threading.RLock)
    closed: threading.Event = field(default_factory=threading.Event)

    def fail(self, kind: str, path: str = "", *, method: str = "GET", times: int = 1, after: int = 0, text: str = "") -> None:
        """Make a fault at the next request (or the one after `after` others) whose path holds `path`."""
        self.faults.append(Fault(kind, lambda m, p: m == method and path in p, times, after, text))

    def paths(self) -> list[str]:
        return [path for _, path, _ in self.asked]

    def close(self) -> None:
        self.closed.set()
        self.server.shutdown()
        self.server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    double: Doubled

    def log_message(self, *_: object) -> None:
        pass

    def _do(self) -> None:
        double = self.double
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if token := self.headers.get("Authorization"):
            double.tokens_seen.append(token)
        if double.before:
            double.before(self.command, self.path)
        fault = self._fault()
        if double.pace:
            time.sleep(double.pace)
        if fault and fault.kind in ("stall", "slow"):
            double.closed.wait(float(fault.text or 30))
        with double.lock:
            if fault and double.shake:
                double.shake(fault)
            answer = double.answers.answer(self.command, self.path, self.headers, body)
            if fault:
                answer = (double.twist(fault, answer) if double.twist else None) or _broken(fault, answer)
            double.asked.append((self.command, self.path, answer.status))
        self._send(answer, fault.kind if fault else "")

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _do

    def _fault(self) -> Fault | None:
        with self.double.lock:
            for fault in self.double.faults:
                if fault.times and fault.where(self.command, self.path):
                    if fault.after:
                        fault.after -= 1
                        continue
                    fault.times -= 1
                    return fault
        return None

    def _send(self, answer: Answer, fault: str) -> None:
        if fault in ("reset", "stall"):
            self.close_connection = True
            with suppress(OSError):
                self.connection.close()
            return
        body = b"" if self.command == "HEAD" or answer.status == 304 else answer.body
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status not in (204, 304):
            self.send_header("Content-Length", str(len(body)))
        with suppress(BrokenPipeError, ConnectionResetError, ssl.SSLError, OSError):
            self.end_headers()
            if fault == "cut":
                self.wfile.write(body[: len(body) // 2])
                self.close_connection = True
                self.connection.close()
            elif fault == "drip":
                for at in range(len(body)):
                    self.wfile.write(body[at : at + 1])
                    self.wfile.flush()
                    time.sleep(0.05)
            else:
                self.wfile.write(body)


def _broken(fault: Fault, answer: Answer) -> Answer:
    kind = fault.kind
    if kind == "html":
        return Answer(200, b"<!doctype html><title>Sign in</title>", {"Content-Type": "text/html; charset=utf-8"})
    if kind == "truncated":
        return Answer(200, answer.body[: len(answer.body) * 2 // 3], answer.headers)
    if kind.isdigit():
        headers = {"Content-Type": "application/json"} | ({"Retry-After": fault.text} if fault.text else {})
        return Answer(int(kind), b'{"message":"SECRET-OF-A-SURVIVOR","code":500.1}', headers)
    if kind == "redirect":
        return Answer(302, b"", {"Location": fault.text})
    if kind == "broken-xml":
        return Answer(200, b"<data id='", answer.headers)
    return answer


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_: object) -> None:
        """A client that went away is no error of the test's."""


def listen(world: Any, answers: Any, *, tls: tuple[Path, Path] | None = None) -> Doubled:
    """Start a double on a free port of loopback. `tls`: certificate and key."""
    handler = type("Handler", (_Handler,), {})
    server = _Server(("127.0.0.1", 0), handler)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
    double = Doubled(url, world, answers, server)
    handler.double = double
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    return double


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself: (certificate, key). It is its own authority."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "double.example.org")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1)).not_valid_after(now + dt.timedelta(days=2))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "double.pem", folder / "double.key"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return paths
