"""Asking a Kobo: its paths and pages, on one session with a token. Knows no forms and no rows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter

from sync.source import SourceSignIn, SourceTalksOtherwise
from sync.wire import Answer, Patience, Wire

PAGE = 1000
_LIST = 100


class _Session(requests.Session):
    """A session of one server, with a token in every request and no other credentials (none from a .netrc)."""

    def __init__(self, base: str, token: str) -> None:
        super().__init__()
        self._base = base
        self.headers["Authorization"] = f"Token {token}"
        self.auth = _as_it_is

    def request(self, method: Any, url: Any, *given: Any, **options: Any) -> requests.Response:
        return super().request(method, urljoin(self._base, url), *given, **options)


class KoboWire:
    """What of a Kobo is asked for, by several threads at a time. Raises SourceProblem."""

    def __init__(self, name: str, url: str, token: str, patience: Patience | None, connections: int) -> None:
        # Whatever page of Kobo somebody copied the address of.
        base = "{}://{}/api/v2/".format(*urlsplit(url)[:2])
        self._session = _Session(base, token)
        adapter = HTTPAdapter(max_retries=0, pool_maxsize=connections + 2)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)
        # A token cannot be renewed: after a 401 it is tried once more, and then it is wrong.
        self.wire = Wire(self._session, name=name, base=base, sign_in=lambda: None, patience=patience)
        if not (token.isascii() and token.isprintable()):
            raise self.wire.problem(SourceSignIn)

    def close(self) -> None:
        self._session.close()

    def one(self, path: str, what: str, *, params: Mapping[str, str] | None = None) -> dict[str, Any]:
        """A single thing as JSON."""
        return self._an_object(self.wire.json(path, what, params=params))

    def one_or_none(self, path: str, what: str, *, params: Mapping[str, str] | None = None) -> dict[str, Any] | None:
        """A single thing as JSON; None when it is not there."""
        found = self.wire.json(path, what, params=params, or_none=True)
        return None if found is None else self._an_object(found)

    def file(self, path: str, what: str, most: int | None = None) -> Answer | None:
        """A file's bytes; None when it is not there. Raises SourceTooLarge for more than `most`."""
        return self.wire.get(path, what, or_none=True, most=most)

    def listing(self, path: str, what: str, params: Mapping[str, str]) -> tuple[list[dict[str, Any]], int]:
        """One page of a listing: its items, and how many there are in all."""
        found = self.one(path, what, params=params)
        items, count = found.get("results"), found.get("count")
        if not isinstance(items, list) or not isinstance(count, int) or (count and not items and "start" not in params):
            raise self.wire.problem(SourceTalksOtherwise)
        return items, count

    def all_of(self, path: str, what: str, params: Mapping[str, str], size: int = _LIST) -> Iterator[dict[str, Any]]:
        """A listing that is read by `start`: of forms, versions, history."""
        start = 0
        while True:
            asked = {**params, "limit": str(size)} | ({"start": str(start)} if start else {})
            items, count = self.listing(path, what, asked)
            yield from items
            start += len(items)
            if not items or start >= count:
                return

    def rows(
        self, asset: str, after: int, fields: tuple[str, ...], limit: int = PAGE
    ) -> tuple[list[dict[str, Any]], bool]:
        """Submissions with a higher `_id`, in its order, and whether there are more. Nothing is skipped by deletion."""
        asked = {"format": "json", "limit": str(limit), "fields": json.dumps(list(fields)), **after_id(after)}
        items, count = self.listing(data(asset), f"form {asset}", asked)
        ids = [one["_id"] for one in items if isinstance(one.get("_id"), int)]
        if len(ids) < len(items) or ids != sorted(ids) or (ids and ids[0] <= after):
            # A server that knows no such query would be read in circles.
            raise self.wire.problem(SourceTalksOtherwise)
        return items, len(items) < count

    def count(self, asset: str) -> int:
        """How many submissions there are now."""
        asked = {"format": "json", "limit": "1", "fields": json.dumps(["_id"])}
        return self.listing(data(asset), f"form {asset}", asked)[1]

    def _an_object(self, found: Any) -> dict[str, Any]:
        if not isinstance(found, dict):
            raise self.wire.problem(SourceTalksOtherwise)
        return found


def after_id(after: int) -> dict[str, str]:
    """The part of a question that pages by `_id`: paging by number skips a row when one is deleted meanwhile."""
    return {"query": json.dumps({"_id": {"$gt": after}}), "sort": json.dumps({"_id": 1})}


def data(asset: str, rest: str = "") -> str:
    """The address of a form's submissions, or of one of them."""
    return at(asset, "data/") + (f"{quote(rest, safe=':')}/" if rest else "")


def at(asset: str, rest: str = "") -> str:
    return f"assets/{quote(asset, safe='')}/{rest}"


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request
