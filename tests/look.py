"""`make look`: a picture of every page and letter into var/look/, and what axe-core finds.

A throw-away server with demonstration data; each page at 1440 and 390 px, in English and Thai, light and dark. `--docs`
also renews the pictures that README and docs show.
"""
from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parent)]

from browser import DESK, NARROW, PHONE, ROOT, Finding, Server, accessibility, chromium, enter, listen, overflow, served  # noqa: E402
from look_pages import Spot, spots, story_code  # noqa: E402

OUT = ROOT / "var" / "look"
DOCS = ROOT / "docs" / "pictures"
LANGUAGES = ("en", "th")
SCHEMES = ("light", "dark")
HEIGHTS = {DESK: 900, PHONE: 844}
TALLEST = 6000  # a list is no picture any more beyond this


@dataclass
class Found:
    """What was seen, by both browsers together."""

    total: int
    pictures: int = 0
    findings: list[tuple[str, Finding]] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def took(self, name: str) -> None:
        with self.lock:
            self.pictures += 1
            end = "\r" if sys.stdout.isatty() else "\n"
            if sys.stdout.isatty() or self.pictures % 50 == 0 or self.pictures == self.total:
                print(f"  {self.pictures}/{self.total} {name:40}", end=end, flush=True)


def main() -> int:
    """Take the pictures. Exit status 1 when axe-core finds something serious or a browser complains."""
    words = argparse.ArgumentParser(description="Pictures of every page and letter into var/look/.")
    words.add_argument("--docs", action="store_true", help="also write the pictures of README and docs")
    words.add_argument("--cases", type=int, default=40)
    words.add_argument("--only", default="", help="pages whose name begins so; several with commas between")
    chosen = words.parse_args()
    began = time.monotonic()
    _empty(chosen.only)
    with tempfile.TemporaryDirectory(prefix="namjai-look-") as folder, served(Path(folder), chosen.cases) as server:
        server.settle()
        wanted = [one for one in spots(server) if one.name.startswith(tuple(chosen.only.split(",")))]
        found = Found(len(wanted) * len(LANGUAGES) * len(HEIGHTS) * len(SCHEMES))
        _look_twice(server, wanted, found)
        letters = _letters(server) if not chosen.only else {}
        if chosen.docs:
            _documents(server, letters)
    _write(found)
    return _sum_up(found, len(letters), time.monotonic() - began)


def _empty(only: str | None) -> None:
    if not only:
        shutil.rmtree(OUT, ignore_errors=True)
    (OUT / "letters").mkdir(parents=True, exist_ok=True)


def _look_twice(server: Server, wanted: list[Spot], found: Found) -> None:
    """One browser a language, side by side."""
    threads = [threading.Thread(target=_look_in, args=(server, wanted, language, found)) for language in LANGUAGES]
    for one in threads:
        one.start()
    for one in threads:
        one.join()


def _look_in(server: Server, wanted: list[Spot], language: str, found: Found) -> None:
    with chromium() as browser:
        readers: dict[str | None, Any] = {}
        for spot in wanted:
            if spot.reader not in readers:
                readers[spot.reader] = _reader(browser, server, spot.reader, language)
            try:
                _look_at(readers[spot.reader], server, spot, language, found)
            except Exception as error:
                found.complaints.append(f"{spot.name}.{language} ({spot.path}): {str(error).splitlines()[0]}")


def _reader(browser: Any, server: Server, reader: str | None, language: str) -> Any:
    page = browser.new_context(viewport={"width": DESK, "height": HEIGHTS[DESK]}).new_page()
    # Both browsers are the same person, whose language is the one last asked for: each asks for its own every time.
    page.route("**/*", lambda route: _ask_in(language, route))
    page.set_default_timeout(15_000)
    page.complaints = listen(page)
    if reader:
        enter(page, server.url, server.person(reader))
    return page


def _ask_in(language: str, route: Any) -> None:
    address = route.request.url
    if route.request.resource_type in ("document", "xhr", "fetch") and "lang=" not in address:
        address += f"{'&' if '?' in address else '?'}lang={language}"
    route.continue_(url=address)


def _look_at(page: Any, server: Server, spot: Spot, language: str, found: Found) -> None:
    page.set_viewport_size({"width": DESK, "height": HEIGHTS[DESK]})
    path, hash_, part = spot.path.partition("#")
    answer = page.goto(f"{server.url}{path}{'&' if '?' in path else '?'}lang={language}{hash_}{part}")
    if spot.press:
        spot.press(page, language)
    elif answer and answer.status != spot.status:
        found.complaints.append(f"{spot.name}.{language}: answered {answer.status}")
    for width, height in HEIGHTS.items():
        page.set_viewport_size({"width": width, "height": height})
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            _picture(page, f"{spot.name}.{language}.{width}.{scheme}", found)
    page.set_viewport_size({"width": NARROW, "height": 700})
    if overflow(page) > 0:
        found.complaints.append(f"{spot.name}.{language}: {overflow(page)} px too wide at {NARROW}")
    found.complaints += [f"{spot.name}.{language}: {one}" for one in page.complaints]
    page.complaints.clear()


def _picture(page: Any, name: str, found: Found) -> None:
    page.evaluate("document.fonts.ready")
    wide = page.viewport_size["width"]
    # As tall as the page: what is fixed to the screen's edge then stands at the page's, and hides nothing.
    tall = min(page.evaluate("document.documentElement.scrollHeight"), TALLEST)
    page.set_viewport_size({"width": wide, "height": max(tall, HEIGHTS[wide])})
    if page.locator(".nj-window object").count() and wide == DESK:
        page.wait_for_timeout(2000)  # the browser's own reader says nothing when it has drawn
    page.screenshot(path=OUT / f"{name}.png")
    page.set_viewport_size({"width": wide, "height": HEIGHTS[wide]})
    if overflow(page) > 0:
        found.complaints.append(f"{name}: {overflow(page)} px too wide")
    heard = accessibility(page)
    with found.lock:
        found.findings += [(name, one) for one in heard]
    found.took(name)


def _letters(server: Server) -> dict[str, Path]:
    """Letters of each kind and language as pictures; gives their first pages."""
    from cases import letters

    rows = server.rows(
        "SELECT DISTINCT ON (kind, language) id, number, kind, language FROM letter WHERE pdf_blob IS NOT NULL "
        "AND state = 'issued' ORDER BY kind, language, issued_at DESC")
    made = {}
    for row in rows:
        with server.store.database.begin(server.actor) as tx:
            content = letters.pdf_of(tx, server.store, server.actor.project, row.id)
        name = f"{row.kind}.{row.language}"
        (OUT / "letters" / f"{name}.pdf").write_bytes(content)
        subprocess.run(["pdftoppm", "-r", "110", "-png", OUT / "letters" / f"{name}.pdf", OUT / "letters" / name], check=True)
        pages = sorted((OUT / "letters").glob(f"{name}-*.png"))
        made[name] = pages[0]
    return made


def _documents(server: Server, letters: dict[str, Path]) -> None:
    """The README's two pictures, and the one of the sources for administrators."""
    DOCS.mkdir(parents=True, exist_ok=True)
    with chromium() as browser:
        page = browser.new_context(viewport={"width": DESK, "height": 1060}, color_scheme="light").new_page()
        enter(page, server.url, server.person("ploy"))
        page.goto(f"{server.url}/cases/{story_code(server)}?lang=en")
        page.evaluate("document.fonts.ready")
        page.screenshot(path=DOCS / "case.png")
        page.goto(f"{server.url}/sources?lang=en")
        page.evaluate("document.fonts.ready")
        page.screenshot(path=DOCS / "sources.png")
    thai = next((path for name, path in letters.items() if name.endswith(".th")), None)
    if thai:
        shutil.copyfile(thai, DOCS / "letter.png")


def _write(found: Found) -> None:
    lines = []
    for name, finding in sorted(found.findings, key=lambda one: (not one[1].grave, one[1].rule, one[0])):
        lines.append(f"{name}: {finding}")
    lines += [f"browser: {one}" for one in dict.fromkeys(found.complaints)]
    (OUT / "axe.txt").write_text("\n".join(lines or ["Nothing found."]) + "\n")


def _sum_up(found: Found, letters: int, seconds: float) -> int:
    grave = Counter(f"{one.impact} {one.rule}" for _, one in found.findings if one.grave)
    lesser = Counter(f"{one.impact} {one.rule}" for _, one in found.findings if not one.grave)
    print(f"\n{found.pictures} pictures and {letters} letters in var/look/ ({seconds:.0f} s)")
    print(f"axe-core: {sum(grave.values())} serious or critical, {sum(lesser.values())} lesser (var/look/axe.txt)")
    for what, count in [*grave.most_common(), *lesser.most_common()]:
        print(f"  {what}: {count}")
    for one in list(dict.fromkeys(found.complaints))[:30]:
        print(f"  {one}")
    return 1 if grave or found.complaints else 0


if __name__ == "__main__":
    raise SystemExit(main())
