"""Those who sign in: their names, roles and teams, and what the administrator does with them.

Users are global, a role belongs to a project. Knows no session; passwords come hashed from `cases/passwords`.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Iterable
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from cases import passwords
from cases.access import ROLE_NAMES
from namjai.languages import Words
from namjai.problems import InputInvalid, NotFound, Problem
from store.actor import Actor, act_as
from store.audit import Event, record
from store.keys import new_id
from store.opening import Store
from store.tables import app_user, cases, grants, list_row, membership, project_user, user_session, users

# What a supervisor sees by its team: it follows whoever is responsible.
_OF_A_TEAM = (cases, membership, list_row, grants)
THEMES = ("auto", "light", "dark")
_EMAIL = re.compile(r"[^\s@<>\"]+@[^\s@<>\"]+\.[^\s@<>\"]+")


class EmailTaken(Problem):
    code, http_status = "email-taken", 409
    en = "Somebody already signs in with this email. Nothing was made; use another one."
    th = "มีผู้ใช้อีเมลนี้แล้ว ยังไม่ได้เพิ่ม ใช้อีเมลอื่น"


class OwnAccount(Problem):
    code, http_status = "own-account", 409
    en = "Nobody changes their own role or way in. Ask another administrator; nothing was changed."
    th = "ไม่มีใครเปลี่ยนบทบาทหรือสิทธิ์เข้าใช้ของตนเองได้ ขอให้ผู้ดูแลระบบอีกคนทำให้ ยังไม่มีการเปลี่ยนแปลง"


def create(
    tx: sa.Connection,
    store: Store,
    actor: Actor,
    *,
    email: str,
    name: str,
    role: str,
    team: str | None = None,
    language: str | None = None,
    demonstration: bool = False,
    password: str | None = None,
) -> tuple[UUID, str]:
    """A new user with a role in the actor's project. Gives the id and the first password ("" when one was given).

    A demonstration person gets no password: on trial one click signs in. Raises EmailTaken, InputInvalid.
    """
    email, name = folded(email), " ".join(name.split())[:120]
    if not _EMAIL.fullmatch(email) or len(email) > 254:
        raise InputInvalid(field=Words("Email", "อีเมล"), reason=Words("it is no email address", "ไม่ใช่ที่อยู่อีเมล"))
    if not name:
        raise InputInvalid(field=Words("Name", "ชื่อ"), reason=Words("it is empty", "ยังไม่ได้กรอก"))
    if tx.scalar(sa.select(users.c.id).where(users.c.email == email)):
        raise EmailTaken()
    user_id = new_id()
    first = "" if demonstration or password else passwords.first()
    hashed = passwords.hashed(password) if password else passwords.hashed(first, once=True) if first else None
    tx.execute(
        users.insert().values(
            id=user_id,
            email=email,
            name=name,
            password_hash=hashed,
            language=language or store.settings.language,
            theme="auto",
            single_keys=True,
            demonstration=demonstration,
            created_at=dt.datetime.now(dt.UTC),
        )
    )
    team = join(tx, store, actor, user_id, role, team)
    record(tx, store.keyring, actor, Event("user.created", "user", user_id, {"role": role, "team": team}))
    return user_id, first


def join(
    tx: sa.Connection, store: Store, actor: Actor, user_id: UUID, role: str, team: str | None = None
) -> str | None:
    """Give a known user a role in the actor's project. Gives the team's name. Raises InputInvalid for no role."""
    _check(role)
    team = _team(tx, actor.project, team)
    place = {"project_id": actor.project, "user_id": user_id, "role": role, "team": team}
    tx.execute(project_user.insert().values(**place))
    return team


def set_role(
    tx: sa.Connection, store: Store, actor: Actor, user_id: UUID, role: str, team: str | None = None
) -> None:
    """Change a person's role and team (None: as it was): it holds from their next page on, for their cases too.

    Raises OwnAccount, InputInvalid, NotFound.
    """
    _not_own(actor, user_id)
    _check(role)
    values: dict[str, str | None] = {"role": role}
    if team is not None:
        values["team"] = _team(tx, actor.project, team)
    changed = tx.execute(
        project_user.update()
        .where(project_user.c.project_id == actor.project, project_user.c.user_id == user_id)
        .values(**values)
    )
    if changed.rowcount == 0:
        raise NotFound()
    if team is not None:
        _take_along(tx, actor, user_id, values["team"])
    record(tx, store.keyring, actor, Event("user.role", "user", user_id, {"to": role, "team": values.get("team")}))


def _take_along(tx: sa.Connection, actor: Actor, user_id: UUID, team: str | None) -> None:
    """What this person is responsible for goes with them to their team. Whoever moves them may see none of it."""
    act_as(tx, actor.everywhere())
    for table in _OF_A_TEAM:
        mine = table.c.project_id == actor.project, table.c.worker == user_id
        tx.execute(table.update().where(*mine, table.c.team.is_distinct_from(team)).values(team=team))
    act_as(tx, actor)


def teams(tx: sa.Connection, project: UUID) -> list[str]:
    """The teams that people of the project are in, by name."""
    query = sa.select(project_user.c.team).where(project_user.c.project_id == project, project_user.c.team.is_not(None))
    return sorted(set(tx.scalars(query)))


def disable(tx: sa.Connection, store: Store, actor: Actor, user_id: UUID) -> None:
    """From the commit on the person's sessions are over and their tablets open nothing. Raises OwnAccount, NotFound."""
    _not_own(actor, user_id)
    one(tx, actor.project, user_id)
    now = dt.datetime.now(dt.UTC)
    tx.execute(users.update().where(users.c.id == user_id).values(disabled_at=now))
    tx.execute(
        user_session.update()
        .where(user_session.c.user_id == user_id, user_session.c.ended_at.is_(None))
        .values(ended_at=now)
    )
    tx.execute(
        app_user.update()
        .where(app_user.c.project_id == actor.project, app_user.c.user_id == user_id, app_user.c.revoked_at.is_(None))
        .values(revoked_at=now)
    )
    record(tx, store.keyring, actor, Event("user.disabled", "user", user_id, {}))


def reset(tx: sa.Connection, store: Store, actor: Actor, user_id: UUID) -> str:
    """A new first password: it lets a disabled person in again, ends their sessions. Raises OwnAccount, NotFound."""
    _not_own(actor, user_id)
    one(tx, actor.project, user_id)
    first = passwords.first()
    tx.execute(
        users.update()
        .where(users.c.id == user_id)
        .values(password_hash=passwords.hashed(first, once=True), disabled_at=None)
    )
    tx.execute(
        user_session.update()
        .where(user_session.c.user_id == user_id, user_session.c.ended_at.is_(None))
        .values(ended_at=dt.datetime.now(dt.UTC))
    )
    record(tx, store.keyring, actor, Event("user.reset", "user", user_id, {}))
    return first


def one(tx: sa.Connection, project: UUID, user_id: UUID) -> sa.Row:
    """A user with role and team in the project. Raises NotFound."""
    row = tx.execute(_with_role(project).where(users.c.id == user_id)).one_or_none()
    if row is None:
        raise NotFound()
    return row


def listed(tx: sa.Connection, project: UUID) -> list[sa.Row]:
    """The project's users with role, team, last sight and number of tablets, by name."""
    seen = sa.select(sa.func.max(user_session.c.seen_at)).where(user_session.c.user_id == users.c.id).scalar_subquery()
    held = (
        sa.select(sa.func.count())
        .select_from(app_user)
        .where(app_user.c.project_id == project, app_user.c.user_id == users.c.id, app_user.c.revoked_at.is_(None))
        .scalar_subquery()
    )
    return list(
        tx.execute(_with_role(project).add_columns(seen.label("seen_at"), held.label("tablets")).order_by(users.c.name))
    )


def in_roles(tx: sa.Connection, project: UUID, roles: Iterable[str]) -> list[sa.Row]:
    """The project's active users in some roles, by name."""
    return list(
        tx.execute(
            _with_role(project)
            .where(project_user.c.role.in_(list(roles)), users.c.disabled_at.is_(None))
            .order_by(users.c.name)
        )
    )


def names(tx: sa.Connection, ids: Iterable[UUID | str | None]) -> dict[Any, str]:
    """Names by user id, of those that are given. A text is the name of somebody at a source, and stands for itself."""
    wanted = {one for one in ids if one}
    said: dict[Any, str] = {one: one for one in wanted if isinstance(one, str)}
    wanted -= set(said)
    if not wanted:
        return said
    rows = tx.execute(sa.select(users.c.id, users.c.name).where(users.c.id.in_(wanted)))
    return said | {row.id: row.name for row in rows}


def prefer(tx: sa.Connection, user_id: UUID, **values: str | bool) -> None:
    """Keep how a person likes the pages: language, theme, single_keys. Unknown values are left out."""
    kept = {
        name: value
        for name, value in values.items()
        if (name == "language" and value in ("en", "th"))
        or (name == "theme" and value in THEMES)
        or name == "single_keys"
    }
    if kept:
        tx.execute(users.update().where(users.c.id == user_id).values(**kept))


def demonstrators(tx: sa.Connection) -> list[sa.Row]:
    """The invented people of a trial, by project and role. `tx` sees all projects."""
    return list(
        tx.execute(
            sa.select(users.c.id, users.c.name, project_user.c.role, project_user.c.project_id)
            .join(project_user, project_user.c.user_id == users.c.id)
            .where(users.c.demonstration.is_(True), users.c.disabled_at.is_(None))
            .order_by(users.c.created_at, users.c.id)
        )
    )


def initials(name: str) -> str:
    """Two letters for a face: NP for Nok P., นช for a Thai name; leading vowels and titles in dots are skipped."""
    found = [letter for part in name.split() if (letter := _first_letter(part))]
    return "".join(found[:2]).upper() or "?"


def short(name: str) -> str:
    """How a colleague is called on a list: Nok P."""
    first, _, rest = name.partition(" ")
    letter = _first_letter(rest)
    return f"{first} {letter}." if letter else first


def folded(email: str) -> str:
    """An email as it is compared: no outer space, NFKC, no capitals."""
    return unicodedata.normalize("NFKC", email).strip().casefold()


def _first_letter(word: str) -> str:
    return next((letter for letter in word if unicodedata.category(letter)[0] == "L" and letter not in "เแโใไ"), "")


def _with_role(project: UUID) -> sa.Select:
    return (
        sa.select(users, project_user.c.role, project_user.c.team)
        .join(project_user, project_user.c.user_id == users.c.id)
        .where(project_user.c.project_id == project)
    )


def _team(tx: sa.Connection, project: UUID, name: str | None) -> str | None:
    """A team's name; that of a team that is there, however its letters were typed."""
    name = " ".join((name or "").split())[:60]
    return next((one for one in teams(tx, project) if one.casefold() == name.casefold()), name) or None


def _check(role: str) -> None:
    if role not in ROLE_NAMES:
        raise InputInvalid(field=Words("Role", "บทบาท"), reason=Words("it is none of the roles", "ไม่ใช่บทบาทที่มีอยู่"))


def _not_own(actor: Actor, user_id: UUID) -> None:
    if actor.kind == "person" and actor.id == user_id:
        raise OwnAccount()
