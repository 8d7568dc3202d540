"""No page of any role holds what is masked, and whoever sees a person on any page stands in the audit for it."""
from __future__ import annotations

import pytest
import sqlalchemy as sa
from readers import PICTURE, Field, events, signed_in
from test_rights_matrix import ROLES, World, routes

from store.tables import membership

# What the intake and the requests of `grant_desk` say of the person, and no page may say unasked.
IDENTIFYING = ("ตัวอย่างดี", "Sommut", "Tuayangdee", "XX0000000", "คุณตัวอย่าง", "ตำบลตัวอย่าง")
SHOWN = ("KTR-MDV-QHT", "BCD-FGH-JKC", ">Fah<")


@pytest.mark.parametrize("role", ROLES)
def test_no_page_holds_what_is_masked_and_every_look_at_a_person_is_recorded(role, app, store, aftercare, person):
    world = World(store, aftercare, person, role)
    reader = signed_in(app, store, world.me)
    wrong = []
    for endpoint, method, rule, _ in routes(app):
        if method != "GET" or endpoint.startswith("sign_in."):
            continue
        for which in ("own", "other"):
            path = world.address(endpoint, rule, which)
            if path is None:
                continue
            for language in ("en", "th"):
                before = len(events(store, aftercare))
                answer = reader.get(path + ("&" if "?" in path else "?") + f"lang={language}")
                if answer.status_code != 200 or answer.mimetype != "text/html":
                    continue
                body = answer.get_data(as_text=True)
                wrong += [f"{path} {language}: holds {one}" for one in IDENTIFYING if one in body]
                now = [one for one in events(store, aftercare)[before:] if one.actor_id == world.me.id]
                if any(one in body for one in SHOWN) and not now:
                    wrong.append(f"{path} {language}: shows a person, and nothing is recorded")
    assert not wrong, "\n".join(sorted(set(wrong)))


def test_a_tablet_that_fetches_a_list_of_people_is_in_the_audit(tablet, store, aftercare):
    tablet.get("forms/visit/attachments/survivors.csv")
    served = events(store, aftercare, "list.served")
    assert [(one.actor_id, one.detail["list"], one.detail["rows"]) for one in served] == [(tablet.id, "survivors", 0)]


def test_a_small_picture_is_in_the_audit_like_a_large_one(app, store, aftercare, person):
    world = World(store, aftercare, person, "coordinator")
    reader = signed_in(app, store, world.me)
    assert reader.get(f"/submissions/{world.own['submission']}/files/{PICTURE}?thumb=1").status_code == 200
    assert events(store, aftercare, "file.opened")[0].actor_id == world.me.id


def test_a_reveal_is_in_the_audit_of_everybody_whose_submission_it_is(app, store, aftercare, person):
    worker = person("field_staff")
    case, other = Field(store, aftercare), Field(store, aftercare, code="BCD-FGH-JKC")
    case.intake(by=worker)
    other.intake(by=worker)
    with store.database.begin(aftercare) as tx:
        held = tx.execute(sa.select(membership).where(membership.c.submission_id == other.form["intake"])).one()
        tx.execute(membership.insert().values(dict(held._mapping) | {"submission_id": case.form["intake"]}))
    who = person("coordinator")
    signed_in(app, store, who).post(f"/submissions/{case.form['intake']}/reveal?key=identity/person/given_name", {"reason": "check"})
    assert len({one.subject_id for one in events(store, who, "value.revealed")}) == 2
