"""Letters: a number and frozen data, allotted in the transaction of the decision that they tell of.

The PDF is a job's work (exports/printing); this module knows no paper. A letter is never changed: it is issued, and
perhaps made void, and then another one is issued.
"""
from __future__ import annotations

import datetime as dt
import functools
import hashlib
import json
import zoneinfo
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from cases import verification
from cases.grant_problems import LetterChanged, LetterNotPrintedYet, LetterVoidAlready
from namjai.problems import NotFound
from namjai.settings import ROOT
from odk.letter import LetterData, printed_number
from odk.programme import LetterRule
from store import jobs
from store.actor import Actor
from store.audit import Event, record
from store.keys import new_id
from store.opening import Store
from store.tables import action, letter, letter_counter, project, rule_failure

# The rule under which a printing that failed waits in the inbox.
PRINTING = "letter.print"
_COUNTER = "letter"
_PAPER = ROOT / "templates" / "letters"


@dataclass(frozen=True, slots=True)
class Issued:
    """A letter that got its number."""

    id: UUID
    number: str


def issue(
    tx: sa.Connection, store: Store, actor: Actor, rule: LetterRule, data: LetterData, *, grant_id: UUID, case_id: UUID
) -> Issued:
    """Allot the number, freeze the data and ask for the PDF, all in the caller's transaction.

    `data` comes checked from `letter_data`. On trial the number is one of the trial series, never of the real one.
    """
    day = dt.date.fromisoformat(data.date)
    count = _next(tx, actor.project, "trial" if data.trial else "real", day.year)
    short_name = tx.scalar(sa.select(project.c.short_name).where(project.c.id == actor.project))
    number = f"{short_name}-{'T' if data.trial else 'L'}-{day.year}-{count:04d}"
    version = store.keyring.purpose_version("letters")
    spoken = "en" if data.languages[0] == "en" else "th"
    proof = verification.token(store.keyring, number, version)
    whole = replace(
        data, number=number,
        printed_number=printed_number(rule.number_format.in_(spoken), count, day, spoken, trial=data.trial),
        verify_url=f"{store.settings.public_url}/verify/{number}?k={proof}",
    )
    letter_id, now = new_id(), dt.datetime.now(dt.UTC)
    frozen = frozen_bytes(whole)
    key = store.keyring.add_record(tx, actor.project, letter_id)
    tx.execute(
        letter.insert().values(
            project_id=actor.project, id=letter_id, number=number, series="trial" if data.trial else "real",
            kind=rule.id, language=data.language, state="issued", grant_id=grant_id, case_id=case_id, issued_at=now,
            issued_by=actor.id, template_version=paper_version(), data=key.encrypt("data", frozen),
            data_sha256=hashlib.sha256(frozen).hexdigest(), verify_version=version,
        )
    )
    _note(tx, store, actor, "letter.issued", letter_id, case_id, {"number": number, "kind": rule.id})
    jobs.defer(tx, jobs.PRINT_LETTER, project=str(actor.project), letter=str(letter_id))
    return Issued(letter_id, number)


def letter_data_of(tx: sa.Connection, store: Store, project_id: UUID, letter_id: UUID) -> LetterData:
    """What a letter says, as it was frozen. Raises NotFound, KeyMissing, LetterChanged when it is not that any more."""
    row = letter_row(tx, project_id, letter_id)
    frozen = store.keyring.record(tx, project_id, letter_id).decrypt("data", bytes(row.data))
    if hashlib.sha256(frozen).hexdigest() != row.data_sha256:
        raise LetterChanged(number=row.number)
    return LetterData.from_json(json.loads(frozen))


def pdf_of(tx: sa.Connection, store: Store, project_id: UUID, letter_id: UUID) -> bytes:
    """The printed letter. Raises NotFound, LetterNotPrintedYet, BlobMissing, KeyMissing, LetterChanged."""
    row = letter_row(tx, project_id, letter_id)
    if row.pdf_blob is None:
        raise LetterNotPrintedYet(number=row.number)
    key = store.keyring.record(tx, project_id, letter_id)
    pdf = key.decrypt("pdf", store.blobs.get(row.pdf_blob))
    if hashlib.sha256(pdf).hexdigest() != row.pdf_sha256:
        raise LetterChanged(number=row.number)
    return pdf


def letter_row(tx: sa.Connection, project_id: UUID, letter_id: UUID, *, lock: bool = False) -> sa.Row:
    """The row of a letter. Raises NotFound."""
    query = sa.select(letter).where(letter.c.project_id == project_id, letter.c.id == letter_id)
    row = tx.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise NotFound()
    return row


def void_letter(tx: sa.Connection, store: Store, actor: Actor, letter_id: UUID, *, because: str) -> None:
    """Make a letter void. `because` is a code, no sentence. Raises NotFound, LetterVoidAlready."""
    row = letter_row(tx, actor.project, letter_id, lock=True)
    if row.state == "void":
        raise LetterVoidAlready(number=row.number)
    now = dt.datetime.now(dt.UTC)
    tx.execute(
        letter.update()
        .where(letter.c.project_id == actor.project, letter.c.id == letter_id)
        .values(state="void", voided_at=now)
    )
    settle_failure(tx, actor.project, row.id)
    _note(tx, store, actor, "letter.voided", letter_id, row.case_id, {"number": row.number, "because": because})


def void_letters_of(tx: sa.Connection, store: Store, actor: Actor, grant_id: UUID, *, because: str) -> None:
    """Make every letter of a grant that still holds void."""
    held = sa.select(letter.c.id).where(
        letter.c.project_id == actor.project, letter.c.grant_id == grant_id, letter.c.state == "issued"
    )
    for letter_id in tx.scalars(held).all():
        void_letter(tx, store, actor, letter_id, because=because)


def print_again(tx: sa.Connection, project_id: UUID, letter_id: UUID) -> bool:
    """Ask for a letter's PDF once more, after whatever was in the way was put right. Whether there is one to make.

    Raises NotFound.
    """
    row = letter_row(tx, project_id, letter_id, lock=True)
    if row.pdf_blob is not None or row.state != "issued":
        return False
    settle_failure(tx, project_id, letter_id)
    jobs.defer(tx, jobs.PRINT_LETTER, project=str(project_id), letter=str(row.id))
    return True


def settle_failure(tx: sa.Connection, project_id: UUID, letter_id: UUID) -> None:
    """The printing of a letter does not wait in the inbox any more."""
    tx.execute(
        rule_failure.update()
        .where(
            rule_failure.c.project_id == project_id, rule_failure.c.settled_at.is_(None),
            rule_failure.c.rule == PRINTING, rule_failure.c.facts["letter"].astext == str(letter_id),
        )
        .values(settled_at=dt.datetime.now(dt.UTC))
    )


def frozen_bytes(data: LetterData) -> bytes:
    """The bytes that are kept and hashed: the same for equal data, for ever."""
    return json.dumps(data.to_json(), sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def today_in(timezone: str) -> dt.date:
    """The day it is in a zone: that of a letter."""
    return dt.datetime.now(zoneinfo.ZoneInfo(timezone)).date()


@functools.cache
def paper_version() -> str:
    """Which paper a letter is issued on: a short hash over everything in templates/letters."""
    digest = hashlib.sha256()
    for file in sorted(_PAPER.rglob("*")):
        if file.is_file():
            digest.update(file.relative_to(_PAPER).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _next(tx: sa.Connection, project_id: UUID, series: str, year: int) -> int:
    """The next number of a series. Its row stays locked until the transaction ends: no gap, no number twice."""
    counter = insert(letter_counter).values(project_id=project_id, kind=_COUNTER, series=series, year=year, last=1)
    counted = counter.on_conflict_do_update(
        index_elements=["project_id", "kind", "series", "year"], set_={"last": letter_counter.c.last + 1}
    )
    return tx.execute(counted.returning(letter_counter.c.last)).scalar_one()


def _note(
    tx: sa.Connection, store: Store, actor: Actor, kind: str, letter_id: UUID, case_id: UUID | None,
    data: dict[str, Any],
) -> None:
    by = "user_id" if actor.kind == "person" else "app_user_id" if actor.kind == "tablet" else None
    tx.execute(
        action.insert().values(
            project_id=actor.project, id=new_id(), case_id=case_id, kind=kind, subject=letter_id,
            at=dt.datetime.now(dt.UTC), data=data, **({by: actor.id} if by else {}),
        )
    )
    record(tx, store.keyring, actor, Event(kind, "letter", letter_id, {"number": data["number"]}))
