"""The double of Central says what the recorded Central said: the recorded requests in their order, answer by answer."""
from __future__ import annotations

import json
import re
from email.utils import parsedate_to_datetime
from pathlib import Path

from doubles.central_answers import Answers
from doubles.central_world import World
from lxml import etree

RECORDINGS = Path(__file__).parent / "recordings" / "central"
# Not spoken by the double, because nothing that reads a Central asks for it: an XLSForm with an error, fields and
# OData metadata, what tablets fetch, single OData rows and sub-tables, diffs, ordering, the server's audits, CSV.
LEFT_OUT = {14, 17, 19, 20, 26, 27, 28, 29, 30, 31, 54, 55, 59, 77, 78, 83, 106, 107, 108, 113, 114}
# Of OData rows the double has what `$select=__id,__system` shows.
ODATA = {21, 51, 52, 53, 56, 57, 58, 81, 82, 84}
HEADERS = ("content-type", "x-openrosa-version", "content-disposition", "retry-after")


def exchanges():
    return [json.loads(line) for line in (RECORDINGS / "exchanges.jsonl").read_text().splitlines()]


def test_the_double_answers_every_recorded_exchange_as_central_did():
    world = World()
    answers = Answers(world)
    names: dict[str, str] = {"APP_USER_KEY": "", "SESSION_TOKEN": ""}
    covered, skip = 0, ""
    for one in exchanges():
        if one["n"] in LEFT_OUT:
            continue
        asked, wanted = one["request"], one["response"]
        body = (RECORDINGS / asked["body"]).read_bytes() if asked["body"] else b""
        headers = Headers(asked["headers"])
        if asked["auth"] == "bearer":
            headers["authorization"] = "Bearer " + ("wrong" if one["n"] == 110 else names["SESSION_TOKEN"])
        path = asked["path"]
        for name, value in names.items():
            path = path.replace(name, value)
        path = re.sub(r"skiptoken=[^&]+", f"skiptoken={skip}", path)
        # The world's clock keeps to the recording's, because filters name times.
        world.now = max(world.now, parsedate_to_datetime(wanted["headers"]["date"]))
        got = answers.answer(asked["method"], path, headers, body)
        said = json.loads(got.body) if got.headers.get("Content-Type", "").startswith("application/json") else None
        if one["n"] == 2:
            names["SESSION_TOKEN"] = said["token"]
        if one["n"] == 22:
            names["APP_USER_KEY"] = said["token"]
        if said and "@odata.nextLink" in said:
            skip = said["@odata.nextLink"].rsplit("=", 1)[1]
        compare(one["n"], got, said, wanted)
        covered += 1
    assert covered == 115 - len(LEFT_OUT)


class Headers(dict):
    """Header names in any case."""

    def __init__(self, given):
        super().__init__({name.lower(): value for name, value in given.items()})

    def get(self, name, default=None):
        return super().get(name.lower(), default)

    def __getitem__(self, name):
        return super().__getitem__(name.lower())


def compare(number, got, said, wanted):
    assert got.status == wanted["status"], (number, got.status, got.body[:200])
    ours = {name.lower(): value for name, value in got.headers.items()}
    for name in HEADERS:
        assert ours.get(name) == wanted["headers"].get(name), (number, name)
    assert kind_of(ours.get("etag")) == kind_of(wanted["headers"].get("etag")), number
    content = (RECORDINGS / wanted["body"]).read_bytes() if wanted["body"] else b""
    if said is not None:
        recorded = json.loads(content)
        if number in ODATA:
            recorded["value"] = [{"__id": row["__id"], "__system": row["__system"]} for row in recorded["value"]]
        assert shape(said) == shape(recorded), (number, "shape")
        if number in ODATA and number not in (51, 52, 53):
            assert same_rows(said, recorded), number
        if "@odata.count" in recorded:
            assert said["@odata.count"] == recorded["@odata.count"], number
        if wanted["status"] >= 400:
            assert said == recorded, number
    elif b"OpenRosaResponse" in content:
        assert etree.canonicalize(got.body.decode().strip()) == etree.canonicalize(content.decode().strip()), number
    elif content.startswith(b"<") or wanted["headers"].get("content-type", "").startswith("image/"):
        assert got.body == content, number


def same_rows(said, recorded):
    """The rows in their order: of the one without an instanceID Central made an id of its own."""
    pairs = list(zip(said["value"], recorded["value"], strict=True))
    good = [ours["__id"] == theirs["__id"] or "uuid:" not in theirs["__id"] for ours, theirs in pairs]
    counted = ("attachmentsPresent", "attachmentsExpected", "edits", "reviewState", "formVersion")
    return all(good) and all(ours["__system"][name] == theirs["__system"][name] for ours, theirs in pairs for name in counted)


def kind_of(etag):
    return None if etag is None else re.sub(r"[0-9a-zA-Z+/]{6,}.*|[0-9a-f]+-.*", "…", etag)


# Where an object's keys are data.
OPEN = {"data", "dataReceived", "details", "event"}


def shape(value, name=""):
    """Keys and kinds, without values; of a list, the shapes that occur."""
    if isinstance(value, dict):
        if name in OPEN:
            return "open"
        return {key: shape(one, key) for key, one in value.items() if name != "value" or key.startswith("__")}
    if isinstance(value, list):
        return sorted({json.dumps(shape(one, name), sort_keys=True) for one in value})[:1] if name not in ("properties", "linkedForms", "sourceForms", "baseDiff", "serverDiff", "conflictingProperties", "notes") else "list"
    return "scalar"
