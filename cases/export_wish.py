"""What somebody wants in a file: a form, in whose style, with which answers. Facts and their limits; writes no file."""
from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from namjai.languages import Words
from namjai.problems import Problem

STYLES: dict[str, Words] = {
    "central": Words("As ODK Central writes it", "แบบ ODK Central"),
    "kobo": Words("As KoboToolbox writes it", "แบบ KoboToolbox"),
}
FORMATS: dict[str, Words] = {
    "zip": Words("CSV files in a ZIP", "ไฟล์ CSV ใน ZIP"),
    "xlsx": Words("Excel workbook (XLSX)", "สมุดงาน Excel (XLSX)"),
    "csv": Words("One CSV file, without repeats", "CSV ไฟล์เดียว ไม่มีคำถามทำซ้ำ"),
}
MULTIPLE: dict[str, Words] = {
    "text": Words("In one column", "ในคอลัมน์เดียว"),
    "columns": Words("A column of 0 and 1 for each choice", "คอลัมน์ 0 และ 1 ต่อตัวเลือก"),
    "both": Words("Both", "ทั้งสองแบบ"),
}
# The right that a profile asks for, beside export.make.
PROFILES: dict[str, str] = {"anonymous": "export.make", "internal": "export.internal", "full": "export.full"}
CONTENT_TYPES = {
    "zip": "application/zip",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv; charset=utf-8",
}


class WishUnknown(Problem):
    code, http_status, exit_status = "export-wish-unknown", 400, 2
    en = "An export knows no {what} called {given}. Choose one of: {known}. Nothing was made."
    th = "ไม่รู้จัก {what} ชื่อ {given} เลือกจาก: {known} ยังไม่ได้ทำไฟล์"


class LanguageUnknown(Problem):
    code, http_status, exit_status = "export-language-unknown", 400, 2
    en = "Form {form} has no labels in {language}. It has: {known}. Leave it out for names; nothing was made."
    th = "แบบฟอร์ม {form} ไม่มีป้ายในภาษา {language} ที่มี: {known} เว้นว่างเพื่อใช้ชื่อคำถาม ยังไม่ได้ทำไฟล์"


class TooManyRows(Problem):
    code, http_status = "export-too-many-rows", 400
    en = (
        "A workbook's sheet holds 1,048,576 rows and 16,384 columns, and this form has more. "
        "Export it as CSV (zip) instead; nothing was made."
    )
    th = (
        "แผ่นงานหนึ่งรับได้ 1,048,576 แถวและ 16,384 คอลัมน์ แต่แบบฟอร์มนี้มีมากกว่า "
        "ส่งออกเป็น CSV (zip) แทน ยังไม่ได้ทำไฟล์"
    )


@dataclass(frozen=True, slots=True)
class Wish:
    """`labels` is a language code, None for names; `restricted` adds what only a therapist reads to profile full."""

    form: str
    style: str = "central"
    format: str = "zip"
    labels: str | None = None
    multiple: str = "text"
    profile: str = "internal"
    restricted: bool = False

    def checked(self) -> Wish:
        """The same. Raises WishUnknown for a word that is none of ours."""
        for what, known in (("style", STYLES), ("format", FORMATS), ("multiple", MULTIPLE), ("profile", PROFILES)):
            given = getattr(self, what)
            if given not in known:
                raise WishUnknown(what=what, given=str(given)[:40], known=", ".join(known))
        return self

    @property
    def file_name(self) -> str:
        """What the browser saves it as: the form's id, so no name of a person."""
        stem = "".join(one if one.isascii() and (one.isalnum() or one in "-_") else "_" for one in self.form)[:80]
        middle = "" if self.profile == "full" else f".{self.profile}"
        return f"{stem or 'form'}{middle}.{'csv.zip' if self.format == 'zip' else self.format}"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Wish:
        return cls(**data)
