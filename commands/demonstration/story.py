"""The case that tells the whole story: Moe Pya's, from her intake to a scholarship that waits for its approval.

What a newcomer is led through: a visit that was edited after its approval, a request that the director decides, and the
letter that his approval issues. Knows what happens; the guide on the page is `cases/guide`.
"""
from __future__ import annotations

import datetime as dt
import random
from dataclasses import replace
from typing import Any

from commands.demonstration import papers
from commands.demonstration.money import Wish, follow, on_weekdays
from commands.demonstration.papers import Background
from commands.demonstration.people import Survivor, new_uuid, telephone
from commands.demonstration.plan import Change, Deed, Picture, Sending, moment
from commands.demonstration.year import Course

# Days after the first; the last stands where she stands today.
_STAGES = (("screening", 1), ("reflection", 2), ("identification", 19), ("care", 26))
# Days before today, where, wellbeing, risk, services, who was there, next (days later, what), what was observed.
_VISITS: tuple[tuple[int, str, int, str, tuple[str, ...], tuple[str, ...], tuple[int, str], str], ...] = (
    (310, "shelter", 1, "high", ("emotional", "goods"), ("shelter_officer", "interpreter"), (4, "health"),
     "ยังไม่พูด กินได้น้อย นอนกอดกระเป๋าทั้งคืน"),
    (302, "hospital", 1, "high", ("health",), ("shelter_officer", "interpreter"), (9, "visit"),
     "Check-up without findings. Held the interpreter's hand the whole time."),
    (287, "shelter", 2, "high", ("emotional", "family"), ("interpreter",), (14, "papers"),
     "Spoke of her aunt for the first time. The aunt may be called in the evening."),
    (262, "office", 2, "medium", ("papers", "legal"), ("lawyer", "interpreter"), (20, "counselling"),
     "ทำเรื่องขอบัตรแล้ว ทนายอธิบายสิทธิทุกข้อ ถามกลับสองข้อ"),
    (231, "shelter", 2, "medium", ("emotional", "schooling"), ("shelter_officer",), (30, "school"),
     "อยากกลับไปเรียน นับเลขไทยได้ถึงร้อยแล้ว"),
    (188, "school", 3, "medium", ("schooling",), ("teacher",), (35, "school"),
     "First week at school. The teacher knows nothing and need not. Laughed once."),
    (141, "shelter", 3, "medium", ("emotional", "goods"), ("shelter_officer",), (30, "counselling"),
     "นอนหลับทั้งคืนเป็นสัปดาห์ที่สาม เริ่มสอนเพื่อนเย็บผ้า"),
    (108, "phone", 3, "medium", ("family",), (), (25, "court"),
     "Her aunt says the brother has not been heard of since March. Tracing asked for."),
    (72, "office", 2, "medium", ("witness", "legal"), ("lawyer", "interpreter"), (20, "visit"),
     "ซ้อมเบิกความกับทนาย ร้องไห้ครั้งเดียวแล้วขอทำต่อเอง"),
    (50, "shelter", 3, "medium", ("safety_plan",), ("shelter_officer",), (25, "visit"),
     "Moved to the family home by her own wish, to be nearer to school."),
    (29, "school", 3, "medium", ("schooling",), ("teacher",), (18, "visit"),
     "ได้ที่สองของห้องในวิชาคณิตศาสตร์ ครูอยากให้เรียนต่อเทอมหน้า"),
)
_OBSERVED = "Anxious about the hearing. Sleeps better."
_EDITED = "Anxious about the hearing. Wants Mali to sit behind her in court. Sleeps better."


def course_of(who: Survivor, seed: int, today: dt.date) -> Course:
    """Her case before anything happened."""
    chance = random.Random(f"{seed}/story")  # noqa: S311
    opened = today - dt.timedelta(days=314)
    back = Background(
        age_band="15-17", born=opened - dt.timedelta(days=15 * 365 + 120), estimated=True, province="tak",
        source="police",
        exploitation=("domestic",), risk="high", language="my", named=True, guardian="aunt_uncle",
    )
    return Course(who, "nok", "t3", chance, today, opened, "care", back, today - dt.timedelta(days=3), risk="high")


def tell(course: Course) -> list[Sending | Deed]:
    """Everything that happened, in no order."""
    _intake(course)
    risk, due = "high", course.opened + dt.timedelta(days=4)
    for days, where, wellbeing, now, services, people, (later, what), observed in _VISITS:
        day = course.today - dt.timedelta(days=days)
        following = day + dt.timedelta(days=later)
        facts = _facts(where, risk, now, due, following, what, services, wellbeing, people, observed)
        sent = _visit(course, day, facts)
        course.steps.append(Deed(sent.at + dt.timedelta(hours=17), "ploy", "approved", sent.instance))
        risk, due = now, following
    _last_visit(course, due)
    for stage, days in _STAGES:
        at = moment(course.opened + dt.timedelta(days=days), 15, 20)
        # A newcomer's first day ends after the office's: the intake has to be here.
        at = max(at, moment(course.opened, 18, 30 + days))
        course.steps.append(Deed(at, "ploy", "stage", course.who.id, stage))
    _money(course)
    looked = course.today - dt.timedelta(days=5)
    course.steps.append(Deed(moment(looked, 10, 41), "wan", "look", course.who.id, "court letter"))
    return course.steps


def _intake(course: Course) -> None:
    chance, day = course.chance, course.opened
    picture = Picture(f"{chance.randrange(10**12)}.png", "signature", 3)
    given, family, given_latin, family_latin = course.who.names
    more: dict[str, Any] = {
        "who/interpreter_needed": "yes", "who/languages": ["my", "shn", "th"], "guardian/guardian_safe": "yes",
        "guardian/guardian_name": "ဒေါ်နမူနာ", "guardian/guardian_phone": telephone(chance),
        "consent/consent_services": "yes", "consent/consent_reporting": "yes", "consent/consent_sharing": "limited",
        "consent/share_with": ["lawyer"], "consent/withhold": "Where she lives", "consent/consent_giver": "guardian",
        "consent/giver_relation": "aunt_uncle", "consent/child_assent": "yes", "consent/consent_interpreter": "yes",
        "consent/consent_signature": picture.name, "safety/risk_why": "The employer's driver knows the aunt's house.",
        "safety/contact_how": "line", "safety/contact_when": ["weekday_evening"], "safety/safe_number": "0 5000 0142",
        "safety/safe_who": "Her aunt only", "safety/safe_say": "“Fon from the sewing class”",
        "safety/safe_never": "Never leave a voice message. Never send post with a logo.",
        "identity/person/title": "miss", "identity/person/given_name": given, "identity/person/family_name": family,
        "identity/person/given_name_latin": given_latin, "identity/person/family_name_latin": family_latin,
    }
    due = day + dt.timedelta(days=4)
    answers = papers.intake(course.sheet(day), course.who, course.back, due, "visit", chance, more)
    sent = Sending(
        moment(day, 18, 5), course.tablet, "intake", f"uuid:{new_uuid(chance)}", answers,
        Change("survivors", course.who.id, "create", course.who.label, either=True), (picture,),
    )
    course.steps += [sent, Deed(moment(day + dt.timedelta(days=1), 9, 14), "ploy", "approved", sent.instance)]


def _visit(course: Course, day: dt.date, facts: dict[str, Any]) -> Sending:
    chance = course.chance
    answers = papers.visit(course.sheet(day), course.who, facts, chance)
    pictures: tuple[Picture, ...] = ()
    if "goods" in facts["services"]:
        pictures = (Picture(f"{chance.randrange(10**12)}.jpg", "bag", 2),)
        answers["proof/brought"] = pictures[0].name
    sent = Sending(moment(day, 17, chance.randrange(60)), course.tablet, "visit", f"uuid:{new_uuid(chance)}", answers,
                   Change("survivors", course.who.id), pictures)
    course.steps.append(sent)
    return sent


def _last_visit(course: Course, due_before: dt.date) -> None:
    """Approved the next morning; on the day before yesterday the worker added what she had forgotten."""
    day, due = course.today - dt.timedelta(days=12), course.final_due
    people = ("shelter_officer", "interpreter")
    did = ("emotional", "witness")
    facts = _facts("shelter", "medium", "medium", due_before, due, "call", did, 2, people, _OBSERVED)
    sent = _visit(course, day, facts)
    answers = dict(sent.answers) | {
        "care/observed": _EDITED, "care/risk": "high", "care/wellbeing": "2",
        "care/risk_why": "The driver was seen near the court.",
        "people[3]/relation": "friend", "people[3]/stayed": "no",
    }
    edit = replace(sent, at=moment(course.today - dt.timedelta(days=2), 16, 12),
                   instance=f"uuid:{new_uuid(course.chance)}", answers=answers, edits=sent.instance)
    read = moment(day + dt.timedelta(days=1), 9, 30)
    course.steps += [
        Deed(read, "ploy", "approved", sent.instance), edit,
        Deed(read + dt.timedelta(minutes=3), "ploy", "comment", sent.instance, "ขอบคุณ ฝากถามว่าอยากให้ใครไปศาลด้วย"),
    ]


def _facts(
    where: str, risk_before: str, risk: str, due_before: dt.date, due: dt.date, what: str, services: tuple[str, ...],
    wellbeing: int, people: tuple[str, ...], observed: str,
) -> dict[str, Any]:
    return {
        "where": where, "language": "my" if "interpreter" in people else "th", "risk": risk, "risk_before": risk_before,
        "due_before": due_before, "due": due, "what": what, "services": list(services), "wellbeing": str(wellbeing),
        "observed": observed, "people": [(one, "yes") for one in people],
    }


def _money(course: Course) -> None:
    def ago(days: int) -> dt.date:
        return course.today - dt.timedelta(days=days)

    clothes = {
        "needed_by": ago(238), "reason": "Came with nothing but the clothes she wore.",
        "purpose": "ค่าเสื้อผ้าและของใช้ประจำวัน",
        "way": "cash", "language": "th",
    }
    follow(course, on_weekdays(Wish("cash", 3500, clothes, ago(252), ago(250), ago(247), ago(246))))
    first = Wish("scholarship", 12000, _term("1", ago(200)), ago(200), ago(197), ago(194), ago(188))
    follow(course, on_weekdays(first))
    journey = {
        "needed_by": ago(100), "reason": "Wants to look for her brother herself.", "purpose": "ค่าเดินทาง", "way": "cash",
        "language": "th",
    }
    refused = ("Too early: the tracing team is looking for him, and the road is not safe for her. "
               "Ask again after the hearing.")
    follow(course, on_weekdays(Wish("travel", 9500, journey, ago(118), ago(114), refused=refused)))
    second = on_weekdays(Wish("scholarship", 12000, _term("2", ago(4)), ago(4)))
    waiting, asking = follow(course, second)
    remark = "Recommended. The school keeps her place until the end of the month; the aunt cannot pay."
    course.steps.append(Deed(max(moment(ago(1), 9, 52), asking.at), "ploy", "remark", waiting, remark))


def _term(which: str, asked: dt.date) -> dict[str, Any]:
    return {
        "needed_by": asked + dt.timedelta(days=14), "reason": "ครูอยากให้เรียนต่อ ครอบครัวจ่ายค่าเทอมไม่ได้",
        "purpose": "ค่าเล่าเรียน ชุดนักเรียน และค่าเดินทางไปเรียน", "way": "split", "language": "th",
        "school": "โรงเรียนสมมติวิทยา", "level": "lower", "term": which,
        "year": (asked.year if asked.month >= 4 else asked.year - 1) + 543,
    }
