"""Our own rules for a form: privacy, what entities may hold, entity ids, translations, names and versions.

Pure: rows and schema in, findings out. What would put a person at risk is an error inside a programme and a warning
for a lone file, which may never meet one.
"""
from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from namjai.languages import Words
from odk.findings import Finding, Severity, nearest
from odk.schema import Field, FormSchema, Privacy
from odk.sounds import IN_THAI, sounds_like
from odk.xlsform_rows import Row, Rows

PRIVACY_COLUMN = "bind::namjai:privacy"
NAMESPACE = "https://namjai.org/xforms"
CLOSED = frozenset({Privacy.SENSITIVE, Privacy.IDENTIFYING, Privacy.RESTRICTED})
_TRANSLATED = ("label", "hint", "constraint_message", "required_message", "guidance_hint")
_ASKED = frozenset({"question", "calculation"})
_SNAKE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_VERSION = re.compile(r"20\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])\d\d")

SAYS = {
    "privacy-class": Words(
        "“{given}” is no privacy class. {meant}Write open, sensitive, identifying or restricted.",
        "ไม่มีระดับความเป็นส่วนตัว “{given}” {meant_th}เขียน open, sensitive, identifying หรือ restricted",
    ),
    "privacy-namespace": Words(
        "The column bind::namjai:privacy needs, in the sheet settings, a column namespaces with "
        'namjai="https://namjai.org/xforms".',
        'คอลัมน์ bind::namjai:privacy ต้องมีคอลัมน์ namespaces ในชีต settings ค่า namjai="https://namjai.org/xforms"',
    ),
    "save-closed": Words(
        "{name} is declared {privacy}, and save_to would put it in the open list {list}, on every tablet. Take "
        "save_to out, or declare it open if nobody can be known by it.",
        "{name} ระบุเป็น {privacy} แต่ save_to จะทำให้อยู่ในรายชื่อเปิด {list} บนทุกแท็บเล็ต เอา save_to ออก หรือระบุเป็น open "
        "ถ้าไม่ทำให้รู้ว่าเป็นใคร",
    ),
    "save-undeclared": Words(
        "{name} goes into the list {list} and is open by that, but nothing says so. Write open in "
        "bind::namjai:privacy, or take save_to out.",
        "{name} จะอยู่ในรายชื่อ {list} จึงเปิดเผย แต่ยังไม่ได้ระบุ เขียน open ใน bind::namjai:privacy หรือเอา save_to ออก",
    ),
    "save-derived": Words(
        "{name} goes into the list {list} and is worked out from {source}, which is {privacy}. Make sure that it "
        "tells nobody who the person is.",
        "{name} จะอยู่ในรายชื่อ {list} และคำนวณจาก {source} ซึ่งเป็น {privacy} ตรวจให้แน่ใจว่าไม่มีใครรู้ได้ว่าเป็นใคร",
    ),
    "label-closed": Words(
        "The entity's label shows {source}, which is {privacy}, on every tablet. Make the label of a code and a "
        "pseudonym.",
        "ป้ายชื่อของรายการแสดง {source} ซึ่งเป็น {privacy} บนทุกแท็บเล็ต ใช้รหัสกับนามสมมติเป็นป้ายชื่อ",
    ),
    "label-undeclared": Words(
        "The entity's label shows {source} on every tablet, and nothing says that it is open. Write open in "
        "bind::namjai:privacy.",
        "ป้ายชื่อของรายการแสดง {source} บนทุกแท็บเล็ต แต่ยังไม่ได้ระบุว่าเปิดเผยได้ เขียน open ใน bind::namjai:privacy",
    ),
    "name-closed": Words(
        "instance_name shows {source}, which is {privacy}, in the tablet's list of sent forms. Make it of a code "
        "and a date.",
        "instance_name แสดง {source} ซึ่งเป็น {privacy} ในรายการแบบฟอร์มของแท็บเล็ต ใช้รหัสกับวันที่แทน",
    ),
    "undeclared": Words(
        "{name} has no privacy class, so it is kept encrypted, in no list and filter. Write one in "
        "bind::namjai:privacy.",
        "{name} ไม่ได้ระบุระดับความเป็นส่วนตัว จึงเก็บแบบเข้ารหัส ไม่อยู่ในรายชื่อและตัวกรอง ระบุใน bind::namjai:privacy",
    ),
    "sounds-personal": Words(
        "{name} sounds like a question for a {what} and has no privacy class. Write identifying in "
        "bind::namjai:privacy.",
        "{name} น่าจะเป็นคำถามเรื่อง{what_th}แต่ยังไม่ได้ระบุระดับความเป็นส่วนตัว เขียน identifying ใน bind::namjai:privacy",
    ),
    "once-in-coalesce": Words(
        "once() stands inside coalesce() in {where}: when somebody is picked and then cleared, the picked one's id "
        "stays, and one person's record goes to another. Put once(uuid()) into a calculation of its own, say fresh, "
        "and write coalesce(${{pick}}, ${{fresh}}).",
        "once() อยู่ใน coalesce() ที่ {where}: เมื่อเลือกคนแล้วล้างออก id ของคนแรกจะค้าง ข้อมูลของคนหนึ่งจะไปอยู่กับอีกคน ให้แยก "
        "once(uuid()) เป็น calculate ของตนเอง เช่น fresh แล้วเขียน coalesce(${{pick}}, ${{fresh}})",
    ),
    "uuid-without-once": Words(
        "{where} makes a new uuid() whenever it is calculated again, so the entity would change its id. Write "
        "once(uuid()).",
        "{where} สร้าง uuid() ใหม่ทุกครั้งที่คำนวณ id ของรายการจะเปลี่ยนไป เขียน once(uuid())",
    ),
    "translation-missing": Words(
        "The {what} of {name} is missing in {language}. Write it in the column {column}.",
        "{what} ของ {name} ไม่มีภาษา {language} เขียนในคอลัมน์ {column}",
    ),
    "form-id": Words(
        "The form id “{given}” should be small letters, digits and _: {better}. It can never be changed later.",
        "form_id “{given}” ควรเป็นอักษรเล็ก ตัวเลข และ _ เช่น {better} ภายหลังเปลี่ยนไม่ได้",
    ),
    "version-style": Words(
        "The version “{given}” should be the day and a running number, yyyymmddrr, such as 2026112401, so that it "
        "always rises.",
        "version “{given}” ควรเป็นปีเดือนวันและลำดับ yyyymmddrr เช่น 2026112401 เพื่อให้เพิ่มขึ้นเสมอ",
    ),
    "version-missing": Words(
        "There is no version. Write one in the sheet settings, as text: 2026112401.",
        "ไม่มี version เขียนในชีต settings เป็นข้อความ เช่น 2026112401",
    ),
}


@dataclass(frozen=True)
class _Form:
    rows: Rows
    schema: FormSchema
    file: str
    undeclared: str

    def say(
        self, code: str, severity: Severity, row: Row | None = None, sheet: str = "survey", **facts: str
    ) -> Finding:
        words = SAYS[code]
        return Finding(
            self.file,
            severity,
            code,
            words.en.format(**facts),
            words.th.format(**facts),
            sheet=sheet,
            row=row.number if row else None,
        )

    @property
    def fields(self) -> Iterator[tuple[Field, Row]]:
        """Every question and calculation of the form that stands in a row."""
        for one in self.schema.fields:
            row = self.rows.row_by_path.get(one.path)
            if row is not None and one.kind in _ASKED:
                yield one, row

    def privacy_of(self, row: Row) -> str:
        found = next((one for one, other in self.fields if other.number == row.number), None)
        return (found.privacy or "") if found else row.get(PRIVACY_COLUMN)

    def lists(self) -> str:
        return ", ".join(one.list for one in self.schema.entities)


def house_rules(rows: Rows, schema: FormSchema, file: str, *, strict: bool, undeclared: str) -> list[Finding]:
    """Everything our rules say of the form. Not `strict`: nothing is worse than a warning."""
    form = _Form(rows, schema, file, undeclared)
    found = [
        one
        for rule in (_classes, _saved, _labels, _open_by_silence, _ids, _translations, _settings)
        for one in rule(form)
    ]
    if not strict:
        found = [replace(one, severity="warning") if one.severity == "error" else one for one in found]
    return sorted(found, key=lambda one: (one.sheet != "survey", one.sheet, one.row or 0))


def _classes(form: _Form) -> Iterator[Finding]:
    known = [one.value for one in Privacy]
    for row in form.rows.survey:
        given = row.get(PRIVACY_COLUMN)
        if given and given not in known:
            meant = nearest(given, known)
            yield form.say(
                "privacy-class",
                "error",
                row,
                given=given,
                meant=f"Did you mean {meant}? " if meant else "",
                meant_th=f"หมายถึง {meant} หรือไม่ " if meant else "",
            )
    used = any(row.get(PRIVACY_COLUMN) for row in form.rows.survey)
    if used and NAMESPACE not in form.rows.settings.get("namespaces"):
        yield form.say("privacy-namespace", "error", form.rows.settings, sheet="settings")


def _saved(form: _Form) -> Iterator[Finding]:
    for one, row in form.fields:
        if not one.save_to:
            continue
        facts = {"name": one.name, "list": form.lists()}
        if one.privacy in CLOSED:
            yield form.say("save-closed", "error", row, privacy=one.privacy, **facts)
        elif not one.privacy:
            yield form.say("save-undeclared", "warning", row, **facts)
        for source in form.rows.behind(row.get("calculation")).values():
            privacy = form.privacy_of(source)
            if privacy in (Privacy.IDENTIFYING, Privacy.RESTRICTED):
                yield form.say("save-derived", "warning", row, source=source.name, privacy=privacy, **facts)


def _labels(form: _Form) -> Iterator[Finding]:
    for row in form.rows.sheet("entities"):
        for source in form.rows.behind(row.get("label")).values():
            privacy = form.privacy_of(source)
            if privacy in (Privacy.IDENTIFYING, Privacy.RESTRICTED) or (
                privacy in CLOSED and f"${{{source.name}}}" in row.get("label")
            ):
                yield form.say("label-closed", "error", row, sheet="entities", source=source.name, privacy=privacy)
            elif not privacy and f"${{{source.name}}}" in row.get("label"):
                yield form.say("label-undeclared", "warning", row, sheet="entities", source=source.name)
    settings = form.rows.settings
    for source in form.rows.behind(settings.get("instance_name")).values():
        privacy = form.privacy_of(source)
        if privacy in (Privacy.IDENTIFYING, Privacy.RESTRICTED):
            yield form.say("name-closed", "error", settings, sheet="settings", source=source.name, privacy=privacy)


def _open_by_silence(form: _Form) -> Iterator[Finding]:
    for one, row in form.fields:
        if one.privacy:
            continue
        what = sounds_like(one)
        if what:
            yield form.say(
                "sounds-personal",
                "warning" if one.save_to else "note",
                row,
                name=one.name,
                what=what,
                what_th=IN_THAI[what],
            )
        elif form.undeclared == "strict" and not one.save_to:
            yield form.say("undeclared", "warning", row, name=one.name)


def _ids(form: _Form) -> Iterator[Finding]:
    for row in form.rows.sheet("entities"):
        expression = row.get("entity_id")
        parts = {"entity_id": (expression, row, "entities")}
        parts |= {
            name: (used.get("calculation"), used, "survey") for name, used in form.rows.behind(expression).items()
        }
        for where, (text, place, sheet) in parts.items():
            if any("once(" in inside for inside in _inside(text, "coalesce")):
                yield form.say("once-in-coalesce", "error", place, sheet=sheet, where=where)
            elif "uuid(" in text and "once(" not in text:
                yield form.say("uuid-without-once", "error", place, sheet=sheet, where=where)


def _inside(text: str, function: str) -> Iterator[str]:
    """What stands between the brackets of each call of a function."""
    plain = re.sub(r"\s+\(", "(", text)
    for call in re.finditer(rf"\b{function}\(", plain):
        depth = 1
        for end in range(call.end(), len(plain)):
            depth += {"(": 1, ")": -1}.get(plain[end], 0)
            if depth == 0:
                break
        yield plain[call.end() : end] if call.end() < len(plain) else ""


def _translations(form: _Form) -> Iterator[Finding]:
    """Where one language says something and another is silent."""
    for sheet in ("survey", "choices"):
        rows = form.rows.sheet(sheet)
        columns = {one for one in form.rows.columns.get(sheet, ()) if "::" in one}
        for what in _TRANSLATED:
            beside = sorted(one for one in columns if one.split("::")[0].strip() == what)
            for row in rows if len(beside) > 1 else ():
                if any(row.get(one) for one in beside):
                    for column in (one for one in beside if not row.get(one)):
                        yield form.say(
                            "translation-missing",
                            "warning",
                            row,
                            sheet=sheet,
                            what=what,
                            name=row.name,
                            language=column.split("::")[1].strip(),
                            column=column,
                        )


def _settings(form: _Form) -> Iterator[Finding]:
    settings, schema = form.rows.settings, form.schema
    if not _SNAKE.fullmatch(schema.form_id):
        better = re.sub(r"[^a-z0-9]+", "_", schema.form_id.lower()).strip("_") or "visit"
        yield form.say("form-id", "warning", settings, sheet="settings", given=schema.form_id, better=better)
    if not schema.version:
        yield form.say("version-missing", "warning", settings, sheet="settings")
    elif not _VERSION.fullmatch(schema.version):
        yield form.say("version-style", "warning", settings, sheet="settings", given=schema.version)
