"""Connection tests: somebody tells of a server, the worker asks it, the answer is looked at, then the source is added.

Asks no server. A test belongs to whoever asked for it; what it was told lies encrypted and goes within a day.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from cases import sources, throttling
from cases.source_kinds import KINDS
from namjai.problems import NotFound, Problem, catalogue
from store import jobs
from store.actor import Actor
from store.audit import Event, record
from store.keys import new_id
from store.opening import Store
from store.tables import record_key, source_trial

AN_HOUR = 30
_KEPT = dt.timedelta(hours=24)
# A worker takes a test within a second; who waits longer has none.
_SILENT = dt.timedelta(seconds=20)


class TrialUnsettled(Problem):
    code, http_status = "source-trial-unsettled", 409
    en = "This server has not said yes, or somebody added it already. Test the connection again; nothing was changed."
    th = "เซิร์ฟเวอร์นี้ยังไม่ตอบรับ หรือมีผู้เพิ่มไปแล้ว ทดสอบการเชื่อมต่อใหม่ ยังไม่มีการเปลี่ยนแปลง"


class NoFormChosen(Problem):
    code, http_status = "source-no-form-chosen", 400
    en = "Choose at least one form. Nothing was added."
    th = "เลือกแบบฟอร์มอย่างน้อยหนึ่งแบบ ยังไม่ได้เพิ่มแหล่งข้อมูล"


@dataclass(frozen=True, slots=True)
class Offered:
    """A form that would come. `n`: how many submissions it has there, where the server says so."""

    remote: str
    form: str
    title: str
    n: int | None
    closed: bool
    chosen: bool


@dataclass(frozen=True, slots=True)
class Trial:
    """A connection test as its asker sees it. `known`: the source that it gives a new account to."""

    id: UUID
    name: str
    kind: str
    url: str
    place: Mapping[str, Any]
    state: str
    known: UUID | None
    silent: bool = False
    server: str = ""
    who: str = ""
    forms: tuple[Offered, ...] = ()
    problem: Problem | None = None

    @property
    def moving(self) -> bool:
        return self.state in ("waiting", "running")


def ask(
    tx: sa.Connection, store: Store, actor: Actor, *, name: str, kind: str, url: str, given: Mapping[str, str]
) -> UUID:
    """Ask for a test of a new source. Gives the test's id.

    Raises SourceKindUnknown, SourceNameUnusable, SourceNameTaken, SourceAddressUnsafe, SourceAnswerMissing,
    TooManyTries.
    """
    if kind not in KINDS:
        raise sources.SourceKindUnknown(kind=kind[:20], known=", ".join(KINDS))
    name, url, options = sources.checked_name(name.strip()), sources.checked_address(url), KINDS[kind].options(given)
    row = sources.at_its_place(tx, actor.project, name, kind, url, options)
    if row is not None:
        options |= {one: value for one, value in row.options.items() if one == "forms"}
    wish = {"name": name, "kind": kind, "url": url, "options": options, "every": sources.EVERY_SECONDS}
    return _ask(tx, store, actor, wish, KINDS[kind].credentials(given))


def ask_again(tx: sa.Connection, store: Store, actor: Actor, source_id: UUID, given: Mapping[str, str]) -> UUID:
    """Ask for a test of a source with a new account. Raises NotFound, SourceAnswerMissing, TooManyTries."""
    row = sources.one(tx, actor.project, source_id)
    wish = {
        "name": row.name,
        "kind": row.kind,
        "url": row.url,
        "options": dict(row.options),
        "every": row.every_seconds,
    }
    return _ask(tx, store, actor, wish, KINDS[row.kind].credentials(given))


def one(tx: sa.Connection, actor: Actor, trial_id: UUID) -> Trial:
    """One's own test. Raises NotFound, also for somebody else's."""
    row = _own(tx, actor, trial_id)
    wish = row.wish
    known = sources.at_its_place(tx, actor.project, wish["name"], wish["kind"], wish["url"], wish["options"])
    answer, chosen = row.answer or {}, wish["options"].get("forms")
    forms = tuple(
        Offered(each["remote"], each["form"], each["title"], each["n"], each["closed"], _is_chosen(each, chosen))
        for each in answer.get("forms", ())
    )
    problem = catalogue().get(row.problem or "", Problem)(**(row.facts or {})) if row.problem else None
    late = dt.datetime.now(dt.UTC) - row.asked_at > _SILENT
    place = {each.name: wish["options"].get(each.name) for each in KINDS[wish["kind"]].place}
    return Trial(
        trial_id,
        wish["name"],
        wish["kind"],
        wish["url"],
        place,
        row.state,
        known.id if known is not None and known.removed_at is None else None,
        row.state == "waiting" and late,
        answer.get("server", ""),
        answer.get("who", ""),
        forms,
        problem,
    )


def use(tx: sa.Connection, store: Store, actor: Actor, trial_id: UUID, chosen: Collection[str]) -> UUID:
    """Add the source that was tested, with the forms that were chosen, and ask for its first run. Gives its id.

    When all forms were chosen, those that are published later come too. Raises NotFound, TrialUnsettled, NoFormChosen.
    """
    row = _own(tx, actor, trial_id, lock=True)
    if row.state != "answered":
        raise TrialUnsettled()
    offered = [each["remote"] for each in (row.answer or {}).get("forms", ())]
    wanted = [remote for remote in offered if remote in chosen]
    if offered and not wanted:
        raise NoFormChosen()
    options = {name: value for name, value in row.wish["options"].items() if name != "forms"}
    if len(wanted) < len(offered):
        options["forms"] = wanted
    key = store.keyring.record(tx, actor.project, trial_id)
    source_id = sources.add(
        tx,
        store,
        actor,
        name=row.wish["name"],
        kind=row.wish["kind"],
        url=row.wish["url"],
        options=options,
        credentials=json.loads(key.decrypt("credentials", bytes(row.credentials))),
        every_seconds=row.wish["every"],
    )
    _forget(tx, actor.project, source_trial.c.id == trial_id)
    sources.ask_for_run(tx, store, actor, source_id)
    return source_id


def forget_old(tx: sa.Connection, project: UUID) -> None:
    """Tests that nobody used within a day go, with what they were told."""
    _forget(tx, project, source_trial.c.asked_at < dt.datetime.now(dt.UTC) - _KEPT)


def _ask(
    tx: sa.Connection, store: Store, actor: Actor, wish: Mapping[str, Any], credentials: Mapping[str, str]
) -> UUID:
    throttling.count(tx, store.keyring, "source-trial", str(actor.id), most=AN_HOUR, minutes=60)
    now, trial_id = dt.datetime.now(dt.UTC), new_id()
    forget_old(tx, actor.project)
    key = store.keyring.add_record(tx, actor.project, trial_id)
    tx.execute(
        source_trial.insert().values(
            project_id=actor.project,
            id=trial_id,
            asked_by=actor.id,
            asked_at=now,
            state="waiting",
            wish=dict(wish),
            credentials=key.encrypt("credentials", json.dumps(dict(credentials)).encode()),
        )
    )
    jobs.defer(tx, jobs.TRY_SOURCE, project=str(actor.project), trial=str(trial_id))
    detail = {"name": wish["name"], "kind": wish["kind"]}
    record(tx, store.keyring, actor, Event("source.tried", "source", trial_id, detail))
    return trial_id


def _forget(tx: sa.Connection, project: UUID, which: sa.ColumnElement[bool]) -> None:
    """Tests go with their keys: then nothing opens the account any more that they were told."""
    gone = source_trial.delete().where(source_trial.c.project_id == project, which).returning(source_trial.c.id)
    ids = list(tx.scalars(gone))
    if ids:
        tx.execute(record_key.delete().where(record_key.c.project_id == project, record_key.c.record_id.in_(ids)))


def _own(tx: sa.Connection, actor: Actor, trial_id: UUID, *, lock: bool = False) -> sa.Row:
    query = sa.select(source_trial).where(
        source_trial.c.project_id == actor.project,
        source_trial.c.id == trial_id,
        source_trial.c.asked_by == actor.id,
        source_trial.c.asked_at > dt.datetime.now(dt.UTC) - _KEPT,
    )
    row = tx.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise NotFound()
    return row


def _is_chosen(offered: Mapping[str, Any], chosen: list[str] | None) -> bool:
    return chosen is None or offered["remote"] in chosen
