"""A year of a team's work, read slice by slice: at its end exports, lists and cases are what the script says was done.

A small year here; `make soak` plays the one of 10,000 submissions. The seed is printed: NAMJAI_SEED=… tells it again.
"""
from __future__ import annotations

import os

import invariants
import pytest
import sqlalchemy as sa
from soak import compare
from soak.play import Stage, play, seeds
from soak.servers import CALM, SERVERS
from soak.trouble import Trouble
from soak.year import Year

SEED = int(os.environ.get("NAMJAI_SEED") or "2026")
# (submissions, slices)
SMALL, LARGE = (300, 8), (10_000, 20)
SIZE = LARGE if os.environ.get("NAMJAI_SOAK") else SMALL


@pytest.fixture
def stage(request, store, aftercare, settings, cluster, database_url, tmp_path, caplog):
    print(f"NAMJAI_SEED={SEED}")
    server = SERVERS[request.param]()
    server.add_to(store, aftercare, CALM)
    made = Stage(store, aftercare, server, Year(server, SEED, *SIZE), folders=[settings.data_dir, tmp_path])
    yield made
    server.double.close()


@pytest.mark.parametrize("stage", SERVERS, indirect=True)
def test_a_year_ends_as_it_was_played(stage, caplog):
    play(stage)
    ends_as_played(stage, caplog)


@pytest.mark.parametrize("stage", SERVERS, indirect=True)
def test_a_year_that_was_killed_faulted_repeated_and_overlapped_ends_the_same(stage, caplog, settings, cluster, database_url):
    admin = sa.make_url(cluster.url).set(database="postgres").render_as_string(hide_password=False)
    trouble = Trouble(seeds(SEED), database_url, admin, settings.data_dir)
    play(stage, trouble)
    assert set(trouble.done) == {"killed", "faulted", "overlapping", "repeated", "cut_off", "busy_people"}
    ends_as_played(stage, caplog)


def ends_as_played(stage, caplog):
    stage.said.append(caplog.text)
    compared = compare.check(stage.store, stage.actor, stage.year)
    invariants.check_all(stage.store, stage.actor, stage.evidence())
    acts = stage.year.truth.acts
    print(f"compared {compared}; acts {acts}")
    # Kobo's comments lie beside its submissions.
    assert all(number for what, number in compared.items() if what != "comments" or "comment" in stage.server.can), compared
    assert acts["edit"] and acts["delete"] and acts["late file"] and acts["new form version"] and acts["closed form"] and acts["approval here"]
