"""An installed programme: running code reads it here, never from its folder."""
import sqlalchemy as sa

from store.tables.base import Json, Moment, project_table, required

program = project_table(
    "program",
    required("name"),
    required("definition", Json),
    required("digest"),
    required("installed_at", Moment),
    sa.PrimaryKeyConstraint("project_id"),
    sa.ForeignKeyConstraint(["project_id"], ["project.id"]),
)

wording = project_table(
    "wording",
    required("letter"),
    required("language"),
    required("content"),
    required("digest"),
    required("installed_at", Moment),
    sa.PrimaryKeyConstraint("project_id", "letter", "language"),
    sa.ForeignKeyConstraint(["project_id"], ["project.id"]),
)
