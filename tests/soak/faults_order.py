"""Order and time: what commits late, what happens while we page, what comes and goes, new forms, clocks that jump."""
from __future__ import annotations

import datetime as dt
from unittest import mock

import sqlalchemy as sa
from soak.catalogue import CENTRAL, fault
from soak.forms import SECOND, THIRD, form
from soak.scene import Scene

from store import tables
from sync.schedule import is_due


@fault("a row that commits late with an earlier time", on=CENTRAL, quick=CENTRAL)
def _late(scene: Scene) -> None:
    scene.read()
    scene.acts(5)
    scene.read()
    submit = scene.stage.server.submit
    scene.stage.server.submit = lambda *given, **how: submit(*given, **{**how, "late": True})  # type: ignore[method-assign]
    scene.year._visit()
    scene.stage.server.submit = submit  # type: ignore[method-assign]


@fault("five hundred rows of the same instant", quick=())
def _same_instant(scene: Scene) -> None:
    submit = scene.stage.server.submit
    scene.stage.server.submit = lambda *given, **how: submit(*given, **{**how, "same": True})  # type: ignore[method-assign]
    for _ in range(500):
        scene.year._visit()
    scene.stage.server.submit = submit  # type: ignore[method-assign]
    scene.read()


@fault("people insert, edit and delete while we page")
def _while_paging(scene: Scene) -> None:
    for _ in range(300):
        scene.year._visit()
    left = [25]

    def work(_method: str, _path: str) -> None:
        with scene.double.lock:
            if left[0] and scene.dice.random() < 0.3:
                left[0] -= 1
                scene.year.act()

    scene.before(work)
    scene.read()
    scene.stage.cursors_hold()


@fault("an hour passes while we page, and people go on working", quick=CENTRAL)
def _long_pass(scene: Scene) -> None:
    for _ in range(80):
        scene.year._visit()
    left = [40]

    def work(_method: str, path: str) -> None:
        with scene.double.lock:
            if left[0] and scene.stage.server.is_listing(path):
                left[0] -= 1
                # More than any overlap of two passes: what changes behind the pass is older than what it ends with.
                scene.stage.server.world.tick(minutes=6)
                for _ in range(5):
                    scene.year.edit()

    scene.before(work)
    with mock.patch.multiple("sync.central", PAGE_ROWS=10, NEXT_ROWS=10):
        scene.read()
    scene.stage.cursors_hold()


@fault("a deletion, a restoration and a purge, one run each", on=CENTRAL, quick=CENTRAL)
def _comes_and_goes(scene: Scene) -> None:
    scene.read()
    for act in ("delete", "delete", "delete", "restore", "purge"):
        before = scene.truth.acts.get(act, 0)
        while scene.truth.acts.get(act, 0) == before:
            getattr(scene.year, act)()
        scene.read()


@fault("deleted and sent again between two runs")
def _deleted_and_sent_again(scene: Scene) -> None:
    scene.read()
    scene.year.delete()
    scene.year._visit()


@fault("deleted while its content is fetched")
def _deleted_meanwhile(scene: Scene) -> None:
    scene.acts(6)
    left = [3]

    def work(_method: str, path: str) -> None:
        with scene.double.lock:
            if left[0] and scene.stage.server.is_content(path):
                left[0] -= 1
                scene.year.delete()

    scene.before(work)
    scene.read()


@fault("edited while its content is fetched")
def _edited_meanwhile(scene: Scene) -> None:
    scene.acts(6)
    left = [4]

    def work(_method: str, path: str) -> None:
        with scene.double.lock:
            if left[0] and scene.stage.server.is_content(path):
                left[0] -= 1
                scene.year.edit()

    scene.before(work)
    scene.read()


@fault("edited several times between two runs", quick=CENTRAL)
def _edited_often(scene: Scene) -> None:
    scene.read()
    for _ in range(12):
        scene.year.edit()


@fault("a listing that forgets half of its rows buries nobody", quick=CENTRAL)
def _forgetful(scene: Scene) -> None:
    scene.read()
    forget, remember = scene.stage.server.forgets_half()
    forget()
    done = scene.read(full=True)
    remember()
    assert done.counts.get("deleted", 0) == 0, dict(done.counts)


@fault("a new form version during the run")
def _new_version(scene: Scene) -> None:
    """What was sent with it came before it was known here: it waits in quarantine, and is taken in the next run."""
    scene.read()

    def publish(_method: str, path: str) -> None:
        if scene.stage.server.is_listing(path):
            scene.before(None)
            with scene.double.lock:
                scene.stage.server.release(form("visit", SECOND, entities=scene.year.entities))
                scene.year.released["visit"].append(SECOND)
                scene.year.used["visit"] = SECOND
                scene.year._visit()

    scene.before(publish)
    scene.read()


@fault("a question that changes its type and one that goes", quick=CENTRAL)
def _changed_question(scene: Scene) -> None:
    for version in (SECOND, THIRD):
        scene.acts(4)
        scene.read()
        scene.stage.server.release(form("visit", version, entities=scene.year.entities))
        scene.year.released["visit"].append(version)
        scene.year.used["visit"] = version
        for _ in range(3):
            scene.year._visit()


@fault("a form that is closed while answers to it still wait")
def _closed(scene: Scene) -> None:
    scene.acts(10)
    scene.stage.server.close_form("fund_receipt")
    scene.year.closed.add("fund_receipt")
    scene.read()
    with scene.store_tx() as tx:
        closed = tx.scalar(sa.select(tables.source_form.c.closed).where(tables.source_form.c.xml_form_id == "fund_receipt"))
    assert closed


@fault("a photo that comes after its submission, and one that never comes", quick=CENTRAL)
def _late_photo(scene: Scene) -> None:
    scene.acts(14)
    scene.read()
    while scene.year.late:
        scene.year.bring()


@fault("another photo under the same name", on=CENTRAL)
def _replaced_photo(scene: Scene) -> None:
    scene.acts(6)
    scene.read()
    for _ in range(3):
        scene.year.replace()


@fault("a server whose clock runs back by three minutes", on=CENTRAL)
def _clock_back(scene: Scene) -> None:
    scene.acts(5)
    scene.read()
    scene.stage.server.world.now -= dt.timedelta(minutes=3)
    scene.acts(3)


@fault("a server whose clock leaps by a year", on=CENTRAL)
def _clock_ahead(scene: Scene) -> None:
    scene.acts(5)
    scene.read()
    scene.stage.server.world.now += dt.timedelta(days=366)
    scene.acts(5)
    scene.read()


@fault("our own clock jumps back, and the source is read all the same", quick=CENTRAL)
def _our_clock(scene: Scene) -> None:
    scene.acts(4)
    scene.read()
    with scene.store_tx() as tx:
        tx.execute(tables.source.update().values(tried_at=dt.datetime.now(dt.UTC) + dt.timedelta(days=3)))
    assert is_due(scene.row(), dt.datetime.now(dt.UTC)), "not read before the clock has caught up"


@fault("two offline visits that arrive the wrong way round", on=CENTRAL, quick=CENTRAL)
def _offline(scene: Scene) -> None:
    for _ in range(4):
        scene.year._offline_visits(scene.year._somebody())
        scene.read()


@fault("two people change one entity upon the same version", on=CENTRAL, quick=CENTRAL)
def _conflict(scene: Scene) -> None:
    who = scene.year._somebody()
    base = scene.truth.entities["survivors"][who.id].number
    for _ in range(2):
        scene.year._one_visit(who, {"baseVersion": str(base)}, base)
        scene.read()
    assert scene.truth.entities["survivors"][who.id].conflict == "hard"


@fault("an entity that its server deleted", on=CENTRAL)
def _entity_gone(scene: Scene) -> None:
    scene.acts(20)
    scene.read()
    while not scene.truth.acts.get("entity removed"):
        scene.year.remove_entity()
        scene.acts(1)


@fault("an approved request is edited on its server, another one is deleted", quick=CENTRAL)
def _approved_then_changed(scene: Scene) -> None:
    """Money must not go out on what nobody approved."""
    for _ in range(4):
        scene.year._request()
    scene.read()
    scene.stage.decide(3)
    decided = [one for one in scene.truth.live("fund_request") if one.writes[0][1] in scene.truth.decided]
    assert len(decided) >= 2
    scene.year.edit_one(decided[0])
    scene.year.delete_one(decided[1])
    scene.read()
    states = {str(row.entity): row.state for row in _grants(scene)}
    assert [states[one.writes[0][1]] for one in decided[:2]] == ["suspended", "suspended"]


def _grants(scene: Scene) -> list[sa.Row]:
    with scene.store_tx() as tx:
        return list(tx.execute(sa.select(tables.grants)))
