"""`namjai sources add kobo` as typed, and the address by which a Kobo hints that it has something new."""
from __future__ import annotations

import json
import logging
from contextlib import contextmanager

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from doubles.kobo import serve
from doubles.kobo_world import World
from kobo_truth import Team, add_kobo, check, house

import sync.schedule  # noqa: F401 registers the job
from cases import hooks
from commands.main import namjai
from namjai.problems import Problem
from store.jobs import run_pending
from store.tables import source, source_run

BODY = {"_id": 1, "person/full_name": "a personal value"}


@pytest.fixture
def kobo():
    world = World()
    world.release(house())
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


def added(typed, kobo, *more, token="API_TOKEN\n"):
    return typed("sources", "add", "kobo", "field", "--url", kobo.url, "--token-stdin", *more, says=token)


def test_an_account_is_added_read_listed_and_removed(typed, kobo, store, aftercare):
    answer = added(typed, kobo)
    assert answer.exit_code == 0 and "field at 127.0.0.1" in answer.output and "/hooks/kobo/" in answer.output, answer.output
    answer = typed("sync", "--source", "field")
    assert answer.exit_code == 0 and "5 new" in answer.output, answer.output
    check(store, aftercare, kobo.world)
    state = json.loads(typed("status", "--json").output)["sources"][0]
    assert (state["name"], state["kind"], state["error"]) == ("field", "kobo", None) and state["lag_seconds"] < 60
    listed = typed("sources", "list").output
    assert "field  kobo" in listed and "/hooks/" not in listed
    assert "/hooks/kobo/" in typed("sources", "list", "--hooks").output
    assert typed("sources", "remove", "field").exit_code == 0


def test_only_the_projects_that_are_named_come(typed, kobo, store, aftercare):
    other = kobo.world.release(house().replace("| house |", "| other_house |"))
    Team(kobo.world, 2, "other_house").houses(2)
    assert "2 forms" not in added(typed, kobo, "--asset", other.uid).output
    assert "2 new" in typed("sync").output


def test_a_wrong_token_is_said_before_anything_is_stored(typed, kobo):
    answer = added(typed, kobo, token="WRONG\n")
    assert isinstance(answer.exception, Problem) and answer.exception.code == "source-sign-in"
    assert "No source" in typed("sources", "list").output


def test_a_token_is_nowhere_in_plain_text(typed, kobo, store, aftercare):
    added(typed, kobo)
    with store.database.begin(aftercare) as tx:
        row = tx.execute(sa.select(source)).one()
    assert "API_TOKEN" not in str(tuple(row)) and b"API_TOKEN" not in bytes(row.credentials)


@pytest.fixture
def secret(store, aftercare, kobo):
    """The path that a Kobo was told."""
    add_kobo(store, aftercare, kobo)
    with store.database.begin(aftercare) as tx:
        row = tx.execute(sa.select(source)).one()
        return hooks.address(tx, store, aftercare.project, row.id).partition("/hooks/")[2]


def waiting(store, aftercare):
    with store.database.begin(aftercare) as tx:
        return tx.execute(sa.text("SELECT args, scheduled_at FROM procrastinate_jobs WHERE status = 'todo'")).all()


def test_a_hint_is_a_run_and_nothing_of_what_it_says_is_kept(app, store, aftercare, kobo, secret, monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(hooks, "PAUSE_SECONDS", 0)
    client = app.test_client()
    assert client.post(f"/hooks/{secret}", json=BODY).status_code == 202
    jobs = waiting(store, aftercare)
    assert len(jobs) == 1 and "personal" not in str(jobs)
    run_pending(store)
    check(store, aftercare, kobo.world)
    assert "personal" not in caplog.text and secret not in caplog.text


def test_many_hints_are_one_run_which_waits_a_moment(app, store, aftercare, secret):
    client = app.test_client()
    assert {client.post(f"/hooks/{secret}", data=b"{").status_code for _ in range(30)} == {202}
    # Another process of the web remembers none of them.
    app.extensions.pop("hints")
    assert client.post(f"/hooks/{secret}", data=b"").status_code == 202
    jobs = waiting(store, aftercare)
    assert len(jobs) == 1 and jobs[0].scheduled_at is not None


def test_a_guess_is_not_found_and_asks_for_nothing(app, store, aftercare, secret):
    client = app.test_client()
    kind, _, text = secret.partition("/")
    swapped = text[:-1] + ("A" if text[-1] != "A" else "B")
    for guess in (swapped, "x", text[:6] + "A" * 58, "ก" * 64, text + "A", text[:63], "x" * 5000, text[:28] + "ก" * 36):
        answer = client.post(f"/hooks/{kind}/{guess}", json=BODY)
        assert (answer.status_code, answer.data) == (404, b""), guess
    assert client.post(f"/hooks/central/{text}").status_code == 404
    assert client.get(f"/hooks/{secret}").status_code == 405
    assert waiting(store, aftercare) == []


def test_a_source_that_is_removed_or_paused_is_not_read(app, store, aftercare, secret, monkeypatch):
    import datetime as dt

    monkeypatch.setattr(hooks, "PAUSE_SECONDS", 0)
    client = app.test_client()
    with store.database.begin(aftercare) as tx:
        tx.execute(source.update().values(paused_at=dt.datetime.now(dt.UTC)))
    assert client.post(f"/hooks/{secret}").status_code == 202
    run_pending(store)
    with store.database.begin(aftercare) as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(source_run)) == 0
        tx.execute(source.update().values(removed_at=dt.datetime.now(dt.UTC)))
    app.extensions.pop("hints")
    assert client.post(f"/hooks/{secret}").status_code == 404


def test_a_large_body_is_not_read(app, secret):
    class Never:
        def read(self, *_):
            raise AssertionError("read")

        readline = __iter__ = read

    body = {"wsgi.input": Never(), "CONTENT_LENGTH": str(10**9), "CONTENT_TYPE": "application/json"}
    answer = app.test_client().post(f"/hooks/{secret}", environ_overrides=body)
    assert answer.status_code == 202
