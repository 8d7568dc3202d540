"""The forms that Namjai ships: content with pyxform and ODK Validate, in two languages, private by declaration."""
from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import openpyxl
import pytest

from odk.check import Folder, read_folder, wording_of
from odk.schema import FormSchema
from odk.wording import check_pair
from odk.xlsform import compile_xlsform, try_xlsform, validate_is_there

FOLDER = Path(__file__).parent.parent / "forms" / "aftercare"
FORMS = ("intake", "visit", "fund_request", "fund_receipt")
IDENTIFYING = re.compile("name|phone|payee|address|number|postcode|tambon|amphoe|account|witness|signature|nickname|school_name|recipient")


@cache
def folder() -> Folder:
    return read_folder(FOLDER, validate=False)


def schema(form: str) -> FormSchema:
    return folder().forms[form].schema


@cache
def sheet(form: str, name: str) -> tuple[dict[str, str], ...]:
    rows = list(openpyxl.load_workbook(FOLDER / f"{form}.xlsx")[name].iter_rows(values_only=True))
    return tuple({str(key): str(value) for key, value in zip(rows[0], row, strict=True) if value is not None} for row in rows[1:])


def test_the_aftercare_folder_has_nothing_to_correct() -> None:
    assert [one.place() + ": " + one.en for one in folder().findings] == []
    assert set(folder().forms) == set(FORMS)


@pytest.mark.skipif(not validate_is_there(), reason="ODK Validate needs Java: apt-get install default-jre-headless")
@pytest.mark.parametrize("form", FORMS)
def test_odk_validate_is_content_with_a_shipped_form(form: str) -> None:
    compiled, findings = try_xlsform(FOLDER / f"{form}.xlsx", validate=True)
    assert compiled is not None and findings == []


@pytest.mark.parametrize("form", FORMS)
def test_everything_a_worker_reads_stands_in_both_languages(form: str) -> None:
    for name in ("survey", "choices"):
        for row in sheet(form, name):
            for what in ("label", "hint", "constraint_message", "required_message"):
                both = (f"{what}::English (en)" in row, f"{what}::ไทย (th)" in row)
                assert both[0] == both[1], (form, row.get("name"), what)
            if row.get("type", "").partition(" ")[0] not in ("calculate", "start", "end", "today", "deviceid", "end_group", "end_repeat"):
                assert "label::ไทย (th)" in row, (form, row)
            if "constraint" in row:
                assert "constraint_message::ไทย (th)" in row, (form, row)


@pytest.mark.parametrize("form", FORMS)
def test_every_question_declares_its_privacy(form: str) -> None:
    undeclared = [one.path for one in schema(form).fields if one.kind in ("question", "calculation", "note") and not one.privacy]
    rows = [row["name"] for row in sheet(form, "survey") if not row["type"].startswith(("begin_", "end_")) and "bind::namjai:privacy" not in row]
    assert (undeclared, rows) == ([], [])


@pytest.mark.parametrize("form", FORMS)
def test_what_tells_who_somebody_is_is_identifying_and_in_no_list(form: str) -> None:
    for one in schema(form).fields:
        if one.kind == "question" and one.type in ("string", "binary") and IDENTIFYING.search(one.name) and one.name != "safe_number":
            assert one.privacy == "identifying", one.path
        assert not (one.save_to and one.privacy != "open"), one.path


def test_a_photo_of_a_paper_with_a_name_on_it_is_identifying() -> None:
    files = {f"{form}:{one.path}": one.privacy for form in FORMS for one in schema(form).fields if one.type == "binary"}
    assert files.pop("visit:proof/brought") == "sensitive"
    assert set(files.values()) == {"identifying"} and len(files) == 5


def test_the_safe_contact_is_sensitive_and_in_no_list() -> None:
    for role, path in folder().programme.forms["intake"].safe_contact.items():
        asked = schema("intake").field(path)
        assert asked is not None
        assert (asked.privacy, bool(asked.save_to)) == (("open", True) if role in ("how", "when") else ("sensitive", False)), path


@pytest.mark.parametrize("form", FORMS)
def test_a_forms_name_of_an_instance_tells_nobodys_name(form: str) -> None:
    (settings,) = sheet(form, "settings")
    for name in re.findall(r"\$\{(\w+)\}", settings["instance_name"]):
        assert next(one.privacy for one in schema(form).fields if one.name == name) == "open"


@pytest.mark.parametrize("form", FORMS)
def test_a_forms_settings_are_as_odk_users_expect(form: str) -> None:
    (settings,) = sheet(form, "settings")
    assert settings["form_id"] == form == schema(form).form_id and schema(form).root == "data"
    assert re.fullmatch(r"20\d{8}", settings["version"]) and settings["namespaces"] == 'namjai="https://namjai.org/xforms"'
    version = next(cell for cell in openpyxl.load_workbook(FOLDER / f"{form}.xlsx")["settings"][2] if cell.value == settings["version"])
    assert isinstance(version.value, str) and version.number_format == "@"


@pytest.mark.parametrize("form", FORMS)
def test_an_officer_opens_a_workbook_that_can_be_worked_in(form: str) -> None:
    book = openpyxl.load_workbook(FOLDER / f"{form}.xlsx")
    for name in ("survey", "choices", "entities", "settings"):
        page = book[name]
        assert page.freeze_panes and all(cell.font.bold for cell in page[1]), name
        assert all(page.column_dimensions[cell.column_letter].width >= 12 for cell in page[1]), name


def test_thai_words_to_survivors_carry_no_particles_and_no_word_of_what_happened() -> None:
    for form in FORMS:
        words = " ".join(value for name in ("survey", "choices") for row in sheet(form, name) for key, value in row.items() if "(th)" in key)
        assert not re.search("ครับ|ค่ะ|เหยื่อ", words)
    for name, text in folder().wordings.items():
        assert not re.search("ครับ|ค่ะ|เหยื่อ|ค้ามนุษย์|ผู้ผ่านพ้น|survivor|rescue|trafficking|victim", text, re.I), name


@pytest.mark.parametrize("name", ["grant_letter", "scholarship_letter", "receipt"])
def test_a_letter_says_the_same_in_both_languages(name: str) -> None:
    thai, english = wording_of(folder(), name, "th"), wording_of(folder(), name, "en")
    assert thai.names == english.names and thai.optional == english.optional and not thai.draft
    assert check_pair(thai, english) == []


def test_a_letter_always_says_that_other_help_stays() -> None:
    for name in ("grant_letter", "scholarship_letter"):
        assert "ไม่มีผลต่อความช่วยเหลืออื่น" in folder().wordings[f"{name}.th"]
        assert "the other help you receive stays the same" in folder().wordings[f"{name}.en"]


def test_every_kind_of_grant_has_its_letter() -> None:
    programme = folder().programme
    kinds = schema("fund_request").choices["grant_kind"]
    assert {kind: programme.letter_for(kind).id for kind in kinds} == {
        "cash": "grant_letter", "scholarship": "scholarship_letter", "travel": "grant_letter", "medical": "grant_letter", "other": "grant_letter"}


def test_what_tablets_choose_from_is_what_forms_write() -> None:
    wanted = {name: set(compiled.media) for name, compiled in folder().forms.items()}
    assert wanted == {"intake": {"survivors.csv"}, "visit": {"survivors.csv"}, "fund_request": {"survivors.csv"}, "fund_receipt": {"grants.csv"}}


def test_what_the_fund_receipt_reads_of_a_grant_is_in_its_list() -> None:
    xform = compile_xlsform(FOLDER / "fund_receipt.xlsx", validate=False).xform.decode()
    read = set(re.findall(r"instance\('grants'\)/root/item\[[^\]]*\]/(\w+)", xform)) - {"__version", "__trunkVersion", "__branchId"}
    grants = folder().programme.lists["grants"]
    saved = {name for one in schema("fund_request").entities for _, name in one.saves} | set(grants.server_owned)
    assert read | {"state"} <= saved
