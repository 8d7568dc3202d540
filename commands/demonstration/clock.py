"""The clock of the story. The demonstration does in seconds what took a year; whoever asks for the time is told the
story's, so that letters, approvals and receipts bear believable dates.

Used by `namjai demo` alone, in its own process, while it runs: the modules that carry out the plan ask `dt.datetime`
for the time as always, and for that while their `dt` is this one. Nothing else is changed, nothing stays.
"""
from __future__ import annotations

import datetime as real
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager

_FLOORS = ("store.audit", "submissions.", "cases.", "web.openrosa")


class Clock:
    """Tells the time that it was set to; the real one while it is set to none."""

    def __init__(self) -> None:
        self.moment: real.datetime | None = None

    def now(self, zone: real.tzinfo | None = None) -> real.datetime:
        moment = self.moment or real.datetime.now(real.UTC)
        return moment.astimezone(zone) if zone else moment.astimezone().replace(tzinfo=None)

    @contextmanager
    def kept(self) -> Iterator[Clock]:
        """While this is open, the floors below ask this clock; afterwards, whatever happens, their own."""
        told = _module_with(self)
        changed = [
            module for name, module in list(sys.modules.items())
            if name.startswith(_FLOORS) and getattr(module, "dt", None) is real
        ]
        try:
            for module in changed:
                module.dt = told  # type: ignore[attr-defined]
            yield self
        finally:
            for module in changed:
                module.dt = real  # type: ignore[attr-defined]


def _module_with(clock: Clock) -> types.ModuleType:
    class Likeness(type):
        """Real moments are instances of the stand-in, too: nobody notices which class they were made by."""

        def __instancecheck__(cls, thing: object) -> bool:
            return isinstance(thing, cls.__mro__[1])

    class Moment(real.datetime, metaclass=Likeness):
        def __new__(cls, *parts: object, **more: object) -> real.datetime:  # type: ignore[misc]
            return real.datetime(*parts, **more)  # type: ignore[arg-type]

        @classmethod
        def now(cls, tz: real.tzinfo | None = None) -> real.datetime:  # type: ignore[override]
            return clock.now(tz)

        @classmethod
        def combine(cls, *parts: object, **more: object) -> real.datetime:  # type: ignore[override]
            return real.datetime.combine(*parts, **more)  # type: ignore[arg-type]

    class Day(real.date, metaclass=Likeness):
        def __new__(cls, *parts: object) -> real.date:  # type: ignore[misc]
            return real.date(*parts)  # type: ignore[arg-type]

        @classmethod
        def today(cls) -> real.date:  # type: ignore[override]
            return clock.now().date()

    told = types.ModuleType("datetime")
    told.__dict__.update({name: value for name, value in vars(real).items() if not name.startswith("__")})
    told.datetime, told.date = Moment, Day  # type: ignore[attr-defined]
    return told
