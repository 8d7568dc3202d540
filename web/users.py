"""People with access: who signs in, as what; first passwords, disabling."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Blueprint, Response, g, redirect, request, url_for

from cases import access, people, tablets
from namjai.problems import Problem
from web import words
from web.frame import page, toast
from web.signed_in import requires, saw, store
from web.words import t

pages = Blueprint("users", __name__)


@pages.get("/admin/users")
@requires("user.manage")
def index() -> str:
    rows = people.listed(g.tx, g.me.project)
    saw("user.listed", "user", None)
    return page(
        "users.html",
        users=[
            {
                "id": row.id,
                "name": row.name,
                "initials": people.initials(row.name),
                "email": row.email,
                "role_label": _label(row.role),
                "disabled": row.disabled_at is not None,
                "last_seen": row.seen_at,
                "tablets": row.tablets,
            }
            for row in rows
        ],
    )


@pages.get("/admin/users/new")
@requires("user.manage")
def new() -> str:
    return page("user_new.html", roles=_roles(), teams=people.teams(g.tx, g.me.project))


@pages.post("/admin/users/new")
@requires("user.manage")
def create() -> Any:
    given = {name: request.form.get(name, "")[:254] for name in ("email", "name", "role", "team")}
    try:
        with g.tx.begin_nested():
            user_id, first = people.create(
                g.tx, store(), g.actor, email=given["email"], name=given["name"], role=given["role"],
                team=given["team"], language=words.language(),
            )
    except Problem as problem:
        return Response(
            page(
                "user_new.html", roles=_roles(), teams=people.teams(g.tx, g.me.project), values=given,
                error=problem.text(words.language()),
            ),
            problem.http_status,
        )
    return _shown(user_id, secret=first)


@pages.get("/admin/users/<uuid:id>")
@requires("user.manage")
def show(id: UUID) -> str:
    saw("user.opened", "user", id)
    return _shown(id)


@pages.post("/admin/users/<uuid:id>/role")
@requires("user.manage")
def set_role(id: UUID) -> Any:
    people.set_role(g.tx, store(), g.actor, id, request.form.get("role", ""), request.form.get("team"))
    toast(t("Role and team are changed; they hold from the next page on.", "เปลี่ยนบทบาทและทีมแล้ว มีผลตั้งแต่หน้าถัดไป"))
    return redirect(url_for("users.show", id=id), 303)


@pages.get("/admin/users/<uuid:id>/disable")
@requires("user.manage")
def disable_ask(id: UUID) -> str:
    row = people.one(g.tx, g.me.project, id)
    saw("user.opened", "user", id)
    return page(
        "confirm.html",
        here="users",
        title=t("Disable {name}?", "ปิดใช้งาน {name} หรือไม่", name=row.name),
        text=t(
            "{name} is signed out everywhere and their tablets are revoked at once. What they did stays.",
            "{name} จะออกจากระบบทุกเครื่อง และแท็บเล็ตจะถูกเพิกถอนทันที ประวัติการทำงานยังอยู่ครบ",
            name=row.name,
        ),
        action=url_for("users.disable", id=id),
        button=t("Disable {name}", "ปิดใช้งาน {name}", name=row.name),
        keep=t("Keep them", "ไม่ปิด"),
        back_url=url_for("users.show", id=id),
    )


@pages.post("/admin/users/<uuid:id>/disable")
@requires("user.manage")
def disable(id: UUID) -> Any:
    people.disable(g.tx, store(), g.actor, id)
    toast(t("Disabled: sessions are over, tablets revoked.", "ปิดใช้งานแล้ว ออกจากระบบทุกเครื่อง และเพิกถอนแท็บเล็ตแล้ว"))
    return redirect(url_for("users.show", id=id), 303)


@pages.post("/admin/users/<uuid:id>/reset")
@requires("user.manage")
def reset(id: UUID) -> str:
    """The new first password is in this answer and nowhere else."""
    return _shown(id, secret=people.reset(g.tx, store(), g.actor, id))


def _shown(id: UUID, secret: str | None = None) -> str:
    row = people.one(g.tx, g.me.project, id)
    held = [one for one in tablets.listed(g.tx, g.me.project) if one.user_id == id]
    return page(
        "user.html",
        user={
            "id": row.id,
            "name": row.name,
            "email": row.email,
            "role": row.role,
            "role_label": _label(row.role),
            "team": row.team,
            "disabled": row.disabled_at is not None,
            "me": row.id == g.me.user_id,
        },
        roles=_roles(),
        teams=people.teams(g.tx, g.me.project),
        secret=secret,
        tablets=[{"name": one.name, "last_seen": one.last_seen_at} for one in held],
    )


def _roles() -> list[dict[str, str]]:
    return [{"role": role, "label": name.in_(words.language())} for role, name in access.ROLE_NAMES.items()]


def _label(role: str) -> str:
    return access.role_name(role, words.language())
