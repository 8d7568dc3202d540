"""Tables as KoboToolbox writes them: one workbook, a sheet for each repeat, _index and _parent_index."""

from __future__ import annotations

from typing import Any

from pandas import DataFrame, Series

from cases.export_wish import Wish
from exports.columns import Shape, header_of, side_by_side, written
from exports.layout import AT, WHOSE, Layout
from exports.merged import MergedForm, Question
from exports.reading import Asked, Submitted
from exports.style import CLASSES, Sheet, Tables, unique
from odk.schema import Privacy

_SYSTEM = (
    "_id",
    "_uuid",
    "_submission_time",
    "_validation_status",
    "_notes",
    "_status",
    "_submitted_by",
    "__version__",
    "_tags",
    "meta/rootUuid",
)
_PLACE = ("latitude", "longitude", "altitude", "precision")
_LABELLED = {"approved": "Approved", "rejected": "Not Approved", "has_issues": "On Hold"}
_NAMED = {
    "approved": "validation_status_approved",
    "rejected": "validation_status_not_approved",
    "has_issues": "validation_status_on_hold",
}
_NOT_QUESTIONS = frozenset({"__version__", "formhub/uuid"})


class KoboStyle:
    """One form in Kobo's columns. `chosen` are the questions that the profile shows."""

    def __init__(self, form: MergedForm, wish: Wish, chosen: list[Question]) -> None:
        self._form, self._shape = form, Shape(wish.labels, " ", wish.multiple, whole_place=True)
        self.layout = Layout(
            form,
            [
                one
                for one in chosen
                if one.field.kind != "note"
                and one.path not in _NOT_QUESTIONS
                and "meta" not in one.path.split("/")[:-1]
            ],
        )
        classes = CLASSES[wish.profile]
        self.asked = Asked((*classes, Privacy.RESTRICTED) if wish.restricted else classes, "remote", more="remote")
        self._asks_version = any(one.path == "__version__" for one in form.questions)
        self._states = _NAMED if wish.labels is None else _LABELLED
        tables = self.layout.tables
        self._headers = [header_of(self.layout, number, self._heads) for number in range(len(tables))]
        self._titles = unique([form.title, *(one.name for one in tables[1:])], [one.path for one in tables])
        self._last = [0] * len(tables)

    def sheets(self) -> list[Sheet]:
        root, *repeats = self._headers
        made = [Sheet(self._titles[0], f"{self._form.form_id}.csv", [*root, *_SYSTEM, "_index"])]
        below = ["_index", "_parent_table_name", "_parent_index", *(f"_submission_{one}" for one in _SYSTEM)]
        for title, header in zip(self._titles[1:], repeats, strict=True):
            made.append(Sheet(title, f"{self._form.form_id}-{title}.csv", [*header, *below]))
        return made

    def tables(self, batch: list[Submitted]) -> Tables:
        made: Tables = []
        system = [self._system(one) for one in batch]
        indexes: list[dict[tuple[int, tuple[int, ...]], int]] = []
        for number, gathered in enumerate(self.layout.gather(batch)):
            rows = list(zip(gathered[WHOSE], gathered[AT], strict=True))
            indexes.append({row: self._last[number] + at for at, row in enumerate(rows, 1)})
            self._last[number] += len(rows)
            mine, facts = list(indexes[number].values()), list(zip(*(system[whose] for whose, _ in rows), strict=True))
            answers = self.answers(number, gathered)
            if not number:
                made.append(side_by_side([*answers, *facts, mine]))
                continue
            parent = self.layout.tables[number].parent
            above = [indexes[parent][whose, at[:-1]] for whose, at in rows]
            made.append(side_by_side([*answers, mine, [self._titles[parent]] * len(rows), above, *facts]))
        return made

    def header(self, table: int) -> list[str]:
        return self._headers[table]

    def answers(self, table: int, gathered: DataFrame) -> list[Series]:
        # Answers are texts, as Kobo's are; only what it counts itself is a number.
        return [one.map(str) for one in written(gathered, self.layout.tables[table].questions, self._shape)]

    def _system(self, one: Submitted) -> list[Any]:
        own = one.more if one.more else str(one.id)
        return [
            int(own) if own.isdecimal() and len(own) <= 15 else own,
            one.instance.removeprefix("uuid:"),
            one.received_at.isoformat()[:19],
            self._states.get(one.state, ""),
            "",
            "submitted_via_web",
            one.submitter.name,
            one.values.get("__version__", "" if self._asks_version else one.version),
            "",
            one.root,
        ]

    def _heads(self, question: Question) -> list[str]:
        name = "/".join(self._form.steps(question.path, self._shape.language))
        return self._shape.heads(question, name, [f"_{name}_{part}" for part in _PLACE])
