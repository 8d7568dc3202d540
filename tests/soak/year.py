"""A year of a team's work on a server, out of a seed: what people do, in slices, and the truth of it.

Nothing here asks Namjai. Every act goes to the server and into the truth, or into neither.
"""
from __future__ import annotations

import datetime as dt
import random
import uuid as uuids
from dataclasses import replace

from lxml import etree
from soak import papers
from soak.forms import FIRST, NAMES, SECOND, THIRD, form
from soak.papers import MARK, secret
from soak.servers import Server
from soak.truth import Sub, Truth, Version

from commands.demonstration.people import Survivor, survivors

BEGINS = dt.date(2025, 11, 25)
# When a form gets a new version or is closed, in parts of the year.
RELEASES = {0.25: ("visit", SECOND), 0.45: ("intake", SECOND), 0.65: ("visit", THIRD)}
CLOSES = {0.9: "fund_receipt"}
PHOTOS = {"intake": "consent/consent_signature", "visit": "proof/brought", "fund_request": "request/quote", "fund_receipt": "signed/photo"}
# What an edit puts right, by form.
MENDED = {"intake": "safety/safe_say", "visit": "care/observed", "fund_request": "letter/purpose", "fund_receipt": "signed/note"}
DEVICES = tuple(f"collect:tablet-{number}" for number in range(1, 7))


class Year:
    """Plays the year. `submissions` in all, spread over `slices`; what else happens is in proportion."""

    def __init__(self, server: Server, seed: int, submissions: int, slices: int) -> None:
        self.server, self.slices, self.submissions = server, slices, submissions
        self.dice, self.truth = random.Random(seed), Truth()
        self.people = survivors(max(4, submissions // 12), self.dice)
        self.met: list[Survivor] = []
        self.by_id = {one.id: one for one in self.people}
        self.risk: dict[str, str] = {}
        self.late: list[tuple[Sub, str, bytes]] = []
        self.used = dict.fromkeys(NAMES, FIRST)
        self.released = {name: [FIRST] for name in NAMES}
        self.closed: set[str] = set()
        self._known = 0
        self.day, self.played, self.entities = BEGINS, 0, "entities" in server.can
        for name in NAMES:
            server.release(form(name, entities=self.entities))

    def slice(self) -> None:
        """The next part of the year."""
        share = (self.played + 1) / self.slices
        # Tablets refresh their forms some weeks later than the office publishes them.
        for name in NAMES:
            self.used[name] = self.released[name][-1]
        self._office_days(share)
        number = self.submissions * (self.played + 1) // self.slices - self.submissions * self.played // self.slices
        begun = self.day
        for turn in range(number):
            self.day = begun + dt.timedelta(days=(365 // self.slices) * turn // max(number, 1))
            self.server.pass_to(self.day)
            self.act()
        self.day = BEGINS + dt.timedelta(days=365 * (self.played + 1) // self.slices)
        self.played += 1

    def act(self) -> None:
        """One more submission, and what else people do meanwhile."""
        self._send()
        for chance, do in (
            (0.10, self.edit), (0.05, self.delete), (0.03, self.restore), (0.01, self.purge), (0.45, self.review), (0.04, self.comment),
            (0.10, self.bring), (0.02, self.replace), (0.04, self.change_entity), (0.005, self.remove_entity),
        ):
            if self.dice.random() < chance:
                do()

    # What tablets send

    def _send(self) -> None:
        kind = self.dice.choices(NAMES, (9, 67, 13, 11))[0]
        if len(self.met) < 3 or (kind == "intake" and self._known < len(self.people)):
            return self._intake(known=False)
        if kind == "intake":
            return self._intake(known=True)
        if kind == "fund_receipt":
            return self._receipt()
        return self._request() if kind == "fund_request" else self._visit()

    def _intake(self, *, known: bool) -> None:
        who = self._somebody() if known else self.people[self._known]
        version, device = self._version("intake"), self.dice.choice(DEVICES)
        answers = papers.intake(who, self.day, device, self.dice, version, known=known)
        self.risk[who.id] = answers["safety/risk"]
        entity = {"id": who.id, "create": "false" if known else "true", "update": "true" if known else "false", "label": who.label}
        base = None
        if known:
            base = self.truth.entities["survivors"][who.id].number
            entity |= {"baseVersion": str(base)}
        sub = self._submit("intake", version, device, answers, entity, (("survivors", who.id),), who.label)
        data = self._saved(sub)
        if known:
            self.truth.update("survivors", who.id, data, who.label, base)
        else:
            self.truth.create("survivors", who.id, who.label, data)
            self.met.append(who)
            self._known += 1

    def _visit(self) -> None:
        who = self._somebody()
        if self.entities and self.dice.random() < 0.03:
            return self._offline_visits(who)
        entity, behind = self.truth.entities["survivors"][who.id], 0
        if self.dice.random() < 0.06 and entity.number > 1:
            behind = self.dice.randrange(1, min(3, entity.number))
        self._one_visit(who, {"baseVersion": str(entity.number - behind)}, entity.number - behind)
        return None

    def _offline_visits(self, who: Survivor) -> None:
        """Two visits of a tablet without a network; they arrive in either order."""
        number, branch = self.truth.entities["survivors"][who.id].number, self.new_id()
        pair = [{"baseVersion": str(number + step), "trunkVersion": str(number), "branchId": branch} for step in (0, 1)]
        order = [0, 1] if self.dice.random() < 0.5 else [1, 0]
        for step in order:
            self._one_visit(who, pair[step], number + step, branch)
        self.truth.count("offline")

    def _one_visit(self, who: Survivor, upon: dict[str, str], base: int, branch: str = "") -> None:
        version, device = self._version("visit"), self.dice.choice(DEVICES)
        answers = papers.visit(who, self.day, device, self.dice, version, self.risk.get(who.id, "low"))
        sub = self._submit("visit", version, device, answers, {"id": who.id, "update": "1", **upon}, (("survivors", who.id),), "")
        self.risk[who.id] = answers["care/risk"]
        self.truth.update("survivors", who.id, self._saved(sub), "", base, branch)

    def _request(self) -> None:
        who, device, grant = self._somebody(), self.dice.choice(DEVICES), self.new_id()
        version = self._version("fund_request")
        answers = papers.request(who, self.day, device, self.dice)
        label = f"{who.label} · {answers['request/amount']} ฿ · {answers['request/requested_on']}"
        sub = self._submit("fund_request", version, device, answers, {"id": grant, "create": "1", "label": label}, (("survivors", who.id),), label, writes=(("grants", grant),))
        if not self.entities:
            # Where no tablet makes it, it is made of the submission's first id, the list and the place (design of sync).
            grant = str(uuids.uuid5(uuids.UUID(sub.root.removeprefix("uuid:")), "grants/[1]"))
            sub.writes = (("grants", grant),)
        self.truth.create("grants", grant, label, self._saved(sub))

    def _receipt(self) -> None:
        asked = [one for one in self.truth.entities["grants"].items() if not one[1].deleted]
        if not asked or "fund_receipt" in self.closed:
            return self._visit()
        grant, entity = self.dice.choice(asked)
        who, device = self.by_id[entity.data["survivor"]], self.dice.choice(DEVICES)
        answers = papers.receipt(who, grant, entity.data["amount"], self.day, device, self.dice)
        base = entity.number
        sub = self._submit("fund_receipt", self._version("fund_receipt"), device, answers, {"id": grant, "update": "1", "baseVersion": str(base)}, (("grants", grant),), "")
        self.truth.update("grants", grant, self._saved(sub), "", base)
        return None

    def _submit(self, name: str, version: str, device: str, answers: dict[str, str], entity: dict[str, str], picks: tuple, label: str, writes: tuple = ()) -> Sub:
        root, files, photo = f"uuid:{self.new_id()}", {}, None
        if self.dice.random() < 0.4:
            photo = f"{self.dice.randrange(10**13)}.jpg"
            answers = answers | {PHOTOS[name]: photo}
            content, luck = self._content(photo), self.dice.random()
            if luck < 0.7:
                files[photo] = content
        instance = self._made(name, version, answers, root, None, entity, picks)
        remote, at = self.server.submit(name, instance.xml, files, device=device, late=self.dice.random() < 0.02, same=self.dice.random() < 0.02)
        sub = Sub(name, root, at, remote, device, [instance], dict(files), writes=writes or picks, label=label, entity=entity)
        if photo and not files and luck < 0.9:
            self.late.append((sub, photo, content))
        self.truth.subs[name, root] = sub
        self.truth.count(name)
        return sub

    def _made(self, name: str, version: str, answers: dict[str, str], instance: str, deprecated: str | None, entity: dict[str, str], picks: tuple) -> Version:
        xml = papers.xml_of(name, version, answers, instance, deprecated=deprecated, entity=entity, entities=self.entities)
        photo = answers.get(PHOTOS[name])
        return Version(instance, version, answers, xml, (photo,) if photo else (), picks)

    # What people do in the office of the server

    def edit(self) -> None:
        """Somebody puts an answer right; perhaps the photo goes, or another one comes, or it was another person."""
        # A closed Kobo form takes no edits either.
        if sub := self._one(lambda one: self.entities or one.form not in self.closed):
            self.edit_one(sub)

    def edit_one(self, sub: Sub, text: str = "") -> None:
        answers, files = dict(sub.now.answers), {}
        answers[MENDED[sub.form]] = text or secret(f"แก้ไข {self.dice.randrange(10**6)}")
        photo, luck = answers.get(PHOTOS[sub.form]), self.dice.random()
        if photo and luck < 0.15:
            del answers[PHOTOS[sub.form]]
        elif luck < 0.3:
            photo = f"{self.dice.randrange(10**13)}.jpg"
            answers[PHOTOS[sub.form]], files[photo] = photo, self._content(photo)
        picks = sub.now.picks
        if sub.form == "visit" and luck > 0.9:
            other = self._somebody()
            answers |= {"visit/survivor": other.id, "visit/case_code": other.code}
            picks = (("survivors", other.id),)
            sub.writes = tuple(dict.fromkeys((*sub.writes, *picks)))
        entity = sub.entity | ({"id": picks[0][1]} if sub.form == "visit" else {})
        made = self._made(sub.form, sub.now.form_version, answers, f"uuid:{self.new_id()}", sub.now.instance, entity, picks)
        self.server.edit(sub, made.xml, files)
        sub.versions.append(made)
        sub.files |= files
        sub.files = {name: content for name, content in sub.files.items() if name in made.named}
        # A server that leaves an approval standing after an edit does not know what it approves.
        sub.review = "edited" if "edited" in self.server.can or sub.review in ("approved", "received", "edited") else sub.review
        self.late = [one for one in self.late if one[0] is not sub or one[1] in made.named]
        self._touched(sub)
        self.truth.count("edit")

    def review(self) -> None:
        if sub := self._one():
            state = self.dice.choice(("approved", "approved", "has_issues", "rejected"))
            note = secret("เพราะ") if self.dice.random() < 0.3 and "comment" in self.server.can else ""
            self.server.review(sub, state, note)
            sub.review = state
            sub.said += [note] if note else []
            self.truth.count("review")

    def comment(self) -> None:
        if "comment" in self.server.can and (sub := self._one()):
            text = secret(f"ถาม {self.dice.randrange(10**6)}")
            self.server.comment(sub, text)
            sub.said.append(text)
            sub.review = "has_issues"
            self.truth.count("comment")

    def bring(self) -> None:
        """A photo that was still on a tablet."""
        if self.late:
            sub, name, content = self.late.pop(self.dice.randrange(len(self.late)))
            if not sub.deleted and sub is self.truth.subs.get((sub.form, sub.root)):
                self.server.attach(sub, name, content)
                sub.files[name] = content
                self.truth.count("late file")

    def replace(self) -> None:
        """Another picture under the same name."""
        sub = self._one(lambda one: bool(one.files))
        if sub is not None:
            name = next(iter(sub.files))
            sub.files[name] = self._content(name)
            self.server.attach(sub, name, sub.files[name])
            self.truth.count("replaced file")

    def delete(self) -> None:
        if sub := self._one():
            self.delete_one(sub)

    def delete_one(self, sub: Sub) -> None:
        self.server.delete(sub)
        sub.deleted = True
        self._touched(sub, gone=True)
        self.truth.count("delete")

    def restore(self) -> None:
        gone = [one for one in self.truth.subs.values() if one.deleted]
        if gone and "restore" in self.server.can:
            sub = self.dice.choice(gone)
            self.server.restore(sub)
            sub.deleted = False
            self.truth.count("restore")

    def purge(self) -> None:
        gone = [one for one in self.truth.subs.values() if one.deleted]
        if gone and "purge" in self.server.can:
            sub = self.dice.choice(gone)
            self.server.purge(sub)
            self.truth.purged.append(self.truth.subs.pop((sub.form, sub.root)))
            self.truth.count("purge")

    def change_entity(self) -> None:
        """The office changes a person's row on the server: upon what it saw, or upon what it no longer is."""
        if not self.entities or not self.met:
            return
        who = self._somebody()
        entity, data = self.truth.entities["survivors"][who.id], {"risk": self.dice.choice(("low", "medium", "high"))}
        base, resolve = entity.number, bool(entity.conflict) and self.dice.random() < 0.6
        if not resolve and base > 1 and self.dice.random() < 0.2:
            base -= 1
        self.server.change_entity("survivors", who.id, data, base, resolve=resolve)
        self.truth.update("survivors", who.id, data, "", base)
        if resolve:
            entity.conflict = None
        self.truth.count("entity change")

    def remove_entity(self) -> None:
        if not self.entities:
            return
        waits = {one.uuid for one in self.truth.waiting}
        name = self.dice.choice(("survivors", "grants"))
        here = [uuid for uuid, one in self.truth.entities[name].items() if not one.deleted and uuid not in waits]
        if len(here) > 3:
            uuid = self.dice.choice(here)
            self.server.remove_entity(name, uuid)
            self.truth.entities[name][uuid].deleted = True
            self.met = [one for one in self.met if one.id != uuid]
            self.truth.count("entity removed")

    def _office_days(self, share: float) -> None:
        before = self.played / self.slices
        for at, (name, version) in RELEASES.items():
            if before <= at < share:
                self.server.release(form(name, version, entities=self.entities))
                self.released[name].append(version)
                self.truth.count("new form version")
        for at, name in CLOSES.items():
            if before <= at < share:
                self.server.close_form(name)
                self.closed.add(name)
                self.truth.count("closed form")

    # What they are made of

    def new_id(self) -> str:
        return str(uuids.UUID(int=self.dice.getrandbits(128), version=4))

    def _content(self, name: str) -> bytes:
        return b"\xff\xd8\xff picture " + name.encode() + MARK.encode() + self.dice.randbytes(self.dice.choice((200, 2000)))

    def _somebody(self) -> Survivor:
        return self.dice.choice(self.met)

    def _one(self, fits=lambda one: True) -> Sub | None:  # type: ignore[no-untyped-def]
        """A submission that is there; more often one of the latest."""
        here = list(self.truth.subs.values())
        for _ in range(12):
            sub = self.dice.choice(here[-60:] if self.dice.random() < 0.5 else here) if here else None
            if sub is not None and not sub.deleted and fits(sub):
                return sub
        return None

    def _version(self, name: str) -> str:
        # Some tablets were not in the office for long.
        return self.dice.choice(self.released[name]) if self.dice.random() < 0.15 else self.used[name]

    def _saved(self, sub: Sub) -> dict[str, str]:
        """What the form writes into its entity: every question with save_to that stands in what was sent."""
        root = etree.fromstring(sub.now.xml)
        # A server that knows no entities has no save_to either: then our own version of the form says it.
        saves = form(sub.form, sub.now.form_version if self.entities else FIRST).saves
        found = {prop: root.find("/".join("{*}" + step for step in path.split("/"))) for prop, path in saves.items()}
        return {prop: node.text or "" for prop, node in found.items() if node is not None}

    def ever_saved(self, sub: Sub) -> list[dict[str, str]]:
        """What each version of a submission said of its entity."""
        return [self._saved(replace(sub, versions=sub.versions[: number + 1])) for number in range(len(sub.versions))]

    def _touched(self, sub: Sub, *, gone: bool = False) -> None:
        """What was approved says something else now, or is gone."""
        if sub.form == "fund_request" and (decided := self.truth.decided.get(sub.writes[0][1])):
            decided.gone, decided.touched = decided.gone or gone, decided.touched or not gone
