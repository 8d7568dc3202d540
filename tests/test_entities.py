"""What a submission does to entity lists, and the lists as a tablet reads them."""
from __future__ import annotations

import csv
import io
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from odk_files import RECORDINGS, recorded, schema_of, submission

from odk.entities import EntityAction, entity_actions, entity_csv
from odk.instance import read_instance
from odk.schema import FormSchema
from odk.xform import read_xform

FAH, NOK, MAY = (f"{n}ae72e49-cff1-4aea-a6f6-addb95433a31" for n in "123")

MANY = """
| survey |
| | type | name | label | save_to |
| | select_one_from_file survivors.csv | pick | Who? | |
| | text | given | Given | survivors#given |
| | begin_group | home | Home | |
| | integer | rooms | Rooms | survivors#rooms |
| | end_group | | | |
| | begin_repeat | goals | Goals | |
| | text | need | Need | goals#need |
| | begin_repeat | steps | Steps | |
| | text | step | Step | steps#step |
| | end_repeat | | | |
| | end_repeat | | | |
| settings |
| | form_id | version |
| | form | 1 |
| entities |
| | list_name | label | entity_id | create_if | update_if |
| | survivors | ${given} | ${pick} | ${pick} = '' | ${pick} != '' |
| | goals | ${need} | | | |
| | steps | ${step} | | | |
"""


@pytest.fixture(scope="module")
def many() -> FormSchema:
    return schema_of(MANY)


@pytest.fixture(scope="module")
def follow_up() -> FormSchema:
    return schema_of(RECORDINGS / "central" / "forms" / "follow_up.xlsx")


def actions(inside: str, schema: FormSchema, entity: str = "") -> tuple[EntityAction, ...]:
    return entity_actions(read_instance(submission(inside, meta=entity)), schema)


def test_a_registration_creates_its_entity():
    instance = read_instance(recorded("central", "034-request.multipart"))
    assert entity_actions(instance, read_xform(recorded("central", "016-response.xml"))) == (EntityAction(
        list="people", entity_id=FAH, act="create", label="สมหญิง ใจดี",
        data={"full_name": "สมหญิง ใจดี", "age": "15", "code": "สมห", "stage": "open"}),)


def test_a_follow_up_updates_what_it_knew(follow_up):
    instance = read_instance(recorded("central", "092-request.multipart"))
    assert entity_actions(instance, follow_up) == (EntityAction(
        list="people", entity_id=FAH, act="update", data={"stage": "closed"}, base_version=1),)


def test_two_offline_updates_of_one_branch_say_where_they_began(follow_up):
    second, first = (entity_actions(read_instance(recorded("central", body)), follow_up)[0]
                     for body in ("094-request.multipart", "095-request.multipart"))
    assert (first.base_version, second.base_version) == (1, 2)
    assert first.trunk_version == second.trunk_version == 1
    assert first.branch_id == second.branch_id == "078edf70-d760-4038-8339-d643792bd4d2"
    assert (first.data, second.data) == ({"stage": "open"}, {"stage": "closed"})


def test_kobo_s_follow_up_says_the_same():
    instance = read_instance(recorded("kobo", "238-request.multipart"))
    assert entity_actions(instance, read_xform(recorded("kobo", "064-response.xml"))) == (EntityAction(
        list="people", entity_id="7d471bb7-549d-4582-bda9-343f56172536", act="update", data={"stage": "closed"},
        base_version=1),)


def test_a_form_of_the_first_specification_creates(many):
    # 2022.1: no update, no versions, the list in the attribute `dataset`.
    action, = actions("<given>Fah</given>", many,
                      f'<entity dataset="survivors" create="1" id="uuid:{FAH.upper()}"><label>Fah</label></entity>')
    assert (action.act, action.entity_id, action.problem) == ("create", FAH, None)


def test_several_lists_and_rows_each_have_their_own_action(many):
    def entity(name: str, uuid: str) -> str:
        return f'<meta><entity dataset="{name}" create="1" id="{uuid}"><label>{uuid[0]}</label></entity></meta>'

    found = actions(
        "<given>Fah</given><home><rooms>2</rooms></home>"
        f"<goals><need>school</need>{entity('goals', FAH)}<steps><step>a</step>{entity('steps', NOK)}</steps></goals>"
        f"<goals><need/>{entity('goals', MAY)}</goals>",
        many, f'<entity dataset="survivors" create="true" update="" baseVersion="" id="{NOK}"><label>Fah</label></entity>')
    assert {(one.list, one.key): (one.entity_id, one.data) for one in found} == {
        ("goals", "goals[1]"): (FAH, {"need": "school"}), ("steps", "goals[1]/steps[1]"): (NOK, {"step": "a"}),
        ("goals", "goals[2]"): (MAY, {"need": ""}), ("survivors", ""): (NOK, {"given": "Fah", "rooms": "2"})}
    assert [one.problem for one in found] == [None] * 4


@pytest.mark.parametrize(("attributes", "act"), [
    ('create="1"', "create"), ('create="true"', "create"), ('create="TRUE" update="false"', "create"),
    ('update="1"', "update"), ('create="" update="true"', "update"), ('create="1" update="1"', "upsert"),
])
def test_the_instance_says_whether_it_creates_or_updates(many, attributes, act):
    action, = actions("", many, f'<entity dataset="survivors" {attributes} id="{FAH}"><label>x</label></entity>')
    assert action.act == act


@pytest.mark.parametrize("attributes", ["", 'create="0"', 'create="false" update=""', 'create="no"', 'update="0"'])
def test_an_entity_that_is_neither_created_nor_updated_is_no_action(many, attributes):
    assert actions("", many, f'<entity dataset="survivors" {attributes} id="{FAH}"><label>x</label></entity>') == ()


def test_an_emptied_answer_empties_the_property_and_one_not_asked_leaves_it(many):
    action, = actions("<given/>", many, f'<entity dataset="survivors" update="1" baseVersion="3" id="{FAH}"/>')
    assert action.data == {"given": ""}
    assert action.label is None


def test_values_are_saved_as_written(many):
    action, = actions("<given> a  b </given><home><rooms>007</rooms></home>", many,
                      f'<entity dataset="survivors" update="1" baseVersion="3" id="{FAH}"/>')
    assert action.data == {"given": " a  b ", "rooms": "007"}


@pytest.mark.parametrize(("entity", "problem"), [
    (f'<entity create="1" id="{FAH}"><label>x</label></entity>', None),
    ('<entity dataset="survivors" create="1" id="12"><label>x</label></entity>', "bad-uuid"),
    ('<entity dataset="survivors" update="1" id="" baseVersion=""/>', "bad-uuid"),
    (f'<entity dataset="survivors" create="1" id="{FAH}"><label> </label></entity>', "no-label"),
    (f'<entity dataset="survivors" create="1" id="{FAH}"/>', "no-label"),
    (f'<entity dataset="survivors" update="1" id="{FAH}" baseVersion="one"/>', "bad-base-version"),
    (f'<entity dataset="survivors" update="1" id="{FAH}" baseVersion="-1"/>', "bad-base-version"),
    (f'<entity dataset="survivors" update="1" id="{FAH}" baseVersion="99999999999"/>', "bad-base-version"),
    (f'<entity dataset="survivors" update="1" id="{FAH}" baseVersion="2" trunkVersion="x"/>', "bad-base-version"),
    (f'<entity dataset="survivors" update="1" id="{FAH}" baseVersion="2" branchId="x"/>', "bad-branch"),
    (f'<entity dataset="grants" update="1" id="{FAH}" baseVersion="2"/>', "other-list"),
])
def test_an_action_that_cannot_be_done_is_kept_with_its_problem(many, entity, problem):
    action, = actions("", many, entity)
    assert action.problem == problem


def test_an_entity_where_the_form_declares_none_is_marked(many):
    action, = actions(f'<home><meta><entity dataset="grants" create="1" id="{FAH}"><label>x</label></entity></meta></home>', many)
    assert (action.problem, action.key, action.data) == ("undeclared", "home", {})


def test_a_second_entity_in_one_place_is_kept_and_marked(many):
    entity = f'<entity dataset="survivors" update="1" id="{FAH}" baseVersion="1"/>'
    assert [one.problem for one in actions("<given>x</given>", many, entity * 3)] == [None, "repeated", "repeated"]


def test_thousands_of_rows_take_no_more_time_each(many):
    row = f'<goals><need>x</need><meta><entity dataset="goals" create="1" id="{FAH}"><label>x</label></entity></meta></goals>'
    instance = read_instance(submission(row * 20_000))
    began = time.perf_counter()
    found = entity_actions(instance, many)
    assert time.perf_counter() - began < 5
    assert found[-1].key == "goals[20000]"
    assert found[-1].data == {"need": "x"}


def test_an_answer_named_entity_is_no_entity(many):
    assert actions(f'<entity dataset="survivors" create="1" id="{FAH}"><label>x</label></entity>', many) == ()


# What tablets read

def rows_of(body: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(body.decode("utf-8"), newline="")))


def test_a_list_reads_as_central_s_does():
    recorded_rows = rows_of(recorded("central", "107-response.csv"))
    header, *rows = recorded_rows
    made = entity_csv(header[3:], ((row[0], row[1], int(row[2]), dict(zip(header[3:], row[3:], strict=True))) for row in rows))
    assert rows_of(made) == recorded_rows
    assert made.replace(b"\r\n", b"\n") == recorded("central", "107-response.csv")


def test_an_empty_list_still_has_its_header():
    # An empty file crashes the engine of Collect.
    assert entity_csv(["stage"], []) == b"name,label,__version,stage\r\n"
    assert entity_csv([], []) == b"name,label,__version\r\n"


def test_a_list_has_no_byte_order_mark_and_quotes_what_it_must():
    body = entity_csv(["note"], [(FAH, 'a "b"', 1, {"note": "one\ntwo, three", "other": "not a column"})])
    assert body.decode() == f'name,label,__version,note\r\n{FAH},"a ""b""",1,"one\ntwo, three"\r\n'


def test_an_entity_without_a_label_shows_its_id_because_collect_stops_at_an_empty_one():
    assert rows_of(entity_csv([], [(FAH, "", 1, {})]))[1] == [FAH, FAH, "1"]


def test_a_property_cannot_take_the_place_of_a_system_column():
    assert entity_csv(["label", "name", "__version", "stage", "stage"], []) == b"name,label,__version,stage\r\n"


_CELL = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"))


@given(st.lists(st.tuples(st.uuids().map(str), _CELL.filter(bool), st.integers(1, 10**6), st.dictionaries(
    st.sampled_from(["a", "b"]), _CELL))))
def test_any_list_is_read_back_equal(rows):
    read = rows_of(entity_csv(["a", "b"], rows))[1:]
    assert read == [[name, label, str(version), data.get("a", ""), data.get("b", "")] for name, label, version, data in rows]
