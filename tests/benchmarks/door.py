"""How many submissions the tablets' door takes: the real server, a real PostgreSQL, four clients beside it.

Each submission has 30 answers and a repeat of three rows, no file, and is durable before its 201.
"""
from __future__ import annotations

import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

CLIENTS = 4
# As many as a tablet sends in one go. The kernel deals connections out to the server's processes by chance: four that
# stay for the whole measurement may all land in one.
ONE_GO = 25
QUESTIONS = 30


def form() -> str:
    """The XLSForm, as a Markdown table."""
    kinds = ["text", "int", "decimal", "date", "select_one c"]
    rows = "\n".join(
        f"| | {kinds[n % 5]} | q{n} | Question {n} | {'sensitive' if n % 5 == 0 else 'open'} |" for n in range(QUESTIONS)
    )
    return f"""
| survey | type | name | label | bind::namjai:privacy |
{rows}
| | begin repeat | people | People | |
| | text | name | Name | identifying |
| | int | age | Age | open |
| | end repeat | | | |
| choices | list_name | name | label |
| | c | a | A |
| | c | b | B |
| settings | form_id | version | namespaces |
| | bench | 2026112401 | namjai="https://namjai.org/xforms" |
"""


def instance() -> bytes:
    """One filled-in form, as Collect writes it."""
    values = ["a sentence of some length", "42", "1500.50", "2026-11-24", "a"]
    answers = "".join(f"<q{n}>{values[n % 5]}</q{n}>" for n in range(QUESTIONS))
    people = "".join(f"<people><name>Person {n}</name><age>{20 + n}</age></people>" for n in range(3))
    return (
        f"<?xml version='1.0' ?><data xmlns:jr=\"http://openrosa.org/javarosa\" id=\"bench\" version=\"2026112401\">"
        f"{answers}{people}<meta><instanceID>uuid:{uuid.uuid4()}</instanceID></meta></data>"
    ).encode()


def request(host: str, token: str, xml: bytes) -> bytes:
    """The bytes of one POST as a tablet sends it."""
    edge = b"----x7d3f"
    body = (
        b"--" + edge + b'\r\nContent-Disposition: form-data; name="xml_submission_file"; filename="s.xml"\r\n'
        b"Content-Type: text/xml\r\n\r\n" + xml + b"\r\n--" + edge + b"--\r\n"
    )
    head = (
        f"POST /key/{token}/submission?deviceID=bench HTTP/1.1\r\nHost: {host}\r\n"
        f"Content-Type: multipart/form-data; boundary={edge.decode()}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def answer(connection: socket.socket) -> bytes:
    """Read one response; its status line."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, rest = data.partition(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    while len(rest) < length:
        rest += connection.recv(65536)
    return head.split(b"\r\n")[0]


def measure(port: int, token: str, seconds: float) -> dict[str, float]:
    """Submissions a second and latencies (ms) over a while, all clients together."""
    took: list[float] = []
    stop_at = time.perf_counter() + seconds
    wrong: list[bytes] = []

    def client() -> None:
        mine = []
        while time.perf_counter() < stop_at:
            with socket.create_connection(("127.0.0.1", port)) as connection:
                for _ in range(ONE_GO):
                    message = request(f"127.0.0.1:{port}", token, instance())
                    began = time.perf_counter()
                    connection.sendall(message)
                    status = answer(connection)
                    mine.append(time.perf_counter() - began)
                    if b" 201 " not in status:
                        wrong.append(status)
        took.extend(mine)

    began = time.perf_counter()
    clients = [threading.Thread(target=client) for _ in range(CLIENTS)]
    for one in clients:
        one.start()
    for one in clients:
        one.join()
    elapsed = time.perf_counter() - began
    assert not wrong, wrong[:3]
    took.sort()
    return {"rate": len(took) / elapsed, "p50": took[len(took) // 2] * 1000, "p95": took[int(len(took) * 0.95)] * 1000}


def main(seconds: float = 8, rounds: int = 3) -> dict[str, float]:
    """Start a server on a fresh data directory, measure several rounds, stop it. Gives the medians."""
    from browser import stop, surroundings, throw_away, wait_until_ready
    from conftest import compile_markdown

    from cases import tablets
    from cases.publishing import publish
    from commands.opening import opened, project_actor

    with tempfile.TemporaryDirectory(prefix="namjai-bench-") as folder:
        settings = throw_away(Path(folder))
        with opened(settings) as store:
            actor = project_actor(store, None, make="bench")
            with store.database.begin(actor) as tx:
                publish(tx, store, actor, compile_markdown(form()))
                _, token = tablets.create(tx, store, actor, "Bench", None)
            server = subprocess.Popen([sys.executable, "-m", "commands.main", "serve"], cwd=ROOT, env=surroundings(store))
            try:
                wait_until_ready(settings.public_url, server)
                measure(settings.port, token, 2)
                found = [measure(settings.port, token, seconds) for _ in range(rounds)]
            finally:
                stop(server)
    return {name: statistics.median(one[name] for one in found) for name in ("rate", "p50", "p95")}


if __name__ == "__main__":
    print({name: round(value, 1) for name, value in main().items()})
