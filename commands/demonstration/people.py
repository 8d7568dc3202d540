"""Forty invented survivors and how they are known: pseudonyms in their own script. Knows words, no dates and no forms.

Pseudonyms are plants, weather, colours and lights. Legal names say in their own language that they are samples;
telephone numbers have a form (0 5000 xxxx) that nobody has, identity numbers begin with a digit that nobody is given.
"""
from __future__ import annotations

import random
import uuid
from dataclasses import dataclass

_LETTERS = "BCDFGHJKMNPQRTVX"


@dataclass(frozen=True, slots=True)
class Folk:
    """A people of the demonstration: what its survivors speak, where they come from, how a sample of a name looks.

    `lang` is the language tag of its script. A name is (given, family, given in Latin, family in Latin); `men` have
    their own where the language tells them apart.
    """

    lang: str
    nationality: str
    languages: tuple[str, ...]
    names: tuple[tuple[str, str, str, str], ...]
    country: str
    id_kind: str
    men: tuple[tuple[str, str, str, str], ...] = ()


THAI = Folk("th", "thai", ("th",), (
    ("สมมติ", "ตัวอย่างดี", "Sommut", "Tuayangdee"), ("ตัวอย่าง", "สมมติวงศ์", "Tuayang", "Sommutwong"),
    ("นามแฝง", "แบบทดลอง", "Namfaeng", "Baepthotlong"), ("จำลอง", "นามสมมติ", "Chamlong", "Namsommut"),
), "ไทย", "thai_id")
BURMESE = Folk("my", "myanmar", ("my", "th"), (
    ("မနမူနာ", "", "Ma Namuna", ""), ("မစမ်းသပ်", "", "Ma Santhat", ""), ("မဥပမာ", "", "Ma Upama", ""),
), "Myanmar", "pink_card", (("မောင်နမူနာ", "", "Maung Namuna", ""), ("မောင်ဥပမာ", "", "Maung Upama", "")))
KHMER = Folk("km", "cambodian", ("km",), (
    ("គំរូ", "ឧទាហរណ៍", "Kumru", "Uteahor"), ("សាកល្បង", "គំរូ", "Saklbang", "Kumru"),
), "Cambodia", "passport")
LAO = Folk("lo", "lao", ("lo", "th"), (
    ("ຕົວຢ່າງ", "ສົມມຸດ", "Touayang", "Sommout"), ("ທົດລອງ", "ຕົວຢ່າງ", "Thotlong", "Touayang"),
), "Lao PDR", "passport")
VIETNAMESE = Folk("vi", "vietnamese", ("vi", "en"), (("Thị Mẫu", "Ví", "Thi Mau", "Vi"), ("Thử", "Mẫu", "Thu", "Mau")),
                  "Viet Nam", "passport", (("Văn Mẫu", "Ví", "Van Mau", "Vi"), ("Thử", "Mẫu", "Thu", "Mau")))
PHILIPPINE = Folk("tl", "philippine", ("en",), (("Halimbawa", "Sample", "Halimbawa", "Sample"),), "Philippines",
                  "passport")
UGANDAN = Folk("en", "other", ("en",), (("Sample", "Example", "Sample", "Example"),), "Uganda", "passport")
CHINESE = Folk("zh", "chinese", ("zh",), (("Shili", "Yang", "Shili", "Yang"),), "China", "passport")
STATELESS = Folk("th", "stateless", ("shn", "th"), (("ตัวอย่าง", "", "Tuayang", ""),), "", "g_code")

# Own script, Latin, sex, people. The first is whose story is told.
_KNOWN: tuple[tuple[str, str, str, Folk], ...] = (
    ("မိုးပြာ", "Moe Pya", "female", BURMESE), ("น้ำฝน", "Nam Fon", "female", THAI),
    ("ស្រីពេជ្រ", "Srey Pich", "female", KHMER),
    ("Linh", "Linh", "female", VIETNAMESE), ("ทศ", "Thot", "male", THAI), ("ดาว", "Dao", "female", THAI),
    ("ນ້ອຍ", "Noi", "female", LAO), ("ខេមា", "Khema", "male", KHMER), ("စု", "Su", "female", BURMESE),
    ("စံပယ်", "Sabai", "female", BURMESE), ("ฝ้าย", "Fai", "female", THAI), ("Bo", "Bo", "male", VIETNAMESE),
    ("ใบบัว", "Bai Bua", "female", THAI), ("တိမ်", "Tein", "male", BURMESE), ("ດອກຄູນ", "Dok Khoun", "female", LAO),
    ("ภูผา", "Phu Pha", "male", THAI), ("ភ្លៀង", "Phlieng", "female", KHMER), ("နှင်းဆီ", "Hnin Si", "female", BURMESE),
    ("ตะวัน", "Tawan", "male", THAI), ("Tala", "Tala", "female", PHILIPPINE), ("ຈຳປາ", "Champa", "female", LAO),
    ("ข้าวหอม", "Khao Hom", "female", THAI), ("ပိတောက်", "Padauk", "male", BURMESE), ("ចន្ទ", "Chan", "female", KHMER),
    ("Amara", "Amara", "female", UGANDAN), ("สายน้ำ", "Sai Nam", "male", THAI), ("ကြယ်", "Kye", "female", BURMESE),
    ("ပန်းချီ", "Pan Chi", "male", BURMESE), ("ມົກ", "Mok", "male", LAO), ("ลูกหว้า", "Luk Wa", "female", THAI),
    ("Hoa", "Hoa", "female", VIETNAMESE), ("ផ្កា", "Phka", "female", KHMER), ("ปุยเมฆ", "Pui Mek", "female", THAI),
    ("သဇင်", "Thazin", "female", BURMESE), ("Yun", "Yun", "female", CHINESE), ("ชบา", "Chaba", "female", STATELESS),
    ("រំដួល", "Rumdul", "female", KHMER), ("ฟ้า", "Fah", "female", THAI), ("မြစ်", "Myit", "male", BURMESE),
    ("ໄຜ່", "Phai", "male", LAO),
)


@dataclass(frozen=True, slots=True)
class Survivor:
    """An invented person: what the team calls them, and the invented names that stand behind a mask."""

    number: int
    id: str
    code: str
    own: str
    latin: str
    sex: str
    folk: Folk
    names: tuple[str, str, str, str]

    @property
    def pseudonym(self) -> str:
        """As it is typed on the tablet: own script, then Latin for those who do not read it."""
        return self.own if self.own == self.latin else f"{self.own} {self.latin}"

    @property
    def label(self) -> str:
        return f"{self.code} · {self.pseudonym}"


def survivors(count: int, chance: random.Random) -> tuple[Survivor, ...]:
    """So many survivors, always the same for the same chance. Beyond forty, pseudonyms get a number."""
    made: list[Survivor] = []
    codes: set[str] = set()
    for number in range(count):
        own, latin, sex, folk = _KNOWN[number % len(_KNOWN)]
        turn = number // len(_KNOWN) + 1
        if turn > 1:
            own, latin = f"{own} {turn}", f"{latin} {turn}"
        code = case_code(chance)
        while code in codes:
            code = case_code(chance)
        codes.add(code)
        names = folk.men or folk.names if sex == "male" else folk.names
        made.append(Survivor(number, new_uuid(chance), code, own, latin, sex, folk, chance.choice(names)))
    return tuple(made)


def case_code(chance: random.Random) -> str:
    """Eight letters and a check letter, KTR-MDV-QHT, as the intake form makes them (Luhn in base sixteen)."""
    letters = "".join(chance.choice(_LETTERS) for _ in range(8))
    total = 0
    for place, letter in enumerate(reversed(letters)):
        value = _LETTERS.index(letter) * (2 if place % 2 == 0 else 1)
        total += value // 16 + value % 16
    whole = letters + _LETTERS[-total % 16]
    return f"{whole[:3]}-{whole[3:6]}-{whole[6:]}"


def new_uuid(chance: random.Random) -> str:
    """A random UUID (version 4) out of the given chance."""
    return str(uuid.UUID(int=chance.getrandbits(128), version=4))


def telephone(chance: random.Random) -> str:
    """A number of a form that no telephone has."""
    return f"0 5000 {chance.randrange(1, 1000):04d}"


def thai_identity(chance: random.Random, *, wrong: bool = False) -> str:
    """Thirteen digits that begin with 9, which no register gives; the last is the check digit, or a wrong one."""
    digits = [9, 9, 9, 9, 9, *(chance.randrange(10) for _ in range(7))]
    check = (11 - sum(digit * weight for digit, weight in zip(digits, range(13, 1, -1), strict=True)) % 11) % 10
    check = (check + 1) % 10 if wrong else check
    whole = "".join(map(str, (*digits, check)))
    return f"{whole[0]} {whole[1:5]} {whole[5:10]} {whole[10:12]} {whole[12]}"
