"""The stored submissions of a form, opened batch by batch: one pass of the database, in constant memory.

Opens only the classes that it is told to. Knows rows and keys; knows no style and no file.
"""
from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from html import unescape
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from exports.merged import MergedForm, Version, merge
from namjai.problems import NotFound, Problem
from odk.answers import read_answers
from odk.entities import entity_actions
from odk.instance import read_instance
from odk.schema import FormSchema, Privacy
from store.actor import Actor
from store.keys import KeyMissing, RecordKey
from store.opening import Store
from store.tables import app_user, form, form_version, project_user, submission, users
from submissions.form_versions import known
from submissions.submitters import Submitter, submitters

# Small enough that the server fills one batch while another is worked on.
BATCH = 1000
_HAS_LABEL = re.compile(rb"<(?:\w+:)?entity\b[^>]*>\s*<(?:\w+:)?label\b")
_LABEL = re.compile(rb"<(?:\w+:)?entity\b[^>]*>\s*<(?:\w+:)?label(?:\s*/>|>([^<]*)</)")
_decode = json.JSONDecoder().raw_decode
_LABEL_KEY = "meta/entity/label"
_NOBODY = Submitter("")

# One statement, read by a cursor on the server. Every join is one look into an index.
_QUERY = """
SELECT s.id, s.root_instance_id, s.instance_id, s.form_origin, s.form_version, s.review_state, s.received_at,
  s.app_user_id, s.user_id, s.device_id, s.open, {classes}, k.kind, k.version, k.wrapped, {raw},
  v.versions, v.first, a.present, a.expected, {submitter}, {more}
FROM submission s
LEFT JOIN record_key k ON k.project_id = s.project_id AND k.record_id = s.id
{joins}
LEFT JOIN LATERAL (SELECT count(*) AS versions, max(o.form_version) FILTER (WHERE o.instance_id = s.root_instance_id)
  AS first FROM submission_version o WHERE o.project_id = s.project_id AND o.submission_id = s.id) v ON true
LEFT JOIN LATERAL (SELECT count(f.blob) AS present, count(*) AS expected FROM submission_attachment f
  WHERE f.project_id = s.project_id AND f.submission_id = s.id AND f.expected) a ON true
WHERE s.project_id = %(project)s AND s.xml_form_id = %(form)s AND s.deleted_at IS NULL
ORDER BY {order}
"""
_RAW = (
    "LEFT JOIN submission_version r ON r.project_id = s.project_id AND r.xml_form_id = s.xml_form_id"
    " AND r.instance_id = s.instance_id"
)
# What it is at the server that it came from.
_REMOTE = (
    "LEFT JOIN LATERAL (SELECT o.remote_id, o.mark, o.submitter_id FROM source_row o WHERE o.project_id = s.project_id"
    " AND o.submission_id = s.id ORDER BY o.remote_id LIMIT 1) w ON true"
)
# A Kobo's `_id` stands in the mark of its rows, before the current version's uuid.
_REMOTE_ID = "CASE WHEN w.mark ~ '^[0-9]+/' THEN split_part(w.mark, '/', 1) ELSE w.remote_id END"
_CASE = (
    "(SELECT min(m.case_id::text) FROM membership m WHERE m.project_id = s.project_id AND m.submission_id = s.id)"
)
ORDERS = {
    "newest": "s.received_at DESC, s.id DESC",
    "oldest": "s.received_at, s.id",
    # By the numbers of the server where they came from, which count up; many may have come in one second.
    "remote": f"s.received_at, length({_REMOTE_ID}), {_REMOTE_ID}, s.id",
    # Says nothing about what came before what.
    "shuffled": "md5(s.id::text || %(salt)s)",
}


@dataclass(slots=True)
class Submitted:
    """One submission as an export sees it. `values` are the answers of the classes that were asked for."""

    id: UUID
    root: str
    instance: str
    version: str
    first_version: str
    state: str
    received_at: dt.datetime
    submitter: Submitter
    device: str
    edits: int
    present: int
    expected: int
    more: str | None
    locked: bool
    values: dict[str, Any] = field(repr=False)
    # How many rows of repeats the XML seems to hold, and how to count them for sure: also those without answers.
    tagged: int | None = None
    counts: Callable[[], dict[str, int]] | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What is read: which classes, in which order; with the raw XML (for empty rows and entity labels); and as `more`
    the case, or the id that the submission has on the server it came from.
    """

    classes: tuple[Privacy, ...]
    order: str = "newest"
    raw: bool = True
    more: str = ""
    salt: str = ""


class Reader:
    """Reads one form of the actor's project in one transaction."""

    def __init__(self, tx: sa.Connection, store: Store, actor: Actor, form_id: str) -> None:
        """Raises NotFound when there is no such form."""
        self.tx, self.store, self.project, self.form_id = tx, store, actor.project, form_id
        self.versions = _versions(tx, self.project, form_id)
        self.form: MergedForm = merge(self.versions)
        named = submitters(tx, store, self.project)
        self._from_servers = len(named) > 0
        self._senders = named | {id_: Submitter(str(id_), name) for id_, name in _people(tx, self.project).items()}
        self._schemas: dict[tuple[str, str], FormSchema] = {}

    def total(self) -> int:
        """How many there are now."""
        return self.tx.scalar(
            sa.select(sa.func.count()).select_from(submission).where(
                submission.c.project_id == self.project, submission.c.xml_form_id == self.form_id,
                submission.c.deleted_at.is_(None),
            )
        ) or 0

    def batches(self, asked: Asked) -> Iterator[list[Submitted]]:
        """All submissions that are not deleted. While one batch is worked on, the next one is fetched."""
        open_one = _Opener(self, asked)
        with self._cursor(asked) as cursor, ThreadPoolExecutor(1) as beside:
            coming = beside.submit(cursor.fetchmany, BATCH)
            while rows := coming.result():
                coming = beside.submit(cursor.fetchmany, BATCH)
                yield [open_one(row) for row in rows]

    @contextmanager
    def _cursor(self, asked: Asked) -> Iterator[Any]:
        connection: Any = self.tx.connection.driver_connection
        # All of it is read, so what counts is the whole and not the first row.
        self.tx.exec_driver_sql("SET LOCAL cursor_tuple_fraction = 1.0")
        self.tx.exec_driver_sql("SET LOCAL jit = off")
        if asked.order != "shuffled":
            # Along the index, so that the first row comes at once and nothing is sorted on the disk.
            for other in ("sort", "hashjoin", "mergejoin"):
                self.tx.exec_driver_sql(f"SET LOCAL enable_{other} = off")
        self.tx.exec_driver_sql("SET LOCAL timezone = 'UTC'")
        wanted = {Privacy.SENSITIVE, Privacy.IDENTIFYING, Privacy.RESTRICTED} & set(asked.classes)
        raw = asked.raw and (len(self.form.repeats) > 0 or any(one.labelled for one in self.versions))
        # Where nothing came from a server, none is asked for.
        remote = asked.more == "remote" or (asked.more != "case" and self._from_servers)
        query = _QUERY.format(
            classes=", ".join(f"s.{one}" if one in wanted else "NULL" for one in list(Privacy)[1:]),
            raw="r.raw" if raw else "NULL", joins="\n".join([_RAW] * raw + [_REMOTE] * remote),
            submitter="w.submitter_id" if remote else "NULL",
            more={"remote": _REMOTE_ID, "case": _CASE}.get(asked.more, "NULL"), order=ORDERS[asked.order],
        )
        with connection.cursor(name="export") as cursor:
            facts = {"project": self.project, "form": self.form_id, "salt": asked.salt}
            cursor.execute(query, facts, binary=True)
            yield cursor

    def sender(self, app_user_id: UUID | None, user_id: UUID | None, submitter_id: UUID | None) -> Submitter:
        """Who sent it, wherever that was: at the server it came from, or on a tablet or a page of ours."""
        who = submitter_id or app_user_id or user_id
        if who is None:
            return _NOBODY
        if who not in self._senders:
            # Somebody of ours who has left, or somebody of a server who was erased.
            self._senders[who] = _NOBODY if submitter_id else Submitter(str(who))
        return self._senders[who]

    def schema(self, origin: str, version: str) -> FormSchema:
        """The version that a submission was filled with."""
        if (origin, version) not in self._schemas:
            self._schemas[origin, version] = known(self.tx, self.project, self.form_id, version, origin).schema
        return self._schemas[origin, version]


class _Opener:
    """A row of the query as a submission."""

    def __init__(self, reader: Reader, asked: Asked) -> None:
        self._reader, self._keyring, self._project = reader, reader.store.keyring, reader.project
        # Counting tags says whether a repeat has rows without answers; only then the XML is read.
        leaves = {one.rpartition("/")[2] for one in reader.form.repeats}
        self._tags = [f"<{one}{end}".encode() for one in leaves for end in (">", "/>")]
        self._labelled = any(one.labelled for one in reader.versions) and Privacy.OPEN in asked.classes
        entities = {one.path for version in reader.versions for one in version.schema.entities}
        self._plain_label = entities == {""}

    def __call__(self, row: tuple) -> Submitted:
        (id_, root, instance, origin, version, state, received, app_user_id, user_id, device, values, *classes, kind,
         key_version, wrapped, raw, versions, first, present, expected, submitter_id, more) = row
        key = self._key(id_, kind, key_version, wrapped)
        for name, secret in zip(("sensitive", "identifying", "restricted"), classes, strict=True):
            if secret is not None and key is not None:
                values |= _decode(key.decrypt(name, secret).decode())[0]
        values["meta/instanceID"] = instance
        made = Submitted(
            id_, root, instance, version, first or version, state, received,
            self._reader.sender(app_user_id, user_id, submitter_id), device or "", max(0, versions - 1), present,
            expected, more, key is None, values,
        )
        if raw is not None and key is not None:
            self._from_raw(made, key.decrypt(f"raw:{instance}", raw), origin)
        return made

    def _key(self, id_: UUID, kind: str | None, version: int, wrapped: bytes) -> RecordKey | None:
        """None for a record that was erased: only what is plain is left of it."""
        if kind is None:
            return None
        try:
            return self._keyring.unwrap(self._project, id_, kind, version, wrapped)
        except KeyMissing:
            return None

    def _from_raw(self, made: Submitted, xml: bytes, origin: str) -> None:
        if self._labelled and not (self._plain_label and self._label_in_sight(made, xml)):
            self._labels(made, xml, origin)
        if self._tags:
            made.tagged = sum(map(xml.count, self._tags))
            made.counts = partial(self._counts, xml, origin, made.version)

    def _label_in_sight(self, made: Submitted, xml: bytes) -> bool:
        """The label of the one entity, where it can be seen without reading the XML. False: it must be read."""
        said = _LABEL.search(xml, max(0, xml.rfind(b"<meta")))
        if said is None:
            return False
        try:
            label = (said[1] or b"").decode()
        except UnicodeDecodeError:
            return False
        if label:
            made.values[_LABEL_KEY] = unescape(label)
        return True

    def _counts(self, xml: bytes, origin: str, version: str) -> dict[str, int]:
        try:
            return read_answers(read_instance(xml), self._reader.schema(origin, version)).repeats
        except Problem:
            return {}

    def _labels(self, made: Submitted, xml: bytes, origin: str) -> None:
        try:
            actions = entity_actions(read_instance(xml), self._reader.schema(origin, made.version))
        except Problem:
            return
        for action in actions:
            if action.label:
                made.values[f"{action.key}/{_LABEL_KEY}" if action.key else _LABEL_KEY] = action.label


def _versions(tx: sa.Connection, project: UUID, form_id: str) -> list[Version]:
    """The form's versions, newest first: the one in use, then by when they were published."""
    now = tx.execute(sa.select(form).where(form.c.project_id == project, form.c.xml_form_id == form_id)).one_or_none()
    rows = list(tx.execute(
        sa.select(
            form_version.c.origin, form_version.c.version, form_version.c.undeclared, form_version.c.xform,
        ).where(form_version.c.project_id == project, form_version.c.xml_form_id == form_id)
        .order_by(form_version.c.published_at.desc(), form_version.c.ordinal.desc())
    ))
    if now is None or not rows:
        raise NotFound()
    rows.sort(key=lambda row: (row.origin, row.version) != (now.origin, now.version))
    return [
        Version(
            known(tx, project, form_id, row.version, row.origin).schema, row.undeclared,
            _HAS_LABEL.search(bytes(row.xform)) is not None,
        )
        for row in rows
    ]


def _people(tx: sa.Connection, project: UUID) -> dict[UUID, str]:
    """Who sends: the names of tablets, and of the people of the project."""
    names = {
        row.id: row.name
        for row in tx.execute(
            sa.select(users.c.id, users.c.name).join(project_user, project_user.c.user_id == users.c.id)
            .where(project_user.c.project_id == project)
        )
    }
    tablets = tx.execute(sa.select(app_user.c.id, app_user.c.name).where(app_user.c.project_id == project))
    return names | {row.id: row.name for row in tablets}
