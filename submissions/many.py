"""Many new submissions at once, as the first pages of a source bring them.

The same rows by the same statements as one, sent to PostgreSQL together. What is not plainly new is left to `receive`.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from odk.instance import read_instance
from store.actor import Actor
from store.keys import new_id
from store.opening import Store
from submissions import attachments, named_entities, rows
from submissions.delivery import Changes, Delivery, Outcome
from submissions.entities import Told
from submissions.form_versions import FormVersion, find
from submissions.receive import Arrival, changes_of


def receive_new(
    tx: sa.Connection, store: Store, actor: Actor, deliveries: Sequence[Delivery], *, in_order: bool
) -> list[Changes | None]:
    """Take those of these deliveries that are new. Gives what each changed; None for one that is to be received alone:
    an edit, a repetition, one with files.

    With `in_order` nothing behind such a one is taken: the answer ends with it. Raises what `receive` raises for any of
    them; the caller rolls back to before the call.
    """
    given = _arrivals(tx, store, actor, deliveries, in_order)
    arrivals = [one for one in given if one is not None]
    if not arrivals:
        return [None] * len(given)
    new = {id(one) for one, is_new in zip(arrivals, rows.insert_many(arrivals), strict=True) if is_new}
    taken = [one for one in arrivals if id(one) in new]
    attachments.expect(taken)
    told = dict(zip((id(one) for one in taken), named_entities.apply(taken), strict=True))
    return [_changes(one, told[id(one)]) if one is not None and id(one) in new else None for one in given]


def _arrivals(
    tx: sa.Connection, store: Store, actor: Actor, deliveries: Sequence[Delivery], in_order: bool
) -> list[Arrival | None]:
    """Those that are originals, read; the version of each form is looked up once."""
    versions: dict[tuple[str, str, str], FormVersion] = {}
    found: list[Arrival | None] = []
    for delivery in deliveries:
        instance = read_instance(delivery.xml)
        if instance.deprecated_id or delivery.files:
            found.append(None)
            if in_order:
                break
            continue
        named = (instance.form_id, instance.version, delivery.source)
        if named not in versions:
            versions[named] = find(tx, actor.project, *named)
        digest = store.keyring.hash("digest", str(actor.project), delivery.xml)
        found.append(Arrival(tx, store, actor, delivery, instance, versions[named], digest, new_id()))
    return found


def _changes(arrival: Arrival, told: Told) -> Changes:
    changed, cases = told
    return changes_of(arrival, Outcome.NEW, current=True, entities=changed, cases=cases)
