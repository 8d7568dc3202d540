"""The way in: passwords, the printed link, one click on trial, how long a session lasts, what stops a guesser."""
from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from readers import Field, csrf_in, events, problem_in, signed_in

from cases import passwords, people, sessions
from store import tables
from store.actor import NOBODY, Actor
from store.opening import Store
from web.app import create_app
from web.sign_in import trial_link

PASSWORD = "a long rain in the hills"


@pytest.fixture
def nok(store: Store, aftercare: Actor) -> str:
    """A coordinator with a password; gives the email."""
    with store.database.begin(aftercare) as tx:
        people.create(tx, store, aftercare, email="Nok@Example.org", name="Nok P.", role="coordinator", password=PASSWORD)
    return "nok@example.org"


def enter(app: Flask, email: str, password: str, **more: Any) -> Any:
    client = app.test_client()
    token = csrf_in(client.get("/sign-in").get_data(as_text=True))
    return client, client.post("/sign-in", data={"csrf_token": token, "email": email, "password": password, **more})


def test_a_password_opens_today(app: Flask, nok: str) -> None:
    client, answer = enter(app, " NOK@example.org", PASSWORD)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert "Nok" in client.get("/").get_data(as_text=True)


def test_a_wrong_password_and_an_unknown_email_get_the_same_answer(app: Flask, nok: str) -> None:
    _, wrong = enter(app, nok, "not this one at all")
    _, unknown = enter(app, "nobody@example.org", "not this one at all")
    assert wrong.status_code == unknown.status_code == 401
    said = [page.get_data(as_text=True) for page in (wrong, unknown)]
    assert all("do not match" in one for one in said)
    assert PASSWORD not in said[0] and "not this one at all" not in said[0]


def test_guessing_at_one_account_is_stopped_even_with_the_right_password(app: Flask, nok: str) -> None:
    for _ in range(8):
        assert enter(app, nok, "wrong")[1].status_code == 401
    _, answer = enter(app, nok, PASSWORD)
    assert answer.status_code == 429 and "Too many tries" in answer.get_data(as_text=True)


def test_guessing_from_one_address_is_stopped_whatever_the_account(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "_MOST_PER_ADDRESS", 3)
    answers = [enter(app, f"person{n}@example.org", "wrong")[1].status_code for n in range(4)]
    assert answers == [401, 401, 401, 429]


@pytest.mark.parametrize(("proxies", "last"), [(1, 401), (0, 429)])
def test_behind_a_proxy_everybody_is_counted_alone_and_without_one_nobody_pretends(
    store: Store, monkeypatch: pytest.MonkeyPatch, proxies: int, last: int
) -> None:
    monkeypatch.setattr(sessions, "_MOST_PER_ADDRESS", 3)
    settings = store.settings.model_copy(update={"proxies": proxies})
    client = create_app(replace(store, settings=settings)).test_client()

    def guess(n: int) -> int:
        behind = {"X-Forwarded-For": f"203.0.113.{n}"}
        token = csrf_in(client.get("/sign-in", headers=behind).get_data(as_text=True))
        given = {"csrf_token": token, "email": f"person{n}@example.org", "password": "wrong"}
        return client.post("/sign-in", data=given, headers=behind).status_code

    assert [guess(n) for n in range(4)] == [401, 401, 401, last]


def test_the_cookie_is_not_for_scripts_nor_other_sites(app: Flask, nok: str) -> None:
    _, answer = enter(app, nok, PASSWORD)
    cookie = next(one for one in answer.headers.getlist("Set-Cookie") if one.startswith("namjai="))
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie


def test_under_https_the_cookie_goes_nowhere_else(store: Store, nok: str) -> None:
    secure = replace(store, settings=store.settings.model_copy(update={"base_url": "https://namjai.example.org"}))
    client = create_app(secure).test_client()
    answer = client.get("/sign-in", base_url="https://namjai.example.org")
    token = csrf_in(answer.get_data(as_text=True))
    answer = client.post(
        "/sign-in", data={"csrf_token": token, "email": nok, "password": PASSWORD}, base_url="https://namjai.example.org",
        headers={"Origin": "https://namjai.example.org"},
    )
    assert answer.status_code == 303
    assert all("Secure" in one for one in answer.headers.getlist("Set-Cookie"))


def test_only_a_hash_of_the_token_is_stored(app: Flask, store: Store, nok: str) -> None:
    client, _ = enter(app, nok, PASSWORD)
    token = client.get_cookie("namjai").value
    with store.database.begin(NOBODY) as tx:
        rows = tx.execute(sa.select(tables.user_session)).all()
    assert len(rows) == 1 and token.encode() not in bytes(rows[0].token_hash)


@pytest.mark.parametrize(("column", "ago"), [("seen_at", dt.timedelta(minutes=15, seconds=5)), ("created_at", dt.timedelta(hours=8, seconds=5))])
def test_a_session_ends_after_a_quarter_of_an_hour_idle_and_eight_hours_in_all(
    app: Flask, store: Store, person: Callable[..., Actor], column: str, ago: dt.timedelta
) -> None:
    reader = signed_in(app, store, person("coordinator"))
    assert reader.get("/cases").status_code == 200
    with store.database.begin(NOBODY) as tx:
        tx.execute(tables.user_session.update().values({column: dt.datetime.now(dt.UTC) - ago}))
    answer = reader.get("/cases?view=high")
    assert answer.status_code == 303 and answer.headers["Location"] == "/sign-in?next=/cases?view%3Dhigh"


def test_the_token_is_renewed_and_the_old_one_dies(app: Flask, store: Store, person: Callable[..., Actor], monkeypatch: pytest.MonkeyPatch) -> None:
    reader = signed_in(app, store, person("coordinator"))
    old = reader.client.get_cookie("namjai").value
    monkeypatch.setattr(sessions, "ROTATE", dt.timedelta(0))
    monkeypatch.setattr(sessions, "_GRACE", dt.timedelta(0))
    assert reader.get("/cases").status_code == 200
    assert reader.client.get_cookie("namjai").value != old
    assert reader.get("/cases").status_code == 200
    thief = app.test_client()
    thief.set_cookie("namjai", old)
    assert thief.get("/cases").status_code == 303


def test_signing_out_ends_the_session_for_every_copy_of_the_cookie(app: Flask, store: Store, person: Callable[..., Actor]) -> None:
    reader = signed_in(app, store, person("coordinator"))
    copied = app.test_client()
    copied.set_cookie("namjai", reader.client.get_cookie("namjai").value)
    assert copied.get("/cases").status_code == 200
    assert reader.post("/sign-out").status_code == 303
    assert copied.get("/cases").status_code == 303


def test_a_first_password_lets_its_person_only_choose_another(app: Flask, store: Store, aftercare: Actor) -> None:
    with store.database.begin(aftercare) as tx:
        _, first = people.create(tx, store, aftercare, email="new@example.org", name="New One", role="finance")
    client, _ = enter(app, "new@example.org", first)
    assert client.get("/cases").headers["Location"] == "/sign-in/password"
    token = csrf_in(client.get("/sign-in/password").get_data(as_text=True))
    short = client.post("/sign-in/password", data={"csrf_token": token, "password": "short"})
    assert short.status_code == 400
    assert client.post("/sign-in/password", data={"csrf_token": token, "password": PASSWORD}).status_code == 303
    assert client.get("/cases").status_code == 200
    assert enter(app, "new@example.org", first)[1].status_code == 401


def test_the_first_password_is_shown_once(app: Flask, store: Store, person: Callable[..., Actor]) -> None:
    admin = signed_in(app, store, person("admin"))
    answer = admin.post("/admin/users/new", {"email": "x@example.org", "name": "Wan", "role": "legal"})
    assert answer.status_code == 200 and answer.headers["Cache-Control"] == "no-store"
    page = answer.get_data(as_text=True)
    first = page.split('<code class="nj-command">')[1].split("<")[0]
    assert passwords.is_once(passwords.hashed(first, once=True)) and len(first) == 19
    taken = admin.post("/admin/users/new", {"email": "X@example.org", "name": "Wan", "role": "legal"})
    assert taken.status_code == 409 and first not in taken.get_data(as_text=True)


def test_a_supervisor_sees_the_cases_of_the_team_that_an_administrator_gives_them(
    app: Flask, store: Store, aftercare: Actor, person: Callable[..., Actor]
) -> None:
    worker, admin = person("field_staff", "Nok P.", "north"), signed_in(app, store, person("admin"))
    Field(store, aftercare, team="north").intake(by=worker)
    rung = person("supervisor", "Rung T.")
    assert "Fah" not in signed_in(app, store, rung).page("/cases")
    admin.post(f"/admin/users/{rung.id}/role", {"role": "supervisor", "team": " north "})
    assert "Fah" in signed_in(app, store, rung).page("/cases") and "north" in admin.page(f"/admin/users/{rung.id}")
    admin.post(f"/admin/users/{worker.id}/role", {"role": "field_staff", "team": "south"})
    assert "Fah" not in signed_in(app, store, rung).page("/cases"), "cases go with whoever is responsible"
    admin.post(f"/admin/users/{worker.id}/role", {"role": "field_staff"})
    admin.post(f"/admin/users/{rung.id}/role", {"role": "supervisor", "team": "South"})
    assert "Fah" in signed_in(app, store, rung).page("/cases"), "of a team that is there, however it is typed"
    assert [one.detail["team"] for one in events(store, aftercare, "user.role")] == ["north", "south", None, "south"]
    admin.post("/admin/users/new", {"email": "w@example.org", "name": "Wan", "role": "supervisor", "team": "south"})
    with store.database.begin(aftercare) as tx:
        assert people.teams(tx, aftercare.project) == ["south"]


def test_disabling_somebody_is_asked_first(app: Flask, store: Store, person: Callable[..., Actor]) -> None:
    nok, admin = person("field_staff", "Nok P."), signed_in(app, store, person("admin"))
    asked = admin.page(f"/admin/users/{nok.id}/disable")
    assert "Disable Nok P.?" in asked and "signed out everywhere" in asked and "Disabled" not in admin.page(f"/admin/users/{nok.id}")
    admin.post(f"/admin/users/{nok.id}/disable", {})
    assert "Disabled" in admin.page(f"/admin/users/{nok.id}")


def test_nobody_changes_their_own_role(app: Flask, store: Store, person: Callable[..., Actor]) -> None:
    me = person("admin")
    answer = signed_in(app, store, me).post(f"/admin/users/{me.id}/role", {"role": "director"})
    assert problem_in(answer) == "own-account"


def test_on_trial_each_invented_person_signs_in_with_one_click_from_this_machine(app: Flask, store: Store, person: Callable[..., Actor]) -> None:
    who = person("director", "Krit A.")
    client = app.test_client()
    page = client.get("/sign-in").get_data(as_text=True)
    assert "Krit A." in page
    answer = client.post("/sign-in/as", data={"csrf_token": csrf_in(page), "person": str(who.id)})
    assert answer.status_code == 303 and "Krit" in client.get("/").get_data(as_text=True)


@pytest.mark.parametrize(
    "where", [{"environ_overrides": {"REMOTE_ADDR": "192.0.2.7"}}, {"headers": {"X-Forwarded-For": "192.0.2.7"}}, {"headers": {"Host": "evil.example.org"}}]
)
def test_from_elsewhere_nobody_is_offered(app: Flask, person: Callable[..., Actor], where: dict[str, Any]) -> None:
    who = person("director", "Krit A.")
    client = app.test_client()
    page = client.get("/sign-in", **where).get_data(as_text=True)
    assert "Krit A." not in page
    answer = client.post("/sign-in/as", data={"csrf_token": csrf_in(page), "person": str(who.id)}, **where)
    assert answer.status_code == 404


def test_the_printed_link_works_from_elsewhere_and_no_other_does(app: Flask, store: Store, person: Callable[..., Actor]) -> None:
    who = person("director", "Krit A.")
    elsewhere = {"environ_overrides": {"REMOTE_ADDR": "192.0.2.7"}}
    link = trial_link(store, who.id)
    assert app.test_client().get(link, **elsewhere).headers["Location"] == "/"
    assert app.test_client().get(link[:-3] + "AAA", **elsewhere).status_code == 403
    chooser = app.test_client()
    assert chooser.get(trial_link(store), **elsewhere).headers["Location"] == "/sign-in"
    assert "Krit A." in chooser.get("/sign-in", **elsewhere).get_data(as_text=True)


def test_a_real_person_is_never_signed_in_by_a_link(app: Flask, store: Store, nok: str) -> None:
    with store.database.begin(NOBODY) as tx:
        user_id = tx.scalar(sa.select(tables.users.c.id).where(tables.users.c.email == nok))
    assert app.test_client().get(trial_link(store, user_id)).status_code == 404


def test_for_real_work_there_is_no_click_no_link_and_no_other_role(store: Store, person: Callable[..., Actor]) -> None:
    who = person("director", "Krit A.")
    client = create_app(replace(store, settings=store.settings.model_copy(update={"demo": False}))).test_client()
    page = client.get("/sign-in").get_data(as_text=True)
    assert "Krit A." not in page
    assert client.post("/sign-in/as", data={"csrf_token": csrf_in(page), "person": str(who.id)}).status_code == 404
    assert client.get(trial_link(store, who.id)).status_code == 404


def test_seeing_as_another_role_is_being_another_person_with_all_their_rules(app: Flask, store: Store, person: Callable[..., Actor]) -> None:
    me, other = person("coordinator", "Ploy W."), person("auditor", "Chai R.")
    reader = signed_in(app, store, me)
    assert reader.post("/see-as", {"role": "auditor", "next": "/audit"}).headers["Location"] == "/audit"
    assert "Chai R." in reader.page("/audit")
    assert reader.get("/cases").status_code == 403
    seen = events(store, me, "session.seen_as")
    assert [(one.actor_id, one.subject_id) for one in seen] == [(me.id, other.id)]


@pytest.mark.parametrize("wanted", ["https://evil.example.org", "//evil.example.org", "/\\evil.example.org", "javascript:alert(1)"])
def test_after_signing_in_one_stays_here(app: Flask, nok: str, wanted: str) -> None:
    _, answer = enter(app, nok, PASSWORD, next=wanted)
    assert answer.headers["Location"] == "/"


def test_signing_in_and_out_is_in_the_audit(app: Flask, store: Store, person: Callable[..., Actor]) -> None:
    who = person("coordinator")
    signed_in(app, store, who).post("/sign-out")
    with store.database.begin(Actor("command", projects=(Actor("nobody").project,), scope="all")) as tx:
        begun = tx.scalars(sa.select(tables.audit.c.verb).where(tables.audit.c.actor_id == who.id)).all()
    assert "session.begun" in begun
    assert [one.verb for one in events(store, who, "session.ended")] == ["session.ended"]
