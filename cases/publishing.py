"""A form's version becomes known here: its XForm, its schema, its lists and files. Published versions never change."""
from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from namjai.problems import Problem
from odk.programme import Programme
from odk.schema import FormSchema
from odk.xlsform import Compiled
from store.actor import Actor
from store.audit import Event, record
from store.opening import Store
from store.tables import entity_list, form, form_attachment, form_version

TABLETS = "tablets"


class VersionTaken(Problem):
    code, http_status = "form-version-taken", 409
    en = ("Form {form} version {version} is published already with other content. Raise the version in its settings "
          "sheet, then publish again.")
    th = "แบบฟอร์ม {form} รุ่น {version} เผยแพร่แล้วด้วยเนื้อหาอื่น เพิ่มเลขรุ่นในชีต settings แล้วเผยแพร่ใหม่"


class MediaMissing(Problem):
    code, http_status = "form-media-missing", 400
    en = "Form {form} needs the file {file}, which is not beside it. Put it into the media folder, then publish again."
    th = "แบบฟอร์ม {form} ต้องใช้ไฟล์ {file} ซึ่งไม่พบ วางไว้ในโฟลเดอร์ media แล้วเผยแพร่ใหม่"


@dataclass(frozen=True, slots=True)
class Published:
    """What publishing did: `new` is False when the identical version was here already."""

    form_id: str
    version: str
    new: bool


def publish(
    tx: sa.Connection, store: Store, actor: Actor, compiled: Compiled, *, programme: Programme | None = None,
    media: Mapping[str, bytes] | None = None, origin: str = TABLETS, lists_at: str = TABLETS,
) -> Published:
    """Publish a compiled form into the actor's project. The identical version again does nothing.

    `media` are the files beside the form by name. A version that a source published (`origin`) may lack some of them,
    and leaves what tablets are served alone; lists that it makes have their home at `lists_at`.
    Raises VersionTaken, MediaMissing.
    """
    schema, project = compiled.schema, actor.project
    rule = programme.forms.get(schema.form_id) if programme else None
    title = {"en": rule.title.en, "th": rule.title.th} if rule else {"": schema.title or schema.form_id}
    known = tx.execute(
        sa.select(form_version.c.md5).where(
            form_version.c.project_id == project, form_version.c.xml_form_id == schema.form_id,
            form_version.c.origin == origin, form_version.c.version == schema.version,
        )
    ).one_or_none()
    md5 = hashlib.md5(compiled.xform, usedforsecurity=False).hexdigest()
    if known and known.md5 != md5:
        raise VersionTaken(form=schema.form_id, version=schema.version)
    said = {
        "undeclared": programme.undeclared if programme else "by_type",
        "event_path": (rule.event_date or None) if rule else None,
    }
    if known:
        # The programme may have changed what it says about the same version.
        tx.execute(form_version.update().where(*_versions_of(project, schema.form_id)).values(**said))
        tx.execute(
            form.update().where(form.c.project_id == project, form.c.xml_form_id == schema.form_id).values(title=title)
        )
        _make_lists(tx, project, schema, programme, lists_at)
        return Published(schema.form_id, schema.version, False)
    now = dt.datetime.now(dt.UTC)
    _make_lists(tx, project, schema, programme, lists_at)
    _make_form(tx, project, schema, title, origin, now)
    _make_version(tx, actor, compiled, origin, md5, now, said)
    _keep_files(tx, project, compiled, origin, media or {})
    record(
        tx,
        store.keyring,
        actor,
        Event("form.published", "form", None, {"form": schema.form_id, "version": schema.version}),
    )
    return Published(schema.form_id, schema.version, True)


def _make_form(
    tx: sa.Connection, project: UUID, schema: FormSchema, title: dict, origin: str, now: dt.datetime
) -> None:
    row = {"title": title, "origin": origin, "version": schema.version, "updated_at": now}
    tx.execute(
        insert(form)
        .values(project_id=project, xml_form_id=schema.form_id, state="open", created_at=now, **row)
        .on_conflict_do_update(index_elements=["project_id", "xml_form_id"], set_=row, where=form.c.origin == origin)
    )


def _make_version(
    tx: sa.Connection, actor: Actor, compiled: Compiled, origin: str, md5: str, now: dt.datetime, said: dict
) -> None:
    project, schema = actor.project, compiled.schema
    ordinal = tx.execute(
        sa.select(sa.func.count()).select_from(form_version).where(*_versions_of(project, schema.form_id))
    ).scalar_one()
    tx.execute(
        form_version.insert().values(
            project_id=project, xml_form_id=schema.form_id, origin=origin, version=schema.version, ordinal=ordinal + 1,
            xform=compiled.xform, md5=md5, schema=schema.to_json(), xlsform=compiled.source or None, published_at=now,
            published_by=actor.id, **said,
        )
    )


def _make_lists(tx: sa.Connection, project: UUID, schema: FormSchema, programme: Programme | None, home: str) -> None:
    """Every list that the form writes or picks from exists from now on, with the properties it saves."""
    saved: dict[str, dict[str, None]] = {one.list: dict.fromkeys(p for _, p in one.saves) for one in schema.entities}
    media = set(schema.media)
    for one in schema.fields:
        if (
            one.from_file
            and f"{one.from_file}.csv" in media | {f"{name}.csv" for name in saved}
            and programme
            and one.from_file in programme.lists
        ):
            saved.setdefault(one.from_file, {})
    for name, properties in saved.items():
        make_list(tx, project, name, list(properties), programme, home=home)


def make_list(
    tx: sa.Connection,
    project: UUID,
    name: str,
    properties: list[str],
    programme: Programme | None,
    *,
    home: str = TABLETS,
) -> None:
    """Make an entity list, or add properties to it; what the programme says of it is written into its row."""
    rule = programme.lists.get(name) if programme else None
    values: dict[str, Any] = {
        "label": {"": name},
        "is_case_list": False,
        "parent": None,
        "server_owned": [],
        "roles": {},
    }
    if rule and programme:
        roles = {"code": rule.code, "pseudonym": rule.pseudonym, "risk": rule.risk, "stage": rule.stage}
        values = {
            "label": {"en": rule.label.en, "th": rule.label.th}, "is_case_list": name == programme.case_list,
            "parent": rule.parent or None, "server_owned": list(rule.server_owned),
            "roles": {role: prop for role, prop in roles.items() if prop} | {"opened_on": "opened_on"},
        }
        properties = [*properties, *rule.server_owned]
    known = tx.scalar(
        sa.select(entity_list.c.properties)
        .where(entity_list.c.project_id == project, entity_list.c.name == name)
        .with_for_update()
    )
    merged = list(dict.fromkeys([*(known or []), *properties]))
    tx.execute(
        insert(entity_list)
        .values(project_id=project, name=name, home=home, removals=0, properties=merged, **values)
        .on_conflict_do_update(
            index_elements=["project_id", "name"], set_={"properties": merged, **(values if rule else {})}
        )
    )


def _keep_files(tx: sa.Connection, project: UUID, compiled: Compiled, origin: str, media: Mapping[str, bytes]) -> None:
    schema = compiled.schema
    lists = {row.name for row in tx.execute(sa.select(entity_list.c.name).where(entity_list.c.project_id == project))}
    for name in schema.media:
        stem, _, ending = name.rpartition(".")
        values: dict[str, Any] = {"list": None, "content": None, "md5": None}
        content = media.get(name) or (compiled.itemsets if name == "itemsets.csv" else None)
        if content is not None:
            values |= {"content": content, "md5": hashlib.md5(content, usedforsecurity=False).hexdigest()}
        elif ending == "csv" and stem in lists:
            values["list"] = stem
        elif origin == TABLETS:
            raise MediaMissing(form=schema.form_id, file=name)
        tx.execute(
            form_attachment.insert().values(
                project_id=project,
                xml_form_id=schema.form_id,
                origin=origin,
                version=schema.version,
                name=name,
                **values,
            )
        )


def _versions_of(project: UUID, form_id: str) -> tuple[sa.ColumnElement[bool], ...]:
    return (form_version.c.project_id == project, form_version.c.xml_form_id == form_id)
