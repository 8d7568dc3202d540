"""Connection tests: a server that somebody is about to add is asked who we are there and which forms would come.

The page that asked shows the row of the test; what the server answered besides is kept nowhere.
"""

from __future__ import annotations

import datetime as dt
import json
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from cases.projects import in_project
from namjai.problems import Problem
from store.actor import Actor
from store.jobs import TRY_SOURCE, handles
from store.opening import Store
from store.tables import source_trial
from sync.registry import open_kind

# Somebody waits before a page: a server that needs longer than this is not one to be read in earnest.
_PATIENCE = {"connect": 8, "silence": 20, "answer": 30, "in_all": 45, "tries": 2}
_MOST_FORMS = 500


@handles(TRY_SOURCE)
def ask(store: Store, project: str, trial: str) -> None:
    """Ask once and write down what came of it. A test that is settled or gone is left alone."""
    actor, trial_id = in_project(UUID(project), "worker"), UUID(trial)
    with store.database.begin(actor) as tx:
        row = tx.execute(sa.select(source_trial).where(*_is(actor, trial_id)).with_for_update()).one_or_none()
        if row is None or row.state not in ("waiting", "running"):
            return
        key = store.keyring.record(tx, actor.project, trial_id)
        credentials = json.loads(key.decrypt("credentials", bytes(row.credentials)))
        _settle(tx, actor, trial_id, state="running")
    try:
        said = {"state": "answered", "answer": _answer(row.wish, credentials)}
    except Problem as problem:
        facts = {name: str(value)[:100] for name, value in problem.facts.items()}
        said = {"state": "refused", "problem": problem.code, "facts": facts}
    except Exception:
        with store.database.begin(actor) as tx:
            _settle(tx, actor, trial_id, state="refused", problem=Problem.code, facts={})
        raise
    with store.database.begin(actor) as tx:
        _settle(tx, actor, trial_id, **said)


def _answer(wish: dict[str, Any], credentials: dict[str, str]) -> dict[str, Any]:
    # All forms are offered, also those that were left out before.
    options = {name: value for name, value in wish["options"].items() if name != "forms"} | {"patience": _PATIENCE}
    source = open_kind(wish["kind"], wish["name"], wish["url"], options, credentials)
    try:
        account = source.check()
        counts = dict(account.forms)
        forms = [
            {"remote": one.remote, "form": one.xml_form_id, "title": one.title, "closed": one.closed}
            | {"n": counts.get(one.title)}
            for one in source.forms()
        ]
    finally:
        source.close()
    at = dt.datetime.now(dt.UTC).isoformat()
    return {"server": account.server, "who": account.who[:200], "forms": forms[:_MOST_FORMS], "at": at}


def _settle(tx: sa.Connection, actor: Actor, trial_id: UUID, **values: Any) -> None:
    tx.execute(source_trial.update().where(*_is(actor, trial_id)).values(**values))


def _is(actor: Actor, trial_id: UUID) -> tuple[sa.ColumnElement[bool], ...]:
    return (source_trial.c.project_id == actor.project, source_trial.c.id == trial_id)
