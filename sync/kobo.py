"""KoboToolbox as a source. With the modules kobo_* beside it, the only place that knows Kobo's words.

Keyset pages of light JSON say what is there, the project's history says what changed, XML is the content (protocol.md,
KoboToolbox). Times are the server's own throughout.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from uuid import UUID

from submissions.entity_feed import RemoteEntity
from sync.kobo_content import KoboContent
from sync.kobo_forms import title_of
from sync.kobo_wire import KoboWire
from sync.source import Account, Cursor, EntityPage, RemoteList
from sync.wire import Patience

CONNECTIONS = 4


class Kobo(KoboContent):
    """The projects of one account of a KoboToolbox. See `Source` for what each method does."""

    kind = "kobo"
    keeps_entities = False

    def __init__(
        self,
        name: str,
        url: str,
        *,
        token: str,
        only: Iterable[str] | None = None,
        patience: Patience | None = None,
        connections: int = CONNECTIONS,
    ) -> None:
        self.name = name
        super().__init__(KoboWire(name, url, token, patience, connections), only, connections)

    def check(self) -> Account:
        me = self._kobo.one("/me/", "account")
        shown = [one for one in self._deployed() if self._is_wanted(one)]
        named = tuple((title_of(one), one.get("deployment__submission_count")) for one in shown)
        return Account(self._kobo.wire.server, str(me.get("username") or ""), named)

    def close(self) -> None:
        self._hands.close()
        self._kobo.close()

    # Entity lists: Kobo keeps none

    def lists(self) -> tuple[RemoteList, ...]:
        return ()

    def entity_changes(self, name: str, cursor: Cursor) -> Iterator[EntityPage]:
        return iter(())

    def entity_census(self, name: str) -> Iterator[tuple[UUID, int, str | None]]:
        return iter(())

    def entities(self, name: str, uuids: Iterable[UUID]) -> Iterator[RemoteEntity]:
        return iter(())


def open_source(name: str, url: str, options: Mapping[str, Any], credentials: Mapping[str, str]) -> Kobo:
    """A Kobo account from what was stored of it: options {"forms": [uid, …] or absent}, credentials {"token"}."""
    return Kobo(
        name,
        url,
        token=credentials["token"],
        only=options.get("forms"),
        patience=Patience(**options.get("patience", {})),
    )
