"""Tables as ODK Central writes them: groups flattened with "-", places in four columns, KEY and PARENT_KEY."""

from __future__ import annotations

from functools import lru_cache

from pandas import DataFrame, Series

from cases.export_wish import Wish
from exports.columns import Shape, header_of, side_by_side, written
from exports.layout import AT, WHOSE, Layout
from exports.merged import MergedForm, Question
from exports.reading import Asked, Submitted
from exports.style import CLASSES, Sheet, Tables, keys_of, place_of
from odk.schema import Privacy

_SYSTEM = (
    "KEY",
    "SubmitterID",
    "SubmitterName",
    "AttachmentsPresent",
    "AttachmentsExpected",
    "Status",
    "ReviewState",
    "DeviceID",
    "Edits",
    "FormVersion",
)
_STATES = {
    "received": "",
    "edited": "edited",
    "has_issues": "hasIssues",
    "rejected": "rejected",
    "approved": "approved",
}
_PLACE = ("Latitude", "Longitude", "Altitude", "Accuracy")
_REMEMBERED = 10_000


class CentralStyle:
    """One form in Central's columns. `chosen` are the questions that the profile shows."""

    def __init__(self, form: MergedForm, wish: Wish, chosen: list[Question]) -> None:
        self._form = form
        self._shape = Shape(wish.labels, " " if wish.labels is None else ", ", wish.multiple)
        self.layout = Layout(form, chosen)
        classes = CLASSES[wish.profile]
        self.asked = Asked((*classes, Privacy.RESTRICTED) if wish.restricted else classes)
        self._headers = [header_of(self.layout, number, self._heads) for number in range(len(self.layout.tables))]
        self._steps = [keys_of(self.layout, number) if number else [] for number in range(len(self.layout.tables))]
        self._place = lru_cache(_REMEMBERED)(self._placed)

    def sheets(self) -> list[Sheet]:
        form_id, names = self._form.form_id, [table.name for table in self.layout.tables]
        made = [Sheet(form_id, f"{form_id}.csv", ["SubmissionDate", *self._headers[0], *_SYSTEM])]
        for number, name in enumerate(names[1:], 1):
            # Repeats of the same name in several places are counted, as Central does.
            title = f"{name}~{names[1 : number + 1].count(name)}" if names[1:].count(name) > 1 else name
            made.append(Sheet(title, f"{form_id}-{title}.csv", [*self._headers[number], "PARENT_KEY", "KEY"]))
        return made

    def tables(self, batch: list[Submitted]) -> Tables:
        root, *repeats = self.layout.gather(batch)
        date, *system = zip(*map(self._system, batch), strict=True)
        made = [side_by_side([date, *self.answers(0, root), *system])]
        for number, gathered in enumerate(repeats, 1):
            places = [self._place(number, at) for at in gathered[AT]]
            roots = [batch[one].root for one in gathered[WHOSE]]
            above = [root + place for root, (place, _) in zip(roots, places, strict=True)]
            keys = [root + place for root, (_, place) in zip(roots, places, strict=True)]
            made.append(side_by_side([*self.answers(number, gathered), above, keys]))
        return made

    def header(self, table: int) -> list[str]:
        return self._headers[table]

    def answers(self, table: int, gathered: DataFrame) -> list[Series]:
        return written(gathered, self.layout.tables[table].questions, self._shape)

    def _system(self, one: Submitted) -> list[str | int]:
        status = "not decrypted" if self._form.encrypted or one.locked else ""
        return [
            one.received_at.isoformat(timespec="milliseconds")[:23] + "Z",
            one.root,
            one.submitter.remote_id,
            one.submitter.name,
            one.present,
            one.expected,
            status,
            _STATES[one.state],
            one.device,
            one.edits,
            one.first_version,
        ]

    def _placed(self, table: int, positions: tuple[int, ...]) -> tuple[str, str]:
        """What follows in a row's PARENT_KEY and KEY."""
        parent = self.layout.tables[table].parent
        above = f"/{place_of(self._steps[parent], positions[:-1])}" if parent else ""
        return above, f"/{place_of(self._steps[table], positions)}"

    def _heads(self, question: Question) -> list[str]:
        # Within its repeat: a row of people has a name, not a people-name.
        depth = question.repeat.count("/") + 1 if question.repeat else 0
        name = "-".join(self._form.steps(question.path, self._shape.language)[depth:])
        return self._shape.heads(question, name, [f"{name}-{part}" for part in _PLACE])
