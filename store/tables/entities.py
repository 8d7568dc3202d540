"""Entity lists, entities with their versions, and the rows of lists with typed slots."""
import sqlalchemy as sa

from store.tables.base import Json, Moment, Uuid, optional, project_table, refers_to, required

TEXT_SLOTS = tuple(f"t{n}" for n in range(1, 13))
NUMBER_SLOTS = tuple(f"n{n}" for n in range(1, 7))
DATE_SLOTS = tuple(f"d{n}" for n in range(1, 7))

entity_list = project_table(
    "entity_list",
    required("name"),
    required("label", Json),
    required("is_case_list", sa.Boolean),
    # The property that holds the UUID of the person this entity belongs to.
    optional("parent"),
    # "tablets": submissions write it; else the name of the source whose feed is the only writer.
    required("home"),
    # All property names, in the order of the tablets' CSV.
    required("properties", Json),
    # No submission changes these once the entity is created.
    required("server_owned", Json),
    # What a property is to a case: {"code": "case_code", "pseudonym": …, "risk": …, "opened_on": …}.
    required("roles", Json),
    # Grows whenever somebody leaves a list: with it a list's hash is never that of an earlier day.
    required("removals", sa.BigInteger),
    sa.PrimaryKeyConstraint("project_id", "name"),
    sa.ForeignKeyConstraint(["project_id"], ["project.id"]),
)

entity = project_table(
    "entity",
    required("list"),
    required("uuid", Uuid),
    required("label"),
    required("data", Json),
    required("version", sa.Integer),
    # Known only by name so far: an update, a child or a choice arrived before the creation.
    required("placeholder", sa.Boolean),
    optional("conflict"),
    optional("case_id", Uuid),
    optional("created_by", Uuid),
    required("created_at", Moment),
    required("updated_at", Moment),
    optional("deleted_at", Moment),
    sa.PrimaryKeyConstraint("project_id", "list", "uuid"),
    refers_to("entity_list", "list", to=("name",)),
    refers_to("cases", "case_id", to=("id",)),
    sa.Index(None, "project_id", "case_id", "list"),
    postgresql_with={"fillfactor": 80},
)

entity_version = project_table(
    "entity_version",
    required("list"),
    required("uuid", Uuid),
    required("version", sa.Integer),
    required("act"),
    optional("label"),
    # What this version changes, as written; the entity is the fold of all of them.
    required("data", Json),
    optional("base_version", sa.Integer),
    optional("trunk_version", sa.Integer),
    optional("branch_id"),
    required("stale", sa.Boolean),
    optional("submission_id", Uuid),
    optional("instance_id"),
    optional("position"),
    optional("user_id", Uuid),
    required("created_at", Moment),
    sa.PrimaryKeyConstraint("project_id", "list", "uuid", "version"),
    refers_to("entity", "list", "uuid"),
    sa.Index(None, "project_id", "submission_id"),
)

list_field = project_table(
    "list_field",
    required("list"),
    required("property"),
    required("slot"),
    sa.PrimaryKeyConstraint("project_id", "list", "property"),
    sa.UniqueConstraint("project_id", "list", "slot"),
    refers_to("entity_list", "list", to=("name",)),
)

list_row = project_table(
    "list_row",
    required("list"),
    required("id", Uuid),
    optional("case_id", Uuid),
    # The case's own, once more: a list is read from its rows alone, and joined only for the page that is shown.
    optional("status"),
    required("sort"),
    optional("ill_typed"),
    *(optional(slot) for slot in TEXT_SLOTS),
    *(optional(slot, sa.Double) for slot in NUMBER_SLOTS),
    *(optional(slot, sa.Date) for slot in DATE_SLOTS),
    sa.PrimaryKeyConstraint("project_id", "list", "id"),
    refers_to("entity", "list", "id", to=("list", "uuid")),
    sa.Index(None, "project_id", "list", "t1", "d1", "id"),
    sa.Index(None, "project_id", "list", "t2", "d1", "id"),
    sa.Index(None, "project_id", "list", "d1", "id"),
    sa.Index(None, "project_id", "list", "worker", "d1", "id"),
    scoped=True,
    postgresql_with={"fillfactor": 80},
)
