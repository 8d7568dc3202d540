"""The faults that Namjai is put through, each by its name. Knows the list; what happens in each is its own module's."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from soak.scene import Scene

ALL = ("central", "kobo")
CENTRAL, KOBO = ("central",), ("kobo",)
Play = Callable[["Scene"], None]


@dataclass(frozen=True)
class Fault:
    """`servers` are those that it can befall, `quick` those for which every run of the tests tries it."""

    name: str
    play: Play
    servers: tuple[str, ...]
    quick: tuple[str, ...]


CATALOGUE: dict[str, Fault] = {}


def fault(name: str, *, on: tuple[str, ...] = ALL, quick: tuple[str, ...] = ()) -> Callable[[Play], Play]:
    """Put a fault into the catalogue. What it plays is followed by one ordinary reading, after which all must be well."""

    def keep(play: Play) -> Play:
        assert name not in CATALOGUE, name
        CATALOGUE[name] = Fault(name, play, on, quick)
        return play

    return keep


def cases(*, everything: bool, named: str = "", servers: tuple[str, ...] = ALL) -> Iterator[tuple[str, Fault]]:
    """(server, fault): all of them, or those that every run tries; with `named`, those whose name holds it."""
    from soak import faults_database, faults_inputs, faults_kills, faults_order, faults_upstream  # noqa: F401 they fill it

    for one in CATALOGUE.values():
        for server in one.servers:
            if server in servers and (named.lower() in f"{one.name} [{server}]".lower() if named else everything or server in one.quick):
                yield server, one
