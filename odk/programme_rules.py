"""Does program.toml fit the forms beside it? Lists, their columns, and what it says of forms. Pure."""
from __future__ import annotations

from collections.abc import Iterator, Mapping

from odk.findings import Finding
from odk.fitting import DATES, Fit
from odk.grant_rules import grant_rules, letter_rules
from odk.programme import MOST_SLOTS, ListRule, Programme
from odk.schema import FormSchema, Privacy

_PROPERTIES = ("code", "pseudonym", "stage", "risk", "due", "amount", "kind")
_NUMBERS = ("int", "decimal", "range")


def programme_rules(programme: Programme, schemas: Mapping[str, FormSchema], wordings: set[str]) -> list[Finding]:
    """Everything in program.toml that does not fit. `wordings`: the names there are ("grant_letter.th")."""
    fit = Fit(programme, schemas, wordings)
    return [one for rule in (_lists, _columns, _forms, grant_rules, letter_rules) for one in rule(fit)]


def _lists(fit: Fit) -> Iterator[Finding]:
    programme, known = fit.programme, fit.written | fit.read
    for name in sorted(fit.written - set(programme.lists)):
        yield fit.say("list-unknown", f"lists.{name}", name=name)
    for name, rule in programme.lists.items():
        key = f"lists.{name}"
        if name not in known:
            yield fit.say("list-undeclared", key, near=(name, sorted(known)), name=name)
            continue
        yield from _parent(fit, rule, key)
        saved = fit.saved(name)
        for role in _PROPERTIES:
            given = getattr(rule, role)
            if given and given not in saved and given not in rule.server_owned:
                yield fit.say(
                    "property-not-saved", f"{key}.{role}", near=(given, sorted(saved)), property=given, name=name
                )
        if rule.stage and rule.stage not in rule.server_owned:
            yield fit.say("server-owned-only", f"{key}.server_owned", property=rule.stage)


def _parent(fit: Fit, rule: ListRule, key: str) -> Iterator[Finding]:
    if rule.name == fit.programme.case_list:
        if rule.parent:
            yield fit.say("parent-of-cases", f"{key}.parent")
        return
    if not rule.parent:
        yield fit.say("parent-missing", f"{key}.parent", name=rule.name, case_list=fit.programme.case_list)
        return
    creating = [
        (schema, one)
        for schema in fit.schemas.values()
        for one in schema.entities
        if one.list == rule.name and one.creates
    ]
    lacking = [schema.form_id for schema, one in creating if rule.parent not in (saved for _, saved in one.saves)]
    if lacking:
        yield fit.say(
            "parent-not-saved", f"{key}.parent", property=rule.parent, name=rule.name, forms=", ".join(lacking)
        )


def _columns(fit: Fit) -> Iterator[Finding]:
    choice_lists = sorted({name for schema in fit.schemas.values() for name in schema.choices})
    for name, rule in fit.programme.lists.items():
        saved = fit.saved(name)
        for number, column in enumerate(rule.columns, 1):
            key = f"lists.{name}.columns[{number}]"
            if column.property not in saved and column.property not in rule.server_owned:
                yield fit.say(
                    "property-not-saved",
                    f"{key}.property",
                    near=(column.property, [*saved, *rule.server_owned]),
                    property=column.property,
                    name=name,
                )
            if column.choices and column.choices not in choice_lists:
                yield fit.say(
                    "choices-unknown", f"{key}.choices", near=(column.choices, choice_lists), given=column.choices
                )
            for schema, path in saved.get(column.property, ()):
                asked = schema.field(path)
                if asked is not None and not _fits(column.kind, asked.type):
                    yield fit.say(
                        "column-kind",
                        f"{key}.kind",
                        property=column.property,
                        type=asked.type,
                        form=schema.form_id,
                        kind=column.kind,
                    )
        yield from _slots(fit, rule)


def _fits(kind: str, asked: str) -> bool:
    """Whether a question's answers can be shown and sorted so. What is calculated is text to XForms."""
    if kind in ("text", "choice") or asked == "string":
        return True
    return asked in (DATES if kind == "date" else _NUMBERS)


def _slots(fit: Fit, rule: ListRule) -> Iterator[Finding]:
    counts = {
        "t": sum(one.kind in ("text", "choice") for one in rule.columns),
        "n": sum(one.kind == "number" for one in rule.columns),
        "d": len({one.property for one in rule.columns if one.kind == "date"} | ({rule.due} if rule.due else set())),
    }
    words = {
        "t": ("columns of text or choices", "ข้อความหรือตัวเลือก"),
        "n": ("columns of numbers", "ตัวเลข"),
        "d": ("columns of dates", "วันที่"),
    }
    for letter, most in MOST_SLOTS.items():
        if counts[letter] > most:
            yield fit.say(
                "slots-full",
                f"lists.{rule.name}.columns",
                name=rule.name,
                count=counts[letter],
                what=words[letter][0],
                what_th=words[letter][1],
                most=most,
            )


def _forms(fit: Fit) -> Iterator[Finding]:
    programme = fit.programme
    for name, rule in programme.forms.items():
        key = f"forms.{name}"
        schema = fit.schemas.get(name)
        if schema is None:
            yield fit.say("form-unknown", key, near=(name, list(fit.schemas)), name=name)
            continue
        if rule.event_date:
            yield from fit.path(schema, rule.event_date, f"{key}.event_date", date=True)
        for path in rule.summary:
            yield from fit.path(schema, path, f"{key}.summary")
        for role, path in rule.safe_contact.items():
            yield from fit.path(schema, path, f"{key}.safe_contact.{role}")
            if (
                schema.field(path) is not None
                and role not in ("how", "when")
                and schema.privacy_of(path, programme.undeclared) is Privacy.OPEN
            ):
                yield fit.say("safe-contact-open", f"{key}.safe_contact.{role}", path=path)
        for role, path in rule.person.items():
            yield from fit.path(schema, path, f"{key}.person.{role}", closed=True)
        for role, path in rule.consent.items():
            yield from fit.path(schema, path, f"{key}.consent.{role}")
        if rule.opens_stage and programme.stage(rule.opens_stage) is None:
            yield fit.say(
                "stage-unknown",
                f"{key}.opens_stage",
                near=(rule.opens_stage, [one.id for one in programme.stages]),
                given=rule.opens_stage,
            )
