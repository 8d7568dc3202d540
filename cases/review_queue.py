"""The review queue: which submissions somebody may see, what waits, what comes next, and taking a decision back.

A submission is seen through a case it belongs to; one without a case by those who see all; its own by its sender.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from cases import people
from cases.paging import MOST_COUNTED, Cursor, counted, cursor
from cases.titles import Titles
from cases.who import Who, of_submissions
from namjai.problems import ChangedMeanwhile, NotFound, Problem
from store.actor import Actor
from store.audit import Event, record
from store.keys import new_id
from store.opening import Store
from store.tables import action, membership, submission, submission_attachment
from submissions.form_versions import TABLETS
from submissions.review import WAITING

PAGE = 50
STATES = ("waiting", "has_issues", "rejected", "approved", "all")
_UNDO_WITHIN = dt.timedelta(minutes=30)


class OwnSubmission(Problem):
    code, http_status = "own-submission", 403
    en = "You sent this yourself, so somebody else reviews it. Nothing was changed."
    th = "คุณเป็นผู้ส่งข้อมูลนี้เอง ต้องให้ผู้อื่นตรวจ ยังไม่มีการเปลี่ยนแปลง"


class NothingToUndo(Problem):
    code, http_status = "nothing-to-undo", 409
    en = "This decision cannot be taken back any more: it is too long ago, or somebody acted after it. Decide anew."
    th = "ยกเลิกการตัดสินใจนี้ไม่ได้แล้ว เพราะนานเกินไปหรือมีผู้ดำเนินการต่อ ตัดสินใจใหม่ได้"


@dataclass(frozen=True, slots=True)
class Queued:
    """A submission in a list. `form` is its title in the reader's language, `cases` those that may be seen, `by` who
    sent it or the server that it was read from."""

    id: UUID
    form_id: str
    form: str
    icon: str
    state: str
    sent: dt.datetime
    by: str | None
    cases: tuple[Who, ...]
    restricted: bool
    files_missing: bool

    @property
    def case(self) -> Who | None:
        return self.cases[0] if self.cases else None

    @property
    def more_cases(self) -> tuple[Who, ...]:
        return self.cases[1:]


def visible(actor: Actor, *, few: bool = False) -> list[sa.ColumnElement[bool]]:
    """The conditions under which this transaction's actor sees a submission.

    `few`: other conditions leave few rows, so each is looked up instead of reading all memberships once.
    """
    base = [submission.c.project_id == actor.project, submission.c.deleted_at.is_(None)]
    if actor.scope == "all":
        return base
    held = (membership.c.project_id == actor.project, membership.c.submission_id == submission.c.id)
    mine: sa.ColumnElement[bool] = sa.exists().where(*held)
    if few:
        mine = sa.select(sa.literal(1)).where(*held).limit(1).scalar_subquery().is_not(None)
    return [*base, sa.or_(submission.c.user_id == actor.id, mine)]


def find(tx: sa.Connection, actor: Actor, submission_id: UUID) -> sa.Row:
    """A submission that may be seen. Raises NotFound."""
    row = tx.execute(
        sa.select(submission).where(submission.c.id == submission_id, *visible(actor, few=True))
    ).one_or_none()
    if row is None:
        raise NotFound()
    return row


def waiting_for(actor: Actor, *, own: bool = False) -> sa.Select:
    """Ids of what waits for a review by somebody other than its sender; `own` with what the actor sent."""
    others = [] if own else [submission.c.user_id.is_distinct_from(actor.id)]
    return sa.select(submission.c.id).where(*visible(actor, few=True), *_in_state("waiting"), *others)


def page(
    tx: sa.Connection,
    actor: Actor,
    titles: Titles,
    *,
    state: str = "waiting",
    form: str | None = None,
    after: str | None = None,
    most: int = PAGE,
) -> tuple[list[Queued], str | None]:
    """A page of submissions, and the cursor of the next. What waits comes oldest first, all else newest first."""
    start, rising = cursor(after, kind=dt.datetime), state == "waiting"
    query = sa.select(submission).where(*visible(actor, few=state != "all" and state != "approved"), *_in_state(state))
    if form:
        query = query.where(submission.c.xml_form_id == form)
    place = sa.tuple_(submission.c.received_at, submission.c.id)
    if start is not None:
        edge = sa.tuple_(sa.literal(start.moment), sa.literal(start.id))
        query = query.where(place > edge if rising else place < edge)
    order = (submission.c.received_at, submission.c.id)
    rows = tx.execute(query.order_by(*(order if rising else [one.desc() for one in order])).limit(most + 1)).all()
    listed = rows[:most]
    later = Cursor(listed[-1].received_at.isoformat(), listed[-1].id).text() if len(rows) > most else None
    return shown(tx, actor, titles, listed), later


def shown(tx: sa.Connection, actor: Actor, titles: Titles, rows: Sequence[sa.Row]) -> list[Queued]:
    """Rows of submissions as a list shows them."""
    ids = [row.id for row in rows]
    found = of_submissions(tx, actor.project, ids, titles.language)
    names = people.names(tx, (row.user_id for row in rows))
    waiting = (
        set(
            tx.scalars(
                sa.select(submission_attachment.c.submission_id).where(
                    submission_attachment.c.project_id == actor.project,
                    submission_attachment.c.submission_id.in_(ids),
                    submission_attachment.c.expected.is_(True),
                    submission_attachment.c.blob.is_(None),
                )
            )
        )
        if ids
        else set()
    )
    return [
        Queued(
            row.id,
            row.xml_form_id,
            titles.title(row.xml_form_id),
            titles.icon(row.xml_form_id),
            row.review_state,
            row.received_at,
            people.short(names[row.user_id]) if row.user_id in names else _server(row),
            tuple(found.get(row.id, ())),
            row.restricted is not None,
            row.id in waiting,
        )
        for row in rows
    ]


def _server(row: sa.Row) -> str | None:
    """The server that it was read from; None where a tablet sent it here."""
    return None if row.form_origin == TABLETS else row.form_origin


def next_after(tx: sa.Connection, actor: Actor, row: sa.Row) -> UUID | None:
    """What to review after this: the next in the queue, else the oldest that waits."""
    query = (
        waiting_for(actor).where(submission.c.id != row.id).order_by(submission.c.received_at, submission.c.id).limit(1)
    )
    place = sa.tuple_(submission.c.received_at, submission.c.id) > sa.tuple_(
        sa.literal(row.received_at), sa.literal(row.id)
    )
    return tx.scalar(query.where(place)) or tx.scalar(query)


def undo(tx: sa.Connection, store: Store, actor: Actor, submission_id: UUID, row_version: int) -> str:
    """Take this person's last decision back, as long as nothing came after it. Gives the state that holds again.

    Raises NothingToUndo, ChangedMeanwhile, NotFound.
    """
    row = tx.execute(
        sa.select(submission)
        .where(submission.c.project_id == actor.project, submission.c.id == submission_id)
        .with_for_update()
    ).one_or_none()
    if row is None:
        raise NotFound()
    if row.row_version != row_version:
        raise ChangedMeanwhile()
    now = dt.datetime.now(dt.UTC)
    last = _own_last_decision(tx, actor, row, now)
    before = last.data["from"]
    tx.execute(
        submission.update()
        .where(submission.c.project_id == actor.project, submission.c.id == submission_id)
        .values(review_state=before, row_version=row.row_version + 1)
    )
    _note_undo(tx, actor, row, before, now)
    record(
        tx,
        store.keyring,
        actor,
        Event("submission.reviewed", "submission", submission_id, {"to": before, "undo": True}),
    )
    return before


def _own_last_decision(tx: sa.Connection, actor: Actor, row: sa.Row, now: dt.datetime) -> sa.Row:
    """What may be taken back: the newest decision, by this person, not long ago, in force. Raises NothingToUndo."""
    last = tx.execute(
        sa.select(action)
        .where(
            action.c.project_id == actor.project,
            action.c.subject == row.id,
            action.c.kind == "submission.reviewed",
        )
        .order_by(action.c.at.desc(), action.c.id.desc())
        .limit(1)
    ).one_or_none()
    if (
        last is None
        or last.user_id != actor.id
        or now - last.at > _UNDO_WITHIN
        or last.data.get("to") != row.review_state
        or last.data.get("undo")
    ):
        raise NothingToUndo()
    return last


def _note_undo(tx: sa.Connection, actor: Actor, row: sa.Row, before: str, now: dt.datetime) -> None:
    held = sa.select(membership.c.case_id).where(
        membership.c.project_id == actor.project, membership.c.submission_id == row.id
    )
    for case_id in tx.scalars(held).all() or [None]:
        tx.execute(
            action.insert().values(
                project_id=actor.project,
                id=new_id(),
                case_id=case_id,
                kind="submission.reviewed",
                subject=row.id,
                at=now,
                user_id=actor.id,
                data={"from": row.review_state, "to": before, "undo": True, "instance": row.instance_id},
            )
        )


def _in_state(state: str) -> list[sa.ColumnElement[bool]]:
    if state == "waiting":
        return [submission.c.review_state.in_([str(one) for one in WAITING])]
    return [] if state == "all" else [submission.c.review_state == state]


def counts(tx: sa.Connection, actor: Actor) -> dict[str, int | str]:
    """How many wait, and how many were sent back, counted up to a thousand."""
    found = {}
    for state in ("waiting", "has_issues"):
        inner = (
            sa.select(submission.c.id)
            .where(*visible(actor, few=state != "all" and state != "approved"), *_in_state(state))
            .limit(MOST_COUNTED + 1)
            .subquery()
        )
        found[state] = counted(tx.scalar(sa.select(sa.func.count()).select_from(inner)) or 0)
    return found
