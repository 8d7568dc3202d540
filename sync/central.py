"""ODK Central as a source. The only importer of pyodk, and the only place that knows Central's words.

OData says what changed, XML is the content (protocol.md, ODK Central). Times are the server's own throughout.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

import requests
from pyodk._utils.session import Adapter, Session
from pyodk.errors import PyODKError

from submissions.delivery import File
from sync.central_lists import CentralLists, understood
from sync.central_words import (
    is_edited,
    is_whole,
    mark_of,
    moment_of,
    newest,
    remarks_of,
    row_of,
    since_after,
    since_of,
    skiptoken,
    text_of,
)
from sync.listing import items
from sync.parallel import Hands
from sync.source import (
    OF_ONE,
    Account,
    Content,
    Cursor,
    FetchedFile,
    FormContent,
    KnownForm,
    Page,
    Remark,
    RemoteFile,
    RemoteForm,
    Row,
    SourceElsewhere,
    SourceFileElsewhere,
    SourceForbidden,
    SourceSignIn,
    SourceSlow,
    SourceTalksOtherwise,
    SourceUnreachable,
    VersionContent,
)
from sync.wire import Patience, Wire

# pyodk writes what a server answered into its log: that may be a survivor's answers.
logging.getLogger("pyodk").setLevel(logging.CRITICAL + 1)

CONNECTIONS = 4
# The first page is small, so that storing begins soon; while a server lists it sends nothing else over that connection.
PAGE_ROWS, NEXT_ROWS = 250, 500
_SYSTEM = {"$select": "__id,__system"}


class _Staying(Session):
    """pyodk's session, which follows no redirect: a redirected sign-in would carry the password elsewhere."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


class Central(CentralLists):
    """One project of a Central. See `Source` for what each method does."""

    kind = "central"
    keeps_entities = True

    def __init__(
        self,
        name: str,
        url: str,
        project: int,
        *,
        email: str,
        password: str,
        patience: Patience | None = None,
        connections: int = CONNECTIONS,
    ) -> None:
        self.name, self._project, self.connections = name, project, connections
        patience, self._hands = patience or Patience(), Hands(connections)
        self._session = _Staying(base_url=url, api_version="v1", username=email, password=password, cache_path=None)
        # pyodk would sign in by itself at any request, and raise what the server said; we do it where that is caught.
        self._auth, self._session.auth = self._session.auth, _as_it_is
        adapter = Adapter(
            timeout=(patience.connect, patience.silence), max_retries=0, pool_maxsize=connections + 2, blocksize=65536
        )
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)
        self._wire = Wire(
            self._session, name=name, base=self._session.base_url, sign_in=self._sign_in, patience=patience
        )

    # Who we are

    @understood
    def check(self) -> Account:
        found = self._wire.json(self._at(), f"project {self._project}")
        # Only then does it say how many submissions each has.
        forms = self._wire.json(self._at("forms"), "forms", headers={"X-Extended-Metadata": "true"})
        named = tuple(
            (one.get("name") or one["xmlFormId"], one.get("submissions")) for one in forms if one.get("publishedAt")
        )
        return Account(self._wire.server, str(found.get("name", "")), named)

    def close(self) -> None:
        """Sign out, so that no token of ours stays valid; whether that worked changes nothing."""
        self._hands.close()
        token = str(self._session.headers.get("Authorization", "")).removeprefix("Bearer ")
        if token:
            with suppress(requests.RequestException, OSError):
                self._session.delete(f"sessions/{quote(token, safe='')}", timeout=5, allow_redirects=False)
        self._session.close()

    def _sign_in(self) -> None:
        self._session.headers.pop("Authorization", None)
        try:
            self._auth.login()
        except PyODKError as error:
            status = getattr(error.args[1], "status_code", 0) if len(error.args) > 1 else 0
            if status in (400, 401, 403):
                raise self._wire.problem(SourceSignIn) from None
            if 300 <= status < 400:
                raise self._wire.problem(SourceElsewhere) from None
            raise self._wire.problem(SourceSlow if status >= 429 else SourceTalksOtherwise) from None
        except ValueError:
            raise self._wire.problem(SourceTalksOtherwise) from None
        except (requests.RequestException, OSError):
            raise self._wire.problem(SourceUnreachable) from None

    # Forms

    @understood
    def forms(self, known: Mapping[str, KnownForm] = MappingProxyType({})) -> Iterable[RemoteForm]:
        """Drafts are left out: they have no published version."""
        for one in self._wire.json(self._at("forms"), f"project {self._project}"):
            if one.get("publishedAt"):
                yield RemoteForm(
                    one["xmlFormId"],
                    one["xmlFormId"],
                    one.get("name") or one["xmlFormId"],
                    closed=one.get("state") == "closed",
                    mark="/".join(str(one.get(part)) for part in ("publishedAt", "version", "sha256", "state")),
                )

    @understood
    def versions_of(self, form: RemoteForm) -> tuple[str, ...]:
        found = self._wire.json(self._form(form, "versions"), f"form {form.remote}")
        published = sorted((one.get("publishedAt") or "", one.get("version") or "") for one in found)
        return tuple(dict.fromkeys(version for at, version in published if at))

    @understood
    def form_content(self, form: RemoteForm, version: str) -> FormContent:
        at = f"versions/{quote(version, safe='') or '___'}"
        xform = self._wire.bytes(self._form(form, f"{at}.xml"), f"form {form.remote}")
        media = {}
        for one in self._wire.json(self._form(form, f"{at}/attachments"), f"form {form.remote}"):
            # An entity list is no file; a file may still be missing at Central.
            if one.get("blobExists", one.get("exists")) and not one.get("datasetExists"):
                file = None
                # One that lies at another server is left out: that one must not have our token.
                with suppress(SourceElsewhere):
                    file = self._wire.get(
                        self._form(form, f"{at}/attachments/{quote(one['name'], safe='')}"),
                        f"file of {form.remote}",
                        or_none=True,
                    )
                if file:
                    media[one["name"]] = file.body
        return FormContent(xform, media)

    # What changed

    @understood
    def changes(self, form: RemoteForm, cursor: Cursor) -> Iterator[Page]:
        """One conditional request when nothing changed; else pages of everything at or after the last time seen,
        less the overlap. Half-read passes go on at their page."""
        path, what = self._odata(form), f"form {form.remote}"
        skip, etag, began = cursor.get("skip"), cursor.get("etag_now", ""), cursor.get("began", "")
        if not skip:
            probe = self._wire.head_of(path, what, params=_SYSTEM, etag=cursor.get("etag", ""))
            if probe.status == 304:
                return
            etag, began = probe.etag, text_of(probe.sent_at) if probe.sent_at else ""
        since, high, goes_on = cursor.get("since"), cursor.get("high") or cursor.get("since") or "", bool(skip)
        while True:
            try:
                found = self._wire.json(path, what, params=self._asking(since, skip))
            except SourceTalksOtherwise:
                if not goes_on:
                    raise
                # The row behind which the pass was to go on is gone: it begins anew.
                yield from self.changes(form, {name: cursor[name] for name in ("since", "etag") if name in cursor})
                return
            goes_on = False
            rows = tuple(row_of(one) for one in found["value"])
            high = max([high, *(newest(one["__system"]) for one in found["value"])])
            skip = skiptoken(found.get("@odata.nextLink"))
            if not skip:
                cursor = {"since": since_after(since, high, began), "etag": etag}
                yield Page(rows, cursor, self._count(path, what))
                return
            going_on = {**cursor, "skip": skip, "high": high, "etag_now": etag, "began": began}
            yield Page(rows, going_on, expected=found.get("@odata.count"))

    def _asking(self, since: str | None, skip: str | None) -> dict[str, str]:
        asked = {**_SYSTEM} | ({"$top": str(NEXT_ROWS)} if skip else {"$top": str(PAGE_ROWS), "$count": "true"})
        if since:
            mark = since_of(since)
            fields = ("submissionDate", "updatedAt", "deletedAt")
            asked["$filter"] = " or ".join(f"__system/{name} ge {mark}" for name in fields)
        return asked | ({"$skiptoken": skip} if skip else {})

    def _count(self, path: str, what: str) -> int:
        return self._wire.json(path, what, params={**_SYSTEM, "$top": "1", "$count": "true"})["@odata.count"]

    def census(self, form: RemoteForm) -> Iterator[Row]:
        what = f"form {form.remote}"
        asked = {**_SYSTEM, "$count": "true"}
        while True:
            with self._wire.stream(self._odata(form), what, params=asked) as body:
                rest = yield from items(body, row_of, lambda: self._wire.problem(SourceTalksOtherwise))
            skip = skiptoken(rest.get("@odata.nextLink"))
            if not skip:
                return
            asked = asked | {"$skiptoken": skip}

    def is_there(self, form: RemoteForm, remote_id: str) -> bool:
        return self._wire.json(self._submission(form, remote_id), f"form {form.remote}", or_none=True) is not None

    @understood
    def look(self, form: RemoteForm, remote_id: str) -> Row | None:
        """REST does not say how often it was edited: one version less than there are."""
        at, what = self._submission(form, remote_id), f"form {form.remote}"
        found = self._wire.json(at, what, or_none=True)
        versions = self._wire.json(f"{at}/versions", what, or_none=True) if found else None
        if not found or not versions:
            return None
        system = {
            "submissionDate": found["createdAt"],
            "edits": len(versions) - 1,
            "updatedAt": found.get("updatedAt"),
            "reviewState": found.get("reviewState"),
            "deviceId": found.get("deviceId"),
            "submitterId": found.get("submitterId"),
        }
        return row_of({"__id": remote_id, "__system": system})

    # Content

    def contents(self, form: RemoteForm, rows: Iterable[Row]) -> Iterator[Content]:
        return self._hands.each(lambda row: self._content(form, row), rows, lambda content: content.weight)

    def _content(self, form: RemoteForm, row: Row) -> Content:
        at = self._submission(form, row.remote_id)
        try:
            if not row.inline.get("edits"):
                xml = self._wire.whole(f"{at}.xml", f"form {form.remote}", is_whole, or_none=True)
                if xml is None:
                    return Content(row, gone=True)
                if not is_edited(xml.body):
                    versions = (VersionContent(xml.body, row.received_at, row.inline.get("deviceId")),)
                    return Content(row, versions, self._remarks(form, at) if row.review_mark else ())
            return self._edited(form, row, at)
        except OF_ONE as problem:
            return Content(row, problem=problem)
        except (KeyError, TypeError, ValueError, AttributeError):
            return Content(row, problem=self._wire.problem(SourceTalksOtherwise))

    def _edited(self, form: RemoteForm, row: Row, at: str) -> Content:
        """All versions. An edit since the listing has taken the review back: then the listing's word is too old."""
        listed = self._wire.json(f"{at}/versions", f"form {form.remote}", or_none=True)
        if listed and len(listed) != int(row.inline.get("edits") or 0) + 1:
            now = self.look(form, row.remote_id)
            # Its mark is that of what was listed: should it have been edited once more, it is asked for again.
            mark = mark_of(row.inline["submissionDate"], len(listed) - 1)
            row = replace(now, submitter=row.submitter, mark=mark) if now else row
        if not listed:
            return Content(row, gone=True)
        versions = [self._version(form, at, one) for one in sorted(listed, key=lambda one: one["createdAt"])]
        return Content(row, tuple(versions), self._remarks(form, at) if row.review_mark else ())

    def _version(self, form: RemoteForm, at: str, one: Mapping[str, Any]) -> VersionContent:
        address = f"{at}/versions/{quote(one['instanceId'], safe='')}.xml"
        found = self._wire.whole(address, f"form {form.remote}", is_whole)
        return VersionContent(found.body if found else b"", moment_of(one["createdAt"]), one.get("deviceId"))

    def _remarks(self, form: RemoteForm, at: str) -> tuple[Remark, ...]:
        """Comments, and the notes that people gave with a review state (Central keeps those in the audits)."""
        try:
            said = self._wire.json(f"{at}/comments", f"form {form.remote}", or_none=True) or []
            notes = self._wire.json(f"{at}/audits", f"form {form.remote}", or_none=True) or []
        except SourceForbidden:
            return ()
        return remarks_of(self.name, said, notes)

    @understood
    def files(self, form: RemoteForm, remote_id: str) -> tuple[RemoteFile, ...]:
        found = self._wire.json(self._submission(form, remote_id, "attachments"), f"form {form.remote}", or_none=True)
        return tuple(RemoteFile(one["name"], bool(one.get("exists"))) for one in found or ())

    def file(
        self, form: RemoteForm, remote_id: str, file: RemoteFile, tag: str = "", most: int | None = None
    ) -> FetchedFile | None:
        at = self._submission(form, remote_id, f"attachments/{quote(file.name, safe='')}")
        asked = {"If-None-Match": tag} if tag else None
        try:
            found = self._wire.get(at, f"file of {form.remote}", headers=asked, or_none=True, most=most)
        except SourceElsewhere:
            # Its files lie at another server, which must not have our token.
            raise self._wire.problem(SourceFileElsewhere) from None
        if found is None or found.status == 304:
            return None
        kind = found.headers.get("Content-Type", "application/octet-stream")
        return FetchedFile(File(file.name, found.body, kind), found.etag)

    # Addresses

    def _form(self, form: RemoteForm, rest: str) -> str:
        return f"{self._at('forms', form.remote)}/{rest}"

    def _odata(self, form: RemoteForm) -> str:
        return f"{self._at('forms', form.remote)}.svc/Submissions"

    def _submission(self, form: RemoteForm, remote_id: str, rest: str = "") -> str:
        return self._form(form, f"submissions/{quote(remote_id, safe='')}") + (f"/{rest}" if rest else "")


def open_source(name: str, url: str, options: Mapping[str, Any], credentials: Mapping[str, str]) -> Central:
    """A Central project from what was stored of it: options {"project", "connections" or absent}, credentials
    {"email", "password"}."""
    return Central(
        name,
        url,
        int(options["project"]),
        email=credentials["email"],
        password=credentials["password"],
        patience=Patience(**options.get("patience", {})),
        connections=int(options.get("connections", CONNECTIONS)),
    )


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """No credentials but the session's token: none from a .netrc either."""
    return request
