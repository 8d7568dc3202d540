"""The row of a case, made and kept by the entity it stands for. Knows what a property means by the list's roles."""
from __future__ import annotations

import datetime as dt
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from store.keys import new_id
from store.tables import cases, entity, entity_list, list_row, membership, submission
from submissions.fold import State

_LONGEST_CODE, _LONGEST_PSEUDONYM = 60, 200


def from_entity(
    tx: sa.Connection, project: UUID, row: sa.Row, uuid: UUID, state: State, *, worker: UUID | None, team: str | None,
    now: dt.datetime,
) -> UUID:
    """Make or refresh the case of an entity of the case list. Gives the case's id.

    As long as the creation has not come, the case is a placeholder with a code of its own.
    """
    tx.execute(
        insert(cases)
        .values(
            project_id=project, id=new_id(), list=row.name, entity=uuid, code=f"?{uuid.hex[:9]}", suffix=1,
            pseudonym="", placeholder=True, status="open", worker=worker, team=team, created_at=now, updated_at=now,
            row_version=1,
        )
        .on_conflict_do_nothing()
    )
    found = tx.execute(
        sa.select(cases)
        .where(cases.c.project_id == project, cases.c.list == row.name, cases.c.entity == uuid)
        .with_for_update()
    ).one()
    values = _values(tx, project, row, found, state)
    if state.created and found.placeholder and worker and worker != found.worker:
        values |= {"worker": worker, "team": team}
        _hand_over(tx, project, found.id, worker, team)
    changed = {name: value for name, value in values.items() if getattr(found, name) != value}
    if changed:
        tx.execute(
            cases.update()
            .where(cases.c.project_id == project, cases.c.id == found.id)
            .values(**changed, updated_at=now, row_version=cases.c.row_version + 1)
        )
    return found.id


def responsible(tx: sa.Connection, project: UUID, case_id: UUID) -> sa.Row:
    """Whose case it is: `worker` and `team`."""
    return tx.execute(
        sa.select(cases.c.worker, cases.c.team).where(cases.c.project_id == project, cases.c.id == case_id)
    ).one()


def join(tx: sa.Connection, project: UUID, case_id: UUID, submissions: list[UUID]) -> None:
    """These submissions belong to the case, too: whose it is became known after they came."""
    person = responsible(tx, project, case_id)
    given = sa.select(submission.c.id, submission.c.event_date).where(
        submission.c.project_id == project, submission.c.id.in_(submissions)
    )
    for row in tx.execute(given.order_by(submission.c.id)).all():
        values = {"worker": person.worker, "team": person.team, "event_date": row.event_date}
        tx.execute(
            insert(membership)
            .values(project_id=project, case_id=case_id, submission_id=row.id, **values)
            .on_conflict_do_nothing()
        )


def somebody_left(tx: sa.Connection, project: UUID, *lists: str, case_id: UUID | None = None) -> None:
    """Somebody is served less of these lists, or of all lists that hold something of the case: their hash counts it.

    So each tablet fetches them anew, and asks whether what it made itself and has not found there may stay.
    """
    of_case = sa.select(entity.c.list).where(entity.c.project_id == project, entity.c.case_id == case_id)
    tx.execute(
        entity_list.update()
        .where(
            entity_list.c.project_id == project,
            sa.or_(entity_list.c.name.in_(lists), entity_list.c.name.in_(of_case)),
        )
        .values(removals=entity_list.c.removals + 1)
    )


def _values(tx: sa.Connection, project: UUID, row: sa.Row, found: sa.Row, state: State) -> dict:
    said = {role: state.data.get(name) or None for role, name in row.roles.items()}
    values: dict = {"risk": said.get("risk"), "opened_on": _day(said.get("opened_on"))}
    if not state.created:
        return values
    code = _bounded(said.get("code"), _LONGEST_CODE) or found.code
    if code != found.code:
        values |= {"code": code, "suffix": _free_suffix(tx, project, code)}
    return values | {"placeholder": False, "pseudonym": _bounded(said.get("pseudonym"), _LONGEST_PSEUDONYM)}


def _free_suffix(tx: sa.Connection, project: UUID, code: str) -> int:
    """A code is random, so two of the same are rare: both stay, told apart by the suffix."""
    tx.execute(
        sa.text("SELECT pg_advisory_xact_lock(hashtextextended(:project || :code, 7426106))"),
        {"project": str(project), "code": code},
    )
    last = tx.scalar(
        sa.select(sa.func.max(cases.c.suffix)).where(cases.c.project_id == project, cases.c.code == code)
    )
    return (last or 0) + 1


def _hand_over(tx: sa.Connection, project: UUID, case_id: UUID, worker: UUID, team: str | None) -> None:
    somebody_left(tx, project, case_id=case_id)
    for table in (membership, list_row):
        tx.execute(
            table.update()
            .where(table.c.project_id == project, table.c.case_id == case_id)
            .values(worker=worker, team=team)
        )


def _bounded(text: str | None, longest: int) -> str:
    """One line of a length that an index can hold; the entity keeps the whole."""
    return " ".join((text or "").split())[:longest].strip()


def _day(text: str | None) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text[:10]) if text else None
    except ValueError:
        return None
