"""The job that makes a letter's PDF: renders what was frozen, encrypts it and keeps it. Knows no rules.

A letter is issued before it is printed. When the printing fails, the letter stays issued, the failure waits in the
inbox under the request that it belongs to, and the job may be asked for again.
"""
from __future__ import annotations

import datetime as dt
import hashlib
from uuid import UUID

import sqlalchemy as sa

from cases import letters
from exports.letters import TEMPLATE_VERSION, render_letter
from namjai.problems import Problem
from store import jobs
from store.actor import Actor
from store.audit import Event, record
from store.keys import new_id
from store.opening import Store
from store.tables import grants, letter, rule_failure


@jobs.handles(jobs.PRINT_LETTER)
def print_letter(store: Store, *, project: str, letter: str) -> None:
    """Print one issued letter and keep its PDF. Run again, it does nothing: the first PDF stays.

    A Problem of the letter itself is noted, not raised: trying again would find the same.
    """
    home, letter_id = UUID(project), UUID(letter)
    actor = Actor("worker", projects=(home,), scope="all")
    try:
        with store.database.begin(actor) as tx:
            _print(tx, store, actor, letter_id)
    except Problem as problem:
        if problem.http_status in (503, 507):
            raise  # the database or the disk, not the letter: the queue tries again
        with store.database.begin(actor) as tx:
            _note_failure(tx, store, actor, letter_id, problem)


def _print(tx: sa.Connection, store: Store, actor: Actor, letter_id: UUID) -> None:
    # Locked until the PDF is kept, so that two workers make one.
    row = letters.letter_row(tx, actor.project, letter_id, lock=True)
    if row.pdf_blob is not None or row.state != "issued":
        return
    pdf = render_letter(letters.letter_data_of(tx, store, actor.project, letter_id))
    key = store.keyring.record(tx, actor.project, letter_id)
    blob = store.blobs.put(key.encrypt("pdf", pdf))
    tx.execute(
        letter.update()
        .where(letter.c.project_id == actor.project, letter.c.id == letter_id)
        .values(
            pdf_blob=blob, pdf_sha256=hashlib.sha256(pdf).hexdigest(),
            # The paper may have changed since the number was allotted; this is the one it was printed on.
            template_version=TEMPLATE_VERSION,
        )
    )
    letters.settle_failure(tx, actor.project, letter_id)
    record(tx, store.keyring, actor, Event("letter.made", "letter", letter_id, {"number": row.number}))


def _note_failure(tx: sa.Connection, store: Store, actor: Actor, letter_id: UUID, problem: Problem) -> None:
    row = letters.letter_row(tx, actor.project, letter_id)
    if row.pdf_blob is not None:
        return
    submission_id = tx.scalar(
        sa.select(grants.c.submission_id).where(grants.c.project_id == actor.project, grants.c.id == row.grant_id)
    )
    letters.settle_failure(tx, actor.project, letter_id)
    if submission_id is not None:
        facts = {key: str(value)[:100] for key, value in problem.facts.items()}
        facts |= {"letter": str(letter_id), "number": row.number, "code": problem.code}
        tx.execute(
            rule_failure.insert().values(
                project_id=actor.project, id=new_id(), rule=letters.PRINTING, submission_id=submission_id,
                problem=problem.code, facts=facts, at=dt.datetime.now(dt.UTC),
            )
        )
    record(tx, store.keyring, actor, Event("letter.failed", "letter", letter_id, {"problem": problem.code}))
