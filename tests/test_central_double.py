"""The double of Central says what the recorded Central said: the recorded requests in their order, answer by answer."""
from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from base64 import b64encode
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
import requests
from doubles.central import serve
from doubles.central_answers import Answers
from doubles.central_world import World, made_up

from odk.xlsform import XLSFormInvalid

RECORDINGS = Path(__file__).parent / "recordings" / "central"
# What the double does not answer, and why.
LEFT_OUT = {
    14: "forms that do not convert are not uploaded to a Central by anybody who reads it",
    17: "nobody asks for a form's fields: they are read from its XForm",
    19: "nobody asks which tables a form has",
    20: "nobody asks for the types of OData",
    26: "tablets fetch forms, readers do not",
    27: "tablets fetch forms, readers do not",
    28: "tablets fetch manifests, readers do not",
    29: "tablets fetch manifests, readers do not",
    30: "tablets fetch manifests, readers do not",
    31: "tablets fetch forms, readers do not",
    77: "nobody asks for diffs: versions are read whole",
    106: "tablets fetch manifests, readers do not",
    107: "tablets fetch entity lists so, readers ask for entities.csv and OData",
    108: "tablets ask whether their entities are still there, readers do not",
    113: "nobody asks for the audits of the server, only for those of a submission",
    114: "nobody asks for a zip of CSV",
}
HEADERS = ("content-type", "x-openrosa-version", "content-disposition", "retry-after")
# Who asked, as answers tell; it was left out of the recorded requests.
AGENT = "python-urllib3/2.8.0"
# When Central had made entities of what had come, as their times tell: before these exchanges.
WORKED = {87: "2026-11-24T03:25:47+00:00", 96: "2026-11-24T03:26:29+00:00"}


def exchanges():
    return [json.loads(line) for line in (RECORDINGS / "exchanges.jsonl").read_text().splitlines()]


def body(name):
    return (RECORDINGS / name).read_bytes() if name else b""


def answered(number):
    return json.loads(body(f"bodies/{number:03d}-response.json"))


class Ids:
    """The ids and tokens that the recorded Central made up, handed to the double in the order in which it asks for those of each kind."""

    def __init__(self):
        bulk = {one["label"]: one["__id"] for one in answered(105)["value"]}
        self.made = {
            "token": [answered(number)[name] for number in (2, 4, 7, 10, 22) for name in ("token", "csrf", "draftToken") if name in answered(number)],
            "project": [answered(3)["acteeId"]],
            "form": [answered(79)[0]["acteeId"], answered(97)[1]["source"]["event"]["acteeId"]],
            "instance": [one["__id"] for one in answered(52)["value"] if one["meta"]["instanceID"] is None],
            "entity": [bulk["Bulk 1"], bulk["Bulk 2"]],
        }

    def __call__(self, kind):
        return self.made[kind].pop(0) if self.made[kind] else made_up(kind)


class Headers(dict):
    """Header names in any case."""

    def __init__(self, given):
        super().__init__({name.lower(): value for name, value in given.items()})

    def get(self, name, default=None):
        return super().get(name.lower(), default)

    def __getitem__(self, name):
        return super().__getitem__(name.lower())


# What the double must make itself: moments, ids of repeats (also in links), hashes of all that happened to a form or list.
OWN = re.compile(r'''\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z|(?:(?<=id": ")|(?<=member\('))[0-9a-f]{40}\b|(?:(?<=eventhash:)|(?<=^"))[0-9a-f]{32}(?="$)''')


class Pairs:
    """Of everything that the double must make itself: what stands with the double for what was recorded.

    The same stands for the same, everywhere; a moment is near the recorded one, and later when that one is.
    """

    def __init__(self):
        self.ours, self.theirs, self.moments = {}, {}, {}

    def compare(self, number, said, recorded):
        assert OWN.sub("OWN", said) == OWN.sub("OWN", recorded), number
        for ours, theirs in zip(OWN.findall(said), OWN.findall(recorded), strict=True):
            if theirs.endswith("Z"):
                self.moment(number, ours, theirs)
            else:
                assert self.ours.setdefault(theirs, ours) == ours and self.theirs.setdefault(ours, theirs) == theirs, (number, ours, theirs)

    def moment(self, number, ours, theirs):
        assert ours.endswith("Z") and self.moments.setdefault(theirs, ours) == ours, (number, ours, theirs)
        assert abs(dt.datetime.fromisoformat(ours) - dt.datetime.fromisoformat(theirs)) < dt.timedelta(seconds=2), (number, ours, theirs)

    def in_order(self):
        """Within 10 ms Central's own clock does not tell what came first: it works at several things at a time."""
        found = [(dt.datetime.fromisoformat(theirs), ours) for theirs, ours in sorted(self.moments.items())]
        latest, waiting = "", []
        for theirs, ours in found:
            while waiting and theirs - waiting[0][0] > dt.timedelta(milliseconds=10):
                latest = max(latest, waiting.pop(0)[1])
            assert ours > latest, (theirs, ours, latest)
            waiting.append((theirs, ours))

    def copy(self):
        found = Pairs()
        found.ours, found.theirs, found.moments = dict(self.ours), dict(self.theirs), dict(self.moments)
        return found


def test_the_double_answers_every_recorded_exchange_as_central_did():
    pairs, names = Pairs(), {"APP_USER_KEY": answered(22)["token"], "SESSION_TOKEN": answered(2)["token"]}
    world = World()
    world.uid, world.prompt = Ids(), False
    answers, compared = Answers(world), []
    for one in exchanges():
        if one["n"] in WORKED:
            make_entities(world, dt.datetime.fromisoformat(WORKED[one["n"]]))
        # The world's clock keeps to the recording's, because filters name times.
        world.now = max(world.now, parsedate_to_datetime(one["response"]["headers"]["date"]))
        if one["n"] in LEFT_OUT:
            assert not answers_it(one, answers, names, pairs.copy()), f"{one['n']} is left out, but answered as Central did"
            continue
        compare(one, ask(one, answers, names), pairs)
        compared.append(one["n"])
    pairs.in_order()
    assert sorted([*compared, *LEFT_OUT]) == list(range(1, 116))


def make_entities(world, now):
    """In the order of the recorded times: Central works at several at a time."""
    made = {one["__id"]: one["__system"]["createdAt"] for one in answered(90)["value"]}
    world.to_do.sort(key=lambda one: made[next(one[0].iter("{*}entity")).get("id")])
    world.now = now
    world.work()


def ask(one, answers, names):
    asked = one["request"]
    headers = Headers(asked["headers"] | {"user-agent": AGENT})
    if asked["auth"] == "bearer":
        headers["authorization"] = "Bearer " + ("wrong" if one["n"] == 110 else names["SESSION_TOKEN"])
    path = asked["path"]
    for name, value in names.items():
        path = path.replace(name, value)
    return answers.answer(asked["method"], path, headers, body(asked["body"]))


def answers_it(one, answers, names, pairs):
    try:
        compare(one, ask(one, answers, names), pairs)
    except (AssertionError, XLSFormInvalid):
        return False
    return True


def compare(one, got, pairs):
    number, wanted = one["n"], one["response"]
    assert got.status == wanted["status"], (number, got.status, got.body[:200])
    ours = {name.lower(): value for name, value in got.headers.items()}
    for name in HEADERS:
        assert ours.get(name) == wanted["headers"].get(name), (number, name)
    if one["request"]["method"] == "HEAD":
        # What would be sent is told by its ETag alone.
        assert ours.get("etag") == wanted["headers"].get("etag"), number
        return
    content = body(wanted["body"])
    compare_etag(number, ours.get("etag"), wanted["headers"].get("etag"), got.body, content, pairs)
    if "application/json" in wanted["headers"].get("content-type", ""):
        pairs.compare(number, in_lines(got.body), in_lines(content))
    elif wanted["headers"].get("content-type", "").startswith(("text/", "application/xml")):
        pairs.compare(number, got.body.decode(), content.decode())
    else:
        assert got.body == content, number


def in_lines(content):
    """JSON in which the names of an object have an order; Central's have none."""
    return json.dumps(json.loads(content), ensure_ascii=False, sort_keys=True, indent=0)


def etag_of(content):
    return f'W/"{len(content):x}-{b64encode(hashlib.sha1(content).digest()).decode()[:27]}"'


def compare_etag(number, ours, theirs, said, recorded, pairs):
    if theirs is None or ours is None:
        assert ours == theirs, number
    elif re.match(r'W/"[0-9a-f]+-', theirs):
        assert ours == etag_of(said), number
        # The recording names other hosts than Central did.
        assert theirs == etag_of(recorded) or b"central.example.org" in recorded, number
    elif theirs == f'"{hashlib.md5(recorded).hexdigest()}"':
        assert ours == f'"{hashlib.md5(said).hexdigest()}"', number
    else:
        pairs.compare(number, ours, theirs)


def test_moments_that_change_places_are_told():
    pairs = Pairs()
    pairs.moments = {"2026-11-24T03:25:38.100Z": "2026-11-24T03:25:38.001Z", "2026-11-24T03:25:38.200Z": "2026-11-24T03:25:38.002Z"}
    pairs.in_order()
    pairs.moments["2026-11-24T03:25:38.200Z"] = "2026-11-24T03:25:38.001Z"
    with pytest.raises(AssertionError):
        pairs.in_order()


def test_every_answer_is_dated_by_the_clock_of_the_world():
    world = World()
    central = serve(world)
    try:
        for fault in ("", "503", "html"):
            world.tick(seconds=61)
            if fault:
                central.fail(fault)
            found = requests.get(central.url + "/v1/projects", timeout=5)
            assert parsedate_to_datetime(found.headers["Date"]) == world.now.replace(microsecond=0)
            assert "," not in found.headers["Date"][5:]
    finally:
        central.close()
