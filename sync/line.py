"""The connections to one server: asks it, and nobody else, and reads what it answers piece by piece.

Of a session it takes headers, certificates, proxies and the adapter, and asks through the pool of connections below:
what `requests` does beside that costs more than storing what came.
"""

from __future__ import annotations

import io
import time
from collections.abc import Mapping
from urllib.parse import urlencode, urljoin, urlsplit

import requests
import urllib3

_MEANT_ANYWAY = (("Accept", "*/*"), ("Connection", "keep-alive"))
# What `retries=False` means, made once.
_NO_RETRIES = urllib3.Retry.from_int(False)
# A whole answer is held in memory: a file that is larger stays at its server. Listings are read as streams.
MOST_BYTES = 128 * 1024 * 1024
_REDIRECTS = {301, 302, 303, 307, 308}


class Elsewhere(Exception):
    """The server sends us to another scheme or host, or round in circles."""


class TooMuch(Exception):
    """An answer that fills the memory."""


class Line:
    """Requests to the server at `base` (which ends with a slash), from several threads."""

    def __init__(self, session: requests.Session, base: str, timeout: urllib3.Timeout) -> None:
        self._session, self._base, self._timeout = session, base, timeout
        parts = urlsplit(base)
        self._server, self._folder = parts[:2], parts.path
        self._pool: urllib3.HTTPConnectionPool | None = None
        # What stands before a path on the wire: a proxy for plain HTTP wants the whole address.
        self._front = ""
        self._headers: dict[str, str] = {}
        self.signed()

    def signed(self) -> None:
        """The session's headers are others now. (Read once: merging its mapping at each request is slow.)"""
        given = ((name, str(value)) for name, value in self._session.headers.items())
        self._headers = dict(one for one in given if one not in _MEANT_ANYWAY)

    def ask(
        self, path: str, params: Mapping[str, str] | None, headers: Mapping[str, str] | None
    ) -> urllib3.BaseHTTPResponse:
        """The answer, its body not read yet. `path` is one of ours below `base`, or an address that the server gave.

        Follows only redirects that stay with the scheme and host that were dialled. Raises Elsewhere, or what urllib3
        raises.
        """
        given = path.startswith("/") or ":" in path.partition("/")[0]
        target = self._here(path) if given else f"{self._folder}{path}"
        if params:
            target += f"?{urlencode(params)}"
        for _ in range(4):
            response = self._asked(target, headers)
            if response.status not in _REDIRECTS:
                return response
            response.close()
            target = self._here(response.headers.get("Location", ""), behind=target)
        raise Elsewhere

    def _here(self, address: str, *, behind: str = "") -> str:
        """Path and query of an address at our server, seen from where it was given (`behind`). Raises Elsewhere."""
        try:
            parts = urlsplit(urljoin(urljoin(self._base, behind), address))
        except ValueError:
            raise Elsewhere from None
        if not address or parts[:2] != self._server:
            raise Elsewhere
        return f"{parts.path}{'?' if parts.query else ''}{parts.query}"

    def _asked(self, target: str, headers: Mapping[str, str] | None) -> urllib3.BaseHTTPResponse:
        pool = self._pool or self._opened()
        return pool.urlopen(
            "GET",
            self._front + target,
            headers=self._headers | dict(headers) if headers else self._headers,
            retries=_NO_RETRIES,
            redirect=False,
            timeout=self._timeout,
            preload_content=False,
            decode_content=False,
        )

    def _opened(self) -> urllib3.HTTPConnectionPool:
        """The pool of connections by the session's certificates and proxies."""
        request = requests.Request("GET", self._base).prepare()
        settings = self._session.merge_environment_settings(self._base, {}, True, None, None)
        adapter = self._session.get_adapter(self._base)
        assert isinstance(adapter, requests.adapters.HTTPAdapter)
        pool = adapter.get_connection_with_tls_context(
            request, settings["verify"], proxies=settings["proxies"], cert=settings["cert"]
        )
        if adapter.request_url(request, settings["proxies"]).startswith("http"):
            self._front = "://".join(self._server)
        self._pool = pool
        return pool


class Reader:
    """A body, read in pieces as they come; one that drips in too slowly ends with TimeoutError.

    Only waiting for the server counts: what is done with a million rows between two pieces may take its time.
    """

    def __init__(self, response: urllib3.BaseHTTPResponse, longest: float) -> None:
        self._raw, self._left = response, longest

    def read(self, size: int = -1) -> bytes:
        if size == 0:
            return b""
        return self._piece(size) if size > 0 else self.whole()

    def whole(self, most: int | None = None) -> bytes:
        """All of it. Raises TooMuch when it is more than so many bytes: at once, where the server says so first."""
        most = MOST_BYTES if most is None else most
        if (self._raw.length_remaining or 0) > most:
            raise TooMuch
        piece = self._piece(262_144)
        if len(piece) <= most and self._is_read():
            return piece
        # Its value is no copy: of a large file there is one in memory, not two.
        held = io.BytesIO()
        while piece:
            held.write(piece)
            if held.tell() > most:
                raise TooMuch
            piece = b"" if self._is_read() else self._piece(262_144)
        return held.getvalue()

    def _is_read(self) -> bool:
        """Whether it is known, without asking once more, that nothing will come."""
        return self._raw.length_remaining == 0 and "Content-Encoding" not in self._raw.headers

    def _piece(self, size: int) -> bytes:
        if self._left < 0:
            raise TimeoutError
        began = time.monotonic()
        piece = self._raw.read1(size, decode_content=True)
        self._left -= time.monotonic() - began
        # An answer that broke off must not look like a short one.
        if not piece and self._raw.length_remaining:
            raise urllib3.exceptions.IncompleteRead(0, self._raw.length_remaining)
        return piece
