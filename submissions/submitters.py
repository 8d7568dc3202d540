"""Who sent a submission at the server that it came from. Staff: their names lie encrypted, one record a person.

A submitter's id here is a keyed hash of what the server calls them, which on some servers is a name already.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from store.actor import Actor
from store.keys import RecordKey
from store.opening import Store
from store.tables import source_row, submitter

_FIELD = "submitter"


@dataclass(frozen=True, slots=True)
class Submitter:
    """Whom a server names: its own id of them, and how it shows them ("": not told here)."""

    remote_id: str = field(repr=False)
    name: str = field(default="", repr=False)


def learn(
    tx: sa.Connection, store: Store, actor: Actor, source_id: UUID, said: Iterable[Submitter]
) -> dict[Submitter, UUID]:
    """The ids of these submitters of one source. New ones are stored; whoever has another name now gets it."""
    ids = {one: _id(store, actor.project, source_id, one.remote_id) for one in said}
    before = {row.id for row in tx.execute(_rows(actor.project, ids.values()))}
    keys = store.keyring.records(tx, actor.project, list(before))
    known = submitters(tx, store, actor.project, before)
    # Always in one order, so that two runs do not wait for each other in a circle.
    for one, id_ in sorted(ids.items(), key=lambda pair: pair[1]):
        if id_ not in before:
            _insert(tx, store, actor.project, id_, source_id, one)
            before.add(id_)
        # Whose key is gone was erased, and stays so.
        elif id_ in keys and one.name and known[id_] != one:
            tx.execute(
                submitter.update()
                .where(submitter.c.project_id == actor.project, submitter.c.id == id_)
                .values(person=_sealed(keys[id_], one))
            )
    return ids


def submitters(
    tx: sa.Connection, store: Store, project: UUID, ids: Iterable[UUID] | None = None
) -> dict[UUID, Submitter]:
    """These submitters, or all of the project's, by their ids; without those that were erased."""
    rows = {row.id: bytes(row.person) for row in tx.execute(_rows(project, ids))}
    return {
        id_: Submitter(**json.loads(key.decrypt(_FIELD, rows[id_])))
        for id_, key in store.keyring.records(tx, project, list(rows)).items()
    }


def sender_of(tx: sa.Connection, store: Store, project: UUID, submission_id: UUID) -> Submitter | None:
    """Who sent a submission at the server that it came from; None where no server says."""
    here = source_row.c.project_id == project, source_row.c.submission_id == submission_id
    query = sa.select(source_row.c.submitter_id).where(*here, source_row.c.submitter_id.is_not(None)).limit(1)
    id_ = tx.scalar(query)
    return submitters(tx, store, project, [id_]).get(id_) if id_ else None


def _rows(project: UUID, ids: Iterable[UUID] | None) -> sa.Select:
    query = sa.select(submitter.c.id, submitter.c.person).where(submitter.c.project_id == project)
    return query if ids is None else query.where(submitter.c.id.in_(list(ids)))


def _insert(tx: sa.Connection, store: Store, project: UUID, id_: UUID, source_id: UUID, one: Submitter) -> None:
    key = store.keyring.add_record(tx, project, id_)
    values = {"project_id": project, "id": id_, "source_id": source_id, "person": _sealed(key, one)}
    tx.execute(insert(submitter).values(values))


def _sealed(key: RecordKey, one: Submitter) -> bytes:
    return key.encrypt(_FIELD, json.dumps({"remote_id": one.remote_id, "name": one.name}).encode())


def _id(store: Store, project: UUID, source_id: UUID, remote_id: str) -> UUID:
    return UUID(bytes=store.keyring.hash("digest", "submitter", str(project), str(source_id), remote_id)[:16])
