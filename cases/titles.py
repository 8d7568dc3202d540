"""What forms are called, and the icon they carry, in one language. From the programme, else from the form itself."""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa

from odk.programme import Programme
from odk.schema import in_language
from store.tables import form

_ICON = "file-earmark-text"


class Titles:
    """The titles of a project's forms."""

    def __init__(self, tx: sa.Connection, project: UUID, programme: Programme, language: str) -> None:
        self.language, self._programme = language, programme
        self._stored = {
            row.xml_form_id: row.title
            for row in tx.execute(sa.select(form.c.xml_form_id, form.c.title).where(form.c.project_id == project))
        }

    def title(self, form_id: str) -> str:
        rule = self._programme.forms.get(form_id)
        if rule is not None:
            return rule.title.in_(self.language)
        return in_language(self._stored.get(form_id) or {}, self.language) or form_id

    def icon(self, form_id: str) -> str:
        rule = self._programme.forms.get(form_id)
        return rule.icon if rule else _ICON

    def all(self) -> list[tuple[str, str]]:
        """(form id, title), by title."""
        return sorted(((one, self.title(one)) for one in self._stored), key=lambda pair: pair[1])
