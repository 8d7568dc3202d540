"""Central's words, as ours: OData rows, entity versions, times. Pure translation."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from submissions.entity_feed import EntityState
from submissions.review import ReviewState
from submissions.submitters import Submitter
from sync.source import Remark, Row

# Central sets its times inside transactions that commit later: what is older than the newest by less is read again.
OVERLAP = dt.timedelta(minutes=5)
_ROOT, _EMPTY = re.compile(rb"<([^\s/>?!][^\s/>]*)"), re.compile(rb"<[^<>]*/>")
# Linear however it is abused: no part can match what the next one begins with.
_REPLACES = re.compile(rb"<(?:[^\s/<>:]+:)?deprecatedID(?:\s[^<>]*)?>\s*[^<\s]")
REVIEW = {
    None: ReviewState.RECEIVED,
    "edited": ReviewState.EDITED,
    "hasIssues": ReviewState.HAS_ISSUES,
    "rejected": ReviewState.REJECTED,
    "approved": ReviewState.APPROVED,
}


def row_of(one: Mapping[str, Any]) -> Row:
    """A submission as OData lists it."""
    system = one["__system"]
    return Row(
        one["__id"],
        one["__id"],
        mark=mark_of(system["submissionDate"], system.get("edits") or 0),
        received_at=moment_of(system["submissionDate"]),
        # A state that a newer Central may know is none that we can show.
        review=REVIEW.get(system.get("reviewState")),
        review_mark=system.get("updatedAt") or "",
        deleted_at=moment_of(system["deletedAt"]) if system.get("deletedAt") else None,
        files_here=system.get("attachmentsPresent"),
        files_expected=system.get("attachmentsExpected"),
        inline=system,
        submitter=_submitter(system),
    )


def mark_of(received: str, edits: int) -> str:
    """What tells one content of a submission from another."""
    return f"{received}/{edits}"


def _submitter(system: Mapping[str, Any]) -> Submitter | None:
    """Who sent it; nobody where it came without signing in."""
    number = system.get("submitterId")
    return None if number is None else Submitter(str(number), system.get("submitterName") or "")


def head_of(one: Mapping[str, Any]) -> tuple[UUID, int, str | None]:
    """An entity as OData lists it: uuid, version, conflict."""
    return UUID(one["__id"]), int(one["__system"]["version"]), one["__system"].get("conflict")


def state_of(one: Mapping[str, Any]) -> EntityState:
    """One version of an entity. Raises TypeError for what is none."""
    label, data = one.get("label") or "", one.get("data") or {}
    if not isinstance(label, str) or not isinstance(data, Mapping):
        raise TypeError
    made = ((one.get("source") or {}).get("event") or {}).get("details") or {}
    received = {key: str(value) for key, value in (one.get("dataReceived") or {}).items() if key != "label"}
    return EntityState(
        int(one["version"]),
        label,
        data,
        received,
        moment_of(one["createdAt"]),
        base_version=one.get("baseVersion"),
        trunk_version=one.get("trunkVersion"),
        branch_id=one.get("branchId"),
        conflict=one.get("conflict"),
        instance_id=made.get("instanceId"),
    )


def newest(system: Mapping[str, Any]) -> str:
    """The latest of the times that a row carries."""
    names = ("submissionDate", "createdAt", "updatedAt", "deletedAt")
    return max(system.get(name) or "" for name in names)


def skiptoken(link: str | None) -> str | None:
    """Only where the next page begins: the rest of the link carries the host that the server believes it has."""
    found = parse_qs(urlsplit(link).query).get("$skiptoken") if link else None
    return found[0] if found else None


def is_whole(xml: bytes) -> bool:
    """Whether an instance ends with the end of its root: half of one would be kept as one that nobody can read."""
    root = _ROOT.search(xml)
    if root is None:
        return False
    rest = xml[root.start() :].strip()
    return rest.endswith(b"</" + root[1] + b">") or _EMPTY.fullmatch(rest) is not None


def is_edited(xml: bytes) -> bool:
    """Whether an instance may replace another one: only then it names the one that it replaces."""
    return b"deprecatedID" in xml and _REPLACES.search(xml) is not None


def moment_of(text: str) -> dt.datetime:
    """A time of Central's."""
    return dt.datetime.fromisoformat(text)


def since_of(text: str) -> str:
    """From when on to read again, as Central writes it."""
    return text_of(moment_of(text) - OVERLAP)


def since_after(since: str | None, high: str, began: str) -> str | None:
    """From when on the next pass reads: the newest time seen, but none after the pass itself began.

    What changed while it went on may have changed behind it, on a page that was listed already.
    """
    end = min(high, began) if began else high
    return max(end, since or "") or None


def text_of(moment: dt.datetime) -> str:
    """A time as Central writes it."""
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def remarks_of(author: str, said: list[Mapping[str, Any]], notes: list[Mapping[str, Any]]) -> tuple[Remark, ...]:
    """Comments, and the notes that audits keep, both said by the source."""
    found = [
        Remark(f"comment:{one['createdAt']}:{one['actorId']}", moment_of(one["createdAt"]), author, one["body"])
        for one in said
    ]
    found += [
        Remark(f"note:{one['loggedAt']}:{one['actorId']}", moment_of(one["loggedAt"]), author, one["notes"])
        for one in notes
        if one.get("notes")
    ]
    return tuple(found)
