"""Read program.toml into a Programme. Knows which keys there are; whether they fit the forms is asked elsewhere."""
from __future__ import annotations

import re
from pathlib import Path
from zoneinfo import ZoneInfo

from namjai.languages import LANGUAGES, Words
from odk.findings import Finding
from odk.programme import (
    COLUMN_KINDS,
    FILE,
    TIMELINE_KINDS,
    Column,
    FormRule,
    GrantRule,
    Letterhead,
    LetterRule,
    Limit,
    ListRule,
    Programme,
    Stage,
)
from odk.toml_table import Table, did_you_mean, finding, read_toml

_ROLES = (
    "field_staff",
    "therapist",
    "coordinator",
    "supervisor",
    "finance",
    "legal",
    "director",
    "donor_liaison",
    "auditor",
    "admin",
)
_PLAIN = "{number}/{year}"
SAYS = {
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
    "value-double": Words("“{given}” stands twice. Give each its own.", "มี “{given}” สองครั้ง แต่ละรายการต้องไม่ซ้ำกัน"),
    "limit-order": Words(
        "Write the limits from the smallest sum to the largest, each sum once, above 0.",
        "เรียงวงเงินจากน้อยไปมาก มากกว่า 0 แต่ละจำนวนครั้งเดียว",
    ),
    "number-format": Words(
        "Write {{number}} once in it, and {{year}} if you like: “TS {{number}}/{{year}}”.",
        "ต้องมี {{number}} หนึ่งครั้ง และจะมี {{year}} ด้วยก็ได้ เช่น “ทศ {{number}}/{{year}}”",
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
    return _programme(top, folder_name), findings


def _programme(top: Table, folder_name: str) -> Programme | None:
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
        grants=_grants(top),
        letters=_letters(top),
        letter_fields=top.free("letter_fields"),
        return_receipt_days=_days(top),
        letterhead=_letterhead(top),
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


def _once(table: Table, key: str, given: str, before: object) -> None:
    if given in before:  # type: ignore[operator]
        table.say(key, "value-double", SAYS["value-double"], given=given)


def _stages(top: Table) -> tuple[Stage, ...]:
    stages: dict[str, Stage] = {}
    for one in top.tables("stages"):
        stage = Stage(one.text("id", required=True), one.words("label"), one.get("beside", bool, False))
        _once(one, "id", stage.id, stages)
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
        _once(table, "property", column.property, columns)
        table.done()
        columns[column.property] = column
    return tuple(columns.values())


def _forms(top: Table) -> dict[str, FormRule]:
    found: dict[str, FormRule] = {}
    for name, one in top.named_tables("forms").items():
        found[name] = FormRule(
            id=name,
            title=one.words("title"),
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


def _grants(top: Table) -> GrantRule | None:
    one = top.table("grants")
    if one is None:
        return None
    rule = GrantRule(
        list=one.text("list", required=True),
        form=one.text("form", required=True),
        receipt_form=one.text("receipt_form"),
        receipt_date=one.text("receipt_date"),
        receipt_amount=one.text("receipt_amount"),
        currency=one.text("currency", "THB", one_of=("THB",)),
        number_format=_number_format(one, one.text("number_format", "{year}-{number:04}")),
        approvers=one.texts("approvers", ("coordinator", "director"), one_of=_ROLES),
        limits=_limits(one),
    )
    one.done()
    return rule


def _limits(grants: Table) -> tuple[Limit, ...]:
    limits = []
    for one in grants.tables("limits"):
        limits.append(Limit(one.get("up_to", int, 0, required=True), one.texts("roles", one_of=_ROLES)))
        one.done()
    sums = [limit.up_to for limit in limits]
    if sums != sorted(set(sums)) or (sums and sums[0] <= 0):
        grants.say("limits", "value-order", SAYS["limit-order"])
    return tuple(limits)


def _number_format(table: Table, pattern: str, language: str = "") -> str:
    try:
        good = pattern.format(year=2026, number=1) != pattern.format(year=2026, number=2)
    except (KeyError, IndexError, ValueError, AttributeError):
        good = False
    if not good:
        table.say(f"number_format.{language}" if language else "number_format", "value-unknown", SAYS["number-format"])
    return pattern if good else _PLAIN


def _letters(top: Table) -> tuple[LetterRule, ...]:
    letters: dict[str, LetterRule] = {}
    for one in top.tables("letters"):
        pattern = one.words("number_format", Words(_PLAIN, _PLAIN), required=False)
        letter = LetterRule(
            id=one.text("id", required=True),
            label=one.words("label"),
            kinds=one.texts("kinds"),
            when=one.text("when", "approved", one_of=("approved",)),
            wording=one.text("wording", required=True),
            receipt=one.text("receipt"),
            languages=one.texts("languages", ("th", "en"), one_of=LANGUAGES),
            number_format=Words(_number_format(one, pattern.en, "en"), _number_format(one, pattern.th, "th")),
        )
        _once(one, "id", letter.id, letters)
        one.done()
        letters[letter.id] = letter
    return tuple(letters.values())


def _days(top: Table) -> int:
    one = top.table("letter_days")
    if one is None:
        return 14
    days = one.get("return_receipt", int, 14)
    one.done()
    return days


def _letterhead(top: Table) -> Letterhead | None:
    one = top.table("letterhead")
    if one is None:
        return None
    contact = one.table("contact")
    head = Letterhead(
        organisation=one.words("organisation"),
        contact={language: contact.texts(language) for language in LANGUAGES} if contact else {},
        return_line=one.text("return_line"),
        signatory=one.words("signatory"),
        signatory_role=one.words("signatory_role"),
        ask=one.words("ask", required=False),
    )
    if contact:
        contact.done()
    one.done()
    return head
