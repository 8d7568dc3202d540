"""Grants of the year: who asked for what, and how far it got. Knows the programme's way of a grant, no database."""
from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from commands.demonstration import papers, texts
from commands.demonstration.people import new_uuid
from commands.demonstration.plan import Change, Deed, Picture, Sending, moment
from commands.demonstration.year import Course, fitting

# How far each grant got, in the order of the cases that have one. "unknown" comes from the tablet without a person.
_FATES = (
    "receipted", "suspended", "requested", "receipted", "unknown", "paid", "receipted", "refused", "approved",
    "receipted",
    "requested", "receipted", "receipted", "approved", "receipted", "paid", "receipted", "refused", "requested",
    "receipted",
)
# Up to this many baht the coordinator decides alone ([[grants.limits]] of the programme).
_COORDINATOR = 5000
_KINDS = {
    "care": ("scholarship", "medical", "cash"), "legal": ("travel", "cash"), "return": ("travel", "other"),
    "reintegration": ("scholarship", "cash", "cash"), "closure": ("cash",), "identification": ("other", "medical"),
}
# Days before today: asked, decided, paid, received.
_DAYS: dict[str, tuple[int, int | None, int | None, int | None]] = {
    "paid": (11, 8, 4, None), "approved": (7, 4, None, None), "requested": (2, None, None, None),
    "unknown": (3, None, None, None), "refused": (21, 18, None, None), "suspended": (8, 5, None, None),
}
_FRIDAY = 4


@dataclass(frozen=True, slots=True)
class Wish:
    """A grant as it goes its way. Days are dates; None: not yet."""

    kind: str
    amount: int
    facts: Mapping[str, Any]
    asked: dt.date
    decided: dt.date | None = None
    paid: dt.date | None = None
    received: dt.date | None = None
    refused: str = ""


def may_have_one(course: Course) -> bool:
    """A letter needs a name, and money takes some weeks."""
    return course.back.named and course.stage in _KINDS and (course.today - course.opened).days > 45


def grant(course: Course, turn: int) -> None:
    """The grant of a case, the `turn`-th of the demonstration."""
    chance = course.chance
    # What is still open would pile up in a longer list of cases.
    fate = _FATES[turn] if turn < len(_FATES) else "receipted"
    kind = chance.choice(_KINDS[course.stage])
    if kind == "scholarship" and course.back.age_band not in ("12-14", "15-17", "18-24"):
        kind = "cash"
    amount = chance.choice(texts.AMOUNTS[kind])
    if fate in ("suspended", "refused"):
        amount = max(texts.AMOUNTS[kind])
    if fate == "receipted":
        oldest = (course.today - course.opened).days - 20
        asked = course.today - dt.timedelta(days=chance.randint(25, max(26, oldest)))
        after = [chance.randint(1, 4), chance.randint(1, 5), chance.randint(0, 8)]
        later = [asked + dt.timedelta(days=sum(after[: n + 1])) for n in range(3)]
        wish = Wish(kind, amount, _facts(course, kind, asked), asked, later[0], later[1], later[2])
    else:
        ago, *others = _DAYS[fate]
        asked = course.today - dt.timedelta(days=ago)
        open_ = [None if one is None else course.today - dt.timedelta(days=one) for one in others]
        wish = Wish(kind, amount, _facts(course, kind, asked), asked, open_[0], open_[1], open_[2])
    wish = on_weekdays(wish)
    if fate == "refused":
        wish = replace(wish, refused=chance.choice(texts.REFUSED))
    entity, asking = follow(course, wish, tablet="t7" if fate == "unknown" else None)
    if fate == "suspended":
        _edit_after_approval(course, entity, asking, wish)


def on_weekdays(wish: Wish) -> Wish:
    """The office rests on Saturday and Sunday: it was asked on Friday, and decides and pays on Monday."""
    def monday(day: dt.date | None) -> dt.date | None:
        return day and day + dt.timedelta(days=7 - day.weekday() if day.weekday() > _FRIDAY else 0)

    asked = wish.asked - dt.timedelta(days=max(0, wish.asked.weekday() - _FRIDAY))
    decided, paid = monday(wish.decided), monday(wish.paid)
    received = max(wish.received, paid) if wish.received and paid else wish.received
    return replace(wish, asked=asked, decided=decided, paid=paid, received=received)


def follow(course: Course, wish: Wish, tablet: str | None = None) -> tuple[str, Sending]:
    """The steps of a grant, from the request to the receipt, added to the case. Gives its entity and its request."""
    who, chance = course.who, course.chance
    entity = new_uuid(chance)
    facts = {**wish.facts, "kind": wish.kind, "amount": wish.amount}
    answers = papers.request(course.sheet(wish.asked), who, facts)
    pictures: tuple[Picture, ...] = ()
    if wish.kind in ("cash", "medical"):
        pictures = (Picture(f"{chance.randrange(10**12)}.jpg", "quote", chance.randrange(8)),)
        answers["request/quote"] = pictures[0].name
    asking = Sending(
        moment(wish.asked, 18, chance.randrange(60)), tablet or course.tablet, "fund_request",
        f"uuid:{new_uuid(chance)}", answers,
        Change("grants", entity, "create", papers.request_label(who, wish.amount, wish.asked)), pictures,
    )
    course.steps.append(asking)
    if wish.decided:
        _decide(course, wish, entity, asking)
    if wish.paid:
        paid = moment(wish.paid, 14, chance.randrange(60))
        course.steps.append(Deed(paid, "napat", "pay", entity, wish.facts["way"]))
    if wish.received:
        _receive(course, wish, entity)
    return entity, asking


def _decide(course: Course, wish: Wish, entity: str, asking: Sending) -> None:
    chance, decided = course.chance, wish.decided
    assert decided is not None
    course.steps.append(Deed(moment(decided, 9, chance.randrange(60)), "ploy", "approved", asking.instance))
    by = "ploy" if wish.amount <= _COORDINATOR else "krit"
    at = moment(decided, 11, chance.randrange(60))
    if wish.refused:
        course.steps.append(Deed(at, by, "refuse", entity, wish.refused))
        return
    if by == "krit":
        remark = texts.RECOMMENDED["scholarship" if wish.kind == "scholarship" else "other"]
        course.steps.append(Deed(moment(decided, 9, 59), "ploy", "remark", entity, remark))
    course.steps.append(Deed(at, by, "grant", entity))


def _receive(course: Course, wish: Wish, entity: str) -> None:
    chance, received = course.chance, wish.received
    assert received is not None
    how = chance.choice(("tablet", "tablet", "paper", "thumb"))
    way = wish.facts["way"] if wish.facts["way"] != "split" else "school"
    signer = "school" if way == "school" else "self"
    facts = {"amount": wish.amount, "way": way, "signer": signer, "sign_how": how}
    answers = papers.receipt(course.sheet(received), course.who, entity, facts)
    name = f"{chance.randrange(10**12)}.{'png' if how == 'tablet' else 'jpg'}"
    pictures = (Picture(name, "signature" if how == "tablet" else "receipt", chance.randrange(8)),)
    answers["signed/signature" if how == "tablet" else "signed/photo"] = name
    sent = Sending(moment(received, 18, 20 + chance.randrange(30)), course.tablet, "fund_receipt",
                   f"uuid:{new_uuid(chance)}", answers, Change("grants", entity), pictures)
    course.steps.append(sent)
    if received < course.today - dt.timedelta(days=4):
        read = moment(received + dt.timedelta(days=1), 10, chance.randrange(60))
        course.steps.append(Deed(read, "ploy", "approved", sent.instance))


def _edit_after_approval(course: Course, entity: str, asking: Sending, wish: Wish) -> None:
    """The worker corrects the sum after the approval: the grant is suspended, its letter void."""
    amount = wish.amount + 800
    answers = dict(asking.answers) | {"request/amount": f"{amount}.0"}
    answers["request/reason"] = f"{answers['request/reason']} (ราคาใหม่ตามใบเสนอราคา)"
    label = papers.request_label(course.who, amount, wish.asked)
    course.steps.append(Sending(
        moment(course.today - dt.timedelta(days=2), 17, 41), course.tablet, "fund_request",
        f"uuid:{new_uuid(course.chance)}",
        answers, Change("grants", entity, "create", label), (), edits=asking.instance,
    ))


def _facts(course: Course, kind: str, asked: dt.date) -> dict[str, Any]:
    chance, who = course.chance, course.who
    language = "en" if who.folk.lang in ("en", "tl", "vi") else "th"
    fit = fitting(tuple(one[0] for one in texts.ASKED[kind]), who.sex)
    reason, purpose_th, purpose_en = chance.choice([one for one in texts.ASKED[kind] if one[0] in fit])
    ways = {"scholarship": ("split",), "travel": ("cash",), "medical": ("provider",)}
    way = chance.choice(ways.get(kind, ("cash", "transfer")))
    facts: dict[str, Any] = {
        "needed_by": asked + dt.timedelta(days=14), "reason": reason,
        "purpose": purpose_th if language == "th" else purpose_en,
        "way": way, "language": language,
    }
    if kind == "scholarship":
        facts |= school(course.back.age_band, asked, chance.choice(texts.SCHOOLS))
    if chance.random() < 0.2:
        facts |= {"other": "yes", "help": ({"source": "ngo", "what": "ข้าวสารและของใช้", "help_amount": "600.0"},)}
    return facts


def school(age_band: str, asked: dt.date, name: str) -> dict[str, Any]:
    """Level and term of a pupil. The school year begins in May and is counted in the Buddhist era."""
    started = asked.year if asked.month >= 4 else asked.year - 1
    level = {"12-14": "lower", "15-17": "upper"}.get(age_band, "vocational")
    return {"school": name, "level": level, "term": "1" if 4 <= asked.month <= 8 else "2", "year": started + 543}
