"""Letters to print in tests, and how their bytes are read back. Everybody in them is invented."""
import dataclasses
import re
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pypdf
from PIL import Image

from exports.letters import LetterData, Organisation, Window

MM = 25.4 / 72
QR = "https://check.example.org/7QKMPDR4XVTN"
ADDRESS = ("คุณฟ้าใส ใจตัวอย่าง", "99/9 หมู่ 9 ถนนสมมติ", "ตำบลตัวอย่าง อำเภอสมมติ", "จังหวัดเชียงใหม่ 50000")
RETURN_LINE = "หากส่งไม่ได้ โปรดคืน ตู้ ปณ. 99 ปณ. สมมติ 50000"
ORGANISATION = Organisation(
    name={"th": "มูลนิธิตัวอย่างเพื่อการดูแล", "en": "Example Aftercare Foundation"},
    contact={"th": ("ตู้ ปณ. ๙๙ ปณ. สมมติ ๕๐๐๐๐", "โทร. ๐ ๕๐๐๐ ๐๐๐๐"), "en": ("P.O. Box 99, 50000 Sommot", "Tel. 0 5000 0000")},
    signatory={"th": "นางตัวอย่าง ลงนามดี", "en": "Tuayang Longnamdee"}, signatory_role={"th": "ผู้อำนวยการ", "en": "Director"},
    ask={"th": "ผู้ดูแลของท่าน หรือ โทร. ๐ ๕๐๐๐ ๐๐๐๐", "en": "your caseworker, or tel. 0 5000 0000"})
WORDING = {
    "th": """---
subject: แจ้งผลการอนุมัติทุนการศึกษา
dear: ((recipient))
reference: คำขอรับทุนการศึกษา เลขที่ ((request_number)) ลงวันที่ ((request_date))
enclosed: ใบรับเงิน จำนวน ๑ ฉบับ
close: ขอแสดงความนับถือ
---

ตามที่ท่านได้ยื่นคำขอรับทุนการศึกษา สำหรับ((term)) นั้น

คณะกรรมการมีมติอนุมัติทุนแก่ท่าน เป็นเงิน **((amount)) (((amount_words)))** เพื่อเป็น((purpose))((school?? ระหว่างศึกษาที่))((school)) โดยจะ((payment)) ภายใน((pay_by)) โดยมีเงื่อนไขดังต่อไปนี้

1. ลงลายมือชื่อในใบรับเงินที่แนบมา แล้วคืนแก่ผู้ดูแลของท่าน ภายใน((return_by))
2. ใช้เงินตามวัตถุประสงค์ข้างต้น และเก็บใบเสร็จไว้ให้ผู้ดูแลของท่านดู
3. ((condition))

การรับหรือไม่รับทุนนี้ไม่มีผลต่อความช่วยเหลืออื่นที่ท่านได้รับอยู่
""",
    "en": """---
subject: Your scholarship has been approved
dear: Dear ((recipient)),
reference: request ((request_number)) of ((request_date))
enclosed: one receipt to sign
close: Yours sincerely,
---

Thank you for your request for a scholarship for ((term)).

We approved **((amount)) (((amount_words)))** for ((purpose))((school?? while you study at ))((school)). We will ((payment)) by ((pay_by)):

1. Sign the enclosed receipt and hand it to your caseworker by ((return_by)).
2. Use the money for the purpose above.
3. ((condition))

Whether you accept this scholarship or not, the other help you receive stays the same.
""",
    "my": """---
draft: yes
subject: ပညာသင်ဆု ချီးမြှင့်ကြောင်း အကြောင်းကြားစာ
dear: ((recipient)) သို့
close: လေးစားစွာဖြင့်
---

သင်သည် ((term)) အတွက် ပညာသင်ဆုကို လျှောက်ထားခဲ့ပါသည်။

ကော်မတီက သင့်အတွက် ပညာသင်ဆု **((amount)) (((amount_words)))** ကို ((purpose)) အတွက် အတည်ပြုပြီးပါပြီ။

1. ပူးတွဲပါ ငွေလက်ခံဖြတ်ပိုင်းတွင် လက်မှတ်ထိုးပါ။ ((return_by)) နောက်ဆုံးထား၍ သင့်စောင့်ရှောက်သူထံ ပြန်ပေးပါ။
2. ငွေကို အထက်ပါ ရည်ရွယ်ချက်အတွက်သာ သုံးပြီး ပြေစာများကို သိမ်းထားပါ။
3. ((condition))

ဤပညာသင်ဆုကို လက်ခံသည်ဖြစ်စေ လက်မခံသည်ဖြစ်စေ အခြားအကူအညီများ ပြောင်းလဲမည် မဟုတ်ပါ။
""",
}
RECEIPT = {
    "th": """---
subject: ใบรับเงิน
---

ข้าพเจ้า **((payee))**((payee_id?? เลขประจำตัว ))((payee_id)) ได้รับเงินจาก((organisation)) เป็นเงิน **((amount)) (((amount_words)))** ตามหนังสือที่ ((number)) ลงวันที่ ((date)) เพื่อเป็น((purpose)) ไว้ถูกต้องครบถ้วนแล้ว
""",
    "en": """---
subject: Receipt
---

I, **((payee))**((payee_id??, identity number ))((payee_id)), have received **((amount)) (((amount_words)))** from ((organisation)) under letter ((number)) of ((date)), for ((purpose)).
""",
}
VALUES = {
    "th": {"recipient": "คุณฟ้าใส ใจตัวอย่าง", "payee": "นางสาวฟ้าใส ใจตัวอย่าง", "request_number": "SF-2026-0147",
           "term": "ภาคเรียนที่ 2 ปีการศึกษา 2569", "purpose": "ค่าเล่าเรียน ชุดนักเรียน และค่าเดินทางไปเรียน", "school": "วิทยาลัยสมมติ",
           "payment": "โอนค่าเล่าเรียนให้สถานศึกษา และมอบส่วนที่เหลือแก่ท่าน"},
    "en": {"recipient": "Fasai Jaituayang", "payee": "Fasai Jaituayang", "request_number": "SF-2026-0147",
           "term": "the second term", "purpose": "tuition and travel to school", "school": "Sommot College",
           "payment": "pay the tuition to the college, and give the rest to you,"},
    "my": {"recipient": "ဖာဆိုင်", "term": "၂၀၂၆\u00a0ပညာသင်နှစ်", "amount": "၁၂,၀၀၀\u00a0ဘတ်", "amount_words": "ဘတ်ငွေ တစ်သောင်းနှစ်ထောင်တိတိ",
           "purpose": "ကျောင်းလခ၊ ကျောင်းဝတ်စုံနှင့် ကျောင်းသွားစရိတ်", "return_by": "၂၀၂၆\u00a0ဒီဇင်ဘာ\u00a0၁၈"},
}
NUMBERS = {"th": "ทศ\u00a0๐๓๑๒/๒๕๖๙", "en": "TS\u00a00312/2026"}
TRIAL = {"trial": True, "number": "AC-T-2026-0001", "printed_number": "ทดลอง ๐๐๐๑/๒๕๖๙"}


def letter(language: str = "th", *, receipt: bool | dict = True, values: dict | None = None, **changes) -> LetterData:
    languages = language.split("-")
    given = {one: VALUES[one] | (values or {}) for one in languages}
    data = LetterData(
        kind="grant_letter", language=language, number="AC-L-2026-0312", printed_number=NUMBERS.get(language, NUMBERS["th"]), trial=False,
        date="2026-11-26", organisation=ORGANISATION, wording={one: WORDING[one] for one in languages}, values=given, amount=1_200_000,
        dates={"request_date": "2026-11-12", "pay_by": "2026-12-04", "return_by": "2026-12-18"},
        window=Window(lines=ADDRESS, return_line=RETURN_LINE), verify_url=QR,
        receipt={languages[-1]: RECEIPT[languages[-1]]} if receipt is True else receipt or None)
    return dataclasses.replace(data, **changes)


def bilingual(**changes) -> LetterData:
    return letter("my-th", receipt=False, **(TRIAL | changes))


def says(body: str, **changes) -> LetterData:
    """A letter of one page with this body."""
    return letter("en", receipt=False, wording={"en": f"---\nsubject: x\n---\n\n{body}\n"}, **changes)


def output(*command: object) -> str:
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True).stdout


def flat(text: str) -> str:
    """Without what extraction gets wrong: spaces, break points, SARA AM in its two parts."""
    return re.sub("\u0e4d([\u0e48-\u0e4b]?)\u0e32", "\\1\u0e33", re.sub(r"[\s\u200b]", "", text))


def text_of(pdf: Path, page: int | None = None) -> str:
    pages = ["-f", page, "-l", page] if page else []
    return flat(output("pdftotext", *pages, pdf, "-"))


def words(pdf: Path, page: int = 1) -> list[tuple]:
    """(word, left, top, right, bottom) in millimetres."""
    space = "{http://www.w3.org/1999/xhtml}"
    sheet = ElementTree.fromstring(output("pdftotext", "-bbox", "-f", page, "-l", page, pdf, "-"))
    return [(one.text, *(float(one.get(side)) * MM for side in ("xMin", "yMin", "xMax", "yMax"))) for one in sheet.iter(f"{space}word")]


def within(pdf: Path, left: float, top: float, right: float, bottom: float) -> list[str]:
    return [w[0] for w in words(pdf) if w[1] < right and w[3] > left and w[2] < bottom and w[4] > top]


def pages(pdf: Path) -> int:
    return len(pypdf.PdfReader(pdf).pages)


def picture(pdf: Path, resolution: int, *, mono: bool = False, page: int = 1) -> Image.Image:
    made = output("pdftoppm", "-r", resolution, "-f", page, "-l", page, "-singlefile", "-mono" if mono else "-gray", pdf, pdf.with_suffix(""))
    assert made == ""
    return Image.open(pdf.with_suffix(".pbm" if mono else ".pgm")).convert("L")


LETTERS = {"th": letter, "en": lambda: letter("en"), "my-th": bilingual, "cash": lambda: letter("en", values={"school": ""}), "en-th": lambda: letter("en-th"),
           "trial": lambda: letter(**TRIAL), "handed over": lambda: letter(window=Window())}
