"""A submission's answers as far as somebody may read them. Opens only the classes that the reader has a right to.

Of identifying answers only the keys leave here; their values come by `cases/reveal`, each with a reason.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from odk.answers import read_answers
from odk.instance import read_instance
from odk.schema import FormSchema, Privacy
from store.keys import KeyMissing, RecordKey
from store.opening import Store
from store.tables import submission_version
from submissions.form_versions import FormVersion, known


@dataclass(frozen=True, slots=True)
class Reader:
    """What somebody may read of one submission."""

    sensitive: bool = False
    restricted: bool = False
    reveal: bool = False


@dataclass(frozen=True, slots=True)
class Opened:
    """Answers by key. `masked` are answered but not shown; `locked` says that there is more, which is restricted."""

    version: FormVersion
    values: Mapping[str, Any] = field(repr=False)
    masked: frozenset[str] = frozenset()
    locked: bool = False

    @property
    def schema(self) -> FormSchema:
        return self.version.schema

    def privacy(self, key: str) -> Privacy:
        return self.schema.privacy_of(key, self.version.undeclared)


class Opener:
    """Opens submissions of one project within one request; remembers keys and form versions."""

    def __init__(self, tx: sa.Connection, store: Store, project: UUID) -> None:
        self._tx, self._store, self._project = tx, store, project
        self._keys: dict[UUID, RecordKey] = {}
        self._versions: dict[tuple[str, str, str], FormVersion] = {}

    def fetch_keys(self, ids: list[UUID]) -> None:
        """The keys of many records in one statement."""
        missing = [one for one in ids if one not in self._keys]
        if missing:
            self._keys |= self._store.keyring.records(self._tx, self._project, missing)

    def key(self, submission_id: UUID) -> RecordKey:
        """The key of a submission. Raises KeyMissing when it was erased."""
        self.fetch_keys([submission_id])
        if submission_id not in self._keys:
            raise KeyMissing()
        return self._keys[submission_id]

    def version(self, form: str, version: str, origin: str) -> FormVersion:
        """The version of a form, asked for once."""
        name = (form, version, origin)
        if name not in self._versions:
            self._versions[name] = known(self._tx, self._project, form, version, origin)
        return self._versions[name]

    def open(self, row: sa.Row, reader: Reader) -> Opened:
        """The answers of a submission's row. Without a key only the open ones are left."""
        version = self.version(row.xml_form_id, row.form_version, row.form_origin)
        values, masked = dict(row.open), set()
        if row.sensitive is not None:
            if reader.sensitive:
                values |= self._class(row, "sensitive")
            else:
                masked |= set(self._class(row, "sensitive"))
        if row.identifying is not None:
            masked |= set(self._class(row, "identifying"))
        locked = row.restricted is not None and not reader.restricted
        if row.restricted is not None and reader.restricted:
            values |= self._class(row, "restricted")
        return Opened(version, values, frozenset(masked), locked)

    def sensitive(self, row: sa.Row) -> dict[str, Any]:
        """The sensitive answers alone."""
        return self._class(row, "sensitive") if row.sensitive is not None else {}

    def identifying(self, row: sa.Row) -> dict[str, Any]:
        """The identifying answers: only for a reveal that is in the audit already."""
        return self._class(row, "identifying") if row.identifying is not None else {}

    def restricted(self, row: sa.Row) -> dict[str, Any]:
        """The restricted answers: to find out what a file belongs to, never to show them."""
        return self._class(row, "restricted") if row.restricted is not None else {}

    def earlier(self, row: sa.Row, instance_id: str, reader: Reader) -> Opened | None:
        """The answers of an earlier version, read again from its raw XML; None when it is not there."""
        stored = self._tx.execute(
            sa.select(submission_version).where(
                submission_version.c.project_id == self._project,
                submission_version.c.xml_form_id == row.xml_form_id,
                submission_version.c.instance_id == instance_id,
            )
        ).one_or_none()
        if stored is None:
            return None
        version = self.version(stored.xml_form_id, stored.form_version, stored.form_origin)
        raw = self.key(row.id).decrypt(f"raw:{instance_id}", bytes(stored.raw))
        classes = read_answers(read_instance(raw), version.schema).by_privacy(version.schema, version.undeclared)
        shown = (
            {Privacy.OPEN}
            | ({Privacy.SENSITIVE} if reader.sensitive else set())
            | ({Privacy.RESTRICTED} if reader.restricted else set())
        )
        values = {
            key: value for privacy in Privacy if privacy in shown for key, value in (classes.get(privacy) or {}).items()
        }
        hidden = {
            key: value
            for privacy in (Privacy.SENSITIVE, Privacy.IDENTIFYING)
            if privacy not in shown
            for key, value in (classes.get(privacy) or {}).items()
        }
        return Opened(
            version, values, frozenset(hidden), bool(classes.get(Privacy.RESTRICTED)) and not reader.restricted
        )

    def _class(self, row: sa.Row, name: str) -> dict[str, Any]:
        try:
            return json.loads(self.key(row.id).decrypt(name, bytes(getattr(row, name))))
        except KeyMissing:
            return {}
