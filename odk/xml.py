"""Parse XML that strangers sent. Knows bytes, size, depth and encodings; knows no form and no question.

Refused before anything is built: a DTD of any kind (so no entities, no external files), more than 10 MB, more than
64 levels, encodings in which `<!DOCTYPE` could hide. Nothing is ever fetched.
"""
from __future__ import annotations

import re

from lxml import etree

from namjai.problems import Problem

LARGEST = 10 * 1024 * 1024
DEEPEST = 64
# Ten megabytes of "<a/>" would be two and a half million elements and hundreds of megabytes of memory, and so would
# as many attributes; the largest real submissions have some tens of thousands.
MOST_TAGS = 400_000

# Supersets of ASCII: in these (and in UTF-16) a DOCTYPE cannot be spelled other than in plain bytes.
_PLAIN_ENCODINGS = re.compile(rb"utf-?8|us-ascii|ascii|iso-8859-\d+|latin-?1|windows-\d+|cp125\d|cp874|tis-?620", re.I)
_DECLARED = re.compile(rb"""<\?xml[^>]{0,200}?\sencoding\s*=\s*["']([A-Za-z0-9._:-]{1,40})["']""")
_DOCTYPES = tuple("<!DOCTYPE".encode(encoding) for encoding in ("ascii", "utf-16-le", "utf-16-be"))
_SPACE = b" \t\r\n"


class XmlBroken(Problem):
    code, http_status = "xml-broken", 400
    en = ("This is not readable XML (line {line}). It was not taken as a form; the sender keeps it. "
          "Send it again; if it stays, send the file to your administrator.")
    th = ("อ่าน XML นี้ไม่ได้ (บรรทัด {line}) จึงไม่ได้รับเป็นแบบฟอร์ม ข้อมูลยังอยู่ที่เครื่องผู้ส่ง "
          "ลองส่งอีกครั้ง หากยังเป็นอยู่ให้ส่งไฟล์ให้ผู้ดูแลระบบ")


class XmlEncoding(XmlBroken):
    code, http_status = "xml-encoding", 400
    en = ("The text of this XML is in an encoding that is not read here. It was not taken as a form. "
          "Save it as UTF-8, then send it again.")
    th = "XML นี้ใช้รหัสอักขระที่ระบบไม่อ่าน จึงไม่ได้รับเป็นแบบฟอร์ม บันทึกเป็น UTF-8 แล้วส่งใหม่"


class XmlDtd(Problem):
    code, http_status = "xml-dtd", 400
    en = ("This XML carries a DTD (<!DOCTYPE …>), which is never accepted because it can be used to attack the server. "
          "Remove it, then send again.")
    th = "XML นี้มี DTD (<!DOCTYPE …>) ซึ่งระบบไม่รับเพราะอาจใช้โจมตีเซิร์ฟเวอร์ได้ นำออกแล้วส่งใหม่"


class XmlTooDeep(Problem):
    code, http_status = "xml-too-deep", 400
    en = ("This XML is nested deeper than {limit} levels. It was not taken as a form. "
          "Put fewer groups inside each other, then send again.")
    th = "XML นี้ซ้อนกันลึกกว่า {limit} ชั้น จึงไม่ได้รับเป็นแบบฟอร์ม ลดจำนวนกลุ่มที่ซ้อนกันแล้วส่งใหม่"


class XmlTooLarge(Problem):
    code, http_status = "xml-too-large", 413
    en = ("This XML is larger than what is read at once ({limit} MB, {tags} tags). It was not taken as a form. "
          "Send photos as files of their own and split very long lists.")
    th = ("XML นี้ใหญ่เกินกว่าที่อ่านได้ในครั้งเดียว ({limit} MB, {tags} แท็ก) จึงไม่ได้รับเป็นแบบฟอร์ม "
          "ส่งภาพเป็นไฟล์แยก และแบ่งรายการที่ยาวมาก")


def parse(xml: bytes) -> etree._Element:
    """The root element of a document. Comments and processing instructions are left out.

    Raises XmlBroken, XmlEncoding, XmlDtd, XmlTooDeep or XmlTooLarge, and nothing else, whatever the bytes are.
    """
    if len(xml) > LARGEST or xml.count(b"<") > MOST_TAGS or xml.count(b"=") > MOST_TAGS:
        raise XmlTooLarge(limit=LARGEST // 1024 // 1024, tags=MOST_TAGS)
    _check_encoding(xml)
    if any(mark in xml for mark in _DOCTYPES):
        _refuse_doctype(xml)
    try:
        root = etree.fromstring(xml, _parser())
    except etree.XMLSyntaxError as error:
        raise _problem_of(error) from None
    except (ValueError, LookupError, MemoryError):
        raise XmlBroken(line=1) from None
    if root is None:
        raise XmlBroken(line=1)
    # Belt and braces: whatever the marks above overlooked, no document with a DTD goes on.
    if root.getroottree().docinfo.internalDTD is not None:
        raise XmlDtd()
    if _TOO_DEEP(root):
        raise XmlTooDeep(limit=DEEPEST)
    return root


def version_of(root: etree._Element) -> str:
    """The form's version that a root element says, with or without the OpenRosa prefix; "" for none."""
    return (root.get("version") or root.get("{http://openrosa.org/xforms}version") or "").strip()


def local(name: str) -> str:
    """The name of an element or attribute without its namespace."""
    return name.rpartition("}")[2] if name[0] == "{" else name


def _parser(target: object = None) -> etree.XMLParser:
    options = dict(resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False,
                   attribute_defaults=False, huge_tree=False, recover=False)
    if target is not None:
        return etree.XMLParser(target=target, **options)
    return etree.XMLParser(remove_comments=True, remove_pis=True, collect_ids=False, **options)


# One expression for "has a 65th level": evaluated in C, level by level, over a shallow tree it costs microseconds.
_TOO_DEEP = etree.XPath("boolean(" + "/*" * (DEEPEST + 1) + ")")


def _check_encoding(xml: bytes) -> None:
    head = xml[:256].removeprefix(b"\xef\xbb\xbf").lstrip(_SPACE)
    if head[:2] in (b"\xff\xfe", b"\xfe\xff") or head[:2] in (b"<\x00", b"\x00<"):
        if head[:4] in (b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff", b"<\x00\x00\x00", b"\x00\x00\x00<"):
            raise XmlEncoding()
        return
    if head[:1] != b"<":
        raise XmlBroken(line=1)
    declared = _DECLARED.match(head)
    if declared and not _PLAIN_ENCODINGS.fullmatch(declared[1]):
        raise XmlEncoding()


class _DoctypeSeen(Exception):
    pass


class _DoctypeWatch:
    """A parser target that builds nothing and stops at a DOCTYPE, before its declarations are read."""

    def doctype(self, name: str, public: str | None, system: str | None) -> None:
        raise _DoctypeSeen

    def start(self, tag: str, attributes: object) -> None:
        pass

    def end(self, tag: str) -> None:
        pass

    def data(self, text: str) -> None:
        pass

    def close(self) -> None:
        pass


def _refuse_doctype(xml: bytes) -> None:
    # The mark may also stand in a comment or a CDATA section, where it is only text: ask the parser.
    try:
        etree.fromstring(xml, _parser(_DoctypeWatch()))
    except _DoctypeSeen:
        raise XmlDtd() from None
    except etree.XMLSyntaxError as error:
        raise _problem_of(error) from None
    except (ValueError, LookupError, MemoryError):
        raise XmlBroken(line=1) from None


def _problem_of(error: etree.XMLSyntaxError) -> Problem:
    # Only the place: libxml2's own sentence may quote what stands in the document.
    if "depth" in (error.msg or "").lower():
        return XmlTooDeep(limit=DEEPEST)
    return XmlBroken(line=error.lineno or 1)
