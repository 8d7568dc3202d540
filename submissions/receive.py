"""The one door. Whatever knocks, from wherever, twice or in parts or in any order, ends here.

Works in its caller's transaction and never commits. That nothing doubles is guaranteed by the database's unique
constraints, not by looking first; the look-ups only choose the sentence that is answered. Knows no programme.
"""
from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID

import sqlalchemy as sa

from odk.answers import Answers, read_answers
from odk.instance import Instance, read_instance
from store.actor import Actor
from store.keys import RecordKey, new_id
from store.opening import Store
from submissions import attachments, entities, join, rows
from submissions.delivery import Changes, Delivery, Outcome
from submissions.event_dates import event_of
from submissions.form_versions import FormVersion, find
from submissions.problems import EditConflict, InstanceConflict


@dataclass(slots=True)
class Arrival:
    """A delivery while it is being taken: what was read from it, and whom it belongs to."""

    tx: sa.Connection
    store: Store
    actor: Actor
    delivery: Delivery
    instance: Instance
    version: FormVersion
    digest: bytes
    submission_id: UUID
    key: RecordKey | None = None
    answers: Answers | None = None
    # The version that was the submission's until now.
    replaced: str | None = None

    @property
    def project(self) -> UUID:
        return self.actor.project

    def read(self) -> Answers:
        if self.answers is None:
            self.answers = read_answers(self.instance, self.version.schema)
        return self.answers

    def open_key(self) -> RecordKey:
        if self.key is None:
            self.key = self.store.keyring.record(self.tx, self.project, self.submission_id)
        return self.key


def receive(tx: sa.Connection, store: Store, actor: Actor, delivery: Delivery) -> Changes:
    """Take a delivery into the actor's first project. Safe to call again with the same.

    Raises DeliveryRefused (what quarantine keeps) or a Problem of reading; the caller rolls back to before the call.
    """
    instance = read_instance(delivery.xml)
    attachments.check_names(delivery.files)
    version = find(tx, actor.project, instance.form_id, instance.version, delivery.source)
    digest = store.keyring.hash("digest", str(actor.project), delivery.xml)
    arrival = Arrival(tx, store, actor, delivery, instance, version, digest, new_id())
    if instance.deprecated_id:
        return _edit(arrival)
    return _original(arrival)


def _original(arrival: Arrival) -> Changes:
    if rows.insert_new(arrival, root=arrival.instance.instance_id, state="received", verb="submission.new"):
        return _with_consequences(arrival, Outcome.NEW)
    known = rows.version_of(arrival, arrival.instance.instance_id)
    if known is not None:
        return _again(arrival, known)
    # An edit came before its original: the original joins behind it and changes no answer. One at a time: the same
    # original may be coming twice at this moment.
    rows.lock_edits(arrival)
    known = rows.version_of(arrival, arrival.instance.instance_id)
    if known is not None:
        return _again(arrival, known)
    arrival.submission_id = rows.submission_rooted(arrival, arrival.instance.instance_id)
    rows.insert_version(arrival, "submission.original")
    return changes_of(arrival, Outcome.ORIGINAL, files=attachments.keep(arrival, expected=False))


def _edit(arrival: Arrival) -> Changes:
    """A new version of a submission, in whatever order the chain of edits arrives."""
    # Only edits queue here: an original and its edit meet at a unique constraint.
    rows.lock_edits(arrival)
    instance, replaced = arrival.instance, arrival.instance.deprecated_id or ""
    known = rows.version_of(arrival, instance.instance_id)
    if known is not None:
        return _again(arrival, known)
    if rows.edited_already(arrival, replaced):
        raise EditConflict()
    before = rows.submission_holding(arrival, replaced)
    if before is None and instance.root_id:
        # Kobo keeps the newest version alone: what this one replaces may never come, while the first id stays.
        replaced = instance.root_id
        before = rows.submission_holding(arrival, replaced)
    after = rows.submission_by_root(arrival, instance.instance_id)
    if before is not None:
        arrival.submission_id = before
        if after is None:
            return _becomes_current(arrival)
        rows.insert_version(arrival, "submission.original")
        join.join(arrival, after)
        return changes_of(arrival, Outcome.ORIGINAL, files=attachments.keep(arrival, expected=False))
    if after is None:
        if rows.insert_new(arrival, root=replaced, state="edited", verb="submission.edited"):
            return _with_consequences(arrival, Outcome.EDITED)
        arrival.submission_id = rows.submission_rooted(arrival, replaced)
        return _becomes_current(arrival)
    arrival.submission_id = after
    rows.set_root(arrival, replaced)
    rows.insert_version(arrival, "submission.original")
    return changes_of(arrival, Outcome.ORIGINAL, files=attachments.keep(arrival, expected=False))


def _becomes_current(arrival: Arrival) -> Changes:
    if arrival.delivery.declares:
        arrival.replaced = rows.current_version(arrival)
    rows.insert_version(arrival, "submission.edited")
    rows.replace_answers(arrival)
    return _with_consequences(arrival, Outcome.EDITED)


def _with_consequences(arrival: Arrival, outcome: Outcome) -> Changes:
    """What follows from answers that are now the submission's: its files, its entities, its cases."""
    files = attachments.keep(arrival, expected=True)
    changed, cases = entities.apply(arrival)
    return changes_of(arrival, outcome, current=True, entities=changed, cases=cases, files=files)


def _again(arrival: Arrival, known: rows.Known) -> Changes:
    """The same once more: a repetition, or more of its files."""
    if known.digest != arrival.digest:
        raise InstanceConflict()
    arrival.submission_id = known.submission_id
    files = attachments.keep(arrival, expected=False)
    return changes_of(arrival, Outcome.CONTINUED if files else Outcome.SAME, files=files)


def changes_of(arrival: Arrival, outcome: Outcome, **more: object) -> Changes:
    """What the delivery did, with the facts that are the same of all."""
    changes = Changes(
        outcome,
        arrival.project,
        arrival.submission_id,
        arrival.version.xml_form_id,
        arrival.instance.instance_id,
        answers=arrival.answers,
    )
    if more.get("current"):
        more["event_date"] = event_of(arrival).date
    return replace(changes, **more)  # type: ignore[arg-type]


__all__ = ["Arrival", "changes_of", "receive"]
