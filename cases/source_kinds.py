"""The kinds of servers that can be read: what each is called, what it asks for, who reads it. Pure.

Another kind of server is one file in sync/ and one entry here: then the command line and the pages know it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from namjai.languages import Words
from namjai.problems import Problem

LONGEST = 200


class SourceAnswerMissing(Problem):
    code, http_status, exit_status = "source-answer-missing", 400, 2
    en = "Something is missing or cannot be used: {field}. Nothing was asked and nothing was changed."
    th = "ข้อมูลยังไม่ครบหรือใช้ไม่ได้: {field} ยังไม่ได้ติดต่อเซิร์ฟเวอร์และยังไม่มีการเปลี่ยนแปลง"


@dataclass(frozen=True, slots=True)
class Asked:
    """One thing that somebody tells of a server. `type` is how a page asks for it."""

    name: str
    label: Words
    hint: Words
    type: Literal["text", "number", "email", "password"] = "text"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of server. `place` is where there (it makes the same source), `account` as whom (encrypted, never shown).

    `opener` is the function in sync/ that reads it, `example` an address, `right` what the account needs there;
    `hints`: it can tell us that it has something new (cases/hooks).
    """

    title: str
    opener: str
    example: str
    right: Words
    place: tuple[Asked, ...] = ()
    account: tuple[Asked, ...] = ()
    hints: bool = False

    def options(self, given: Mapping[str, str]) -> dict[str, Any]:
        """What was told of the place. Raises SourceAnswerMissing."""
        return {one.name: _number(one, given) if one.type == "number" else _text(one, given) for one in self.place}

    def credentials(self, given: Mapping[str, str]) -> dict[str, str]:
        """What was told of the account. Raises SourceAnswerMissing."""
        return {one.name: _text(one, given) for one in self.account}


def _text(asked: Asked, given: Mapping[str, str]) -> str:
    # A password may begin or end with a space; nothing else does.
    said = given.get(asked.name, "")
    said = said if asked.type == "password" else said.strip()
    if not said or len(said) > LONGEST or not said.isprintable():
        raise SourceAnswerMissing(field=asked.name)
    return said


def _number(asked: Asked, given: Mapping[str, str]) -> int:
    said = _text(asked, given)
    if not (said.isascii() and said.isdecimal() and len(said) <= 9 and int(said)):
        raise SourceAnswerMissing(field=asked.name)
    return int(said)


_CENTRAL = Kind(
    "ODK Central",
    "sync.central:open_source",
    "https://central.example.org",
    Words(
        "Make a web user for Namjai in Central and give it the role Project Viewer in this project, no more.",
        "สร้างผู้ใช้เว็บสำหรับ Namjai ใน Central แล้วให้บทบาท Project Viewer ในโครงการนี้เท่านั้น",
    ),
    place=(
        Asked(
            "project",
            Words("Project number", "เลขโครงการ"),
            Words("It stands in the project’s address: …/projects/6", "ดูจากที่อยู่ของโครงการ: …/projects/6"),
            "number",
        ),
    ),
    account=(
        Asked(
            "email",
            Words("Email of the account", "อีเมลของบัญชี"),
            Words("An account made for Namjai alone.", "บัญชีที่สร้างไว้สำหรับ Namjai โดยเฉพาะ"),
            "email",
        ),
        Asked(
            "password",
            Words("Its password", "รหัสผ่านของบัญชี"),
            Words("Kept encrypted and never shown again.", "เก็บแบบเข้ารหัส และไม่แสดงอีก"),
            "password",
        ),
    ),
)

_KOBO = Kind(
    "KoboToolbox",
    "sync.kobo:open_source",
    "https://kf.kobotoolbox.org",
    Words(
        "Make an account for Namjai in Kobo and share each project with it: View submissions. With Manage project "
        "Namjai also sees edits and deletions at once; without, it compares everything now and then.",
        "สร้างบัญชีสำหรับ Namjai ใน Kobo แล้วแชร์แต่ละโครงการด้วยสิทธิ์ View submissions หากให้ Manage project ด้วย "
        "ระบบจะเห็นการแก้ไขและการลบทันที หากไม่ให้ ระบบจะเทียบข้อมูลทั้งหมดเป็นระยะ",
    ),
    account=(
        Asked(
            "token",
            Words("API key of the account", "API key ของบัญชี"),
            Words(
                "In Kobo: Account settings, Security, API key. Kept encrypted and never shown again.",
                "ดูใน Kobo ที่ Account settings, Security, API key ระบบเก็บแบบเข้ารหัสและไม่แสดงอีก",
            ),
            "password",
        ),
    ),
    hints=True,
)

KINDS: dict[str, Kind] = {"central": _CENTRAL, "kobo": _KOBO}
