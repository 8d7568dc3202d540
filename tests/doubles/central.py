"""A Central on loopback, over TLS when it is asked to, that can be made to fail as servers and networks do.

What it answers is checked against the recordings by test_central_double; what it holds is a `World`.
"""
from __future__ import annotations

from email.utils import format_datetime
from pathlib import Path

from doubles.central_answers import Answers
from doubles.central_world import World
from doubles.server import Doubled, Fault, certificate, listen


def serve(world: World, *, tls: tuple[Path, Path] | None = None) -> Doubled:
    """Start a Central on a free port of loopback. `tls`: certificate and key."""
    double = listen(world, Answers(world), tls=tls)

    def shake(fault: Fault) -> None:
        if fault.kind == "unauthorized":
            double.answers.tokens.clear()

    double.shake = shake
    # Every answer, a broken one too, is dated by the world's clock.
    double.server.RequestHandlerClass.date_time_string = lambda *_: format_datetime(world.now, usegmt=True)
    return double


__all__ = ["Doubled", "Fault", "World", "certificate", "serve"]
