"""Cases, which submissions belong to them, what people did on the web, and what they said."""
import sqlalchemy as sa

from store.tables.base import Json, Moment, Uuid, optional, project_table, refers_to, required

cases = project_table(  # "case" is a reserved word
    "cases",
    required("id", Uuid),
    required("list"),
    required("entity", Uuid),
    # As the form made it; not unique, so that a collision is kept and told apart by the suffix.
    required("code"),
    required("suffix", sa.Integer),
    required("pseudonym"),
    required("placeholder", sa.Boolean),
    required("status"),
    optional("stage"),
    optional("risk"),
    optional("opened_on", sa.Date),
    required("created_at", Moment),
    required("updated_at", Moment),
    required("row_version", sa.Integer),
    sa.PrimaryKeyConstraint("project_id", "id"),
    sa.UniqueConstraint("project_id", "list", "entity"),
    sa.UniqueConstraint("project_id", "code", "suffix"),
    refers_to("entity_list", "list", to=("name",)),
    sa.CheckConstraint("status IN ('open', 'on_hold', 'closed')", name="status"),
    sa.Index(None, "project_id", "pseudonym"),
    sa.Index(None, "project_id", "worker"),
    scoped=True,
    postgresql_with={"fillfactor": 80},
)

membership = project_table(
    "membership",
    required("case_id", Uuid),
    required("submission_id", Uuid),
    required("event_date", sa.Date),
    sa.PrimaryKeyConstraint("project_id", "case_id", "submission_id"),
    refers_to("cases", "case_id", to=("id",)),
    refers_to("submission", "submission_id", to=("id",)),
    sa.Index(None, "project_id", "case_id", "event_date", "submission_id"),
    sa.Index(None, "project_id", "submission_id"),
    scoped=True,
)

action = project_table(
    "action",
    required("id", Uuid),
    optional("case_id", Uuid),
    required("kind"),
    required("subject", Uuid),
    required("at", Moment),
    optional("user_id", Uuid),
    optional("app_user_id", Uuid),
    required("data", Json),
    sa.PrimaryKeyConstraint("project_id", "id"),
    sa.ForeignKeyConstraint(["project_id"], ["project.id"]),
    sa.Index(None, "project_id", "case_id", "at"),
    sa.Index(None, "project_id", "subject", "at"),
    append_only=True,
)

comment = project_table(
    "comment",
    required("id", Uuid),
    required("subject", Uuid),
    required("at", Moment),
    # Who said it here, or whoever a source names for it.
    optional("user_id", Uuid),
    optional("author"),
    required("body", sa.LargeBinary),
    sa.PrimaryKeyConstraint("project_id", "id"),
    sa.ForeignKeyConstraint(["project_id"], ["project.id"]),
    sa.Index(None, "project_id", "subject", "at"),
)

# A rule that failed on a submission: the submission is kept, the failure waits here for somebody (design.md, 8).
rule_failure = project_table(
    "rule_failure",
    required("id", Uuid),
    required("rule"),
    required("submission_id", Uuid),
    required("problem"),
    required("facts", Json),
    required("at", Moment),
    optional("settled_at", Moment),
    sa.PrimaryKeyConstraint("project_id", "id"),
    refers_to("submission", "submission_id", to=("id",)),
    sa.Index(None, "project_id", "settled_at", "at"),
)
