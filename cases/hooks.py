"""Hints that a server has something new. A hint is believed in one thing: that it is time to ask.

The address is a secret that is kept nowhere: it is made anew of the source's id by a keyed hash, like a letter's code.
Whoever learns it can make us ask a server that we ask anyway, once in a few seconds.
"""

from __future__ import annotations

import base64
import hmac
from uuid import UUID

import sqlalchemy as sa

from cases.projects import in_project
from cases.sources import waiting_lock
from cases.tablets import TokenUnknown, visitor
from store.jobs import READ_SOURCE, defer_once
from store.keys import Keyring
from store.opening import Store
from store.tables import project as project_table
from store.tables import source as source_table

# Many hints in a row are one run, which begins when the last of them may have been stored there.
PAUSE_SECONDS = 5
# The project's key, then the source's id, then the proof.
_KEY, _ID = 6, 22
_NONE = UUID(int=0)


def address(tx: sa.Connection, store: Store, project: UUID, source_id: UUID, kind: str = "kobo") -> str:
    """Where the server is to send its hints."""
    key = tx.execute(sa.select(project_table.c.key).where(project_table.c.id == project)).scalar_one()
    secret = key + _text(source_id.bytes) + _proof(store.keyring, project, source_id)
    return f"{store.settings.public_url.rstrip('/')}/hooks/{kind}/{secret}"


def hinted(store: Store, kind: str, secret: str) -> bool:
    """Ask for a run of the source that the secret names. False, as quickly, when it names none."""
    project, source_id = _named(store, secret)
    # What is wrong is found out at the end, so that a guess takes as long as the truth.
    genuine = hmac.compare_digest(_proof(store.keyring, project, source_id).encode(), secret[_KEY + _ID :].encode())
    with store.database.begin(in_project(project, "worker")) as tx:
        name = tx.scalar(
            sa.select(source_table.c.name).where(
                source_table.c.project_id == project,
                source_table.c.id == source_id,
                source_table.c.kind == kind,
                source_table.c.removed_at.is_(None),
            )
        )
        if not genuine or name is None:
            return False
        asked = {"project": str(project), "source": name}
        defer_once(tx, READ_SOURCE, waiting_lock(source_id), after=PAUSE_SECONDS, **asked)
        return True


def _named(store: Store, secret: str) -> tuple[UUID, UUID]:
    """The project and the source that a secret claims to be of; nil where it claims nothing."""
    try:
        project = visitor(store.database, store.keyring, secret).actor.project
        return project, UUID(bytes=base64.urlsafe_b64decode(secret[_KEY : _KEY + _ID] + "=="))
    except (TokenUnknown, ValueError):
        return _NONE, _NONE


def _proof(keyring: Keyring, project: UUID, source_id: UUID) -> str:
    return _text(keyring.hash("tokens", "hook", project.bytes, source_id.bytes)[:27])


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
