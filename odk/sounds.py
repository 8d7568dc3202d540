"""Does a question sound as if it asked who somebody is? Knows words in English and Thai; suggests, never decides."""
from __future__ import annotations

import re

from odk.schema import Field

# Latin words as whole words; Thai has no spaces between words.
_SOUNDS = {
    "name": (
        r"\b(first|last|full|family|given|middle|nick|sur)[ _]?names?\b|\bnames? of\b"
        r"|(^|[ _'’])names?$|\b(her|his|their) name\b|\bwhat is your name\b",
        "ชื่อ|นามสกุล|ฉายา",
    ),
    "phone": (
        r"\b(tele)?phone\b|\bmobile\b|\bcell\b|\bwhats ?app\b|\bline[ _]?id\b",
        "โทรศัพท์|เบอร์|มือถือ|ไลน์ ?ไอดี",
    ),
    "identity number": (
        r"\bpassport\b|\b(national|citizen|identity)[ _]?(id|card|number|no)\b|\bid[ _]?(card|number|no)\b",
        "เลขประจำตัว|บัตรประชาชน|พาสปอร์ต|หนังสือเดินทาง|เลขบัตร",
    ),
    "address": (r"\b(home|street|postal|mail(ing)?|e-?mail) ?address\b|\be-?mail\b", "ที่อยู่|บ้านเลขที่|อีเมล"),
}
# Names of things and places.
_HARMLESS = re.compile(
    "ชื่อ(ยา|โรค|สินค้า|โครงการ|กิจกรรม|หลักสูตร|อำเภอ|จังหวัด|ตำบล|หมู่บ้าน)|นามสมมติ|pseudonym"
    "|names? of (the )?(medicine|drug|disease|project|product|course|village|district|province|crop|item)"
)
_NEVER = frozenset(
    {"select", "select1", "rank", "date", "time", "dateTime", "geopoint", "geotrace", "geoshape", "binary", "decimal"}
)
IN_THAI = {"name": "ชื่อ", "phone": "โทรศัพท์", "identity number": "เลขประจำตัว", "address": "ที่อยู่"}


def sounds_like(asked: Field) -> str:
    """What personal thing a question seems to ask for: name, phone, identity number, address; "" for none."""
    if asked.type in _NEVER:
        return ""
    # A form's short name often says it where the label is a sentence.
    said = " ".join([*asked.labels.values(), asked.name.replace("_", " ")]).lower()
    if _HARMLESS.search(said):
        return ""
    return next(
        (what for what, (latin, thai) in _SOUNDS.items() if re.search(latin, said) or re.search(thai, said)), ""
    )
