"""The tablets of the demonstration: each instance goes over HTTP to the door, as Collect sends it.

The Flask test client stands in for the network; everything behind it is what a tablet meets. Knows the plan's sendings
and the door's addresses. What the door answers is looked at: anything unforeseen stops the demonstration.
"""
from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from flask.testing import FlaskClient
from lxml import etree

from commands.demonstration.pictures import draw
from commands.demonstration.plan import Picture, Sending
from commands.demonstration.staff import DEVICES
from namjai.problems import Problem
from odk.filling import fill
from store.actor import Actor
from store.tables import entity

_DEVICE_IDS = {one.key: one.device_id for one in DEVICES}
_TYPES = {"png": "image/png", "jpg": "image/jpeg"}


class DoorRefused(Problem):
    code, exit_status = "demonstration-refused", 1
    en = "The tablets' door answered {status} to {form}, which the demonstration did not expect: {said}"
    th = "ระบบรับข้อมูลจากแท็บเล็ตตอบ {status} ต่อ {form} ซึ่งไม่คาดไว้ในการสาธิต: {said}"


@dataclass
class Door:
    """The door, as the demonstration's tablets see it. `sent` counts deliveries, `late` are pictures still to come.

    `reading` is a transaction that only looks: each of its statements sees what was committed until then.
    """

    reading: sa.Connection
    actor: Actor
    client: FlaskClient
    tokens: Mapping[str, str]
    forms: dict[str, bytes] = field(default_factory=dict)
    late: list[tuple[Sending, bytes, tuple[Picture, ...]]] = field(default_factory=list)
    sent: int = 0

    def take(self, sending: Sending) -> bytes:
        """Send an instance with the pictures that come at once. Gives its XML."""
        xml = self._filled(sending)
        later = tuple(one for one in sending.pictures if one.comes == "later")
        now = tuple(one for one in sending.pictures if one.comes == "at once")
        self._post(sending.tablet, sending.form, xml, now, incomplete=bool(later), expected=(201,))
        if later:
            self.late.append((sending, xml, later))
        return xml

    def errands(self, last: tuple[Sending, bytes]) -> None:
        """What goes on at any door: late pictures, a repetition, a file that no form names, one that broke off."""
        for sending, xml, pictures in self.late:
            self._post(sending.tablet, sending.form, xml, pictures, expected=(201,))
        self.late.clear()
        sending, xml = last
        self._post(sending.tablet, sending.form, xml, (), expected=(201, 202))
        self._post(sending.tablet, sending.form, xml, (Picture("IMG_0031.jpg", "bag", 5),), expected=(201,))
        broken = xml[: len(xml) * 2 // 3]
        self._post("t2", sending.form, broken, (), expected=(400,))

    def _filled(self, sending: Sending) -> bytes:
        change = sending.change
        said: dict[str, Any] = {"id": change.id}
        if change.act == "create":
            said |= {"create": "true", "update": "false"} if change.either else {"create": "1"}
            said["label"] = change.label
        else:
            said |= {"update": "1", "baseVersion": max(1, self._version(change.list, change.id) - change.behind)}
        return fill(self._form(sending.form), sending.answers, instance_id=sending.instance,
                    deprecated_id=sending.edits, entities={"": said})

    def _form(self, form_id: str) -> bytes:
        """The blank form, fetched from the door once."""
        if form_id not in self.forms:
            token = next(iter(self.tokens.values()))
            answer = self.client.get(f"/key/{token}/forms/{form_id}.xml")
            self._expect(answer, form_id, (200,))
            self.forms[form_id] = answer.data
        return self.forms[form_id]

    def _version(self, list_name: str, uuid: str) -> int:
        """What `__version` of the tablet's list says, as fresh as when it was fetched just before."""
        found = self.reading.scalar(sa.select(entity.c.version).where(
            entity.c.project_id == self.actor.project, entity.c.list == list_name, entity.c.uuid == UUID(uuid)))
        return found or 1

    def _post(self, tablet: str, form: str, xml: bytes, pictures: tuple[Picture, ...], *, expected: tuple[int, ...],
              incomplete: bool = False) -> None:
        data: dict[str, Any] = {"xml_submission_file": (io.BytesIO(xml), "submission.xml", "text/xml")}
        for one in pictures:
            kind = _TYPES[one.name.rpartition(".")[2]]
            data[one.name] = (io.BytesIO(draw(one.shows, one.number)), one.name, kind)
        if incomplete:
            data["*isIncomplete*"] = "yes"
        url = f"/key/{self.tokens[tablet]}/submission"
        answer = self.client.post(url, query_string={"deviceID": _DEVICE_IDS[tablet]}, data=data)
        self._expect(answer, form, expected)
        self.sent += 1

    def _expect(self, answer: Any, form: str, expected: tuple[int, ...]) -> None:
        if answer.status_code not in expected:
            raise DoorRefused(status=answer.status_code, form=form, said=_message(answer.data))


def _message(body: bytes) -> str:
    try:
        return " ".join(" ".join(etree.fromstring(body).itertext()).split())[:200]
    except etree.XMLSyntaxError:
        return "—"
