"""Sources: servers that Namjai reads from, how far, and how the runs went. A comment may come from a source's person.

Revision 0002.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"

APPLICATION = "namjai_app"
IN_PROJECT = "project_id = ANY (string_to_array(current_setting('namjai.projects', true), ',')::uuid[])"
# What the application may do, beside SELECT and INSERT.
PROJECT = {
    "source": "UPDATE",
    "source_form": "UPDATE",
    "source_row": "UPDATE",
    "source_file": "UPDATE, DELETE",
    "source_list": "UPDATE",
    "source_run": "UPDATE",
}


def _guard() -> None:
    """The application owns nothing, and sees only the projects that its transaction names."""
    for table, more in PROJECT.items():
        op.execute(f"GRANT SELECT, INSERT, {more} ON {table} TO {APPLICATION}")
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY {table}_wall ON {table} USING ({IN_PROJECT}) WITH CHECK ({IN_PROJECT})")


def upgrade() -> None:
    op.create_table(
        "source",
        sa.Column("project_id", sa.UUID(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("kind", sa.Text(collation="C"), nullable=False),
        sa.Column("url", sa.Text(collation="C"), nullable=False),
        sa.Column("options", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("credentials", sa.LargeBinary(), nullable=True),
        sa.Column("every_seconds", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.UUID(), nullable=True),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("run_id", sa.UUID(), nullable=True),
        sa.Column("tried_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("succeeded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("census_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("problem", sa.Text(collation="C"), nullable=True),
        sa.Column("facts", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("source_project_id_fkey")),
        sa.PrimaryKeyConstraint("project_id", "id", name=op.f("source_pkey")),
        sa.UniqueConstraint("project_id", "name", name=op.f("source_project_id_name_key")),
    )
    op.create_table(
        "source_form",
        sa.Column("project_id", sa.UUID(), nullable=False),
        sa.Column("source_id", sa.UUID(), nullable=False),
        sa.Column("remote", sa.Text(collation="C"), nullable=False),
        sa.Column("xml_form_id", sa.Text(collation="C"), nullable=False),
        sa.Column("title", sa.Text(collation="C"), nullable=False),
        sa.Column("closed", sa.Boolean(), nullable=False),
        sa.Column("mark", sa.Text(collation="C"), nullable=True),
        sa.Column("cursor", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("live", sa.BigInteger(), nullable=False),
        sa.Column("census_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("problem", sa.Text(collation="C"), nullable=True),
        sa.ForeignKeyConstraint(
            ["project_id", "source_id"],
            ["source.project_id", "source.id"],
            name=op.f("source_form_project_id_source_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("project_id", "source_id", "remote", name=op.f("source_form_pkey")),
    )
    op.create_table(
        "source_list",
        sa.Column("project_id", sa.UUID(), nullable=False),
        sa.Column("source_id", sa.UUID(), nullable=False),
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("cursor", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("live", sa.BigInteger(), nullable=False),
        sa.Column("census_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("problem", sa.Text(collation="C"), nullable=True),
        sa.ForeignKeyConstraint(
            ["project_id", "source_id"],
            ["source.project_id", "source.id"],
            name=op.f("source_list_project_id_source_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("project_id", "source_id", "name", name=op.f("source_list_pkey")),
    )
    op.create_table(
        "source_run",
        sa.Column("project_id", sa.UUID(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("source_id", sa.UUID(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("full", sa.Boolean(), nullable=False),
        sa.Column("counts", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("problem", sa.Text(collation="C"), nullable=True),
        sa.Column("facts", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.ForeignKeyConstraint(
            ["project_id", "source_id"],
            ["source.project_id", "source.id"],
            name=op.f("source_run_project_id_source_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("project_id", "id", name=op.f("source_run_pkey")),
    )
    op.create_index(
        op.f("source_run_project_id_source_id_started_at_idx"),
        "source_run",
        ["project_id", "source_id", "started_at"],
        unique=False,
    )
    op.create_table(
        "source_row",
        sa.Column("project_id", sa.UUID(), nullable=False),
        sa.Column("source_id", sa.UUID(), nullable=False),
        sa.Column("remote", sa.Text(collation="C"), nullable=False),
        sa.Column("remote_id", sa.Text(collation="C"), nullable=False),
        sa.Column("root_instance_id", sa.Text(collation="C"), nullable=False),
        sa.Column("submission_id", sa.UUID(), nullable=True),
        sa.Column("mark", sa.Text(collation="C"), nullable=True),
        sa.Column("review", sa.Text(collation="C"), nullable=True),
        sa.Column("review_mark", sa.Text(collation="C"), nullable=True),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("files_due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("files_asked", sa.Integer(), nullable=False),
        sa.Column("problem", sa.Text(collation="C"), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("quarantine_id", sa.UUID(), nullable=True),
        sa.ForeignKeyConstraint(
            ["project_id", "source_id", "remote"],
            ["source_form.project_id", "source_form.source_id", "source_form.remote"],
            name=op.f("source_row_project_id_source_id_remote_fkey"),
        ),
        sa.PrimaryKeyConstraint("project_id", "source_id", "remote", "remote_id", name=op.f("source_row_pkey")),
        postgresql_with={"fillfactor": 80},
    )
    op.create_index(
        "source_row_files_due_idx",
        "source_row",
        ["project_id", "source_id", "files_due_at"],
        unique=False,
        postgresql_where=sa.text("files_due_at IS NOT NULL"),
    )
    op.create_index(
        op.f("source_row_project_id_submission_id_idx"), "source_row", ["project_id", "submission_id"], unique=False
    )
    op.create_index(
        "source_row_waiting_idx",
        "source_row",
        ["project_id", "source_id", "remote"],
        unique=False,
        postgresql_where=sa.text("mark IS NULL"),
    )
    op.create_index(
        "source_row_quarantine_idx",
        "source_row",
        ["project_id", "source_id", "remote"],
        unique=False,
        postgresql_where=sa.text("quarantine_id IS NOT NULL"),
    )
    op.create_table(
        "source_file",
        sa.Column("project_id", sa.UUID(), nullable=False),
        sa.Column("source_id", sa.UUID(), nullable=False),
        sa.Column("remote", sa.Text(collation="C"), nullable=False),
        sa.Column("remote_id", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("tag", sa.Text(collation="C"), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id", "source_id", "remote", "remote_id"],
            ["source_row.project_id", "source_row.source_id", "source_row.remote", "source_row.remote_id"],
            name=op.f("source_file_project_id_source_id_remote_remote_id_fkey"),
        ),
        sa.PrimaryKeyConstraint(
            "project_id", "source_id", "remote", "remote_id", "name", name=op.f("source_file_pkey")
        ),
    )
    op.add_column("comment", sa.Column("author", sa.Text(collation="C"), nullable=True))
    op.alter_column("comment", "user_id", existing_type=sa.UUID(), nullable=True)
    _guard()


def downgrade() -> None:
    op.execute("DELETE FROM comment WHERE user_id IS NULL")
    op.alter_column("comment", "user_id", existing_type=sa.UUID(), nullable=False)
    op.drop_column("comment", "author")
    op.drop_table("source_file")
    op.drop_index(
        "source_row_quarantine_idx", table_name="source_row", postgresql_where=sa.text("quarantine_id IS NOT NULL")
    )
    op.drop_index("source_row_waiting_idx", table_name="source_row", postgresql_where=sa.text("mark IS NULL"))
    op.drop_index(op.f("source_row_project_id_submission_id_idx"), table_name="source_row")
    op.drop_index(
        "source_row_files_due_idx", table_name="source_row", postgresql_where=sa.text("files_due_at IS NOT NULL")
    )
    op.drop_table("source_row")
    op.drop_index(op.f("source_run_project_id_source_id_started_at_idx"), table_name="source_run")
    op.drop_table("source_run")
    op.drop_table("source_list")
    op.drop_table("source_form")
    op.drop_table("source")
