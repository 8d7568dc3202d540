"""Opening the sources of a project: from a row and its encrypted credentials to a server that can be asked.

What is stored of them is written by `cases/sources`, which the pages use, too.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from cases.source_kinds import KINDS as DESCRIBED
from cases.sources import (
    EVERY_SECONDS,
    SourceAddressUnsafe,
    SourceKindUnknown,
    SourceNameTaken,
    SourceNameUnusable,
    SourceUnknown,
    add,
    at_its_place,
    checked_address,
    listed,
    named,
    remove,
)
from store.actor import NO_PROJECT, Actor
from store.opening import Store
from sync.source import Source

# Another kind of server is one more file, named in cases/source_kinds.
KINDS = {name: kind.opener for name, kind in DESCRIBED.items()}


def actor_of(project: UUID, source_id: UUID) -> Actor:
    """A source at work in its project."""
    return Actor("source", source_id, (project, NO_PROJECT), "all")


def opened(tx: sa.Connection, store: Store, row: sa.Row) -> Source:
    """The server of a source's row, ready to be asked. Raises KeyMissing when its credentials are gone."""
    key = store.keyring.record(tx, row.project_id, row.id)
    credentials = json.loads(key.decrypt("credentials", bytes(row.credentials or b"")))
    return open_kind(row.kind, row.name, row.url, row.options, credentials)


def open_kind(kind: str, name: str, url: str, options: Mapping[str, Any], credentials: Mapping[str, str]) -> Source:
    """A server that is not stored (yet): what a connection test asks. Raises SourceKindUnknown."""
    if kind not in KINDS:
        raise SourceKindUnknown(kind=kind[:20], known=", ".join(KINDS))
    module, _, function = KINDS[kind].partition(":")
    return getattr(importlib.import_module(module), function)(name, url, options, credentials)


__all__ = [
    "EVERY_SECONDS",
    "KINDS",
    "SourceAddressUnsafe",
    "SourceKindUnknown",
    "SourceNameTaken",
    "SourceNameUnusable",
    "SourceUnknown",
    "actor_of",
    "add",
    "at_its_place",
    "checked_address",
    "listed",
    "named",
    "open_kind",
    "opened",
    "remove",
]
