"""A form that somebody uploaded and has not published yet: one a person, with what is wrong and what it would change.

An XLSForm holds questions, no answers; it waits as it came.
"""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from namjai.languages import Words
from namjai.problems import Problem
from odk.findings import Finding, has_errors
from odk.schema import FormSchema
from odk.xlsform import Compiled, try_xlsform
from store.keys import new_id
from store.tables import form, form_attachment, form_version, setting


class UploadGone(Problem):
    code, http_status = "form-upload-gone", 409
    en = "This upload is gone: another one took its place, or it was published. Nothing was changed; upload it again."
    th = "ไฟล์ที่อัปโหลดนี้ไม่อยู่แล้ว เพราะมีไฟล์ใหม่แทนหรือเผยแพร่ไปแล้ว ยังไม่มีการเปลี่ยนแปลง อัปโหลดใหม่"


MOST_BYTES = 8_000_000
_LIST_ENDINGS = (".csv", ".geojson", ".xml")


@dataclass(frozen=True, slots=True)
class Upload:
    """What was uploaded: the file as it came, when, and by whom it may be published."""

    id: str
    file: str
    at: dt.datetime
    content: bytes


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that publishing would change. `warn`: it is worth a second look."""

    kind: str
    text: str
    note: str | None = None
    warn: bool = False


def keep(tx: sa.Connection, project: UUID, user_id: UUID, file: str, content: bytes) -> Upload:
    """Keep an upload instead of this person's earlier one."""
    upload = Upload(str(new_id()), file, dt.datetime.now(dt.UTC), content)
    value = {"id": upload.id, "file": file, "at": upload.at.isoformat(), "content": base64.b64encode(content).decode()}
    _write(tx, project, user_id, value)
    return upload


def kept(tx: sa.Connection, project: UUID, user_id: UUID) -> Upload | None:
    """This person's upload that waits."""
    value = tx.scalar(sa.select(setting.c.value).where(setting.c.name == _name(project, user_id)))
    if not value:
        return None
    return Upload(
        value["id"], value["file"], dt.datetime.fromisoformat(value["at"]), base64.b64decode(value["content"])
    )


def taken(tx: sa.Connection, project: UUID, user_id: UUID, upload_id: str) -> Upload:
    """This person's upload of that id. Raises UploadGone when another one took its place."""
    upload = kept(tx, project, user_id)
    if upload is None or upload.id != upload_id:
        raise UploadGone()
    return upload


def discard(tx: sa.Connection, project: UUID, user_id: UUID) -> None:
    """Nothing waits any more."""
    _write(tx, project, user_id, {})


def read(upload: Upload, *, validate: bool = True) -> tuple[Compiled | None, list[Finding]]:
    """The form of an upload, if it is one, and everything that is wrong with it."""
    compiled, findings = try_xlsform(upload.content, validate=validate, name=upload.file)
    return (None if has_errors(findings) else compiled), findings


def media_of(tx: sa.Connection, project: UUID, form_id: str) -> dict[str, bytes]:
    """The files that the form has now: a new version keeps them."""
    rows = tx.execute(
        sa.select(form_attachment.c.name, form_attachment.c.content)
        .join(
            form,
            sa.and_(
                form.c.project_id == form_attachment.c.project_id,
                form.c.xml_form_id == form_attachment.c.xml_form_id,
                form.c.version == form_attachment.c.version,
                form.c.origin == form_attachment.c.origin,
            ),
        )
        .where(form.c.project_id == project, form.c.xml_form_id == form_id, form_attachment.c.content.is_not(None))
    )
    return {row.name: bytes(row.content) for row in rows}


def schema_now(tx: sa.Connection, project: UUID, form_id: str) -> FormSchema | None:
    """The schema that tablets get now."""
    data = tx.scalar(
        sa.select(form_version.c.schema)
        .join(
            form,
            sa.and_(
                form.c.project_id == form_version.c.project_id,
                form.c.xml_form_id == form_version.c.xml_form_id,
                form.c.version == form_version.c.version,
                form.c.origin == form_version.c.origin,
            ),
        )
        .where(form.c.project_id == project, form.c.xml_form_id == form_id)
    )
    return FormSchema.from_json(data) if data else None


def changes(before: FormSchema | None, after: FormSchema, language: str) -> list[Change]:
    """What publishing would change, question by question."""
    if before is None:
        count = sum(1 for one in after.fields if one.kind == "question")
        return [Change("added", Words(f"A new form with {count} questions", f"แบบฟอร์มใหม่ {count} ข้อ").in_(language))]
    old, new = _questions(before), _questions(after)
    found = [Change("added", _named(new[path], language), path) for path in new if path not in old]
    kept_note = Words("What was answered before stays.", "คำตอบเดิมยังอยู่").in_(language)
    found += [
        Change("removed", _named(old[path], language), f"{path}. {kept_note}", warn=True)
        for path in old
        if path not in new
    ]
    for path in (one for one in new if one in old):
        found += _changed(path, old[path], new[path], language)
    return found


def _changed(path: str, was: Any, now: Any, language: str) -> list[Change]:
    found = []
    if was.type != now.type:
        note = Words(f"kind: {was.type} → {now.type}", f"ชนิด: {was.type} → {now.type}").in_(language)
        found.append(Change("changed", _named(now, language), f"{path}, {note}", warn=True))
    if was.privacy != now.privacy:
        note = Words(
            f"privacy: {was.privacy or '–'} → {now.privacy or '–'}",
            f"ความเป็นส่วนตัว: {was.privacy or '–'} → {now.privacy or '–'}",
        ).in_(language)
        found.append(Change("changed", _named(now, language), f"{path}, {note}", warn=True))
    if dict(was.labels) != dict(now.labels):
        found.append(
            Change("changed", _named(now, language), Words(f"{path}, new words", f"{path}, เปลี่ยนถ้อยคำ").in_(language))
        )
    if was.save_to != now.save_to:
        note = Words(f"saves to {now.save_to or '–'}", f"บันทึกลง {now.save_to or '–'}").in_(language)
        found.append(Change("changed", _named(now, language), f"{path}, {note}", warn=True))
    return found


def _questions(schema: FormSchema) -> Mapping[str, Any]:
    return {one.path: one for one in schema.fields if one.kind in ("question", "calculation", "repeat")}


def _named(one: Any, language: str) -> str:
    return one.label(language)


def _write(tx: sa.Connection, project: UUID, user_id: UUID, value: dict) -> None:
    statement = insert(setting).values(name=_name(project, user_id), value=value)
    tx.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"value": value}))


def _name(project: UUID, user_id: UUID) -> str:
    return f"form-upload:{project}:{user_id}"
