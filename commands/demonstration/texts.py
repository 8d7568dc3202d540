"""What the invented team writes: notes, reasons, comments, in Thai and English. Knows words only.

Sober on purpose: a demonstration needs no details of what was done to anybody.
"""
from __future__ import annotations

# Where they met → what was observed.
OBSERVED: dict[str, tuple[str, ...]] = {
    "shelter": (
        "นอนหลับดีขึ้น กินข้าวได้ครบสามมื้อ เริ่มเล่าเรื่องที่โรงเรียนเก่า",
        "อารมณ์ดีกว่าครั้งก่อน ช่วยงานครัวและเริ่มเรียนเย็บผ้า",
        "ยังตกใจเมื่อมีคนเดินเข้ามาใกล้ ขอให้เปิดไฟไว้ตอนกลางคืน",
        "ถามเรื่องกลับบ้านหลายครั้ง อธิบายขั้นตอนให้ฟังแล้ว",
        "เข้ากับเพื่อนร่วมห้องได้ดี อยากเรียนภาษาไทยต่อ",
        "Sleeps better and eats with the others. Asked when her papers will be ready.",
        "Calm today. Showed the drawing she made and talked about her sister.",
        "Restless: two new arrivals in the room. The house mother will move her bed.",
        "Takes part in the morning class. Wants to learn to cook for a job.",
        "Headaches at night. The nurse will see him on Thursday.",
    ),
    "home": (
        "บ้านเรียบร้อย ญาติดูแลดี มีข้าวและน้ำพอใช้",
        "เริ่มขายขนมหน้าบ้าน รายได้วันละสองสามร้อยบาท",
        "พ่อไม่อยู่บ้าน ได้คุยกันตามลำพัง บอกว่ารู้สึกปลอดภัย",
        "เพื่อนบ้านถามเรื่องที่หายไป ตกลงกันว่าจะตอบว่าไปทำงาน",
        "The aunt keeps her word: school in the morning, help in the shop after four.",
        "The roof leaks over the bed. He asked for nothing; we saw it ourselves.",
        "Laughs more. The younger brother follows her everywhere.",
        "A man she does not know asked the neighbours for her. Safety plan gone through again.",
    ),
    "school": (
        "ครูบอกว่ามาเรียนครบทุกวัน คะแนนคณิตศาสตร์ดีขึ้น",
        "ขาดเรียนสามวันเพราะไม่มีค่ารถ คุยกับครูแล้ว",
        "มีเพื่อนสนิทสองคน อยากเข้าชมรมดนตรี",
        "Came to every lesson this month. The teacher knows nothing and need not.",
        "Wants to move to the vocational class: hairdressing.",
    ),
    "work": (
        "นายจ้างจ่ายค่าจ้างตรงเวลา มีเพื่อนร่วมงานคอยช่วย",
        "Works six days a week in a bakery; tired but proud of the first wage.",
    ),
    "office": (
        "มากรอกเอกสารขอทำบัตรด้วยกัน ล่ามช่วยอธิบายทุกข้อ",
        "Went through the statement with Wan. Wants to read it once more before signing.",
    ),
    "court": (
        "รอหน้าห้องพิจารณาสองชั่วโมง ตื่นเต้นแต่ตอบคำถามได้ครบ",
        "Gave evidence behind a screen. Cried afterwards, then slept in the car.",
    ),
    "hospital": (
        "หมอนัดอีกครั้งสัปดาห์หน้า ยาเดิม อาการคงที่",
        "Check-up without findings. Afraid of needles; took it bravely.",
    ),
    "phone": (
        "รับสายเอง เสียงสดใส บอกว่างานยังไปได้ดี",
        "สายหลุดสองครั้ง นัดโทรใหม่วันเสาร์",
        "ป้าเป็นคนรับ บอกว่าสบายดี ขอให้โทรหลังหกโมงเย็น",
        "Short call, somebody was in the room. All well; will ring back on Sunday.",
        "Good news: the school has a place from next term.",
        "Sounds tired. Money is short until the harvest.",
    ),
}
NEXT_NOTES = (
    "นำเอกสารชุดใหม่ไปด้วย", "พาล่ามไปด้วย", "ถามเรื่องผลตรวจ", "โทรก่อนไปครึ่งชั่วโมง", "Bring the school form.",
    "Ask about sleep.", "Take the letter along.", "Meet at the market, not at home.",
)
RISK_WHY = (
    "ผู้ต้องสงสัยได้ประกันตัวและรู้ที่อยู่ของครอบครัว", "มีคนโทรหาน้องสาวถามว่าอยู่ที่ไหน",
    "The recruiter lives in the same street as her family.",
    "Debt still claimed from the parents; two visits this month.",
)
WITHHOLD = ("ที่พักและชื่อโรงเรียน", "Where she lives and where she goes to school", "เบอร์โทรของญาติ")
SAFE_WHO = ("เจ้าตัวเท่านั้น", "แม่หรือเจ้าตัว", "Her aunt only", "ครูที่ปรึกษา", "The shelter's duty officer")
SAFE_SAY = (
    "จากร้านตัดเสื้อ", "ครูแนนจากชั้นเรียนเย็บผ้า", "“Fon from the sewing class”", "From the language school",
    "เพื่อนจากที่ทำงานเก่า",
)
SAFE_NEVER = (
    "ห้ามฝากข้อความ", "ห้ามโทรตอนกลางคืน", "Never leave a voice message. Never send post with a logo.",
    "Never call when the father is at home.", "ห้ามบอกว่าโทรจากมูลนิธิ",
)
HAS_ISSUES = (
    "วันที่นัดครั้งต่อไปตรงกับวันหยุด ช่วยแก้วันและส่งใหม่", "ช่วยเพิ่มว่าใครอยู่ด้วยตอนคุย",
    "The risk went down, but the note says a stranger asked for her. Check and send again.",
    "รูปใบเสร็จอ่านไม่ออก ถ่ายใหม่ได้ไหม",
)
REJECTED = (
    "ส่งซ้ำกับการเยี่ยมวันก่อน", "Filled in for the wrong person; the right visit came an hour later.", "เป็นการทดลองส่ง",
)
REMARKS = (
    "ขอบคุณ ละเอียดดีมาก", "เห็นด้วย นัดล่ามไว้ให้แล้ว", "Good. I told Wan about the hearing date.",
    "Thank you. Please ring her on Saturday as she asked.", "ฝากถามเรื่องค่ารถครั้งหน้า",
)
RECOMMENDED = {
    "scholarship": "Recommended: checked with the school and the family.", "other": "เห็นควรอนุมัติ เอกสารครบ",
}
REFUSED = (
    "ได้รับความช่วยเหลือเรื่องเดียวกันจากหน่วยงานรัฐแล้วเดือนนี้",
    "The embassy pays this journey. Ask again if it does not, and we decide the same day.",
)
# Kind of grant → (reason in the request, what the letter says it is for, in Thai and in English).
ASKED: dict[str, tuple[tuple[str, str, str], ...]] = {
    "cash": (
        ("ค่าเช่าห้องเดือนแรกก่อนได้ค่าจ้าง", "ค่าเช่าห้องเดือนแรกและของใช้จำเป็น", "the first month's rent and things for the room"),
        ("Sewing machine: she has three orders already.", "ค่าจักรเย็บผ้าและผ้า", "a sewing machine and the first cloth"),
        ("อุปกรณ์ทำขนม เริ่มขายหน้าบ้าน", "ค่าอุปกรณ์ทำขนมและวัตถุดิบชุดแรก", "baking tools and the first ingredients"),
    ),
    "scholarship": (
        ("Back at school since May; the family cannot pay term fees.", "ค่าเล่าเรียน ชุดนักเรียน และค่าเดินทางไปเรียน",
         "tuition, a school uniform and travel to school"),
        ("เรียนสายอาชีพ ต้องซื้ออุปกรณ์เอง", "ค่าเล่าเรียนและอุปกรณ์ฝึกงาน", "tuition and tools for training"),
    ),
    "travel": (
        ("Handover at the border next week; nobody else pays the way home.", "ค่าเดินทางกลับบ้าน", "the journey home"),
        ("ญาติรอรับที่สถานี ต้องต่อรถและพักหนึ่งคืน", "ค่าเดินทางกลับบ้านและที่พักหนึ่งคืน", "the journey home and one night's lodging"),
    ),
    "medical": (
        ("ทำฟันสองซี่ โรงพยาบาลนัดแล้ว", "ค่ารักษาทางทันตกรรม", "dental treatment"),
        ("Glasses: cannot read the blackboard.", "ค่าแว่นสายตา", "a pair of glasses"),
    ),
    "other": (
        ("ค่าธรรมเนียมทำหนังสือเดินทาง", "ค่าธรรมเนียมเอกสารเดินทาง", "the fee for a travel document"),
    ),
}
AMOUNTS = {
    "cash": (2500, 3500, 4800, 6000, 8500), "scholarship": (9000, 12000, 15000), "travel": (1800, 3200, 9500),
    "medical": (1200, 2900, 6400), "other": (1000, 1500),
}
SCHOOLS = ("โรงเรียนสมมติวิทยา", "โรงเรียนตัวอย่างพัฒนา", "วิทยาลัยอาชีวศึกษาสมมติ", "ศูนย์การเรียนตัวอย่าง")
# What [letter_fields] expect of the form's own calculations.
PAYMENT = {
    "th": {
        "cash": "มอบเงินสดแก่ท่าน", "transfer": "โอนเงินเข้าบัญชีที่ท่านแจ้งไว้", "school": "โอนเงินให้สถานศึกษา",
        "split": "โอนค่าเล่าเรียนให้สถานศึกษา และมอบส่วนที่เหลือแก่ท่าน", "provider": "ชำระเงินแก่ผู้ให้บริการ",
    },
    "en": {
        "cash": "hand you the money in cash", "transfer": "transfer the money to the account that you named",
        "school": "pay the school", "split": "pay the tuition to the school, and give the rest to you,",
        "provider": "pay the provider",
    },
}


def term(language: str, which: str, school_year: int) -> str:
    """The term as the request form calculates it, in the letter's language. The year is of the Buddhist era."""
    if language == "th":
        return f"{'ภาคฤดูร้อน' if which == 'summer' else f'ภาคเรียนที่ {which}'} ปีการศึกษา {school_year}"
    name = {"1": "the first term", "2": "the second term"}.get(which, "the summer term")
    return f"{name} of the school year {school_year - 543}"
