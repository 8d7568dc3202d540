"""Forms and entity lists of a source: all versions become known here before their submissions come."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from cases.projects import programme_of
from cases.publishing import TABLETS, make_list, publish
from cases.source_problems import FormElsewhere, ListKeptHere
from namjai.problems import Problem
from odk.xform import read_xform
from odk.xlsform import Compiled
from store.tables import entity, entity_list, form, form_version, source, source_form, source_list
from sync.patience import apart, of_a_form
from sync.rows import of_form, take_again
from sync.source import FormContent, KnownForm, RemoteForm, RemoteList, SourceProblem
from sync.work import Work


def bring_lists(work: Work) -> tuple[RemoteList, ...]:
    """The lists whose home this source is, made or widened here. Gives those that its feed may write."""
    homes = {one: work.steadily(_list, work, one) for one in work.source.lists()}
    for one, home in homes.items():
        if home != work.name:
            said = "Namjai" if home == TABLETS else home
            work.problems.append(ListKeptHere(list=one.name, name=work.name, home=said))
    return tuple(one for one, home in homes.items() if home == work.name)


def bring_forms(work: Work, lists: tuple[RemoteList, ...]) -> list[RemoteForm]:
    """All forms with all their versions, but for those that could not be had now: they are noted as problems."""
    # Left out: all of them, those that will be published later too.
    chosen = work.row.options.get("forms")
    before = work.look(_read_before, work)
    found = [one for one in work.source.forms(before) if chosen is None or one.remote in chosen]
    work.steadily(_remember, work, found)
    known = {one.remote for one in found if one.mark and one.remote in before and one.mark == before[one.remote].mark}
    # Submissions wait where their form could not be had.
    keeps = bool(lists)
    return [one for one in found if one.remote in known or apart(work, of_a_form(one), _brought, one, keeps)]


def _brought(work: Work, one: RemoteForm, keeps_lists: bool) -> None:
    """All versions of a form. One that cannot be used here is noted. Raises SourceProblem where it cannot be had."""
    try:
        _versions(work, one, keeps_lists)
    except SourceProblem:
        raise
    except Problem as problem:
        work.problems.append(FormElsewhere(name=work.name, form=one.xml_form_id, reason=problem.code))


def _versions(work: Work, one: RemoteForm, keeps_lists: bool) -> None:
    """Publish what is not here yet, the oldest first. One that cannot be read does not hold up the later ones."""
    first: Problem | None = None
    for version in one.versions or work.source.versions_of(one):
        if work.look(_is_here, work, one, version):
            continue
        content = work.source.form_content(one, version)
        try:
            compiled = Compiled(f"{one.xml_form_id}.xml", content.xform, read_xform(content.xform))
            work.steadily(_publish, work, compiled, content, keeps_lists)
            work.counts["forms"] += 1
        except Problem as problem:
            first = first or problem
    work.steadily(_settle, work, one, first)
    if first:
        raise first


def _publish(tx: sa.Connection, work: Work, compiled: Compiled, content: FormContent, keeps_lists: bool) -> None:
    publish(
        tx,
        work.store,
        work.actor,
        compiled,
        programme=programme_of(tx, work.project),
        media=content.media,
        origin=work.name,
        lists_at=work.name if keeps_lists else TABLETS,
    )


def _settle(tx: sa.Connection, work: Work, one: RemoteForm, problem: Problem | None) -> None:
    """The form is as its source has it; what could not be read is looked at again in every run."""
    take_again(tx, work, one, new_version=True)
    tx.execute(
        source_form.update()
        .where(*of_form(work, one))
        .values(mark=None if problem else one.mark, problem=problem.code if problem else None)
    )
    # A form that tablets are served from here keeps the state that it has here.
    tx.execute(
        form.update()
        .where(form.c.project_id == work.project, form.c.xml_form_id == one.xml_form_id, form.c.origin == work.name)
        .values(state="closing" if one.closed else "open", updated_at=dt.datetime.now(dt.UTC))
    )


def _read_before(tx: sa.Connection, work: Work) -> dict[str, KnownForm]:
    """As what the forms are known here and under which marks they were read last, by their address."""
    return {row.remote: KnownForm(row.xml_form_id, row.mark) for row in tx.execute(forms_of(work))}


def _remember(tx: sa.Connection, work: Work, found: list[RemoteForm]) -> None:
    """Note the forms as the source has them. Only what changed is written."""
    here = {row.remote: row for row in tx.execute(forms_of(work))}
    for one in found:
        said = {"xml_form_id": one.xml_form_id, "title": one.title, "closed": one.closed}
        row = here.get(one.remote)
        if row is None:
            place = {"project_id": work.project, "source_id": work.id, "remote": one.remote}
            tx.execute(source_form.insert().values(**place, cursor={}, live=0, **said))
        elif any(getattr(row, name) != value for name, value in said.items()):
            tx.execute(source_form.update().where(*of_form(work, one)).values(**said))


def forms_of(work: Work) -> sa.Select:
    """The rows of all forms of the source."""
    return sa.select(source_form).where(source_form.c.project_id == work.project, source_form.c.source_id == work.id)


def _is_here(tx: sa.Connection, work: Work, one: RemoteForm, version: str) -> bool:
    return (
        tx.scalar(
            sa.select(sa.literal(1)).where(
                form_version.c.project_id == work.project,
                form_version.c.xml_form_id == one.xml_form_id,
                form_version.c.origin == work.name,
                form_version.c.version == version,
            )
        )
        is not None
    )


def _list(tx: sa.Connection, work: Work, one: RemoteList) -> str:
    """The list's home: this source for a new list, for one that nobody has written yet, and for one whose home was this
    same server under a name that was removed."""
    row = tx.execute(
        sa.select(entity_list)
        .where(entity_list.c.project_id == work.project, entity_list.c.name == one.name)
        .with_for_update()
    ).one_or_none()
    if row is not None and row.home != work.name:
        used = tx.scalar(
            sa.select(sa.literal(1)).where(entity.c.project_id == work.project, entity.c.list == one.name).limit(1)
        )
        free = not used if row.home == TABLETS else _was_here(tx, work, row.home)
        if not free:
            return row.home
        tx.execute(
            entity_list.update()
            .where(entity_list.c.project_id == work.project, entity_list.c.name == one.name)
            .values(home=work.name)
        )
    if row is None or set(one.properties) - set(row.properties):
        programme = programme_of(tx, work.project)
        make_list(tx, work.project, one.name, list(one.properties), programme, home=work.name)
    tx.execute(
        insert(source_list)
        .values(project_id=work.project, source_id=work.id, name=one.name, cursor={}, live=0)
        .on_conflict_do_nothing()
    )
    return work.name


def _was_here(tx: sa.Connection, work: Work, home: str) -> bool:
    """Whether a home is this same place under another name, by which it is read no more."""
    place = {name: getattr(work.row, name) for name in ("project_id", "kind", "url")}
    query = sa.select(source.c.options).where(
        *(source.c[name] == value for name, value in place.items()),
        source.c.name == home,
        source.c.removed_at.is_not(None),
    )
    options = tx.scalar(query)
    return options is not None and options.get("project") == work.row.options.get("project")
