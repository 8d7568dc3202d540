"""What reading a server may say: why a source cannot be read, why one of its forms or rows waits.

They are raised by `sync` and shown by the pages, which may not know it; so they stand here. Their facts never hold what
a server answered: that may be survivors' data.
"""

from __future__ import annotations

from namjai.problems import Problem
from submissions.problems import DeliveryRefused


class SourceProblem(Problem):
    """A source cannot be read now."""

    code, http_status = "source-problem", 502
    en = "{name} could not be read. Nothing is lost; Namjai tries again. If it stays, tell your administrator."
    th = "อ่านข้อมูลจาก {name} ไม่ได้ ไม่มีข้อมูลสูญหาย ระบบจะลองใหม่ หากยังเป็นอยู่ให้แจ้งผู้ดูแลระบบ"


class SourceUnreachable(SourceProblem):
    code = "source-unreachable"
    en = (
        "{name} does not answer at {server}. Nothing is lost; Namjai tries again by itself. Check the "
        "address and the network."
    )
    th = "{name} ไม่ตอบที่ {server} ไม่มีข้อมูลสูญหาย ระบบจะลองใหม่เอง ตรวจที่อยู่และเครือข่าย"


class SourceSlow(SourceProblem):
    code = "source-slow"
    en = "{name} answers too slowly or is too busy. Namjai stopped waiting, keeps what came, and tries again later."
    th = "{name} ตอบช้าหรือมีงานมากเกินไป ระบบหยุดรอ เก็บข้อมูลที่มาแล้วไว้ และจะลองใหม่ภายหลัง"


class SourceBrokeOff(SourceSlow):
    code = "source-broke-off"
    en = "{name} broke off while it answered. Namjai keeps what came, and tries again later."
    th = "{name} ตัดการเชื่อมต่อระหว่างตอบ ระบบเก็บข้อมูลที่มาแล้วไว้ และจะลองใหม่ภายหลัง"


class SourceSignIn(SourceProblem):
    code, http_status = "source-sign-in", 401
    en = "{name} does not accept this account (email and password, or API key). Enter another one."
    th = "{name} ไม่รับบัญชีนี้ (อีเมลและรหัสผ่าน หรือ API key) กรอกบัญชีอื่น"


class SourceForbidden(SourceProblem):
    code, http_status = "source-forbidden", 403
    en = (
        "{name} says that this account may not read {what}. Give it the right there (Central: project "
        "viewer or manager; Kobo: view submissions)."
    )
    th = (
        "{name} แจ้งว่าบัญชีนี้ไม่มีสิทธิ์อ่าน {what} ให้สิทธิ์ที่เซิร์ฟเวอร์นั้น (Central: project "
        "viewer หรือ manager, Kobo: view submissions)"
    )


class SourceNotThere(SourceProblem):
    code, http_status = "source-not-there", 404
    en = "{name} has no {what}. Check the project number or the form there; perhaps this account may not see it."
    th = "{name} ไม่มี {what} ตรวจเลขโครงการหรือแบบฟอร์มที่เซิร์ฟเวอร์นั้น บัญชีนี้อาจไม่มีสิทธิ์เห็น"


class SourceTalksOtherwise(SourceProblem):
    code = "source-talks-otherwise"
    en = (
        "{name} answered with something else than its data, such as a sign-in page or half an answer. "
        "Check that {server} is the server itself."
    )
    th = "{name} ตอบสิ่งที่ไม่ใช่ข้อมูล เช่น หน้าเข้าสู่ระบบหรือคำตอบไม่ครบ ตรวจว่า {server} เป็นเซิร์ฟเวอร์นั้นจริง"


class SourceTooLarge(SourceTalksOtherwise):
    code = "source-too-large"
    en = (
        "{name} sent an answer of more than {most} MB, which Namjai does not read. It stays there; tell your "
        "administrator."
    )
    th = "{name} ส่งข้อมูลใหญ่กว่า {most} MB ซึ่งระบบไม่อ่าน ข้อมูลนี้ยังอยู่ที่เซิร์ฟเวอร์นั้น แจ้งผู้ดูแลระบบ"


class SourceElsewhere(SourceProblem):
    code = "source-elsewhere"
    en = (
        "{name} sent us to another server. Namjai did not follow, because that server would have seen "
        "the password. Correct the address."
    )
    th = "{name} ส่งต่อไปยังเซิร์ฟเวอร์อื่น ระบบไม่ตามไปเพราะรหัสผ่านจะรั่วไหล แก้ที่อยู่ให้ถูกต้อง"


class SourceFileElsewhere(SourceTalksOtherwise):
    code = "source-file-elsewhere"
    en = (
        "{name} keeps photos and files at another server. Namjai does not follow there, because that server would see "
        "the token. The answers were read; the files stay where they are."
    )
    th = (
        "{name} เก็บรูปและไฟล์ไว้ที่เซิร์ฟเวอร์อื่น ระบบไม่ตามไปเพราะโทเคนจะรั่วไหล "
        "อ่านคำตอบแล้ว ส่วนไฟล์ยังอยู่ที่เดิม"
    )


class SourceUncertain(SourceProblem):
    code = "source-uncertain"
    en = "{name} lists other numbers than it counts. Nothing was held for deleted; Namjai counts again in the next run."
    th = "{name} แสดงจำนวนรายการไม่ตรงกัน ระบบไม่ถือว่ารายการใดถูกลบ และจะนับใหม่รอบหน้า"


class SourcePartUnread(SourceProblem):
    """`part` of the source, all of it or some: the others are read. `reason`: the code of what stood in the way."""

    code = "source-part-unread"


class SourceFormUnread(SourcePartUnread):
    code = "source-form-unread"
    en = (
        "{name} did not give everything of the form {part} ({reason}). What came is kept and the rest was read; Namjai "
        "tries again in the next run. If it stays, look at that form on the server itself."
    )
    th = (
        "ยังอ่านแบบฟอร์ม {part} จาก {name} ได้ไม่ครบ ({reason}) ระบบเก็บข้อมูลที่มาแล้ว อ่านส่วนอื่นแล้ว และจะลองใหม่รอบหน้า "
        "หากยังเป็นอยู่ ตรวจแบบฟอร์มนี้ที่เซิร์ฟเวอร์นั้น"
    )


class SourceListUnread(SourcePartUnread):
    code = "source-list-unread"
    en = (
        "{name} did not give everything of the entity list {part} ({reason}). What came is kept and the rest was read; "
        "Namjai tries again in the next run. If it stays, look at that list on the server itself."
    )
    th = (
        "ยังอ่านรายชื่อ {part} จาก {name} ได้ไม่ครบ ({reason}) ระบบเก็บข้อมูลที่มาแล้ว อ่านส่วนอื่นแล้ว และจะลองใหม่รอบหน้า "
        "หากยังเป็นอยู่ ตรวจรายชื่อนี้ที่เซิร์ฟเวอร์นั้น"
    )


class SourceFilesUnread(SourcePartUnread):
    code = "source-files-unread"
    en = (
        "{name} did not give all photos and files ({reason}). The answers were read; Namjai asks for the files again, "
        "later and later. If it stays, look whether that server itself still shows them."
    )
    th = (
        "ยังอ่านรูปและไฟล์จาก {name} ได้ไม่ครบ ({reason}) อ่านคำตอบแล้ว ระบบจะขอไฟล์อีกเป็นระยะ "
        "หากยังเป็นอยู่ ตรวจว่าเซิร์ฟเวอร์นั้นยังแสดงไฟล์ได้หรือไม่"
    )


class SourceFormUnknown(SourceProblem):
    code, http_status = "source-form-unknown", 404
    en = "{name} shows this account no form {form}. It shows: {known}. Nothing was added."
    th = "{name} ไม่แสดงแบบฟอร์ม {form} ให้บัญชีนี้ ที่แสดงคือ {known} ยังไม่ได้เพิ่มแหล่งข้อมูล"


class RunInterrupted(SourceProblem):
    code = "run-interrupted"
    en = "A run of {name} was cut short, by a restart or a lost connection. The next one goes on where it was."
    th = "การอ่าน {name} หยุดกลางคัน เพราะระบบเริ่มใหม่หรือการเชื่อมต่อขาด รอบถัดไปจะอ่านต่อจากเดิม"


class FormElsewhere(Problem):
    code, http_status = "source-form-differs", 502
    en = (
        "{name} has a form {form} whose XForm cannot be used here ({reason}). Its submissions wait; the "
        "other forms are read."
    )
    th = "{name} มีแบบฟอร์ม {form} ที่ใช้ XForm ไม่ได้ ({reason}) ข้อมูลของแบบฟอร์มนี้รออยู่ แบบฟอร์มอื่นอ่านตามปกติ"


class ListKeptHere(Problem):
    code, http_status = "source-list-kept-here", 409
    en = (
        "{name} has an entity list {list} that {home} keeps already, and only one may write it: {name}'s is left out. "
        "Everything else was read. To follow both, give the list another name in one of the forms."
    )
    th = (
        "{name} มีรายชื่อ {list} ซึ่ง {home} ดูแลอยู่แล้ว และเขียนได้เพียงที่เดียว ระบบจึงข้ามของ {name} ข้อมูลอื่นอ่านตามปกติ "
        "หากต้องการทั้งสอง ให้ตั้งชื่อรายชื่อใหม่ในแบบฟอร์มหนึ่ง"
    )


class RowBroken(DeliveryRefused):
    code, http_status = "row-broken", 422
    en = (
        "This submission could not be taken: reading it failed three times. It is kept here whole; tell "
        "your administrator."
    )
    th = "รับข้อมูลรายการนี้ไม่ได้ การอ่านล้มเหลวสามครั้ง ข้อมูลถูกเก็บไว้ทั้งหมด แจ้งผู้ดูแลระบบ"
