"""Where a case stands on its way: the stages of the programme, moved on the web, begun by a form."""
from __future__ import annotations

import datetime as dt
from uuid import UUID

import sqlalchemy as sa

from namjai.languages import Words
from namjai.problems import ChangedMeanwhile, InputInvalid, NotFound, Problem
from odk.programme import Programme
from store.actor import Actor
from store.audit import Event, record
from store.keys import new_id
from store.opening import Store
from store.tables import action, cases
from submissions import entities, list_rows
from submissions.delivery import Changes


class StageInFuture(Problem):
    code, http_status = "stage-in-future", 400
    en = "A stage begins today or earlier. Nothing was changed; choose the day on which it began."
    th = "วันที่เริ่มขั้นต้องไม่เกินวันนี้ ยังไม่มีการเปลี่ยนแปลง เลือกวันที่เริ่มขั้นนี้"


class StageNeedsIntake(Problem):
    code, http_status = "stage-needs-intake", 409
    en = "The intake of this case is not in yet, so it stands at no stage. Nothing was changed; wait for the tablet."
    th = "ยังไม่ได้รับแบบรับเคสของเคสนี้ จึงยังไม่มีขั้น ยังไม่มีการเปลี่ยนแปลง รอข้อมูลจากแท็บเล็ต"


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
    tx: sa.Connection, store: Store, actor: Actor, case_id: UUID, stage: str, *, since: dt.date, programme: Programme,
    row_version: int | None = None, back: bool = False,
) -> bool:
    """A person moves a case to a stage; the tablets learn of it once. Whether it was not there already.

    `row_version` is that of the case as it was seen, `back` takes the last move back: both stay on the timeline, the
    way of the case forgets them. Raises InputInvalid, NotFound, ChangedMeanwhile, StageNeedsIntake.
    """
    if programme.stage(stage) is None:
        raise InputInvalid(
            field=Words("Stage", "ขั้นตอน"),
            reason=Words("it is not one of the programme's stages", "ไม่ใช่ขั้นตอนของโครงการนี้"),
        )
    row = tx.execute(_case(actor.project, case_id).with_for_update()).one_or_none()
    if row is None:
        raise NotFound()
    if row_version is not None and row.row_version != row_version:
        raise ChangedMeanwhile()
    if row.placeholder:
        raise StageNeedsIntake()
    if row.stage == stage:
        return False
    _set(tx, actor, row, stage, since, case_id, back=back)
    if programme.cases.stage:
        entities.change_by_server(
            tx, actor.project, row.list, row.entity, {programme.cases.stage: stage}, user_id=actor.id
        )
    record(tx, store.keyring, actor, Event("case.stage", "case", case_id, {"to": stage}))
    return True


def history(tx: sa.Connection, project: UUID, case_id: UUID) -> list[tuple[str, dt.date]]:
    """(stage, since), oldest first, without moves that were taken back."""
    rows = tx.execute(
        sa.select(action.c.data)
        .where(action.c.project_id == project, action.c.case_id == case_id, action.c.kind == "case.stage")
        .order_by(action.c.at, action.c.id)
    )
    way: list[tuple[str, dt.date]] = []
    for row in rows:
        if row.data.get("back") and way and way[-1][0] == row.data["from"]:
            way.pop()
        else:
            way.append((row.data["to"], dt.date.fromisoformat(row.data["since"])))
    return way


def _set(
    tx: sa.Connection, actor: Actor, row: sa.Row, stage: str, since: dt.date, subject: UUID, *, back: bool = False
) -> None:
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
            data={"from": row.stage, "to": stage, "since": since.isoformat()} | ({"back": True} if back else {}),
        )
    )
    list_rows.write(tx, actor.project, row.list, row.entity)


def _case(project: UUID, case_id: UUID) -> sa.Select:
    return sa.select(cases).where(cases.c.project_id == project, cases.c.id == case_id)
