"""A grant in the words and shapes of its pages: facts, what is asked, steps, differences, its letter."""

from __future__ import annotations

import datetime as dt
from typing import Any

from flask import url_for

from cases import answers_shown, people
from cases.dues import due
from cases.grant_lists import GrantLine
from cases.grant_page import GrantPage, Step
from cases.letter_lists import LetterLine
from cases.who import script_of
from web import words
from web.signed_in import may
from web.words import t

# What is done at once is noted within so much.
_A_MOMENT = dt.timedelta(seconds=5)


def line(one: GrantLine) -> dict[str, Any]:
    return {
        "id": one.id,
        "title": capital(one.title),
        "case": one.case,
        "state": one.state,
        "mine": one.mine,
        "unnamed": one.unnamed,
        "by": people.short(one.by) if one.by else None,
        "at": one.at,
        "letter": one.letter if may("letter.read") else None,
        "amount": one.amount,
    }


def fact(found: GrantPage, one: Any) -> dict[str, Any]:
    if one.masked:
        url = (
            url_for("reveal.submission", id=found.submission, key=one.path)
            if found.submission and may("case.reveal")
            else None
        )
        return {"label": one.label, "mask": {"label": one.label, "url": url}}
    if one.day is not None:
        if found.state in ("paid", "receipted", "refused"):
            return {"label": one.label, "text": words.day(one.day)}
        return {"label": one.label, "due": due(one.day, words.today())}
    return {"label": one.label, "text": one.text, "lang": script_of(one.text)}


def ask(found: GrantPage) -> dict[str, Any] | None:
    if found.ask == "approve":
        again = found.state == "suspended"
        return {
            "kind": "approve",
            "title": t("It waits for you again", "รอคุณอนุมัติอีกครั้ง")
            if again
            else t("It waits for your approval", "รอคุณอนุมัติ"),
            "text": t(
                "Approving writes the letter and numbers it. Whoever requested cannot approve.",
                "เมื่ออนุมัติ ระบบจะออกจดหมายพร้อมเลขที่ ผู้ยื่นคำขออนุมัติเองไม่ได้",
            ),
        }
    if found.ask == "name":
        return {
            "kind": "name",
            "title": t("Who requested it?", "ใครเป็นผู้ยื่น"),
            "people": [{"id": one.value, "name": one.label} for one in found.people],
            "text": t(
                "The tablet this request came from is assigned to nobody, so the requester must be named before "
                "anyone can approve. Whoever names them cannot approve.",
                "แท็บเล็ตที่ส่งคำขอไม่มีผู้รับผิดชอบ ต้องระบุผู้ยื่นก่อนจึงจะอนุมัติได้ และผู้ที่ระบุจะอนุมัติเองไม่ได้",
            ),
        }
    if found.ask == "pay":
        return {"kind": "pay", "title": t("Approved: pay it out", "อนุมัติแล้ว รอจ่าย"), "ways": found.ways}
    return None


def suspended(found: GrantPage) -> dict[str, Any] | None:
    if found.suspended is None:
        return None
    reveal = may("case.reveal") and found.submission
    return {
        "at": found.suspended.at or words.now(),
        "by": found.suspended.by,
        "differences": [
            {
                "label": one.label,
                "was": said(one.was),
                "now": said(one.now),
                "mask": {
                    "label": one.label,
                    "url": url_for("reveal.submission", id=found.submission, key=one.path) if reveal else None,
                }
                if one.masked
                else None,
            }
            for one in found.suspended.differences
        ],
    }


def said(text: str) -> str:
    """A day or a decimal as people write it; the rest as it was answered."""
    if len(text) == 10 and text[4:5] == "-":
        return answers_shown.when(text, words.language(), words.zone())
    whole, point, part = text.partition(".")
    if point and len(whole) < 16 and all(one.isascii() and one.isdigit() for one in (whole, part)):
        return f"{int(whole):,}" + (f".{part}" if part.strip("0") else "")
    return text


def step(found: GrantPage, one: Step, refusal: str = "") -> dict[str, Any]:
    icons = {
        "suspended": "pause-circle",
        "refused": "x-lg",
        "letter": "envelope-paper",
        "paid": "cash",
        "receipted": "receipt",
    }
    tones = {"suspended": "wait", "refused": "bad"}
    return {
        "state": one.state,
        "label": one.label,
        "text": one.by or (_told(found, one) if one.state == "done" else _waits(found, one)),
        "said": refusal if one.key == "refused" else "",
        "lang": script_of(refusal),
        "at": one.at,
        "with_time": isinstance(one.at, dt.datetime) and one.key != "paid",
        "icon": icons.get(one.key) if one.state != "done" or one.key == "refused" else None,
        "tone": tones.get(one.key),
    }


def letter_that_holds(found: GrantPage) -> LetterLine | None:
    """The letter that is not void."""
    return next((one for one in found.letters if one.state != "void"), None)


def refusal(found: GrantPage, said: list[tuple[Any, dt.datetime, str]]) -> str:
    """The reason of a refusal: it was said in the same moment. "" where the grant is not refused."""
    last = found.steps[-1]
    if last.key != "refused" or not isinstance(last.at, dt.datetime):
        return ""
    return next((text for _, at, text in reversed(said) if at <= last.at < at + _A_MOMENT), "")


def _told(found: GrantPage, one: Step) -> str | None:
    """What a step that is done says where it says no name."""
    held = letter_that_holds(found)
    if one.key == "letter" and held:
        return held.number
    return t("Requester unknown", "ไม่ทราบผู้ยื่น") if one.key == "requested" else None


def _waits(found: GrantPage, one: Step) -> str | None:
    """Whom the step that is next waits for, and what one still to come brings."""
    if one.key in ("approval", "suspended"):
        return _waits_for_approval(found)
    if one.key == "paid" and one.state == "now":
        return t("Waits for you", "รอคุณจ่าย") if found.ask == "pay" else t("Waits for finance", "รอฝ่ายการเงิน")
    if one.key == "paid":
        return t("By finance", "โดยฝ่ายการเงิน")
    if one.key == "letter" and one.state == "now":
        return t("Being written", "กำลังจัดทำ")
    if one.key == "letter" and found.state == "suspended":
        return t("Written when it is approved again", "จัดทำเมื่ออนุมัติอีกครั้ง")
    if one.key == "letter":
        return t("Written on approval", "จัดทำเมื่ออนุมัติ")
    if one.key == "receipted" and one.state == "now":
        return t("Waits for the receipt from a tablet", "รอใบรับเงินจากแท็บเล็ต")
    return t("Comes from a tablet", "ส่งมาจากแท็บเล็ต") if one.key == "receipted" else None


def _waits_for_approval(found: GrantPage) -> str | None:
    if found.ask == "name" or found.steps[0].by is None:
        return t("Waits until the requester is named", "รอระบุผู้ยื่น")
    if found.ask == "approve":
        return t("Waits for you", "รอคุณอนุมัติ")
    return t("Waits for {roles}", "รอ{roles}", roles=found.approvers) if found.approvers else None


def letter(found: GrantPage) -> dict[str, Any] | None:
    held = letter_that_holds(found)
    if held is None and found.letters:
        return _void(found)
    if held is None and found.state == "refused":
        return {"text": t("There is none: the request was refused.", "ไม่มีจดหมาย เพราะคำขอไม่ได้รับอนุมัติ")}
    if held is None:
        return None
    if not may("letter.read"):
        return {"text": t("Letter {number} was issued.", "ออกจดหมาย {number} แล้ว", number=held.number)}
    return {
        "key": held.key,
        "number": held.number,
        "state": held.state,
        "kind": held.kind,
        "language": held.language,
        "issued": held.issued,
    }


def _void(found: GrantPage) -> dict[str, Any]:
    """The last letter of a grant that has none that holds."""
    last = found.letters[0]
    if found.state == "refused":
        text = t(
            "Letter {number} is void, and the request was refused.",
            "จดหมาย {number} ยกเลิกแล้ว และคำขอไม่ได้รับอนุมัติ",
            number=last.number,
        )
    else:
        text = t(
            "Letter {number} is void. A new one is written and numbered when the grant is approved again.",
            "จดหมาย {number} ยกเลิกแล้ว ระบบจะจัดทำและออกเลขที่ใหม่เมื่ออนุมัติอีกครั้ง",
            number=last.number,
        )
    return {"text": text, "state": "void", "void": last.key if may("letter.read") else None}


def capital(word: str) -> str:
    return word[:1].upper() + word[1:]
