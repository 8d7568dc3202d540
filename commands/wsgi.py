"""What each web process of granian calls: one application over one open store."""
from __future__ import annotations

import os
import threading
import time
from contextlib import ExitStack

from flask import Flask

_held = ExitStack()


def application() -> Flask:
    """The application of this process. The database is started by whoever comes first."""
    from commands.opening import opened
    from web.app import create_app

    store = _held.enter_context(opened(pool_size=8, migrating=False))
    _leave_with(os.getppid())
    return create_app(store)


def _leave_with(parent: int) -> None:
    """A web process whose parent was killed must not go on serving an old version beside the new one."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()
