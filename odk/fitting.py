"""What a rule needs to say whether program.toml fits its forms: the programme, the schemas, and the sentences."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from namjai.languages import Words
from odk.findings import Finding, Severity, nearest
from odk.programme import FILE, Programme
from odk.schema import FormSchema, Privacy

DATES = ("date", "dateTime")
SAYS = {
    "list-undeclared": Words(
        "No form writes or reads a list called {name}. {meant}Correct the name, or add an entities sheet to a form.",
        "ไม่มีแบบฟอร์มใดใช้รายชื่อ {name} {meant_th}แก้ชื่อ หรือเพิ่มชีต entities ในแบบฟอร์ม",
    ),
    "list-unknown": Words(
        "A form writes the list {name}, and this file has no [lists.{name}]. Add it, with its label and parent.",
        "มีแบบฟอร์มบันทึกรายชื่อ {name} แต่ไฟล์นี้ไม่มี [lists.{name}] เพิ่มพร้อม label และ parent",
    ),
    "parent-missing": Words(
        "Whose case does a row of {name} belong to? Write parent = the property that holds the id of the "
        "{case_list} row.",
        "แต่ละแถวของ {name} เป็นของเคสใด เขียน parent = property ที่เก็บ id ของแถวใน {case_list}",
    ),
    "parent-not-saved": Words(
        "{property} is not saved by the form that creates {name} ({forms}). Write {property} in the save_to of the "
        "question that picks the case.",
        "แบบฟอร์มที่สร้าง {name} ({forms}) ไม่ได้บันทึก {property} เขียน {property} ใน save_to ของคำถามที่เลือกเคส",
    ),
    "parent-of-cases": Words(
        "The case list has no parent: its rows are the cases. Take this line out.",
        "รายชื่อเคสไม่มี parent เพราะแต่ละแถวคือเคส เอาบรรทัดนี้ออก",
    ),
    "property-not-saved": Words(
        "No form saves {property} into {name}. {meant}Use a name from the save_to column, or add it to server_owned.",
        "ไม่มีแบบฟอร์มใดบันทึก {property} ลงใน {name} {meant_th}ใช้ชื่อจากคอลัมน์ save_to หรือเพิ่มใน server_owned",
    ),
    "server-owned-only": Words(
        "Namjai alone keeps {property}, so add it to server_owned.",
        "Namjai เท่านั้นที่แก้ {property} ได้ ให้เพิ่มใน server_owned",
    ),
    "column-kind": Words(
        "{property} is {type} in {form}, which cannot be shown as {kind}. Write another kind.",
        "{property} เป็น {type} ใน {form} แสดงเป็น {kind} ไม่ได้ เขียน kind อื่น",
    ),
    "choices-unknown": Words(
        "No form has a choice list {given}. {meant}Use a list_name of the sheet choices.",
        "ไม่มีแบบฟอร์มใดมีรายการตัวเลือก {given} {meant_th}ใช้ list_name จากชีต choices",
    ),
    "slots-full": Words(
        "{name} has {count} {what}; {most} fit. Take columns out of the list.",
        "{name} มีคอลัมน์{what_th} {count} คอลัมน์ ใส่ได้ {most} คอลัมน์ เอาบางคอลัมน์ออก",
    ),
    "form-unknown": Words("There is no form {name} in this folder. {meant}", "ไม่มีแบบฟอร์ม {name} ในโฟลเดอร์นี้ {meant_th}"),
    "path-unknown": Words(
        "{form} has no question {path}. {meant}Write groups and question with / between.",
        "{form} ไม่มีคำถาม {path} {meant_th}เขียนกลุ่มและคำถามคั่นด้วย /",
    ),
    "path-not-date": Words("{path} is no date. Name a question of type date.", "{path} ไม่ใช่วันที่ ระบุคำถามชนิด date"),
    "path-closed": Words(
        "{path} is {privacy} and cannot stand here, where everybody with the case sees it. Name another question.",
        "{path} เป็น {privacy} จึงแสดงตรงนี้ไม่ได้ เพราะทุกคนที่เห็นเคสจะเห็น ระบุคำถามอื่น",
    ),
    "path-not-closed": Words(
        "{path} tells who the person is, so declare it identifying in the form.",
        "{path} ทำให้รู้ว่าเป็นใคร ให้ระบุเป็น identifying ในแบบฟอร์ม",
    ),
    "safe-contact-open": Words(
        "{path} is part of the safe contact, so declare it sensitive in the form.",
        "{path} เป็นส่วนของช่องทางติดต่อที่ปลอดภัย ให้ระบุเป็น sensitive ในแบบฟอร์ม",
    ),
    "stage-unknown": Words("There is no stage {given}. {meant}", "ไม่มีขั้น {given} {meant_th}"),
    "grant-list": Words(
        "The form {form} does not create {name}. Add {name} to its entities sheet.",
        "แบบฟอร์ม {form} ไม่ได้สร้าง {name} เพิ่มในชีต entities",
    ),
    "grants-missing": Words(
        "Letters need a part [grants]. Add it, or take the letters out.",
        "จดหมายต้องมีส่วน [grants] เพิ่มส่วนนี้ หรือเอาจดหมายออก",
    ),
    "letterhead-missing": Words("Letters need a part [letterhead]. Add it.", "จดหมายต้องมีส่วน [letterhead] โปรดเพิ่ม"),
    "wording-missing": Words(
        "There is no letters/{file}.md. Write it, or take its language out of languages.",
        "ไม่มี letters/{file}.md เขียนไฟล์นี้ หรือเอาภาษานั้นออกจาก languages",
    ),
    "kind-unknown": Words("The grants have no kind {given}. {meant}", "เงินช่วยเหลือไม่มีประเภท {given} {meant_th}"),
    "kind-without-letter": Words(
        "No letter is written for grants of the kind {given}. Add it to a letter's kinds.",
        "ไม่มีจดหมายสำหรับเงินช่วยเหลือประเภท {given} เพิ่มใน kinds ของจดหมาย",
    ),
    "limit-role": Words(
        "{given} may approve here but is not among approvers. Add it there.",
        "{given} อนุมัติได้ตรงนี้ แต่ไม่อยู่ใน approvers ให้เพิ่มที่นั่น",
    ),
}


@dataclass(frozen=True)
class Fit:
    programme: Programme
    schemas: Mapping[str, FormSchema]
    wordings: set[str]

    def say(
        self,
        code: str,
        key: str,
        severity: Severity = "error",
        *,
        near: tuple[str, list[str]] | None = None,
        **facts: object,
    ) -> Finding:
        meant = nearest(*near) if near else ""
        facts |= {
            "meant": f"Did you mean {meant}? " if meant else "",
            "meant_th": f"หมายถึง {meant} หรือไม่ " if meant else "",
        }
        words = SAYS[code]
        return Finding(
            FILE, severity, code, words.en.format(**facts).strip(), words.th.format(**facts).strip(), key=key
        )

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

    def path(
        self,
        schema: FormSchema,
        path: str,
        key: str,
        *,
        date: bool = False,
        closed: bool = False,
        any_privacy: bool = False,
    ) -> Iterator[Finding]:
        """What is wrong with a path of program.toml. `date`: it dates an event; `closed`: it must be identifying."""
        asked = schema.field(path)
        if asked is None or asked.kind in ("group", "repeat", "note"):
            questions = [one.path for one in schema.fields if one.kind in ("question", "calculation")]
            yield self.say("path-unknown", key, near=(path, questions), form=schema.form_id, path=path)
            return
        if date and asked.type not in DATES:
            yield self.say("path-not-date", key, path=path)
        privacy = schema.privacy_of(path, self.programme.undeclared)
        names_people = privacy in (Privacy.IDENTIFYING, Privacy.RESTRICTED)
        if closed and not names_people and not any_privacy:
            yield self.say("path-not-closed", key, path=path)
        elif not closed and not any_privacy and (names_people or (date and privacy is not Privacy.OPEN)):
            yield self.say("path-closed", key, path=path, privacy=privacy.value)
