"""Read program.toml into a Programme. Knows TOML and keys; every mistake becomes a finding that names file and key."""
from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from namjai.languages import LANGUAGES, Words
from odk.findings import Finding, nearest
from odk.programme import (
    COLUMN_KINDS, FILE, NO_WORDS, TIMELINE_KINDS, Column, FormRule, GrantRule, Letterhead, LetterRule, Limit, ListRule,
    Programme, Stage,
)

_LARGEST = 1_000_000
_TYPES = {str: ("text in quotes", "ข้อความในเครื่องหมายคำพูด"), int: ("a whole number", "จำนวนเต็ม"),
          bool: ("true or false", "true หรือ false"), dict: ("a table", "ตาราง"), list: ("a list in [ ]", "รายการใน [ ]")}


@dataclass
class Table:
    """One table of the file, read key by key; what was never asked for is unknown. `at` is its key in the file."""

    values: Mapping[str, Any]
    at: str
    findings: list[Finding]
    asked: set[str] = field(default_factory=set)

    def key(self, name: str) -> str:
        return f"{self.at}.{name}" if self.at else name

    def say(self, name: str, code: str, en: str, th: str) -> None:
        self.findings.append(Finding(FILE, "error", code, en, th, key=self.key(name) if name else self.at))

    def get(self, name: str, kind: type, default: Any = None, *, required: bool = False) -> Any:
        self.asked.add(name)
        value = self.values.get(name)
        if value is None:
            if required:
                self.say(name, "key-missing", f"{name} is missing. Write it.", f"ไม่มี {name} โปรดเพิ่ม")
            return default
        # True is an int to Python, not to a person.
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            en, th = _TYPES[kind]
            self.say(name, "key-type", f"This must be {en}.", f"ต้องเป็น{th}")
            return default
        return value

    def text(self, name: str, default: str = "", *, required: bool = False, one_of: Collection[str] = ()) -> str:
        value = self.get(name, str, default, required=required)
        if one_of and value != default and value not in one_of:
            meant = nearest(value, one_of)
            self.say(name, "value-unknown", f"“{value}” is not possible here. {_did_you_mean(meant)}Use one of: {', '.join(one_of)}.",
                     f"ใช้ “{value}” ที่นี่ไม่ได้ {_th_mean(meant)}ใช้ค่าใดค่าหนึ่งต่อไปนี้: {', '.join(one_of)}")
            return default
        return value

    def texts(self, name: str, default: tuple[str, ...] = (), *, one_of: Collection[str] = ()) -> tuple[str, ...]:
        value = self.get(name, list, None)
        if value is None:
            return default
        if not all(isinstance(one, str) for one in value):
            self.say(name, "key-type", "Each item of this list must be text in quotes.", "ทุกรายการต้องเป็นข้อความในเครื่องหมายคำพูด")
            return default
        for one in value:
            if one_of and one not in one_of:
                meant = nearest(one, one_of)
                self.say(name, "value-unknown", f"“{one}” is not possible here. {_did_you_mean(meant)}Use: {', '.join(one_of)}.",
                         f"ใช้ “{one}” ที่นี่ไม่ได้ {_th_mean(meant)}ใช้ค่าต่อไปนี้: {', '.join(one_of)}")
        return tuple(value)

    def words(self, name: str, default: Words = NO_WORDS, *, required: bool = True) -> Words:
        given = self.get(name, dict)
        if given is None:
            if required and name not in self.values:
                self.say(name, "label-missing", f"Write {name}.en and {name}.th, the words in English and in Thai.",
                         f"ไม่มี {name} โปรดเขียน {name}.en และ {name}.th")
            return default
        inner = Table(given, self.key(name), self.findings)
        en, th = inner.text("en"), inner.text("th")
        for language, text in (("en", en), ("th", th)):
            if not text and language not in given:
                inner.say(language, "label-missing", f"The words in {'English' if language == 'en' else 'Thai'} are missing. Write {name}.{language}.",
                          f"ไม่มีข้อความภาษา{'อังกฤษ' if language == 'en' else 'ไทย'} โปรดเขียน {name}.{language}")
        inner.done()
        return Words(en, th)

    def table(self, name: str) -> Table | None:
        given = self.get(name, dict)
        return None if given is None else Table(given, self.key(name), self.findings)

    def tables(self, name: str) -> list[Table]:
        given = self.get(name, list, [])
        found = []
        for number, one in enumerate(given, 1):
            if isinstance(one, dict):
                found.append(Table(one, f"{self.key(name)}[{number}]", self.findings))
            else:
                self.say(name, "key-type", f"Write each as a table of its own, under [[{self.key(name)}]].", f"เขียนแต่ละรายการใต้ [[{self.key(name)}]]")
        return found

    def paths(self, name: str) -> dict[str, str]:
        """A table of texts with free keys."""
        inner = self.table(name)
        found = {one: inner.text(one) for one in inner.values} if inner else {}
        return {key: value for key, value in found.items() if value}

    def done(self) -> None:
        """Every key that nobody asked for is a mistake of somebody."""
        for name in self.values:
            if name not in self.asked:
                meant = nearest(name, self.asked)
                self.say(name, "key-unknown", f"“{name}” is not known here. {_did_you_mean(meant)}Known are: {', '.join(sorted(self.asked))}.",
                         f"ไม่รู้จัก “{name}” ที่นี่ {_th_mean(meant)}ใช้ได้: {', '.join(sorted(self.asked))}")


def _did_you_mean(word: str) -> str:
    return f"Did you mean “{word}”? " if word else ""


def _th_mean(word: str) -> str:
    return f"หมายถึง “{word}” หรือไม่ " if word else ""


def read_file(folder: Path) -> tuple[Programme | None, list[Finding]]:
    """The programme of a folder's program.toml, and what is wrong with the file. None when nothing can be read."""
    try:
        raw = (folder / FILE).read_bytes()
    except OSError:
        return None, [Finding(FILE, "error", "file-missing", f"There is no {FILE} in this folder. Copy one from forms/aftercare and change it.",
                              f"ไม่มี {FILE} ในโฟลเดอร์นี้ คัดลอกจาก forms/aftercare แล้วแก้ไข")]
    return read_text(raw, folder.name)


def read_text(raw: bytes, folder_name: str) -> tuple[Programme | None, list[Finding]]:
    """The same for the bytes of a program.toml; the folder's name is the programme's id where the file gives none."""
    if len(raw) > _LARGEST:
        return None, [Finding(FILE, "error", "file-large", "This file is larger than 1 MB. Take out what does not belong here.",
                              "ไฟล์ใหญ่กว่า 1 MB นำสิ่งที่ไม่เกี่ยวข้องออก")]
    try:
        values = tomllib.loads(raw.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return None, [Finding(FILE, "error", "file-encoding", "This file is not saved as UTF-8. Save it as UTF-8.", "ไฟล์ไม่ได้บันทึกเป็น UTF-8 โปรดบันทึกใหม่")]
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        return None, [_syntax(error)]
    findings: list[Finding] = []
    top = Table(values, "", findings)
    return _programme(top, folder_name), findings


def _syntax(error: Exception) -> Finding:
    line = re.search(r"at line (\d+)", str(error))
    why = re.sub(r"\s*\(at .*\)", "", str(error))
    return Finding(FILE, "error", "toml-syntax", f"The file cannot be read here: {why}. Text stands in quotes; a table begins with [name].",
                   f"อ่านไฟล์ตรงนี้ไม่ได้: {why} ข้อความต้องอยู่ในเครื่องหมายคำพูด ตารางขึ้นต้นด้วย [ชื่อ]", row=int(line[1]) if line else None)


def _programme(top: Table, folder_name: str) -> Programme | None:
    head = top.table("programme")
    if head is None:
        top.say("programme", "key-missing", "The part [programme] is missing. Begin the file with it.", "ไม่มีส่วน [programme] โปรดเริ่มไฟล์ด้วยส่วนนี้")
        return None
    programme_id = head.text("id", folder_name)
    lists = _lists(top)
    programme = Programme(
        id=programme_id, name=head.words("name"), short_name=_short_name(head, programme_id),
        case_list=head.text("case_list", required=True), undeclared=head.text("undeclared", "by_type", one_of=("by_type", "strict")),
        timezone=_timezone(head), words=_words(top), stages=_stages(top), lists=lists, forms=_forms(top), grants=_grants(top),
        letters=_letters(top), letter_fields=top.paths("letter_fields"), return_receipt_days=_days(top), letterhead=_letterhead(top))
    if programme.case_list and programme.case_list not in lists:
        meant = nearest(programme.case_list, lists)
        head.say("case_list", "list-unknown", f"There is no [lists.{programme.case_list}]. {_did_you_mean(meant)}Write that part.",
                 f"ไม่มี [lists.{programme.case_list}] {_th_mean(meant)}โปรดเขียนส่วนนี้")
    head.done()
    top.done()
    return programme


def _short_name(head: Table, programme_id: str) -> str:
    given = head.text("short_name", (re.sub("[^A-Z]", "", programme_id.upper()) + "XX")[:2])
    if not re.fullmatch("[A-Z]{2,4}", given):
        head.say("short_name", "value-unknown", "Use 2 to 4 capital letters A to Z.", "ใช้อักษร A–Z ตัวใหญ่ 2–4 ตัว")
    return given


def _timezone(head: Table) -> str:
    name = head.text("timezone", "Asia/Bangkok")
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        head.say("timezone", "value-unknown", f"“{name}” is no time zone. Write one such as Asia/Bangkok.", f"ไม่มีเขตเวลา “{name}” เขียนเช่น Asia/Bangkok")
    return name


def _words(top: Table) -> dict[str, Words]:
    inner = top.table("words")
    return {name: inner.words(name) for name in inner.values} if inner else {}


def _stages(top: Table) -> tuple[Stage, ...]:
    stages: dict[str, Stage] = {}
    for one in top.tables("stages"):
        stage = Stage(one.text("id", required=True), one.words("label"), one.get("beside", bool, False))
        if stage.id in stages:
            one.say("id", "value-double", f"The stage “{stage.id}” stands twice. Give each its own id.", f"มีขั้น “{stage.id}” สองครั้ง แต่ละขั้นต้องมี id ของตนเอง")
        one.done()
        stages[stage.id] = stage
    return tuple(stages.values())


def _lists(top: Table) -> dict[str, ListRule]:
    every = top.table("lists")
    found: dict[str, ListRule] = {}
    for name in every.values if every else ():
        one = every.table(name) if every else None
        if one is None:
            continue
        texts = {key: one.text(key) for key in ("parent", "code", "pseudonym", "stage", "risk", "due", "amount", "kind")}
        found[name] = ListRule(name=name, label=one.words("label"), **texts, high_risk=one.text("high_risk", "high"),
                               server_owned=one.texts("server_owned"), columns=_columns(one))
        one.done()
    return found


def _columns(one: Table) -> tuple[Column, ...]:
    columns: dict[str, Column] = {}
    for table in one.tables("columns"):
        column = Column(table.text("property", required=True), table.words("label"), table.text("kind", "text", one_of=COLUMN_KINDS),
                        table.get("filter", bool, False), table.text("choices"))
        if column.property in columns:
            table.say("property", "value-double", f"The column “{column.property}” stands twice. Take one out.", f"มีคอลัมน์ “{column.property}” สองครั้ง เอาออกหนึ่ง")
        table.done()
        columns[column.property] = column
    return tuple(columns.values())


def _forms(top: Table) -> dict[str, FormRule]:
    every = top.table("forms")
    found: dict[str, FormRule] = {}
    for name in every.values if every else ():
        one = every.table(name) if every else None
        if one is None:
            continue
        found[name] = FormRule(
            id=name, title=one.words("title"), icon=one.text("icon", "file-earmark-text"), kind=one.text("kind", "care", one_of=TIMELINE_KINDS),
            event_date=one.text("event_date"), summary=one.texts("summary"), opens_stage=one.text("opens_stage"),
            safe_contact=one.paths("safe_contact"), person=one.paths("person"), consent=one.paths("consent"))
        one.done()
    return found


def _grants(top: Table) -> GrantRule | None:
    one = top.table("grants")
    if one is None:
        return None
    limits = []
    for table in one.tables("limits"):
        limits.append(Limit(table.get("up_to", int, 0, required=True), table.texts("roles")))
        table.done()
    if [limit.up_to for limit in limits] != sorted({limit.up_to for limit in limits}):
        one.say("limits", "value-order", "Write the limits from the smallest sum to the largest, each sum once.", "เรียงวงเงินจากน้อยไปมาก แต่ละจำนวนครั้งเดียว")
    rule = GrantRule(
        list=one.text("list", required=True), form=one.text("form", required=True), receipt_form=one.text("receipt_form"),
        receipt_date=one.text("receipt_date"), receipt_amount=one.text("receipt_amount"), currency=one.text("currency", "THB", one_of=("THB",)),
        number_format=_number_format(one, "number_format", one.text("number_format", "{year}-{number:04}")),
        approvers=one.texts("approvers", ("coordinator", "director")), limits=tuple(limits))
    one.done()
    return rule


def _number_format(table: Table, key: str, pattern: str) -> str:
    try:
        good = pattern.format(year=2026, number=1) != pattern.format(year=2026, number=2)
    except (KeyError, IndexError, ValueError, AttributeError):
        good = False
    if not good:
        table.say(key, "value-unknown", "Write {number} once in it, and {year} if you like: “TS {number}/{year}”.", "ต้องมี {number} และจะมี {year} ด้วยก็ได้ เช่น “ทศ {number}/{year}”")
        return "{number}/{year}"
    return pattern


def _letters(top: Table) -> tuple[LetterRule, ...]:
    letters: dict[str, LetterRule] = {}
    for one in top.tables("letters"):
        pattern = one.words("number_format", Words("{number}/{year}", "{number}/{year}"), required=False)
        letter = LetterRule(
            id=one.text("id", required=True), label=one.words("label"), kinds=one.texts("kinds"), when=one.text("when", "approved", one_of=("approved",)),
            wording=one.text("wording", required=True), receipt=one.text("receipt"), languages=one.texts("languages", ("th", "en"), one_of=LANGUAGES),
            number_format=Words(*(_number_format(one, f"number_format.{language}", pattern.in_(language)) for language in ("en", "th"))))
        if letter.id in letters:
            one.say("id", "value-double", f"The letter “{letter.id}” stands twice. Give each its own id.", f"มีจดหมาย “{letter.id}” สองครั้ง แต่ละฉบับต้องมี id ของตนเอง")
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
        organisation=one.words("organisation"), contact={lang: contact.texts(lang) for lang in LANGUAGES} if contact else {},
        return_line=one.text("return_line"), signatory=one.words("signatory"), signatory_role=one.words("signatory_role"), ask=one.words("ask", required=False))
    if contact:
        contact.done()
    one.done()
    return head
