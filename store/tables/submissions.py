"""Submissions, each with all its versions and files, and what could not be taken."""
import sqlalchemy as sa

from store.tables.base import Json, Moment, Uuid, optional, project_table, refers_to, required

REVIEW_STATES = ("received", "edited", "has_issues", "rejected", "approved")

submission = project_table(
    "submission",
    required("id", Uuid),
    required("xml_form_id"),
    # The first instanceID of the chain of edits. An edit that comes before its original names it all the same.
    required("root_instance_id"),
    required("instance_id"),
    required("form_origin"),
    required("form_version"),
    required("review_state"),
    required("event_date", sa.Date),
    optional("event_text"),
    required("received_at", Moment),
    optional("updated_at", Moment),
    optional("reviewed_at", Moment),
    optional("reviewed_by", Uuid),
    optional("app_user_id", Uuid),
    optional("user_id", Uuid),
    optional("device_id"),
    # Open answers by path, in the form's order; the rest is one ciphertext a privacy class.
    required("open", Json),
    optional("sensitive", sa.LargeBinary),
    optional("identifying", sa.LargeBinary),
    optional("restricted", sa.LargeBinary),
    # Which answers are unknown to the form, ill-typed or repeated: path → kind.
    required("flags", Json),
    optional("deleted_at", Moment),
    required("row_version", sa.Integer),
    sa.PrimaryKeyConstraint("project_id", "id"),
    sa.UniqueConstraint("project_id", "xml_form_id", "root_instance_id"),
    refers_to("form", "xml_form_id"),
    refers_to("app_user", "app_user_id", to=("id",)),
    sa.CheckConstraint(
        "review_state IN ('received', 'edited', 'has_issues', 'rejected', 'approved')", name="review_state"
    ),
    sa.Index(None, "project_id", "review_state", "received_at", "id"),
    sa.Index(None, "project_id", "xml_form_id", "received_at", "id"),
    sa.Index(None, "project_id", "received_at", "id"),
)

submission_version = project_table(
    "submission_version",
    required("xml_form_id"),
    required("instance_id"),
    required("submission_id", Uuid),
    optional("deprecated_id"),
    required("form_origin"),
    required("form_version"),
    required("received_at", Moment),
    optional("app_user_id", Uuid),
    optional("user_id", Uuid),
    optional("device_id"),
    # A keyed hash of the XML: tells a repetition from a conflict without opening anything.
    required("digest", sa.LargeBinary),
    required("raw", sa.LargeBinary),
    sa.PrimaryKeyConstraint("project_id", "xml_form_id", "instance_id"),
    # Two edits of the same version are a conflict, whoever comes first.
    sa.UniqueConstraint("project_id", "xml_form_id", "deprecated_id"),
    refers_to("submission", "submission_id", to=("id",)),
    refers_to("form_version", "xml_form_id", "form_origin", "form_version", to=("xml_form_id", "origin", "version")),
    sa.Index(None, "project_id", "submission_id"),
)

submission_attachment = project_table(
    "submission_attachment",
    required("submission_id", Uuid),
    required("name"),
    required("state"),
    required("expected", sa.Boolean),
    # The hash of the ciphertext, under which the blob lies, and a keyed hash of the content.
    optional("blob"),
    optional("digest", sa.LargeBinary),
    optional("size", sa.BigInteger),
    optional("content_type"),
    optional("received_at", Moment),
    sa.PrimaryKeyConstraint("project_id", "submission_id", "name"),
    refers_to("submission", "submission_id", to=("id",)),
    sa.CheckConstraint("state IN ('expected', 'partial', 'verified', 'missing')", name="state"),
    sa.Index(None, "project_id", "state"),
)

quarantine = project_table(
    "quarantine",
    required("id", Uuid),
    required("source"),
    required("problem"),
    required("facts", Json),
    # Told apart by a keyed hash: the same rubbish sent again lies here once.
    required("digest", sa.LargeBinary),
    optional("xml_form_id"),
    optional("instance_id"),
    optional("app_user_id", Uuid),
    required("received_at", Moment),
    required("seen_at", Moment),
    required("times", sa.Integer),
    required("state"),
    optional("settled_at", Moment),
    optional("settled_by", Uuid),
    required("raw", sa.LargeBinary),
    optional("files", sa.LargeBinary),
    sa.PrimaryKeyConstraint("project_id", "id"),
    sa.UniqueConstraint("project_id", "digest"),
    sa.ForeignKeyConstraint(["project_id"], ["project.id"]),
    sa.CheckConstraint("state IN ('waiting', 'replayed', 'dismissed')", name="state"),
    sa.Index(None, "project_id", "state", "received_at"),
)
