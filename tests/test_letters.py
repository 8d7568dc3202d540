"""A printed letter, read back from the bytes that would be printed. Everybody in it is invented."""
import hashlib
import io
import json
import logging
import re
import sys
from pathlib import Path

import pypdf
import pytest
import zxingcpp
from letter_samples import (
    LETTERS,
    NUMBERS,
    QR,
    RETURN_LINE,
    TRIAL,
    WORDING,
    bilingual,
    flat,
    letter,
    output,
    pages,
    picture,
    says,
    text_of,
    within,
    words,
)
from PIL import Image, ImageChops, ImageDraw, ImageFont, ImageOps

import exports.letters as letters
from exports.breaking import running_text, thai_numbers
from exports.letters import LetterData, Window, render_letter
from exports.pouring import poured
from namjai.settings import FONTS, ROOT
from odk.letter import printed_number


@pytest.fixture
def printed(tmp_path):
    """Prints a letter into a file and gives its path."""
    def render(data: LetterData) -> Path:
        file = tmp_path / f"{hashlib.sha256(repr(data).encode()).hexdigest()[:8]}.pdf"
        file.write_bytes(render_letter(data))
        return file
    return render


@pytest.mark.parametrize("language", ["th", "en"])
def test_who_gets_how_much_for_what_until_when_reads_back(printed, language):
    pdf = printed(letter(language))
    first, second = text_of(pdf, 1), text_of(pdf, 2)
    for said in {"th": ("ทศ๐๓๑๒/๒๕๖๙", "๒๖พฤศจิกายนพ.ศ.๒๕๖๙", "๑๒,๐๐๐บาท(หนึ่งหมื่นสองพันบาทถ้วน)", "คุณฟ้าใสใจตัวอย่าง", "SF-2026-0147ลงวันที่๑๒พฤศจิกายนพ.ศ.๒๕๖๙",
                        "ภายในวันที่๔ธันวาคมพ.ศ.๒๕๖๙", "ภาคเรียนที่๒ปีการศึกษา๒๕๖๙", "วิทยาลัยสมมติ"),
                 "en": ("TS0312/2026", "26November2026", "12,000baht(twelvethousandbaht)", "DearFasaiJaituayang", "SF-2026-0147of12November2026", "by4December2026")}[language]:
        assert said in first
    for said in {"th": ("นางสาวฟ้าใสใจตัวอย่าง", "๑๒,๐๐๐บาท(หนึ่งหมื่นสองพันบาทถ้วน)", "มูลนิธิตัวอย่างเพื่อการดูแล", "พยานคนที่๒"),
                 "en": ("I,FasaiJaituayang,havereceived12,000baht(twelvethousandbaht)", "Witness2", "paymenttotheschool")}[language]:
        assert said in second
    assert pages(pdf) == 2


def test_the_part_that_the_payee_keeps_names_no_organisation_and_no_person(printed):
    kept = flat("".join(w[0] for w in words(printed(letter()), 2) if 210 < w[2] < 280))
    assert "๑๒,๐๐๐บาท" in kept and "หนึ่งหมื่นสองพันบาทถ้วน" in kept
    for hidden in ("มูลนิธิ", "ฟ้าใส", "ใจตัวอย่าง"):
        assert hidden not in kept


@pytest.mark.parametrize("kind", LETTERS)
def test_the_envelope_window_shows_the_safe_address_and_nothing_else(printed, kind):
    data = LETTERS[kind]()
    pdf = printed(data)
    assert flat("".join(within(pdf, 24.6, 39.5, 120, 66.3))) == flat("".join(data.window.lines))
    # The sheet slips 10 mm sideways and 5 mm up or down.
    allowed = flat("".join(data.window.lines) + data.window.return_line)
    assert [word for word in within(pdf, 14.6, 34.5, 130, 71.3) if flat(word) not in allowed] == []


@pytest.mark.parametrize("kind", LETTERS)
def test_nothing_stands_outside_the_margins_and_no_font_is_borrowed(printed, kind):
    pdf = printed(LETTERS[kind]())
    for page in range(1, pages(pdf) + 1):
        # The trial mark lies across the sheet; its letters come one by one.
        assert [w for w in words(pdf, page) if (w[3] > 190.6 or w[1] < 3 or w[4] > 290) and len(w[0]) > 1] == []
    fonts = output("pdffonts", pdf).splitlines()[2:]
    assert fonts and all(re.search("sarabun|maitree|noto-sans", font) for font in fonts)


def test_a_handed_over_letter_prints_no_address_and_no_return_line(printed):
    pdf = printed(letter(window=Window(return_line=RETURN_LINE)))
    assert within(pdf, 14.6, 34.5, 130, 71.3) == [] and "คุณฟ้าใสใจตัวอย่าง" in text_of(pdf, 1)


def test_thai_digits_never_stand_in_an_address(printed):
    pdf = printed(letter(window=Window(lines=("ร้านสมมติ", "๙๙/๙ ถนนสมมติ ๕๐๐๐๐"))))
    assert "99/9ถนนสมมติ50000" in flat("".join(within(pdf, 24.6, 39.5, 120, 66.3)))


@pytest.mark.parametrize("name", ["ใจตัวอย่างยืนยาวนานเหลือเกิน " * 5, "ก" * 200, "Wolfeschlegelsteinhausenbergerdorff" * 4])
def test_a_name_of_120_characters_stays_on_the_paper(printed, name):
    name = name[:120].strip()
    pdf = printed(letter(values={"recipient": name, "payee": name}))
    assert flat(name) in text_of(pdf, 1) and pages(pdf) == 2
    assert [w for w in words(pdf, 1) + words(pdf, 2) if w[3] > 190.6] == []


def test_what_is_empty_leaves_no_hole(printed):
    without, full = (text_of(printed(letter(values=more))) for more in ({"school": ""}, {"condition": "ส่งผลการเรียน", "payee_id": "ไม่มี"}))
    assert "๓." not in without and "เลขประจำตัว" not in without and "ระหว่างศึกษาที่" not in without
    assert "๓." in full and "เลขประจำตัวไม่มี" in full


@pytest.mark.parametrize("nasty", ["{{ 7*7 }} {% raw %}", "<script>alert(1)</script>", "**b** ((amount))", "[x](http://x.example) &amp; `c` # h", "\ue000amount\ue001", "</p><img src=file:///etc/passwd>"])
def test_a_value_prints_as_it_was_typed(printed, nasty):
    pdf = printed(letter("en", values={"recipient": nasty, "condition": nasty}))
    assert text_of(pdf).count(flat(re.sub("[\ue000\ue001]", "", nasty))) >= 2


def test_what_nobody_sees_neither_stops_nor_slows_a_letter(printed):
    body = WORDING["en"].replace("Thank you", "Thank\u2011you\u200e\u00ad, \ufeffdear\u2009friend")
    pdf = printed(letter("en", wording={"en": body}, values={"recipient": "Fa\u200bsai\u2003Jai\u2011tuayang\n"}))
    assert "Thank-you,dearfriend" in text_of(pdf) and "DearFasaiJai-tuayang," in text_of(pdf)


def test_codes_stay_arabic_and_numbers_in_thai_text_become_thai():
    assert thai_numbers("ชั้นปีที่ 2 ปี 2569 รวม 1,500.50 บาท SF-2026-0147 ม.3/2 A4") == "ชั้นปีที่ ๒ ปี ๒๕๖๙ รวม ๑,๕๐๐.๕๐ บาท SF-2026-0147 ม.3/2 A4"


def test_a_draft_prints_on_trial_and_says_that_it_is_one(printed):
    assert "Draft,notyetchecked" in text_of(printed(bilingual()))


def test_a_longer_wording_gets_less_air_before_it_is_refused(printed):
    body = WORDING["th"] + "\nย่อหน้านี้เพิ่มเข้ามาเพื่อให้จดหมายยาวกว่าที่เคย และยังต้องอยู่ในหน้าเดียว\n" * 2
    pdf = printed(letter(wording={"th": body}))
    assert pages(pdf) == 2 and "ขอแสดงความนับถือ" in text_of(pdf, 1)


def test_a_trial_letter_carries_its_own_number_and_a_mark_on_every_page(printed):
    pdf, real = printed(letter(**TRIAL)), printed(letter())
    assert "๐๓๑๒" not in text_of(pdf) and "ทดลอง๐๐๐๑/๒๕๖๙" in text_of(pdf, 1) and "ทดลอง๐๐๐๑/๒๕๖๙" in text_of(pdf, 2)
    for page in (1, 2):
        # The mark's grey, which nothing else on the paper has.
        marked, clean = (picture(one, 50, page=page).crop((100, 200, 320, 480)).histogram() for one in (pdf, real))
        assert sum(marked[225:240]) > sum(clean[225:240]) + 1000


@pytest.mark.parametrize("kind", LETTERS)
def test_the_code_reads_from_a_black_and_white_print(printed, kind):
    assert [one.text for one in zxingcpp.read_barcodes(picture(printed(LETTERS[kind]()), 150, mono=True))] == [QR]


def test_a_sum_in_words_and_a_number_are_not_broken_over_two_lines():
    wording = "---\nsubject: Receipt\n---\n\nUnder ((number)) I received ((amount_words))."
    html = poured(wording, letter("en", printed_number="TRIAL 0018/2026"), "en", "receipt").html
    assert '<span class="keep">TRIAL\u00a00018/2026</span>' in html and "twelve\u00a0thousand\u00a0baht" in html


def test_the_kept_end_of_a_paragraph_does_not_cut_a_compound():
    html = running_text("<p>ไว้ถูกต้องครบถ้วนแล้ว จึงลงลายมือชื่อหรือพิมพ์ลายนิ้วมือไว้เป็นหลักฐาน</p>", "th")
    assert "พิมพ์<" in html and "ลายนิ้ว<" not in html


def test_equal_data_gives_equal_bytes_in_any_process(tmp_path):
    here = hashlib.sha256(render_letter(letter())).hexdigest()
    assert hashlib.sha256(render_letter(letter())).hexdigest() == here
    (tmp_path / "letter.json").write_text(json.dumps(letter().to_json()))
    code = ("import hashlib, json, sys; from exports.letters import LetterData, render_letter; "
            "print(hashlib.sha256(render_letter(LetterData.from_json(json.load(open(sys.argv[1]))))).hexdigest())")
    assert output(sys.executable, "-c", code, tmp_path / "letter.json").strip() == here


def test_the_letter_carries_its_data_and_no_name_in_its_title():
    reader = pypdf.PdfReader(io.BytesIO(render_letter(letter())))
    [data] = reader.attachments["letter.json"]
    assert LetterData.from_json(json.loads(data)) == letter()
    assert reader.metadata.title == NUMBERS["th"] and "ฟ้าใส" not in str(dict(reader.metadata))


def test_the_file_holds_nothing_that_the_paper_does_not_say():
    reader = pypdf.PdfReader(io.BytesIO(render_letter(letter(values={"condition_2": "secret", "note": "secret"}))))
    assert b"secret" not in reader.attachments["letter.json"][0]


@pytest.mark.parametrize("url", ["https://namjai.example.org/verify/AC-L-2026-0203?k=0123456789abcdef0123456789abcdef", "http://192.0.2.20:8000/verify/AC-T-2026-0001?k=abcDEF0123456789_-xyz"])
def test_a_long_address_behind_the_code_still_reads_from_a_black_and_white_print(printed, url):
    assert [one.text for one in zxingcpp.read_barcodes(picture(printed(letter(verify_url=url)), 150, mono=True))] == [url]


def test_the_engine_ignores_nothing_in_our_stylesheets(caplog):
    letters._stylesheet.cache_clear()
    with caplog.at_level(logging.WARNING, "weasyprint"):
        render_letter(letter())
        render_letter(bilingual())
    assert caplog.messages == []


def test_each_series_prints_its_own_number():
    day = letters.dt.date(2026, 11, 26)
    assert printed_number("ทศ {number}/{year}", 312, day, "th") == "ทศ ๐๓๑๒/๒๕๖๙"
    assert printed_number("TS {number}/{year}", 312, day, "en") == "TS 0312/2026"
    assert printed_number("ทศ {number}/{year}", 1, day, "my-th", trial=True) == "ทดลอง ๐๐๐๑/๒๕๖๙"


def ink(image: Image.Image, size: tuple[int, int] = (240, 60)) -> Image.Image:
    return ImageOps.invert(image).crop(ImageOps.invert(image).getbbox()).resize(size)


def likeness(one: Image.Image, other: Image.Image) -> float:
    difference = ImageChops.difference(ink(one), ink(other))
    return 1 - sum(difference.getdata()) / 255 / (240 * 60)


def drawn(text: str, font: str) -> Image.Image:
    """The text as the font file itself draws it."""
    image = Image.new("L", (1600, 200), 255)
    ImageDraw.Draw(image).text((40, 40), text, font=ImageFont.truetype(FONTS / font, 60), fill=0)
    return image


@pytest.mark.parametrize(("text", "font", "other"), [
    ("0123456789", "sarabun-latin-400.ttf", "กขคงจฉชซฌญ"), ("กขคงจฉชซ", "sarabun-thai-400.ttf", "0123456789"), ("๐๑๒๓๔๕๖๗๘๙", "sarabun-thai-400.ttf", "กขคงจฉชซฌญ"),
    ("Hamburg", "sarabun-latin-400.ttf", "กขคงจฉชซฌญ"), ("ကခဂဃင", "noto-sans-myanmar-myanmar-400.ttf", "စဆဇဈည"),
    ("កខគឃង", "noto-sans-khmer-khmer-400.ttf", "ចឆជឈញ"), ("ກຂຄງຈ", "noto-sans-lao-lao-400.ttf", "ສຊຍດຕ"),
])
def test_each_script_prints_its_own_glyphs(printed, text, font, other):
    pdf = printed(says(f"**Begin** กก 00 xx {text} xx"))
    word = next(w for w in words(pdf) if w[0] == text)
    page, scale = picture(pdf, 300), 300 / 25.4
    seen = page.crop(tuple(int(side * scale) for side in word[1:]))
    right = likeness(seen, drawn(text, font))
    wrong = likeness(seen, drawn(other, font if font.startswith("noto") else "sarabun-latin-400.ttf" if other[0] == "0" else "sarabun-thai-400.ttf"))
    assert right > 0.88 and right > wrong + 0.1


@pytest.mark.parametrize("file", sorted(ROOT.glob("forms/*/letters/*.md")), ids=lambda file: file.name)
def test_every_wording_that_we_ship_prints(printed, file):
    name, language, _ = file.name.split(".")
    wording = {language: file.read_text("utf-8")}
    pdf = printed(letter(language, receipt=wording) if name == "receipt" else letter(language, wording=wording, trial=True, printed_number="TRIAL 0001"))
    assert pages(pdf) == 2


def test_sixty_letters_need_no_more_memory_than_twenty():
    def memory() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    for count in range(60):
        render_letter(letter(receipt=False, number=f"AC-L-2026-{count:04d}", values={"recipient": f"Fasai {count}"}))
        if count == 20:
            before = memory()
    # Letters that stayed took 1.9 MB each, 74 in all; letters that go take 1.5 in all, and up to 14 beside other work.
    assert memory() - before < 30_000_000
