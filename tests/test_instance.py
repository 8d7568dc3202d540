"""What Namjai reads in a filled-in form: recorded from Central and Kobo, written by hand, and made at random."""
from __future__ import annotations

import json
from xml.sax.saxutils import escape

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from odk_files import recorded, schema_of, submission

from odk.instance import changed, read_answers, read_instance
from odk.schema import FormSchema, Privacy
from odk.xform import read_xform

FORM = """
| survey |
| | type | name | label | bind::namjai:privacy | calculation |
| | start | start | | | |
| | end | end | | | |
| | today | today | | open | |
| | deviceid | deviceid | | | |
| | username | username | | | |
| | audit | audit | | | |
| | select_one_from_file survivors.csv | who | Who? | open | |
| | select_multiple_from_file survivors.csv | others | Others? | open | |
| | begin_group | person | Person | | |
| | text | given | Given name | identifying | |
| | integer | age | Age | | |
| | end_group | | | | |
| | select_multiple needs | needs | Needs | | |
| | rank needs | order | In order | | |
| | select_one needs | first | First | open | |
| | decimal | amount | Amount | | |
| | date | on | On | | |
| | time | at | At | | |
| | datetime | when | When | | |
| | geopoint | place | Place | | |
| | geotrace | way | Way | | |
| | barcode | bar | Bar | | |
| | image | photo | Photo | | |
| | note | thanks | Thanks | | |
| | begin_repeat | people | People | | |
| | text | relation | Relation | restricted | |
| | begin_repeat | phones | Phones | | |
| | text | number | Number | | |
| | image | card | Card | | |
| | end_repeat | | | | |
| | end_repeat | | | | |
| | calculate | code | | | 'x' |
| choices |
| | list_name | name | label |
| | needs | food | Food |
| | needs | school | School |
| | needs | health | Health |
| settings |
| | form_id | version | namespaces | instance_name |
| | form | 1 | namjai="https://namjai.org/xforms" | ${given} |
"""
FAH, NOK = "1ae72e49-cff1-4aea-a6f6-addb95433a31", "f83cd2cf-50ca-4f43-9e60-e8725910a2ce"


@pytest.fixture(scope="module")
def form() -> FormSchema:
    # As the door uses it: out of the database.
    return FormSchema.from_json(json.loads(json.dumps(schema_of(FORM).to_json())))


def answers(inside: str, schema: FormSchema, **more: str):
    return read_answers(read_instance(submission(inside, **more)), schema)


# The envelope

def test_an_instance_says_its_form_version_and_id():
    instance = read_instance(recorded("central", "034-request.multipart"))
    assert (instance.form_id, instance.version) == ("registration", "2026010101")
    assert instance.instance_id == "uuid:7e8f3d39-0837-42ab-ad3d-3c102e7fc3e4"
    assert instance.deprecated_id is None
    assert instance.xml == recorded("central", "034-request.multipart")
    assert not instance.encrypted


def test_an_edit_says_what_it_replaces():
    instance = read_instance(recorded("central", "074-request.xml"))
    assert instance.instance_id == "uuid:11e3bed7-4ad8-47aa-a793-35b8f55c3f83"
    assert instance.deprecated_id == "uuid:099c1348-ef1b-4f98-a7a8-78a619eefa2d"


@pytest.mark.parametrize("meta", [
    "<meta><instanceID>uuid:1</instanceID></meta>",
    "<orx:meta><orx:instanceID> uuid:1\n</orx:instanceID></orx:meta>",
    "<meta/><orx:meta><orx:instanceID>uuid:1</orx:instanceID></orx:meta>",
    "<meta><instanceID/><instanceID>uuid:1</instanceID></meta>",
])
def test_the_id_is_found_with_and_without_a_prefix(meta):
    xml = f'<data xmlns:orx="http://openrosa.org/xforms" id="f">{meta}</data>'.encode()
    assert read_instance(xml).instance_id == "uuid:1"


def test_a_form_without_an_id_is_told_by_its_namespace():
    xml = b'<household xmlns="http://example.org/household"><meta><instanceID>uuid:1</instanceID></meta></household>'
    assert (read_instance(xml).form_id, read_instance(xml).version) == ("http://example.org/household", "")


def test_an_encrypted_instance_has_files_and_no_answers(form):
    instance = read_instance(b"""<data id="form" version="1" encrypted="yes" xmlns="http://www.opendatakit.org/xforms/encrypted">
        <base64EncryptedKey>x</base64EncryptedKey>
        <orx:meta xmlns:orx="http://openrosa.org/xforms"><orx:instanceID>uuid:1</orx:instanceID></orx:meta>
        <media><file>photo.png.enc</file></media><encryptedXmlFile>submission.xml.enc</encryptedXmlFile>
        <base64EncryptedElementSignature>x</base64EncryptedElementSignature></data>""")
    assert instance.encrypted
    assert (instance.form_id, instance.instance_id) == ("form", "uuid:1")
    read = read_answers(instance, form)
    assert (read.values, read.files) == ({}, ("photo.png.enc", "submission.xml.enc"))


# What the real servers were sent

def test_a_registration_is_read_as_it_was_filled_in():
    read = read_answers(read_instance(recorded("central", "034-request.multipart")),
                        read_xform(recorded("central", "016-response.xml")))
    assert read.values == {
        "start": "2026-01-01T10:00:00.000+07:00", "end": "2026-01-01T10:20:00.000+07:00", "username": "tablet",
        "deviceid": "collect:abc123", "person/full_name": "สมหญิง ใจดี", "person/birth_date": "2001-02-01",
        "person/age": 15, "consent": "yes", "needs": ["food", "school"], "income": "1500.50",
        "location": "13.7563 100.5018 5.0 10.0", "member[1]/member_name": "สมาชิก 0", "member[1]/member_age": 10,
        "member[2]/member_name": "สมาชิก 1", "member[2]/member_age": 11,
        "member[2]/document[1]/document_no": "D0-1-0", "photo": "photo.png", "code": "สมห", "stage": "open",
        "meta/instanceName": "สมหญิง ใจดี"}
    assert read.flags == {}
    assert read.files == ("photo.png",)
    assert read.repeats == {"member": 2, "member[2]/document": 1}
    assert read.device_id == "collect:abc123"
    assert read.instance_name == "สมหญิง ใจดี"


def test_two_files_are_expected_where_two_were_taken():
    read = read_answers(read_instance(recorded("central", "040-request.multipart")),
                        read_xform(recorded("central", "016-response.xml")))
    assert read.files == ("photo.png", "paper.pdf")
    assert read.values["person/full_name"] == "=SUM(A1)"


def test_a_household_without_members_has_no_rows():
    read = read_answers(read_instance(recorded("central", "050-request.multipart")),
                        read_xform(recorded("central", "016-response.xml")))
    assert read.repeats == {}
    assert read.values["person/full_name"] == 'Test "Quote"'


def test_kobo_s_submission_of_the_same_form_reads_the_same():
    of_central = read_answers(read_instance(recorded("central", "034-request.multipart")),
                              read_xform(recorded("central", "016-response.xml")))
    of_kobo = read_answers(read_instance(recorded("kobo", "074-request.multipart")),
                           read_xform(recorded("kobo", "063-response.xml")))
    kobo_s_own = {"formhub/uuid", "__version__"}
    assert of_kobo.flags == {}
    assert {key: value for key, value in of_kobo.values.items() if key not in kobo_s_own} == of_central.values


def test_kobo_s_hook_sends_the_xml_pretty_printed_and_it_reads_the_same():
    schema = read_xform(recorded("kobo", "063-response.xml"))
    read = read_answers(read_instance(recorded("kobo", "165-request.xml")), schema)
    assert read.flags == {}
    assert read.values["member[2]/document[1]/document_no"] == "D12-1-0"
    assert "paper" not in read.values


def test_a_field_the_form_does_not_have_a_group_twice_and_a_number_that_is_none_are_kept_and_marked():
    read = read_answers(read_instance(recorded("kobo", "306-request.multipart")),
                        read_xform(recorded("kobo", "063-response.xml")))
    assert read.values == {"formhub/uuid": "d2dc561ff4e6489d81307629fffac5e7", "person/full_name": "unknown-field",
                           "person[2]/age": "abc", "not_in_form": "x"}
    assert read.flags == {"not_in_form": "unknown", "person[2]/age": "ill-typed"}


def test_a_number_too_big_for_the_tablet_s_own_integers_is_still_a_number():
    read = read_answers(read_instance(recorded("kobo", "242-request.multipart")),
                        read_xform(recorded("kobo", "065-response.xml")))
    assert read.values["amount"] == 12345678901


def test_an_answer_of_two_lines_and_a_file_name_with_a_space_stay_whole():
    read = read_answers(read_instance(recorded("kobo", "238-request.multipart")),
                        read_xform(recorded("kobo", "064-response.xml")))
    assert read.values["notes"] == "ครั้งที่ 1\nline two"
    assert read.files == ("voice note.m4a",)


# Types

@pytest.mark.parametrize(("name", "written", "value"), [
    ("amount", "1500.50", "1500.50"), ("amount", "-.5", "-.5"), ("amount", "1.0E10", "1.0E10"),
    ("on", "2026-02-28", "2026-02-28"),
    ("at", "09:15:00.000+07:00", "09:15:00.000+07:00"), ("at", "09:15", "09:15"),
    ("when", "2026-02-01T09:15:00.000+07:00", "2026-02-01T09:15:00.000+07:00"),
    ("when", "2026-02-01T02:15:00Z", "2026-02-01T02:15:00Z"),
    ("when", "2026-02-01T09:15:00.000+07", "2026-02-01T09:15:00.000+07"),
    ("place", "13.7563 100.5018 5.0 10.0", "13.7563 100.5018 5.0 10.0"), ("place", "13.7 100.5", "13.7 100.5"),
    ("way", "13.7 100.5 0 0; 13.8 100.6 0 0;", "13.7 100.5 0 0; 13.8 100.6 0 0;"),
    ("needs", "food  school", ["food", "school"]), ("order", "health food school", ["health", "food", "school"]),
    ("first", "food", "food"), ("bar", "00123", "00123"), ("photo", "17001.jpg", "17001.jpg"),
])
def test_each_type_is_read(form, name, written, value):
    read = answers(f"<{name}>{written}</{name}>", form)
    assert read.values[name] == value
    assert read.flags == {}


@pytest.mark.parametrize(("name", "written"), [
    ("person/age", "abc"), ("person/age", "12.0"), ("person/age", "๑๒"), ("person/age", "1_000"),
    ("person/age", "9" * 5000), ("amount", "1,500"), ("amount", "NaN"), ("amount", "Infinity"), ("on", "2026-02-30"),
    ("on", "20260228"), ("on", "2026-02-28T00:00:00Z"), ("at", "25:00"), ("when", "2026-02-01 09:15"),
    ("when", "yesterday"), ("place", "somewhere"), ("place", "91 0"), ("place", "0 181"), ("place", "13.7"),
    ("way", "13.7 100.5; here"), ("needs", "food drink"), ("first", "Somchai"), ("photo", "../../etc/passwd"),
    ("photo", "C:\\x.jpg"), ("photo", ".."),
])
def test_what_is_not_of_its_type_is_kept_as_written_and_marked(form, name, written):
    group, _, last = name.rpartition("/")
    inside = f"<{last}>{escape(written)}</{last}>"
    read = answers(f"<{group}>{inside}</{group}>" if group else inside, form)
    assert read.values == {name: written}
    assert read.flags == {name: "ill-typed"}
    assert read.files == ()


def test_an_ill_typed_answer_is_sensitive_even_where_the_question_is_open(form):
    read = answers("<first>Somchai has told me</first><unheard>of</unheard><today>last week</today>", form)
    by_privacy = read.by_privacy(form, "by_type")
    assert by_privacy[Privacy.OPEN] == {}
    assert by_privacy[Privacy.SENSITIVE] == {
        "first": "Somchai has told me", "unheard": "of", "today": "last week"}
    assert read.metadata == {}


def test_empty_answers_are_absent(form):
    read = answers("<first/><needs></needs><amount> \n </amount><person><given/></person><thanks/>", form)
    assert read.values == {}


def test_a_space_that_somebody_typed_in_another_script_is_an_answer(form):
    assert answers("<bar>\u3000</bar>", form).values == {"bar": "\u3000"}


def test_a_very_long_answer_stays_whole(form):
    long = "น้ำใจ" * 200_000
    assert answers(f"<bar>{long}</bar>", form).values["bar"] == long


def test_text_is_kept_as_written_to_the_space(form):
    read = answers("<bar>  a\n b&#x200b;&amp;<![CDATA[<c>]]> </bar>", form)
    assert read.values["bar"] == "  a\n b\u200b&<c> "


# Structure

def test_the_answers_stand_in_the_form_s_order_however_they_were_sent(form):
    read = answers("<code>x</code><people><relation>b</relation></people><strange>s</strange><first>food</first>"
                   "<people><relation>c</relation></people><person><age>3</age><given>Fah</given></person>", form)
    assert list(read.values) == [
        "person/given", "person/age", "first", "people[1]/relation", "people[2]/relation", "code", "strange"]
    assert read.repeats == {"people": 2}


def test_nested_rows_have_positions_on_every_level(form):
    row = "<people><relation>{}</relation><phones><number>1</number></phones><phones><number>2</number></phones></people>"
    read = answers(row.format("aunt") + row.format("uncle"), form)
    assert read.values["people[2]/phones[1]/number"] == "1"
    assert read.repeats == {"people": 2, "people[1]/phones": 2, "people[2]/phones": 2}


def test_an_empty_row_counts(form):
    assert answers("<people/><people><relation>x</relation></people>", form).repeats == {"people": 2}
    assert answers("<people/><people><relation>x</relation></people>", form).values == {"people[2]/relation": "x"}


def test_a_node_that_should_be_single_is_kept_when_it_comes_again(form):
    read = answers("<first>food</first><first>school</first><person><age>1</age></person><person><age>2</age></person>", form)
    assert read.values == {"person/age": 1, "person[2]/age": 2, "first": "food", "first[2]": "school"}
    assert read.flags == {"person[2]/age": "repeated", "first[2]": "repeated"}
    assert form.field("person[2]/age").path == "person/age"


def test_nothing_that_was_sent_is_lost_wherever_it_stands(form):
    read = answers("loose<person>here<given>Fah<nick>F</nick>!</given>there</person>"
                   "<new><a>1</a><a>2</a><b><c>3</c></b></new><new>4</new>", form)
    assert read.values == {
        "person/given": "Fah!", "person/given/nick": "F", "person": "herethere", "new/a": "1", "new/a[2]": "2",
        "new/b/c": "3", "new[2]": "4", "text()": "loose"}
    assert set(read.flags.items()) == {(key, "unknown") for key in read.values if key != "person/given"}


def test_a_node_that_the_form_does_not_know_is_as_private_as_the_group_it_came_in():
    schema = schema_of("""
        | survey |
        | | type | name | label | bind::namjai:privacy |
        | | begin_group | therapy | Therapy | restricted |
        | | text | note | Note | |
        | | end_group | | | |
        | | begin_group | public | Public | open |
        | | text | note | Note | |
        | | end_group | | | |
        | settings |
        | | form_id | version | namespaces |
        | | form | 1 | namjai="https://namjai.org/xforms" |
    """)
    read = answers("<therapy><extra>x</extra></therapy><public><note>y</note><extra>z</extra></public>", schema)
    by_privacy = read.by_privacy(schema, "by_type")
    assert by_privacy[Privacy.RESTRICTED] == {"therapy/extra": "x"}
    assert by_privacy[Privacy.SENSITIVE] == {"public/extra": "z"}
    assert by_privacy[Privacy.OPEN] == {"public/note": "y"}


def test_prefixes_and_namespaces_do_not_matter(form):
    read = read_answers(read_instance(
        b'<x:data xmlns:x="http://example.org/x" xmlns:y="http://example.org/y" id="form" version="1">'
        b"<x:first>food</x:first><y:first>school</y:first><first>health</first><x:person><age>3</age></x:person>"
        b"<y:meta><instanceID>uuid:1</instanceID><y:audit>audit.csv</y:audit></y:meta></x:data>"), form)
    assert read.values == {
        "person/age": 3, "first": "food", "first[2]": "school", "first[3]": "health", "meta/audit": "audit.csv"}


def test_comments_and_processing_instructions_are_not_answers(form):
    assert answers("<?php x?><!-- secret --><bar>a<!-- b -->c<?d e?></bar>", form).values == {"bar": "ac"}


# What the tablet fills in, files, people picked

def test_metadata_is_found_by_its_odk_name():
    schema = schema_of("""
        | survey |
        | | type | name | label |
        | | start | began | |
        | | deviceid | tablet | |
        | | text | a | A |
        | settings |
        | | form_id | version |
        | | form | 1 |
    """)
    read = answers("<began>2026-01-01T10:00:00.000+07:00</began><tablet>collect:abc</tablet><a>x</a>", schema)
    assert read.metadata == {"start": "2026-01-01T10:00:00.000+07:00", "deviceid": "collect:abc"}
    assert read.device_id == "collect:abc"
    assert read.values["began"] == "2026-01-01T10:00:00.000+07:00"


def test_files_come_once_each_in_order_with_the_audit_log(form):
    row = "<people><phones><card>{}</card></phones></people>"
    read = answers("<photo>a.jpg</photo>" + row.format("b.jpg") + row.format("a.jpg"), form,
                   meta="<audit>audit.csv</audit>")
    assert read.files == ("a.jpg", "b.jpg", "audit.csv")


def test_people_who_were_picked_are_selected(form):
    read = answers(f"<who>{FAH.upper()}</who><others>{NOK} not-a-uuid {FAH}</others>", form)
    assert read.selected == (("survivors", FAH, "who"), ("survivors", NOK, "others"), ("survivors", FAH, "others"))
    assert read.values["who"] == FAH.upper()


def test_answers_are_sorted_by_privacy(form):
    read = answers("<person><given>Fah</given><age>3</age></person><first>food</first><people><relation>aunt</relation>"
                   "</people>", form)
    assert read.by_privacy(form, "strict") == {
        Privacy.OPEN: {"first": "food"}, Privacy.SENSITIVE: {"person/age": 3},
        Privacy.IDENTIFYING: {"person/given": "Fah"}, Privacy.RESTRICTED: {"people[1]/relation": "aunt"}}
    assert read.by_privacy(form, "by_type")[Privacy.OPEN] == {"person/age": 3, "first": "food"}


# Edits

def test_an_edit_shows_what_changed_in_the_form_s_order(form):
    before = answers("<end>2026-01-01T10:00:00Z</end><person><given>Fah</given><age>3</age></person><first>food</first>"
                     "<people><relation>aunt</relation></people><people><relation>uncle</relation></people>", form).values
    after = answers("<end>2026-01-02T10:00:00Z</end><person><age>4</age></person><first>food</first><amount>5</amount>"
                    "<people><relation>aunt</relation></people>", form).values
    assert changed(before, after, form) == [
        ("person/given", "Fah", None), ("person/age", 3, 4), ("amount", None, "5"),
        ("people[2]/relation", "uncle", None)]
    assert changed(before, after)[0] == ("end", "2026-01-01T10:00:00Z", "2026-01-02T10:00:00Z")
    assert changed(before, before) == []
    assert changed({}, {"a": 1}) == [("a", None, 1)]


# Made at random

_XML_TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"), min_size=1, max_size=40)
_WORDS = _XML_TEXT.filter(lambda text: text.strip(" \t\r\n") != "")
_PICKED = st.lists(st.sampled_from(["food", "school", "health"]), min_size=1, max_size=3, unique=True)
_FILE = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="/\\\ufffe\uffff"), min_size=1, max_size=20).map(
    lambda text: text.strip(" ")).filter(lambda text: text not in ("", ".", ".."))
_PERSON = st.fixed_dictionaries({}, optional={"given": _WORDS, "age": st.integers(-10**17, 10**17)})
_ROW = st.fixed_dictionaries({}, optional={
    "relation": _WORDS,
    "phones": st.lists(st.fixed_dictionaries({}, optional={"number": _WORDS, "card": _FILE}), max_size=3)})
_FILLED = st.fixed_dictionaries({}, optional={
    "person": _PERSON, "needs": _PICKED, "order": _PICKED, "first": st.sampled_from(["food", "school", "health"]),
    "amount": st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-10**9, max_value=10**9).map(str),
    "on": st.dates().map(str), "at": st.times().map(lambda one: one.isoformat("milliseconds") + "+07:00"),
    "when": st.datetimes().map(lambda one: one.isoformat("T", "milliseconds") + "Z"), "bar": _WORDS, "photo": _FILE,
    "people": st.lists(_ROW, max_size=4)})


def _xml(filled: dict) -> str:
    parts = []
    for name, value in filled.items():
        if isinstance(value, dict):
            parts.append(f"<{name}>{_xml(value)}</{name}>")
        elif isinstance(value, list) and value and isinstance(value[0], str):
            parts.append(f"<{name}>{' '.join(value)}</{name}>")
        elif isinstance(value, list):
            parts.extend(f"<{name}>{_xml(row)}</{name}>" for row in value)
        else:
            parts.append(f"<{name}>{escape(str(value))}</{name}>")
    return "".join(parts)


def _flat(filled: dict, above: str = "") -> dict:
    flat: dict = {}
    for name, value in filled.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{above}{name}/")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for position, row in enumerate(value, 1):
                flat |= _flat(row, f"{above}{name}[{position}]/")
        elif value != []:
            flat[above + name] = value
    return flat


@given(filled=_FILLED)
@example(filled={"people": [{}, {"relation": "&<>]]>'\""}], "bar": "a\u0085b\u2028"})
def test_any_instance_made_from_the_form_is_read_back_equal(form, filled):
    read = answers(_xml(filled), form)
    assert read.values == _flat(filled)
    assert read.flags == {}
    # Whatever the order on the wire, the answers stand in the form's.
    backwards = answers(_xml(dict(reversed(filled.items()))), form)
    assert list(backwards.values.items()) == list(read.values.items())


_NODES = st.recursive(_XML_TEXT.map(escape), lambda inner: st.lists(st.tuples(
    st.sampled_from(["person", "given", "age", "people", "phones", "first", "meta", "entity", "instanceID", "zzz", "photo"]),
    inner), max_size=4).map(lambda nodes: "".join(f"<{name}>{inside}</{name}>" for name, inside in nodes)), max_leaves=25)


@given(inside=_NODES)
def test_whatever_is_nested_in_whatever_no_text_is_lost(form, inside):
    instance = read_instance(submission(inside))
    read = read_answers(instance, form)
    shown = "".join(str(value) if not isinstance(value, list) else "".join(value) for value in read.values.values())
    not_answers = {"instanceID", "entity"}
    for text in instance.root.itertext():
        if text.strip(" \t\r\n") and not any(one in inside for one in not_answers) and text != "uuid:1":
            assert text.strip() in shown or text.strip().lstrip("+0") in shown
    for privacy in read.by_privacy(form).values():
        assert set(privacy) <= set(read.values)
