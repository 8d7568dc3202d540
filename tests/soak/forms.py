"""The programme's four forms in the versions of a year, and what their columns are: read here with lxml and openpyxl
alone, so that nothing that is checked says what is right.
"""
from __future__ import annotations

import io
from dataclasses import dataclass
from functools import lru_cache

from lxml import etree
from openpyxl import load_workbook

from namjai.settings import ROOT
from odk.xlsform import compile_xlsform

FOLDER = ROOT / "forms" / "aftercare"
NAMES = ("intake", "visit", "fund_request", "fund_receipt")
TITLES = {
    "intake": "รับเคสใหม่ · Intake", "visit": "เยี่ยม · Visit", "fund_request": "ขอเงินช่วยเหลือ · Fund request",
    "fund_receipt": "รับเงินช่วยเหลือ · Receipt",
}
FIRST, SECOND, THIRD = "2026113001", "2026113002", "2026113003"
_JR, _ENTITIES = "{http://openrosa.org/javarosa}", "{http://www.opendatakit.org/xforms/entities}"


@dataclass(frozen=True)
class Column:
    """A question: its path, its type as the XForm has it, the repeat it stands in, and the choices of a select."""

    path: str
    kind: str
    repeat: str = ""
    choices: tuple[str, ...] = ()
    note: bool = False


@dataclass(frozen=True)
class Form:
    """One version of one form, as a spreadsheet and as an XForm. `saves` is entity property → path."""

    name: str
    version: str
    workbook: bytes
    xform: bytes
    columns: tuple[Column, ...]
    saves: dict[str, str]

    @property
    def paths(self) -> set[str]:
        return {one.path for one in self.columns}

    @property
    def repeats(self) -> list[str]:
        return list(dict.fromkeys(one.repeat for one in self.columns if one.repeat))


# What an officer changes during the year: (form, version) → questions put behind another, questions taken out, and
# questions that are asked in another way from now on.
CHANGES: dict[tuple[str, str], tuple[dict[str, list[dict[str, str]]], set[str], dict[str, str]]] = {
    ("visit", SECOND): (
        {"wellbeing": [
            {"type": "select_one yes_no", "name": "sleeps_well", "bind::namjai:privacy": "open"},
            {"type": "text", "name": "pain", "bind::namjai:privacy": "sensitive"},
        ]},
        set(), {},
    ),
    ("visit", THIRD): ({}, {"next_note", "pain"}, {"wellbeing": "integer"}),
    ("intake", SECOND): (
        {"interpreter_needed": [{"type": "select_multiple yes_no_unknown", "name": "papers_with_them", "bind::namjai:privacy": "sensitive"}]},
        {"share_why"}, {},
    ),
}


@lru_cache(maxsize=32)
def form(name: str, version: str = FIRST, *, entities: bool = True) -> Form:
    """A form's version. Without `entities` as it is put on a server that keeps none."""
    book = load_workbook(FOLDER / f"{name}.xlsx")
    _changed(book, name, version, entities)
    stream = io.BytesIO()
    book.save(stream)
    xform = compile_xlsform(stream.getvalue(), validate=False, name=f"{name}.xlsx").xform
    return Form(name, version, stream.getvalue(), xform, tuple(_columns(xform, _choices(book))), _saves(xform))


def merged(versions: list[Form]) -> list[Column]:
    """The columns of all versions: the newest one's, and those that only an older one asks."""
    found = {one.path: one for version in versions for one in version.columns}
    return [*versions[-1].columns, *(one for path, one in found.items() if path not in versions[-1].paths)]


def _changed(book, name: str, version: str, entities: bool) -> None:
    settings = book["settings"]
    heads = [cell.value for cell in settings[1]]
    settings.cell(2, heads.index("version") + 1).value = version
    survey = book["survey"]
    rows = [[cell.value for cell in row] for row in survey.iter_rows()]
    heads = [str(one) for one in rows[0]]
    for step in (SECOND, THIRD):
        if step <= version and (name, step) in CHANGES:
            rows = _with(rows, heads, *CHANGES[name, step])
    if not entities:
        rows = [["" if heads[at] == "save_to" and number else cell for at, cell in enumerate(row)] for number, row in enumerate(rows)]
        del book["entities"]
    survey.delete_rows(1, survey.max_row)
    for row in rows:
        survey.append([cell or None for cell in row])


def _with(rows: list, heads: list[str], added: dict, dropped: set[str], asked: dict[str, str]) -> list:
    kind, name = heads.index("type"), heads.index("name")
    labels = [at for at, head in enumerate(heads) if head.startswith("label")]
    made = [rows[0]]
    for row in rows[1:]:
        if row[name] in dropped:
            continue
        if row[name] in asked:
            row = [asked[row[name]] if at == kind else cell for at, cell in enumerate(row)]
        made.append(row)
        for one in added.get(row[name], ()):
            made.append([one.get(head, one["name"] if at in labels else None) for at, head in enumerate(heads)])
    return made


def _choices(book) -> dict[str, tuple[str, ...]]:
    """Question → the names of its choices, from the spreadsheet."""
    lists: dict[str, list[str]] = {}
    rows = [[cell.value for cell in row] for row in book["choices"].iter_rows()]
    heads = [str(one) for one in rows[0]]
    for row in rows[1:]:
        if row[heads.index("list_name")]:
            lists.setdefault(row[heads.index("list_name")], []).append(str(row[heads.index("name")]))
    survey = [[cell.value for cell in row] for row in book["survey"].iter_rows()]
    heads = [str(one) for one in survey[0]]
    found = {}
    for row in survey[1:]:
        words = str(row[heads.index("type")] or "").split()
        if len(words) > 1 and words[0] in ("select_multiple", "select_one") and words[1] in lists:
            found[row[heads.index("name")]] = (words[0], tuple(lists[words[1]]))
    return found


def _columns(xform: bytes, choices: dict) -> list[Column]:
    document = etree.fromstring(xform)
    root = document.find(".//{*}model/{*}instance/*")
    binds = {one.get("nodeset").split("/", 2)[-1]: one for one in document.iter("{*}bind")}
    repeats = {one.get("nodeset").split("/", 2)[-1] for one in document.iter("{*}repeat")}
    found: dict[str, Column] = {}

    def walk(node, path: str, repeat: str) -> None:
        for child in node:
            name = etree.QName(child).localname
            below = f"{path}/{name}" if path else name
            if name == "entity" and path == "meta":
                if child.find("{*}label") is not None:
                    found["meta/entity/label"] = Column("meta/entity/label", "string")
            elif len(child) or below in repeats:
                walk(child, below, below if below in repeats else repeat)
            else:
                bind = binds.get(below)
                said = bind.get("type", "string") if bind is not None else "string"
                note = bind is not None and bind.get("readonly") == "true()" and bind.get("calculate") is None and said == "string" and not below.startswith("meta/")
                kind, names = choices.get(name, ("", ()))
                found[below] = Column(below, kind or said.split(":")[-1], repeat, names if kind == "select_multiple" else (), note)

    walk(root, "", "")
    return list(found.values())


def _saves(xform: bytes) -> dict[str, str]:
    """Entity property → the path of the question that says it."""
    return {
        prop: bind.get("nodeset").split("/", 2)[-1]
        for bind in etree.fromstring(xform).iter("{*}bind") if (prop := bind.get(f"{_ENTITIES}saveto"))
    }
