"""program.toml: read into a Programme, and every mistake in it named with file, key and what to do."""
from __future__ import annotations

import json
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyxform.xls2json_backends import md_table_to_workbook

from namjai.languages import Words
from odk.check import check, load_folder, read_folder
from odk.findings import Finding
from odk.programme import Column, Limit, ListRule, Programme, ProgrammeInvalid, allot_slots, read_programme
from odk.programme_file import programme_of
from odk.programme_rules import programme_rules
from odk.toml_table import Table

AFTERCARE = Path(__file__).parent.parent / "forms" / "aftercare"
Change = Callable[..., list[Finding]]


@pytest.fixture
def officer(tmp_path: Path) -> Change:
    """An officer who changes one passage of program.toml and asks what Namjai thinks of it."""
    folder = tmp_path / "aftercare"
    shutil.copytree(AFTERCARE, folder)

    def changes(old: str, new: str, times: int = 1) -> list[Finding]:
        text = (folder / "program.toml").read_text("utf-8")
        assert old in text, old
        (folder / "program.toml").write_text(text.replace(old, new, times), "utf-8")
        return check(folder, validate=False)

    return changes


def test_the_aftercare_programme_is_read() -> None:
    programme = read_programme(AFTERCARE)
    assert (programme.id, programme.short_name, programme.undeclared) == ("aftercare", "AC", "strict")
    assert programme.cases.code == "case_code" and programme.lists["grants"].parent == "survivor"
    assert [one.id for one in programme.stages][:2] == ["report", "screening"] and programme.stage("legal").beside
    assert programme.word("survivor", "th") == "ผู้ผ่านพ้น" and programme.word("case") == "case"


def test_a_programme_lies_in_the_database_as_json() -> None:
    programme, _ = load_folder(AFTERCARE, validate=False)
    assert Programme.from_json(json.loads(json.dumps(programme.to_json()))) == programme


def test_a_programme_of_an_older_namjai_is_still_read() -> None:
    data = read_programme(AFTERCARE).to_json()
    del data["return_receipt_days"]
    assert Programme.from_json({**data, "of_the_future": 1}).return_receipt_days == 14


def test_a_columns_choices_have_their_words() -> None:
    survivors = load_folder(AFTERCARE, validate=False)[0].cases
    assert survivors.column("risk").labels["high"] == Words("High", "สูง")
    assert survivors.column("age_band").shown("15-17", "th") == "15–17 ปี"
    assert survivors.column("languages").shown("my shn") == "Burmese, Shan"
    assert survivors.column("stage").shown("care", "th") == "คุ้มครองและดูแล"
    assert survivors.column("risk").shown("unheard-of") == "unheard-of"


def test_who_may_approve_how_much() -> None:
    grants = read_programme(AFTERCARE).grants
    assert grants.limits == (Limit(500000, ("coordinator", "director")), Limit(20000000, ("director",)))
    assert grants.may_approve("coordinator", 500000) and not grants.may_approve("coordinator", 500001)
    assert grants.may_approve("director", 20000000) and not grants.may_approve("director", 20000001)
    assert not grants.may_approve("field_staff", 1)


def test_what_is_due_and_the_first_filters_lie_in_the_indexed_slots() -> None:
    slots = read_programme(AFTERCARE).cases.slots
    assert (slots["next_follow_up"], slots["stage"], slots["risk"]) == ("d1", "t1", "t2")
    assert len(set(slots.values())) == len(slots)


def test_a_column_keeps_its_slot_when_others_come_and_go() -> None:
    def rule(*names: str) -> ListRule:
        return ListRule("cases", Words("", ""), due="due", columns=tuple(Column(one, Words("", ""), filter=True) for one in names))

    before = allot_slots(rule("stage", "risk", "sex"))
    after = allot_slots(rule("province", "risk", "sex"), before)
    assert after == {"due": "d1", "risk": before["risk"], "sex": before["sex"], "province": "t1"}


def test_a_column_that_becomes_a_number_moves() -> None:
    rule = ListRule("cases", Words("", ""), columns=(Column("age", Words("", ""), "number"),))
    assert allot_slots(rule, {"age": "t1"}) == {"age": "n1"}


@pytest.mark.parametrize(("old", "new", "key", "code", "says"), [
    ('short_name = "AC"', 'shortname = "AC"\nshort_name = "AC"', "programme.shortname", "key-unknown", "Did you mean “short_name”"),
    ('case_list = "survivors" ', 'case_list = 5 ', "programme.case_list", "key-type", "text in quotes"),
    ('case_list = "survivors" ', 'case_list = "survivor" ', "programme.case_list", "list-unknown", "Did you mean “survivors”"),
    ('case_list = "survivors" ', '', "programme.case_list", "key-missing", "Write it"),
    ('undeclared = "strict" ', 'undeclared = "strickt" ', "programme.undeclared", "value-unknown", "Did you mean “strict”"),
    ('timezone = "Asia/Bangkok"', 'timezone = "Asia/Chiangmai"', "programme.timezone", "value-unknown", "Asia/Bangkok"),
    ('short_name = "AC"', 'short_name = "aftercare"', "programme.short_name", "value-unknown", "2 to 4 capital"),
    ('label.th = "คัดกรอง"', '', "stages[2].label.th", "label-half", "Thai"),
    ('label.en = "Risk"\nlabel.th = "ความเสี่ยง"', '', "lists.survivors.columns[2].label", "label-missing", "label.en and label.th"),
    ('beside = true', 'beside = "yes"', "stages[6].beside", "key-type", "true or false"),
    ('id = "screening"', 'id = "report"', "stages[2].id", "value-double", "twice"),
    ('parent = "survivor" ', '', "lists.grants.parent", "parent-missing", "parent ="),
    ('parent = "survivor" ', 'parent = "person" ', "lists.grants.parent", "parent-not-saved", "fund_request"),
    ('pseudonym = "pseudonym"', 'pseudonym = "pseudonm"', "lists.survivors.pseudonym", "property-not-saved", "Did you mean pseudonym"),
    ('property = "province"', 'property = "provinz"', "lists.survivors.columns[9].property", "property-not-saved", "Did you mean province"),
    ('choices = "age_bands" ', 'choices = "age_band" ', "lists.survivors.columns[7].choices", "choices-unknown", "Did you mean age_bands"),
    ('property = "amount"\nlabel.en = "Amount"\nlabel.th = "จำนวนเงิน"\nkind = "number"',
     'property = "amount"\nlabel.en = "Amount"\nlabel.th = "จำนวนเงิน"\nkind = "date"', "lists.grants.columns[4].kind", "column-kind", "decimal"),
    ('kind = "choice"', 'kind = "choices"', "lists.survivors.columns[1].kind", "value-unknown", "Did you mean “choice”"),
    ('server_owned = ["stage"] ', 'server_owned = [] ', "lists.survivors.stage", "property-not-saved", "server_owned"),
    ('[forms.visit]', '[forms.visits]', "forms.visits", "form-unknown", "Did you mean visit"),
    ('event_date = "visit/visit_date"', 'event_date = "visit/date"', "forms.visit.event_date", "path-unknown", "visit/visit_date"),
    ('event_date = "visit/visit_date"', 'event_date = "visit/met_where"', "forms.visit.event_date", "path-not-date", "type date"),
    ('"care/observed"]', '"people/name"]', "forms.visit.summary", "path-closed", "identifying"),
    ('given = "identity/person/given_name"', 'given = "who/pseudonym"', "forms.intake.person.given", "path-not-closed", "identifying"),
    ('number = "safety/safe_number"', 'number = "safety/risk"', "forms.intake.safe_contact.number", "safe-contact-open", "sensitive"),
    ('opens_stage = "report"', 'opens_stage = "rapport"', "forms.intake.opens_stage", "stage-unknown", "Did you mean report"),
    ('form = "fund_request"', 'form = "visit"', "grants.form", "grant-list", "entities sheet"),
    ('receipt_form = "fund_receipt"', 'receipt_form = "fund_reciept"', "grants.receipt_form", "form-unknown", "Did you mean fund_receipt"),
    ('receipt_date = "received_on"', 'receipt_date = "received"', "grants.receipt_date", "property-not-saved", "Did you mean received_on"),
    ('up_to = 500000', 'up_to = 5000.5', "grants.limits[1].up_to", "key-type", "whole number"),
    ('up_to = 20000000', 'up_to = 400', "grants.limits", "value-order", "smallest"),
    ('approvers = ["coordinator", "director"]', 'approvers = ["coordinator"]', "grants.limits[1].roles", "limit-role", "director"),
    ('approvers = ["coordinator", "director"]', 'approvers = ["coordinator", "directer"]', "grants.approvers", "value-unknown", "Did you mean “director”"),
    ('number_format = "SF-{year}-{number:04}"', 'number_format = "SF-{year}"', "grants.number_format", "value-unknown", "{number}"),
    ('number_format.en = "TS {number}/{year}"', 'number_format.en = "TS {nummer}"', "letters[1].number_format.en", "value-unknown", "{number}"),
    ('wording = "grant_letter"', 'wording = "grant_leter"', "letters[2].wording", "wording-missing", "letters/grant_leter.th.md"),
    ('kinds = ["scholarship"]', 'kinds = ["scholarships"]', "letters[1].kinds", "kind-unknown", "Did you mean scholarship"),
    ('languages = ["th", "en"]', 'languages = ["th", "fr"]', "letters[1].languages", "value-unknown", "side by side"),
    ('languages = ["th", "en"]', 'languages = ["th", "my-th"]', "letters[1].wording", "wording-missing", "scholarship_letter.my.md"),
    ('number_format.th = "ทศ {number}/{year}"', 'number_format.th = "ทศ {number:04}/{year}"', "letters[1].number_format.th", "value-unknown", "{number}"),
    ('number_format = "SF-{year}-{number:04}"', 'number_format = "{number:1000000000}"', "grants.number_format", "value-unknown", "{number}"),
    ('number_format = "SF-{year}-{number:04}"', 'number_format = "{number.__class__}{number}"', "grants.number_format", "value-unknown", "{number}"),
    ('purpose = "letter/purpose"', 'purpose = "letter/purpos"', "letter_fields.purpose", "path-unknown", "letter/purpose"),
    ('[letterhead]', '[letterhaed]', "letterhaed", "key-unknown", "Did you mean “letterhead”"),
    ('return_receipt = 14', 'return_receipt = true', "letter_days.return_receipt", "key-type", "whole number"),
])
def test_a_mistake_in_program_toml_is_named_with_its_key(officer: Change, old: str, new: str, key: str, code: str, says: str) -> None:
    errors = [one for one in officer(old, new) if one.severity == "error"]
    assert (key, code) in [(one.key, one.code) for one in errors], errors
    found = next(one for one in errors if (one.key, one.code) == (key, code))
    assert found.file == "program.toml" and says in found.en and found.th != found.en
    assert found.place() == f"program.toml, {key}"


def test_a_list_that_forms_write_and_nobody_describes_is_named(officer: Change) -> None:
    found = {(one.code, one.key): one.en for one in officer("lists.grants", "lists.grantz", times=-1)}
    assert "with its label and parent" in found["list-unknown", "lists.grants"]
    assert "Did you mean grants?" in found["list-undeclared", "lists.grantz"]


def test_a_kind_without_a_letter_is_a_warning(officer: Change) -> None:
    (found,) = officer('kinds = ["cash", "travel", "medical", "other"]', 'kinds = ["cash", "travel", "medical"]')
    assert (found.severity, found.code) == ("warning", "kind-without-letter") and "other" in found.en


def test_too_many_columns_of_a_kind_are_counted(officer: Change) -> None:
    dates = "".join(f'\n[[lists.survivors.columns]]\nproperty = "d{n}"\nlabel.en = "D"\nlabel.th = "D"\nkind = "date"' for n in range(4))
    owned = ", ".join(f'"d{n}"' for n in range(4))
    officer('server_owned = ["stage"]', f'server_owned = ["stage", {owned}]')
    found = officer("\n[lists.grants]", f"{dates}\n[lists.grants]")
    assert [(one.code, one.key) for one in found] == [("slots-full", "lists.survivors.columns")] and "7" in found[0].en and "6 fit" in found[0].en


def test_broken_toml_is_named_with_its_line(officer: Change) -> None:
    (found,) = officer('id = "aftercare"', 'id = aftercare"')
    assert (found.code, found.row) == ("toml-syntax", 8) and found.place() == "program.toml, line 8"


def test_a_folder_without_program_toml_says_so(tmp_path: Path) -> None:
    found = check(tmp_path)
    assert [one.code for one in found] == ["file-missing", "forms-missing"] and "forms/aftercare" in found[0].en


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"programme = 5", b"[programme]", b"a" * 1_000_001, b"x = " + b"[" * 5000])
def test_a_hopeless_program_toml_is_refused_and_never_breaks(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "program.toml").write_bytes(content)
    with pytest.raises(ProgrammeInvalid) as refused:
        load_folder(tmp_path, validate=False)
    assert "program.toml" in refused.value.text("en") and refused.value.findings


def test_a_wrong_placeholder_is_named_with_file_and_line(tmp_path: Path) -> None:
    shutil.copytree(AFTERCARE, tmp_path / "p")
    letter = tmp_path / "p" / "letters" / "grant_letter.en.md"
    letter.write_text(letter.read_text("utf-8").replace("((purpose))", "((porpoise))"), "utf-8")
    (found,) = check(tmp_path / "p", validate=False)
    assert (found.file, found.code, found.row) == ("letters/grant_letter.en.md", "letter-placeholder-unknown", 11)


def test_a_placeholder_that_nothing_fills_is_found_before_the_letter_is_due(tmp_path: Path) -> None:
    shutil.copytree(AFTERCARE, tmp_path / "p")
    letter = tmp_path / "p" / "letters" / "grant_letter.en.md"
    letter.write_text(letter.read_text("utf-8").replace("((purpose))", "((place))"), "utf-8")
    (found,) = check(tmp_path / "p", validate=False)
    assert found.code == "placeholder-unfilled" and "letter_fields" in found.en


def test_a_broken_form_in_a_folder_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    shutil.copytree(AFTERCARE, tmp_path / "p")
    (tmp_path / "p" / "visit.xlsx").write_bytes(b"PK\x03\x04 not a workbook")
    folder = read_folder(tmp_path / "p", validate=False)
    assert [(one.file, one.code) for one in folder.findings] == [("visit.xlsx", "workbook-broken")]
    assert set(folder.forms) == {"intake", "fund_request", "fund_receipt"}


def test_a_letter_may_have_two_languages_side_by_side(officer: Change) -> None:
    assert officer('languages = ["th", "en"]', 'languages = ["en-th", "th"]') == []


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12) | st.sampled_from(["{", "{number}", "", "th", "date"]),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=8), inside, max_size=3), max_leaves=6)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_whatever_stands_in_program_toml_becomes_findings_and_never_an_error(data: st.DataObject) -> None:
    values = tomllib.loads((AFTERCARE / "program.toml").read_text("utf-8"))
    for _ in range(data.draw(st.integers(1, 3))):
        place: Any = values
        while isinstance(place, dict | list) and place:
            key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
            if not isinstance(place[key], dict | list) or data.draw(st.booleans()):
                place[key] = data.draw(ANYTHING)
                break
            place = place[key]
    findings: list[Finding] = []
    top = Table("program.toml", values, "", findings)
    programme = programme_of(top, "aftercare")
    if programme is not None:
        findings += programme_rules(programme, {}, set())
        assert Programme.from_json(json.loads(json.dumps(programme.to_json()))) == programme
    assert all(one.en and one.th for one in findings)


MINIMAL = """
[programme]
name.en = "Books"
name.th = "หนังสือ"
case_list = "readers"
[lists.readers]
label.en = "Readers"
label.th = "ผู้อ่าน"
"""
LENDING = """
| survey |
|        | type   | name   | label | save_to |
|        | text   | reader | Who?  | reader  |
| entities |
|          | list_name | label     |
|          | readers   | ${reader} |
| settings |
|          | form_id | version    |
|          | lending | 2026112401 |
"""


def test_a_label_in_one_language_works_and_is_told_what_is_missing(officer: Change) -> None:
    (found,) = officer('label.en = "Return"\nlabel.th = "กลับภูมิลำเนา"', 'label = "Return"')
    assert (found.severity, found.code, found.key) == ("warning", "label-plain", "stages[7].label")


def test_a_part_that_is_not_used_yet_is_said(officer: Change) -> None:
    (found,) = officer("[letterhead]", "[retention]\nyears = 10\n\n[letterhead]")
    assert (found.severity, found.code, found.key) == ("warning", "part-unused", "retention")


def test_a_form_that_program_toml_does_not_name_keeps_its_own_title(officer: Change, tmp_path: Path) -> None:
    officer('title.en = "Visit"\ntitle.th = "เยี่ยม"\n', "")
    programme = read_folder(tmp_path / "aftercare", validate=False).programme
    assert programme.forms["visit"].title.th == "เยี่ยม · Visit" and programme.forms["visit"].kind == "visits"


def test_a_second_programme_needs_only_a_few_lines(tmp_path: Path) -> None:
    folder = tmp_path / "books"
    folder.mkdir()
    (folder / "program.toml").write_text(MINIMAL, "utf-8")
    md_table_to_workbook(LENDING).save(folder / "lending.xlsx")
    programme, read = load_folder(folder, validate=False)
    assert (programme.id, programme.short_name, programme.undeclared) == ("books", "BO", "by_type")
    assert [one.severity for one in read.findings] == ["warning"] * len(read.findings) and set(read.forms) == {"lending"}
    assert Programme.from_json(programme.to_json()) == programme
