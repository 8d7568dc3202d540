"""The record of who did and saw what. Rows go in unchained; a sealer chains them each second (storage.md 16).

Knows no page: it is told a verb, a subject and field names. Never values.
"""
from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from store.actor import NO_PROJECT, Actor
from store.keys import Keyring, new_id
from store.tables import audit, audit_seal

_LOCK = 7_426_104
_EPOCH = 1


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that somebody did. `detail` holds codes and field names only."""

    verb: str
    subject_kind: str
    subject_id: UUID | None
    detail: dict


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `verify` found: rows and seals read, and in plain words what is wrong."""

    rows: int
    seals: int
    unsealed: int
    faults: tuple[str, ...]


def row_of(keyring: Keyring, actor: Actor, event: Event, *, sealed: bytes | None = None, now: dt.datetime) -> dict:
    """The audit row of an event, with its MAC, ready to insert (the xid comes from the statement)."""
    row = {
        "project_id": actor.project,
        "id": new_id(),
        "at": now,
        "actor_kind": actor.kind,
        "actor_id": actor.id,
        "verb": event.verb,
        "subject_kind": event.subject_kind,
        "subject_id": event.subject_id,
        "detail": event.detail,
        "sealed": sealed,
    }
    return row | {"mac": keyring.hash("audit", canonical(row))}


def record(
    tx: sa.Connection, keyring: Keyring, actor: Actor, *events: Event, sealed: bytes | None = None
) -> list[UUID]:
    """Write events in this transaction: they stand when what they speak of stands. Gives their ids."""
    now = dt.datetime.now(dt.UTC)
    rows = [row_of(keyring, actor, event, sealed=sealed, now=now) for event in events]
    if rows:
        xid: sa.ColumnClause[Any] = sa.literal_column("pg_current_xact_id()")
        tx.execute(audit.insert().values([row | {"xid": xid} for row in rows]))
    return [row["id"] for row in rows]


def canonical(row: dict) -> bytes:
    """The bytes over which a row's MAC is made. Times in microseconds UTC, ids as text."""
    return json.dumps(
        [
            str(row["project_id"]),
            str(row["id"]),
            row["at"].astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%f"),
            row["actor_kind"],
            str(row["actor_id"]) if row["actor_id"] else None,
            row["verb"],
            row["subject_kind"],
            str(row["subject_id"]) if row["subject_id"] else None,
            row["detail"],
            hashlib.sha256(row["sealed"]).hexdigest() if row["sealed"] else None,
        ],
        sort_keys=True,
        ensure_ascii=False,
        separators=(",", ":"),
    ).encode()


def seal_pending(tx: sa.Connection) -> int:
    """Seal every row whose transaction has ended, in one batch. Gives the number of rows; one sealer at a time.

    The actor must see all projects: a row it cannot see is a row it cannot seal.
    """
    if not tx.scalar(sa.text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": _LOCK}):
        return 0
    last = tx.execute(
        sa.select(audit_seal).where(audit_seal.c.epoch == _EPOCH).order_by(audit_seal.c.ordinal.desc()).limit(1)
    ).one_or_none()
    horizon = tx.scalar(sa.text("SELECT pg_snapshot_xmin(pg_current_snapshot())::text"))
    since = str(last.before_xid) if last else "0"
    rows = tx.execute(_rows_between(), {"since": since, "before": horizon}).all()
    if not rows:
        return 0
    root = root_of(rows)
    ordinal = last.ordinal + 1 if last else 1
    tx.execute(
        audit_seal.insert().values(
            epoch=_EPOCH,
            ordinal=ordinal,
            before_xid=sa.text(f"'{int(horizon)}'::xid8"),
            rows=len(rows),
            root=root,
            chain=chained(bytes(last.chain) if last else b"", ordinal, horizon, len(rows), root),
            sealed_at=dt.datetime.now(dt.UTC),
        )
    )
    return len(rows)


def root_of(rows: Iterable) -> bytes:
    """The hash over a batch, rows in (xid, id) order."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(f"{row.xid}:{row.id}:".encode() + bytes(row.mac))
    return digest.digest()


def chained(previous: bytes, ordinal: int, before: str, rows: int, root: bytes) -> bytes:
    """The chain's next link."""
    return hashlib.sha256(previous + f"{ordinal}:{before}:{rows}:".encode() + root).digest()


def verify(tx: sa.Connection, keyring: Keyring) -> Verdict:
    """Read the whole record and say what is wrong with it. An unsealed tail whose MACs hold is fine."""
    faults: list[str] = []
    previous, since, count = b"", "0", 0
    seals = tx.execute(sa.select(audit_seal).where(audit_seal.c.epoch == _EPOCH).order_by(audit_seal.c.ordinal)).all()
    for number, seal in enumerate(seals, 1):
        before = str(seal.before_xid)
        rows = tx.execute(_rows_between(), {"since": since, "before": before}).all()
        faults += _broken(rows, keyring)
        count += len(rows)
        if seal.ordinal != number:
            faults.append(f"seal {number} is missing")
        if root_of(rows) != bytes(seal.root) or len(rows) != seal.rows:
            faults.append(f"seal {seal.ordinal} no longer fits its {seal.rows} rows")
        if chained(previous, seal.ordinal, before, seal.rows, bytes(seal.root)) != bytes(seal.chain):
            faults.append(f"seal {seal.ordinal} does not follow from the one before it")
        previous, since = bytes(seal.chain), before
    tail = tx.execute(_rows_between(), {"since": since, "before": str(2**63)}).all()
    faults += _broken(tail, keyring)
    return Verdict(count + len(tail), len(seals), len(tail), tuple(faults))


def _rows_between() -> sa.TextClause:
    return sa.text(
        "SELECT *, xid::text AS xid FROM audit WHERE xid >= CAST(:since AS xid8) AND xid < CAST(:before AS xid8)"
        " ORDER BY audit.xid, id"
    )


def _broken(rows: Iterable, keyring: Keyring) -> list[str]:
    return [
        f"row {row.id} was changed after it was written"
        for row in rows
        if keyring.hash("audit", canonical(row._mapping)) != bytes(row.mac)
    ]


__all__ = ["NO_PROJECT", "Event", "Verdict", "record", "row_of", "seal_pending", "verify"]
