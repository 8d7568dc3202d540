"""What a Central says of entity lists, deletion and secrecy, and what it means here."""
from __future__ import annotations

import pytest
import sqlalchemy as sa
from central_truth import HOUSE, VISIT, Team, add_central, check, creates, instance, sync, updates, xform
from doubles.central import serve
from doubles.central_world import World

from cases import deliveries
from store.tables import (
    comment,
    entity,
    entity_list,
    entity_version,
    form,
    form_version,
    rule_failure,
    submission,
    submission_attachment,
)
from submissions.delivery import Delivery


@pytest.fixture
def world():
    made = World()
    made.release(xform(HOUSE))
    made.release(xform(VISIT))
    return made


@pytest.fixture
def central(world, store, aftercare):
    double = serve(world)
    add_central(store, aftercare, double)
    yield double
    double.close()


@pytest.fixture
def read(store, aftercare, central):
    def once(**options):
        done = sync(store, aftercare, **options)
        assert done.problem is None, done
        return done

    return once


def one_house(world, uuid="11111111-1111-4111-8111-111111111111"):
    world.submit(instance("house", "uuid:h1", entity=creates(uuid, "Fah"), head="Fah", income="5.50"))
    return uuid


def test_a_list_kept_on_central_is_written_by_its_feed_alone(read, world, store, aftercare):
    uuid = one_house(world)
    world.submit(instance("visit_house", "uuid:v1", entity=updates(uuid, 1), who=uuid, note="first"))
    world.submit(instance("visit_house", "uuid:v2", entity=updates(uuid, 1), who=uuid, note="stale"))
    read()
    check(store, aftercare, world)
    with store.database.begin(aftercare) as tx:
        assert tx.scalar(sa.select(entity_list.c.home).where(entity_list.c.name == "houses")) == "field"
        stored = tx.execute(sa.select(entity).where(entity.c.list == "houses")).one()
        versions = tx.execute(sa.select(entity_version).where(entity_version.c.list == "houses").order_by(entity_version.c.version)).all()
    assert (stored.version, stored.conflict, stored.data) == (3, "hard", {"head": "Fah", "income": "5.50", "note": "stale"} | stored.data)
    assert [(one.version, one.act, one.stale) for one in versions] == [(1, "create", False), (2, "update", False), (3, "update", True)]
    assert [one.instance_id for one in versions] == ["uuid:h1", "uuid:v1", "uuid:v2"] and all(one.submission_id for one in versions)
    world.change_entity("houses", uuid, {"note": "settled"}, None, 3, resolve=True)
    read()
    check(store, aftercare, world)


def test_an_entity_that_central_deleted_leaves_the_list(read, world, store, aftercare):
    uuid = one_house(world)
    read()
    world.remove_entity("houses", uuid)
    assert read().counts["entities_deleted"] == 1
    check(store, aftercare, world)
    with store.database.begin(aftercare) as tx:
        assert tx.scalar(sa.select(entity_list.c.removals).where(entity_list.c.name == "houses")) == 1


def test_a_list_that_tablets_write_here_is_not_taken_over(world, store, aftercare, publish, central):
    publish(HOUSE.format(version="1"))
    with store.database.begin(aftercare) as tx:
        import datetime as dt

        xml = instance("house", "uuid:here", entity=creates("22222222-2222-4222-8222-222222222222", "Mine"), head="Mine", income="1")
        deliveries.take(tx, store, aftercare, Delivery(xml, dt.datetime.now(dt.UTC)))
    one_house(world)
    done = sync(store, aftercare)
    assert done.problem.code == "source-list-kept-here" and done.counts["new"] == 1
    with store.database.begin(aftercare) as tx:
        assert tx.scalar(sa.select(entity.c.label).where(entity.c.list == "houses", entity.c.version == 1)) == "Mine"
        # What tablets are served stays ours.
        assert tx.scalar(sa.select(form.c.origin).where(form.c.xml_form_id == "house")) == "tablets"


def test_all_versions_of_a_form_come_and_a_closed_one_too(read, world, store, aftercare):
    world.release(xform(HOUSE, "2"))
    world.upload(xform(HOUSE, "3"))  # a draft
    world.forms["visit_house"].state = "closed"
    world.submit(instance("visit_house", "uuid:late", note="last one"))
    read()
    check(store, aftercare, world)
    with store.database.begin(aftercare) as tx:
        versions = tx.execute(sa.select(form_version.c.xml_form_id, form_version.c.version).where(form_version.c.origin == "field")).all()
        assert {tuple(row) for row in versions} == {("house", "1"), ("house", "2"), ("visit_house", "1")}
        states = dict(tx.execute(sa.select(form.c.xml_form_id, form.c.state).where(form.c.origin == "field")).all())
    assert states == {"house": "open", "visit_house": "closing"}


def test_an_encrypted_submission_is_kept_as_it_is_and_shown_as_such(read, world, store, aftercare):
    xml = (
        b'<data xmlns="http://opendatakit.org/submissions" encrypted="yes" id="house" version="1"><base64EncryptedKey>AAAA</base64EncryptedKey>'
        b'<meta xmlns="http://openrosa.org/xforms"><instanceID>uuid:secret</instanceID></meta>'
        b"<encryptedXmlFile>submission.xml.enc</encryptedXmlFile></data>"
    )
    world.submit(xml, {"submission.xml.enc": b"\x00\x01"})
    read()
    check(store, aftercare, world)
    with store.database.begin(aftercare) as tx:
        row = tx.execute(sa.select(submission).where(submission.c.root_instance_id == "uuid:secret")).one()
        assert row.open == {} and not (row.sensitive or row.identifying or row.restricted)
        file = tx.execute(sa.select(submission_attachment).where(submission_attachment.c.submission_id == row.id)).one()
        assert (file.name, file.state) == ("submission.xml.enc", "verified")


def test_a_file_that_comes_late_and_one_that_is_replaced(read, world, store, aftercare):
    world.submit(instance("house", "uuid:p", entity=creates("33333333-3333-4333-8333-333333333333", "P"), head="P", income="1", photo="a.jpg"))
    assert read().counts["files_missing"] == 1
    world.attach("house", "uuid:p", "a.jpg", b"first")
    assert read().counts["files"] == 1
    world.attach("house", "uuid:p", "a.jpg", b"second")
    assert "files" not in read().counts
    assert read(full=True).counts["files"] == 1
    check(store, aftercare, world)


def test_comments_say_who_read_them_where_and_stay_encrypted(read, world, store, aftercare):
    one_house(world)
    world.comment("house", "uuid:h1", "โปรดตรวจสอบอายุ")
    world.review("house", "uuid:h1", "hasIssues", "see the comment")
    read()
    check(store, aftercare, world)
    with store.database.begin(aftercare) as tx:
        rows = tx.execute(sa.select(comment)).all()
    assert {row.author for row in rows} == {"field"} and all("โปรด".encode() not in bytes(row.body) for row in rows)


def test_nothing_changed_costs_one_conditional_request_a_form_and_list(read, world, central):
    Team(world).houses(20, photo=False)
    read()
    for sub in world.forms["house"].subs.values():
        for name in sub.files:
            world.attach("house", sub.root, name, b"x")
    read()
    central.asked.clear()
    assert read().counts == {}
    asked = [(path.split("?")[0].rsplit("/v1/", 1)[1], status) for method, path, status in central.asked if method == "GET"]
    assert [one for one in asked if "svc" in one[0] or "csv" in one[0]] == [
        ("projects/6/forms/house.svc/Submissions", 304), ("projects/6/forms/visit_house.svc/Submissions", 304),
        ("projects/6/datasets/houses/entities.csv", 304),
    ]
    assert len(asked) == 6, asked


def test_a_deleted_submission_leaves_lists_and_counts_and_may_come_back(read, world, store, aftercare):
    from cases.health import status

    one_house(world)
    read()
    world.delete("house", "uuid:h1")
    read()
    with store.database.begin(aftercare) as tx:
        assert status(tx, aftercare.project)["submissions"] == 0
        assert tx.scalar(sa.select(submission.c.deleted_at)) is not None
    world.restore("house", "uuid:h1")
    read()
    with store.database.begin(aftercare) as tx:
        assert status(tx, aftercare.project)["submissions"] == 1
    check(store, aftercare, world)


def test_an_approval_of_a_request_that_its_server_edited_is_suspended_and_can_be_given_again(store, aftercare, person):
    """Central tells its entity list nothing of an edit: the grant must not lose its request."""
    from grant_desk import Desk

    worker, coordinator = person("field_staff"), person("coordinator")
    desk = Desk(store, aftercare)
    desk.intake(worker)
    grant = desk.request(worker)
    with store.database.begin(aftercare) as tx:
        tx.execute(entity_list.update().values(home="field"))
    desk.approve(grant, coordinator)
    desk.edit(worker, reason="Another reason")
    assert desk.row(grant).state == "suspended" and desk.letters(grant)[0].state == "void"
    with store.database.begin(aftercare) as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(rule_failure)) == 0
    desk.approve(grant, coordinator)
    assert desk.row(grant).state == "approved"


def test_an_approval_of_a_deleted_request_is_suspended_and_can_be_given_again(store, aftercare, person):
    import datetime as dt

    from grant_desk import Desk

    from namjai.problems import Problem

    worker, coordinator = person("field_staff"), person("coordinator")
    desk = Desk(store, aftercare)
    desk.intake(worker)
    grant = desk.request(worker)
    desk.approve(grant, coordinator)
    request = desk.row(grant).submission_id
    with store.database.begin(aftercare) as tx:
        assert deliveries.delete(tx, store, aftercare, request, dt.datetime.now(dt.UTC), "field")
        assert not deliveries.delete(tx, store, aftercare, request, dt.datetime.now(dt.UTC), "field")
    assert desk.row(grant).state == "suspended" and desk.letters(grant)[0].state == "void"
    with pytest.raises(Problem):
        desk.approve(grant, coordinator)
    with store.database.begin(aftercare) as tx:
        assert deliveries.restore(tx, store, aftercare, request, "field")
    assert desk.row(grant).state == "suspended"
    desk.approve(grant, coordinator)
    assert desk.row(grant).state == "approved"
