"""The checks of what must never happen find it when it happens: each is shown a database in which it did."""
from __future__ import annotations

import invariants
import pytest
import sqlalchemy as sa
from soak.papers import MARK
from soak.play import Stage
from soak.servers import CentralServer
from soak.year import Year


@pytest.fixture
def stage(store, aftercare, settings):
    server = CentralServer()
    server.add_to(store, aftercare)
    made = Stage(store, aftercare, server, Year(server, 7, 60, 1), folders=[settings.data_dir])
    for _ in range(12):
        made.year.act()
    assert made.read().problem is None
    yield made
    server.double.close()


@pytest.fixture
def spoil(cluster, database_url):
    """Does to the database what the application never may."""

    def do(statement: str, **values: object) -> int:
        url = sa.make_url(cluster.url).set(database=sa.make_url(database_url).database)
        engine = sa.create_engine(url, poolclass=sa.NullPool)
        with engine.begin() as tx:
            rows = tx.execute(sa.text(statement), values).rowcount
        engine.dispose()
        return rows

    return do


def check(stage):
    invariants.check_all(stage.store, stage.actor, stage.evidence())


def found(stage, number):
    with pytest.raises(AssertionError, match=f"^I{number}:") as said:
        check(stage)
    assert MARK not in str(said.value)


def test_a_store_that_is_well_passes_them_all(stage):
    check(stage)


def test_a_version_that_was_lost_or_changed_is_found(stage):
    sub = stage.year.truth.live()[0]
    xml = sub.versions[0].xml
    sub.versions[0].xml = xml + b" "
    found(stage, 1)
    sub.versions[0].xml, sub.versions[0].instance = xml, "uuid:never-came"
    found(stage, 1)


@pytest.mark.parametrize("statement", [
    "ALTER TABLE membership DROP CONSTRAINT membership_pkey CASCADE; INSERT INTO membership SELECT * FROM membership LIMIT 1",
    "UPDATE source_row SET submission_id = (SELECT min(submission_id::text)::uuid FROM source_row)",
    "INSERT INTO letter_counter (project_id, kind, series, year, last) SELECT id, 'letter', 'real', 2026, 1 FROM project",
])
def test_what_is_there_twice_and_a_number_that_is_missing_are_found(stage, spoil, statement):
    assert spoil(statement)
    found(stage, 2)


@pytest.mark.parametrize("statement", [
    "UPDATE submission SET instance_id = 'uuid:other' WHERE id = (SELECT min(id::text)::uuid FROM submission)",
    "UPDATE submission_attachment SET size = size + 1 WHERE blob IS NOT NULL",
    "UPDATE submission_attachment SET state = 'expected' WHERE blob IS NOT NULL",
    "DELETE FROM audit WHERE verb = 'submission.new'",
])
def test_what_is_half_is_found(stage, spoil, statement):
    assert spoil(statement)
    found(stage, 3)


def test_an_audit_row_that_was_changed_is_found(stage, spoil):
    assert spoil("UPDATE audit SET at = at + interval '1 second' WHERE id = (SELECT min(id::text)::uuid FROM audit)")
    found(stage, 4)


@pytest.mark.parametrize("statement", [
    "UPDATE source_form SET live = live + 1",
    "UPDATE source_row SET submission_id = NULL, problem = NULL WHERE deleted_at IS NULL",
    "UPDATE source_row SET mark = 'an older one'",
])
def test_a_cursor_that_is_ahead_is_found(stage, spoil, statement):
    # So late that nothing of the listing is read again.
    assert spoil("""UPDATE source_form SET cursor = cursor || '{"since": "2027-01-01T00:00:00.000Z"}'""")
    assert spoil(statement)
    found(stage, 5)


def test_what_never_gets_well_is_found():
    with pytest.raises(AssertionError, match=r"^I6:"):
        invariants.recovers(lambda: None, lambda: False, within=0.01)
    assert invariants.recovers(lambda: None, lambda: True) < 1


def test_what_is_personal_is_found_wherever_it_lies(stage, spoil, settings):
    stage.said.append(f"could not store {MARK}")
    found(stage, 7)
    stage.said.clear()
    note = settings.data_dir / "note.txt"
    note.write_text(MARK)
    found(stage, 7)
    note.rename(settings.data_dir / f"{MARK}.txt").write_text("")
    found(stage, 7)
    (settings.data_dir / f"{MARK}.txt").unlink()
    assert spoil("UPDATE source SET facts = jsonb_build_object('said', CAST(:mark AS text))", mark=MARK)
    found(stage, 7)


@pytest.mark.parametrize("statement", [
    "ALTER TABLE grants DROP CONSTRAINT grants_not_by_requester_check; UPDATE grants SET approved_by = requested_by WHERE state = 'approved'",
    "UPDATE grants SET approved_by = (SELECT user_id FROM project_user WHERE role = 'finance') WHERE state = 'approved'",
    "UPDATE grants SET amount = 999999999 WHERE state = 'approved'",
    "ALTER TABLE grants DROP CONSTRAINT grants_approval_holds_for_this_check; UPDATE grants SET content = '\\x00' WHERE state = 'approved'",
    "DELETE FROM audit WHERE verb = 'grant.approved'",
])
def test_a_grant_with_too_few_approvers_is_found(stage, spoil, statement):
    stage.year._request()
    stage.read()
    stage.decide(1)
    check(stage)
    assert spoil(statement)
    found(stage, 8)
