"""The entities and cases of many new submissions at once.

Entities that are only named, because they are picked or because their list is kept elsewhere, are looked up together.
A submission that writes an entity is applied alone (`submissions/entities`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from store.actor import driver
from store.tables import cases
from submissions import entities
from submissions.delivery import EntityChange
from submissions.entities import TABLETS, Told, Wanted
from submissions.entity_rows import known_lists
from submissions.event_dates import event_of
from submissions.receive import Arrival

_KNOWN = """
SELECT e.list, e.uuid, e.case_id, e.version FROM unnest(%(lists)s::text[], %(uuids)s::uuid[]) AS asked (list, uuid)
JOIN entity e ON e.project_id = %(project)s AND e.list = asked.list AND e.uuid = asked.uuid
"""
_PLACEHOLDER = """
INSERT INTO entity (project_id, list, uuid, label, data, version, placeholder, created_by, created_at, updated_at)
VALUES (%(project)s, %(list)s, %(uuid)s, '', '{}', 0, true, %(submission)s, %(at)s, %(at)s) ON CONFLICT DO NOTHING
"""
_MEMBERSHIP = """
INSERT INTO membership (project_id, case_id, submission_id, worker, team, event_date)
VALUES (%(project)s, %(case)s, %(submission)s, %(worker)s, %(team)s, %(date)s)
"""
_Key = tuple[str, UUID]


def apply(arrivals: Sequence[Arrival]) -> list[Told]:
    """What each of these new submissions changed, and its cases. All are of one project and one transaction."""
    speaking = [(one, said) for one in arrivals if (said := entities.said_by(one)) is not None]
    if not speaking:
        return [((), ())] * len(arrivals)
    lists = known_lists(speaking[0][0].tx, speaking[0][0].project)
    wanted = [(one, entities.wanted_by(one, lists, said)) for one, said in speaking]
    naming = [pair for pair in wanted if not any(_writes(each, lists) for each in pair[1])]
    told: dict[UUID, Told] = {}
    for one, fed, cases_of in _named(naming, lists):
        told[one.submission_id] = (fed, cases_of)
    for one, each in wanted:
        if one.submission_id not in told:
            told[one.submission_id] = entities.applied(one, lists, each)
    return [told.get(one.submission_id, ((), ())) for one in arrivals]


def _writes(one: Wanted, lists: dict[str, sa.Row]) -> bool:
    return one.action is not None and lists[one.list].home == TABLETS


def _named(
    naming: list[tuple[Arrival, list[Wanted]]], lists: dict[str, sa.Row]
) -> list[tuple[Arrival, tuple[EntityChange, ...], tuple[UUID, ...]]]:
    """What the feed told before of entities that are only named here, and the cases of each submission. Who is not
    known yet is held a place for."""
    asked: dict[_Key, Arrival] = {}
    for one, wanted in naming:
        for each in wanted:
            asked.setdefault((each.list, each.uuid), one)
    known, told = _known(asked)
    # Always in the same order, so that two transactions about the same people do not wait for each other in a circle.
    order = sorted(asked, key=lambda key: (not lists[key[0]].is_case_list, *key))
    _hold_places([(key, asked[key]) for key in order if key not in known and not lists[key[0]].is_case_list])
    for key in order:
        if lists[key[0]].is_case_list and known.get(key) is None:
            known[key] = entities.case_of_known(asked[key], lists[key[0]], key[1])
    found = []
    for one, wanted in naming:
        cases_of = dict.fromkeys(case for each in wanted if (case := known.get((each.list, each.uuid))))
        fed = [
            entities.fed_before(one, lists[each.list], each.uuid, known.get((each.list, each.uuid)))
            for each in wanted
            if each.action is not None and (each.list, each.uuid) in told
        ]
        found.append((one, tuple(change for change in fed if change), tuple(cases_of)))
    _join([(one, cases_of) for one, _, cases_of in found])
    return found


def _known(asked: dict[_Key, Arrival]) -> tuple[dict[_Key, UUID | None], set[_Key]]:
    """Those of these entities that are here, each with its case; and those of which somebody told already."""
    if not asked:
        return {}, set()
    one = next(iter(asked.values()))
    facts = {"project": one.project, "lists": [key[0] for key in asked], "uuids": [key[1] for key in asked]}
    with driver(one.tx) as cursor:
        rows = cursor.execute(_KNOWN, facts).fetchall()
    return {(row[0], row[1]): row[2] for row in rows}, {(row[0], row[1]) for row in rows if row[3] > 0}


def _hold_places(places: list[tuple[_Key, Arrival]]) -> None:
    facts = [
        {
            "project": one.project, "list": name, "uuid": uuid, "submission": one.submission_id,
            "at": one.delivery.received_at,
        }
        for (name, uuid), one in places
    ]  # fmt: skip
    if facts:
        with driver(places[0][1].tx) as cursor:
            cursor.executemany(_PLACEHOLDER, facts)


def _join(found: list[tuple[Arrival, tuple[UUID, ...]]]) -> None:
    """The submissions become parts of their cases, each as its person's who is responsible for the case."""
    ids = {case for _, each in found for case in each}
    if not ids:
        return
    tx, project = found[0][0].tx, found[0][0].project
    query = sa.select(cases.c.id, cases.c.worker, cases.c.team).where(
        cases.c.project_id == project, cases.c.id.in_(ids)
    )
    whose = {row.id: row for row in tx.execute(query)}
    facts: list[dict[str, Any]] = [
        {
            "project": project, "case": case, "submission": one.submission_id, "date": event_of(one).date,
            "worker": whose[case].worker, "team": whose[case].team,
        }
        for one, each in found
        for case in each
    ]  # fmt: skip
    with driver(tx) as cursor:
        cursor.executemany(_MEMBERSHIP, facts)
