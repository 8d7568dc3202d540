"""The wording of a letter: what an officer may write, and what is said of what cannot be printed."""
import pytest

from namjai.problems import Problem
from odk.wording import PLACEHOLDERS, check_pair, check_wording, choose, read_wording
from odk.wording_problems import PlaceholderEmpty, PlaceholderUnknown, WordingHeadBroken

VALUES = {"recipient": "Fasai", "amount": "12,000", "amount_words": "twelve thousand"}


def wording(body: str, head: str = "subject: A grant", language: str = "en"):
    return read_wording(f"---\n{head}\n---\n\n{body}\n", file="grant.en.md", language=language)


def html(body: str, **values: str) -> str:
    text = choose(wording(body), VALUES | values).html
    return text.replace("\ue000", "[").replace("\ue001", "]").strip()


def findings(text: str, **more) -> list[tuple[str, int | None]]:
    return [(one.code, one.row) for one in check_wording(text, file="grant.th.md", **more)]


def test_an_officer_writes_paragraphs_lists_and_bold():
    assert html("One\ntwo.\n\n- a\n- b") == "<p>One\ntwo.</p>\n<ul>\n<li>a</li>\n<li>b</li>\n</ul>"
    assert html("**((amount)) (((amount_words)))**baht") == "<p><strong>[amount] ([amount_words])</strong>baht</p>"


def test_bold_ends_where_thai_goes_on_without_a_space():
    assert html("เป็นเงิน**((amount)) (((amount_words)))**เพื่อ") == "<p>เป็นเงิน<strong>[amount] ([amount_words])</strong>เพื่อ</p>"


def test_a_thai_officer_numbers_a_list_with_thai_digits():
    assert html("๑. หนึ่ง\n๒. สอง") == "<ol>\n<li>หนึ่ง</li>\n<li>สอง</li>\n</ol>"


@pytest.mark.parametrize("markup", ["[x](http://example.org)", "![x](seal.svg)", "<script>x</script>", "`x`", "# x", "<b>x</b>", "&amp;", "*x*", "> x", "{{ x }}"])
def test_everything_else_prints_as_it_was_typed(markup):
    text = html(markup)
    assert text.startswith("<p>") and text.count("<") == 2
    assert text.removeprefix("<p>").removesuffix("</p>").replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"').replace("&amp;", "&") == markup


def test_text_stays_only_when_its_value_is_there():
    body = "For school((school?? at ))((school))."
    assert html(body, school="Sommot") == "<p>For school at [school].</p>"
    assert html(body) == "<p>For school.</p>"


def test_a_list_item_that_is_only_an_empty_placeholder_goes():
    assert html("1. a\n2. ((condition))\n3. b") == "<ol>\n<li>a</li>\n<li>b</li>\n</ol>"
    assert "[condition]" in html("1. a\n2. ((condition))", condition="c")


def test_nothing_in_bold_leaves_no_stars():
    assert html("a **((note??Note: ))((note))** b") == "<p>a  b</p>"


def test_a_needed_value_that_is_empty_stops_the_letter():
    with pytest.raises(PlaceholderEmpty) as stopped:
        html("Dear ((recipient)), for ((purpose)).", purpose="  ")
    assert stopped.value.facts["name"] == "purpose" and stopped.value.code == "letter-placeholder-empty"


def test_an_unknown_placeholder_stops_the_letter_even_inside_optional_text():
    for body in ("((surname))", "((surname??x))", "a ((school??x)) ((surname))"):
        with pytest.raises(PlaceholderUnknown):
            wording(body)


def test_a_programme_may_add_placeholders_of_its_own():
    assert findings("---\nsubject: x\n---\n((kit))", extra={"kit"}) == []


@pytest.mark.parametrize(("text", "code", "line"), [
    ("no head", "letter-wording-head", 1),
    ("---\nsubject: x\nbody", "letter-wording-head", 1),
    ("---\nsubject: x\ncolour: red\n---\ntext", "letter-wording-head", 3),
    ("---\ndear: you\n---\ntext", "letter-wording-head", 1),
    ("---\nsubject: x\n---\n\n \n", "letter-wording-empty", None),
    ("---\nsubject: x\n---\na **b\n\nc", "letter-wording-bold", 4),
    ("---\nsubject: x\n---\n((Name))", "letter-placeholder-broken", 4),
    ("---\nsubject: x\n---\n((ชื่อ))", "letter-placeholder-broken", 4),
    ("---\nsubject: x\n---\n((school", "letter-placeholder-broken", 4),
    ("---\nsubject: x\n---\n((school?? at ((school)) ))", "letter-placeholder-broken", 4),
    ("---\nsubject: ((surname))\n---\ntext", "letter-placeholder-unknown", 2),
])
def test_a_wrong_wording_is_told_with_its_line_in_both_languages(text, code, line):
    found = check_wording(text, file="grant.th.md")
    assert (code, line) in [(one.code, one.row) for one in found]
    for one in found:
        assert one.en and one.th and "grant.th.md" not in one.en + one.th and "{" not in one.en + one.th
    with pytest.raises(Problem):
        read_wording(text, file="grant.th.md", language="th")


def test_a_misspelt_placeholder_is_told_with_what_was_meant():
    [one] = check_wording("---\nsubject: x\n---\n((recipent))", file="grant.th.md")
    assert "((recipient))" in one.en and "((recipient))" in one.th


def test_a_draft_is_noted_and_a_good_wording_says_nothing():
    assert findings("---\nsubject: x\ndraft: yes\n---\ntext") == [("letter-wording-draft", None)]
    assert findings("---\r\nsubject: x \r\n--- \r\ntext\r\n") == []


def test_a_wording_knows_what_it_uses_and_what_may_be_missing():
    one = wording("((school?? at ))((school)) ((amount))", head="subject: ((purpose))")
    assert one.names == {"school", "amount", "purpose"} and one.optional == {"school"} and not one.draft


def test_two_languages_side_by_side_have_the_same_paragraphs():
    thai, english = wording("a\n\n1. b\n2. c", language="th"), wording("a\n\n1. b\n2. c")
    assert check_pair(thai, english) == []
    assert [one.code for one in check_pair(thai, wording("a\n\nb"))] == ["letter-wording-pairs"]


def test_each_item_counts_on_when_it_stands_in_a_row_of_its_own():
    assert choose(wording("a\n\n1. b\n2. c"), {}).blocks == (
        "<p>a</p>", '<ol style="counter-reset: list-item 0"><li>b</li></ol>', '<ol style="counter-reset: list-item 1"><li>c</li></ol>')
    assert 'counter-reset: list-item 2' in html("3. c")


def test_every_placeholder_says_what_it_means_in_both_languages():
    assert all(one.means.en and one.means.th for one in PLACEHOLDERS.values())


def test_the_head_is_the_only_place_for_what_is_not_text():
    with pytest.raises(WordingHeadBroken):
        wording("x", head="subject: x\nsubject x")
