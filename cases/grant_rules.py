"""What may happen to a grant. Pure decisions: facts in, an answer or a Problem out; no database, no keys.

A grant is requested, then approved or refused; an approved one is paid, then receipted. An edit of the request takes
the approval back: the grant is suspended until somebody decides again.
"""
from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from uuid import UUID

from cases.access import role_name
from cases.grant_problems import (
    GrantAboveEveryLimit,
    GrantAboveLimit,
    GrantCaseUnknown,
    GrantDecidedAlready,
    GrantNamedByYou,
    GrantNotApproved,
    GrantOwnRequest,
    GrantRequesterUnknown,
    GrantRequestRejected,
)
from namjai.languages import Words
from namjai.problems import Forbidden, Problem
from odk.programme import GrantRule

WAITING = ("requested", "suspended")
# An approval stands behind these: money may be on its way.
APPROVED = ("approved", "paid", "receipted")
STATES: dict[str, Words] = {
    "requested": Words("requested", "รออนุมัติ"),
    "approved": Words("approved", "อนุมัติแล้ว"),
    "refused": Words("refused", "ไม่อนุมัติ"),
    "suspended": Words("on hold, because its request was edited", "พักไว้เพราะคำขอถูกแก้ไข"),
    "paid": Words("paid", "จ่ายแล้ว"),
    "receipted": Words("received", "รับเงินแล้ว"),
}
# How money goes out; what is none of these is told in a comment.
WAYS: dict[str, Words] = {
    "cash": Words("In cash", "เงินสด"),
    "transfer": Words("By bank transfer", "โอนเข้าบัญชี"),
    "provider": Words("Paid to the school, hospital or shop", "จ่ายให้สถานศึกษา โรงพยาบาล หรือร้านค้า"),
    "other": Words("Another way", "วิธีอื่น"),
}
# 100 million baht: beyond any grant, within what every sum here can hold.
MOST_SATANG = 10_000_000_000
_LONGEST_AMOUNT = 30
_PLACE = re.compile(r"\{(year|number)(?::0?(\d{1,2}))?\}")


@dataclass(frozen=True, slots=True)
class Standing:
    """All that decides whether a grant may be approved. `authors` wrote the request or one of its edits (None: a
    tablet without a person), `named_by` are those who said who it was.
    """

    state: str
    amount: int
    requested_by: UUID | None
    authors: tuple[UUID | None, ...]
    named_by: tuple[UUID, ...]
    case_known: bool
    review_state: str


def why_not_approve(standing: Standing, rule: GrantRule, person: UUID | None, role: str | None) -> Problem | None:
    """What keeps this person from approving, or None. The first reason in the order in which it can be put right."""
    if standing.state not in WAITING:
        return decided(standing.state)
    if person is None or role not in rule.approvers:
        return Forbidden()
    if standing.review_state == "rejected":
        return GrantRequestRejected()
    if standing.requested_by is None or None in standing.authors:
        return GrantRequesterUnknown()
    if person == standing.requested_by or person in standing.authors:
        return GrantOwnRequest()
    if person in standing.named_by:
        return GrantNamedByYou()
    if not rule.may_approve(role, standing.amount):
        roles = approvers(rule, standing.amount)
        return GrantAboveLimit(roles=roles) if roles.en else GrantAboveEveryLimit()
    if not standing.case_known:
        return GrantCaseUnknown()
    return None


def approvers(rule: GrantRule, amount: int) -> Words:
    """The roles that may approve a sum, in satang, as a sentence names them; "" where there is none."""
    roles = [one for one in rule.approvers if rule.may_approve(one, amount)]
    english = " or ".join(f"the {role_name(one, 'en').lower()}" for one in roles)
    return Words(english, "หรือ".join(role_name(one, "th") for one in roles))


def decided(state: str) -> Problem:
    """That a grant in this state was decided already."""
    return GrantDecidedAlready(state=STATES[state])


def not_approved(state: str) -> Problem:
    """That a grant in this state cannot be paid."""
    return GrantNotApproved(state=STATES[state])


def after_edit(state: str) -> str:
    """The state after the request says something else. A refused one is asked anew."""
    return "suspended" if state in (*APPROVED, "suspended") else "requested"


def after_approval(*, paid: bool, received: bool) -> str:
    """The state after an approval: what was paid and received before an edit stays so."""
    return "receipted" if received else "paid" if paid else "approved"


def satang_of(text: object) -> int | None:
    """A sum in baht, as a form wrote it, in satang; None when it is no sum, not positive, or has parts of a satang."""
    # Decimal alone would take "๑๒", "1_000" and "Infinity", which no form means.
    plain = str(text or "").strip()
    if not plain.isascii() or "_" in plain or len(plain) > _LONGEST_AMOUNT:
        return None
    try:
        satang = Decimal(plain) * 100
        whole = satang == satang.to_integral_value() and 0 < satang <= MOST_SATANG
    except (InvalidOperation, ValueError):
        return None
    return int(satang) if whole else None


def baht_of(satang: int) -> str:
    """A sum as an entity property holds it: 12000, 12000.50."""
    baht, rest = divmod(satang, 100)
    return f"{baht}.{rest:02d}" if rest else str(baht)


def number_of(pattern: str, year: int, count: int) -> str:
    """A grant's number by the programme's pattern: SF-{year}-{number:04} → SF-2026-0147."""
    values = {"year": year, "number": count}
    return _PLACE.sub(lambda found: f"{values[found[1]]:0{int(found[2] or 0)}d}", pattern)


def revision_of(row_version: int, content: bytes) -> str:
    """What a page sends back with a decision: exactly what was seen."""
    return f"{row_version}.{content.hex()}"


def seen_in(revision: str) -> tuple[int, bytes]:
    """Row version and content of a revision; what nobody can have seen when it is none."""
    version, _, content = revision.partition(".")
    try:
        return int(version), bytes.fromhex(content)
    except ValueError:
        return -1, b""
