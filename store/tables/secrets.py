"""Keys in the sense of cryptography, each wrapped by the one above it. The master key is never here."""
import sqlalchemy as sa

from store.tables.base import Moment, Uuid, global_table, optional, project_table, required

organisation_key = global_table(
    "organisation_key",
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    optional("wrapped", sa.LargeBinary),
    required("public", sa.LargeBinary),
    required("created_at", Moment),
    optional("destroyed_at", Moment),
)

# Keys for keyed hashes (digests, audit, tokens, letters): they outlive a rotation of the organisation's key.
purpose_key = global_table(
    "purpose_key",
    required("purpose"),
    required("version", sa.Integer),
    required("wrapped", sa.LargeBinary),
    required("created_at", Moment),
    sa.PrimaryKeyConstraint("purpose", "version"),
)

record_key = project_table(
    "record_key",
    required("record_id", Uuid),
    required("kind"),
    required("version", sa.Integer),
    required("wrapped", sa.LargeBinary),
    sa.PrimaryKeyConstraint("project_id", "record_id"),
    sa.CheckConstraint("kind IN ('wrapped', 'sealed')", name="kind"),
)
