"""What happens in the demonstration, as plain facts: what tablets send and what the office does, each at its time.

Knows no database and no HTTP. A plan depends on the number of cases, the seed and the day, and on nothing else.
"""
from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

BANGKOK = dt.timezone(dt.timedelta(hours=7))


@dataclass(frozen=True, slots=True)
class Change:
    """The entity that an instance creates or updates. `behind`: the tablet's list is so many versions old."""

    list: str
    id: str
    act: Literal["create", "update"] = "update"
    label: str = ""
    behind: int = 0
    # The intake form decides at run time, so it writes both acts as true or false.
    either: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture to be drawn: which answer names it, what it shows, and whether it comes with its instance."""

    name: str
    shows: Literal["bag", "receipt", "quote", "signature"]
    number: int
    comes: Literal["at once", "later", "never"] = "at once"


@dataclass(frozen=True, slots=True)
class Sending:
    """One instance from a tablet. `at` is when the door takes it; `edits` the instance that it replaces."""

    at: dt.datetime
    tablet: str
    form: str
    instance: str
    answers: Mapping[str, Any]
    change: Change
    pictures: tuple[Picture, ...] = ()
    edits: str | None = None


@dataclass(frozen=True, slots=True)
class Deed:
    """What a person does on the web. `about` is an instance, a survivor's id or a grant's entity, as `what` needs."""

    at: dt.datetime
    by: str
    what: Literal["approved", "has_issues", "rejected", "comment", "stage", "grant", "refuse", "pay", "remark", "look"]
    about: str
    text: str = ""
    # The day that it holds from, where that is not the day it is done on.
    since: dt.date | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole demonstration. `story` is the survivor whose case tells it, `steps` are in the order of time."""

    survivors: tuple[Any, ...]
    steps: tuple[Sending | Deed, ...]
    story: str
    errands: Mapping[str, Sending] = field(default_factory=dict)

    @property
    def sendings(self) -> tuple[Sending, ...]:
        return tuple(one for one in self.steps if isinstance(one, Sending))


def moment(day: dt.date, hour: int, minute: int = 0) -> dt.datetime:
    """A time of a day in Thailand."""
    return dt.datetime.combine(day, dt.time(hour, minute), BANGKOK)
