"""Does program.toml fit the forms beside it? Pure: programme and schemas in, findings out."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from namjai.languages import Words
from odk.findings import Finding, Severity, nearest
from odk.programme import FILE, MOST_SLOTS, ListRule, Programme, allot_slots
from odk.schema import FormSchema, Privacy

_PROPERTIES = ("code", "pseudonym", "stage", "risk", "due", "amount", "kind")
_DATES = ("date", "dateTime")
_NUMBERS = ("int", "decimal", "range")

SAYS = {
    "list-undeclared": Words("No form writes or reads a list called {name}. {meant}Correct the name, or add an entities sheet to a form.",
                             "ไม่มีแบบฟอร์มใดใช้รายชื่อ {name} {meant_th}แก้ชื่อ หรือเพิ่มชีต entities ในแบบฟอร์ม"),
    "list-unknown": Words("A form writes the list {name}, and this file has no [lists.{name}]. Add it, with its label and parent.",
                          "มีแบบฟอร์มบันทึกรายชื่อ {name} แต่ไฟล์นี้ไม่มี [lists.{name}] เพิ่มพร้อม label และ parent"),
    "parent-missing": Words("Whose case does a row of {name} belong to? Write parent = the property that holds the id of the {case_list} row.",
                            "แต่ละแถวของ {name} เป็นของเคสใด เขียน parent = property ที่เก็บรหัสของแถวใน {case_list}"),
    "parent-not-saved": Words("{property} is not saved by the form that creates {name} ({forms}). Write {property} in the save_to of the question that picks the case.",
                              "แบบฟอร์มที่สร้าง {name} ({forms}) ไม่ได้บันทึก {property} เขียน {property} ใน save_to ของคำถามที่เลือกเคส"),
    "parent-of-cases": Words("The case list has no parent: its rows are the cases. Take this line out.",
                             "รายชื่อเคสไม่มี parent เพราะแต่ละแถวคือเคส เอาบรรทัดนี้ออก"),
    "property-not-saved": Words("No form saves {property} into {name}. {meant}Use a name from the save_to column, or add it to server_owned.",
                                "ไม่มีแบบฟอร์มใดบันทึก {property} ลงใน {name} {meant_th}ใช้ชื่อจากคอลัมน์ save_to หรือเพิ่มใน server_owned"),
    "server-owned-only": Words("Namjai alone keeps {property}, so add it to server_owned.", "Namjai เป็นผู้ดูแล {property} เพียงผู้เดียว เพิ่มใน server_owned"),
    "column-kind": Words("{property} is {type} in {form}, which cannot be shown as {kind}. Write another kind.",
                         "{property} เป็น {type} ใน {form} แสดงเป็น {kind} ไม่ได้ เขียน kind อื่น"),
    "choices-unknown": Words("No form has a choice list {given}. {meant}Use a list_name of the sheet choices.",
                             "ไม่มีแบบฟอร์มใดมีรายการตัวเลือก {given} {meant_th}ใช้ list_name จากชีต choices"),
    "slots-full": Words("{name} has {count} {what}; {most} fit. Take columns out of the list.",
                        "{name} มีคอลัมน์{what_th} {count} คอลัมน์ ใส่ได้ {most} เอาบางคอลัมน์ออก"),
    "form-unknown": Words("There is no form {name} in this folder. {meant}", "ไม่มีแบบฟอร์ม {name} ในโฟลเดอร์นี้ {meant_th}"),
    "path-unknown": Words("{form} has no question {path}. {meant}Write groups and question with / between.",
                          "{form} ไม่มีคำถาม {path} {meant_th}เขียนกลุ่มและคำถามคั่นด้วย /"),
    "path-not-date": Words("{path} is no date. Name a question of type date.", "{path} ไม่ใช่วันที่ ระบุคำถามชนิด date"),
    "path-closed": Words("{path} is {privacy} and cannot stand here, where everybody with the case sees it. Name another question.",
                         "{path} เป็น {privacy} จึงแสดงตรงนี้ไม่ได้ เพราะทุกคนที่เห็นเคสจะเห็น ระบุคำถามอื่น"),
    "path-not-closed": Words("{path} tells who the person is, so declare it identifying in the form.",
                             "{path} ทำให้รู้ว่าเป็นใคร ให้ระบุเป็น identifying ในแบบฟอร์ม"),
    "safe-contact-open": Words("{path} is part of the safe contact, so declare it sensitive in the form.",
                               "{path} เป็นส่วนของช่องทางติดต่อที่ปลอดภัย ให้ระบุเป็น sensitive ในแบบฟอร์ม"),
    "stage-unknown": Words("There is no stage {given}. {meant}", "ไม่มีขั้น {given} {meant_th}"),
    "grant-list": Words("The form {form} does not create {name}. Add {name} to its entities sheet.", "แบบฟอร์ม {form} ไม่ได้สร้าง {name} เพิ่มในชีต entities"),
    "grants-missing": Words("Letters need a part [grants]. Add it, or take the letters out.", "จดหมายต้องมีส่วน [grants] เพิ่มส่วนนี้ หรือเอาจดหมายออก"),
    "letterhead-missing": Words("Letters need a part [letterhead]. Add it.", "จดหมายต้องมีส่วน [letterhead] โปรดเพิ่ม"),
    "wording-missing": Words("There is no letters/{file}.md. Write it, or take its language out of languages.",
                             "ไม่มี letters/{file}.md เขียนไฟล์นี้ หรือเอาภาษานั้นออกจาก languages"),
    "kind-unknown": Words("The grants have no kind {given}. {meant}", "เงินช่วยเหลือไม่มีประเภท {given} {meant_th}"),
    "kind-without-letter": Words("No letter is written for grants of the kind {given}. Add it to a letter's kinds.",
                                 "ไม่มีจดหมายสำหรับเงินช่วยเหลือประเภท {given} เพิ่มใน kinds ของจดหมาย"),
    "limit-role": Words("{given} may approve here but is not among approvers. Add it there.", "{given} อนุมัติได้ตรงนี้ แต่ไม่อยู่ใน approvers ให้เพิ่ม"),
}


@dataclass(frozen=True)
class _Check:
    programme: Programme
    schemas: Mapping[str, FormSchema]
    wordings: set[str]

    def say(self, code: str, key: str, severity: Severity = "error", *, near: tuple[str, list[str]] | None = None, **facts: object) -> Finding:
        meant = nearest(*near) if near else ""
        facts |= {"meant": f"Did you mean {meant}? " if meant else "", "meant_th": f"หมายถึง {meant} หรือไม่ " if meant else ""}
        words = SAYS[code]
        return Finding(FILE, severity, code, words.en.format(**facts).strip(), words.th.format(**facts).strip(), key=key)

    def saved(self, name: str) -> dict[str, list[tuple[FormSchema, str]]]:
        """Property of a list -> the forms and paths that save it."""
        found: dict[str, list[tuple[FormSchema, str]]] = {}
        for schema in self.schemas.values():
            for declared in schema.entities:
                for path, saved in declared.saves if declared.list == name else ():
                    found.setdefault(saved, []).append((schema, path))
        return found

    @property
    def written(self) -> set[str]:
        return {one.list for schema in self.schemas.values() for one in schema.entities}

    @property
    def read(self) -> set[str]:
        return {one.from_file for schema in self.schemas.values() for one in schema.fields if one.from_file}


def programme_rules(programme: Programme, schemas: Mapping[str, FormSchema], wordings: set[str]) -> list[Finding]:
    """Everything in program.toml that does not fit. `wordings`: the names there are ("grant_letter.th")."""
    check = _Check(programme, schemas, wordings)
    return [one for rule in (_lists, _columns, _forms, _grants, _letters) for one in rule(check)]


def _lists(check: _Check) -> Iterator[Finding]:
    programme, known = check.programme, check.written | check.read
    for name in sorted(check.written - set(programme.lists)):
        yield check.say("list-unknown", f"lists.{name}", name=name)
    for name, rule in programme.lists.items():
        key = f"lists.{name}"
        if name not in known:
            yield check.say("list-undeclared", key, near=(name, sorted(known)), name=name)
            continue
        yield from _parent(check, rule, key)
        saved = check.saved(name)
        for role in _PROPERTIES:
            given = getattr(rule, role)
            if given and given not in saved and given not in rule.server_owned:
                yield check.say("property-not-saved", f"{key}.{role}", near=(given, sorted(saved)), property=given, name=name)
        if rule.stage and rule.stage not in rule.server_owned:
            yield check.say("server-owned-only", f"{key}.server_owned", property=rule.stage)


def _parent(check: _Check, rule: ListRule, key: str) -> Iterator[Finding]:
    if rule.name == check.programme.case_list:
        if rule.parent:
            yield check.say("parent-of-cases", f"{key}.parent")
        return
    if not rule.parent:
        yield check.say("parent-missing", f"{key}.parent", name=rule.name, case_list=check.programme.case_list)
        return
    creating = [(schema, one) for schema in check.schemas.values() for one in schema.entities if one.list == rule.name and one.creates]
    lacking = [schema.form_id for schema, one in creating if rule.parent not in dict(map(reversed, one.saves))]
    if lacking:
        yield check.say("parent-not-saved", f"{key}.parent", property=rule.parent, name=rule.name, forms=", ".join(lacking))


def _columns(check: _Check) -> Iterator[Finding]:
    choice_lists = sorted({name for schema in check.schemas.values() for name in schema.choices})
    for name, rule in check.programme.lists.items():
        saved = check.saved(name)
        for number, column in enumerate(rule.columns, 1):
            key = f"lists.{name}.columns[{number}]"
            if column.property not in saved and column.property not in rule.server_owned:
                yield check.say("property-not-saved", f"{key}.property", near=(column.property, [*saved, *rule.server_owned]), property=column.property, name=name)
            if column.choices and column.choices not in choice_lists:
                yield check.say("choices-unknown", f"{key}.choices", near=(column.choices, choice_lists), given=column.choices)
            for schema, path in saved.get(column.property, ()):
                asked = schema.field(path)
                if asked is not None and not _fits(column.kind, asked.type):
                    yield check.say("column-kind", f"{key}.kind", property=column.property, type=asked.type, form=schema.form_id, kind=column.kind)
        yield from _slots(check, rule)


def _fits(kind: str, asked: str) -> bool:
    """Whether a question's answers can be shown and sorted so. What is calculated is text to XForms."""
    if kind in ("text", "choice") or asked == "string":
        return True
    return asked in (_DATES if kind == "date" else _NUMBERS)


def _slots(check: _Check, rule: ListRule) -> Iterator[Finding]:
    counts = {"t": sum(one.kind in ("text", "choice") for one in rule.columns), "n": sum(one.kind == "number" for one in rule.columns),
              "d": len({one.property for one in rule.columns if one.kind == "date"} | ({rule.due} if rule.due else set()))}
    words = {"t": ("columns of text or choices", "ข้อความหรือตัวเลือก"), "n": ("columns of numbers", "ตัวเลข"), "d": ("columns of dates", "วันที่")}
    allotted = allot_slots(rule)
    for letter, most in MOST_SLOTS.items():
        if counts[letter] > most:
            yield check.say("slots-full", f"lists.{rule.name}.columns", name=rule.name, count=counts[letter], what=words[letter][0],
                            what_th=words[letter][1], most=most, allotted=len(allotted))


def _forms(check: _Check) -> Iterator[Finding]:
    programme = check.programme
    for name, rule in programme.forms.items():
        key = f"forms.{name}"
        schema = check.schemas.get(name)
        if schema is None:
            yield check.say("form-unknown", key, near=(name, list(check.schemas)), name=name)
            continue
        if rule.event_date:
            yield from _path(check, schema, rule.event_date, f"{key}.event_date", open_only=True, date=True)
        for path in rule.summary:
            yield from _path(check, schema, path, f"{key}.summary")
        for role, path in rule.safe_contact.items():
            yield from _path(check, schema, path, f"{key}.safe_contact.{role}")
            if schema.field(path) is not None and role not in ("how", "when") and schema.privacy_of(path, programme.undeclared) is Privacy.OPEN:
                yield check.say("safe-contact-open", f"{key}.safe_contact.{role}", path=path)
        for role, path in rule.person.items():
            yield from _path(check, schema, path, f"{key}.person.{role}", closed=True)
        for role, path in rule.consent.items():
            yield from _path(check, schema, path, f"{key}.consent.{role}")
        if rule.opens_stage and programme.stage(rule.opens_stage) is None:
            yield check.say("stage-unknown", f"{key}.opens_stage", near=(rule.opens_stage, [one.id for one in programme.stages]), given=rule.opens_stage)


def _path(check: _Check, schema: FormSchema, path: str, key: str, *, open_only: bool = False, date: bool = False,
          closed: bool = False, any_privacy: bool = False) -> Iterator[Finding]:
    asked = schema.field(path)
    if asked is None or asked.kind in ("group", "repeat", "note"):
        questions = [one.path for one in schema.fields if one.kind in ("question", "calculation")]
        yield check.say("path-unknown", key, near=(path, questions), form=schema.form_id, path=path)
        return
    privacy = schema.privacy_of(path, check.programme.undeclared)
    if date and asked.type not in _DATES:
        yield check.say("path-not-date", key, path=path)
    if any_privacy:
        return
    if closed:
        if privacy not in (Privacy.IDENTIFYING, Privacy.RESTRICTED):
            yield check.say("path-not-closed", key, path=path)
    elif privacy in (Privacy.IDENTIFYING, Privacy.RESTRICTED) or (open_only and privacy is not Privacy.OPEN):
        yield check.say("path-closed", key, path=path, privacy=privacy.value)


def _grants(check: _Check) -> Iterator[Finding]:
    programme, rule = check.programme, check.programme.grants
    if rule is None:
        if programme.letters:
            yield check.say("grants-missing", "grants")
        return
    if rule.list not in programme.lists:
        yield check.say("list-undeclared", "grants.list", near=(rule.list, list(programme.lists)), name=rule.list)
        return
    for key, name in (("form", rule.form), ("receipt_form", rule.receipt_form)):
        if name and name not in check.schemas:
            yield check.say("form-unknown", f"grants.{key}", near=(name, list(check.schemas)), name=name)
    schema = check.schemas.get(rule.form)
    if schema is not None and not any(one.list == rule.list and one.creates for one in schema.entities):
        yield check.say("grant-list", "grants.form", form=rule.form, name=rule.list)
    saved = check.saved(rule.list)
    for key, name in (("receipt_date", rule.receipt_date), ("receipt_amount", rule.receipt_amount)):
        if name and name not in saved:
            yield check.say("property-not-saved", f"grants.{key}", near=(name, sorted(saved)), property=name, name=rule.list)
    for number, limit in enumerate(rule.limits, 1):
        for role in limit.roles:
            if role not in rule.approvers:
                yield check.say("limit-role", f"grants.limits[{number}].roles", given=role)
    if schema is not None:
        for name, path in programme.letter_fields.items():
            yield from _path(check, schema, path, f"letter_fields.{name}", any_privacy=True)


def _letters(check: _Check) -> Iterator[Finding]:
    programme, kinds = check.programme, _grant_kinds(check)
    if programme.letters and programme.letterhead is None:
        yield check.say("letterhead-missing", "letterhead")
    for number, letter in enumerate(programme.letters, 1):
        key = f"letters[{number}]"
        for role in ("wording", "receipt"):
            name = getattr(letter, role)
            for language in letter.languages if name else ():
                if f"{name}.{language}" not in check.wordings:
                    yield check.say("wording-missing", f"{key}.{role}", file=f"{name}.{language}")
        for kind in letter.kinds:
            if kinds and kind not in kinds:
                yield check.say("kind-unknown", f"{key}.kinds", near=(kind, kinds), given=kind)
    for kind in kinds:
        if programme.letters and programme.letter_for(kind) is None:
            yield check.say("kind-without-letter", "letters", "warning", given=kind)


def _grant_kinds(check: _Check) -> list[str]:
    grants = check.programme.grants
    rule = check.programme.lists.get(grants.list) if grants else None
    for schema, path in check.saved(rule.name).get(rule.kind, ()) if rule else ():
        asked = schema.field(path)
        if asked is not None and asked.choices:
            return list(schema.choices.get(asked.choices, {}))
    return []
