"""A Kobo is read: what it holds is what the store holds, however it changes, and at no more cost than must be."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from doubles.kobo import serve
from doubles.kobo_world import World
from kobo_truth import Team, add_kobo, check, house, instance, sync

from store.tables import form_version


@pytest.fixture
def world():
    made = World()
    made.release(house())
    return made


@pytest.fixture
def team(world):
    return Team(world)


@pytest.fixture
def kobo(world):
    double = serve(world)
    yield double
    double.close()


@pytest.fixture
def read(store, aftercare, kobo):
    """Reads the source once more; fails when the run did."""
    add_kobo(store, aftercare, kobo)

    def once(**options):
        done = sync(store, aftercare, **options)
        assert done.problem is None, (done.problem, done.counts)
        return done

    return once


def test_all_that_a_kobo_holds_comes_in(read, team, world, store, aftercare):
    roots = team.houses(30)
    team.edit(roots[3])
    team.edit(roots[3])
    world.review("house", roots[5], "approved")
    world.review("house", roots[6], "on_hold")
    world.review("house", roots[7], "not_approved")
    world.delete("house", roots[8])
    done = read()
    assert (done.counts["new"], done.counts["edited"]) == (28, 1), done.counts
    check(store, aftercare, world)


def test_a_year_of_changes_in_any_order_ends_equal(read, team, world, store, aftercare):
    team.houses(20)
    for _ in range(12):
        for _ in range(team.dice.randrange(1, 12)):
            team.anything()
        read()
        check(store, aftercare, world)
    read(full=True)
    check(store, aftercare, world)
    assert set(read().counts) <= {"files_missing"}


# What it costs


def test_a_poll_in_which_nothing_changed_asks_once_for_all_and_once_a_form(read, team, world, kobo):
    world.release(house().replace("| house |", "| second |"))
    team.houses(3, photo=True)
    read()
    read()
    kobo.asked.clear()
    assert not read().counts
    asked = [path.partition("/api/v2/")[2].partition("?")[0] for path in kobo.paths()]
    assert sorted(asked) == sorted(["assets/", *(f"assets/{uid}/history/" for uid in world.forms)])


def test_without_the_right_to_the_history_a_small_form_is_compared_in_one_question(read, team, world, kobo, store, aftercare):
    team.houses(3, photo=True)
    as_viewer(store, aftercare, world)
    read()
    read()
    kobo.asked.clear()
    assert not read().counts
    assert [path.partition("?")[0].rpartition("/assets")[2] for path in kobo.paths()] == ["/", f"/{world.forms['house'].uid}/data/"]


def test_more_than_a_page_comes_in_few_answers_though_rows_go_meanwhile(read, team, kobo, world, store, aftercare):
    roots = team.houses(1030, bare=True)

    def once(method, path):
        if "format=xml" in path:
            kobo.before = None
            for root in (roots[0], roots[500], roots[1020]):
                world.delete("house", root)

    kobo.before = once
    read()
    assert sum("format=xml" in path for path in kobo.paths()) <= 16
    read()
    check(store, aftercare, world)


def test_a_single_change_costs_as_little_with_many_rows_behind_it(read, team, kobo, world):
    roots = team.houses(300, bare=True)
    read()
    kobo.asked.clear()
    team.edit(roots[7])
    world.delete("house", roots[9])
    read()
    # All forms, the newest rows, the history, two rows, one content with the questions of its version, the number.
    assert len(kobo.asked) <= 8, kobo.paths()


def as_viewer(store, actor, world, *rights):
    """The account of the source may read and no more."""
    import json

    from store.tables import source

    for uid in world.forms:
        world.share(uid, "viewer", "view_asset", "view_submissions", *rights)
    with store.database.begin(actor) as tx:
        row = tx.execute(sa.select(source)).one()
        key = store.keyring.record(tx, actor.project, row.id)
        tx.execute(source.update().values(credentials=key.encrypt("credentials", json.dumps({"token": "VIEWER_TOKEN"}).encode())))


# Edits, deletions, reviews


@pytest.mark.parametrize("history", [True, False], ids=["with the history", "without"])
def test_edits_and_deletions_arrive_with_the_next_run(history, read, team, world, store, aftercare):
    roots = team.houses(12)
    if not history:
        as_viewer(store, aftercare, world)
    read()
    team.edit(roots[0])
    world.bulk_edit("house", [world.sub("house", roots[1]).id, world.sub("house", roots[2]).id], {"head": "bulk"})
    world.delete("house", roots[3])
    done = read()
    assert (done.counts["edited"], done.counts["deleted"]) == (3, 1), done.counts
    check(store, aftercare, world)


@pytest.mark.parametrize("history", [True, False], ids=["with the history", "without"])
def test_an_approval_that_an_edit_left_standing_is_taken_back_until_somebody_approves_again(history, read, team, world, store, aftercare):
    root, other = team.houses(2)
    if not history:
        as_viewer(store, aftercare, world)
    world.review("house", root, "approved")
    world.review("house", other, "approved")
    read()
    assert reviews(store, aftercare) == {root: "approved", other: "approved"}
    world.tick(seconds=5)
    team.edit(root)
    read()
    assert reviews(store, aftercare) == {root: "edited", other: "approved"}
    # However often it is read, in whole or in part.
    read(full=True)
    assert reviews(store, aftercare)[root] == "edited"
    world.tick(seconds=5)
    world.review("house", root, "approved")
    read()
    assert reviews(store, aftercare)[root] == "approved"
    read(full=True)
    assert reviews(store, aftercare)[root] == "approved"


def test_what_was_edited_and_then_approved_before_we_came_is_approved_as_far_as_the_history_tells(read, team, world, store, aftercare):
    before, after = team.houses(2)
    world.review("house", before, "approved")
    world.tick(seconds=5)
    team.edit(before)
    team.edit(after)
    world.tick(seconds=5)
    world.review("house", after, "approved")
    read()
    assert reviews(store, aftercare) == {before: "edited", after: "approved"}


def reviews(store, actor):
    from store.tables import submission

    with store.database.begin(actor) as tx:
        rows = tx.execute(sa.select(submission.c.root_instance_id, submission.c.review_state).where(submission.c.form_origin == "field"))
        return dict(tuple(row) for row in rows)


def test_a_deleted_one_that_is_sent_again_is_there_again(read, team, world, store, aftercare):
    root = team.house()
    read()
    xml = world.sub("house", root).current.xml
    world.delete("house", root)
    assert read().counts["deleted"] == 1
    world.submit(xml)
    assert read().counts["restored"] == 1
    check(store, aftercare, world)
    # Both between two runs, too.
    world.delete("house", root)
    world.submit(xml)
    read()
    check(store, aftercare, world)


def test_ids_without_prefix_and_ids_that_are_none_are_taken_as_they_are(read, team, world, store, aftercare):
    bare, odd = "bd866fa8-c85b-46aa-9a54-3bdacb8448f4", "collect:not-a-uuid-17"
    team.house(root=bare, photo=True)
    team.house(root=odd, photo=True)
    read()
    with store.database.begin(aftercare) as tx:
        from store.tables import submission

        assert set(tx.scalars(sa.select(submission.c.root_instance_id))) == {f"uuid:{bare}", odd}
    team.edit(f"uuid:{bare}")
    team.edit(odd)
    assert read().counts["edited"] == 2
    check(store, aftercare, world)
    world.delete("house", odd)
    assert read().counts["deleted"] == 1


def test_late_and_replaced_files_come(read, team, world, store, aftercare):
    root = team.house(photo=False)
    assert read().counts["files_missing"] == 1
    name = next(iter(world.sub("house", root).files))
    world.attach("house", root, name, b"it came late")
    assert read().counts["files"] == 1
    check(store, aftercare, world)
    world.attach("house", root, name, b"replaced meanwhile")
    read(full=True)
    check(store, aftercare, world)


# Forms


def test_all_versions_are_known_and_a_row_of_each_is_read_by_its_own(read, team, world, store, aftercare):
    team.house()
    form = world.release(house("2", "| | text | added | Added later | |"))
    team.house()
    read()
    with store.database.begin(aftercare) as tx:
        known = tx.execute(sa.select(form_version).where(form_version.c.origin == "field").order_by(form_version.c.ordinal)).all()
    assert [one.version for one in known] == [one.uid for one in form.versions]
    paths = [{field["path"] for field in one.schema["fields"]} for one in known]
    assert "added" not in paths[0] and "added" in paths[1] and {"formhub/uuid", "__version__"} <= paths[0]
    assert {one.xml_form_id for one in known} == {"house"}
    check(store, aftercare, world)


def test_a_version_that_is_deployed_while_we_read_is_known_in_the_next_run(read, team, world, kobo, store, aftercare):
    team.houses(3)

    def once(method, path):
        if "/data/" in path:
            kobo.before = None
            world.release(house("2", "| | text | added | Added later | |"))
            team.house()

    kobo.before = once
    read()
    read()
    check(store, aftercare, world)
    with store.database.begin(aftercare) as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(form_version).where(form_version.c.origin == "field")) == 2


def test_drafts_stay_out_and_archived_ones_stay_in(read, team, world, store, aftercare):
    team.houses(2)
    world.upload(house().replace("| house |", "| draft |"))
    world.archive("house")
    read()
    check(store, aftercare, world)
    with store.database.begin(aftercare) as tx:
        from store.tables import form

        forms = dict(tuple(row) for row in tx.execute(sa.select(form.c.xml_form_id, form.c.state).where(form.c.origin == "field")))
    assert forms == {"house": "closing"}


def test_what_others_keep_is_read_only_where_it_is_shared(read, team, world, store, aftercare):
    team.houses(2)
    secret = world.release(house().replace("| house |", "| secret |"))
    as_viewer(store, aftercare, world)
    world.share(secret.uid, "viewer", "view_asset")
    done = read()
    assert done.counts["new"] == 2
    with store.database.begin(aftercare) as tx:
        assert tx.scalars(sa.select(form_version.c.xml_form_id).where(form_version.c.origin == "field")).all() == ["house"]


def test_two_projects_made_of_one_form_are_two_forms_here(read, team, world, store, aftercare):
    team.houses(2)
    copy = world.upload(house().replace("| house |", "| other |"))
    copy.draft.content["settings"]["id_string"] = "house"
    world.publish(copy.uid)
    read()
    with store.database.begin(aftercare) as tx:
        assert set(tx.scalars(sa.select(form_version.c.xml_form_id).where(form_version.c.origin == "field"))) == {"house", f"house.{copy.uid}"}


def test_media_come_with_their_form(read, world, store, aftercare):
    from store.tables import form_attachment

    people = HOUSEHOLDS
    world.release(people, {"people.csv": b"name,label\na,A\n"})
    read()
    with store.database.begin(aftercare) as tx:
        assert tx.execute(sa.select(form_attachment.c.name, form_attachment.c.content).where(form_attachment.c.origin == "field")).all() == [("people.csv", b"name,label\na,A\n")]


HOUSEHOLDS = """
| survey |
| | type | name | label |
| | select_one_from_file people.csv | who | Who |
| settings |
| | form_id | form_title | version |
| | households | Households | 1 |
"""


def test_what_kobo_takes_though_no_form_asks_it_is_kept_and_marked(read, world, store, aftercare):
    from store.tables import submission

    world.submit(b'<data id="house" version="1"><head>A</head><not_in_form>x</not_in_form><money><income>abc</income></money><money><income>2</income></money><meta><instanceID>uuid:b7ff6cbd-7f01-4b1d-96cc-aa7fa19be421</instanceID></meta></data>')
    assert read().counts["new"] == 1
    with store.database.begin(aftercare) as tx:
        flags = tx.scalar(sa.select(submission.c.flags))
    assert flags == {"not_in_form": "unknown", "money/income": "ill-typed", "money[2]/income": "repeated"}


# Entities


def test_our_own_version_says_what_a_kobos_submissions_do_to_entities(read, world, store, aftercare):
    """The form was published here with its entities sheet and pushed to Kobo without it."""
    from conftest import compile_markdown
    from test_declared import FAMILY

    from cases.publishing import publish
    from store.tables import entity

    with store.database.begin(aftercare) as tx:
        publish(tx, store, aftercare, compile_markdown(FAMILY.format(version=1)))
    bare = FAMILY.format(version=1).partition("| entities |")[0].replace("save_to", "hint")
    world.release(bare)
    root, second = "uuid:7d471bb7-549d-4582-bda9-343f56172536", "uuid:0eeb41d1-c71e-4acf-b96f-4f921785545c"
    world.submit(instance("family", root, head="Mae", member=[{"full": "Fah", "age": "7"}, {"full": "Nok", "age": "9"}]))
    read()

    def people():
        with store.database.begin(aftercare) as tx:
            rows = tx.execute(sa.select(entity.c.uuid, entity.c.label, entity.c.data).where(entity.c.list == "people"))
            return {row.label: (str(row.uuid), row.data.get("age")) for row in rows}

    before = people()
    assert {name: age for name, (_, age) in before.items()} == {"Fah of Mae": "7", "Nok of Mae": "9"}
    world.edit("family", root, instance("family", second, deprecated=root, head="Mae", member=[{"full": "Nok", "age": "10"}]))
    read()
    assert people() == {"Fah of Mae": before["Fah of Mae"], "Nok of Mae": (before["Nok of Mae"][0], "10")}


def test_entities_that_a_tablet_wrote_through_kobo_count_as_it_wrote_them(read, world, store, aftercare):
    """A form without translated labels keeps its entities sheet in Kobo, in earlier versions too."""
    from test_declared import FAMILY

    from store.tables import entity

    made = "019f7309-1003-4354-b2bd-e2ec1bd01e95"
    world.release(FAMILY.format(version=1))
    world.submit(
        f'<data id="family" version="1"><head>Mae</head><member><full>Fah</full><age>7</age><meta><entity dataset="people" create="1" id="{made}"><label>Fah of Mae</label></entity></meta></member>'
        "<meta><instanceID>uuid:7d471bb7-549d-4582-bda9-343f56172536</instanceID></meta></data>".encode()
    )
    world.release(FAMILY.format(version=2))
    read()
    with store.database.begin(aftercare) as tx:
        assert tx.execute(sa.select(sa.cast(entity.c.uuid, sa.Text), entity.c.label, entity.c.data)).all() == [(made, "Fah of Mae", {"full": "Fah", "age": "7"})]
