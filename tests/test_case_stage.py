"""Moving a case to another stage on the web: who may, what tablets learn, what the timeline keeps, the way back."""
from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from readers import Field, Reader, events, problem_in, signed_in

from store import tables
from store.actor import Actor
from store.opening import Store

CODE = "KTR-MDV-QHT"
ASK = f"/cases/{CODE}/stage"


@pytest.fixture
def desk(store: Store, aftercare: Actor, person: Callable[..., Actor]) -> Field:
    made = Field(store, aftercare)
    made.intake(by=person("field_staff", "Nok P."))
    return made


@pytest.fixture
def ploy(app: Flask, store: Store, desk: Field, person: Callable[..., Actor]) -> Reader:
    return signed_in(app, store, person("coordinator", "Ploy W."))


def case(desk: Field) -> sa.Row:
    with desk.store.database.begin(desk.home) as tx:
        return tx.execute(sa.select(tables.cases).where(tables.cases.c.code == CODE)).one()


def on_tablets(desk: Field) -> tuple[str, int]:
    with desk.store.database.begin(desk.home) as tx:
        row = tx.execute(sa.select(tables.entity.c.data, tables.entity.c.version).where(tables.entity.c.uuid == case(desk).entity)).one()
    return row.data.get("stage", ""), row.version


def move(reader: Reader, desk: Field, stage: str, since: str = "2026-11-20", **more: Any) -> Any:
    return reader.post(ASK, {"stage": stage, "since": since, "revision": str(case(desk).row_version), **more})


def undone(reader: Reader, page: str) -> Any:
    """Press Undo on the message of a page."""
    found = re.search(r'<form method="post" action="([^"]+/stage[^"]+)"', page)
    assert found, "nothing can be taken back"
    return reader.post(found[1].replace("&amp;", "&"))


def test_the_page_asks_for_stage_and_day_without_a_script(ploy: Reader, desk: Field) -> None:
    assert f'href="{ASK}" data-dialog' in ploy.page(f"/cases/{CODE}")
    for lang, said in (("en", "Move to another stage"), ("th", "ย้ายไปขั้นอื่น")):
        shown = ploy.page(f"{ASK}?lang={lang}")
        assert said in shown and shown.count("<option") >= 8 and "max=" in shown


def test_a_move_stands_on_the_case_the_tablets_the_timeline_and_in_the_audit(ploy: Reader, desk: Field) -> None:
    before = on_tablets(desk)
    answer = move(ploy, desk, "care")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/cases/{CODE}")
    assert case(desk).stage == "care" and on_tablets(desk) == ("care", before[1] + 1)
    shown = ploy.page(f"/cases/{CODE}?kind=changes")
    found = shown[shown.index("nj-time"):].replace("\u00a0", " ")
    assert "Stage: Protection and care" in found and "Ploy W. · since Fri 20 Nov" in found, found[:900]
    assert events(desk.store, desk.home, "case.stage")[-1].detail["to"] == "care"


def test_a_visit_that_was_offline_meets_no_conflict_of_its_own(ploy: Reader, desk: Field) -> None:
    move(ploy, desk, "care")
    desk.visit(risk="high")
    assert (case(desk).stage, case(desk).risk) == ("care", "high")


def test_a_move_is_taken_back_with_one_click_and_the_way_forgets_it(ploy: Reader, desk: Field) -> None:
    first = case(desk).stage
    move(ploy, desk, "legal")
    assert undone(ploy, ploy.page(f"/cases/{CODE}")).status_code == 303
    assert case(desk).stage == first and on_tablets(desk)[0] == first
    shown = ploy.page(f"/cases/{CODE}")
    assert "Back to the stage:" in shown and "also open" not in shown


def test_moving_to_where_it_is_says_and_changes_nothing(ploy: Reader, desk: Field) -> None:
    before = case(desk)
    assert move(ploy, desk, before.stage).status_code == 303
    assert case(desk) == before and "nj-toast\"" not in ploy.page(f"/cases/{CODE}")


def test_who_looked_at_an_older_page_is_told_so(ploy: Reader, desk: Field) -> None:
    seen = str(case(desk).row_version)
    move(ploy, desk, "care")
    answer = move(ploy, desk, "return", revision=seen)
    assert (answer.status_code, problem_in(answer), case(desk).stage) == (409, "changed-meanwhile", "care")


@pytest.mark.parametrize(("given", "said"), [
    ({"stage": "nowhere"}, "not one of the programme"), ({"since": "soon"}, "it is no date"), ({"since": "2099-01-01"}, "today or earlier"),
    ({"revision": "x"}, "it is no number"), ({"since": ""}, "it is no date"),
])
def test_what_makes_no_sense_is_asked_again(ploy: Reader, desk: Field, given: dict[str, str], said: str) -> None:
    before = case(desk)
    answer = ploy.post(ASK, {"stage": "care", "since": dt.date(2026, 11, 20).isoformat(), "revision": str(before.row_version), **given})
    body = answer.get_data(as_text=True)
    assert answer.status_code == 400 and said in body and 'name="since"' in body and case(desk) == before


def test_a_thai_reader_is_told_in_thai_what_makes_no_sense(ploy: Reader, desk: Field) -> None:
    given = {"stage": "care", "since": "soon", "revision": str(case(desk).row_version)}
    body = ploy.post(f"{ASK}?lang=th", given).get_data(as_text=True)
    assert "ตั้งแต่วันที่: ไม่ใช่วันที่" in body and "it is no date" not in body


@pytest.mark.parametrize("role", ["field_staff", "therapist", "finance", "legal", "auditor", "admin", "donor_liaison"])
def test_others_are_not_offered_it_and_may_not(app: Flask, store: Store, desk: Field, person: Callable[..., Actor], role: str) -> None:
    reader = signed_in(app, store, person(role, "Somebody Else"))
    before = case(desk)
    assert move(reader, desk, "care").status_code == 403 and case(desk) == before
    shown = reader.get(f"/cases/{CODE}")
    assert shown.status_code != 200 or ASK not in shown.get_data(as_text=True)


def test_a_case_whose_intake_is_not_in_yet_stands_at_no_stage(ploy: Reader, desk: Field) -> None:
    with desk.store.database.begin(desk.home) as tx:
        tx.execute(tables.cases.update().values(placeholder=True))
    answer = move(ploy, desk, "care")
    assert (answer.status_code, problem_in(answer)) == (409, "stage-needs-intake")
    assert ASK not in ploy.page(f"/cases/{CODE}")
