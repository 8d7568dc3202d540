"""Where grants are asked for in tests: instances of the aftercare forms as Collect writes them, sent by people."""
from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import sqlalchemy as sa

from cases import deliveries, grants, letters
from cases.letters import Issued
from odk.letter import LetterData
from store import jobs, tables
from store.actor import Actor
from store.opening import Store
from submissions.delivery import Changes, Delivery

ENTITIES = "http://www.opendatakit.org/xforms/entities"
PURPOSE = "ค่าเล่าเรียน ชุดนักเรียน และค่าเดินทางไปเรียน"
REQUEST = {
    "request/requested_on": "2026-11-12", "request/kind": "scholarship", "request/amount": "3500", "request/needed_by": "2099-11-30",
    "request/reason": "The term begins.", "school/school_name": "โรงเรียนสมมติวิทยา", "school/level": "lower", "school/term": "2",
    "school/school_year": "2569", "payment/way": "cash", "payment/payee_relation": "self", "other_help/has_other_help": "no",
    "letter/language": "th", "letter/purpose": PURPOSE, "letter/delivery": "post",
    "letter/address": "99 หมู่ 9 ถนนสมมติ\nตำบลตัวอย่าง อำเภอสมมติ\n50000", "letter/recipient": "คุณตัวอย่าง",
    "letter/term_words": "ภาคเรียนที่ 2 ปีการศึกษา 2569", "letter/payment_words": "มอบเงินสดแก่ท่าน",
}
INTAKE = {
    "who/new_pseudonym": "Fah", "who/pseudonym": "Fah", "who/sex": "female", "who/birth_known": "unknown", "who/age_asked": "18-24",
    "who/age_band": "18-24", "who/nationality": "thai", "who/languages": "th", "who/interpreter_needed": "no",
    "referral/referral_source": "shelter", "referral/referred_on": "2026-11-01", "referral/province": "chiang_mai",
    "referral/exploitation": "labour", "consent/consent_date": "2026-11-02", "safety/risk": "low", "safety/contact_how": "call",
    "safety/next_follow_up": "2026-12-01", "safety/next_what": "visit", "identity/identity_now": "yes",
    "identity/person/title": "miss", "identity/person/given_name": "สมมติ", "identity/person/family_name": "ตัวอย่างดี",
    "identity/person/given_name_latin": "Sommut", "identity/person/family_name_latin": "Tuayangdee",
    "identity/person/id_kind": "passport", "identity/person/id_number": "XX0000000",
}


def instance(form: str, version: str, answers: dict[str, str], *, instance_id: str, entity: str = "", deprecated: str = "") -> bytes:
    """The XML of a filled-in form. `entity` is its meta/entity element."""
    tree: dict[str, Any] = {}
    for path, value in answers.items():
        *groups, name = path.split("/")
        at = tree
        for group in groups:
            at = at.setdefault(group, {})
        at[name] = value

    def nodes(part: dict[str, Any]) -> str:
        named = ((k.partition("[")[0], v) for k, v in part.items())  # people[2] is a second <people>
        return "".join(f"<{k}>{nodes(v) if isinstance(v, dict) else escape(str(v))}</{k}>" for k, v in named)

    old = f"<deprecatedID>{deprecated}</deprecatedID>" if deprecated else ""
    return (
        f'<data xmlns:entities="{ENTITIES}" id={quoteattr(form)} version={quoteattr(version)}>{nodes(tree)}'
        f"<meta><instanceID>{instance_id}</instanceID>{old}{entity}</meta></data>"
    ).encode()


@dataclass
class Desk:
    """One project's grants, asked for and decided upon."""

    store: Store
    home: Actor
    survivor: str = field(default_factory=lambda: str(uuid.uuid4()))
    sent: dict[str, tuple[str, dict[str, str]]] = field(default_factory=dict)

    @property
    def project(self) -> uuid.UUID:
        return self.home.project

    def take(self, form: str, answers: dict[str, str], entity: str, *, by: Actor | None, instance_id: str = "", deprecated: str = "") -> Changes:
        with self.store.database.begin(self.home) as tx:
            version = tx.scalar(sa.select(tables.form.c.version).where(tables.form.c.project_id == self.project, tables.form.c.xml_form_id == form))
            xml = instance(form, version, answers, instance_id=instance_id or f"uuid:{uuid.uuid4()}", entity=entity, deprecated=deprecated)
            delivery = Delivery(xml, dt.datetime.now(dt.UTC), user_id=by.id if by else None)
            tablet = Actor("tablet", uuid.uuid4(), (self.project,), "all")
            return deliveries.take(tx, self.store, tablet, delivery)

    def intake(self, by: Actor | None = None, **more: str) -> Changes:
        answers = {"who/fresh": self.survivor, "who/case_code": "KTR-MDV-QHT", **INTAKE, **more}
        entity = f'<entities:entity dataset="survivors" id="{self.survivor}" create="1"><entities:label>KTR-MDV-QHT · Fah</entities:label></entities:entity>'
        return self.take("intake", answers, entity, by=by)

    def request(self, by: Actor | None, *, deprecated: str = "", grant: str = "", **more: str) -> uuid.UUID:
        """A fund request, or with `deprecated` an edit of one. Answers by their names: amount="5000"."""
        instance_id, entity_id = f"uuid:{uuid.uuid4()}", grant or str(uuid.uuid4())
        answers = {"request/survivor": self.survivor, "request/case_code": "KTR-MDV-QHT", **REQUEST}
        if deprecated:
            entity_id, answers = self.sent[deprecated]
            answers = dict(answers)
        by_name = {path.rpartition("/")[2]: path for path in {**answers, "payment/payee": "", "payment/account": ""}}
        answers |= {by_name[name]: value for name, value in more.items()}
        answers = {path: value for path, value in answers.items() if value}
        entity = f'<entities:entity dataset="grants" id="{entity_id}" create="1"><entities:label>a grant</entities:label></entities:entity>'
        self.take("fund_request", answers, entity, by=by, instance_id=instance_id, deprecated=deprecated)
        self.sent[instance_id] = (entity_id, answers)
        self.last = instance_id
        with self.store.database.begin(self.home) as tx:
            return tx.scalar(sa.select(tables.grants.c.id).where(tables.grants.c.entity == uuid.UUID(entity_id)))

    def edit(self, by: Actor | None, **more: str) -> None:
        """The last request, sent again with other answers."""
        self.request(by, deprecated=self.last, **more)

    def receipt(self, grant: uuid.UUID, *, amount: str = "3500", on: str = "2026-11-24", by: Actor | None = None) -> Changes:
        entity = f'<entities:entity dataset="grants" id="{self.row(grant).entity}" update="1" baseVersion="2"/>'
        answers = {"receipt/grant": str(self.row(grant).entity), "receipt/received_on": on, "receipt/amount_received": amount,
                   "receipt/way": "cash", "signed/signer": "self", "signed/sign_how": "tablet", "signed/signature": "s.png"}
        return self.take("fund_receipt", answers, entity, by=by)

    def row(self, grant: uuid.UUID) -> sa.Row:
        with self.store.database.begin(self.home) as tx:
            return tx.execute(sa.select(tables.grants).where(tables.grants.c.id == grant)).one()

    def entity(self, grant: uuid.UUID) -> dict[str, Any]:
        with self.store.database.begin(self.home) as tx:
            return tx.scalar(sa.select(tables.entity.c.data).where(tables.entity.c.uuid == self.row(grant).entity))

    def approve(self, grant: uuid.UUID, by: Actor, role: str = "coordinator", **more: Any) -> Issued | None:
        """Approve a grant as it stands now."""
        row = self.row(grant)
        seen = {"row_version": row.row_version, "seen_content": bytes(row.content), **more}
        with self.store.database.begin(by) as tx:
            return grants.approve(tx, self.store, by, grant, role=role, **seen)

    def refuse(self, grant: uuid.UUID, by: Actor, reason: str = "The school pays.") -> None:
        with self.store.database.begin(by) as tx:
            grants.refuse(tx, self.store, by, grant, reason=reason)

    def pay(self, grant: uuid.UUID, by: Actor, on: dt.date | None = None, how: str = "cash") -> None:
        with self.store.database.begin(by) as tx:
            grants.mark_paid(tx, self.store, by, grant, paid_on=on or letters.today_in("Asia/Bangkok"), how=how)

    def name(self, grant: uuid.UUID, by: Actor, person: Actor) -> None:
        with self.store.database.begin(by) as tx:
            grants.name_requester(tx, self.store, by, grant, person.id)

    def letters(self, grant: uuid.UUID | None = None) -> list[sa.Row]:
        with self.store.database.begin(self.home) as tx:
            found = sa.select(tables.letter).order_by(tables.letter.c.number)
            return list(tx.execute(found.where(tables.letter.c.grant_id == grant) if grant else found))

    def data(self, letter: uuid.UUID) -> LetterData:
        with self.store.database.begin(self.home) as tx:
            return letters.letter_data_of(tx, self.store, self.project, letter)

    def failures(self) -> list[str]:
        """The rules that failed and wait in the inbox."""
        with self.store.database.begin(self.home) as tx:
            table = tables.rule_failure
            return list(tx.scalars(sa.select(table.c.problem).where(table.c.settled_at.is_(None)).order_by(table.c.at)))

    def timeline(self, subject: uuid.UUID) -> list[str]:
        with self.store.database.begin(self.home) as tx:
            return list(tx.scalars(sa.select(tables.action.c.kind).where(tables.action.c.subject == subject).order_by(tables.action.c.at)))

    def work(self) -> None:
        """Do what jobs wait."""
        jobs.run_pending(self.store)
