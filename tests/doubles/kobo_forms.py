"""An asset's content as Kobo keeps it, from an XLSForm, and the XForms that Kobo makes of it. Knows no world, no HTTP."""
from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from pyxform.xls2json_backends import get_xlsform
from pyxform.xls2xform import convert

_TRANSLATED = ("label", "hint", "guidance_hint", "constraint_message", "required_message", "media::image", "media::audio", "media::video")
_TYPES = {"datetime": "datetime", "begin group": "begin_group", "end group": "end_group", "begin repeat": "begin_repeat", "end repeat": "end_repeat"}
_SETTINGS = {"form_id": "id_string"}
_YES = {"yes": True, "true": True, "true()": True, "no": False, "false": False, "false()": False}


def content_of(xlsform: bytes | str) -> dict[str, Any]:
    """An XLSForm (a workbook, or a Markdown table) as an asset's content, its rows without ids yet."""
    data = xlsform.encode() if isinstance(xlsform, str) else xlsform
    sheets = get_xlsform(data, file_type=".md" if data.lstrip()[:1] == b"|" else ".xlsx")
    languages = _languages([*sheets.survey, *(sheets.choices or [])])
    survey = [_question(row, languages) for row in sheets.survey]
    choices = [_choice(row, languages) for row in sheets.choices or []]
    settings = {_SETTINGS.get(name, name): value for name, value in (sheets.settings or [{}])[0].items() if name != "form_title"}
    found: dict[str, Any] = {"schema": "1", "survey": survey, "choices": choices, "settings": settings}
    if sheets.entities:
        found["entities"] = [dict(row) for row in sheets.entities]
    found["translated"] = [one for one in _TRANSLATED if any(one in row for row in [*survey, *choices])]
    found["translations"] = languages
    return found


def with_ids(content: dict[str, Any], kuid: Callable[[], str]) -> dict[str, Any]:
    """The content with an id in every row, and in every question its path."""
    for row in [*content["survey"], *content.get("choices", ())]:
        if "$kuid" not in row:
            row["$kuid"] = kuid()
    return jsonb(content | {"survey": _with_paths(content["survey"])})


def _languages(rows: list[dict]) -> list[str | None]:
    found: dict[str | None, None] = {}
    for row in rows:
        for name in row:
            base, _, language = name.rpartition("::")
            if base in _TRANSLATED:
                found[language] = None
            elif name in _TRANSLATED:
                found[None] = None
    return list(found) or [None]


def _translated(row: dict, languages: list[str | None]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, value in row.items():
        base, _, language = name.rpartition("::")
        if name in _TRANSLATED or base in _TRANSLATED:
            label, index = (name, languages.index(None)) if name in _TRANSLATED else (base, languages.index(language))
            kept.setdefault(label, [None] * len(languages))[index] = value
        elif value not in (None, ""):
            kept[name] = value
    return kept


def _question(row: dict, languages: list[str | None]) -> dict[str, Any]:
    kept = _translated(row, languages)
    kind, _, rest = str(kept.pop("type", "")).partition(" ")
    if f"{kind} {rest}" in _TYPES:
        kind, rest = _TYPES[f"{kind} {rest}"], ""
    if kind in ("select_one", "select_multiple"):
        kept["select_from_list_name"] = rest
    elif kind.endswith("_from_file"):
        kept["file"] = rest
    kept["type"] = _TYPES.get(kind.lower(), kind)
    if "save_to" in kept:
        kept["bind::entities:saveto"] = kept.pop("save_to")
    if "required" in kept:
        kept["required"] = _YES.get(str(kept["required"]).lower(), kept["required"])
    return kept


def _choice(row: dict, languages: list[str | None]) -> dict[str, Any]:
    kept = _translated(row, languages)
    return kept | {"$autovalue": kept.get("name")}


def _with_paths(rows: list[dict]) -> list[dict]:
    inside: list[str] = []
    for row in rows:
        kind = row["type"]
        if kind.startswith("end_"):
            inside.pop()
        elif "name" in row:
            row |= {"$autoname": row["name"], "$xpath": "/".join([*inside, row["name"]])}
            if kind.startswith("begin_"):
                inside.append(row["name"])
    return rows


def jsonb(value: Any) -> Any:
    """Keys in the order in which PostgreSQL's jsonb gives them back: the shorter first, then by bytes."""
    if isinstance(value, dict):
        return {name: jsonb(value[name]) for name in sorted(value, key=lambda name: (len(name.encode()), name.encode()))}
    return [jsonb(one) for one in value] if isinstance(value, list) else value


def flat(content: dict[str, Any], sheet: str, *, own: bool = True) -> list[dict[str, Any]]:
    """A sheet's rows as XLSForm columns again. `own`: with Kobo's own columns."""
    return [_flat(row, content["translations"], own) for row in content.get(sheet) or []]


def _flat(row: dict[str, Any], languages: list[str | None], own: bool) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, value in row.items():
        if (name.startswith("$") and not own) or name in ("select_from_list_name", "file"):
            continue
        if isinstance(value, list):
            kept |= {f"{name}::{language}" if language else name: text for language, text in zip(languages, value, strict=True) if text is not None}
        elif isinstance(value, bool):
            kept[name] = "true" if value else "false"
        elif name == "type" and (list_name := row.get("select_from_list_name") or row.get("file")):
            kept[name] = f"{value} {list_name}"
        else:
            kept[name] = value
    # Kobo's columns stand where jsonb puts them, the labels last.
    return {name: kept[name] for name in sorted(kept, key=lambda name: name.startswith("label"))}


def xform_of(content: dict[str, Any], title: str, uid: str, *, version: str = "", version_uid: str = "", formhub: str = "") -> bytes:
    """The XForm of a content. With a version: as deployed, under the asset's uid; without: as the asset's own page gives it."""
    survey = flat(content, "survey", own=False)
    settings = {name: value for name, value in content["settings"].items() if name not in ("id_string", "title", "version")}
    settings |= {"form_id": uid if version else content["settings"].get("id_string", uid), "form_title": title, "name": uid}
    if version:
        settings["version"] = version
        survey.append({"name": "__version__", "type": "calculate", "calculation": f"'{version_uid}'"})
    book: dict[str, Any] = {"survey": survey, "choices": flat(content, "choices", own=False), "settings": [settings]}
    if "entities" in content:
        book["entities"] = content["entities"]
    made = convert(book, pretty_print=True, form_name=uid).xform
    return _with_formhub(made, uid, formhub).encode() if version else made.encode()


def _with_formhub(xform: str, uid: str, formhub: str) -> str:
    """Kobo's own question, which says what form a submission is for."""
    made = re.sub(rf"(\n( +)<{uid} [^>]*\bid=[^>]*>)", r"\1\n\2  <formhub>\n\2    <uuid/>\n\2  </formhub>", xform, count=1)
    bind = f"""<bind nodeset="/{uid}/formhub/uuid" type="string" calculate="'{formhub}'"/>\n    """
    return made.replace("</model>", f"  {bind}</model>", 1).replace('<?xml version="1.0"?>', '<?xml version="1.0" encoding="utf-8"?>', 1)
