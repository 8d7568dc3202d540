"""What the tablets' door promises: nothing lost, nothing doubled, in any order."""
from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from store.tables import (
    audit,
    cases,
    entity,
    membership,
    quarantine,
    rule_failure,
    submission,
    submission_attachment,
    submission_version,
)

NOTE = """
| survey   |
|          | type  | name  | label | bind::namjai:privacy |
|          | text  | words | Words | sensitive            |
|          | int   | count | Count | open                 |
|          | image | photo | Photo | sensitive            |
| settings |
|          | form_id | version    | namespaces |
|          | note    | 2026112401 | namjai="https://namjai.org/xforms" |
"""
FAH = "6e3f6d46-8e6a-4f0e-9b7e-0d4f2d4c3c11"


def note(instance: str = "1", words: str = "hello", *, edit_of: str | None = None, photo: str = "", form: str = "note", version: str = "2026112401") -> str:
    deprecated = f"<deprecatedID>uuid:{edit_of}</deprecatedID>" if edit_of else ""
    return (
        f'<data id="{form}" version="{version}"><words>{words}</words><count>3</count><photo>{photo}</photo>'
        f"<meta><instanceID>uuid:{instance}</instanceID>{deprecated}</meta></data>"
    )


@pytest.fixture
def rows(store, aftercare):
    """Counts the rows of a table in the project."""

    def count(table, **where):
        with store.database.begin(aftercare) as tx:
            query = sa.select(sa.func.count()).select_from(table).where(table.c.project_id == aftercare.project)
            return tx.scalar(query.where(*(table.c[name] == value for name, value in where.items())))

    return count


@pytest.fixture
def one(store, aftercare):
    """The only row of a table."""

    def read(table, **where):
        with store.database.begin(aftercare) as tx:
            query = sa.select(table).where(table.c.project_id == aftercare.project)
            return tx.execute(query.where(*(table.c[name] == value for name, value in where.items()))).one()

    return read


def test_a_new_submission_is_stored_once_with_its_event(tablet, publish, rows, one):
    publish(NOTE)
    answer = tablet.post(note())
    assert answer.status_code == 201
    assert answer.headers["X-OpenRosa-Version"] == "1.0"
    stored = one(submission)
    assert stored.open == {"count": 3}
    assert stored.review_state == "received"
    assert b"hello" not in bytes(stored.sensitive)
    assert rows(submission_version) == 1
    assert rows(audit, verb="submission.new") == 1


def test_the_same_again_is_accepted_and_makes_nothing(tablet, publish, rows):
    publish(NOTE)
    tablet.post(note())
    assert tablet.post(note()).status_code == 201
    assert rows(submission) == 1
    assert rows(audit, verb="submission.new") == 1


def test_the_same_id_with_other_content_is_refused_and_kept_in_quarantine_once(tablet, publish, rows):
    publish(NOTE)
    tablet.post(note())
    for _ in range(2):
        answer = tablet.post(note(words="other"))
        assert answer.status_code == 409
        assert "เก็บไว้" in answer.text and "Both are kept" in answer.text
    assert rows(submission) == 1
    assert rows(quarantine, problem="instance-conflict", times=2) == 1


@pytest.mark.parametrize(
    ("xml", "status", "problem"),
    [
        (note(form="nowhere"), 404, "form-unknown"),
        (note(version="1999010101"), 404, "form-version-unknown"),
        ("this is not XML", 400, "xml-broken"),
        ('<!DOCTYPE d [<!ENTITY a "b">]><data id="note" version="2026112401"/>', 400, "xml-dtd"),
        ('<data id="note" version="2026112401"><words>x</words></data>', 400, "instance-id-missing"),
    ],
)
def test_what_cannot_be_taken_is_refused_in_two_languages_and_kept(tablet, publish, rows, xml, status, problem):
    publish(NOTE)
    answer = tablet.post(xml)
    assert answer.status_code == status
    assert any("ก" <= letter <= "ฮ" for letter in answer.text)
    assert rows(quarantine, problem=problem) == 1
    assert rows(submission) == 0


def test_a_file_that_comes_later_completes_the_submission(tablet, publish, one):
    publish(NOTE)
    tablet.post(note(photo="1.jpg"), incomplete=True)
    assert one(submission_attachment).state == "expected"
    assert tablet.post(note(photo="1.jpg"), {"1.jpg": b"\xff\xd8 a picture"}).status_code == 201
    kept = one(submission_attachment)
    assert (kept.state, kept.size, kept.expected) == ("verified", 12, True)


def test_a_file_that_the_form_does_not_name_is_kept_and_marked(tablet, publish, one):
    publish(NOTE)
    assert tablet.post(note(), {"stray.bin": b"stray"}).status_code == 201
    kept = one(submission_attachment)
    assert (kept.name, kept.state, kept.expected) == ("stray.bin", "verified", False)


def test_another_picture_under_the_same_name_stands_beside_the_first(tablet, publish, rows):
    publish(NOTE)
    for content in (b"first", b"second", b"second"):
        tablet.post(note(photo="1.jpg"), {"1.jpg": content})
    assert rows(submission_attachment, state="verified") == 2
    assert rows(submission_attachment, expected=True) == 1


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b.jpg", "a\x01b.jpg", ".."])
def test_a_file_name_that_is_a_path_is_refused_and_nothing_is_lost(tablet, publish, rows, store, name):
    publish(NOTE)
    answer = tablet.post(note(), {name: b"content"})
    assert answer.status_code == 400
    assert rows(submission) == 0
    assert rows(quarantine, problem="file-name-unusable") == 1


def test_a_file_lies_on_the_disk_only_encrypted(tablet, publish, store, tmp_path):
    publish(NOTE)
    secret = b"a very plain secret" * 100_000
    tablet.post(note(photo="1.jpg"), {"1.jpg": secret})
    found = [path for path in tmp_path.rglob("*") if path.is_file() and b"a very plain secret" in path.read_bytes()]
    assert found == []


def chain(length: int) -> list[str]:
    return [note("0")] + [note(str(n), f"version {n}", edit_of=str(n - 1)) for n in range(1, length)]


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1), (1, 3, 0, 2), (0, 3, 1, 2), (3, 1, 2, 0)])
def test_a_chain_of_edits_ends_as_one_submission_in_any_order(tablet, publish, rows, one, order):
    publish(NOTE)
    versions = chain(4)
    for position in (*order, *order):
        assert tablet.post(versions[position]).status_code == 201
    stored = one(submission)
    assert (stored.root_instance_id, stored.instance_id) == ("uuid:0", "uuid:3")
    assert stored.review_state == "edited"
    assert rows(submission_version, submission_id=stored.id) == 4


def test_the_answers_after_edits_are_those_of_the_last(tablet, publish, store, aftercare, one):
    publish(NOTE)
    versions = chain(4)
    for position in (3, 0, 2, 1):
        tablet.post(versions[position])
    stored = one(submission)
    with store.database.begin(aftercare) as tx:
        key = store.keyring.record(tx, aftercare.project, stored.id)
    assert b"version 3" in key.decrypt("sensitive", bytes(stored.sensitive))


def test_two_edits_of_the_same_version_are_a_conflict(tablet, publish, rows):
    publish(NOTE)
    tablet.post(note("0"))
    tablet.post(note("1", "mine", edit_of="0"))
    assert tablet.post(note("2", "yours", edit_of="0")).status_code == 409
    assert rows(quarantine, problem="edit-conflict") == 1


def test_even_where_nobody_looks_first_the_constraint_refuses_a_second_edit(tablet, publish, rows, one, monkeypatch):
    from submissions import rows as statements

    publish(NOTE)
    tablet.post(note("0"))
    tablet.post(note("1", "mine", edit_of="0"))
    monkeypatch.setattr(statements, "edited_already", lambda *_: False)
    assert tablet.post(note("2", "yours", edit_of="0")).status_code == 409
    assert rows(submission_version) == 2 and one(submission).instance_id == "uuid:1"


def test_64_identical_posts_at_once_make_one_row(app, tablet, publish, rows, store):
    publish(NOTE)

    def knock(_):
        return type(tablet)(app.test_client(), tablet.token, tablet.id).post(note(photo="1.jpg"), {"1.jpg": b"same"}).status_code

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(knock, range(64)))
    assert set(answers) <= {201, 202}
    assert rows(submission) == rows(submission_version) == rows(submission_attachment) == 1


def test_an_answer_that_the_form_does_not_know_is_kept_and_marked(tablet, publish, store, aftercare, one):
    publish(NOTE)
    tablet.post(note().replace("<count>3</count>", "<count>three</count><secret>kept</secret>"))
    stored = one(submission)
    assert stored.flags == {"count": "ill-typed", "secret": "unknown"}
    assert stored.open == {}
    with store.database.begin(aftercare) as tx:
        key = store.keyring.record(tx, aftercare.project, stored.id)
    assert b"kept" in key.decrypt("sensitive", bytes(stored.sensitive))


PERSON = """
| survey   |
|          | type                                | name      | label     | save_to   | bind::namjai:privacy |
|          | text                                | case_code | Code      | case_code | open                 |
|          | text                                | pseudonym | Pseudonym | pseudonym | open                 |
|          | text                                | risk      | Risk      | risk      | open                 |
| entities |
|          | list_name | label                                | entity_id | create_if | update_if |
|          | survivors | concat(${case_code}, ${pseudonym})   | ${given}  | ${how} = 'create' | ${how} = 'update' |
| settings |
|          | form_id | version    | namespaces |
|          | person  | 2026112401 | namjai="https://namjai.org/xforms" |
"""


def person_xml(instance: str, uuid_: str = FAH, act: str = "create", base: int | None = None, branch: str = "", **answers: str) -> str:
    said = "".join(f"<{name}>{value}</{name}>" for name, value in answers.items())
    version = f' baseVersion="{base}" trunkVersion="1" branchId="{branch}"' if base else ""
    return (
        f'<data id="person" version="2026112401">{said}<meta><instanceID>uuid:{instance}</instanceID>'
        f'<entity dataset="survivors" id="{uuid_}" {act}="1"{version}><label>{answers.get("pseudonym", "")}</label></entity></meta></data>'
    )


@pytest.fixture
def person_form(publish):
    return publish(PERSON.replace("${given}", "${case_code}").replace("${how}", "${risk}"))


BRANCH = "0d4f2d4c-3c11-4f0e-9b7e-6e3f6d468e6a"
HISTORY = [
    person_xml("c", case_code="KTR-MDV-QHT", pseudonym="Fah", risk="low"),
    person_xml("u1", act="update", base=1, branch=BRANCH, risk="medium", pseudonym="Fah"),
    person_xml("u2", act="update", base=2, branch=BRANCH, risk="high", pseudonym="Fah"),
]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (2, 0, 1), (0, 2, 1)])
def test_offline_updates_end_the_same_in_any_order(tablet, person_form, one, rows, order):
    for position in (*order, *order):
        assert tablet.post(HISTORY[position]).status_code == 201
    stored = one(entity)
    assert stored.data["risk"] == "high"
    assert (stored.placeholder, stored.version, stored.conflict) == (False, 3, None)
    case = one(cases)
    assert (case.code, case.pseudonym, case.risk, case.placeholder) == ("KTR-MDV-QHT", "Fah", "high", False)
    assert rows(membership, case_id=case.id) == 3


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (2, 0, 1), (0, 2, 1), (1, 2, 0), (1, 0, 2)])
def test_a_corrected_intake_corrects_the_case_in_any_order(tablet, person_form, one, order):
    def corrected(instance, pseudonym, edit_of=None):
        xml = person_xml(instance, case_code="KTR-MDV-QHT", pseudonym=pseudonym, risk="low")
        return xml.replace("</instanceID>", f"</instanceID><deprecatedID>uuid:{edit_of}</deprecatedID>") if edit_of else xml

    versions = [corrected("a", "Fah"), corrected("b", "Faa", "a"), corrected("c", "Fa", "b")]
    for position in (*order, *order):
        assert tablet.post(versions[position]).status_code == 201
    assert one(entity).data["pseudonym"] == "Fa"
    assert one(cases).pseudonym == "Fa"
    assert one(submission).instance_id == "uuid:c"


def test_an_update_of_an_unknown_person_makes_a_placeholder_case(tablet, person_form, one):
    tablet.post(HISTORY[1])
    case = one(cases)
    assert case.placeholder and case.code.startswith("?")


def test_two_people_with_the_same_code_are_both_kept(tablet, person_form, rows):
    other = str(uuid.uuid4())
    tablet.post(HISTORY[0])
    tablet.post(person_xml("d", other, case_code="KTR-MDV-QHT", pseudonym="Mek", risk="low"))
    assert rows(cases, code="KTR-MDV-QHT") == 2
    assert rows(cases, code="KTR-MDV-QHT", suffix=2) == 1


def test_a_stale_base_is_kept_and_marked_as_a_conflict(tablet, person_form, one):
    tablet.post(HISTORY[0])
    tablet.post(person_xml("a", act="update", base=1, branch=str(uuid.uuid4()), risk="medium", pseudonym="Fah"))
    tablet.post(person_xml("b", act="update", base=1, branch=str(uuid.uuid4()), risk="high", pseudonym="Fah"))
    stored = one(entity)
    assert stored.conflict == "hard"
    assert stored.version == 3


def test_an_entity_with_an_id_that_is_no_uuid_does_not_stop_the_submission(tablet, person_form, rows):
    assert tablet.post(person_xml("c", "not-a-uuid", case_code="X", pseudonym="Fah", risk="low")).status_code == 201
    assert rows(submission) == 1
    assert rows(entity) == 0
    assert rows(rule_failure, problem="bad-uuid") == 1


def test_a_revoked_tablet_is_refused_at_once(tablet, publish, store, aftercare, rows):
    from cases.tablets import revoke

    publish(NOTE)
    with store.database.begin(aftercare) as tx:
        revoke(tx, store, aftercare, tablet.id)
    answer = tablet.post(note())
    assert answer.status_code == 403
    assert rows(submission) == 0


def test_a_body_that_is_too_large_is_refused_and_nothing_is_kept(tablet, publish, rows):
    publish(NOTE)
    answer = tablet.post(note(photo="1.jpg"), {"1.jpg": b"x" * 50_000_000})
    assert answer.status_code == 413
    assert rows(submission) == rows(quarantine) == 0


def test_no_transaction_without_a_project_sees_a_submission(tablet, publish, store):
    from store.actor import NOBODY

    publish(NOTE)
    tablet.post(note())
    with store.database.begin(NOBODY) as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(submission)) == 0


def test_an_edit_that_drops_its_photo_waits_for_none(tablet, publish, one):
    publish(NOTE)
    tablet.post(note("with", photo="1.jpg"))
    assert one(submission_attachment).expected
    tablet.post(note("without", edit_of="with"))
    assert not one(submission_attachment).expected
    tablet.post(note("again", edit_of="without", photo="1.jpg"))
    assert one(submission_attachment).expected
