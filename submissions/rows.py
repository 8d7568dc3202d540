"""The statements by which a delivery becomes rows. Written in SQL, because the door is measured in microseconds.

One statement stores a new submission: its row meets the unique constraint, and the rest is written only behind it.
"""
from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from psycopg.types.json import Jsonb

from odk.schema import Privacy
from store.actor import driver
from store.audit import Event, row_of
from submissions.event_dates import event_of
from submissions.problems import EditConflict, InstanceConflict

if TYPE_CHECKING:
    from submissions.receive import Arrival

_ANSWERS = "open, sensitive, identifying, restricted, flags"
_SUBMISSION = f"""
INSERT INTO submission (project_id, id, xml_form_id, root_instance_id, instance_id, form_origin, form_version,
  review_state, event_date, event_text, received_at, app_user_id, user_id, device_id, {_ANSWERS}, row_version)
VALUES (%(project)s, %(id)s, %(form)s, %(root)s, %(instance)s, %(origin)s, %(version)s,
  %(state)s, %(event_date)s, %(event_text)s, %(received_at)s, %(app_user)s, %(user)s, %(device)s,
  %(open)s, %(sensitive)s, %(identifying)s, %(restricted)s, %(flags)s, 1)
ON CONFLICT (project_id, xml_form_id, root_instance_id) DO NOTHING RETURNING 1
"""
_VERSION = """
INSERT INTO submission_version (project_id, xml_form_id, instance_id, submission_id, deprecated_id, form_origin,
  form_version, received_at, app_user_id, user_id, device_id, digest, raw)
SELECT %(project)s, %(form)s, %(instance)s, %(id)s, %(deprecated)s, %(origin)s,
  %(version)s, %(received_at)s, %(app_user)s, %(user)s, %(device)s, %(digest)s, %(raw)s
{behind} ON CONFLICT DO NOTHING RETURNING 1
"""
_AUDIT = """
INSERT INTO audit (project_id, id, xid, at, actor_kind, actor_id, verb, subject_kind, subject_id, detail, mac)
SELECT %(project)s, %(a_id)s, pg_current_xact_id(), %(a_at)s, %(a_kind)s, %(a_actor)s, %(a_verb)s, 'submission',
  %(id)s, %(a_detail)s, %(a_mac)s {behind}
"""
_KEY = """
INSERT INTO record_key (project_id, record_id, kind, version, wrapped)
SELECT %(project)s, %(id)s, 'wrapped', %(key_version)s, %(wrapped)s {behind}
"""
_INSERT_VERSION = f"WITH v AS ({_VERSION}), a AS ({_AUDIT}) SELECT count(*) FROM v".replace("{behind}", "")
_INSERT_NEW = (
    f"WITH s AS ({_SUBMISSION}), v AS ({_VERSION}), a AS ({_AUDIT}), k AS ({_KEY})"
    " SELECT (SELECT count(*) FROM s), (SELECT count(*) FROM v)"
).replace("{behind}", "FROM s")
_REPLACE = """
UPDATE submission SET instance_id = %(instance)s, form_origin = %(origin)s, form_version = %(version)s,
  review_state = 'edited', event_date = %(event_date)s, event_text = %(event_text)s, updated_at = %(received_at)s,
  open = %(open)s, sensitive = %(sensitive)s, identifying = %(identifying)s, restricted = %(restricted)s,
  flags = %(flags)s, row_version = row_version + 1
WHERE project_id = %(project)s AND id = %(id)s
"""


@dataclass(frozen=True, slots=True)
class Known:
    """A version that is stored already."""

    submission_id: UUID
    digest: bytes


def insert_new(arrival: Arrival, *, root: str, state: str, verb: str) -> bool:
    """A submission's own row under a new key, its version with the raw XML, the audit event.

    False, and nothing is written, when the root instance is here already. Raises InstanceConflict or EditConflict when
    the version belongs to another submission.
    """
    with driver(arrival.tx) as cursor:
        cursor.execute(_INSERT_NEW, _new_facts(arrival, root, state, verb))
        if _is_new(cursor.fetchone(), arrival):
            return True
    arrival.key = None
    return False


def insert_version(arrival: Arrival, verb: str) -> None:
    """One more version of a submission that is here, and the audit event. Raises InstanceConflict or EditConflict."""
    with driver(arrival.tx) as cursor:
        cursor.execute(_INSERT_VERSION, _facts(arrival) | _version_facts(arrival, verb))
        if cursor.fetchone() != (1,):
            raise _conflict(arrival)


def insert_many(arrivals: Sequence[Arrival]) -> list[bool]:
    """`insert_new` of many originals, in one round trip: which of them were new. Raises InstanceConflict."""
    facts = [_new_facts(one, one.instance.instance_id, "received", "submission.new") for one in arrivals]
    with driver(arrivals[0].tx) as cursor:
        cursor.executemany(_INSERT_NEW, facts, returning=True)
        results = [result.fetchone() for result in cursor.results()]
    return [_is_new(row, one) for row, one in zip(results, arrivals, strict=True)]


def _is_new(counts: tuple[int, int] | None, arrival: Arrival) -> bool:
    """By how many submissions and versions were written."""
    if counts == (1, 0):
        raise _conflict(arrival)
    return counts == (1, 1)


def _conflict(arrival: Arrival) -> EditConflict | InstanceConflict:
    return EditConflict() if arrival.instance.deprecated_id else InstanceConflict()


def _new_facts(arrival: Arrival, root: str, state: str, verb: str) -> dict[str, Any]:
    arrival.key, wrapped = arrival.store.keyring.new_record(arrival.project, arrival.submission_id)
    return {
        **_facts(arrival), **answer_columns(arrival), **_version_facts(arrival, verb),
        "root": root, "state": state, "wrapped": wrapped, "key_version": arrival.store.keyring.version,
    }


def _version_facts(arrival: Arrival, verb: str) -> dict[str, Any]:
    instance = arrival.instance
    event = Event(verb, "submission", arrival.submission_id, {"form": arrival.version.xml_form_id})
    row = row_of(arrival.store.keyring, arrival.actor, event, now=arrival.delivery.received_at)
    return {
        "deprecated": instance.deprecated_id,
        "digest": arrival.digest,
        "raw": arrival.open_key().encrypt(f"raw:{instance.instance_id}", arrival.delivery.xml),
        "a_id": row["id"],
        "a_at": row["at"],
        "a_kind": row["actor_kind"],
        "a_actor": row["actor_id"],
        "a_verb": row["verb"],
        "a_detail": Jsonb(row["detail"]),
        "a_mac": row["mac"],
    }


def replace_answers(arrival: Arrival) -> None:
    """The delivery's answers become those of the submission, which goes back to review."""
    _run(arrival, _REPLACE, answer_columns(arrival))


def answer_columns(arrival: Arrival) -> dict[str, Any]:
    """The delivery's answers as they lie in a row: open ones plain, the rest a ciphertext a class; and the day."""
    answers, key = arrival.read(), arrival.open_key()
    classes = answers.by_privacy(arrival.version.schema, arrival.version.undeclared)
    event = event_of(arrival)
    path = arrival.version.event_path
    shown = path is None or arrival.version.schema.privacy_of(path, arrival.version.undeclared) is Privacy.OPEN
    columns: dict[str, Any] = {
        "open": Jsonb(classes.get(Privacy.OPEN) or {}),
        "flags": Jsonb(answers.flags),
        "event_date": event.date,
        "event_text": event.text if shown else None,
    }
    for privacy in (Privacy.SENSITIVE, Privacy.IDENTIFYING, Privacy.RESTRICTED):
        values = classes.get(privacy)
        columns[privacy.value] = key.encrypt(privacy.value, _json(values)) if values else None
    return columns


def version_of(arrival: Arrival, instance_id: str) -> Known | None:
    row = _one(
        arrival,
        "SELECT submission_id, digest FROM submission_version"
        " WHERE project_id = %(project)s AND xml_form_id = %(form)s AND instance_id = %(wanted)s",
        {"wanted": instance_id},
    )
    return Known(row[0], bytes(row[1])) if row else None


def current_version(arrival: Arrival) -> str | None:
    """The instance whose answers are the submission's now."""
    row = _one(arrival, "SELECT instance_id FROM submission WHERE project_id = %(project)s AND id = %(id)s", {})
    return row[0] if row else None


def submission_by_root(arrival: Arrival, instance_id: str) -> UUID | None:
    row = _one(
        arrival,
        "SELECT id FROM submission"
        " WHERE project_id = %(project)s AND xml_form_id = %(form)s AND root_instance_id = %(wanted)s FOR UPDATE",
        {"wanted": instance_id},
    )
    return row[0] if row else None


def submission_rooted(arrival: Arrival, instance_id: str) -> UUID:
    """The submission of a root that is here: the unique constraint has just said so."""
    found = submission_by_root(arrival, instance_id)
    assert found is not None
    return found


def submission_holding(arrival: Arrival, instance_id: str) -> UUID | None:
    """The submission of which this instance is a version, or the original that has not arrived yet."""
    known = version_of(arrival, instance_id)
    return known.submission_id if known else submission_by_root(arrival, instance_id)


def edited_already(arrival: Arrival, deprecated_id: str) -> bool:
    return (
        _one(
            arrival,
            "SELECT 1 FROM submission_version"
            " WHERE project_id = %(project)s AND xml_form_id = %(form)s AND deprecated_id = %(wanted)s",
            {"wanted": deprecated_id},
        )
        is not None
    )


def set_root(arrival: Arrival, instance_id: str) -> None:
    _run(
        arrival,
        "UPDATE submission SET root_instance_id = %(root)s WHERE project_id = %(project)s AND id = %(id)s",
        {"root": instance_id},
    )


def lock_edits(arrival: Arrival) -> None:
    """One edit of a form at a time, until the transaction ends."""
    _one(
        arrival,
        "SELECT pg_advisory_xact_lock(hashtextextended(%(project)s::text || %(form)s, 7426105))",
        {},
    )


def _facts(arrival: Arrival) -> dict[str, Any]:
    delivery, version = arrival.delivery, arrival.version
    return {
        "project": arrival.project,
        "id": arrival.submission_id,
        "form": version.xml_form_id,
        "instance": arrival.instance.instance_id,
        "origin": version.origin,
        "version": version.version,
        "received_at": delivery.received_at,
        "app_user": delivery.app_user_id,
        "user": delivery.user_id,
        "device": delivery.device_id,
    }


def _run(arrival: Arrival, statement: str, more: dict[str, Any]) -> None:
    with driver(arrival.tx) as cursor:
        cursor.execute(statement, _facts(arrival) | more)


def _one(arrival: Arrival, statement: str, more: dict[str, Any]) -> tuple | None:
    with driver(arrival.tx) as cursor:
        cursor.execute(statement, _facts(arrival) | more)
        return cursor.fetchone()


def _json(values: dict) -> bytes:
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()
