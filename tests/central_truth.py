"""A small Central to read from in tests, and the question that all of them end with: does the store hold what it holds?"""
from __future__ import annotations

import random
import uuid as uuids
from typing import Any
from xml.sax.saxutils import escape

import sqlalchemy as sa
from conftest import compile_markdown
from doubles.central import Doubled
from doubles.central_world import World

from store.actor import Actor
from store.audit import verify
from store.opening import Store
from store.tables import (
    audit,
    entity,
    quarantine,
    source_form,
    source_row,
    submission,
    submission_attachment,
    submission_version,
)
from submissions.review import thread
from sync import registry
from sync.run import Ran, run

HOUSE = """
| survey |
| | type | name | label | save_to |
| | text | head | Head of the household | head |
| | decimal | income | Income | income |
| | image | photo | Photo | |
| settings |
| | form_id | form_title | version |
| | house | House | {version} |
| entities |
| | list_name | label |
| | houses | ${{head}} |
"""
VISIT = """
| survey |
| | type | name | label | save_to |
| | select_one_from_file houses.csv | who | Which house | |
| | text | note | Note | note |
| | image | photo | Photo | |
| settings |
| | form_id | form_title | version |
| | visit_house | Visit | {version} |
| entities |
| | list_name | entity_id |
| | houses | ${{who}} |
"""
QUICK = {"connect": 2, "silence": 2, "answer": 3, "in_all": 8, "tries": 4, "first_pause": 0.01, "longest_pause": 0.1}
_REVIEW = {None: "received", "edited": "edited", "hasIssues": "has_issues", "rejected": "rejected", "approved": "approved"}


def xform(form: str, version: str = "1") -> bytes:
    return compile_markdown(form.format(version=version)).xform


def instance(
    form: str, instance_id: str, *, version: str = "1", deprecated: str | None = None, entity: str = "", **answers: str
) -> bytes:
    """An instance of a form; `entity` is the whole element below meta."""
    nodes = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in answers.items())
    old = f"<deprecatedID>{deprecated}</deprecatedID>" if deprecated else ""
    return (
        f'<data xmlns:orx="http://openrosa.org/xforms" xmlns:entities="http://www.opendatakit.org/xforms/entities" id="{form}" version="{version}">{nodes}'
        f"<meta>{entity}{old}<instanceID>{instance_id}</instanceID></meta></data>"
    ).encode()


def creates(uuid: str, label: str) -> str:
    return f'<entity dataset="houses" create="1" id="{uuid}"><label>{escape(label)}</label></entity>'


def updates(uuid: str, base: int) -> str:
    return f'<entity dataset="houses" update="1" id="{uuid}" baseVersion="{base}" trunkVersion="" branchId=""><label/></entity>'


class Team:
    """People who fill Central: every move is drawn from a seeded dice, so that a history can be told again."""

    def __init__(self, world: World, seed: int = 1) -> None:
        self.world, self.dice, self.n = world, random.Random(seed), 0

    def new_id(self) -> str:
        return str(uuids.UUID(int=self.dice.getrandbits(128), version=4))

    def house(self, *, version: str = "1", photo: bool | None = None, at: str | None = None, head: str | None = None) -> str:
        """A new submission; its photo comes at once, later or never."""
        self.n += 1
        root, head = f"uuid:{self.new_id()}", head or f"บ้าน {self.n} & <Sons>"
        with_photo = self.dice.random() < 0.6 if photo is None else photo
        answers = {"head": head, "income": f"{self.n}.50"} | ({"photo": f"{self.n}.jpg"} if self.dice.random() < 0.7 or photo else {})
        xml = instance("house", root, version=version, entity=creates(self.new_id(), head), **answers)
        files = {f"{self.n}.jpg": f"photo {self.n}".encode()} if with_photo and "photo" in answers else {}
        self.world.submit(xml, files, at=at)
        return root

    def houses(self, number: int, **options: Any) -> list[str]:
        return [self.house(**options) for _ in range(number)]

    def edit(self, root: str, *, version: str = "1") -> None:
        sub = self.world.sub("house", root)
        self.n += 1
        xml = instance("house", f"uuid:{self.new_id()}", version=version, deprecated=sub.current.instance_id, head=f"edited {self.n}", income="7.00")
        self.world.edit("house", root, xml)

    def anything(self) -> None:
        """One more move of any kind."""
        form = self.world.forms["house"]
        live = [root for root, sub in form.subs.items() if not sub.deleted]
        gone = [root for root, sub in form.subs.items() if sub.deleted]
        version = form.published.version
        moves = ["house"] * 4 + (["edit", "edit", "review", "comment", "delete", "late", "entity", "remove"] if live else []) + (["restore", "purge"] if gone else [])
        move = self.dice.choice(moves)
        one = self.dice.choice(live) if live else ""
        if move == "house":
            self.house(version=version)
        elif move == "edit":
            self.edit(one, version=version)
        elif move == "review":
            self.world.review("house", one, self.dice.choice(["approved", "hasIssues", "rejected"]), self.dice.choice([None, "checked"]))
        elif move == "comment":
            self.world.comment("house", one, f"why {self.n}")
            self.world.review("house", one, "hasIssues")
        elif move == "delete":
            self.world.delete("house", one)
        elif move == "restore":
            self.world.restore("house", self.dice.choice(gone))
        elif move == "purge":
            self.world.purge("house", self.dice.choice(gone))
        elif move == "late":
            for name, content in self.world.sub("house", one).files.items():
                if content is None:
                    self.world.attach("house", one, name, b"late " + name.encode())
        else:
            here = [uuid for uuid, found in self.world.datasets["houses"].entities.items() if not found.deleted]
            if here and move == "entity":
                chosen = self.dice.choice(here)
                base = self.world.entity("houses", chosen).versions[-1]["version"]
                self.world.change_entity("houses", chosen, {"income": str(self.n)}, None, base - (self.dice.random() < 0.3 and base > 1), force=True)
            elif len(here) > 1:
                self.world.remove_entity("houses", self.dice.choice(here))
        self.world.tick(seconds=self.dice.choice([0, 0, 1, 30]))


def add_central(store: Store, actor: Actor, double: Doubled, *, name: str = "field", patience: dict | None = None, url: str | None = None) -> None:
    with store.database.begin(actor) as tx:
        registry.add(
            tx, store, actor, name=name, kind="central", url=url or double.url,
            options={"project": double.world.project, "patience": QUICK | (patience or {})},
            credentials={"email": double.world.email, "password": double.world.password},
        )


def sync(store: Store, actor: Actor, *, name: str = "field", **options: Any) -> Ran:
    with store.database.begin(actor) as tx:
        row = registry.named(tx, actor.project, name)
    return run(store, row, **options)


def held(store: Store, actor: Actor, *, name: str = "field") -> dict:
    """What the store holds of a source, in plain words."""
    with store.database.begin(actor) as tx:
        subs = tx.execute(sa.select(submission).where(submission.c.project_id == actor.project, submission.c.form_origin == name)).all()
        keys = store.keyring.records(tx, actor.project, [row.id for row in subs])
        found = {}
        for row in subs:
            if row.deleted_at:
                continue
            versions = tx.execute(sa.select(submission_version).where(submission_version.c.submission_id == row.id).order_by(submission_version.c.received_at)).all()
            files = tx.execute(sa.select(submission_attachment).where(submission_attachment.c.submission_id == row.id)).all()
            found[row.xml_form_id, row.root_instance_id] = {
                "current": row.instance_id, "review": row.review_state,
                "versions": {one.instance_id: keys[row.id].decrypt(f"raw:{one.instance_id}", bytes(one.raw)) for one in versions},
                "files": {one.name: keys[row.id].decrypt(f"file:{one.name}", store.blobs.get(one.blob)) for one in files if one.blob},
                "expected": {one.name for one in files if not one.blob},
                "said": sorted(text for _, _, text in thread(tx, store, actor.project, row.id)),
            }
        entities = {
            str(row.uuid): (row.list, row.label, row.data, row.version, row.conflict)
            for row in tx.execute(sa.select(entity).where(entity.c.list == "houses", entity.c.deleted_at.is_(None), entity.c.placeholder.is_(False)))
        }
        assert tx.scalar(sa.select(sa.func.count()).select_from(quarantine).where(quarantine.c.state == "waiting")) == 0
    return {"subs": found, "entities": entities}


def truth(world: World) -> dict:
    """What Central holds, in the same words."""
    subs = {}
    for form in world.forms.values():
        for root, sub in form.subs.items():
            if not sub.deleted:
                subs[form.id, root] = {
                    "current": sub.current.instance_id, "review": _REVIEW[sub.review],
                    "versions": {one.instance_id: one.xml for one in sub.versions},
                    "files": {name: content for name, content in sub.files.items() if content is not None},
                    "expected": {name for name, content in sub.files.items() if content is None},
                    "said": sorted([one["body"] for one in sub.comments] + [one["notes"] for one in sub.audits if one["notes"]]),
                }
    entities = {
        one.uuid: ("houses", one.versions[-1]["label"], one.versions[-1]["data"], one.versions[-1]["version"], one.conflict)
        for one in (world.datasets["houses"].entities.values() if "houses" in world.datasets else ()) if not one.deleted
    }
    return {"subs": subs, "entities": entities}


def check(store: Store, actor: Actor, world: World, *, name: str = "field") -> None:
    """I1, I2, I3: nothing lost, doubled or half. I4: the audit chain holds. I5: no cursor is ahead of what is stored."""
    ours, theirs = held(store, actor, name=name), truth(world)
    assert set(ours["subs"]) == set(theirs["subs"])
    for key, one in theirs["subs"].items():
        mine = ours["subs"][key]
        # An edit may drop a photo that an earlier version named: what came with that one stays.
        named = set(one["files"]) | set(one["expected"])
        mine["files"] = {file: content for file, content in mine["files"].items() if file in named}
        mine["expected"] &= named
        assert mine == one, key
    assert ours["entities"] == theirs["entities"]
    with store.database.begin(actor) as tx:
        assert verify(tx, store.keyring).faults == ()
        audited = set(tx.scalars(sa.select(audit.c.subject_id).where(audit.c.verb.like("submission.%"))))
        assert set(tx.scalars(sa.select(submission.c.id))) <= audited
        for form in tx.execute(sa.select(source_form)):
            live = tx.scalar(
                sa.select(sa.func.count()).select_from(source_row).where(source_row.c.remote == form.remote, source_row.c.deleted_at.is_(None))
            )
            assert form.live == live == sum(key[0] == form.xml_form_id for key in theirs["subs"])
