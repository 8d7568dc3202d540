"""The version of a form that an instance was filled with. Read from rows and remembered: a version never changes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from uuid import UUID

import sqlalchemy as sa

from odk.schema import FormSchema
from store.actor import driver
from store.tables import form_version
from submissions.problems import FormClosed, FormUnknown, FormVersionUnknown

TABLETS = "tablets"
_MOST = 400
_remembered: dict[tuple, FormSchema] = {}
_lock = Lock()
_FIND = """
SELECT f.state, v.origin, v.md5, v.undeclared, v.event_path
FROM form f LEFT JOIN form_version v
  ON v.project_id = f.project_id AND v.xml_form_id = f.xml_form_id AND v.version = %(version)s
WHERE f.project_id = %(project)s AND f.xml_form_id = %(form)s
ORDER BY (v.origin = %(origin)s) DESC NULLS LAST, v.origin LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class FormVersion:
    """A published version: where it came from, its schema, and what the programme says of it."""

    xml_form_id: str
    origin: str
    version: str
    undeclared: str
    event_path: str | None
    schema: FormSchema


def find(tx: sa.Connection, project: UUID, form: str, version: str, origin: str) -> FormVersion:
    """The version, whichever origin published it; the delivery's own first.

    Raises FormUnknown, FormClosed, FormVersionUnknown.
    """
    with driver(tx) as cursor:
        cursor.execute(_FIND, {"project": project, "form": form, "version": version, "origin": origin})
        row = cursor.fetchone()
    if row is None:
        raise FormUnknown(form=plain(form))
    state, found_origin, md5, undeclared, event_path = row
    # What is closed here is closed to tablets; a source is closed at the source, or not at all.
    if state == "closed" and (origin == TABLETS or found_origin != origin):
        raise FormClosed(form=plain(form))
    if found_origin is None:
        raise FormVersionUnknown(form=plain(form), version=plain(version) or "—")
    schema = _schema(tx, project, form, found_origin, version, md5)
    return FormVersion(form, found_origin, version, undeclared, event_path, schema)


def known(tx: sa.Connection, project: UUID, form: str, version: str, origin: str) -> FormVersion:
    """A version that a stored submission names: whatever the form's state is now."""
    row = tx.execute(
        sa.select(form_version.c.md5, form_version.c.undeclared, form_version.c.event_path).where(
            form_version.c.project_id == project,
            form_version.c.xml_form_id == form,
            form_version.c.origin == origin,
            form_version.c.version == version,
        )
    ).one()
    return FormVersion(
        form, origin, version, row.undeclared, row.event_path, _schema(tx, project, form, origin, version, row.md5)
    )


def _schema(tx: sa.Connection, project: UUID, form: str, origin: str, version: str, md5: str) -> FormSchema:
    key = (project, form, origin, version, md5)
    if key not in _remembered:
        data = tx.scalar(
            sa.select(form_version.c.schema).where(
                form_version.c.project_id == project,
                form_version.c.xml_form_id == form,
                form_version.c.origin == origin,
                form_version.c.version == version,
            )
        )
        with _lock:
            if len(_remembered) >= _MOST:
                _remembered.clear()
            _remembered[key] = FormSchema.from_json(data or {})
    return _remembered[key]


@lru_cache(maxsize=256)
def plain(text: str) -> str:
    """A form id or version as it may be shown: bounded, one line."""
    return " ".join(text.split())[:60]
