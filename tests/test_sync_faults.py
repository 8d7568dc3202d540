"""A server and the way to it fail, the database fails, processes are killed: after one more reading all is well again.

What is tried lies in soak/faults_*.py, each fault by its name; here run those that every run tries, with `make soak`
all of them. The seed is printed when one fails: NAMJAI_SEED=… tells the same again.
"""
from __future__ import annotations

import logging
import os
import random

import pytest
import sqlalchemy as sa
from central_truth import HOUSE, Team, add_central, check, sync, xform
from doubles.central import certificate, serve
from doubles.central_world import World
from soak.catalogue import CATALOGUE, Fault, cases
from soak.play import Stage
from soak.scene import Scene, patience
from soak.servers import SERVERS
from soak.trouble import Trouble
from soak.year import Year

from store.tables import project, submission

SEED = int(os.environ.get("NAMJAI_SEED") or "12")
SOAK = bool(os.environ.get("NAMJAI_SOAK"))
CASES = list(cases(everything=SOAK, named=os.environ.get("NAMJAI_FAULT", ""), servers=tuple(SERVERS)))


@pytest.fixture
def scene(request, store, aftercare, settings, cluster, database_url, tmp_path, caplog, monkeypatch):
    kind, one = request.param
    print(f"{one.name} [{kind}]: NAMJAI_SEED={SEED}")
    caplog.set_level(logging.DEBUG)
    server = SERVERS[kind]()
    server.add_to(store, aftercare, patience())
    stage = Stage(store, aftercare, server, Year(server, SEED, 200, 1), folders=[settings.data_dir, tmp_path])
    admin = sa.make_url(cluster.url).set(database="postgres").render_as_string(hide_password=False)
    dice = random.Random(f"{SEED} {one.name}")
    made = Scene(stage, Trouble(dice, database_url, admin, settings.data_dir), dice, monkeypatch, lambda: caplog.text, tmp_path)
    made.acts(10)
    yield made
    for double in (server.double, *made.doubles):
        double.close()


@pytest.mark.parametrize(("scene", "fault"), [(one, one[1]) for one in CASES], indirect=["scene"], ids=[f"{one.name} [{kind}]" for kind, one in CASES])
def test_after_a_fault_everything_is_well_again(scene: Scene, fault: Fault):
    fault.play(scene)
    scene.settled()


def test_the_catalogue_has_its_sixty_faults_and_more():
    assert len(CATALOGUE) >= 60
    for words in ("half an answer", "HTML", "Retry-After", "redirect", "killed", "serialization", "read-only", "disk", "reply is lost", "two runs", "clock", "row at which"):
        assert any(words in name for name in CATALOGUE), words


def test_over_tls_with_an_authority_of_our_own(store, aftercare, tmp_path, monkeypatch):
    files = certificate(tmp_path)
    world = World()
    world.release(xform(HOUSE))
    double = serve(world, tls=files)
    add_central(store, aftercare, double)
    Team(world, SEED).houses(5)
    # Unknown to us, the certificate is refused, and no password is sent.
    assert sync(store, aftercare).problem.code == "source-unreachable" and double.asked == []
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(files[0]))
    assert sync(store, aftercare).problem is None
    check(store, aftercare, world)
    double.close()


def test_nothing_crosses_into_another_project(store, aftercare):
    world = World()
    world.release(xform(HOUSE))
    double = serve(world)
    add_central(store, aftercare, double)
    Team(world, SEED).houses(3)
    sync(store, aftercare)
    with store.database.begin(aftercare) as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(project)) == 1
        assert set(tx.scalars(sa.select(submission.c.project_id))) == {aftercare.project}
    double.close()
