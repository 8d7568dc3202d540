"""A year is played on a server, and Namjai reads it: in peace, or killed, faulted, repeated and overlapping."""
from __future__ import annotations

import datetime as dt
import random
import uuid as uuids
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import invariants
import sqlalchemy as sa
from central_truth import sync
from soak.papers import MARK
from soak.servers import Server
from soak.trouble import Trouble
from soak.truth import Decided, Sub
from soak.year import Year

from cases import grants
from namjai.problems import DatabaseUnreachable, Problem
from store import tables
from store.actor import Actor
from store.opening import Store
from sync.run import Ran

# Alone, up to how many satang: as the programme's file says.
_COORDINATORS_LIMIT = 500_000


@dataclass
class Stage:
    """Where a year is played: the store that reads, the server that is read, who decides here."""

    store: Store
    actor: Actor
    server: Server
    year: Year
    said: list[str] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    people: dict[str, Actor] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)

    def read(self, **options: bool) -> Ran:
        done = sync(self.store, self.actor, **options)
        if done.problem:
            self.said += [str(done.problem), done.problem.text("en"), done.problem.text("th")]
        return done

    def evidence(self, *, files: bool = True) -> invariants.Evidence:
        live = {key: sub for key, sub in self.year.truth.subs.items() if not sub.deleted}
        held = {key: {one.instance: one.xml for one in sub.versions} for key, sub in live.items()}
        if not self.year.entities:
            held = {key: {sub.now.instance: b""} for key, sub in live.items()}
        return invariants.Evidence(held, self.server.behind, self.said, self.folders if files else [], (MARK,))

    def cursors_hold(self) -> None:
        """I5, at the moment that matters: after a kill or a fault, before anything was mended."""
        for last in (False, True):
            try:
                with self.store.database.begin(self.actor) as tx, self.server.double.lock:
                    return invariants.no_cursor_is_ahead(tx, self.actor, self.server.behind)
            except DatabaseUnreachable:
                # A connection of before the fault: the next one is new.
                if last:
                    raise
        return None

    def decide(self, most: int) -> None:
        """The office here approves what was asked, each by who may: the truth notes who and on what."""
        truth = self.year.truth
        waiting = [one for one in truth.live("fund_request") if _decidable(truth, one) and one.writes[0][1] not in self.refused]
        for sub in waiting[:most]:
            uuid = sub.writes[0][1]
            with self.store.database.begin(self.actor) as tx:
                grant = tx.execute(sa.select(tables.grants).where(tables.grants.c.entity == uuids.UUID(uuid))).one()
            self._approve(grant, sub, uuid)

    def _approve(self, grant: sa.Row, sub: Sub, uuid: str) -> None:
        asked, namer = self._person("field_staff"), self._person("finance")
        role = "coordinator" if grant.amount <= _COORDINATORS_LIMIT else "director"
        by = self._person(role)
        with self.store.database.begin(namer) as tx:
            grants.name_requester(tx, self.store, namer, grant.id, asked.id)
        try:
            with self.store.database.begin(by) as tx:
                row = tx.execute(sa.select(tables.grants).where(tables.grants.c.id == grant.id)).one()
                grants.approve(tx, self.store, by, grant.id, role=role, row_version=row.row_version, seen_content=bytes(row.content))
        except Problem as problem:
            # A letter that lacks a name is not written, and nothing is approved.
            self.said.append(str(problem))
            self.refused.add(uuid)
            return
        self.year.truth.decided[uuid] = Decided(str(asked.id), str(by.id), sub.now.instance)
        self.year.truth.count("approval here")

    def _person(self, role: str) -> Actor:
        if role not in self.people:
            user = uuids.uuid4()
            with self.store.database.begin(self.actor) as tx:
                tx.execute(tables.users.insert().values(
                    id=user, email=f"{role}.{user.hex[-6:]}@example.org", name=role, language="en", theme="auto", single_keys=True,
                    demonstration=True, created_at=dt.datetime.now(dt.UTC)))
                tx.execute(tables.project_user.insert().values(project_id=self.actor.project, user_id=user, role=role))
            self.people[role] = Actor("person", user, (self.actor.project,), "all")
        return self.people[role]


def play(stage: Stage, trouble: Trouble | None = None, *, approvals: int = 3) -> None:
    """The whole year with a reading after each slice; at the end one that compares everything."""
    for number in range(stage.year.slices):
        with _at_rest(stage):
            stage.year.slice()
        if trouble is not None:
            trouble.meanwhile(stage, number)
        done = stage.read()
        assert done.problem is None, (number, done.problem, dict(done.counts))
        stage.decide(approvals)
    last = stage.read(full=True)
    assert last.problem is None, last.problem
    again = stage.read(full=True)
    assert again.problem is None and set(again.counts) <= {"files_missing"}, dict(again.counts)


@contextmanager
def _at_rest(stage: Stage) -> Iterator[None]:
    with stage.server.double.lock:
        yield


def _decidable(truth, sub: Sub) -> bool:  # type: ignore[no-untyped-def]
    uuid = sub.writes[0][1]
    entity = truth.entities["grants"][uuid]
    person = truth.entities["survivors"][entity.data["survivor"]]
    return uuid not in truth.decided and not entity.deleted and not person.deleted and sub.review != "rejected"


def seeds(seed: int) -> random.Random:
    return random.Random(f"trouble {seed}")
