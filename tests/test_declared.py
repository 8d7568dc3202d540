"""What our own version of a form declares of entities, applied to submissions of a server that knows none (Kobo)."""
from __future__ import annotations

import datetime as dt
import random
import uuid
from dataclasses import replace

import pytest
import sqlalchemy as sa
from conftest import compile_markdown
from kobo_truth import instance
from lxml import etree

from cases import deliveries
from cases.publishing import publish as publish_version
from odk.alignment import aligned
from odk.declared import declare, made_id, plain, rules_of
from odk.xform import read_xform
from odk.xlsform import Compiled
from store.tables import entity, entity_version, rule_failure
from submissions.delivery import Delivery

FAMILY = """
| survey |
| | type | name | label | save_to |
| | text | head | Head of the family | |
| | begin repeat | member | Member | |
| | text | full | Name | full |
| | integer | age | Age | age |
| | end repeat | | | |
| settings |
| | form_id | form_title | version |
| | family | Family | {version} |
| entities |
| | list_name | label |
| | people | concat(${{full}}, ' of ', ${{head}}) |
"""
PICK = """
| survey |
| | type | name | label | save_to | calculation |
| | select_one_from_file survivors.csv | known | Known already? | | |
| | calculate | fresh | | | once(uuid()) |
| | text | called | Called | called | |
| settings |
| | form_id | form_title | version |
| | pick | Pick | 1 |
| entities |
| | list_name | entity_id | create_if | update_if | label |
| | helpers | coalesce(${known}, ${fresh}) | ${known} = '' | ${known} != '' | if(string-length(${called}) > 3, concat('Long ', ${called}), ${called}) |
"""
NOW = dt.datetime(2026, 11, 25, 3, 0, tzinfo=dt.UTC)


@pytest.fixture
def kobo(store, aftercare):
    """Publishes a form here with its entities, and as a Kobo has it: without; then takes what that Kobo has."""
    made = Taken(store, aftercare)
    return made


class Taken:
    def __init__(self, store, actor):
        self.store, self.actor, self.at = store, actor, NOW

    def publish(self, markdown, *, here=True, there=True):
        compiled = compile_markdown(markdown)
        with self.store.database.begin(self.actor) as tx:
            media = {one: b"name,label\n" for one in compiled.media if one != "survivors.csv"}
            if here:
                publish_version(tx, self.store, self.actor, compiled, media=media)
            if there:
                bare = _without_entities(compiled)
                publish_version(tx, self.store, self.actor, bare, origin="field")

    def take(self, form, instance_id, *, deprecated=None, root=None, **answers):
        xml = instance(form, instance_id, deprecated=deprecated, **answers).replace(b'version="1"', b'version="1"')
        if root:
            xml = xml.replace(b"</meta>", f"<rootUuid>{root}</rootUuid></meta>".encode())
        self.at += dt.timedelta(seconds=1)
        with self.store.database.begin(self.actor) as tx:
            return deliveries.take(tx, self.store, self.actor, Delivery(xml, self.at, source="field", declares=True))

    def people(self, name="people"):
        """Label by id."""
        with self.store.database.begin(self.actor) as tx:
            rows = tx.execute(sa.select(entity).where(entity.c.list == name, entity.c.placeholder.is_(False))).all()
        return {str(row.uuid): (row.label, row.data, row.conflict) for row in rows}

    def ids(self, name="people"):
        return {label.partition(" of ")[0]: uuid for uuid, (label, _, _) in self.people(name).items()}


def _without_entities(compiled: Compiled) -> Compiled:
    document = etree.fromstring(compiled.xform)
    for node in list(document.iter("{*}entity")):
        node.getparent().remove(node)
    for node in list(document.iter("{*}bind", "{*}setvalue")):
        if "/meta/entity" in (node.get("nodeset") or node.get("ref")):
            node.getparent().remove(node)
        for name in list(node.attrib):
            if name.endswith("saveto"):
                del node.attrib[name]
    xform = etree.tostring(document)
    return replace(compiled, xform=xform, schema=read_xform(xform))


def new():
    return f"uuid:{uuid.uuid4()}"


def member(*names):
    return [{"full": name, "age": str(20 + number)} for number, name in enumerate(names)]


def test_each_row_makes_an_entity_whose_id_is_always_the_same(kobo):
    kobo.publish(FAMILY.format(version=1))
    root = new()
    kobo.take("family", root, head="Mae", member=member("Fah", "Nok"))
    found = kobo.people()
    assert {label for label, _, _ in found.values()} == {"Fah of Mae", "Nok of Mae"}
    assert {data["full"]: data["age"] for _, data, _ in found.values()} == {"Fah": "20", "Nok": "21"}
    space = uuid.UUID(root.removeprefix("uuid:"))
    assert kobo.ids() == {"Fah": str(uuid.uuid5(space, "people/member[1]")), "Nok": str(uuid.uuid5(space, "people/member[2]"))}
    # The same once more changes nothing.
    before = kobo.people()
    kobo.take("family", root, head="Mae", member=member("Fah", "Nok"))
    assert kobo.people() == before


def test_an_edit_finds_the_same_people_though_rows_were_taken_out_put_in_and_changed(kobo):
    kobo.publish(FAMILY.format(version=1))
    first, second, third, fourth = new(), new(), new(), new()
    kobo.take("family", first, head="Mae", member=member("Fah", "Nok", "Dao"))
    before = kobo.ids()
    # Fah is taken out: Nok and Dao move up and stay who they are.
    kobo.take("family", second, deprecated=first, root=first, head="Mae", member=member("Fah", "Nok", "Dao")[1:])
    assert {name: kobo.ids()[name] for name in ("Nok", "Dao")} == {name: before[name] for name in ("Nok", "Dao")}
    # Somebody new stands where Fah stood, and is not Fah; Nok's name is corrected.
    rows = [{"full": "Suda", "age": "3"}, {"full": "Nokyung", "age": "21"}, {"full": "Dao", "age": "22"}]
    kobo.take("family", third, deprecated=second, root=first, head="Mae", member=rows)
    now = kobo.ids()
    assert now["Nokyung"] == before["Nok"] and now["Dao"] == before["Dao"]
    assert now["Suda"] not in before.values()
    # And once more, in another order.
    kobo.take("family", fourth, deprecated=third, root=first, head="Mae", member=[rows[2], rows[0], rows[1]])
    assert kobo.ids() == now
    assert {conflict for _, _, conflict in kobo.people().values()} == {None}


def test_somebody_else_in_the_same_place_is_somebody_else_and_a_corrected_name_is_not(kobo):
    kobo.publish(FAMILY.format(version=1))
    first, second, third = new(), new(), new()
    kobo.take("family", first, head="Mae", member=[{"full": "Fah", "age": "20"}])
    fah = kobo.ids()["Fah"]
    kobo.take("family", second, deprecated=first, root=first, head="Mae", member=[{"full": "Fa", "age": "20"}])
    assert kobo.ids() == {"Fa": fah}
    kobo.take("family", third, deprecated=second, root=first, head="Mae", member=[{"full": "Suda", "age": "3"}])
    assert kobo.ids()["Fa"] == fah and kobo.ids()["Suda"] != fah


def test_an_edit_whose_forerunner_never_came_still_finds_them(kobo):
    kobo.publish(FAMILY.format(version=1))
    first, lost, third = new(), new(), new()
    kobo.take("family", first, head="Mae", member=member("Fah", "Nok"))
    before = kobo.ids()
    done = kobo.take("family", third, deprecated=lost, root=first, head="Mae", member=member("Fah", "Nok", "Dao"))
    assert done.outcome == "edited"
    assert {name: kobo.ids()[name] for name in before} == before and len(kobo.ids()) == 3


def test_an_edit_that_comes_alone_makes_the_ids_of_the_first(kobo):
    kobo.publish(FAMILY.format(version=1))
    first = new()
    kobo.take("family", new(), deprecated=new(), root=first, head="Mae", member=member("Fah"))
    assert kobo.ids() == {"Fah": str(uuid.uuid5(uuid.UUID(first.removeprefix("uuid:")), "people/member[1]"))}


def test_an_id_made_of_answers_creates_then_updates_the_same_entity_in_either_order(kobo):
    kobo.publish(PICK)
    made = str(uuid.uuid4())
    # The update comes first: a placeholder, until its creation is here.
    kobo.take("pick", new(), known=made, called="Somying")
    assert kobo.people("helpers") == {}
    kobo.take("pick", new(), fresh=made, called="Som")
    assert {key: one[0] for key, one in kobo.people("helpers").items()} == {made: "Long Somying"}
    assert kobo.people("helpers")[made][1] == {"called": "Somying"}


def test_an_edit_that_picks_another_person_updates_that_one(kobo):
    kobo.publish(PICK)
    one, other, first = str(uuid.uuid4()), str(uuid.uuid4()), new()
    for made in (one, other):
        kobo.take("pick", new(), fresh=made, called="New")
    kobo.take("pick", first, known=one, called="First")
    kobo.take("pick", new(), deprecated=first, root=first, known=other, called="Second")
    assert kobo.people("helpers")[other][1] == {"called": "Second"}


def test_a_form_that_nobody_published_here_makes_no_entities(kobo):
    kobo.publish(FAMILY.format(version=1), here=False)
    kobo.take("family", new(), head="Mae", member=member("Fah"))
    with kobo.store.database.begin(kobo.actor) as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(entity_version)) == 0


def test_a_tablets_own_submission_is_left_as_it_says(kobo):
    kobo.publish(FAMILY.format(version=1), there=False)
    with kobo.store.database.begin(kobo.actor) as tx:
        deliveries.take(tx, kobo.store, kobo.actor, Delivery(instance("family", new(), head="Mae", member=member("Fah")), NOW))
    assert kobo.people() == {}


def test_what_only_a_tablet_can_know_is_noted_and_loses_nothing(kobo):
    kobo.publish(PICK.replace("coalesce(${known}, ${fresh})", "coalesce(${known}, pulldata('survivors', 'name', 'name', ${fresh}))"))
    done = kobo.take("pick", new(), fresh=str(uuid.uuid4()), called="Som")
    assert done.outcome == "new"
    with kobo.store.database.begin(kobo.actor) as tx:
        assert tx.execute(sa.select(rule_failure.c.problem, rule_failure.c.facts)).one() == ("expression-unknown", {"list": "helpers", "key": ""})


def test_intake_of_the_aftercare_programme_makes_its_case(kobo):
    """The forms that Namjai ships, as a Kobo has them."""
    from conftest import AFTERCARE

    from odk.xlsform import compile_xlsform

    compiled = compile_xlsform(AFTERCARE / "intake.xlsx", validate=False)
    with kobo.store.database.begin(kobo.actor) as tx:
        publish_version(tx, kobo.store, kobo.actor, _without_entities(compiled), origin="field")
    fresh = str(uuid.uuid4())
    who = {"fresh": fresh, "case_code": "BCD-FGH-JKC", "pseudonym": "Fah"}
    xml = instance("intake", new(), who=who).replace(b'version="1"', f'version="{compiled.version}"'.encode())
    with kobo.store.database.begin(kobo.actor) as tx:
        changes = deliveries.take(tx, kobo.store, kobo.actor, Delivery(xml, NOW, source="field", declares=True))
    assert [(one.list, str(one.uuid), one.label) for one in changes.entities] == [("survivors", fresh, "BCD-FGH-JKC · Fah")]
    assert len(changes.cases) == 1


@pytest.mark.parametrize("seed", range(20))
def test_rows_are_told_apart_whatever_an_edit_does_to_them(seed):
    dice = random.Random(seed)
    before = [f"person {number}" for number in range(dice.randrange(1, 12))]
    now = [one for one in before if dice.random() < 0.7]
    for number in range(dice.randrange(4)):
        now.insert(dice.randrange(len(now) + 1), f"new {seed} {number}")
    found = aligned(_rows(before), _rows(now))
    kept = {name: before[number] for name, number in zip(now, found, strict=True) if number is not None}
    assert len(set(found) - {None}) == len(kept)
    assert {name: kept.get(name) for name in now if name in before} == {name: name for name in now if name in before}


def _rows(names):
    root = etree.fromstring("<data>" + "".join(f"<row><name>{name}</name></row>" for name in names) + "</data>")
    return list(root)


def test_functions_of_xforms_are_evaluated_as_a_tablet_does():
    calculations = {
        "if(${a} = 'yes', 'A', 'B')": "A", "coalesce(${none}, ${a})": "yes", "concat('x', ${n}, 1 + 1)": "x72", "selected(${many}, 'school')": "true",
        "count-selected(${many})": "2", "join(', ', ${a}, ${n})": "yes, 7", "substr(${a}, 0, 2)": "ye", "regex(${n}, '^[0-9]+$')": "true",
        "string-length(${a})": "3", "round(${n} div 2)": "4", "once(${a})": "yes", "selected-at(${many}, 1)": "school", "int(${n} div 2)": "3",
    }
    for expression, result in calculations.items():
        form = FAMILY.format(version=1).replace("concat(${full}, ' of ', ${head})", expression).replace("| | text | head | Head of the family | |", """| | text | a | A | |
| | text | none | None | |
| | integer | n | N | |
| | text | many | Many | |""")
        rules = rules_of(compile_markdown(form).xform)
        root = plain(etree.fromstring(instance("family", "uuid:1", a="yes", n="7", many="food school", member=[{"full": "x"}])), rules.root)
        assert declare(root, rules, lambda rule, number: str(made_id("uuid:1", rule, number))) == []
        assert root.findtext("member/meta/entity/label") == result, expression


PAPERS = """
| survey |
| | type | name | label | save_to |
| | begin repeat | member | Member | |
| | text | full | Name | |
| | begin repeat | paper | Paper | |
| | text | number | Number | number |
| | select_one yes_no | real | Real? | |
| | end repeat | | | |
| | end repeat | | | |
| choices |
| | list_name | name | label |
| | yes_no | yes | Yes |
| | yes_no | no | No |
| settings |
| | form_id | form_title | version |
| | papers | Papers | 1 |
| entities |
| | list_name | create_if | label |
| | papers | ${real} = 'yes' | ${number} |
"""


def test_rows_within_rows_of_which_some_make_no_entity_stay_who_they_are(kobo):
    kobo.publish(PAPERS)
    first, second = new(), new()

    def sent(*members):
        return [{"full": str(place), "paper": [{"number": number, "real": real} for number, real in papers]} for place, papers in enumerate(members)]

    kobo.take("papers", first, member=sent([("A1", "no"), ("A2", "yes")], [("B1", "no"), ("B2", "yes"), ("B3", "yes")]))
    before = kobo.ids("papers")
    assert set(before) == {"A2", "B2", "B3"}
    # A1 is real after all, B2 is taken out, and a new one stands before them.
    kobo.take("papers", second, deprecated=first, root=first, member=sent([("A0", "yes"), ("A1", "yes"), ("A2", "yes")], [("B1", "no"), ("B3", "yes")]))
    now = kobo.ids("papers")
    assert {name: now[name] for name in before} == before
    assert len({now[name] for name in ("A0", "A1", "A2", "B3")}) == 4 and not {now["A0"], now["A1"]} & set(before.values())
