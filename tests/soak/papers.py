"""What the team fills in: the four forms' answers as texts by path, out of a seeded dice. Knows no server.

Every answer that is not open holds MARK, so that one search finds whatever leaked.
"""
from __future__ import annotations

import datetime as dt
import random
from typing import Any

from soak.forms import FIRST, SECOND, THIRD, form

from commands.demonstration import papers, texts
from commands.demonstration.papers import Background, Sheet
from commands.demonstration.people import Survivor
from odk.filling import fill

MARK = "ลับเฉพาะZq7XkWv9"
# What spreadsheets, CSV and XML stumble over.
AWKWARD = (
    '=HYPERLINK("https://example.org";"x")', "+66 5000 0001", "-", "@SUM(A1:A9)", 'a,b;"c"\nd', "🐘 ช้าง", "tab\tin it",
    "<b>&amp;</b>", "  spaces around  ", "'quoted", "ปี ๒๕๖๙ เก่า\u200bใหม่", "x" * 4000, "_x000D_", "NULL", "1e5", "00123",
)
_EXPLOITED = ("labour", "begging", "fishing", "sexual")
_BIRTHS = {"12-14": 13, "15-17": 16, "18-24": 21, "25-34": 30}


def secret(text: str) -> str:
    return f"{text} {MARK}"


def intake(who: Survivor, day: dt.date, device: str, dice: random.Random, version: str, *, known: bool) -> dict[str, str]:
    band = dice.choice(sorted(_BIRTHS))
    born = day - dt.timedelta(days=_BIRTHS[band] * 365 + 90)
    back = Background(
        band, born, dice.random() < 0.4, dice.choice(("tak", "chiang_mai", "bangkok", "trat")), dice.choice(("police", "ngo", "shelter")),
        tuple(sorted(dice.sample(_EXPLOITED, dice.choice((1, 2))))), dice.choice(("low", "medium", "high")), who.folk.languages[0],
        dice.random() < 0.6, guardian="mother" if band in ("12-14", "15-17") else None,
    )
    due = day + dt.timedelta(days=dice.randrange(1, 20))
    answers = papers.intake(_sheet(day, device, dice), who, back, due, dice.choice(("visit", "call", "health")), dice)
    if known:
        answers |= {"who/known": who.id, "who/new_pseudonym": None}
    for path in ("safety/safe_who", "safety/safe_say", "safety/safe_never", "identity/person/given_name", "consent/withhold"):
        if answers.get(path):
            answers[path] = secret(answers[path])
    if version >= SECOND:
        answers["who/papers_with_them"] = dice.choice((["yes"], ["yes", "unknown"], []))
    return texts_of(answers)


def visit(who: Survivor, day: dt.date, device: str, dice: random.Random, version: str, risk: str) -> dict[str, str]:
    where = dice.choice(sorted(texts.OBSERVED))
    observed = secret(dice.choice(texts.OBSERVED[where]))
    if dice.random() < 0.1:
        observed = f"{dice.choice(AWKWARD)}{MARK}"
    facts: dict[str, Any] = {
        "where": where, "language": dice.choice(("th", "my", "en")), "risk": dice.choice(("low", "medium", "high")), "risk_before": risk,
        "due_before": day, "due": day + dt.timedelta(days=dice.randrange(2, 40)), "what": dice.choice(("visit", "call", "court")),
        "services": sorted(dice.sample(("emotional", "goods", "legal", "health"), dice.choice((1, 2, 3)))), "wellbeing": dice.choice("12345"),
        "observed": observed, "note": secret("นัด") if dice.random() < 0.3 else "",
        "people": [(dice.choice(("interpreter", "teacher", "official")), dice.choice(("yes", "no"))) for _ in range(dice.choice((0, 0, 1, 2, 3)))],
    }
    answers = papers.visit(_sheet(day, device, dice), who, facts, dice)
    for number in range(1, len(facts["people"]) + 1):
        if dice.random() < 0.7:
            answers[f"people[{number}]/name"] = secret(dice.choice(("ผู้อื่น", "Somebody")))
    if version >= SECOND:
        answers["care/sleeps_well"] = dice.choice(("yes", "no"))
        answers["care/pain"] = secret("ปวดหัว") if dice.random() < 0.5 else ""
    if version >= THIRD:
        del answers["next/next_note"], answers["care/pain"]
    return texts_of(answers)


def request(who: Survivor, day: dt.date, device: str, dice: random.Random) -> dict[str, str]:
    kind = dice.choice(("cash", "scholarship", "travel", "medical", "other"))
    reason, thai, english = dice.choice(texts.ASKED[kind])
    language = dice.choice(("th", "en"))
    facts: dict[str, Any] = {
        "kind": kind, "amount": dice.choice(texts.AMOUNTS[kind]), "needed_by": day + dt.timedelta(days=20), "reason": secret(reason),
        "purpose": secret(thai if language == "th" else english), "way": dice.choice(("cash", "transfer")), "language": language,
        "school": secret("โรงเรียนสมมติวิทยา"), "level": "lower", "term": "2", "year": 2569,
        "payee_relation": dice.choice(("self", "guardian")), "payee": secret("ผู้รับ ตัวอย่าง"),
    }
    if dice.random() < 0.3:
        facts["other"] = "yes"
        facts["help"] = [{"source": "government", "what": secret("ผ้าห่ม"), "help_amount": f"{dice.randrange(1, 900)}.50", "help_on": day}] * dice.choice((1, 2))
    answers = papers.request(_sheet(day, device, dice), who, facts)
    answers["letter/recipient"] = secret("คุณตัวอย่าง")
    return texts_of(answers)


def receipt(who: Survivor, grant: str, amount: str, day: dt.date, device: str, dice: random.Random) -> dict[str, str]:
    facts = {"amount": amount.partition(".")[0], "way": "cash", "signer": dice.choice(("self", "guardian")), "sign_how": dice.choice(("paper", "thumb"))}
    answers = papers.receipt(_sheet(day, device, dice), who, grant, facts)
    answers["signed/note"] = secret("ได้รับแล้ว") if dice.random() < 0.5 else ""
    return texts_of(answers)


def xml_of(name: str, version: str, answers: dict[str, str], instance: str, *, deprecated: str | None, entity: dict[str, str], entities: bool = True) -> bytes:
    """The instance as Collect writes it."""
    said = {"": entity} if entity and entities else None
    return fill(form(name, version or FIRST, entities=entities).xform, answers, instance_id=instance, deprecated_id=deprecated, entities=said)


def texts_of(answers: dict[str, Any]) -> dict[str, str]:
    """The answers as they stand in the XML; what was not asked is left out."""
    return {path: _text(value) for path, value in answers.items() if value is not None}


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return " ".join(map(str, value))
    if isinstance(value, dt.datetime):
        return value.isoformat(timespec="milliseconds")
    return value.isoformat() if isinstance(value, dt.date) else str(value)


def _sheet(day: dt.date, device: str, dice: random.Random) -> Sheet:
    return Sheet(day, dice.randrange(8, 17), dice.randrange(60), device)
