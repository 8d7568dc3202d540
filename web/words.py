"""How pages speak: two languages side by side, days, times and sums as each language writes them.

Knows the reader's language and zone; knows no case.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import zoneinfo
from functools import lru_cache
from pathlib import Path
from typing import Any

from flask import Flask, g, request, session, url_for
from flask_wtf.csrf import generate_csrf

from namjai.languages import LANGUAGES, NBSP, date_words
from namjai.languages import money as money_words
from namjai.settings import ROOT

_STATIC = ROOT / "web" / "static"


def language() -> str:
    """The reader's language: asked for in the address, kept by the person, kept in the browser, or the house's."""
    asked = request.args.get("lang")
    if asked in LANGUAGES:
        return asked
    me = getattr(g, "me", None)
    if me is not None:
        return me.language
    return session.get("lang") or g.get("house_language", "en")


def t(en: str, th: str, **values: Any) -> str:
    """A sentence in the reader's language, its {placeholders} filled."""
    text = th if _lang() == "th" else en
    return text.format(**values) if values else text


def zone() -> zoneinfo.ZoneInfo:
    programme = getattr(g, "programme", None)
    return zoneinfo.ZoneInfo(programme.timezone if programme else g.get("house_zone", "Asia/Bangkok"))


def now() -> dt.datetime:
    if "now" not in g:
        g.now = dt.datetime.now(zone())
    return g.now


def today() -> dt.date:
    return now().date()


def day(value: dt.date | None) -> str:
    """Thu 26 Nov, พฤ. 26 พ.ย.; the year only when it is another one."""
    return _in_words(value, time=False)


def daytime(value: dt.date | None) -> str:
    """Thu 26 Nov, 13:30."""
    return _in_words(value, time=True)


def lately(value: dt.datetime | None, within: bool = False) -> str:
    """Today, 08:12; Yesterday, 17:02; else as `daytime` says it. `within` a phrase: today, 08:12."""
    if value is None:
        return ""
    here = value.astimezone(zone()) if value.tzinfo is not None else value
    near = {0: t("Today", "วันนี้"), 1: t("Yesterday", "เมื่อวาน")}.get((today() - here.date()).days)
    if near is None:
        return daytime(value)
    near = near.lower() if within else near
    return f"{near} {here:%H:%M}{NBSP}น." if _lang() == "th" else f"{near}, {here:%H:%M}"


def daylong(value: dt.date | None) -> str:
    """Tuesday 24 November."""
    return _in_words(value, time=False, short=False)


def dayyear(value: dt.date | None) -> str:
    """Thu 26 Nov 2026, always with its year: for law and money."""
    if value is None:
        return ""
    if isinstance(value, dt.datetime) and value.tzinfo is not None:
        value = value.astimezone(zone())
    return date_words(value, _lang(), weekday=True, year=True)


def month(value: dt.date) -> str:
    """November 2026, พฤศจิกายน 2569."""
    words = date_words(value.replace(day=1), _lang(), short=False, year=True)
    return words.split(NBSP, 1)[1].replace(NBSP, " ")


def money(satang: int | None) -> str:
    return "" if satang is None else money_words(satang, _lang())


def num(value: Any) -> str:
    """1,240. A text such as "1,000+" stays as it is."""
    return f"{value:,}" if isinstance(value, int) else "0" if value is None or value == "" else str(value)


def url_with(**params: Any) -> str:
    """This page's address with parameters changed; None takes one away."""
    kept: dict[str, Any] = {name: values for name, values in request.args.lists() if name not in params}
    kept |= {name: value for name, value in params.items() if value is not None}
    if not request.endpoint:
        return request.path
    return url_for(request.endpoint, **(request.view_args or {}), **kept)


def static(path: str) -> str:
    """The address of a file of the pages, with a hash of its content: it may be kept for ever."""
    return url_for("static", filename=path, v=_digest(path, _changed(path)))


def is_fresh(path: str, version: str | None) -> bool:
    """Whether an address names the file as it is now."""
    return version is not None and version == _digest(path, _changed(path))


def speak(app: Flask) -> None:
    """Give the pages their filters and what every one of them needs."""
    app.jinja_env.filters |= {"day": day, "daytime": daytime, "daylong": daylong, "dayyear": dayyear}
    app.jinja_env.filters |= {"lately": lately}
    app.jinja_env.filters |= {"money": money, "num": num}
    app.jinja_env.globals |= {"t": t, "static": static, "url_with": url_with, "csrf_token": generate_csrf}


def _lang() -> str:
    if "lang" not in g:
        g.lang = language()
    return g.lang


def _in_words(value: dt.date | None, *, time: bool, short: bool = True) -> str:
    if value is None:
        return ""
    if isinstance(value, dt.datetime) and value.tzinfo is not None:
        value = value.astimezone(zone())
    return date_words(value, _lang(), short=short, weekday=True, time=time, today=today())


@lru_cache(maxsize=512)
def _digest(path: str, _mark: int) -> str:
    try:
        return hashlib.sha256((_STATIC / path).read_bytes()).hexdigest()[:12]
    except OSError:
        return "none"


def _changed(path: str) -> int:
    """Seen anew when the file changes: a designer needs no restart."""
    try:
        return Path(_STATIC / path).stat().st_mtime_ns
    except OSError:
        return 0
