"""Sources as there may be some day, for pictures: a healthy one, one that is refused, one being read, tests, a quarantine.

Nothing is asked of any server: what runs would have written is written here.
"""
from __future__ import annotations

import datetime as dt
import json
import random
import uuid
from typing import Any

import sqlalchemy as sa
from browser import Server

from cases import deliveries, projects, sources
from namjai.problems import Problem
from odk.xml import XmlBroken
from store import tables
from store.actor import Actor
from store.opening import KEEPER
from submissions.delivery import Delivery
from submissions.problems import FormVersionUnknown
from sync import registry
from sync.work import alone

_PLACE = {"kind": "central", "url": "https://central.example.org"}
_ACCOUNT = {"email": "namjai@example.org", "password": "invented"}


def prepare(server: Server) -> dict[str, Any]:
    """Write it all. Gives the ids of sources and tests by name, and of one thing in quarantine."""
    from cases import people

    with server.store.database.begin(KEEPER) as tx:
        empty = projects.make(tx, server.store, name="Caregiver training", short_name="CT", timezone="Asia/Bangkok")
    elsewhere = projects.in_project(empty.id)
    with server.store.database.begin(elsewhere) as tx:
        people.create(tx, server.store, elsewhere, email="first@example.org", name="Dao K.", role="coordinator", demonstration=True)
    with server.store.database.begin(server.actor) as tx:
        found = {
            "healthy": _source(tx, server, "central-north", 6, last=0, bad=0, minutes=2),
            "refused": _source(tx, server, "central-south", 7, last=1, bad=6, minutes=33),
            "reading": _source(tx, server, "central-east", 9, last=2, bad=0, minutes=4),
        }
        for name in ("healthy", "refused", "reading"):
            _forms(tx, server.actor, found[name])
        _under_way(tx, server.actor, found["reading"])
        found["kobo"] = sources.add(
            tx, server.store, server.actor, name="kobo-partners", kind="kobo", url="https://kf.example.org", options={},
            credentials={"token": "invented"})
        sources.pause(tx, server.store, server.actor, found["kobo"], paused=True)
        by = uuid.UUID(server.person("ploy"))
        for name, values in _trials().items():
            found[name] = _trial(tx, server, by, **values)
        found["kept"] = _quarantine(tx, server)
        tx.execute(tables.source_row.insert().values(
            project_id=server.actor.project, source_id=found["healthy"], remote="visit", remote_id="uuid:kept",
            root_instance_id="uuid:kept", mark="1", problem="form-version-unknown", files_asked=0, tries=1,
            quarantine_id=found["kept"]))
        rows = [registry.named(tx, server.actor.project, name) for name in ("central-north", "central-south", "central-east")]
    # As if each were being read at this moment: the worker leaves them alone while they are looked at.
    for row in rows:
        assert server.held.enter_context(alone(server.store, server.actor, row, wait=True))
    return found


def _source(tx: sa.Connection, server: Server, name: str, number: int, *, last: int, bad: int, minutes: int) -> uuid.UUID:
    """A source with its last runs; `bad` of them were refused, it was read well so many minutes ago."""
    actor, now, dice = server.actor, dt.datetime.now(dt.UTC), random.Random(number)
    made = sources.add(tx, server.store, actor, name=name, options={"project": number}, credentials=_ACCOUNT, **_PLACE)
    said = {"problem": "source-sign-in", "facts": {"name": name, "server": "central.example.org"}} if bad else {}
    tx.execute(tables.source.update().where(tables.source.c.id == made).values(
        tried_at=now, created_at=now - dt.timedelta(days=40),
        succeeded_at=now - dt.timedelta(minutes=minutes), census_at=now - dt.timedelta(hours=9), **said))
    for k in range(26):
        started = now - dt.timedelta(minutes=2 + 5 * k + last)
        counts = {"new": dice.choice((0, 0, 1, 2, 5, 14)), "edited": dice.choice((0, 0, 1))} if k >= bad else {}
        tx.execute(tables.source_run.insert().values(
            project_id=actor.project, id=uuid.uuid4(), source_id=made, started_at=started, full=k == 20,
            ended_at=started + dt.timedelta(seconds=dice.choice((0.1, 0.4, 1.1))), counts=counts, **(said if k < bad else {})))
    return made


def _forms(tx: sa.Connection, actor: Actor, source: uuid.UUID) -> None:
    now = dt.datetime.now(dt.UTC)
    for remote, title, theirs, here, closed in (("visit", "Follow-up visit", 1204, 1204, False), ("intake", "Intake", 318, 316, False), ("old_visit", "Visit 2024", 96, 96, True)):
        tx.execute(tables.source_form.insert().values(
            project_id=actor.project, source_id=source, remote=remote, xml_form_id=remote, title=title, closed=closed, mark="1",
            cursor={}, live=here, theirs=theirs, census_at=now - dt.timedelta(hours=9)))
    tx.execute(tables.source_list.insert().values(project_id=actor.project, source_id=source, name="households", cursor={}, live=412))


def _under_way(tx: sa.Connection, actor: Actor, source: uuid.UUID) -> None:
    run, now = uuid.uuid4(), dt.datetime.now(dt.UTC)
    progress = {"phase": "census", "what": "Follow-up visit", "done": 536, "total": 1204, "since": (now - dt.timedelta(seconds=144)).isoformat(), "at": now.isoformat()}
    tx.execute(tables.source_run.insert().values(
        project_id=actor.project, id=run, source_id=source, started_at=now - dt.timedelta(seconds=150), full=True,
        counts={"deleted": 2}, progress=progress))
    tx.execute(tables.source.update().where(tables.source.c.id == source).values(run_id=run))


def _trials() -> dict[str, dict[str, Any]]:
    forms = [
        {"remote": "visit", "form": "visit", "title": "Follow-up visit", "n": 1204, "closed": False},
        {"remote": "intake", "form": "intake", "title": "Intake", "n": 318, "closed": False},
        {"remote": "old_visit", "form": "old_visit", "title": "Visit 2024", "n": 96, "closed": True},
    ]
    answer = {"server": "central.example.org", "who": "Aftercare north", "forms": forms, "at": ""}
    facts = {"name": "central-west", "server": "central.example.org"}
    return {
        "asking": {"state": "running"},
        "answered": {"state": "answered", "answer": answer},
        "answered-no": {"state": "refused", "problem": "source-sign-in", "facts": facts},
    }


def _trial(tx: sa.Connection, server: Server, by: uuid.UUID, **values: Any) -> uuid.UUID:
    actor, made = server.actor, uuid.uuid4()
    key = server.store.keyring.add_record(tx, actor.project, made)
    wish = {"name": "central-west", "options": {"project": 11}, "every": 300, **_PLACE}
    tx.execute(tables.source_trial.insert().values(
        project_id=actor.project, id=made, asked_by=by, asked_at=dt.datetime.now(dt.UTC), wish=wish,
        credentials=key.encrypt("credentials", json.dumps(_ACCOUNT).encode()), **values))
    return made


def _quarantine(tx: sa.Connection, server: Server) -> uuid.UUID:
    """Three things that could not be taken. Gives the one of a known form."""
    now, tablet = dt.datetime.now(dt.UTC), server.ask("SELECT id FROM app_user WHERE revoked_at IS NULL ORDER BY name LIMIT 1")
    visit = (
        '<data id="visit" version="2026112001"><visit><visit_date>2026-11-20</visit_date><met_where>shelter</met_where></visit>'
        "<care><wellbeing>3</wellbeing><observed>She sleeps better.</observed></care>"
        f"<added_later>yes</added_later><meta><instanceID>uuid:{uuid.uuid4()}</instanceID></meta></data>"
    )

    def keep(xml: str, problem: Problem, hours: float, **more: Any) -> uuid.UUID:
        delivery = Delivery(xml.encode(), now - dt.timedelta(hours=hours), **more)
        return deliveries.refuse(tx, server.store, server.actor, delivery, problem)

    keep("<data id='love_pack'><who>", XmlBroken(), 15, app_user_id=tablet)
    keep(visit.replace('"visit"', '"fund_receipt"').replace("uuid:", "uuid:2"), FormVersionUnknown(form="fund_receipt", version="2026112001"), 2, app_user_id=tablet)
    return keep(visit, FormVersionUnknown(form="visit", version="2026112001"), 1, source="central-north")
