"""The four forms of the aftercare programme, filled in: answers by path, with what the forms calculate. Knows no dates
but those it is given, and no case's history.
"""
from __future__ import annotations

import datetime as dt
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from commands.demonstration import texts
from commands.demonstration.people import Survivor, telephone, thai_identity
from commands.demonstration.plan import moment

_BANDS = (("00-11", 12), ("12-14", 15), ("15-17", 18), ("18-24", 25), ("25-34", 35), ("35-44", 45), ("45-99", 200))
_CHILDREN = ("00-11", "12-14", "15-17")


@dataclass(frozen=True, slots=True)
class Sheet:
    """Who fills a form in, when it happened, and with which tablet."""

    day: dt.date
    hour: int
    minutes: int
    device: str

    def metadata(self) -> dict[str, Any]:
        start = moment(self.day, self.hour, self.minutes % 60)
        return {
            "start": start, "end": start + dt.timedelta(minutes=12 + self.minutes % 25), "today": self.day,
            "deviceid": self.device,
        }


@dataclass(frozen=True, slots=True)
class Background:
    """What an intake says that does not follow from the person: chosen once, used again by visits and requests."""

    age_band: str
    born: dt.date | None
    estimated: bool
    province: str
    source: str
    exploitation: tuple[str, ...]
    risk: str
    language: str
    named: bool
    guardian: str | None = None

    @property
    def child(self) -> bool:
        return self.age_band in _CHILDREN


def age_band(born: dt.date, on: dt.date) -> str:
    """As the form works it out."""
    years = int((on - born).days / 365.25)
    return next(band for band, below in _BANDS if years < below)


def intake(sheet: Sheet, who: Survivor, back: Background, due: dt.date, what: str, chance: random.Random,
           more: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """An intake of a new person. `more` replaces answers."""
    interpreter = "yes" if who.folk.lang != "th" and chance.random() < 0.8 else "no"
    answers: dict[str, Any] = {
        **sheet.metadata(), **_who(who, back), "who/interpreter_needed": interpreter,
        "referral/referral_source": back.source, "referral/referred_on": sheet.day, "referral/province": back.province,
        "referral/exploitation": list(back.exploitation), **_guardian(back, chance),
        **_consent(sheet, back, interpreter, chance),
        **_safety(back, due, what, chance), "identity/identity_now": "yes" if back.named else "no",
        **(_identity(who, back, chance) if back.named else {}),
        "meta/instanceName": f"{who.code} · {sheet.day}",
    }
    return answers | dict(more or {})


def visit(sheet: Sheet, who: Survivor, facts: Mapping[str, Any], chance: random.Random) -> dict[str, Any]:
    """A visit. `facts`: where, language, risk, risk_before, due_before, due, what, and what may be left out."""
    where, risk = facts["where"], facts["risk"]
    answers: dict[str, Any] = {
        **sheet.metadata(), "visit/survivor": who.id, "visit/case_code": who.code,
        "visit/risk_before": facts["risk_before"],
        "visit/due_before": facts["due_before"], "visit/visit_date": sheet.day, "visit/met_where": where,
        "visit/language": facts["language"],
        "visit/with_interpreter": "no" if facts["language"] in ("th", "en") else "yes",
        "care/services": facts["services"], "care/wellbeing": facts["wellbeing"], "care/risk": risk,
        "care/observed": facts["observed"], "next/next_follow_up": facts["due"], "next/next_what": facts["what"],
        "next/next_note": facts.get("note", ""), "meta/instanceName": f"{who.code} · {sheet.day}",
    }
    if where not in ("phone", "video"):
        place = f"{18.7 + chance.random():.4f} {98.6 + chance.random():.4f} 0 12"
        answers["visit/place"] = place if chance.random() < 0.4 else ""
    if facts["risk_before"] == "high":
        answers["visit/high_risk_note"] = ""  # a note that was shown
    elif risk == "high":
        answers["care/risk_why"] = chance.choice(texts.RISK_WHY)
    for number, (relation, stayed) in enumerate(facts.get("people", ()), 1):
        answers[f"people[{number}]/relation"] = relation
        answers[f"people[{number}]/stayed"] = stayed
    return answers


def request(sheet: Sheet, who: Survivor, facts: Mapping[str, Any]) -> dict[str, Any]:
    """A fund request. `facts`: kind, amount, needed_by, reason, purpose, way, language; for a scholarship also school,
    level, term, year.
    """
    language, way = facts["language"], facts["way"]
    answers: dict[str, Any] = {
        **sheet.metadata(), "request/survivor": who.id, "request/case_code": who.code,
        "request/pseudonym": who.pseudonym,
        "request/requested_on": sheet.day, "request/kind": facts["kind"], "request/amount": f"{facts['amount']}.0",
        "request/needed_by": facts["needed_by"], "request/reason": facts["reason"], "payment/way": way,
        "payment/payee_relation": facts.get("payee_relation", "self"),
        "other_help/has_other_help": facts.get("other", "no"),
        "letter/language": language, "letter/purpose": facts["purpose"], "letter/delivery": "hand",
        "letter/payment_words": texts.PAYMENT[language][way], "meta/instanceName": f"{who.code} · {sheet.day}",
    }
    if facts.get("payee_relation", "self") != "self":
        answers["payment/payee"] = facts["payee"]
    if way != "cash":
        answers["payment/account"] = "ธนาคารตัวอย่าง 000-0-00000-0"
    if facts["kind"] == "scholarship":
        answers |= {
            "school/school_name": facts["school"], "school/level": facts["level"], "school/term": facts["term"],
            "school/school_year": facts["year"],
            "letter/term_words": texts.term(language, facts["term"], facts["year"]),
        }
    for number, help_ in enumerate(facts.get("help", ()), 1):
        answers |= {f"other_help/help[{number}]/{name}": value for name, value in help_.items()}
    return answers


def request_label(who: Survivor, amount: int, day: dt.date) -> str:
    """As the request form makes it."""
    return f"{who.label} · {amount} ฿ · {day}"


def receipt(sheet: Sheet, who: Survivor, grant: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """A receipt for a grant. `facts`: amount, way, signer, sign_how."""
    answers: dict[str, Any] = {
        **sheet.metadata(), "receipt/grant": grant, "receipt/case_code": who.code,
        "receipt/amount_granted": facts["amount"],
        "receipt/received_on": sheet.day, "receipt/amount_received": f"{facts['amount']}.0",
        "receipt/way": facts["way"],
        "signed/signer": facts["signer"], "signed/sign_how": facts["sign_how"], "signed/note": "",
        "meta/instanceName": f"{who.code} · {sheet.day}",
    }
    if facts["sign_how"] == "thumb":
        answers |= {"signed/witness_1": "พยาน ตัวอย่าง", "signed/witness_2": "พยาน สมมติ"}
    if facts["signer"] != "self":
        answers["signed/signer_name"] = "ผู้รับแทน ตัวอย่าง"
    return answers


def _who(who: Survivor, back: Background) -> dict[str, Any]:
    plain = who.code.replace("-", "")
    answers: dict[str, Any] = {
        "who/known": "", "who/fresh": who.id, "who/case_letters": plain[:8],
        "who/case_check": "BCDFGHJKMNPQRTVX".index(plain[8]),
        "who/case_code": who.code, "who/new_pseudonym": who.pseudonym, "who/pseudonym": who.pseudonym,
        "who/sex": who.sex,
        "who/age_band": back.age_band, "who/nationality": who.folk.nationality,
        "who/languages": list(who.folk.languages),
    }
    if back.born is None:
        answers |= {"who/birth_known": "unknown", "who/age_asked": back.age_band}
    else:
        answers |= {"who/birth_known": "estimated" if back.estimated else "exact", "who/birth_date": back.born}
    if who.folk.nationality == "other":
        answers["who/nationality_other"] = who.folk.country
    return answers


def _guardian(back: Background, chance: random.Random) -> dict[str, Any]:
    if back.guardian is None:
        return {"guardian/has_guardian": "no"}
    safe = chance.choice(("yes", "yes", "yes", "no", "unknown"))
    answers = {"guardian/has_guardian": "yes", "guardian/guardian_relation": back.guardian}
    answers["guardian/guardian_safe"] = safe
    if safe == "yes":
        answers |= {"guardian/guardian_name": "ผู้ปกครอง ตัวอย่าง", "guardian/guardian_phone": telephone(chance)}
    return answers


def _consent(sheet: Sheet, back: Background, interpreter: str, chance: random.Random) -> dict[str, Any]:
    sharing = chance.choice(("yes", "yes", "limited", "limited", "no"))
    giver = ("guardian" if back.guardian else "shelter") if back.child else "self"
    answers: dict[str, Any] = {
        "consent/consent_services": "yes", "consent/consent_reporting": chance.choice(("yes", "yes", "yes", "no")),
        "consent/consent_sharing": sharing, "consent/consent_giver": giver, "consent/consent_date": sheet.day,
    }
    if sharing == "limited":
        answers["consent/share_with"] = chance.sample(["lawyer", "shelter", "hospital", "school"], 2)
    if sharing != "no":
        answers["consent/withhold"] = chance.choice(texts.WITHHOLD)
    if giver == "guardian":
        answers["consent/giver_relation"] = back.guardian
    if back.child:
        answers["consent/child_assent"] = "too_young" if back.age_band == "00-11" else "yes"
    if interpreter == "yes":
        answers["consent/consent_interpreter"] = "yes"
    return answers


def _safety(back: Background, due: dt.date, what: str, chance: random.Random) -> dict[str, Any]:
    how = chance.choice(("call", "line", "message", "through", "visit"))
    answers: dict[str, Any] = {
        "safety/risk": back.risk, "safety/contact_how": how, "safety/safe_never": chance.choice(texts.SAFE_NEVER),
        "safety/contact_when": chance.sample(["weekday_morning", "weekday_evening", "saturday", "sunday"], 2),
        "safety/safe_number": telephone(chance), "safety/safe_who": chance.choice(texts.SAFE_WHO),
        "safety/safe_say": chance.choice(texts.SAFE_SAY), "safety/next_follow_up": due, "safety/next_what": what,
    }
    if back.risk == "high":
        answers["safety/risk_why"] = chance.choice(texts.RISK_WHY)
    return answers


def _identity(who: Survivor, back: Background, chance: random.Random) -> dict[str, Any]:
    given, family, given_latin, family_latin = who.names
    person = "identity/person"
    female = who.sex == "female"
    young = back.age_band in ("00-11", "12-14")
    title = ("girl" if young else "miss") if female else ("boy" if young else "mr")
    kind = who.folk.id_kind if chance.random() < 0.8 else "none"
    answers: dict[str, Any] = {
        f"{person}/title": title, f"{person}/given_name": given, f"{person}/family_name": family,
        f"{person}/given_name_latin": given_latin, f"{person}/family_name_latin": family_latin,
        f"{person}/nickname": who.latin, f"{person}/id_kind": kind, f"{person}/id_wrong": "no",
        f"{person}/phone": telephone(chance), "identity/address/address_where": "thailand",
        "identity/address/address_line": f"{chance.randrange(1, 199)} ถนนตัวอย่าง", "identity/address/tambon": "สมมติ",
        "identity/address/amphoe": "ตัวอย่าง", "identity/address/address_province": back.province,
        "identity/address/postcode": "50000",
    }
    if kind == "thai_id":
        # One in twelve was written down wrongly: it is flagged, not refused.
        wrong = chance.random() < 1 / 12
        number = thai_identity(chance, wrong=wrong)
        answers |= {f"{person}/id_number": number, f"{person}/id_digits": number.replace(" ", "")}
        if wrong:
            answers |= {f"{person}/id_wrong": "yes", f"{person}/id_note": ""}
    elif kind != "none":
        number = f"{'G' if kind == 'g_code' else 'X'}000 {chance.randrange(10_000):04d}"
        answers |= {f"{person}/id_number": number, f"{person}/id_digits": number.replace(" ", "")}
    return answers
