"""A letter: data in, PDF out. The only module that knows WeasyPrint; the paper is exports/paper and templates/letters.

Equal data gives equal bytes: every date in the file is the letter's, so that its SHA-256 can be checked for ever with
the same template version and the same fonts.
"""
from __future__ import annotations

import datetime as dt
import functools
import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from weasyprint import CSS, HTML, Attachment
from weasyprint.document import Document, Page
from weasyprint.text.fonts import FontConfiguration
from weasyprint.urls import FatalURLFetchingError, URLFetcher, URLFetcherResponse

from exports.paper import LetterAssetMissing, asset, page_html, stylesheet, template_version
from namjai.problems import Problem
from odk.letter import LetterData, Organisation, Window, only_printed

__all__ = ["TEMPLATE_VERSION", "LetterData", "Organisation", "Window", "render_letter"]

TEMPLATE_VERSION = template_version()
_WINDOW_ENDS = 66.3  # mm from the top of the sheet
_WINDOW_LINES = 5
_CUT = 207.0  # mm; the second fold lies at 210
_MM = 25.4 / 96
# One letter at a time in a process: the font configuration and the log below are shared.
_PRINTING = threading.Lock()


class LetterAddressTooLong(Problem):
    code, http_status = "letter-address-too-long", 422
    en = (
        "The safe address of letter {number} does not fit the envelope's window: five lines at most. Shorten it, "
        "then print again."
    )
    th = "ที่อยู่ที่ปลอดภัยของจดหมาย {number} ยาวเกินช่องหน้าซอง: ไม่เกินห้าบรรทัด ย่อแล้วพิมพ์อีกครั้ง"


class LetterTooLong(Problem):
    code, http_status = "letter-too-long", 422
    en = (
        "The text of letter {number} does not fit its one page. Shorten the wording or the conditions, then print "
        "again."
    )
    th = "ข้อความของจดหมาย {number} ยาวเกินหนึ่งหน้า ย่อข้อความหรือเงื่อนไข แล้วพิมพ์อีกครั้ง"


def render_letter(data: LetterData) -> bytes:
    """The letter (and its receipt on a second page) as PDF, with its data inside as letter.json.

    Raises Problems: what `exports.paper.page_html` raises, letter-asset-missing, letter-address-too-long,
    letter-too-long. Nothing comes back for a letter that is not whole.
    """
    with _PRINTING, _nothing_missing():
        document = _laid_out(data)
        document.metadata.attachments = [_data_file(data)]
        # PDF/A-3 may carry files. No tags: they make WeasyPrint 70 lose the seal.
        return document.write_pdf(pdf_variant="pdf/a-3b", pdf_identifier=data.number.encode())


def _laid_out(data: LetterData) -> Document:
    """The pages; with a little less air when the text would run over."""
    wanted = 1 if data.receipt is None else 2
    for tight in (False, True):
        styles, fonts = _stylesheet()
        page = HTML(string=page_html(data, tight=tight), url_fetcher=_Assets(), base_url="asset:")
        document = page.render(stylesheets=[styles], font_config=fonts)
        _refuse_long_address(document, data)
        if len(document.pages) == wanted and _above_the_cut(document.pages[-1]):
            return document
    raise LetterTooLong(number=data.number)


def _above_the_cut(page: Page) -> bool:
    """Whether the team's part of the receipt ends above the line where it is cut."""
    end = page.anchors.get("receipt-end")
    return end is None or end[1] * _MM < _CUT


def _refuse_long_address(document: Document, data: LetterData) -> None:
    end = document.pages[0].anchors.get("window-end")
    lines = [line for line in data.window.lines if line.strip()]
    if len(lines) > _WINDOW_LINES or (end and end[1] * _MM > _WINDOW_ENDS):
        raise LetterAddressTooLong(number=data.number)


def _data_file(data: LetterData) -> Attachment:
    text = json.dumps(only_printed(data).to_json(), ensure_ascii=False, sort_keys=True, indent=1)
    day = dt.datetime.fromisoformat(data.date).replace(tzinfo=dt.UTC)
    return Attachment(string=text, name="letter.json", description="The letter's data",
                      created=day, modified=day, relationship="Source")


@functools.cache
def _stylesheet() -> tuple[CSS, FontConfiguration]:
    """Read once in a process: fonts take longer than a letter."""
    fonts = FontConfiguration()
    return CSS(string=stylesheet(), font_config=fonts, url_fetcher=_Assets(), base_url="asset:"), fonts


class _Assets(URLFetcher):
    """Named files of ours only: no network, no file: URL; what is missing stops the letter."""

    def fetch(self, url: str, headers: dict | None = None) -> URLFetcherResponse:
        try:
            return URLFetcherResponse(url, asset(url))
        except LetterAssetMissing as problem:
            raise FatalURLFetchingError(problem.facts["name"]) from problem


class _Told(logging.Handler):
    """Hears what WeasyPrint only logs: a picture it cannot decode, a font it cannot load."""

    def __init__(self) -> None:
        super().__init__()
        self.errors: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.ERROR or str(record.msg).startswith("Font-face"):
            first = record.args[:1] if isinstance(record.args, tuple) else ()
            self.errors.append(str(*first) or record.getMessage())


@contextmanager
def _nothing_missing() -> Iterator[None]:
    """Raises LetterAssetMissing for what the engine could not load; FatalURLFetchingError is a BaseException."""
    told, logger = _Told(), logging.getLogger("weasyprint")
    logger.addHandler(told)
    try:
        yield
    except FatalURLFetchingError as error:
        raise LetterAssetMissing(name=str(error)) from error
    finally:
        logger.removeHandler(told)
    if told.errors:
        _stylesheet.cache_clear()
        raise LetterAssetMissing(name=told.errors[0])
