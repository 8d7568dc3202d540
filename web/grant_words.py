"""A grant in the words and shapes of its pages: facts, what is asked, steps, differences, its letter."""

from __future__ import annotations

import datetime as dt
from typing import Any

from flask import url_for

from cases import answers_shown, people
from cases.dues import due
from cases.grant_lists import GrantLine
from cases.grant_page import GrantPage, Step
from cases.who import script_of
from web import words
from web.signed_in import may
from web.words import t


def line(one: GrantLine) -> dict[str, Any]:
    return {
        "id": one.id,
        "title": capital(one.title),
        "case": one.case,
        "state": one.state,
        "mine": one.mine,
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
                "อนุมัติแล้วระบบออกจดหมายพร้อมเลขที่ ผู้ยื่นอนุมัติเองไม่ได้",
            ),
        }
    if found.ask == "name":
        return {
            "kind": "name",
            "title": t("Who requested it?", "ใครเป็นผู้ยื่น"),
            "people": [{"id": one.value, "name": one.label} for one in found.people],
            "text": t(
                "The tablet has no person, so nobody can approve before this is known. "
                "The one who names them cannot approve.",
                "แท็บเล็ตไม่มีผู้ถือ จึงอนุมัติไม่ได้จนกว่าจะระบุผู้ยื่น ผู้ที่ระบุชื่ออนุมัติเองไม่ได้",
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


def step(found: GrantPage, one: Step) -> dict[str, Any]:
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
        "text": one.by or _waits(found, one),
        "at": one.at,
        "with_time": isinstance(one.at, dt.datetime) and one.key != "paid",
        "icon": icons.get(one.key) if one.state != "done" or one.key == "refused" else None,
        "tone": tones.get(one.key),
    }


def _waits(found: GrantPage, one: Step) -> str | None:
    """Whom the step that is next waits for, and what one still to come brings."""
    if one.state == "done":
        return None
    if one.key in ("approval", "suspended") and found.ask in ("approve", "name"):
        return t("Waits for you", "รอคุณ")
    if one.key in ("approval", "suspended") and found.approvers:
        return t("Waits for {roles}", "รอ{roles}", roles=found.approvers)
    if one.key == "paid" and one.state == "now":
        return t("Waits for you", "รอคุณ") if found.ask == "pay" else t("Waits for finance", "รอฝ่ายการเงิน")
    if one.key == "paid":
        return t("By finance", "โดยฝ่ายการเงิน")
    if one.key == "letter":
        return t("Being written", "กำลังจัดทำ") if one.state == "now" else t("Written on approval", "จัดทำเมื่ออนุมัติ")
    if one.key == "receipted":
        return t("Comes from a tablet", "ส่งมาจากแท็บเล็ต")
    return None


def letter(held: Any, state: str) -> dict[str, Any] | None:
    if held is None and state == "refused":
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


def capital(word: str) -> str:
    return word[:1].upper() + word[1:]
