"""Projects and the programme installed in each. Reads and writes their rows."""
from __future__ import annotations

import datetime as dt
import secrets
from uuid import UUID

import sqlalchemy as sa

from namjai.problems import Problem
from odk.programme import Programme
from store.actor import NO_PROJECT, Actor
from store.audit import Event, record
from store.keys import new_id
from store.opening import Store
from store.tables import program, project

_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"


class ProjectUnknown(Problem):
    code, http_status = "project-unknown", 404
    en = ("There is no project {name}. Known here: {known}. Install a programme to make one: namjai programs "
          "install FOLDER")
    th = "ไม่มีโครงการ {name} ที่มีอยู่: {known} ติดตั้งด้วย namjai programs install โฟลเดอร์"


class ProjectAmbiguous(Problem):
    code, http_status = "project-ambiguous", 400
    en = "There are several projects: {known}. Say which one with --project NAME."
    th = "มีหลายโครงการ: {known} ระบุด้วย --project ชื่อ"


class ShortNameTaken(Problem):
    code, http_status = "short-name-taken", 409
    en = ("Another project already numbers its letters {short_name}. Choose another short_name in program.toml; "
          "nothing was installed.")
    th = "มีโครงการอื่นใช้ {short_name} ในเลขที่จดหมายแล้ว เลือก short_name ใหม่ใน program.toml ยังไม่ได้ติดตั้ง"


def all_projects(tx: sa.Connection) -> list[sa.Row]:
    """Every project, oldest first."""
    return list(tx.execute(sa.select(project).order_by(project.c.created_at)))


def keeper(tx: sa.Connection) -> Actor:
    """The actor of commands and worker: all projects, all cases."""
    return Actor("command", projects=(*(row.id for row in all_projects(tx)), NO_PROJECT), scope="all")


def in_project(project_id: UUID, kind: str = "command") -> Actor:
    """A command or the worker at work in one project."""
    return Actor(kind, projects=(project_id, NO_PROJECT), scope="all")  # type: ignore[arg-type]


def find(tx: sa.Connection, name: str | None) -> sa.Row | None:
    """The project of that name; without a name the only one, None when there is none yet.

    Raises ProjectUnknown, ProjectAmbiguous.
    """
    rows = all_projects(tx)
    known = ", ".join(row.name for row in rows) or "—"
    if name is None:
        if len(rows) > 1:
            raise ProjectAmbiguous(known=known)
        return rows[0] if rows else None
    for row in rows:
        if name in (row.name, row.key):
            return row
    raise ProjectUnknown(name=name[:60], known=known)


def make(tx: sa.Connection, store: Store, *, name: str, short_name: str, timezone: str) -> sa.Row:
    """A new project. Raises ShortNameTaken."""
    if tx.scalar(sa.select(project.c.id).where(project.c.short_name == short_name)):
        raise ShortNameTaken(short_name=short_name)
    row = tx.execute(
        project.insert()
        .values(
            id=new_id(), key="".join(secrets.choice(_ALPHABET) for _ in range(6)), name=name, short_name=short_name,
            timezone=timezone, created_at=dt.datetime.now(dt.UTC),
        )
        .returning(project)
    ).one()
    record(tx, store.keyring, Actor("command", projects=(NO_PROJECT,)), Event("project.made", "project", row.id, {}))
    return row


def programme_of(tx: sa.Connection, project_id: UUID) -> Programme | None:
    """The programme installed in a project, or None. Remembered by its digest: it is read on every page."""
    row = tx.execute(sa.select(program.c.digest).where(program.c.project_id == project_id)).one_or_none()
    if row is None:
        return None
    known = _remembered.get(project_id)
    if known is None or known[0] != row.digest:
        definition = tx.scalar(sa.select(program.c.definition).where(program.c.project_id == project_id))
        known = _remembered[project_id] = (row.digest, Programme.from_json(definition or {}))
    return known[1]


_remembered: dict[UUID, tuple[str, Programme]] = {}
