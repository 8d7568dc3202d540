"""What a tablet is served: forms, their files, and the entity lists of the people whose worker holds it.

Lists come offline and stay on a tablet, so a list's hash is never that of an earlier day: it is made of the versions of
what is served and counts how often somebody left (`entity_list.removals`).
"""
from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import aggregate_order_by

from namjai.problems import NotFound
from odk.entities import entity_csv
from store.tables import cases, entity, entity_list, form, form_attachment, form_version


@dataclass(frozen=True, slots=True)
class ListedForm:
    """A form as the form list names it."""

    id: str
    name: str
    version: str
    md5: str
    has_files: bool


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A file of a form: `list` names the entity list it is made from."""

    name: str
    hash: str
    list: str | None


def forms(tx: sa.Connection, project: UUID, *, form_id: str | None = None) -> list[ListedForm]:
    """The open forms of tablets, by id; one of them where an id is given."""
    has_files = (
        sa.select(form_attachment.c.name)
        .where(*_same_version(form_attachment), form_attachment.c.project_id == form.c.project_id)
        .exists()
    )
    query = (
        sa.select(form.c.xml_form_id, form.c.title, form.c.version, form_version.c.md5, has_files.label("has_files"))
        .join(form_version, sa.and_(form_version.c.project_id == form.c.project_id, *_same_version(form_version)))
        .where(form.c.project_id == project, form.c.state == "open", form.c.origin == "tablets")
        .order_by(form.c.xml_form_id)
    )
    if form_id is not None:
        query = query.where(form.c.xml_form_id == form_id)
    return [
        ListedForm(row.xml_form_id, _title(row.title), row.version, row.md5, row.has_files) for row in tx.execute(query)
    ]


def xform(tx: sa.Connection, project: UUID, form_id: str) -> bytes:
    """The definition, byte for byte what the list's hash was made of. Raises NotFound."""
    found = tx.scalar(
        sa.select(form_version.c.xform)
        .join(form, sa.and_(form_version.c.project_id == form.c.project_id, *_same_version(form_version)))
        .where(form.c.project_id == project, form.c.xml_form_id == form_id, form.c.state == "open")
    )
    if found is None:
        raise NotFound()
    return bytes(found)


def files(tx: sa.Connection, project: UUID, form_id: str) -> list[ListedFile]:
    """The files of a form's present version, as this transaction's actor may see the lists among them."""
    rows = tx.execute(
        _files(project, form_id).with_only_columns(
            form_attachment.c.name, form_attachment.c.md5, form_attachment.c.list
        )
    )
    return [ListedFile(row.name, row.md5 or list_hash(tx, project, row.list), row.list) for row in rows]


def file_content(tx: sa.Connection, project: UUID, form_id: str, name: str) -> tuple[bytes, str | None]:
    """The bytes of a form's file, and the list it is made from. Raises NotFound."""
    row = tx.execute(_files(project, form_id).where(form_attachment.c.name == name)).one_or_none()
    if row is None:
        raise NotFound()
    return (list_csv(tx, project, row.list), row.list) if row.list else (bytes(row.content), None)


def list_csv(tx: sa.Connection, project: UUID, name: str) -> bytes:
    """An entity list as Collect reads it; always with its header (an empty file crashes the tablet)."""
    properties = tx.scalar(sa.select(entity_list.c.properties).where(*_list(project, name)))
    rows = tx.execute(
        _served(project, name)
        .with_only_columns(entity.c.uuid, entity.c.label, entity.c.version, entity.c.data)
        .order_by(entity.c.label, entity.c.uuid)
    )
    return entity_csv(properties or [], ((str(row.uuid), row.label, row.version, row.data) for row in rows))


def list_hash(tx: sa.Connection, project: UUID, name: str) -> str:
    """A hash that changes with every change of what this actor is served, and never comes back."""
    one = sa.func.concat(entity.c.uuid, ":", entity.c.version)
    together = sa.func.string_agg(one, aggregate_order_by(sa.literal(","), entity.c.uuid))
    served = tx.scalar(_served(project, name).with_only_columns(sa.func.md5(together)))
    row = tx.execute(sa.select(entity_list.c.removals, entity_list.c.properties).where(*_list(project, name))).one()
    text = f"{project}:{name}:{','.join(row.properties)}:{row.removals}:{served}"
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def integrity(tx: sa.Connection, project: UUID, name: str, ids: Iterable[str]) -> list[tuple[str, bool]]:
    """For the ids that a tablet holds: (id, gone). What never arrived here is left out, so that the tablet keeps it.

    Raises NotFound for a list that is not there. `gone` is also what this tablet may no longer see.
    """
    if tx.scalar(sa.select(entity_list.c.name).where(*_list(project, name))) is None:
        raise NotFound()
    wanted = [found for text in ids if (found := _uuid(text))]
    known = set(
        tx.scalars(
            sa.select(entity.c.uuid).where(
                entity.c.project_id == project,
                entity.c.list == name,
                entity.c.uuid.in_(wanted),
                entity.c.placeholder.is_(False),
            )
        )
    )
    served = set(tx.scalars(_served(project, name).with_only_columns(entity.c.uuid).where(entity.c.uuid.in_(wanted))))
    return [(str(one), one not in served) for one in wanted if one in known]


def _served(project: UUID, name: str) -> sa.Select:
    """Entities of open cases that row-level security shows to this actor; to all those of a list that is nobody's.

    What belongs to a person, and does not say to whom, is served to nobody.
    """
    nobodys = sa.exists().where(
        *_list(project, name), entity_list.c.parent.is_(None), entity_list.c.is_case_list.is_(False)
    )
    shown = sa.select(cases.c.id).where(cases.c.project_id == project, cases.c.status != "closed")
    return sa.select(entity).where(
        entity.c.project_id == project,
        entity.c.list == name,
        entity.c.deleted_at.is_(None),
        entity.c.placeholder.is_(False),
        sa.or_(sa.and_(entity.c.case_id.is_(None), nobodys), entity.c.case_id.in_(shown)),
    )


def _files(project: UUID, form_id: str) -> sa.Select:
    return (
        sa.select(form_attachment)
        .join(form, sa.and_(form_attachment.c.project_id == form.c.project_id, *_same_version(form_attachment)))
        .where(form.c.project_id == project, form.c.xml_form_id == form_id, form.c.state == "open")
        .order_by(form_attachment.c.name)
    )


def _same_version(table: sa.Table) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        table.c.xml_form_id == form.c.xml_form_id,
        table.c.origin == form.c.origin,
        table.c.version == form.c.version,
    )


def _list(project: UUID, name: str) -> tuple[sa.ColumnElement[bool], ...]:
    return (entity_list.c.project_id == project, entity_list.c.name == name)


def _title(title: dict) -> str:
    """Collect shows one name: Thai and English where they differ."""
    thai, english = title.get("th") or "", title.get("en") or title.get("") or ""
    return f"{thai} · {english}" if thai and english and thai != english else thai or english


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text.strip().removeprefix("uuid:"))
    except ValueError:
        return None
