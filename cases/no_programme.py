"""What a project is like in which forms were published and no programme was installed: no cases, grants or letters.

Its submissions are taken, read and reviewed all the same.
"""
from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa

from namjai.languages import Words
from odk.programme import ListRule, Programme
from store.tables import project

# No form can write a list of this name, so nothing ever becomes a case.
_NO_LIST = ""


def without_programme(tx: sa.Connection, project_id: UUID) -> Programme:
    """The programme of a project that has none."""
    row = tx.execute(sa.select(project).where(project.c.id == project_id)).one()
    lists = {_NO_LIST: ListRule(_NO_LIST, Words("Cases", "เคส"))}
    return Programme(
        id=row.name, name=Words(row.name, row.name), short_name=row.short_name, case_list=_NO_LIST,
        timezone=row.timezone, lists=lists,
    )
