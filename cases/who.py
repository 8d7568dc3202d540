"""A case in one line: its code, its pseudonym in its own script, the Latin beside it. Never a name.

Knows rows of cases; asks the database for those of submissions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from namjai.problems import NotFound
from store.tables import cases, membership

_SCRIPTS = (
    ("my", "\u1000", "\u109f"),
    ("km", "\u1780", "\u17ff"),
    ("lo", "\u0e80", "\u0eff"),
    ("th", "\u0e00", "\u0e7f"),
    ("zh", "\u4e00", "\u9fff"),
)
_OWN_AND_LATIN = re.compile(r"^(.*[^\x00-\u024f\s(·/,])[\s·/,(]+([A-Za-z\u00c0-\u024f][\x20-\u024f]*?)\)?$")
_LIKE_A_SECOND = re.compile(r"-[0-9]{1,6}$")
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# What a line about a case needs of its row.
LINE = (cases.c.id, cases.c.code, cases.c.suffix, cases.c.pseudonym, cases.c.placeholder)


@dataclass(frozen=True, slots=True)
class Who:
    """How a case is called on a page. `key` stands in addresses, `warn` says why to look twice."""

    key: str
    code: str
    own: str
    latin: str | None = None
    lang: str | None = None
    warn: str | None = None


def who(row: Any, language: str) -> Who:
    """The line of a case's row."""
    own, latin = split(row.pseudonym)
    code = row.code if row.suffix == 1 else f"{row.code}-{row.suffix}"
    warn = None
    if row.suffix > 1:
        warn = "อีกเคสหนึ่งมีรหัสเดียวกัน" if language == "th" else "Another case has the same code"
    return Who(_key(row, code), code, own, latin, script_of(own), warn)


def _key(row: Any, code: str) -> str:
    """A code in an address: the code itself, unless it holds what an address cannot, or looks like a second one."""
    if "/" in code or code in (".", ".."):
        # Rows of grants, letters and lists carry an id of their own.
        return str(getattr(row, "case_id", None) or row.id)
    return f"{code}-1" if row.suffix == 1 and _LIKE_A_SECOND.search(code) else code


def split(pseudonym: str) -> tuple[str, str | None]:
    """ "မိုးပြာ Moe Pya" → its own script, and the Latin."""
    found = _OWN_AND_LATIN.match(pseudonym)
    return (found[1].strip(), found[2].strip()) if found else (pseudonym, None)


def script_of(text: str) -> str | None:
    """The language by whose letters a text is written, for `lang`; None for Latin."""
    for letter in text:
        for name, first, last in _SCRIPTS:
            if first <= letter <= last:
                return name
    return None


def by_key(tx: sa.Connection, project: UUID, key: str) -> sa.Row:
    """The case of an address. Raises NotFound: also for what this transaction's actor may not see."""
    code, dash, suffix = key.rpartition("-")
    either = [sa.and_(cases.c.code == key, cases.c.suffix == 1)]
    if dash and suffix.isascii() and suffix.isdigit() and len(suffix) <= 6:
        either.append(sa.and_(cases.c.code == code, cases.c.suffix == int(suffix)))
    if _ID.fullmatch(key):
        either.append(cases.c.id == UUID(key))
    # "A-2" is the second case of the code A; where there is none, the first of the code A-2.
    found = sa.select(cases).where(cases.c.project_id == project, sa.or_(*either))
    row = tx.execute(found.order_by(cases.c.code != code).limit(1)).one_or_none()
    if row is None:
        raise NotFound()
    return row


def lines(tx: sa.Connection, project: UUID, ids: Iterable[UUID | None], language: str) -> dict[UUID, Who]:
    """The lines of the cases among these that may be seen."""
    wanted = {one for one in ids if one}
    if not wanted:
        return {}
    rows = tx.execute(sa.select(*LINE).where(cases.c.project_id == project, cases.c.id.in_(wanted)))
    return {row.id: who(row, language) for row in rows}


def of_submissions(tx: sa.Connection, project: UUID, ids: Iterable[UUID], language: str) -> dict[UUID, list[Who]]:
    """Submission id → the lines of its cases that may be seen."""
    wanted = list(ids)
    found: dict[UUID, list[Who]] = {}
    if not wanted:
        return found
    rows = tx.execute(
        sa.select(membership.c.submission_id, *LINE)
        .join(cases, sa.and_(cases.c.project_id == membership.c.project_id, cases.c.id == membership.c.case_id))
        .where(membership.c.project_id == project, membership.c.submission_id.in_(wanted))
        .order_by(cases.c.code, cases.c.suffix)
    )
    for row in rows:
        found.setdefault(row.submission_id, []).append(who(row, language))
    return found
