"""People at their browsers in tests: signed in by the printed link, forms posted with their token."""
from __future__ import annotations

import datetime as dt
import io
import re
import uuid
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from grant_desk import Desk, instance
from PIL import Image

from cases import deliveries
from store import tables
from store.actor import Actor
from store.opening import Store
from submissions.delivery import Changes, Delivery, File
from web.sign_in import trial_link

PICTURE = "extra.jpg"


@dataclass
class Reader:
    """Somebody who is signed in."""

    client: FlaskClient
    actor: Actor
    token: str = field(default="", repr=False)

    def get(self, path: str, **more: Any) -> Any:
        return self.client.get(path, **more)

    def page(self, path: str) -> str:
        """The text of a page that opens."""
        answer = self.client.get(path)
        assert answer.status_code == 200, (path, answer.status_code, problem_in(answer))
        return answer.get_data(as_text=True)

    def post(self, path: str, data: dict[str, Any] | None = None, **more: Any) -> Any:
        if not self.token:
            self.token = csrf_in(self.page("/me"))
        return self.client.post(path, data={"csrf_token": self.token, **(data or {})}, **more)


def signed_in(app: Flask, store: Store, actor: Actor) -> Reader:
    client = app.test_client()
    answer = client.get(trial_link(store, actor.id))
    assert answer.status_code == 303, answer.status_code
    return Reader(client, actor)


def csrf_in(body: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', body)
    assert found, "the page has no form"
    return found[1]


def problem_in(answer: Any) -> str:
    """The code of the problem that a page tells of."""
    if answer.mimetype != "text/html":
        return ""
    found = re.findall(r'data-problem="([^"]+)"', answer.get_data(as_text=True))
    return found[0] if found else ""


def picture(exif: bytes | None = None, size: tuple[int, int] = (80, 60), kind: str = "JPEG") -> bytes:
    out = io.BytesIO()
    made = Image.new("RGB", size, (30, 90, 160))
    made.save(out, kind, **({"exif": exif} if exif else {}))
    return out.getvalue()


@dataclass
class Field(Desk):
    """A case's forms, sent by its worker with a tablet of theirs, pictures with them."""

    code: str = "KTR-MDV-QHT"
    pseudonym: str = "Fah"
    team: str | None = None
    files: tuple[File, ...] = ()
    form: dict[str, uuid.UUID] = field(default_factory=dict)

    def take(self, form: str, answers: dict[str, str], entity: str, *, by: Actor | None, instance_id: str = "", deprecated: str = "") -> Changes:
        answers = {path: self.code if value == "KTR-MDV-QHT" else value for path, value in answers.items()}
        if "who/pseudonym" in answers:
            answers |= {"who/pseudonym": self.pseudonym, "who/new_pseudonym": self.pseudonym}
        with self.store.database.begin(self.home) as tx:
            version = tx.scalar(sa.select(tables.form.c.version).where(tables.form.c.project_id == self.project, tables.form.c.xml_form_id == form))
            xml = instance(form, version, answers, instance_id=instance_id or f"uuid:{uuid.uuid4()}", entity=entity.replace("KTR-MDV-QHT", self.code), deprecated=deprecated)
            delivery = Delivery(xml, dt.datetime.now(dt.UTC), user_id=by.id if by else None, team=self.team, files=self.files)
            changes = deliveries.take(tx, self.store, Actor("tablet", uuid.uuid4(), (self.project,), "all"), delivery)
        self.form[form] = changes.submission_id
        return changes

    def visit(self, by: Actor | None = None, *, deprecated: str = "", instance_id: str = "", **more: str) -> Changes:
        """A visit. Answers by their names: observed="…"."""
        answers = {
            "visit/survivor": self.survivor, "visit/case_code": self.code, "visit/visit_date": "2026-11-20", "visit/met_where": "shelter",
            "visit/place": "18.7883 98.9853 0 8", "visit/language": "th", "visit/with_interpreter": "no", "people[1]/relation": "aunt_uncle",
            "care/services": "emotional", "care/wellbeing": "3", "care/risk": "low", "care/observed": "She sleeps better.",
            "next/next_follow_up": "2026-12-01", "next/next_what": "visit",
        }
        by_name = {path.rpartition("/")[2]: path for path in answers}
        answers |= {by_name[name]: value for name, value in more.items()}
        answers["people/relation"] = answers.pop("people[1]/relation")
        entity = f'<entities:entity dataset="survivors" id="{self.survivor}" update="1" baseVersion="1"/>'
        return self.take("visit", answers, entity, by=by, instance_id=instance_id, deprecated=deprecated)


def events(store: Store, actor: Actor, verb: str | None = None) -> list[sa.Row]:
    """The audit, oldest first."""
    with store.database.begin(actor) as tx:
        query = sa.select(tables.audit).where(tables.audit.c.project_id == actor.project).order_by(tables.audit.c.at, tables.audit.c.id)
        return list(tx.execute(query.where(tables.audit.c.verb == verb) if verb else query))
