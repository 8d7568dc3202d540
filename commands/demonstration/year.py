"""A year of a case: intake, visits, stages, what the office said. Knows what a believable year looks like; no database.

Everything comes from a chance of the case's own, so that a longer list of cases changes none of the others.
"""
from __future__ import annotations

import datetime as dt
import random
from dataclasses import dataclass, field
from typing import Any

from commands.demonstration import papers, texts
from commands.demonstration.papers import Background, Sheet
from commands.demonstration.people import Survivor, new_uuid
from commands.demonstration.plan import Change, Deed, Picture, Sending, moment
from commands.demonstration.staff import DEVICES

DAY = dt.timedelta(days=1)
_DEVICE_IDS = {one.key: one.device_id for one in DEVICES}
# Stage → how long ago the case began (days, from and to), and the stages before it with their share of that time.
_WAY = ("report", "screening", "reflection", "identification", "care", "legal", "return", "reintegration", "closure")
_AGES = {
    "report": (2, 5), "screening": (5, 12), "reflection": (12, 30), "identification": (28, 60), "care": (70, 330),
    "legal": (130, 350), "return": (170, 350), "reintegration": (220, 360), "closure": (280, 362),
}
_SHARES = {"report": 0, "screening": 0.02, "reflection": 0.04, "identification": 0.12, "care": 0.18, "legal": 0.42,
           "return": 0.62, "reintegration": 0.72, "closure": 0.96}
# Where the forty stand today, and when something is due: overdue, this week, later.
_STAGES = (
    "care", "reflection", "return", "legal", "legal", "care", "closure", "identification", "reintegration", "care",
    "reintegration", "report", "care", "care", "screening", "reintegration", "care", "legal", "care", "identification",
    "reintegration", "care", "return", "care", "care", "closure", "reflection", "care", "screening", "reintegration",
    "care", "return", "care", "reintegration", "identification", "care", "legal", "reflection", "care", "closure",
)
_DUE = (
    -3, -1, 3, 6, 6, 8, 10, 13, 15, 17, 20, 1, -5, 9, 2, 24, 12, 0, 27, 4,
    31, 16, 5, 22, -2, 60, 2, 19, 1, 35, 14, -8, 26, 41, 7, 11, 18, 4, 29, 75,
)
_HIGH = frozenset({0, 1, 12, 17, 26})
_MEDIUM = frozenset({2, 3, 5, 7, 11, 14, 19, 22, 24, 28, 31, 34, 36, 37})
_PLACES = {
    "report": ("shelter", "office"), "screening": ("shelter", "office"), "reflection": ("shelter",),
    "identification": ("shelter", "hospital", "office"),
    "care": ("shelter", "shelter", "home", "school", "phone", "hospital"),
    "legal": ("shelter", "court", "office", "phone"), "return": ("phone", "home", "office"),
    "reintegration": ("home", "home", "phone", "school", "work"), "closure": ("home", "phone"),
}
_SERVICES = {
    "shelter": ("emotional", "safety_plan", "goods"), "home": ("family", "safety_plan", "goods"),
    "school": ("schooling",),
    "work": ("training",), "office": ("papers", "legal"), "court": ("witness", "legal"), "hospital": ("health",),
    "phone": ("emotional",),
}
_WHAT = {
    "report": ("visit", "health"), "screening": ("visit", "papers"), "reflection": ("visit", "counselling"),
    "identification": ("papers", "visit"), "care": ("visit", "counselling", "school", "health"),
    "legal": ("court", "visit"),
    "return": ("papers", "call"), "reintegration": ("visit", "call", "school", "money"), "closure": ("call",),
}
_PROVINCES = {
    "th": ("chiang_rai", "bangkok", "khon_kaen", "chon_buri"), "my": ("tak", "samut_sakhon", "chiang_mai", "ranong"),
    "km": ("sa_kaeo", "trat", "surin", "rayong"), "lo": ("nong_khai", "mukdahan", "ubon_ratchathani"),
}
_EXPLOITATION = {
    "child": ("begging", "online_sexual", "domestic"), "female": ("sexual", "domestic", "labour", "marriage"),
    "male": ("fishing", "labour", "scam"),
}
_YEARS = {"female": (13, 15, 16, 16, 19, 22, 24, 27, 29, 33, 38), "male": (14, 17, 20, 23, 26, 31, 36, 44)}


@dataclass
class Course:
    """One case while its year is being made up: who, with whom, and what the tablets know of it so far."""

    who: Survivor
    worker: str
    tablet: str
    chance: random.Random
    today: dt.date
    opened: dt.date
    stage: str
    back: Background
    final_due: dt.date
    risk: str = ""
    due: dt.date | None = None
    steps: list[Sending | Deed] = field(default_factory=list)

    @property
    def device(self) -> str:
        return _DEVICE_IDS[self.tablet]

    def stage_on(self, day: dt.date) -> str:
        """Where the case stood on a day."""
        return [stage for stage, since in self.stages() if since <= day][-1:][0] if day >= self.opened else "report"

    def stages(self) -> list[tuple[str, dt.date]]:
        """The stages so far and since when. Legal is skipped by those who took no part in a prosecution."""
        days = (self.today - self.opened).days
        found = []
        for stage in _WAY[: _WAY.index(self.stage) + 1]:
            if stage in ("legal", "return") and stage != self.stage and self.who.number % 3:
                continue
            found.append((stage, self.opened + dt.timedelta(days=round(days * _SHARES[stage]))))
        return found

    def sheet(self, day: dt.date) -> Sheet:
        return Sheet(day, self.chance.randrange(8, 16), self.chance.randrange(60), self.device)

    def arrival(self, day: dt.date) -> dt.datetime:
        """When the tablet found a network: the same evening, or the next morning, as those of yesterday did."""
        if self.chance.random() < 0.75 and day + DAY < self.today:
            return moment(day, self.chance.randrange(17, 20), self.chance.randrange(60))
        return moment(day + DAY, self.chance.randrange(7, 10), self.chance.randrange(60))


def course_of(who: Survivor, seed: int, today: dt.date) -> Course:
    """The frame of a case: how old it is, where it stands, whose it is, when something is due."""
    chance = random.Random(f"{seed}/{who.number}")  # noqa: S311
    place = who.number % len(_STAGES)
    stage = _STAGES[place]
    youngest, oldest = _AGES[stage]
    opened = today - dt.timedelta(days=chance.randint(youngest, oldest))
    worker = "mali" if place % 8 == 5 else "nok" if place % 2 == 0 else "arthit"
    tablet = {"nok": "t3", "mali": "t5"}.get(worker) or chance.choice(("t1", "t1", "t2"))
    risk = "high" if place in _HIGH else "medium" if place in _MEDIUM else "low"
    back = _background(who, chance, opened, risk)
    due = today + dt.timedelta(days=_DUE[place])
    return Course(who, worker, tablet, chance, today, opened, stage, back, due, risk=back.risk)


def live(course: Course) -> list[Sending | Deed]:
    """The year of a case: its intake, its visits, its stages, and what the office said to each."""
    _intake(course)
    for day in _visit_days(course):
        _visit(course, day)
    known = course.steps[0].at
    for number, (stage, since) in enumerate(course.stages()[1:], 1):
        # Nobody moves a case that has not arrived yet.
        at = max(moment(since, 16, course.chance.randrange(60)), known + dt.timedelta(minutes=20 * number))
        course.steps.append(Deed(at, "ploy", "stage", course.who.id, stage, since))
    _review(course)
    return course.steps


def fitting(sentences: tuple[str, ...], sex: str) -> list[str]:
    """The sentences that may be said of a woman, or of a man."""
    wrong = {"he", "him", "his"} if sex == "female" else {"she", "her", "hers"}
    return [one for one in sentences if not wrong & set(one.lower().replace(".", " ").replace(",", " ").split())]


def _background(who: Survivor, chance: random.Random, opened: dt.date, risk: str) -> Background:
    years = chance.choice(_YEARS[who.sex])
    born = opened - dt.timedelta(days=years * 365 + chance.randrange(60, 300))
    band = papers.age_band(born, opened)
    child = years < 18
    kind = _EXPLOITATION["child" if child else who.sex]
    relatives = ("mother", "aunt_uncle", "grandparent", "sibling")
    guardian = chance.choice(relatives) if child and chance.random() < 0.7 else None
    return Background(
        age_band=band, born=None if chance.random() < 0.15 else born, estimated=chance.random() < 0.4,
        province=chance.choice(_PROVINCES.get(who.folk.lang, ("bangkok", "chon_buri", "phuket"))),
        source=chance.choice(("police", "social_office", "shelter", "ngo", "hotline", "embassy", "family", "hospital")),
        exploitation=tuple(sorted(chance.sample(kind, chance.choice((1, 1, 2))))), risk=risk,
        language=who.folk.languages[0],
        named=True if years > 13 and who.number % 4 else chance.random() < 0.5, guardian=guardian,
    )


def _intake(course: Course) -> None:
    who, chance, day = course.who, course.chance, course.opened
    # Nothing can be due before the day of the intake.
    first = min(day + dt.timedelta(days=chance.randint(2, 6)), course.final_due)
    course.due = max(course.final_due if (course.today - day).days < 6 else first, day)
    what = chance.choice(_WHAT["report"])
    pictures: tuple[Picture, ...] = ()
    answers = papers.intake(course.sheet(day), who, course.back, course.due, what, chance)
    if chance.random() < 0.6:
        pictures = (Picture(f"{chance.randrange(10**12)}.png", "signature", chance.randrange(12)),)
        answers["consent/consent_signature"] = pictures[0].name
    course.steps.append(Sending(
        course.arrival(day), course.tablet, "intake", f"uuid:{new_uuid(chance)}", answers,
        Change("survivors", who.id, "create", who.label, either=True), pictures,
    ))


def _visit_days(course: Course) -> list[dt.date]:
    """The days of the visits; after the last one the next is due when `final_due` says."""
    chance, day, days = course.chance, course.opened, list[dt.date]()
    last = min(course.today - DAY, course.final_due - DAY)
    if course.stage == "closure":
        last -= dt.timedelta(days=chance.randint(4, 20))
    while True:
        step = chance.randint(2, 6) if len(days) < 3 else chance.randint(26, 66)
        day += dt.timedelta(days=step)
        if day > last:
            break
        days.append(day)
    # Whoever is due soon was seen lately.
    lately = last - dt.timedelta(days=chance.choice((0, 1, 2, 4, 5, 7, 9, 11)))
    if days and lately > days[-1]:
        days.append(lately)
    return days


def _visit(course: Course, day: dt.date) -> None:
    who, chance, stage = course.who, course.chance, course.stage_on(day)
    where = chance.choice([one for one in _PLACES[stage] if _possible(one, course)])
    risk_before, due_before = course.risk, course.due
    if course.back.risk != "high" and chance.random() < 0.08:
        course.risk = chance.choice(("low", "medium"))
    course.due = day + dt.timedelta(days=chance.randint(7, 30))
    services = _services(where, chance)
    facts: dict[str, Any] = {
        "where": where, "language": course.back.language if course.worker != "mali" else "th", "risk": course.risk,
        "risk_before": risk_before, "due_before": due_before, "due": course.due,
        "what": chance.choice([one for one in _WHAT[stage] if _possible(one, course)]),
        "services": services,
        "wellbeing": chance.choice("1223334" if course.risk == "high" else "22333444"),
        "observed": chance.choice(fitting(texts.OBSERVED[where], who.sex)),
        "note": chance.choice(fitting(texts.NEXT_NOTES, who.sex)) if chance.random() < 0.3 else "",
        "people": _people(where, course),
    }
    answers = papers.visit(course.sheet(day), who, facts, chance)
    pictures: tuple[Picture, ...] = ()
    if "goods" in services:
        pictures = (Picture(f"{chance.randrange(10**12)}.jpg", "bag", chance.randrange(10)),)
        answers["proof/brought"] = pictures[0].name
    course.steps.append(Sending(course.arrival(day), course.tablet, "visit", f"uuid:{new_uuid(chance)}", answers,
                                Change("survivors", who.id), pictures))


def _possible(where: str, course: Course) -> bool:
    if where == "work":
        return not course.back.child
    if where == "school":
        return course.back.age_band in ("12-14", "15-17", "18-24")
    return True


def _services(where: str, chance: random.Random) -> list[str]:
    offered = _SERVICES[where]
    chosen = chance.sample(offered, min(len(offered), chance.choice((1, 2))))
    return [one for one in offered if one in chosen]


def _people(where: str, course: Course) -> list[tuple[str, str]]:
    chance = course.chance
    with_them = {
        "shelter": ["shelter_officer"], "home": [course.back.guardian or "partner"], "school": ["teacher"],
        "court": ["lawyer"], "office": ["official"],
    }.get(where, [])
    if course.back.language not in ("th", "en") and course.worker != "mali":
        with_them = [*with_them, "interpreter"]
    return [(one, chance.choice(("yes", "yes", "no"))) for one in with_them if chance.random() < 0.8]


def _review(course: Course) -> None:
    """What the office said to each submission. The last three days wait; so does what came back and was not mended."""
    chance = course.chance
    last_visit = max((one.at for one in course.steps if isinstance(one, Sending) and one.form == "visit"), default=None)
    for one in [step for step in course.steps if isinstance(step, Sending)]:
        if one.at == last_visit:
            # Mended last: its due date is the one that stands.
            _set_due(course, one)
        if one.at.date() >= course.today - 3 * DAY:
            continue
        said = one.at + dt.timedelta(hours=chance.randint(14, 60), minutes=chance.randrange(60))
        said = min(said, moment(course.today - DAY, 16, chance.randrange(60)))
        by = "rung" if course.worker == "nok" and chance.random() < 0.2 else "ploy"
        luck = chance.random()
        if luck < 0.05 and one.form == "visit":
            _sent_back(course, one, said, by)
        else:
            course.steps.append(Deed(said, by, "approved", one.instance))
            if luck > 0.93:
                remark = chance.choice(fitting(texts.REMARKS, course.who.sex))
                course.steps.append(Deed(said + dt.timedelta(minutes=2), by, "comment", one.instance, remark))


def _set_due(course: Course, one: Sending) -> None:
    answers = dict(one.answers) | {"next/next_follow_up": course.final_due}
    course.due = course.final_due
    place = course.steps.index(one)
    course.steps[place] = Sending(one.at, one.tablet, one.form, one.instance, answers, one.change, one.pictures)


def _sent_back(course: Course, one: Sending, said: dt.datetime, by: str) -> None:
    """Has issues; the worker mends it on the tablet, the office approves. Not always in time for today."""
    chance = course.chance
    reason = chance.choice(fitting(texts.HAS_ISSUES, course.who.sex))
    course.steps.append(Deed(said, by, "has_issues", one.instance, reason))
    mended = said + dt.timedelta(hours=chance.randint(5, 50))
    if mended.date() >= course.today:
        return
    current = next(step for step in course.steps if isinstance(step, Sending) and step.instance == one.instance)
    answers = dict(current.answers) | {"next/next_note": "แก้ตามที่แจ้งแล้ว"}
    edit = f"uuid:{new_uuid(chance)}"
    course.steps.append(Sending(mended, one.tablet, one.form, edit, answers, one.change, (), edits=one.instance))
    if mended.date() < course.today - 2 * DAY:
        course.steps.append(Deed(mended + dt.timedelta(hours=20), by, "approved", edit))
