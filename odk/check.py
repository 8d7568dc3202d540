"""Read a whole programme folder and say everything that is wrong with it.

Knows how program.toml, spreadsheets, wording and media must fit together. Knows no database: what is installed is
what `read_folder` returns.
"""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from namjai.languages import Words
from odk.findings import Finding, has_errors
from odk.programme import FILE, NO_WORDS, Column, FormRule, ListRule, Programme, ProgrammeInvalid
from odk.programme_file import read_file
from odk.programme_rules import programme_rules
from odk.schema import FormSchema
from odk.wording import Wording, check_wording, read_wording
from odk.xlsform import Compiled, try_xlsform

FORM_ENDINGS = (".xlsx", ".xls", ".xml")
# Placeholders that the decision and the letterhead give; all others come from a question.
FILLED_BY_NAMJAI = frozenset({
    "number", "date", "amount", "amount_words", "organisation", "signatory", "signatory_role", "ask", "request_number",
    "request_date", "recipient", "payee", "payee_id", "kind", "pay_by", "return_by", "condition", "condition_2", "note",
})
_LARGEST_MEDIUM = 50 * 1024 * 1024


@dataclass(frozen=True)
class Folder:
    """A programme folder, read: what `programs install` writes into the database.

    forms: by form id. wordings: file name without ending ("grant_letter.th") -> text. media: file name -> path.
    """

    path: Path
    programme: Programme | None
    forms: Mapping[str, Compiled] = field(default_factory=dict)
    wordings: Mapping[str, str] = field(default_factory=dict)
    media: Mapping[str, Path] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()


def check(path: Path, *, validate: bool = True) -> list[Finding]:
    """Every finding of a lone form, or of a programme folder (where our own rules may be errors)."""
    if path.is_dir():
        return list(read_folder(path, validate=validate).findings)
    if not path.is_file():
        return [
            Finding(
                path.name,
                "error",
                "file-missing",
                "There is no such file or folder. Correct the path.",
                "ไม่มีไฟล์หรือโฟลเดอร์นี้ แก้ที่อยู่ไฟล์",
            )
        ]
    return try_xlsform(path, validate=validate)[1]


def load_folder(path: Path, *, validate: bool = True) -> tuple[Programme, Folder]:
    """A programme folder that can be installed. Raises ProgrammeInvalid with every finding."""
    folder = read_folder(path, validate=validate)
    if folder.programme is None or has_errors(folder.findings):
        raise ProgrammeInvalid(path.name, list(folder.findings))
    return folder.programme, folder


def read_folder(path: Path, *, validate: bool = True) -> Folder:
    """Everything in the folder, and everything wrong with it. Raises nothing but what the file system does."""
    programme, findings = read_file(path)
    forms, wrong = _forms(path, validate, programme)
    findings += wrong
    wordings, wrong = _wordings(path, programme)
    findings += wrong
    media = {one.name: one for one in _files(path / "media")}
    findings += _media(forms, media)
    if programme is not None:
        schemas = {form_id: one.schema for form_id, one in forms.items()}
        # What a broken spreadsheet should have said cannot be missed in program.toml as well.
        if not has_errors(findings):
            findings += programme_rules(programme, schemas, set(wordings))
        programme = with_titles(with_choice_labels(programme, schemas), schemas)
    return Folder(path, programme, forms, wordings, media, tuple(findings))


def _files(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from sorted(one for one in folder.iterdir() if one.is_file() and not one.name.startswith((".", "~$")))


def _forms(path: Path, validate: bool, programme: Programme | None) -> tuple[dict[str, Compiled], list[Finding]]:
    forms: dict[str, Compiled] = {}
    findings: list[Finding] = []
    undeclared = programme.undeclared if programme else "by_type"
    for one in _files(path):
        if one.suffix.lower() not in FORM_ENDINGS:
            continue
        compiled, found = try_xlsform(one, validate=validate, strict=True, undeclared=undeclared)
        findings += found
        if compiled is None:
            continue
        if compiled.form_id in forms:
            other = forms[compiled.form_id].file
            findings.append(
                Finding(
                    one.name,
                    "error",
                    "form-double",
                    f"{other} has the same form_id, {compiled.form_id}. Give each form its own.",
                    f"{other} ใช้ form_id เดียวกันคือ {compiled.form_id} แต่ละแบบฟอร์มต้องมี form_id ของตนเอง",
                    sheet="settings",
                )
            )
        forms[compiled.form_id] = compiled
    if not forms and not any(one.suffix.lower() in FORM_ENDINGS for one in _files(path)):
        findings.append(
            Finding(
                path.name,
                "error",
                "forms-missing",
                "There is no form in this folder. Put the .xlsx files beside program.toml.",
                "ไม่มีแบบฟอร์มในโฟลเดอร์นี้ วางไฟล์ .xlsx ไว้ข้าง program.toml",
            )
        )
    return forms, findings


def _wordings(path: Path, programme: Programme | None) -> tuple[dict[str, str], list[Finding]]:
    texts: dict[str, str] = {}
    findings: list[Finding] = []
    for one in _files(path / "letters"):
        if one.suffix.lower() != ".md":
            continue
        name = f"letters/{one.name}"
        try:
            text = one.read_text("utf-8-sig")
        except UnicodeDecodeError:
            findings.append(
                Finding(
                    name,
                    "error",
                    "file-encoding",
                    "This file is not saved as UTF-8. Save it as UTF-8.",
                    "ไฟล์ไม่ใช่ UTF-8 โปรดบันทึกใหม่เป็น UTF-8",
                )
            )
            continue
        findings += _worded(name, text, programme)
        texts[one.stem] = text
    return texts, findings


def _worded(name: str, text: str, programme: Programme | None) -> Iterator[Finding]:
    """What is wrong with one wording file, by line; and placeholders that nothing would ever fill."""
    fields = set(programme.letter_fields) if programme else set()
    found = check_wording(text, file=name, extra=fields)
    yield from found
    if programme is None or has_errors(found):
        return
    wording = read_wording(text, file=name, language="", extra=fields)
    for one in sorted(wording.names - wording.optional - FILLED_BY_NAMJAI - fields):
        yield Finding(
            name,
            "error",
            "placeholder-unfilled",
            f"Nothing fills (({one})). Name its question in [letter_fields] of program.toml, or make it optional.",
            f"ไม่มีคำตอบที่จะเติมใน (({one})) ระบุคำถามใน [letter_fields] ของ program.toml หรือทำให้เว้นได้",
        )


def _media(forms: Mapping[str, Compiled], media: Mapping[str, Path]) -> Iterator[Finding]:
    """Files that a form asks for and nobody has. Entity lists come from the database."""
    lists = {one.list for form in forms.values() for one in form.schema.entities}
    for form in forms.values():
        for name in form.media:
            beside = name in media or (name == "itemsets.csv" and form.itemsets is not None)
            if not beside and name.rpartition(".")[0] not in lists:
                yield Finding(
                    form.file,
                    "error",
                    "media-missing",
                    f"The form asks for {name}, which is neither in the folder media nor a list of any form. Add it.",
                    f"แบบฟอร์มต้องใช้ {name} แต่ไม่มีในโฟลเดอร์ media และไม่ใช่รายชื่อที่แบบฟอร์มใดบันทึก โปรดเพิ่ม",
                    sheet="survey",
                )
    for name, path in media.items():
        if path.stat().st_size > _LARGEST_MEDIUM:
            yield Finding(
                f"media/{name}",
                "error",
                "media-large",
                "This file is larger than 50 MB, too much for a tablet. Make it smaller.",
                "ไฟล์ใหญ่กว่า 50 MB ซึ่งใหญ่เกินไปสำหรับแท็บเล็ต โปรดลดขนาด",
            )


def with_choice_labels(programme: Programme, schemas: Mapping[str, FormSchema]) -> Programme:
    """The programme with the words of every column's choices, in English and Thai, from the forms that save them."""
    return replace(
        programme,
        lists={
            name: replace(rule, columns=tuple(_labelled(one, rule, programme, schemas) for one in rule.columns))
            for name, rule in programme.lists.items()
        },
    )


def with_titles(programme: Programme, schemas: Mapping[str, FormSchema]) -> Programme:
    """The programme with a title for every form: where program.toml gives none, the form's own."""
    forms = dict(programme.forms)
    for form_id, schema in schemas.items():
        rule = forms.get(form_id) or FormRule(form_id, NO_WORDS)
        if not rule.title.en:
            forms[form_id] = replace(rule, title=Words(schema.title, schema.title))
    return replace(programme, forms=forms)


def _labelled(column: Column, rule: ListRule, programme: Programme, schemas: Mapping[str, FormSchema]) -> Column:
    if column.kind != "choice":
        return column
    if column.property == rule.stage and programme.stages:
        return replace(column, labels={one.id: one.label for one in programme.stages})
    labels: dict[str, Words] = {}
    for schema in schemas.values():
        for name in _choice_lists(column, rule, schema):
            for value, words in schema.choices.get(name, {}).items():
                en, th = (
                    words.get(language) or words.get("") or next(iter(words.values()), value)
                    for language in ("en", "th")
                )
                labels.setdefault(value, Words(en, th))
    return replace(column, labels=labels)


def _choice_lists(column: Column, rule: ListRule, schema: FormSchema) -> Iterator[str]:
    if column.choices:
        yield column.choices
        return
    for declared in schema.entities:
        if declared.list == rule.name:
            for path, name in declared.saves:
                asked = schema.field(path)
                if name == column.property and asked is not None and asked.choices:
                    yield asked.choices


def wording_of(folder: Folder, name: str, language: str) -> Wording:
    """A wording of the folder, read. Raises KeyError when it has none."""
    key = f"{name}.{language}"
    return read_wording(folder.wordings[key], file=f"letters/{key}.md", language=language)


__all__ = ["FILE", "Folder", "check", "load_folder", "read_folder", "with_choice_labels", "with_titles", "wording_of"]
