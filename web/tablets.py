"""Tablets: enrol one by a QR code, see when each was last heard, revoke one at once, send a sample on trial."""

from __future__ import annotations

import datetime as dt
import ipaddress
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import segno
import sqlalchemy as sa
from flask import Blueprint, Response, g, redirect, request, url_for
from markupsafe import Markup

from cases import access, people, sample_visit, tablets
from cases.today import SILENT
from namjai.problems import NotFound, Problem
from namjai.settings import EVERYWHERE
from store.tables import project, submission
from web import words
from web.frame import page, toast
from web.openrosa import taken
from web.signed_in import acting, programme, requires, saw, store
from web.words import t

pages = Blueprint("tablets", __name__)
_CARRIERS = ("field_staff", "therapist", "coordinator", "supervisor", "legal", "finance", "director")


@pages.get("/tablets")
@requires("tablet.manage")
def index() -> str:
    revoked = request.args.get("revoked") == "1"
    rows = tablets.listed(g.tx, g.me.project, revoked=revoked)
    gone = len(tablets.listed(g.tx, g.me.project, revoked=True))
    sent = (
        {
            row.app_user_id: row.n
            for row in g.tx.execute(
                sa.select(submission.c.app_user_id, sa.func.count().label("n"))
                .where(submission.c.project_id == g.me.project, submission.c.app_user_id.in_([row.id for row in rows]))
                .group_by(submission.c.app_user_id)
            )
        }
        if rows
        else {}
    )
    now = dt.datetime.now(dt.UTC)
    saw("tablet.listed", "tablet", None)
    return page(
        "tablets.html",
        revoked_count=gone,
        showing_revoked=revoked,
        tablets=[
            {
                "id": row.id,
                "name": row.name,
                "user": row.person,
                "last_seen": row.last_seen_at,
                "behind": None,
                "sent": sent.get(row.id, 0),
                "silent": row.last_seen_at is not None and now - row.last_seen_at > SILENT,
                "revoked": row.revoked_at,
            }
            for row in rows
        ],
    )


@pages.get("/tablets/new")
@requires("tablet.manage")
def new() -> str:
    return _new()


@pages.post("/tablets/new")
@requires("tablet.manage")
def create() -> Any:
    name, person = request.form.get("name", ""), request.form.get("user", "")
    try:
        user_id = UUID(person) if person else None
        if user_id:
            people.one(g.tx, g.me.project, user_id)
        with g.tx.begin_nested():
            tablet_id, token = tablets.create(g.tx, store(), g.actor, name, user_id)
    except Problem as problem:
        return Response(_new({"name": name, "user": person}, problem.text(words.language())), problem.http_status)
    except ValueError:
        raise NotFound() from None
    return _enrol(tablet_id, " ".join(name.split())[:60], user_id, token)


@pages.get("/tablets/<uuid:id>/revoke")
@requires("tablet.manage")
def revoke_ask(id: UUID) -> str:
    row = next((one for one in tablets.listed(g.tx, g.me.project) if one.id == id), None)
    if row is None:
        raise NotFound()
    return page(
        "confirm.html",
        here="tablets",
        title=t("Revoke {name}?", "เพิกถอน {name} หรือไม่", name=row.name),
        text=t(
            "It can no longer fetch or send, and what was filled in and not sent stays on it: have it sent first. "
            "This cannot be undone.",
            "จากนี้เครื่องนี้รับและส่งข้อมูลไม่ได้ ข้อมูลที่กรอกแล้วยังไม่ส่งจะค้างอยู่ในเครื่อง ให้ส่งก่อนเพิกถอน การ\u2060เพิกถอนย้อนกลับไม่ได้",
        ),
        action=url_for("tablets.revoke", id=id),
        button=t("Revoke {name}", "เพิกถอน {name}", name=row.name),
        back_url=url_for("tablets.index"),
    )


@pages.post("/tablets/<uuid:id>/revoke")
@requires("tablet.manage")
def revoke(id: UUID) -> Any:
    tablets.revoke(g.tx, store(), g.actor, id)
    toast(t("Revoked. It opens nothing any more.", "เพิกถอนแล้ว เครื่องนี้เข้าระบบไม่ได้อีก"))
    return redirect(url_for("tablets.index"), 303)


@pages.post("/tablets/sample")
@requires("tablet.manage", alone=True)
def sample() -> Any:
    """A filled-in visit, through the same door that tablets use. On trial only."""
    if not store().settings.demo:
        raise NotFound()
    plan = programme()
    with acting("case.read") as tx:
        delivery, actor = sample_visit.make(tx, store(), g.me.project, plan)
    changes = taken(store(), actor, delivery)
    toast(
        t("A visit came in, as from a tablet.", "ข้อมูลการเยี่ยมเข้ามาแล้ว เหมือนส่งจากแท็บเล็ต"),
        url=url_for("submissions.show", id=changes.submission_id),
        url_text=t("Open it", "เปิดดู"),
    )
    return redirect(
        url_for("submissions.index") if access.may("submission.read", g.me.role) else url_for("tablets.index"), 303
    )


def _new(values: dict[str, str] | None = None, error: str | None = None) -> str:
    held = people.in_roles(g.tx, g.me.project, _CARRIERS)
    listed = [
        {"id": one.id, "name": one.name, "role_label": access.role_name(one.role, words.language())} for one in held
    ]
    return page("tablet_new.html", people=listed, may_share=store().settings.demo, values=values, error=error)


def _enrol(tablet_id: UUID, name: str, user_id: UUID | None, token: str) -> str:
    base = server_address()
    url = tablets.server_url(base, token)
    title = g.tx.scalar(sa.select(project.c.name).where(project.c.id == g.me.project))
    plan = getattr(g, "programme", None)
    settings = tablets.collect_settings(url, plan.name.in_("th") if plan else title)
    parts = urlsplit(base)
    carrier = people.one(g.tx, g.me.project, user_id).name if user_id else None
    return page(
        "tablet_enrol.html",
        tablet={"id": tablet_id, "name": name, "user": carrier},
        qr=_drawn(settings),
        server_url=url,
        address=parts.netloc,
        unreachable=_is_here(parts.hostname or ""),
        command=store().settings.lan_command,
    )


def server_address() -> str:
    """The address in the QR code: the one that is set, else that of this request, or of this machine on its network."""
    settings = store().settings
    if settings.base_url:
        return settings.base_url
    parts = urlsplit(request.host_url)
    if settings.host in EVERYWHERE and _is_here(parts.hostname or ""):
        return settings.public_url
    return request.host_url.rstrip("/")


def _drawn(text: str) -> Markup:
    """The QR code as SVG without styles of its own."""
    code = segno.make_qr(text, error="l")
    drawn = code.svg_inline(border=2, omitsize=True, dark="#182b48", light="#ffffff", svgclass="qr", lineclass=None)
    return Markup(drawn)  # noqa: S704 made here


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
