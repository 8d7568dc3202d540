"""What is filled in as Collect would is read back as it was put in, in every form of the aftercare programme."""
from __future__ import annotations

import datetime as dt
from decimal import Decimal
from functools import cache
from pathlib import Path

import pytest
from collect import WHY_NOT, Collect, compile_driver, java_is_there
from lxml import etree
from odk_files import xform_of

from namjai.settings import ROOT
from odk.entities import entity_actions, entity_csv
from odk.filling import PathUnknown, fill
from odk.instance import read_answers, read_instance
from odk.schema import Field, FormSchema
from odk.xform import read_xform

FORMS = ("intake", "visit", "fund_request", "fund_receipt")
SURVIVOR = "0b8a5c5e-6a50-4c39-9a3e-0d3a3a0f7a11"
NESTED = """
| survey |
|        | type         | name     | label    | relevant       | save_to |
|        | text         | name     | Name     |                | full_name |
|        | begin_repeat | home     | Home     |                |         |
|        | text         | place    | Place    |                |         |
|        | begin_repeat | room     | Room     |                |         |
|        | text         | colour   | Colour   |                |         |
|        | integer      | beds     | Beds     | ${colour} != '' |        |
|        | end_repeat   | room     |          |                |         |
|        | end_repeat   | home     |          |                |         |
| entities |
|          | list_name | label   |
|          | people    | ${name} |
| settings |
|          | form_id | version |
|          | nested  | 7       |
"""


@cache
def form(name: str) -> tuple[bytes, FormSchema]:
    xform = xform_of(NESTED if name == "nested" else ROOT / "forms" / "aftercare" / f"{name}.xlsx")
    return xform, read_xform(xform)


def an_answer(one: Field, schema: FormSchema) -> object:
    """Some answer that the question takes."""
    choices = list(schema.choices.get(one.choices or "", {}))
    if one.from_file:
        return SURVIVOR
    if one.type == "select":
        return choices[:2]
    if one.type == "select1":
        return choices[-1]
    return {
        "int": 3, "decimal": "12000.50", "date": "2026-11-24", "dateTime": "2026-11-24T09:30:00.000+07:00",
        "geopoint": "18.7883 98.9853 0 0", "binary": f"{one.name}.jpg",
    }.get(one.type, f"<{one.name}> & ข้อความ")


def everything(schema: FormSchema) -> dict[str, object]:
    """An answer to each question; each repeat has two rows."""
    answers: dict[str, object] = {}
    for one in schema.fields:
        if one.kind in ("group", "repeat", "note") or one.path in ("meta/instanceID", "meta/entity", "meta/entity/label"):
            continue
        keys = [one.path]
        for repeat in one.repeats:
            keys = [f"{key[:len(repeat)]}[{n}]{key[len(repeat):]}" for key in keys for n in (1, 2)]
        answers.update({key: an_answer(one, schema) for key in keys})
    return answers


@pytest.mark.parametrize("name", FORMS)
def test_a_tablet_sends_what_its_holder_typed_and_the_server_reads_the_same(name: str) -> None:
    xform, schema = form(name)
    answers = everything(schema)
    xml = fill(xform, answers, instance_id="uuid:1", entities={"": {"id": SURVIVOR, "update": "1", "baseVersion": 4}})
    instance = read_instance(xml)
    read = read_answers(instance, schema)
    assert (instance.form_id, instance.version, instance.instance_id) == (name, schema.version, "uuid:1")
    assert read.values == answers and not read.flags
    assert [one.entity_id for one in read.selected] == ([SURVIVOR] if read.selected else [])
    assert set(read.files) == {value for key, value in answers.items() if str(value).endswith(".jpg")}


@pytest.mark.parametrize("name", FORMS)
def test_the_same_answers_give_the_same_bytes(name: str) -> None:
    xform, schema = form(name)
    answers = everything(schema)
    once = fill(xform, answers, instance_id="uuid:1")
    assert once == fill(xform, dict(reversed(answers.items())), instance_id="uuid:1")
    assert entity_actions(read_instance(once), schema) == ()


def test_an_intake_creates_a_survivor_and_a_second_one_updates_her() -> None:
    xform, schema = form("intake")
    answers = {"who/case_code": "KTR-MDV-QHT", "who/pseudonym": "ฟ้า", "safety/risk": "low", "who/languages": ["my", "shn"]}
    made = fill(xform, answers, instance_id="uuid:1",
                entities={"": {"id": SURVIVOR, "create": "true", "update": "false", "label": "KTR-MDV-QHT · ฟ้า"}})
    (action,) = entity_actions(read_instance(made), schema)
    assert (action.act, action.entity_id, action.label, action.problem) == ("create", SURVIVOR, "KTR-MDV-QHT · ฟ้า", None)
    assert action.data["pseudonym"] == "ฟ้า" and action.data["languages"] == "my shn"
    again = fill(xform, answers, instance_id="uuid:2", entities={"": {"id": SURVIVOR, "update": "true", "baseVersion": 1}})
    (action,) = entity_actions(read_instance(again), schema)
    assert (action.act, action.base_version, action.label) == ("update", 1, None)


def test_a_question_that_is_not_asked_is_left_out_and_one_that_is_skipped_is_empty() -> None:
    xform, _ = form("fund_request")
    xml = fill(xform, {"request/kind": "cash", "payment/account": ""}, instance_id="uuid:1").decode()
    assert "<school>" not in xml and "<payee/>" not in xml and "<address/>" not in xml and "<help>" not in xml
    assert "<account/>" in xml and "<quote/>" in xml and "<kind>cash</kind>" in xml


def test_repeats_inside_repeats_have_as_many_rows_as_were_filled_in() -> None:
    xform, schema = form("nested")
    answers = {"name": "x", "home[1]/place": "a", "home[2]/room[1]/colour": "blue", "home[2]/room[3]/beds": 2}
    xml = fill(xform, answers, instance_id="uuid:1", entities={"": {"id": SURVIVOR, "create": "1", "label": "x"}})
    read = read_answers(read_instance(xml), schema)
    assert read.values == answers and read.repeats == {"home": 2, "home[2]/room": 3}
    assert xml.count(b"template") == 0


def test_an_edit_names_the_submission_that_it_replaces() -> None:
    xform, _ = form("visit")
    instance = read_instance(fill(xform, {}, instance_id="uuid:2", deprecated_id="uuid:1"))
    assert (instance.instance_id, instance.deprecated_id) == ("uuid:2", "uuid:1")


def test_dates_times_and_sums_are_written_as_a_tablet_writes_them() -> None:
    xform, schema = form("visit")
    moment = dt.datetime(2026, 11, 24, 9, 30, tzinfo=dt.timezone(dt.timedelta(hours=7)))
    xml = fill(xform, {"start": moment, "visit/visit_date": moment.date(), "people[1]/stayed": True, "care/wellbeing": Decimal("3")},
               instance_id="uuid:1")
    values = read_answers(read_instance(xml), schema).values
    assert values["start"] == "2026-11-24T09:30:00.000+07:00" and values["visit/visit_date"] == "2026-11-24"
    assert values["people[1]/stayed"] == "true" and values["care/wellbeing"] == "3"


@pytest.mark.parametrize("key", ["visit/no_such_question", "people/relation", "people[0]/relation", "people[99999999]/relation"])
def test_an_answer_without_a_question_is_refused(key: str) -> None:
    with pytest.raises(PathUnknown):
        fill(form("visit")[0], {key: "x"}, instance_id="uuid:1")


def test_an_entity_without_a_declaration_is_refused() -> None:
    with pytest.raises(PathUnknown):
        fill(form("visit")[0], {}, instance_id="uuid:1", entities={"people[1]": {"id": SURVIVOR}})


VISIT = {
    "visit/survivor": SURVIVOR, "visit/met_where": "phone", "visit/language": "my", "visit/with_interpreter": "no",
    "people[1]/relation": "aunt_uncle", "people[1]/stayed": "yes", "care/services": "emotional witness",
    "care/wellbeing": "3", "care/risk": "medium", "care/observed": "นอนหลับดีขึ้น",
    "next/next_follow_up": str(dt.date.today() + dt.timedelta(days=9)), "next/next_what": "call",
}


@pytest.mark.skipif(not java_is_there(), reason=WHY_NOT)
def test_what_collects_own_engine_writes_is_written_the_same_node_by_node(tmp_path: Path) -> None:
    xform, schema = form("visit")
    known = entity_csv(("case_code", "pseudonym", "risk", "next_follow_up"), [
        (SURVIVOR, "KTR-MDV-QHT · ฟ้า", 3, {"case_code": "KTR-MDV-QHT", "pseudonym": "ฟ้า", "risk": "high"})])
    tablet = Collect(compile_driver(tmp_path), tmp_path / "form", xform, {"survivors.csv": known})
    tablet.fill(VISIT)
    said, written = tablet.finish()
    assert said == "complete"
    theirs = read_instance(written)
    answers = read_answers(theirs, schema).values
    entity = {name: value for name, value in next(theirs.root.iter("{*}entity")).attrib.items() if name != "dataset"}
    # The note that warns of a high risk was asked; a note has no answer.
    ours = fill(xform, {**answers, "visit/high_risk_note": ""}, instance_id=theirs.instance_id, entities={"": entity})

    def nodes(xml: bytes) -> list[tuple]:
        root = etree.fromstring(xml)
        return [(root.getroottree().getpath(one), (one.text or "").strip(), dict(one.attrib)) for one in root.iter()]

    assert nodes(ours) == nodes(written)
