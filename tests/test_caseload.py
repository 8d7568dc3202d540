"""The case list: whose cases one sees, in which order, by what one finds them."""
from __future__ import annotations

import datetime as dt
import re
import uuid
from collections.abc import Callable

import pytest
from flask import Flask
from readers import Field, problem_in, signed_in

from cases import caseload, codes, projects
from cases.caseload import Caseload, Wanted
from cases.paging import cursor
from cases.projects import programme_of
from cases.who import split
from store.actor import Actor
from store.opening import Store
from store.tables import cases, list_row

TODAY = dt.date(2026, 11, 25)


def code_of(number: int) -> str:
    """A code with the right check letter."""
    letters = "".join(codes.ALPHABET[(number >> (4 * at)) & 15] for at in range(8))
    return next(codes.grouped(letters + last) for last in codes.ALPHABET if codes.fits(letters + last))


@pytest.fixture
def worker(person: Callable[..., Actor]) -> Actor:
    return person("field_staff", "Nok P.", "north")


@pytest.fixture
def intake(store: Store, aftercare: Actor, worker: Actor) -> Callable[..., str]:
    """Takes somebody in; gives the code."""
    count = iter(range(1000, 9999, 37))

    def take(pseudonym: str = "Fah", *, by: Actor | None = None, team: str | None = "north", due: str = "2026-12-01", risk: str = "low", **more: str) -> str:
        desk = Field(store, aftercare, code=code_of(next(count)), pseudonym=pseudonym, team=team, survivor=str(uuid.uuid4()))
        desk.intake(by=by or worker, **{"safety/next_follow_up": due, "safety/risk": risk, **more})
        return desk.code

    return take


@pytest.fixture
def found(store: Store, aftercare: Actor) -> Callable[..., list[str]]:
    """The pseudonyms that a page of the list shows."""

    def ask(actor: Actor | None = None, **wanted: object) -> list[str]:
        with store.database.begin(actor or aftercare) as tx:
            load = Caseload(tx, aftercare.project, programme_of(tx, aftercare.project), "en", TODAY)
            return [line.who.own for line in load.page(Wanted(**wanted), actor.id if actor else uuid.uuid4()).lines]

    return ask


def test_what_is_due_first_stands_first_and_what_is_not_due_last(intake: Callable[..., str], found: Callable[..., list[str]]) -> None:
    intake("Later", due="2027-01-01")
    intake("Undated", due="")
    intake("Over", due="2026-11-01")
    intake("Soon", due="2026-11-26")
    assert found() == ["Over", "Soon", "Later", "Undated"]


def test_a_worker_sees_her_own_a_team_its_own_a_coordinator_all(
    intake: Callable[..., str], found: Callable[..., list[str]], worker: Actor, person: Callable[..., Actor]
) -> None:
    other = person("field_staff", "Other", "south")
    intake("Mine")
    intake("Theirs", by=other, team="south")
    project = worker.projects
    assert found(Actor("person", worker.id, project, "own")) == ["Mine"]
    assert found(Actor("person", uuid.uuid4(), project, "team", "south")) == ["Theirs"]
    assert set(found(Actor("person", uuid.uuid4(), project, "all"))) == {"Mine", "Theirs"}


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"view": "overdue"}, ["Over"]), ({"view": "high"}, ["Risky"]), ({"risk": "high"}, ["Risky"]), ({"due": "week"}, ["Risky"]),
        ({"due": "none"}, ["Undated"]), ({"filters": {"nationality": "lao"}}, ["Undated"]), ({"filters": {"languages": "lo"}}, ["Undated"]),
        ({"filters": {"languages": "l"}}, []), ({"stage": "report"}, ["Over", "Risky", "Undated"]), ({"stage": "care"}, []),
        ({"view": "closed"}, []), ({"filters": {"not_a_column": "x"}}, ["Over", "Risky", "Undated"]),
    ],
)
def test_views_and_filters(intake: Callable[..., str], found: Callable[..., list[str]], wanted: dict, expected: list[str]) -> None:
    intake("Over", due="2026-11-01")
    intake("Risky", due="2026-11-30", risk="high")
    intake("Undated", due="", **{"who/nationality": "lao", "who/languages": "th lo"})
    assert found(**wanted) == expected


def test_whoever_types_a_code_finds_a_closed_case_too(
    store: Store, aftercare: Actor, intake: Callable[..., str], found: Callable[..., list[str]]
) -> None:
    code = intake("Fah")
    with store.database.begin(aftercare) as tx:
        tx.execute(cases.update().values(status="closed"))
        tx.execute(list_row.update().values(status="closed"))
    assert (found(), found(q=code), found(q=code, view="mine"), found(view="closed")) == ([], ["Fah"], [], ["Fah"])


def test_a_case_is_found_by_the_beginning_of_its_code_however_it_is_typed(intake: Callable[..., str], found: Callable[..., list[str]]) -> None:
    code = intake("Fah")
    intake("Nam")
    for typed in (code, code.lower(), code.replace("-", ""), code.replace("-", " "), code[:5].lower()):
        assert "Fah" in found(q=typed), typed
    assert found(q=code) == ["Fah"]


@pytest.mark.parametrize("typed", ["มิน", "มิ", "Fah", "fah", "FA", "fah  na"])
def test_a_case_is_found_by_the_beginning_of_its_pseudonym(intake: Callable[..., str], found: Callable[..., list[str]], typed: str) -> None:
    intake("Fah Na")
    intake("มิน Min")
    expected = "มิน" if typed[0] == "ม" else "Fah Na"
    assert found(q=typed) == ([expected] if typed != "FA" else found(q="FA"))


@pytest.mark.parametrize("typed", ["%", "_", "'", "\\", "x" * 300, "🙂", "'; DROP TABLE cases --", "ก" * 80])
def test_strange_searches_find_nothing_and_break_nothing(app: Flask, store: Store, intake: Callable[..., str], person: Callable[..., Actor], typed: str) -> None:
    intake("Fah")
    answer = signed_in(app, store, person("coordinator")).get("/cases", query_string={"q": typed})
    assert answer.status_code == 200 and "No case matches" in answer.get_data(as_text=True)


def test_what_no_database_can_hold_is_refused_in_a_sentence(app: Flask, store: Store, person: Callable[..., Actor]) -> None:
    reader = signed_in(app, store, person("coordinator"))
    assert problem_in(reader.get("/cases", query_string={"q": "a\x00b"})) == "request-unreadable"
    assert problem_in(reader.get("/cases/a%00b")) == "request-unreadable"
    assert problem_in(reader.post("/me", {"language": "en\x00"})) == "request-unreadable"


def test_one_wrong_letter_is_named_and_the_right_case_offered(app: Flask, store: Store, intake: Callable[..., str], person: Callable[..., Actor]) -> None:
    code = intake("Fah")
    wrong = ("B" if code[1] != "B" else "C").join((code[0], code[2:]))
    page = signed_in(app, store, person("coordinator")).page(f"/cases?q={wrong}")
    assert f'href="/cases/{code}"' in page and "did you mean" in page


def test_a_suggestion_never_shows_a_case_of_another_team(app: Flask, store: Store, intake: Callable[..., str], person: Callable[..., Actor]) -> None:
    code = intake("Fah")
    wrong = ("B" if code[1] != "B" else "C").join((code[0], code[2:]))
    page = signed_in(app, store, person("field_staff", "Other", "south")).page(f"/cases?q={wrong}")
    assert code not in page


def test_every_case_is_on_exactly_one_page(intake: Callable[..., str], store: Store, aftercare: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caseload, "PAGE", 3)
    names = [f"Case {n}" for n in range(11)]
    for n, name in enumerate(names):
        intake(name, due="2026-12-01" if n < 5 else f"2026-12-{n:02}" if n < 8 else "")
    seen, after, pages = [], None, 0
    while True:
        with store.database.begin(aftercare) as tx:
            load = Caseload(tx, aftercare.project, programme_of(tx, aftercare.project), "en", TODAY)
            page = load.page(Wanted(after=after), uuid.uuid4())
        seen += [line.who.own for line in page.lines]
        after, pages = page.after, pages + 1
        if after is None:
            break
    assert sorted(seen) == sorted(names) and pages == 4


@pytest.mark.parametrize("text", ["", "x", "~", "2026-99-99~" + "0" * 32, "~zz", "2026-11-01", "a~b~c", "~" + "0" * 32])
def test_a_broken_cursor_begins_anew(app: Flask, store: Store, intake: Callable[..., str], person: Callable[..., Actor], text: str) -> None:
    intake("Fah")
    assert signed_in(app, store, person("coordinator")).get("/cases", query_string={"after": text}).status_code == 200
    assert cursor(text, kind=dt.date) is None or text.startswith("~0")


def test_two_cases_of_one_code_are_told_apart_in_the_address(app: Flask, store: Store, aftercare: Actor, worker: Actor, person: Callable[..., Actor]) -> None:
    for pseudonym in ("First", "Second"):
        Field(store, aftercare, pseudonym=pseudonym, team="north").intake(by=worker)
    reader = signed_in(app, store, person("coordinator"))
    page = reader.page("/cases")
    assert 'href="/cases/KTR-MDV-QHT"' in page and 'href="/cases/KTR-MDV-QHT-2"' in page
    assert "First" in reader.page("/cases/KTR-MDV-QHT") and "Second" in reader.page("/cases/KTR-MDV-QHT-2")
    assert reader.get("/cases/KTR-MDV-QHT-3").status_code == 404


def test_a_person_nobody_has_told_us_of_yet_has_a_page(app: Flask, store: Store, aftercare: Actor, worker: Actor, person: Callable[..., Actor]) -> None:
    Field(store, aftercare, team="north").visit(by=worker)
    reader = signed_in(app, store, person("coordinator"))
    path = re.search(r'href="(/cases/%3F[^"]+)"', reader.page("/cases"))
    assert path and "Intake not in yet" in reader.page(path[1])


def test_thousands_are_counted_up_to_a_thousand() -> None:
    from cases.paging import counted

    assert [counted(n) for n in (0, 1000, 1001)] == [0, 1000, "1,000+"]


@pytest.mark.parametrize(
    ("pseudonym", "expected"),
    [("မိုးပြာ Moe Pya", ("မိုးပြာ", "Moe Pya")), ("ฟ้า", ("ฟ้า", None)), ("Fah", ("Fah", None)), ("ฟ้า (Fah)", ("ฟ้า", "Fah")), ("มิน 2", ("มิน 2", None)), ("", ("", None))],
)
def test_a_pseudonym_is_shown_in_its_script_with_latin_beside_it(pseudonym: str, expected: tuple[str, str | None]) -> None:
    assert split(pseudonym) == expected


def test_choices_stand_in_the_order_of_the_form(store: Store, aftercare: Actor) -> None:
    with store.database.begin(aftercare) as tx:
        projects._remembered.clear()
        programme = programme_of(tx, aftercare.project)
    assert list(programme.cases.column("risk").labels) == ["high", "medium", "low"]
    assert list(programme.forms)[:2] == ["intake", "visit"]
