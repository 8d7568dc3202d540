"""A history is delivered in any order, twice, in parts, by a process that may be killed: it always ends the same."""
from __future__ import annotations

import datetime as dt
import multiprocessing
import os
import signal
import uuid
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from test_receive import HISTORY, NOTE, PERSON, note, person_xml

from namjai.settings import Settings
from store.audit import verify
from store.opening import open_store
from store.tables import (
    audit,
    cases,
    entity,
    membership,
    quarantine,
    submission,
    submission_attachment,
    submission_version,
)
from submissions.delivery import Delivery, File
from web.openrosa import taken

BRANCH = "7e3f6d46-8e6a-4f0e-9b7e-0d4f2d4c3c11"


class History:
    """What one worker filled in: an intake with two offline updates, and a note with a picture, edited twice."""

    def __init__(self) -> None:
        self.person, self.mark = str(uuid.uuid4()), uuid.uuid4().hex[:12]
        self.code = f"C{self.mark}"
        said = {"case_code": self.code, "pseudonym": "Fah"}
        self.items: list[tuple[str, dict[str, bytes]]] = [
            (person_xml(f"{self.mark}-c", self.person, risk="low", **said), {}),
            (person_xml(f"{self.mark}-u1", self.person, "update", 1, BRANCH, risk="medium", pseudonym="Fah"), {}),
            (person_xml(f"{self.mark}-u2", self.person, "update", 2, BRANCH, risk="high", pseudonym="Fah Sai"), {}),
            (note(f"{self.mark}-0", "first", photo="0.jpg"), {"0.jpg": b"picture"}),
            (note(f"{self.mark}-1", "second", photo="0.jpg", edit_of=f"{self.mark}-0"), {"0.jpg": b"picture"}),
            (note(f"{self.mark}-2", "third", photo="0.jpg", edit_of=f"{self.mark}-1"), {"0.jpg": b"picture"}),
        ]


class Deliveries(RuleBasedStateMachine):
    """Hypothesis chooses what arrives next, whole, without its files, or only its files again."""

    tablet = store = aftercare = None

    def __init__(self) -> None:
        super().__init__()
        self.history, self.whole = History(), set()

    @rule(which=st.integers(0, 5), with_files=st.booleans())
    def deliver(self, which: int, with_files: bool) -> None:
        xml, files = self.history.items[which]
        answer = self.tablet.post(xml, files if with_files else None, incomplete=not with_files)
        assert answer.status_code == 201, answer.text
        if with_files:
            self.whole.add(which)

    @precondition(lambda self: self.whole)
    @rule()
    def a_stranger_with_the_same_id_is_refused(self) -> None:
        which = min(self.whole)
        xml = self.history.items[which][0].replace("</data>", "<more>x</more></data>")
        assert self.tablet.post(xml).status_code == 409

    @invariant()
    def nothing_is_doubled(self) -> None:
        with self.store.database.begin(self.aftercare) as tx:
            ours = submission_version.c.instance_id.like(f"uuid:{self.history.mark}%")
            versions = tx.execute(sa.select(submission_version.c.instance_id).where(ours)).scalars().all()
            assert len(versions) == len(set(versions))
            assert tx.scalar(sa.select(sa.func.count()).select_from(cases).where(cases.c.entity == uuid.UUID(self.history.person))) <= 1

    def teardown(self) -> None:
        for which in range(5, -1, -1):
            xml, files = self.history.items[which]
            assert self.tablet.post(xml, files).status_code == 201
        with self.store.database.begin(self.aftercare) as tx:
            self._ends_as_it_was_meant(tx)

    def _ends_as_it_was_meant(self, tx: sa.Connection) -> None:
        mark = self.history.mark
        person = tx.execute(sa.select(entity).where(entity.c.uuid == uuid.UUID(self.history.person))).one()
        assert (person.data["risk"], person.data["pseudonym"], person.conflict, person.placeholder) == ("high", "Fah Sai", None, False)
        case = tx.execute(sa.select(cases).where(cases.c.entity == person.uuid)).one()
        assert (case.code, case.pseudonym, case.risk) == (self.history.code, "Fah Sai", "high")
        assert tx.scalar(sa.select(sa.func.count()).select_from(membership).where(membership.c.case_id == case.id)) == 3
        edited = tx.execute(sa.select(submission).where(submission.c.root_instance_id == f"uuid:{mark}-0")).one()
        assert edited.instance_id == f"uuid:{mark}-2"
        key = self.store.keyring.record(tx, self.aftercare.project, edited.id)
        assert b"third" in key.decrypt("sensitive", bytes(edited.sensitive))
        files = tx.execute(sa.select(submission_attachment).where(submission_attachment.c.submission_id == edited.id)).all()
        assert [(one.name, one.state) for one in files] == [("0.jpg", "verified")]
        assert key.decrypt("file:0.jpg", self.store.blobs.get(files[0].blob)) == b"picture"
        versions = tx.execute(sa.select(submission_version).where(submission_version.c.submission_id == edited.id)).all()
        assert len(versions) == 3
        for one in versions:
            assert one.instance_id.encode() in key.decrypt(f"raw:{one.instance_id}", bytes(one.raw))


def test_any_order_ends_as_it_was_meant(tablet, publish, store, aftercare):
    publish(NOTE)
    publish(PERSON.replace("${given}", "${case_code}").replace("${how}", "${risk}"))
    Deliveries.tablet, Deliveries.store, Deliveries.aftercare = tablet, store, aftercare
    quick = settings(max_examples=25, stateful_step_count=10, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(Deliveries, settings=quick)
    with store.database.begin(aftercare) as tx:
        assert verify(tx, store.keyring).faults == ()


@pytest.mark.parametrize("xml", [note("k", photo="0.jpg"), HISTORY[0]], ids=["note", "intake"])
def test_a_kill_between_any_two_steps_loses_and_doubles_nothing(xml, tablet, publish, store, settings, database_url, aftercare):
    publish(NOTE)
    publish(PERSON.replace("${given}", "${case_code}").replace("${how}", "${risk}"))
    kills = 0
    for step in range(1, 80):
        if _take_and_die(settings, database_url, aftercare, xml, step):
            break
        kills += 1
    assert kills >= 5
    # The tablet had no answer, so it sends again.
    assert tablet.post(xml, {"0.jpg": b"picture"} if "0.jpg" in xml else None).status_code == 201
    with store.database.begin(aftercare) as tx:
        def count(table):
            return tx.scalar(sa.select(sa.func.count()).select_from(table))

        assert count(submission) == count(submission_version) == 1
        assert tx.scalar(sa.select(sa.func.count()).select_from(audit).where(audit.c.verb == "submission.new")) == 1
        assert count(quarantine) == 0
        assert {row.state for row in tx.execute(sa.select(submission_attachment.c.state))} <= {"verified"}
        assert verify(tx, store.keyring).faults == ()


def _take_and_die(settings, url: str, actor, xml: str, step: int) -> bool:
    """A process of its own takes the delivery and is killed after so many statements. True: it lived to the end."""
    child = _PROCESSES.Process(target=_take, args=(str(settings.data_dir), settings.master_key, url, actor, xml, step))
    child.start()
    child.join(60)
    assert child.exitcode in (0, -signal.SIGKILL)
    return child.exitcode == 0


# Forked from a process without threads: the blob store's own would not survive a fork of this one.
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["test_receive_machine"])


def _take(folder: str, master_key: bytes, url: str, actor, xml: str, step: int) -> None:
    opened = open_store(Settings(data_dir=Path(folder), master_key=master_key), url, pool_size=1)
    files = (File("0.jpg", b"picture", "image/jpeg"),) if "0.jpg" in xml else ()
    _die_after(step)
    taken(opened, actor, Delivery(xml.encode(), dt.datetime.now(dt.UTC), files=files))


def _die_after(step: int) -> None:
    left = step

    def counted(original):
        def execute(self, *arguments, **options):
            nonlocal left
            answer = original(self, *arguments, **options)
            left -= 1
            if left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return answer

        return execute

    psycopg.Cursor.execute = counted(psycopg.Cursor.execute)  # type: ignore[method-assign]
    psycopg.Connection.commit = counted(psycopg.Connection.commit)  # type: ignore[method-assign]
