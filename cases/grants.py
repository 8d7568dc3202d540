"""Decisions about grants: approve, refuse, pay, say who asked. Each is made on exactly what its maker saw.

An approval issues the letter in its own transaction and fails closed: whatever is missing for the letter refuses the
approval. That nobody approves his own request is a constraint of the database, too.
"""
from __future__ import annotations

import datetime as dt
import hmac
import re
import zoneinfo
from uuid import UUID

import sqlalchemy as sa

from cases import grant_requests, grant_rows, letters
from cases.grant_changes import apply_changes
from cases.grant_problems import GrantCaseUnknown, GrantOutOfDate, GrantRequesterKnown, GrantRequestRejected
from cases.grant_requests import Request, content_of, request_of
from cases.grant_rules import WAITING, Standing, after_approval, decided, not_approved, satang_of, why_not_approve
from cases.letter_data import Asked, letter_data
from cases.letters import Issued
from cases.projects import programme_of
from namjai.languages import Words
from namjai.problems import ChangedMeanwhile, Forbidden, InputInvalid, NotFound
from odk.letter import LetterData
from odk.programme import LetterRule, Programme
from odk.schema import Privacy
from store.actor import Actor
from store.opening import Store
from store.tables import entity_version, grants, project_user
from submissions.review import say

__all__ = ["apply_changes", "approve", "differences", "mark_paid", "name_requester", "refuse"]

# The letter keeps to one page.
LONGEST_CONDITION = 300
_CODE = re.compile(r"[a-z0-9_]{1,40}")


def approve(
    tx: sa.Connection, store: Store, actor: Actor, grant_id: UUID, *, role: str | None, row_version: int,
    seen_content: bytes | str, condition: str = "",
) -> Issued | None:
    """Approve a grant as it was seen, and issue its letter. Gives the letter; None where the programme has none.

    `role` is what the actor is in the project, `condition` one more sentence for the letter. Raises ChangedMeanwhile,
    GrantDecidedAlready, GrantRequesterUnknown, GrantOwnRequest, GrantNamedByYou, GrantAboveLimit, GrantCaseUnknown,
    GrantOutOfDate, GrantRequestRejected, Forbidden, NotFound, and whatever keeps the letter from being written; then
    nothing is changed.
    """
    programme = _programme(tx, actor.project)
    if len(condition) > LONGEST_CONDITION:
        raise InputInvalid(
            field=Words("Condition", "เงื่อนไข"),
            reason=Words(f"it is longer than {LONGEST_CONDITION} characters", f"ยาวเกิน {LONGEST_CONDITION} ตัวอักษร"),
        )
    with tx.begin_nested():
        grant = grant_rows.locked(tx, actor.project, grant_id)
        _seen(grant, row_version, seen_content)
        if grant.state not in WAITING:
            raise decided(grant.state)
        request = _checked_request(tx, store, programme, actor.project, grant)
        problem = why_not_approve(
            standing_of(tx, actor.project, grant, request), programme.grants,  # type: ignore[arg-type]
            actor.id if actor.kind == "person" else None, role,
        )
        if problem:
            raise problem
        rule = programme.letter_for(grant.kind, "approved")
        data = _letter_data(tx, store, actor, programme, rule, grant, request, condition) if rule else None
        return _approved(tx, store, actor, programme, grant, request, rule, data)


def refuse(
    tx: sa.Connection, store: Store, actor: Actor, grant_id: UUID, *, reason: str, row_version: int | None = None
) -> None:
    """Refuse a grant that waits. The reason becomes a comment, encrypted. Its letters, if any, are void.

    Raises ReasonMissing, CommentTooLong, ChangedMeanwhile, GrantDecidedAlready, NotFound, Forbidden.
    """
    programme = _programme(tx, actor.project)
    with tx.begin_nested():
        grant = grant_rows.locked(tx, actor.project, grant_id)
        _person(actor)
        _seen(grant, row_version)
        if grant.state not in WAITING:
            raise decided(grant.state)
        say(tx, store, actor, grant.id, reason)
        now = grant_rows.change(tx, actor.project, grant, state="refused", refused_by=actor.id)
        letters.void_letters_of(tx, store, actor, grant.id, because="refused")
        grant_rows.publish(tx, programme, actor.project, now, user_id=actor.id)
        grant_rows.note(tx, store, actor, "grant.refused", now, {"was": grant.state})


def mark_paid(
    tx: sa.Connection, store: Store, actor: Actor, grant_id: UUID, *, paid_on: dt.date, how: str = "",
    row_version: int | None = None,
) -> None:
    """Record that an approved grant was paid. `how` is a value of the form's choices; any other text becomes a comment.

    Raises GrantNotApproved, GrantOutOfDate, GrantRequestRejected, InputInvalid (a day in the future or before the
    approval), ChangedMeanwhile, NotFound, Forbidden.
    """
    programme = _programme(tx, actor.project)
    with tx.begin_nested():
        grant = grant_rows.locked(tx, actor.project, grant_id)
        _person(actor)
        _seen(grant, row_version)
        if grant.state != "approved":
            raise not_approved(grant.state)
        if _checked_request(tx, store, programme, actor.project, grant).review_state == "rejected":
            raise GrantRequestRejected()
        zone = zoneinfo.ZoneInfo(programme.timezone)
        if not grant.approved_at.astimezone(zone).date() <= paid_on <= letters.today_in(programme.timezone):
            raise InputInvalid(
                field=Words("Paid on", "วันที่จ่าย"),
                reason=Words("a payment lies between the approval and today", "ต้องอยู่ระหว่างวันอนุมัติกับวันนี้"),
            )
        code = how.strip() if _CODE.fullmatch(how.strip()) else ""
        if how.strip() and not code:
            say(tx, store, actor, grant.id, how)
        now = grant_rows.change(
            tx, actor.project, grant, state="paid", paid_by=actor.id,
            paid_at=dt.datetime.combine(paid_on, dt.time(12), zone), facts=grant.facts | {"paid_how": code},
        )
        grant_rows.publish(tx, programme, actor.project, now, user_id=actor.id)
        grant_rows.note(tx, store, actor, "grant.paid", now, {"paid_on": paid_on.isoformat(), "how": code})


def name_requester(
    tx: sa.Connection, store: Store, actor: Actor, grant_id: UUID, user_id: UUID, *, row_version: int | None = None
) -> None:
    """Say who wrote what tablets without a person sent of this request. Who says it cannot approve the grant.

    Raises GrantRequesterKnown, NotFound (also for a person who is not in the project), ChangedMeanwhile, Forbidden.
    """
    with tx.begin_nested():
        grant = grant_rows.locked(tx, actor.project, grant_id)
        _person(actor)
        _seen(grant, row_version)
        request = request_of(tx, store, actor.project, grant.submission_id)
        written = written_by(tx, actor.project, grant, request) if request else ()
        authors = _known(grant, written)
        if grant.requested_by is not None and None not in authors:
            raise GrantRequesterKnown()
        member = sa.select(project_user.c.user_id).where(
            project_user.c.project_id == actor.project, project_user.c.user_id == user_id
        )
        if tx.scalar(member) is None:
            raise NotFound()
        unnamed = [instance for instance, author in written if author is None]
        facts = grant.facts | {
            "named": {**dict.fromkeys(unnamed, str(user_id)), **grant.facts.get("named", {})},
            "named_by": [*grant.facts.get("named_by", ()), str(actor.id)],
        }
        now = grant_rows.change(tx, actor.project, grant, requested_by=grant.requested_by or user_id, facts=facts)
        grant_rows.note(tx, store, actor, "grant.requester_named", now, {"requested_by": str(user_id)})


def differences(
    tx: sa.Connection, store: Store, actor: Actor, grant_id: UUID, language: str = "en"
) -> list[tuple[str, str, str, str, Privacy]]:
    """What the request says now that it did not say when it was approved: (key, label, was, now, privacy).

    Empty when the grant was never approved. Raises NotFound.
    """
    grant = tx.execute(
        sa.select(grants).where(grants.c.project_id == actor.project, grants.c.id == grant_id)
    ).one_or_none()
    if grant is None:
        raise NotFound()
    request = request_of(tx, store, actor.project, grant.submission_id)
    before = grant.facts.get("approved", {}).get("instance")
    if request is None or before is None:
        return []
    return grant_requests.differences(tx, store, actor.project, request, before, language)


def written_by(
    tx: sa.Connection, project: UUID, grant: sa.Row, request: Request
) -> tuple[tuple[str, UUID | None], ...]:
    """Who wrote what is asked, by instance: each version of the request, and whatever else set the sum or the kind.

    Any form may write the list of grants, so a sum may come from another hand than the request's.
    """
    programme = programme_of(tx, project)
    rule = programme.lists.get(grant.list) if programme else None
    asked = [name for name in ((rule.amount, rule.kind) if rule else ()) if name]
    others = tx.execute(
        sa.select(entity_version.c.instance_id, entity_version.c.user_id)
        .where(
            entity_version.c.project_id == project, entity_version.c.list == grant.list,
            entity_version.c.uuid == grant.entity, entity_version.c.submission_id.is_not(None),
            entity_version.c.submission_id != grant.submission_id,
            sa.or_(*(entity_version.c.data[name].astext.is_not(None) for name in asked), sa.false()),
        )
        .order_by(entity_version.c.version)
    )
    return (*request.authors, *((row.instance_id or "", row.user_id) for row in others))


def _known(grant: sa.Row, written: tuple[tuple[str, UUID | None], ...]) -> tuple[UUID | None, ...]:
    """The people behind what was written; None where nobody knows."""
    named = {instance: UUID(user) for instance, user in grant.facts.get("named", {}).items()}
    return tuple(user or named.get(instance) for instance, user in written)


def standing_of(tx: sa.Connection, project: UUID, grant: sa.Row, request: Request) -> Standing:
    """The facts on which `why_not_approve` decides."""
    case = grant_rows.case_of(tx, project, grant.case_id)
    return Standing(
        state=grant.state, amount=grant.amount, requested_by=grant.requested_by,
        authors=_known(grant, written_by(tx, project, grant, request)),
        named_by=tuple(UUID(one) for one in grant.facts.get("named_by", ())),
        case_known=case is not None and not case.placeholder, review_state=request.review_state,
    )


def _approved(
    tx: sa.Connection, store: Store, actor: Actor, programme: Programme, grant: sa.Row, request: Request,
    rule: LetterRule | None, data: LetterData | None,
) -> Issued | None:
    state = after_approval(paid=grant.paid_at is not None, received=grant.received_on is not None)
    now = grant_rows.change(
        tx, actor.project, grant, state=state,
        approved_content=grant.content, approved_by=actor.id, approved_at=dt.datetime.now(dt.UTC),
        facts=grant.facts | {"approved": {"instance": request.instance_id, "amount": grant.amount, "kind": grant.kind}},
    )
    letters.void_letters_of(tx, store, actor, grant.id, because="approved again")
    grant_rows.note(tx, store, actor, "grant.approved", now, {"was": grant.state})
    issued = None
    if rule and data and grant.case_id:
        issued = letters.issue(tx, store, actor, rule, data, grant_id=grant.id, case_id=grant.case_id)
    grant_rows.publish(tx, programme, actor.project, now, user_id=actor.id)
    return issued


def _letter_data(
    tx: sa.Connection, store: Store, actor: Actor, programme: Programme, rule: LetterRule, grant: sa.Row,
    request: Request, condition: str,
) -> LetterData:
    if grant.case_id is None:
        raise GrantCaseUnknown()
    zone = zoneinfo.ZoneInfo(programme.timezone)
    asked = Asked(
        number=grant.number, kind=grant.kind, amount=grant.amount, case_id=grant.case_id, condition=condition,
        requested_on=grant.requested_at.astimezone(zone).date(), issued_on=letters.today_in(programme.timezone),
    )
    return letter_data(tx, store, actor.project, programme, rule, asked, request)


def _checked_request(tx: sa.Connection, store: Store, programme: Programme, project: UUID, grant: sa.Row) -> Request:
    """The request, when the grant's row says the same as it: what failed at the door must not be approved over."""
    request = request_of(tx, store, project, grant.submission_id)
    data, rule = grant_rows.entity_data(tx, project, grant), programme.lists.get(grant.list)
    if request is None or rule is None:
        raise GrantOutOfDate()
    amount, kind = (str(data.get(name) or "") for name in (rule.amount, rule.kind))
    if satang_of(amount) != grant.amount or kind != grant.kind:
        raise GrantOutOfDate()
    if not hmac.compare_digest(content_of(store, project, grant.entity, amount, kind, request), bytes(grant.content)):
        raise GrantOutOfDate()
    return request


def _seen(grant: sa.Row, row_version: int | None, content: bytes | str | None = None) -> None:
    if row_version is not None and row_version != grant.row_version:
        raise ChangedMeanwhile()
    seen = content.encode() if isinstance(content, str) else content
    if seen is not None and seen not in (bytes(grant.content), grant.content.hex().encode()):
        raise ChangedMeanwhile()


def _person(actor: Actor) -> None:
    if actor.kind != "person" or actor.id is None:
        raise Forbidden()


def _programme(tx: sa.Connection, project: UUID) -> Programme:
    programme = programme_of(tx, project)
    if programme is None or programme.grants is None:
        raise NotFound()
    return programme
