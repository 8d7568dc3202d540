"""Who sent a submission at its source: known here by the name that is shown there, kept as staff's names should be."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from central_truth import HOUSE, Team, add_central, sync, xform
from doubles.central import serve
from doubles.central_world import World
from flask import Flask
from readers import signed_in

from store.actor import Actor
from store.opening import Store
from store.tables import record_key, source_row, submission, submitter
from submissions.submitters import Submitter, learn, submitters
from sync import registry


@pytest.fixture
def source_id(store: Store, aftercare: Actor) -> uuid.UUID:
    with store.database.begin(aftercare) as tx:
        return registry.add(
            tx,
            store,
            aftercare,
            name="field",
            kind="central",
            url="https://central.example.org",
            options={"project": 1},
            credentials={"email": "a@example.org", "password": "invented"},
        )


def test_a_sender_renamed_at_the_source_is_so_here(store: Store, aftercare: Actor, source_id: uuid.UUID) -> None:
    with store.database.begin(aftercare) as tx:
        first = learn(tx, store, aftercare, source_id, [Submitter("33", "Tablet 1"), Submitter("dao", "dao")])
        # A listing that does not say the name takes none away.
        assert (
            learn(tx, store, aftercare, source_id, [Submitter("33")])[Submitter("33")]
            == first[Submitter("33", "Tablet 1")]
        )
        assert set(submitters(tx, store, aftercare.project).values()) == {
            Submitter("33", "Tablet 1"),
            Submitter("dao", "dao"),
        }
        learn(tx, store, aftercare, source_id, [Submitter("33", "Noi's tablet")])
        assert Submitter("33", "Noi's tablet") in submitters(tx, store, aftercare.project).values()


def test_a_senders_name_lies_nowhere_in_plain_text_and_can_be_erased(
    store: Store, aftercare: Actor, source_id: uuid.UUID
) -> None:
    both = [Submitter("33", "Tablet 1"), Submitter("dao", "dao")]
    with store.database.begin(aftercare) as tx:
        ids = learn(tx, store, aftercare, source_id, both)
        rows = tx.execute(sa.select(submitter)).all()
        assert len(rows) == 2 and all(word not in repr(rows) for word in ("dao", "Tablet"))
        assert all(word not in repr(both) for word in ("dao", "Tablet"))
        tx.execute(record_key.delete().where(record_key.c.record_id == ids[both[1]]))
        # Nobody can say whose the record is now, and reading the source again changes nothing.
        learn(tx, store, aftercare, source_id, both)
        assert list(submitters(tx, store, aftercare.project).values()) == both[:1]


def test_each_row_that_was_read_names_its_sender(
    store: Store, aftercare: Actor, app: Flask, person: Callable[..., Actor]
) -> None:
    world = World()
    world.release(xform(HOUSE))
    roots = Team(world).houses(3)
    double = serve(world)
    add_central(store, aftercare, double)
    assert sync(store, aftercare).problem is None
    world.delete("house", roots[0])
    assert sync(store, aftercare, full=True).problem is None
    double.close()
    with store.database.begin(aftercare) as tx:
        known = submitters(tx, store, aftercare.project)
        found = tx.scalars(sa.select(source_row.c.submitter_id)).all()
        here = tx.scalar(sa.select(submission.c.id).where(submission.c.deleted_at.is_(None)).limit(1))
    assert [known[one] for one in found] == [Submitter("33", "Tablet 1")] * 3
    assert "Sent by Tablet 1" in signed_in(app, store, person("coordinator")).page(f"/submissions/{here}")


def test_a_submission_that_was_read_from_a_server_says_whence_and_that_nothing_is_told_there(
    store: Store, aftercare: Actor, app: Flask, person: Callable[..., Actor]
) -> None:
    world = World()
    world.release(xform(HOUSE))
    Team(world).house(photo=True)
    double = serve(world)
    double.fail("500", "/attachments/", times=10**6)
    add_central(store, aftercare, double, patience={"tries": 1})
    sync(store, aftercare)
    double.close()
    with store.database.begin(aftercare) as tx:
        here = tx.scalar(sa.select(submission.c.id))
    browser = signed_in(app, store, person("coordinator"))
    assert "field" in browser.page("/submissions") and "Unknown sender" not in browser.page("/submissions")
    page = browser.page(f"/submissions/{here}")
    assert "Tablet 1" in page and "Unknown sender" not in page and "tablet sends it" not in page
    assert "One file is not in yet; it comes once field has it." in page
    assert "It leaves the queue here; field is told nothing." in page and "sender sees" not in page
    assert "Add a comment" in page and "Ask or tell" not in page
