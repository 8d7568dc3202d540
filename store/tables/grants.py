"""Grants and their approvals. Money is satang in a bigint."""
import sqlalchemy as sa

from store.tables.base import Json, Moment, Uuid, optional, project_table, refers_to, required

GRANT_STATES = ("requested", "approved", "refused", "suspended", "paid", "receipted")

grants = project_table(  # "grant" is a reserved word
    "grants",
    required("id", Uuid),
    required("list"),
    required("entity", Uuid),
    optional("case_id", Uuid),
    optional("submission_id", Uuid),
    required("number"),
    required("kind"),
    required("amount", sa.BigInteger),
    required("state"),
    # The tablet's person; unknown as long as the tablet has none, and then nobody can approve.
    optional("requested_by", Uuid),
    required("requested_at", Moment),
    # A keyed hash over what is asked: an approval holds for exactly this.
    required("content", sa.LargeBinary),
    optional("approved_content", sa.LargeBinary),
    optional("approved_by", Uuid),
    optional("approved_at", Moment),
    optional("refused_by", Uuid),
    optional("paid_at", Moment),
    optional("paid_by", Uuid),
    optional("received_on", sa.Date),
    optional("received_amount", sa.BigInteger),
    required("facts", Json),
    required("row_version", sa.Integer),
    sa.PrimaryKeyConstraint("project_id", "id"),
    sa.UniqueConstraint("project_id", "number"),
    sa.UniqueConstraint("project_id", "list", "entity"),
    refers_to("entity", "list", "entity", to=("list", "uuid")),
    refers_to("cases", "case_id", to=("id",)),
    sa.CheckConstraint("state IN ('requested', 'approved', 'refused', 'suspended', 'paid', 'receipted')", name="state"),
    sa.CheckConstraint("approved_by IS NULL OR requested_by IS NOT NULL", name="requester_known"),
    sa.CheckConstraint("approved_by IS DISTINCT FROM requested_by OR approved_by IS NULL", name="not_by_requester"),
    sa.CheckConstraint(
        "state NOT IN ('approved', 'paid', 'receipted') OR approved_content = content", name="approval_holds_for_this"
    ),
    sa.Index(None, "project_id", "state", "requested_at", "id"),
    sa.Index(None, "project_id", "case_id"),
    scoped=True,
)

grant_counter = project_table(
    "grant_counter",
    required("year", sa.Integer),
    required("last", sa.Integer),
    sa.PrimaryKeyConstraint("project_id", "year"),
    sa.ForeignKeyConstraint(["project_id"], ["project.id"]),
)

letter = project_table(
    "letter",
    required("id", Uuid),
    required("number"),
    required("series"),
    required("kind"),
    required("language"),
    required("state"),
    optional("grant_id", Uuid),
    optional("case_id", Uuid),
    required("issued_at", Moment),
    required("issued_by", Uuid),
    required("template_version"),
    required("data", sa.LargeBinary),
    required("data_sha256"),
    required("verify_version", sa.Integer),
    optional("pdf_blob"),
    optional("pdf_sha256"),
    optional("printed_at", Moment),
    optional("voided_at", Moment),
    sa.PrimaryKeyConstraint("project_id", "id"),
    sa.UniqueConstraint("project_id", "number"),
    refers_to("grants", "grant_id", to=("id",)),
    refers_to("cases", "case_id", to=("id",)),
    sa.CheckConstraint("state IN ('issued', 'void')", name="state"),
    sa.CheckConstraint("series IN ('real', 'trial')", name="series"),
    sa.Index(None, "project_id", "issued_at", "id"),
    sa.Index(None, "project_id", "grant_id"),
    sa.Index(None, "project_id", "case_id"),
)

letter_counter = project_table(
    "letter_counter",
    required("kind"),
    required("series"),
    required("year", sa.Integer),
    required("last", sa.Integer),
    sa.PrimaryKeyConstraint("project_id", "kind", "series", "year"),
    sa.ForeignKeyConstraint(["project_id"], ["project.id"]),
)
