"""Tables as ODK Central writes them: groups flattened with "-", places in four columns, KEY and PARENT_KEY."""
from __future__ import annotations

from cases.export_wish import Wish
from exports.layout import Column, Layout, Shape
from exports.merged import MergedForm, Question
from exports.reading import Asked, Submitted
from exports.style import CLASSES, Sheet, Tables, header_of, heads_of, keys_of, place_of
from odk.schema import Privacy

_SYSTEM = (
    "KEY", "SubmitterID", "SubmitterName", "AttachmentsPresent", "AttachmentsExpected", "Status", "ReviewState",
    "DeviceID", "Edits", "FormVersion",
)
_STATES = {
    "received": "", "edited": "edited", "has_issues": "hasIssues", "rejected": "rejected", "approved": "approved",
}
_REMEMBERED = 20
_PLACE = ("Latitude", "Longitude", "Altitude", "Accuracy")


class CentralStyle:
    """One form in Central's columns. `chosen` are the questions that the profile shows."""

    def __init__(self, form: MergedForm, wish: Wish, chosen: list[Question]) -> None:
        self._form, self._labels = form, wish.labels
        between = " " if wish.labels is None else ", "
        self.layout = Layout(form, Shape(wish.labels, between, wish.multiple), chosen)
        classes = CLASSES[wish.profile]
        self.asked = Asked((*classes, Privacy.RESTRICTED) if wish.restricted else classes)
        self._steps = [keys_of(self.layout, number) if number else [] for number in range(len(self.layout.tables))]

        self._places: list[dict[tuple[int, ...], tuple[str, str]]] = [{} for _ in self._steps]

    def sheets(self) -> list[Sheet]:
        tables, form_id = self.layout.tables, self._form.form_id
        names = [table.name for table in tables]
        made = []
        for number, table in enumerate(tables):
            header = header_of(self.layout, number, self.heads)
            if not number:
                made.append(Sheet(form_id, f"{form_id}.csv", ["SubmissionDate", *header, *_SYSTEM]))
                continue
            # Repeats of the same name in several places are counted, as Central does.
            again = f"~{names[1 : number + 1].count(table.name)}" if names[1:].count(table.name) > 1 else ""
            title = f"{table.name}{again}"
            made.append(Sheet(title, f"{form_id}-{title}.csv", [*header, "PARENT_KEY", "KEY"]))
        return made

    def add(self, one: Submitted, into: Tables) -> None:
        found = self.layout.rows(one.values, one.tagged, one.counts)
        status = "not decrypted" if self._form.encrypted or one.locked else ""
        into[0].append([
            one.received_at.isoformat(timespec="milliseconds")[:23] + "Z", *found[0][()], one.root,
            "" if one.submitter is None else str(one.submitter), one.submitter_name, one.present, one.expected, status,
            _STATES[one.state], one.device, one.edits, one.first_version,
        ])
        for number in range(1, len(found)):
            rows, places = found[number], self._places[number]
            for positions in sorted(rows) if len(rows) > 1 else rows:
                above, here = places.get(positions) or self._place(number, positions)
                into[number].append([*rows[positions], one.root + above, one.root + here])

    def _place(self, number: int, positions: tuple[int, ...]) -> tuple[str, str]:
        """What follows in a row's PARENT_KEY and KEY, remembered for the positions that everybody has."""
        parent = self.layout.tables[number].parent
        above = f"/{place_of(self._steps[parent], positions[:-1])}" if parent else ""
        both = above, f"/{place_of(self._steps[number], positions)}"
        if max(positions) < _REMEMBERED:
            self._places[number][positions] = both
        return both

    def heads(self, column: Column) -> list[str]:
        """The heads of a question's columns."""
        question = column.question
        # Within its repeat: a row of people has a name, not a people-name.
        depth = question.repeat.count("/") + 1 if question.repeat else 0
        steps = self._form.steps(question.path, self._labels)[depth:]
        name = "-".join(steps)
        return heads_of(column, name, [f"{name}-{part}" for part in _PLACE], self._labels)
