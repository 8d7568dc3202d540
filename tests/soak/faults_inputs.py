"""Rows that nobody can read: one waits in quarantine with its reason, the rest goes on; and whatever else is odd."""
from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from soak.catalogue import ALL, CENTRAL, fault
from soak.scene import Scene

from cases import deliveries
from store import tables
from submissions import receive

_PERSONAL = "a personal value"


def poisoned(scene: Scene, error: Exception) -> None:
    """Reading one row fails whenever it is tried: three times, then it is put aside; mended, it is replayed."""
    scene.acts(8)
    root = next(one for one in scene.truth.live() if len(one.versions) == 1).root.encode()
    # Where what comes alone and what comes with others is read.
    read_answers, tries = receive.read_answers, []

    def poison(instance: Any, schema: Any) -> Any:
        if root in instance.xml:
            tries.append(1)
            raise error
        return read_answers(instance, schema)

    scene.patch.setattr(receive, "read_answers", poison)
    done = scene.read()
    assert done.problem is None and done.counts["quarantined"] == 1 and len(tries) == 3, (done.problem, dict(done.counts), len(tries))
    assert "quarantined" not in scene.read().counts, "the same row is put aside again in every run"
    scene.stage.cursors_hold()
    scene.patch.setattr(receive, "read_answers", read_answers)
    with scene.store_tx() as tx:
        item = tx.execute(sa.select(tables.quarantine).where(tables.quarantine.c.state == "waiting")).one()
        assert item.problem == "row-broken" and _PERSONAL not in str(item.facts)
        deliveries.replay(tx, scene.stage.store, scene.stage.actor, item.id)


for _kind in (ValueError, KeyError, RecursionError, AttributeError, ArithmeticError):
    fault(f"a row at which reading ends in a {_kind.__name__}", quick=ALL if _kind is ValueError else ())(
        lambda scene, kind=_kind: poisoned(scene, kind(_PERSONAL))
    )


@fault("a row at which PostgreSQL refuses a value")
def _data_error(scene: Scene) -> None:
    import psycopg

    poisoned(scene, psycopg.errors.InvalidTextRepresentation(_PERSONAL))


_BROKEN = {
    "content that is no XML": b"<data id='",
    "content with a DTD that would fill the memory": b'<!DOCTYPE lolz [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><data id="visit" version="1">&b;</data>',
    "content that is nested without end": b"<data>" * 5000,
    "content that names no form": b"<data><meta><instanceID>uuid:none</instanceID></meta></data>",
    "content of a form that does not exist": b'<data id="nowhere" version="1"><meta><instanceID>uuid:nowhere</instanceID></meta></data>',
    "content without an instanceID": b'<data id="visit" version="2026112401"/>',
    "content in an encoding that it does not have": b"<?xml version='1.0' encoding='utf-8'?><data id='visit' version='2026112401'>\xff\xfe</data>",
}


def _unreadable(body: bytes):  # type: ignore[no-untyped-def]
    def play(scene: Scene) -> None:
        """It lies in quarantine once, however often it is read; when its server sends it right, it is taken."""
        scene.acts(6)
        sub = next(one for one in scene.truth.live() if len(one.versions) == 1)
        scene.double.twist = lambda fault, answer: type(answer)(200, body, answer.headers) if fault.kind == "other" else None
        scene.fail("other", scene.stage.server.content_of(sub), times=100)
        done = scene.read()
        assert done.problem is None and done.counts.get("quarantined") == 1, (done.problem, dict(done.counts))
        assert "quarantined" not in scene.read().counts
        scene.stage.cursors_hold()
        # Somebody put it right there: the row is other than it was.
        scene.double.faults.clear()
        scene.year.edit_one(sub)

    return play


for _name, _body in _BROKEN.items():
    fault(_name, on=CENTRAL, quick=CENTRAL if "DTD" in _name else ())(_unreadable(_body))


@fault("a file whose name is a path", on=CENTRAL)
def _path(scene: Scene) -> None:
    """It is not kept, and nothing is written where the name points."""
    scene.acts(8)
    names = scene.stage.server.names_as_path()
    done = scene.read()
    assert done.problem is None and done.counts.get("files_unusable"), dict(done.counts)
    assert not list(scene.folder.rglob("passwd*"))
    names()


@fault("an entity that nobody can read", on=CENTRAL, quick=CENTRAL)
def _entity(scene: Scene) -> None:
    """The others are taken; it is tried again when everything is compared."""
    scene.acts(10)
    scene.double.twist = lambda fault, answer: type(answer)(200, answer.body.replace(b'"label":"', b'"label":{"th":7},"x":"'), answer.headers) if fault.kind == "other" else None
    scene.fail("other", "entity versions", times=1)
    done = scene.read()
    assert done.problem.code == "source-entity-broken", done.problem
    scene.double.faults.clear()
    assert scene.read(full=True).problem is None


@fault("answers that spreadsheets, CSV and XML stumble over")
def _awkward(scene: Scene) -> None:
    from soak.papers import AWKWARD, MARK

    for text in AWKWARD:
        scene.year._visit()
        sub = list(scene.truth.subs.values())[-1]
        scene.year.edit_one(sub, f"{text}{MARK}")
    scene.read()


@fault("a review state that a newer server may know", on=CENTRAL)
def _new_state(scene: Scene) -> None:
    scene.acts(8)
    scene.double.twist = lambda fault, answer: type(answer)(200, answer.body.replace(b'"reviewState":null', b'"reviewState":"futuristic"'), answer.headers) if fault.kind == "other" else None
    scene.fail("other", "listing", times=20)
    assert scene.read().problem is None
    scene.double.faults.clear()
    assert scene.read(full=True).problem is None


@fault("fields that a newer server may add", on=CENTRAL)
def _new_fields(scene: Scene) -> None:
    scene.acts(8)
    scene.double.twist = lambda fault, answer: type(answer)(200, answer.body.replace(b'"__system":{', b'"__system":{"mood":{"a":[1]},'), answer.headers) if fault.kind == "other" else None
    scene.fail("other", "listing", times=20)
    assert scene.read().problem is None
