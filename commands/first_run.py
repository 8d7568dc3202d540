"""What `make run` does before it serves: the shipped programme, demonstration data, and a word of welcome."""
from __future__ import annotations

from pathlib import Path

import click

from namjai.problems import Problem
from namjai.settings import ROOT, Settings
from store.opening import KEEPER, Store

SHIPPED = ROOT / "forms" / "aftercare"
WORK = "work"


class RealWorkAmongInvented(Problem):
    code, http_status = "real-work-among-invented", 409
    en = ("This data directory holds invented people, and NAMJAI_DEMO=0 says that this is real work. Nothing was "
          "changed. Name an empty one, for example: NAMJAI_DEMO=0 NAMJAI_DATA_DIR={other} make run")
    th = ("โฟลเดอร์ข้อมูลนี้มีบุคคลสมมติ แต่ NAMJAI_DEMO=0 หมายถึงการใช้งานจริง ยังไม่มีการเปลี่ยนแปลง ระบุโฟลเดอร์ว่าง เช่น "
          "NAMJAI_DEMO=0 NAMJAI_DATA_DIR={other} make run")


class TrialAmongReal(Problem):
    code, http_status = "trial-among-real", 409
    en = ("This data directory holds real work, and without NAMJAI_DEMO=0 Namjai would be on trial in it. Nothing was "
          "changed. Set NAMJAI_DEMO=0, or name another directory with NAMJAI_DATA_DIR.")
    th = ("โฟลเดอร์ข้อมูลนี้ใช้งานจริง หากไม่ตั้ง NAMJAI_DEMO=0 ระบบจะอยู่ในโหมดทดลองกับข้อมูลจริง ยังไม่มีการเปลี่ยนแปลง "
          "ตั้ง NAMJAI_DEMO=0 หรือระบุโฟลเดอร์อื่นด้วย NAMJAI_DATA_DIR")


def keep_apart(store: Store) -> None:
    """Real work never starts where invented people are, nor a trial where real work is; real work is noted.

    Raises RealWorkAmongInvented, TrialAmongReal.
    """
    import sqlalchemy as sa
    from sqlalchemy.dialects.postgresql import insert

    from commands.demo import SETTING
    from store.tables import setting

    with store.database.begin(KEEPER) as tx:
        noted = set(tx.scalars(sa.select(setting.c.name).where(setting.c.name.in_((SETTING, WORK)))))
        if store.settings.demo:
            if WORK in noted:
                raise TrialAmongReal()
            return
        if SETTING in noted:
            raise RealWorkAmongInvented(other=store.settings.data_dir.with_name("namjai-real"))
        tx.execute(insert(setting).values(name=WORK, value={"real": True}).on_conflict_do_nothing())


def prepare(store: Store) -> None:
    """Install the shipped programme where there is none, and seed demonstration data on a first run on trial.

    Raises DemonstrationUnfinished where a first run was stopped halfway.
    """
    from cases import projects
    from commands.demo import already
    from commands.forms import _install as install

    with store.database.begin(KEEPER) as tx:
        fresh = not projects.all_projects(tx)
        already(tx)
    if fresh:
        install(store, Path(SHIPPED), None)
        if store.settings.demo:
            from commands.demo import seed

            seed(store)


def welcome(store: Store) -> None:
    """Say where Namjai is, as whom the link signs in, and how a tablet connects."""
    settings = store.settings
    here = settings.public_url
    click.echo()
    if settings.demo:
        link, name = _link(store, here)
        click.echo(f"Namjai is on trial: invented people, watermarked letters. Sign in as {name} with one click:")
        click.echo(f"  {link}")
    else:
        click.echo(f"Namjai: {here}")
        if not _somebody(store):
            click.echo("Nobody can sign in yet. The first person is made by a command, with these same settings:")
            click.echo("  .venv/bin/namjai users create you@example.org --role admin")
    click.echo(_of_tablets(settings, here))
    click.echo("Ctrl-C stops it.\n")


def _of_tablets(settings: Settings, here: str) -> str:
    if not settings.demo and not here.startswith("https://"):
        return "Tablets are enrolled when NAMJAI_BASE_URL is an https address: docs/administrators.md"
    if settings.host in ("127.0.0.1", "localhost", "::1") and not settings.base_url:
        return f"Tablets cannot reach 127.0.0.1. To connect one on the same network: {settings.lan_command}"
    return f"Tablets: open {here}/tablets and scan the QR code with ODK Collect."


def _somebody(store: Store) -> bool:
    from cases import people, projects

    with store.database.begin(KEEPER) as tx:
        rows = projects.all_projects(tx)
    for row in rows:
        with store.database.begin(projects.in_project(row.id)) as tx:
            if people.listed(tx, row.id):
                return True
    return False


def _link(store: Store, here: str) -> tuple[str, str]:
    from cases.access import role_name
    from cases.people import demonstrators
    from cases.projects import keeper
    from web.sign_in import trial_link

    with store.database.begin(KEEPER) as tx:
        actor = keeper(tx)
    with store.database.begin(actor) as tx:
        people = demonstrators(tx)
    first = next((one for one in people if one.role == "coordinator"), None)
    if first is None:
        return f"{here}/", "—"
    return f"{here}{trial_link(store, first.id)}", f"{first.name} ({role_name(first.role, 'en')})"
