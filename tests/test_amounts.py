"""Sums and days as letters write them."""
import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exports.amounts import LARGEST, amount_in_digits, amount_in_words, english_number, letter_date

ONES = {word: n for n, word in enumerate(
    ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"])}
TENS = {word: 10 * n for n, word in enumerate(["-", "-", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"])}
SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
THAI_ONES = {"หนึ่ง": 1, "เอ็ด": 1, "สอง": 2, "ยี่": 2, "สาม": 3, "สี่": 4, "ห้า": 5, "หก": 6, "เจ็ด": 7, "แปด": 8, "เก้า": 9, "ศูนย์": 0}
THAI_SCALES = {"สิบ": 10, "ร้อย": 100, "พัน": 1000, "หมื่น": 10_000, "แสน": 100_000}


def read_english(text: str) -> int:
    total = part = 0
    for word in text.replace("-", " ").replace(" and ", " ").split():
        if word in SCALES:
            total, part = total + part * SCALES[word], 0
        elif word == "hundred":
            part *= 100
        else:
            part += ONES.get(word, TENS.get(word, 0))
    return total + part


def read_thai(text: str) -> int:
    total = one = part = 0
    while text:
        word = next(one for one in (*THAI_ONES, *THAI_SCALES, "ล้าน") if text.startswith(one))
        text = text.removeprefix(word)
        if word == "ล้าน":
            total, part, one = (total + part + one) * 10**6, 0, 0
        elif word in THAI_SCALES:
            part, one = part + (one or 1) * THAI_SCALES[word], 0
        else:
            one = THAI_ONES[word]
    return total + part + one


@pytest.mark.parametrize(("satang", "thai", "english"), [
    (0, "ศูนย์บาทถ้วน", "zero baht"),
    (100, "หนึ่งบาทถ้วน", "one baht"),
    (50, "ห้าสิบสตางค์", "fifty satang"),
    (2100, "ยี่สิบเอ็ดบาทถ้วน", "twenty-one baht"),
    (10100, "หนึ่งร้อยเอ็ดบาทถ้วน", "one hundred and one baht"),
    (150025, "หนึ่งพันห้าร้อยบาทยี่สิบห้าสตางค์", "one thousand five hundred baht and twenty-five satang"),
    (1_200_000, "หนึ่งหมื่นสองพันบาทถ้วน", "twelve thousand baht"),
    (100_000_100, "หนึ่งล้านเอ็ดบาทถ้วน", "one million and one baht"),
    (1_100_000_000, "สิบเอ็ดล้านบาทถ้วน", "eleven million baht"),
])
def test_a_sum_is_written_in_words_as_a_bank_would(satang, thai, english):
    assert amount_in_words(satang, "th") == thai
    assert amount_in_words(satang, "en") == english


@given(st.integers(0, 10**15 - 1))
def test_every_english_number_reads_back_as_itself(number):
    assert read_english(english_number(number)) == number


@given(st.integers(0, LARGEST - 1))
def test_every_thai_sum_reads_back_as_itself(satang):
    words = amount_in_words(satang, "th")
    baht, satang_words = words.split("บาท") if "บาท" in words else ("ศูนย์", words)
    rest = 0 if satang_words == "ถ้วน" else read_thai(satang_words.removesuffix("สตางค์"))
    assert read_thai(baht) * 100 + rest == satang


@pytest.mark.parametrize("satang", [-1, LARGEST])
def test_no_letter_owes_money_or_gives_more_than_there_is(satang):
    with pytest.raises(ValueError, match="not negative"):
        amount_in_words(satang, "th")


def test_a_sum_keeps_its_unit_and_its_digits_follow_the_language():
    assert amount_in_digits(1_200_050, "th") == "๑๒,๐๐๐.๕๐\u00a0บาท"
    assert amount_in_digits(1_200_000, "en") == "12,000\u00a0baht"


def test_a_thai_letter_counts_years_from_the_buddha_and_an_english_one_does_not():
    day = dt.date(2026, 11, 26)
    assert letter_date(day, "th") == "๒๖\u00a0พฤศจิกายน พ.ศ.\u00a0๒๕๖๙"
    assert letter_date(day, "en") == "26\u00a0November\u00a02026"
