"""Servers that Namjai reads from: what each holds, how far it was read, and how the runs went."""
import sqlalchemy as sa

from store.tables.base import Json, Moment, Uuid, optional, project_table, refers_to, required

source = project_table(
    "source",
    required("id", Uuid),
    # Also the origin of its forms' versions and the home of its entity lists, so it never changes.
    required("name"),
    required("kind"),
    required("url"),
    required("options", Json),
    # Encrypted under the key of this row; gone once the source is removed.
    optional("credentials", sa.LargeBinary),
    required("every_seconds", sa.Integer),
    required("created_at", Moment),
    optional("created_by", Uuid),
    optional("removed_at", Moment),
    # The worker leaves it alone from then on, until somebody lets it read again.
    optional("paused_at", Moment),
    # The run at work: a page commits only while this still names its run.
    optional("run_id", Uuid),
    optional("tried_at", Moment),
    optional("succeeded_at", Moment),
    optional("census_at", Moment),
    optional("problem"),
    optional("facts", Json),
    sa.PrimaryKeyConstraint("project_id", "id"),
    sa.UniqueConstraint("project_id", "name"),
    sa.ForeignKeyConstraint(["project_id"], ["project.id"]),
)

source_form = project_table(
    "source_form",
    required("source_id", Uuid),
    required("remote"),
    required("xml_form_id"),
    required("title"),
    required("closed", sa.Boolean),
    # By which the source says that it has new versions; None: they are still to be read.
    optional("mark"),
    required("cursor", Json),
    # Submissions that are there and not deleted, kept in step row by row: counting a million takes too long.
    required("live", sa.BigInteger),
    # How many the source itself counted last.
    optional("theirs", sa.BigInteger),
    optional("census_at", Moment),
    optional("problem"),
    sa.PrimaryKeyConstraint("project_id", "source_id", "remote"),
    refers_to("source", "source_id", to=("id",)),
)

# Whom a source names as the sender of submissions: staff, so who it is lies encrypted, under the key of this row.
submitter = project_table(
    "submitter",
    required("id", Uuid),
    required("source_id", Uuid),
    required("person", sa.LargeBinary),
    sa.PrimaryKeyConstraint("project_id", "id"),
    refers_to("source", "source_id", to=("id",)),
)

source_row = project_table(
    "source_row",
    required("source_id", Uuid),
    required("remote"),
    required("remote_id"),
    required("root_instance_id"),
    optional("submission_id", Uuid),
    # What was stored last; None: the content is still to come.
    optional("mark"),
    optional("review"),
    optional("review_mark"),
    optional("deleted_at", Moment),
    # When to ask for its files next; None: all are here.
    optional("files_due_at", Moment),
    required("files_asked", sa.Integer),
    # Why it could not be taken, and how often it was tried.
    optional("problem"),
    required("tries", sa.Integer),
    optional("quarantine_id", Uuid),
    # Who sent it there, where the source says so.
    optional("submitter_id", Uuid),
    sa.PrimaryKeyConstraint("project_id", "source_id", "remote", "remote_id"),
    refers_to("source_form", "source_id", "remote"),
    refers_to("submitter", "submitter_id", to=("id",)),
    sa.Index(None, "project_id", "submission_id"),
    sa.Index(
        "source_row_files_due_idx", "project_id", "source_id", "files_due_at",
        postgresql_where=sa.text("files_due_at IS NOT NULL"),
    ),
    sa.Index(
        "source_row_waiting_idx", "project_id", "source_id", "remote", postgresql_where=sa.text("mark IS NULL"),
    ),
    sa.Index(
        "source_row_quarantine_idx", "project_id", "source_id", "remote",
        postgresql_where=sa.text("quarantine_id IS NOT NULL"),
    ),
    postgresql_with={"fillfactor": 80},
)

# Under which tag a file was fetched, so that a replaced one is found by a conditional request.
source_file = project_table(
    "source_file",
    required("source_id", Uuid),
    required("remote"),
    required("remote_id"),
    required("name"),
    required("tag"),
    sa.PrimaryKeyConstraint("project_id", "source_id", "remote", "remote_id", "name"),
    refers_to("source_row", "source_id", "remote", "remote_id"),
)

source_list = project_table(
    "source_list",
    required("source_id", Uuid),
    required("name"),
    required("cursor", Json),
    required("live", sa.BigInteger),
    optional("census_at", Moment),
    optional("problem"),
    sa.PrimaryKeyConstraint("project_id", "source_id", "name"),
    refers_to("source", "source_id", to=("id",)),
)

source_run = project_table(
    "source_run",
    required("id", Uuid),
    required("source_id", Uuid),
    required("started_at", Moment),
    optional("ended_at", Moment),
    required("full", sa.Boolean),
    # What it did: new, edited, deleted, restored, reviewed, remarks, files, entities, quarantined, waiting, forms.
    required("counts", Json),
    # While it is at work: phase, what, done, total, since when that phase, when this was written.
    optional("progress", Json),
    optional("problem"),
    optional("facts", Json),
    sa.PrimaryKeyConstraint("project_id", "id"),
    refers_to("source", "source_id", to=("id",)),
    sa.Index(None, "project_id", "source_id", "started_at"),
    # A run begins by closing those that were killed: it must not look through a year of them.
    sa.Index("source_run_open_idx", "project_id", "source_id", postgresql_where=sa.text("ended_at IS NULL")),
)

# A connection test that somebody asked for on the web: the worker asks the server and writes here what it answered.
source_trial = project_table(
    "source_trial",
    required("id", Uuid),
    required("asked_by", Uuid),
    required("asked_at", Moment),
    required("state"),
    # Name, kind, address, options, seconds between two runs: as they would be stored.
    required("wish", Json),
    # Encrypted under the key of this row; both go when the test is used or a day old.
    required("credentials", sa.LargeBinary),
    # Server, who we are there, the forms that would come.
    optional("answer", Json),
    optional("problem"),
    optional("facts", Json),
    sa.PrimaryKeyConstraint("project_id", "id"),
    sa.ForeignKeyConstraint(["project_id"], ["project.id"]),
    sa.CheckConstraint("state IN ('waiting', 'running', 'answered', 'refused')", name="state"),
    sa.Index(None, "project_id", "asked_at"),
)
