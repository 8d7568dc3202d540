"""The sentences of pyxform that authors of forms meet most, said plainly and in both languages."""
from __future__ import annotations

import re

from namjai.languages import Words

_KNOWN: tuple[tuple[re.Pattern[str], Words], ...] = (
    (
        re.compile(r"List name not in (?:external )?choices sheet: (?P<name>\S+?)\.?$"),
        Words(
            "The choices sheet has no list “{name}”. Add it there, or write the list that is meant.",
            "ชีต choices ไม่มีรายการ “{name}” เพิ่มรายการนี้ หรือเขียนชื่อรายการที่ต้องการ",
        ),
    ),
    (
        re.compile(r"Could not find the name '(?P<name>[^']+)'"),
        Words(
            "No question is called “{name}”. Correct the name between ${{ and }}.",
            "ไม่มีคำถามชื่อ “{name}” แก้ชื่อที่อยู่ระหว่าง ${{ กับ }}",
        ),
    ),
    (
        re.compile(r"'name' value '(?P<name>[^']+)' is invalid\. Questions, groups, and repeats must be unique"),
        Words(
            "Two questions of one group are called “{name}”. Give one of them another name.",
            "มีคำถามชื่อ “{name}” ซ้ำในกลุ่มเดียวกัน เปลี่ยนชื่อข้อใดข้อหนึ่ง",
        ),
    ),
    (
        re.compile(r"Choice names must be unique"),
        Words(
            "A list has the same name twice. Give one of the two choices another name.",
            "มีชื่อตัวเลือกซ้ำในรายการเดียวกัน เปลี่ยนชื่อตัวเลือกใดตัวเลือกหนึ่ง",
        ),
    ),
    (
        re.compile(r"Choices must have a name"),
        Words("A choice has no name. Write one in the column name.", "ตัวเลือกนี้ไม่มีชื่อ เขียนชื่อในคอลัมน์ name"),
    ),
    (
        re.compile(r"Choices should have a label"),
        Words("A choice has no label: tablets show nothing to choose.", "ตัวเลือกนี้ไม่มีป้าย แท็บเล็ตจะไม่แสดงข้อความให้เลือก"),
    ),
)


def plainly(said: str) -> Words | None:
    """The same in plain words; None for what pyxform says rarely."""
    for pattern, words in _KNOWN:
        if found := pattern.search(said):
            known = found.groupdict()
            return Words(words.en.format(**known), words.th.format(**known))
    return None
