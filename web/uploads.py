"""Requests whose files stay in memory. Werkzeug would lay anything above 500 kB on the disk in plain text."""
from __future__ import annotations

from io import BytesIO
from typing import IO

from flask import Request

# One POST of Collect is about 10 MB; a single longer film comes alone.
MOST_BYTES = 40_000_000


class InMemoryRequest(Request):
    """A request that never touches the temporary folder and refuses what is larger than it may hold."""

    max_content_length = MOST_BYTES
    max_form_memory_size = 2_000_000
    max_form_parts = 500

    def _get_file_stream(self, *_: object, **__: object) -> IO[bytes]:
        return BytesIO()
