"""Who may do what: one table, verb × role → scope. What is not in it is denied.

Pure. A scope bounds which cases are seen: `own` (the worker's), `team`, `all` of the project.
"""
from __future__ import annotations

from enum import StrEnum
from typing import Literal

from namjai.languages import Words

Scope = Literal["own", "team", "all"]


class Role(StrEnum):
    FIELD_STAFF = "field_staff"
    THERAPIST = "therapist"
    COORDINATOR = "coordinator"
    SUPERVISOR = "supervisor"
    FINANCE = "finance"
    LEGAL = "legal"
    DIRECTOR = "director"
    DONOR_LIAISON = "donor_liaison"
    AUDITOR = "auditor"
    ADMIN = "admin"


ROLE_NAMES: dict[str, Words] = {
    "field_staff": Words("Field staff", "เจ้าหน้าที่ภาคสนาม"),
    "therapist": Words("Therapist", "นักบำบัด"),
    "coordinator": Words("Coordinator", "ผู้ประสานงาน"),
    "supervisor": Words("Supervisor", "หัวหน้างาน"),
    "finance": Words("Finance", "การเงิน"),
    "legal": Words("Legal officer", "นิติกร"),
    "director": Words("Director", "ผู้อำนวยการ"),
    "donor_liaison": Words("Donor liaison", "ผู้ประสานงานผู้บริจาค"),
    "auditor": Words("Auditor", "ผู้ตรวจสอบ"),
    "admin": Words("Administrator", "ผู้ดูแลระบบ"),
}

# verb: {role: scope}. A case worker sees her own people, a team its own, those who answer for all see all.
_OWN: Scope = "own"
_TEAM: Scope = "team"
_ALL: Scope = "all"
TABLE: dict[str, dict[str, Scope]] = {
    # Today, /me, language: whoever is signed in.
    "page.read": {role: _ALL for role in Role},
    "case.read": {
        "field_staff": _OWN,
        "therapist": _OWN,
        "coordinator": _ALL,
        "supervisor": _TEAM,
        "legal": _ALL,
        "director": _ALL,
        "finance": _ALL,
    },
    # Safe contact, notes: what is sensitive.
    "case.sensitive": {
        "field_staff": _OWN,
        "therapist": _OWN,
        "coordinator": _ALL,
        "supervisor": _TEAM,
        "legal": _ALL,
        "director": _ALL,
    },
    # Names, numbers, addresses: each time with a reason, each time recorded.
    "case.reveal": {
        "field_staff": _OWN,
        "coordinator": _ALL,
        "supervisor": _TEAM,
        "legal": _ALL,
        "director": _ALL,
        "finance": _ALL,
    },
    "case.restricted": {"therapist": _OWN},
    "case.stage": {"coordinator": _ALL, "supervisor": _TEAM, "director": _ALL},
    "submission.read": {
        "field_staff": _OWN,
        "therapist": _OWN,
        "coordinator": _ALL,
        "supervisor": _TEAM,
        "legal": _ALL,
        "director": _ALL,
    },
    "submission.review": {"coordinator": _ALL, "supervisor": _TEAM},
    "submission.comment": {
        "field_staff": _OWN,
        "therapist": _OWN,
        "coordinator": _ALL,
        "supervisor": _TEAM,
        "legal": _ALL,
        "director": _ALL,
    },
    "grant.read": {"field_staff": _OWN, "coordinator": _ALL, "supervisor": _TEAM, "finance": _ALL, "director": _ALL},
    "grant.decide": {"coordinator": _ALL, "director": _ALL},
    "grant.name_requester": {"coordinator": _ALL, "admin": _ALL},
    "grant.pay": {"finance": _ALL, "director": _ALL},
    "grant.comment": {"coordinator": _ALL, "supervisor": _TEAM, "finance": _ALL, "director": _ALL},
    "letter.read": {"coordinator": _ALL, "finance": _ALL, "director": _ALL},
    # Answers in a file. Each profile asks more than the one before: nobody's, without names, with names.
    "export.make": {"coordinator": _ALL, "director": _ALL, "admin": _ALL, "donor_liaison": _ALL},
    "export.internal": {"coordinator": _ALL, "director": _ALL, "admin": _ALL},
    "export.full": {"coordinator": _ALL, "director": _ALL},
    "form.read": {role: _ALL for role in (Role.COORDINATOR, Role.SUPERVISOR, Role.DIRECTOR, Role.ADMIN, Role.AUDITOR)},
    "form.publish": {"coordinator": _ALL, "admin": _ALL},
    "tablet.manage": {"coordinator": _ALL, "admin": _ALL},
    "user.manage": {"admin": _ALL},
    # Servers that are read: adding one, reading it now, a new account, removing it.
    "source.manage": {"coordinator": _ALL, "admin": _ALL},
    # What could not be taken: the list and taking it again. Looking into it, with a reason, is for those who reveal.
    "quarantine.manage": {"coordinator": _ALL, "admin": _ALL},
    "quarantine.open": {"coordinator": _ALL},
    "audit.read": {"auditor": _ALL, "director": _ALL, "admin": _ALL},
    # Who looked at this person: part of the case page for those who answer for it.
    "case.audit": {"coordinator": _ALL, "supervisor": _TEAM, "director": _ALL, "auditor": _ALL},
}


def scope_of(verb: str, role: str | None) -> Scope | None:
    """The scope in which a role may do something, or None: it may not."""
    return TABLE.get(verb, {}).get(role or "")


def may(verb: str, role: str | None) -> bool:
    return scope_of(verb, role) is not None


def verbs_of(role: str) -> tuple[str, ...]:
    """Everything a role may do."""
    return tuple(verb for verb, roles in TABLE.items() if role in roles)


def role_name(role: str, language: str) -> str:
    return ROLE_NAMES[role].in_(language) if role in ROLE_NAMES else role
