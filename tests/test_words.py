"""Every word of every page stands in English and in Thai, and no page brings a style or a script of its own."""
from __future__ import annotations

import ast
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from jinja2 import Environment, nodes

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT / "templates" / "pages").rglob("*.html"))
PYTHON = sorted((ROOT / "web").glob("*.py"))
THAI = re.compile("[ก-๙]")
LATIN = re.compile("[A-Za-z]{2,}")
# The same in both languages: names, what one types, units.
NAMES = {"Namjai", "Namjai น้ำใจ", "EN", "English", "ไทย", "ภาษาไทย", "น้ำใจ", "XLSForm (.xlsx)", "ODK Collect", "KB", "PDF", "SHA-256"}
# The sign-in page says its sentence in the other language, too.
OTHER_WAY_ROUND = {"น้ำใจที่กลายเป็นความช่วยเหลือ"}
SEEN_ATTRIBUTES = ("aria-label", "title", "placeholder", "alt", "aria-description")


def calls(source: str) -> list[tuple[int, list[str | None], set[str]]]:
    """Every `t(…)` of a template: its line, its texts, the values that it is given."""
    found = []
    for call in Environment().parse(source).find_all(nodes.Call):
        if isinstance(call.node, nodes.Name) and call.node.name == "t":
            texts = [one.value if isinstance(one, nodes.Const) else None for one in call.args]
            found.append((call.lineno, texts, {one.key for one in call.kwargs}))
    return found


def python_calls(source: str) -> list[tuple[int, list[str | None], set[str]]]:
    """The same of a module."""
    found = []
    for call in ast.walk(ast.parse(source)):
        name = getattr(call.func, "id", getattr(call.func, "attr", "")) if isinstance(call, ast.Call) else ""
        if name == "t":
            texts = [one.value if isinstance(one, ast.Constant) else None for one in call.args]
            found.append((call.lineno, texts, {one.arg for one in call.keywords if one.arg}))
    return found


def placeholders(text: str) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", text))


@pytest.mark.parametrize("path", [*PAGES, *PYTHON], ids=lambda one: one.name)
def test_both_languages_say_the_same_with_the_same_placeholders(path: Path) -> None:
    source = path.read_text()
    for line, texts, values in calls(source) if path.suffix == ".html" else python_calls(source):
        where = f"{path.name}:{line} {texts}"
        if texts and all(one is None for one in texts):
            continue  # a pair that stands in a table; whoever wrote the table is tested by that
        assert len(texts) == 2 and all(isinstance(one, str) for one in texts), where
        english, thai = texts
        assert placeholders(english) == placeholders(thai) == values, where
        if english in NAMES | OTHER_WAY_ROUND or {english, thai} == {"en", "th"}:
            continue
        assert THAI.search(thai) or not LATIN.search(re.sub(r"\{\w+\}", "", english)), f"no Thai: {where}"
        assert not THAI.search(english), f"Thai among English: {where}"
        assert not re.search("ครับ|ค่ะ|นะคะ", thai), where


class Words(HTMLParser):
    """Collects what a reader would see, and what a strict policy would refuse."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.refused: list[str] = []
        self._within: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        if "style" in given or tag == "style":
            self.refused.append(f"<{tag} style>")
        if tag == "script" and "src" not in given:
            self.refused.append("<script>")
        self.refused += [f"<{tag} {name}>" for name in given if name.startswith("on")]
        self.texts += [given[name] or "" for name in SEEN_ATTRIBUTES if name in given]
        self._within.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._within:
            while self._within.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if not {"code", "kbd", "script"} & set(self._within):
            self.texts.append(data)


def plain(source: str) -> str:
    """A template without what Jinja computes: what is left stands there in one language only."""
    source = re.sub(r"\{#.*?#\}", "", source, flags=re.S)
    # A placeholder of the same length keeps attributes attributes.
    return re.sub(r"\{\{.*?\}\}|\{%.*?%\}", " ", source, flags=re.S)


@pytest.mark.parametrize("path", PAGES, ids=lambda one: one.name)
def test_no_word_of_a_page_stands_outside_both_languages(path: Path) -> None:
    words = Words()
    words.feed(plain(path.read_text()))
    for text in words.texts:
        said = " ".join(text.split())
        for name in sorted(NAMES, key=len, reverse=True):
            said = said.replace(name, "")
        assert not LATIN.search(re.sub(r"&\w+;", "", said)) and not THAI.search(said), f"{path.name}: {text.strip()!r}"


@pytest.mark.parametrize("path", PAGES, ids=lambda one: one.name)
def test_no_page_brings_a_style_or_a_script_of_its_own(path: Path) -> None:
    words = Words()
    words.feed(plain(path.read_text()))
    assert words.refused == []
