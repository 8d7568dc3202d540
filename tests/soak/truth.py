"""What the team did, written down by the script itself: the truth that Namjai is held against. Knows nothing of Namjai."""
from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Version:
    """One version of a submission as it was sent: its answers as texts by path, its XML, the files it names."""

    instance: str
    form_version: str
    answers: dict[str, str]
    xml: bytes
    named: tuple[str, ...]
    picks: tuple[tuple[str, str], ...]


@dataclass
class Sub:
    """A submission. `files` are the contents that the server has, by name; `at` and `remote` are what it allotted."""

    form: str
    root: str
    at: str
    remote: str
    device: str
    versions: list[Version]
    files: dict[str, bytes] = field(default_factory=dict)
    review: str = "received"
    said: list[str] = field(default_factory=list)
    deleted: bool = False
    # Entities that this submission makes or updates, as (list, uuid).
    writes: tuple[tuple[str, str], ...] = ()
    label: str = ""
    entity: dict[str, str] = field(default_factory=dict)

    @property
    def now(self) -> Version:
        return self.versions[-1]

    @property
    def files_now(self) -> dict[str, bytes | None]:
        """The files of the current version: their contents, None for those that have not come."""
        return {name: self.files.get(name) for name in self.now.named}


@dataclass
class EntityVersion:
    number: int
    received: set[str]


@dataclass
class Entity:
    label: str
    data: dict[str, str]
    versions: list[EntityVersion] = field(default_factory=list)
    conflict: str | None = None
    deleted: bool = False

    @property
    def number(self) -> int:
        return self.versions[-1].number


@dataclass
class Waiting:
    """An update of an offline branch whose predecessor has not arrived."""

    list: str
    uuid: str
    data: dict[str, str]
    base: int
    branch: str


@dataclass
class Decided:
    """A grant that was approved here: by whom, on which instance of its request, and what became of that since."""

    requested_by: str
    approved_by: str
    instance: str
    touched: bool = False
    gone: bool = False


@dataclass
class Truth:
    """Everything that is so at the end, by the script's own account."""

    subs: dict[tuple[str, str], Sub] = field(default_factory=dict)
    purged: list[Sub] = field(default_factory=list)
    entities: dict[str, dict[str, Entity]] = field(default_factory=lambda: {"survivors": {}, "grants": {}})
    waiting: list[Waiting] = field(default_factory=list)
    decided: dict[str, Decided] = field(default_factory=dict)
    acts: dict[str, int] = field(default_factory=dict)

    def count(self, act: str) -> None:
        self.acts[act] = self.acts.get(act, 0) + 1

    def live(self, form: str | None = None) -> list[Sub]:
        return [one for one in self.subs.values() if not one.deleted and form in (None, one.form)]

    def create(self, name: str, uuid: str, label: str, data: dict[str, str]) -> None:
        received = set(data) | ({"label"} if label else set())
        self.entities[name][uuid] = Entity(label, dict(data), [EntityVersion(1, received | {"label"})])

    def update(self, name: str, uuid: str, data: dict[str, str], label: str, base: int | None, branch: str = "") -> None:
        """An entity is changed upon the version `base`; upon an older one than there is, it is in conflict."""
        entity = self.entities[name][uuid]
        if branch and base is not None and base > entity.number:
            self.waiting.append(Waiting(name, uuid, data, base, branch))
            return
        received = set(data) | ({"label"} if label else set())
        if base is not None and base < entity.number:
            since = set().union(*(one.received for one in entity.versions if one.number > base))
            entity.conflict = "hard" if since & received else "soft"
        entity.versions.append(EntityVersion(entity.number + 1, received))
        entity.data |= data
        entity.label = label or entity.label
        for one in list(self.waiting):
            if (one.list, one.uuid) == (name, uuid) and one.base <= entity.number:
                self.waiting.remove(one)
                self.update(name, uuid, one.data, "", one.base, one.branch)
                break
