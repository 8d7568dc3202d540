"""Read a filled-in instance: which form, which version, which id. Knows XML; knows no database and no HTTP.

What the answers are is said by `read_answers`, which needs the form's schema; an instance of an unknown form can
still be read, kept and replayed.
"""
from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from namjai.problems import Problem
from odk import xml as safe
from odk.answers import Answers, Selection, changed, read_answers
from odk.xform_problems import FormIdMissing
from odk.xml import local

__all__ = ["Answers", "Instance", "InstanceIdMissing", "InstanceIdUnusable", "Selection", "changed", "read_answers",
           "read_instance"]

# An id is a key in the database and a part of addresses. OpenRosa asks servers to take 249 characters of a version.
LONGEST_ID = 255


class InstanceIdMissing(Problem):
    code, http_status = "instance-id-missing", 400
    en = ("This submission has no instanceID, so it could not be told from any other. It was not taken. "
          "Update the form on the tablet (Get Blank Form), then fill it in again.")
    th = ("ข้อมูลที่ส่งไม่มี instanceID จึงแยกจากข้อมูลอื่นไม่ได้และไม่ได้รับ "
          "อัปเดตแบบฟอร์มในแท็บเล็ต (Get Blank Form) แล้วกรอกใหม่")


class InstanceIdUnusable(Problem):
    code, http_status = "instance-id-unusable", 400
    en = ("The {what} of this submission is longer than {limit} characters. It was not taken. "
          "Tell your administrator which app sent it.")
    th = "{what} ของข้อมูลนี้ยาวเกิน {limit} ตัวอักษร จึงไม่ได้รับ แจ้งผู้ดูแลระบบว่าส่งจากแอปใด"


@dataclass(frozen=True)
class Instance:
    """A submission as it came. `xml` are its bytes, `root` the parsed element, `version` is "" where it says none.

    `root_id` is Kobo's `meta/rootUuid`: the first id of a submission that was edited since. An `encrypted` one
    has no answers, only the names of its files.
    """

    form_id: str
    version: str
    root: etree._Element
    instance_id: str
    deprecated_id: str | None
    xml: bytes
    encrypted: bool = False
    root_id: str | None = None


def read_instance(xml: bytes) -> Instance:
    """The instance in these bytes.

    Raises the problems of `odk.xml` (xml-broken, xml-encoding, xml-dtd, xml-too-deep, xml-too-large),
    InstanceIdMissing, InstanceIdUnusable and FormIdMissing.
    """
    root = safe.parse(xml)
    tag, meta = root.tag, _meta(root)
    namespace = tag[1:].partition("}")[0] if tag[0] == "{" else ""
    # OpenRosa: the form's id is the root's id; a form without one is told by its namespace.
    form_id = (root.get("id") or namespace).strip()
    instance_id = meta.get("instanceID") or (root.get("instanceID") or "").strip()
    if not instance_id:
        raise InstanceIdMissing()
    if not form_id:
        raise FormIdMissing()
    version = safe.version_of(root)
    deprecated_id = meta.get("deprecatedID")
    for what, text in (("instanceID", instance_id), ("deprecatedID", deprecated_id or ""), ("form id", form_id),
                       ("form version", version)):
        if len(text) > LONGEST_ID:
            raise InstanceIdUnusable(what=what, limit=LONGEST_ID)
    encrypted = root.get("encrypted") == "yes" or namespace.endswith("/xforms/encrypted")
    return Instance(form_id, version, root, instance_id, deprecated_id, xml, encrypted, meta.get("rootUuid"))


def _meta(root: etree._Element) -> dict[str, str]:
    """The ids in the root's meta block, with or without a prefix; the first that is not empty counts."""
    found: dict[str, str] = {}
    for block in root.iterchildren("{*}meta"):
        for node in block:
            text = (node.text or "").strip()
            if text:
                found.setdefault(local(node.tag), text)
    return found
