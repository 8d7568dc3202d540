"""`namjai demo`: forty invented survivors and a believable year, sent through the tablets' door.

The plan is made first (`commands/demonstration`), then carried out in the order of its times: tablets over HTTP, the
office by the functions that its pages call, both by the story's clock. What must look like this very moment (late
pictures, a repetition, a broken sending) comes last, by the real one.
"""
from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

import click

from namjai.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable

    import sqlalchemy as sa

    from commands.demonstration.clock import Clock
    from commands.demonstration.office import Office
    from commands.demonstration.plan import Deed, Plan, Sending
    from commands.demonstration.sending import Door
    from store.actor import Actor
    from store.opening import Store

SETTING = "demonstration"


class DemonstrationOnTrialOnly(Problem):
    code, http_status = "demonstration-on-trial-only", 409
    en = ("Invented people do not belong among real ones, and NAMJAI_DEMO=0 says that this is real work. "
          "Nothing was made.")
    th = "ข้อมูลสมมติไม่ควรอยู่ร่วมกับข้อมูลจริง และ NAMJAI_DEMO=0 หมายถึงการใช้งานจริง ยังไม่มีการเพิ่มข้อมูล"


class DemonstrationNeedsAftercare(Problem):
    code, http_status = "demonstration-needs-aftercare", 409
    en = ("The demonstration fills in the forms of the aftercare programme. Nothing was made; install it first: "
          "namjai programs install forms/aftercare")
    th = ("การสาธิตใช้แบบฟอร์มของโครงการดูแลหลังช่วยเหลือ ยังไม่มีการเพิ่มข้อมูล ติดตั้งก่อนด้วย "
          "namjai programs install forms/aftercare")


class DemonstrationUnfinished(Problem):
    code, http_status = "demonstration-unfinished", 409
    en = ("A demonstration was begun here and broke off, so its story is not whole. Nothing was added. "
          "Start afresh: remove the data directory (var/), or name another one with NAMJAI_DATA_DIR.")
    th = ("การสร้างข้อมูลสาธิตครั้งก่อนหยุดกลางคัน ข้อมูลจึงไม่ครบ ยังไม่มีการเพิ่มข้อมูล "
          "เริ่มใหม่โดยลบโฟลเดอร์ข้อมูล (var/) หรือระบุโฟลเดอร์อื่นด้วย NAMJAI_DATA_DIR")


@dataclass(frozen=True, slots=True)
class Seeded:
    """What the demonstration made; None for `plan` when it was there already."""

    plan: Plan | None
    deliveries: int = 0
    seconds: float = 0.0
    begun: dt.datetime | None = None


@click.command()
@click.option("--cases", "count", default=40, show_default=True, type=click.IntRange(1, 2000),
              help="How many survivors.")
@click.option("--seed", "chance", default=7, show_default=True,
              help="The same seed on the same day makes the same people.")
@click.option("--project", help="The project's name; left out: the only one.")
def demo(count: int, chance: int, project: str | None) -> None:
    """Demonstration data: invented survivors and a year of their cases, sent through the tablets' door."""
    from commands.opening import opened

    with opened() as store:
        seed(store, cases=count, chance=chance, project=project)


def seed(store: Store, *, cases: int = 40, chance: int = 7, project: str | None = None) -> Seeded:
    """Make the demonstration in a project and say so. Where there is one already, only say that.

    An installation without any project gets the shipped programme first. Raises DemonstrationOnTrialOnly,
    DemonstrationNeedsAftercare, DemonstrationUnfinished, and what opening a project raises.
    """
    from cases import projects
    from commands.first_run import SHIPPED
    from commands.forms import _install as install
    from commands.opening import project_actor
    from store.opening import KEEPER

    if not store.settings.demo:
        raise DemonstrationOnTrialOnly()
    with store.database.begin(KEEPER) as tx:
        empty = not projects.all_projects(tx)
    if empty:
        install(store, SHIPPED, project)
    actor = project_actor(store, project)
    done = make(store, actor, cases=cases, chance=chance, today=_today(store, actor))
    if done.plan is None:
        click.echo("The demonstration data is here already; nothing was added.")
    else:
        people = len(done.plan.survivors)
        click.echo(f"Demonstration: {people} invented survivors, {done.deliveries} sendings through the tablets' door, "
                   f"in {done.seconds:.0f} s.")
    return done


def make(store: Store, actor: Actor, *, cases: int, chance: int, today: dt.date) -> Seeded:
    """Carry out the plan for a number of cases on a day. Does nothing where it was carried out before.

    Raises DemonstrationNeedsAftercare, DemonstrationUnfinished, and whatever the plan meets unforeseen.
    """
    from cases.projects import programme_of
    from commands.demonstration import making
    from commands.demonstration.clock import Clock
    from commands.demonstration.office import Office
    from commands.demonstration.sending import Door
    from web.app import create_app

    begun = dt.datetime.now(dt.UTC)
    with store.database.begin(actor) as tx:
        programme = programme_of(tx, actor.project)
        if already(tx):
            return Seeded(None)
    if programme is None or not {"intake", "visit", "fund_request", "fund_receipt"} <= set(programme.forms):
        raise DemonstrationNeedsAftercare()
    plan = making.make(cases, chance, today)
    client = create_app(store).test_client()
    _mark(store, actor, plan)
    with Clock().kept() as clock:
        clock.moment = plan.steps[0].at - dt.timedelta(days=3)
        tokens, people = _enter(store, actor)
        office = Office(store, actor.project, programme, people)
        with store.database.begin(actor) as reading:
            deliveries = _carry_out(plan, Door(reading, actor, client, tokens), office, clock, begun)
    _mark(store, actor, plan)
    return Seeded(plan, deliveries, (dt.datetime.now(dt.UTC) - begun).total_seconds(), begun)


def already(tx: sa.Connection) -> bool:
    """Whether this installation holds demonstration data. Raises DemonstrationUnfinished where it broke off."""
    import sqlalchemy as sa

    from store.tables import setting

    mark = tx.scalar(sa.select(setting.c.value).where(setting.c.name == SETTING))
    if mark is not None and mark.get("case") is None:
        raise DemonstrationUnfinished()
    return mark is not None


def _enter(store: Store, actor: Actor) -> tuple[dict[str, str], dict[str, UUID]]:
    """The team signs up, its tablets are enrolled. Gives the tablets' tokens and the people's ids."""
    from cases import people, tablets
    from cases.tablets import TabletNameTaken
    from commands.demonstration.staff import COLLEAGUES, DEVICES

    ids: dict[str, UUID] = {}
    tokens: dict[str, str] = {}
    with store.database.begin(actor) as tx:
        for one in COLLEAGUES:
            ids[one.key], _ = people.create(
                tx, store, actor, email=one.email, name=one.name, role=one.role, team=one.team, language=one.language,
                demonstration=True,
            )
        for device in DEVICES:
            holder = ids.get(device.holder or "")
            try:
                tablet_id, token = tablets.create(tx, store, actor, device.name, holder)
            except TabletNameTaken:  # somebody enrolled one before asking for the demonstration
                tablet_id, token = tablets.create(tx, store, actor, f"{device.name} (demonstration)", holder)
            if device.revoked:
                tablets.revoke(tx, store, actor, tablet_id)
            else:
                tokens[device.key] = token
    return tokens, ids


def _carry_out(plan: Plan, door: Door, office: Office, clock: Clock, begun: dt.datetime) -> int:
    from commands.demonstration.plan import Sending

    last = None
    for step in _shown(plan.steps):
        # What came this morning came just now where it is still night.
        clock.moment = min(step.at, begun)
        if isinstance(step, Sending):
            last = (step, door.take(step))
        else:
            office.do(step)
    clock.moment = None
    if last is not None:
        door.errands(last)
    return door.sent


def _shown(steps: tuple[Sending | Deed, ...]) -> Iterable[Sending | Deed]:
    """The steps, with a bar on a terminal that says how long it still takes; elsewhere a line."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    if not console.is_terminal:
        click.echo("Making demonstration data …")
        return steps
    return track(steps, "Making demonstration data", console=console, transient=True, update_period=0.2)


def _mark(store: Store, actor: Actor, plan: Plan) -> None:
    """Note that the demonstration is here (also half of one), and whose case tells the story, once there is one."""
    import sqlalchemy as sa
    from sqlalchemy.dialects.postgresql import insert

    from store.audit import Event, record
    from store.tables import cases as cases_table
    from store.tables import setting

    with store.database.begin(actor) as tx:
        case_id = tx.scalar(sa.select(cases_table.c.id).where(
            cases_table.c.project_id == actor.project, cases_table.c.entity == UUID(plan.story)))
        value = {"project": str(actor.project), "case": str(case_id) if case_id else None}
        marking = insert(setting).values(name=SETTING, value=value)
        tx.execute(marking.on_conflict_do_update(index_elements=["name"], set_={"value": value}))
        if case_id:
            event = Event("demonstration.made", "project", actor.project, {"cases": len(plan.survivors)})
            record(tx, store.keyring, actor, event)


def _today(store: Store, actor: Actor) -> dt.date:
    import zoneinfo

    import sqlalchemy as sa

    from store.tables import project

    with store.database.begin(actor) as tx:
        zone = tx.execute(sa.select(project.c.timezone).where(project.c.id == actor.project)).scalar_one()
    return dt.datetime.now(zoneinfo.ZoneInfo(zone)).date()
