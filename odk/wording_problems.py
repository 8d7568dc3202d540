"""What is said of a letter, or of its wording, that cannot be printed as it stands."""
from __future__ import annotations

from namjai.problems import Problem


class WordingHeadBroken(Problem):
    code, http_status = "letter-wording-head", 422
    en = (
        "{file}, line {line}: the head is not right. It stands between two lines of ---, has a subject, and only: "
        "subject, dear, reference, enclosed, close, draft."
    )
    th = (
        "{file} บรรทัด {line}: ส่วนหัวไม่ถูกต้อง ต้องอยู่ระหว่างบรรทัด --- สองบรรทัด มี subject และใช้ได้เฉพาะ "
        "subject, dear, reference, enclosed, close, draft"
    )


class WordingEmpty(Problem):
    code, http_status = "letter-wording-empty", 422
    en = "{file}: there is no text below the head. Write what the letter says."
    th = "{file}: ไม่มีข้อความใต้ส่วนหัว เขียนเนื้อความของจดหมาย"


class WordingBoldOpen(Problem):
    code, http_status = "letter-wording-bold", 422
    en = "{file}, line {line}: ** opens bold text and does not close it. Put ** at both ends, in one paragraph."
    th = "{file} บรรทัด {line}: มี ** เปิดตัวหนาแต่ไม่มีปิด ใส่ ** ทั้งหน้าและหลังในย่อหน้าเดียวกัน"


class WordingPairsDiffer(Problem):
    code, http_status = "letter-wording-pairs", 422
    en = (
        "The letter in {first} has {one} paragraphs and list items, in {second} {other}. Make them the same, so that "
        "each stands beside its translation."
    )
    th = (
        "จดหมายภาษา {first} มี {one} ย่อหน้าและข้อ แต่ภาษา {second} มี {other} แก้ให้เท่ากัน "
        "เพื่อให้แต่ละข้ออยู่คู่กับคำแปล"
    )


class PlaceholderBroken(Problem):
    code, http_status = "letter-placeholder-broken", 422
    en = (
        "{file}, line {line}: a placeholder is not closed, holds another, or has a name of other letters. Write "
        "((name)) or ((name??text)), the name in small Latin letters."
    )
    th = (
        "{file} บรรทัด {line}: ช่องแทนค่าไม่ปิด ซ้อนกัน หรือชื่อใช้อักษรอื่น เขียน ((name)) หรือ ((name??ข้อความ)) "
        "โดยชื่อเป็นอักษรละตินตัวเล็ก"
    )


class PlaceholderUnknown(Problem):
    code, http_status = "letter-placeholder-unknown", 422
    en = (
        "{file}, line {line}: (({name})) is not on the list of placeholders. Correct its name, or take it out. "
        "Nothing was printed."
    )
    th = "{file} บรรทัด {line}: ไม่มีช่องแทนค่าชื่อ (({name})) แก้ชื่อหรือเอาออก ยังไม่มีการพิมพ์"


class PlaceholderEmpty(Problem):
    code, http_status = "letter-placeholder-empty", 422
    en = (
        "{file}: (({name})) has no value in this letter. Fill it in, or make it optional in the wording: "
        "(({name}??text)). Nothing was printed."
    )
    th = (
        "{file}: ช่อง (({name})) ไม่มีค่าในจดหมายนี้ กรอกให้ครบ หรือทำให้เว้นได้ในข้อความ: (({name}??ข้อความ)) "
        "ยังไม่มีการพิมพ์"
    )


class LetterWordingDraft(Problem):
    code, http_status = "letter-wording-draft", 422
    en = (
        "The wording in {language} is a draft that no second reader has checked, so letter {number} was not printed. "
        "Have it checked, take out “draft: yes”, then print again."
    )
    th = (
        "ข้อความภาษา {language} ยังเป็นร่างที่ไม่มีผู้ตรวจทาน จึงยังไม่พิมพ์จดหมาย {number} ให้ผู้อื่นตรวจ เอา "
        "“draft: yes” ออก แล้วพิมพ์อีกครั้ง"
    )


class LetterNumberSeries(Problem):
    code, http_status = "letter-number-series", 500
    en = "Letter {number} mixes the trial series with the real one. Nothing was printed; tell your administrator."
    th = "จดหมาย {number} ใช้เลขที่ชุดทดลองปนกับชุดจริง ยังไม่มีการพิมพ์ แจ้งผู้ดูแลระบบ"


class LetterLanguageUnknown(Problem):
    code, http_status = "letter-language-unknown", 422
    en = (
        "There is no wording for letter {number} in the language “{language}”. Choose another language, or add the "
        "wording file."
    )
    th = "ไม่มีข้อความของจดหมาย {number} ในภาษา “{language}” เลือกภาษาอื่น หรือเพิ่มไฟล์ข้อความ"
