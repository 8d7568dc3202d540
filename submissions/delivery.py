"""What knocks at the door, and what changed because of it. Facts only."""
from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from odk.answers import Answers


@dataclass(frozen=True, slots=True)
class File:
    """One file that came with an instance: its bytes are plain and in memory only."""

    name: str
    content: bytes = field(repr=False)
    content_type: str = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Delivery:
    """An instance as it came: from a tablet, a source, an archive. `received_at` has a zone."""

    xml: bytes = field(repr=False)
    received_at: dt.datetime
    source: str = "tablets"
    files: tuple[File, ...] = field(default=(), repr=False)
    app_user_id: UUID | None = None
    # The person behind it: whose tablet it is, or who filled the form on the web; and their team.
    user_id: UUID | None = None
    team: str | None = None
    device_id: str | None = None
    timezone: str = "Asia/Bangkok"
    # It comes from a server that knows no entities: what our own version of the form declares is applied.
    declares: bool = False


class Outcome(StrEnum):
    NEW = "new"
    SAME = "same"
    CONTINUED = "continued"
    EDITED = "edited"
    # The original of an edit that came before it.
    ORIGINAL = "original"


@dataclass(frozen=True, slots=True)
class EntityChange:
    """One entity as a delivery left it. `before` is None when it was not known, `changed` names the properties."""

    list: str
    uuid: UUID
    version: int
    act: str
    label: str
    data: dict
    before: dict | None
    stale: bool
    case_id: UUID | None

    @property
    def changed(self) -> tuple[str, ...]:
        before = self.before or {}
        return tuple(name for name in self.data if self.data.get(name) != before.get(name))


@dataclass(frozen=True, slots=True)
class Changes:
    """What `receive` did. `current` says whether this delivery's answers are now those of the submission."""

    outcome: Outcome
    project: UUID
    submission_id: UUID
    xml_form_id: str
    instance_id: str
    current: bool = False
    event_date: dt.date | None = None
    answers: Answers | None = None
    entities: tuple[EntityChange, ...] = ()
    cases: tuple[UUID, ...] = ()
    files: int = 0
