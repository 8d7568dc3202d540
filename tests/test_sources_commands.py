"""`namjai sources` and `namjai sync`, as typed; and the worker, which reads each source on its own schedule."""
from __future__ import annotations

import datetime as dt
import json
import re
import subprocess
import sys
from contextlib import contextmanager

import pytest
import sqlalchemy as sa
from central_truth import HOUSE, Team, add_central, check, xform
from click.testing import CliRunner
from doubles import kobo, kobo_world
from doubles.central import serve
from doubles.central_world import World
from kobo_truth import house

from commands import sync as command
from commands.main import namjai
from namjai.problems import Problem
from store.jobs import run_pending
from store.tables import source, source_run


@pytest.fixture
def central():
    world = World()
    world.release(xform(HOUSE))
    Team(world).houses(5)
    double = serve(world)
    yield double
    double.close()


@pytest.fixture
def typed(store, monkeypatch):
    """Types a command against this test's database."""
    import commands.opening

    @contextmanager
    def same(*_args, **_options):
        yield store

    monkeypatch.setattr(commands.opening, "opened", same)

    def do(*words, says=""):
        return CliRunner().invoke(namjai, list(words), input=says)

    return do


def added(typed, central, name="field", password="PASSWORD\n"):
    return typed(
        "sources", "add", "central", name, "--url", central.url, "--project", "6", "--username", "admin@example.org",
        "--password-stdin", says=password,
    )


def test_a_source_is_added_read_listed_and_removed(typed, central, store, aftercare):
    answer = added(typed, central)
    assert answer.exit_code == 0 and "Recorded" in answer.output and "House" in answer.output, answer.output
    answer = typed("sync", "--source", "field")
    assert answer.exit_code == 0 and "5 new" in answer.output, answer.output
    check(store, aftercare, central.world)
    state = json.loads(typed("status", "--json").output)["sources"][0]
    assert (state["name"], state["kind"], state["error"]) == ("field", "central", None) and state["lag_seconds"] < 60
    assert "field  central" in typed("sources", "list").output
    assert typed("sources", "remove", "field").exit_code == 0
    assert "No source" in typed("sources", "list").output
    with store.database.begin(aftercare) as tx:
        assert tx.scalar(sa.select(source.c.credentials)) is None


def test_on_a_terminal_a_bar_shows_rows_rate_and_time_left(typed, central, monkeypatch):
    Team(central.world, seed=3).houses(595)
    added(typed, central)
    central.pace = 0.004
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "160")
    answer = typed("sync")
    assert answer.exit_code == 0 and "600 new" in answer.output
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", answer.output)
    assert re.search(r"field changes House .*\d+/600\s+\d+/s\s+0:00:\d\d", shown), shown[-2000:]


def test_a_wrong_password_is_said_before_anything_is_stored(typed, central, store, aftercare):
    answer = added(typed, central, password="wrong\n")
    assert isinstance(answer.exception, Problem) and answer.exception.code == "source-sign-in"
    assert "No source" in typed("sources", "list").output


def test_a_source_that_cannot_be_read_makes_sync_fail(typed, central):
    added(typed, central)
    central.world.password = "changed"
    answer = typed("sync")
    assert answer.exit_code == 1 and "does not accept" in answer.output, answer.output
    assert json.loads(typed("status", "--json").output)["sources"][0]["error"] == "source-sign-in"


def test_a_password_is_nowhere_in_plain_text(typed, central, store, aftercare):
    added(typed, central)
    with store.database.begin(aftercare) as tx:
        row = tx.execute(sa.select(source)).one()
    assert "PASSWORD" not in str(tuple(row)) and b"PASSWORD" not in bytes(row.credentials)


def test_the_worker_reads_what_is_due_and_nothing_twice(central, store, aftercare):
    import sync.schedule as schedule

    add_central(store, aftercare, central)
    for _ in range(2):
        schedule.read_due(store)
    run_pending(store)
    check(store, aftercare, central.world)
    schedule.read_due(store)
    run_pending(store)
    with store.database.begin(aftercare) as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(source_run)) == 1
        tx.execute(source.update().values(tried_at=dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)))
    schedule.read_due(store)
    run_pending(store)
    with store.database.begin(aftercare) as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(source_run)) == 2


@pytest.mark.parametrize("url", ["http://central.example.org", "ftp://central.example.org", "https://a:b@central.example.org", "https://token@central.example.org", "https://central.example.org\\.evil.example", "https://central.example.org/ x", "https://central.\nexample.org", "https://" + "c" * 300, "central"])
def test_an_address_over_which_a_password_would_leak_is_refused(url):
    from sync.registry import SourceAddressUnsafe, checked_address

    with pytest.raises(SourceAddressUnsafe):
        checked_address(url)


def test_an_address_may_be_pasted_from_the_browser():
    from sync.registry import checked_address

    assert checked_address("https://central.example.org/#/projects/6/forms") == "https://central.example.org"
    assert checked_address("https://central.example.org/v1/ ") == "https://central.example.org"


def test_a_new_password_changes_neither_the_choice_of_forms_nor_how_often_is_read(typed, store, aftercare):
    there = kobo_world.World()
    one = there.release(house())
    there.release(house().replace("| house |", "| second |"))
    double = kobo.serve(there)

    def add(*more):
        return typed("sources", "add", "kobo", "field", "--url", double.url, "--token-stdin", *more, says="API_TOKEN\n")

    assert add("--asset", one.uid, "--every", "3600").exit_code == 0
    answer = add()
    assert answer.exit_code == 0, answer.output
    with store.database.begin(aftercare) as tx:
        row = tx.execute(sa.select(source)).one()
    assert (row.options["forms"], row.every_seconds) == ([one.uid], 3600)
    answer = add("--asset", "aNOTHING")
    assert answer.exit_code == 1 and isinstance(answer.exception, Problem) and one.uid in answer.exception.text("en"), answer.output
    with store.database.begin(aftercare) as tx:
        assert tx.scalar(sa.select(source.c.options))["forms"] == [one.uid]
    double.close()


def test_a_source_that_could_not_be_read_does_not_say_that_nothing_is_new(typed, central, store, aftercare):
    added(typed, central)
    central.fail("401", times=10**6)
    answer = typed("sync")
    assert answer.exit_code == 1 and "nothing new" not in answer.output and "field: nothing came" in answer.output, answer.output


def test_reading_on_and_on_survives_a_fault_of_ours_and_compares_everything_once_a_day(typed, central, store, aftercare, monkeypatch):
    added(typed, central)
    added(typed, central, name="second")
    from sync import run as running

    ran, slept, clock, real = [], [], [1000.0], running.run

    def faulty(store, row, *, full, tell):
        ran.append((row.name, full))
        if len(ran) == 1:
            raise RuntimeError("a survivor's answer")
        return real(store, row, full=full, tell=tell)

    def sleep(seconds):
        slept.append(seconds)
        clock[0] += 25 * 3600 if len(slept) == 2 else seconds
        if len(slept) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(running, "run", faulty)
    monkeypatch.setattr(command.time, "sleep", sleep)
    monkeypatch.setattr(command.time, "monotonic", lambda: clock[0])
    answer = typed("sync", "--every", "60")
    assert ran == [("field", False), ("second", False), ("field", False), ("second", False), ("field", True), ("second", True)]
    assert "survivor" not in answer.output


def test_the_worker_reads_several_sources_at_a_time():
    from commands import working

    assert working._AT_ONCE["sources"] > 1


def test_quarantine_says_why_and_what_to_do_and_one_that_breaks_us_holds_up_no_other(typed, central, store, aftercare, monkeypatch):
    def broken(*given, **named):
        raise ValueError("a survivor's answer")

    added(typed, central)
    with monkeypatch.context() as later:
        later.setattr("sync.rows.deliveries.take", broken)
        later.setattr("sync.batch.deliveries.take_new", broken)
        typed("sync")
    answer = typed("quarantine", "list")
    assert answer.output.count("It could not be read, three times. Tell your administrator") == 5, answer.output
    monkeypatch.setattr("cases.deliveries.replay", broken)
    answer = typed("quarantine", "replay")
    assert answer.exit_code == 1 and answer.output.count("still waiting") == 5 and "survivor" not in answer.output, answer.output


def test_a_command_by_itself_knows_the_words_for_what_stands_in_the_way():
    # In a process of its own: here other tests have loaded everything.
    code = "import cases.health; from namjai.problems import catalogue; assert 'source-files-unread' in catalogue()"
    subprocess.run([sys.executable, "-c", code], check=True)
