"""Lay out what pages and letters use of the npm packages: one folder that the web serves, and fonts as TTF for letters.

Run by the set-up with the virtual environment's Python. Knows which packages, scripts and weights are wanted; knows
nothing of the application.
"""
from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from fontTools.ttLib import TTFont

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ROOT / "node_modules"
VENDOR = ROOT / "web" / "static" / "vendor"

FILES = {  # in the package -> below web/static/vendor/
    "bootstrap/dist/css/bootstrap.min.css": "bootstrap.min.css",
    "bootstrap/dist/js/bootstrap.bundle.min.js": "bootstrap.bundle.min.js",
    "htmx.org/dist/htmx.min.js": "htmx.min.js",
    "bootstrap-icons/bootstrap-icons.svg": "bootstrap-icons.svg",
}
# Pages: scripts that people here read; a browser fetches a subset only when a page has letters of it.
WEB_SUBSETS = ("latin", "latin-ext", "vietnamese", "thai", "myanmar", "khmer", "lao")
WEB_FONTS = {
    "ibm-plex-sans": (400, 500, 600),
    "ibm-plex-sans-thai-looped": (400, 500, 600),
    "ibm-plex-mono": (400, 500),
    "maitree": (400, 500),
    "noto-sans-myanmar": (400, 500, 600),
    "noto-sans-khmer": (400, 500, 600),
    "noto-sans-lao": (400, 500, 600),
}
# Letters: each file becomes a family of its own there. Subsets that share a family name print Latin as Thai marks.
PAPER_FONTS = {
    "sarabun": (("latin", "latin-ext", "thai"), (400, 600, 700)),
    "maitree": (("latin", "latin-ext", "thai"), (400, 500, 600)),
    "noto-sans-myanmar": (("myanmar",), (400, 600)),
    "noto-sans-khmer": (("khmer",), (400, 600)),
    "noto-sans-lao": (("lao",), (400, 600)),
    "ibm-plex-mono": (("latin",), (400, 500)),
}
FACE = re.compile(r"/\* (?P<name>\S+) \*/\s*(?P<rule>@font-face \{.*?\})", re.S)
WOFF2 = re.compile(r"src: url\(\./files/(?P<file>[^)]+\.woff2)\) format\('woff2'\)[^;]*;")


def main() -> None:
    """Make web/static/vendor/ anew. What a half-done run left is replaced."""
    shutil.rmtree(VENDOR, ignore_errors=True)
    (VENDOR / "fonts").mkdir(parents=True)
    (VENDOR / "fonts-ttf").mkdir()
    for source, target in FILES.items():
        shutil.copyfile(PACKAGES / source, VENDOR / target)
    # Maps are for those who debug the library; without this line a browser asks for them in vain.
    for script in [*VENDOR.glob("*.js"), *VENDOR.glob("*.css")]:
        script.write_text(re.sub(r"(//|/\*)# sourceMappingURL=\S+( \*/)?\s*$", "", script.read_text("utf-8")), "utf-8")
    shutil.copytree(PACKAGES / "bootstrap-icons" / "icons", VENDOR / "icons")
    (VENDOR / "fonts.css").write_text("\n".join(web_fonts()), "utf-8")
    for family, (subsets, weights) in PAPER_FONTS.items():
        for subset in subsets:
            for weight in weights:
                to_ttf(family, subset, weight)


def web_fonts() -> Iterator[str]:
    """The font-face rules of the pages, one stylesheet; copies their files."""
    for family, weights in WEB_FONTS.items():
        folder = PACKAGES / "@fontsource" / family
        for weight in weights:
            for face in FACE.finditer((folder / f"{weight}.css").read_text("utf-8")):
                subset = face["name"].removeprefix(f"{family}-").removesuffix(f"-{weight}-normal")
                if subset not in WEB_SUBSETS:
                    continue
                file = WOFF2.search(face["rule"])
                if not file:
                    sys.exit(f"{folder}/{weight}.css is written in a way that is not understood")
                shutil.copyfile(folder / "files" / file["file"], VENDOR / "fonts" / file["file"])
                yield WOFF2.sub(rf"src: url(fonts/{file['file']}) format('woff2');", face["rule"])


def to_ttf(family: str, subset: str, weight: int) -> None:
    """One font file of the letters."""
    source = PACKAGES / "@fontsource" / family / "files" / f"{family}-{subset}-{weight}-normal.woff2"
    font = TTFont(source)
    font.flavor = None
    font.save(VENDOR / "fonts-ttf" / f"{family}-{subset}-{weight}.ttf")


if __name__ == "__main__":
    main()
