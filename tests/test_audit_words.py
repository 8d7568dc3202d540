"""Every verb that anything writes into the audit is read there in words, in both languages."""
from __future__ import annotations

import ast
import re
from pathlib import Path

from cases.audit_words import KINDS, NAMED, NUMBERED, SAID, WITH
from namjai.settings import ROOT

FLOORS = ("cases", "commands", "exports", "store", "submissions", "web")
WRITERS = {"Event", "saw", "note", "_note", "insert_new", "insert_version"}
VERB = re.compile(r"[a-z]+\.[a-z_]+")
NOT_WRITTEN = {"submission.original"}


def strings(node: ast.AST) -> set[str]:
    return {
        one.value
        for one in ast.walk(node)
        if isinstance(one, ast.Constant) and isinstance(one.value, str) and VERB.fullmatch(one.value)
    }


def written(path: Path) -> set[str]:
    """The verbs that a file hands to whatever writes events, at once or by a variable called kind or verb."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in WRITERS:
                found |= set().union(*(strings(one) for one in (*node.args, *(word.value for word in node.keywords))))
        elif isinstance(node, ast.Assign) and {getattr(one, "id", "") for one in node.targets} & {"kind", "verb"}:
            found |= strings(node.value)
    return found


def verbs() -> dict[str, str]:
    files = [path for floor in FLOORS for path in (ROOT / floor).rglob("*.py") if "migrations" not in path.parts]
    found = {verb: path.name for path in files for verb in written(path)}
    return found | {f"quarantine.{state}": "quarantine.py" for state in ("replayed", "dismissed")}


def test_every_verb_that_is_recorded_has_words() -> None:
    found = verbs()
    assert len(found) > 40, "the search found too little"
    assert {verb: where for verb, where in found.items() if verb not in SAID} == {}


def test_every_verb_is_said_in_both_languages_and_none_twice() -> None:
    for verb, words in SAID.items():
        assert words.en and words.th and words.en != words.th and "." not in words.en, verb
        assert re.search("[\u0e00-\u0e7f]", words.th) and not re.search("[\u0e00-\u0e7f]", words.en), verb
    for language in ("en", "th"):
        said = [words.in_(language) for words in SAID.values()]
        assert len(said) == len(set(said)), language


def test_what_was_touched_has_its_place_in_both_languages() -> None:
    assert set(WITH) <= set(SAID)
    assert all("{what}" in words.in_(language) for words in (*WITH.values(), NAMED, NUMBERED) for language in ("en", "th"))


def test_whatever_shows_something_is_a_view() -> None:
    shown = {verb for verb in SAID if verb.endswith((".opened", ".listed", ".printed", ".read", ".served"))}
    assert shown <= set(KINDS["seen"][1])


def test_every_kind_of_the_filter_holds_known_verbs() -> None:
    for _, beginnings in KINDS.values():
        assert set(beginnings) <= set(SAID)
