"""The timeline of a case: its submissions and what people did on the web, in one order, newest first.

A page is a range of two indexes, merged here; the cursor names a day and an id.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from cases import answers_shown, people
from cases.grant_lists import title_of
from cases.opened import Opener, Reader
from cases.paging import Cursor, cursor
from cases.titles import Titles
from cases.who import script_of
from namjai.languages import Words, date_words, money
from odk.programme import Programme
from store.opening import Store
from store.tables import action, app_user, membership, submission

PAGE = 20
KINDS = ("visits", "care", "legal", "money", "changes")
_LONGEST = 220
_OF_KIND = {"money": ("grant.", "letter."), "changes": ("case.",)}
# A move to another stage that was taken back is an action of the same kind.
_BACK = "case.stage back"
_SAID: dict[str, tuple[str, str, Words]] = {
    "case.stage": ("signpost-2", "", Words("Stage: {stage}", "ขั้น: {stage}")),
    _BACK: ("arrow-counterclockwise", "", Words("Back to the stage: {stage}", "ย้ายกลับขั้น: {stage}")),
    "grant.approved": ("check-lg", "good", Words("Grant approved", "อนุมัติเงินช่วยเหลือ")),
    "grant.refused": ("x-lg", "bad", Words("Grant refused", "ไม่อนุมัติเงินช่วยเหลือ")),
    "grant.suspended": (
        "pause-circle",
        "wait",
        Words("Grant on hold: its request was edited", "พักเงินช่วยเหลือ เพราะคำขอถูกแก้ไข"),
    ),
    "grant.paid": ("cash", "good", Words("Grant paid", "จ่ายเงินช่วยเหลือแล้ว")),
    "grant.receipted": ("receipt", "good", Words("Receipt of the grant is in", "ได้รับใบรับเงินแล้ว")),
    "letter.issued": ("envelope-paper", "khram", Words("Letter {number} issued", "ออกจดหมาย {number}")),
    "letter.voided": ("x-octagon", "wait", Words("Letter {number} made void", "ยกเลิกจดหมาย {number}")),
}


@dataclass(frozen=True, slots=True)
class Happened:
    """One event. `subject` is a submission, a grant or a letter, by `subject_kind`."""

    at: dt.datetime | dt.date
    day: dt.date
    id: UUID
    icon: str
    title: str
    subject_kind: str = ""
    subject: str = ""
    tone: str = ""
    state: str | None = None
    restricted: bool = False
    by: str | None = None
    summary: tuple[dict[str, Any], ...] = field(default=())

    @property
    def with_time(self) -> bool:
        return isinstance(self.at, dt.datetime)


class Timeline:
    """The timeline of one case for one reader."""

    def __init__(
        self,
        tx: sa.Connection,
        store: Store,
        project: UUID,
        programme: Programme,
        titles: Titles,
        reader: Reader,
        zone: dt.tzinfo,
    ) -> None:
        self._tx, self._project, self._programme, self._titles = tx, project, programme, titles
        self._reader, self._zone, self._language = reader, zone, titles.language
        self._opener = Opener(tx, store, project)

    def page(
        self, case_id: UUID, *, kind: str | None = None, before: str | None = None, actions: Iterable[str]
    ) -> tuple[list[Happened], str | None]:
        """Events and the cursor of the earlier ones. `actions` are beginnings of the kinds that may be seen."""
        start = cursor(before, kind=dt.date)
        start = start if start and start.value else None
        rows = [("submission", row.event_date, row.id, row) for row in self._submissions(case_id, kind, start)]
        rows += [
            ("action", row.at.astimezone(self._zone).date(), row.id, row)
            for row in self._actions(case_id, kind, start, tuple(actions))
        ]
        rows.sort(key=lambda one: (one[1], one[2].int), reverse=True)
        more, rows = len(rows) > PAGE, rows[:PAGE]
        earlier = Cursor(rows[-1][1].isoformat(), rows[-1][2]).text() if more else None
        rows = _letters_after_approvals(rows)
        submitted = [row for what, _, _, row in rows if what == "submission"]
        if self._reader.sensitive:
            self._opener.fetch_keys([row.id for row in submitted if row.sensitive is not None])
        names = people.names(self._tx, (row.user_id for _, _, _, row in rows))
        tablets = self._tablets(submitted)
        return [
            self._submission(row, names, tablets) if what == "submission" else self._action(row, names)
            for what, _, _, row in rows
        ], earlier

    def _submissions(self, case_id: UUID, kind: str | None, start: Cursor | None) -> list[sa.Row]:
        columns = [one for one in submission.c if one.name not in ("identifying",)]
        # The wall counts once: through the membership, which is scoped.
        query = (
            sa.select(*columns)
            .join(
                membership,
                sa.and_(
                    membership.c.project_id == submission.c.project_id, membership.c.submission_id == submission.c.id
                ),
            )
            .where(
                membership.c.project_id == self._project,
                membership.c.case_id == case_id,
                submission.c.project_id == self._project,
                submission.c.deleted_at.is_(None),
            )
        )
        if kind:
            query = query.where(submission.c.xml_form_id.in_(self._forms(kind)))
        if start is not None:
            place = sa.tuple_(membership.c.event_date, membership.c.submission_id)
            query = query.where(place < sa.tuple_(sa.literal(start.day), sa.literal(start.id)))
        return list(
            self._tx.execute(
                query.order_by(membership.c.event_date.desc(), membership.c.submission_id.desc()).limit(PAGE + 1)
            )
        )

    def _actions(self, case_id: UUID, kind: str | None, start: Cursor | None, allowed: tuple[str, ...]) -> list[sa.Row]:
        wanted = [
            one for one in _SAID if one.startswith(allowed) and (not kind or one.startswith(_OF_KIND.get(kind, ("-",))))
        ]
        if not wanted:
            return []
        query = sa.select(action).where(
            action.c.project_id == self._project, action.c.case_id == case_id, action.c.kind.in_(wanted)
        )
        if start is not None and start.day is not None:
            begin = dt.datetime.combine(start.day, dt.time(), self._zone)
            end = begin + dt.timedelta(days=1)
            query = query.where(sa.or_(action.c.at < begin, sa.and_(action.c.at < end, action.c.id < start.id)))
        rows = list(self._tx.execute(query.order_by(action.c.at.desc(), action.c.id.desc()).limit(PAGE + 1)))
        return rows

    def _forms(self, kind: str) -> list[str]:
        return [one.id for one in self._programme.forms.values() if one.kind == kind]

    def _submission(self, row: sa.Row, names: dict[UUID, str], tablets: dict[UUID, str]) -> Happened:
        person = people.short(names[row.user_id]) if row.user_id in names else None
        by = ", ".join(part for part in (person, tablets.get(row.app_user_id)) if part) or None
        kind, summary = self._summary(row)
        title = self._titles.title(row.xml_form_id)
        return Happened(
            row.event_date,
            row.event_date,
            row.id,
            self._titles.icon(row.xml_form_id),
            f"{title} · {kind}" if kind else title,
            "submission",
            str(row.id),
            state=row.review_state,
            restricted=row.restricted is not None,
            by=by,
            summary=summary,
        )

    def _summary(self, row: sa.Row) -> tuple[str, tuple[dict[str, Any], ...]]:
        """The answers that the programme names for the timeline: open ones, sensitive ones for whom may read them. A
        choice that comes first belongs into the title: which visit it was.
        """
        rule = self._programme.forms.get(row.xml_form_id)
        if rule is None or not rule.summary:
            return "", ()
        version = self._opener.version(row.xml_form_id, row.form_version, row.form_origin)
        values = dict(row.open)
        if self._reader.sensitive and any(path not in values for path in rule.summary):
            values |= self._opener.sensitive(row)
        kind, short = "", list[str]()
        long: list[dict[str, Any]] = []
        for path in rule.summary:
            asked = version.schema.field(path)
            text = answers_shown.text(
                version.schema, asked, values.get(path), self._language, names={}, zone=self._zone
            )
            if (
                text
                and self._programme.grants
                and row.xml_form_id in (self._programme.grants.form, self._programme.grants.receipt_form)
            ):
                text = _as_money(asked, text, self._language)
            if asked is None or not text:
                continue
            if path == rule.summary[0] and asked.choices:
                kind = text
            elif asked.choices or asked.type != "string":
                short.append(text)
            else:
                cut = text if len(text) <= _LONGEST else text[:_LONGEST].rsplit(" ", 1)[0] + " …"
                long.append({"text": cut, "lang": script_of(cut)})
        return kind, (*([{"text": " · ".join(short)}] if short else ()), *long)

    def _action(self, row: sa.Row, names: dict[UUID, str]) -> Happened:
        icon, tone, words = _SAID[_BACK if row.data.get("back") else row.kind]
        stage = self._programme.stage(str(row.data.get("to", "")))
        number = row.data.get("number", "")
        title = words.in_(self._language).format(
            stage=stage.label.in_(self._language) if stage else row.data.get("to", ""), number=number
        )
        kind, _, _ = row.kind.partition(".")
        at: dt.datetime | dt.date = row.at
        by = people.short(names[row.user_id]) if row.user_id in names else None
        if since := self._since(row):
            by = f"{by} · {since}" if by else since
        subject = number if kind == "letter" else str(row.subject)
        day, told = row.at.astimezone(self._zone).date(), self._grant(row) if kind == "grant" else ()
        return Happened(at, day, row.id, icon, title, kind, subject, tone=tone, by=by, summary=told)

    def _grant(self, row: sa.Row) -> tuple[dict[str, Any], ...]:
        """What the grant was for and how much it was when this happened."""
        rule, amount = self._programme.grants, row.data.get("amount")
        what = title_of(self._programme, rule.list, row.data.get("kind", ""), self._language) if rule else ""
        parts = (what, money(amount, self._language) if isinstance(amount, int) else "")
        text = " · ".join(part for part in parts if part)
        return ({"text": text[:1].upper() + text[1:]},) if text else ()

    def _since(self, row: sa.Row) -> str:
        """From which day a stage holds, where that is not the day on which somebody said so."""
        since = dt.date.fromisoformat(row.data["since"]) if row.data.get("since") else None
        if since is None or since == row.at.astimezone(self._zone).date():
            return ""
        day = date_words(since, self._language, weekday=True, today=dt.datetime.now(self._zone).date())
        return Words(f"since {day}", f"ตั้งแต่ {day}").in_(self._language)

    def _tablets(self, rows: list[sa.Row]) -> dict[UUID, str]:
        wanted = {row.app_user_id for row in rows if row.app_user_id}
        if not wanted:
            return {}
        found = self._tx.execute(
            sa.select(app_user.c.id, app_user.c.name).where(
                app_user.c.project_id == self._project, app_user.c.id.in_(wanted)
            )
        )
        return {row.id: row.name for row in found}


def _letters_after_approvals(rows: list[tuple[str, dt.date, UUID, Any]]) -> list[tuple[str, dt.date, UUID, Any]]:
    """Newest first, a letter stands above its approval. Where both are one deed, its row may be the older by a moment:
    such an approval names the letter.
    """
    found = list(rows)
    for at, ((above, _, _, later), (below, _, _, sooner)) in enumerate(pairwise(rows)):
        if (
            above == below == "action"
            and (later.kind, sooner.kind) == ("grant.approved", "letter.issued")
            and later.data.get("letter") == sooner.data["number"]
        ):
            found[at], found[at + 1] = found[at + 1], found[at]
    return found


def _as_money(asked: Any, text: str, language: str) -> str:
    """A sum in baht, as a form wrote it."""
    if asked is None or asked.type not in ("decimal", "int"):
        return text
    try:
        return money(round(float(text.replace(",", "")) * 100), language)
    except ValueError:
        return text
