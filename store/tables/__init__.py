"""Every table, a module a subject. The migrations equal what stands here; a test proves it."""
from store.tables.audit import audit, audit_seal
from store.tables.base import APPEND_ONLY, PROJECT_TABLES, SCOPED_TABLES, metadata
from store.tables.cases import action, cases, comment, membership, rule_failure
from store.tables.entities import entity, entity_list, entity_version, list_field, list_row
from store.tables.exports import export
from store.tables.forms import form, form_attachment, form_version
from store.tables.grants import grant_counter, grants, letter, letter_counter
from store.tables.people import app_user, project, project_user, setting, throttle, user_session, users
from store.tables.programmes import program, wording
from store.tables.secrets import organisation_key, purpose_key, record_key
from store.tables.sources import (
    source,
    source_file,
    source_form,
    source_list,
    source_row,
    source_run,
    source_trial,
    submitter,
)
from store.tables.submissions import quarantine, submission, submission_attachment, submission_version

__all__ = [
    "APPEND_ONLY",
    "PROJECT_TABLES",
    "SCOPED_TABLES",
    "action",
    "app_user",
    "audit",
    "audit_seal",
    "cases",
    "comment",
    "entity",
    "entity_list",
    "entity_version",
    "export",
    "form",
    "form_attachment",
    "form_version",
    "grant_counter",
    "grants",
    "letter",
    "letter_counter",
    "list_field",
    "list_row",
    "membership",
    "metadata",
    "organisation_key",
    "program",
    "project",
    "project_user",
    "purpose_key",
    "quarantine",
    "record_key",
    "rule_failure",
    "setting",
    "source",
    "source_file",
    "source_form",
    "source_list",
    "source_row",
    "source_run",
    "source_trial",
    "submission",
    "submission_attachment",
    "submission_version",
    "submitter",
    "throttle",
    "user_session",
    "users",
    "wording",
]
