"""A grant and its request become the data of a letter. Knows the programme's wording and where a letter takes its words
from; knows no paper. Whatever would stop the printing for want of a value stops it here, before a number is allotted.
"""
from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import UUID

import sqlalchemy as sa

from cases.grant_problems import (
    GrantAddressTooLong,
    LetterAddressUnset,
    LetterheadMissing,
    LetterWordingMissing,
    LetterWordingUnchecked,
)
from cases.grant_requests import Request
from odk.letter import LetterData, Organisation, Window
from odk.programme import FormRule, LetterRule, Programme
from odk.wording import choose, read_wording
from store.opening import Store
from store.tables import membership, submission, wording
from submissions.form_versions import known

# Placeholders that are no text to pour: where the letter goes, in which language, and days.
_DAYS = ("request_date", "pay_by", "return_by")
_NOT_POURED = ("language", "address", *_DAYS)
_WINDOW_LINES = 5
# A paper lives for years: its QR code must not lead to the machine that happened to print it.
_NOWHERE = ("localhost", "127.0.0.1", "::1", "0.0.0.0", "::")  # noqa: S104 - compared, never bound


@dataclass(frozen=True, slots=True)
class Asked:
    """The grant that the letter tells of. `issued_on` is the day in the project's zone."""

    number: str
    kind: str
    amount: int
    requested_on: dt.date
    issued_on: dt.date
    case_id: UUID
    condition: str = ""


@dataclass(frozen=True, slots=True)
class Person:
    """The names kept by the office, by the roles of [forms.<form>.person]; empty where there are none."""

    answers: Mapping[str, str]
    titles: Mapping[str, str]

    def name(self, language: str) -> str:
        """The legal name with its title: นางสาวสมมติ ตัวอย่าง, Miss Sommut Tuayang."""
        said = self.answers.get
        given, family = said("given", ""), said("family", "")
        if language == "en":
            given, family = said("given_latin") or given, said("family_latin") or family
        whole = f"{given} {family}".strip()
        title = self.titles.get(language, "")
        return (f"{title} {whole}" if language == "en" else f"{title}{whole}").strip() if whole else ""


NOBODY = Person({}, {})


def letter_data(
    tx: sa.Connection, store: Store, project: UUID, programme: Programme, rule: LetterRule, asked: Asked,
    request: Request,
) -> LetterData:
    """The letter of a grant, whole but for its number. Raises a Problem for whatever would keep it from being printed:
    LetterheadMissing, LetterAddressUnset, LetterWordingMissing, LetterWordingUnchecked, GrantAddressTooLong, and those
    of `odk.wording`.
    """
    if programme.letterhead is None:
        raise LetterheadMissing()
    trial = store.settings.on_trial
    host = urlsplit(store.settings.public_url).hostname or ""
    if not trial and host in _NOWHERE:
        raise LetterAddressUnset(address=host)
    language = language_of(rule, request.text(programme.letter_fields.get("language")))
    languages = language.split("-")
    person = person_of(tx, store, project, programme, asked.case_id)
    data = LetterData(
        kind=rule.id, language=language, number="", printed_number="", trial=trial, date=asked.issued_on.isoformat(),
        organisation=Organisation.of(programme.letterhead),
        wording={one: _text(tx, project, rule.wording, one) for one in languages},
        values={one: _values(programme, asked, request, person, one) for one in languages},
        amount=asked.amount, dates=_dates(programme, asked, request),
        window=_window(programme, request, person, languages[0]),
        receipt={languages[0]: _text(tx, project, rule.receipt, languages[0])} if rule.receipt else None,
    )
    _check(data, rule)
    return data


def language_of(rule: LetterRule, wanted: str) -> str:
    """The letter's language: the reader's, alone or beside another, else the programme's first."""
    fitting = (one for one in rule.languages if one == wanted or one.split("-")[0] == wanted)
    return next(fitting, rule.languages[0])


def person_of(tx: sa.Connection, store: Store, project: UUID, programme: Programme, case_id: UUID) -> Person:
    """The newest names that any submission of the case gives; never a mixture of two."""
    forms = {form_id: rule for form_id, rule in programme.forms.items() if rule.person}
    same = sa.and_(membership.c.project_id == submission.c.project_id, membership.c.submission_id == submission.c.id)
    rows = tx.execute(
        sa.select(submission)
        .join(membership, same)
        .where(
            membership.c.project_id == project, membership.c.case_id == case_id, submission.c.xml_form_id.in_(forms),
            submission.c.review_state != "rejected", submission.c.deleted_at.is_(None),
        )
        .order_by(submission.c.event_date.desc(), submission.c.received_at.desc())
    )
    for row in rows.all():
        person = _person(tx, store, project, row, forms[row.xml_form_id])
        if person.answers.get("given") or person.answers.get("family"):
            return person
    return NOBODY


def _person(tx: sa.Connection, store: Store, project: UUID, row: sa.Row, rule: FormRule) -> Person:
    said = dict(row.open)
    key = store.keyring.record(tx, project, row.id)
    for name in ("sensitive", "identifying"):
        if sealed := getattr(row, name):
            said |= json.loads(key.decrypt(name, bytes(sealed)))
    answers = {role: str(said[path]).strip() for role, path in rule.person.items() if path in said}
    schema = known(tx, project, row.xml_form_id, row.form_version, row.form_origin).schema
    asked = schema.field(rule.person.get("title", ""))
    if asked is None or "title" not in answers:
        return Person(answers, {})
    return Person(answers, {one: schema.choice_label(asked, answers["title"], one) for one in ("en", "th")})


def _values(programme: Programme, asked: Asked, request: Request, person: Person, language: str) -> dict[str, str]:
    fields = programme.letter_fields
    values = {name: request.shown(path, language) for name, path in fields.items() if name not in _NOT_POURED}
    list_rule = programme.lists[programme.grants.list] if programme.grants else None
    column = list_rule.column(list_rule.kind) if list_rule else None
    values["kind"] = column.shown(asked.kind, language) if column else asked.kind
    values["request_number"] = asked.number
    values["condition"] = asked.condition.strip()
    values["recipient"] = values.get("recipient") or person.name(language)
    if not values.get("payee"):
        stands_in = person.answers.get("payee", "")
        values["payee"] = stands_in or person.name(language)
        # The number on a paper is the person's own, so it stands only beside the person's own name.
        if not stands_in and person.answers.get("id_kind") != "none":
            values["payee_id"] = person.answers.get("id_number", "")
    return {name: text for name, text in values.items() if text}


def _dates(programme: Programme, asked: Asked, request: Request) -> dict[str, str]:
    said = {name: _day(request.text(programme.letter_fields.get(name))) for name in _DAYS}
    # A day that has gone by cannot be promised any more.
    pay_by = max(said["pay_by"] or asked.issued_on, asked.issued_on)
    days = {
        "request_date": said["request_date"] or asked.requested_on,
        "pay_by": pay_by,
        "return_by": said["return_by"] or pay_by + dt.timedelta(days=programme.return_receipt_days),
    }
    return {name: day.isoformat() for name, day in days.items()}


def _window(programme: Programme, request: Request, person: Person, language: str) -> Window:
    """The safe address under the name that the reader asked for; nothing when the letter is handed over."""
    head = programme.letterhead
    lines = [line.strip() for line in request.text(programme.letter_fields.get("address")).splitlines() if line.strip()]
    if not lines or head is None:
        return Window()
    name = request.text(programme.letter_fields.get("recipient")) or person.name(language)
    whole = tuple(line for line in (name, *lines) if line)
    if len(whole) > _WINDOW_LINES:
        raise GrantAddressTooLong(lines=len(whole), most=_WINDOW_LINES)
    return Window(whole, head.return_line, "en" if language == "en" else "th")


def _check(data: LetterData, rule: LetterRule) -> None:
    files = [(rule.wording, language, text) for language, text in data.wording.items()]
    files += [(rule.receipt, language, text) for language, text in (data.receipt or {}).items()]
    for name, language, text in files:
        values = _filled(data, language)
        read = read_wording(text, file=f"{name}.{language}.md", language=language, extra=values.keys())
        if read.draft and not data.trial:
            raise LetterWordingUnchecked(file=read.file)
        choose(read, values)


def _filled(data: LetterData, language: str) -> dict[str, str]:
    """What the paper will pour: the values, and a mark for each that it makes of the facts itself."""
    ours = "en" if language == "en" else "th"
    house = data.organisation
    texts = {"organisation": house.name, "signatory": house.signatory, "ask": house.ask}
    texts["signatory_role"] = house.signatory_role
    made = {name: text.get(language) or text.get(ours, "") for name, text in texts.items()}
    made |= dict.fromkeys(("number", "date", "amount", "amount_words", *data.dates), "–")
    return made | dict(data.values.get(language, {}))


def _text(tx: sa.Connection, project: UUID, name: str, language: str) -> str:
    text = tx.scalar(
        sa.select(wording.c.content).where(
            wording.c.project_id == project, wording.c.letter == name, wording.c.language == language
        )
    )
    if text is None:
        raise LetterWordingMissing(file=f"letters/{name}.{language}.md")
    return text


def _day(text: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text[:10]) if text else None
    except ValueError:
        return None
