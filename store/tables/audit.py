"""Who did and saw what: rows that nobody changes, sealed into a chain of hashes."""
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.types import UserDefinedType

from store.tables.base import Json, Moment, Uuid, global_table, optional, project_table, required


class Xid8(UserDefinedType):
    """PostgreSQL's 64-bit transaction id."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        return "XID8"


# So that a database read back compares equal to these tables.
ischema_names["xid8"] = Xid8

audit = project_table(  # outside a project: the nil UUID
    "audit",
    required("id", Uuid),
    required("xid", Xid8),
    required("at", Moment),
    required("actor_kind"),
    optional("actor_id", Uuid),
    required("verb"),
    required("subject_kind"),
    optional("subject_id", Uuid),
    # Field names and codes, never values.
    required("detail", Json),
    optional("sealed", sa.LargeBinary),
    required("mac", sa.LargeBinary),
    sa.PrimaryKeyConstraint("project_id", "id"),
    sa.Index(None, "xid", "id"),
    sa.Index(None, "project_id", "subject_id", "at"),
    sa.Index(None, "project_id", "at"),
    append_only=True,
)

audit_seal = global_table(
    "audit_seal",
    # A restored cluster counts transactions anew: a new epoch.
    required("epoch", sa.Integer),
    required("ordinal", sa.BigInteger),
    required("before_xid", Xid8),
    required("rows", sa.Integer),
    required("root", sa.LargeBinary),
    required("chain", sa.LargeBinary),
    required("sealed_at", Moment),
    sa.PrimaryKeyConstraint("epoch", "ordinal"),
)
