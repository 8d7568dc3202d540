"""Read a TOML file key by key, so that every mistake becomes a finding that names file and key.

Knows tables, types and keys that nobody asked for; knows no programme.
"""
from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from namjai.languages import Words
from odk.findings import Finding, Severity, nearest

LARGEST = 1_000_000
NO_WORDS = Words("", "")
_TYPES = {
    str: Words("text in quotes", "ข้อความในเครื่องหมายคำพูด"),
    int: Words("a whole number", "จำนวนเต็ม"),
    bool: Words("true or false", "true หรือ false"),
    dict: Words("a table", "ตาราง"),
    list: Words("a list in [ ]", "รายการใน [ ]"),
}
SAYS = {
    "value-double": Words("“{given}” stands twice. Give each its own.", "“{given}” ซ้ำกัน แต่ละรายการต้องไม่ซ้ำ"),
    "file-large": Words(
        "This file is larger than 1 MB. Take out what does not belong here.", "ไฟล์ใหญ่กว่า 1 MB นำสิ่งที่ไม่เกี่ยวข้องออก"
    ),
    "file-encoding": Words("This file is not saved as UTF-8. Save it as UTF-8.", "ไฟล์ไม่ใช่ UTF-8 โปรดบันทึกใหม่เป็น UTF-8"),
    "toml-syntax": Words(
        "The file cannot be read here: {why}. Text stands in quotes; a table begins with [name].",
        "อ่านไฟล์ตรงนี้ไม่ได้: {why} ข้อความต้องอยู่ในเครื่องหมายคำพูด ตารางขึ้นต้นด้วย [ชื่อ]",
    ),
    "key-missing": Words("{name} is missing. Write it.", "ไม่มี {name} โปรดเพิ่ม"),
    "key-type": Words("This must be {type}.", "ต้องเป็น{type_th}"),
    "key-unknown": Words(
        "“{name}” is not known here. {meant}Known are: {known}.", "ไม่รู้จัก “{name}” {meant_th}ที่ใช้ได้: {known}"
    ),
    "items-type": Words("Each item of this list must be text in quotes.", "ทุกรายการต้องเป็นข้อความในเครื่องหมายคำพูด"),
    "tables-type": Words("Write each as a table of its own, under [[{part}]].", "เขียนแต่ละรายการใต้ [[{part}]]"),
    "value-unknown": Words(
        "“{given}” is not possible here. {meant}Use one of: {known}.",
        "ใช้ “{given}” ที่นี่ไม่ได้ {meant_th}ใช้ค่าใดค่าหนึ่งต่อไปนี้: {known}",
    ),
    "label-missing": Words(
        "Write {name}.en and {name}.th, the words in English and in Thai.",
        "ไม่มี {name} โปรดเขียน {name}.en และ {name}.th",
    ),
    "label-plain": Words(
        "These words are the same in both languages. Write {name}.en and {name}.th instead.",
        "ข้อความนี้เหมือนกันทั้งสองภาษา ควรเขียนเป็น {name}.en และ {name}.th",
    ),
    "label-half": Words(
        "The words in {language} are missing. Write {name}.", "ไม่มีข้อความภาษา{language_th} โปรดเขียน {name}"
    ),
}
_NAMES = {"en": Words("English", "อังกฤษ"), "th": Words("Thai", "ไทย")}


def did_you_mean(word: str, known: Collection[str]) -> dict[str, str]:
    """The facts `meant` and `meant_th` of a sentence about a word that is not among the known ones."""
    meant = nearest(word, known)
    return {
        "meant": f"Did you mean “{meant}”? " if meant else "",
        "meant_th": f"หมายถึง “{meant}” หรือไม่ " if meant else "",
    }


def finding(
    file: str, code: str, words: Words, *, key: str = "", row: Any = None, severity: Severity = "error", **facts: Any
) -> Finding:
    """A finding with its sentences filled in."""
    return Finding(
        file, severity, code, words.en.format(**facts).strip(), words.th.format(**facts).strip(), row=row, key=key
    )


def read_toml(raw: bytes, file: str) -> tuple[dict[str, Any] | None, list[Finding]]:
    """The values of a TOML file, or why it cannot be read."""
    if len(raw) > LARGEST:
        return None, [finding(file, "file-large", SAYS["file-large"])]
    try:
        return tomllib.loads(raw.decode("utf-8-sig")), []
    except UnicodeDecodeError:
        return None, [finding(file, "file-encoding", SAYS["file-encoding"])]
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        line = re.search(r"at line (\d+)", str(error))
        why = re.sub(r"\s*\(at .*\)", "", str(error))
        return None, [finding(file, "toml-syntax", SAYS["toml-syntax"], row=int(line[1]) if line else None, why=why)]


@dataclass
class Table:
    """One table of the file; what was never asked for is unknown. `at` is its key in the file, "" for the whole."""

    file: str
    values: Mapping[str, Any]
    at: str
    findings: list[Finding]
    asked: set[str] = field(default_factory=set)

    def key(self, name: str) -> str:
        return f"{self.at}.{name}" if self.at and name else self.at or name

    def say(self, name: str, /, code: str, words: Any = None, **facts: Any) -> None:
        """Note an error about one key of this table."""
        self.findings.append(finding(self.file, code, words or SAYS[code], key=self.key(name), **facts))

    def get(self, name: str, kind: type, default: Any = None, *, required: bool = False) -> Any:
        """The value of a key, the default when it is missing or of another type (which is noted)."""
        self.asked.add(name)
        value = self.values.get(name)
        if value is None:
            if required:
                self.say(name, "key-missing", name=name)
            return default
        # True is an int to Python, not to a person.
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            self.say(name, "key-type", type=_TYPES[kind].en, type_th=_TYPES[kind].th)
            return default
        return value

    def text(self, name: str, default: str = "", *, required: bool = False, one_of: Collection[str] = ()) -> str:
        """A text; with `one_of` only these."""
        value = self.get(name, str, default, required=required)
        if one_of and value != default and value not in one_of:
            self._refuse(name, value, one_of)
            return default
        return value

    def texts(self, name: str, default: tuple[str, ...] = (), *, one_of: Collection[str] = ()) -> tuple[str, ...]:
        """A list of texts; with `one_of` only these."""
        value = self.get(name, list, None)
        if value is None:
            return default
        if not all(isinstance(one, str) for one in value):
            self.say(name, "items-type")
            return default
        for one in value:
            if one_of and one not in one_of:
                self._refuse(name, one, one_of)
        return tuple(value)

    def _refuse(self, name: str, given: str, known: Collection[str]) -> None:
        self.say(name, "value-unknown", given=given, known=", ".join(known), **did_you_mean(given, known))

    def words(self, name: str, default: Words = NO_WORDS, *, required: bool = True) -> Words:
        """A text in both languages, written name.en and name.th."""
        if isinstance(self.values.get(name), str):
            # Somebody's first programme, in one language: it works, and is told what is missing.
            self.asked.add(name)
            self.say(name, "label-plain", name=name, severity="warning")
            return Words(self.values[name], self.values[name])
        given = self.get(name, dict)
        if given is None:
            if required and name not in self.values:
                self.say(name, "label-missing", name=name)
            return default
        inner = Table(self.file, given, self.key(name), self.findings)
        found = Words(inner.text("en"), inner.text("th"))
        for language, named in _NAMES.items():
            if language not in given or given[language] == "":
                inner.say(language, "label-half", language=named.en, language_th=named.th, name=f"{name}.{language}")
        inner.done()
        return found

    def table(self, name: str) -> Table | None:
        """A table inside this one."""
        given = self.get(name, dict)
        return None if given is None else Table(self.file, given, self.key(name), self.findings)

    def tables(self, name: str) -> list[Table]:
        """Tables written under [[name]]; counted from 1 in their keys."""
        found = []
        for number, one in enumerate(self.get(name, list, []), 1):
            if isinstance(one, dict):
                found.append(Table(self.file, one, f"{self.key(name)}[{number}]", self.findings))
            else:
                self.say(name, "tables-type", part=self.key(name))
        return found

    def named_tables(self, name: str) -> dict[str, Table]:
        """Tables with free names: [forms.intake], [forms.visit]."""
        every = self.table(name)
        found = {one: every.table(one) for one in every.values} if every else {}
        return {one: table for one, table in found.items() if table is not None}

    def free(self, name: str) -> dict[str, str]:
        """A table of texts with free keys."""
        inner = self.table(name)
        found = {one: inner.text(one) for one in inner.values} if inner else {}
        return {key: value for key, value in found.items() if value}

    def once(self, name: str, given: str, before: Collection[str]) -> None:
        """Note that a value stood before, where each must have its own."""
        if given in before:
            self.say(name, "value-double", given=given)

    def done(self) -> None:
        """Every key that nobody asked for is a mistake of somebody."""
        for name in self.values:
            if name not in self.asked:
                self.say(
                    name,
                    "key-unknown",
                    name=name,
                    known=", ".join(sorted(self.asked)),
                    **did_you_mean(name, self.asked),
                )
