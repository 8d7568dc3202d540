"""Sources in the browser: a server is told of, asked by the worker, looked at, added, read; its account is never shown."""
from __future__ import annotations

import datetime as dt
import re
import uuid
from collections.abc import Callable, Iterator

import kobo_truth
import pytest
import sqlalchemy as sa
from central_truth import HOUSE, Team, add_central, check, instance, sync, xform
from doubles.central import Doubled, serve
from doubles.central_world import World
from doubles.kobo import serve as serve_kobo
from doubles.kobo_world import World as KoboWorld
from flask import Flask
from readers import Reader, events, problem_in, signed_in
from test_receive import NOTE, note

import sync.registry as registry
from cases import source_kinds, source_list, source_page, sources
from store import jobs
from store.actor import Actor
from store.jobs import run_pending
from store.opening import Store
from store.tables import (
    record_key,
    source,
    source_form,
    source_row,
    source_run,
    source_trial,
    submission,
    submission_attachment,
)
from sync import schedule, trials  # noqa: F401 register the jobs
from sync.progress import Noted
from sync.work import Work, begin

SECRET = "PASSWORD"


@pytest.fixture
def central() -> Iterator[Doubled]:
    world = World()
    world.release(xform(HOUSE))
    Team(world).houses(5)
    double = serve(world)
    yield double
    double.close()


@pytest.fixture
def ploy(app: Flask, store: Store, person: Callable[..., Actor]) -> Reader:
    return signed_in(app, store, person("coordinator", "Ploy W."))


def told(central: Doubled, **other: str) -> dict[str, str]:
    given = {"kind": "central", "name": "central-north", "url": central.url, "project": "6"}
    return given | {"email": "admin@example.org", "password": SECRET} | other


def tried(reader: Reader, central: Doubled, store: Store, **other: str) -> str:
    """Tells of a server and lets the worker ask it: the address of the test's page."""
    answer = reader.post("/sources/new", told(central, **other))
    assert answer.status_code == 303, problem_in(answer)
    run_pending(store)
    return answer.headers["Location"]


def added(reader: Reader, central: Doubled, store: Store, forms: list[str] | None = None) -> str:
    """Adds the server with all forms, or those; the address of its page."""
    at = tried(reader, central, store)
    answer = reader.post(at, {"form": forms or re.findall(r'name="form" value="([^"]+)"', reader.page(at))})
    assert answer.status_code == 303, problem_in(answer)
    return answer.headers["Location"]


def row_of(store: Store, actor: Actor) -> sa.Row:
    with store.database.begin(actor) as tx:
        return tx.execute(sa.select(source)).one()


def test_a_coordinator_adds_a_central_sees_first_what_would_come_and_reads_it(ploy, central, store, aftercare):
    assert "Add a source" in ploy.page("/sources")
    at = tried(ploy, central, store)
    shown = ploy.page(at)
    assert "Recorded" in shown and "House" in shown and "Forms: 1. Submissions: 5." in shown, shown
    with store.database.begin(aftercare) as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(source)) == 0, "nothing is added by a test"
    place = added(ploy, central, store)
    assert "Next in line" in ploy.page(place)
    run_pending(store)
    check(store, aftercare, central.world, name="central-north")
    shown = ploy.page(place)
    assert "press Compare everything" not in shown
    assert "Equal" in shown and "Works" in shown and 'hx-trigger="every 2s"' not in shown
    with store.database.begin(aftercare) as tx:
        tx.execute(source_form.update().values(theirs=6))
    assert "House: press Compare everything." in ploy.page(place)
    assert "central-north" in ploy.page("/sources?lang=th") and "ใช้งานได้" in ploy.page("/sources")


def test_a_form_is_held_back_when_all_but_its_quarantine_is_here_and_a_run_calls_it_as_we_do(ploy, central, store, aftercare, monkeypatch):
    from cases.titles import Titles

    place = added(ploy, central, store)
    run_pending(store)
    with store.database.begin(aftercare) as tx:
        row = tx.execute(sa.select(source_row).limit(1)).one()
        tx.execute(source_row.update().where(source_row.c.remote_id == row.remote_id).values(quarantine_id=uuid.uuid4()))
        tx.execute(source_form.update().values(theirs=5))
    shown = ploy.page(place)
    assert "Held back" in shown and "press Compare everything" not in shown
    monkeypatch.setattr(Titles, "title", lambda *_: "Home of ours")
    with store.database.begin(aftercare) as tx:
        found = source_page.forms(tx, row_of(store, aftercare))[0]
        said = {"phase": "census", "what": found.title, "done": 1, "total": 5, "since": "2026-11-30T00:00:00+00:00", "at": "2026-11-30T00:00:09+00:00"}
        run = tx.execute(source_run.insert().returning(source_run.c.id), {
            "project_id": aftercare.project, "id": uuid.uuid4(), "source_id": row.source_id, "full": True, "counts": {},
            "started_at": dt.datetime.now(dt.UTC), "progress": said}).scalar()
        tx.execute(source.update().values(run_id=run))
    assert "Comparing every id of Home of ours" in ploy.page(place)


def test_a_password_stands_on_no_page_and_nowhere_in_plain_text(ploy, central, store, aftercare):
    given = told(central, url="central")
    refused = ploy.post("/sources/new", given)
    assert (refused.status_code, "begins with https://" in refused.get_data(as_text=True)) == (400, True)
    page = refused.get_data(as_text=True)
    # Whoever mistyped an address types the password anew, and nothing else.
    assert SECRET not in page and 'value="admin@example.org"' in page and 'id="url-error"' in page
    assert re.search(r'id="url"[^>]*aria-describedby="url-hint url-error" aria-invalid="true" autofocus', page)
    assert page.count("aria-invalid") == 1
    pages = []
    at = tried(ploy, central, store)
    pages.append(ploy.page(at))
    with store.database.begin(aftercare) as tx:
        row = tx.execute(sa.select(source_trial)).one()
        assert SECRET not in str(tuple(row)) and SECRET.encode() not in bytes(row.credentials)
        waiting = tx.execute(sa.text("SELECT args::text FROM procrastinate_jobs")).scalars().all()
    place = added(ploy, central, store)
    run_pending(store)
    pages += [ploy.page(path) for path in (place, f"{place}/account", "/sources", "/sources/runs")]
    assert not [one for one in [*pages, *waiting] if SECRET in one or "admin@example.org" in one]
    assert not [one for one in events(store, aftercare) if SECRET in str(one.detail) or "@" in str(one.detail)]


def test_a_test_that_was_used_leaves_no_account_behind(ploy, central, store, aftercare):
    at = tried(ploy, central, store)
    trial = uuid.UUID(at.rpartition("/")[2])
    ploy.post(at, {"form": "house"})
    with store.database.begin(aftercare) as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(source_trial)) == 0
        assert tx.scalar(sa.select(sa.func.count()).where(record_key.c.record_id == trial)) == 0
    assert problem_in(ploy.get(at)) == "not-found"


def test_an_old_test_goes_with_its_account_when_the_next_one_comes(ploy, central, store, aftercare):
    tried(ploy, central, store)
    with store.database.begin(aftercare) as tx:
        tx.execute(source_trial.update().values(asked_at=dt.datetime.now(dt.UTC) - dt.timedelta(hours=25)))
    tried(ploy, central, store)
    with store.database.begin(aftercare) as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(source_trial)) == 1


def test_a_test_that_nobody_used_is_gone_after_a_day_though_no_other_comes(ploy, central, store, aftercare):
    trial = uuid.UUID(tried(ploy, central, store).rpartition("/")[2])
    with store.database.begin(aftercare) as tx:
        tx.execute(source_trial.update().values(asked_at=dt.datetime.now(dt.UTC) - dt.timedelta(hours=25)))
    schedule.read_due(store)
    with store.database.begin(aftercare) as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(source_trial)) == 0
        assert tx.scalar(sa.select(sa.func.count()).where(record_key.c.record_id == trial)) == 0


@pytest.mark.parametrize(
    ("other", "said"),
    [({"password": "wrong"}, "does not accept"), ({"project": "7"}, "has no"), ({"url": "http://127.0.0.1:9"}, "does not answer")],
)
def test_what_is_wrong_is_said_in_words_before_anything_is_stored(ploy, central, store, aftercare, other, said):
    at = tried(ploy, central, store, **other)
    shown = ploy.page(at)
    assert said in shown and "Nothing was added" in shown
    assert "ยังไม่ได้เพิ่ม" in ploy.page(f"{at}?lang=th")
    answer = ploy.post(at, {"form": "house"})
    assert answer.status_code == 409
    with store.database.begin(aftercare) as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(source)) == 0


@pytest.mark.parametrize("other", [{"project": "six"}, {"project": "0"}, {"name": "tablets"}, {"name": "a b"}, {"email": ""}, {"kind": "excel"}, {"url": "https://a:b@central.example.org"}])
def test_what_cannot_be_used_is_not_even_asked(ploy, central, store, other):
    answer = ploy.post("/sources/new", told(central, **other))
    run_pending(store)
    assert answer.status_code == 400 and central.asked == []


def test_only_the_forms_that_were_chosen_are_read(ploy, central, store, aftercare):
    central.world.release(xform(HOUSE.replace("house |", "shelter |").replace("| House |", "| Shelter |")))
    assert tried(ploy, central, store)
    place = added(ploy, central, store, ["shelter"])
    run_pending(store)
    with store.database.begin(aftercare) as tx:
        assert list(tx.scalars(sa.select(source_form.c.remote))) == ["shelter"]
    assert "House" not in ploy.page(place)


def test_a_kobo_is_added_in_the_browser_and_its_forms_can_be_chosen_anew(ploy, store, aftercare):
    world = KoboWorld()
    world.release(kobo_truth.house())
    world.release(kobo_truth.house().replace("| house | House |", "| shelter | Shelter |"))
    kobo_truth.Team(world).houses(3)
    kobo = serve_kobo(world)
    try:
        given = {"kind": "kobo", "name": "kobo-partners", "url": kobo.url, "token": "API_TOKEN"}
        assert "does not accept" in tried_with(ploy, store, given | {"token": "wrong"})
        shown = tried_with(ploy, store, given)
        house, shelter = re.findall(r'name="form" value="([^"]+)" checked>.*?<code class="nj-dim">', shown, re.S)
        assert "House" in shown and "Shelter" in shown and "API_TOKEN" not in shown
        place = ploy.post(re.search(r'action="(/sources/trials/[^"]+)"', shown)[1], {"form": house}).headers["Location"]
        run_pending(store)
        assert row_of(store, aftercare).options == {"forms": [house]} and "Equal" in ploy.page(place)
        at = ploy.post(f"{place}/account", {"token": "API_TOKEN"}).headers["Location"]
        run_pending(store)
        offered = re.findall(r'name="form" value="([^"]+)"( checked)?', ploy.page(at))
        assert sorted(offered) == sorted([(house, " checked"), (shelter, "")])
        ploy.post(at, {"form": [house, shelter]})
        assert row_of(store, aftercare).options == {}
    finally:
        kobo.close()


def tried_with(reader: Reader, store: Store, given: dict[str, str]) -> str:
    answer = reader.post("/sources/new", given)
    run_pending(store)
    return reader.page(answer.headers["Location"])


def test_nothing_chosen_adds_nothing(ploy, central, store, aftercare):
    at = tried(ploy, central, store)
    answer = ploy.post(at)
    assert answer.status_code == 400 and "Choose at least one form" in answer.get_data(as_text=True)


def test_a_new_account_is_tested_and_takes_the_old_ones_place(ploy, central, store, aftercare):
    place = added(ploy, central, store)
    central.world.password = "another one"
    run_pending(store)
    shown = ploy.page("/sources")
    assert "does not accept" in shown and "Enter a new account" in shown and "Refused" in shown
    assert "could not be read" in ploy.page("/")
    answer = ploy.post(f"{place}/account", {"email": "admin@example.org", "password": "another one"})
    run_pending(store)
    at = answer.headers["Location"]
    assert "Use this account" in ploy.page(at)
    assert ploy.post(at, {"form": "house"}).status_code == 303
    run_pending(store)
    check(store, aftercare, central.world, name="central-north")
    assert "Works" in ploy.page("/sources")
    assert [one.detail["name"] for one in events(store, aftercare, "source.renewed")] == ["central-north"]


def test_a_test_is_nobody_elses(ploy, central, store, app, person):
    at = tried(ploy, central, store)
    other = signed_in(app, store, person("admin", "Oat"))
    assert problem_in(other.get(at)) == "not-found" and problem_in(other.post(at, {"form": "house"})) == "not-found"


def test_a_name_that_another_place_has_is_said_at_once(ploy, central, store, aftercare):
    add_central(store, aftercare, central, name="central-north", url="https://elsewhere.example.org")
    assert ploy.post("/sources/new", told(central)).status_code == 409


def test_sync_now_asks_once_however_often_it_is_pressed(ploy, central, store, aftercare):
    place = added(ploy, central, store)
    run_pending(store)
    for _ in range(3):
        assert ploy.post(f"{place}/sync").status_code == 303
    assert ploy.post("/sources/sync").status_code == 303
    run_pending(store)
    with store.database.begin(aftercare) as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(source_run)) == 2


def test_comparing_everything_is_a_run_of_its_own(ploy, central, store, aftercare):
    place = added(ploy, central, store)
    run_pending(store)
    ploy.post(f"{place}/sync", {"full": "1"})
    run_pending(store)
    with store.database.begin(aftercare) as tx:
        assert list(tx.scalars(sa.select(source_run.c.full).order_by(source_run.c.started_at))) == [False, True]
    assert "full comparison" in ploy.page("/sources/runs?source=central-north")


def test_a_paused_source_is_read_only_when_somebody_says_so(ploy, central, store, aftercare):
    place = added(ploy, central, store)
    run_pending(store)
    ploy.post(f"{place}/pause", {"paused": "1"})
    with store.database.begin(aftercare) as tx:
        tx.execute(source.update().values(tried_at=None))
    schedule.read_due(store)
    run_pending(store)
    assert row_of(store, aftercare).tried_at is None and "Paused" in ploy.page(place)
    ploy.post(f"{place}/sync")
    run_pending(store)
    assert row_of(store, aftercare).tried_at is not None
    ploy.post(f"{place}/pause", {"paused": "0"})
    assert "Works" in ploy.page(place)


def test_a_removed_source_is_asked_about_first_and_what_came_stays(ploy, central, store, aftercare):
    place = added(ploy, central, store)
    run_pending(store)
    assert "Remove central-north?" in ploy.page(f"{place}/remove") and row_of(store, aftercare).removed_at is None
    assert ploy.post(f"{place}/remove").status_code == 303
    row = row_of(store, aftercare)
    assert row.removed_at and row.credentials is None and problem_in(ploy.get(place)) == "not-found"
    check(store, aftercare, central.world, name="central-north")


def test_a_run_under_way_shows_how_far_it_is(ploy, central, store, aftercare):
    add_central(store, aftercare, central)
    row = row_of(store, aftercare)
    work = Work(store, registry.actor_of(aftercare.project, row.id), row, None, False, True, "UTC")
    begin(work)
    tell = Noted(work)
    tell("changes", "House", 250, 41003)
    assert "250" not in ploy.page("/sources"), "a run that is quickly over writes nothing"
    tell._written -= 2
    tell._since -= dt.timedelta(seconds=10)
    work.counts["new"] = 240
    tell("changes", "House", 500, 41003)
    shown = ploy.page("/sources")
    assert "500 of 41,003" in shown and re.search(r"\d+ a second", shown) and "left" in shown and "240 new" in shown
    assert 'http-equiv="refresh"' in shown and 'hx-trigger="every 2s"' in shown
    part = ploy.get(f"/sources/{row.id}", headers={"HX-Request": "true"})
    assert "500 of 41,003" in part.get_data(as_text=True) and "HX-Refresh" not in part.headers


def test_when_a_run_has_ended_the_open_page_comes_anew(ploy, central, store, aftercare):
    place = added(ploy, central, store)
    assert "HX-Refresh" not in ploy.get(place, headers={"HX-Request": "true"}).headers
    run_pending(store)
    assert ploy.get(place, headers={"HX-Request": "true"}).headers["HX-Refresh"] == "true"


def test_what_differs_between_there_and_here_is_shown_form_by_form(ploy, central, store, aftercare):
    add_central(store, aftercare, central)
    Team(central.world, seed=2).houses(1)
    sync(store, aftercare)
    with store.database.begin(aftercare) as tx:
        tx.execute(source_form.update().values(theirs=9))
    row = row_of(store, aftercare)
    shown = ploy.page(f"/sources/{row.id}")
    assert "Differs" in shown and re.search(r"there </span>9<", shown) and re.search(r"here </span>6<", shown)


def test_what_has_not_come_of_the_files_is_counted(ploy, central, store, aftercare):
    for number, files in enumerate(({"a.jpg": b"here"}, {}, {})):
        root = f"uuid:photo-{number}"
        central.world.submit(instance("house", root, head="H", income="1", photo="a.jpg"), files)
    add_central(store, aftercare, central)
    sync(store, aftercare)
    row = row_of(store, aftercare)
    with store.database.begin(aftercare) as tx:
        states = dict(tx.execute(sa.select(submission_attachment.c.state, sa.func.count()).group_by(submission_attachment.c.state)).all())
        line = source_list.line(tx, aftercare.project, row.id, dt.datetime.now(dt.UTC))
    assert states["verified"] >= 1 and states["expected"] >= 2 and line.missing == states["expected"]
    assert files_shown(ploy, row) == (states["verified"], states["expected"])
    central.world.attach("house", "uuid:photo-1", "a.jpg", b"late")
    sync(store, aftercare)
    assert files_shown(ploy, row) == (states["verified"] + 1, states["expected"] - 1)


def files_shown(reader: Reader, row: sa.Row) -> tuple[int, ...]:
    shown = re.findall(r'(?:Complete|Still to come)</dt><dd class="nj-num">(\d+)<', reader.page(f"/sources/{row.id}"))
    return tuple(int(one) for one in shown)


def test_files_that_tablets_still_owe_are_counted_beside_them(ploy, tablet, publish):
    publish(NOTE)
    tablet.post(note(photo="a.jpg"))
    tablet.post(note("2", photo="b.jpg"), {"b.jpg": b"here"})
    row = re.search(r"straight to here.*?</tr>", ploy.page("/sources"), re.S)[0]
    assert re.findall(r'<td class="num[^"]*">(\d+)<', row) == ["2", "1"]


def test_an_encrypted_submission_says_that_its_answers_are_locked(ploy, central, store, aftercare):
    central.world.submit(
        b'<data xmlns="http://opendatakit.org/submissions" encrypted="yes" id="house" version="1"><base64EncryptedKey>AAAA</base64EncryptedKey>'
        b'<meta xmlns="http://openrosa.org/xforms"><instanceID>uuid:secret</instanceID></meta>'
        b"<encryptedXmlFile>submission.xml.enc</encryptedXmlFile></data>", {"submission.xml.enc": b"\x00\x01"})
    add_central(store, aftercare, central)
    sync(store, aftercare)
    with store.database.begin(aftercare) as tx:
        found = dict(tx.execute(sa.select(submission.c.root_instance_id, submission.c.id)).all())
    locked = found.pop("uuid:secret")
    assert "Encrypted on the tablet" in ploy.page(f"/submissions/{locked}")
    assert "Encrypted on the tablet" not in ploy.page(f"/submissions/{found.popitem()[1]}")


def test_the_audit_says_who_did_what_to_a_source(ploy, central, store, aftercare):
    place = added(ploy, central, store)
    ploy.post(f"{place}/pause", {"paused": "1"})
    ploy.post(f"{place}/remove")
    done = {one.verb for one in events(store, aftercare) if one.actor_id == ploy.actor.id and one.verb.startswith("source.")}
    assert {"source.tried", "source.added", "source.asked", "source.paused", "source.removed"} <= done


def test_without_a_worker_the_page_says_so(ploy, central, store, aftercare):
    added(ploy, central, store)
    assert "No worker takes" not in ploy.page("/sources")
    with store.database.begin(aftercare) as tx:
        tx.execute(sa.text("UPDATE procrastinate_events SET at = at - interval '5 minutes'"))
        tx.execute(sa.text("DELETE FROM procrastinate_workers"))
    assert "No worker takes" in ploy.page("/sources")


def test_a_kobo_shows_the_address_for_its_hints_and_a_central_has_none(ploy, central, store, aftercare):
    given = {"name": "kobo-partners", "kind": "kobo", "url": "https://kf.example.org", "options": {}, "credentials": {"token": SECRET}}
    with store.database.begin(aftercare) as tx:
        kobo = sources.add(tx, store, aftercare, **given)
    found = re.search(r"/hooks/kobo/([^<]+)<", ploy.page(f"/sources/{kobo}"))
    assert found and "/hooks/" not in ploy.page(added(ploy, central, store))
    assert "KoboToolbox" in ploy.page("/sources/new?kind=kobo") and 'name="token"' in ploy.page("/sources/new?kind=kobo")
    assert ploy.client.post(f"/hooks/kobo/{found[1]}").status_code == 202


def test_tests_of_connections_are_limited(ploy, central, store, monkeypatch):
    monkeypatch.setattr("cases.source_trials.AN_HOUR", 2)
    for _ in range(2):
        assert ploy.post("/sources/new", told(central)).status_code == 303
    assert ploy.post("/sources/new", told(central)).status_code == 429


def test_every_kind_that_is_read_is_described_and_every_one_that_is_described_is_read():
    assert set(registry.KINDS) == set(source_kinds.KINDS)
    for name, kind in source_kinds.KINDS.items():
        assert kind.account and kind.title and kind.right.th, name
        module, _, function = kind.opener.partition(":")
        assert hasattr(__import__(module, fromlist=[function]), function), name


def test_a_poll_of_the_list_costs_the_same_with_many_runs_behind_it(store, aftercare, central):
    add_central(store, aftercare, central)
    row, now = row_of(store, aftercare), dt.datetime.now(dt.UTC)
    with store.database.begin(aftercare) as tx:
        tx.execute(source_run.insert(), [
            {"project_id": aftercare.project, "id": uuid.uuid4(), "source_id": row.id, "started_at": now - dt.timedelta(minutes=5 * n),
             "ended_at": now, "full": False, "counts": {"new": 1}} for n in range(3000)])
        line = source_list.line(tx, aftercare.project, row.id, now - dt.timedelta(hours=1))
        found, later = source_list.runs(tx, aftercare.project, most=50)
        again, _ = source_list.runs(tx, aftercare.project, after=later, most=50)
    assert len(line.bars) == 24 and line.today in (12, 13)
    assert len(found) == len(again) == 50 and found[-1].started_at > again[0].started_at


def test_words_for_times_are_short_and_in_both_languages(app: Flask):
    from flask import g

    from web.source_words import ago, passed

    with app.test_request_context("/"):
        for lang, said in {"en": ["0.4 s", "2 min", "3 h 04 min", "5 days", "just now", "2 min ago"], "th": ["0.4 วินาที", "2 นาที", "3 ชม. 04 นาที", "5 วัน", "เมื่อครู่", "2 นาทีก่อน"]}.items():
            g.lang = lang
            spans = [dt.timedelta(seconds=0.4), dt.timedelta(seconds=150), dt.timedelta(hours=3, minutes=4), dt.timedelta(days=5)]
            shown = [*(passed(one) for one in spans), ago(spans[0]), ago(spans[1])]
            assert [one.replace("\u00a0", " ") for one in shown] == said


def test_jobs_of_trials_do_not_wait_behind_a_long_run():
    assert jobs._queues[jobs.TRY_SOURCE] not in (jobs._queues[jobs.READ_SOURCE], "default")
    assert jobs._queues[jobs.TRY_SOURCE] in jobs.QUEUES
    assert sources.waiting_lock(uuid.UUID(int=1)) != sources.waiting_lock(uuid.UUID(int=1), full=True)
