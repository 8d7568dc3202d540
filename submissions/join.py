"""Two halves of a chain of edits become one submission, when the version between them arrives last."""
from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import sqlalchemy as sa

from store.keys import RecordKey
from store.tables import (
    comment,
    grants,
    membership,
    record_key,
    rule_failure,
    submission,
    submission_attachment,
    submission_version,
)
from submissions import entities

if TYPE_CHECKING:
    from submissions.receive import Arrival

_CLASSES = ("sensitive", "identifying", "restricted")


def join(arrival: Arrival, later: UUID) -> None:
    """Move everything of the later submission to the arrival's, whose answers become the later ones.

    What is encrypted is encrypted anew: a ciphertext names the record it belongs to.
    """
    tx, project, earlier = arrival.tx, arrival.project, arrival.submission_id
    old = arrival.store.keyring.record(tx, project, later)
    new = arrival.open_key()
    source = tx.execute(_of(submission, "id", project, later)).one()
    _move_versions(tx, project, later, earlier, old, new)
    _move_attachments(arrival, later, old, new)
    for row in tx.execute(_of(comment, "subject", project, later)):
        body = new.encrypt(f"comment:{row.id}", old.decrypt(f"comment:{row.id}", bytes(row.body)))
        tx.execute(
            comment.update()
            .where(comment.c.project_id == project, comment.c.id == row.id)
            .values(subject=earlier, body=body)
        )
    _move_memberships(tx, project, later, earlier)
    entities.count_again(arrival, later)
    for table in (rule_failure, grants):
        tx.execute(
            table.update()
            .where(table.c.project_id == project, table.c.submission_id == later)
            .values(submission_id=earlier)
        )
    carried = (
        "instance_id",
        "form_origin",
        "form_version",
        "review_state",
        "event_date",
        "event_text",
        "open",
        "flags",
        "reviewed_at",
        "reviewed_by",
    )
    values = {name: getattr(source, name) for name in carried}
    for name in _CLASSES:
        given = getattr(source, name)
        values[name] = new.encrypt(name, old.decrypt(name, bytes(given))) if given else None
    tx.execute(record_key.delete().where(record_key.c.project_id == project, record_key.c.record_id == later))
    tx.execute(submission.delete().where(submission.c.project_id == project, submission.c.id == later))
    tx.execute(
        submission.update()
        .where(submission.c.project_id == project, submission.c.id == earlier)
        .values(**values, updated_at=arrival.delivery.received_at, row_version=submission.c.row_version + 1)
    )


def _move_versions(
    tx: sa.Connection, project: UUID, later: UUID, earlier: UUID, old: RecordKey, new: RecordKey
) -> None:
    for row in tx.execute(_of(submission_version, "submission_id", project, later)):
        field = f"raw:{row.instance_id}"
        tx.execute(
            submission_version.update()
            .where(
                submission_version.c.project_id == project,
                submission_version.c.xml_form_id == row.xml_form_id,
                submission_version.c.instance_id == row.instance_id,
            )
            .values(submission_id=earlier, raw=new.encrypt(field, old.decrypt(field, bytes(row.raw))))
        )


def _move_attachments(arrival: Arrival, later: UUID, old: RecordKey, new: RecordKey) -> None:
    tx, project, earlier, blobs = arrival.tx, arrival.project, arrival.submission_id, arrival.store.blobs
    here = {row.name for row in tx.execute(_of(submission_attachment, "submission_id", project, earlier)) if row.blob}
    for row in tx.execute(_of(submission_attachment, "submission_id", project, later)).all():
        one = (
            submission_attachment.c.project_id == project,
            submission_attachment.c.name == row.name,
        )
        tx.execute(submission_attachment.delete().where(*one, submission_attachment.c.submission_id == later))
        if row.name in here:
            continue
        tx.execute(submission_attachment.delete().where(*one, submission_attachment.c.submission_id == earlier))
        values = dict(row._mapping) | {"submission_id": earlier}
        if row.blob:
            field = f"file:{row.name}"
            values["blob"] = blobs.put(new.encrypt(field, old.decrypt(field, blobs.get(row.blob))))
        tx.execute(submission_attachment.insert().values(values))


def _move_memberships(tx: sa.Connection, project: UUID, later: UUID, earlier: UUID) -> None:
    rows = tx.execute(_of(membership, "submission_id", project, later)).all()
    for submission_id in (later, earlier):
        tx.execute(
            membership.delete().where(membership.c.project_id == project, membership.c.submission_id == submission_id)
        )
    for row in rows:
        tx.execute(membership.insert().values(dict(row._mapping) | {"submission_id": earlier}))


def _of(table: sa.Table, column: str, project: UUID, value: UUID) -> sa.Select:
    return sa.select(table).where(table.c.project_id == project, table.c[column] == value)
