"""Sources on the web: pausing one, how far its run is, what it counts itself, connection tests.

Revision 0005, after 0004.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"

APPLICATION = "namjai_app"
IN_PROJECT = "project_id = ANY (string_to_array(current_setting('namjai.projects', true), ',')::uuid[])"


def upgrade() -> None:
    op.add_column("source", sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("source_form", sa.Column("theirs", sa.BigInteger(), nullable=True))
    op.add_column("source_run", sa.Column("progress", _json(), nullable=True))
    op.create_table(
        "source_trial",
        sa.Column("project_id", sa.UUID(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("asked_by", sa.UUID(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.Text(collation="C"), nullable=False),
        sa.Column("wish", _json(), nullable=False),
        sa.Column("credentials", sa.LargeBinary(), nullable=False),
        sa.Column("answer", _json(), nullable=True),
        sa.Column("problem", sa.Text(collation="C"), nullable=True),
        sa.Column("facts", _json(), nullable=True),
        sa.CheckConstraint(
            "state IN ('waiting', 'running', 'answered', 'refused')", name=op.f("source_trial_state_check")
        ),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("source_trial_project_id_fkey")),
        sa.PrimaryKeyConstraint("project_id", "id", name=op.f("source_trial_pkey")),
    )
    op.create_index(op.f("source_trial_project_id_asked_at_idx"), "source_trial", ["project_id", "asked_at"])
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON source_trial TO {APPLICATION}")
    op.execute("ALTER TABLE source_trial ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY source_trial_wall ON source_trial USING ({IN_PROJECT}) WITH CHECK ({IN_PROJECT})")


def downgrade() -> None:
    op.execute("DROP POLICY source_trial_wall ON source_trial")
    op.drop_index(op.f("source_trial_project_id_asked_at_idx"), table_name="source_trial")
    op.drop_table("source_trial")
    op.drop_column("source_run", "progress")
    op.drop_column("source_form", "theirs")
    op.drop_column("source", "paused_at")


def _json() -> postgresql.JSONB:
    return postgresql.JSONB(none_as_null=True, astext_type=sa.Text())
