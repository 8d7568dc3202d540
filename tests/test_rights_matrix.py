"""Every route and method × every role and nobody × one's own, another's, what is not there. Generated from the routes.

A route that comes later is in here on the day it arrives.
"""
from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

import pytest
from flask import Flask
from readers import PICTURE, Field, Reader, picture, problem_in, signed_in

import exports.printing  # noqa: F401 registers the job
from cases import export_requests, source_trials, sources, tablets
from cases.access import TABLE, Role, scope_of
from cases.deliveries import refuse
from cases.export_wish import Wish
from odk.xml import XmlBroken
from store.actor import Actor
from store.opening import Store
from submissions.delivery import Delivery, File

ROLES = [str(role) for role in Role]
KEY = "?key=identity/person/given_name"
# Where these lead nobody's case is asked for: own and another's are the same.
OF_CASES = ("cases.", "stages.", "submissions.", "files.", "reveal.", "grants.", "letters.")
LEAVES = ("sign_in.leave", "sign_in.see_as")
# After these there is nothing left to ask the others about.
ENDS = ("quarantine.leave_out", "sources.remove")


def routes(app: Flask) -> list[tuple[str, str, str, str]]:
    """(endpoint, method, rule, right) of everything behind a sign-in."""
    found = []
    for rule in app.url_map.iter_rules():
        right = getattr(app.view_functions[rule.endpoint], "rights", None)
        if right in (None, "public", "tablet", "secret"):
            continue
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            found.append((rule.endpoint, method, str(rule), right))
    # What is only read comes first, so that nothing is revoked before it was looked at.
    return sorted(found, key=lambda one: (one[1] != "GET", one[0] in LEAVES, one[0] in ENDS, one[0]))


class World:
    """Two people's cases with everything that belongs to them, and things that are nobody's."""

    def __init__(self, store: Store, home: Actor, person: Any, role: str) -> None:
        self.me: Actor = person(role, "Reader Here", "north")
        other: Actor = person("field_staff", "Other There", "south")
        self.bystander: Actor = person("finance", "Third Person")
        self.own = self._case(store, home, person, self.me, "KTR-MDV-QHT", "north")
        self.others = self._case(store, home, person, other, "BCD-FGH-JKC", "south")
        with store.database.begin(home) as tx:
            self.tablet, _ = tablets.create(tx, store, home, "Tablet X", None)
        with store.database.begin(self.me) as tx:
            self.export = export_requests.ask(tx, store, self.me, "director", Wish("intake", profile="anonymous"), "For a test of ours")
            self.source = self._source(tx, store)
            self.kept = refuse(tx, store, home, Delivery(b"<not whole", dt.datetime.now(dt.UTC)), XmlBroken())

    def _source(self, tx: Any, store: Store) -> uuid.UUID:
        """A server that is known, and a connection test of another one."""
        given = {"project": "6", "email": "namjai@example.org", "password": "a password"}
        place = {"kind": "central", "url": "https://central.example.org"}
        self.trial = source_trials.ask(tx, store, self.me, name="other", given=given, **place)
        return sources.add(tx, store, self.me, name="central", options={"project": 6}, credentials=given, **place)

    def _case(self, store: Store, home: Actor, person: Any, worker: Actor, code: str, team: str) -> dict[str, Any]:
        desk = Field(store, home, code=code, team=team, files=(File(PICTURE, picture(), "image/jpeg"),))
        desk.intake(by=worker, **{"safety/safe_number": "0 5000 0142"})
        grant = desk.request(worker)
        issued = desk.approve(grant, person("director"), role="director")
        desk.work()
        waiting = desk.request(worker)
        return {"code": code, "submission": desk.form["intake"], "grant": waiting, "number": issued.number}

    def address(self, endpoint: str, rule: str, which: str) -> str | None:
        """The address of one's own thing, another's, or none that is there; None where a route has no such thing."""
        if "<" not in rule:
            return rule if which == "own" else None
        if which == "other" and not endpoint.startswith(OF_CASES):
            return None
        absent = {"code": "XXX-XXX-XXX", "submission": uuid.uuid4(), "grant": uuid.uuid4(), "number": "AC-T-2026-9999"}
        thing = {"own": self.own, "other": self.others, "absent": absent}[which]
        there = which != "absent"
        blueprint = endpoint.partition(".")[0]
        ids = {
            "grants": thing["grant"], "tablets": self.tablet if there else uuid.uuid4(),
            "users": self.bystander.id if there else uuid.uuid4(), "exports": self.export if there else uuid.uuid4(),
            "sources": self.source if there else uuid.uuid4(), "source_trials": self.trial if there else uuid.uuid4(),
            "quarantine": self.kept if there else uuid.uuid4(),
        }
        path = rule.replace("<uuid:id>", str(ids.get(blueprint, thing["submission"]))).replace("<code>", thing["code"])
        path = path.replace("<number>", thing["number"]).replace("<name>", PICTURE).replace("<state>", "rejected")
        path = path.replace("<form_id>", "intake" if there else "nothing")
        return path + (KEY if endpoint == "reveal.submission" else "")


    def given(self, endpoint: str, role: str) -> dict[str, str]:
        """What a form posts where nothing at all would be not found."""
        person = str(self.bystander.id)
        return {
            "sign_in.see_as": {"role": role}, "submissions.decide": {"state": "approved"}, "grants.decide": {"decision": "approve"},
            "grants.name_requester": {"person": person}, "users.set_role": {"role": "finance"}, "stages.move": {"stage": "screening", "since": "2026-11-20", "revision": "1"}, "grants.pay": {"paid_on": "2026-11-20"}, "quarantine.look": {"reason": "check"},
        }.get(endpoint, {})


@pytest.mark.parametrize("role", ROLES)
def test_every_route_is_open_to_exactly_those_whose_right_it_names(role: str, app: Flask, store: Store, aftercare: Actor, person: Any) -> None:
    world = World(store, aftercare, person, role)
    reader = signed_in(app, store, world.me)
    wrong = []
    for endpoint, method, rule, right in routes(app):
        for which in ("other", "absent", "own"):
            path = world.address(endpoint, rule, which)
            if path is None:
                continue
            answer = reader.get(path) if method == "GET" else reader.post(path, world.given(endpoint, role))
            code, shown = answer.status_code, problem_in(answer)
            if not _fits(_expected(right, role, which, endpoint), code, shown):
                wrong.append(f"{method} {path} ({right}, {which}): {code} {shown}")
            if endpoint in LEAVES or (code == 303 and answer.headers["Location"].startswith("/sign-in")):
                reader = signed_in(app, store, world.me)
    assert not wrong, "\n".join(wrong)


def _expected(right: str, role: str, which: str, endpoint: str) -> str:
    scope = scope_of(right, role)
    if scope is None:
        return "forbidden"
    if which == "absent" or (which == "other" and scope != "all"):
        return "not found"
    return "open"


def _fits(expected: str, code: int, shown: str) -> bool:
    if expected == "forbidden":
        return code == 403 and shown == "forbidden"
    if expected == "not found":
        return code == 404
    # Opened; or refused for a reason of its own, which is told only to those who may ask.
    return code in (200, 303) or (code in (400, 403, 409, 422) and shown not in ("forbidden", "form-expired"))


def test_nobody_is_led_to_the_sign_in_page_and_learns_nothing(app: Flask, store: Store, aftercare: Actor, person: Any) -> None:
    world = World(store, aftercare, person, "coordinator")
    client = app.test_client()
    for endpoint, method, rule, _ in routes(app):
        for which in ("own", "absent"):
            path = world.address(endpoint, rule, which)
            if path is not None:
                answer = client.open(path, method=method)
                assert answer.status_code == 303 and answer.headers["Location"].startswith("/sign-in"), (method, path, answer.status_code)


def test_a_route_without_a_right_does_not_start(app: Flask, store: Store) -> None:
    from web.signed_in import check_rights

    app.view_functions["me.show"] = lambda: "open to everybody"
    with pytest.raises(RuntimeError, match="names no right"):
        check_rights(app)


def test_every_right_of_a_route_is_in_the_table(app: Flask) -> None:
    for endpoint, _, _, right in routes(app):
        assert right in TABLE, (endpoint, right)


def test_a_post_without_the_pages_token_changes_nothing(app: Flask, store: Store, aftercare: Actor, person: Any) -> None:
    world = World(store, aftercare, person, "admin")
    reader: Reader = signed_in(app, store, world.me)
    answer = reader.client.post(f"/admin/users/{world.bystander.id}/disable")
    assert (answer.status_code, problem_in(answer)) == (400, "form-expired")
    assert "Active" in reader.page(f"/admin/users/{world.bystander.id}")


def test_a_disabled_persons_session_is_over_at_once(app: Flask, store: Store, aftercare: Actor, person: Any) -> None:
    victim = person("finance")
    reader, admin = signed_in(app, store, victim), signed_in(app, store, person("admin"))
    assert reader.get("/cases").status_code == 200
    assert admin.post(f"/admin/users/{victim.id}/disable").status_code == 303
    assert reader.get("/cases").status_code == 303


def test_a_changed_role_holds_from_the_next_page_on(app: Flask, store: Store, aftercare: Actor, person: Any) -> None:
    victim = person("finance")
    reader, admin = signed_in(app, store, victim), signed_in(app, store, person("admin"))
    assert reader.get("/letters").status_code == 200
    assert admin.post(f"/admin/users/{victim.id}/role", {"role": "legal"}).status_code == 303
    assert problem_in(reader.get("/letters")) == "forbidden"
