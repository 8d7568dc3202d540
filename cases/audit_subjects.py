"""What the events of a page of the audit are about: cases, letters, forms, questions, tablets, colleagues.

Looks them up for all events at once. Knows labels of questions; opens no answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa

from cases import answers_shown, people
from cases.audit_words import SET_ASIDE
from cases.titles import Titles
from cases.who import Who, lines, of_submissions
from odk.programme import Programme
from store.tables import app_user, grants, letter, membership, submission
from submissions.form_versions import FormVersion, known


def of_case(tx: sa.Connection, project: UUID, case_id: UUID) -> list[UUID]:
    """The case and what belongs to it: who opens a letter or a file is recorded at the letter or the submission."""
    held = sa.union_all(
        sa.select(membership.c.submission_id).where(
            membership.c.project_id == project, membership.c.case_id == case_id
        ),
        *(
            sa.select(table.c.id).where(table.c.project_id == project, table.c.case_id == case_id)
            for table in (letter, grants)
        ),
    )
    return [case_id, *tx.scalars(held)]


class Subjects:
    """What the events of one page are about, in one language."""

    def __init__(
        self, tx: sa.Connection, project: UUID, programme: Programme, language: str, rows: Sequence[sa.Row]
    ) -> None:
        self._tx, self._project, self._programme, self._language = tx, project, programme, language
        self._titles = Titles(tx, project, programme, language)
        self._versions: dict[tuple[str, str, str], FormVersion] = {}
        self._people = people.names(
            tx,
            {row.actor_id for row in rows if row.actor_kind == "person"} | _subjects(rows, "user"),
        )
        held = {row.actor_id for row in rows if row.actor_kind == "tablet"} | _subjects(rows, "tablet")
        self._tablets = {row.id: row.name for row in self._found(app_user, held, "name")}
        self._letters = {row.id: row for row in self._found(letter, _subjects(rows, "letter"), "number", "case_id")}
        sent = _subjects(rows, "submission", "comment") | {one for row in rows if (one := _submission(row))}
        columns = ("xml_form_id", "form_version", "form_origin")
        self._submissions = {row.id: row for row in self._found(submission, sent, *columns)}
        self._of_submissions = of_submissions(tx, project, self._submissions, language)
        asked = self._found(grants, _subjects(rows, "grant", "comment"), "case_id")
        self._case_of = {row.id: row.case_id for row in (*asked, *self._letters.values())}
        self._cases = lines(tx, project, _subjects(rows, "case") | set(self._case_of.values()), language)

    def actor(self, row: sa.Row) -> str | None:
        """The name of the colleague or the tablet that acted."""
        return self._people.get(row.actor_id) or self._tablets.get(row.actor_id)

    def cases(self, row: sa.Row) -> tuple[Who, ...]:
        """The cases that an event is about, as far as they may be seen."""
        case = self._cases.get(self._case_of.get(row.subject_id, row.subject_id))
        return (case,) if case else tuple(self._of_submissions.get(row.subject_id, ()))

    def touched(self, row: sa.Row) -> str:
        """What an event was done to, beside its case; "" where there is nothing to name."""
        area = row.verb.partition(".")[0]
        if row.verb == "value.revealed":
            return self._questions(row)
        if row.verb == "case.stage":
            stage = self._programme.stage(str(row.detail.get("to", "")))
            return stage.label.in_(self._language) if stage else str(row.detail.get("to", ""))
        if area == "letter":
            known_letter = self._letters.get(row.subject_id)
            return str(row.detail.get("number") or (known_letter.number if known_letter else ""))
        if area == "tablet":
            return self._tablets.get(row.subject_id, "")
        if area == "user":
            return self._people.get(row.subject_id, "") if row.subject_id != row.actor_id else ""
        return self._form(row)

    def _form(self, row: sa.Row) -> str:
        sent = self._submissions.get(_submission(row) or row.subject_id)
        form = str(row.detail.get("form") or "") or (sent.xml_form_id if sent else "")
        return self._titles.title(form) if form else ""

    def _questions(self, row: sa.Row) -> str:
        if row.subject_kind == "quarantine":
            return SET_ASIDE.in_(self._language)
        sent = self._submissions.get(_submission(row))
        if sent is None:
            return ""
        key = sent.xml_form_id, sent.form_version, sent.form_origin
        if key not in self._versions:
            self._versions[key] = known(self._tx, self._project, *key)
        version = self._versions[key]
        found = (version.schema.field(key) for key in row.detail.get("fields", ()))
        labels = (answers_shown.label(asked, self._language, {}) for asked in found if asked is not None)
        return " · ".join(dict.fromkeys(labels))

    def _found(self, table: sa.Table, ids: set[UUID], *columns: str) -> Sequence[sa.Row]:
        wanted = {one for one in ids if one}
        if not wanted:
            return []
        query = sa.select(table.c.id, *(table.c[name] for name in columns))
        return self._tx.execute(query.where(table.c.project_id == self._project, table.c.id.in_(wanted))).all()


def _subjects(rows: Sequence[sa.Row], *kinds: str) -> set[UUID]:
    return {row.subject_id for row in rows if row.subject_kind in kinds and row.subject_id}


def _submission(row: sa.Row) -> UUID | None:
    """The submission that an event names beside its subject."""
    named = row.detail.get("submission")
    return UUID(named) if named else None
