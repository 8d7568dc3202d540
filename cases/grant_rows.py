"""The rows of grants, and what every change of one brings along: timeline, audit, what the tablets are told."""
from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from cases.grant_rules import APPROVED, baht_of
from namjai.languages import date_words, money
from namjai.problems import NotFound
from odk.programme import Programme
from store.actor import Actor
from store.audit import Event, record
from store.keys import new_id
from store.opening import Store
from store.tables import action, cases, entity, grants
from submissions.entities import change_by_server


def locked(tx: sa.Connection, project: UUID, grant_id: UUID) -> sa.Row:
    """The grant's row, locked until the transaction ends. Raises NotFound, also for one that the actor may not see.

    Its entity is locked first, as a delivery does it: so a decision and an edit wait for each other in one order.
    """
    found = tx.execute(sa.select(grants.c.list, grants.c.entity).where(*_one(project, grant_id))).one_or_none()
    if found is None:
        raise NotFound()
    tx.execute(
        sa.select(entity.c.uuid)
        .where(entity.c.project_id == project, entity.c.list == found.list, entity.c.uuid == found.entity)
        .with_for_update()
    ).one()
    return tx.execute(sa.select(grants).where(*_one(project, grant_id)).with_for_update()).one()


def by_entity(tx: sa.Connection, project: UUID, list_name: str, uuid: UUID) -> sa.Row | None:
    """The grant that an entity stands for, locked."""
    return tx.execute(
        sa.select(grants)
        .where(grants.c.project_id == project, grants.c.list == list_name, grants.c.entity == uuid)
        .with_for_update()
    ).one_or_none()


def entity_data(tx: sa.Connection, project: UUID, grant: sa.Row) -> dict[str, Any]:
    """The properties of the grant's entity as they are now."""
    found = sa.select(entity.c.data).where(
        entity.c.project_id == project, entity.c.list == grant.list, entity.c.uuid == grant.entity
    )
    return dict(tx.scalar(found) or {})


def labels(
    tx: sa.Connection, project: UUID, picked: Iterable[sa.Row], language: str, zone: dt.tzinfo
) -> dict[str, str]:
    """Grants by the id of their entity (`picked`: list and uuid), as pages write them: code, pseudonym, sum, day."""
    rows = list(picked)
    lists, entities = {row.list for row in rows}, [row.uuid for row in rows]
    query = (
        sa.select(grants.c.entity, grants.c.amount, grants.c.requested_at, cases.c.code, cases.c.pseudonym)
        .outerjoin(cases, sa.and_(cases.c.project_id == grants.c.project_id, cases.c.id == grants.c.case_id))
        .where(grants.c.project_id == project, grants.c.list.in_(lists), grants.c.entity.in_(entities))
    )
    return {
        str(row.entity): " · ".join(
            part
            for part in (
                row.code, row.pseudonym, money(row.amount, language),
                date_words(row.requested_at.astimezone(zone).date(), language),
            )
            if part
        )
        for row in tx.execute(query)
    }


def case_of(tx: sa.Connection, project: UUID, case_id: UUID | None) -> sa.Row | None:
    """The case a grant belongs to, if it is known."""
    return tx.execute(
        sa.select(cases).where(cases.c.project_id == project, cases.c.id == case_id)
    ).one_or_none()


def change(tx: sa.Connection, project: UUID, grant: sa.Row, **values: Any) -> sa.Row:
    """Set columns of a locked grant; its row version grows. Gives the row as it is now."""
    return tx.execute(
        grants.update()
        .where(*_one(project, grant.id))
        .values(**values, row_version=grant.row_version + 1)
        .returning(grants)
    ).one()


def publish(tx: sa.Connection, programme: Programme, project: UUID, grant: sa.Row, *, user_id: UUID | None) -> None:
    """Tell the tablets what is ours to say of a grant, as far as the programme names it server-owned."""
    rule = programme.lists.get(grant.list)
    owned = rule.server_owned if rule else ()
    approved = baht_of(grant.amount) if grant.state in APPROVED else ""
    said = {"number": grant.number, "state": grant.state, "amount_approved": approved}
    # Only what changes: the less a version says, the less of what a tablet sends meanwhile can clash with it.
    known = entity_data(tx, project, grant)
    data = {name: value for name, value in said.items() if name in owned and value != (known.get(name) or "")}
    if data:
        change_by_server(tx, project, grant.list, grant.entity, data, user_id=user_id)


def note(
    tx: sa.Connection, store: Store, actor: Actor, kind: str, grant: sa.Row, data: dict[str, Any] | None = None
) -> None:
    """What happened to a grant: a row of the case's timeline, and an audit event. `data` names no person."""
    tx.execute(
        action.insert().values(
            project_id=actor.project, id=new_id(), case_id=grant.case_id, kind=kind, subject=grant.id,
            at=dt.datetime.now(dt.UTC), user_id=actor.id if actor.kind == "person" else None,
            app_user_id=actor.id if actor.kind == "tablet" else None,
            data={"number": grant.number, "amount": grant.amount, "kind": grant.kind, **(data or {})},
        )
    )
    record(tx, store.keyring, actor, Event(kind, "grant", grant.id, {"number": grant.number}))


def _one(project: UUID, grant_id: UUID) -> tuple[sa.ColumnElement[bool], ...]:
    return (grants.c.project_id == project, grants.c.id == grant_id)
