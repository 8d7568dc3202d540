"""Does what program.toml says of grants and letters fit the forms and the wording? Pure."""
from __future__ import annotations

from collections.abc import Iterator

from odk.findings import Finding
from odk.fitting import Fit
from odk.programme import LetterRule


def grant_rules(fit: Fit) -> Iterator[Finding]:
    programme, rule = fit.programme, fit.programme.grants
    if rule is None:
        if programme.letters:
            yield fit.say("grants-missing", "grants")
        return
    if rule.list not in programme.lists:
        yield fit.say("list-undeclared", "grants.list", near=(rule.list, list(programme.lists)), name=rule.list)
        return
    for key, name in (("form", rule.form), ("receipt_form", rule.receipt_form)):
        if name and name not in fit.schemas:
            yield fit.say("form-unknown", f"grants.{key}", near=(name, list(fit.schemas)), name=name)
    schema = fit.schemas.get(rule.form)
    if schema is not None and not any(one.list == rule.list and one.creates for one in schema.entities):
        yield fit.say("grant-list", "grants.form", form=rule.form, name=rule.list)
    saved = fit.saved(rule.list)
    for key, name in (("receipt_date", rule.receipt_date), ("receipt_amount", rule.receipt_amount)):
        if name and name not in saved:
            yield fit.say(
                "property-not-saved", f"grants.{key}", near=(name, sorted(saved)), property=name, name=rule.list
            )
    for number, limit in enumerate(rule.limits, 1):
        for role in limit.roles:
            if role not in rule.approvers:
                yield fit.say("limit-role", f"grants.limits[{number}].roles", given=role)
    if schema is not None:
        for name, path in programme.letter_fields.items():
            yield from fit.path(schema, path, f"letter_fields.{name}", any_privacy=True)
        for path in rule.shown:
            yield from fit.path(schema, path, "grants.shown", any_privacy=True)


def letter_rules(fit: Fit) -> Iterator[Finding]:
    programme, kinds = fit.programme, _grant_kinds(fit)
    if programme.letters and programme.letterhead is None:
        yield fit.say("letterhead-missing", "letterhead")
    for number, letter in enumerate(programme.letters, 1):
        key = f"letters[{number}]"
        for role in ("wording", "receipt"):
            name = getattr(letter, role)
            for language in _wanted(letter, role) if name else ():
                if f"{name}.{language}" not in fit.wordings:
                    yield fit.say("wording-missing", f"{key}.{role}", file=f"{name}.{language}")
        for kind in letter.kinds:
            if kinds and kind not in kinds:
                yield fit.say("kind-unknown", f"{key}.kinds", near=(kind, kinds), given=kind)
    for kind in kinds:
        if programme.letters and programme.letter_for(kind) is None:
            yield fit.say("kind-without-letter", "letters", "warning", given=kind)


def _wanted(letter: LetterRule, role: str) -> list[str]:
    """The languages that a letter or its receipt must be written in; a receipt is in the reader's alone."""
    pairs = [one.split("-") for one in letter.languages]
    return list(dict.fromkeys(one for pair in pairs for one in (pair if role == "wording" else pair[:1])))


def _grant_kinds(fit: Fit) -> list[str]:
    grants = fit.programme.grants
    rule = fit.programme.lists.get(grants.list) if grants else None
    for schema, path in fit.saved(rule.name).get(rule.kind, ()) if rule else ():
        asked = schema.field(path)
        if asked is not None and asked.choices:
            return list(schema.choices.get(asked.choices, {}))
    return []
