"""Where a case stands on its way: the stages of the programme, moved on the web, begun by a form."""
from __future__ import annotations

import datetime as dt
from uuid import UUID

import sqlalchemy as sa

from namjai.problems import InputInvalid, NotFound
from odk.programme import Programme
from store.actor import Actor
from store.audit import Event, record
from store.keys import new_id
from store.opening import Store
from store.tables import action, cases
from submissions import entities, list_rows
from submissions.delivery import Changes


def apply_changes(tx: sa.Connection, store: Store, actor: Actor, changes: Changes, programme: Programme) -> None:
    """A case that a form creates begins at the stage that the programme names for the form."""
    rule = programme.forms.get(changes.xml_form_id)
    if rule is None or not rule.opens_stage:
        return
    for change in changes.entities:
        if change.list == programme.case_list and change.case_id:
            row = tx.execute(_case(actor.project, change.case_id)).one()
            if row.stage is None and not row.placeholder:
                # No new version of the entity: a tablet that is offline would meet it as a conflict.
                _set(tx, actor, row, rule.opens_stage, changes.event_date or dt.date.today(), changes.submission_id)


def move(
    tx: sa.Connection, store: Store, actor: Actor, case_id: UUID, stage: str, *, since: dt.date, programme: Programme
) -> None:
    """A person moves a case to a stage; the tablets learn of it once. Raises InputInvalid, NotFound."""
    if programme.stage(stage) is None:
        raise InputInvalid(field="stage", reason="it is not one of the programme's stages")
    row = tx.execute(_case(actor.project, case_id).with_for_update()).one_or_none()
    if row is None:
        raise NotFound()
    if row.stage == stage:
        return
    _set(tx, actor, row, stage, since, case_id)
    if programme.cases.stage:
        entities.change_by_server(
            tx, actor.project, row.list, row.entity, {programme.cases.stage: stage}, user_id=actor.id
        )
    record(tx, store.keyring, actor, Event("case.stage", "case", case_id, {"to": stage}))


def history(tx: sa.Connection, project: UUID, case_id: UUID) -> list[tuple[str, dt.date]]:
    """(stage, since), oldest first."""
    rows = tx.execute(
        sa.select(action.c.data)
        .where(action.c.project_id == project, action.c.case_id == case_id, action.c.kind == "case.stage")
        .order_by(action.c.at)
    )
    return [(row.data["to"], dt.date.fromisoformat(row.data["since"])) for row in rows]


def _set(tx: sa.Connection, actor: Actor, row: sa.Row, stage: str, since: dt.date, subject: UUID) -> None:
    now = dt.datetime.now(dt.UTC)
    tx.execute(
        cases.update()
        .where(cases.c.project_id == actor.project, cases.c.id == row.id)
        .values(stage=stage, updated_at=now, row_version=cases.c.row_version + 1)
    )
    person = actor.id if actor.kind == "person" else None
    tx.execute(
        action.insert().values(
            project_id=actor.project, id=new_id(), case_id=row.id, kind="case.stage", subject=subject, at=now,
            user_id=person, app_user_id=actor.id if actor.kind == "tablet" else None,
            data={"from": row.stage, "to": stage, "since": since.isoformat()},
        )
    )
    list_rows.write(tx, actor.project, row.list, row.entity)


def _case(project: UUID, case_id: UUID) -> sa.Select:
    return sa.select(cases).where(cases.c.project_id == project, cases.c.id == case_id)
