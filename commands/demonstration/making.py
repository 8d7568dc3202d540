"""The plan of the demonstration, put together: every case's year, the grants, the story, and what goes wrong."""
from __future__ import annotations

import datetime as dt
import random
from dataclasses import replace
from typing import Literal

from commands.demonstration import money, story, year
from commands.demonstration.people import survivors
from commands.demonstration.plan import Deed, Plan, Sending

_COMES: tuple[Literal["later", "never"], ...] = ("later", "never", "later")


def make(cases: int, seed: int, today: dt.date) -> Plan:
    """The plan for a number of cases. The same arguments give the same plan, to the byte."""
    people = survivors(cases, random.Random(f"{seed}/people"))  # noqa: S311
    steps: list[Sending | Deed] = []
    grants = 0
    for who in people:
        if who.number == 0:
            steps += story.tell(story.course_of(who, seed, today))
            continue
        course = year.course_of(who, seed, today)
        year.live(course)
        if money.may_have_one(course):
            money.grant(course, grants)
            grants += 1
        steps += course.steps
    steps.sort(key=_order)
    return Plan(people, tuple(_with_mishaps(steps)), people[0].id if people else "")


def _order(step: Sending | Deed) -> tuple[dt.datetime, bool, str]:
    # At one moment a tablet is served before the office, and otherwise by name: always the same order.
    return step.at, isinstance(step, Deed), step.instance if isinstance(step, Sending) else f"{step.about}/{step.what}"


def _with_mishaps(steps: list[Sending | Deed]) -> list[Sending | Deed]:
    """Two pictures come late, one never came, one tablet had been offline when somebody else changed the person."""
    came = [(at, one) for at, one in enumerate(steps) if isinstance(one, Sending) and one.form == "visit"]
    with_picture = [(at, one) for at, one in came if one.pictures]
    for (place, one), comes in zip(with_picture[::-1], _COMES, strict=False):
        steps[place] = replace(one, pictures=tuple(replace(each, comes=comes) for each in one.pictures))
    visits = [(at, one) for at, one in came if not one.edits and one.pictures == ()]
    if len(visits) > 12:
        place, one = visits[-9]
        steps[place] = replace(one, change=replace(one.change, behind=1))
    return steps
