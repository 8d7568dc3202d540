"""What a server cannot give of one form, list, row or file holds up nothing else; what changes while it is read is not missed."""
from __future__ import annotations

import time
import uuid
from urllib.parse import quote

import pytest
import sqlalchemy as sa
from central_truth import HOUSE, Team, add_central, check, instance, sync, xform
from conftest import compile_markdown
from doubles import kobo, kobo_world
from doubles.central import serve
from doubles.central_world import World
from doubles.server import Fault
from kobo_truth import Team as KoboTeam
from kobo_truth import add_kobo, house

from store.tables import entity, source, source_list, source_row, submission, submission_attachment
from sync import central as central_source
from sync import central_lists, files, patience, registry
from sync.central_words import is_edited

OTHER = """
| survey |
| | type | name | label |
| | text | a | A |
| | image | p1 | P1 |
| | image | p2 | P2 |
| settings |
| | form_id | form_title | version |
| | aaa | Aaa | 1 |
"""
ONE_TRY = {"tries": 1}
# Only where silence is the matter: a machine that is busy with other things is none.
PATIENCE = {"stall": ONE_TRY | {"silence": 1.5}}
BROKEN = ["500", "403", "reset", "cut", "stall"]
ROOT, SECOND = "uuid:11111111-1111-4111-8111-111111111111", "uuid:22222222-1111-4111-8111-111111111111"


@pytest.fixture
def world():
    made = World()
    made.release(compile_markdown(OTHER).xform)
    made.release(xform(HOUSE))
    return made


@pytest.fixture
def central(world):
    double = serve(world)
    yield double
    double.close()


def _fails(double, part: str, roots, kind: str = "500") -> None:
    """The server cannot give this part of these submissions, however often it is asked."""
    named = [quote(root, safe="") for root in roots]
    double.faults.append(Fault(kind, lambda method, path: method == "GET" and part in path and any(one in path for one in named), 10**9))


def _count(store, actor, table) -> int:
    with store.database.begin(actor) as tx:
        return tx.scalar(sa.select(sa.func.count()).select_from(table))


def _states(store, actor) -> dict[str, str]:
    with store.database.begin(actor) as tx:
        return dict(tx.execute(sa.select(submission_attachment.c.name, submission_attachment.c.state)).tuples().all())


@pytest.mark.parametrize("kind", ["500", "404", "403", "html"])
def test_a_form_whose_xform_cannot_be_had_is_named_and_the_other_forms_are_read(store, aftercare, world, central, kind):
    add_central(store, aftercare, central, patience=PATIENCE.get(kind, ONE_TRY))
    Team(world).houses(4, photo=False)
    world.submit(instance("aaa", ROOT, a="x"), {})
    central.fail(kind, "forms/aaa/versions/1.xml", times=10**6)
    done = sync(store, aftercare)
    assert done.counts["new"] == 4 and done.problem is not None and "aaa" in done.problem.text("en").lower(), done
    central.faults.clear()
    assert sync(store, aftercare).problem is None
    check(store, aftercare, world)


@pytest.mark.parametrize("kind", BROKEN)
def test_a_form_whose_rows_cannot_be_listed_is_named_and_the_other_forms_lists_and_files_are_read(store, aftercare, world, central, kind):
    add_central(store, aftercare, central, patience=PATIENCE.get(kind, ONE_TRY))
    Team(world).houses(4, photo=True)
    central.fail(kind, "forms/aaa.svc", times=10**6)
    done = sync(store, aftercare)
    assert (done.counts["new"], done.counts["entities"], done.counts["files"]) == (4, 4, 4), done
    assert "aaa" in done.problem.text("en").lower() and done.problem.code in ("source-form-unread", "source-forbidden")
    central.faults.clear()
    assert sync(store, aftercare).problem is None
    check(store, aftercare, world)


def test_where_no_form_can_be_had_the_server_is_the_matter(store, aftercare, world, central):
    add_central(store, aftercare, central, patience=ONE_TRY)
    central.fail("500", ".svc/Submissions", times=10**6)
    assert sync(store, aftercare).problem.code == "source-slow"


def test_an_entity_list_that_cannot_be_had_holds_up_no_file(store, aftercare, world, central):
    add_central(store, aftercare, central, patience=ONE_TRY)
    Team(world).houses(4, photo=True)
    central.fail("500", "datasets/houses.svc", times=10**6)
    done = sync(store, aftercare)
    assert done.counts["files"] == 4 and done.problem.code == "source-list-unread", done


def test_five_broken_forms_hold_up_no_other(store, aftercare, world, central):
    others = ["aab", "aac", "aad", "zzz"]
    for name in others:
        world.release(compile_markdown(OTHER.replace("| aaa |", f"| {name} |")).xform)
    add_central(store, aftercare, central, patience=ONE_TRY)
    Team(world).houses(2, photo=True)
    for name in ["aaa", *others]:
        central.fail("500", f"forms/{name}.svc", times=10**6)
    done = sync(store, aftercare)
    assert (done.counts["new"], done.counts["entities"], done.counts["files"]) == (2, 2, 2), done
    # Unless the server says itself that it is not well.
    central.fail("500", "/projects/6", times=10**6)
    assert sync(store, aftercare).problem.code == "source-slow"


def test_an_entity_that_cannot_be_had_holds_up_none_of_its_list_and_is_asked_for_within_the_hour(store, aftercare, world, central):
    add_central(store, aftercare, central, patience=ONE_TRY)
    Team(world).houses(20, photo=False)
    bad = uuid.UUID(next(iter(world.datasets["houses"].entities)))
    central.fail("500", f"entities/{bad}", times=10**6)
    done = sync(store, aftercare)
    assert done.counts["entities"] == 19 and done.problem.code == "source-list-unread"
    central.faults.clear()
    with store.database.begin(aftercare) as tx:
        tx.execute(source_list.update().values(census_at=source_list.c.census_at - sa.text("interval '61 minutes'")))
    sync(store, aftercare)
    check(store, aftercare, world)


def test_an_entity_that_was_lacking_before_its_list_broke_off_is_asked_for_within_the_hour(store, aftercare, world, central, monkeypatch):
    monkeypatch.setattr(central_lists, "_PAGE_ROWS", 5)
    add_central(store, aftercare, central, patience=ONE_TRY)
    Team(world).houses(15, photo=False)
    sync(store, aftercare)
    kept = list(world.datasets["houses"].entities.values())
    for one in kept:
        world.change_entity("houses", one.uuid, {"income": "1"}, None, 1, force=True)
    newest = max(kept, key=lambda one: (one.at, one.uuid))
    central.fail("500", f"entities/{newest.uuid}", times=10**6)
    central.faults.append(Fault("500", lambda _, path: "svc/Entities" in path and "skiptoken" in path, 10**6))
    sync(store, aftercare)
    central.faults.clear()
    with store.database.begin(aftercare) as tx:
        tx.execute(source_list.update().values(census_at=source_list.c.census_at - sa.text("interval '61 minutes'")))
    sync(store, aftercare)
    check(store, aftercare, world)


def test_a_kobo_form_whose_xform_cannot_be_had_holds_up_no_other(store, aftercare):
    there = kobo_world.World()
    one = there.release(house())
    there.release(house().replace("| house |", "| second |"))
    double = kobo.serve(there)
    add_kobo(store, aftercare, double)
    KoboTeam(there).houses(4)
    KoboTeam(there, 3, "second").houses(3)
    double.fail("500", f"{one.uid}.xml", times=10**6)
    done = sync(store, aftercare)
    assert done.counts["new"] == 3 and done.problem.code == "source-form-unread", done
    double.close()


@pytest.mark.parametrize("kind", BROKEN)
def test_ten_neighbours_that_cannot_be_had_hold_up_none_of_the_others(store, aftercare, world, central, kind):
    add_central(store, aftercare, central, patience=PATIENCE.get(kind, ONE_TRY))
    roots = Team(world).houses(30, photo=False)
    _fails(central, ".xml", roots[10:20], kind)
    done = sync(store, aftercare)
    assert (done.counts["new"], done.counts["waiting"]) == (20, 10) and done.problem.code == "source-form-unread", done
    assert _count(store, aftercare, entity) == 30
    central.faults.clear()
    assert sync(store, aftercare).problem is None
    check(store, aftercare, world)


def test_a_form_of_which_nothing_can_be_had_is_given_up_for_this_run_and_keeps_what_came(store, aftercare, world, central, monkeypatch):
    monkeypatch.setattr(patience, "_ENOUGH", 16)
    add_central(store, aftercare, central, patience=ONE_TRY)
    roots = Team(world).houses(40, photo=False)
    world.submit(instance("aaa", ROOT, a="x"), {})
    # The newest is listed first.
    _fails(central, ".xml", roots[:-2])
    done = sync(store, aftercare)
    assert done.counts["new"] == 3 and done.counts["waiting"] < 38 and done.problem.code == "source-form-unread", done
    # With every run the listing goes on behind those that wait already.
    rows = _count(store, aftercare, source_row)
    sync(store, aftercare)
    assert _count(store, aftercare, source_row) > rows
    central.faults.clear()
    assert sync(store, aftercare).problem is None
    check(store, aftercare, world)


def test_what_cannot_even_be_looked_at_holds_up_none_of_what_waits(store, aftercare, world, central):
    add_central(store, aftercare, central, patience=ONE_TRY)
    roots = Team(world).houses(6, photo=False)
    _fails(central, ".xml", roots)
    sync(store, aftercare)
    central.faults.clear()
    # Three of them cannot even be looked at.
    worst = [quote(root, safe="") for root in sorted(roots)[:3]]
    central.faults.append(Fault("500", lambda method, path: path.endswith(tuple(f"/submissions/{one}" for one in worst)), 10**9))
    sync(store, aftercare)
    assert _count(store, aftercare, submission) == 3


@pytest.mark.parametrize("kind", BROKEN)
def test_ten_neighbours_whose_files_cannot_be_had_hold_up_no_other_file(store, aftercare, world, central, kind):
    add_central(store, aftercare, central, patience=PATIENCE.get(kind, ONE_TRY))
    roots = sorted(Team(world).houses(30, photo=True))
    _fails(central, "/attachments/", roots[10:20], kind)
    done = sync(store, aftercare)
    assert done.counts["files"] == 20 and done.problem.code == "source-files-unread", done
    central.faults.clear()
    assert sync(store, aftercare).problem is None
    check(store, aftercare, world)


def test_a_server_that_has_lost_its_files_is_not_asked_for_all_of_them_in_one_run(store, aftercare, world, central, monkeypatch):
    monkeypatch.setattr(files, "_AT_ONCE", 10)
    add_central(store, aftercare, central, patience=ONE_TRY)
    roots = Team(world).houses(60, photo=True)
    _fails(central, "/attachments/", roots)
    done = sync(store, aftercare, full=True)
    assert done.problem.code == "source-files-unread" and len([path for path in central.paths() if "/attachments/" in path]) <= 40
    with store.database.begin(aftercare) as tx:
        assert tx.scalar(sa.select(source.c.census_at)) is not None
    central.faults.clear()
    assert sync(store, aftercare).problem is None
    check(store, aftercare, world)


def test_what_lacks_its_files_for_ever_comes_behind_what_does_not(store, aftercare, world, central):
    add_central(store, aftercare, central, patience=ONE_TRY)
    roots = sorted(Team(world).houses(30, photo=True))
    _fails(central, "/attachments/", roots[:25])
    for _ in range(2):
        done = sync(store, aftercare, full=True)
    assert list(_states(store, aftercare).values()).count("verified") == 5 and done.problem.code == "source-files-unread"


def test_good_ones_before_the_failures_at_the_end_of_a_page_are_kept(store, aftercare, world, central):
    add_central(store, aftercare, central, patience=ONE_TRY)
    roots = Team(world).houses(20, photo=False)
    # Listed last; and the server is not well when it is asked.
    _fails(central, ".xml", roots[:8])
    central.faults.append(Fault("500", lambda method, path: path.endswith(f"/projects/{world.project}"), 10**9))
    sync(store, aftercare)
    assert _count(store, aftercare, submission) == 12


def test_one_file_that_cannot_be_had_keeps_no_other_of_its_submission_out(store, aftercare, world, central):
    add_central(store, aftercare, central, patience=ONE_TRY)
    world.submit(instance("aaa", ROOT, a="x", p1="a.jpg", p2="b.jpg"), {"a.jpg": b"AAA", "b.jpg": b"BBB"})
    central.fail("500", "attachments/a.jpg", times=10**6)
    sync(store, aftercare)
    assert _states(store, aftercare) == {"a.jpg": "expected", "b.jpg": "verified"}
    central.faults.clear()
    sync(store, aftercare)
    assert _states(store, aftercare) == {"a.jpg": "verified", "b.jpg": "verified"}


def test_large_files_are_fetched_one_at_a_time_and_one_beyond_all_measure_waits(store, aftercare, world, central, monkeypatch):
    monkeypatch.setattr(files, "_LARGE", 100)
    monkeypatch.setattr("sync.line.MOST_BYTES", 20_000)
    add_central(store, aftercare, central)
    sizes = {"a.jpg": 50, "b.jpg": 15_000}
    world.submit(instance("aaa", ROOT, a="x", p1="a.jpg", p2="b.jpg"), {name: b"x" * size for name, size in sizes.items()})
    world.submit(instance("aaa", SECOND, a="x", p1="c.jpg"), {"c.jpg": b"x" * 20_001})
    done = sync(store, aftercare)
    assert done.problem is None and done.counts["files"] == 2, done
    assert _states(store, aftercare) == {"a.jpg": "verified", "b.jpg": "verified", "c.jpg": "expected"}
    with store.database.begin(aftercare) as tx:
        due = dict(tx.execute(sa.select(source_row.c.remote_id, source_row.c.files_due_at)).tuples().all())
    assert due[ROOT] is None and due[SECOND] is not None


def test_files_that_lie_at_another_server_are_said_once_and_nothing_else_waits_for_them(store, aftercare, world, central):
    other = serve(World())
    add_central(store, aftercare, central)
    Team(world).houses(12, photo=True)
    central.fail("redirect", "/attachments/", times=10**6, text=f"{other.url}/a.jpg")
    done = sync(store, aftercare)
    assert done.counts["new"] == 12 and done.problem.code == "source-file-elsewhere", done
    with store.database.begin(aftercare) as tx:
        assert tx.scalar(sa.select(source.c.succeeded_at)) is not None
    assert other.asked == []
    other.close()


@pytest.mark.parametrize("failing", ["nothing", "attachments/a.jpg", "/attachments"])
def test_a_photo_that_an_edit_replaced_under_the_same_name_comes_with_the_edit(store, aftercare, world, central, failing):
    add_central(store, aftercare, central, patience=ONE_TRY)
    world.submit(instance("aaa", ROOT, a="x", p1="a.jpg"), {"a.jpg": b"OLD"})
    sync(store, aftercare)
    world.edit("aaa", ROOT, instance("aaa", SECOND, deprecated=ROOT, a="y", p1="a.jpg"))
    world.attach("aaa", ROOT, "a.jpg", b"NEW")
    # Not at the first try.
    central.fail("500", failing, times=1)
    sync(store, aftercare)
    sync(store, aftercare)
    check(store, aftercare, world)


def test_an_edit_while_its_content_is_fetched_carries_no_approval_of_the_version_before(store, aftercare, world, central):
    add_central(store, aftercare, central)
    team = Team(world)
    root = team.house(photo=False)
    world.review("house", root, "approved", None)
    edited: list[str] = []

    def edit_first(_: str, path: str) -> None:
        if path.endswith(".xml") and "/submissions/" in path and not edited:
            edited.append(root)
            with central.lock:
                team.edit(root)

    central.before = edit_first
    sync(store, aftercare)
    with store.database.begin(aftercare) as tx:
        state, now = tx.execute(sa.select(submission.c.review_state, submission.c.instance_id)).one()
    assert edited and now != root and state == "edited"
    assert sync(store, aftercare).problem is None
    check(store, aftercare, world)


def test_two_edits_while_its_content_is_fetched_are_both_had(store, aftercare, world, central):
    add_central(store, aftercare, central)
    team = Team(world)
    root = team.house(photo=False)
    edited: list[str] = []

    def edit_first(_: str, path: str) -> None:
        first = not edited and path.endswith(f"{quote(root, safe='')}.xml")
        # Asked after the versions were listed.
        second = len(edited) == 1 and path.endswith(f"/submissions/{quote(root, safe='')}")
        if first or second:
            edited.append(path)
            with central.lock:
                team.edit(root)

    central.before = edit_first
    sync(store, aftercare)
    assert len(edited) == 2
    sync(store, aftercare)
    check(store, aftercare, world)


@pytest.mark.parametrize(
    ("xml", "edited"),
    [
        (b"<data><meta><instanceID>uuid:1</instanceID><deprecatedID>uuid:0</deprecatedID></meta></data>", True),
        (b"<data><orx:meta><orx:deprecatedID >\n uuid:0</orx:deprecatedID></orx:meta></data>", True),
        (b"<data><meta><deprecatedID></deprecatedID></meta></data>", False),
        (b"<data><meta><deprecatedID/></meta></data>", False),
        (b"<data><note>deprecatedID</note></data>", False),
    ],
)
def test_an_instance_says_that_it_replaces_another(xml, edited):
    assert is_edited(xml) is edited


@pytest.mark.parametrize("part", [b"<", b"<deprecatedID ", b"<deprecatedID> ", b"<a:"])
def test_an_instance_made_to_keep_us_busy_does_not(part):
    begun = time.perf_counter()
    is_edited(b"<data><![CDATA[deprecatedID" + part * (2_000_000 // len(part)) + b"]]></data>")
    assert time.perf_counter() - begun < 2


def test_what_changed_behind_a_long_pass_comes_with_the_next_run(store, aftercare, world, central, monkeypatch):
    monkeypatch.setattr(central_source, "PAGE_ROWS", 5)
    monkeypatch.setattr(central_source, "NEXT_ROWS", 5)
    add_central(store, aftercare, central)
    team = Team(world)
    roots = [team.house(photo=False) for _ in range(15)]

    def time_passes(_: str, path: str) -> None:
        if "house.svc/Submissions" in path and "skiptoken" in path:
            central.before = None
            with central.lock:
                # The newest was listed already; the oldest is listed last.
                world.tick(minutes=1)
                team.edit(roots[-1])
                world.tick(minutes=6)
                team.edit(roots[0])

    central.before = time_passes
    sync(store, aftercare)
    assert central.before is None
    assert sync(store, aftercare).counts["edited"] == 1
    check(store, aftercare, world)


def test_an_entity_that_changed_behind_a_long_pass_comes_with_the_next_run(store, aftercare, world, central, monkeypatch):
    monkeypatch.setattr(central_lists, "_PAGE_ROWS", 5)
    add_central(store, aftercare, central)
    Team(world).houses(15, photo=False)
    sync(store, aftercare)
    kept = list(world.datasets["houses"].entities.values())
    for one in kept:
        world.change_entity("houses", one.uuid, {"income": "1"}, None, 1, force=True)
    kept.sort(key=lambda one: (one.at, one.uuid), reverse=True)
    newest, oldest = kept[0].uuid, kept[-1].uuid

    def time_passes(_: str, path: str) -> None:
        if "svc/Entities" in path and "skiptoken" in path:
            central.before = None
            with central.lock:
                world.tick(minutes=1)
                world.change_entity("houses", newest, {"income": "777"}, None, 2, force=True)
                world.tick(minutes=6)
                world.change_entity("houses", oldest, {"income": "888"}, None, 2, force=True)

    central.before = time_passes
    sync(store, aftercare)
    assert central.before is None
    sync(store, aftercare)
    with store.database.begin(aftercare) as tx:
        ours = dict(tx.execute(sa.select(entity.c.uuid, entity.c.version)).tuples().all())
    assert (ours[uuid.UUID(newest)], ours[uuid.UUID(oldest)]) == (3, 3)


def test_an_entity_list_is_compared_whole_once_a_day_without_being_told(store, aftercare, world, central):
    add_central(store, aftercare, central)
    Team(world).houses(3, photo=False)
    sync(store, aftercare)
    gone = next(iter(world.datasets["houses"].entities))
    with store.database.begin(aftercare) as tx:
        assert tx.scalar(sa.select(source_list.c.census_at)) is not None
        tx.execute(entity.update().where(entity.c.uuid == uuid.UUID(gone)).values(version=0))
    assert "entities" not in sync(store, aftercare).counts
    with store.database.begin(aftercare) as tx:
        tx.execute(source_list.update().values(census_at=source_list.c.census_at - sa.text("interval '25 hours'")))
    sync(store, aftercare)
    with store.database.begin(aftercare) as tx:
        assert tx.scalar(sa.select(entity.c.version).where(entity.c.uuid == uuid.UUID(gone))) == 1


def test_a_source_whose_list_somebody_else_keeps_was_read_all_the_same(store, aftercare, world, central):
    add_central(store, aftercare, central)
    add_central(store, aftercare, central, name="second")
    Team(world).houses(2, photo=False)
    sync(store, aftercare)
    done = sync(store, aftercare, name="second", full=True)
    assert done.problem.code == "source-list-kept-here"
    with store.database.begin(aftercare) as tx:
        row = tx.execute(sa.select(source).where(source.c.name == "second")).one()
    assert row.succeeded_at is not None and row.census_at is not None


def test_the_same_server_under_another_name_goes_on_with_its_lists(store, aftercare, world, central):
    add_central(store, aftercare, central)
    Team(world).houses(2, photo=False)
    sync(store, aftercare)
    with store.database.begin(aftercare) as tx:
        registry.remove(tx, store, aftercare, "field")
    add_central(store, aftercare, central, name="second")
    Team(world, 9).houses(1, photo=False)
    done = sync(store, aftercare, name="second")
    assert done.problem is None and done.counts["entities"] == 1, done
    assert _count(store, aftercare, entity) == 3


def test_a_source_of_which_a_part_could_not_be_had_was_not_read(store, aftercare, world, central):
    add_central(store, aftercare, central, patience=ONE_TRY)
    central.fail("500", "forms/aaa.svc", times=10**6)
    sync(store, aftercare, full=True)
    with store.database.begin(aftercare) as tx:
        row = tx.execute(sa.select(source)).one()
    # Everything else was compared; it is not begun anew all night long.
    assert row.succeeded_at is None and row.census_at is not None
