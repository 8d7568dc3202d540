"""Forms, all their versions, and the files a form needs on the tablet."""
import sqlalchemy as sa

from store.tables.base import Json, Moment, Uuid, optional, project_table, refers_to, required

form = project_table(
    "form",
    required("xml_form_id"),
    required("title", Json),
    required("state"),
    required("origin"),
    required("version"),
    required("created_at", Moment),
    required("updated_at", Moment),
    sa.PrimaryKeyConstraint("project_id", "xml_form_id"),
    sa.ForeignKeyConstraint(["project_id"], ["project.id"]),
    sa.CheckConstraint("state IN ('open', 'closing', 'closed')", name="state"),
)

form_version = project_table(
    "form_version",
    required("xml_form_id"),
    # Where the version was published: "tablets", or the name of a source.
    required("origin"),
    required("version"),
    required("ordinal", sa.Integer),
    required("xform", sa.LargeBinary),
    required("md5"),
    required("schema", Json),
    # "strict" or "by_type": what an undeclared question counts as in this project's programme.
    required("undeclared"),
    # The path of the question that says when it happened, as the programme names it.
    optional("event_path"),
    optional("xlsform", sa.LargeBinary),
    required("published_at", Moment),
    optional("published_by", Uuid),
    sa.PrimaryKeyConstraint("project_id", "xml_form_id", "origin", "version"),
    refers_to("form", "xml_form_id"),
)

form_attachment = project_table(
    "form_attachment",
    required("xml_form_id"),
    required("origin"),
    required("version"),
    required("name"),
    # An entity list is served from its entities; media are bytes.
    optional("list"),
    optional("content", sa.LargeBinary),
    optional("md5"),
    sa.PrimaryKeyConstraint("project_id", "xml_form_id", "origin", "version", "name"),
    refers_to("form_version", "xml_form_id", "origin", "version"),
)
