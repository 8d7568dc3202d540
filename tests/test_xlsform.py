"""XLSForms become XForms; what pyxform, Validate and our own rules say of them names file, sheet and row."""
from __future__ import annotations

import io
import os
import re
import zipfile
from pathlib import Path

import openpyxl
import pytest
from pyxform.xls2json_backends import md_table_to_workbook

from namjai.problems import catalogue
from odk import fitting, grant_file, programme_file, toml_table, xlsform_rules
from odk.findings import Finding
from odk.workbook import LARGEST_FILE, WorkbookTooLarge, WorkbookUnsafe, check_workbook
from odk.xlsform import XLSFormInvalid, check, compile_xlsform, try_xlsform, validate_is_there

RECORDED = Path(__file__).parent / "recordings"
needs_java = pytest.mark.skipif(not validate_is_there(), reason="ODK Validate needs Java: apt-get install default-jre-headless")
SETTINGS = """
| settings |
|          | form_id | version    | namespaces                         |
|          | form    | 2026112401 | namjai="https://namjai.org/xforms" |
"""


def workbook(tables: str) -> bytes:
    """The Markdown tables as a real .xlsx."""
    into = io.BytesIO()
    md_table_to_workbook(tables).save(into)
    return into.getvalue()


def found(tables: str, *, strict: bool = True, undeclared: str = "strict", validate: bool = False) -> list[Finding]:
    return try_xlsform(workbook(tables), name="form.xlsx", strict=strict, undeclared=undeclared, validate=validate)[1]


def codes(tables: str, **how: object) -> list[tuple[str, str, int | None]]:
    return [(one.code, one.severity, one.row) for one in found(tables, **how)]  # type: ignore[arg-type]


def survey(*rows: str, entities: str = "", more: str = "") -> str:
    head = "| survey |\n| | type | name | label | calculation | save_to | bind::namjai:privacy |\n"
    return head + "\n".join(f"| | {row} |" for row in rows) + "\n" + entities + more + SETTINGS


PEOPLE = "| entities |\n| | list_name | label |\n| | people | ${code} |\n"


def upsert(entity_id: str) -> str:
    return f"| entities |\n| | list_name | label | entity_id | create_if | update_if |\n| | people | ${{code}} | {entity_id} | ${{pick}} = '' | ${{pick}} != '' |\n"


def test_a_form_becomes_an_xform_with_its_schema() -> None:
    compiled = compile_xlsform(workbook(survey("text | code | Code | | | open")), validate=False, name="form.xlsx")
    assert (compiled.form_id, compiled.version, compiled.file) == ("form", "2026112401", "form.xlsx")
    assert compiled.xform.startswith(b"<?xml") and compiled.schema.field("code").privacy == "open"
    assert compiled.warnings == () and compiled.media == ()


def test_an_xform_is_taken_as_it_is() -> None:
    xform = compile_xlsform(workbook(survey("text | code | Code | | | open")), validate=False).xform
    assert compile_xlsform(xform, name="form.xml").xform == xform


@pytest.mark.parametrize("path", sorted(RECORDED.rglob("forms/*.xlsx")), ids=lambda path: path.stem)
def test_other_peoples_forms_are_taken_as_lone_files(path: Path) -> None:
    compiled, findings = try_xlsform(path, validate=False)
    assert compiled is not None and not [one for one in findings if one.severity == "error"], findings


def test_pyxforms_error_names_sheet_and_row() -> None:
    with pytest.raises(XLSFormInvalid) as refused:
        compile_xlsform(workbook(survey("text | code | Code", "textt | risk | Risk")), validate=False, name="visit.xlsx")
    (one,) = refused.value.findings
    assert (one.file, one.sheet, one.row, one.severity) == ("visit.xlsx", "survey", 3, "error")
    assert "textt" in one.en and refused.value.text("en").startswith("visit.xlsx, survey, row 3: ")


def test_a_row_is_counted_as_excel_counts_it_also_below_empty_rows() -> None:
    book = openpyxl.load_workbook(io.BytesIO(workbook(survey("text | code | Code | | | open", "text | friend | Full name of a friend"))))
    book["survey"].insert_rows(3, 4)
    into = io.BytesIO()
    book.save(into)
    findings = try_xlsform(into.getvalue(), validate=False, strict=True)[1]
    assert [(one.code, one.row) for one in findings] == [("sounds-personal", 7)]


def test_a_question_that_does_not_exist_is_named() -> None:
    (one,) = found(survey("calculate | twice | | ${unheard} * 2 | | open"))
    assert one.severity == "error" and one.en.startswith("No question is called “unheard”.") and one.row == 2
    assert one.th.startswith("ไม่มีคำถามชื่อ “unheard”")


def test_two_questions_of_one_name_are_told_apart_in_plain_words() -> None:
    (one,) = [each for each in found(survey("text | code | Code", "text | code | Code again")) if each.severity == "error"]
    assert one.en == "Two questions of one group are called “code”. Give one of them another name."


@needs_java
def test_odk_validate_refuses_what_collect_could_not_open() -> None:
    errors = [one for one in found(survey("calculate | twice | | nosuchfunction(1) | | open", "text | code | Code | | | open"), validate=True)
              if one.severity == "error"]
    assert errors and errors[0].code == "validate" and "nosuchfunction" in errors[0].en
    assert "/tmp" not in errors[0].en and "java" not in errors[0].en.lower()


@pytest.mark.parametrize("privacy", ["sensitive", "identifying", "restricted"])
def test_an_answer_that_is_not_open_never_goes_into_a_list(privacy: str) -> None:
    tables = survey("text | code | Code | | | open", f"text | village | Village | | village | {privacy}", entities=PEOPLE)
    (one,) = found(tables)
    assert (one.code, one.severity, one.sheet, one.row) == ("save-closed", "error", "survey", 3)
    assert "village" in one.en and privacy in one.en and "people" in one.en
    assert codes(tables, strict=False) == [("save-closed", "warning", 3)]


def test_saving_without_saying_that_it_is_open_is_a_warning() -> None:
    assert codes(survey("text | code | Code | | | open", "text | village | Village | | village |", entities=PEOPLE)) == [
        ("save-undeclared", "warning", 3)]


def test_a_label_made_of_a_name_is_refused() -> None:
    tables = survey("text | code | Full name | | | identifying", entities=PEOPLE)
    (one,) = found(tables)
    assert (one.code, one.severity, one.sheet, one.row) == ("label-closed", "error", "entities", 2)


def test_a_label_that_hides_a_name_in_a_calculation_is_refused() -> None:
    tables = survey("text | given | Given name | | | identifying", "calculate | code | | concat(${given}, '!') | | open", entities=PEOPLE)
    assert ("label-closed", "error", 2) in codes(tables)


def test_a_value_worked_out_from_a_name_is_a_warning_in_a_list() -> None:
    tables = survey("text | code | Code | | | open", "text | given | Given name | | | identifying",
                    "calculate | first | | substr(${given}, 0, 1) | initial | open", entities=PEOPLE)
    assert codes(tables) == [("save-derived", "warning", 4)]


def test_an_age_band_may_come_from_a_birth_date() -> None:
    tables = survey("text | code | Code | | | open", "date | born | Born | | | sensitive",
                    "calculate | band | | if(${born} > today(), 'a', 'b') | age_band | open", entities=PEOPLE)
    assert codes(tables) == []


@pytest.mark.parametrize("label", [
    "First name", "Full name", "Name of the mother", "Her name", "ชื่อจริง", "นามสกุล", "Telephone", "เบอร์โทร", "Mobile number", "Line ID",
    "Passport number", "เลขประจำตัวประชาชน", "Home address", "E-mail"])
def test_a_question_that_sounds_personal_gets_a_suggestion(label: str) -> None:
    (one,) = found(survey(f"text | q1 | {label} | | |"))
    assert (one.code, one.severity, one.row) == ("sounds-personal", "note", 2) and "identifying" in one.en


@pytest.mark.parametrize("label", ["Name of the medicine", "ชื่อยา", "Pseudonym", "นามสมมติ", "How many?", "Cellar", "Renamed", "ชื่อจังหวัด"])
def test_a_harmless_question_gets_no_suggestion(label: str) -> None:
    assert found(survey(f"text | q1 | {label} | | |"), undeclared="by_type") == []


def test_a_declared_question_is_left_alone() -> None:
    assert found(survey("text | given | Given name | | | identifying")) == []


def test_a_strict_programme_hears_of_undeclared_questions() -> None:
    tables = survey("integer | goats | How many goats? | | |")
    assert codes(tables) == [("undeclared", "warning", 2)] and codes(tables, undeclared="by_type") == []


def test_a_mistyped_class_is_an_error_with_a_suggestion() -> None:
    (one,) = found(survey("text | code | Code | | | identifing"))
    assert (one.code, one.severity, one.row) == ("privacy-class", "error", 2) and "Did you mean identifying" in one.en


def test_a_forgotten_namespace_is_an_error() -> None:
    tables = survey("text | code | Code | | | open").replace('namjai="https://namjai.org/xforms"', "")
    assert found(tables) and all(one.severity == "error" for one in found(tables))


PICK = ("select_one_from_file people.csv | pick | Who? | | | open", "text | code | Code | | | open")


def test_once_inside_coalesce_is_an_error_with_its_reason() -> None:
    (one,) = found(survey(*PICK, entities=upsert("coalesce(${pick}, once(uuid()))")))
    assert (one.code, one.severity, one.sheet, one.row) == ("once-in-coalesce", "error", "entities", 2)
    assert "goes to another" in one.en and "coalesce(${pick}, ${fresh})" in one.en


def test_once_inside_coalesce_is_also_found_in_a_calculation() -> None:
    tables = survey(*PICK, "calculate | id | | coalesce( ${pick} , once( uuid() )) | | open", entities=upsert("${id}"))
    assert codes(tables) == [("once-in-coalesce", "error", 4)]


def test_a_uuid_without_once_is_an_error() -> None:
    tables = survey(*PICK, "calculate | fresh | | uuid() | | open", entities=upsert("coalesce(${pick}, ${fresh})"))
    assert codes(tables) == [("uuid-without-once", "error", 4)]


def test_a_fresh_id_of_its_own_is_right() -> None:
    tables = survey(*PICK, "calculate | fresh | | once(uuid()) | | open", entities=upsert("coalesce(${pick}, ${fresh})"))
    assert codes(tables) == []


def test_a_missing_translation_names_language_column_and_row() -> None:
    tables = """
| survey |
|        | type            | name | label::English (en) | label::ไทย (th) | hint::English (en) | hint::ไทย (th) |
|        | text            | one  | One                 | หนึ่ง            | A hint             |                |
|        | select_one kind | two  | Two                 |                 |                    |                |
| choices |
|         | list_name | name | label::English (en) | label::ไทย (th) |
|         | kind      | a    | A                   | ก               |
|         | kind      | b    | B                   |                 |
""" + SETTINGS
    missing = [one for one in found(tables, undeclared="by_type") if one.code == "translation-missing"]
    assert [(one.sheet, one.row) for one in missing] == [("survey", 2), ("survey", 3), ("choices", 3)]
    assert "hint::ไทย (th)" in missing[0].en and all(one.severity == "warning" for one in missing)


@pytest.mark.parametrize(("form_id", "version", "code"), [
    ("Visit Form", "2026112401", "form-id"), ("visit", "1", "version-style"), ("visit", "2026133101", "version-style"), ("visit", "", "version-missing")])
def test_ids_and_versions_that_will_cause_trouble_are_named(form_id: str, version: str, code: str) -> None:
    tables = survey("text | code | Code | | | open").replace("| form    | 2026112401 |", f"| {form_id} | {version} |")
    one = next(one for one in found(tables) if one.code == code)
    assert (one.severity, one.sheet) == ("warning", "settings")


def test_a_name_in_the_instances_name_is_refused() -> None:
    tables = survey("text | given | Given name | | | identifying").replace(
        "| namespaces ", "| instance_name | namespaces ").replace("| 2026112401 |", "| 2026112401 | ${given} |")
    assert [one[:2] for one in codes(tables)] == [("name-closed", "error")]


def test_a_lone_file_has_errors_only_from_pyxform_and_validate(tmp_path: Path) -> None:
    path = tmp_path / "lone.xlsx"
    path.write_bytes(workbook(survey("text | code | Full name | | village | identifying", entities=PEOPLE)))
    assert {one.severity for one in check(path, validate=False)} == {"warning"}
    compile_xlsform(path, validate=False)


def test_every_sentence_of_a_rule_has_both_languages() -> None:
    for module in (fitting, grant_file, programme_file, toml_table, xlsform_rules):
        for code, words in module.SAYS.items():
            assert words.en and words.th and words.en != words.th and _facts(words.en) == _facts(words.th), code


def _facts(sentence: str) -> set[str]:
    return {one.removesuffix("_th") for one in re.findall(r"\{(\w+)\}", sentence)}


# --- What strangers upload ---------------------------------------------------------------------------------------


def packed(**parts: bytes) -> bytes:
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name.replace("__", "/") + ".xml", content)
    return into.getvalue()


def test_a_zip_bomb_is_refused_before_it_is_unpacked() -> None:
    with pytest.raises(WorkbookTooLarge):
        check_workbook(packed(xl__sheet1=b"\0" * 30_000_000), "bomb.xlsx")


def test_a_zip_that_lies_about_its_size_is_not_read() -> None:
    data = packed(xl__sheet1=b"a" * 5_000_000).replace((5_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    compiled, findings = try_xlsform(data, name="liar.xlsx", validate=False)
    assert compiled is None and [one.code for one in findings] == ["workbook-broken"]


def test_more_than_a_hundred_megabytes_unpacked_is_refused() -> None:
    block = os.urandom(500) * 10
    with pytest.raises(WorkbookTooLarge):
        check_workbook(packed(**{f"xl__s{n}": block * 1000 for n in range(25)}), "large.xlsx")


def test_thousands_of_parts_are_refused() -> None:
    with pytest.raises(WorkbookTooLarge):
        check_workbook(packed(**{f"p{n}": b"" for n in range(2100)}), "parts.xlsx")


def test_a_file_that_is_too_large_is_not_looked_into() -> None:
    with pytest.raises(WorkbookTooLarge):
        check_workbook(b"PK" + b"\0" * LARGEST_FILE, "huge.xlsx")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
def test_a_dtd_in_a_workbook_is_refused(encoding: str) -> None:
    dtd = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'.encode(encoding)
    with pytest.raises(WorkbookUnsafe):
        check_workbook(packed(xl__workbook=dtd), "dtd.xlsx")


@pytest.mark.parametrize("data", [
    b"", b"PK", b"PK\x03\x04rubbish", b"\xd0\xcf\x11\xe0rubbish", b"\x00\x01\x02", b"%PDF-1.7", b"<html>", b"<?xml version='1.0'?><a/>", b"hello,world\n",
    packed(), packed(xl__workbook=b"<a/>"), b"| survey |", workbook("| choices |\n| | list_name | name |\n| | a | b |\n")])
def test_rubbish_becomes_one_clear_finding_and_nothing_else(data: bytes) -> None:
    compiled, findings = try_xlsform(data, name="rubbish.xlsx", validate=False)
    assert compiled is None and [one.severity for one in findings] == ["error"] and findings[0].en and findings[0].th


def test_an_xform_with_a_dtd_is_refused() -> None:
    compiled, (one,) = try_xlsform(b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', name="form.xml")
    assert compiled is None and one.code == "xml-dtd"


def test_a_folder_of_a_csv_form_is_read_too() -> None:
    text = '"survey",,,\n,"type","name","label"\n,"text","code","Code"\n"settings",,\n,"form_id","version"\n,"csv_form","2026112401"\n'
    assert compile_xlsform(text.encode(), validate=False, name="form.csv").form_id == "csv_form"


def test_the_problems_are_in_the_catalogue() -> None:
    assert {"xlsform-invalid", "programme-invalid", "workbook-broken", "workbook-too-large", "workbook-unsafe"} <= set(catalogue())


def test_a_choice_list_that_is_missing_is_named_where_it_is_asked_for() -> None:
    (first, *_) = [one for one in found(survey("select_one nowhere | met | Met | |", more="| choices |\n| | list_name | name | label |\n| | c | a | A |\n")) if one.severity == "error"]
    assert first.sheet == "survey" and first.row and "no list “nowhere”." in first.en and "ไม่มีรายการ “nowhere”" in first.th
