"""Looking into something in quarantine: after `reveal.allow` wrote the reason into the audit, and never otherwise.

Only what a form of ours can tell apart is shown: of a form or of nodes that nobody here knows, nobody can say whether
they are a therapist's. Those are told by number alone.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from uuid import UUID

import sqlalchemy as sa

from cases import answers_shown
from namjai.problems import Problem
from odk.answers import UNKNOWN, read_answers
from odk.instance import read_instance
from odk.schema import FormSchema, Privacy
from store.opening import Store
from store.tables import form, form_version
from submissions.delivery import Delivery
from submissions.quarantine import delivery_of

MOST_ANSWERS = 500


@dataclass(frozen=True, slots=True)
class Look:
    """What can be said of a delivery. `answers` are labels with values; `hidden` how many are not shown."""

    form: str | None
    version: str | None
    instance_id: str | None
    size: int
    files: tuple[str, ...]
    readable: bool = True
    known: bool = False
    answers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    hidden: int = 0


def look(
    tx: sa.Connection, store: Store, project: UUID, item: UUID, language: str, zone: dt.tzinfo, *, restricted: bool
) -> Look:
    """A quarantined delivery, as far as its reader may know it. `restricted`: also what only therapists read.

    Raises KeyMissing when it was erased.
    """
    delivery = delivery_of(tx, store, project, item)
    files = tuple(file.name for file in delivery.files)
    try:
        instance = read_instance(delivery.xml)
    except Problem:
        return Look(None, None, None, len(delivery.xml), files, readable=False)
    said = Look(instance.form_id, instance.version, instance.instance_id, len(delivery.xml), files)
    found = _schema(tx, project, instance.form_id, instance.version)
    if found is None:
        return said
    answers, hidden = _answers(delivery, *found, language, zone, restricted)
    return Look(said.form, said.version, said.instance_id, said.size, files, known=True, answers=answers, hidden=hidden)


def _answers(
    delivery: Delivery, schema: FormSchema, undeclared: str, language: str, zone: dt.tzinfo, restricted: bool
) -> tuple[tuple[tuple[str, str], ...], int]:
    read = read_answers(read_instance(delivery.xml), schema)
    classes = read.by_privacy(schema, undeclared)
    closed = set() if restricted else set(classes[Privacy.RESTRICTED])
    closed |= {key for key, flag in read.flags.items() if flag == UNKNOWN}
    shown = [
        (_label(schema, key, language), _text(schema, key, value, language, zone))
        for key, value in read.values.items()
        if key not in closed
    ]
    return tuple(shown[:MOST_ANSWERS]), len(read.values) - len(shown)


def _label(schema: FormSchema, key: str, language: str) -> str:
    asked = schema.field(key)
    return answers_shown.label(asked, language, {}) if asked is not None else key


def _text(schema: FormSchema, key: str, value: object, language: str, zone: dt.tzinfo) -> str:
    return answers_shown.text(schema, schema.field(key), value, language, names={}, zone=zone)


def _schema(tx: sa.Connection, project: UUID, form_id: str, version: str) -> tuple[FormSchema, str] | None:
    """The version that it was filled with, else the one that tablets get now; None for a form that is not here."""
    row = tx.execute(
        sa.select(form_version.c.schema, form_version.c.undeclared)
        .join(
            form,
            sa.and_(form.c.project_id == form_version.c.project_id, form.c.xml_form_id == form_version.c.xml_form_id),
        )
        .where(form_version.c.project_id == project, form_version.c.xml_form_id == form_id)
        .order_by(
            (form_version.c.version == version).desc(),
            (form_version.c.version == form.c.version).desc(),
            form_version.c.published_at.desc(),
        )
        .limit(1)
    ).one_or_none()
    return (FormSchema.from_json(row.schema), row.undeclared) if row else None
