"""What a Kobo's submissions hold: XML, a hundred at a time where rows lie together, and their files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from lxml import etree

from namjai.problems import Problem
from odk import xml as safe
from submissions.delivery import File
from sync import kobo_instances as instances
from sync.kobo_changes import KoboChanges
from sync.kobo_wire import KoboWire, after_id, data
from sync.kobo_words import Place, files_of, is_uuid, named_in, uploads_of
from sync.parallel import Flat, Hands
from sync.source import (
    OF_ONE,
    Content,
    FetchedFile,
    RemoteFile,
    RemoteForm,
    Row,
    SourceElsewhere,
    SourceFileElsewhere,
    SourceNotThere,
    SourceProblem,
    SourceSlow,
    SourceTalksOtherwise,
    VersionContent,
)

_AT_ONCE = 100
# Asking for rows that are not needed is cheaper than asking for each one, up to so many times as many.
_WIDEST = 4
_MOST_REMEMBERED = 20_000
_TRIES = 3


class KoboContent(KoboChanges):
    """The part of `Kobo` that hands out content and files."""

    def __init__(self, kobo: KoboWire, only: Iterable[str] | None, connections: int) -> None:
        super().__init__(kobo, only, connections)
        self._hands = Hands(connections)
        self._versions: dict[str, tuple[str, ...]] = {}
        self._uploads: dict[tuple[str, str], frozenset[str]] = {}
        self._complete: dict[tuple[str, str], tuple[RemoteFile, ...]] = {}

    def contents(self, form: RemoteForm, rows: Iterable[Row]) -> Iterator[Content]:
        parts = list(_parts(sorted(rows, key=lambda row: row.inline.id)))
        return Flat(self._hands.each(lambda some: self._contents_of(form, some), parts, _weight))

    def _contents_of(self, form: RemoteForm, rows: list[Row]) -> list[Content]:
        try:
            here = self._bulk(form, rows) if len(rows) > 1 else {}
        except SourceSlow as problem:
            # Each one by itself would be waited for as long.
            return [Content(row, problem=problem) for row in rows]
        return [self._content(form, row, here.get(_current(row))) for row in rows]

    def _bulk(self, form: RemoteForm, rows: list[Row]) -> dict[str, etree._Element]:
        """The instances of rows that lie together, as far as one answer has them."""
        first, last = rows[0].inline, rows[-1].inline
        asked = {"format": "xml", "limit": str(last.position - first.position + 1), **after_id(first.id - 1)}
        try:
            found = self._kobo.wire.get(data(form.remote), f"form {form.remote}", params=asked)
            return instances.of_listing(found.body) if found is not None else {}
        except SourceTalksOtherwise:
            return {}
        except SourceProblem:
            raise
        except Problem:
            # No XML, or more of it than is read at once: each one is asked for by itself.
            return {}

    def _content(self, form: RemoteForm, row: Row, found: etree._Element | None) -> Content:
        try:
            if found is None:
                found = self._single(form, row)
                if found is None:
                    return Content(row, gone=True)
            return self._read(form, row, found)
        except OF_ONE as problem:
            return Content(row, problem=problem)

    def _single(self, form: RemoteForm, row: Row) -> etree._Element | None:
        """One instance; None when it is deleted. Kobo has read it itself: what is no XML broke on the way."""
        for _ in range(_TRIES):
            found = self._kobo.wire.get(
                data(form.remote, str(row.inline.id)), f"form {form.remote}", params={"format": "xml"}, or_none=True
            )
            try:
                return None if found is None else safe.parse(found.body)
            except Problem:
                continue
        raise self._kobo.wire.problem(SourceTalksOtherwise)

    def _read(self, form: RemoteForm, row: Row, root: etree._Element) -> Content:
        place: Place = row.inline
        version = self._version_of(form, instances.version_in(root))
        named = instances.names_in(root, self._uploads_of(form.remote, version))
        if place.attachments is not None:
            files = files_of(named, place.attachments)
            if files and all(one.exists for one in files) and len(self._complete) < _MOST_REMEMBERED:
                self._complete[form.remote, row.remote_id] = files
        expected = None if root.get("encrypted") == "yes" else len(named)
        xml = instances.instance(root, form.xml_form_id, version, row.root_instance_id)
        versions = (VersionContent(xml, place.edited_at or row.received_at),)
        return Content(replace(row, files_expected=expected), versions)

    def _version_of(self, form: RemoteForm, said: str) -> str:
        """The version that an instance was filled with; the newest where Kobo knows none of that name.

        Kobo takes a submission of any version, and one that says none.
        """
        newest = str(self._newest(form) or "")
        if said == newest or not said:
            return newest
        if form.remote not in self._versions:
            self._versions[form.remote] = self.versions_of(form)
        return said if said in self._versions[form.remote] else newest

    def _newest(self, form: RemoteForm) -> str | None:
        if form.remote not in self._listed:
            self._listed[form.remote] = self._detail(form.remote)
        return self._listed[form.remote].get("deployed_version_id")

    def _uploads_of(self, uid: str, version: str) -> frozenset[str]:
        if (uid, version) not in self._uploads:
            detail = self._details.get(uid)
            same = detail is not None and detail.get("version_id") == version
            try:
                content = detail["content"] if detail is not None and same else self._content_of(uid, version)
            except SourceNotThere:
                content = {}
            self._uploads[uid, version] = uploads_of(content)
        return self._uploads[uid, version]

    # Files

    def files(self, form: RemoteForm, remote_id: str) -> tuple[RemoteFile, ...]:
        known = self._complete.pop((form.remote, remote_id), None)
        if known is not None:
            return known
        found = self._row(form, remote_id)
        if found is None:
            return ()
        version = self._version_of(form, str(found.get("__version__") or ""))
        named = named_in(found, self._uploads_of(form.remote, version))
        return files_of(named, found.get("_attachments") or ())

    def file(
        self, form: RemoteForm, remote_id: str, file: RemoteFile, tag: str = "", most: int | None = None
    ) -> FetchedFile | None:
        """A replaced file has another uid: what has the same one is the same."""
        if tag and tag == file.tag:
            return None
        try:
            found = self._kobo.file(file.address, f"file of {form.remote}", most)
        except SourceElsewhere:
            # Its files lie at another server, which must not have our token.
            raise self._kobo.wire.problem(SourceFileElsewhere) from None
        if found is None:
            return None
        kind = found.headers.get("Content-Type", "application/octet-stream")
        return FetchedFile(File(file.name, found.body, kind), file.tag)


def _parts(rows: list[Row]) -> Iterator[list[Row]]:
    """Rows that are asked for together: those that lie close to each other in a listing."""
    some: list[Row] = []
    for row in rows:
        if some and not _close(some, row):
            yield some
            some = []
        some.append(row)
    if some:
        yield some


def _close(some: list[Row], row: Row) -> bool:
    first, place = some[0].inline.position, row.inline.position
    if first is None or place is None or place < first or len(some) >= _AT_ONCE:
        return False
    return place - first + 1 <= _WIDEST * (len(some) + 1)


def _weight(contents: list[Content]) -> int:
    return sum(one.weight for one in contents)


def _current(row: Row) -> str:
    current = row.mark.partition("/")[2]
    return f"uuid:{current}" if is_uuid(current) else current
