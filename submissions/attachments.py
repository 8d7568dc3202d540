"""The files of a submission: expected, partial, verified or missing. A file's name never touches the disk."""
from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from store.opening import Store
from store.tables import submission_attachment
from submissions.delivery import File
from submissions.problems import FileNameUnusable

if TYPE_CHECKING:
    from submissions.receive import Arrival

_LONGEST = 255


def check_names(files: Iterable[File]) -> None:
    """Raises FileNameUnusable for a name that is a path, is empty or too long, or holds control characters."""
    for file in files:
        name = file.name
        if not name or len(name) > _LONGEST or name in (".", "..") or any(c in "/\\" or ord(c) < 32 for c in name):
            raise FileNameUnusable()


def keep(arrival: Arrival, *, expected: bool) -> int:
    """Keep the files that came; with `expected`, also note those that the answers name. Gives how many were new.

    A file that the form does not name is kept and marked. Another content under a known name is kept beside it.
    """
    files = arrival.delivery.files
    names = arrival.read().files if expected else ()
    tx, project, owner = arrival.tx, arrival.project, arrival.submission_id
    if expected and arrival.instance.deprecated_id:
        # An edit may name others than the version before it did; those stay, and nobody waits for them any more.
        named = submission_attachment.c.name.in_(names)
        tx.execute(
            submission_attachment.update()
            .where(
                submission_attachment.c.project_id == project,
                submission_attachment.c.submission_id == owner,
                submission_attachment.c.expected != named,
            )
            .values(expected=named)
        )
    if not files and not names:
        return 0
    if names:
        tx.execute(
            insert(submission_attachment)
            .values([_row(project, owner, name, state="expected", expected=True) for name in names])
            .on_conflict_do_nothing()
        )
    return sum(_keep_one(arrival, file) for file in files)


def expect(arrivals: Sequence[Arrival]) -> None:
    """Note the files that the answers of new submissions name, of all of them together."""
    named = [
        _row(one.project, one.submission_id, name, state="expected", expected=True)
        for one in arrivals
        for name in one.read().files
    ]
    if named:
        arrivals[0].tx.execute(insert(submission_attachment).on_conflict_do_nothing(), named)


def put(
    tx: sa.Connection, store: Store, project: UUID, submission_id: UUID, file: File, at: dt.datetime
) -> bool:
    """A file as its source has it now: what came late, or takes the place of what was there. False when it is equal.

    Raises FileNameUnusable.
    """
    check_names((file,))
    tx.execute(
        insert(submission_attachment)
        .values(_row(project, submission_id, file.name, state="expected", expected=False))
        .on_conflict_do_nothing()
    )
    row = _locked(tx, project, submission_id, file.name)
    digest = store.keyring.hash("digest", "file", str(project), file.content)
    if row.blob and bytes(row.digest) == digest:
        return False
    key = store.keyring.record(tx, project, submission_id)
    tx.execute(
        submission_attachment.update()
        .where(*_is(project, submission_id, file.name))
        .values(
            state="verified", blob=store.blobs.put(key.encrypt(f"file:{file.name}", file.content)), digest=digest,
            size=len(file.content), content_type=file.content_type[:100], received_at=at,
        )
    )
    return True


def _keep_one(arrival: Arrival, file: File) -> bool:
    tx, project, owner = arrival.tx, arrival.project, arrival.submission_id
    digest = arrival.store.keyring.hash("digest", "file", str(project), file.content)
    name = file.name
    # A row is made first, so that two parts that bring the same file meet at its key.
    tx.execute(
        insert(submission_attachment)
        .values(_row(project, owner, name, state="expected", expected=False))
        .on_conflict_do_nothing()
    )
    row = _locked(tx, project, owner, name)
    if row.blob and bytes(row.digest) == digest:
        return False
    if row.blob:
        stem, dot, ending = name.rpartition(".")
        name = f"{(stem if dot else name)[:200]} ({digest.hex()[:8]}){dot}{ending if dot else ''}"
        statement = insert(submission_attachment).values(_row(project, owner, name, state="expected", expected=False))
        if tx.execute(statement.on_conflict_do_nothing()).rowcount == 0:
            return False
    blob = arrival.store.blobs.put(arrival.open_key().encrypt(f"file:{name}", file.content))
    tx.execute(
        submission_attachment.update()
        .where(
            submission_attachment.c.project_id == project,
            submission_attachment.c.submission_id == owner,
            submission_attachment.c.name == name,
        )
        .values(
            state="verified",
            blob=blob,
            digest=digest,
            size=len(file.content),
            content_type=file.content_type[:100],
            received_at=arrival.delivery.received_at,
        )
    )
    return True


def _locked(tx: sa.Connection, project: UUID, owner: UUID, name: str) -> sa.Row:
    return tx.execute(sa.select(submission_attachment).where(*_is(project, owner, name)).with_for_update()).one()


def _is(project: UUID, owner: UUID, name: str) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        submission_attachment.c.project_id == project,
        submission_attachment.c.submission_id == owner,
        submission_attachment.c.name == name,
    )


def _row(project: UUID, owner: UUID, name: str, **more: Any) -> dict[str, Any]:
    return {"project_id": project, "submission_id": owner, "name": name, **more}
