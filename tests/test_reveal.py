"""What is masked stays so until somebody asks with a reason, which stands in the audit before the value leaves."""
from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import unquote

import pytest
import sqlalchemy as sa
from flask import Flask
from readers import Field, events, problem_in, signed_in

from cases import reveal
from store import tables
from store.actor import Actor
from store.opening import Store

GIVEN, FAMILY, NUMBER = "สมมติ", "ตัวอย่างดี", "XX0000000"
SAFE = "0 5000 0142"
KEY = "identity/person/given_name"


@pytest.fixture
def worker(person: Callable[..., Actor]) -> Actor:
    return person("field_staff", "Nok P.", "north")


@pytest.fixture
def case(store: Store, aftercare: Actor, worker: Actor) -> Field:
    desk = Field(store, aftercare, team="north")
    desk.intake(by=worker, **{"safety/safe_number": SAFE, "safety/safe_never": "Never call at night."})
    desk.visit(by=worker)
    return desk


def pages_of(case: Field) -> list[str]:
    return [
        "/", "/cases", f"/cases/{case.code}", "/submissions", f"/submissions/{case.form['intake']}", f"/submissions/{case.form['visit']}",
        f"/cases/{case.code}/reveal/name", f"/submissions/{case.form['intake']}/reveal?key={KEY}", "/cases?q=Fah",
    ]


@pytest.mark.parametrize("role", ["coordinator", "supervisor", "legal", "director"])
def test_no_page_holds_a_name_before_it_is_revealed(app: Flask, store: Store, case: Field, person: Callable[..., Actor], role: str) -> None:
    reader = signed_in(app, store, person(role, team="north"))
    for path in pages_of(case):
        page = reader.page(path)
        assert GIVEN not in page and FAMILY not in page and NUMBER not in page, path
        assert "5000 0142" not in page and "50000142" not in page, path


def test_the_page_offers_a_mask_and_the_reveal_gives_the_name(app: Flask, store: Store, case: Field, person: Callable[..., Actor]) -> None:
    reader = signed_in(app, store, person("coordinator"))
    page = reader.page(f"/cases/{case.code}")
    path = re.search(r'href="(/cases/[^"]+/reveal/name)"', page)
    assert path and "•••" in page
    answer = reader.post(path[1], {"reason": "letter"})
    shown = answer.get_data(as_text=True)
    assert answer.status_code == 200 and f"{GIVEN} {FAMILY}" in shown and "data-reveal" in shown
    assert answer.headers["Cache-Control"].startswith("no-store")


def test_an_answer_of_a_submission_is_revealed_alone(app: Flask, store: Store, case: Field, person: Callable[..., Actor]) -> None:
    reader = signed_in(app, store, person("coordinator"))
    shown = reader.post(f"/submissions/{case.form['intake']}/reveal?key={KEY}", {"reason": "check"}).get_data(as_text=True)
    assert GIVEN in shown and FAMILY not in shown and NUMBER not in shown


def test_the_safe_number_opens_on_its_submission_with_a_reason(app: Flask, store: Store, case: Field, person: Callable[..., Actor]) -> None:
    reader = signed_in(app, store, person("coordinator"))
    path = f"/submissions/{case.form['intake']}/reveal?key=safety/safe_number"
    assert path in unquote(reader.page(f"/submissions/{case.form['intake']}"))
    assert SAFE in reader.post(path, {"reason": "check"}).get_data(as_text=True)


@pytest.mark.parametrize("asked", [{}, {"reason": ""}, {"reason": "because"}, {"reason": "other"}, {"reason": "other", "note": "  "}])
def test_without_a_reason_nothing_opens_and_nothing_is_recorded(app: Flask, store: Store, case: Field, person: Callable[..., Actor], asked: dict[str, str]) -> None:
    who = person("coordinator")
    answer = signed_in(app, store, who).post(f"/cases/{case.code}/reveal/name", asked)
    assert answer.status_code == 400 and GIVEN not in answer.get_data(as_text=True)
    assert events(store, who, "value.revealed") == []


def test_what_was_opened_is_recorded_as_that_and_not_as_a_question_besides(app: Flask, store: Store, case: Field, person: Callable[..., Actor]) -> None:
    who = person("coordinator")
    reader, path = signed_in(app, store, who), f"/cases/{case.code}/reveal/name"
    reader.post(path, {"reason": "check"})
    assert (len(events(store, who, "value.revealed")), len(events(store, who, "reveal.asked"))) == (1, 0)
    reader.page(path)
    reader.post(path, {"reason": ""})
    assert (len(events(store, who, "value.revealed")), len(events(store, who, "reveal.asked"))) == (1, 2)


def test_the_event_is_committed_before_the_value_is_read(
    app: Flask, store: Store, case: Field, person: Callable[..., Actor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reading fails, as if the server died there: the event stands all the same."""
    who = person("coordinator")
    reader = signed_in(app, store, who)
    seen_before_reading = []

    def dies(*_: object) -> str:
        seen_before_reading.extend(events(store, who, "value.revealed"))
        raise KeyError("the light went out")

    monkeypatch.setattr(reveal, "whole_name", dies)
    assert reader.post(f"/cases/{case.code}/reveal/name", {"reason": "danger"}).status_code == 500
    assert len(seen_before_reading) == 1
    assert len(events(store, who, "value.revealed")) == 1


def test_the_event_names_person_fields_and_reason_but_no_value(app: Flask, store: Store, case: Field, person: Callable[..., Actor]) -> None:
    who = person("coordinator")
    signed_in(app, store, who).post(f"/cases/{case.code}/reveal/name", {"reason": "other", "note": "Her brother Somchai waits"})
    event = events(store, who, "value.revealed")[0]
    assert event.actor_id == who.id and event.subject_kind == "case"
    assert event.detail["reason"] == "other" and KEY in event.detail["fields"]
    assert GIVEN not in str(event.detail) and "Somchai" not in str(event._mapping)


def test_own_words_are_read_by_whoever_reads_the_audit(app: Flask, store: Store, case: Field, person: Callable[..., Actor]) -> None:
    signed_in(app, store, person("coordinator")).post(f"/cases/{case.code}/reveal/name", {"reason": "other", "note": "The bank asks"})
    page = signed_in(app, store, person("director")).page(f"/cases/{case.code}/audit")
    assert "The bank asks" in page and "revealed a masked value" in page
    assert GIVEN not in page


def test_the_case_page_says_who_revealed(app: Flask, store: Store, case: Field, person: Callable[..., Actor]) -> None:
    signed_in(app, store, person("legal", "Wan L.")).post(f"/cases/{case.code}/reveal/name", {"reason": "court"})
    page = signed_in(app, store, person("coordinator")).page(f"/cases/{case.code}")
    assert "Wan L. revealed a masked value" in page


def test_there_are_only_so_many_in_an_hour(app: Flask, store: Store, case: Field, person: Callable[..., Actor], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reveal, "AN_HOUR", 2)
    who = person("coordinator")
    reader = signed_in(app, store, who)
    path = f"/cases/{case.code}/reveal/name"
    assert [reader.post(path, {"reason": "check"}).status_code for _ in range(3)] == [200, 200, 429]
    assert len(events(store, who, "value.revealed")) == 2
    assert signed_in(app, store, person("director")).post(path, {"reason": "check"}).status_code == 200


@pytest.mark.parametrize("role", ["therapist", "donor_liaison", "auditor", "admin"])
def test_some_roles_never_reveal(app: Flask, store: Store, case: Field, person: Callable[..., Actor], role: str) -> None:
    reader = signed_in(app, store, person(role))
    answer = reader.post(f"/cases/{case.code}/reveal/name", {"reason": "check"})
    assert answer.status_code == 403 and GIVEN not in answer.get_data(as_text=True)


def test_another_teams_worker_reveals_nothing(app: Flask, store: Store, case: Field, person: Callable[..., Actor]) -> None:
    reader = signed_in(app, store, person("field_staff", "Other", "south"))
    for path in (f"/cases/{case.code}/reveal/name", f"/cases/{case.code}/reveal/number", f"/submissions/{case.form['intake']}/reveal?key={KEY}"):
        assert reader.get(path).status_code == reader.post(path, {"reason": "check"}).status_code == 404


@pytest.mark.parametrize("key", ["", "who/sex", "nothing/here", "identity/person/nickname", "deviceid/x"])
def test_only_masked_answers_that_are_there_can_be_revealed(app: Flask, store: Store, case: Field, person: Callable[..., Actor], key: str) -> None:
    reader = signed_in(app, store, person("coordinator"))
    assert reader.get(f"/submissions/{case.form['intake']}/reveal?key={key}").status_code == 404


def test_how_to_reach_her_is_for_those_who_work_with_her(app: Flask, store: Store, case: Field, worker: Actor, person: Callable[..., Actor]) -> None:
    assert "Never call at night" in signed_in(app, store, worker).page(f"/cases/{case.code}")
    page = signed_in(app, store, person("finance")).page(f"/cases/{case.code}")
    assert "reveal/number" not in page and SAFE not in page and "Never call at night" not in page and "She sleeps better" not in page


@pytest.mark.parametrize("role", ["field_staff", "therapist", "coordinator", "supervisor", "legal", "director"])
def test_the_safe_number_is_masked_until_asked(app: Flask, store: Store, aftercare: Actor, person: Callable[..., Actor], role: str) -> None:
    who = person(role, "Nok P.", "north")
    desk = Field(store, aftercare, team="north")
    desk.intake(by=who, **{"safety/safe_number": SAFE})
    reader = signed_in(app, store, who)
    page = reader.page(f"/cases/{desk.code}")
    # Whole groups only: single digits also stand in ids and times.
    assert "Number" in page and "5000 0142" not in page and "50000142" not in page
    path = re.search(r'href="(/cases/[^"]+/reveal/number)"', page)
    assert path
    asking = reader.get(path[1]).get_data(as_text=True)
    assert "5000 0142" not in asking and events(store, who, "value.revealed") == []
    assert reader.post(path[1], {}).status_code == 400 and events(store, who, "value.revealed") == []
    answer = reader.post(path[1], {"reason": "contact"})
    assert answer.status_code == 200 and SAFE in answer.get_data(as_text=True)
    assert answer.headers["Cache-Control"].startswith("no-store")
    event = events(store, who, "value.revealed")[0]
    assert event.subject_kind == "case" and event.detail["fields"] == ["safety/safe_number"] and "5000 0142" not in str(event.detail)


@pytest.mark.parametrize("role", ["finance", "donor_liaison", "auditor", "admin"])
def test_whoever_may_not_reach_her_gets_no_number(app: Flask, store: Store, case: Field, person: Callable[..., Actor], role: str) -> None:
    answer = signed_in(app, store, person(role)).post(f"/cases/{case.code}/reveal/number", {"reason": "contact"})
    assert answer.status_code == 403 and SAFE not in answer.get_data(as_text=True)


def test_without_a_number_there_is_nothing_to_reveal(app: Flask, store: Store, aftercare: Actor, worker: Actor) -> None:
    desk = Field(store, aftercare, team="north")
    desk.intake(by=worker)
    reader = signed_in(app, store, worker)
    assert "reveal/number" not in reader.page(f"/cases/{desk.code}")
    assert reader.get(f"/cases/{desk.code}/reveal/number").status_code == 404


def test_a_place_is_shown_within_a_kilometre_until_asked(app: Flask, store: Store, case: Field, worker: Actor) -> None:
    reader = signed_in(app, store, worker)
    path = f"/submissions/{case.form['visit']}"
    page = reader.page(path)
    assert "18.7883" not in page and "18.79, 98.99" in page
    shown = reader.post(f"{path}/reveal?key=visit/place", {"reason": "contact"}).get_data(as_text=True)
    assert "18.7883, 98.9853" in shown


def test_restricted_answers_open_for_their_author_and_her_therapist_alone(
    app: Flask, store: Store, aftercare: Actor, person: Callable[..., Actor], publish: Callable[..., object]
) -> None:
    publish("""
        | survey |
        |        | type                                | name     | label         | bind::namjai:privacy |
        |        | select_one_from_file survivors.csv  | survivor | Who           | open                 |
        |        | text                                | session  | What was said | restricted           |
        | settings |
        |          | form_id | version | namespaces |
        |          | therapy | 1       | namjai="https://namjai.org/xforms" |
        """)
    therapist = person("therapist", "Mali K.", "north")
    desk = Field(store, aftercare, team="north")
    desk.intake(by=therapist)
    desk.take("therapy", {"survivor": desk.survivor, "session": "A secret of hers"}, "", by=therapist)
    path = f"/submissions/{desk.form['therapy']}"
    assert "A secret of hers" in signed_in(app, store, therapist).page(path)
    for role in ("coordinator", "director", "supervisor", "legal"):
        page = signed_in(app, store, person(role, team="north")).page(path)
        assert "A secret of hers" not in page and "Restricted" in page, role


def test_opening_a_case_is_one_event_with_its_subject(app: Flask, store: Store, case: Field, person: Callable[..., Actor]) -> None:
    who = person("coordinator")
    reader = signed_in(app, store, who)
    before = len(events(store, who))
    reader.page(f"/cases/{case.code}")
    after = events(store, who)
    assert len(after) == before + 1 and after[-1].verb == "case.opened"
    with store.database.begin(who) as tx:
        assert after[-1].subject_id == tx.scalar(sa.select(tables.cases.c.id))
    assert SAFE not in str(after[-1].detail)


def test_a_mask_says_nothing_by_its_address(app: Flask, store: Store, case: Field, person: Callable[..., Actor]) -> None:
    reader = signed_in(app, store, person("coordinator"))
    assert problem_in(reader.get("/cases/XXX-XXX-XXX/reveal/name")) == "not-found"
    for path in re.findall(r'href="([^"]+reveal[^"]*)"', reader.page(f"/submissions/{case.form['intake']}")):
        assert GIVEN not in path and NUMBER not in path
