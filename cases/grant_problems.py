"""What a person is told when a grant or its letter cannot go on. All of it fails closed: nothing was changed."""
from __future__ import annotations

from collections import defaultdict

from namjai.languages import Words
from namjai.problems import Problem


class _Spoken(Problem):
    """A problem whose facts may be words: each sentence takes those of its language."""

    def text(self, language: str = "en") -> str:
        said = {name: fact.in_(language) if isinstance(fact, Words) else fact for name, fact in self.facts.items()}
        return (self.th if language == "th" else self.en).format_map(defaultdict(lambda: "…", said))


class GrantRequesterUnknown(Problem):
    code, http_status = "grant-requester-unknown", 409
    en = (
        "The tablet this request came from is assigned to nobody, so the requester must be named before anyone can "
        "approve. Whoever names them cannot approve."
    )
    th = "แท็บเล็ตที่ส่งคำขอไม่มีผู้รับผิดชอบ ต้องระบุผู้ยื่นก่อนจึงจะอนุมัติได้ และผู้ที่ระบุจะอนุมัติเองไม่ได้"


class GrantRequesterKnown(Problem):
    code, http_status = "grant-requester-known", 409
    en = "The requester of this grant is known already. Nothing was changed."
    th = "ทราบผู้ยื่นคำขอนี้อยู่แล้ว ไม่มีการเปลี่ยนแปลง"


class GrantOwnRequest(Problem):
    code, http_status = "grant-own-request", 403
    en = "You asked for this grant or edited its request, so somebody else must approve it. Nothing was changed."
    th = "คุณเป็นผู้ยื่นหรือผู้แก้ไขคำขอนี้ จึงต้องให้ผู้อื่นอนุมัติ ยังไม่มีการเปลี่ยนแปลง"


class GrantNamedByYou(Problem):
    code, http_status = "grant-named-by-you", 403
    en = "You named the requester of this grant, so somebody else must approve it. Nothing was changed."
    th = "คุณเป็นผู้ระบุชื่อผู้ยื่นคำขอนี้ จึงต้องให้ผู้อื่นอนุมัติ ยังไม่มีการเปลี่ยนแปลง"


class GrantAboveLimit(_Spoken):
    code, http_status = "grant-above-limit", 403
    en = "This amount is above what your role may approve. It waits for {roles}."
    th = "เกินวงเงินที่คุณอนุมัติได้ ต้องให้{roles}อนุมัติ"


class GrantAboveEveryLimit(GrantAboveLimit):
    code = "grant-above-every-limit"
    en = "This amount is above what anybody here may approve. Ask for less, or have the limits in program.toml changed."
    th = "จำนวนเงินนี้เกินวงเงินของผู้อนุมัติทุกคน ขอน้อยลง หรือให้แก้วงเงินใน program.toml"


class GrantDecidedAlready(_Spoken):
    code, http_status = "grant-decided", 409
    en = "This grant has been decided already: it is {state}. Nothing was changed."
    th = "คำขอนี้ตัดสินไปแล้ว สถานะ: {state} ยังไม่มีการเปลี่ยนแปลง"


class GrantNotApproved(_Spoken):
    code, http_status = "grant-not-approved", 409
    en = "This grant is {state}, and only an approved one can be paid. Nothing was changed."
    th = "คำขอนี้มีสถานะ {state} จ่ายได้เฉพาะรายการที่อนุมัติแล้ว ยังไม่มีการเปลี่ยนแปลง"


class GrantCaseUnknown(Problem):
    code, http_status = "grant-case-unknown", 409
    en = (
        "The person this grant is for has not arrived yet. Wait until the intake is sent, then approve. Nothing "
        "was changed."
    )
    th = "ยังไม่ได้รับข้อมูลของผู้ที่จะรับเงินนี้ รอให้ส่งแบบรับเคสก่อน แล้วจึงอนุมัติ ยังไม่มีการเปลี่ยนแปลง"


class GrantOutOfDate(Problem):
    code, http_status = "grant-out-of-date", 409
    en = (
        "What stands here is not what the request says now. Ask for the request to be sent again, then decide. "
        "Nothing was changed."
    )
    th = "ข้อมูลที่นี่ไม่ตรงกับคำขอฉบับปัจจุบัน ขอให้ผู้ยื่นส่งคำขออีกครั้ง แล้วจึงตัดสินใจ ยังไม่มีการเปลี่ยนแปลง"


class GrantRequestRejected(Problem):
    code, http_status = "grant-request-rejected", 409
    en = (
        "The request was rejected in review, so the grant can be neither approved nor paid. Correct the request or its "
        "review first. Nothing was changed."
    )
    th = "ผลการตรวจคำขอนี้คือไม่รับ จึงอนุมัติหรือจ่ายไม่ได้ แก้คำขอหรือผลการตรวจก่อน ยังไม่มีการเปลี่ยนแปลง"


class GrantAddressTooLong(Problem):
    code, http_status = "grant-address-too-long", 422
    en = (
        "With the name, the safe address has {lines} lines, and {most} fit the envelope's window. Shorten it in "
        "the request, then approve. Nothing was changed."
    )
    th = (
        "ที่อยู่ที่ปลอดภัยรวมชื่อมี {lines} บรรทัด ช่องหน้าซองใส่ได้ {most} บรรทัด ย่อในคำขอแล้วอนุมัติใหม่ "
        "ยังไม่มีการเปลี่ยนแปลง"
    )


class LetterheadMissing(Problem):
    code, http_status = "letterhead-missing", 422
    en = (
        "The programme has no [letterhead], so no letter can be written. Add it to program.toml and install the "
        "programme again. Nothing was changed."
    )
    th = (
        "โครงการไม่มีส่วน [letterhead] จึงเขียนจดหมายไม่ได้ เพิ่มใน program.toml แล้วติดตั้งใหม่ "
        "ยังไม่มีการเปลี่ยนแปลง"
    )


class LetterAddressUnset(Problem):
    code, http_status = "letter-address-unset", 500
    en = (
        "The letter's QR code would lead to {address}, which only this computer knows. Set NAMJAI_BASE_URL to the "
        "public address, start again, then approve. Nothing was changed."
    )
    th = (
        "คิวอาร์โค้ดของจดหมายจะชี้ไปที่ {address} ซึ่งใช้ได้เฉพาะเครื่องนี้ ตั้ง NAMJAI_BASE_URL เป็นที่อยู่สาธารณะ เริ่มใหม่ "
        "แล้วอนุมัติอีกครั้ง ยังไม่มีการเปลี่ยนแปลง"
    )


class LetterWordingMissing(Problem):
    code, http_status = "letter-wording-missing", 422
    en = "There is no wording {file}. Write it, install the programme again, then approve. Nothing was changed."
    th = "ไม่มีข้อความจดหมาย {file} เขียนไฟล์นี้ ติดตั้งโครงการใหม่ แล้วอนุมัติอีกครั้ง ยังไม่มีการเปลี่ยนแปลง"


class LetterWordingUnchecked(Problem):
    code, http_status = "letter-wording-unchecked", 422
    en = (
        "{file} is a draft that no second reader has checked, and a real letter refuses it. Have it checked and "
        "take out “draft: yes”. Nothing was changed."
    )
    th = (
        "{file} ยังเป็นร่างที่ไม่มีผู้ตรวจทาน จดหมายจริงจึงใช้ไม่ได้ ให้ผู้อื่นตรวจแล้วเอา “draft: yes” ออก "
        "ยังไม่มีการเปลี่ยนแปลง"
    )


class LetterVoidAlready(Problem):
    code, http_status = "letter-void", 409
    en = "Letter {number} is void already. Nothing was changed."
    th = "จดหมาย {number} ถูกยกเลิกไปแล้ว ไม่มีการเปลี่ยนแปลง"


class LetterNotPrintedYet(Problem):
    code, http_status = "letter-not-printed", 409
    en = "Letter {number} is numbered, but its PDF is not made yet. Wait a minute and open it again."
    th = "จดหมาย {number} ได้เลขที่แล้ว แต่ยังทำไฟล์ PDF ไม่เสร็จ รอสักครู่แล้วเปิดใหม่"


class LetterChanged(Problem):
    code, http_status = "letter-changed", 500
    en = "What is stored of letter {number} is not what was issued. It is not shown; tell your administrator."
    th = "ข้อมูลที่เก็บของจดหมาย {number} ไม่ตรงกับฉบับที่ออก จึงไม่แสดง แจ้งผู้ดูแลระบบ"


# What a delivery brought that could not be followed. None of these is raised: the submission is kept, and the sentence
# stands on its page and in the inbox until somebody has seen to it.


class GrantAmountUnreadable(Problem):
    code, http_status = "grant-amount", 422
    en = (
        "The amount asked for is no sum of money, so no grant was made of it or changed. Have the request corrected on "
        "the tablet and sent again."
    )
    th = "อ่านจำนวนเงินที่ขอไม่ได้ จึงไม่ได้สร้างหรือแก้รายการเงินช่วยเหลือ ให้แก้คำขอในแท็บเล็ตแล้วส่งใหม่"


class GrantUnknown(Problem):
    code, http_status = "grant-unknown", 404
    en = (
        "This receipt is for a grant that nobody has asked for here. It is kept; find the request, which may still "
        "be on a tablet."
    )
    th = "ใบรับเงินนี้เป็นของคำขอที่ยังไม่มีในระบบ เก็บไว้แล้ว โปรดหาคำขอซึ่งอาจยังอยู่ในแท็บเล็ต"


class GrantAskedTwice(Problem):
    code, http_status = "grant-asked-twice", 409
    en = (
        "Another submission has asked for grant {number} already, so this one changed nothing. Ask the sender "
        "for a new request."
    )
    th = "มีคำขอ {number} จากข้อมูลอีกชุดอยู่แล้ว ชุดนี้จึงไม่เปลี่ยนอะไร ให้ผู้ส่งทำคำขอใหม่"


class GrantLeft(Problem):
    code, http_status = "grant-left", 409
    en = (
        "This edit asks for another grant and no longer for {number}, which can be neither approved nor paid. "
        "Refuse it, or have it asked for anew."
    )
    th = "ฉบับแก้ไขนี้ขอรายการอื่น ไม่ได้ขอ {number} แล้ว จึงอนุมัติหรือจ่ายไม่ได้ เลือกไม่อนุมัติ หรือให้ยื่นคำขอใหม่"


class GrantReceiptUnreadable(Problem):
    code, http_status = "grant-receipt-unreadable", 422
    en = (
        "The receipt of grant {number} has no day or no sum that can be read. Have it corrected on the tablet "
        "and sent again."
    )
    th = "ใบรับเงินของ {number} ไม่มีวันที่หรือจำนวนเงินที่อ่านได้ ให้แก้ในแท็บเล็ตแล้วส่งใหม่"


class GrantReceiptNotApproved(Problem):
    code, http_status = "grant-receipt-not-approved", 409
    en = (
        "A receipt came for grant {number}, which was not approved at that time. It is kept; find out whether "
        "money was paid."
    )
    th = "ใบรับเงินของ {number} เข้ามาเมื่อยังไม่ได้อนุมัติ เก็บไว้แล้ว โปรดตรวจสอบว่ามีการจ่ายเงินหรือไม่"


class GrantReceiptDiffers(Problem):
    code, http_status = "grant-receipt-differs", 409
    en = (
        "The sum on the receipt of grant {number} is not the sum that was approved. Find out why; both stand on "
        "the grant."
    )
    th = "จำนวนเงินในใบรับเงินของ {number} ไม่ตรงกับที่อนุมัติ โปรดตรวจสอบ ทั้งสองจำนวนอยู่ในหน้าเงินช่วยเหลือนี้"
