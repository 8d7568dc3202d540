"""What must hold after every fault, as checks: I1 to I8 of reliability. Each reads the database itself, as it lies there.

A check raises AssertionError with what is wrong, never with what a person wrote.
"""
from __future__ import annotations

import json
import time
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from namjai.settings import ROOT
from store import tables
from store.actor import Actor
from store.audit import verify
from store.opening import Store

# Given 201 or listed by a source: (form, root instance) → instance → XML.
Held = Mapping[tuple[str, str], Mapping[str, bytes]]
# What a source's cursor says was read: (its form, cursor) → (remote id, mark, or "" where any will do).
Behind = Callable[[dict, str], Iterable[tuple[str, str]]]


@dataclass
class Evidence:
    """What a check needs beside the database. `said`: all that was logged, printed, answered as an error, and every
    problem's sentence. `folders`: where nothing may lie in plain text. `secrets`: what would betray a person there.
    """

    held: Held = field(default_factory=dict)
    behind: Behind | None = None
    said: list[str] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    secrets: tuple[str, ...] = ()


def check_all(store: Store, actor: Actor, evidence: Evidence) -> None:
    """I1 to I5, I7 and I8 as things lie now; I6 is `recovers`."""
    with store.database.begin(actor) as tx:
        nothing_lost(tx, store, actor, evidence.held)
        nothing_doubled(tx, actor)
        nothing_half(tx, store, actor)
        the_audit_verifies(tx, store)
        no_cursor_is_ahead(tx, actor, evidence.behind)
        approvals_hold(tx, actor)
        nothing_personal(tx, evidence)


def nothing_lost(tx: sa.Connection, store: Store, actor: Actor, held: Held) -> None:
    """I1: every version that somebody holds to be here is here, byte for byte, or lies in quarantine."""
    versions = tables.submission_version
    rows = tx.execute(sa.select(
        versions.c.xml_form_id, versions.c.instance_id, versions.c.submission_id, versions.c.raw, tables.submission.c.root_instance_id,
    ).join(tables.submission, tables.submission.c.id == versions.c.submission_id).where(versions.c.project_id == actor.project))
    stored = {(row.xml_form_id, row.instance_id): row for row in rows}
    kept = set(tx.scalars(sa.select(tables.quarantine.c.instance_id).where(tables.quarantine.c.project_id == actor.project)))
    keys = store.keyring.records(tx, actor.project, list({row.submission_id for row in stored.values()}))
    for (form, root), wanted in held.items():
        for instance, xml in wanted.items():
            row = stored.get((form, instance))
            if row is None:
                assert instance in kept, f"I1: a version of {form} {root} is neither stored nor in quarantine"
                continue
            assert row.root_instance_id == root, f"I1: a version of {form} {root} belongs to another submission"
            raw = keys[row.submission_id].decrypt(f"raw:{instance}", bytes(row.raw))
            # A server that rewrites what it is sent: b"" says only that there is one.
            assert raw == xml or not xml, f"I1: the XML of a version of {form} {root} is another"


def nothing_doubled(tx: sa.Connection, actor: Actor) -> None:
    """I2: one submission, one case, one ledger line, one number; and numbers without a gap."""
    once = {
        "submission": ("xml_form_id", "root_instance_id"), "submission_version": ("xml_form_id", "instance_id"),
        "cases": ("list", "entity"), "grants": ("list", "entity"), "letter": ("number",), "entity": ("list", "uuid"),
        "source_row": ("source_id", "remote", "remote_id"), "membership": ("case_id", "submission_id"), "quarantine": ("digest",),
    }
    for name, columns in once.items():
        assert _doubled(tx, actor, name, columns) == 0, f"I2: {name} has a {', '.join(columns)} twice"
    assert _doubled(tx, actor, "grants", ("number",)) == 0, "I2: two grants have one number"
    # Two submissions that claim the same place on a server would be the same one.
    here = (tables.source_row.c.project_id == actor.project, tables.source_row.c.submission_id.is_not(None))
    twice = sa.select(tables.source_row.c.submission_id).where(*here).group_by(
        tables.source_row.c.submission_id, tables.source_row.c.source_id).having(sa.func.count(sa.distinct(tables.source_row.c.root_instance_id)) > 1)
    assert tx.execute(twice).all() == [], "I2: one submission stands for two of a server's"
    for table, counter, keys in ((tables.letter, tables.letter_counter, ("series",)), (tables.grants, tables.grant_counter, ())):
        total = tx.scalar(sa.select(sa.func.count()).select_from(table).where(table.c.project_id == actor.project))
        allotted = tx.scalar(sa.select(sa.func.coalesce(sa.func.sum(counter.c.last), 0)).where(counter.c.project_id == actor.project))
        assert total == allotted, f"I2: {table.name} holds {total}, and {allotted} numbers were allotted {keys}"


def nothing_half(tx: sa.Connection, store: Store, actor: Actor) -> None:
    """I3: a submission has its answers, readable; its current version; its audit event. A file is expected, partial,
    missing, or verified: there, and of the hash that was noted."""
    subs = tx.execute(sa.select(tables.submission).where(tables.submission.c.project_id == actor.project)).all()
    keys = store.keyring.records(tx, actor.project, [row.id for row in subs])
    versions = set(tx.execute(sa.select(tables.submission_version.c.submission_id, tables.submission_version.c.instance_id)).tuples())
    audited = set(tx.scalars(sa.select(tables.audit.c.subject_id).where(
        tables.audit.c.project_id == actor.project, tables.audit.c.verb.in_(("submission.new", "submission.edited", "submission.original")))))
    secret = tx.execute(sa.select(tables.form_version.c.xml_form_id, tables.form_version.c.version)).all()
    assert not subs or secret, "I3: submissions without a form"
    for row in subs:
        assert (row.id, row.instance_id) in versions, f"I3: {row.id} lacks its current version"
        assert row.id in audited, f"I3: {row.id} has no audit event"
        assert row.id in keys, f"I3: {row.id} has no key"
        for name in ("sensitive", "identifying", "restricted"):
            if (ciphertext := getattr(row, name)) is not None:
                assert isinstance(json.loads(keys[row.id].decrypt(name, bytes(ciphertext))), dict), f"I3: {row.id} {name}"
    for row in tx.execute(sa.select(tables.submission_attachment).where(tables.submission_attachment.c.project_id == actor.project)):
        assert row.state in ("expected", "partial", "verified", "missing"), f"I3: a file of {row.submission_id} is {row.state}"
        assert (row.blob is not None) == (row.state == "verified"), f"I3: a file of {row.submission_id} is {row.state}"
        if row.blob is not None:
            content = keys[row.submission_id].decrypt(f"file:{row.name}", store.blobs.get(row.blob))
            digest = store.keyring.hash("digest", "file", str(actor.project), content)
            assert (digest, len(content)) == (bytes(row.digest), row.size), f"I3: a file of {row.submission_id} is another"


def the_audit_verifies(tx: sa.Connection, store: Store) -> None:
    """I4: no row of the audit was changed or taken away, and its chain holds."""
    found = verify(tx, store.keyring)
    assert found.faults == (), f"I4: {found.faults[:3]}"
    assert found.rows > 0, "I4: nothing was recorded at all"


def no_cursor_is_ahead(tx: sa.Connection, actor: Actor, behind: Behind | None = None) -> None:
    """I5: what a cursor leaves behind is stored, or waits with its reason; and the counts are those of the rows."""
    rows: dict[str, dict[str, Any]] = {}
    for row in tx.execute(sa.select(tables.source_row).where(tables.source_row.c.project_id == actor.project)):
        rows.setdefault(row.remote, {})[row.remote_id] = row
    for form in tx.execute(sa.select(tables.source_form).where(tables.source_form.c.project_id == actor.project)):
        mine = rows.get(form.remote, {})
        live = sum(row.deleted_at is None for row in mine.values())
        assert form.live == live, f"I5: {form.xml_form_id} counts {form.live} and has {live}"
        for row in mine.values():
            settled = row.submission_id or row.quarantine_id or row.problem or row.deleted_at
            assert settled, f"I5: a row of {form.xml_form_id} is neither stored nor waiting"
        for remote_id, mark in behind(form.cursor, form.xml_form_id) if behind else ():
            row = mine.get(remote_id)
            assert row is not None, f"I5: the cursor of {form.xml_form_id} is ahead of a row that is not here"
            assert row.mark in (mark, None) or not mark or row.deleted_at, f"I5: the cursor of {form.xml_form_id} is ahead of an edit"
            assert row.mark is not None or row.problem or row.deleted_at, f"I5: the cursor of {form.xml_form_id} passed a row that nobody asks for"


def recovers(once: Callable[[], Any], is_well: Callable[[], bool], *, within: float = 60) -> float:
    """I6: doing it again by itself, as the worker does, is all it takes. Gives the seconds until all was well."""
    begun = time.monotonic()
    while time.monotonic() - begun < within:
        once()
        if is_well():
            return time.monotonic() - begun
    raise AssertionError(f"I6: nothing was well again within {within:.0f} s")


def nothing_personal(tx: sa.Connection, evidence: Evidence) -> None:
    """I7: no secret stands in a log, a sentence, a column that is not encrypted, a file's name or a file."""
    for secret in evidence.secrets:
        for number, text in enumerate(evidence.said):
            assert secret not in text, f"I7: text {number} of what was said holds what is personal"
        _nowhere_in_columns(tx, secret)
        wanted = [secret.encode(), json.dumps(secret).strip('"').encode()]
        for folder in evidence.folders:
            for path in folder.rglob("*"):
                assert secret not in path.name, f"I7: the name of a file below {folder.name} is personal"
                assert not _holds(path, wanted), f"I7: a file below {folder.name}/{path.parent.name} is personal"


def approvals_hold(tx: sa.Connection, actor: Actor) -> None:
    """I8: no grant counts as approved with fewer approvers than its rule wants: one, who is not who asked, of a role
    that may approve so much, for exactly what is asked now; and the audit says so."""
    limits = tomllib.loads((ROOT / "forms" / "aftercare" / "program.toml").read_text())["grants"]["limits"]
    roles = dict(tx.execute(sa.select(tables.project_user.c.user_id, tables.project_user.c.role).where(
        tables.project_user.c.project_id == actor.project)).tuples().all())
    for grant in tx.execute(sa.select(tables.grants).where(
        tables.grants.c.project_id == actor.project, tables.grants.c.state.in_(("approved", "paid", "receipted")))):
        may = [set(one["roles"]) for one in limits if grant.amount <= one["up_to"]]
        if not may:
            raise AssertionError(f"I8: {grant.number} is above what anybody may approve")
        approvers = {grant.approved_by} - {None, grant.requested_by}
        assert len(approvers) >= 1, f"I8: {grant.number} has no approver of its own"
        assert roles.get(grant.approved_by) in set().union(*may), f"I8: the approver of {grant.number} may not approve so much"
        assert bytes(grant.approved_content) == bytes(grant.content), f"I8: {grant.number} says something else than what was approved"
        said = sa.select(tables.audit.c.actor_id).where(tables.audit.c.subject_id == grant.id, tables.audit.c.verb == "grant.approved")
        assert grant.approved_by in set(tx.scalars(said)), f"I8: the audit knows no approval of {grant.number}"


def _doubled(tx: sa.Connection, actor: Actor, name: str, columns: tuple[str, ...]) -> int:
    table = getattr(tables, name)
    group = [table.c[one] for one in columns]
    twice = sa.select(*group).where(table.c.project_id == actor.project).group_by(*group).having(sa.func.count() > 1)
    return len(tx.execute(twice).all())


def _nowhere_in_columns(tx: sa.Connection, secret: str) -> None:
    found = tx.execute(sa.text(
        "SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
        " WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND has_table_privilege(c.oid, 'SELECT')"
        " AND a.atttypid IN ('text'::regtype, 'jsonb'::regtype, 'json'::regtype, 'varchar'::regtype)"
    )).tuples().all()
    assert len(found) > 50, "I7: the columns are not to be seen"
    by_table: dict[str, list[str]] = {}
    for table, column in found:
        by_table.setdefault(table, []).append(column)
    for table, columns in by_table.items():
        either = " OR ".join(f'position(:secret in "{one}"::text) > 0' for one in columns)
        count = tx.scalar(sa.text(f'SELECT count(*) FROM "{table}" WHERE {either}'), {"secret": secret})
        assert count == 0, f"I7: {table} holds what is personal in plain text ({', '.join(columns)})"


def _holds(path: Path, wanted: list[bytes]) -> bool:
    try:
        content = path.read_bytes() if path.is_file() else b""
    except OSError:
        return False  # gone meanwhile, or not ours to read
    return any(one in content for one in wanted)
