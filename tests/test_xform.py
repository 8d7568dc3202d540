"""What Namjai understands of a form: compiled by pyxform, recorded from Central and Kobo, or written by hand."""
from __future__ import annotations

import copy
import json

import pytest
from lxml import etree
from odk_files import RECORDINGS, recorded, schema_of, submission, xform_of

from namjai.problems import Problem
from odk.instance import read_answers, read_instance
from odk.schema import EntityDeclaration, FormSchema, Privacy
from odk.xform import FormIdMissing, XFormUnreadable, read_xform
from odk.xform_parts import language_code, sources_of

VISIT = """
| survey |
| | type | name | label::English (en) | label::ไทย (th) | hint::English (en) | required | readonly | appearance | choice_filter | repeat_count | save_to | bind::namjai:privacy | calculation | media::image |
| | start | began | | | | | | | | | | | | |
| | today | today | | | | | | | | | | | | |
| | audit | audit | | | | | | | | | | | | |
| | select_one_from_file survivors.csv | who | Who? | ใคร | | yes | | minimal | risk = 'high' | | | open | | |
| | begin_group | person | Person | บุคคล | | | | | | | | identifying | | |
| | text | given | Given name of ${who} | ชื่อ | As on the card | | | | | | | | | card.png |
| | integer | age | Age | อายุ | | | | | | | age | open | | |
| | end_group | | | | | | | | | | | | | |
| | select_multiple needs | needs | Needs | ความต้องการ | | | | | true() | | | | | |
| | rank needs | order | In order | เรียงลำดับ | | | | | | | | | | |
| | begin_repeat | people | People | ผู้คน | | | | | | 3 | | | | |
| | text | relation | Relation | ความสัมพันธ์ | | | | | | | | restricted | | |
| | begin_repeat | phones | Phones | โทรศัพท์ | | | | | | | | | | |
| | text | number | Number | หมายเลข | | | | | | | | | | |
| | end_repeat | | | | | | | | | | | | | |
| | end_repeat | | | | | | | | | | | | | |
| | note | thanks | Thank you | ขอบคุณ | | | | | | | | | | |
| | calculate | code | | | | | | | | | code | | 'x' | |
| | image | signed | Sign | ลงชื่อ | | | | signature | | | | | | |
| | audio | voice | Voice | เสียง | | | | | | | | | | |
| | file | paper | Paper | เอกสาร | | | | | | | | | | |
| | decimal | amount | Amount | จำนวนเงิน | | | | | | | | secert | | |
| | text | only_english | Only English | | | | | | | | | | | |
| choices |
| | list_name | name | label::English (en) | label::ไทย (th) | media::image |
| | needs | food | Food | อาหาร | food.png |
| | needs | school | School | การเรียน | |
| settings |
| | form_id | version | form_title | default_language | namespaces | instance_name |
| | visit | 7 | Visit | ไทย (th) | namjai="https://namjai.org/xforms" | ${given} |
| entities |
| | list_name | label | entity_id |
| | survivors | | ${who} |
"""


@pytest.fixture(scope="module")
def visit() -> FormSchema:
    return schema_of(VISIT)


def test_a_form_says_which_it_is(visit):
    assert (visit.form_id, visit.version, visit.title, visit.root) == ("visit", "7", "Visit", "data")
    assert visit.languages == ("en", "th")
    assert visit.default_language == "th"
    assert not visit.encrypted


def test_the_fields_stand_in_the_form_s_order(visit):
    assert [one.path for one in visit.fields] == [
        "began", "today", "who", "person", "person/given", "person/age", "needs", "order", "people_count", "people",
        "people/relation", "people/phones", "people/phones/number", "thanks", "code", "signed", "voice", "paper",
        "amount", "only_english", "meta/audit", "meta/instanceID", "meta/instanceName"]


def test_each_field_knows_its_kind(visit):
    kinds = {one.path: one.kind for one in visit.fields}
    assert kinds["began"] == kinds["meta/audit"] == kinds["meta/instanceID"] == "metadata"
    assert kinds["person"] == "group"
    assert kinds["people"] == kinds["people/phones"] == "repeat"
    assert kinds["people_count"] == kinds["code"] == "calculation"
    assert kinds["thanks"] == "note"
    assert kinds["who"] == kinds["people/relation"] == kinds["signed"] == "question"


def test_each_field_knows_its_type(visit):
    types = {one.path: one.type for one in visit.fields}
    assert (types["who"], types["needs"], types["order"]) == ("select1", "select", "rank")
    assert (types["person/age"], types["amount"], types["began"], types["today"]) == (
        "int", "decimal", "dateTime", "date")
    assert types["signed"] == types["meta/audit"] == "binary"
    assert [visit.field(one).media for one in ("signed", "voice", "paper", "meta/audit")] == [
        "image", "audio", "file", "file"]
    assert visit.field("signed").appearance == "signature"


def test_what_the_tablet_fills_in_is_known_by_its_odk_name(visit):
    assert visit.field("began").preload == "start"
    assert visit.field("today").preload == "today"
    assert visit.field("who").preload is None


def test_labels_and_hints_come_in_both_languages(visit):
    given = visit.field("person/given")
    assert given.labels == {"en": "Given name of ${who}", "th": "ชื่อ"}
    assert given.hints == {"en": "As on the card"}
    assert given.label("th") == "ชื่อ"
    assert given.label("my") == "Given name of ${who}"
    assert visit.field("code").label("th") == "code"


def test_a_translation_that_pyxform_filled_with_a_dash_is_no_translation(visit):
    assert visit.field("only_english").labels == {"en": "Only English"}


def test_choices_are_kept_with_their_labels(visit):
    needs = visit.field("needs")
    assert visit.choices == {"needs": {"food": {"en": "Food", "th": "อาหาร"}, "school": {"en": "School", "th": "การเรียน"}}}
    assert visit.choice_label(needs, "school", "th") == "การเรียน"
    assert visit.choice_label(needs, "gone", "th") == "gone"


def test_choices_from_a_file_name_their_list(visit):
    who = visit.field("who")
    assert (who.from_file, who.choices, who.required) == ("survivors", None, True)


def test_the_form_says_which_files_it_needs(visit):
    assert visit.media == ("food.png", "card.png", "survivors.csv")


def test_a_field_knows_the_repeats_around_it(visit):
    assert visit.field("people/phones/number").repeats == ("people", "people/phones")
    assert visit.field("people[2]/phones[1]/number").path == "people/phones/number"
    assert visit.field("nowhere") is None


def test_privacy_is_what_the_question_declares_else_the_group_around_it(visit):
    assert visit.field("who").privacy == "open"
    assert visit.field("person/given").privacy == "identifying"
    assert visit.field("person/age").privacy == "open"
    assert visit.field("people/relation").privacy == "restricted"
    assert visit.field("needs").privacy is None


def test_undeclared_answers_are_sensitive_or_sorted_by_type(visit):
    assert visit.privacy_of("needs", "strict") is Privacy.SENSITIVE
    assert visit.privacy_of("needs", "by_type") is Privacy.OPEN
    assert visit.privacy_of("people[1]/phones[2]/number", "by_type") is Privacy.SENSITIVE
    assert visit.privacy_of("signed", "by_type") is Privacy.SENSITIVE
    assert visit.privacy_of("not/in/the/form", "by_type") is Privacy.SENSITIVE


def test_what_is_saved_to_an_entity_is_open_unless_declared_otherwise(visit):
    assert visit.privacy_of("code", "strict") is Privacy.OPEN


def test_a_mistyped_class_opens_nothing(visit):
    assert visit.field("amount").privacy == "secert"
    assert visit.privacy_of("amount", "by_type") is Privacy.IDENTIFYING


def test_an_entity_that_the_form_updates_is_declared(visit):
    assert visit.entities == (EntityDeclaration("survivors", "", False, True, (("person/age", "age"), ("code", "code"))),)


def test_a_schema_survives_json(visit):
    assert FormSchema.from_json(json.loads(json.dumps(visit.to_json()))) == visit


def test_a_schema_in_json_is_small(visit):
    assert len(json.dumps(visit.to_json(), ensure_ascii=False)) < 4000


def test_several_lists_in_one_form_each_have_their_place():
    schema = schema_of("""
        | survey |
        | | type | name | label | save_to |
        | | text | given | Given | survivors#given |
        | | begin_repeat | goals | Goals | |
        | | begin_group | g | G | |
        | | text | need | Need | goals#need |
        | | end_group | | | |
        | | text | extra | Extra | goals#extra |
        | | end_repeat | | | |
        | settings |
        | | form_id | version |
        | | multi | 1 |
        | entities |
        | | list_name | label | entity_id | create_if | update_if |
        | | survivors | ${given} | ${given} | 1 = 1 | 1 = 2 |
        | | goals | ${need} | | | |
    """)
    assert set(schema.entities) == {
        EntityDeclaration("survivors", "", True, True, (("given", "given"),)),
        EntityDeclaration("goals", "goals", True, False, (("goals/g/need", "need"), ("goals/extra", "extra")))}
    assert schema.field("goals/extra").save_to == "extra"


def test_the_rarer_ways_of_asking_are_read():
    schema = schema_of("""
        | survey |
        | | type | name | label | appearance | parameters | calculation | choice_filter |
        | | begin_repeat | kin | Kin | | | | |
        | | text | who | Who | | | | |
        | | end_repeat | | | | | | |
        | | select_one found | searched | A | search('people') | | | |
        | | select_one yn | shuffled | B | | randomize=true | | |
        | | select_one yn or_other | other | O | | | | |
        | | select_one ${who} | of_kin | C | | | | |
        | | select_one_external far | far | F | | | | a=${who} |
        | | select_multiple_from_file places.geojson | places | P | | | | |
        | | calculate | pulled | | | | pulldata('fruits','name','key','a') | |
        | | acknowledge | ok | OK | | | | |
        | | range | scale | Scale | | start=0 end=10 step=1 | | |
        | | geotrace | way | Way | | | | |
        | | time | at | At | | | | |
        | | barcode | bar | Bar | | | | |
        | | background-audio | heard | | | | | |
        | choices |
        | | list_name | name | label |
        | | yn | y | Yes |
        | | found | key | Name |
        | external_choices |
        | | list_name | name | label | a |
        | | far | q | Q | f |
        | settings |
        | | form_id |
        | | rare |
    """)
    assert schema.version == ""
    assert schema.field("searched").from_file == "people"
    assert schema.field("shuffled").choices == "yn"
    assert schema.choice_label(schema.field("other"), "other") == "Other"
    assert schema.field("other").labels == {"": "O"}
    assert (schema.field("of_kin").choices, schema.field("of_kin").type) == (None, "select1")
    assert schema.field("far").type == "select1"
    assert (schema.field("places").from_file, schema.field("places").type) == ("places", "select")
    assert set(schema.media) == {"people.csv", "itemsets.csv", "places.geojson", "fruits.csv"}
    assert [schema.field(one).type for one in ("ok", "scale", "way", "at", "bar")] == [
        "string", "int", "geotrace", "time", "barcode"]
    assert (schema.field("heard").type, schema.field("heard").media) == ("binary", "audio")


def test_a_form_made_by_hand_is_read_too():
    schema = read_xform(b"""<h:html xmlns="http://www.w3.org/2002/xforms" xmlns:h="http://www.w3.org/1999/xhtml"
        xmlns:orx="http://openrosa.org/xforms" xmlns:xsd="http://www.w3.org/2001/XMLSchema">
      <h:head><h:title>By hand</h:title><model>
        <instance><household xmlns="http://example.org/household" orx:version="3">
          <town/><member><name/><age/></member><orx:meta><orx:instanceID/></orx:meta></household></instance>
        <bind nodeset="/household/town" type="xsd:string"/>
        <bind nodeset="/household/member/age" type="xsd:integer" required="true()"/>
        <bind nodeset="/household/orx:meta/orx:instanceID" type="string"/>
      </model></h:head>
      <h:body>
        <select1 ref="/household/town"><label>Town</label>
          <item><label>Here</label><value>here</value></item><item><label>There</label><value>there</value></item>
        </select1>
        <group ref="/household/member"><label>Member</label>
          <repeat nodeset="/household/member"><input ref="name"><label>Name</label></input>
            <input ref="age"><label>Age</label></input></repeat></group>
      </h:body></h:html>""")
    assert (schema.form_id, schema.version, schema.root) == ("http://example.org/household", "3", "household")
    assert schema.choices == {"town": {"here": {"": "Here"}, "there": {"": "There"}}}
    assert [(one.path, one.type) for one in schema.fields] == [
        ("town", "select1"), ("member", "repeat"), ("member/name", "string"), ("member/age", "int"),
        ("meta/instanceID", "string")]
    assert schema.field("member/name").label() == "Name"
    assert schema.field("member").label() == "Member"


def test_central_s_registration_form_is_read_as_recorded():
    schema = read_xform(recorded("central", "016-response.xml"))
    assert (schema.form_id, schema.version, schema.title) == ("registration", "2026010101", "Registration")
    assert schema.field("member/document/document_no").repeats == ("member", "member/document")
    assert schema.entities[0].saves == (
        ("person/full_name", "full_name"), ("person/age", "age"), ("code", "code"), ("stage", "stage"))
    assert schema.choices["yn"]["yes"] == {"en": "Yes", "th": "ใช่"}


@pytest.mark.parametrize(("body", "asset", "asked"), [
    ("063-response.xml", "atp74HAxoewYzRkWvbyB8q", "person/full_name"),
    ("064-response.xml", "aXttFNi6ofxfwYEMj8JeYJ", "visit_at"),
    ("065-response.xml", "auqTrUpZoETYn4M7btRgm8", "amount"),
])
def test_kobo_s_forms_have_the_asset_as_root_and_id(body, asset, asked):
    schema = read_xform(recorded("kobo", body))
    assert schema.form_id == schema.root == asset
    assert schema.field(asked).kind == "question"
    assert schema.field("formhub/uuid").kind == schema.field("__version__").kind == "metadata"


def test_the_two_servers_say_the_same_of_one_form():
    of_central, of_kobo = (read_xform(recorded(server, body)) for server, body in (
        ("central", "016-response.xml"), ("kobo", "063-response.xml")))
    asked = [(one.path, one.type, one.labels) for one in of_central.fields if one.kind == "question"]
    assert asked == [(one.path, one.type, one.labels) for one in of_kobo.fields if one.kind == "question"]


def test_a_form_from_central_s_spreadsheet_is_the_one_that_central_serves():
    schema = schema_of(RECORDINGS / "central" / "forms" / "follow_up.xlsx")
    assert (schema.form_id, schema.field("who").from_file) == ("follow_up", "people")
    assert schema.entities == (EntityDeclaration("people", "", False, True, (("stage", "stage"),)),)


def test_a_form_that_asks_for_encryption_says_so():
    assert schema_of("""
        | survey |
        | | type | name | label |
        | | text | a | A |
        | settings |
        | | form_id | public_key |
        | | secret | MIIBIjANBg |
    """).encrypted


@pytest.mark.parametrize(("name", "code"), [
    ("English (en)", "en"), ("ไทย (th)", "th"), ("မြန်မာ (my)", "my"), ("Português (pt-BR)", "pt-br"), ("default", ""),
    ("English", "en"), ("ไทย", "th"), ("Karen", "Karen"), ("", ""),
])
def test_language_names_become_codes(name, code):
    assert language_code(name) == code


@pytest.mark.parametrize("xml", [
    b"<data id='registration'/>",
    b"<h:html xmlns:h='http://www.w3.org/1999/xhtml'><h:head><model/></h:head></h:html>",
    b"<h:html xmlns:h='http://www.w3.org/1999/xhtml'><h:head><model><instance/></model></h:head></h:html>",
])
def test_xml_that_is_no_form_is_refused_with_what_is_missing(xml):
    with pytest.raises(XFormUnreadable) as refused:
        read_xform(xml)
    assert "missing" in refused.value.text("en")
    assert "ไม่มี" in refused.value.text("th")


def test_a_form_without_an_id_is_refused():
    with pytest.raises(FormIdMissing):
        read_xform(xform_of(VISIT).replace(b'<data id="visit"', b"<data"))


MADE_OF = """
| survey |
| | type | name | label | bind::namjai:privacy | calculation | bind::type | trigger |
| | text | given | Given | identifying | | | |
| | date | born | Born | | | | |
| | text | said | Said | restricted | | | |
| | calculate | letters | | | string-length(${given}) | int | |
| | calculate | twice | | | ${letters} * 2 | int | |
| | calculate | year | | | ${born} | date | |
| | calculate | told | | open | ${said} | | |
| | calculate | copied | | | ${said} | int | ${born} |
| | calculate | listed | | | instance('given')/root/item[name = 'x']/given | int | |
| | begin_repeat | kin | Kin | | | | |
| | text | who | Who | restricted | | | |
| | calculate | mark | | | concat(${who}, ${given}) | int | |
| | end_repeat | | | | | | |
| | csv-external | given_list | | | | | |
| settings |
| | form_id | version | namespaces | instance_name |
| | made | 1 | namjai="https://namjai.org/xforms" | concat('x ', ${given}) |
"""


def test_a_calculation_is_as_private_as_what_it_is_made_of():
    schema = schema_of(MADE_OF)
    classes = schema.privacies("by_type")
    assert classes["letters"] == classes["twice"] == classes["meta/instanceName"] == Privacy.IDENTIFYING
    assert classes["kin/mark"] == classes["copied"] == Privacy.RESTRICTED
    assert classes["year"] == classes["listed"] == Privacy.OPEN
    assert classes["told"] == Privacy.OPEN, "what the form declares counts"
    assert schema.privacy_of("kin[3]/mark", "strict") is Privacy.RESTRICTED
    assert FormSchema.from_json(json.loads(json.dumps(schema.to_json()))).privacies("by_type") == classes


@pytest.mark.parametrize(("expression", "sources"), [
    (" /data/a/b  + ../c", ("a/b", "g/c")), ("../../d/e", ("d/e",)), ("concat(/data/a, ' /', /other/b)", ("a",)),
    ("instance('x')/root/item[name= /data/a ]/data/b", ()), ("current()/../c", ("g/c",)), ("1 div 2", ()), (". > 3", ()),
    ("/data/orx:meta/orx:instanceID", ("meta/instanceID",)), ("/data/ชื่อ", ("ชื่อ",)),
])
def test_what_an_expression_reads_is_found(expression, sources):
    assert sources_of(expression, "g/x", "data") == sources


def test_a_form_damaged_anywhere_is_read_or_refused_and_never_worse():
    whole = etree.fromstring(xform_of(VISIT))
    for place, _ in enumerate(list(whole.iter())):
        for damage in (_taken_out, _emptied, _bare, _doubled):
            damaged = copy.deepcopy(whole)
            node = list(damaged.iter())[place]
            damage(node)
            try:
                schema = read_xform(etree.tostring(damaged))
            except Problem:
                continue
            assert FormSchema.from_json(schema.to_json()) == schema
            assert read_answers(read_instance(submission("<who>x</who><people><relation>y</relation></people>")), schema)


def _taken_out(node) -> None:
    if node.getparent() is not None:
        node.getparent().remove(node)


def _emptied(node) -> None:
    node.text = None
    for child in list(node):
        node.remove(child)


def _bare(node) -> None:
    for name in list(node.attrib):
        del node.attrib[name]


def _doubled(node) -> None:
    if node.getparent() is not None:
        node.addnext(copy.deepcopy(node))
