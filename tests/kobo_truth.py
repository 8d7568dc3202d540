"""A small Kobo to read from in tests, and the question that all of them end with: does the store hold what it holds?"""
from __future__ import annotations

import random
import uuid as uuids
from typing import Any
from xml.sax.saxutils import escape

import sqlalchemy as sa
from central_truth import QUICK, sync
from doubles.kobo_world import World
from doubles.server import Doubled
from lxml import etree

from store.actor import Actor
from store.audit import verify
from store.opening import Store
from store.tables import (
    quarantine,
    source_form,
    source_row,
    submission,
    submission_attachment,
    submission_version,
)
from sync import registry

HOUSE = """
| survey |
| | type | name | label | hint |
| | text | head | Head of the household | |
| | begin group | money | Money | |
| | decimal | income | Income | As it is |
| | end group | | | |
| | begin repeat | member | Member | |
| | text | member_name | Name | |
| | end repeat | | | |
| | image | photo | Photo | |
{more}
| settings |
| | form_id | form_title | version |
| | house | House | {version} |
"""
_REVIEW = {None: "received", "validation_status_approved": "approved", "validation_status_not_approved": "rejected", "validation_status_on_hold": "has_issues"}


def house(version: str = "1", more: str = "") -> str:
    return HOUSE.format(version=version, more=more)


def instance(form: str, instance_id: str, *, deprecated: str | None = None, **answers: Any) -> bytes:
    """An instance of a form; an answer that is a list is a repeat, one that is a dict a group."""
    old = f"<deprecatedID>{deprecated}</deprecatedID>" if deprecated else ""
    return f'<data id="{form}" version="1">{_nodes(answers)}<meta><instanceID>{instance_id}</instanceID>{old}</meta></data>'.encode()


def _nodes(answers: dict[str, Any]) -> str:
    made = ""
    for name, value in answers.items():
        for one in value if isinstance(value, list) else [value]:
            made += f"<{name}>{_nodes(one) if isinstance(one, dict) else escape(str(one))}</{name}>"
    return made


class Team:
    """People who fill a Kobo: every move is drawn from a seeded dice, so that a history can be told again."""

    def __init__(self, world: World, seed: int = 1, form: str = "house") -> None:
        self.world, self.dice, self.form, self.n = world, random.Random(seed), form, 0

    def new_id(self) -> str:
        return str(uuids.UUID(int=self.dice.getrandbits(128), version=4))

    def house(self, *, photo: bool | None = None, head: str | None = None, root: str | None = None, bare: bool = False) -> str:
        """A new submission; its photo comes at once, later or never. `bare`: it has none."""
        self.n += 1
        root, head = root or f"uuid:{self.new_id()}", head or f"บ้าน {self.n} & <Sons>"
        named = not bare and (photo is not None or self.dice.random() < 0.7)
        comes = self.dice.random() < 0.6 if photo is None else photo
        answers: dict[str, Any] = {"head": head, "money": {"income": f"{self.n}.50"}}
        answers["member"] = [{"member_name": f"member {one}"} for one in range(self.dice.randrange(3))]
        files = {}
        if named:
            answers["photo"] = f"photo {self.n}.jpg"
            files = {answers["photo"]: f"photo {self.n}".encode()} if comes else {}
        self.world.submit(instance(self.form, root, **answers), files)
        return root

    def houses(self, number: int, **options: Any) -> list[str]:
        return [self.house(**options) for _ in range(number)]

    def edit(self, root: str) -> None:
        sub = self.world.sub(self.form, root)
        self.n += 1
        xml = instance(self.form, f"uuid:{self.new_id()}", deprecated=sub.current.instance_id, head=f"edited {self.n}", money={"income": "7.00"})
        self.world.edit(self.form, root, xml)

    def anything(self) -> None:
        """One more move of any kind."""
        form = self.world.forms[self.form]
        live = list(form.subs)
        move = self.dice.choice(["house"] * 4 + (["edit", "edit", "review", "review", "delete", "late", "bulk", "copy"] if live else []))
        one = self.dice.choice(live) if live else ""
        if move == "house":
            self.house()
        elif move == "edit":
            self.edit(one)
        elif move == "review":
            self.world.review(self.form, one, self.dice.choice(["approved", "not_approved", "on_hold", None]))
        elif move == "delete":
            self.world.delete(self.form, one)
        elif move == "bulk":
            self.n += 1
            self.world.bulk_edit(self.form, [form.subs[each].id for each in {one, self.dice.choice(live)}], {"head": f"bulk {self.n}"})
        elif move == "copy":
            self.world.duplicate(self.form, one)
        else:
            for name, content in self.world.sub(self.form, one).files.items():
                if content is None:
                    self.world.attach(self.form, one, name, b"late " + name.encode())
        self.world.tick(seconds=self.dice.choice([0, 1, 2, 30]))


def add_kobo(store: Store, actor: Actor, double: Doubled, *, name: str = "field", token: str = "API_TOKEN", patience: dict | None = None, **options: Any) -> None:
    with store.database.begin(actor) as tx:
        registry.add(
            tx, store, actor, name=name, kind="kobo", url=double.url, options={"patience": QUICK | (patience or {})} | options,
            credentials={"token": token},
        )


def held(store: Store, actor: Actor, *, name: str = "field") -> dict:
    """What the store holds of a source, in plain words: each submission's answers as its current XML says them."""
    with store.database.begin(actor) as tx:
        here = sa.select(submission).where(submission.c.project_id == actor.project, submission.c.form_origin == name, submission.c.deleted_at.is_(None))
        subs = tx.execute(here).all()
        keys = store.keyring.records(tx, actor.project, [row.id for row in subs])
        found = {}
        for row in subs:
            current = tx.execute(sa.select(submission_version).where(submission_version.c.submission_id == row.id, submission_version.c.instance_id == row.instance_id)).one()
            files = tx.execute(sa.select(submission_attachment).where(submission_attachment.c.submission_id == row.id)).all()
            found[row.xml_form_id, row.root_instance_id] = {
                "current": row.instance_id, "review": row.review_state,
                "answers": answers(keys[row.id].decrypt(f"raw:{row.instance_id}", bytes(current.raw))),
                "files": {one.name: keys[row.id].decrypt(f"file:{one.name}", store.blobs.get(one.blob)) for one in files if one.blob},
                "expected": {one.name for one in files if not one.blob},
            }
        assert tx.scalar(sa.select(sa.func.count()).select_from(quarantine).where(quarantine.c.state == "waiting")) == 0
    return found


def answers(xml: bytes) -> str:
    """What an instance says beside its ids, whatever its root is called."""
    root = etree.fromstring(xml)
    return "".join(etree.tostring(node, encoding="unicode", with_tail=False) for node in root if etree.QName(node).localname != "meta")


def truth(world: World) -> dict:
    """What Kobo holds, in the same words. An approval that an edit left standing counts no more."""
    subs = {}
    for form in world.forms.values():
        if not form.versions:
            continue
        for root, sub in form.subs.items():
            subs[form.id_string, root] = {
                "current": sub.current.instance_id, "review": review_of(form, sub), "answers": answers(sub.current.xml),
                "files": {name: content for name, content in sub.files.items() if content is not None},
                "expected": {name for name, content in sub.files.items() if content is None},
            }
    return subs


def review_of(form: Any, sub: Any) -> str:
    if sub.review is None:
        return "edited" if len(sub.versions) > 1 else "received"
    last = [one for one in form.history if one["action"] == "modify-submission" and one["submission"]["root_uuid"] == sub.root.removeprefix("uuid:")]
    stands = "status" not in last[-1]["submission"]
    return "edited" if stands and _REVIEW[sub.review] == "approved" else _REVIEW[sub.review]


def check(store: Store, actor: Actor, world: World, *, name: str = "field") -> None:
    """I1, I2, I3: nothing lost, doubled or half. I4: the audit chain holds. I5: no cursor is ahead of what is stored."""
    ours, theirs = held(store, actor, name=name), truth(world)
    assert set(ours) == set(theirs)
    for key, one in theirs.items():
        mine = ours[key]
        # An edit may drop a photo that an earlier version named: what came with that one stays.
        named = set(one["files"]) | set(one["expected"])
        mine["files"] = {file: content for file, content in mine["files"].items() if file in named}
        mine["expected"] &= named
        assert mine == one, key
    with store.database.begin(actor) as tx:
        assert verify(tx, store.keyring).faults == ()
        for form in tx.execute(sa.select(source_form)):
            here = sa.select(sa.func.count()).select_from(source_row).where(source_row.c.remote == form.remote, source_row.c.deleted_at.is_(None))
            assert form.live == tx.scalar(here) == sum(key[0] == form.xml_form_id for key in theirs)


__all__ = ["Team", "add_kobo", "check", "held", "house", "instance", "sync", "truth"]
