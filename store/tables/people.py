"""Projects, those who sign in, and what they may be in which project."""
import sqlalchemy as sa

from store.tables.base import Json, Moment, Text, Uuid, global_table, optional, project_table, refers_to, required

project = global_table(
    "project",
    sa.Column("id", Uuid, primary_key=True),
    # Begins every device token, so that the door knows the project before it looks (storage.md 3).
    required("key", unique=True),
    required("name", unique=True),
    # Begins every letter number; never changed once a letter is issued.
    required("short_name", unique=True),
    required("timezone"),
    required("created_at", Moment),
)

users = global_table(  # "user" is a reserved word
    "users",
    sa.Column("id", Uuid, primary_key=True),
    required("email", unique=True),
    required("name"),
    optional("password_hash"),
    required("language"),
    required("theme"),
    required("single_keys", sa.Boolean),
    required("demonstration", sa.Boolean),
    required("created_at", Moment),
    optional("disabled_at", Moment),
)

user_session = global_table(
    "user_session",
    sa.Column("token_hash", sa.LargeBinary, primary_key=True),
    required("user_id", Uuid),
    required("created_at", Moment),
    required("seen_at", Moment),
    # On trial a person may look through another role's eyes.
    optional("as_role"),
    optional("project_id", Uuid),
    optional("ended_at", Moment),
    sa.ForeignKeyConstraint(["user_id"], ["users.id"]),
    sa.Index(None, "user_id"),
)

throttle = global_table(
    "throttle",
    sa.Column("key", sa.LargeBinary, primary_key=True),
    required("window_start", Moment),
    required("count", sa.Integer),
)

setting = global_table("setting", sa.Column("name", Text, primary_key=True), required("value", Json))

project_user = project_table(
    "project_user",
    required("user_id", Uuid),
    required("role"),
    optional("team"),
    sa.PrimaryKeyConstraint("project_id", "user_id"),
    sa.ForeignKeyConstraint(["project_id"], ["project.id"]),
    sa.ForeignKeyConstraint(["user_id"], ["users.id"]),
    sa.Index(None, "user_id"),
)

app_user = project_table(
    "app_user",
    required("id", Uuid),
    required("name"),
    optional("user_id", Uuid),
    required("token_hash", sa.LargeBinary),
    # The token once more, encrypted, so that the QR code can be shown again.
    required("token_sealed", sa.LargeBinary),
    required("created_at", Moment),
    optional("created_by", Uuid),
    optional("last_seen_at", Moment),
    optional("revoked_at", Moment),
    sa.PrimaryKeyConstraint("project_id", "id"),
    sa.UniqueConstraint("project_id", "token_hash"),
    sa.UniqueConstraint("project_id", "name"),
    sa.ForeignKeyConstraint(["project_id"], ["project.id"]),
    refers_to("project_user", "user_id"),
)
