"""Signing in and staying so: 15 minutes idle, 8 hours in all, a new token every quarter of an hour.

Knows users and tokens; knows no cookie and no page.
"""

from __future__ import annotations

import datetime as dt
import secrets
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from cases import passwords, throttling
from cases.people import folded
from namjai.problems import Problem
from store.actor import NO_PROJECT, NOBODY, Actor, act_as
from store.audit import Event, record
from store.keys import Keyring
from store.opening import Store
from store.tables import project_user, user_session, users

IDLE = dt.timedelta(minutes=15)
IN_ALL = dt.timedelta(hours=8)
ROTATE = dt.timedelta(minutes=15)
# Writing at each request would make each page a write.
_SEEN_EVERY = dt.timedelta(seconds=60)
# A page that loads its pictures while its token is renewed still holds the old one for a moment.
_GRACE = dt.timedelta(seconds=30)
_MOST_PER_ADDRESS, _MOST_PER_ACCOUNT, _WINDOW = 40, 8, 15


class SignInWrong(Problem):
    code, http_status = "sign-in-wrong", 401
    en = "Email and password do not match, or the account is disabled. Try again, or ask your administrator."
    th = "อีเมลกับรหัสผ่านไม่ตรงกัน หรือบัญชีถูกปิดไว้ ลองใหม่ หรือแจ้งผู้ดูแลระบบ"


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who is there: a user, their role in a project, and how they like the pages."""

    user_id: UUID
    name: str
    language: str
    theme: str
    single_keys: bool
    demonstration: bool
    must_choose: bool
    project: UUID | None
    role: str | None
    team: str | None
    token: str

    def actor(self, scope: str | None) -> Actor:
        """The actor of this person's transaction, bounded by the scope of what they do."""
        projects = (self.project,) if self.project else ()
        return Actor("person", self.user_id, projects, scope or "own", self.team)  # type: ignore[arg-type]


def check_password(store: Store, email: str, password: str, address: str) -> UUID:
    """The user whose email and password these are. Transactions of its own: a failed try stays counted.

    Raises TooManyTries, SignInWrong.
    """
    email = folded(email)
    with store.database.begin(NOBODY) as tx:
        throttling.count(tx, store.keyring, "sign-in address", address, most=_MOST_PER_ADDRESS, minutes=_WINDOW)
    with store.database.begin(NOBODY) as tx:
        throttling.count(tx, store.keyring, "sign-in account", email, most=_MOST_PER_ACCOUNT, minutes=_WINDOW)
    with store.database.begin(Actor("nobody", projects=(NO_PROJECT,))) as tx:
        row = tx.execute(
            sa.select(users.c.id, users.c.password_hash, users.c.disabled_at).where(users.c.email == email)
        ).one_or_none()
        right = passwords.fits(password, row.password_hash if row else None)
        if row and right and row.disabled_at is None:
            throttling.forget(tx, store.keyring, "sign-in account", email)
            return row.id
        if row:
            record(
                tx, store.keyring, Actor("nobody", projects=(NO_PROJECT,)), Event("session.refused", "user", row.id, {})
            )
    raise SignInWrong()


def begin(tx: sa.Connection, store: Store, user_id: UUID, *, how: str, project: UUID | None = None) -> str:
    """A new session. Gives its token, of which only a keyed hash is kept."""
    now = dt.datetime.now(dt.UTC)
    token = fresh_token(now)
    tx.execute(
        user_session.insert().values(
            token_hash=_hash(store.keyring, token), user_id=user_id, created_at=now, seen_at=now, project_id=project
        )
    )
    actor = Actor("person", user_id, (NO_PROJECT,))
    act_as(tx, actor)
    record(tx, store.keyring, actor, Event("session.begun", "user", user_id, {"how": how}))
    return token


def resume(tx: sa.Connection, store: Store, token: str) -> SignedIn | None:
    """Who a token belongs to, or None: unknown, over, or disabled. `tx` acts as that person afterwards.

    The token in the answer is a new one when it was time for it.
    """
    now = dt.datetime.now(dt.UTC)
    row = tx.execute(
        sa.select(
            user_session,
            users.c.name,
            users.c.language,
            users.c.theme,
            users.c.single_keys,
            users.c.demonstration,
            users.c.password_hash,
        )
        .join(users, users.c.id == user_session.c.user_id)
        .where(user_session.c.token_hash == _hash(store.keyring, token), users.c.disabled_at.is_(None))
    ).one_or_none()
    if row is None or now - row.seen_at > IDLE or now - row.created_at > IN_ALL:
        return None
    if row.ended_at is not None and row.ended_at < now:
        return None
    act_as(tx, Actor("person", row.user_id))
    place = _place(tx, row.user_id, row.project_id)
    if now - row.seen_at > _SEEN_EVERY and row.ended_at is None:
        tx.execute(user_session.update().where(user_session.c.token_hash == row.token_hash).values(seen_at=now))
    return SignedIn(
        row.user_id,
        row.name,
        row.language,
        row.theme,
        row.single_keys,
        row.demonstration,
        passwords.is_once(row.password_hash),
        place.project_id if place else None,
        place.role if place else None,
        place.team if place else None,
        token,
    )


def renew(tx: sa.Connection, store: Store, token: str) -> str:
    """A fresh token for the same session when the old one is old enough, which then ends in a moment; else the same."""
    now = dt.datetime.now(dt.UTC)
    old = _hash(store.keyring, token)
    issued = dt.datetime.fromtimestamp(_stamp(token), dt.UTC) if _stamp(token) else None
    if issued and now - issued < ROTATE:
        return token
    fresh = fresh_token(now)
    moved = tx.execute(
        user_session.update()
        .where(user_session.c.token_hash == old, user_session.c.ended_at.is_(None))
        .values(ended_at=now + _GRACE)
        .returning(user_session.c.user_id, user_session.c.created_at, user_session.c.project_id)
    ).one_or_none()
    if moved is None:
        return token
    tx.execute(
        user_session.insert().values(
            token_hash=_hash(store.keyring, fresh),
            user_id=moved.user_id,
            created_at=moved.created_at,
            seen_at=now,
            project_id=moved.project_id,
        )
    )
    return fresh


def fresh_token(now: dt.datetime) -> str:
    """A token that says when it was made, so that no column is needed to know its age."""
    return f"{int(now.timestamp()):x}.{secrets.token_urlsafe(32)}"


def end(tx: sa.Connection, store: Store, token: str) -> None:
    """The session is over at the commit."""
    tx.execute(
        user_session.update()
        .where(user_session.c.token_hash == _hash(store.keyring, token), user_session.c.ended_at.is_(None))
        .values(ended_at=dt.datetime.now(dt.UTC))
    )


def choose_password(tx: sa.Connection, store: Store, user_id: UUID, password: str) -> None:
    """A person's own new password; all their other sessions end. Raises PasswordTooShort."""
    passwords.check_new(password)
    tx.execute(users.update().where(users.c.id == user_id).values(password_hash=passwords.hashed(password)))
    tx.execute(
        user_session.update()
        .where(user_session.c.user_id == user_id, user_session.c.ended_at.is_(None))
        .values(ended_at=dt.datetime.now(dt.UTC))
    )
    actor = Actor("person", user_id, (NO_PROJECT,))
    act_as(tx, actor)
    record(tx, store.keyring, actor, Event("user.password", "user", user_id, {}))


def _place(tx: sa.Connection, user_id: UUID, project: UUID | None) -> sa.Row | None:
    rows = tx.execute(
        sa.select(project_user).where(project_user.c.user_id == user_id).order_by(project_user.c.project_id)
    ).all()
    return next((row for row in rows if row.project_id == project), rows[0] if rows else None)


def _stamp(token: str) -> int:
    head, dot, _ = token.partition(".")
    try:
        return int(head, 16) if dot and len(head) <= 10 else 0
    except ValueError:
        return 0


def _hash(keyring: Keyring, token: str) -> bytes:
    return keyring.hash("tokens", "session", token)
