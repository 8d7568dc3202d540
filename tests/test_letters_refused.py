"""What stops a letter: nothing leaves the house half a letter."""
from pathlib import Path

import pytest
from letter_samples import ADDRESS, NUMBERS, RECEIPT, WORDING, bilingual, letter

import exports.letters as letters
import exports.paper as paper
from exports.letters import LetterData, Window, render_letter
from namjai.problems import Problem
from namjai.settings import FONTS
from odk.letter import check_letter


def refused(data: LetterData) -> Problem:
    with pytest.raises(Problem) as stopped:
        render_letter(data)
    problem = stopped.value
    assert problem.code.startswith("letter-") and "…" not in problem.text("en") + problem.text("th")
    return problem


def test_five_lines_fit_the_window_and_six_do_not():
    assert render_letter(letter(window=Window(lines=(*ADDRESS, "ฝากไว้ที่ร้าน"))))
    assert refused(letter(window=Window(lines=(*ADDRESS, "ฝาก", "ไว้")))).code == "letter-address-too-long"
    assert refused(letter(window=Window(lines=("ถนนที่ยาวเหลือเกินยืดยาวไม่รู้จบ " * 4,) * 3))).code == "letter-address-too-long"


@pytest.mark.parametrize(("changes", "code"), [
    ({"amount": None}, "letter-placeholder-empty"),
    ({"dates": {}}, "letter-placeholder-empty"),
    ({"wording": {"th": WORDING["th"].replace("((term))", "((surname))")}}, "letter-placeholder-unknown"),
    ({"wording": {"th": WORDING["th"].replace("enclosed:", "draft: yes\nenclosed:")}}, "letter-wording-draft"),
    ({"receipt": {"th": RECEIPT["th"].replace("ใบรับเงิน\n---", "ใบรับเงิน\ndraft: yes\n---")}}, "letter-wording-draft"),
    ({"wording": {"en": WORDING["en"]}}, "letter-language-unknown"),
    ({"wording": {"th": WORDING["th"] + "ย่อหน้าที่ยาวมาก " * 300}}, "letter-too-long"),
    ({"printed_number": "ทดลอง ๐๐๐๑/๒๕๖๙"}, "letter-number-series"),
    ({"trial": True}, "letter-number-series"),
    ({"values": {"recipient": "Fasai 😀"}}, "letter-glyph-missing"),
])
def test_a_letter_that_is_not_whole_is_refused(changes, code):
    assert refused(letter(**changes)).code == code


def test_two_languages_of_different_length_are_refused():
    shorter = {"my": WORDING["my"].replace("3. ((condition))\n", ""), "th": WORDING["th"] + "\nอีกย่อหน้าหนึ่ง\n"}
    assert refused(bilingual(wording=shorter)).code == "letter-wording-pairs"


def test_a_draft_never_gets_a_real_number():
    assert refused(bilingual(trial=False, printed_number=NUMBERS["th"])).code == "letter-wording-draft"


def test_a_letter_is_refused_before_it_gets_its_number():
    check_letter(letter(number="", printed_number=""), numbered=False)
    check_letter(letter(number="", printed_number="", trial=True), numbered=False)
    assert refused(letter(number="", printed_number="")).code == "letter-number-series"
    for changes in ({"amount": None}, {"dates": {}}, {"values": {"purpose": ""}}):
        with pytest.raises(Problem) as stopped:
            check_letter(letter(number="", **changes), numbered=False)
        assert stopped.value.code == "letter-placeholder-empty"


@pytest.fixture
def own_paper(tmp_path, monkeypatch):
    """A copy of the seal's and the fonts' folders that a test may spoil."""
    for name, folder in (("PAPER", paper.PAPER), ("FONTS", FONTS)):
        copy = tmp_path / name
        copy.mkdir()
        for file in folder.rglob("*"):
            if file.is_file():
                (copy / file.relative_to(folder)).parent.mkdir(exist_ok=True)
                (copy / file.relative_to(folder)).symlink_to(file)
        monkeypatch.setattr(paper, name, copy)
    caches = (letters._stylesheet, paper._font_rules, paper._drawable)
    for cache in caches:
        cache.cache_clear()
    yield tmp_path
    for cache in caches:
        cache.cache_clear()


def spoil(file: Path, content: bytes | None) -> None:
    file.unlink()
    if content is not None:
        file.write_bytes(content)


@pytest.mark.parametrize("content", [None, b"not a picture", b"<svg xmlns='http://www.w3.org/2000/svg'><", b""])
@pytest.mark.parametrize("file", ["PAPER/seal.svg", "FONTS/sarabun-thai-400.ttf", "FONTS/maitree-latin-500.ttf"])
def test_a_missing_or_unreadable_seal_or_font_stops_the_letter(own_paper, file, content):
    spoil(own_paper / file, content)
    assert refused(letter()).code == "letter-asset-missing"
    assert refused(letter()).code == "letter-asset-missing"


@pytest.mark.parametrize("url", ["file:///etc/passwd", "http://example.org/x.png", "asset:../paper.py", "font:/etc/passwd", "data:text/plain,x"])
def test_a_letter_reads_no_file_and_no_network(own_paper, url):
    if url.startswith("data:"):
        url = "data:image/png;base64,AAAA"
    parts = paper.PAPER / "parts.html"
    spoil(parts, parts.read_bytes().replace(b"asset:seal.svg", url.encode()))
    # Another environment, because the templates of the house are compiled already.
    paper_env = paper._JINJA.overlay(loader=paper.jinja2.FileSystemLoader(paper.PAPER), cache_size=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paper, "_JINJA", paper_env)
        assert refused(letter()).code == "letter-asset-missing"


def test_the_template_version_changes_with_the_paper(own_paper):
    before = paper.template_version()
    spoil(own_paper / "PAPER/css/trial.css", b"/* other */")
    assert before == letters.TEMPLATE_VERSION and paper.template_version() != before
