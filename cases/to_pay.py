"""What waits for whoever pays: grants that are approved, and paid ones whose receipt is not in."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from cases.paging import MOST_COUNTED, counted
from cases.sessions import SignedIn
from store.tables import grants


@dataclass(frozen=True, slots=True)
class ToPay:
    """How many grants are to be paid and their sum, how many paid ones have no receipt, the first of those to pay."""

    n: int | str
    amount: int
    unreceipted: int | str
    first: tuple[sa.Row, ...]


def to_pay(tx: sa.Connection, me: SignedIn, few: int) -> ToPay:
    """Asked for longest first; counted up to a thousand."""
    of = (grants.c.project_id == me.project,)
    approved = (*of, grants.c.state == "approved")
    inner = sa.select(grants.c.amount).where(*approved).limit(MOST_COUNTED + 1).subquery()
    sums = tx.execute(
        sa.select(
            sa.func.count().label("n"), sa.func.coalesce(sa.func.sum(inner.c.amount), 0).label("amount")
        ).select_from(inner)
    ).one()
    paid = sa.select(grants.c.id).where(*of, grants.c.state == "paid").limit(MOST_COUNTED + 1).subquery()
    without = tx.scalar(sa.select(sa.func.count()).select_from(paid)) or 0
    first = tx.execute(sa.select(grants).where(*approved).order_by(grants.c.requested_at, grants.c.id).limit(few)).all()
    return ToPay(counted(sums.n), int(sums.amount), counted(without), tuple(first))
