"""Who sent a submission at the server that it came from.

Revision 0004, after 0003.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

APPLICATION = "namjai_app"
IN_PROJECT = "project_id = ANY (string_to_array(current_setting('namjai.projects', true), ',')::uuid[])"


def _guard(table: str, more: str) -> None:
    """The two walls of 0001: the application owns nothing, and sees only the projects its transaction names."""
    op.execute(f"GRANT SELECT, INSERT, {more} ON {table} TO {APPLICATION}")
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY {table}_wall ON {table} USING ({IN_PROJECT}) WITH CHECK ({IN_PROJECT})")


def upgrade() -> None:
    op.create_table(
        "submitter",
        sa.Column("project_id", sa.UUID(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("source_id", sa.UUID(), nullable=False),
        sa.Column("person", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id", "source_id"],
            ["source.project_id", "source.id"],
            name=op.f("submitter_project_id_source_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("project_id", "id", name=op.f("submitter_pkey")),
    )
    op.add_column("source_row", sa.Column("submitter_id", sa.UUID(), nullable=True))
    op.create_foreign_key(
        op.f("source_row_project_id_submitter_id_fkey"),
        "source_row",
        "submitter",
        ["project_id", "submitter_id"],
        ["project_id", "id"],
    )
    _guard("submitter", "UPDATE")


def downgrade() -> None:
    op.drop_constraint(op.f("source_row_project_id_submitter_id_fkey"), "source_row", type_="foreignkey")
    op.drop_column("source_row", "submitter_id")
    op.execute("DELETE FROM record_key k USING submitter s WHERE k.project_id = s.project_id AND k.record_id = s.id")
    op.drop_table("submitter")
