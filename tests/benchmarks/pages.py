"""How long a page takes on the server at 20,000 cases and 100,000 submissions: `python tests/benchmarks/pages.py`.

The demonstration's forty cases come through the tablets' door; the rest are their copies, made in SQL. A page of a case
is measured on one that came through the door, so that everything on it is really decrypted.
"""
from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from uuid import UUID

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parents[1])]

import sqlalchemy as sa  # noqa: E402
from browser import installed, throw_away  # noqa: E402

from cases import sessions  # noqa: E402
from commands.demo import seed  # noqa: E402
from commands.opening import opened  # noqa: E402
from store.actor import NOBODY, Actor  # noqa: E402
from store.opening import Store  # noqa: E402
from store.tables import cases, entity, list_row, membership, submission  # noqa: E402

CASES, EACH = 20_000, 5  # submissions a case
TIMES = 30
# A worker of the demonstration keeps their cases and a few copies; the others belong to four hundred invented workers.
_OWN = 2


def fill(store: Store, originals: int) -> None:
    """Copies of every case with its first submissions, until there are enough; then what a database knows of itself is renewed."""
    engine = sa.create_engine(store.database.url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    copies = CASES // originals - 1
    with engine.connect() as connection:
        # References and triggers hold for the originals, so for their copies, too.
        connection.execute(sa.text("SET session_replication_role = replica"))
        for statement in _copies(copies):
            connection.execute(sa.text(statement))
        connection.execute(sa.text("SET session_replication_role = origin"))
        connection.execute(sa.text("VACUUM ANALYZE"))
    engine.dispose()


def _copies(copies: int) -> list[str]:
    worker = f"CASE WHEN n <= {_OWN} THEN o.worker ELSE md5('worker' || n % 400)::uuid END"
    team = f"CASE WHEN n <= {_OWN} THEN o.team ELSE 'Team ' || n % 12 END"
    code = "regexp_replace(upper(substr(md5(o.code || n), 1, 9)), '(...)(...)(...)', '\\1-\\2-\\3')"
    first = "(SELECT *, row_number() OVER (PARTITION BY case_id ORDER BY event_date) AS place FROM membership) o"
    early = f"o.place <= {EACH}"
    # One that lies in several cases is copied once.
    few = f"o.id IN (SELECT submission_id FROM {first} WHERE {early})"
    state = "CASE WHEN n <= 2 THEN o.review_state ELSE 'approved' END"
    survivors = "o.list = (SELECT name FROM entity_list WHERE is_case_list LIMIT 1)"
    return [
        _copy(entity, copies, "entity o", survivors, uuid=_other("uuid"), case_id=_other("case_id")),
        _copy(cases, copies, "cases o", id=_other("id"), entity=_other("entity"), code=code, worker=worker, team=team),
        _copy(list_row, copies, "list_row o", survivors, id=_other("id"), case_id=_other("case_id"), worker=worker, team=team,
              d1="o.d1 + n * 7 % 180"),
        _copy(submission, copies, "submission o", few, id=_other("id"), root_instance_id="'uuid:' || md5(o.root_instance_id || n)",
              instance_id="'uuid:' || md5(o.instance_id || n)", review_state=state,
              received_at="o.received_at - n * interval '1 minute'"),
        _copy(membership, copies, first, early, case_id=_other("case_id"), submission_id=_other("submission_id"), worker=worker,
              team=team),
    ]


def _other(column: str) -> str:
    return f"md5(o.{column}::text || '/' || n)::uuid"


def _copy(table: sa.Table, copies: int, source: str, condition: str = "true", **changed: str) -> str:
    columns = [column.name for column in table.columns]
    names = ", ".join(f'"{name}"' for name in columns)
    values = ", ".join(changed.get(name, f'o."{name}"') for name in columns)
    return f"INSERT INTO {table.name} ({names}) SELECT {values} FROM {source}, generate_series(1, {copies}) n WHERE {condition}"


def client_of(app: Any, store: Store, actor: Actor, key: str) -> Any:
    """A browser in which a demonstration person is signed in."""
    with store.database.begin(actor) as tx:
        user_id = tx.scalar(sa.text("SELECT id FROM users WHERE email = :email"), {"email": f"{key}@example.org"})
    with store.database.begin(NOBODY) as tx:
        token = sessions.begin(tx, store, UUID(str(user_id)), how="bench")
    client = app.test_client()
    client.set_cookie("namjai", token)
    return client


def milliseconds(client: Any, path: str) -> float:
    """The median of one page, after it is warm."""
    taken = []
    for turn in range(TIMES + 3):
        began = time.perf_counter()
        answer = client.get(path)
        if turn >= 3:
            taken.append((time.perf_counter() - began) * 1000)
        assert answer.status_code == 200, f"{path}: {answer.status_code}"
    return statistics.median(taken)


def main() -> dict[str, float]:
    """Milliseconds by page and reader."""
    from web.app import create_app

    with tempfile.TemporaryDirectory(prefix="namjai-bench-") as folder, opened(throw_away(Path(folder))) as store:
        actor = installed(store)
        seed(store)
        with store.database.begin(actor) as tx:
            story = tx.scalar(sa.text(
                "SELECT c.code FROM cases c JOIN setting s ON s.name = 'demonstration' AND s.value->>'case' = c.id::text"))
            originals = tx.scalar(sa.text("SELECT count(*) FROM cases"))
            waiting = tx.scalar(sa.text("SELECT id FROM submission WHERE review_state = 'received' LIMIT 1"))
        fill(store, originals)
        with store.database.begin(actor) as tx:
            print(*tx.execute(sa.text("SELECT (SELECT count(*) FROM cases), (SELECT count(*) FROM submission)")).one(),
                  "cases and submissions", file=sys.stderr)
        app = create_app(store)
        ploy, nok = (client_of(app, store, actor, key) for key in ("ploy", "nok"))
        return {
            "case list, coordinator (all cases)": milliseconds(ploy, "/cases"),
            "case list, high risk and overdue": milliseconds(ploy, "/cases?risk=high&due=overdue"),
            "case list, search by code": milliseconds(ploy, f"/cases?q={story[:7]}"),
            "case list, field staff (their own)": milliseconds(nok, "/cases"),
            "case page, coordinator": milliseconds(ploy, f"/cases/{story}"),
            "case page, field staff": milliseconds(nok, f"/cases/{story}"),
            "Today, coordinator": milliseconds(ploy, "/"),
            "review queue": milliseconds(ploy, "/submissions"),
            "a submission": milliseconds(ploy, f"/submissions/{waiting}"),
        }


if __name__ == "__main__":
    for page, taken in main().items():
        print(f"{page:40} {taken:6.1f} ms")
