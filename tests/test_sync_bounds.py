"""What no single row, server or account may do to the rest: sizes, deletions, doors that are not ours."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from central_truth import HOUSE, Team, add_central, check, sync, xform
from doubles.central import serve
from doubles.central_world import World

from store.tables import quarantine, submission


@pytest.fixture
def world():
    made = World()
    made.release(xform(HOUSE))
    return made


@pytest.fixture
def central(world):
    double = serve(world)
    yield double
    double.close()


def test_one_too_large_to_be_read_goes_to_quarantine_and_the_rest_goes_on(store, aftercare, world, central, monkeypatch):
    from odk import xml

    add_central(store, aftercare, central)
    team = Team(world)
    team.house(head="x" * 5000)
    team.houses(4)
    monkeypatch.setattr(xml, "LARGEST", 4000)
    done = sync(store, aftercare)
    assert done.problem is None and (done.counts["new"], done.counts["quarantined"]) == (4, 1), done.counts
    with store.database.begin(aftercare) as tx:
        assert tx.scalars(sa.select(quarantine.c.problem)).all() == ["xml-too-large"]
        assert tx.scalar(sa.select(sa.func.count()).select_from(submission)) == 4


def test_what_one_server_deleted_stays_while_another_has_it(store, aftercare, world, central):
    add_central(store, aftercare, central)
    add_central(store, aftercare, central, name="old")
    root = Team(world).houses(2)[0]
    sync(store, aftercare)
    sync(store, aftercare, name="old")
    world.delete("house", root)

    def gone() -> int:
        with store.database.begin(aftercare) as tx:
            return tx.scalar(sa.select(sa.func.count()).where(submission.c.deleted_at.is_not(None)))

    sync(store, aftercare, name="old")
    assert gone() == 0
    sync(store, aftercare)
    assert gone() == 1
    world.restore("house", root)
    sync(store, aftercare)
    assert gone() == 0


def test_an_account_that_is_shown_some_rows_alone_buries_none(store, aftercare):
    from doubles import kobo, kobo_world
    from kobo_truth import Team as KoboTeam
    from kobo_truth import add_kobo, house
    from test_sync_kobo import as_viewer

    there = kobo_world.World()
    form = there.release(house())
    double = kobo.serve(there)
    add_kobo(store, aftercare, double)
    KoboTeam(there).houses(6)
    as_viewer(store, aftercare, there)
    assert sync(store, aftercare).counts["new"] == 6
    form.shared.pop("viewer")
    there.share_part(form.uid, "viewer", [{"_id": {"$lt": 0}}])
    done = sync(store, aftercare, full=True)
    assert done.problem is not None and done.problem.code == "source-forbidden"
    with store.database.begin(aftercare) as tx:
        assert tx.scalar(sa.select(sa.func.count()).where(submission.c.deleted_at.is_(None))) == 6
    double.close()


def test_an_answer_without_an_end_is_not_read_to_it(store, aftercare, world, central, monkeypatch):
    from sync import line

    add_central(store, aftercare, central)
    Team(world).houses(2)
    monkeypatch.setattr(line, "MOST_BYTES", 40)
    done = sync(store, aftercare)
    assert done.problem is not None and done.problem.code == "source-too-large"
    assert "MB" in done.problem.text("en") and done.problem.text("th") != done.problem.text("en")


def test_large_photos_do_not_wait_for_each_other_in_memory(store, aftercare, world, central, monkeypatch):
    from submissions import attachments
    from sync import files, parallel
    from sync.central import Central

    monkeypatch.setattr(files, "_BYTES_AT_ONCE", 5)
    monkeypatch.setattr(parallel, "_ROOM", 5)
    fetched, stored, most = [], [], []
    get, put = Central.file, attachments.put

    def watched_get(*given, **named):
        fetched.append(1)
        most.append(len(fetched) - len(stored))
        return get(*given, **named)

    def watched_put(*given, **named):
        stored.append(1)
        return put(*given, **named)

    monkeypatch.setattr(Central, "file", watched_get)
    monkeypatch.setattr(attachments, "put", watched_put)
    add_central(store, aftercare, central)
    Team(world).houses(30, photo=True)
    assert sync(store, aftercare).counts["files"] == 30
    # Four connections, what each of them may have begun, and the piece being stored.
    assert max(most) <= 10
    check(store, aftercare, world)


@pytest.mark.parametrize(("said", "seconds"), [("Wed, 25 Nov 2020 03:00:00 -0000", 0.0), ("7", 7.0), ("soon", None), ("Wed, 25 Nov 99999 03:00:00 GMT", None)])
def test_whatever_a_server_writes_into_retry_after_is_read_or_left(said, seconds):
    from sync.wire import _seconds

    assert _seconds(said) == seconds
