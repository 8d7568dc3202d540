"""The shape of a server that Namjai reads from. Knows no server, no HTTP and no database.

A source tells of its forms with all their versions, of what changed since a cursor, of everything it has (a census),
and hands out content and files. What is done with it is the same for all of them (`sync/run`). Cursors are plain JSON
that only the source itself reads; the run commits a page's cursor together with the page's data.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

from cases.source_problems import (
    SourceBrokeOff,
    SourceElsewhere,
    SourceFileElsewhere,
    SourceForbidden,
    SourceNotThere,
    SourceProblem,
    SourceSignIn,
    SourceSlow,
    SourceTalksOtherwise,
    SourceTooLarge,
    SourceUncertain,
    SourceUnreachable,
)
from namjai.problems import Problem
from submissions.delivery import File
from submissions.entity_feed import RemoteEntity
from submissions.review import ReviewState
from submissions.submitters import Submitter

# For what a single row, entity or file may be refused while the others are not.
OF_ONE = (SourceSlow, SourceTalksOtherwise, SourceNotThere, SourceForbidden)

Cursor = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RemoteForm:
    """A form as the source has it now.

    `remote` is the source's own address of it, `xml_form_id` the id that its submissions are known under here (the
    XForm that `form_content` gives carries the same one). `versions` are all that were ever published, oldest first;
    empty when they are asked for with `versions_of`, which happens only when `mark` is another than before.
    """

    remote: str
    xml_form_id: str
    title: str
    versions: tuple[str, ...] = ()
    closed: bool = False
    mark: str = ""


@dataclass(frozen=True, slots=True)
class KnownForm:
    """What was stored of a form when it was read last. `mark` None: it must be read anew."""

    xml_form_id: str
    mark: str | None


@dataclass(frozen=True, slots=True)
class FormContent:
    """One version of a form: its XForm and the files beside it. Entity lists among its files are left out."""

    xform: bytes = field(repr=False)
    media: Mapping[str, bytes] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Row:
    """One submission as a listing shows it, without its answers.

    `remote_id` never changes. `mark` is other text whenever the content is another (an edit); attachments and review
    leave it alone. `review` None: the source says nothing about review. `review_mark` is other text whenever somebody
    reviewed or commented, as far as the source shows it. `files_here` and `files_expected` None: not told by listings.
    `inline` is what the source needs to make content of this row with fewer questions (Kobo: where it stands).
    `review_sure` False: the source leaves an approval standing when the content is edited, and cannot say which came
    later. `remarks` False: a new `review_mark` is no reason to ask for content.
    `submitter` is who sent its first version there: Central's submitterId and submitterName; Kobo's `_submitted_by` as
    both, None where that is null. None also where this listing does not say: what is known of the row stays.
    """

    remote_id: str
    root_instance_id: str
    mark: str
    received_at: dt.datetime
    review: ReviewState | None = None
    review_mark: str = ""
    deleted_at: dt.datetime | None = None
    files_here: int | None = None
    files_expected: int | None = None
    inline: Any = field(default=None, repr=False)
    review_sure: bool = True
    remarks: bool = True
    submitter: Submitter | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows that changed, and the cursor that holds once they are stored.

    `expected`: how many rows this pass will have, where the source says so at its beginning.
    `total`, on the last page of a pass: how many submissions the source has that are not deleted. When the store ends
    with another number, the run makes a census of the form: timestamps do not show restoring and purging.
    """

    rows: tuple[Row, ...]
    cursor: Cursor
    total: int | None = None
    expected: int | None = None


@dataclass(frozen=True, slots=True)
class VersionContent:
    """One version of a submission as XML, with the server's time of it."""

    xml: bytes = field(repr=False)
    received_at: dt.datetime
    device_id: str | None = None


@dataclass(frozen=True, slots=True)
class Remark:
    """A comment that somebody made at the source. `remote_id` is stable within the submission."""

    remote_id: str
    at: dt.datetime
    author: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Content:
    """What one row holds: every version, the oldest first, and its comments. `row` may say more than the listing did.

    `gone`: deleted while we read; nothing is stored and nothing is wrong. `problem`: this row alone cannot be had now;
    the rest goes on, and the row is asked for again in the next run.
    """

    row: Row
    versions: tuple[VersionContent, ...] = ()
    remarks: tuple[Remark, ...] = ()
    gone: bool = False
    problem: Problem | None = None

    @property
    def weight(self) -> int:
        """How many bytes it keeps."""
        return sum(len(version.xml) for version in self.versions)


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file that a submission has or expects. `tag` is other text when the content is another ("" : not told)."""

    name: str
    exists: bool
    tag: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class FetchedFile:
    """A file's bytes with the tag under which to ask for it next time."""

    file: File
    tag: str = ""


@dataclass(frozen=True, slots=True)
class RemoteList:
    """An entity list that the source keeps, with its properties in order."""

    name: str
    properties: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EntityPage:
    """Entities that changed, by what a listing shows: (uuid, current version, conflict); the cursor that holds once
    they are stored; and, on the last page, how many there are."""

    heads: tuple[tuple[UUID, int, str | None], ...]
    cursor: Cursor
    total: int | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """What a connection test shows a person: whom the source takes us for, and what would come."""

    server: str
    who: str
    forms: tuple[tuple[str, int | None], ...] = ()


class Source(Protocol):
    """A server to read from. Every method may raise SourceProblem, which ends this source's run and is shown.

    Made once a run and closed at its end. Used by one thread, but for `files` and `file`: as many threads as
    `connections` says call those at once.
    """

    name: str
    kind: str
    connections: int
    # False: its submissions say nothing of entities; what the house's own version of a form declares is applied.
    keeps_entities: bool

    def check(self) -> Account:
        """Sign in and look around."""

    def forms(self, known: Mapping[str, KnownForm] = ...) -> Iterable[RemoteForm]:
        """All forms that have a published version, closed ones too. `known`: what was read before, by address."""

    def versions_of(self, form: RemoteForm) -> tuple[str, ...]:
        """All versions of a form that were ever published, oldest first."""

    def form_content(self, form: RemoteForm, version: str) -> FormContent:
        """One version's XForm and media."""

    def changes(self, form: RemoteForm, cursor: Cursor) -> Iterator[Page]:
        """What changed since the cursor ({} at first: everything). No page at all: nothing changed."""

    def census(self, form: RemoteForm) -> Iterator[Row]:
        """Every submission that is not deleted, as a stream. Raises SourceProblem rather than end early."""

    def is_there(self, form: RemoteForm, remote_id: str) -> bool:
        """Whether one submission is there and not deleted: asked before what a census lacked is held for deleted."""

    def look(self, form: RemoteForm, remote_id: str) -> Row | None:
        """One submission as a listing shows it, for what could not be had before; None when it is deleted."""

    def contents(self, form: RemoteForm, rows: Iterable[Row]) -> Iterator[Content]:
        """The content of rows, in any order. Begins to download when called, not when first iterated."""

    def files(self, form: RemoteForm, remote_id: str) -> tuple[RemoteFile, ...]:
        """The files of a submission, those that have not come too."""

    def file(
        self, form: RemoteForm, remote_id: str, file: RemoteFile, tag: str = "", most: int | None = None
    ) -> FetchedFile | None:
        """A file's bytes. None when it still has the tag, or is not there. Raises SourceTooLarge for more than `most`
        bytes, without reading them."""

    def lists(self) -> tuple[RemoteList, ...]:
        """Entity lists whose home this source is; () for a source that keeps none."""

    def entity_changes(self, name: str, cursor: Cursor) -> Iterator[EntityPage]:
        """What changed in a list since the cursor."""

    def entity_census(self, name: str) -> Iterator[tuple[UUID, int, str | None]]:
        """Every entity that is not deleted, as a stream of heads. Raises SourceProblem rather than end early."""

    def entities(self, name: str, uuids: Iterable[UUID]) -> Iterator[RemoteEntity]:
        """Entities with all their versions, in any order; a deleted one is left out."""

    def close(self) -> None:
        """Sign out where that is due, and let the connections go."""


# Whoever writes a source finds here what it may raise.
__all__ = [
    "OF_ONE",
    "Account",
    "Content",
    "Cursor",
    "EntityPage",
    "FetchedFile",
    "FormContent",
    "Page",
    "Remark",
    "RemoteFile",
    "RemoteForm",
    "RemoteList",
    "Row",
    "Source",
    "SourceBrokeOff",
    "SourceElsewhere",
    "SourceFileElsewhere",
    "SourceForbidden",
    "SourceNotThere",
    "SourceProblem",
    "SourceSignIn",
    "SourceSlow",
    "SourceTalksOtherwise",
    "SourceTooLarge",
    "SourceUncertain",
    "SourceUnreachable",
    "VersionContent",
]
