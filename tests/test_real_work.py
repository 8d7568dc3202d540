"""Real work (NAMJAI_DEMO=0): no click, no other role, no invented people, no letter that says it is a trial."""
from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from readers import Reader, csrf_in

from cases import people, tablets
from cases.tablets import TabletNeedsHttps, TabletNeedsPerson
from commands import demo, first_run
from commands.first_run import RealWorkAmongInvented, TrialAmongReal
from commands.serving import noted_address
from namjai.settings import Settings
from store import tables
from store.actor import Actor
from store.opening import KEEPER, Store
from web.app import create_app

PASSWORD = "a long rain in the hills"
HTTPS = "https://namjai.example.org"


@pytest.fixture
def real(store: Store) -> Store:
    """The same installation, at real work behind https."""
    return replace(store, settings=store.settings.model_copy(update={"demo": False, "base_url": HTTPS}))


@pytest.fixture
def plain(store: Store) -> Store:
    """At real work, but tablets would come by http."""
    return replace(store, settings=store.settings.model_copy(update={"demo": False, "base_url": None}))


@pytest.fixture
def worker(person: Callable[..., Actor]) -> Actor:
    return person("field_staff", "Nok P.")


def entered(opened: Store, home: Actor, role: str = "coordinator") -> Reader:
    """Somebody with a password of her own, signed in."""
    with opened.database.begin(home) as tx:
        user_id, _ = people.create(tx, opened, home, email=f"{role}@example.org", name="Fah S.", role=role, password=PASSWORD)
    client = create_app(opened).test_client()
    shown = client.get("/sign-in").get_data(as_text=True)
    given = {"csrf_token": csrf_in(shown), "email": f"{role}@example.org", "password": PASSWORD}
    answer = client.post("/sign-in", data=given)
    assert answer.status_code == 303, answer.status_code
    return Reader(client, Actor("person", user_id, (home.project,), "all"))


def test_nobody_sees_as_another_and_nothing_says_trial(plain: Store, aftercare: Actor, person: Callable[..., Actor]) -> None:
    person("auditor", "Chai R.")
    reader = entered(plain, aftercare)
    for path in ("/", "/tablets", "/cases"):
        shown = reader.page(path)
        assert "On trial" not in shown and "See as" not in shown and "Send a sample visit" not in shown, path
    assert reader.post("/see-as", {"role": "auditor"}).status_code == 404
    assert reader.post("/tablets/sample").status_code == 404


def test_a_tablet_belongs_to_somebody_and_comes_by_https(real: Store, plain: Store, aftercare: Actor, worker: Actor) -> None:
    with real.database.begin(aftercare) as tx:
        with pytest.raises(TabletNeedsPerson):
            tablets.create(tx, real, aftercare, "Tablet 1", None)
        with pytest.raises(TabletNeedsHttps):
            tablets.create(tx, plain, aftercare, "Tablet 1", worker.id)
        _, token = tablets.create(tx, real, aftercare, "Tablet 1", worker.id)
    assert tablets.server_url(HTTPS, token).startswith(f"{HTTPS}/key/")


@pytest.mark.parametrize(("lang", "said"), [("en", "Set NAMJAI_BASE_URL to the https address"), ("th", "ตั้ง NAMJAI_BASE_URL เป็นที่อยู่ https")])
def test_the_page_says_what_a_tablet_still_needs(plain: Store, aftercare: Actor, worker: Actor, lang: str, said: str) -> None:
    reader = entered(plain, aftercare)
    answer = reader.post(f"/tablets/new?lang={lang}", {"name": "Tablet 1", "user": str(worker.id)})
    assert answer.status_code == 400 and said in answer.get_data(as_text=True)
    with plain.database.begin(aftercare) as tx:
        assert not tx.scalar(sa.select(sa.func.count()).select_from(tables.app_user).where(tables.app_user.c.name == "Tablet 1"))


def test_invented_people_are_never_taken_for_real_ones(store: Store, real: Store, aftercare: Actor) -> None:
    with store.database.begin(aftercare) as tx:
        tx.execute(tables.setting.insert().values(name=demo.SETTING, value={"project": "", "case": None}))
    first_run.keep_apart(store)
    with pytest.raises(RealWorkAmongInvented) as refused:
        first_run.keep_apart(real)
    assert "NAMJAI_DATA_DIR=" in refused.value.text("en") and "NAMJAI_DATA_DIR=" in refused.value.text("th")


def test_real_people_are_never_put_on_trial(store: Store, real: Store) -> None:
    first_run.keep_apart(store)
    for _ in range(2):
        first_run.keep_apart(real)
    with pytest.raises(TrialAmongReal):
        first_run.keep_apart(store)
    with store.database.begin(KEEPER) as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(tables.setting).where(tables.setting.c.name == first_run.WORK)) == 1


def test_the_first_start_says_how_the_first_person_is_made(plain: Store, aftercare: Actor, capsys: pytest.CaptureFixture[str]) -> None:
    first_run.welcome(plain)
    said = capsys.readouterr().out
    assert "namjai users create" in said and "NAMJAI_BASE_URL is an https address" in said and "one click" not in said
    entered(plain, aftercare)
    first_run.welcome(plain)
    assert "users create" not in capsys.readouterr().out


def test_what_connects_a_tablet_names_the_port_that_is_used(store: Store, aftercare: Actor, capsys: pytest.CaptureFixture[str]) -> None:
    on_8123 = store.settings.model_copy(update={"host": "127.0.0.1", "port": 8123, "base_url": None})
    first_run.welcome(replace(store, settings=on_8123))
    assert "HOST=0.0.0.0 PORT=8123 make run" in capsys.readouterr().out
    assert on_8123.model_copy(update={"port": 8000}).lan_command == "HOST=0.0.0.0 make run"


def test_a_server_for_the_network_is_known_by_its_address_there(store: Store) -> None:
    everywhere = store.settings.model_copy(update={"host": "0.0.0.0", "port": 8123, "base_url": None})
    host = everywhere.public_url.removeprefix("http://").removesuffix(":8123")
    assert socket.inet_aton(host) and host != "0.0.0.0"


def test_a_command_beside_the_server_knows_its_address(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    assert noted_address(settings) is None
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "address").write_text("http://192.0.2.7:8123")
    assert noted_address(settings) == "http://192.0.2.7:8123"


def test_a_first_run_that_was_stopped_halfway_is_not_taken_for_whole(store: Store, aftercare: Actor) -> None:
    first_run.prepare(store)
    with store.database.begin(aftercare) as tx:
        tx.execute(tables.setting.insert().values(name=demo.SETTING, value={"project": "", "case": None}))
    with pytest.raises(demo.DemonstrationUnfinished):
        first_run.prepare(store)
