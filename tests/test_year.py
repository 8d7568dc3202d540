"""A year of a team's work, read slice by slice: at its end exports, lists and cases are what the script says was done.

A small year here, in trouble; `make soak` plays the one of 10,000 submissions, also in peace. The seed is printed:
NAMJAI_SEED=… tells it again.
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
SOAK = bool(os.environ.get("NAMJAI_SOAK"))
# (submissions, slices)
SIZE = (10_000, 20) if SOAK else (300, 8)
RUNS = [(kind, how) for how in (("in peace", "in trouble") if SOAK else ("in trouble",)) for kind in SERVERS]
TROUBLE = {"killed", "faulted", "overlapping", "repeated", "cut_off", "busy_people"}


@pytest.fixture
def stage(request, store, aftercare, settings, tmp_path):
    print(f"NAMJAI_SEED={SEED}")
    server = SERVERS[request.param]()
    server.add_to(store, aftercare, CALM)
    yield Stage(store, aftercare, server, Year(server, SEED, *SIZE), folders=[settings.data_dir, tmp_path])
    server.double.close()


@pytest.mark.parametrize(("stage", "how"), RUNS, indirect=["stage"], ids=[f"{kind} {how}" for kind, how in RUNS])
def test_a_year_ends_as_it_was_played(stage, how, caplog, settings, cluster, database_url):
    """In trouble: killed, faulted, cut off, repeated, overlapping, with people who go on working meanwhile."""
    trouble = None
    if how == "in trouble":
        admin = sa.make_url(cluster.url).set(database="postgres").render_as_string(hide_password=False)
        trouble = Trouble(seeds(SEED), database_url, admin, settings.data_dir)
    play(stage, trouble)
    assert trouble is None or set(trouble.done) == TROUBLE
    stage.said.append(caplog.text)
    compared = compare.check(stage.store, stage.actor, stage.year)
    invariants.check_all(stage.store, stage.actor, stage.evidence())
    acts = stage.year.truth.acts
    print(f"compared {compared}; acts {acts}; trouble {trouble.done if trouble else None}")
    # Kobo's comments lie beside its submissions.
    assert all(number for what, number in compared.items() if what != "comments" or "comment" in stage.server.can), compared
    assert acts["edit"] and acts["delete"] and acts["late file"] and acts["new form version"] and acts["closed form"] and acts["approval here"]
