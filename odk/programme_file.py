"""Read program.toml into a Programme. Knows which keys there are; whether they fit the forms is asked elsewhere."""
from __future__ import annotations

import re
from pathlib import Path
from zoneinfo import ZoneInfo

from namjai.languages import Words
from odk.findings import Finding
from odk.grant_file import read_days, read_grants, read_letterhead, read_letters
from odk.programme import (
    COLUMN_KINDS,
    FILE,
    TIMELINE_KINDS,
    Column,
    FormRule,
    ListRule,
    Programme,
    Stage,
)
from odk.toml_table import Table, did_you_mean, finding, read_toml

# Parts that the design names and that this version does not read: said, never silently passed over.
_LATER = ("reminders", "indicators", "retention")
SAYS = {
    "part-unused": Words(
        "This version of Namjai does not use [{part}] yet. It may stay.",
        "Namjai รุ่นนี้ยังไม่ใช้ [{part}] แต่คงไว้ได้",
    ),
    "file-missing": Words(
        "There is no program.toml in this folder. Copy one from forms/aftercare and change it.",
        "ไม่มี program.toml ในโฟลเดอร์นี้ คัดลอกจาก forms/aftercare แล้วแก้ไข",
    ),
    "head-missing": Words(
        "The part [programme] is missing. Begin the file with it.", "ไม่มีส่วน [programme] โปรดเริ่มไฟล์ด้วยส่วนนี้"
    ),
    "short-name": Words("Use 2 to 4 capital letters A to Z.", "ใช้อักษร A–Z ตัวใหญ่ 2–4 ตัว"),
    "timezone": Words(
        "“{given}” is no time zone. Write one such as Asia/Bangkok.", "ไม่มีเขตเวลา “{given}” เขียนเช่น Asia/Bangkok"
    ),
    "case-list": Words(
        "There is no [lists.{given}]. {meant}Write that part.", "ไม่มี [lists.{given}] {meant_th}โปรดเขียนส่วนนี้"
    ),
}


def read_file(folder: Path) -> tuple[Programme | None, list[Finding]]:
    """The programme of a folder's program.toml, and what is wrong with the file. None when nothing can be read."""
    try:
        raw = (folder / FILE).read_bytes()
    except OSError:
        return None, [finding(FILE, "file-missing", SAYS["file-missing"])]
    return read_text(raw, folder.name)


def read_text(raw: bytes, folder_name: str) -> tuple[Programme | None, list[Finding]]:
    """The same for the bytes of a program.toml; the folder's name is the programme's id where the file gives none."""
    values, findings = read_toml(raw, FILE)
    if values is None:
        return None, findings
    top = Table(FILE, values, "", findings)
    return programme_of(top, folder_name), findings


def programme_of(top: Table, folder_name: str) -> Programme | None:
    """The programme that the file's values describe; None without [programme]. What is wrong lands in the findings."""
    head = top.table("programme")
    if head is None:
        if "programme" not in top.values:
            top.say("programme", "head-missing", SAYS["head-missing"])
        return None
    programme_id, lists = head.text("id", folder_name), _lists(top)
    words = top.table("words")
    programme = Programme(
        id=programme_id,
        name=head.words("name"),
        short_name=_short_name(head, programme_id),
        case_list=head.text("case_list", required=True),
        undeclared=head.text("undeclared", "by_type", one_of=("by_type", "strict")),
        timezone=_timezone(head),
        words={name: words.words(name) for name in words.values} if words else {},
        stages=_stages(top),
        lists=lists,
        forms=_forms(top),
        grants=read_grants(top),
        letters=read_letters(top),
        letter_fields=top.free("letter_fields"),
        return_receipt_days=read_days(top),
        letterhead=read_letterhead(top),
    )
    if programme.case_list and programme.case_list not in lists:
        head.say(
            "case_list",
            "list-unknown",
            SAYS["case-list"],
            given=programme.case_list,
            **did_you_mean(programme.case_list, lists),
        )
    head.done()
    for name in _LATER:
        if top.get(name, object) is not None:
            top.say(name, "part-unused", SAYS["part-unused"], severity="warning", part=name)
    top.done()
    return programme


def _short_name(head: Table, programme_id: str) -> str:
    given = head.text("short_name", (re.sub("[^A-Z]", "", programme_id.upper()) + "XX")[:2])
    if not re.fullmatch("[A-Z]{2,4}", given):
        head.say("short_name", "value-unknown", SAYS["short-name"])
    return given


def _timezone(head: Table) -> str:
    name = head.text("timezone", "Asia/Bangkok")
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        head.say("timezone", "value-unknown", SAYS["timezone"], given=name)
        return "Asia/Bangkok"
    return name


def _stages(top: Table) -> tuple[Stage, ...]:
    stages: dict[str, Stage] = {}
    for one in top.tables("stages"):
        stage = Stage(one.text("id", required=True), one.words("label"), one.get("beside", bool, False))
        one.once("id", stage.id, stages)
        one.done()
        stages[stage.id] = stage
    return tuple(stages.values())


def _lists(top: Table) -> dict[str, ListRule]:
    found: dict[str, ListRule] = {}
    for name, one in top.named_tables("lists").items():
        properties = ("parent", "code", "pseudonym", "stage", "risk", "due", "amount", "kind")
        found[name] = ListRule(
            name=name,
            label=one.words("label"),
            high_risk=one.text("high_risk", "high"),
            server_owned=one.texts("server_owned"),
            columns=_columns(one),
            **{key: one.text(key) for key in properties},
        )
        one.done()
    return found


def _columns(one: Table) -> tuple[Column, ...]:
    columns: dict[str, Column] = {}
    for table in one.tables("columns"):
        column = Column(
            table.text("property", required=True),
            table.words("label"),
            table.text("kind", "text", one_of=COLUMN_KINDS),
            table.get("filter", bool, False),
            table.text("choices"),
        )
        table.once("property", column.property, columns)
        table.done()
        columns[column.property] = column
    return tuple(columns.values())


def _forms(top: Table) -> dict[str, FormRule]:
    found: dict[str, FormRule] = {}
    for name, one in top.named_tables("forms").items():
        found[name] = FormRule(
            id=name,
            title=one.words("title", required=False),
            icon=one.text("icon", "file-earmark-text"),
            kind=one.text("kind", "care", one_of=TIMELINE_KINDS),
            event_date=one.text("event_date"),
            summary=one.texts("summary"),
            opens_stage=one.text("opens_stage"),
            safe_contact=one.free("safe_contact"),
            person=one.free("person"),
            consent=one.free("consent"),
        )
        one.done()
    return found
