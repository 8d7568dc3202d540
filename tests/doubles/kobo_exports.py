"""A KoboToolbox's CSV exports, on demand and saved, as the recordings show them."""
from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from doubles.kobo_forms import jsonb
from doubles.kobo_hooks import Hooks
from doubles.kobo_http import NOT_FOUND, Asked, in_json
from doubles.kobo_world import Form, Refused, Sub, World
from doubles.server import Answer

_FORBIDDEN = b"\n<!doctype html>\n<html lang=\"en\">\n<head>\n  <title>403 Forbidden</title>\n</head>\n<body>\n  <h1>403 Forbidden</h1><p></p>\n</body>\n</html>\n"
_TYPES = ("csv", "geojson", "kml", "spss_labels", "xls")
_GEO = ("latitude", "longitude", "altitude", "precision")
_OWN = ("_id", "_uuid", "_submission_time", "_validation_status", "_notes", "_status", "_submitted_by", "__version__", "_tags", "meta/rootUuid", "_index")


@dataclass
class Export:
    uid: str
    said: dict[str, Any]
    at: str
    name: str
    content: bytes


class Exports(Hooks):
    def __init__(self, world: World, **hosts: str) -> None:
        super().__init__(world, **hosts)
        self.saved: dict[str, dict[str, Any]] = {}
        self.route(
            ("GET", "{a}/exports/", self.exports), ("POST", "{a}/exports/", self.export), ("GET", "{a}/exports/([^/]+)/", self.one_export),
            ("POST", "{a}/export-settings/", self.save_settings), ("GET", r"{a}/export-settings/([^/]+)/data\.csv", self.saved_csv),
            ("GET", "/private-media/[^/]+/exports/([^/]+)/([^/]+)", self.download),
        )

    def export(self, asked: Asked, uid: str) -> Answer:
        form, said = self.form(asked, uid), asked.json()
        if said.get("type") not in _TYPES:
            raise Refused(400, {"type": ["Must be either 'csv', 'geojson', 'kml', 'spss_labels' or 'xls'"]})
        made = self._made(form, said)
        data = {**{name: value for name, value in said.items() if name != "type"}, "source": self.url(f"assets/{uid}/"), "name": None, "type": said["type"]}
        shown = self._export(form, made) | {"status": "created", "last_submission_time": None, "result": None, "data": data}
        return in_json(shown, 201, Location=shown["url"])

    def _made(self, form: Form, said: dict[str, Any]) -> Export:
        """Made at once; Kobo takes its time."""
        at = self.world.tick()
        language = "False" if said["lang"] == "_xml" else re.sub(r"[^\w]+", "_", said["lang"]).strip("_")
        ending = {"xls": "xlsx"}.get(said["type"], said["type"])
        name = f"{form.title}_-_all_versions_-_{language}_-_{at[:19].replace('T', '-').replace(':', '-')}.{ending}"
        form.exports.append(Export(self.world.uid("e", form.uid), said, at, name, _csv(form) if ending == "csv" else b""))
        return form.exports[-1]

    def exports(self, asked: Asked, uid: str) -> Answer:
        form = self.form(asked, uid)
        return in_json(self.paged(asked, [self._export(form, one) for one in reversed(form.exports)]))

    def one_export(self, asked: Asked, uid: str, export: str) -> Answer:
        form = self.form(asked, uid)
        found = [one for one in form.exports if one.uid == export]
        if not found:
            raise NOT_FOUND
        return in_json(self._export(form, found[0]))

    def _export(self, form: Form, one: Export) -> dict[str, Any]:
        last = max((sub.at for sub in form.subs.values()), default="")
        data = jsonb({**one.said, "name": None, "source": self.url(f"assets/{form.uid}/"), "processing_time_seconds": 0.059442})
        return {
            "url": self.url(f"assets/{form.uid}/exports/{one.uid}/"), "status": "complete", "messages": {}, "uid": one.uid, "date_created": one.at,
            "last_submission_time": f"{last[:19]}Z" if last else None, "result": self.domain + _place(form, one), "data": data,
        }

    def save_settings(self, asked: Asked, uid: str) -> Answer:
        form, said = self.form(asked, uid), asked.json()
        made = self.world.uid("es", form.uid)
        self.saved[made] = said["export_settings"]
        url = self.url(f"assets/{uid}/export-settings/{made}/")
        shown = {"uid": made, "url": url, "data_url_csv": url + "data.csv", "data_url_xlsx": url + "data.xlsx", "name": said["name"], "date_modified": self.world.tick()}
        return in_json(shown | {"export_settings": said["export_settings"]}, 201, Location=url)

    def saved_csv(self, asked: Asked, uid: str, saved: str) -> Answer:
        form = self.form(asked, uid)
        if saved not in self.saved:
            raise NOT_FOUND
        made = self._made(form, self.saved[saved])
        return Answer(302, b"", {"Content-Type": "text/html; charset=utf-8", "Location": _place(form, made)})

    def download(self, asked: Asked, uid: str, name: str) -> Answer:
        if asked.user != self.world.owner:
            return Answer(403, _FORBIDDEN, {"Content-Type": "text/html; charset=utf-8"})
        for one in self.form(asked, uid).exports:
            if one.name == name:
                return Answer(200, one.content, {"Content-Type": "text/csv", "Content-Disposition": f'inline; filename="{name}"'})
        raise NOT_FOUND


def _place(form: Form, one: Export) -> str:
    return f"/private-media/field/exports/{form.uid}/{quote(one.name)}"


def _csv(form: Form) -> bytes:
    """Repeats left out, a column for each choice of a select_multiple, places taken apart."""
    content = form.versions[-1].content
    columns: list[tuple[str, str, Any]] = []
    for row in content["survey"]:
        path = row.get("$xpath", "")
        if row["type"].startswith(("begin_", "end_")) or any(path.startswith(one + "/") for one in form.versions[-1].repeats):
            continue
        columns.append((path, path, None))
        if row["type"] == "select_multiple":
            columns += [(f"{path}/{one['name']}", path, one["name"]) for one in content["choices"] if one["list_name"] == row["select_from_list_name"]]
        elif row["type"] == "geopoint":
            columns += [(f"_{path}_{name}", path, number) for number, name in enumerate(_GEO)]
    lines = [[name for name, _, _ in columns] + list(_OWN)]
    for number, sub in enumerate(form.subs.values(), 1):
        lines.append([_cell(sub.current.answers.get(path, ""), part) for _, path, part in columns] + _own(sub, number))
    return "".join(";".join('"' + one.replace('"', '""') + '"' for one in line) + "\r\n" for line in lines).encode()


def _cell(value: str, part: Any) -> str:
    if part is None or not value:
        return value
    return value.split()[part] if isinstance(part, int) else str(int(part in value.split()))


def _own(sub: Sub, number: int) -> list[str]:
    now = sub.current
    return [str(sub.id), now.uuid, sub.at[:19], sub.review or "", "", "submitted_via_web", sub.by or "", now.answers.get("__version__", ""), "", sub.root, str(number)]
