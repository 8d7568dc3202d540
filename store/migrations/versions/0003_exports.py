"""Files of answers that somebody asked for, made in the background.

Revision 0003, after 0002.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"

APPLICATION = "namjai_app"
IN_PROJECT = "project_id = ANY (string_to_array(current_setting('namjai.projects', true), ',')::uuid[])"


def _guard(table: str, more: str) -> None:
    """The two walls of 0001: the application owns nothing, and sees only the projects its transaction names."""
    op.execute(f"GRANT SELECT, INSERT, {more} ON {table} TO {APPLICATION}")
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY {table}_wall ON {table} USING ({IN_PROJECT}) WITH CHECK ({IN_PROJECT})")


def upgrade() -> None:
    op.create_table(
        "export",
        sa.Column("project_id", sa.UUID(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("xml_form_id", sa.Text(collation="C"), nullable=False),
        sa.Column("wish", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("purpose", sa.LargeBinary(), nullable=False),
        sa.Column("asked_by", sa.UUID(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.Text(collation="C"), nullable=False),
        sa.Column("done", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=True),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("pieces", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("problem", sa.Text(collation="C"), nullable=True),
        sa.CheckConstraint(
            "state IN ('waiting', 'running', 'ready', 'failed', 'expired')", name=op.f("export_state_check")
        ),
        sa.ForeignKeyConstraint(
            ["project_id", "xml_form_id"],
            ["form.project_id", "form.xml_form_id"],
            name=op.f("export_project_id_xml_form_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("project_id", "id", name=op.f("export_pkey")),
    )
    op.create_index(
        op.f("export_project_id_xml_form_id_asked_at_idx"), "export", ["project_id", "xml_form_id", "asked_at"]
    )
    op.create_index(
        op.f("export_project_id_state_expires_at_idx"), "export", ["project_id", "state", "expires_at"]
    )
    _guard("export", "UPDATE")


def downgrade() -> None:
    op.execute("DROP POLICY export_wall ON export")
    op.drop_index(op.f("export_project_id_state_expires_at_idx"), table_name="export")
    op.drop_index(op.f("export_project_id_xml_form_id_asked_at_idx"), table_name="export")
    op.drop_table("export")
