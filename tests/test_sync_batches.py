"""Many at once are stored as each alone would be, downloads keep their order and their room, and what did not change is not written."""
from __future__ import annotations

import datetime as dt
import json
import threading
import time
from base64 import b64decode
from urllib.parse import parse_qs, urlsplit

import pytest
import sqlalchemy as sa
from central_truth import HOUSE, Team, add_central, check, creates, instance, sync, xform
from doubles.central import serve
from doubles.central_world import World

from cases import deliveries
from store.tables import (
    audit,
    cases,
    entity,
    membership,
    source_form,
    source_list,
    source_row,
    submission,
    submission_attachment,
)
from submissions.delivery import Delivery
from submissions.problems import InstanceConflict
from sync import central
from sync.central import PAGE_ROWS
from sync.line import Reader
from sync.parallel import Flat, Hands
from sync.seen import Seen

PERSON = """
| survey |
| | type | name | label | save_to | bind::namjai:privacy |
| | text | pseudonym | Pseudonym | pseudonym | open |
| | text | said | What was said | | sensitive |
| | image | photo | Photo | | sensitive |
| settings |
| | form_id | version | namespaces |
| | person | 1 | namjai="https://namjai.org/xforms" |
| entities |
| | list_name | label |
| | survivors | ${pseudonym} |
"""
VISIT = """
| survey |
| | type | name | label |
| | select_one_from_file survivors.csv | who | Who |
| | text | note | Note |
| settings |
| | form_id | version |
| | again | 1 |
"""
NOW = dt.datetime(2026, 11, 1, 5, tzinfo=dt.UTC)


def person(n: int, half: str) -> bytes:
    uuid = f"{half}{n:07d}-0000-4000-8000-000000000000"
    made = creates(uuid, f"P{n}").replace("houses", "survivors")
    return instance("person", f"uuid:{uuid}", entity=made, pseudonym=f"P{n}", said=f"secret {n}", photo=f"{n}.jpg" if n % 2 else "")


def visit(n: int, half: str) -> bytes:
    return instance("again", f"uuid:{half}{n:07d}-1111-4000-8000-000000000000", who=f"{half}{n:07d}-0000-4000-8000-000000000000", note=f"note {n}")


@pytest.fixture
def stored(store, aftercare):
    """What the store holds of one half of the submissions, told so that both halves can be compared."""

    def of(half: str) -> dict:
        with store.database.begin(aftercare) as tx:
            rows = tx.execute(sa.select(submission).where(submission.c.root_instance_id.like(f"uuid:{half}%")).order_by(submission.c.root_instance_id)).all()
            keys = store.keyring.records(tx, aftercare.project, [row.id for row in rows])
            ids = [row.id for row in rows]
            names = {row.id: row.root_instance_id[6:] for row in rows}

            def counted(table, column):
                found = tx.execute(sa.select(table.c[column]).where(table.c[column].in_(ids)))
                return sorted(names[row[0]] for row in found)

            return {
                "rows": [(names[row.id], row.xml_form_id, row.review_state, row.open, row.flags, row.event_date, keys[row.id].decrypt("sensitive", bytes(row.sensitive)).replace(half.encode() + b"000", b"?000")) for row in rows],
                "files": sorted((names[row.submission_id], row.name, row.state, row.expected) for row in tx.execute(sa.select(submission_attachment).where(submission_attachment.c.submission_id.in_(ids)))),
                "events": counted(audit, "subject_id"),
                "cases": counted(membership, "submission_id"),
                "people": sorted((str(row.uuid)[1:], row.label, row.placeholder, row.version) for row in tx.execute(sa.select(entity)) if str(row.uuid).startswith(half)),
                "pseudonyms": sorted(row.pseudonym for row in tx.execute(sa.select(cases)) if str(row.entity).startswith(half)),
            }

    return of


@pytest.mark.parametrize("turned", [False, True], ids=["people first", "visits first"])
def test_many_at_once_are_stored_as_each_alone_would_be(store, aftercare, publish, stored, turned):
    publish(PERSON)
    publish(VISIT)

    def all_of(half):
        made = [person(n, half) for n in range(4)] + [visit(n, half) for n in range(5)]
        return [Delivery(xml, NOW) for xml in (reversed(made) if turned else made)]

    with store.database.begin(aftercare) as tx:
        for one in all_of("a"):
            deliveries.take(tx, store, aftercare, one)
    with store.database.begin(aftercare) as tx:
        assert all(deliveries.take_new(tx, store, aftercare, all_of("b"), in_order=False))
    assert stored("b")["rows"] and stored("b") == stored("a")


def test_what_is_not_new_is_left_to_be_taken_alone(store, aftercare, publish):
    publish(PERSON)
    edit = instance("person", "uuid:e", deprecated="uuid:a0000001-0000-4000-8000-000000000000", pseudonym="P1")
    given = [Delivery(person(0, "a"), NOW), Delivery(edit, NOW), Delivery(person(0, "a"), NOW), Delivery(person(1, "a"), NOW)]
    with store.database.begin(aftercare) as tx:
        assert [one is not None for one in deliveries.take_new(tx, store, aftercare, given, in_order=False)] == [True, False, False, True]
        tx.rollback()
    with store.database.begin(aftercare) as tx:
        assert [one is not None for one in deliveries.take_new(tx, store, aftercare, given, in_order=True)] == [True, False]


def test_an_original_under_the_id_of_an_edit_that_is_here_stores_none_of_the_batch(store, aftercare, publish):
    publish(PERSON)
    with store.database.begin(aftercare) as tx:
        edit = instance("person", "uuid:e", deprecated="uuid:gone", pseudonym="P1")
        deliveries.take(tx, store, aftercare, Delivery(edit, NOW))
    given = [Delivery(person(0, "a"), NOW), Delivery(instance("person", "uuid:e", pseudonym="P2"), NOW)]
    with pytest.raises(InstanceConflict), store.database.begin(aftercare) as tx:
        deliveries.take_new(tx, store, aftercare, given, in_order=False)
    with store.database.begin(aftercare) as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(submission)) == 1


def test_a_second_look_at_everything_writes_nothing(store, aftercare):
    world = World()
    world.release(xform(HOUSE))
    team = Team(world)
    roots = team.houses(40)
    double = serve(world)
    add_central(store, aftercare, double)
    sync(store, aftercare)

    def versions():
        with store.database.begin(aftercare) as tx:
            # Those whose files are still missing are asked for again, and that is noted.
            query = sa.select(source_row.c.remote_id, sa.literal_column("xmin::text")).where(source_row.c.files_due_at.is_(None))
            return dict(tx.execute(query).tuples().all())

    before = versions()
    world.review("house", roots[0], "approved")
    sync(store, aftercare, full=True)
    after = versions()
    assert len(before) > 10 and {root for root in before if before[root] != after[root]} <= {roots[0]}
    check(store, aftercare, world)
    double.close()


def test_a_pass_begins_anew_when_the_row_behind_which_it_broke_off_is_gone(store, aftercare):
    world = World()
    world.release(xform(HOUSE))
    Team(world).houses(PAGE_ROWS + 50, photo=False)
    double = serve(world)
    add_central(store, aftercare, double)
    double.fail("500", "svc/Submissions", times=100, after=2)
    assert sync(store, aftercare).problem.code == "source-slow"
    with store.database.begin(aftercare) as tx:
        token = tx.scalar(sa.select(source_form.c.cursor))["skip"]
    root = json.loads(b64decode(token[2:]))["instanceId"]
    world.delete("house", root)
    world.purge("house", root)
    double.faults.clear()
    assert sync(store, aftercare).problem is None
    check(store, aftercare, world)
    double.close()


def test_the_first_page_is_small_so_that_storing_begins_soon_and_the_others_are_larger(store, aftercare, monkeypatch):
    monkeypatch.setattr(central, "PAGE_ROWS", 5)
    monkeypatch.setattr(central, "NEXT_ROWS", 10)
    world = World()
    world.release(xform(HOUSE))
    Team(world).houses(22, photo=False)
    double = serve(world)
    add_central(store, aftercare, double)
    assert sync(store, aftercare).problem is None
    # The last question counts; it lists nothing.
    listed = [path for path in double.paths() if "house.svc/Submissions" in path and "top" in path]
    assert [parse_qs(urlsplit(path).query)["$top"][0] for path in listed] == ["5", "10", "10", "1"], listed
    check(store, aftercare, world)
    double.close()


def test_what_was_deleted_while_it_was_read_makes_a_run_compare_everything(store, aftercare):
    world = World()
    world.release(xform(HOUSE))
    roots = Team(world).houses(20, photo=False)
    double = serve(world)
    add_central(store, aftercare, double)

    def meanwhile(method, path):
        if ".xml" in path and "submissions" in path:
            double.before = None
            with double.lock:
                world.delete("house", roots[0])

    double.before = meanwhile
    done = sync(store, aftercare)
    assert done.problem is None and done.counts["new"] == 19, done
    assert any("Submissions" in path and "top" not in path and "count" in path for path in double.paths()), "nothing was compared"
    with store.database.begin(aftercare) as tx:
        assert tx.scalar(sa.select(source_form.c.live)) == 19
    check(store, aftercare, world)
    double.close()


def test_how_many_entities_there_are_is_counted_as_they_come_and_go(store, aftercare):
    world = World()
    world.release(xform(HOUSE))
    team = Team(world)
    team.houses(8)
    double = serve(world)
    add_central(store, aftercare, double)
    for turn in range(3):
        sync(store, aftercare)
        with store.database.begin(aftercare) as tx:
            assert tx.scalar(sa.select(source_list.c.live)) == 8
        check(store, aftercare, world)
        double.asked.clear()
        gone = next(uuid for uuid, one in world.datasets["houses"].entities.items() if not one.deleted)
        if turn == 0:
            team.house()
            world.remove_entity("houses", gone)
        elif turn == 1:
            world.change_entity("houses", gone, {"income": "9"}, None, 1)
    double.close()


def test_downloads_come_in_their_order_and_never_too_many_at_once():
    busy, most, lock = 0, 0, threading.Lock()

    def download(n: int) -> int:
        nonlocal busy, most
        with lock:
            busy += 1
            most = max(most, busy)
        time.sleep(0.002 * (n % 3))
        with lock:
            busy -= 1
        return n

    hands = Hands(3)
    first, second = hands.each(download, range(30)), Flat(hands.each(lambda n: [download(n), n], range(10)))
    assert list(first) == list(range(30))
    assert list(second) == [n for n in range(10) for _ in range(2)]
    assert most <= 3
    hands.close()


def test_what_nobody_takes_fills_no_memory_and_holds_nobody_up():
    begun: list[int] = []
    hands = Hands(2)
    large = hands.each(lambda n: begun.append(n) or n, range(100), lambda _: 5_000_000)
    other = hands.each(lambda n: n, range(3))
    time.sleep(0.2)
    assert len(begun) <= 4, "it goes on downloading what nobody takes"
    assert next(large) == 0
    large.close()
    assert list(other) == [0, 1, 2]
    hands.close()


class Body:
    """A response that answers after a while."""

    headers: dict = {}

    def __init__(self, pause: float) -> None:
        self.pause, self.length_remaining = pause, 10

    def read1(self, size: int, *, decode_content: bool) -> bytes:
        time.sleep(self.pause)
        self.length_remaining -= 1
        return b"x"


def test_a_listing_may_be_read_slowly_but_not_sent_slowly():
    body = Reader(Body(0), 0.2)
    for _ in range(4):
        assert body.read(1) == b"x"
        time.sleep(0.1)
    with pytest.raises(TimeoutError):
        Reader(Body(0.1), 0.2).read()


def test_ids_that_a_listing_showed_are_known_again():
    seen = Seen()
    for n in range(10_000):
        seen.add(f"uuid:{n}")
        seen.add(f"uuid:{n // 2}")
    assert len(seen) == 10_000
    assert "uuid:0" in seen and "uuid:9999" in seen and "uuid:10000" not in seen and "" not in seen
