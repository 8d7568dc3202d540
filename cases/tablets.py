"""Tablets: app users in ODK's word. A token each, shown once as a QR code, revocable at once."""
from __future__ import annotations

import base64
import datetime as dt
import json
import secrets
import zlib
from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

import sqlalchemy as sa

from namjai.problems import NotFound, Problem
from store.actor import NOBODY, Actor, driver
from store.audit import Event, record
from store.database import Database
from store.keys import Keyring, new_id
from store.opening import Store
from store.tables import app_user, project, project_user, users

_KEY_LENGTH = 6
_TOKEN = 64
# Writing the last contact at every request would make each of them a write.
_SEEN_EVERY = dt.timedelta(minutes=1)


class TokenUnknown(Problem):
    code, http_status = "token-unknown", 403
    en = ("This tablet is not known here, or it was revoked. Nothing was taken; what you filled in stays on the "
          "tablet. Ask your coordinator for a new QR code.")
    th = "ระบบไม่รู้จักแท็บเล็ตนี้ หรือเพิกถอนไปแล้ว ยังไม่ได้รับข้อมูล สิ่งที่กรอกยังอยู่ในแท็บเล็ต ขอคิวอาร์โค้ดใหม่จากผู้ประสานงาน"


class TabletNameTaken(Problem):
    code, http_status = "tablet-name-taken", 409
    en = "There is a tablet named {name} already. Choose another name; nothing was made."
    th = "มีแท็บเล็ตชื่อ {name} แล้ว เลือกชื่ออื่น ยังไม่ได้เพิ่ม"


class TabletNeedsPerson(Problem):
    code, http_status = "tablet-needs-person", 400
    en = "For real work every tablet belongs to a person, so that it sees only that person's cases. Say whose it is."
    th = "ในการใช้งานจริง แท็บเล็ตทุกเครื่องต้องมีผู้ถือ เพื่อให้เห็นเฉพาะเคสของผู้นั้น ระบุผู้ถือแท็บเล็ต"


class TabletNeedsHttps(Problem):
    code, http_status = "tablet-needs-https", 400
    en = "For real work tablets connect by https only. Set NAMJAI_BASE_URL to the https address, then try again."
    th = "ในการใช้งานจริง แท็บเล็ตต้องเชื่อมต่อด้วย https เท่านั้น ตั้ง NAMJAI_BASE_URL เป็นที่อยู่ https แล้วลองใหม่"


@dataclass(frozen=True, slots=True)
class Tablet:
    """A tablet at the door: the actor it is, whose it is, and its project's zone."""

    actor: Actor
    name: str
    user_id: UUID | None
    team: str | None
    timezone: str
    seen_at: dt.datetime | None

    def served(self) -> Actor:
        """The actor whose eyes choose what the tablet is served: a person's own cases, or the whole project."""
        if self.user_id is None:
            return self.actor
        return Actor("tablet", self.user_id, self.actor.projects, "own", self.team)


def create(tx: sa.Connection, store: Store, actor: Actor, name: str, user_id: UUID | None) -> tuple[UUID, str]:
    """A new tablet in the actor's project. Gives its id and its token. Raises what its rules say."""
    name = " ".join(name.split())[:60]
    if not store.settings.demo:
        if user_id is None:
            raise TabletNeedsPerson()
        if not store.settings.public_url.startswith("https://"):
            raise TabletNeedsHttps()
    if tx.scalar(sa.select(app_user.c.id).where(app_user.c.project_id == actor.project, app_user.c.name == name)):
        raise TabletNameTaken(name=name)
    key = tx.execute(sa.select(project.c.key).where(project.c.id == actor.project)).scalar_one()
    token = key + secrets.token_urlsafe(48)[: _TOKEN - _KEY_LENGTH]
    tablet_id = new_id()
    sealed = store.keyring.add_record(tx, actor.project, tablet_id).encrypt("token", token.encode())
    tx.execute(
        app_user.insert().values(
            project_id=actor.project, id=tablet_id, name=name, user_id=user_id, token_sealed=sealed,
            token_hash=store.keyring.hash("tokens", token), created_at=dt.datetime.now(dt.UTC), created_by=actor.id,
        )
    )
    record(tx, store.keyring, actor, Event("tablet.created", "tablet", tablet_id, {}))
    return tablet_id, token


def token_of(tx: sa.Connection, store: Store, actor: Actor, tablet_id: UUID) -> str:
    """The token of a tablet that is not revoked, for its QR code. Raises NotFound."""
    sealed = tx.scalar(
        sa.select(app_user.c.token_sealed).where(
            app_user.c.project_id == actor.project, app_user.c.id == tablet_id, app_user.c.revoked_at.is_(None)
        )
    )
    if sealed is None:
        raise NotFound()
    record(tx, store.keyring, actor, Event("tablet.shown", "tablet", tablet_id, {}))
    return store.keyring.record(tx, actor.project, tablet_id).decrypt("token", bytes(sealed)).decode()


def revoke(tx: sa.Connection, store: Store, actor: Actor, tablet_id: UUID) -> None:
    """From the commit on, the token opens nothing. Raises NotFound."""
    changed = tx.execute(
        app_user.update()
        .where(app_user.c.project_id == actor.project, app_user.c.id == tablet_id, app_user.c.revoked_at.is_(None))
        .values(revoked_at=dt.datetime.now(dt.UTC))
    )
    if changed.rowcount == 0:
        raise NotFound()
    record(tx, store.keyring, actor, Event("tablet.revoked", "tablet", tablet_id, {}))


def listed(tx: sa.Connection, project_id: UUID, *, revoked: bool = False) -> list[sa.Row]:
    """The project's tablets with their people, by name."""
    return list(
        tx.execute(
            sa.select(app_user, users.c.name.label("person"))
            .outerjoin(users, users.c.id == app_user.c.user_id)
            .where(
                app_user.c.project_id == project_id,
                app_user.c.revoked_at.is_not(None) if revoked else app_user.c.revoked_at.is_(None),
            )
            .order_by(app_user.c.name)
        )
    )


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody at the door whose token begins with a project's key; nothing else is known of them yet."""

    # The token as it is kept.
    mark: bytes
    actor: Actor
    timezone: str


def visitor(database: Database, keyring: Keyring, token: str) -> Visitor:
    """The visitor that a token announces. Raises TokenUnknown when there is no such project."""
    place = _project_of(database, token[:_KEY_LENGTH]) if len(token) == _TOKEN and token.isascii() else None
    if place is None:
        raise TokenUnknown()
    return Visitor(keyring.hash("tokens", token), Actor("tablet", projects=(place[0],), scope="all"), place[1])


def identified(tx: sa.Connection, who: Visitor) -> Tablet:
    """The tablet that a token belongs to, asked anew in each transaction: revocation holds at once.

    Also notes the last contact, once a minute. Raises TokenUnknown.
    """
    project_id = who.actor.project
    with driver(tx) as cursor:
        cursor.execute(_FIND, {"project": project_id, "hash": who.mark})
        row = cursor.fetchone()
    if row is None:
        raise TokenUnknown()
    tablet_id, name, user_id, seen_at, team = row
    now = dt.datetime.now(dt.UTC)
    if seen_at is None or now - seen_at > _SEEN_EVERY:
        tx.execute(
            app_user.update()
            .where(app_user.c.project_id == project_id, app_user.c.id == tablet_id)
            .values(last_seen_at=now)
        )
    return Tablet(Actor("tablet", tablet_id, (project_id,), "all", team), name, user_id, team, who.timezone, seen_at)


_FIND = """
SELECT a.id, a.name, a.user_id, a.last_seen_at, p.team
FROM app_user a
LEFT JOIN project_user p ON p.project_id = a.project_id AND p.user_id = a.user_id
LEFT JOIN users u ON u.id = a.user_id
WHERE a.project_id = %(project)s AND a.token_hash = %(hash)s AND a.revoked_at IS NULL
  AND u.disabled_at IS NULL AND (a.user_id IS NULL OR p.user_id IS NOT NULL)
"""


@lru_cache(maxsize=512)
def _known_project(database: Database, key: str) -> tuple[UUID, str]:
    with database.begin(NOBODY) as tx:
        row = tx.execute(sa.select(project.c.id, project.c.timezone).where(project.c.key == key)).one_or_none()
    if row is None:
        raise LookupError(key)
    return row.id, row.timezone


def _project_of(database: Database, key: str) -> tuple[UUID, str] | None:
    try:
        return _known_project(database, key)
    except LookupError:
        return None


def server_url(base_url: str, token: str) -> str:
    """The address that Collect takes as its server."""
    return f"{base_url.rstrip('/')}/key/{token}"


def collect_settings(url: str, project_name: str, *, language: str = "th") -> str:
    """What the QR code says to Collect: base64 of the deflated JSON of its settings.

    The tablet keeps exactly the server's forms, sends by itself, and deletes what it has sent.
    """
    settings = {
        "general": {
            "server_url": url,
            "form_update_mode": "match_exactly",
            "periodic_form_updates_check": "every_fifteen_minutes",
            "autosend": "wifi_and_cellular",
            "delete_send": True,
            "hide_old_form_versions": True,
            "analytics": False,
        },
        "admin": {},
        "project": {"name": project_name, "color": "#182b48", "icon": "น"},
    }
    return base64.b64encode(zlib.compress(json.dumps(settings, ensure_ascii=False).encode(), 9)).decode()


__all__ = [
    "Tablet",
    "Visitor",
    "collect_settings",
    "create",
    "identified",
    "listed",
    "project_user",
    "revoke",
    "server_url",
    "token_of",
    "visitor",
]
