"""JavaRosa, the engine of Collect, fills the aftercare forms from lists as the tablets' door serves them."""
from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from collect import WHY_NOT, Collect, compile_driver, java_is_there
from stdnum import luhn

from odk.entities import entity_actions, entity_csv
from odk.instance import read_answers, read_instance
from odk.xlsform import Compiled, compile_xlsform

pytestmark = pytest.mark.skipif(not java_is_there(), reason=WHY_NOT)

FORMS = Path(__file__).parent.parent / "forms" / "aftercare"
ALPHABET = "BCDFGHJKMNPQRTVX"
FAH, MEK = "0b8a5c5e-6a50-4c39-9a3e-0d3a3a0f7a11", "7c1c9f0a-2f4e-4b7e-8d77-5f2f0f4c2b22"
SURVIVOR_COLUMNS = ("case_code", "pseudonym", "sex", "risk", "next_follow_up", "stage")
SURVIVORS = entity_csv(SURVIVOR_COLUMNS, [
    (FAH, "KTR-MDV-QHT · ฟ้า", 3, {"case_code": "KTR-MDV-QHT", "pseudonym": "ฟ้า", "risk": "low", "stage": "care"}),
    (MEK, "BCD-FGH-JKX · มိုး, \"Moe\"", 1, {"case_code": "BCD-FGH-JKX", "pseudonym": "မိုး, \"Moe\"", "risk": "high"}),
])
GRANT_COLUMNS = ("survivor", "case_code", "kind", "amount", "number", "state", "amount_approved")
ASKED, APPROVED, PAID, DONE = (str(uuid.UUID(int=n, version=4)) for n in (1, 2, 3, 4))
GRANTS = entity_csv(GRANT_COLUMNS, [
    (ASKED, "KTR-MDV-QHT · ฟ้า · 500 ฿", 1, {"survivor": FAH, "amount": "500", "state": "requested"}),
    (APPROVED, "KTR-MDV-QHT · ฟ้า · 12000 ฿", 2, {"survivor": FAH, "case_code": "KTR-MDV-QHT", "amount": "12000.50",
                                                  "state": "approved", "amount_approved": "12000"}),
    (PAID, "BCD-FGH-JKX · Moe · 900 ฿", 4, {"survivor": MEK, "case_code": "BCD-FGH-JKX", "amount": "900", "state": "paid"}),
    (DONE, "KTR-MDV-QHT · ฟ้า · 1 ฿", 5, {"survivor": FAH, "amount": "1", "state": "receipted"}),
])
TODAY = dt.date.today()
TOMORROW = str(TODAY + dt.timedelta(days=1))

NEW_PERSON = {
    "who/new_pseudonym": "น้ำฝน", "who/sex": "female", "who/birth_known": "unknown", "who/age_asked": "15-17",
    "who/nationality": "myanmar", "who/languages": "my shn", "who/interpreter_needed": "no",
    "referral/referral_source": "police", "referral/province": "chiang_mai", "referral/exploitation": "labour",
    "guardian/has_guardian": "no", "consent/consent_services": "yes", "consent/consent_reporting": "yes",
    "consent/consent_sharing": "no", "consent/consent_giver": "self", "consent/child_assent": "yes",
    "safety/risk": "low", "safety/contact_how": "line", "safety/contact_when": "saturday sunday",
    "safety/safe_number": "line: fon-sewing", "safety/next_follow_up": TOMORROW, "safety/next_what": "visit",
    "identity/identity_now": "no",
}
VISIT = {
    "visit/met_where": "phone", "visit/language": "my", "visit/with_interpreter": "no", "people[1]/relation": "aunt_uncle",
    "people[1]/stayed": "yes", "care/services": "emotional witness", "care/wellbeing": "3", "care/risk": "medium",
    "care/observed": "นอนหลับดีขึ้น", "next/next_follow_up": TOMORROW, "next/next_what": "call",
}


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_driver(tmp_path_factory.mktemp("javarosa"))


@pytest.fixture(scope="session")
def forms() -> dict[str, Compiled]:
    return {name: compile_xlsform(FORMS / f"{name}.xlsx", validate=False) for name in ("intake", "visit", "fund_request", "fund_receipt")}


Open = Callable[..., Collect]


@pytest.fixture
def blank(driver: Path, forms: dict[str, Compiled], tmp_path: Path) -> Iterator[Open]:
    opened: list[Collect] = []

    def open_form(name: str, survivors: bytes = SURVIVORS, grants: bytes = GRANTS) -> Collect:
        lists = {"survivors.csv": survivors, "grants.csv": grants}
        opened.append(Collect(driver, tmp_path / f"{name}-{len(opened)}", forms[name].xform, lists))
        return opened[-1]

    yield open_form
    for one in opened:
        one.close()


def test_an_intake_makes_a_survivor_with_a_valid_case_code(blank: Open, forms: dict[str, Compiled]) -> None:
    tablet = blank("intake")
    tablet.fill(NEW_PERSON)
    said, xml = tablet.finish()
    assert said == "complete"
    (made,) = entity_actions(read_instance(xml), forms["intake"].schema)
    assert (made.list, made.act, made.problem) == ("survivors", "create", None)
    code = made.data["case_code"]
    assert luhn.is_valid(code.replace("-", ""), alphabet=ALPHABET) and [len(part) for part in code.split("-")] == [3, 3, 3]
    assert made.label == f"{code} · น้ำฝน"
    assert made.data["age_band"] == "15-17" and made.data["contact_when"] == "saturday sunday"
    assert uuid.UUID(made.entity_id).version == 4
    answers = read_answers(read_instance(xml), forms["intake"].schema)
    assert not answers.flags and answers.values["who/languages"] == ["my", "shn"]
    assert "fon-sewing" not in str(made)


def test_every_wrong_letter_of_a_case_code_is_caught(blank: Open) -> None:
    code = blank("intake").value("who/case_code").replace("-", "")
    wrong = [code[:n] + letter + code[n + 1:] for n in range(9) for letter in ALPHABET if letter != code[n]]
    assert luhn.is_valid(code, alphabet=ALPHABET) and not any(luhn.is_valid(one, alphabet=ALPHABET) for one in wrong)


def test_case_codes_differ_between_intakes(blank: Open) -> None:
    assert len({blank("intake").value("who/case_code") for _ in range(8)}) == 8


def test_who_is_picked_and_cleared_leaves_nothing_behind(blank: Open, forms: dict[str, Compiled]) -> None:
    tablet = blank("intake")
    code = tablet.value("who/case_code")
    assert tablet.set("who/known", FAH) == "ok"
    assert tablet.value("who/case_code") == "KTR-MDV-QHT" and tablet.value("who/pseudonym") == "ฟ้า"
    assert not tablet.asks("who/new_pseudonym")
    tablet.clear("who/known")
    assert tablet.value("who/case_code") == code and tablet.value("who/pseudonym") == ""
    tablet.fill(NEW_PERSON)
    said, xml = tablet.finish()
    (made,) = entity_actions(read_instance(xml), forms["intake"].schema)
    assert said == "complete" and made.act == "create" and made.entity_id not in (FAH, MEK)
    assert made.base_version is None and made.data["case_code"] == code


def test_a_registered_person_keeps_code_and_pseudonym(blank: Open, forms: dict[str, Compiled]) -> None:
    tablet = blank("intake")
    for picked in (FAH, None, FAH, MEK):
        tablet.set("who/known", picked) if picked else tablet.clear("who/known")
    tablet.fill({path: value for path, value in NEW_PERSON.items() if path != "who/new_pseudonym"})
    said, xml = tablet.finish()
    (updated,) = entity_actions(read_instance(xml), forms["intake"].schema)
    assert said == "complete" and (updated.act, updated.entity_id, updated.base_version) == ("update", MEK, 1)
    assert updated.data["case_code"] == "BCD-FGH-JKX" and updated.data["pseudonym"] == "မိုး, \"Moe\""
    assert updated.data["risk"] == "low"
    assert [one.entity_id for one in read_answers(read_instance(xml), forms["intake"].schema).selected] == [MEK]


@pytest.mark.parametrize(("born", "band"), [(365 * 11, "00-11"), (365 * 17 + 4, "15-17"), (365 * 18 + 30, "18-24"), (365 * 60, "45-99")])
def test_an_age_band_is_worked_out_from_a_birth_date_that_stays_on_the_record(blank: Open, born: int, band: str) -> None:
    tablet = blank("intake")
    tablet.fill({"who/birth_known": "estimated", "who/birth_date": str(TODAY - dt.timedelta(days=born))})
    assert tablet.value("who/age_band") == band and not tablet.asks("who/age_asked")


def test_a_child_is_asked_for_assent_and_a_grown_person_is_not(blank: Open) -> None:
    tablet = blank("intake")
    tablet.fill({"who/birth_known": "unknown", "who/age_asked": "12-14"})
    assert tablet.asks("consent/child_assent")
    tablet.fill({"who/age_asked": "25-34"})
    assert not tablet.asks("consent/child_assent")


@pytest.mark.parametrize(("number", "noted"), [
    ("1101700230708", False), ("1-1017-00230-70-8", False), ("๑๑๐๑๗๐๐๒๓๐๗๐๘", False), ("1101700230709", True), ("110170023070", True)])
def test_a_wrong_thai_identity_number_is_noted_and_taken(blank: Open, number: str, noted: bool) -> None:
    tablet = blank("intake")
    tablet.fill({"identity/identity_now": "yes", "identity/person/id_kind": "thai_id"})
    assert tablet.set("identity/person/id_number", number) == "ok"
    assert tablet.asks("identity/person/id_note") is noted
    tablet.fill({"identity/person/id_kind": "passport"})
    assert not tablet.asks("identity/person/id_note")


def test_names_can_be_left_for_later(blank: Open) -> None:
    tablet = blank("intake")
    tablet.fill({"identity/identity_now": "no"})
    assert not tablet.asks("identity/person/given_name") and not tablet.asks("identity/address/address_line")
    tablet.fill({"identity/identity_now": "yes"})
    assert tablet.asks("identity/person/given_name") and tablet.asks("identity/address/address_where")


def test_a_visit_updates_the_survivor_that_was_picked_last(blank: Open, forms: dict[str, Compiled]) -> None:
    tablet = blank("visit")
    assert list(tablet.choices("visit/survivor")) == [FAH, MEK]
    tablet.set("visit/survivor", MEK)
    assert tablet.asks("visit/high_risk_note") and tablet.value("visit/case_code") == "BCD-FGH-JKX"
    assert tablet.clear("visit/survivor") == "required"
    assert tablet.value("visit/case_code") == "" and not tablet.asks("visit/high_risk_note")
    tablet.fill({"visit/survivor": FAH, **VISIT})
    tablet.repeat("people")
    tablet.fill({"people[2]/relation": "interpreter", "people[2]/name": "ชื่อสมมติ", "people[2]/stayed": "no"})
    said, xml = tablet.finish()
    assert said == "complete"
    (updated,) = entity_actions(read_instance(xml), forms["visit"].schema)
    assert (updated.act, updated.entity_id, updated.base_version, updated.label) == ("update", FAH, 3, None)
    assert updated.data == {"last_contact": str(TODAY), "risk": "medium", "next_follow_up": TOMORROW, "next_what": "call"}
    answers = read_answers(read_instance(xml), forms["visit"].schema)
    assert answers.repeats == {"people": 2} and answers.values["people[2]/stayed"] == "no" and not answers.flags
    assert read_instance(xml).instance_id.startswith("uuid:") and "KTR-MDV-QHT · " + str(TODAY) in xml.decode()


def test_a_visit_asks_why_when_the_risk_has_become_high(blank: Open) -> None:
    tablet = blank("visit")
    tablet.fill({"visit/survivor": FAH, "care/risk": "high"})
    assert tablet.asks("care/risk_why")
    tablet.fill({"visit/survivor": MEK})
    assert not tablet.asks("care/risk_why")


def test_the_next_follow_up_lies_after_the_visit(blank: Open) -> None:
    tablet = blank("visit")
    assert tablet.set("next/next_follow_up", str(TODAY)) == "constraint\tต้องหลังวันที่เยี่ยม"
    assert tablet.set("visit/visit_date", TOMORROW) == "constraint\tต้องไม่เกินวันนี้"
    tablet.say("language", "English (en)")
    assert tablet.set("next/next_follow_up", str(TODAY)) == "constraint\tAfter the day of the visit."


def test_an_empty_list_opens_and_offers_nobody(blank: Open) -> None:
    tablet = blank("visit", survivors=entity_csv(SURVIVOR_COLUMNS, []))
    assert tablet.choices("visit/survivor") == {} and tablet.value("visit/case_code") == ""
    tablet.fill({path: value for path, value in VISIT.items()})
    assert tablet.finish()[0] == "incomplete visit/survivor"


def test_an_intake_opens_with_a_list_that_has_only_its_header(blank: Open) -> None:
    tablet = blank("intake", survivors=entity_csv((), []))
    tablet.fill(NEW_PERSON)
    assert tablet.finish()[0] == "complete"


def fund_request(tablet: Collect, **more: str) -> None:
    tablet.fill({"request/survivor": FAH, "request/kind": "scholarship", "request/amount": "12000.50",
                 "request/needed_by": TOMORROW, "request/reason": "ค่าเทอมครบกำหนด", "school/school_name": "วิทยาลัยสมมติ",
                 "school/level": "vocational", "school/term": "2", "school/school_year": "2569", "payment/way": "split",
                 "payment/payee_relation": "self", "other_help/has_other_help": "no", "letter/language": "th",
                 "letter/purpose": "ค่าเล่าเรียนและชุดนักเรียน", "letter/delivery": "hand", **more})


def test_a_fund_request_makes_a_grant_of_the_survivor(blank: Open, forms: dict[str, Compiled]) -> None:
    tablet = blank("fund_request")
    fund_request(tablet)
    assert tablet.value("letter/term_words") == "ภาคเรียนที่ 2 ปีการศึกษา 2569"
    assert tablet.value("letter/payment_words").startswith("โอนค่าเล่าเรียนให้สถานศึกษา")
    said, xml = tablet.finish()
    (made,) = entity_actions(read_instance(xml), forms["fund_request"].schema)
    assert said == "complete" and (made.list, made.act, made.problem) == ("grants", "create", None)
    assert made.data["survivor"] == FAH and made.entity_id != FAH and made.data["amount"] == "12000.5"
    assert made.label == f"KTR-MDV-QHT · ฟ้า · 12000.5 ฿ · {TODAY}"
    assert read_answers(read_instance(xml), forms["fund_request"].schema).values["request/amount"] == "12000.5"


def test_a_grants_label_shows_whole_baht_plainly(blank: Open) -> None:
    tablet = blank("fund_request")
    fund_request(tablet, **{"request/amount": "12000"})
    assert f"<label>KTR-MDV-QHT · ฟ้า · 12000 ฿ · {TODAY}</label>" in tablet.finish()[1].decode()


def test_a_letter_in_english_has_its_words_in_english(blank: Open) -> None:
    tablet = blank("fund_request")
    fund_request(tablet, **{"letter/language": "en", "payment/way": "cash"})
    assert tablet.value("letter/term_words") == "the second term of the school year 2026"
    assert tablet.value("letter/payment_words") == "hand you the money in cash"
    tablet.fill({"request/kind": "cash"})
    assert tablet.value("letter/term_words") == "" and not tablet.asks("school/school_name")


@pytest.mark.parametrize("amount", ["0", "-1", "200000.01", "1.005", "1000000"])
def test_an_impossible_amount_is_not_taken(blank: Open, amount: str) -> None:
    assert blank("fund_request").set("request/amount", amount).startswith("constraint\tมากกว่า 0")


@pytest.mark.parametrize("amount", ["0.01", "500", "12000.5", "199999.99", "200000"])
def test_a_possible_amount_is_taken(blank: Open, amount: str) -> None:
    assert blank("fund_request").set("request/amount", amount) == "ok"


def test_other_help_is_asked_row_by_row(blank: Open, forms: dict[str, Compiled]) -> None:
    tablet = blank("fund_request")
    fund_request(tablet, **{"other_help/has_other_help": "yes"})
    tablet.fill({"other_help/help[1]/source": "government", "other_help/help[1]/help_amount": "3000"})
    _, xml = tablet.finish()
    assert read_answers(read_instance(xml), forms["fund_request"].schema).values["other_help/help[1]/help_amount"] == "3000.0"


def test_a_receipt_is_offered_only_for_grants_in_the_right_state(blank: Open) -> None:
    assert list(blank("fund_receipt").choices("receipt/grant")) == [APPROVED, PAID]
    assert blank("fund_receipt").set("receipt/grant", ASKED) == "not-offered"


def test_a_receipt_updates_the_grant_and_asks_about_another_amount(blank: Open, forms: dict[str, Compiled]) -> None:
    tablet = blank("fund_receipt")
    tablet.fill({"receipt/grant": PAID, "receipt/amount_received": "900"})
    assert not tablet.asks("receipt/difference")
    tablet.clear("receipt/grant")
    tablet.fill({"receipt/grant": APPROVED})
    assert tablet.value("receipt/amount_granted") == "12000" and tablet.asks("receipt/difference")
    tablet.fill({"receipt/amount_received": "12000", "receipt/way": "cash", "signed/signer": "self", "signed/sign_how": "tablet",
                 "signed/signature": "signature.png"})
    assert not tablet.asks("receipt/difference")
    said, xml = tablet.finish()
    (updated,) = entity_actions(read_instance(xml), forms["fund_receipt"].schema)
    assert said == "complete" and (updated.list, updated.act, updated.entity_id, updated.base_version) == ("grants", "update", APPROVED, 2)
    assert updated.data == {"received_on": str(TODAY), "amount_received": "12000.0"}  # JavaRosa's way of writing
    assert read_answers(read_instance(xml), forms["fund_receipt"].schema).files == ("signature.png",)


def test_a_thumbprint_asks_for_two_witnesses_and_a_photo(blank: Open) -> None:
    tablet = blank("fund_receipt")
    tablet.fill({"receipt/grant": PAID, "receipt/amount_received": "900", "receipt/way": "cash", "signed/signer": "self",
                 "signed/sign_how": "thumb"})
    assert tablet.asks("signed/witness_2") and not tablet.asks("signed/signature")
    assert tablet.finish()[0] == "incomplete signed/witness_1"
