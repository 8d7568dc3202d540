"""A server that a team sends to, as the script of a year sees it: the same acts for each kind, and what it can do."""
from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from typing import Any, Protocol
from urllib.parse import quote

from central_truth import QUICK
from doubles import central, kobo
from doubles.central_world import World, written
from doubles.kobo_world import World as KoboWorld
from doubles.server import Fault
from soak.forms import Form
from soak.truth import Sub

from store.actor import Actor
from store.opening import Store
from sync import registry


class Server(Protocol):
    """`can` names the acts that this kind of server knows: restore, purge, entities, comment, edited."""

    kind: str
    can: frozenset[str]
    double: Any

    def release(self, form: Form) -> None: ...

    def close_form(self, name: str) -> None: ...

    def pass_to(self, day: dt.date) -> None:
        """It becomes this day."""

    def submit(self, form: str, xml: bytes, files: dict[str, bytes], *, device: str, late: bool = False, same: bool = False) -> tuple[str, str]:
        """A tablet sends; gives the server's own id and its time of receipt. `late`: it commits after others, with an
        earlier time. `same`: at the instant of the one before."""

    def edit(self, sub: Sub, xml: bytes, files: dict[str, bytes]) -> None: ...

    def attach(self, sub: Sub, name: str, content: bytes) -> None: ...

    def review(self, sub: Sub, state: str, note: str) -> None: ...

    def comment(self, sub: Sub, text: str) -> None: ...

    def delete(self, sub: Sub) -> None: ...

    def restore(self, sub: Sub) -> None: ...

    def purge(self, sub: Sub) -> None: ...

    def change_entity(self, name: str, uuid: str, data: dict[str, str], base: int, *, resolve: bool) -> None: ...

    def remove_entity(self, name: str, uuid: str) -> None: ...

    def add_to(self, store: Store, actor: Actor, patience: dict | None = None) -> None:
        """Namjai learns of this server, under the name "field"."""

    def behind(self, cursor: dict, form: str) -> list[tuple[str, str]]:
        """(remote id, mark) of what a cursor says was read: all that was there when it was made."""

    def fail(self, kind: str, place: str, *, times: int = 1, after: int = 0, text: str = "") -> None:
        """Make a fault at a place: listing, content, forms, files, … or at what holds these words."""

    def is_at(self, place: str, method: str, path: str) -> bool: ...

    def content_of(self, sub: Sub) -> str:
        """The address of one submission's content alone; "" where content comes in bulk."""

    def forgets_half(self) -> tuple[Callable[[], None], Callable[[], None]]:
        """Make listings forget half of the rows, while each one that is asked for is there; and remember again."""

    def another(self) -> Any:
        """A server of the same kind that has nothing to do with this one."""


class _Places:
    """Where faults happen, as patterns of method and address."""

    places: dict[str, tuple[str, str]]
    double: Any

    def is_at(self, place: str, method: str, path: str) -> bool:
        wanted, pattern = self.places.get(place, ("GET", re.escape(place)))
        return method == wanted and re.search(pattern, path) is not None

    def is_content(self, path: str) -> bool:
        return self.is_at("content", "GET", path)

    def is_listing(self, path: str) -> bool:
        return self.is_at("listing", "GET", path)

    def fail(self, kind: str, place: str, *, times: int = 1, after: int = 0, text: str = "") -> None:
        self.double.faults.append(Fault(kind, lambda method, path: self.is_at(place, method, path), times, after, text))


# Where nothing has to end soon: a machine that is busy with other things is no fault.
CALM = QUICK | {"connect": 20, "silence": 40, "answer": 60, "in_all": 120}
_STATES = {"approved": "approved", "has_issues": "hasIssues", "rejected": "rejected"}


class CentralServer(_Places):
    """A Central, through its double."""

    kind, can = "central", frozenset({"restore", "purge", "entities", "comment", "edited"})
    places = {
        "listing": ("GET", r"svc/Submissions"), "census": ("GET", r"svc/Submissions.*count=true"), "forms": ("GET", r"/forms$"),
        "content": ("GET", r"/submissions/[^/]+(/versions/[^/]+)?\.xml$"), "versions": ("GET", r"/submissions/[^/]+/versions$"),
        "names of files": ("GET", r"/submissions/[^/]+/attachments$"), "files": ("GET", r"/submissions/[^/]+/attachments/[^/]+$"),
        "lists": ("GET", r"/datasets$"), "entities": ("GET", r"/datasets/.*(svc/Entities|/entities/)"), "entity versions": ("GET", r"/datasets/.*/versions$"), "entity CSV": ("GET", r"entities\.csv"),
        "sign-in": ("POST", r"/sessions"),
    }

    def __init__(self) -> None:
        self.world = World()
        self.world.now = dt.datetime(2025, 11, 25, 1, tzinfo=dt.UTC)
        self.double = central.serve(self.world)
        self._last = written(self.world.now)

    def release(self, form: Form) -> None:
        self.world.release(form.xform)

    def close_form(self, name: str) -> None:
        self.world.forms[name].state = "closed"
        self.world.forms[name].events += 1

    def pass_to(self, day: dt.date) -> None:
        self.world.now = max(self.world.now, dt.datetime.combine(day, dt.time(1), dt.UTC))

    def submit(self, form: str, xml: bytes, files: dict[str, bytes], *, device: str, late: bool = False, same: bool = False) -> tuple[str, str]:
        self.world.tick(seconds=7)
        at = written(self.world.now - dt.timedelta(minutes=3)) if late else self._last if same else None
        sub = self.world.submit(xml, files, at=at, device=device)
        self._last = max(sub.at, self._last)
        return sub.root, sub.at

    def edit(self, sub: Sub, xml: bytes, files: dict[str, bytes]) -> None:
        self.world.edit(sub.form, sub.root, xml)
        for name, content in files.items():
            self.world.attach(sub.form, sub.root, name, content)

    def attach(self, sub: Sub, name: str, content: bytes) -> None:
        self.world.attach(sub.form, sub.root, name, content)

    def review(self, sub: Sub, state: str, note: str) -> None:
        self.world.review(sub.form, sub.root, _STATES[state], note or None)

    def comment(self, sub: Sub, text: str) -> None:
        # Comments alone bump nothing: a person who comments in Central's frontend also says that there are issues.
        self.world.comment(sub.form, sub.root, text)
        self.world.review(sub.form, sub.root, "hasIssues")

    def delete(self, sub: Sub) -> None:
        self.world.delete(sub.form, sub.root)

    def restore(self, sub: Sub) -> None:
        self.world.restore(sub.form, sub.root)

    def purge(self, sub: Sub) -> None:
        self.world.purge(sub.form, sub.root)

    def change_entity(self, name: str, uuid: str, data: dict[str, str], base: int, *, resolve: bool) -> None:
        self.world.change_entity(name, uuid, data, None, base, force=True, resolve=resolve)

    def remove_entity(self, name: str, uuid: str) -> None:
        self.world.remove_entity(name, uuid)

    def add_to(self, store: Store, actor: Actor, patience: dict | None = None) -> None:
        with store.database.begin(actor) as tx:
            registry.add(
                tx, store, actor, name="field", kind="central", url=self.double.url, options={"project": self.world.project, "patience": patience or QUICK},
                credentials={"email": self.world.email, "password": self.world.password},
            )

    def behind(self, cursor: dict, form: str) -> list[tuple[str, str]]:
        # What commits late is read again: only what is older than that must be there by now. What was restored later has
        # its old time: a census finds it.
        since = written(dt.datetime.fromisoformat(cursor["since"]) - dt.timedelta(minutes=5)) if cursor.get("since") else ""
        found = self.world.forms[form].subs.values() if form in self.world.forms else ()
        return [(one.root, f"{one.at}/{len(one.versions) - 1}") for one in found if not one.deleted and max(one.at, one.updated or "", one.restored) < since]

    def content_of(self, sub: Sub) -> str:
        return f"{sub.form}/submissions/{quote(sub.root, safe='')}.xml"

    def forgets_half(self) -> tuple[Callable[[], None], Callable[[], None]]:
        kept = {name: dict(form.subs) for name, form in self.world.forms.items()}

        def forgetful(_method: str, path: str) -> None:
            for name, subs in kept.items():
                half = dict(list(subs.items())[: len(subs) // 2])
                self.world.forms[name].subs = half if self.is_listing(path) else subs

        def forget() -> None:
            self.double.before = forgetful

        def remember() -> None:
            self.double.before = None
            for name, subs in kept.items():
                self.world.forms[name].subs = subs

        return forget, remember

    def names_as_path(self) -> Callable[[], None]:
        """One submission gets a file more whose name is a path; gives what takes it back."""
        sub = next(one for form in self.world.forms.values() for one in form.subs.values() if not one.deleted and any(one.files.values()))
        sub.files["../../passwd"] = b"root"
        return lambda: sub.files.pop("../../passwd") and None

    def another(self) -> Any:
        return central.serve(World())


class KoboServer(_Places):
    """A KoboToolbox, through its double. It knows no entities, restores nothing and keeps the newest version alone."""

    kind, can = "kobo", frozenset[str]()
    places = {
        "listing": ("GET", r"/data/?\?.*format=json"), "census": ("GET", r"/data/?\?.*format=json"), "forms": ("GET", r"/api/v2/assets/\?"),
        "content": ("GET", r"format=xml"), "files": ("GET", r"/attachments/"), "history": ("GET", r"/history/"),
    }

    def __init__(self) -> None:
        self.world = KoboWorld()
        self.world.now = dt.datetime(2025, 11, 25, 1, tzinfo=dt.UTC)
        self.double = kobo.serve(self.world)

    def release(self, form: Form) -> None:
        self.world.release(form.workbook)

    def close_form(self, name: str) -> None:
        self.world.archive(name)

    def pass_to(self, day: dt.date) -> None:
        self.world.now = max(self.world.now, dt.datetime.combine(day, dt.time(1), dt.UTC))

    def submit(self, form: str, xml: bytes, files: dict[str, bytes], *, device: str, late: bool = False, same: bool = False) -> tuple[str, str]:
        if not same:
            self.world.tick(seconds=7)
        sub = self.world.submit(xml, files)
        return str(sub.id), sub.at[:19]

    def edit(self, sub: Sub, xml: bytes, files: dict[str, bytes]) -> None:
        self.world.edit(sub.form, sub.root, xml, files)

    def attach(self, sub: Sub, name: str, content: bytes) -> None:
        self.world.attach(sub.form, sub.root, name, content)

    def review(self, sub: Sub, state: str, note: str) -> None:
        self.world.review(sub.form, sub.root, _STATES[state])

    def comment(self, sub: Sub, text: str) -> None:
        raise AssertionError("Kobo's comments lie beside the submissions")

    def delete(self, sub: Sub) -> None:
        self.world.delete(sub.form, sub.root)

    restore = purge = change_entity = remove_entity = comment  # type: ignore[assignment]

    def add_to(self, store: Store, actor: Actor, patience: dict | None = None) -> None:
        with store.database.begin(actor) as tx:
            registry.add(tx, store, actor, name="field", kind="kobo", url=self.double.url, options={"patience": patience or QUICK}, credentials={"token": "API_TOKEN"})

    def behind(self, cursor: dict, form: str) -> list[tuple[str, str]]:
        """By `_id`, as far as the cursor went; of those that were edited nothing is said here."""
        if not cursor:
            return []
        read = cursor["after"] if cursor.get("open") else cursor.get("settled", 0)
        found = self.world.forms[form]
        whole = ((one, f"{one.id}/{one.current.uuid}" if len(one.versions) == 1 else "") for one in found.subs.values() if one.id <= read)
        return [(one.root.removeprefix("uuid:"), mark) for one, mark in whole]

    def content_of(self, sub: Sub) -> str:
        return ""

    def forgets_half(self) -> tuple[Callable[[], None], Callable[[], None]]:
        return lambda: self.fail("short", "listing", times=100_000), self.double.faults.clear

    def another(self) -> Any:
        return kobo.serve(KoboWorld())


SERVERS: dict[str, Any] = {"central": CentralServer, "kobo": KoboServer}
