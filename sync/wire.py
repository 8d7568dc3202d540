"""Asking one server, carefully: deadlines for the whole answer, patience with a busy one, a session that is renewed.

Knows HTTP; knows no Central and no Kobo. What a server answers never gets into a problem or a log: it may be survivors'
data. The connections themselves, and that no other server is asked, are `sync/line`'s.
"""

from __future__ import annotations

import datetime as dt
import email.utils
import json
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3

from sync.line import MOST_BYTES, Elsewhere, Line, Reader, TooMuch
from sync.source import (
    SourceBrokeOff,
    SourceElsewhere,
    SourceForbidden,
    SourceNotThere,
    SourceProblem,
    SourceSignIn,
    SourceSlow,
    SourceTalksOtherwise,
    SourceTooLarge,
    SourceUnreachable,
)

_BUSY = {408, 423, 425, 429, 500, 502, 503, 504}
# How often what looks cut short is asked for.
_CUT_SHORT = 4
# There is no way to the server; all else that breaks, breaks while it answers.
_NO_WAY = (
    requests.exceptions.ConnectTimeout,
    requests.exceptions.ProxyError,
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ProxyError,
)
_SILENT = (TimeoutError, requests.exceptions.ReadTimeout, urllib3.exceptions.ReadTimeoutError)
_BROKEN = (requests.RequestException, urllib3.exceptions.HTTPError, OSError)
# A large answer may take longer than others: so many bytes a second are fast enough.
_FAST_ENOUGH = 50_000


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait, in seconds: for a connection, for the next byte, for a whole answer, for all tries of one."""

    connect: float = 10
    silence: float = 60
    answer: float = 300
    in_all: float = 600
    tries: int = 5
    first_pause: float = 0.5
    longest_pause: float = 60


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer: 200 or 304."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(default=b"", repr=False)

    @property
    def etag(self) -> str:
        return self.headers.get("ETag", "")

    @property
    def sent_at(self) -> dt.datetime | None:
        """The time on the server's clock, to the second; None where it does not say."""
        return _date(self.headers.get("Date", ""))


class _Again(Exception):
    """This try came to nothing; `problem` is what to say when no try is left, `after` what the server asked for."""

    def __init__(self, problem: SourceProblem, after: float | None = None) -> None:
        self.problem, self.after = problem, after


class Wire:
    """Reads from one server by one session, from several threads. `sign_in` renews the session after a 401."""

    def __init__(
        self,
        session: requests.Session,
        *,
        name: str,
        base: str,
        sign_in: Callable[[], None],
        patience: Patience | None = None,
    ) -> None:
        self._name, self._base, self._sign_in = name, base, sign_in
        self.patience = patience or Patience()
        timeout = urllib3.Timeout(connect=self.patience.connect, read=self.patience.silence)
        self._line = Line(session, base, timeout)
        self._signing = threading.Lock()
        self._signed = 0
        self.asked = 0

    @property
    def server(self) -> str:
        return urlsplit(self._base).netloc

    def problem(self, kind: type[SourceProblem], what: str = "") -> SourceProblem:
        """A problem of this server, with the facts that its sentence needs."""
        return kind(name=self._name, server=self.server, what=what)

    def get(
        self,
        path: str,
        what: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        or_none: bool = False,
        most: int | None = None,
    ) -> Answer | None:
        """The whole answer; None for 404 when that may be (`or_none`). Raises SourceProblem, SourceTooLarge for one of
        more than `most` bytes."""
        return self._patiently(lambda: self._whole(path, what, params, headers, or_none, most))

    def bytes(self, path: str, what: str) -> bytes:
        """The whole body of what must be there. Raises SourceProblem."""
        found = self.get(path, what)
        return found.body if found else b""

    def whole(self, path: str, what: str, complete: Callable[[Any], bool], *, or_none: bool = False) -> Answer | None:
        """The answer, asked for again while its body is not `complete`: something on the way may have cut it short.

        One that stays so is given as it is, for then it is what the server has. Raises SourceProblem.
        """
        found = self.get(path, what, or_none=or_none)
        for tried in range(1, _CUT_SHORT):
            if found is None or complete(found.body):
                break
            time.sleep(self.patience.first_pause * tried)
            found = self.get(path, what, or_none=or_none)
        return found

    def json(
        self,
        path: str,
        what: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        or_none: bool = False,
    ) -> Any:
        """The answer as JSON. Half an answer is asked for again. Raises SourceProblem."""

        def once() -> Any:
            found = self._whole(path, what, params, headers, or_none)
            if found is None:
                return None
            try:
                return json.loads(found.body)
            except ValueError:
                raise _Again(self.problem(SourceTalksOtherwise)) from None

        return self._patiently(once)

    def head_of(self, path: str, what: str, *, params: Mapping[str, str] | None = None, etag: str = "") -> Answer:
        """Only whether something changed since the ETag: 304, or 200 with the new ETag, whose body is not read."""

        def once() -> Answer:
            response = self._opened(path, what, params, {"If-None-Match": etag} if etag else None)
            if response is None:  # never: a 404 is a problem here
                raise self.problem(SourceNotThere, what)
            if response.status == 304:
                # Read to its end, though there is nothing, the connection stays.
                with self._translated():
                    Reader(response, self.patience.answer).read()
            response.close()
            return Answer(response.status, response.headers)

        return self._patiently(once)

    @contextmanager
    def stream(self, path: str, what: str, *, params: Mapping[str, str] | None = None) -> Iterator[Reader]:
        """The body as a file to read in pieces, however large. Raises SourceProblem, also while it is read."""
        response = self._patiently(lambda: self._opened(path, what, params, None))
        try:
            with self._translated():
                yield Reader(response, self.patience.in_all)
        except _Again as again:
            raise again.problem from None
        finally:
            response.close()

    def _whole(
        self,
        path: str,
        what: str,
        params: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
        or_none: bool,
        most: int | None = None,
    ) -> Answer | None:
        response = self._opened(path, what, params, headers, or_none)
        if response is None:
            return None
        try:
            with self._translated():
                longest = max(self.patience.answer, (response.length_remaining or 0) / _FAST_ENOUGH)
                body = Reader(response, longest).whole(most)
                return Answer(response.status, response.headers, body)
        finally:
            response.close()

    def _opened(
        self,
        path: str,
        what: str,
        params: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
        or_none: bool = False,
    ) -> urllib3.BaseHTTPResponse | None:
        """One request, its status judged, its body not read yet. Raises SourceProblem, or _Again."""
        signed = self._signed
        with self._translated():
            if not signed:
                self._sign_in_again(signed)
                signed = self._signed
            response = self._asked(path, params, headers)
            if response.status == 401:
                response.close()
                self._sign_in_again(signed)
                response = self._asked(path, params, headers)
        try:
            if self._judged(response, what, or_none):
                return response
        except BaseException:
            response.close()
            raise
        response.close()
        return None

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """What breaks on the way, as a problem that says nothing of what came."""
        try:
            yield
        except Elsewhere:
            raise self.problem(SourceElsewhere) from None
        except (requests.exceptions.SSLError, urllib3.exceptions.SSLError):
            raise self.problem(SourceUnreachable) from None
        except TooMuch:
            raise SourceTooLarge(name=self._name, most=MOST_BYTES // 1024 // 1024) from None
        except _NO_WAY:
            raise _Again(self.problem(SourceUnreachable)) from None
        except _SILENT:
            raise _Again(self.problem(SourceSlow)) from None
        except _BROKEN:
            raise _Again(self.problem(SourceBrokeOff)) from None

    def _asked(
        self, path: str, params: Mapping[str, str] | None, headers: Mapping[str, str] | None
    ) -> urllib3.BaseHTTPResponse:
        self.asked += 1
        return self._line.ask(path, params, headers)

    def _judged(self, response: urllib3.BaseHTTPResponse, what: str, or_none: bool) -> bool:
        status = response.status
        if status in (200, 304):
            if response.headers.get("Content-Type", "").lower().startswith("text/html"):
                raise self.problem(SourceTalksOtherwise)
            return True
        if status == 404 and or_none:
            return False
        if status in _BUSY:
            raise _Again(self.problem(SourceSlow), _seconds(response.headers.get("Retry-After")))
        if status == 401:
            raise self.problem(SourceSignIn)
        if status == 403:
            raise self.problem(SourceForbidden, what)
        raise self.problem(SourceNotThere if status in (404, 410) else SourceTalksOtherwise, what)

    def _sign_in_again(self, signed: int) -> None:
        """Renew the session once, however many threads found it ended."""
        with self._signing:
            if self._signed == signed:
                try:
                    self._sign_in()
                except (SourceSlow, SourceUnreachable) as problem:
                    raise _Again(problem) from None
                self._line.signed()
                self._signed += 1

    def _patiently(self, once: Callable[[], Any]) -> Any:
        patience, ends = self.patience, time.monotonic() + self.patience.in_all
        for tried in range(1, patience.tries + 1):
            try:
                return once()
            except _Again as again:
                pause = min(patience.first_pause * 2 ** (tried - 1), patience.longest_pause)
                pause *= random.uniform(0.5, 1.5)  # noqa: S311  only spreads the load
                if again.after is not None:
                    pause = max(pause, again.after)
                if tried == patience.tries or time.monotonic() + pause > ends:
                    raise again.problem from None
                time.sleep(pause)
        raise self.problem(SourceSlow)


def _seconds(text: str | None) -> float | None:
    """What Retry-After asks for: seconds, or a date."""
    if not text:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    moment = _date(text)
    return max(0.0, (moment - dt.datetime.now(dt.UTC)).total_seconds()) if moment else None


def _date(text: str) -> dt.datetime | None:
    """A date of HTTP's (RFC 9110, section 5.6.7)."""
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (TypeError, ValueError, OverflowError):
        return None
    # "-0000" says a time without a zone.
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
