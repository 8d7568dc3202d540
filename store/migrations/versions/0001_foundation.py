"""The foundation: projects, people, keys, forms, submissions, entities, cases, grants, letters, audit, jobs.

Revision 0001.
"""

import sqlalchemy as sa
from alembic import op
from procrastinate.schema import SchemaManager
from sqlalchemy.dialects import postgresql

from store.tables.audit import Xid8

revision = "0001"
down_revision = None

APPLICATION = "namjai_app"
IN_PROJECT = "project_id = ANY (string_to_array(current_setting('namjai.projects', true), ',')::uuid[])"
ACTOR = "nullif(current_setting('namjai.actor', true), '')::uuid"
IN_SCOPE = (
    "(current_setting('namjai.scope', true) = 'all'"
    " OR (current_setting('namjai.scope', true) = 'team' AND team = current_setting('namjai.team', true))"
    f" OR worker = {ACTOR})"
)
# What the application may do, beside SELECT and INSERT. Nothing, where a row is a statement about the past.
GLOBAL = {
    "project": "UPDATE",
    "users": "UPDATE",
    "user_session": "UPDATE, DELETE",
    "throttle": "UPDATE, DELETE",
    "setting": "UPDATE",
    "organisation_key": "UPDATE",
    "purpose_key": "",
    "audit_seal": "",
}
SCOPED = {"cases": "UPDATE", "membership": "UPDATE, DELETE", "list_row": "UPDATE, DELETE", "grants": "UPDATE"}
PROJECT = {
    "project_user": "UPDATE, DELETE",
    "app_user": "UPDATE",
    "record_key": "UPDATE, DELETE",
    "program": "UPDATE",
    "wording": "UPDATE, DELETE",
    "form": "UPDATE",
    "form_version": "UPDATE",
    "form_attachment": "UPDATE, DELETE",
    "submission": "UPDATE, DELETE",
    "submission_version": "UPDATE",
    "submission_attachment": "UPDATE, DELETE",
    "quarantine": "UPDATE",
    "entity_list": "UPDATE",
    "entity": "UPDATE",
    "entity_version": "UPDATE",
    "list_field": "UPDATE, DELETE",
    "action": "",
    "comment": "",
    "rule_failure": "UPDATE",
    "grant_counter": "UPDATE",
    "letter": "UPDATE",
    "letter_counter": "UPDATE",
    "audit": "",
}
# Ciphertext does not compress; trying costs time at the door.
CIPHERTEXT = [
    ("submission", "sensitive"),
    ("submission", "identifying"),
    ("submission", "restricted"),
    ("submission_version", "raw"),
    ("quarantine", "raw"),
    ("letter", "data"),
]


def _grant(table: str, more: str) -> None:
    op.execute(f"GRANT SELECT, INSERT{', ' + more if more else ''} ON {table} TO {APPLICATION}")


def _policy(table: str, condition: str) -> None:
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY {table}_wall ON {table} USING ({condition}) WITH CHECK ({condition})")


def _guard() -> None:
    """Two walls: the application owns nothing, and sees only the projects and people its transaction names."""
    for table, more in (GLOBAL | SCOPED | PROJECT).items():
        _grant(table, more)
    for table in PROJECT:
        own = f" OR user_id = {ACTOR}" if table == "project_user" else ""
        _policy(table, f"({IN_PROJECT}{own})")
    for table in SCOPED:
        _policy(table, f"({IN_PROJECT} AND {IN_SCOPE})")
    for table, column in CIPHERTEXT:
        op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET STORAGE EXTERNAL")
    op.execute(f"GRANT SELECT ON alembic_version TO {APPLICATION}")


def _jobs() -> None:
    """procrastinate's own tables, as the pinned version ships them."""
    op.get_bind().connection.cursor().execute(SchemaManager.get_schema())
    for table in ("jobs", "events", "periodic_defers", "workers"):
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON procrastinate_{table} TO {APPLICATION}")
    op.execute(
        "DO $$ DECLARE name text; BEGIN FOR name IN SELECT sequencename FROM pg_sequences"
        " WHERE schemaname = current_schema() AND starts_with(sequencename, 'procrastinate')"
        f" LOOP EXECUTE format('GRANT USAGE, SELECT ON SEQUENCE %I TO {APPLICATION}', name); END LOOP; END $$"
    )


def _jobs_functions() -> list[str]:
    return [
        row[0]
        for row in op.get_bind().exec_driver_sql(
            "SELECT oid::regprocedure::text FROM pg_proc WHERE starts_with(proname, 'procrastinate')"
            " AND pronamespace = current_schema()::regnamespace"
        )
    ]


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("project_id", sa.UUID(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("xid", Xid8(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_kind", sa.Text(collation="C"), nullable=False),
        sa.Column("actor_id", sa.UUID(), nullable=True),
        sa.Column("verb", sa.Text(collation="C"), nullable=False),
        sa.Column("subject_kind", sa.Text(collation="C"), nullable=False),
        sa.Column("subject_id", sa.UUID(), nullable=True),
        sa.Column("detail", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("mac", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "id", name=op.f("audit_pkey")),
    )
    op.create_index(op.f("audit_project_id_at_idx"), "audit", ["project_id", "at"], unique=False)
    op.create_index(
        op.f("audit_project_id_subject_id_at_idx"), "audit", ["project_id", "subject_id", "at"], unique=False
    )
    op.create_index(op.f("audit_xid_id_idx"), "audit", ["xid", "id"], unique=False)
    op.create_table(
        "audit_seal",
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("ordinal", sa.BigInteger(), nullable=False),
        sa.Column("before_xid", Xid8(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("chain", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("epoch", "ordinal", name=op.f("audit_seal_pkey")),
    )
    op.create_table(
        "organisation_key",
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=True),
        sa.Column("public", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("destroyed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("version", name=op.f("organisation_key_pkey")),
    )
    op.create_table(
        "project",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("key", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("short_name", sa.Text(collation="C"), nullable=False),
        sa.Column("timezone", sa.Text(collation="C"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("project_pkey")),
        sa.UniqueConstraint("key", name=op.f("project_key_key")),
        sa.UniqueConstraint("name", name=op.f("project_name_key")),
        sa.UniqueConstraint("short_name", name=op.f("project_short_name_key")),
    )
    op.create_table(
        "purpose_key",
        sa.Column("purpose", sa.Text(collation="C"), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("purpose", "version", name=op.f("purpose_key_pkey")),
    )
    op.create_table(
        "record_key",
        sa.Column("project_id", sa.UUID(), nullable=False),
        sa.Column("record_id", sa.UUID(), nullable=False),
        sa.Column("kind", sa.Text(collation="C"), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("kind IN ('wrapped', 'sealed')", name=op.f("record_key_kind_check")),
        sa.PrimaryKeyConstraint("project_id", "record_id", name=op.f("record_key_pkey")),
    )
    op.create_table(
        "setting",
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("value", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("setting_pkey")),
    )
    op.create_table(
        "throttle",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("window_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("throttle_pkey")),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("email", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("password_hash", sa.Text(collation="C"), nullable=True),
        sa.Column("language", sa.Text(collation="C"), nullable=False),
        sa.Column("theme", sa.Text(collation="C"), nullable=False),
        sa.Column("single_keys", sa.Boolean(), nullable=False),
        sa.Column("demonstration", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("users_pkey")),
        sa.UniqueConstraint("email", name=op.f("users_email_key")),
    )
    op.create_table(
        "action",
        sa.Column("project_id", sa.UUID(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("case_id", sa.UUID(), nullable=True),
        sa.Column("kind", sa.Text(collation="C"), nullable=False),
        sa.Column("subject", sa.UUID(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=True),
        sa.Column("app_user_id", sa.UUID(), nullable=True),
        sa.Column("data", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("action_project_id_fkey")),
        sa.PrimaryKeyConstraint("project_id", "id", name=op.f("action_pkey")),
    )
    op.create_index(op.f("action_project_id_case_id_at_idx"), "action", ["project_id", "case_id", "at"], unique=False)
    op.create_index(op.f("action_project_id_subject_at_idx"), "action", ["project_id", "subject", "at"], unique=False)
    op.create_table(
        "comment",
        sa.Column("project_id", sa.UUID(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("subject", sa.UUID(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("comment_project_id_fkey")),
        sa.PrimaryKeyConstraint("project_id", "id", name=op.f("comment_pkey")),
    )
    op.create_index(op.f("comment_project_id_subject_at_idx"), "comment", ["project_id", "subject", "at"], unique=False)
    op.create_table(
        "entity_list",
        sa.Column("project_id", sa.UUID(), nullable=False),
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("label", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("is_case_list", sa.Boolean(), nullable=False),
        sa.Column("parent", sa.Text(collation="C"), nullable=True),
        sa.Column("home", sa.Text(collation="C"), nullable=False),
        sa.Column("properties", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("server_owned", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("roles", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("removals", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("entity_list_project_id_fkey")),
        sa.PrimaryKeyConstraint("project_id", "name", name=op.f("entity_list_pkey")),
    )
    op.create_table(
        "form",
        sa.Column("project_id", sa.UUID(), nullable=False),
        sa.Column("xml_form_id", sa.Text(collation="C"), nullable=False),
        sa.Column("title", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("state", sa.Text(collation="C"), nullable=False),
        sa.Column("origin", sa.Text(collation="C"), nullable=False),
        sa.Column("version", sa.Text(collation="C"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("state IN ('open', 'closing', 'closed')", name=op.f("form_state_check")),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("form_project_id_fkey")),
        sa.PrimaryKeyConstraint("project_id", "xml_form_id", name=op.f("form_pkey")),
    )
    op.create_table(
        "grant_counter",
        sa.Column("project_id", sa.UUID(), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("grant_counter_project_id_fkey")),
        sa.PrimaryKeyConstraint("project_id", "year", name=op.f("grant_counter_pkey")),
    )
    op.create_table(
        "letter_counter",
        sa.Column("project_id", sa.UUID(), nullable=False),
        sa.Column("kind", sa.Text(collation="C"), nullable=False),
        sa.Column("series", sa.Text(collation="C"), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("letter_counter_project_id_fkey")),
        sa.PrimaryKeyConstraint("project_id", "kind", "series", "year", name=op.f("letter_counter_pkey")),
    )
    op.create_table(
        "program",
        sa.Column("project_id", sa.UUID(), nullable=False),
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("definition", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("digest", sa.Text(collation="C"), nullable=False),
        sa.Column("installed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("program_project_id_fkey")),
        sa.PrimaryKeyConstraint("project_id", name=op.f("program_pkey")),
    )
    op.create_table(
        "project_user",
        sa.Column("project_id", sa.UUID(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("role", sa.Text(collation="C"), nullable=False),
        sa.Column("team", sa.Text(collation="C"), nullable=True),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("project_user_project_id_fkey")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("project_user_user_id_fkey")),
        sa.PrimaryKeyConstraint("project_id", "user_id", name=op.f("project_user_pkey")),
    )
    op.create_index(op.f("project_user_user_id_idx"), "project_user", ["user_id"], unique=False)
    op.create_table(
        "quarantine",
        sa.Column("project_id", sa.UUID(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("source", sa.Text(collation="C"), nullable=False),
        sa.Column("problem", sa.Text(collation="C"), nullable=False),
        sa.Column("facts", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("xml_form_id", sa.Text(collation="C"), nullable=True),
        sa.Column("instance_id", sa.Text(collation="C"), nullable=True),
        sa.Column("app_user_id", sa.UUID(), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(collation="C"), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_by", sa.UUID(), nullable=True),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("files", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("state IN ('waiting', 'replayed', 'dismissed')", name=op.f("quarantine_state_check")),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("quarantine_project_id_fkey")),
        sa.PrimaryKeyConstraint("project_id", "id", name=op.f("quarantine_pkey")),
        sa.UniqueConstraint("project_id", "digest", name=op.f("quarantine_project_id_digest_key")),
    )
    op.create_index(
        op.f("quarantine_project_id_state_received_at_idx"),
        "quarantine",
        ["project_id", "state", "received_at"],
        unique=False,
    )
    op.create_table(
        "user_session",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("as_role", sa.Text(collation="C"), nullable=True),
        sa.Column("project_id", sa.UUID(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("user_session_user_id_fkey")),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("user_session_pkey")),
    )
    op.create_index(op.f("user_session_user_id_idx"), "user_session", ["user_id"], unique=False)
    op.create_table(
        "wording",
        sa.Column("project_id", sa.UUID(), nullable=False),
        sa.Column("letter", sa.Text(collation="C"), nullable=False),
        sa.Column("language", sa.Text(collation="C"), nullable=False),
        sa.Column("content", sa.Text(collation="C"), nullable=False),
        sa.Column("digest", sa.Text(collation="C"), nullable=False),
        sa.Column("installed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("wording_project_id_fkey")),
        sa.PrimaryKeyConstraint("project_id", "letter", "language", name=op.f("wording_pkey")),
    )
    op.create_table(
        "app_user",
        sa.Column("project_id", sa.UUID(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=True),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("token_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.UUID(), nullable=True),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["project_id", "user_id"],
            ["project_user.project_id", "project_user.user_id"],
            name=op.f("app_user_project_id_user_id_fkey"),
        ),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("app_user_project_id_fkey")),
        sa.PrimaryKeyConstraint("project_id", "id", name=op.f("app_user_pkey")),
        sa.UniqueConstraint("project_id", "name", name=op.f("app_user_project_id_name_key")),
        sa.UniqueConstraint("project_id", "token_hash", name=op.f("app_user_project_id_token_hash_key")),
    )
    op.create_table(
        "cases",
        sa.Column("project_id", sa.UUID(), nullable=False),
        sa.Column("worker", sa.UUID(), nullable=True),
        sa.Column("team", sa.Text(collation="C"), nullable=True),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("list", sa.Text(collation="C"), nullable=False),
        sa.Column("entity", sa.UUID(), nullable=False),
        sa.Column("code", sa.Text(collation="C"), nullable=False),
        sa.Column("suffix", sa.Integer(), nullable=False),
        sa.Column("pseudonym", sa.Text(collation="C"), nullable=False),
        sa.Column("placeholder", sa.Boolean(), nullable=False),
        sa.Column("status", sa.Text(collation="C"), nullable=False),
        sa.Column("stage", sa.Text(collation="C"), nullable=True),
        sa.Column("risk", sa.Text(collation="C"), nullable=True),
        sa.Column("opened_on", sa.Date(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("row_version", sa.Integer(), nullable=False),
        sa.CheckConstraint("status IN ('open', 'on_hold', 'closed')", name=op.f("cases_status_check")),
        sa.ForeignKeyConstraint(
            ["project_id", "list"],
            ["entity_list.project_id", "entity_list.name"],
            name=op.f("cases_project_id_list_fkey"),
        ),
        sa.PrimaryKeyConstraint("project_id", "id", name=op.f("cases_pkey")),
        sa.UniqueConstraint("project_id", "code", "suffix", name=op.f("cases_project_id_code_suffix_key")),
        sa.UniqueConstraint("project_id", "list", "entity", name=op.f("cases_project_id_list_entity_key")),
        postgresql_with={"fillfactor": 80},
    )
    op.create_index(op.f("cases_project_id_pseudonym_idx"), "cases", ["project_id", "pseudonym"], unique=False)
    op.create_index(op.f("cases_project_id_worker_idx"), "cases", ["project_id", "worker"], unique=False)
    op.create_table(
        "form_version",
        sa.Column("project_id", sa.UUID(), nullable=False),
        sa.Column("xml_form_id", sa.Text(collation="C"), nullable=False),
        sa.Column("origin", sa.Text(collation="C"), nullable=False),
        sa.Column("version", sa.Text(collation="C"), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("xform", sa.LargeBinary(), nullable=False),
        sa.Column("md5", sa.Text(collation="C"), nullable=False),
        sa.Column("schema", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("undeclared", sa.Text(collation="C"), nullable=False),
        sa.Column("event_path", sa.Text(collation="C"), nullable=True),
        sa.Column("xlsform", sa.LargeBinary(), nullable=True),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("published_by", sa.UUID(), nullable=True),
        sa.ForeignKeyConstraint(
            ["project_id", "xml_form_id"],
            ["form.project_id", "form.xml_form_id"],
            name=op.f("form_version_project_id_xml_form_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("project_id", "xml_form_id", "origin", "version", name=op.f("form_version_pkey")),
    )
    op.create_table(
        "list_field",
        sa.Column("project_id", sa.UUID(), nullable=False),
        sa.Column("list", sa.Text(collation="C"), nullable=False),
        sa.Column("property", sa.Text(collation="C"), nullable=False),
        sa.Column("slot", sa.Text(collation="C"), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id", "list"],
            ["entity_list.project_id", "entity_list.name"],
            name=op.f("list_field_project_id_list_fkey"),
        ),
        sa.PrimaryKeyConstraint("project_id", "list", "property", name=op.f("list_field_pkey")),
        sa.UniqueConstraint("project_id", "list", "slot", name=op.f("list_field_project_id_list_slot_key")),
    )
    op.create_table(
        "entity",
        sa.Column("project_id", sa.UUID(), nullable=False),
        sa.Column("list", sa.Text(collation="C"), nullable=False),
        sa.Column("uuid", sa.UUID(), nullable=False),
        sa.Column("label", sa.Text(collation="C"), nullable=False),
        sa.Column("data", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("placeholder", sa.Boolean(), nullable=False),
        sa.Column("conflict", sa.Text(collation="C"), nullable=True),
        sa.Column("case_id", sa.UUID(), nullable=True),
        sa.Column("created_by", sa.UUID(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["project_id", "case_id"], ["cases.project_id", "cases.id"], name=op.f("entity_project_id_case_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["project_id", "list"],
            ["entity_list.project_id", "entity_list.name"],
            name=op.f("entity_project_id_list_fkey"),
        ),
        sa.PrimaryKeyConstraint("project_id", "list", "uuid", name=op.f("entity_pkey")),
        postgresql_with={"fillfactor": 80},
    )
    op.create_index(
        op.f("entity_project_id_case_id_list_idx"), "entity", ["project_id", "case_id", "list"], unique=False
    )
    op.create_table(
        "form_attachment",
        sa.Column("project_id", sa.UUID(), nullable=False),
        sa.Column("xml_form_id", sa.Text(collation="C"), nullable=False),
        sa.Column("origin", sa.Text(collation="C"), nullable=False),
        sa.Column("version", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("list", sa.Text(collation="C"), nullable=True),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.Column("md5", sa.Text(collation="C"), nullable=True),
        sa.ForeignKeyConstraint(
            ["project_id", "xml_form_id", "origin", "version"],
            ["form_version.project_id", "form_version.xml_form_id", "form_version.origin", "form_version.version"],
            name=op.f("form_attachment_project_id_xml_form_id_origin_version_fkey"),
        ),
        sa.PrimaryKeyConstraint(
            "project_id", "xml_form_id", "origin", "version", "name", name=op.f("form_attachment_pkey")
        ),
    )
    op.create_table(
        "submission",
        sa.Column("project_id", sa.UUID(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("xml_form_id", sa.Text(collation="C"), nullable=False),
        sa.Column("root_instance_id", sa.Text(collation="C"), nullable=False),
        sa.Column("instance_id", sa.Text(collation="C"), nullable=False),
        sa.Column("form_origin", sa.Text(collation="C"), nullable=False),
        sa.Column("form_version", sa.Text(collation="C"), nullable=False),
        sa.Column("review_state", sa.Text(collation="C"), nullable=False),
        sa.Column("event_date", sa.Date(), nullable=False),
        sa.Column("event_text", sa.Text(collation="C"), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reviewed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reviewed_by", sa.UUID(), nullable=True),
        sa.Column("app_user_id", sa.UUID(), nullable=True),
        sa.Column("user_id", sa.UUID(), nullable=True),
        sa.Column("device_id", sa.Text(collation="C"), nullable=True),
        sa.Column("open", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("sensitive", sa.LargeBinary(), nullable=True),
        sa.Column("identifying", sa.LargeBinary(), nullable=True),
        sa.Column("restricted", sa.LargeBinary(), nullable=True),
        sa.Column("flags", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("row_version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "review_state IN ('received', 'edited', 'has_issues', 'rejected', 'approved')",
            name=op.f("submission_review_state_check"),
        ),
        sa.ForeignKeyConstraint(
            ["project_id", "app_user_id"],
            ["app_user.project_id", "app_user.id"],
            name=op.f("submission_project_id_app_user_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["project_id", "xml_form_id"],
            ["form.project_id", "form.xml_form_id"],
            name=op.f("submission_project_id_xml_form_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("project_id", "id", name=op.f("submission_pkey")),
        sa.UniqueConstraint(
            "project_id",
            "xml_form_id",
            "root_instance_id",
            name=op.f("submission_project_id_xml_form_id_root_instance_id_key"),
        ),
    )
    op.create_index(
        op.f("submission_project_id_received_at_id_idx"),
        "submission",
        ["project_id", "received_at", "id"],
        unique=False,
    )
    op.create_index(
        op.f("submission_project_id_review_state_received_at_id_idx"),
        "submission",
        ["project_id", "review_state", "received_at", "id"],
        unique=False,
    )
    op.create_index(
        op.f("submission_project_id_xml_form_id_received_at_id_idx"),
        "submission",
        ["project_id", "xml_form_id", "received_at", "id"],
        unique=False,
    )
    op.create_table(
        "entity_version",
        sa.Column("project_id", sa.UUID(), nullable=False),
        sa.Column("list", sa.Text(collation="C"), nullable=False),
        sa.Column("uuid", sa.UUID(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("act", sa.Text(collation="C"), nullable=False),
        sa.Column("label", sa.Text(collation="C"), nullable=True),
        sa.Column("data", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("base_version", sa.Integer(), nullable=True),
        sa.Column("trunk_version", sa.Integer(), nullable=True),
        sa.Column("branch_id", sa.Text(collation="C"), nullable=True),
        sa.Column("stale", sa.Boolean(), nullable=False),
        sa.Column("submission_id", sa.UUID(), nullable=True),
        sa.Column("instance_id", sa.Text(collation="C"), nullable=True),
        sa.Column("position", sa.Text(collation="C"), nullable=True),
        sa.Column("user_id", sa.UUID(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id", "list", "uuid"],
            ["entity.project_id", "entity.list", "entity.uuid"],
            name=op.f("entity_version_project_id_list_uuid_fkey"),
        ),
        sa.PrimaryKeyConstraint("project_id", "list", "uuid", "version", name=op.f("entity_version_pkey")),
    )
    op.create_index(
        op.f("entity_version_project_id_submission_id_idx"),
        "entity_version",
        ["project_id", "submission_id"],
        unique=False,
    )
    op.create_table(
        "grants",
        sa.Column("project_id", sa.UUID(), nullable=False),
        sa.Column("worker", sa.UUID(), nullable=True),
        sa.Column("team", sa.Text(collation="C"), nullable=True),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("list", sa.Text(collation="C"), nullable=False),
        sa.Column("entity", sa.UUID(), nullable=False),
        sa.Column("case_id", sa.UUID(), nullable=True),
        sa.Column("submission_id", sa.UUID(), nullable=True),
        sa.Column("number", sa.Text(collation="C"), nullable=False),
        sa.Column("kind", sa.Text(collation="C"), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(collation="C"), nullable=False),
        sa.Column("requested_by", sa.UUID(), nullable=True),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("approved_content", sa.LargeBinary(), nullable=True),
        sa.Column("approved_by", sa.UUID(), nullable=True),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("refused_by", sa.UUID(), nullable=True),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("paid_by", sa.UUID(), nullable=True),
        sa.Column("received_on", sa.Date(), nullable=True),
        sa.Column("received_amount", sa.BigInteger(), nullable=True),
        sa.Column("facts", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("row_version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "state IN ('requested', 'approved', 'refused', 'suspended', 'paid', 'receipted')",
            name=op.f("grants_state_check"),
        ),
        sa.CheckConstraint(
            "state NOT IN ('approved', 'paid', 'receipted') OR approved_content = content",
            name=op.f("grants_approval_holds_for_this_check"),
        ),
        sa.CheckConstraint(
            "approved_by IS DISTINCT FROM requested_by OR approved_by IS NULL",
            name=op.f("grants_not_by_requester_check"),
        ),
        sa.CheckConstraint(
            "approved_by IS NULL OR requested_by IS NOT NULL", name=op.f("grants_requester_known_check")
        ),
        sa.ForeignKeyConstraint(
            ["project_id", "case_id"], ["cases.project_id", "cases.id"], name=op.f("grants_project_id_case_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["project_id", "list", "entity"],
            ["entity.project_id", "entity.list", "entity.uuid"],
            name=op.f("grants_project_id_list_entity_fkey"),
        ),
        sa.PrimaryKeyConstraint("project_id", "id", name=op.f("grants_pkey")),
        sa.UniqueConstraint("project_id", "list", "entity", name=op.f("grants_project_id_list_entity_key")),
        sa.UniqueConstraint("project_id", "number", name=op.f("grants_project_id_number_key")),
    )
    op.create_index(op.f("grants_project_id_case_id_idx"), "grants", ["project_id", "case_id"], unique=False)
    op.create_index(
        op.f("grants_project_id_state_requested_at_id_idx"),
        "grants",
        ["project_id", "state", "requested_at", "id"],
        unique=False,
    )
    op.create_table(
        "list_row",
        sa.Column("project_id", sa.UUID(), nullable=False),
        sa.Column("worker", sa.UUID(), nullable=True),
        sa.Column("team", sa.Text(collation="C"), nullable=True),
        sa.Column("list", sa.Text(collation="C"), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("case_id", sa.UUID(), nullable=True),
        sa.Column("status", sa.Text(collation="C"), nullable=True),
        sa.Column("sort", sa.Text(collation="C"), nullable=False),
        sa.Column("ill_typed", sa.Text(collation="C"), nullable=True),
        sa.Column("t1", sa.Text(collation="C"), nullable=True),
        sa.Column("t2", sa.Text(collation="C"), nullable=True),
        sa.Column("t3", sa.Text(collation="C"), nullable=True),
        sa.Column("t4", sa.Text(collation="C"), nullable=True),
        sa.Column("t5", sa.Text(collation="C"), nullable=True),
        sa.Column("t6", sa.Text(collation="C"), nullable=True),
        sa.Column("t7", sa.Text(collation="C"), nullable=True),
        sa.Column("t8", sa.Text(collation="C"), nullable=True),
        sa.Column("t9", sa.Text(collation="C"), nullable=True),
        sa.Column("t10", sa.Text(collation="C"), nullable=True),
        sa.Column("t11", sa.Text(collation="C"), nullable=True),
        sa.Column("t12", sa.Text(collation="C"), nullable=True),
        sa.Column("n1", sa.Double(), nullable=True),
        sa.Column("n2", sa.Double(), nullable=True),
        sa.Column("n3", sa.Double(), nullable=True),
        sa.Column("n4", sa.Double(), nullable=True),
        sa.Column("n5", sa.Double(), nullable=True),
        sa.Column("n6", sa.Double(), nullable=True),
        sa.Column("d1", sa.Date(), nullable=True),
        sa.Column("d2", sa.Date(), nullable=True),
        sa.Column("d3", sa.Date(), nullable=True),
        sa.Column("d4", sa.Date(), nullable=True),
        sa.Column("d5", sa.Date(), nullable=True),
        sa.Column("d6", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(
            ["project_id", "list", "id"],
            ["entity.project_id", "entity.list", "entity.uuid"],
            name=op.f("list_row_project_id_list_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("project_id", "list", "id", name=op.f("list_row_pkey")),
        postgresql_with={"fillfactor": 80},
    )
    op.create_index(
        op.f("list_row_project_id_list_d1_id_idx"), "list_row", ["project_id", "list", "d1", "id"], unique=False
    )
    op.create_index(
        op.f("list_row_project_id_list_t1_d1_id_idx"),
        "list_row",
        ["project_id", "list", "t1", "d1", "id"],
        unique=False,
    )
    op.create_index(
        op.f("list_row_project_id_list_t2_d1_id_idx"),
        "list_row",
        ["project_id", "list", "t2", "d1", "id"],
        unique=False,
    )
    op.create_index(
        op.f("list_row_project_id_list_worker_d1_id_idx"),
        "list_row",
        ["project_id", "list", "worker", "d1", "id"],
        unique=False,
    )
    op.create_table(
        "membership",
        sa.Column("project_id", sa.UUID(), nullable=False),
        sa.Column("worker", sa.UUID(), nullable=True),
        sa.Column("team", sa.Text(collation="C"), nullable=True),
        sa.Column("case_id", sa.UUID(), nullable=False),
        sa.Column("submission_id", sa.UUID(), nullable=False),
        sa.Column("event_date", sa.Date(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id", "case_id"], ["cases.project_id", "cases.id"], name=op.f("membership_project_id_case_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["project_id", "submission_id"],
            ["submission.project_id", "submission.id"],
            name=op.f("membership_project_id_submission_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("project_id", "case_id", "submission_id", name=op.f("membership_pkey")),
    )
    op.create_index(
        op.f("membership_project_id_case_id_event_date_submission_id_idx"),
        "membership",
        ["project_id", "case_id", "event_date", "submission_id"],
        unique=False,
    )
    op.create_index(
        op.f("membership_project_id_submission_id_idx"), "membership", ["project_id", "submission_id"], unique=False
    )
    op.create_table(
        "rule_failure",
        sa.Column("project_id", sa.UUID(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("rule", sa.Text(collation="C"), nullable=False),
        sa.Column("submission_id", sa.UUID(), nullable=False),
        sa.Column("problem", sa.Text(collation="C"), nullable=False),
        sa.Column("facts", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["project_id", "submission_id"],
            ["submission.project_id", "submission.id"],
            name=op.f("rule_failure_project_id_submission_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("project_id", "id", name=op.f("rule_failure_pkey")),
    )
    op.create_index(
        op.f("rule_failure_project_id_settled_at_at_idx"),
        "rule_failure",
        ["project_id", "settled_at", "at"],
        unique=False,
    )
    op.create_table(
        "submission_attachment",
        sa.Column("project_id", sa.UUID(), nullable=False),
        sa.Column("submission_id", sa.UUID(), nullable=False),
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("state", sa.Text(collation="C"), nullable=False),
        sa.Column("expected", sa.Boolean(), nullable=False),
        sa.Column("blob", sa.Text(collation="C"), nullable=True),
        sa.Column("digest", sa.LargeBinary(), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("content_type", sa.Text(collation="C"), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('expected', 'partial', 'verified', 'missing')", name=op.f("submission_attachment_state_check")
        ),
        sa.ForeignKeyConstraint(
            ["project_id", "submission_id"],
            ["submission.project_id", "submission.id"],
            name=op.f("submission_attachment_project_id_submission_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("project_id", "submission_id", "name", name=op.f("submission_attachment_pkey")),
    )
    op.create_index(
        op.f("submission_attachment_project_id_state_idx"),
        "submission_attachment",
        ["project_id", "state"],
        unique=False,
    )
    op.create_table(
        "submission_version",
        sa.Column("project_id", sa.UUID(), nullable=False),
        sa.Column("xml_form_id", sa.Text(collation="C"), nullable=False),
        sa.Column("instance_id", sa.Text(collation="C"), nullable=False),
        sa.Column("submission_id", sa.UUID(), nullable=False),
        sa.Column("deprecated_id", sa.Text(collation="C"), nullable=True),
        sa.Column("form_origin", sa.Text(collation="C"), nullable=False),
        sa.Column("form_version", sa.Text(collation="C"), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("app_user_id", sa.UUID(), nullable=True),
        sa.Column("user_id", sa.UUID(), nullable=True),
        sa.Column("device_id", sa.Text(collation="C"), nullable=True),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id", "submission_id"],
            ["submission.project_id", "submission.id"],
            name=op.f("submission_version_project_id_submission_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["project_id", "xml_form_id", "form_origin", "form_version"],
            ["form_version.project_id", "form_version.xml_form_id", "form_version.origin", "form_version.version"],
            name=op.f("submission_version_project_id_xml_form_id_form_origin_form_version_fkey"),
        ),
        sa.PrimaryKeyConstraint("project_id", "xml_form_id", "instance_id", name=op.f("submission_version_pkey")),
        sa.UniqueConstraint(
            "project_id",
            "xml_form_id",
            "deprecated_id",
            name=op.f("submission_version_project_id_xml_form_id_deprecated_id_key"),
        ),
    )
    op.create_index(
        op.f("submission_version_project_id_submission_id_idx"),
        "submission_version",
        ["project_id", "submission_id"],
        unique=False,
    )
    op.create_table(
        "letter",
        sa.Column("project_id", sa.UUID(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("number", sa.Text(collation="C"), nullable=False),
        sa.Column("series", sa.Text(collation="C"), nullable=False),
        sa.Column("kind", sa.Text(collation="C"), nullable=False),
        sa.Column("language", sa.Text(collation="C"), nullable=False),
        sa.Column("state", sa.Text(collation="C"), nullable=False),
        sa.Column("grant_id", sa.UUID(), nullable=True),
        sa.Column("case_id", sa.UUID(), nullable=True),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("issued_by", sa.UUID(), nullable=False),
        sa.Column("template_version", sa.Text(collation="C"), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("data_sha256", sa.Text(collation="C"), nullable=False),
        sa.Column("verify_version", sa.Integer(), nullable=False),
        sa.Column("pdf_blob", sa.Text(collation="C"), nullable=True),
        sa.Column("pdf_sha256", sa.Text(collation="C"), nullable=True),
        sa.Column("printed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("voided_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("series IN ('real', 'trial')", name=op.f("letter_series_check")),
        sa.CheckConstraint("state IN ('issued', 'void')", name=op.f("letter_state_check")),
        sa.ForeignKeyConstraint(
            ["project_id", "case_id"], ["cases.project_id", "cases.id"], name=op.f("letter_project_id_case_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["project_id", "grant_id"], ["grants.project_id", "grants.id"], name=op.f("letter_project_id_grant_id_fkey")
        ),
        sa.PrimaryKeyConstraint("project_id", "id", name=op.f("letter_pkey")),
        sa.UniqueConstraint("project_id", "number", name=op.f("letter_project_id_number_key")),
    )
    op.create_index(op.f("letter_project_id_case_id_idx"), "letter", ["project_id", "case_id"], unique=False)
    op.create_index(op.f("letter_project_id_grant_id_idx"), "letter", ["project_id", "grant_id"], unique=False)
    op.create_index(
        op.f("letter_project_id_issued_at_id_idx"), "letter", ["project_id", "issued_at", "id"], unique=False
    )
    _guard()
    _jobs()


def downgrade() -> None:
    for table in ("periodic_defers", "events", "jobs", "workers"):
        op.execute(f"DROP TABLE procrastinate_{table} CASCADE")
    for function in _jobs_functions():
        op.execute(f"DROP FUNCTION {function} CASCADE")
    op.execute(
        "DROP TYPE procrastinate_job_to_defer_v1, procrastinate_job_status, procrastinate_job_event_type CASCADE"
    )
    op.drop_index(op.f("letter_project_id_issued_at_id_idx"), table_name="letter")
    op.drop_index(op.f("letter_project_id_grant_id_idx"), table_name="letter")
    op.drop_index(op.f("letter_project_id_case_id_idx"), table_name="letter")
    op.drop_table("letter")
    op.drop_index(op.f("submission_version_project_id_submission_id_idx"), table_name="submission_version")
    op.drop_table("submission_version")
    op.drop_index(op.f("submission_attachment_project_id_state_idx"), table_name="submission_attachment")
    op.drop_table("submission_attachment")
    op.drop_index(op.f("rule_failure_project_id_settled_at_at_idx"), table_name="rule_failure")
    op.drop_table("rule_failure")
    op.drop_index(op.f("membership_project_id_submission_id_idx"), table_name="membership")
    op.drop_index(op.f("membership_project_id_case_id_event_date_submission_id_idx"), table_name="membership")
    op.drop_table("membership")
    op.drop_index(op.f("list_row_project_id_list_worker_d1_id_idx"), table_name="list_row")
    op.drop_index(op.f("list_row_project_id_list_t2_d1_id_idx"), table_name="list_row")
    op.drop_index(op.f("list_row_project_id_list_t1_d1_id_idx"), table_name="list_row")
    op.drop_index(op.f("list_row_project_id_list_d1_id_idx"), table_name="list_row")
    op.drop_table("list_row")
    op.drop_index(op.f("grants_project_id_state_requested_at_id_idx"), table_name="grants")
    op.drop_index(op.f("grants_project_id_case_id_idx"), table_name="grants")
    op.drop_table("grants")
    op.drop_index(op.f("entity_version_project_id_submission_id_idx"), table_name="entity_version")
    op.drop_table("entity_version")
    op.drop_index(op.f("submission_project_id_xml_form_id_received_at_id_idx"), table_name="submission")
    op.drop_index(op.f("submission_project_id_review_state_received_at_id_idx"), table_name="submission")
    op.drop_index(op.f("submission_project_id_received_at_id_idx"), table_name="submission")
    op.drop_table("submission")
    op.drop_table("form_attachment")
    op.drop_index(op.f("entity_project_id_case_id_list_idx"), table_name="entity")
    op.drop_table("entity")
    op.drop_table("list_field")
    op.drop_table("form_version")
    op.drop_index(op.f("cases_project_id_worker_idx"), table_name="cases")
    op.drop_index(op.f("cases_project_id_pseudonym_idx"), table_name="cases")
    op.drop_table("cases")
    op.drop_table("app_user")
    op.drop_table("wording")
    op.drop_index(op.f("user_session_user_id_idx"), table_name="user_session")
    op.drop_table("user_session")
    op.drop_index(op.f("quarantine_project_id_state_received_at_idx"), table_name="quarantine")
    op.drop_table("quarantine")
    op.drop_index(op.f("project_user_user_id_idx"), table_name="project_user")
    op.drop_table("project_user")
    op.drop_table("program")
    op.drop_table("letter_counter")
    op.drop_table("grant_counter")
    op.drop_table("form")
    op.drop_table("entity_list")
    op.drop_index(op.f("comment_project_id_subject_at_idx"), table_name="comment")
    op.drop_table("comment")
    op.drop_index(op.f("action_project_id_subject_at_idx"), table_name="action")
    op.drop_index(op.f("action_project_id_case_id_at_idx"), table_name="action")
    op.drop_table("action")
    op.drop_table("users")
    op.drop_table("throttle")
    op.drop_table("setting")
    op.drop_table("record_key")
    op.drop_table("purpose_key")
    op.drop_table("project")
    op.drop_table("organisation_key")
    op.drop_table("audit_seal")
    op.drop_index(op.f("audit_xid_id_idx"), table_name="audit")
    op.drop_index(op.f("audit_project_id_subject_id_at_idx"), table_name="audit")
    op.drop_index(op.f("audit_project_id_at_idx"), table_name="audit")
    op.drop_table("audit")
