"""What could not be taken lies here, whole and encrypted, with the reason, until somebody replays or dismisses it.

Knows deliveries and problems; the same delivery lies here once, however often it comes.
"""
from __future__ import annotations

import base64
import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from namjai.problems import Problem
from store.actor import Actor
from store.audit import Event, record
from store.keys import new_id
from store.opening import Store
from store.tables import quarantine, record_key
from submissions.delivery import Delivery, File
from submissions.form_versions import TABLETS, plain


@dataclass(frozen=True, slots=True)
class Named:
    """What an unreadable delivery still says of itself, where it says anything."""

    xml_form_id: str | None = None
    instance_id: str | None = None


def keep(tx: sa.Connection, store: Store, actor: Actor, delivery: Delivery, problem: Problem, named: Named) -> UUID:
    """Keep a delivery that was refused. Gives its id; the same delivery gives the same id."""
    project, now = actor.project, delivery.received_at
    digest = store.keyring.hash(
        "digest",
        "quarantine",
        str(project),
        delivery.source,
        delivery.xml,
        *(part for file in delivery.files for part in (file.name, file.content)),
    )
    # A tablet sent it once more; of a server it is we who asked once more.
    more = 1 if delivery.source == TABLETS else 0
    again = {"seen_at": now, "times": quarantine.c.times + more, "problem": problem.code}
    # First where it lies: what a tablet sends over and over must not leave its files here each time.
    known = quarantine.update().where(quarantine.c.project_id == project, quarantine.c.digest == digest).values(**again)
    if (found := tx.scalar(known.returning(quarantine.c.id))) is not None:
        return found
    item = new_id()
    key, wrapped = store.keyring.new_record(project, item)
    statement = insert(quarantine).values(
        project_id=project, id=item, source=delivery.source, problem=problem.code, facts=_bounded(problem.facts),
        digest=digest, xml_form_id=plain(named.xml_form_id) if named.xml_form_id else None,
        instance_id=plain(named.instance_id) if named.instance_id else None, app_user_id=delivery.app_user_id,
        received_at=now, seen_at=now, times=1, state="waiting", raw=key.encrypt("raw", _envelope(delivery)),
        files=_files(store, key, delivery.files),
    )
    kept = tx.scalar(
        statement.on_conflict_do_update(index_elements=["project_id", "digest"], set_=again).returning(quarantine.c.id)
    )
    if kept == item:
        tx.execute(
            record_key.insert().values(
                project_id=project, record_id=item, kind="wrapped", version=store.keyring.version, wrapped=wrapped
            )
        )
        record(tx, store.keyring, actor, Event("quarantine.kept", "quarantine", item, {"problem": problem.code}))
    return kept


def delivery_of(tx: sa.Connection, store: Store, project: UUID, item: UUID) -> Delivery:
    """The delivery as it came, opened again. Raises KeyMissing, BlobMissing."""
    row = tx.execute(sa.select(quarantine).where(quarantine.c.project_id == project, quarantine.c.id == item)).one()
    key = store.keyring.record(tx, project, item)
    said = json.loads(key.decrypt("raw", bytes(row.raw)))
    listed = json.loads(key.decrypt("files", bytes(row.files))) if row.files else []
    files = tuple(
        File(one["name"], key.decrypt("file", store.blobs.get(one["blob"])), one["type"]) for one in listed
    )
    return Delivery(
        base64.b64decode(said["xml"]), row.received_at, row.source, files, row.app_user_id,
        UUID(said["user"]) if said.get("user") else None, said.get("team"), said.get("device"), said["timezone"],
        said.get("declares", False),
    )


def waiting(tx: sa.Connection, project: UUID) -> list[dict]:
    """What waits, oldest first: id, source, problem, facts, xml_form_id, received_at, times. No content."""
    columns = ("id", "source", "problem", "facts", "xml_form_id", "received_at", "seen_at", "times")
    rows = tx.execute(
        sa.select(*(quarantine.c[name] for name in columns))
        .where(quarantine.c.project_id == project, quarantine.c.state == "waiting")
        .order_by(quarantine.c.received_at)
    )
    return [dict(row._mapping) for row in rows]


def waiting_of(
    tx: sa.Connection, project: UUID, source: str, item: UUID, form: str, instances: Sequence[str]
) -> list[UUID]:
    """Of a source's items that wait: this one, and those that hold one of these instances of a form."""
    return list(
        tx.scalars(
            sa.select(quarantine.c.id).where(
                quarantine.c.project_id == project,
                quarantine.c.state == "waiting",
                quarantine.c.source == source,
                sa.or_(
                    quarantine.c.id == item,
                    sa.and_(
                        quarantine.c.xml_form_id == plain(form),
                        quarantine.c.instance_id.in_([plain(one) for one in instances]),
                    ),
                ),
            )
        )
    )


def settle(tx: sa.Connection, store: Store, actor: Actor, item: UUID, state: str, now: dt.datetime) -> None:
    """Say what became of an item: "replayed" or "dismissed". It stays readable."""
    tx.execute(
        quarantine.update()
        .where(quarantine.c.project_id == actor.project, quarantine.c.id == item)
        .values(state=state, settled_at=now, settled_by=actor.id)
    )
    record(tx, store.keyring, actor, Event(f"quarantine.{state}", "quarantine", item, {}))


def _envelope(delivery: Delivery) -> bytes:
    return json.dumps(
        {
            "xml": base64.b64encode(delivery.xml).decode(), "user": str(delivery.user_id) if delivery.user_id else None,
            "team": delivery.team, "device": delivery.device_id, "timezone": delivery.timezone,
            "declares": delivery.declares,
        }
    ).encode()


def _files(store: Store, key, files: tuple[File, ...]) -> bytes | None:
    if not files:
        return None
    listed = [
        {"name": file.name, "type": file.content_type, "blob": store.blobs.put(key.encrypt("file", file.content))}
        for file in files
    ]
    return key.encrypt("files", json.dumps(listed).encode())


def _bounded(facts: dict) -> dict:
    return {name: str(value)[:100] for name, value in facts.items()}
