"""Installing a programme: its folder becomes rows, all of them or none. Running code reads only the rows."""
from __future__ import annotations

import datetime as dt
import hashlib
import json
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from cases.publishing import Published, make_list, publish
from odk.check import Folder
from odk.programme import Programme, allot_slots
from store.actor import Actor
from store.audit import Event, record
from store.opening import Store
from store.tables import entity, form, list_field, program, wording
from submissions import list_rows


@dataclass(frozen=True, slots=True)
class Installed:
    """What an installation did, form by form."""

    programme: Programme
    forms: tuple[Published, ...]


def install(tx: sa.Connection, store: Store, actor: Actor, programme: Programme, folder: Folder) -> Installed:
    """Install a checked folder into the actor's project. Raises what publishing raises; then nothing is changed."""
    now = dt.datetime.now(dt.UTC)
    media = {name: path.read_bytes() for name, path in folder.media.items()}
    # First the lists that forms only pick from: they must exist before a form asks for their file.
    for name in programme.lists:
        make_list(tx, actor.project, name, [], programme)
    forms = tuple(
        publish(tx, store, actor, compiled, programme=programme, media=media)
        for compiled in _in_order(programme, folder)
    )
    _retire(tx, actor.project, set(folder.forms))
    definition = programme.to_json()
    digest = hashlib.sha256(json.dumps(definition, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
    values = {"name": programme.id, "definition": definition, "digest": digest, "installed_at": now}
    tx.execute(
        insert(program)
        .values(project_id=actor.project, **values)
        .on_conflict_do_update(index_elements=["project_id"], set_=values)
    )
    _wordings(tx, actor.project, folder, now)
    for rule in programme.lists.values():
        _slots(tx, actor.project, rule.name, allot_slots(rule, _slots_before(tx, actor.project, rule.name)))
    record(
        tx,
        store.keyring,
        actor,
        Event("programme.installed", "programme", None, {"programme": programme.id, "digest": digest[:16]}),
    )
    return Installed(programme, forms)


def _in_order(programme: Programme, folder: Folder) -> list:
    order = list(programme.forms)
    return sorted(
        folder.forms.values(),
        key=lambda one: (order.index(one.form_id) if one.form_id in order else len(order), one.form_id),
    )


def _retire(tx: sa.Connection, project: UUID, kept: set[str]) -> None:
    """A form that left the folder is closing: tablets lose it, what they still hold is taken."""
    tx.execute(
        form.update()
        .where(
            form.c.project_id == project,
            form.c.xml_form_id.not_in(kept),
            form.c.state == "open",
            form.c.origin == "tablets",
        )
        .values(state="closing")
    )


def _wordings(tx: sa.Connection, project: UUID, folder: Folder, now: dt.datetime) -> None:
    tx.execute(wording.delete().where(wording.c.project_id == project))
    for name, text in folder.wordings.items():
        letter, _, language = name.rpartition(".")
        tx.execute(
            wording.insert().values(
                project_id=project, letter=letter, language=language, content=text,
                digest=hashlib.sha256(text.encode()).hexdigest(), installed_at=now,
            )
        )


def _slots_before(tx: sa.Connection, project: UUID, name: str) -> dict[str, str]:
    rows = tx.execute(sa.select(list_field).where(list_field.c.project_id == project, list_field.c.list == name))
    return {row.property: row.slot for row in rows}


def _slots(tx: sa.Connection, project: UUID, name: str, slots: dict[str, str]) -> None:
    if slots == _slots_before(tx, project, name):
        return
    tx.execute(list_field.delete().where(list_field.c.project_id == project, list_field.c.list == name))
    for prop, slot in slots.items():
        tx.execute(list_field.insert().values(project_id=project, list=name, property=prop, slot=slot))
    for uuid in tx.scalars(sa.select(entity.c.uuid).where(entity.c.project_id == project, entity.c.list == name)).all():
        list_rows.write(tx, project, name, uuid)
