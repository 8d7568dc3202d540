"""How sources speak: states, times that passed, what a run brought. Codes in, words in the reader's language out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from namjai.languages import NBSP
from web import words
from web.words import num, t


def passed(span: dt.timedelta | None) -> str:
    """2 min, 3 h 04 min, 5 days: how long something took or is ago, as a list says it."""
    if span is None:
        return ""
    seconds = max(0.0, span.total_seconds())
    if seconds < 60:
        shown = f"{seconds:.1f}" if seconds < 10 else f"{seconds:.0f}"
        said = t("{n} s", "{n} วินาที", n=shown)
    elif seconds < 3600:
        said = t("{n} min", "{n} นาที", n=int(seconds // 60))
    elif seconds < 48 * 3600:
        minutes = f"{int(seconds % 3600 // 60):02d}"
        said = t("{h} h {m} min", "{h} ชม. {m} นาที", h=int(seconds // 3600), m=minutes)
    else:
        said = t("{n} days", "{n} วัน", n=int(seconds // 86400))
    return said.replace(" ", NBSP)


def ago(span: dt.timedelta | None) -> str:
    """How old what we have is: rounded down to minutes, because nobody needs seconds there."""
    if span is not None and span < dt.timedelta(minutes=1):
        return t("just now", "เมื่อครู่").replace(" ", NBSP)
    return t("{time} ago", "{time}ก่อน", time=passed(span)).replace(" ", NBSP) if span is not None else ""


def clock(value: dt.datetime) -> str:
    """13:30 of today, else the day with its time."""
    local = value.astimezone(words.zone())
    if local.date() != words.today():
        return words.daytime(value)
    return t("{time}", "{time} น.", time=f"{local:%H:%M}").replace(" ", NBSP)


def brought(counts: Mapping[str, int]) -> str:
    """12 new, 3 edited: what a run did; "" where it did nothing."""
    said = [text for name, text in _brought(counts) if counts.get(name)]
    return " · ".join(said)


def _brought(counts: Mapping[str, int]) -> list[tuple[str, str]]:
    n = {name: num(value) for name, value in counts.items()}
    single = {name for name, value in counts.items() if value == 1}
    return [
        ("new", t("{n} new", "ใหม่ {n}\u00a0รายการ", n=n.get("new"))),
        ("edited", t("{n} edited", "แก้ไข {n}\u00a0รายการ", n=n.get("edited"))),
        ("deleted", t("{n} deleted there", "ถูกลบที่ต้นทาง {n}\u00a0รายการ", n=n.get("deleted"))),
        ("restored", t("{n} restored", "กู้คืน {n}\u00a0รายการ", n=n.get("restored"))),
        ("reviewed", t("{n} reviewed", "ตรวจแล้ว {n}\u00a0รายการ", n=n.get("reviewed"))),
        ("remarks", _one_or(single, "remarks") or t("{n} comments", "ความเห็น {n}\u00a0รายการ", n=n.get("remarks"))),
        ("files", _one_or(single, "files") or t("{n} files", "{n}\u00a0ไฟล์", n=n.get("files"))),
        ("entities", _one_or(single, "entities") or t("{n} entities", "รายชื่อ {n}\u00a0รายการ", n=n.get("entities"))),
        ("quarantined", t("{n} in quarantine", "พักไว้ {n}\u00a0รายการ", n=n.get("quarantined"))),
        ("waiting", t("{n} to be had later", "รออ่านภายหลัง {n}\u00a0รายการ", n=n.get("waiting"))),
        ("forms", _one_or(single, "forms") or t("{n} form versions", "แบบฟอร์ม {n}\u00a0รุ่น", n=n.get("forms"))),
    ]


def _one_or(single: set[str], name: str) -> str:
    """One of something, where English says it otherwise; "" for more."""
    if name not in single:
        return ""
    return {
        "remarks": t("1 comment", "ความเห็น 1\u00a0รายการ"),
        "files": t("1 file", "1\u00a0ไฟล์"),
        "entities": t("1 entity", "รายชื่อ 1\u00a0รายการ"),
        "forms": t("1 form version", "แบบฟอร์ม 1\u00a0รุ่น"),
    }[name]


def doing(phase: str | None, what: str) -> str:
    """What a run is at."""
    return {
        "forms": t("Looking at the forms", "กำลังดูแบบฟอร์ม"),
        "changes": t("Form: {what}", "แบบฟอร์ม: {what}", what=what),
        "census": t("Comparing every id of {what}", "กำลังเทียบทุก id ของ {what}", what=what),
        "entities": t("List: {what}", "รายชื่อ: {what}", what=what),
        "files": t("Fetching photos and other files", "กำลังรับรูปและไฟล์อื่น"),
    }.get(phase or "", t("Beginning", "กำลังเริ่ม"))


def far(run: Any) -> str:
    """18,240 of 41,003, 312 a second, about 3 min left; as much of it as is known."""
    if not run.done:
        return ""
    rows = (
        t("{done} of {total}", "{done} จาก {total} รายการ", done=num(run.done), total=num(run.total))
        if run.total
        else t("{done} rows", "{done} รายการ", done=num(run.done))
    )
    parts = [rows]
    if run.rate:
        parts.append(t("{n} a second", "{n} รายการต่อวินาที", n=num(max(1, round(run.rate)))))
    if run.left is not None:
        parts.append(t("about {time} left", "เหลือประมาณ {time}", time=passed(run.left)))
    return " · ".join(parts)
