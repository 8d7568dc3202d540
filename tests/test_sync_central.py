"""A Central is read: what it holds is what the store holds, however it changes, and at no more cost than must be."""

from __future__ import annotations

import datetime as dt
from types import MappingProxyType

import pytest
from central_truth import HOUSE, Team, add_central, check, sync, xform
from doubles.central import serve
from doubles.central_world import World

from cases import deliveries
from submissions import quarantine, receive
from submissions.delivery import Delivery
from submissions.problems import FormUnknown
from sync.central import Central


@pytest.fixture
def world():
    made = World()
    made.release(xform(HOUSE))
    return made


@pytest.fixture
def team(world):
    return Team(world)


@pytest.fixture
def central(world):
    double = serve(world)
    yield double
    double.close()


@pytest.fixture
def read(store, aftercare, central):
    """Reads the source once more; fails when the run did."""
    add_central(store, aftercare, central)

    def once(**options):
        done = sync(store, aftercare, **options)
        assert done.problem is None, (done.problem, done.counts)
        return done

    return once


def test_all_that_a_central_holds_comes_in(read, team, world, store, aftercare):
    roots = team.houses(30)
    team.edit(roots[3])
    team.edit(roots[3])
    world.review("house", roots[5], "approved", "Checked against the paper")
    world.comment("house", roots[6], "โปรดตรวจสอบ")
    world.review("house", roots[6], "hasIssues")
    world.delete("house", roots[7])
    done = read()
    assert (done.counts["new"], done.counts["edited"]) == (29, 2), done.counts
    check(store, aftercare, world)


def test_a_year_of_changes_in_any_order_ends_equal(read, team, world, store, aftercare):
    team.houses(20)
    for _ in range(12):
        for _ in range(team.dice.randrange(1, 12)):
            team.anything()
        read()
    read(full=True)
    check(store, aftercare, world)
    assert set(read().counts) <= {"files_missing"}


def test_half_an_instance_is_asked_for_again_before_it_is_held_for_one_that_nobody_can_read(read, team, world, store, aftercare, central):
    team.houses(3)
    central.fail("truncated", "submissions/uuid", times=2)
    assert "quarantined" not in read().counts
    check(store, aftercare, world)


def test_a_form_that_goes_while_it_is_compared_buries_nobody(read, team, world, store, aftercare, monkeypatch):
    team.houses(5)
    read()
    asked = []

    def forms(source, known=MappingProxyType({}), real=Central.forms):
        asked.append(1)
        return real(source, known) if len(asked) == 1 else iter(())

    monkeypatch.setattr(Central, "forms", forms)
    monkeypatch.setattr(Central, "census", lambda source, form: iter(()))
    monkeypatch.setattr(Central, "is_there", lambda source, form, remote_id: False)
    assert sync(store, aftercare, full=True).problem.code == "source-uncertain"
    monkeypatch.undo()
    read(full=True)
    check(store, aftercare, world)


def test_what_lies_in_quarantine_is_asked_for_again_when_everything_is_compared(read, team, world, store, aftercare, central):
    root = team.houses(3)[0]
    central.fail("broken-xml", root.removeprefix("uuid:") + ".xml", times=100)
    assert read().counts["quarantined"] == 1
    central.faults.clear()
    assert "new" not in read().counts
    assert read(full=True).counts["new"] == 1
    check(store, aftercare, world)


def waiting(store, actor):
    with store.database.begin(actor) as tx:
        return quarantine.waiting(tx, actor.project)


def unreadable(monkeypatch, *instances):
    """From now on these instances cannot be read; with none, all can."""
    real = receive.read_answers

    def read(instance, schema):
        if instance.instance_id in instances:
            raise ValueError("a personal value")
        return real(instance, schema)

    monkeypatch.setattr(receive, "read_answers", read)


def test_what_its_server_threw_away_waits_in_quarantine_no_more_and_comes_when_it_is_restored(read, team, world, store, aftercare, central):
    root = team.houses(3)[0]
    central.fail("broken-xml", root.removeprefix("uuid:") + ".xml", times=100)
    read()
    assert len(waiting(store, aftercare)) == 1
    world.delete("house", root)
    read(full=True)
    assert waiting(store, aftercare) == []
    central.faults.clear()
    world.restore("house", root)
    assert read().counts["new"] == 1
    check(store, aftercare, world)


def test_every_version_that_was_refused_leaves_quarantine_when_all_can_be_read(read, team, world, store, aftercare, monkeypatch):
    root = team.houses(3)[0]
    team.edit(root)
    unreadable(monkeypatch, *(one.instance_id for one in world.sub("house", root).versions))
    read()
    assert len(waiting(store, aftercare)) == 2
    monkeypatch.undo()
    read(full=True)
    assert waiting(store, aftercare) == []
    check(store, aftercare, world)


def test_a_copied_form_that_holds_the_same_instance_keeps_its_own_item_in_quarantine(store, aftercare):
    xml = '<data id="{}" version="1"><meta><instanceID>uuid:7</instanceID></meta></data>'
    with store.database.begin(aftercare) as tx:
        def kept(form):
            delivery = Delivery(xml.format(form).encode(), dt.datetime.now(dt.UTC), source="field")
            return deliveries.refuse(tx, store, aftercare, delivery, FormUnknown(form=form))

        first, copy, other = kept("house"), kept("house_copy"), kept("garden")
        found = quarantine.waiting_of(tx, aftercare.project, "field", other, "house", ["uuid:7"])
    assert set(found) == {first, other} and copy not in found


def test_what_was_said_of_a_submission_before_it_was_deleted_comes_when_it_is_restored(read, team, world, store, aftercare):
    root = team.houses(2)[0]
    read()
    world.comment("house", root, "why")
    world.review("house", root, "hasIssues")
    world.delete("house", root)
    read()
    world.restore("house", root)
    read()
    check(store, aftercare, world)
