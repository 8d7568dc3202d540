"""A Central and the way to it fail in every way we know; after the next run the store holds what Central holds.

Each test prints its seed when it fails: NAMJAI_SEED=… tells the same history again.
"""
from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from central_truth import HOUSE, Team, add_central, check, sync, xform
from doubles.central import certificate, serve
from doubles.central_world import World, written

from store.tables import project, quarantine, source, source_row, source_run, submission
from sync import registry

SEED = int(os.environ.get("NAMJAI_SEED", "12"))


class Scene:
    """A Central with a history, a source that reads it, and what may go wrong between them."""

    def __init__(self, store, actor, double, team):
        self.store, self.actor, self.central, self.team, self.world = store, actor, double, team, double.world

    def read(self, **options):
        return sync(self.store, self.actor, **options)

    def settled(self):
        """Whatever went wrong is over: one more run, and everything is equal."""
        self.central.faults.clear()
        self.central.before = None
        done = self.read()
        assert done.problem is None, done
        check(self.store, self.actor, self.world)

    def changes(self, number):
        for _ in range(number):
            self.team.anything()


@pytest.fixture
def scene(store, aftercare):
    print(f"NAMJAI_SEED={SEED}")
    world = World()
    world.release(xform(HOUSE))
    double = serve(world)
    add_central(store, aftercare, double)
    made = Scene(store, aftercare, double, Team(world, SEED))
    made.team.houses(12)
    yield made
    double.close()


# What goes wrong, where, and how often; every one must be over by itself within the run.
PASSING = [
    ("truncated", "svc/Submissions"), ("truncated", "/versions"), ("cut", ".xml"), ("cut", "svc/Submissions"), ("cut", "attachments/"),
    ("reset", ".xml"), ("reset", "/forms"), ("500", ".xml"), ("502", "svc/Submissions"), ("503", "/attachments"), ("504", "entities"),
    ("429", ".xml"), ("unauthorized", ".xml"), ("unauthorized", "svc/Submissions"), ("unauthorized", "attachments/"), ("503", "/datasets"),
    ("truncated", "entities"), ("cut", "entities.csv"), ("reset", "entities"), ("500", "/sessions"),
]


@pytest.mark.parametrize(("kind", "path"), PASSING, ids=[f"{kind} at {path}" for kind, path in PASSING])
def test_what_passes_is_waited_for(scene, kind, path):
    scene.changes(8)
    scene.central.fail(kind, path, times=1 if kind == "unauthorized" else 2, method="POST" if path == "/sessions" else "GET", text="0" if kind == "429" else "")
    done = scene.read()
    assert done.problem is None, done
    assert done.counts.get("waiting", 0) == 0
    check(scene.store, scene.actor, scene.world)


LASTING = [
    ("html", "svc/Submissions", "source-talks-otherwise"), ("html", "/forms", "source-talks-otherwise"), ("500", "svc/Submissions", "source-slow"),
    ("403", "/forms", "source-forbidden"), ("403", "svc/Submissions", "source-forbidden"), ("404", "/forms", "source-not-there"),
    ("drip", "svc/Submissions", "source-slow"), ("redirect", "svc/Submissions", "source-elsewhere"), ("redirect", ".xml", "source-elsewhere"),
    ("truncated", "svc/Submissions", "source-talks-otherwise"), ("reset", "", "source-unreachable"), ("500", ".xml", "source-slow"),
    ("html", "/sessions", "source-talks-otherwise"), ("redirect", "/sessions", "source-elsewhere"),
]


@pytest.mark.parametrize(("kind", "path", "said"), LASTING, ids=[f"{kind} at {path or 'everything'}" for kind, path, _ in LASTING])
def test_what_lasts_ends_the_run_in_plain_words_and_loses_nothing(scene, kind, path, said, caplog):
    scene.changes(8)
    caplog.set_level(logging.DEBUG)
    scene.central.fail(kind, path, times=10_000, method="POST" if path == "/sessions" else "GET", text="https://elsewhere.example.org/v1/x")
    begun = time.monotonic()
    done = scene.read()
    assert done.problem is not None and done.problem.code == said, done
    assert time.monotonic() - begun < 30
    # What a server answers may be a survivor's: it is in no sentence and in no log.
    assert "SECRET-OF-A-SURVIVOR" not in caplog.text + str(done.problem) + done.problem.text("th")
    with scene.store.database.begin(scene.actor) as tx:
        assert tx.scalar(sa.select(source.c.problem)) == said
    scene.settled()


def test_the_token_goes_to_no_other_server(scene):
    elsewhere = serve(World())
    scene.central.fail("redirect", "svc/Submissions", times=3, text=f"{elsewhere.url}/v1/projects/6/forms")
    assert scene.read().problem.code == "source-elsewhere"
    assert elsewhere.asked == [] and elsewhere.tokens_seen == []
    # A nextLink that names the host which Central believes it has is read at the host that was dialled.
    scene.central.answers.domain = elsewhere.url
    scene.team.houses(40)
    scene.settled()
    assert elsewhere.asked == []
    elsewhere.close()


def test_a_redirect_within_the_same_server_is_followed(scene):
    scene.central.fail("redirect", "/forms/house/versions", times=1, text="/v1/projects/6/forms/house/versions")
    assert scene.read().problem is None


def test_retry_after_is_waited_for(scene):
    scene.central.fail("429", "svc/Submissions", times=1, text="1")
    begun = time.monotonic()
    assert scene.read().problem is None
    assert time.monotonic() - begun >= 1


def test_over_tls_with_an_authority_of_our_own(store, aftercare, tmp_path, monkeypatch):
    files = certificate(tmp_path)
    world = World()
    world.release(xform(HOUSE))
    double = serve(world, tls=files)
    add_central(store, aftercare, double)
    Team(world, SEED).houses(5)
    # Unknown to us, the certificate is refused, and no password is sent.
    assert sync(store, aftercare).problem.code == "source-unreachable" and double.asked == []
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(files[0]))
    assert sync(store, aftercare).problem is None
    check(store, aftercare, world)
    double.close()


# Order


def test_a_row_that_commits_late_with_an_earlier_time_is_found(scene):
    scene.read()
    early = written(scene.world.now)
    scene.world.tick(minutes=4)
    scene.team.house()
    scene.read()
    scene.team.house(at=early)
    scene.settled()


def test_five_hundred_rows_of_the_same_instant(scene):
    moment = scene.world.tick(minutes=1)
    scene.team.houses(500, at=moment, photo=False)
    scene.settled()


def test_people_go_on_working_while_we_page(scene):
    scene.team.houses(600, photo=False)
    moves = {"left": 60}

    def while_reading(method, path):
        if moves["left"] and (".xml" in path or "Submissions" in path) and scene.team.dice.random() < 0.3:
            moves["left"] -= 1
            with scene.central.lock:
                scene.team.anything()

    scene.central.before = while_reading
    scene.read()
    scene.settled()


def test_deletion_restoration_and_purge_are_found(scene):
    roots = list(scene.world.forms["house"].subs)
    scene.read()
    scene.world.delete("house", roots[0])
    scene.world.delete("house", roots[1])
    assert scene.read().counts["deleted"] == 2
    scene.world.restore("house", roots[0])
    assert scene.read().counts["restored"] == 1
    scene.world.purge("house", roots[1])
    scene.world.purge("house", roots[2])
    assert scene.read().counts["deleted"] == 1
    scene.settled()


def test_a_listing_that_forgets_half_buries_nobody(scene):
    scene.read()
    kept = dict(scene.world.forms["house"].subs)
    half = dict(list(kept.items())[:6])

    def forgetful(method, path):
        # The listing is of half, while each one that is asked for is there.
        scene.world.forms["house"].subs = half if "Submissions" in path else kept

    scene.central.before = forgetful
    done = scene.read(full=True)
    scene.world.forms["house"].subs = kept
    assert done.counts.get("deleted", 0) == 0
    scene.settled()


def test_a_new_form_version_during_the_run(scene):
    def once(method, path):
        if "Submissions" in path:
            scene.central.before = None
            scene.world.release(xform(HOUSE, "2"))
            scene.team.house(version="2")

    scene.central.before = once
    scene.read()
    # It came before its form was known, and waited in quarantine; the next run knows the form.
    scene.settled()


def test_one_poisoned_row_goes_to_quarantine_and_the_rest_goes_on(scene, monkeypatch):
    from cases import deliveries
    from submissions import receive

    poisoned = next(iter(scene.world.forms["house"].subs))
    read_answers, tries = receive.read_answers, []

    def poison(instance, schema):
        if poisoned.encode() in instance.xml:
            tries.append(1)
            raise ValueError("a personal value")
        return read_answers(instance, schema)

    monkeypatch.setattr(receive, "read_answers", poison)
    done = scene.read()
    assert done.problem is None and done.counts["quarantined"] == 1 and done.counts["new"] == 11 and len(tries) == 3
    assert "quarantined" not in scene.read().counts
    monkeypatch.setattr(receive, "read_answers", read_answers)
    with scene.store.database.begin(scene.actor) as tx:
        item = tx.execute(sa.select(quarantine)).one()
        assert item.problem == "row-broken"
        deliveries.replay(tx, scene.store, scene.actor, item.id)
    scene.settled()


def test_a_row_whose_content_cannot_be_had_waits_and_the_rest_goes_on(scene):
    root = next(iter(scene.world.forms["house"].subs))
    scene.central.fail("500", root.removeprefix("uuid:") + ".xml", times=100)
    done = scene.read()
    assert done.problem is None and done.counts["waiting"] == 1 and done.counts["new"] == 11
    scene.settled()


def test_what_is_no_xml_goes_to_quarantine_once(scene):
    root = next(iter(scene.world.forms["house"].subs))
    scene.central.fail("broken-xml", root.removeprefix("uuid:") + ".xml", times=100)
    assert scene.read().counts["quarantined"] == 1
    assert "quarantined" not in scene.read().counts


# Kills, the database, and two at once

CHILD = """
import sys, uuid
from pathlib import Path
from namjai.settings import Settings
from store.opening import open_store
from cases.projects import in_project
from sync import registry
from sync.run import run
url, data, project = sys.argv[1:]
store = open_store(Settings(data_dir=Path(data), master_key=b"a master key for tests, 32 bytes", database_url=url), url, pool_size=4)
actor = in_project(uuid.UUID(project))
with store.database.begin(actor) as tx:
    row = registry.named(tx, actor.project, "field")
run(store, row)
"""


@pytest.mark.parametrize("turn", range(6))
def test_a_run_killed_anywhere_goes_on_where_it_was(scene, settings, database_url, turn):
    scene.team.houses(300)
    total = 360
    for n in range(3):
        count, at = {"n": 0}, scene.team.dice.randrange(3, total) + turn
        child = subprocess.Popen([sys.executable, "-c", CHILD, database_url, str(settings.data_dir), str(scene.actor.project)], cwd=Path(__file__).parents[1])

        def kill(method, path, count=count, at=at, child=child):
            count["n"] += 1
            if count["n"] == at:
                child.send_signal(signal.SIGKILL)

        scene.central.before = kill
        child.wait(60)
        if n == 1:
            scene.changes(6)
    scene.settled()
    with scene.store.database.begin(scene.actor) as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(source_run).where(source_run.c.ended_at.is_(None))) == 0


def test_the_database_breaks_every_connection_in_the_middle(scene, cluster, database_url):
    scene.team.houses(300, photo=False)
    name = sa.make_url(database_url).database
    engine = sa.create_engine(sa.make_url(cluster.url).set(database="postgres"), poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    breaks = iter([40, 150, 290])
    state = {"n": 0, "next": next(breaks)}

    def cut(method, path):
        state["n"] += 1
        if state["n"] == state["next"]:
            state["next"] = next(breaks, None)
            with engine.connect() as connection:
                connection.execute(sa.text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"), {"name": name})

    scene.central.before = cut
    scene.read()
    scene.settled()
    engine.dispose()


def test_two_runs_at_once_do_everything_once(scene):
    scene.team.houses(100)
    done = []
    threads = [threading.Thread(target=lambda: done.append(scene.read())) for _ in range(2)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert [one.problem for one in done] == [None, None]
    assert sorted(one.counts.get("new", 0) for one in done) == [0, 112]
    scene.settled()


def test_who_does_not_wait_leaves_a_run_under_way_alone(scene):
    from sync.work import alone

    with scene.store.database.begin(scene.actor) as tx:
        row = registry.named(tx, scene.actor.project, "field")
    with alone(scene.store, scene.actor, row, wait=False) as mine:
        assert mine and scene.read(wait=False).busy
    assert not scene.read(wait=False).busy
    scene.settled()


def test_a_run_that_lost_its_lock_writes_nothing(scene):
    def overtaken(method, path):
        if ".xml" in path:
            scene.central.before = None
            with scene.store.database.begin(scene.actor) as tx:
                tx.execute(source.update().values(run_id=scene.actor.project))

    scene.central.before = overtaken
    done = scene.read()
    assert done.problem.code == "source-run-overtaken" and "new" not in done.counts
    with scene.store.database.begin(scene.actor) as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(source_row)) == 0
    scene.settled()


def test_no_file_is_left_behind_and_no_token_is_kept(scene, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    scene.read()
    assert list(tmp_path.glob(".pyodk*")) == []
    # Signed out at the end: the token is worth nothing any more.
    assert scene.central.answers.tokens == set()


def test_nothing_crosses_into_another_project(scene):
    with scene.store.database.begin(scene.actor) as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(project)) == 1
    scene.read()
    with scene.store.database.begin(scene.actor) as tx:
        assert set(tx.scalars(sa.select(submission.c.project_id))) == {scene.actor.project}


