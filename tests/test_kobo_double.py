"""The double of KoboToolbox says what the recorded Kobo said: the recorded requests in their order, answer by answer."""

from __future__ import annotations

import datetime as dt
import json
import re
from base64 import b64encode
from collections import Counter, defaultdict
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
import requests
from doubles.kobo import Answers, serve
from doubles.kobo_world import World
from lxml import etree

RECORDINGS = Path(__file__).parent / "recordings" / "kobo"
# What the double does not claim to answer, and why.
LEFT_OUT = {
    42: "nobody asks for a form as a workbook",
    130: "nobody asks for GeoJSON",
    146: "thumbnails are not made: the whole file is given",
    147: "thumbnails are not made: the whole file is given",
    148: "thumbnails are not made: the whole file is given",
    275: "exports are made in CSV alone",
    288: "nobody asks for usage",
}
HEADERS = ("content-type", "content-disposition", "location", "x-openrosa-version", "content-range", "accept-ranges")
BASIC = "Basic " + b64encode(b"field:PASSWORD").decode()
AUTH = {
    "token": "Token API_TOKEN",
    "token (other)": "Token OTHER_TOKEN",
    "token (viewer)": "Token VIEWER_TOKEN",
    "token (wrong)": "Token wrong",
    "basic": BASIC,
    "basic (wrong password)": "Basic " + b64encode(b"field:wrong").decode(),
    "bearer": "Bearer API_TOKEN",
    # Digest is not spoken: what was asked with it is asked with the token.
    "digest": "Token API_TOKEN",
}


def exchanges():
    return [json.loads(line) for line in (RECORDINGS / "exchanges.jsonl").read_text().splitlines()]


def body(name):
    return (RECORDINGS / name).read_bytes() if name else b""


class Ids:
    """The ids that the recorded Kobo made, handed to the double in the order in which it asks for those of each kind."""

    def __init__(self, world):
        self.made, self.own = defaultdict(list), world.uid
        for one in exchanges():
            name = one["response"]["body"] or ""
            if name.endswith(".json") and not one.get("direction"):
                self.harvest(json.loads(body(name)), one["title"])

    def __call__(self, kind, *hints):
        for key in ((kind, *hints), (kind, *hints[:1]), (kind,)):
            if self.made.get(key):
                return self.made[key].pop(0)
        return self.own(kind, *hints)

    def note(self, key, value):
        if value and value not in self.made[key]:
            self.made[key].append(value)

    def harvest(self, said, title):
        for each in said.values() if isinstance(said, dict) else said if isinstance(said, list) else ():
            self.harvest(each, title)
        if not isinstance(said, dict):
            return
        url = said["url"].partition("?")[0].rstrip("/").split("/") if isinstance(said.get("url"), str) else [""] * 3
        if said.get("kind") == "asset":
            self.asset(said)
        for file in said.get("_attachments", ()):
            self.note(("att", said["_id"], file["media_file_basename"]), file["uid"])
        if url[-2] == "files":
            self.note(("af", url[-3], said["metadata"]["filename"]), said["uid"])
        elif url[-2] == "permission-assignments":
            user, name = (said[one].partition("?")[0].rstrip("/").rsplit("/", 1)[1] for one in ("user", "permission"))
            self.note(("p", url[-3], user, name), url[-1])
        elif url[-2] == "logs":
            self.note(("hl", url[-3], said["submission_id"]), said["uid"])
        elif url[-2] in ("hooks", "exports", "export-settings"):
            self.note(({"hooks": "h", "exports": "e", "export-settings": "es"}[url[-2]],), said["uid"])
        if title.startswith("poll") and "messages" in said:
            self.note(("i",), said["uid"])
        if "root_uuid" in said and "status_code" in said:
            self.note(("uuid",), said["uuid"])
        if title.startswith("duplicate one") and "_uuid" in said:
            self.note(("uuid",), said["_uuid"])

    def asset(self, said):
        self.note(("a",), said["uid"])
        self.note(("v", said["uid"]), said.get("version_id"))
        self.note(("formhub", said["uid"]), said.get("deployment__uuid"))
        content = said.get("content") or {"survey": [], "choices": []}
        for row in content["survey"] + content["choices"]:
            self.note(("kuid", said["uid"]), row["$kuid"])


class Headers(dict):
    """Header names in any case."""

    def __init__(self, given):
        super().__init__({name.lower(): value for name, value in given.items()})

    def get(self, name, default=None):
        return super().get(name.lower(), default)


def fill(world):
    """The form of the load test, whose 1,150 submissions were not recorded."""
    world.now = dt.datetime(2026, 11, 24, 3, 53, 49, tzinfo=dt.UTC)
    form = world.publish(world.upload(body("forms/registration.xlsx"), own=True).uid)
    seen = json.loads(body("bodies/290-response.json"))["results"]
    for number in range(1150):
        uuid = seen[number]["_uuid"] if number < len(seen) else world.uid("uuid")
        world.submit(f'<{form.uid} id="{form.uid}"><meta><instanceID>uuid:{uuid}</instanceID></meta></{form.uid}>'.encode())


def replay(judge, told, world=None):
    """Every request that was recorded, in order; `judge` gets the exchange and our answer, `told` what hooks would send."""
    world = world or World()
    answers = Answers(world)
    world.uid, answers.private = Ids(world), False
    heard = [one["response"]["status"] for one in exchanges() if one.get("direction")]

    def deliver(hook, headers, sent):
        told.append((hook.said["endpoint"], headers, sent))
        status = heard[len(told) - 1]
        return status, '{"ok":true}' if status == 200 else '{"error":"down"}'

    world.deliver = deliver
    for one in exchanges():
        if one["n"] in LEFT_OUT or one.get("direction"):
            continue
        if one["n"] == 289:
            fill(world)
        asked = one["request"]
        headers = Headers(asked["headers"] | ({"authorization": AUTH[asked["auth"]]} if asked["auth"] else {}))
        answers.secure = "plain HTTP" not in one["title"]
        world.in_hand = {"28575587-f8ee-4d4f-ab0f-fbce73020fd9"} if one["response"]["status"] == 423 else set()
        # The world's clock keeps to the recording's, because queries name times.
        world.now = max(world.now, parsedate_to_datetime(one["response"]["headers"]["date"]))
        judge(one, answers.answer(asked["method"], asked["path"], headers, body(asked["body"])))


def test_the_double_answers_every_recorded_exchange_as_kobo_did():
    judged, told = [], []

    def judge(one, got):
        compare(one, got)
        judged.append(one["n"])

    replay(judge, told)
    sent = [one for one in exchanges() if one.get("direction")]
    assert len(judged) == 308 - len(LEFT_OUT) - len(sent)
    assert len(told) == len(sent)
    for one, (endpoint, headers, content) in zip(sent, told, strict=True):
        compare_hook(one, endpoint, Headers(headers), content)


def compare(one, got):
    number, wanted = one["n"], one["response"]
    assert got.status == wanted["status"], (number, got.status, got.body[:200])
    ours = {name.lower(): value for name, value in got.headers.items()}
    for name in HEADERS:
        assert ours.get(name) == wanted["headers"].get(name), (number, name)
    for name in ("etag", "www-authenticate"):
        assert kind_of(ours.get(name)) == kind_of(wanted["headers"].get(name)), (number, name)
    content = body(wanted["body"])
    if one["request"]["method"] == "HEAD":
        return
    if "application/json" in wanted["headers"].get("content-type", ""):
        said, recorded = json.loads(timeless(got.body)), json.loads(timeless(content))
        for value in (said, recorded):
            put_in_order(value)
        if number == 235:
            # One of the first lines of the history, on a later page that was not recorded, is not known.
            recorded["count"] -= 1
        assert said == recorded, (number, differing(said, recorded))
        # What has just been written comes in the order of Kobo's memory; what is read, in that of its database.
        assert one["request"]["method"] != "GET" or json.dumps(said) == json.dumps(recorded), number
    elif b"<h:html" in content:
        assert pieces(got.body) == pieces(content), number
    elif ours.get("content-type", "").startswith(("text/", "application/xml")):
        assert timeless(got.body) == timeless(content), number
    else:
        assert got.body == content, number


def compare_hook(one, endpoint, headers, content):
    number, asked = one["n"], one["request"]
    assert endpoint == "https://hook.example.org" + asked["path"], number
    for name in ("user-agent", "content-type", "x-hook-secret"):
        assert headers.get(name) == asked["headers"].get(name), (number, name)
    assert bool(headers.get("authorization")) == bool(asked["auth"]), number
    if headers.get("content-type") == "application/xml":
        assert content == body(asked["body"]), number
    else:
        assert list(pairs(timeless(content))) == list(pairs(timeless(body(asked["body"])))), number


def timeless(content):
    """Without what is another every time: moments, and hashes that depend on them or on the version of pyxform."""
    text = re.sub(r"2026-11-24T\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)?", "MOMENT", content.decode())
    text = re.sub(r"\(2026-11-24 \d\d:\d\d:\d\d\)", "(MOMENT)", text)
    text = re.sub(r"\b[0-9a-f]{40}\b", "SHA1", text)
    text = re.sub(r"(<hash>)md5:[0-9a-f]{32}", r"\1MD5", text)
    return re.sub(r'("timestamp"|"processing_time_seconds"):[\d.]+', r"\1:0", text)


def put_in_order(value):
    """A summary's columns are a set to Kobo."""
    if isinstance(value, dict):
        if "columns" in value and "name_quality" in value:
            value["columns"].sort()
        for one in value.values():
            put_in_order(one)
    elif isinstance(value, list):
        for one in value:
            put_in_order(one)


def differing(said, recorded):
    if not (isinstance(said, dict) and isinstance(recorded, dict)):
        return "shape"
    return [name for name in said.keys() | recorded.keys() if said.get(name) != recorded.get(name)]


def kind_of(header):
    return None if header is None else re.sub(r'"[^"]*"', '"…"', header)


def pairs(text):
    return json.loads(text, object_pairs_hook=lambda found: found)


def pieces(xform):
    """The elements of an XForm, each with its attributes and text: Kobo's pyxform is older and writes some in another order."""
    return Counter(
        (one.tag, tuple(sorted((name, re.sub(r"2026-11-24 [\d:]+", "MOMENT", value)) for name, value in one.attrib.items())), (one.text or "").strip())
        for one in etree.fromstring(xform).iter()
    )


# What it is for: a server that changes, fails and lies.

HOUSE = """
| survey |
| | type | name | label |
| | text | head | Head of the household |
| | image | photo | Photo |
| settings |
| | form_id | form_title | version |
| | house | House | 1 |
"""


def instance(uuid, *, head="h", photo="", deprecated=""):
    old = f"<deprecatedID>uuid:{deprecated}</deprecatedID>" if deprecated else ""
    return f'<data id="house" version="1"><head>{head}</head><photo>{photo}</photo><meta><instanceID>uuid:{uuid}</instanceID>{old}</meta></data>'.encode()


@pytest.fixture
def world():
    made = World()
    made.release(HOUSE)
    return made


@pytest.fixture
def kobo(world):
    """A Kobo with five submissions, and a function that asks it as `field`."""
    for number in range(5):
        world.submit(instance(f"u{number}", head=f"head {number}"))
    double = serve(world, own_address=True)
    session = requests.Session()
    session.headers["Authorization"] = "Token API_TOKEN"
    data = f"{double.url}/api/v2/assets/{world.forms['house'].uid}/data/"
    double.history = lambda **query: session.get(data.replace("/data/", "/history/"), params=query, timeout=5).json()
    double.get = lambda path="", **query: session.get(data + path, params=query, timeout=5, allow_redirects=False)
    yield double
    session.close()
    double.close()


def ids(answer):
    return [row["_id"] for row in answer.json()["results"]]


def xml_ids(answer):
    """The `_id`s of rows in XML, which do not stand there: `u0` came first."""
    return [int(one.text[-1]) + 1 for one in etree.fromstring(answer.content).iter("instanceID")]


def test_a_page_can_lie_in_every_way_that_readers_must_stand(kobo):
    assert ids(kobo.get()) == [1, 2, 3, 4, 5]
    lies = {"duplicate": [1, 2, 3, 3], "reversed": [3, 2, 1], "short": [1, 2], "empty": []}
    for kind, wanted in lies.items():
        kobo.fail(kind, "/data/")
        assert ids(kobo.get(limit=3)) == wanted
        kobo.fail(kind, "/data/")
        assert xml_ids(kobo.get(limit=3, format="xml")) == (wanted or [1, 2, 3])
    kobo.fail("overlap", "/data/")
    assert ids(kobo.get(query='{"_id": {"$gt": 3}}', fields='["_id"]')) == [3, 4, 5]
    kobo.fail("count", "/data/", text="-2")
    assert kobo.get(limit=3).json()["count"] == 3
    kobo.fail("next-elsewhere", "/data/", text="http://elsewhere.example.org")
    assert kobo.get(limit=3).json()["next"].startswith("http://elsewhere.example.org/api/v2/assets/")
    kobo.fail("vanish", "/data/", text="2")
    assert ids(kobo.get()) == [1, 2, 3, 4, 5] and kobo.get("1/").status_code == kobo.get("2/").status_code == 404
    assert ids(kobo.get()) == [3, 4, 5]


def test_answers_fail_as_servers_and_networks_do(kobo):
    kobo.fail("429", "/data/", text="7")
    assert (kobo.get().status_code, kobo.get().status_code) == (429, 200)
    kobo.fail("unauthorized", "/data/")
    assert (kobo.get().status_code, kobo.get().status_code) == (401, 200)
    kobo.fail("html", "/data/")
    assert kobo.get().headers["Content-Type"].startswith("text/html")
    kobo.fail("redirect", "/data/", text="https://elsewhere.example.org/")
    assert kobo.get().headers["Location"] == "https://elsewhere.example.org/"
    kobo.fail("truncated", "/data/")
    with pytest.raises(ValueError):
        kobo.get().json()
    for kind in ("reset", "cut", "stall"):
        kobo.fail(kind, "/data/", text="0.01")
        with pytest.raises(requests.RequestException):
            kobo.get()
    assert kobo.get().status_code == 200


def test_no_row_is_looked_at_when_pages_go_by_id(kobo, monkeypatch):
    monkeypatch.setattr(kobo.answers, "_look", None)
    page = kobo.get(query='{"_id": {"$gt": 3}}', sort='{"_id": 1}', limit=1).json()
    assert (page["count"], page["results"][0]["_id"]) == (2, 4)


def test_a_person_s_instance_is_put_into_the_words_of_the_deployed_form(world, kobo):
    form = world.forms["house"]
    world.upload(HOUSE.replace("| 1 |", "| 2 |"))
    world.publish("house")
    world.submit(instance("v2").replace(b'version="1"', b'version="2"'))
    row = kobo.get("6/").json()
    assert (row["_xform_id_string"], row["__version__"], row["formhub/uuid"]) == (form.uid, form.versions[1].uid, form.formhub)
    root = etree.fromstring(kobo.get("6/", format="xml").content)
    assert (root.tag, root.get("id"), root.get("version")) == (form.uid, form.uid, form.versions[1].version)


def test_a_photo_comes_late_goes_with_an_edit_and_its_address_with_it(world, kobo):
    world.submit(instance("p", photo="p.jpg"))
    assert kobo.get("6/").json()["_attachments"] == []
    world.attach("house", "uuid:p", "p.jpg", b"late")
    old = kobo.get("6/").json()["_attachments"][0]["uid"]
    assert kobo.get(f"6/attachments/{old}/").content == b"late"
    world.review("house", 6, "approved")
    world.edit("house", 6, instance("q", photo="q.jpg", deprecated="p"), {"q.jpg": b"new"})
    row = kobo.get("6/").json()
    assert (row["_uuid"], row["meta/rootUuid"], row["_validation_status"]["uid"]) == ("q", "p", "validation_status_approved")
    assert [one["media_file_basename"] for one in row["_attachments"]] == ["q.jpg"] and kobo.get(f"6/attachments/{old}/").status_code == 404


def test_the_history_is_asked_for_by_what_was_done_newest_first(world, kobo):
    world.review("house", 1, "approved")
    world.edit("house", 1, instance("again", deprecated="u0"))
    world.delete("house", 2)
    found = kobo.history(q="action:modify-submission OR action:delete-submission", limit=2)
    assert [(one["action"], one["metadata"]["submission"]["root_uuid"]) for one in found["results"]] == [("delete-submission", "u1"), ("modify-submission", "u0")]
    assert found["count"] == 3 and world.sub("house", 1).stands
    world.review("house", 1, "on_hold")
    assert not world.sub("house", 1).stands


def test_a_row_whose_number_was_given_early_is_seen_late(world, kobo):
    early = next(world.numbers)
    world.submit(instance("first"))
    assert ids(kobo.get())[-1] == 7
    world.submit(instance("second"), number=early)
    assert ids(kobo.get())[-2:] == [6, 7] and ids(kobo.get(query='{"_id": {"$gt": 5}}')) == [6, 7]
