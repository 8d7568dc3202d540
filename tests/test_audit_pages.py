"""The audit as people read it: what was touched and whose case it was, without an answer; ways on for whoever may go there."""
from __future__ import annotations

import html
import re
import time
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from flask import Flask
from readers import PICTURE, Field, Reader, picture, signed_in

from cases import audit_list
from store import audit, tables
from store.actor import Actor
from store.opening import Store
from submissions.delivery import File


@pytest.fixture
def worker(person: Callable[..., Actor]) -> Actor:
    return person("field_staff", "Nok P.", "north")


@pytest.fixture
def desk(store: Store, aftercare: Actor, worker: Actor) -> Field:
    made = Field(store, aftercare, team="north", files=(File(PICTURE, picture(), "image/jpeg"),))
    made.intake(by=worker)
    return made


@pytest.fixture
def auditor(app: Flask, store: Store, person: Callable[..., Actor]) -> Reader:
    return signed_in(app, store, person("auditor", "Chai R."))


@pytest.fixture
def coordinator(app: Flask, store: Store, person: Callable[..., Actor]) -> Reader:
    return signed_in(app, store, person("coordinator", "Ploy W.", "north"))


def lines(page: str) -> list[str]:
    """The lines of the record as text, newest first."""
    rows = re.findall(r"<tr>(.*?)</tr>", page[page.index("<tbody>"):], re.DOTALL)
    return [" ".join(html.unescape(re.sub(r"<[^>]+>", " ", row)).split()) for row in rows]


def line(page: str, said: str) -> str:
    """The newest line in which something is said."""
    found = [one for one in lines(page) if said in one]
    assert found, (said, lines(page))
    return found[0]


def test_a_reveal_says_which_questions_and_no_answer(desk: Field, coordinator: Reader, auditor: Reader) -> None:
    coordinator.post(f"/cases/{desk.code}/reveal/name", {"reason": "check"})
    page = auditor.page("/audit")
    told = line(page, "revealed a masked value")
    assert "Given name" in told and desk.code in told and "To check who it is" in told
    assert "สมมติ" not in page and "ตัวอย่างดี" not in page


def test_a_move_names_the_stage_in_both_languages(desk: Field, coordinator: Reader, auditor: Reader) -> None:
    with desk.store.database.begin(desk.home) as tx:
        version = tx.scalar(sa.select(tables.cases.c.row_version))
    coordinator.post(f"/cases/{desk.code}/stage", {"stage": "care", "since": "2026-11-20", "revision": str(version)})
    assert "moved the case to: Protection and care" in line(auditor.page("/audit"), "moved the case")
    assert "ย้ายเคสไปขั้น" in " ".join(lines(auditor.page("/audit?lang=th")))


def test_a_review_says_what_was_decided_and_what_was_taken_back(desk: Field, worker: Actor, coordinator: Reader, auditor: Reader) -> None:
    desk.visit(by=worker)
    answer = coordinator.post(f"/submissions/{desk.form['visit']}/review", {"state": "approved", "revision": "1"})
    assert answer.status_code == 303 and "approved a submission: Visit" in line(auditor.page("/audit"), "a submission:")
    undo = re.search(r'action="([^"]*undo[^"]*)"', coordinator.page(answer.headers["Location"]))
    assert coordinator.post(undo[1].replace("&amp;", "&")).status_code == 303
    assert "took back a decision on a submission: Visit" in line(auditor.page("/audit"), "decision on")


def test_tablets_people_and_forms_are_named(app: Flask, store: Store, worker: Actor, coordinator: Reader, auditor: Reader, person: Callable[..., Actor]) -> None:
    coordinator.post("/tablets/new", {"name": "Tablet 8", "user": str(worker.id)})
    coordinator.page("/forms/visit")
    admin = signed_in(app, store, person("admin", "Oat S."))
    admin.post("/admin/users/new", {"email": "dao@example.org", "name": "Dao K.", "role": "finance"})
    page = auditor.page("/audit")
    assert "enrolled a tablet: Tablet 8" in line(page, "enrolled a tablet")
    assert re.search("opened a form: .*[Vv]isit", line(page, "opened a form"))
    assert "added a person: Dao K." in line(page, "added a person")


def test_a_letter_and_a_file_belong_to_their_case(app: Flask, store: Store, desk: Field, worker: Actor, coordinator: Reader, auditor: Reader, person: Callable[..., Actor]) -> None:
    issued = desk.approve(desk.request(worker), person("coordinator", "Krit A."))
    assert issued is not None
    other = Field(store, desk.home, code="BCD-FGH-JKC", pseudonym="Moe", team="north")
    other.intake(by=worker)
    coordinator.page(f"/letters/{issued.number}")
    assert coordinator.get(f"/submissions/{desk.form['intake']}/files/{PICTURE}").status_code == 200
    everything = auditor.page("/audit")
    assert desk.code in line(everything, f"opened a letter {issued.number}")
    assert desk.code in line(everything, "opened a file of: ") and desk.code in line(everything, "approved a grant")
    own = auditor.page(f"/cases/{desk.code}/audit")
    for said in (f"opened a letter {issued.number}", "opened a file of: ", "approved a grant", f"issued a letter {issued.number}"):
        line(own, said)
    assert not any(issued.number in one or "opened a file" in one for one in lines(auditor.page(f"/cases/{other.code}/audit")))


def test_the_approval_stands_before_its_letter(desk: Field, worker: Actor, auditor: Reader, person: Callable[..., Actor]) -> None:
    desk.approve(desk.request(worker), person("coordinator", "Krit A."))
    told = lines(auditor.page("/audit"))
    letter, approval = (next(at for at, one in enumerate(told) if said in one) for said in ("issued a letter", "approved a grant"))
    assert letter < approval, "newest first"


def test_an_auditor_goes_from_a_code_to_that_cases_record_and_meets_no_closed_door(desk: Field, coordinator: Reader, auditor: Reader) -> None:
    coordinator.page(f"/cases/{desk.code}")
    assert f'href="/cases/{desk.code}/audit"' in auditor.page("/audit")
    page = auditor.page(f"/cases/{desk.code}/audit")
    assert "opened the case" in page and 'href="/cases"' not in page and f'href="/cases/{desk.code}"' not in page
    assert 'href="/audit"' in page


def test_who_answers_for_a_case_finds_its_whole_record(desk: Field, coordinator: Reader) -> None:
    assert f'href="/cases/{desk.code}/audit"' in coordinator.page(f"/cases/{desk.code}")
    page = coordinator.page(f"/cases/{desk.code}/audit")
    assert f'href="/cases/{desk.code}"' in page and 'href="/audit"' not in page


def test_an_administrator_reads_codes_that_lead_nowhere(app: Flask, store: Store, desk: Field, coordinator: Reader, person: Callable[..., Actor]) -> None:
    coordinator.page(f"/cases/{desk.code}")
    page = signed_in(app, store, person("admin")).page("/audit")
    assert desk.code in page and f"/cases/{desk.code}" not in page


def test_the_record_says_up_to_when_it_is_sealed(store: Store, aftercare: Actor, auditor: Reader) -> None:
    assert "Sealed up to" not in auditor.page("/audit")
    # A transaction that still runs elsewhere in the cluster holds the sealer back.
    for _ in range(200):
        with store.database.begin(aftercare) as tx:
            if audit.seal_pending(tx):
                break
        time.sleep(0.05)
    assert "Sealed up to" in auditor.page("/audit") and "ผนึกบันทึกแล้วถึง" in auditor.page("/audit?lang=th")


def test_a_filter_that_nothing_fits_offers_to_clear_it(desk: Field, auditor: Reader) -> None:
    page = auditor.page("/audit?kind=sources")
    assert "No event fits the filter" in page and "Nothing recorded" not in page
    assert "Clear the filter</a>" in page and "ไม่มีรายการตรงกับตัวกรอง" in auditor.page("/audit?kind=sources&lang=th")


def test_looking_at_lists_counts_as_a_view(coordinator: Reader, auditor: Reader) -> None:
    coordinator.page("/tablets")
    page = auditor.page("/audit?kind=seen")
    assert "saw the tablets" in page and "signed in" not in " ".join(lines(page))
    assert "read this record" in auditor.page("/audit?kind=seen")


def test_the_record_of_one_person_does_not_repeat_who(coordinator: Reader, auditor: Reader) -> None:
    coordinator.page("/tablets")
    page = auditor.page(f"/audit?person={coordinator.actor.id}")
    assert '<th scope="col">Who</th>' not in page and "Ploy W." not in " ".join(lines(page))
    assert '<th scope="col">Who</th>' in auditor.page("/audit")


def test_a_long_record_leads_to_what_was_earlier(coordinator: Reader, auditor: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_list, "PAGE", 2)
    for _ in range(3):
        coordinator.page("/tablets")
    page = auditor.page("/audit")
    earlier = re.search(r'rel="next" href="([^"]+)">Earlier<', page)
    assert earlier and "Newest" not in page and re.search(r'title="\d\d:\d\d:\d\d"', page)
    assert ">Newest<" in auditor.page(html.unescape(earlier[1]))
