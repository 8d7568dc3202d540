"""The catalogue of everything that Namjai tells a person who cannot go on.

A problem says what happened and what to do, in English and in Thai. It is raised where it is found, with facts that
never hold a personal value, and rendered once, at the edge: a page, an OpenRosa answer, a line on standard error.
"""
from __future__ import annotations

from typing import ClassVar, Literal

from namjai.languages import Words

Language = Literal["en", "th"]


class Problem(Exception):
    """Something a person should read. Subclasses name the kind.

    `code` is stable and unique (documents and tests rely on it), `http_status` and `exit_status` say how the two
    front doors answer, `en` and `th` are sentences with `{placeholders}` filled from the facts; a fact that is `Words`
    stands in the sentence's language.
    """

    code: ClassVar[str] = "unexpected"
    http_status: ClassVar[int] = 500
    exit_status: ClassVar[int] = 1
    en: ClassVar[str] = (
        "Something went wrong that nobody foresaw. Nothing was changed. "
        "Try again; if it stays, tell your administrator."
    )
    th: ClassVar[str] = "เกิดข้อผิดพลาดที่ไม่คาดคิด ไม่มีข้อมูลใดถูกเปลี่ยน ลองอีกครั้ง หากยังเป็นอยู่ให้แจ้งผู้ดูแลระบบ"

    def __init__(self, **facts: object) -> None:
        super().__init__(self.code)
        self.facts = facts

    def text(self, language: str = "en") -> str:
        """The sentence in the language asked for; English where there is none."""
        facts = {name: fact.in_(language) if isinstance(fact, Words) else fact for name, fact in self.facts.items()}
        return (self.th if language == "th" else self.en).format_map(_Facts(facts))

    def both(self) -> str:
        """Thai, then English: what a tablet shows to whoever holds it."""
        return f"{self.text('th')}\n{self.text('en')}"

    def __str__(self) -> str:
        return self.text("en")


class _Facts(dict):
    def __missing__(self, key: str) -> str:
        return "…"


def catalogue() -> dict[str, type[Problem]]:
    """Every kind of problem that the imported floors know, by its code."""
    found: dict[str, type[Problem]] = {Problem.code: Problem}
    waiting = list(Problem.__subclasses__())
    while waiting:
        kind = waiting.pop()
        waiting.extend(kind.__subclasses__())
        if "code" in kind.__dict__:
            found[kind.code] = kind
    return found


class SettingInvalid(Problem):
    code, http_status, exit_status = "setting-invalid", 500, 2
    en = "The setting {name} cannot be used: {reason}. Correct it in the environment or in .env, then start again."
    th = "ใช้ค่า {name} ไม่ได้: {reason} แก้ในตัวแปรสภาพแวดล้อมหรือไฟล์ .env แล้วเริ่มใหม่"


class NotFound(Problem):
    code, http_status = "not-found", 404
    en = "There is nothing at this address, or it is not yours to see. Check the address."
    th = "ไม่มีหน้านี้ หรือคุณไม่มีสิทธิ์ดู โปรดตรวจสอบที่อยู่เว็บอีกครั้ง"


class Forbidden(Problem):
    code, http_status = "forbidden", 403
    en = "Your role may not do this. Nothing was changed. Ask an administrator if you need it for your work."
    th = "บทบาทของคุณไม่มีสิทธิ์ทำรายการนี้ ไม่มีข้อมูลใดเปลี่ยนแปลง หากจำเป็นต่องาน ติดต่อผู้\u2060ดูแลระบบ"


class InputInvalid(Problem):
    code, http_status = "input-invalid", 400
    en = "{field}: {reason}. Nothing was changed; correct it and send again."
    th = "{field}: {reason} ยังไม่มีการเปลี่ยนแปลง แก้แล้วส่งใหม่"


class ChangedMeanwhile(Problem):
    code, http_status = "changed-meanwhile", 409
    en = "Somebody changed this while you were looking at it. Nothing of yours was saved; compare, then decide again."
    th = "มีผู้อื่นแก้ไขรายการนี้ระหว่างที่คุณเปิดดู ระบบยังไม่ได้บันทึกสิ่งที่คุณทำ เทียบดูแล้วตัดสินใจใหม่"


class TooLarge(Problem):
    code, http_status = "too-large", 413
    en = "This is larger than {limit} MB, the most that is taken at once. Nothing was kept; send less."
    th = "ข้อมูลใหญ่กว่า {limit} MB ซึ่งเป็นขนาดสูงสุดต่อครั้ง ยังไม่ได้เก็บข้อมูลนี้ ลดขนาดแล้วส่งใหม่"


class StorageFull(Problem):
    code, http_status = "storage-full", 507
    en = ("The server's disk is full. Nothing was kept here; what you sent stays where it is. Tell your "
          "administrator, then send again.")
    th = "พื้นที่เก็บข้อมูลของเซิร์ฟเวอร์เต็ม ยังไม่ได้เก็บข้อมูลนี้ ข้อมูลยังอยู่ที่เครื่องของคุณ แจ้งผู้ดูแลระบบแล้วส่งใหม่"


class DatabaseUnreachable(Problem):
    code, http_status = "database-unreachable", 503
    en = ("The database does not answer. Nothing was kept; wait a minute and send again. If it stays, tell your "
          "administrator.")
    th = "ฐานข้อมูลไม่ตอบ ยังไม่ได้เก็บข้อมูล รอสักครู่แล้วส่งใหม่ หากยังเป็นอยู่ให้แจ้งผู้ดูแลระบบ"


class TooManyTries(Problem):
    code, http_status = "too-many-tries", 429
    en = "Too many tries. Wait {minutes} minutes, then try again."
    th = "ลองหลายครั้งเกินไป รอ {minutes} นาทีแล้วลองใหม่"
