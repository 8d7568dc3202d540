"""Runs that have not ended are found at once, however many there were.

Revision 0006, after 0005.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

OPEN = {"postgresql_where": sa.text("ended_at IS NULL")}


def upgrade() -> None:
    op.create_index("source_run_open_idx", "source_run", ["project_id", "source_id"], **OPEN)


def downgrade() -> None:
    op.drop_index("source_run_open_idx", table_name="source_run", **OPEN)
