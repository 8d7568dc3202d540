"""A form's answers as a file: chooses the style, reads once, writes as it reads. Memory does not grow with the rows.

Whoever calls has checked the right and written the purpose into the audit, before the first byte leaves.
"""
from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

import sqlalchemy as sa

from cases.export_wish import LanguageUnknown, Wish
from exports.anonymous import AnonymousStyle, allowed, joined_cases
from exports.central_style import CentralStyle
from exports.csv_files import DIALECTS, CsvFile, CsvZip, Writer
from exports.kobo_style import KoboStyle
from exports.merged import MergedForm, Question
from exports.reading import Reader
from exports.style import Sheet, Style
from exports.workbook import Workbook
from odk.schema import Privacy
from store.actor import Actor
from store.opening import Store

Progress = Callable[[int, int], None]
_HIDDEN = {"internal": (Privacy.IDENTIFYING, Privacy.RESTRICTED)}


@dataclass(frozen=True, slots=True)
class Written:
    """What was written: submissions, and the repeats that a single CSV file has no place for."""

    submissions: int
    left_out: tuple[str, ...] = ()


def collect_seldom() -> None:
    """For a process that does nothing else: rows come and go by the million and make no circles to look for."""
    gc.set_threshold(200_000, 50, 100)


def write(store: Store, actor: Actor, wish: Wish, out: BinaryIO, progress: Progress | None = None) -> Written:
    """Write what is wished for into `out`, which need not seek. Nothing is finished when this raises.

    Raises NotFound for a form that is not here, LanguageUnknown, WishUnknown, TooManyRows.
    """
    wish.checked()
    with store.database.begin(actor) as tx:
        reader = Reader(tx, store, actor, wish.form)
        style = style_of(tx, actor, reader.form, wish)
        sheets = style.sheets()
        total, done = reader.total(), 0
        writer = _writer(out, sheets, wish)
        try:
            for batch in reader.batches(style.asked):
                writer.rows(style.tables(batch))
                done += len(batch)
                if progress is not None:
                    progress(done, max(total, done))
            writer.close()
        except BaseException:
            writer.abandon()
            raise
    left_out = tuple(sheet.title for sheet in sheets[1:]) if wish.format == "csv" else ()
    return Written(done, left_out)


def style_of(tx: sa.Connection, actor: Actor, form: MergedForm, wish: Wish) -> Style:
    """The style of a wish over a form. Raises LanguageUnknown."""
    if wish.labels is not None and wish.labels not in form.languages:
        known = ", ".join(form.languages) or "—"
        raise LanguageUnknown(form=form.form_id[:60], language=wish.labels[:20], known=known)
    make = KoboStyle if wish.style == "kobo" else CentralStyle
    style: Style = make(form, wish, chosen(form, wish))
    return AnonymousStyle(style, joined_cases(tx, actor.project)) if wish.profile == "anonymous" else style


def chosen(form: MergedForm, wish: Wish) -> list[Question]:
    """The questions that a profile shows."""
    if wish.profile == "anonymous":
        return [one for one in form.questions if allowed(one)]
    hidden = _HIDDEN.get(wish.profile, () if wish.restricted else (Privacy.RESTRICTED,))
    return [one for one in form.questions if one.privacy not in hidden]


def _writer(out: BinaryIO, sheets: list[Sheet], wish: Wish) -> Writer:
    if wish.format == "xlsx":
        # Kobo's workbooks hold texts alone.
        return Workbook(out, sheets, numbers=wish.style != "kobo")
    return (CsvFile if wish.format == "csv" else CsvZip)(out, sheets, DIALECTS[wish.style])
