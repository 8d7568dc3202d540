"""When something is due, and how pressing that is. Pure."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Literal

WEEK = dt.timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Due:
    """A day by which something should happen."""

    on: dt.date
    kind: Literal["over", "week", "later"]
    days_over: int = 0


def due(on: dt.date | None, today: dt.date) -> Due | None:
    """How pressing a day is, seen from today."""
    if on is None:
        return None
    if on < today:
        return Due(on, "over", (today - on).days)
    return Due(on, "week" if on <= today + WEEK else "later")
