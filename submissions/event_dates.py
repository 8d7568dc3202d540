"""When it happened: the question that the programme names, else the start, else the receipt; fixed at receipt."""
from __future__ import annotations

import datetime as dt
import zoneinfo
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from submissions.receive import Arrival


@dataclass(frozen=True, slots=True)
class EventDate:
    """A day in the project's zone, and the text it was read from (None: the receipt)."""

    date: dt.date
    text: str | None


def event_of(arrival: Arrival) -> EventDate:
    """The day of the event that a delivery reports."""
    answers, path = arrival.read(), arrival.version.event_path
    zone = _zone(arrival.delivery.timezone)
    for text in (answers.values.get(path) if path else None, answers.metadata.get("start")):
        if isinstance(text, str) and (day := day_in(text, zone)):
            return EventDate(day, text)
    return EventDate(arrival.delivery.received_at.astimezone(zone).date(), None)


def day_in(text: str, zone: dt.tzinfo) -> dt.date | None:
    """The day that a date or dateTime as written falls on in a zone; None when it is neither.

    A dateTime without an offset is taken as local (XForms leaves it open).
    """
    try:
        if len(text) <= 10:
            return dt.date.fromisoformat(text)
        moment = dt.datetime.fromisoformat(text)
        return (moment.astimezone(zone) if moment.tzinfo else moment).date()
    except (ValueError, OverflowError):
        # The first and the last day of the calendar are none in another zone.
        return None


@lru_cache(maxsize=32)
def _zone(name: str) -> zoneinfo.ZoneInfo:
    return zoneinfo.ZoneInfo(name)
