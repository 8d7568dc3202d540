"""The persons of the demonstration, at work on the web: they call what the pages call, each with the rights of a role.

Knows the plan's deeds; decides nothing.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from cases import grants, reveal, stages
from cases.access import scope_of
from commands.demonstration.plan import BANGKOK, Deed
from commands.demonstration.staff import COLLEAGUES
from odk.programme import Programme
from store.actor import Actor
from store.opening import Store
from store.tables import cases, submission, submission_version
from store.tables import grants as grants_table
from submissions import review

_BY_KEY = {one.key: one for one in COLLEAGUES}
# Deed → the right it needs.
_VERBS = {
    "approved": "submission.review", "has_issues": "submission.review", "rejected": "submission.review",
    "comment": "submission.comment", "stage": "case.stage", "grant": "grant.decide", "refuse": "grant.decide",
    "pay": "grant.pay", "remark": "grant.comment", "look": "case.reveal",
}


@dataclass
class Office:
    """The team at its desks. `people`: key → user id."""

    store: Store
    project: UUID
    programme: Programme
    people: Mapping[str, UUID]

    def do(self, deed: Deed) -> None:
        """Carry out a deed in a transaction of its own. Raises what the called function raises."""
        who = _BY_KEY[deed.by]
        scope = scope_of(_VERBS[deed.what], who.role) or "own"
        actor = Actor("person", self.people[deed.by], (self.project,), scope, who.team)
        if deed.what == "look":
            self._reveal(actor, deed)
            return
        with self.store.database.begin(actor) as tx:
            if deed.what in ("approved", "has_issues", "rejected", "comment"):
                self._review(tx, actor, deed)
            elif deed.what == "stage":
                since = deed.since or deed.at.astimezone(BANGKOK).date()
                case_id = self._case(tx, deed.about)
                stages.move(tx, self.store, actor, case_id, deed.text, since=since, programme=self.programme)
            else:
                self._decide(tx, actor, deed, who.role)

    def _review(self, tx: sa.Connection, actor: Actor, deed: Deed) -> None:
        row = tx.execute(
            sa.select(submission.c.id, submission.c.row_version)
            .join(submission_version, sa.and_(submission_version.c.project_id == submission.c.project_id,
                                              submission_version.c.submission_id == submission.c.id))
            .where(submission.c.project_id == self.project, submission_version.c.instance_id == deed.about)
        ).one()
        if deed.what == "comment":
            review.say(tx, self.store, actor, row.id, deed.text)
        else:
            state = review.ReviewState(deed.what)
            review.set_review_state(tx, self.store, actor, row.id, state, row_version=row.row_version, reason=deed.text)

    def _decide(self, tx: sa.Connection, actor: Actor, deed: Deed, role: str) -> None:
        grant = tx.execute(sa.select(grants_table).where(
            grants_table.c.project_id == self.project, grants_table.c.entity == UUID(deed.about))).one()
        if deed.what == "grant":
            grants.approve(tx, self.store, actor, grant.id, role=role, row_version=grant.row_version,
                           seen_content=bytes(grant.content))
        elif deed.what == "refuse":
            grants.refuse(tx, self.store, actor, grant.id, reason=deed.text, row_version=grant.row_version)
        elif deed.what == "pay":
            paid_on = deed.at.astimezone(BANGKOK).date()
            grants.mark_paid(
                tx, self.store, actor, grant.id, paid_on=paid_on, how=deed.text, row_version=grant.row_version)
        else:
            review.say(tx, self.store, actor, grant.id, deed.text)

    def _reveal(self, actor: Actor, deed: Deed) -> None:
        """The name is opened for a letter: the audit says so before it is read, as on the page."""
        with self.store.database.begin(actor) as tx:
            case_id = self._case(tx, deed.about)
            found = reveal.person(tx, self.store, self.project, case_id, self.programme)
        if found is None:
            return
        row, paths, answered = found
        reveal.allow(self.store, actor, subjects=[("case", case_id)], submission_id=row.id,
                     fields=reveal.name_fields(paths, answered), reason="court", note=deed.text)

    def _case(self, tx: sa.Connection, survivor: str) -> UUID:
        return tx.execute(sa.select(cases.c.id).where(
            cases.c.project_id == self.project, cases.c.entity == UUID(survivor))).scalar_one()
