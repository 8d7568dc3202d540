"""Kobo's words, as ours: rows, statuses, history, the names of files. Pure translation."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from submissions.review import ReviewState
from submissions.submitters import Submitter
from sync.source import RemoteFile, Row

REVIEW = {
    "validation_status_approved": ReviewState.APPROVED,
    "validation_status_not_approved": ReviewState.REJECTED,
    "validation_status_on_hold": ReviewState.HAS_ISSUES,
}
UPLOADS = frozenset({"image", "audio", "video", "file", "background-audio", "audit"})
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_POSITION = re.compile(r"\[\d+\]")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row stands: its `_id`, the how-manieth of a listing it was (None: of none), its form's version there."""

    id: int
    position: int | None
    version: str
    attachments: tuple[Mapping[str, Any], ...] | None = None
    edited_at: dt.datetime | None = None


def row_of(one: Mapping[str, Any], position: int | None = None) -> Row:
    """A submission as JSON lists it, whole or with some of its fields.

    Kobo leaves an approval standing when somebody edits: of an edited row it is not sure what was approved.
    """
    root, current = str(one["meta/rootUuid"]), str(one["_uuid"])
    status = one.get("_validation_status") or {}
    by = one.get("_submitted_by")
    attachments = one.get("_attachments")
    return Row(
        plain(root),
        prefixed(root),
        mark=f"{one['_id']}/{current}",
        received_at=moment_of(one["_submission_time"]),
        # A status that a newer Kobo may know is none that we can show.
        review=REVIEW.get(status["uid"]) if status.get("uid") else ReviewState.RECEIVED,
        review_mark=_reviewed_at(status),
        inline=Place(
            int(one["_id"]),
            position,
            str(one.get("__version__") or ""),
            tuple(attachments) if attachments is not None else None,
        ),
        review_sure=plain(root) == plain(current),
        remarks=False,
        submitter=Submitter(str(by), str(by)) if by else None,
    )


def _reviewed_at(status: Mapping[str, Any]) -> str:
    at = status.get("timestamp")
    return dt.datetime.fromtimestamp(at, dt.UTC).isoformat() if isinstance(at, int | float) else ""


def moment_of(text: str) -> dt.datetime:
    """A time of Kobo's; one without a zone is in UTC."""
    moment = dt.datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def plain(instance_id: str) -> str:
    """An id as addresses and history have it."""
    return instance_id.removeprefix("uuid:")


def prefixed(instance_id: str) -> str:
    """An id as an instance has it: a UUID with its prefix, which some clients leave out, and anything else as it is."""
    return f"uuid:{instance_id}" if is_uuid(instance_id) else instance_id


def is_uuid(text: str) -> bool:
    return _UUID.fullmatch(text) is not None


# What happened to submissions


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a project's history that is about a submission. `reviewed`: only its status was set."""

    at: dt.datetime
    root: str
    deleted: bool
    reviewed: bool
    key: str


def events_of(lines: Iterable[Mapping[str, Any]]) -> Iterator[Event]:
    """The lines of a history, newest first, that say something of a submission."""
    times: dict[str, int] = {}
    for one in lines:
        said = (one.get("metadata") or {}).get("submission") or {}
        root, action = said.get("root_uuid"), one.get("action")
        if not root or action not in ("modify-submission", "delete-submission"):
            continue
        text = f"{one['date_created']}|{action}|{root}|{said.get('status')}"
        # Two of the same second look alike, and are two.
        times[text] = times.get(text, 0) + 1
        key = hashlib.blake2b(f"{text}|{times[text]}".encode(), digest_size=8).hexdigest()
        yield Event(
            moment_of(one["date_created"]), plain(str(root)), action == "delete-submission", "status" in said, key
        )


def digest_of(rows: Iterable[Row]) -> str:
    """Other text when one of the rows, its content or its review is another."""
    said = hashlib.blake2b(digest_size=12)
    for row in rows:
        said.update(f"{row.remote_id}|{row.mark}|{row.review}|{row.review_mark}\n".encode())
    return said.hexdigest()


# Files


def uploads_of(content: Mapping[str, Any]) -> frozenset[str]:
    """The paths of the questions of a form's content that are answered with a file."""
    rows = content.get("survey") or ()
    return frozenset(str(row["$xpath"]) for row in rows if row.get("type") in UPLOADS and row.get("$xpath"))


def named_in(row: Mapping[str, Any], uploads: frozenset[str]) -> list[tuple[str, str]]:
    """The files that a row's answers name: (path, name)."""
    found: list[tuple[str, str]] = []
    for key, value in row.items():
        if isinstance(value, list):
            for part in value:
                if isinstance(part, dict) and not key.startswith("_"):
                    found += named_in(part, uploads)
        elif key in uploads and isinstance(value, str) and value.strip():
            found.append((key, value))
    return found


def files_of(named: list[tuple[str, str]], attachments: Iterable[Mapping[str, Any]]) -> tuple[RemoteFile, ...]:
    """The files of a row under the names that its answers have; those that have not come, too.

    Kobo keeps a file under a name that it has made safe, and says which question it answers.
    """
    missing, found = list(named), []
    for one in attachments:
        if one.get("is_deleted"):
            continue
        base, path = str(one.get("media_file_basename") or ""), _POSITION.sub("", str(one.get("question_xpath") or ""))
        same = [pair for pair in missing if pair[1] == base] or [
            pair for pair in missing if pair[0] == path and _safe(pair[1]) == _safe(base)
        ]
        if same:
            missing.remove(same[0])
        address = str(one.get("download_url") or "").partition("/api/v2/")[2]
        name = same[0][1] if same else base
        if name and address and "?" not in address and ".." not in address:
            found.append(RemoteFile(name, True, str(one.get("uid") or ""), address))
    lacking = (RemoteFile(name, False) for _, name in dict.fromkeys(missing))
    return (*found, *lacking)


def _safe(name: str) -> str:
    return re.sub(r"[^\w.-]", "", name.strip().replace(" ", "_"))
