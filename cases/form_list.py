"""The forms of a project as pages show them: versions, questions, files. Reads; publishes nothing."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import sqlalchemy as sa

from cases import people
from cases.form_uploads import schema_now
from cases.titles import Titles
from namjai.languages import Words
from namjai.problems import NotFound
from odk.schema import FormSchema
from store.tables import form, form_attachment, form_version, submission


def forms(tx: sa.Connection, project: UUID, titles: Titles) -> list[dict[str, Any]]:
    """Every form with its state and how much came in by it."""
    counted = {
        row.xml_form_id: row
        for row in tx.execute(
            sa.select(
                submission.c.xml_form_id,
                sa.func.count().label("n"),
                sa.func.max(submission.c.received_at).label("last"),
            )
            .where(submission.c.project_id == project)
            .group_by(submission.c.xml_form_id)
        )
    }
    rows = tx.execute(sa.select(form).where(form.c.project_id == project).order_by(form.c.xml_form_id)).all()
    found = []
    for row in rows:
        schema, count = schema_now(tx, project, row.xml_form_id), counted.get(row.xml_form_id)
        found.append(
            {
                "form_id": row.xml_form_id,
                "title": titles.title(row.xml_form_id),
                "version": row.version,
                "state": row.state,
                "writes": _writes(schema),
                "submissions": count.n if count else 0,
                "last": count.last if count else None,
            }
        )
    return found


def ids(tx: sa.Connection, project: UUID) -> list[str]:
    """The form ids of a project."""
    query = sa.select(form.c.xml_form_id).where(form.c.project_id == project)
    return list(tx.scalars(query.order_by(form.c.xml_form_id)))


def one(tx: sa.Connection, project: UUID, form_id: str, titles: Titles) -> dict[str, Any]:
    """One form: `form`, `versions`, `questions`, `media`. Raises NotFound."""
    row = tx.execute(sa.select(form).where(form.c.project_id == project, form.c.xml_form_id == form_id)).one_or_none()
    schema = schema_now(tx, project, form_id)
    if row is None or schema is None:
        raise NotFound()
    versions = _versions(tx, project, row)
    undeclared = tx.scalar(
        sa.select(form_version.c.undeclared)
        .where(form_version.c.project_id == project, form_version.c.xml_form_id == form_id)
        .order_by(form_version.c.ordinal.desc())
        .limit(1)
    )
    return {
        "form": {
            "form_id": form_id,
            "title": titles.title(form_id),
            "writes": _writes(schema),
            "submissions": sum(each["submissions"] for each in versions),
        },
        "versions": versions,
        "questions": _questions(schema, undeclared or "strict", titles.language),
        "media": _media(tx, project, row, titles.language),
    }


def _versions(tx: sa.Connection, project: UUID, row: sa.Row) -> list[dict[str, Any]]:
    # Two servers may each have a version of the same name.
    place = submission.c.form_origin, submission.c.form_version
    counted = {
        (each.form_origin, each.form_version): each.n
        for each in tx.execute(
            sa.select(*place, sa.func.count().label("n"))
            .where(submission.c.project_id == project, submission.c.xml_form_id == row.xml_form_id)
            .group_by(*place)
        )
    }
    columns = ("origin", "version", "published_at", "published_by")
    found = tx.execute(
        sa.select(*(form_version.c[name] for name in columns))
        .where(form_version.c.project_id == project, form_version.c.xml_form_id == row.xml_form_id)
        .order_by(form_version.c.ordinal.desc())
    ).all()
    names = people.names(tx, (each.published_by for each in found))
    return [
        {
            "version": each.version,
            "at": each.published_at,
            "by": names.get(each.published_by),
            "current": each.version == row.version,
            "submissions": counted.get((each.origin, each.version), 0),
        }
        for each in found
    ]


def _questions(schema: FormSchema, undeclared: str, language: str) -> list[dict[str, Any]]:
    return [
        {
            "label": each.label(language) if each.labels else None,
            "path": each.path,
            "type": each.type if each.kind != "calculation" else "calculate",
            "privacy": str(schema.privacy_of(each.path, undeclared)),
            "repeat": bool(each.repeats),
        }
        for each in schema.fields
        if each.kind in ("question", "calculation")
    ]


def _media(tx: sa.Connection, project: UUID, row: sa.Row, language: str) -> list[dict[str, str]]:
    rows = tx.execute(
        sa.select(
            form_attachment.c.name, form_attachment.c.list, sa.func.length(form_attachment.c.content).label("size")
        )
        .where(
            form_attachment.c.project_id == project,
            form_attachment.c.xml_form_id == row.xml_form_id,
            form_attachment.c.version == row.version,
            form_attachment.c.origin == row.origin,
        )
        .order_by(form_attachment.c.name)
    )
    found = []
    for each in rows:
        note = (
            Words(f"list “{each.list}”", f"รายการ “{each.list}”").in_(language)
            if each.list
            else f"{max(1, (each.size or 0) // 1000)} KB"
        )
        found.append({"name": each.name, "note": note})
    return found


def _writes(schema: FormSchema | None) -> str | None:
    return ", ".join(dict.fromkeys(each.list for each in schema.entities)) or None if schema else None
