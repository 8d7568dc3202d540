"""Cases and grants in the reader's words: properties of the case list, kinds of grants."""

from __future__ import annotations

from cases.caseload import Caseload, Line
from web import words
from web.signed_in import programme

# What says in the first cell who it is.
ABOUT = ("sex", "age_band")


def about(load: Caseload, line: Line) -> str:
    """Sex and age in words, as far as the list has them."""
    return ", ".join(part for name in ABOUT if (part := said(load, line, name)))


def said(load: Caseload, line: Line, prop: str) -> str | None:
    """A property of the list in words."""
    column, value = load.rule.column(prop), line.values.get(prop)
    if value in (None, ""):
        return None
    if column is not None and column.kind == "date":
        return words.day(value)
    if isinstance(value, float):
        return f"{value:,.0f}" if value.is_integer() else f"{value:,}"
    return column.shown(value, words.language()) if column else str(value)


def grant_title(kind: str) -> str:
    """What a grant is for, in the reader's words."""
    plan, lang = programme(), words.language()
    rule = plan.lists.get(plan.grants.list) if plan.grants else None
    column = rule.column(rule.kind) if rule else None
    shown = column.shown(kind, lang) if column else kind
    return shown[:1].upper() + shown[1:] if shown else plan.word("grant", lang)
