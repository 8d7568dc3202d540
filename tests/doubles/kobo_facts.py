"""What a KoboToolbox holds, as facts: forms with their versions and media, submissions with theirs, and how its ids and times look."""
from __future__ import annotations

import datetime as dt
import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from typing import Any

from lxml import etree

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z")
STATUSES = {"validation_status_approved": "Approved", "validation_status_not_approved": "Not Approved", "validation_status_on_hold": "On Hold"}
OWNERS = ("add_submissions", "change_asset", "change_submissions", "delete_submissions", "manage_asset", "validate_submissions", "view_asset", "view_submissions")


class Refused(Exception):
    """What Kobo answers instead: status and message."""

    def __init__(self, status: int, message: Any, **more: Any) -> None:
        super().__init__(str(message))
        self.status, self.message, self.more = status, message, more


@dataclass
class Version:
    """A submission as it was at one time. `xml` as it is on the wire, `uuid` without its prefix, `named` the form's id in it."""

    instance_id: str
    uuid: str
    xml: bytes
    at: str
    by: str | None
    answers: dict[str, Any]
    named: str = ""


@dataclass
class Sub:
    """`root` is `meta/rootUuid`. `files`: by name, None while one has not come; `uids`: those of the files that have."""

    id: int
    root: str
    at: str
    by: str | None
    versions: list[Version]
    files: dict[str, bytes | None] = field(default_factory=dict)
    uids: dict[str, str] = field(default_factory=dict)
    came: dict[str, str] = field(default_factory=dict)
    status: dict[str, Any] | None = None
    # How many versions there were when the validation status was set.
    reviewed: int = 0

    @property
    def current(self) -> Version:
        return self.versions[-1]

    @property
    def review(self) -> str | None:
        return self.status["uid"] if self.status else None

    @property
    def stands(self) -> bool:
        """Whether the validation status is older than the last edit, which left it standing."""
        return self.status is not None and self.reviewed < len(self.versions)


@dataclass
class FormVersion:
    """One version of an asset. `version` is what stands in its XForm and in instances made with it; `named` what its author called it."""

    uid: str
    content: dict[str, Any]
    made: str
    deployed: str | None = None
    number: int = 0
    version: str = ""
    xform: bytes = b""
    repeats: frozenset[str] = frozenset()
    points: tuple[str, ...] = ()
    media: frozenset[str] = frozenset()

    @property
    def named(self) -> str:
        return str(self.content["settings"].get("version", ""))


@dataclass
class Media:
    uid: str
    name: str
    content: bytes
    made: str
    description: str
    number: int
    by: str = "field"


@dataclass
class Form:
    uid: str
    title: str
    made: str
    modified: str
    formhub: str
    draft: FormVersion
    asset_number: int = 0
    number: int = 0
    versions: list[FormVersion] = field(default_factory=list)
    active: bool = False
    first_deployed: str | None = None
    deployed: str | None = None
    media: dict[str, Media] = field(default_factory=dict)
    subs: dict[str, Sub] = field(default_factory=dict)
    by_id: dict[int, Sub] = field(default_factory=dict)
    by_uuid: dict[str, Sub] = field(default_factory=dict)
    ids: list[int] = field(default_factory=list)
    shared: dict[str, dict[str, Any]] = field(default_factory=dict)
    permissions: dict[tuple[str, str], str] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    # Where in the history the lines of an action are.
    actions: dict[str, list[int]] = field(default_factory=dict)
    last: str | None = None
    hooks: list[Any] = field(default_factory=list)
    exports: list[Any] = field(default_factory=list)
    days: dict[str, int] = field(default_factory=dict)

    @property
    def id_string(self) -> str:
        return str(self.draft.content["settings"].get("id_string", self.uid))

    id = id_string

    @property
    def published(self) -> FormVersion | None:
        return self.versions[-1] if self.versions else None

    def above(self, least: float, *, inclusive: bool = False) -> list[int]:
        """The `_id`s above one, in order; cheap however many there are."""
        return self.ids[(bisect_left if inclusive else bisect_right)(self.ids, least) :]


class Forms(dict[str, Form]):
    """Forms by the uid of their asset; asked for by `id_string`, the newest that has it."""

    def __missing__(self, name: str) -> Form:
        found = [one for one in self.values() if one.id_string == name]
        if not found:
            raise KeyError(name)
        return found[-1]


def written(moment: dt.datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def bare(instance: str) -> str:
    return instance.removeprefix("uuid:")


def prefixed(uuid: str) -> str:
    return f"uuid:{uuid}" if _UUID.match(uuid) else uuid


def as_deployed(root: etree._Element, form: Form) -> bytes:
    """An instance that names its form by `id_string`, as the deployed form would have made it."""
    named = root.get("version") or ""
    version = next((one for one in reversed(form.versions) if one.named == named), form.versions[-1])
    root.tag = form.uid
    root.set("id", form.uid)
    root.set("version", version.version)
    formhub = etree.Element("formhub")
    etree.SubElement(formhub, "uuid").text = form.formhub
    root.insert(0, formhub)
    mark = etree.Element("__version__")
    mark.text = version.uid
    meta = root.find("{*}meta")
    root.insert(len(root) if meta is None else root.index(meta), mark)
    return ('<?xml version="1.0"?>' + etree.tostring(root, encoding="unicode")).encode()


def parsed(xml: bytes) -> etree._Element:
    try:
        return etree.fromstring(xml)
    except etree.XMLSyntaxError:
        raise Refused(400, "Improperly formatted XML.") from None


def meta(root: etree._Element, name: str) -> str | None:
    return root.findtext("{*}meta/{*}" + name)


def put(root: etree._Element, path: list[str], value: str) -> None:
    node = root
    for name in path:
        found = node.find("{*}" + name)
        if found is None:
            space = node.tag.rpartition("}")[0]
            found = etree.SubElement(node, f"{space}}}{name}" if space else name)
        node = found
    node.text = value
