"""Compile an XLSForm into an XForm. The only importer of pyxform; ODK Validate runs where Java is.

Knows spreadsheets and what pyxform and Validate say of them, as findings with sheet and row. Our own rules (privacy,
entity ids, translations) stand in `odk/xlsform_rules.py`; a programme's in `odk/check.py`.
"""
from __future__ import annotations

import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from namjai.languages import Words
from namjai.problems import Problem
from odk.findings import Finding, Severity, has_errors
from odk.pyxform_words import plainly
from odk.schema import FormSchema
from odk.workbook import WorkbookBroken, check_workbook
from odk.xform import read_xform
from odk.xlsform_rows import Rows
from odk.xlsform_rules import house_rules

_ROW = re.compile(r"\[row\s*:\s*(\d+)\]\s*")
_SHEET = re.compile(
    r"(?:On|In) the '(\w+)' sheet|(?<!not in )\b(survey|choices|settings|entities|external_choices) (?:sheet|worksheet)"
)
_NAMED = re.compile(r"\$\{([^}]+)\}")
_QUOTED = re.compile(r"['\"]([^'\"]+)['\"]")
_JAVA = re.compile(r"\borg\.javarosa\.[\w.]+(@[0-9a-f]+)?:?")
_BOILERPLATE = ("ODK Validate", ">> ", "Caused by", "...", "Result", "at ")
_SUFFIXES = {"xlsx": ".xlsx", "xls": ".xls"}


class XLSFormInvalid(Problem):
    """Carries its `findings`; the sentence names the first error."""

    code, http_status = "xlsform-invalid", 422
    en = "{place}: {first} Nothing was installed; correct it and try again."
    th = "{place}: {first_th} ยังไม่ได้ติดตั้ง แก้แล้วลองใหม่"

    def __init__(self, findings: list[Finding]) -> None:
        first = next(one for one in findings if one.severity == "error")
        super().__init__(place=first.place(), first=first.en, first_th=first.th)
        self.findings = findings


@dataclass(frozen=True)
class Compiled:
    """A form as tablets take it. `media`: files that must come beside it; `itemsets`: itemsets.csv, when it has one."""

    file: str
    xform: bytes
    schema: FormSchema
    warnings: tuple[Finding, ...] = ()
    itemsets: bytes | None = None
    source: bytes = b""

    @property
    def form_id(self) -> str:
        return self.schema.form_id

    @property
    def version(self) -> str:
        return self.schema.version

    @property
    def media(self) -> tuple[str, ...]:
        return self.schema.media


def validate_is_there() -> bool:
    """Whether ODK Validate can run on this machine."""
    return shutil.which("java") is not None


def compile_xlsform(source: Path | bytes, *, validate: bool = True, name: str = "") -> Compiled:
    """The form in a workbook, or an XForm. Raises XLSFormInvalid, which carries every finding."""
    compiled, findings = try_xlsform(source, validate=validate, name=name)
    if compiled is None or has_errors(findings):
        raise XLSFormInvalid(findings)
    return compiled


def check(path: Path, *, validate: bool = True) -> list[Finding]:
    """What is wrong with a lone file: only what pyxform or Validate refuse is an error, our own rules are warnings."""
    return try_xlsform(path, validate=validate)[1]


def try_xlsform(
    source: Path | bytes, *, validate: bool = True, name: str = "", strict: bool = False, undeclared: str = "by_type"
) -> tuple[Compiled | None, list[Finding]]:
    """The form, if it can be made, and everything found. `strict`: our own rules may be errors (in a programme)."""
    data = source.read_bytes() if isinstance(source, Path) else source
    name = name or (source.name if isinstance(source, Path) else "form.xlsx")
    try:
        if data.lstrip()[:1] == b"<":
            return Compiled(name, data, read_xform(data), source=data), []
        return _compile(data, name, check_workbook(data, name), validate, strict, undeclared)
    except Problem as problem:
        return None, [Finding(name, "error", problem.code, problem.text("en"), problem.text("th"))]


def _compile(
    data: bytes, name: str, kind: str, validate: bool, strict: bool, undeclared: str
) -> tuple[Compiled | None, list[Finding]]:
    rows, xml, itemsets, findings = _convert(data, name, kind)
    if xml is None:
        return None, findings
    schema = read_xform(xml)
    if validate and validate_is_there():
        findings += _validated(xml, name, rows)
    findings += house_rules(rows, schema, name, strict=strict, undeclared=undeclared)
    compiled = Compiled(
        name,
        xml,
        schema,
        tuple(one for one in findings if one.severity != "error"),
        itemsets.encode() if itemsets else None,
        data,
    )
    return compiled, findings


def _convert(data: bytes, name: str, kind: str) -> tuple[Rows, bytes | None, str | None, list[Finding]]:
    # Imported here, because pyxform costs a quarter of a second and most commands need none of it.
    from pyxform.errors import PyXFormError
    from pyxform.xls2json_backends import get_xlsform
    from pyxform.xls2xform import convert

    said: list[str] = []
    rows = Rows({})
    file_type = _SUFFIXES.get(kind) or (".md" if name.endswith(".md") or data.lstrip()[:1] == b"|" else ".csv")
    try:
        rows = Rows.of(get_xlsform(data, file_type=file_type))
        result = convert(data, warnings=said, file_type=file_type)
    except PyXFormError as error:
        findings = [_spoken(one, "error", "pyxform", name, rows) for one in _each(str(error))]
        return rows, None, None, findings
    except Exception:  # openpyxl, xlrd and pyxform each raise what they like over a broken file
        raise WorkbookBroken(file=name) from None
    warnings = [_spoken(one, "warning", "pyxform-warning", name, rows) for one in said]
    return rows, result.xform.encode(), result.itemsets, warnings


def xform_of_sheets(sheets: dict[str, list[dict[str, str]]], name: str) -> bytes:
    """The XForm of an XLSForm's sheets, given as rows. Raises XLSFormInvalid with what pyxform says of them."""
    from pyxform.errors import PyXFormError
    from pyxform.xls2xform import convert

    try:
        return convert(dict(sheets), warnings=[], form_name="data").xform.encode()
    except PyXFormError as error:
        raise XLSFormInvalid([_spoken(one, "error", "pyxform", name, Rows({})) for one in _each(str(error))]) from None
    except Exception:  # rows that came over the wire may hold anything, and pyxform raises what it likes
        raise WorkbookBroken(file=name) from None


def _each(text: str) -> list[str]:
    """pyxform joins several errors by line breaks; each with a row of its own is one finding."""
    parts = re.split(r"\n(?=\[row)", text.strip())
    return [" ".join(part.split()) for part in parts if part.strip()] or ["pyxform gave no reason."]


def _spoken(said: str, severity: Severity, code: str, name: str, rows: Rows) -> Finding:
    """What pyxform or Validate said, with the place that it names, or that the question it names has."""
    row, sheet, named = _ROW.search(said), _SHEET.search(said), _NAMED.search(said)
    words = [named[1]] if named else _QUOTED.findall(said)
    line = int(row[1]) if row else next((found for one in words if (found := rows.row_of(one))), None)
    text = _ROW.sub("", said).strip()
    text += "" if text.endswith((".", "!", "?")) else "."
    place = (sheet[1] or sheet[2]) if sheet else ("survey" if line else "")
    tool = "ODK Validate" if code.startswith("validate") else "pyxform"
    told = plainly(text) or Words(text, f"{tool} แจ้งว่า: {text}")
    return Finding(name, severity, code, told.en, told.th, sheet=place, row=line)


def _validated(xml: bytes, name: str, rows: Rows) -> list[Finding]:
    """What ODK Validate, the engine of Collect, says of the form."""
    from pyxform.validators.odk_validate import ODKValidateError, check_xform

    with tempfile.TemporaryDirectory(prefix="namjai-form-") as folder:
        path = Path(folder) / "form.xml"
        path.write_bytes(xml)
        try:
            said, failed = check_xform(str(path)), False
        except ODKValidateError as error:
            said, failed = [str(error)], True
        except OSError:
            return []
    texts = [_without_boilerplate(one, str(path)) for one in said]
    if failed:
        return [_spoken(one, "error", "validate", name, rows) for one in texts if one]
    return [_spoken(one, "warning", "validate-warning", name, rows) for one in texts if one]


def _without_boilerplate(said: str, path: str) -> str:
    """Validate's own sentences: without Java's, without the temporary file, each once."""
    said = said.replace(path, "the form").partition("The following files failed validation")[0]
    lines = (_JAVA.sub("", line).strip(" :\t") for line in said.splitlines())
    kept = (line for line in lines if line and not line.startswith(_BOILERPLATE))
    return ". ".join(line.rstrip(".") for line in dict.fromkeys(kept))
