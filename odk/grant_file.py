"""Read what program.toml says of grants, letters and the letterhead. Knows keys; knows no form."""
from __future__ import annotations

import re

from namjai.languages import LANGUAGES, NAMES, Words
from odk.programme import GrantRule, Letterhead, LetterRule, Limit
from odk.toml_table import Table

_ROLES = (
    "field_staff",
    "therapist",
    "coordinator",
    "supervisor",
    "finance",
    "legal",
    "director",
    "donor_liaison",
    "auditor",
    "admin",
)
_PLAIN = "{number}/{year}"
_LONGEST_PATTERN = 30
SAYS = {
    "limit-order": Words(
        "Write the limits from the smallest sum to the largest, each sum once, above 0.",
        "เรียงวงเงินจากน้อยไปมาก ทุกจำนวนมากกว่า 0 และไม่ซ้ำกัน",
    ),
    "languages": Words(
        "“{given}” is not possible here. Use {known}, or two of them side by side, the reader's first: my-th.",
        "ใช้ “{given}” ที่นี่ไม่ได้ ใช้ {known} หรือสองภาษาคู่กันโดยภาษาผู้รับอยู่หน้า เช่น my-th",
    ),
    "number-format": Words(
        "Write {{number}} once in it, and {{year}} if you like: “TS {{number}}/{{year}}”.",
        "ต้องมี {{number}} หนึ่งครั้ง และจะมี {{year}} ด้วยก็ได้ เช่น “ทศ {{number}}/{{year}}”",
    ),
}


def read_grants(top: Table) -> GrantRule | None:
    one = top.table("grants")
    if one is None:
        return None
    rule = GrantRule(
        list=one.text("list", required=True),
        form=one.text("form", required=True),
        receipt_form=one.text("receipt_form"),
        receipt_date=one.text("receipt_date"),
        receipt_amount=one.text("receipt_amount"),
        currency=one.text("currency", "THB", one_of=("THB",)),
        number_format=_number_format(one, one.text("number_format", "{year}-{number:04}")),
        approvers=one.texts("approvers", ("coordinator", "director"), one_of=_ROLES),
        limits=_limits(one),
        shown=one.texts("shown"),
    )
    one.done()
    return rule


def _limits(grants: Table) -> tuple[Limit, ...]:
    limits = []
    for one in grants.tables("limits"):
        limits.append(Limit(one.get("up_to", int, 0, required=True), one.texts("roles", one_of=_ROLES)))
        one.done()
    sums = [limit.up_to for limit in limits]
    if sums != sorted(set(sums)) or (sums and sums[0] <= 0):
        grants.say("limits", "value-order", SAYS["limit-order"])
    return tuple(limits)


def _number_format(table: Table, pattern: str, language: str = "") -> str:
    """A pattern that will make a number: {number} once, {year} at most once, no other brackets."""
    # A grant's number may say how many digits; a letter's always has four.
    number = r"\{number\}" if language else r"\{number(:0?[1-9])?\}"
    found, years = len(re.findall(number, pattern)), pattern.count("{year}")
    rest = re.sub(number, "", pattern).replace("{year}", "")
    if found != 1 or years > 1 or re.search(r"[{}\n]", rest) or len(rest) > _LONGEST_PATTERN:
        table.say(f"number_format.{language}" if language else "number_format", "value-unknown", SAYS["number-format"])
        return _PLAIN
    return pattern


def read_letters(top: Table) -> tuple[LetterRule, ...]:
    letters: dict[str, LetterRule] = {}
    for one in top.tables("letters"):
        pattern = one.words("number_format", Words(_PLAIN, _PLAIN), required=False)
        letter = LetterRule(
            id=one.text("id", required=True),
            label=one.words("label"),
            kinds=one.texts("kinds"),
            when=one.text("when", "approved", one_of=("approved",)),
            wording=one.text("wording", required=True),
            receipt=one.text("receipt"),
            languages=_languages(one),
            number_format=Words(_number_format(one, pattern.en, "en"), _number_format(one, pattern.th, "th")),
        )
        one.once("id", letter.id, letters)
        one.done()
        letters[letter.id] = letter
    return tuple(letters.values())


def _languages(letter: Table) -> tuple[str, ...]:
    """The languages of a letter; "my-th" has two side by side, the reader's first."""
    given = letter.texts("languages", ("th", "en"))
    for one in given:
        parts = one.split("-")
        if not set(parts) <= set(NAMES) or len(parts) > 2 or len(set(parts)) < len(parts):
            letter.say("languages", "value-unknown", SAYS["languages"], given=one, known=", ".join(NAMES))
    return given


def read_days(top: Table) -> int:
    one = top.table("letter_days")
    if one is None:
        return 14
    days = one.get("return_receipt", int, 14)
    one.done()
    return days


def read_letterhead(top: Table) -> Letterhead | None:
    one = top.table("letterhead")
    if one is None:
        return None
    contact = one.table("contact")
    head = Letterhead(
        organisation=one.words("organisation"),
        contact={language: contact.texts(language) for language in LANGUAGES} if contact else {},
        return_line=one.text("return_line"),
        signatory=one.words("signatory"),
        signatory_role=one.words("signatory_role"),
        ask=one.words("ask", required=False),
    )
    if contact:
        contact.done()
    one.done()
    return head
