"""Quarantine in the browser: why something could not be taken, taking it again, and looking into it with a reason."""
from __future__ import annotations

import re
import uuid

import pytest
import sqlalchemy as sa
from readers import events, problem_in, signed_in

from cases import replays
from store.tables import quarantine, submission

NOTE = """
| survey   |
|          | type  | name  | label | bind::namjai:privacy |
|          | text  | who   | Name  | identifying          |
|          | text  | said  | What she said | restricted   |
|          | int   | count | Count | open                 |
| settings |
|          | form_id | version    | namespaces |
|          | note    | 2026112401 | namjai="https://namjai.org/xforms" |
"""
NAME, THERAPY = "Somebody Invented", "A word in therapy"


def note(form: str = "note", version: str = "2026112401", extra: str = "") -> str:
    return (
        f'<data id="{form}" version="{version}"><who>{NAME}</who><said>{THERAPY}</said><count>3</count>{extra}'
        f"<meta><instanceID>uuid:{uuid.uuid4()}</instanceID></meta></data>"
    )


@pytest.fixture
def ploy(app, store, person):
    return signed_in(app, store, person("coordinator", "Ploy W."))


def waiting(store, actor) -> list[sa.Row]:
    with store.database.begin(actor) as tx:
        return list(tx.execute(sa.select(quarantine).where(quarantine.c.state == "waiting")))


def test_what_waits_is_told_in_plain_words_in_both_languages(ploy, tablet, publish):
    assert "Nothing waits" in ploy.page("/quarantine") and "could not be taken" not in ploy.page("/")
    publish(NOTE)
    assert tablet.post(note("missing")).status_code == 404
    assert tablet.post(note(version="9")).status_code == 404
    tablet.post("<data id='note'")
    shown = ploy.page("/quarantine?lang=en")
    for said in ("No form “missing” here", "Publish it, then replay.", "Version 9 of “note” is not here", "cannot be read as XML", "from Tablet 1", "Replay all"):
        assert said in shown, said
    assert "ไม่มีแบบฟอร์ม “missing” ในระบบนี้" in ploy.page("/quarantine?lang=th")
    assert "3 submissions could not be taken" in ploy.page("/?lang=en")
    assert re.search(r'nj-count is-hot">3<', ploy.page("/sources"))
    assert NAME not in shown and THERAPY not in shown


def test_what_is_mended_is_taken_again_one_by_one(ploy, tablet, publish, store, aftercare):
    tablet.post(note())
    item = waiting(store, aftercare)[0].id
    assert ploy.post(f"/quarantine/{item}/replay").status_code == 303
    assert "It still waits" in ploy.page("/quarantine") and len(waiting(store, aftercare)) == 1
    publish(NOTE)
    answer = ploy.post(f"/quarantine/{item}/replay")
    shown = ploy.page(answer.headers["Location"])
    assert "Taken." in shown and "Nothing waits" in shown
    with store.database.begin(aftercare) as tx:
        row = tx.execute(sa.select(submission)).one()
    assert f"/submissions/{row.id}" in shown and row.app_user_id == tablet.id
    assert problem_in(ploy.post(f"/quarantine/{item}/replay")) == "not-found"
    assert [one.actor_id for one in events(store, aftercare, "quarantine.replayed")] == [ploy.actor.id]


def test_all_is_taken_again_and_the_result_is_counted(ploy, tablet, publish, store, aftercare, monkeypatch):
    for _ in range(3):
        tablet.post(note())
    tablet.post("<data")
    publish(NOTE)
    ploy.post("/quarantine/replay")
    shown = ploy.page("/quarantine")
    assert "3 taken." in shown and "1 still wait." in shown
    monkeypatch.setattr(replays, "SECONDS", -1)
    ploy.post("/quarantine/replay")
    assert "There was no time for 1" in ploy.page("/quarantine")


def test_a_fault_of_ours_is_no_error_page_and_says_nothing_of_what_was_sent(ploy, tablet, publish, store, aftercare, monkeypatch, caplog):
    tablet.post(note())
    publish(NOTE)

    def broken(*_args):
        raise ValueError(NAME)

    monkeypatch.setattr("cases.deliveries.take", broken)
    assert ploy.post("/quarantine/replay").status_code == 303
    assert "1 still wait." in ploy.page("/quarantine") and NAME not in caplog.text
    assert len(waiting(store, aftercare)) == 1


def test_one_that_is_left_out_stays_kept_and_is_listed_no_more(ploy, tablet, store, aftercare):
    tablet.post(note("missing"))
    item = waiting(store, aftercare)[0].id
    assert "Leave this one out?" in ploy.page(f"/quarantine/{item}/leave-out")
    assert ploy.post(f"/quarantine/{item}/leave-out").status_code == 303
    assert "Nothing waits" in ploy.page("/quarantine") and problem_in(ploy.post(f"/quarantine/{item}/leave-out")) == "not-found"
    with store.database.begin(aftercare) as tx:
        row = tx.execute(sa.select(quarantine)).one()
    assert (row.state, row.settled_by) == ("dismissed", ploy.actor.id) and row.raw


def test_it_opens_for_a_reason_that_is_in_the_audit_first_and_never_shows_therapy(ploy, tablet, publish, store, aftercare):
    publish(NOTE)
    tablet.post(note(version="9", extra="<strange>Not in the form</strange>"))
    item = waiting(store, aftercare)[0].id
    asked = ploy.page(f"/quarantine/{item}/look")
    assert "Why do you need it?" in asked and NAME not in asked and events(store, aftercare, "value.revealed") == []
    refused = ploy.post(f"/quarantine/{item}/look", {"reason": ""})
    assert refused.status_code == 400 and NAME not in refused.get_data(as_text=True)
    answer = ploy.post(f"/quarantine/{item}/look", {"reason": "other", "note": "To find the right form"})
    shown = answer.get_data(as_text=True)
    assert NAME in shown and "Name" in shown and THERAPY not in shown and "Not in the form" not in shown
    assert "2 more are not shown" in shown and answer.headers["Cache-Control"] == "no-store, private"
    seen = events(store, aftercare, "value.revealed")
    assert [(one.subject_kind, one.subject_id, one.actor_id) for one in seen] == [("quarantine", item, ploy.actor.id)]
    assert NAME not in str(seen[0].detail)
    # Asked twice without an answer: the page, and the reason that was none. What opened is told by the reveal alone.
    assert len(events(store, aftercare, "quarantine.asked")) == 2


def test_when_the_audit_cannot_be_written_nothing_opens(ploy, tablet, publish, store, aftercare, monkeypatch):
    publish(NOTE)
    tablet.post(note(version="9"))
    item = waiting(store, aftercare)[0].id

    def refuse(*_args, **_more):
        raise RuntimeError("no audit")

    monkeypatch.setattr("cases.reveal.record", refuse)
    answer = ploy.post(f"/quarantine/{item}/look", {"reason": "check"})
    assert answer.status_code == 500 and NAME not in answer.get_data(as_text=True)


@pytest.mark.parametrize(("sent", "said"), [(note("missing"), "The form is not here"), (f"<data id='note'><who>{NAME}", "It is no whole XML")])
def test_what_nobody_can_tell_apart_is_not_shown(ploy, tablet, publish, store, aftercare, sent, said):
    publish(NOTE)
    tablet.post(sent)
    item = waiting(store, aftercare)[0].id
    shown = ploy.post(f"/quarantine/{item}/look", {"reason": "check"}).get_data(as_text=True)
    assert said in shown and NAME not in shown and THERAPY not in shown


def test_an_administrator_replays_but_does_not_look(app, store, aftercare, person, tablet):
    tablet.post(note("missing"))
    item = waiting(store, aftercare)[0].id
    oat = signed_in(app, store, person("admin", "Oat"))
    assert "Look into it" not in oat.page("/quarantine")
    assert problem_in(oat.post(f"/quarantine/{item}/look", {"reason": "check"})) == "forbidden"


def test_pages_of_a_long_quarantine_follow_one_another(ploy, tablet, store, aftercare, monkeypatch):
    monkeypatch.setattr("cases.quarantine_list.PAGE", 2)
    monkeypatch.setattr("cases.quarantine_list.items.__kwdefaults__", {"source": None, "after": None, "most": 2}, raising=False)
    for n in range(5):
        tablet.post(note(f"missing-{n}"))
    seen, path = set(), "/quarantine"
    while path:
        shown = ploy.page(path)
        seen |= set(re.findall(r"<code>(missing-\d)</code>", shown))
        found = re.search(r'rel="next" href="([^"]+)"', shown)
        path = found[1].replace("&amp;", "&") if found else None
    assert seen == {f"missing-{n}" for n in range(5)}
