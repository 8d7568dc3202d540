"""Letters as pages show them: a list, newest first, and one letter with what is known about it. No HTML.

A letter is seen by whoever may see its grant: the query goes through the grants' row-level security.
"""
from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from cases import letters
from cases.paging import Cursor, cursor
from cases.who import LINE, Who, who
from namjai.languages import SPOKEN, Words
from namjai.problems import NotFound, catalogue
from odk.programme import Programme
from store.actor import Actor
from store.opening import Store
from store.tables import cases, grants, letter, rule_failure, users

PAGE = 50
_MOST_OF_ONE = 100
VIEWS: dict[str, Words] = {
    "held": Words("In force", "มีผลอยู่"), "failed": Words("Not ready", "ยังไม่พร้อมพิมพ์"), "void": Words("Void", "ยกเลิกแล้ว"),
    "all": Words("All", "ทั้งหมด"),
}
_UNTOLD = Words(
    "The PDF could not be made ({code}). Put right what the inbox of failed rules says, then print again.",
    "ทำไฟล์ PDF ไม่ได้ ({code}) แก้ตามที่แจ้งในรายการกฎที่ผิดพลาด แล้วพิมพ์อีกครั้ง",
)


@dataclass(frozen=True, slots=True)
class LetterLine:
    """A letter in one line. `state`: waiting (the PDF is being made), failed, issued (it can be opened), printed (on
    paper) or void.
    """

    id: UUID
    key: str
    number: str
    kind: str
    case: Who | None
    state: str
    language: str
    issued: dt.datetime
    grant: UUID | None


@dataclass(frozen=True, slots=True)
class LetterPage:
    """One letter. `problem` says why it is not printed; `envelope`: it goes into a window; `amount` in satang;
    `on_paper` is its number as the paper writes it; `grant_state` is that of its grant now.
    """

    line: LetterLine
    by: str | None
    amount: int | None
    trial: bool
    with_receipt: bool
    envelope: bool
    sha256: str | None
    verify_url: str
    problem: str | None
    voided: dt.datetime | None
    on_paper: str
    grant_state: str


@dataclass(frozen=True, slots=True)
class LetterList:
    """A page of the list; `after` is the cursor of the next one."""

    lines: tuple[LetterLine, ...]
    after: str | None


def letters_for_list(
    tx: sa.Connection, actor: Actor, programme: Programme, language: str, *, view: str = "held",
    after: str | None = None, limit: int = PAGE,
) -> LetterList:
    """A page of letters in a view, newest first."""
    where = _in_view(view)
    start = cursor(after, kind=dt.datetime)
    if start and start.value:
        seen = sa.tuple_(sa.literal(start.moment), sa.literal(start.id))
        where.append(sa.tuple_(letter.c.issued_at, letter.c.id) < seen)
    rows = tx.execute(_rows(actor.project, where, limit + 1)).all()
    last = rows[limit - 1] if len(rows) > limit else None
    return LetterList(
        tuple(_line(row, programme, language) for row in rows[:limit]),
        Cursor(last.issued_at.isoformat(), last.id).text() if last else None,
    )


def letters_of_grant(
    tx: sa.Connection, actor: Actor, programme: Programme, language: str, grant_id: UUID
) -> list[LetterLine]:
    """All letters of a grant, newest first."""
    rows = tx.execute(_rows(actor.project, [letter.c.grant_id == grant_id], _MOST_OF_ONE))
    return [_line(row, programme, language) for row in rows]


def letter_id_of(tx: sa.Connection, actor: Actor, number: str) -> UUID:
    """The id behind a number in an address. Raises NotFound, also for a letter that this actor may not see."""
    return _one(tx, actor, number).id


def letter_page(
    tx: sa.Connection, store: Store, actor: Actor, programme: Programme, language: str, number: str
) -> LetterPage:
    """One letter by its number. Raises NotFound, and what opening its data raises."""
    row = _one(tx, actor, number)
    data = letters.letter_data_of(tx, store, actor.project, row.id)
    return LetterPage(
        line=_line(row, programme, language), by=row.issuer, amount=data.amount, trial=data.trial,
        with_receipt=data.receipt is not None, envelope=bool(data.window.lines), sha256=row.pdf_sha256,
        verify_url=data.verify_url, problem=_problem(row, language), voided=row.voided_at,
        on_paper=data.printed_number, grant_state=row.grant_state,
    )


def _one(tx: sa.Connection, actor: Actor, number: str) -> sa.Row:
    row = tx.execute(_rows(actor.project, [letter.c.number == number], 1)).one_or_none()
    if row is None:
        raise NotFound()
    return row


def _rows(project: UUID, where: Sequence[sa.ColumnElement[bool]], limit: int) -> sa.Select:
    """Letters whose grant may be seen, newest first, with case, issuer and the failure of their printing."""
    # The page is cut before the rest is joined: a long history costs no more than a short one.
    page = (
        sa.select(letter, grants.c.submission_id, grants.c.state.label("grant_state"))
        .join(grants, sa.and_(grants.c.project_id == letter.c.project_id, grants.c.id == letter.c.grant_id))
        .where(letter.c.project_id == project, *where)
        .order_by(letter.c.issued_at.desc(), letter.c.id.desc())
        .limit(limit)
    )
    held = page.subquery("held").c
    line = [column for column in LINE if column.name != "id"]
    failed = (
        sa.select(rule_failure.c.facts)
        .where(
            rule_failure.c.project_id == project, rule_failure.c.settled_at.is_(None),
            rule_failure.c.rule == letters.PRINTING, rule_failure.c.submission_id == held.submission_id,
            rule_failure.c.facts["letter"].astext == sa.cast(held.id, sa.Text),
        )
        .order_by(rule_failure.c.at.desc())
        .limit(1)
    )
    return (
        sa.select(*held, *line, users.c.name.label("issuer"), failed.scalar_subquery().label("failure"))
        .outerjoin(cases, sa.and_(cases.c.project_id == held.project_id, cases.c.id == held.case_id))
        .outerjoin(users, users.c.id == held.issued_by)
        .order_by(held.issued_at.desc(), held.id.desc())
    )


def _in_view(view: str) -> list[sa.ColumnElement[bool]]:
    if view == "all":
        return []
    if view == "failed":
        return [letter.c.state == "issued", letter.c.pdf_blob.is_(None)]
    return [letter.c.state == ("void" if view == "void" else "issued")]


def _line(row: sa.Row, programme: Programme, language: str) -> LetterLine:
    rule = next((one for one in programme.letters if one.id == row.kind), None)
    if row.state == "void":
        state = "void"
    elif row.pdf_blob is not None:
        state = "printed" if row.printed_at else "issued"
    else:
        state = "failed" if row.failure else "waiting"
    spoken = " · ".join(SPOKEN[one].in_(language) if one in SPOKEN else one for one in row.language.split("-"))
    return LetterLine(
        row.id, row.number, row.number, rule.label.in_(language) if rule else row.kind,
        who(row, language) if row.code and not row.placeholder else None, state,
        spoken, row.issued_at, row.grant_id,
    )


def _problem(row: sa.Row, language: str) -> str | None:
    if row.state == "void" or row.pdf_blob is not None or not row.failure:
        return None
    code = row.failure.get("code", "")
    kind = catalogue().get(code)
    return kind(**row.failure).text(language) if kind else _UNTOLD.in_(language).format(code=code)
