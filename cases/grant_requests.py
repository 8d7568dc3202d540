"""What a grant's request says now and said when it was approved, whoever wrote it. Reads; changes nothing.

Opens encrypted answers: what leaves here may name a person.
"""
from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from odk.answers import changed, read_answers
from odk.instance import read_instance
from odk.schema import Field, FormSchema, Privacy
from store.opening import Store
from store.tables import submission, submission_version
from submissions.form_versions import FormVersion, known

_CLOSED = ("sensitive", "identifying", "restricted")


@dataclass(frozen=True, slots=True)
class Request:
    """A submission as it stands: its answers of every class by key, and who wrote its versions, oldest first."""

    submission_id: UUID
    instance_id: str
    review_state: str
    user_id: UUID | None
    version: FormVersion
    answers: Mapping[str, Any] = field(repr=False)
    authors: tuple[tuple[str, UUID | None], ...] = ()

    @property
    def schema(self) -> FormSchema:
        return self.version.schema

    def text(self, path: str | None) -> str:
        """An answer as it was written; "" when there is none."""
        value = self.answers.get(path) if path else None
        return "" if value is None else " ".join(value) if isinstance(value, list) else str(value).strip()

    def shown(self, path: str | None, language: str) -> str:
        """An answer as the form says it in a language: labels of choices instead of their values."""
        asked = self.schema.field(path) if path else None
        return shown(self.schema, asked, self.answers.get(path or ""), language) if asked else self.text(path)


def request_of(tx: sa.Connection, store: Store, project: UUID, submission_id: UUID | None) -> Request | None:
    """The submission behind a grant, opened; None when it is not there (any more)."""
    row = tx.execute(
        sa.select(submission).where(submission.c.project_id == project, submission.c.id == submission_id)
    ).one_or_none()
    if row is None or row.deleted_at:
        return None
    answers = dict(row.open)
    if any(getattr(row, name) for name in _CLOSED):
        key = store.keyring.record(tx, project, row.id)
        for name in _CLOSED:
            if sealed := getattr(row, name):
                answers |= json.loads(key.decrypt(name, bytes(sealed)))
    versions = tx.execute(
        sa.select(submission_version.c.instance_id, submission_version.c.user_id)
        .where(submission_version.c.project_id == project, submission_version.c.submission_id == row.id)
        .order_by(submission_version.c.received_at, submission_version.c.instance_id)
    )
    return Request(
        row.id, row.instance_id, row.review_state, row.user_id,
        known(tx, project, row.xml_form_id, row.form_version, row.form_origin), answers,
        tuple((one.instance_id, one.user_id) for one in versions),
    )


def content_of(store: Store, project: UUID, entity: UUID, amount: str, kind: str, request: Request) -> bytes:
    """The keyed hash over all that is asked: every answer that a person gave, and what the grant took from them.

    What the tablet fills in by itself (start, end, …) is left out: it differs in every edit.
    """
    asked = {key: value for key, value in request.answers.items() if not _by_tablet(request.schema.field(key))}
    text = json.dumps(asked, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return store.keyring.hash("digest", "grant", str(project), str(entity), amount, kind, text)


def differences(
    tx: sa.Connection, store: Store, project: UUID, request: Request, before: str, language: str
) -> list[tuple[str, str, str, str, Privacy]]:
    """What changed since the version `before` (an instance id): key, label, was, now, privacy, in the form's order."""
    row = tx.execute(
        sa.select(submission_version).where(
            submission_version.c.project_id == project,
            submission_version.c.xml_form_id == request.version.xml_form_id,
            submission_version.c.instance_id == before,
        )
    ).one_or_none()
    if row is None:
        return []
    raw = store.keyring.record(tx, project, row.submission_id).decrypt(f"raw:{before}", bytes(row.raw))
    old = known(tx, project, row.xml_form_id, row.form_version, row.form_origin).schema
    was = read_answers(read_instance(raw), old).values
    schema, found = request.schema, []
    for key, then, now in changed(was, request.answers, schema):
        asked = schema.field(key) or old.field(key)
        label = asked.label(language) if asked else key
        privacy = schema.privacy_of(key, request.version.undeclared)
        found.append((key, label, shown(old, asked, then, language), shown(schema, asked, now, language), privacy))
    return found


def shown(schema: FormSchema, asked: Field | None, value: Any, language: str) -> str:
    """One answer as people read it; "" where there is none."""
    if value is None:
        return ""
    values = value if isinstance(value, list) else [value]
    if asked is None or not asked.choices:
        return ", ".join(str(one) for one in values)
    return ", ".join(schema.choice_label(asked, str(one), language) for one in values)


def _by_tablet(asked: Field | None) -> bool:
    return asked is not None and asked.kind == "metadata"
