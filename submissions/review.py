"""Review: what a coordinator says of a submission, and what people say to each other about it."""
from __future__ import annotations

import datetime as dt
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from namjai.problems import ChangedMeanwhile, NotFound, Problem
from store.actor import Actor
from store.audit import Event, record
from store.keys import KeyMissing, new_id
from store.opening import Store
from store.tables import action, comment, membership, submission

LONGEST_COMMENT = 4000


class ReviewState(StrEnum):
    RECEIVED = "received"
    EDITED = "edited"
    HAS_ISSUES = "has_issues"
    REJECTED = "rejected"
    APPROVED = "approved"


WAITING = (ReviewState.RECEIVED, ReviewState.EDITED)
_NEEDS_REASON = (ReviewState.HAS_ISSUES, ReviewState.REJECTED)


class ReasonMissing(Problem):
    code, http_status = "reason-missing", 400
    en = "Say why in a sentence: the person who sent it reads it. Nothing was changed."
    th = "บอกเหตุผลสั้น ๆ เพราะผู้ส่งจะได้อ่าน ยังไม่มีการเปลี่ยนแปลง"


class CommentTooLong(Problem):
    code, http_status = "comment-too-long", 400
    en = "A comment holds {most} characters; yours is longer. Nothing was saved; shorten it and send again."
    th = "ความเห็นยาวได้ไม่เกิน {most} ตัวอักษร ยังไม่ได้บันทึก ตัดให้สั้นลงแล้วส่งใหม่"


def set_review_state(
    tx: sa.Connection,
    store: Store,
    actor: Actor,
    submission_id: UUID,
    state: ReviewState,
    *,
    row_version: int,
    reason: str = "",
) -> str:
    """Set the state of a submission as it was seen (its row version). Gives the state before, for undo.

    Raises ReasonMissing, ChangedMeanwhile when an edit or another decision came meanwhile, NotFound.
    """
    if state in _NEEDS_REASON and not reason.strip():
        raise ReasonMissing()
    row = tx.execute(
        sa.select(submission)
        .where(submission.c.project_id == actor.project, submission.c.id == submission_id)
        .with_for_update()
    ).one_or_none()
    if row is None or row.deleted_at:
        raise NotFound()
    if row.row_version != row_version:
        raise ChangedMeanwhile()
    now = dt.datetime.now(dt.UTC)
    tx.execute(
        submission.update()
        .where(submission.c.project_id == actor.project, submission.c.id == submission_id)
        .values(review_state=state, reviewed_at=now, reviewed_by=actor.id, row_version=row.row_version + 1)
    )
    if reason.strip():
        say(tx, store, actor, submission_id, reason)
    data = {"from": row.review_state, "to": str(state), "instance": row.instance_id}
    held: list[UUID | None] = [*_cases(tx, actor.project, submission_id)]
    for case_id in held or [None]:
        tx.execute(
            action.insert().values(
                project_id=actor.project,
                id=new_id(),
                case_id=case_id,
                kind="submission.reviewed",
                subject=submission_id,
                at=now,
                user_id=actor.id,
                data=data,
            )
        )
    record(tx, store.keyring, actor, Event("submission.reviewed", "submission", submission_id, {"to": str(state)}))
    return row.review_state


def review_by_source(
    tx: sa.Connection, store: Store, actor: Actor, submission_id: UUID, state: ReviewState, at: dt.datetime
) -> bool:
    """The state that a source now says. False when it was so already; what people decided here stays in the history."""
    row = tx.execute(
        sa.select(submission.c.review_state, submission.c.instance_id)
        .where(submission.c.project_id == actor.project, submission.c.id == submission_id)
        .with_for_update()
    ).one()
    if row.review_state == state:
        return False
    tx.execute(
        submission.update()
        .where(submission.c.project_id == actor.project, submission.c.id == submission_id)
        .values(review_state=state, reviewed_at=at, reviewed_by=None, row_version=submission.c.row_version + 1)
    )
    data = {"from": row.review_state, "to": str(state), "instance": row.instance_id}
    belongs: list[UUID | None] = [*_cases(tx, actor.project, submission_id)]
    for case_id in belongs or [None]:
        tx.execute(
            action.insert().values(
                project_id=actor.project,
                id=new_id(),
                case_id=case_id,
                kind="submission.reviewed",
                subject=submission_id,
                at=at,
                data=data,
            )
        )
    record(tx, store.keyring, actor, Event("submission.reviewed", "submission", submission_id, {"to": str(state)}))
    return True


def remark(
    tx: sa.Connection,
    store: Store,
    actor: Actor,
    submission_id: UUID,
    comment_id: UUID,
    at: dt.datetime,
    author: str,
    text: str,
) -> bool:
    """A comment from a source, under an id that is always the same for it. False when it is here already."""
    key = store.keyring.record(tx, actor.project, submission_id)
    body = key.encrypt(f"comment:{comment_id}", text.strip()[:LONGEST_COMMENT].encode())
    statement = insert(comment).values(
        project_id=actor.project, id=comment_id, subject=submission_id, at=at, author=author[:100], body=body
    )
    return tx.execute(statement.on_conflict_do_nothing()).rowcount == 1


def say(tx: sa.Connection, store: Store, actor: Actor, subject: UUID, text: str) -> UUID:
    """Add a comment to a thread, encrypted under its subject's key. Raises CommentTooLong, ReasonMissing when empty."""
    text = text.strip()
    if not text:
        raise ReasonMissing()
    if len(text) > LONGEST_COMMENT:
        raise CommentTooLong(most=LONGEST_COMMENT)
    try:
        key = store.keyring.record(tx, actor.project, subject)
    except KeyMissing:
        key = store.keyring.add_record(tx, actor.project, subject)
    comment_id = new_id()
    tx.execute(
        comment.insert().values(
            project_id=actor.project, id=comment_id, subject=subject, at=dt.datetime.now(dt.UTC), user_id=actor.id,
            body=key.encrypt(f"comment:{comment_id}", text.encode()),
        )
    )
    record(tx, store.keyring, actor, Event("comment.added", "comment", subject, {}))
    return comment_id


def thread(tx: sa.Connection, store: Store, project: UUID, subject: UUID) -> list[tuple[UUID | str, dt.datetime, str]]:
    """The comments of a thread, oldest first: (user id, or the name that a source gave, time, text)."""
    rows = tx.execute(
        sa.select(comment).where(comment.c.project_id == project, comment.c.subject == subject).order_by(comment.c.at)
    ).all()
    if not rows:
        return []
    key = store.keyring.record(tx, project, subject)
    return [
        (row.user_id or row.author or "", row.at, key.decrypt(f"comment:{row.id}", bytes(row.body)).decode())
        for row in rows
    ]


def _cases(tx: sa.Connection, project: UUID, submission_id: UUID) -> list[UUID]:
    return list(
        tx.scalars(
            sa.select(membership.c.case_id).where(
                membership.c.project_id == project, membership.c.submission_id == submission_id
            )
        )
    )
