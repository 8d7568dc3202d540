"""A submission as it is reviewed: its answers, what an edit changed, its files, comments and history.

Opens what the reader may read and nothing else; knows no address but those it is given.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from cases import answers_shown, grant_rows, people
from cases.opened import Opened, Opener, Reader
from cases.sections import Answer, Layout, Section, sections
from cases.who import script_of
from namjai.languages import Words
from namjai.problems import catalogue
from odk.answers import changed
from odk.schema import without_positions
from store.opening import Store
from store.tables import action, app_user, entity, rule_failure, submission_attachment, submission_version
from submissions.form_versions import TABLETS
from submissions.review import thread
from submissions.submitters import sender_of

_DECIDED = {
    "approved": Words("Approved by {name}", "อนุมัติโดย {name}"),
    "has_issues": Words("Has issues, says {name}", "{name} ให้แก้ไข"),
    "rejected": Words("Rejected by {name}", "{name} ไม่รับ"),
    "received": Words("{name} took the decision back", "{name} ยกเลิกการตัดสินใจ"),
    "edited": Words("{name} took the decision back", "{name} ยกเลิกการตัดสินใจ"),
}
_ICONS = {"approved": "check-lg", "has_issues": "flag", "rejected": "x-lg"}
_IMAGES = ("image/jpeg", "image/png")
# What ODK Collect calls the answers that it encrypted.
_ENCRYPTED = "submission.xml.enc"


@dataclass(frozen=True, slots=True)
class Changed:
    """What the newest version changed: its number, how many answers, and against which one."""

    version: int
    n: int
    against: str
    keys: frozenset[str]
    was: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Links:
    """The addresses that a page of a submission needs."""

    reveal: Callable[[str], str | None]
    file: Callable[[str], str]
    thumb: Callable[[str], str]


class SubmissionPage:
    """One submission, opened for one reader."""

    def __init__(
        self, tx: sa.Connection, store: Store, row: sa.Row, reader: Reader, language: str, zone: dt.tzinfo
    ) -> None:
        self._tx, self._store, self._row, self._reader = tx, store, row, reader
        self._language, self._zone = language, zone
        self._opener = Opener(tx, store, row.project_id)
        self.opened: Opened = self._opener.open(row, reader)
        self.versions = tx.execute(
            sa.select(submission_version)
            .with_only_columns(*(one for one in submission_version.c if one.name not in ("raw", "digest")))
            .where(submission_version.c.project_id == row.project_id, submission_version.c.submission_id == row.id)
            .order_by(submission_version.c.received_at, submission_version.c.instance_id)
        ).all()
        self.actions = tx.execute(
            sa.select(action)
            .where(
                action.c.project_id == row.project_id,
                action.c.subject == row.id,
                action.c.kind == "submission.reviewed",
            )
            .order_by(action.c.at, action.c.id)
        ).all()
        self._names = people.names(
            tx, [row.user_id, *(one.user_id for one in self.versions), *(one.user_id for one in self.actions)]
        )

    def encrypted(self) -> bool:
        """Whether it was encrypted on the tablet, for a key that is not here: then there is no answer to show."""
        if self._row.open or self._row.sensitive or self._row.identifying or self._row.restricted:
            return False
        return any(one.name == _ENCRYPTED for one in self._files().values())

    def changes(self) -> Changed | None:
        """What the newest version says otherwise than the one that was decided last, else than the one before it."""
        if len(self.versions) < 2 or not self._reader.sensitive:
            return None
        before, against = self._compared()
        if before is None or before == self._row.instance_id:
            return None
        earlier = self._opener.earlier(self._row, before, self._reader)
        if earlier is None:
            return None
        schema = self.opened.schema
        differing = {key: was for key, was, _ in changed(earlier.values, self.opened.values, schema)}
        hidden = {key for key in earlier.masked ^ self.opened.masked if not self._by_tablet(key)}
        keys = frozenset(differing) | frozenset(hidden)
        number = next(
            (n for n, one in enumerate(self.versions, 1) if one.instance_id == self._row.instance_id),
            len(self.versions),
        )
        return Changed(number, len(keys), against, keys, differing)

    def sections(
        self,
        links: Links,
        changes: Changed | None,
        *,
        only_changed: bool = False,
        apart: frozenset[str] = frozenset(),
    ) -> list[Section]:
        """The answers, laid out; those whose keys are `apart` behind a reveal of their own."""
        files = self._files()
        layout = Layout(
            language=self._language,
            zone=self._zone,
            reveal=links.reveal,
            file=lambda name: self._file(files, name, links),
            names=self._picked(),
            flags=self._row.flags,
            was=changes.was if changes else {},
            changed=changes.keys if changes else frozenset(),
            only_changed=only_changed and changes is not None,
            apart=apart,
        )
        found = sections(self.opened, layout)
        named = {str(value) for value in self.opened.values.values() if isinstance(value, str)}
        loose = [name for name, one in files.items() if not one.expected and one.blob and name not in named]
        if loose and self._reader.sensitive and not only_changed:
            title = Words("Other files that came with it", "ไฟล์อื่นที่ส่งมาด้วย").in_(self._language)
            shown = {name: self._file(files, name, links) | {"label": "", "name": name} for name in loose}
            found.append(Section(title, 2, tuple(Answer(name, name, files=[one]) for name, one in shown.items())))
        return found

    def comments(self, me: UUID) -> list[dict[str, Any]]:
        """What people said about it, oldest first."""
        said = thread(self._tx, self._store, self._row.project_id, self._row.id)
        names = people.names(self._tx, (one[0] for one in said))
        return [
            {
                "by": names.get(user, "?"),
                "initials": people.initials(names.get(user, "?")),
                "mine": user == me,
                "at": at,
                "text": text,
                "lang": script_of(text),
            }
            for user, at, text in said
        ]

    def history(self) -> list[dict[str, Any]]:
        """Versions and decisions, newest first."""
        found = []
        for number, one in enumerate(self.versions, 1):
            elsewhere = number == 1 and not (one.user_id or one.app_user_id)
            by = self._names.get(one.user_id) or (elsewhere and self._at_source()) or self._tablet(one.app_user_id)
            text = (
                Words(f"Version {number}, {by}", f"ฉบับที่ {number} โดย {by}")
                if len(self.versions) > 1
                else Words(f"Sent by {by}", f"ส่งโดย {by}")
            )
            found.append(
                {"icon": "tablet" if number == 1 else "pencil", "text": text.in_(self._language), "at": one.received_at}
            )
        for one in self.actions:
            to = one.data.get("to", "")
            words = _DECIDED["received"] if one.data.get("undo") else _DECIDED.get(to)
            if words:
                name = people.short(self._names.get(one.user_id, "?"))
                icon = "arrow-counterclockwise" if one.data.get("undo") else _ICONS.get(to, "dot")
                found.append({"icon": icon, "text": words.in_(self._language).format(name=name), "at": one.at})
        unique = {(one["at"], one["text"]): one for one in found}  # one action a case, shown once
        return sorted(unique.values(), key=lambda one: one["at"], reverse=True)

    def failed_rules(self) -> list[str]:
        """Rules that could not run on it and wait for somebody."""
        rows = self._tx.execute(
            sa.select(rule_failure).where(
                rule_failure.c.project_id == self._row.project_id,
                rule_failure.c.submission_id == self._row.id,
                rule_failure.c.settled_at.is_(None),
            )
        )
        kinds = catalogue()
        return [
            kinds[row.problem](**row.facts).text(self._language)
            if row.problem in kinds
            else f"{row.rule}: {row.problem}"
            for row in rows
        ]

    def by(self) -> str | None:
        """One of our people; None where it came without them."""
        return self._names.get(self._row.user_id)

    def source(self) -> str | None:
        """The server that it was read from; None where a tablet sent it here."""
        return None if self._row.form_origin == TABLETS else self._row.form_origin

    def by_there(self) -> str | None:
        """Who sent it at the server that it came from."""
        return self._at_source() if self.source() else None

    def _at_source(self) -> str | None:
        sender = sender_of(self._tx, self._store, self._row.project_id, self._row.id)
        return sender.name or sender.remote_id if sender else None

    def _tablet(self, tablet_id: UUID | None) -> str:
        name = (
            self._tx.scalar(
                sa.select(app_user.c.name).where(
                    app_user.c.project_id == self._row.project_id, app_user.c.id == tablet_id
                )
            )
            if tablet_id
            else None
        )
        return name or Words("unknown sender", "ไม่ทราบผู้ส่ง").in_(self._language)

    def tablet(self) -> str | None:
        return self._tablet(self._row.app_user_id) if self._row.app_user_id else None

    def _compared(self) -> tuple[str | None, str]:
        last = next(
            (
                one
                for one in reversed(self.actions)
                if not one.data.get("undo") and one.data.get("instance") != self._row.instance_id
            ),
            None,
        )
        if last is not None:
            on = answers_shown.when(last.at.astimezone(self._zone).date().isoformat(), self._language, self._zone)
            words = {
                "approved": Words(f"of the one approved on {on}.", f"จากฉบับที่อนุมัติ {on}"),
            }.get(last.data.get("to", ""), Words(f"of the one reviewed on {on}.", f"จากฉบับที่ตรวจ {on}"))
            return last.data.get("instance"), words.in_(self._language)
        ids = [one.instance_id for one in self.versions]
        at = ids.index(self._row.instance_id) if self._row.instance_id in ids else len(ids) - 1
        current = self.versions[at]
        before = current.deprecated_id if current.deprecated_id in ids else (ids[at - 1] if at else None)
        return before, Words("of the one before.", "จากฉบับก่อน").in_(self._language)

    def _files(self) -> dict[str, sa.Row]:
        rows = self._tx.execute(
            sa.select(submission_attachment)
            .where(
                submission_attachment.c.project_id == self._row.project_id,
                submission_attachment.c.submission_id == self._row.id,
            )
            .order_by(submission_attachment.c.name)
        )
        return {row.name: row for row in rows}

    def _file(self, files: Mapping[str, sa.Row], name: str, links: Links) -> dict[str, Any]:
        row = files.get(name)
        if row is None or row.blob is None:
            return {"label": name, "url": None}
        image = row.content_type in _IMAGES
        return {
            "label": name,
            "url": links.file(name),
            "thumb": links.thumb(name) if image else None,
            "size": answers_shown.size(row.size),
            "icon": "image" if image else "file-earmark",
        }

    def _picked(self) -> dict[str, str]:
        """The labels of the entities that were picked: codes and pseudonyms."""
        asked = {one.path for one in self.opened.schema.fields if one.from_file}
        wanted: set[UUID] = set()
        for key, value in self.opened.values.items():
            if without_positions(key) in asked:
                for one in value if isinstance(value, list) else [value]:
                    try:
                        wanted.add(UUID(str(one)))
                    except ValueError:
                        continue
        if not wanted:
            return {}
        rows = self._tx.execute(
            sa.select(entity.c.list, entity.c.uuid, entity.c.label).where(
                entity.c.project_id == self._row.project_id, entity.c.uuid.in_(wanted)
            )
        ).all()
        named = {str(row.uuid): row.label for row in rows if row.label}
        return named | grant_rows.labels(self._tx, self._row.project_id, rows, self._language, self._zone)

    def _by_tablet(self, key: str) -> bool:
        asked = self.opened.schema.field(key)
        return asked is not None and asked.kind == "metadata"
