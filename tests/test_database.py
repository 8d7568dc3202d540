"""The schema keeps the rules by which it can grow: read from PostgreSQL's own catalogue (storage.md, 2)."""
from __future__ import annotations

import datetime as dt
import time

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from store.actor import NOBODY, Actor
from store.keys import new_id
from store.migrate import migrate
from store.opening import KEEPER
from store.tables import APPEND_ONLY, PROJECT_TABLES, SCOPED_TABLES, audit, cases, entity_list, metadata, project

# The queue's own tables are the library's; Alembic's version table is Alembic's.
OURS = "c.relname NOT LIKE 'procrastinate%' AND c.relname <> 'alembic_version'"


@pytest.fixture
def owner(database_url):
    """A connection of the cluster's own user, past the walls."""
    engine = sa.create_engine(database_url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def ask(connection, statement, **values):
    return connection.execute(sa.text(statement), values).all()


def test_the_migrations_make_exactly_the_tables_of_the_code(owner):
    def ours(item, name, kind, *_):
        return not (name or "").startswith("procrastinate") and not (
            kind == "index" and item.table.name.startswith("procrastinate")
        )

    context = MigrationContext.configure(owner, opts={"include_object": ours, "compare_type": True})
    assert compare_metadata(context, metadata) == []


def test_every_key_of_a_project_table_begins_with_the_project(owner):
    rows = ask(
        owner,
        f"SELECT c.relname, i.relname AS key, a.attname FROM pg_index x JOIN pg_class c ON c.oid = x.indrelid"
        f" JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = x.indkey[0]"
        f" WHERE x.indisunique AND c.relnamespace = 'public'::regnamespace AND {OURS}",
    )
    found = {row.relname for row in rows}
    assert set(PROJECT_TABLES) <= found
    for row in rows:
        if row.relname in PROJECT_TABLES:
            assert row.attname == "project_id", row.key


def test_every_foreign_key_between_project_tables_carries_the_project(owner):
    rows = ask(
        owner,
        "SELECT k.conname, c.relname AS here, f.relname AS there, k.confdeltype, k.confupdtype,"
        " (SELECT attname FROM pg_attribute WHERE attrelid = c.oid AND attnum = k.conkey[1]) AS first"
        " FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_class f ON f.oid = k.confrelid"
        f" WHERE k.contype = 'f' AND {OURS}",
    )
    assert rows
    for row in rows:
        assert row.confdeltype in ("a", "r") and row.confupdtype in ("a", "r"), row.conname
        if row.here in PROJECT_TABLES and row.there in PROJECT_TABLES:
            assert row.first == "project_id", row.conname


def test_there_are_no_triggers_rules_identities_or_defaults(owner):
    assert ask(owner, f"SELECT tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE NOT tgisinternal AND {OURS}") == []
    assert ask(owner, f"SELECT r.rulename FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class WHERE c.relkind = 'r' AND {OURS}") == []
    columns = ask(
        owner,
        "SELECT table_name, column_name FROM information_schema.columns c WHERE table_schema = 'public'"
        " AND (is_identity = 'YES' OR column_default IS NOT NULL) AND table_name NOT LIKE 'procrastinate%'",
    )
    assert columns == []


def test_every_project_table_has_a_wall_that_asks_no_other_table(owner):
    rows = {
        row.relname: row
        for row in ask(
            owner,
            "SELECT c.relname, c.relrowsecurity, pg_get_expr(p.polqual, c.oid) AS seen,"
            " pg_get_expr(p.polwithcheck, c.oid) AS written FROM pg_class c LEFT JOIN pg_policy p ON p.polrelid = c.oid"
            f" WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND {OURS}",
        )
    }
    for name in PROJECT_TABLES:
        assert rows[name].relrowsecurity and rows[name].seen == rows[name].written, name
        assert "namjai.projects" in rows[name].seen and "SELECT" not in rows[name].seen.upper(), name
        assert ("namjai.scope" in rows[name].seen) == (name in SCOPED_TABLES), name


def test_the_application_owns_nothing_and_changes_no_record_of_the_past(owner):
    owners = ask(owner, f"SELECT DISTINCT pg_get_userbyid(c.relowner) FROM pg_class c WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND {OURS}")
    assert [tuple(row) for row in owners] == [("namjai_owner",)]
    for name in (*APPEND_ONLY, "audit_seal", "purpose_key"):
        for right in ("UPDATE", "DELETE", "TRUNCATE"):
            assert not owner.scalar(sa.text("SELECT has_table_privilege('namjai_app', :name, :right)"), {"name": name, "right": right}), (name, right)


def test_text_that_is_filtered_has_the_c_collation(owner):
    rows = ask(
        owner,
        "SELECT c.relname, a.attname, l.collname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
        " JOIN pg_collation l ON l.oid = a.attcollation WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace"
        f" AND a.attnum > 0 AND {OURS}",
    )
    assert {row.collname for row in rows} == {"C"}


def test_nobody_sees_nothing(store, aftercare):
    with store.database.begin(NOBODY) as tx:
        for table in PROJECT_TABLES.values():
            assert tx.scalar(sa.select(sa.func.count()).select_from(table)) == 0, table.name


def test_no_row_crosses_into_another_project(store, aftercare):
    elsewhere = Actor("command", projects=(new_id(),), scope="all")
    with store.database.begin(elsewhere) as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(entity_list)) == 0
    with pytest.raises(sa.exc.ProgrammingError), store.database.begin(elsewhere) as tx:
        tx.execute(
            entity_list.insert().values(
                project_id=aftercare.project, name="x", label={}, is_case_list=False, home="tablets", properties=[],
                server_owned=[], roles={}, removals=0,
            )
        )


def test_a_worker_sees_her_own_cases_and_a_team_its_own(store, aftercare):
    nok, arthit = new_id(), new_id()
    now = dt.datetime.now(dt.UTC)
    with store.database.begin(aftercare) as tx:
        for number, (worker, team) in enumerate([(nok, "north"), (arthit, "north"), (arthit, "south")]):
            tx.execute(
                cases.insert().values(
                    project_id=aftercare.project, id=new_id(), list="survivors", entity=new_id(), code=f"C{number}", suffix=1,
                    pseudonym="", placeholder=False, status="open", worker=worker, team=team, created_at=now, updated_at=now,
                    row_version=1,
                )
            )

    def sees(scope, person=None, team=None):
        with store.database.begin(Actor("person", person, (aftercare.project,), scope, team)) as tx:
            return tx.scalar(sa.select(sa.func.count()).select_from(cases))

    assert (sees("own", nok), sees("own", arthit), sees("team", nok, "north"), sees("all", nok)) == (1, 2, 2, 3)
    assert sees("own") == 0


def test_migrations_go_down_and_up_again_with_data_in_them(store, aftercare, database_url):
    store.close()
    migrate(database_url, "base")
    engine = sa.create_engine(database_url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        left = ask(connection, "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'")
        functions = ask(connection, "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace")
    assert {row.relname for row in left} <= {"alembic_version"}
    assert functions == []
    migrate(database_url)
    with store.database.begin(KEEPER) as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(project)) == 0
    engine.dispose()


def test_a_second_start_migrates_nothing(database_url):
    migrate(database_url)
    migrate(database_url)


def test_an_audit_row_cannot_be_changed_unseen(store, aftercare, owner):
    from store.audit import Event, record, seal_pending, verify

    with store.database.begin(aftercare) as tx:
        for number in range(5):
            record(tx, store.keyring, aftercare, Event("case.read", "case", new_id(), {"n": number}))
    # A transaction that still runs elsewhere in the cluster holds the sealer back: it never passes what may yet commit.
    for _ in range(200):
        with store.database.begin(aftercare) as tx:
            seal_pending(tx)
        with store.database.begin(aftercare) as tx:
            if verify(tx, store.keyring).unsealed == 0:
                break
        time.sleep(0.05)
    with store.database.begin(aftercare) as tx:
        verdict = verify(tx, store.keyring)
        assert (verdict.faults, verdict.unsealed) == ((), 0)
        a_row = tx.execute(sa.select(audit.c.id).where(audit.c.verb == "case.read").limit(1)).scalar_one()
    with pytest.raises(sa.exc.ProgrammingError), store.database.begin(aftercare) as tx:
        tx.execute(audit.update().values(verb="nothing"))
    owner.execute(sa.text("UPDATE audit SET verb = 'nothing' WHERE id = :id"), {"id": a_row})
    owner.commit()
    with store.database.begin(aftercare) as tx:
        assert any("changed after" in fault for fault in verify(tx, store.keyring).faults)
    owner.execute(sa.text("DELETE FROM audit WHERE id = :id"), {"id": a_row})
    owner.commit()
    with store.database.begin(aftercare) as tx:
        assert any("no longer fits" in fault for fault in verify(tx, store.keyring).faults)


def test_a_record_opens_only_with_its_own_key_and_field(store, aftercare):
    from store.keys import KeyMissing

    with store.database.begin(aftercare) as tx:
        first = store.keyring.add_record(tx, aftercare.project, new_id())
        second = store.keyring.add_record(tx, aftercare.project, new_id())
        again = store.keyring.record(tx, aftercare.project, first.record)
    secret = first.encrypt("note", "ความลับ".encode())
    assert again.decrypt("note", secret).decode() == "ความลับ"
    for wrong in (lambda: second.decrypt("note", secret), lambda: first.decrypt("other", secret), lambda: first.decrypt("note", secret[:-1] + b"x")):
        with pytest.raises(KeyMissing):
            wrong()


def test_a_key_sealed_to_the_public_half_opens_when_unlocked(store, aftercare):
    from store.keys import seal
    from store.tables import organisation_key

    record, key = new_id(), b"k" * 32
    with store.database.begin(aftercare) as tx:
        public = tx.scalar(sa.select(organisation_key.c.public))
    sealed = seal(bytes(public), aftercare.project, record, key)
    assert store.keyring.unwrap(aftercare.project, record, "sealed", 1, sealed).key == key


def test_another_master_key_is_refused(store, settings, database_url):
    from store.keys import MasterKeyInvalid, open_keyring

    with pytest.raises(MasterKeyInvalid), store.database.begin(KEEPER) as tx:
        open_keyring(tx, b"another key that is 32 bytes long")
