"""A programme that nobody here thought of, dropped in beside the first, works without a line of Python.

Trees of a village nursery: no stages, no grants, no letters, no safe contact; other words, other lists; a form that
plants a whole row of trees at once.
"""
from __future__ import annotations

import html
import itertools
import re
import uuid
from pathlib import Path

import pytest
import sqlalchemy as sa
from conftest import Tablet, compile_markdown, workbook_of
from readers import signed_in

from cases import installation, people, projects, tablets
from cases.publishing import publish
from odk.check import load_folder
from store.actor import Actor
from store.opening import KEEPER
from store.tables import cases, entity, list_row, membership, quarantine, rule_failure, submission

PROGRAM = '''
[programme]
id = "nursery"
name.en = "Village nursery"
name.th = "เรือนเพาะชำ"
short_name = "VN"
case_list = "trees"

[words]
case.en = "tree"
case.th = "ต้นไม้"
cases.en = "trees"
cases.th = "ต้นไม้"

[lists.trees]
label.en = "Trees"
label.th = "ต้นไม้"
code = "tag"
pseudonym = "species"
due = "water_on"

[[lists.trees.columns]]
property = "height"
label.en = "Height"
label.th = "ความสูง"
kind = "number"

[[lists.trees.columns]]
property = "water_on"
label.en = "Water on"
label.th = "รดน้ำ"
kind = "date"

[lists.waterings]
label.en = "Waterings"
label.th = "การรดน้ำ"
parent = "of_tree"

[forms.planting]
title.en = "Planting"
title.th = "ปลูกต้นไม้"
event_date = "planted_on"

[forms.check]
title.en = "Check"
title.th = "ตรวจต้นไม้"
summary = ["height", "note"]
'''
PLANTING = """
| survey   |
|          | type         | name       | label      | save_to     |
|          | date         | planted_on | Planted on |             |
|          | text         | plot       | Plot       |             |
|          | begin_repeat | row        | A tree     |             |
|          | text         | tag        | Tag        | tag   |
|          | text         | species    | Species    | species |
|          | decimal      | height     | Height     | height |
|          | date         | water_on   | Water on   | water_on |
|          | end_repeat   |            |            |             |
| entities |
|          | list_name | label                       |
|          | trees     | concat(${tag}, ${species})  |
| settings |
|          | form_id  | version    |
|          | planting | 2026112401 |
"""
CHECK = """
| survey   |
|          | type                             | name     | label     | save_to  | calculation |
|          | select_multiple_from_file trees.csv | seen  | Seen too  |          | |
|          | select_one_from_file trees.csv   | tree     | Tree      |          | |
|          | decimal                          | height   | Height    | trees#height   | |
|          | date                             | water_on | Water on  | trees#water_on | |
|          | text                             | note     | Note      |          | |
|          | begin_repeat                     | water    | Water     |          | |
|          | text                             | litres   | Litres    | waterings#litres | |
|          | calculate                        | of_tree  |           | waterings#of_tree | ${tree} |
|          | end_repeat                       |          |           |          | |
| entities |
|          | list_name | entity_id | label |
|          | trees     | ${tree}   |       |
|          | waterings |           | ${litres} |
| settings |
|          | form_id | version    |
|          | check   | 2026112401 |
"""
NAMES = 'xmlns:entities="http://www.opendatakit.org/xforms/entities"'
MANGO, TEAK, WATER = (str(uuid.uuid5(uuid.NAMESPACE_URL, one)) for one in ("mango", "teak", "water"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The programme as its officer wrote it."""
    made = tmp_path / "nursery"
    made.mkdir()
    (made / "program.toml").write_text(PROGRAM)
    for name, form in (("planting", PLANTING), ("check", CHECK)):
        (made / f"{name}.xlsx").write_bytes(workbook_of(form))
    return made


@pytest.fixture
def nursery(store, aftercare, folder) -> Actor:
    """A second project, with this programme, beside the first one."""
    programme, read = load_folder(folder, validate=False)
    with store.database.begin(KEEPER) as tx:
        made = projects.make(tx, store, name=programme.id, short_name=programme.short_name, timezone=programme.timezone)
    home = projects.in_project(made.id)
    with store.database.begin(home) as tx:
        installation.install(tx, store, home, programme, read)
    return home


@pytest.fixture
def gardener(app, store, nursery) -> Tablet:
    with store.database.begin(nursery) as tx:
        tablet_id, token = tablets.create(tx, store, nursery, "Garden", None)
    return Tablet(app.test_client(), token, tablet_id)


@pytest.fixture
def keeper(app, store, nursery):
    """A coordinator of the nursery alone."""
    with store.database.begin(nursery) as tx:
        user_id, _ = people.create(tx, store, nursery, email="tree@example.org", name="Ton Mai", role="coordinator", language="en", demonstration=True)
    return signed_in(app, store, Actor("person", user_id, (nursery.project,), "all"))


def made(list_name: str, entity_id: str, label: str) -> str:
    return f'<meta><entities:entity dataset="{list_name}" id="{entity_id}" create="1"><entities:label>{label}</entities:label></entities:entity></meta>'


def planting(instance: str = "p1", mango: str = "2.50", *, edit_of: str = "") -> str:
    trees = "".join(
        f"<row><tag>{tag}</tag><species>{species}</species><height>{height}</height><water_on>2026-12-01</water_on>{made('trees', entity_id, tag)}</row>"
        for tag, species, height, entity_id in (("T/1", "มะม่วง Mango", mango, MANGO), ("T/2", "สัก Teak", "1.0", TEAK))
    )
    old = f"<deprecatedID>uuid:{edit_of}</deprecatedID>" if edit_of else ""
    return (
        f'<data {NAMES} id="planting" version="2026112401"><planted_on>2026-11-23</planted_on><plot>North</plot>{trees}'
        f"<meta><instanceID>uuid:{instance}</instanceID>{old}</meta></data>"
    )


def check(instance: str = "c1", height: str = "2.75", base: int = 1) -> str:
    water = f"<water><litres>5</litres><of_tree>{MANGO}</of_tree>{made('waterings', WATER, '5')}</water>"
    return (
        f'<data {NAMES} id="check" version="2026112401"><seen>{TEAK}</seen><tree>{MANGO}</tree><height>{height}</height><water_on>2026-12-09</water_on>'
        f'<note>New leaves.</note>{water}<meta><instanceID>uuid:{instance}</instanceID>'
        f'<entities:entity dataset="trees" id="{MANGO}" update="1" baseVersion="{base}"/></meta></data>'
    )


def test_its_folder_is_whole_without_grants_letters_or_stages(folder):
    _, read = load_folder(folder, validate=False)
    assert [one for one in read.findings if one.severity == "error"] == []


def test_a_tablet_of_it_is_served_its_forms_and_lists_alone(gardener, tablet, nursery):
    assert set(re.findall(r"<formID>(.*?)</formID>", gardener.get("formList").text)) == {"planting", "check"}
    assert "planting" not in tablet.get("formList").text
    assert gardener.get("forms/intake.xml").status_code == 404
    gardener.post(planting())
    csv = gardener.get("forms/check/attachments/trees.csv").text
    assert csv.splitlines()[0].startswith("name,label,__version,") and MANGO in csv and "2.50" in csv
    assert tablet.get("entity-lists/trees/integrity?id=" + MANGO).status_code == 404


def test_its_trees_are_cases_on_pages_that_speak_its_words(gardener, keeper, store, nursery):
    assert gardener.post(planting()).status_code == 201
    assert gardener.post(check()).status_code == 201
    for path in ("/", "/cases", "/submissions", "/submissions?state=all", "/grants", "/letters", "/forms", "/forms/check", "/tablets"):
        for language in ("en", "th"):
            keeper.page(path + ("&" if "?" in path else "?") + f"lang={language}")
    page = keeper.page("/cases?lang=en")
    assert "Trees" in page and "Mango" in page and "Teak" in page and "survivor" not in page.lower()
    addresses = {html.unescape(one) for one in re.findall(r'href="(/cases/[^"?#]+)"', page)}
    assert len(addresses) == 2
    mango = next(text for one in addresses if "มะม่วง" in (text := keeper.page(one)))
    assert "New leaves." in mango and "Check" in mango and "Planting" in mango
    assert len(re.findall(r'href="/submissions/', mango)) >= 2
    teak = next(text for one in addresses if "สัก" in (text := keeper.page(one)) and "มะม่วง Mango" not in text)
    assert "New leaves." in teak, "a tree that was seen too has the check on its page"


def test_its_submissions_are_reviewed_and_its_people_see_nothing_of_the_other_project(gardener, keeper, tablet, store, nursery, aftercare, app, person):
    gardener.post(planting())
    with store.database.begin(nursery) as tx:
        row = tx.execute(sa.select(submission)).one()
    assert "North" in keeper.page(f"/submissions/{row.id}")
    assert keeper.post(f"/submissions/{row.id}/review", {"state": "approved", "revision": row.row_version}).status_code == 303
    with store.database.begin(nursery) as tx:
        assert tx.scalar(sa.select(submission.c.review_state)) == "approved"
    stranger = signed_in(app, store, person("director"))
    assert stranger.get(f"/submissions/{row.id}").status_code == 404
    assert "Mango" not in stranger.page("/cases")
    assert keeper.get("/forms/intake").status_code == 404


def test_the_same_instance_in_both_projects_is_two_submissions(gardener, tablet, nursery, aftercare, store):
    for home in (aftercare,):
        with store.database.begin(home) as tx:
            publish(tx, store, home, compile_markdown(CHECK.replace("select_multiple_from_file trees.csv", "text").replace("select_one_from_file trees.csv", "text")), programme=None)
    assert gardener.post(check()).status_code == tablet.post(check()).status_code == 201
    for home in (aftercare, nursery):
        with store.database.begin(home) as tx:
            assert tx.scalar(sa.select(sa.func.count()).select_from(submission)) == 1


HISTORY = [planting("p1"), planting("p2", "2.60", edit_of="p1"), planting("p3", "2.70", edit_of="p2"), check("c1", "3.00")]


@pytest.mark.parametrize("order", list(itertools.permutations(range(4)))[::2])
def test_edits_of_many_entities_in_repeats_and_several_lists_end_the_same_in_any_order(gardener, store, nursery, order):
    for position in (*order, *order):
        assert gardener.post(HISTORY[position]).status_code == 201
    with store.database.begin(nursery) as tx:
        rows = {(row.list, str(row.uuid)): row for row in tx.execute(sa.select(entity))}
        assert {key: row.placeholder for key, row in rows.items()} == {("trees", MANGO): False, ("trees", TEAK): False, ("waterings", WATER): False}
        assert rows["trees", MANGO].data["height"] == "3.00" and rows["trees", TEAK].data["height"] == "1.0"
        assert {row.code for row in tx.execute(sa.select(cases))} == {"T/1", "T/2"}
        assert tx.scalar(sa.select(sa.func.count()).select_from(submission)) == 2
        assert tx.scalar(sa.select(sa.func.count()).select_from(membership)) == 4
        assert tx.scalar(sa.select(sa.func.count()).select_from(list_row)) == 3
        assert tx.scalar(sa.select(sa.func.count()).select_from(quarantine)) == 0
        assert tx.scalars(sa.select(rule_failure.c.problem)).all() == []
        assert tx.execute(sa.select(submission.c.instance_id).where(submission.c.xml_form_id == "planting")).scalar() == "uuid:p3"


def test_forms_without_any_programme_are_taken_read_and_reviewed(app, store, settings):
    """`namjai forms publish` of any XLSForm: a project of its own, no cases, no grants, no letters."""
    with store.database.begin(KEEPER) as tx:
        home = projects.in_project(projects.make(tx, store, name="default", short_name="DE", timezone="Asia/Bangkok").id)
    with store.database.begin(home) as tx:
        publish(tx, store, home, compile_markdown(PLANTING), programme=None)
        tablet_id, token = tablets.create(tx, store, home, "Tablet", None)
        roles = {role: people.create(tx, store, home, email=f"{role}@example.org", name=role, role=role, demonstration=True)[0] for role in ("coordinator", "director", "admin", "auditor", "finance", "field_staff")}
    assert Tablet(app.test_client(), token, tablet_id).post(planting()).status_code == 201
    with store.database.begin(home) as tx:
        sent = tx.scalar(sa.select(submission.c.id))
        assert tx.scalar(sa.select(sa.func.count()).select_from(cases)) == 0
    for role, user_id in roles.items():
        reader = signed_in(app, store, Actor("person", user_id, (home.project,), "all"))
        for path in ("/", "/cases", "/cases?q=x", "/submissions", "/submissions?state=all", f"/submissions/{sent}", "/grants", "/letters", "/forms", "/forms/planting", "/audit", "/me"):
            assert reader.get(path).status_code in (200, 403, 404), (role, path)
    coordinator = signed_in(app, store, Actor("person", roles["coordinator"], (home.project,), "all"))
    assert "North" in coordinator.page(f"/submissions/{sent}")
    assert coordinator.post(f"/submissions/{sent}/review", {"state": "approved", "revision": 1}).status_code == 303
    for path in ("/", "/cases", "/submissions", "/grants", "/letters", "/forms"):
        coordinator.page(path)
