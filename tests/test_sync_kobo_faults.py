"""A Kobo, its lists and the way to it fail in every way we know; after the next run the store holds what Kobo holds.

Each test prints its seed when it fails: NAMJAI_SEED=… tells the same history again.
"""
from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from doubles.kobo import serve
from doubles.kobo_world import World
from kobo_truth import Team, add_kobo, check, house, sync

from store.tables import form_version, quarantine, source, source_row
from sync import registry

SEED = int(os.environ.get("NAMJAI_SEED", "12"))


class Scene:
    """A Kobo with a history, a source that reads it, and what may go wrong between them."""

    def __init__(self, store, actor, double, team):
        self.store, self.actor, self.kobo, self.team, self.world = store, actor, double, team, double.world

    def read(self, **options):
        return sync(self.store, self.actor, **options)

    def settled(self):
        """Whatever went wrong is over: one more run, and everything is equal."""
        self.kobo.faults.clear()
        self.kobo.before = None
        done = self.read()
        assert done.problem is None, done
        check(self.store, self.actor, self.world)

    def changes(self, number):
        for _ in range(number):
            self.team.anything()


@pytest.fixture
def scene(store, aftercare):
    print(f"NAMJAI_SEED={SEED}")
    world = World(SEED)
    world.release(house())
    double = serve(world)
    add_kobo(store, aftercare, double)
    made = Scene(store, aftercare, double, Team(world, SEED))
    made.team.houses(12)
    yield made
    double.close()


# What goes wrong, where, and how often; every one must be over by itself within the run.
PASSING = [
    ("truncated", "format=json"), ("truncated", "/versions/"), ("cut", "format=xml"), ("cut", "format=json"), ("cut", "/attachments/"), ("reset", "format=xml"),
    ("reset", "/assets/?"), ("500", "format=xml"), ("502", "format=json"), ("503", "/attachments/"), ("504", "/history/"), ("429", "format=xml"),
    ("unauthorized", "format=xml"), ("unauthorized", "/assets/?"), ("unauthorized", "/attachments/"), ("truncated", "/history/"), ("truncated", "format=xml"),
]


@pytest.mark.parametrize(("kind", "path"), PASSING, ids=[f"{kind} at {path}" for kind, path in PASSING])
def test_what_passes_is_waited_for(scene, kind, path):
    scene.changes(8)
    scene.kobo.fail(kind, path, times=1 if kind == "unauthorized" else 2, text="0" if kind == "429" else "")
    done = scene.read()
    assert done.problem is None, done
    assert done.counts.get("waiting", 0) == 0
    check(scene.store, scene.actor, scene.world)


LASTING = [
    ("html", "format=json", "source-talks-otherwise"), ("html", "/assets/?", "source-talks-otherwise"), ("500", "format=json", "source-slow"),
    ("403", "/assets/?", "source-forbidden"), ("403", "/data/", "source-forbidden"), ("404", "/data/", "source-not-there"), ("drip", "format=json", "source-slow"),
    ("redirect", "format=json", "source-elsewhere"), ("redirect", "/assets/?", "source-elsewhere"), ("truncated", "format=json", "source-talks-otherwise"),
    ("reset", "", "source-broke-off"), ("500", "format=xml", "source-form-unread"), ("html", "format=xml", "source-form-unread"), ("reversed", "format=json", "source-talks-otherwise"),
]


@pytest.mark.parametrize(("kind", "path", "said"), LASTING, ids=[f"{kind} at {path or 'everything'}" for kind, path, _ in LASTING])
def test_what_lasts_ends_the_run_in_plain_words_and_loses_nothing(scene, kind, path, said, caplog):
    scene.changes(8)
    caplog.set_level(logging.DEBUG)
    scene.kobo.fail(kind, path, times=10_000, text="https://elsewhere.example.org/api/v2/x")
    begun = time.monotonic()
    done = scene.read()
    assert done.problem is not None and done.problem.code == said, done
    assert time.monotonic() - begun < 30
    # What a server answers may be a survivor's: it is in no sentence and in no log.
    assert "SECRET-OF-A-SURVIVOR" not in caplog.text + str(done.problem) + done.problem.text("th")
    assert "API_TOKEN" not in caplog.text
    with scene.store.database.begin(scene.actor) as tx:
        assert tx.scalar(sa.select(source.c.problem)) == said
    scene.settled()


LYING = [("vanish", "3"), ("duplicate", ""), ("short", ""), ("count", "5"), ("count", "-3"), ("empty", "")]


@pytest.mark.parametrize(("kind", "text"), LYING, ids=[f"{kind} {text}" for kind, text in LYING])
@pytest.mark.parametrize("after", [0, 1])
def test_a_list_that_lies_once_loses_and_doubles_nothing(scene, kind, text, after):
    scene.read()
    scene.changes(10)
    scene.kobo.fail(kind, "/data/", times=1, after=after, text=text)
    scene.read()
    scene.settled()


def test_a_list_that_forgets_everything_buries_nobody(scene):
    scene.read()
    scene.kobo.fail("empty", "/data/?", times=10_000)
    assert scene.read(full=True).counts.get("deleted", 0) == 0
    scene.settled()


def test_a_next_link_to_another_server_is_not_followed(scene):
    elsewhere = serve(World())
    scene.kobo.fail("next-elsewhere", "", times=50, text=elsewhere.url)
    scene.team.houses(30)
    scene.settled()
    assert elsewhere.asked == [] and elsewhere.tokens_seen == []
    elsewhere.close()


def test_a_wrong_token_is_said(scene, store, aftercare):
    scene.world.tokens = {"ANOTHER": "field"}
    assert scene.read().problem.code == "source-sign-in"
    scene.world.tokens = {"API_TOKEN": "field"}
    scene.settled()


def test_a_form_whose_xform_cannot_be_read_is_named_and_the_others_are_read(scene):
    other = scene.world.release(house().replace("| house |", "| second |"))
    Team(scene.world, 3, "second").houses(3)
    scene.kobo.fail("broken-xml", f"{other.uid}.xml", times=10_000)
    done = scene.read()
    assert done.problem.code == "source-form-differs" and "second" in done.problem.text("en"), done
    # Its rows wait in quarantine, and come in by themselves once it can be read.
    assert (done.counts["new"], done.counts["quarantined"]) == (12, 3)
    scene.settled()


def test_one_poisoned_row_goes_to_quarantine_and_the_rest_goes_on(scene, monkeypatch):
    from cases import deliveries
    from submissions import receive

    poisoned = next(iter(scene.world.forms["house"].subs))
    read = receive.read_answers

    def poison(instance, schema):
        if instance.instance_id == poisoned:
            raise ValueError("a personal value")
        return read(instance, schema)

    monkeypatch.setattr(receive, "read_answers", poison)
    done = scene.read()
    assert done.problem is None and done.counts["quarantined"] == 1 and done.counts["new"] == 11
    monkeypatch.setattr(receive, "read_answers", read)
    with scene.store.database.begin(scene.actor) as tx:
        item = tx.execute(sa.select(quarantine)).one()
        deliveries.replay(tx, scene.store, scene.actor, item.id)
    scene.settled()


def test_people_go_on_working_while_we_page(scene):
    scene.team.houses(300, bare=True)
    moves = {"left": 40}

    def while_reading(method, path):
        if moves["left"] and "/data/" in path and scene.team.dice.random() < 0.5:
            moves["left"] -= 1
            with scene.kobo.lock:
                scene.team.anything()

    scene.kobo.before = while_reading
    scene.read()
    scene.kobo.before = None
    # What was caught half is asked for again when everything is compared, as it is every night.
    scene.read(full=True)
    scene.settled()


def test_the_right_to_the_history_is_taken_and_given_back(scene):
    scene.read()
    rights = scene.world.forms["house"].shared["field"].pop("manage_asset")
    scene.changes(6)
    assert scene.read().problem is None
    check(scene.store, scene.actor, scene.world)
    scene.world.forms["house"].shared["field"]["manage_asset"] = rights
    scene.changes(6)
    scene.settled()


def test_a_form_that_is_shared_no_more_is_named_and_the_others_are_read(scene):
    scene.world.release(house().replace("| house |", "| second |"))
    others = Team(scene.world, 3, "second")
    others.houses(2)
    scene.read()
    scene.kobo.fail("403", scene.world.forms["house"].uid + "/", times=10_000)
    others.houses(1)
    scene.team.houses(1)
    done = scene.read()
    assert done.counts["new"] == 1 and done.problem.code == "source-forbidden"
    scene.settled()


CHILD = """
import sys, uuid
from pathlib import Path
from namjai.settings import Settings
from store.opening import open_store
from cases.projects import in_project
from sync import registry
from sync.run import run

url, data, project = sys.argv[1:4]
store = open_store(Settings(data_dir=Path(data), master_key=b"a master key for tests, 32 bytes", database_url=url), url, pool_size=4)
actor = in_project(uuid.UUID(project))
with store.database.begin(actor) as tx:
    row = registry.named(tx, actor.project, "field")
run(store, row, full=True)
"""


@pytest.mark.parametrize("requests", [4, 7, 40])
def test_a_killed_run_goes_on_where_it_was(scene, database_url, settings, requests):
    """SIGKILL at the n-th request: in the listing, in the content, in the files, before and after commits."""
    scene.team.houses(300, bare=True)
    scene.team.houses(40)
    scene.changes(20)
    scene.kobo.pace = 0.002
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, database_url, str(settings.data_dir), str(scene.actor.project)], cwd=Path(__file__).parent.parent, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while len(scene.kobo.asked) < requests and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    scene.kobo.pace = 0
    with scene.store.database.begin(scene.actor) as tx:
        stored = tx.scalar(sa.select(sa.func.count()).select_from(source_row))
    done = scene.read()
    assert done.problem is None, done
    assert done.counts.get("new", 0) <= len(scene.world.forms["house"].subs) - stored
    check(scene.store, scene.actor, scene.world)


def test_over_another_path_nothing_is_dialled(scene):
    """Addresses of files come from the server; only what lies below its own API is asked for."""
    from sync.kobo_words import files_of

    row = {"uid": "att1", "media_file_basename": "a.jpg", "question_xpath": "photo"}
    for address in ("https://elsewhere.example.org/x", "//elsewhere.example.org/api/x", "/api/v2/assets/../../../etc", "/api/v2/x?y=1", ""):
        assert files_of([("photo", "a.jpg")], [row | {"download_url": address}]) == files_of([("photo", "a.jpg")], []) or not files_of([], [row | {"download_url": address}])


def test_versions_are_published_once(scene):
    scene.read()
    scene.read(full=True)
    with scene.store.database.begin(scene.actor) as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(form_version).where(form_version.c.origin == "field")) == 1
        assert len(registry.listed(tx, scene.actor.project)) == 1


def test_a_server_that_hands_out_no_content_is_not_asked_for_each_row_in_turn(scene):
    scene.team.houses(200, bare=True)
    scene.kobo.fail("503", "format=xml", times=10_000)
    done = scene.read()
    assert done.problem.code == "source-slow"
    assert sum("format=xml" in path for path in scene.kobo.paths()) <= 40
    scene.settled()


def test_rows_too_large_to_come_together_come_alone(scene, monkeypatch):
    from odk import xml

    monkeypatch.setattr(xml, "LARGEST", 4000)
    assert scene.read().problem is None
    check(scene.store, scene.actor, scene.world)
