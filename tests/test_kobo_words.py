"""What the real Kobo answered (recordings), read as our own words."""
from __future__ import annotations

import json
from pathlib import Path

import pytest
from lxml import etree

from namjai.problems import Problem
from odk.instance import read_instance
from odk.xform import read_xform
from odk.xlsform import xform_of_sheets
from submissions.review import ReviewState
from sync import kobo_instances as instances
from sync.kobo import open_source
from sync.kobo_words import events_of, files_of, named_in, row_of, uploads_of

BODIES = Path(__file__).parent / "recordings" / "kobo" / "bodies"
UID = "atp74HAxoewYzRkWvbyB8q"


def said(number, kind="json"):
    body = (BODIES / f"{number:03}-response.{kind}").read_bytes()
    return json.loads(body) if kind == "json" else body


def test_rows_are_told_by_their_first_id_and_marked_by_their_current_one():
    rows = {row.remote_id: row for row in map(row_of, said(232)["results"])}
    first = said(198)
    after = rows[first["meta/rootUuid"].removeprefix("uuid:")]
    assert after.root_instance_id == first["meta/rootUuid"] and after.mark != row_of(first).mark
    assert after.received_at.isoformat() == "2026-11-24T03:52:49+00:00" and after.submitter.name == "field"
    assert after.inline.version == "vqanhwMk2PigtpLeiT6PkS"


def test_statuses_are_reviews_and_an_approval_of_an_edited_row_is_not_sure():
    rows = [row_of(one) for one in said(232)["results"]]
    assert {row.review for row in rows} == {ReviewState.RECEIVED, ReviewState.APPROVED, ReviewState.HAS_ISSUES}
    approved = next(row for row in rows if row.review is ReviewState.APPROVED)
    assert not approved.review_sure and approved.review_mark == "2026-11-24T03:53:02+00:00"
    assert all(row.review_sure for row in rows if row.review is ReviewState.HAS_ISSUES)


def test_ids_are_prefixed_where_they_are_uuids():
    assert row_of(said(303)["results"][0]).root_instance_id == "uuid:bd866fa8-c85b-46aa-9a54-3bdacb8448f4"
    assert row_of(said(305)["results"][0]).root_instance_id == "collect:not-a-uuid-17"


def test_a_history_tells_edits_from_reviews_and_deletions():
    events = list(events_of(said(235)["results"]))
    assert [(one.deleted, one.reviewed) for one in events[:5]] == [(True, False), (True, False), (False, False), (False, True), (False, True)]
    # Two edits of one second are two.
    assert len({one.key for one in events}) == len(events) == 12
    assert all(one.at.tzinfo for one in events)


def test_a_version_is_made_of_its_content_as_kobo_deployed_it():
    content = said(39)["content"]
    made = instances.xform(xform_of_sheets(instances.sheets(content, "registration", "v1", entities=False), "x"), "registration", "v1")
    deployed = instances.xform(said(63, "xml"), "registration", "v1")
    rendered = instances.xform(said(41, "xml"), "registration", "v1")
    schemas = [read_xform(xml) for xml in (made, deployed, rendered)]
    assert {(one.form_id, one.version) for one in schemas} == {("registration", "v1")}
    assert schemas[0].by_path == schemas[1].by_path == schemas[2].by_path
    assert schemas[0].choices == schemas[1].choices == schemas[2].choices


def test_privacy_that_a_form_declares_survives_in_every_version():
    content = {
        "survey": [{"type": "text", "name": "a", "label": ["A"], "bind::namjai:privacy": "identifying", "$kuid": "x"}],
        "choices": [], "translations": [None], "settings": {"id_string": "f", "namespaces": 'namjai="https://namjai.org/xforms"'},
    }
    schema = read_xform(xform_of_sheets(instances.sheets(content, "f", "v1", entities=False), "f"))
    assert schema.by_path["a"].privacy == "identifying"


def test_an_instance_is_the_same_bytes_read_in_bulk_or_alone():
    root = "uuid:e11bc161-9371-46f1-b9b0-930e62f4d627"
    in_bulk = instances.of_listing(said(129, "xml"))[root]
    alone = etree.fromstring(said(135, "xml"))
    made = [instances.instance(one, "registration", "v1", root) for one in (in_bulk, alone)]
    assert made[0] == made[1]
    read = read_instance(made[0])
    assert (read.form_id, read.version, read.instance_id, read.deprecated_id) == ("registration", "v1", root, None)


def test_an_edit_names_what_it_replaces_and_the_first_id():
    xml = b"<a id='x' version='1 (2026)'><meta><instanceID>0eeb41d1-c71e-4acf-b96f-4f921785545c</instanceID></meta></a>"
    read = read_instance(instances.instance(etree.fromstring(xml), "f", "v", "uuid:e11bc161-9371-46f1-b9b0-930e62f4d627"))
    assert read.instance_id == "uuid:0eeb41d1-c71e-4acf-b96f-4f921785545c"
    assert read.deprecated_id == read.root_id == "uuid:e11bc161-9371-46f1-b9b0-930e62f4d627"


def test_files_are_told_that_came_and_that_did_not():
    uploads = uploads_of(said(36)["content"])
    assert uploads == {"photo", "paper"}
    row = said(105)["results"][0]
    (photo,) = files_of(named_in(row, uploads), row["_attachments"])
    assert (photo.name, photo.exists, photo.tag) == ("photo.png", True, "attU482eaaQbzJuCnM6kEtSQ")
    assert photo.address == f"assets/{UID}/data/1/attachments/attU482eaaQbzJuCnM6kEtSQ/"
    missing = said(140)
    assert [(one.name, one.exists) for one in files_of(named_in(missing, uploads), missing["_attachments"])] == [("photo.png", False)]


def test_a_file_has_the_name_that_its_answer_has_and_one_of_the_same_name_in_another_row_stays_itself():
    named = [("member/face", "ภาพ 1.jpg"), ("member/face", "b c.jpg"), ("photo", "b c.jpg")]
    kept = [
        {"uid": "1", "media_file_basename": "ภาพ_1.jpg", "question_xpath": "member[1]/face", "download_url": "https://k.example.org/api/v2/assets/a/1/"},
        {"uid": "2", "media_file_basename": "b_c.jpg", "question_xpath": "member[2]/face", "download_url": "https://k.example.org/api/v2/assets/a/2/"},
        {"uid": "3", "media_file_basename": "gone.jpg", "is_deleted": True, "download_url": "https://k.example.org/api/v2/assets/a/3/"},
    ]
    assert [(one.name, one.tag, one.exists) for one in files_of(named, kept)] == [("ภาพ 1.jpg", "1", True), ("b c.jpg", "2", True), ("b c.jpg", "", False)]


@pytest.mark.parametrize("token", ["ไทย", "a\nb", "a\x00b"])
def test_what_is_no_token_is_refused_before_it_is_sent(token):
    with pytest.raises(Problem) as refused:
        open_source("field", "https://kobo.example.org", {}, {"token": token})
    assert refused.value.code == "source-sign-in" and token not in str(refused.value)


@pytest.mark.parametrize("url", ["https://kobo.example.org", "https://kobo.example.org/", "https://kobo.example.org/#/forms/x/summary", "https://kobo.example.org/api/v2"])
def test_any_page_of_kobo_is_its_address(url):
    assert open_source("field", url, {}, {"token": "T"})._kobo.wire.server == "kobo.example.org"
