"""A throw-away Namjai with demonstration data, and Chromium to look at it with: for the tests and for `make look`.

The server is the real one (`namjai serve`, with its worker) on a free loopback port, over a data directory of its own.
"""
from __future__ import annotations

import base64
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from cases import installation, projects  # noqa: E402
from commands.demo import seed  # noqa: E402
from commands.opening import opened  # noqa: E402
from namjai.settings import Settings  # noqa: E402
from odk.check import load_folder  # noqa: E402
from store.actor import Actor  # noqa: E402
from store.opening import KEEPER, Store  # noqa: E402

CHROMIUM = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)
ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
DESK, PHONE, NARROW = 1440, 390, 320
GRAVE = ("serious", "critical")


@dataclass
class Server:
    """A running Namjai and, beside it, a look into its database: pages are found by what lies there."""

    url: str
    store: Store
    actor: Actor
    process: subprocess.Popen[bytes]
    # What is kept from the worker until the server stops.
    held: ExitStack

    def rows(self, statement: str, **values: Any) -> list[sa.Row]:
        with self.store.database.begin(self.actor) as tx:
            return list(tx.execute(sa.text(statement), values))

    def ask(self, statement: str, **values: Any) -> Any:
        """The first column of the first row, or None."""
        found = self.rows(statement, **values)
        return found[0][0] if found else None

    def person(self, email: str) -> str:
        """The id of a demonstration person."""
        return str(self.ask("SELECT id FROM users WHERE email = :email", email=f"{email}@example.org"))

    def tablet(self, name: str) -> str:
        """Enrols a tablet that belongs to nobody: its token."""
        from cases import tablets

        with self.store.database.begin(self.actor) as tx:
            return tablets.create(tx, self.store, self.actor, name, None)[1]

    def settle(self, seconds: float = 180) -> None:
        """Wait until every letter that was issued is a PDF."""
        until = time.monotonic() + seconds
        while self.ask("SELECT count(*) FROM letter WHERE state = 'issued' AND pdf_blob IS NULL"):
            if time.monotonic() > until:
                raise TimeoutError("letters are still waiting for their PDF; is the worker at work?")
            time.sleep(0.2)


@contextmanager
def served(folder: Path, cases: int) -> Iterator[Server]:
    """A server over a fresh data directory in the folder, with demonstration data of so many cases."""
    settings = throw_away(folder)
    address = settings.public_url
    with opened(settings, pool_size=3) as store:
        actor = installed(store)
        seed(store, cases=cases)
        with open(folder / "server.log", "wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "commands.main", "serve"], cwd=ROOT, env=surroundings(store), stdout=log, stderr=subprocess.STDOUT)
        try:
            wait_until_ready(address, process)
            with ExitStack() as held:
                yield Server(address, store, actor, process, held)
        finally:
            stop(process)


def surroundings(store: Store) -> dict[str, str]:
    """The environment of a server over this store. All is said outright: a `.env` that lies about leads nowhere else."""
    settings = store.settings
    address = f"http://127.0.0.1:{settings.port}"
    return os.environ | {
        "NAMJAI_DATA_DIR": str(settings.data_dir), "NAMJAI_DATABASE_URL": store.database.url.render_as_string(hide_password=False),
        "NAMJAI_DEMO": "1", "NAMJAI_LANGUAGE": "en", "NAMJAI_BASE_URL": address, "NAMJAI_BLOBS_URL": f"file://{settings.data_dir}/blobs",
        "NAMJAI_MASTER_KEY": _text(settings.master_key), "NAMJAI_SECRET_KEY": _text(settings.secret_key),
        "HOST": "127.0.0.1", "PORT": str(settings.port),
    }


def throw_away(folder: Path) -> Settings:
    """Settings over a fresh data directory, on a free port of this machine."""
    return Settings(
        data_dir=folder, database_url=None, blobs_url=None, base_url=None, demo=True, language="en", host="127.0.0.1",
        port=free_port())


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_until_ready(url: str, process: subprocess.Popen[bytes], seconds: float = 40) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.05)
    raise TimeoutError(f"{url} does not answer")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def chromium() -> Iterator[Any]:
    """The browser. Raises RuntimeError where there is none."""
    from playwright.sync_api import sync_playwright

    if CHROMIUM is None:
        raise RuntimeError("Chromium is missing (apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


def enter(page: Any, url: str, person: str, *, then: str = "/") -> None:
    """Sign in by one click, as a newcomer does."""
    page.goto(f"{url}/sign-in?next={then}")
    page.locator(f'button[name=person][value="{person}"]').click()
    page.wait_for_url(f"{url}{then}")


def prefer(page: Any, url: str, language: str, theme: str) -> None:
    """Set language and theme on the page Me."""
    page.goto(f"{url}/me")
    page.locator(f'main input[name=language][value={language}]').check(force=True)
    page.locator(f'main input[name=theme][value={theme}]').check(force=True)
    page.locator('main form[action="/me"] button[type=submit]').click()
    page.wait_for_load_state()


@dataclass(frozen=True)
class Finding:
    """What axe-core says about one rule on one page."""

    impact: str
    rule: str
    places: tuple[str, ...]

    @property
    def grave(self) -> bool:
        return self.impact in GRAVE

    def __str__(self) -> str:
        return f"{self.impact} {self.rule}\n" + "\n".join(f"      {one}" for one in self.places)


_RUN = """async () => (await axe.run(document, {resultTypes: ['violations']})).violations.map(v =>
    [v.impact || 'minor', v.id, v.nodes.slice(0, 4).map(n => n.html.slice(0, 160) + '  →  ' +
     [...n.any, ...n.all, ...n.none].map(c => c.message).join('; ').slice(0, 200))])"""


def accessibility(page: Any) -> list[Finding]:
    """What axe-core finds on the page as it is shown. The page's own policy stays in force for the page itself."""
    # By the debugger, because the page's policy rightly refuses foreign scripts.
    session = page.context.new_cdp_session(page)
    session.send("Runtime.evaluate", {"expression": AXE.read_text()})
    session.detach()
    return [Finding(impact, rule, tuple(places)) for impact, rule, places in page.evaluate(_RUN)]


def overflow(page: Any) -> int:
    """By how many pixels the page scrolls sideways."""
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


def listen(page: Any) -> list[str]:
    """What the browser complains of from now on: console errors, broken policy, exceptions, answers of 500."""
    complaints: list[str] = []

    def heard(message: Any) -> None:
        if message.type in ("error", "warning") and not re.search(r"status of (4\d\d|503)", message.text):
            complaints.append(f"{page.url}: {message.text}")

    page.on("console", heard)
    page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))
    page.on("response", lambda answer: complaints.append(f"{answer.url}: {answer.status}") if answer.status >= 500 else None)
    return complaints


def installed(store: Store) -> Actor:
    """The shipped programme, installed without ODK Validate: other tests see to that."""
    programme, folder = load_folder(ROOT / "forms" / "aftercare", validate=False)
    with store.database.begin(KEEPER) as tx:
        project = projects.make(tx, store, name=programme.id, short_name=programme.short_name, timezone=programme.timezone)
    actor = projects.in_project(project.id)
    with store.database.begin(actor) as tx:
        installation.install(tx, store, actor, programme, folder)
    return actor


def _text(key: bytes | None) -> str:
    return base64.b64encode(key or b"").decode()
