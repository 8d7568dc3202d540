"""Read the wording of a letter: a head and Markdown with ((placeholders)).

Knows which placeholders there are and which text stays when one of them is empty. Knows no paper, no fonts, no
case. Nothing in a wording file is executed: what is not a placeholder is text.
"""
from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from markdown_it import MarkdownIt

from namjai.languages import Words
from namjai.problems import Problem
from odk.findings import Finding, nearest
from odk.wording_problems import (
    PlaceholderBroken,
    PlaceholderEmpty,
    PlaceholderUnknown,
    WordingBoldOpen,
    WordingEmpty,
    WordingHeadBroken,
    WordingPairsDiffer,
)

HEAD_KEYS = ("subject", "dear", "reference", "enclosed", "close", "draft")
# Private-use characters mark where a value will stand, so that Markdown and escaping leave it alone.
OPENING, CLOSING = "\ue000", "\ue001"
MARK = re.compile(f"{OPENING}([a-z][a-z0-9_]*){CLOSING}")
BLOCK = re.compile(r"<p>.*?</p>|<li>.*?</li>", re.S)

_FIELD = re.compile(r"\(\(([a-z][a-z0-9_]*)(\?\?(.*?))?\)\)(?!\)\))")
_ALONE = re.compile(r"(?:[-*]|\d+\.)?\s*" + _FIELD.pattern)
_BOLD = re.compile(r"\*\*(?=\S)([^<>]+?)(?<=\S)\*\*")
_NOTHING_BOLD = re.compile(r"\*\*\s*\*\*")
_THAI_ITEM = re.compile(r"^(\s*)([๐-๙]+)\.(?=\s)", re.M)
_ARABIC = str.maketrans("๐๑๒๓๔๕๖๗๘๙", "0123456789")
# Paragraphs and lists only: links, pictures, code, headings and HTML stay the characters they are.
_MARKDOWN = MarkdownIt("zero", {"html": False}).enable(["list"])


@dataclass(frozen=True, slots=True)
class Placeholder:
    """What a ((name)) stands for. `whole`: never broken inside a word; `free`: typed by people, not made by us."""

    means: Words
    whole: bool = False
    free: bool = False


PLACEHOLDERS: dict[str, Placeholder] = {
    "recipient": Placeholder(Words("who is written to, with title", "ผู้รับจดหมาย พร้อมคำนำหน้า"), whole=True),
    "payee": Placeholder(Words("who receives the money and signs", "ผู้รับเงินและลงชื่อ"), whole=True),
    "payee_id": Placeholder(Words("the payee's identity number", "เลขประจำตัวของผู้รับเงิน"), whole=True),
    "number": Placeholder(Words("the letter's number as printed", "เลขที่จดหมายตามที่พิมพ์"), whole=True),
    "date": Placeholder(Words("the day of the letter", "วันที่ของจดหมาย")),
    "amount": Placeholder(Words("the sum in digits with its unit", "จำนวนเงินเป็นตัวเลข พร้อมหน่วย"), whole=True),
    "amount_words": Placeholder(Words("the sum in words", "จำนวนเงินเป็นตัวอักษร"), whole=True),
    "organisation": Placeholder(Words("our name", "ชื่อองค์กร"), whole=True),
    "signatory": Placeholder(Words("who signs the letter", "ผู้ลงนาม"), whole=True),
    "signatory_role": Placeholder(Words("the signatory's post", "ตำแหน่งผู้ลงนาม"), whole=True),
    "ask": Placeholder(Words("whom to ask, and how", "ติดต่อสอบถาม")),
    "request_number": Placeholder(Words("the number of the request", "เลขที่คำขอ"), whole=True),
    "request_date": Placeholder(Words("the day of the request", "วันที่ของคำขอ")),
    "pay_by": Placeholder(Words("paid by this day (Thai: with วันที่)", "จ่ายภายในวันที่ (มีคำว่า วันที่)")),
    "return_by": Placeholder(Words("the receipt comes back by this day (Thai: with วันที่)",
                                   "คืนใบรับเงินภายในวันที่ (มีคำว่า วันที่)")),
    "kind": Placeholder(Words("the kind of grant", "ประเภทของเงินช่วยเหลือ"), free=True),
    "purpose": Placeholder(Words("what the money is for", "วัตถุประสงค์"), free=True),
    "term": Placeholder(Words("the period or school term", "ช่วงเวลาหรือภาคเรียน"), free=True),
    "school": Placeholder(Words("the school", "สถานศึกษา"), whole=True),
    "place": Placeholder(Words("a hospital, shop or other place", "โรงพยาบาล ร้าน หรือสถานที่อื่น"), whole=True),
    "payment": Placeholder(Words("how it is paid, as a verb: “pay it in cash”", "วิธีจ่าย เป็นคำกริยา: มอบเป็นเงินสด"),
                           free=True),
    "condition": Placeholder(Words("one more condition", "เงื่อนไขเพิ่มเติม"), free=True),
    "condition_2": Placeholder(Words("a second further condition", "เงื่อนไขเพิ่มเติมข้อที่สอง"), free=True),
    "note": Placeholder(Words("a remark for this reader", "ข้อความถึงผู้รับ"), free=True),
}


@dataclass(frozen=True, slots=True)
class Wording:
    """One wording file, read: `head` by key and the Markdown `body`."""

    file: str
    language: str
    head: Mapping[str, str]
    body: str

    @property
    def draft(self) -> bool:
        """Whether no second reader has checked it yet."""
        return self.head.get("draft", "no").lower() in ("yes", "true")

    @property
    def optional(self) -> frozenset[str]:
        """Names that may be empty everywhere, because somewhere they carry a ((name??text))."""
        return frozenset(m[1] for text in (*self.head.values(), self.body) for m in _FIELD.finditer(text) if m[2])

    @property
    def names(self) -> frozenset[str]:
        """Every placeholder that the wording uses."""
        return frozenset(m[1] for text in (*self.head.values(), self.body) for m in _FIELD.finditer(text))


@dataclass(frozen=True, slots=True)
class Chosen:
    """A wording with its optional text decided and its Markdown made HTML; values still stand as marks."""

    head: Mapping[str, str]
    html: str

    @property
    def blocks(self) -> tuple[str, ...]:
        """Paragraphs and list items one by one; each item in a list of its own that counts on."""
        blocks, count = [], 0
        for block in BLOCK.findall(self.html):
            count = count + 1 if block.startswith("<li>") else 0
            blocks.append(_list_from(count, block) if count else block)
        return tuple(blocks)


def read_wording(text: str, *, file: str, language: str, extra: Collection[str] = ()) -> Wording:
    """The wording in `text`. `extra` are names that a programme adds to the list. Raises the first Problem."""
    for problem in _problems(text, file, extra):
        raise problem
    return _split(text, file, language)


def check_wording(text: str, *, file: str, extra: Collection[str] = ()) -> list[Finding]:
    """Everything that is wrong with a wording file, and a note when it is still a draft."""
    findings = [_finding(problem, extra) for problem in _problems(text, file, extra)]
    if not findings and _split(text, file, "").draft:
        findings.append(Finding(
            file=file, severity="note", code="letter-wording-draft",
            en="This is a draft: it prints on trial only. Take out “draft: yes” when a second reader has checked it.",
            th="ยังเป็นร่าง พิมพ์ได้เฉพาะในโหมดทดลอง เมื่อมีผู้ตรวจทานแล้วให้เอา “draft: yes” ออก"))
    return findings


def check_pair(first: Wording, second: Wording) -> list[Problem]:
    """Whether two languages of one letter can stand side by side."""
    one, other = (len(BLOCK.findall(_render(w.body))) for w in (first, second))
    if one == other:
        return []
    return [WordingPairsDiffer(first=first.language, second=second.language, one=one, other=other)]


def choose(wording: Wording, values: Mapping[str, str]) -> Chosen:
    """Decide what stays, then make Markdown HTML. Raises PlaceholderEmpty for a needed value that is empty."""
    head = {key: _decide(text, wording, values) for key, text in wording.head.items() if key != "draft"}
    body = _render(_decide(wording.body, wording, values))
    return Chosen(head={key: text for key, text in head.items() if text}, html=body)


def _decide(text: str, wording: Wording, values: Mapping[str, str]) -> str:
    def there(match: re.Match[str]) -> bool:
        return bool(values.get(match[1], "").strip())

    def one(match: re.Match[str]) -> str:
        if match[2]:
            return match[3] if there(match) else ""
        if there(match):
            return f"{OPENING}{match[1]}{CLOSING}"
        if match[1] in wording.optional:
            return ""
        raise PlaceholderEmpty(file=wording.file, name=match[1])

    lines = []
    for line in text.splitlines():
        alone = _ALONE.fullmatch(line.strip())
        if not (alone and not alone[2] and not there(alone)):
            lines.append(_NOTHING_BOLD.sub("", _FIELD.sub(one, line)))
    return "\n".join(lines)


def _render(body: str) -> str:
    html = _BOLD.sub(r"<strong>\1</strong>", _MARKDOWN.render(body))
    # WeasyPrint ignores <ol start>.
    return re.sub(r'<ol start="(\d+)">', lambda m: f'<ol style="counter-reset: list-item {int(m[1]) - 1}">', html)


def _list_from(count: int, item: str) -> str:
    return f'<ol style="counter-reset: list-item {count - 1}">{item}</ol>'


def _finding(problem: Problem, extra: Collection[str]) -> Finding:
    file, line = problem.facts["file"], problem.facts.get("line")
    meant = nearest(str(problem.facts.get("name", "")), [*PLACEHOLDERS, *extra])
    texts = {}
    for language, word, hint in (("en", "line", " Did you mean (({}))?"), ("th", "บรรทัด", " หมายถึง (({})) หรือไม่")):
        # The place stands in the finding; the sentence begins after it.
        said = problem.text(language).split(f"{word} {line}: " if line else f"{file}: ", 1)[-1]
        texts[language] = said[:1].upper() + said[1:] + (hint.format(meant) if meant else "")
    row = line if isinstance(line, int) else None
    return Finding(file=str(file), severity="error", code=problem.code, row=row, **texts)


def _split(text: str, file: str, language: str) -> Wording:
    lines = _clean(text).split("\n")
    end = lines.index("---", 1)
    pairs = (line.split(":", 1) for line in lines[1:end] if line)
    body = _THAI_ITEM.sub(lambda m: f"{m[1]}{m[2].translate(_ARABIC)}.", "\n".join(lines[end + 1:]))
    return Wording(file=file, language=language, head={key.strip(): value.strip() for key, value in pairs}, body=body)


def _clean(text: str) -> str:
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    text = re.sub("[\ue000-\uf8ff]", "", text)
    return "\n".join(line.rstrip() for line in text.split("\n"))


def _problems(text: str, file: str, extra: Collection[str]) -> Iterator[Problem]:
    lines = _clean(text).split("\n")
    ends = [n for n, line in enumerate(lines) if line == "---"][:2]
    if len(ends) < 2 or ends[0] != 0:
        yield WordingHeadBroken(file=file, line=1)
        return
    head = lines[1:ends[1]]
    for number, line in enumerate(head, 2):
        key, colon, _ = line.partition(":")
        if line.strip() and (not colon or key.strip() not in HEAD_KEYS):
            yield WordingHeadBroken(file=file, line=number)
    if not any(line.startswith("subject:") and line.split(":", 1)[1].strip() for line in head):
        yield WordingHeadBroken(file=file, line=1)
    if not "".join(lines[ends[1] + 1:]).strip():
        yield WordingEmpty(file=file)
    yield from _bold_problems(lines, ends[1] + 1, file)
    for number, line in enumerate(lines, 1):
        yield from _placeholder_problems(line, number, file, extra)


def _placeholder_problems(line: str, number: int, file: str, extra: Collection[str]) -> Iterator[Problem]:
    for match in _FIELD.finditer(line):
        if match[1] not in PLACEHOLDERS and match[1] not in extra:
            yield PlaceholderUnknown(file=file, line=number, name=match[1])
    nested = any(match[3] and "((" in match[3] for match in _FIELD.finditer(line))
    if nested or "((" in _FIELD.sub("", line):
        yield PlaceholderBroken(file=file, line=number)


def _bold_problems(lines: list[str], start: int, file: str) -> Iterator[Problem]:
    paragraph, begins = "", start
    for number, line in enumerate([*lines[start:], ""], start + 1):
        if line:
            paragraph, begins = f"{paragraph}\n{line}", begins if paragraph else number
        elif "**" in _BOLD.sub("", paragraph):
            yield WordingBoldOpen(file=file, line=begins)
            paragraph = ""
        else:
            paragraph = ""
