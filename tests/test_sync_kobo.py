"""A Kobo is read: what it holds is what the store holds, however it changes, and at no more cost than must be."""

from __future__ import annotations

import pytest
from doubles.kobo import serve
from doubles.kobo_world import World
from kobo_truth import Team, add_kobo, check, house, sync


@pytest.fixture
def world():
    made = World()
    made.release(house())
    return made


@pytest.fixture
def team(world):
    return Team(world)


@pytest.fixture
def kobo(world):
    double = serve(world)
    yield double
    double.close()


@pytest.fixture
def read(store, aftercare, kobo):
    """Reads the source once more; fails when the run did."""
    add_kobo(store, aftercare, kobo)

    def once(**options):
        done = sync(store, aftercare, **options)
        assert done.problem is None, (done.problem, done.counts)
        return done

    return once


def test_all_that_a_kobo_holds_comes_in(read, team, world, store, aftercare):
    roots = team.houses(30)
    team.edit(roots[3])
    team.edit(roots[3])
    world.review("house", roots[5], "approved")
    world.review("house", roots[6], "on_hold")
    world.review("house", roots[7], "not_approved")
    world.delete("house", roots[8])
    done = read()
    assert (done.counts["new"], done.counts["edited"]) == (28, 1), done.counts
    check(store, aftercare, world)


def test_a_year_of_changes_in_any_order_ends_equal(read, team, world, store, aftercare):
    team.houses(20)
    for _ in range(12):
        for _ in range(team.dice.randrange(1, 12)):
            team.anything()
        read()
        check(store, aftercare, world)
    read(full=True)
    check(store, aftercare, world)
    assert set(read().counts) <= {"files_missing"}
