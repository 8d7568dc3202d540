"""Keyset paging: a cursor names the last row that was seen, so that page 900 costs what page 2 costs."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

MOST_COUNTED = 1000


@dataclass(frozen=True, slots=True)
class Cursor:
    """After this row: its sorting value (None: it has none) and its id."""

    value: str | None
    id: UUID

    def text(self) -> str:
        return f"{self.value or ''}~{self.id.hex}"

    @property
    def day(self) -> dt.date | None:
        return dt.date.fromisoformat(self.value) if self.value else None

    @property
    def moment(self) -> dt.datetime:
        return dt.datetime.fromisoformat(self.value or "").astimezone(dt.UTC)


def cursor(text: str | None, *, kind: type = str) -> Cursor | None:
    """The cursor that an address carries; None where it carries none that makes sense."""
    value, mark, hexed = (text or "").rpartition("~")
    try:
        if not mark:
            return None
        found = Cursor(value or None, UUID(hex=hexed))
        if kind is dt.date and found.value:
            dt.date.fromisoformat(found.value)
        if kind is dt.datetime:
            assert found.moment
        return found
    except (ValueError, AssertionError):
        return None


def counted(n: int) -> int | str:
    """A count as it is shown: it stops at a thousand."""
    return f"{MOST_COUNTED:,}+" if n > MOST_COUNTED else n
