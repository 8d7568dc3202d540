"""What a programme is: its words, stages, lists, forms, grants and letters, as frozen facts.

Knows what program.toml can say and how that lies in the database as JSON. Knows no spreadsheet and no case; whether
it fits the forms beside it is asked in `odk/check.py`.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from namjai.languages import Words
from namjai.problems import Problem
from odk.findings import Finding, has_errors
from odk.records import built, plain
from odk.toml_table import NO_WORDS

FILE = "program.toml"
PLAIN_NUMBER = Words("{number}/{year}", "{number}/{year}")

COLUMN_KINDS = ("text", "number", "date", "choice")
TIMELINE_KINDS = ("visits", "care", "legal", "money", "changes")
MOST_SLOTS = {"t": 12, "n": 6, "d": 6}
_SLOT_OF = {"text": "t", "choice": "t", "number": "n", "date": "d"}

# What people call things, where a programme does not say otherwise.
DEFAULT_WORDS: Mapping[str, Words] = {
    "case": Words("case", "เคส"),
    "cases": Words("cases", "เคส"),
    "survivor": Words("person", "ผู้รับบริการ"),
    "survivors": Words("people", "ผู้รับบริการ"),
    "grant": Words("grant", "เงินช่วยเหลือ"),
    "grants": Words("grants", "เงินช่วยเหลือ"),
    "fund": Words("fund", "กองทุน"),
}


class ProgrammeInvalid(Problem):
    """Carries its `findings`; the sentence names the first error."""

    code, http_status = "programme-invalid", 422
    en = "The programme {programme} cannot be used (errors: {errors}). First: {place}: {first} Nothing was installed."
    th = "ใช้โครงการ {programme} ไม่ได้ (มีข้อผิดพลาด {errors} ข้อ) ข้อแรก: {place}: {first_th} ยังไม่ได้ติดตั้ง"

    def __init__(self, programme: str, findings: list[Finding]) -> None:
        errors = [one for one in findings if one.severity == "error"]
        super().__init__(
            programme=programme, errors=len(errors), place=errors[0].place(), first=errors[0].en, first_th=errors[0].th
        )
        self.findings = findings


@dataclass(frozen=True, slots=True)
class Stage:
    """A step of a case's way. `beside`: runs next to the others."""

    id: str
    label: Words
    beside: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """A property that a list shows or filters by.

    `choices` names the choice list of a form where the saving question has none (a calculation). `labels` are the
    choices' words by value, in order, filled in when the whole folder is read.
    """

    property: str
    label: Words
    kind: str = "text"
    filter: bool = False
    choices: str = ""
    labels: Mapping[str, Words] = field(default_factory=dict)

    def shown(self, value: str, language: str = "en") -> str:
        """A stored value as people read it; several (separated by spaces) joined by commas."""
        if self.kind != "choice":
            return value
        parts = [value] if value in self.labels else value.split()
        return ", ".join(self.labels[one].in_(language) if one in self.labels else one for one in parts)


@dataclass(frozen=True, slots=True)
class ListRule:
    """An entity list. What stands in quotes are names of properties; "" where the programme says nothing."""

    name: str
    label: Words
    parent: str = ""
    code: str = ""
    pseudonym: str = ""
    stage: str = ""
    risk: str = ""
    high_risk: str = "high"
    due: str = ""
    amount: str = ""
    kind: str = ""
    server_owned: tuple[str, ...] = ()
    columns: tuple[Column, ...] = ()

    def column(self, name: str) -> Column | None:
        """The column of a property."""
        return next((one for one in self.columns if one.property == name), None)

    @property
    def slots(self) -> dict[str, str]:
        """Property -> slot of list_row, for a list that had none before."""
        return allot_slots(self)


@dataclass(frozen=True, slots=True)
class FormRule:
    """A form's part in the programme. Values of the mappings are paths of questions."""

    id: str
    title: Words
    icon: str = "file-earmark-text"
    kind: str = "care"
    event_date: str = ""
    summary: tuple[str, ...] = ()
    opens_stage: str = ""
    safe_contact: Mapping[str, str] = field(default_factory=dict)
    person: Mapping[str, str] = field(default_factory=dict)
    consent: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Limit:
    """Who may approve up to how many satang, alone."""

    up_to: int
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GrantRule:
    """How money is asked for, approved and signed for. `receipt_date` and `receipt_amount` are properties, `shown` the
    questions of the form that whoever approves and pays must read.
    """

    list: str
    form: str
    receipt_form: str = ""
    receipt_date: str = ""
    receipt_amount: str = ""
    currency: str = "THB"
    number_format: str = "{year}-{number:04}"
    approvers: tuple[str, ...] = ("coordinator", "director")
    limits: tuple[Limit, ...] = ()
    shown: tuple[str, ...] = ()

    def may_approve(self, role: str, satang: int) -> bool:
        """Whether the role alone may approve the sum. Above the last limit nobody may."""
        if role not in self.approvers:
            return False
        if not self.limits:
            return True
        fitting = next((one for one in self.limits if satang <= one.up_to), None)
        return fitting is not None and role in fitting.roles


@dataclass(frozen=True, slots=True)
class LetterRule:
    """A letter that a decision brings about. `wording` and `receipt` are file names without language and ending."""

    id: str
    label: Words
    kinds: tuple[str, ...] = ()
    when: str = "approved"
    wording: str = ""
    receipt: str = ""
    languages: tuple[str, ...] = ("th", "en")
    number_format: Words = PLAIN_NUMBER


@dataclass(frozen=True, slots=True)
class Letterhead:
    """What every letter carries. `contact` is language -> lines; `return_line` never names the organisation."""

    organisation: Words
    contact: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    return_line: str = ""
    signatory: Words = NO_WORDS
    signatory_role: Words = NO_WORDS
    ask: Words = NO_WORDS


@dataclass(frozen=True, slots=True)
class Programme:
    """A programme, whole. `letter_fields` is placeholder -> path in the grant's form."""

    id: str
    name: Words
    short_name: str
    case_list: str
    undeclared: str = "by_type"
    timezone: str = "Asia/Bangkok"
    words: Mapping[str, Words] = field(default_factory=dict)
    stages: tuple[Stage, ...] = ()
    lists: Mapping[str, ListRule] = field(default_factory=dict)
    forms: Mapping[str, FormRule] = field(default_factory=dict)
    grants: GrantRule | None = None
    letters: tuple[LetterRule, ...] = ()
    letter_fields: Mapping[str, str] = field(default_factory=dict)
    return_receipt_days: int = 14
    letterhead: Letterhead | None = None

    @property
    def cases(self) -> ListRule:
        """The list whose rows are the cases."""
        return self.lists[self.case_list]

    def word(self, name: str, language: str = "en") -> str:
        """What people here call a thing: word("case", "th")."""
        return (self.words.get(name) or DEFAULT_WORDS.get(name) or Words(name, name)).in_(language)

    def stage(self, stage_id: str) -> Stage | None:
        """The stage with that id."""
        return next((one for one in self.stages if one.id == stage_id), None)

    def letter_for(self, kind: str, when: str = "approved") -> LetterRule | None:
        """The letter that a grant of the kind brings about, if any."""
        return next((one for one in self.letters if one.when == when and (not one.kinds or kind in one.kinds)), None)

    def to_json(self) -> dict[str, Any]:
        """A plain dict for JSONB. Choices, lists and forms keep their order in it."""
        return plain(self, ordered=True)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Programme:
        """The programme that `to_json` wrote."""
        return built(cls, data)


def allot_slots(rule: ListRule, before: Mapping[str, str] | None = None) -> dict[str, str]:
    """Property -> slot (t1…t12, n1…n6, d1…d6). What had a slot keeps it, so that rows need no rewriting.

    The indexes begin with t1, t2 and d1: what is due takes d1, the first two filters by text take t1 and t2.
    """
    wanted = {one.property: _SLOT_OF[one.kind] for one in rule.columns}
    if rule.due:
        wanted[rule.due] = "d"
    slots = {name: slot for name, slot in (before or {}).items() if wanted.get(name) == slot[0]}
    first = [rule.due, *(one.property for one in rule.columns if one.filter), *(one.property for one in rule.columns)]
    for name in dict.fromkeys(one for one in first if one and one not in slots):
        taken = set(slots.values())
        free = (f"{wanted[name]}{n}" for n in range(1, MOST_SLOTS[wanted[name]] + 1))
        slot = next((one for one in free if one not in taken), None)
        if slot:
            slots[name] = slot
    return slots


def read_programme(folder: Path) -> Programme:
    """The programme of a folder, from its program.toml alone. Raises ProgrammeInvalid with all findings."""
    from odk.programme_file import read_file

    programme, findings = read_file(folder)
    if programme is None or has_errors(findings):
        raise ProgrammeInvalid(folder.name, findings)
    return programme
