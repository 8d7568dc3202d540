"""Files of answers that somebody asked for: what, why, how far it is, and where its pieces lie until they expire."""
import sqlalchemy as sa

from store.tables.base import Json, Moment, Uuid, optional, project_table, refers_to, required

EXPORT_STATES = ("waiting", "running", "ready", "failed", "expired")

export = project_table(
    "export",
    required("id", Uuid),
    required("xml_form_id"),
    # Style, format, language of the labels, select_multiple, profile: as `cases.export_requests.Wish` writes them.
    required("wish", Json),
    # Why: in the asker's own words, so a ciphertext under the export's record key.
    required("purpose", sa.LargeBinary),
    required("asked_by", Uuid),
    required("asked_at", Moment),
    required("state"),
    required("done", sa.BigInteger),
    optional("total", sa.BigInteger),
    optional("seen_at", Moment),
    optional("finished_at", Moment),
    optional("expires_at", Moment),
    # The file is in pieces, each a blob encrypted under the record key: [address, …] in their order.
    required("pieces", Json),
    optional("size", sa.BigInteger),
    optional("problem"),
    sa.PrimaryKeyConstraint("project_id", "id"),
    refers_to("form", "xml_form_id"),
    sa.CheckConstraint("state IN ('waiting', 'running', 'ready', 'failed', 'expired')", name="state"),
    sa.Index(None, "project_id", "xml_form_id", "asked_at"),
    sa.Index(None, "project_id", "state", "expires_at"),
)
