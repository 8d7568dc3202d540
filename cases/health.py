"""Counts and health of a project: what `namjai status` prints. Numbers only."""
from __future__ import annotations

import datetime as dt
from uuid import UUID

import sqlalchemy as sa

from cases import source_problems  # noqa: F401  what stands in a source's way is one of these
from namjai.problems import Problem, catalogue
from store.tables import cases, entity, quarantine, source, submission, submission_attachment

_STATES = ("expected", "partial", "verified", "missing")


def status(tx: sa.Connection, project: UUID) -> dict:
    """The project's counts, under the keys that scripts rely on (interfaces: `status --json`)."""
    by_form = tx.execute(
        sa.select(submission.c.xml_form_id, sa.func.count())
        .where(submission.c.project_id == project, submission.c.deleted_at.is_(None))
        .group_by(submission.c.xml_form_id)
        .order_by(submission.c.xml_form_id)
    ).all()
    lists = tx.execute(
        sa.select(entity.c.list, sa.func.count())
        .where(entity.c.project_id == project, entity.c.deleted_at.is_(None), entity.c.placeholder.is_(False))
        .group_by(entity.c.list)
        .order_by(entity.c.list)
    ).all()
    files: dict[str, int] = dict(
        tx.execute(
            sa.select(submission_attachment.c.state, sa.func.count())
            .where(submission_attachment.c.project_id == project)
            .group_by(submission_attachment.c.state)
        ).all()
    )
    return {
        "submissions": sum(count for _, count in by_form),
        "submissions_by_form": {form: count for form, count in by_form},
        "attachments": {state: files.get(state, 0) for state in _STATES},
        "entities": {name: count for name, count in lists},
        "cases": _count(tx, cases, project),
        "quarantine": _count(tx, quarantine, project, quarantine.c.state == "waiting"),
        "sources": sources(tx, project),
        "jobs": jobs(tx),
    }


def sources(tx: sa.Connection, project: UUID) -> list[dict]:
    """The sources that are read: name, kind, paused, last_success, lag_seconds (both None before the first), error (a
    code) and what it says in English."""
    now = dt.datetime.now(dt.UTC)
    rows = tx.execute(
        sa.select(source).where(source.c.project_id == project, source.c.removed_at.is_(None)).order_by(source.c.name)
    )
    return [
        {
            "name": row.name, "kind": row.kind, "paused": row.paused_at is not None,
            "last_success": row.succeeded_at.isoformat() if row.succeeded_at else None,
            "lag_seconds": int((now - row.succeeded_at).total_seconds()) if row.succeeded_at else None,
            "error": row.problem,
            "says": catalogue().get(row.problem, Problem)(**row.facts or {}).text("en") if row.problem else None,
        }
        for row in rows
    ]


def jobs(tx: sa.Connection) -> dict[str, int]:
    """Jobs that wait or run, and jobs that failed for good."""
    found: dict[str, int] = dict(
        tx.execute(sa.text("SELECT status::text, count(*) FROM procrastinate_jobs GROUP BY status")).all()
    )
    return {"queued": found.get("todo", 0) + found.get("doing", 0), "failed": found.get("failed", 0)}


def _count(tx: sa.Connection, table: sa.Table, project: UUID, *where: sa.ColumnElement[bool]) -> int:
    return tx.scalar(sa.select(sa.func.count()).select_from(table).where(table.c.project_id == project, *where)) or 0
