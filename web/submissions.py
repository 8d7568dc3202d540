"""The page of a submission: read, compare, decide, say something."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from flask import Response, g, redirect, request, url_for

from cases import access, review_queue, safe_contact
from cases.effects import effects
from cases.opened import Reader
from cases.review_queue import Queued
from cases.submission_page import Links, SubmissionPage
from cases.titles import Titles
from cases.who import of_submissions
from namjai.problems import NotFound, Problem
from store.tables import cases, membership
from submissions.form_versions import TABLETS
from submissions.review import ReviewState, say, set_review_state
from web import words
from web.frame import page, toast
from web.signed_in import may, may_for, programme, requires, saw, store
from web.submission_queue import pages, row_of
from web.words import t

_QUEUE = 30


@pages.get("/submissions/<uuid:id>")
@requires("submission.read")
def show(id: UUID) -> str:
    row = review_queue.find(g.tx, g.actor, id)
    lang = words.language()
    reader, held = reader_of(row)
    opened = SubmissionPage(g.tx, store(), row, reader, lang, words.zone())
    changes = opened.changes()
    only = request.args.get("changes") == "1"
    number = frozenset({safe_contact.number_path(programme(), row.xml_form_id)})
    sections = opened.sections(_links(row, reader), changes, only_changed=only, apart=number)
    titles = Titles(g.tx, g.me.project, programme(), lang)
    queued, _ = review_queue.page(g.tx, g.actor, titles, most=_QUEUE)
    whose: list[UUID | None] = [*held]
    for one in whose or [None]:
        saw(
            "submission.opened",
            "case" if one else "submission",
            one or row.id,
            submission=str(row.id),
            fields=_fields(sections),
        )
    decided = row.review_state not in ("received", "edited")
    return page(
        "submission.html",
        submission=_head(row, opened, titles, reader),
        decided=decided,
        queue=[row_of(one) for one in queued],
        queue_total=review_queue.counts(g.tx, g.actor)["waiting"],
        position=_position(queued, row),
        notes=_notes(row, sections, encrypted=opened.encrypted(), source=opened.source()),
        sections=sections,
        changes={"version": changes.version, "n": changes.n, "against": changes.against, "only": only}
        if changes
        else None,
        effects=effects(g.tx, row, programme(), lang) if may("submission.review") and not decided else [],
        failed_rules=opened.failed_rules(),
        comments=opened.comments(g.me.user_id),
        history=opened.history(),
    )


@pages.post("/submissions/<uuid:id>/review")
@requires("submission.review")
def decide(id: UUID) -> Any:
    row = review_queue.find(g.tx, g.actor, id)
    state, reason = _state(request.form.get("state", "")), request.form.get("reason", "")
    if row.user_id == g.me.user_id:
        raise review_queue.OwnSubmission()
    seen = request.form.get("revision", "")
    version = int(seen) if seen.isascii() and seen.isdigit() and len(seen) < 9 else -1
    try:
        set_review_state(g.tx, store(), g.actor, id, state, row_version=version, reason=reason)
    except Problem as problem:
        if problem.code == "reason-missing":
            return Response(_reason(row, state, version, problem.text(words.language())), problem.http_status)
        raise
    following = review_queue.next_after(g.tx, g.actor, row)
    said = {
        "approved": t("Approved.", "อนุมัติแล้ว"),
        "has_issues": t("Sent back with your reason.", "ส่งกลับพร้อมเหตุผลแล้ว")
        if row.form_origin == TABLETS
        else t("Marked with your reason.", "บันทึกเหตุผลแล้ว"),
        "rejected": t("Rejected.", "บันทึกว่าไม่รับแล้ว"),
    }[str(state)]
    toast(said, undo_url=url_for("submissions.undo", id=id, revision=version + 1))
    return redirect(url_for("submissions.show", id=following) if following else url_for("submissions.index"), 303)


@pages.post("/submissions/<uuid:id>/undo")
@requires("submission.review")
def undo(id: UUID) -> Any:
    """Take back one's own last decision."""
    review_queue.find(g.tx, g.actor, id)
    seen = request.args.get("revision", "")
    review_queue.undo(
        g.tx, store(), g.actor, id, int(seen) if seen.isascii() and seen.isdigit() and len(seen) < 9 else -1
    )
    toast(t("Taken back: it waits as before.", "ยกเลิกการตัดสินใจแล้ว รายการรอตามเดิม"))
    return redirect(url_for("submissions.show", id=id), 303)


@pages.get("/submissions/<uuid:id>/review/<state>")
@requires("submission.review")
def reason(id: UUID, state: str) -> str:
    row = review_queue.find(g.tx, g.actor, id)
    asked = _state(state)
    if asked is ReviewState.APPROVED:
        raise NotFound()
    return _reason(row, asked, row.row_version)


@pages.post("/submissions/<uuid:id>/comments")
@requires("submission.comment")
def comment(id: UUID) -> Any:
    review_queue.find(g.tx, g.actor, id)
    say(g.tx, store(), g.actor, id, request.form.get("text", ""))
    return redirect(url_for("submissions.show", id=id) + "#comment", 303)


def reader_of(row: sa.Row) -> tuple[Reader, list[UUID]]:
    """What this person may read of a submission, and the cases through which they see it."""
    held = g.tx.execute(
        sa.select(cases.c.id, cases.c.worker, cases.c.team)
        .join(membership, sa.and_(membership.c.project_id == cases.c.project_id, membership.c.case_id == cases.c.id))
        .where(membership.c.project_id == g.me.project, membership.c.submission_id == row.id)
    ).all()

    def anywhere(verb: str) -> bool:
        if not held:
            return access.scope_of(verb, g.me.role) == "all"
        return any(may_for(verb, one.worker, one.team) for one in held)

    author = row.user_id is not None and row.user_id == g.me.user_id
    reader = Reader(
        sensitive=anywhere("case.sensitive") or (author and may("case.sensitive")),
        restricted=anywhere("case.restricted") or author,
        reveal=anywhere("case.reveal"),
    )
    return reader, [one.id for one in held]


def _links(row: sa.Row, reader: Reader) -> Links:
    return Links(
        reveal=lambda key: url_for("reveal.submission", id=row.id, key=key) if reader.reveal else None,
        file=lambda name: url_for("files.show", id=row.id, name=name),
        thumb=lambda name: url_for("files.show", id=row.id, name=name, thumb=1),
    )


def _head(row: sa.Row, opened: SubmissionPage, titles: Titles, reader: Reader) -> SimpleNamespace:
    held = of_submissions(g.tx, g.me.project, [row.id], titles.language).get(row.id, [])
    by = opened.by()
    return SimpleNamespace(
        id=row.id,
        form=titles.title(row.xml_form_id),
        code=held[0].code if held else None,
        case=held[0] if held else None,
        more_cases=held[1:],
        state=row.review_state,
        restricted=row.restricted is not None,
        hidden=not reader.sensitive,
        own=row.user_id == g.me.user_id and row.user_id is not None,
        by=by or opened.by_there() or opened.source(),
        source=opened.source(),
        by_first=by.split(" ")[0] if by else None,
        tablet=opened.tablet(),
        sent=row.received_at,
        edited=opened.versions[-1].received_at if len(opened.versions) > 1 else None,
        version=row.form_version,
        revision=row.row_version,
    )


def _position(queued: list[Queued], row: sa.Row) -> dict[str, Any] | None:
    ids = [one.id for one in queued]
    if row.id not in ids:
        return None
    at = ids.index(row.id)

    def address(n: int) -> str | None:
        return url_for("submissions.show", id=ids[n]) if 0 <= n < len(ids) else None

    return {
        "n": at + 1,
        "total": review_queue.counts(g.tx, g.actor)["waiting"],
        "previous": address(at - 1),
        "next": address(at + 1),
    }


def _notes(row: sa.Row, sections: list[Any], *, encrypted: bool, source: str | None) -> list[dict[str, str]]:
    missing = sum(1 for section in sections for one in section.answers for file in one.files or [] if not file["url"])
    found = []
    if encrypted:
        text = t(
            "Encrypted on the tablet: only who holds the form’s private key can read it. It is kept as it came.",
            "เข้ารหัสจากแท็บเล็ต ผู้ที่ถือกุญแจของแบบฟอร์มเท่านั้นที่อ่านคำตอบได้ ระบบเก็บไว้ตามที่ส่งมา",
        )
        found.append({"text": text, "icon": "lock"})
    if missing:
        found.append({"text": _missing(missing, source), "icon": "hourglass-split"})
    if row.flags:
        found.append(
            {
                "text": t(
                    "Some answers do not fit the form; they are kept as they came.",
                    "บางคำตอบไม่ตรงกับแบบฟอร์ม เก็บไว้ตามที่ส่งมา",
                ),
                "icon": "exclamation-triangle",
            }
        )
    return found


def _fields(sections: list[Any]) -> int:
    """How many answers were shown: their names would say what a person was asked."""
    return sum(len(one.answers) + (len(one.table.rows) if one.table else 0) for one in sections)


def _reason(row: sa.Row, state: ReviewState, version: int, error: str | None = None) -> str:
    """Why? Beside which submission it is: the page stands alone without JavaScript."""
    rejecting = state is ReviewState.REJECTED
    titles = Titles(g.tx, g.me.project, programme(), words.language())
    held = of_submissions(g.tx, g.me.project, [row.id], titles.language).get(row.id, [])
    _, whose = reader_of(row)
    for one in whose:
        saw("submission.opened", "case", one, submission=str(row.id), fields=0)
    return page(
        "reason.html",
        here="review",
        of=titles.title(row.xml_form_id),
        case=held[0] if held else None,
        title=t("Reject this submission?", "ไม่รับข้อมูลนี้ใช่ไหม") if rejecting else t("What has to be mended?", "ต้องแก้อะไร"),
        text=t(
            "It stays here with your reason; no grant, letter or safe contact uses it. What it already changed in the "
            "case stays until somebody changes it.",
            "ข้อมูลยังอยู่พร้อมเหตุผล แต่จะไม่ใช้กับเงินช่วยเหลือ จดหมาย และช่องทางติดต่อ ค่าที่เปลี่ยนในเคสแล้วยังคงอยู่จนกว่าจะมีผู้แก้ไข",
        )
        if rejecting
        else t("Whoever sent it reads this and sends it again.", "ผู้ส่งจะอ่านข้อความนี้แล้วส่งใหม่")
        if row.form_origin == TABLETS
        else t(
            "It is kept here; {source} is told nothing. Have it corrected there, too.",
            "บันทึกไว้ในระบบนี้ ไม่แจ้ง {source} โปรดให้แก้ไขที่\u2060นั่นด้วย",
            source=row.form_origin,
        ),
        action=url_for("submissions.decide", id=row.id),
        hidden={"state": str(state), "revision": version},
        button=t("Reject", "ไม่รับ") if rejecting else t("Send back", "ให้แก้ไข"),
        icon="x-lg" if rejecting else "flag",
        danger=rejecting,
        back_url=url_for("submissions.show", id=row.id),
        error=error,
    )


def _state(text: str) -> ReviewState:
    """The states that a person may set. Raises NotFound."""
    if text not in ("approved", "has_issues", "rejected"):
        raise NotFound()
    return ReviewState(text)


def _missing(number: int, source: str | None) -> str:
    """Files that have not come, and whence they will."""
    if source:
        if number == 1:
            return t(
                "One file is not in yet; it comes once {source} has it.",
                "ยังไม่ได้รับไฟล์ 1 ไฟล์ ระบบจะรับเมื่อมีที่ {source}",
                source=source,
            )
        return t(
            "{n} files are not in yet; they come once {source} has them.",
            "ยังไม่ได้รับไฟล์ {n} ไฟล์ ระบบจะรับเมื่อมีที่ {source}",
            n=number,
            source=source,
        )
    if number == 1:
        return t("One file is not in yet; the tablet sends it later.", "ยังไม่ได้รับไฟล์ 1 ไฟล์ แท็บเล็ตจะส่งตามมา")
    return t(
        "{n} files are not in yet; the tablet sends them later.",
        "ยังไม่ได้รับไฟล์ {n} ไฟล์ แท็บเล็ตจะส่งตามมา",
        n=number,
    )
