"""The file that a command writes: it appears under its name when it is complete, and not before.

Knows folders; knows no form. Made without a name where the system can, so that a killed process leaves nothing behind.
"""
from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from exports.spool import FULL
from namjai.problems import Problem, StorageFull


class TargetUnusable(Problem):
    code, http_status, exit_status = "export-target-unusable", 400, 1
    en = "{file} cannot be written: {why}. Choose another place with --out; nothing was made."
    th = "เขียนไฟล์ {file} ไม่ได้: {why} เลือกที่อื่นด้วย --out ยังไม่ได้ทำไฟล์"


@contextmanager
def complete(path: Path) -> Iterator[BinaryIO]:
    """A file to write into, readable by its owner alone. It replaces `path` when the block ends well.

    Raises TargetUnusable, StorageFull.
    """
    beside = path.parent / f".{path.name[:100]}.{secrets.token_hex(6)}"
    try:
        descriptor, named = _opened(beside)
    except OSError as error:
        raise TargetUnusable(file=path, why=_why(error)) from error
    try:
        with os.fdopen(descriptor, "w+b") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
            if not named:
                _name(out, beside)
            os.replace(beside, path)
    except OSError as error:
        if error.errno in FULL:
            raise StorageFull() from error
        raise TargetUnusable(file=path, why=_why(error)) from error
    finally:
        with suppress(OSError):
            beside.unlink()


def _opened(beside: Path) -> tuple[int, bool]:
    """A descriptor, and whether the file has a name already."""
    if hasattr(os, "O_TMPFILE") and os.path.isdir("/proc/self/fd"):
        with suppress(OSError):
            return os.open(beside.parent, os.O_TMPFILE | os.O_RDWR, 0o600), False
    return os.open(beside, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600), True


def _name(out: BinaryIO, beside: Path) -> None:
    """Give the nameless file a name. Only with a folder's descriptor does Python follow the link under /proc."""
    folder = os.open(beside.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.link(f"/proc/self/fd/{out.fileno()}", beside.name, dst_dir_fd=folder, follow_symlinks=True)
    finally:
        os.close(folder)


def _why(error: OSError) -> str:
    return (error.strerror or "it is not a folder").lower()
