"""Tables as KoboToolbox writes them: one workbook, a sheet for each repeat, _index and _parent_index."""
from __future__ import annotations

from typing import Any

from cases.export_wish import Wish
from exports.layout import Column, Layout, Shape
from exports.merged import MergedForm, Question
from exports.reading import Asked, Submitted
from exports.style import CLASSES, Sheet, Tables, header_of, heads_of, unique
from odk.schema import Privacy

_SYSTEM = (
    "_id", "_uuid", "_submission_time", "_validation_status", "_notes", "_status", "_submitted_by", "__version__",
    "_tags", "meta/rootUuid",
)
_PLACE = ("latitude", "longitude", "altitude", "precision")
_LABELLED = {"approved": "Approved", "rejected": "Not Approved", "has_issues": "On Hold"}
_NAMED = {
    "approved": "validation_status_approved", "rejected": "validation_status_not_approved",
    "has_issues": "validation_status_on_hold",
}
_NOT_QUESTIONS = frozenset({"__version__", "formhub/uuid"})


class KoboStyle:
    """One form in Kobo's columns. `chosen` are the questions that the profile shows."""

    def __init__(self, form: MergedForm, wish: Wish, chosen: list[Question]) -> None:
        self._form, self._labels = form, wish.labels
        shown = [
            one for one in chosen
            if one.field.kind != "note" and one.path not in _NOT_QUESTIONS and "meta" not in one.path.split("/")[:-1]
        ]
        self.layout = Layout(form, Shape(wish.labels, " ", wish.multiple, whole_place=True), shown)
        classes = CLASSES[wish.profile]
        self.asked = Asked((*classes, Privacy.RESTRICTED) if wish.restricted else classes, "oldest", more="remote")
        self._states = _NAMED if wish.labels is None else _LABELLED
        self._last = [0] * len(self.layout.tables)
        tables = self.layout.tables
        self._titles = unique([form.title, *(one.name for one in tables[1:])], [one.path for one in tables])

    def sheets(self) -> list[Sheet]:
        made = []
        for number, title in enumerate(self._titles):
            header = header_of(self.layout, number, self.heads)
            if not number:
                made.append(Sheet(title, f"{self._form.form_id}.csv", [*header, *_SYSTEM, "_index"]))
                continue
            below = [f"_submission_{one}" for one in _SYSTEM]
            header += ["_index", "_parent_table_name", "_parent_index", *below]
            made.append(Sheet(title, f"{self._form.form_id}-{title}.csv", header))
        return made

    def add(self, one: Submitted, into: Tables) -> None:
        found = self.layout.rows(one.values, one.tagged, one.counts)
        said: list[Any] = [
            one.more if one.more else str(one.id), one.instance.removeprefix("uuid:"),
            one.received_at.isoformat()[:19], self._states.get(one.state, ""), "", "submitted_via_web",
            one.submitter_name, one.values.get("__version__") or one.version, "", one.root,
        ]
        if said[0].isdecimal() and len(said[0]) <= 15:
            said[0] = int(said[0])
        index: list[dict[tuple[int, ...], int]] = [{} for _ in found]
        for number, rows in enumerate(found):
            for positions in sorted(rows) if len(rows) > 1 else rows:
                self._last[number] += 1
                mine = index[number][positions] = self._last[number]
                # Answers are texts, as Kobo's are; only what it counts itself is a number.
                answers = [one if type(one) is str else str(one) for one in rows[positions]]
                if not number:
                    into[0].append([*answers, *said, mine])
                    continue
                parent = self.layout.tables[number].parent
                above = index[parent].get(positions[:-1])
                into[number].append([*answers, mine, self._titles[parent], above, *said])

    def heads(self, column: Column) -> list[str]:
        """The heads of a question's columns."""
        name = "/".join(self._form.steps(column.question.path, self._labels))
        return heads_of(column, name, [name, *(f"_{name}_{part}" for part in _PLACE)], self._labels)
