"""The server and the way to it: half answers, errors, busy ones, other pages, other servers, endless ones."""
from __future__ import annotations

import email.utils
import time

from soak.catalogue import ALL, CENTRAL, fault
from soak.scene import Scene

# name → (kind, place, times): over by itself within a run.
_PASSING = {
    "half an answer at the listing": ("truncated", "listing", 2, ALL, ALL),
    "half an answer at the versions of a submission": ("truncated", "versions", 2, CENTRAL, ()),
    "half an answer at the list of forms": ("truncated", "forms", 2, ALL, ()),
    "half an answer at the names of files": ("truncated", "names of files", 2, CENTRAL, ()),
    "half an answer at the entities": ("truncated", "entities", 2, CENTRAL, ()),
    "a connection that breaks in the middle of content": ("cut", "content", 2, ALL, ALL),
    "a connection that breaks in the middle of the listing": ("cut", "listing", 2, ALL, ()),
    "a connection that breaks in the middle of a file": ("cut", "files", 2, ALL, CENTRAL),
    "a connection that breaks in the middle of an entity list": ("cut", "entity CSV", 2, CENTRAL, ()),
    "a reset connection at content": ("reset", "content", 2, ALL, ()),
    "a reset connection at the list of forms": ("reset", "forms", 2, ALL, ()),
    "a reset connection at the entities": ("reset", "entities", 2, CENTRAL, ()),
    "a reset connection at a file": ("reset", "files", 2, ALL, ()),
    "500 at content": ("500", "content", 2, ALL, ()),
    "500 when signing in": ("500", "sign-in", 2, CENTRAL, ()),
    "502 at the listing": ("502", "listing", 2, ALL, ()),
    "503 at a file": ("503", "files", 2, ALL, ()),
    "503 at the entity lists": ("503", "lists", 2, CENTRAL, ()),
    "504 at the entities": ("504", "entities", 2, CENTRAL, ()),
    "429 at content": ("429", "content", 2, ALL, ALL),
    "a session that ends at the content": ("unauthorized", "content", 1, CENTRAL, CENTRAL),
    "a session that ends at the listing": ("unauthorized", "listing", 1, CENTRAL, ()),
    "a session that ends at a file": ("unauthorized", "files", 1, CENTRAL, ()),
    "a session that ends at the entities": ("unauthorized", "entities", 1, CENTRAL, ()),
}


def _passing(kind: str, place: str, times: int):  # type: ignore[no-untyped-def]
    return lambda scene: scene.passes(kind, place, times=times, text="0" if kind == "429" else "")


for _name, (_kind, _place, _times, _on, _quick) in _PASSING.items():
    fault(_name, on=_on, quick=_quick)(_passing(_kind, _place, _times))

# name → (kind, place, the code of what is said): it lasts until somebody puts it right.
_LASTING = {
    "an HTML sign-in page with 200 at the listing": ("html", "listing", "source-talks-otherwise", ALL, ALL),
    "an HTML sign-in page with 200 at the list of forms": ("html", "forms", "source-talks-otherwise", ALL, ()),
    "an HTML sign-in page with 200 when signing in": ("html", "sign-in", "source-talks-otherwise", CENTRAL, ()),
    "500 at the listing for ever": ("500", "listing", "source-slow", ALL, ()),
    "500 at all content": ("500", "content", "source-form-unread", ALL, ()),
    "403 at the list of forms": ("403", "forms", "source-forbidden", ALL, CENTRAL),
    "403 at the listing": ("403", "listing", "source-forbidden", CENTRAL, ()),
    "404 at the project": ("404", "forms", "source-not-there", CENTRAL, ()),
    "one byte a second at the listing": ("drip", "listing", ("source-slow", "source-form-unread"), ALL, CENTRAL),
    "half an answer at the listing for ever": ("truncated", "listing", "source-talks-otherwise", ALL, ()),
    "a server that hangs up on everything": ("reset", "", ("source-broke-off", "source-unreachable"), ALL, ALL),
    "a password that holds no longer": ("401", "sign-in", "source-sign-in", CENTRAL, ()),
}


def _lasting(kind: str, place: str, said: str):  # type: ignore[no-untyped-def]
    def play(scene: Scene) -> None:
        scene.acts(6)
        # Each form is given its time.
        scene.fails_for_good(kind, place, said, within=90 if kind == "drip" else 30)

    return play


for _name, (_kind, _place, _said, _on, _quick) in _LASTING.items():
    fault(_name, on=_on, quick=_quick)(_lasting(_kind, _place, _said))


def _elsewhere(place: str):  # type: ignore[no-untyped-def]
    def play(scene: Scene) -> None:
        """The token is worth what it opens: it is sent to nobody else."""
        other = scene.stage.server.another()
        scene.doubles.append(other)
        scene.acts(4)
        said = "source-file-elsewhere" if place == "files" else "source-elsewhere"
        scene.fails_for_good("redirect", place, said, text=f"{other.url}/v1/projects/6/forms")
        assert other.asked == [] and other.tokens_seen == []

    return play


for _place, _on, _quick in (("listing", ALL, ALL), ("content", ALL, ()), ("files", CENTRAL, ()), ("sign-in", CENTRAL, ()), ("forms", ALL, ())):
    fault(f"a redirect to another server at the {_place}", on=_on, quick=_quick)(_elsewhere(_place))


@fault("Retry-After in seconds is waited for", quick=CENTRAL)
def _retry_after(scene: Scene) -> None:
    begun = time.monotonic()
    scene.passes("429", "listing", times=1, text="1")
    assert time.monotonic() - begun >= 1


@fault("Retry-After as a date is waited for")
def _retry_after_a_date(scene: Scene) -> None:
    begun = time.time()
    # A date has whole seconds: at least one has passed then.
    scene.passes("503", "listing", times=1, text=email.utils.formatdate(begun + 3, usegmt=True))
    assert time.time() - begun >= 1


@fault("Retry-After of an hour ends the run instead of sleeping")
def _retry_after_an_hour(scene: Scene) -> None:
    scene.acts(4)
    scene.fails_for_good("429", "listing", "source-slow", text="3600", within=10)


@fault("Retry-After that is no time at all")
def _retry_after_nonsense(scene: Scene) -> None:
    scene.passes("503", "content", times=2, text="soon, perhaps")


@fault("a redirect within the same server is followed", on=CENTRAL)
def _within(scene: Scene) -> None:
    scene.fail("redirect", "visit/versions", text="/v1/projects/6/forms/visit/versions")
    assert scene.read().problem is None


@fault("a link to the next page that names another host", on=CENTRAL, quick=CENTRAL)
def _next_link(scene: Scene) -> None:
    """A server names the host that it believes it has; we go on at the one that was dialled."""
    other = scene.stage.server.another()
    scene.doubles.append(other)
    scene.double.answers.domain = other.url
    scene.acts(260)
    assert scene.read().problem is None
    assert other.asked == [] and other.tokens_seen == []


@fault("an empty answer with 200 at the listing")
def _empty(scene: Scene) -> None:
    scene.acts(4)
    scene.double.twist = lambda fault, answer: type(answer)(200, b"", answer.headers) if fault.kind == "empty" else None
    scene.fails_for_good("empty", "listing", "source-talks-otherwise")


@fault("JSON of another shape at the listing")
def _other_shape(scene: Scene) -> None:
    scene.acts(4)
    scene.double.twist = lambda fault, answer: type(answer)(200, b'["SECRET-OF-A-SURVIVOR"]', {"Content-Type": "application/json"}) if fault.kind == "shape" else None
    scene.fails_for_good("shape", "listing", "source-talks-otherwise")


@fault("an HTML page in place of one file", on=CENTRAL)
def _html_file(scene: Scene) -> None:
    scene.acts(8)
    scene.fail("html", "files", times=1)
    assert scene.read().problem is None


@fault("half of a file under its full name")
def _half_file(scene: Scene) -> None:
    scene.acts(10)
    scene.fail("cut", "files", times=3, after=1)
    assert scene.read().problem is None


@fault("a file that cannot be had today")
def _file_later(scene: Scene) -> None:
    scene.acts(10)
    scene.fail("500", "files", times=100_000)
    scene.read()


@fault("content of one row that cannot be had today", quick=CENTRAL)
def _row_later(scene: Scene) -> None:
    """That row waits, and the rest goes on."""
    scene.acts(8)
    sub = next(one for one in scene.truth.live() if len(one.versions) == 1)
    place = scene.stage.server.content_of(sub)
    if place:
        scene.fail("500", place, times=100)
        done = scene.read()
        assert done.problem is None and done.counts["waiting"] == 1 and done.counts["new"] == len(scene.truth.live()) - 1
    scene.stage.cursors_hold()


@fault("a server that answers nothing for a while", quick=())
def _stalls(scene: Scene) -> None:
    scene.passes("stall", "content", times=1, text="3")


@fault("every fifth answer is an error")
def _every_fifth(scene: Scene) -> None:
    scene.acts(20)
    for after in range(4, 120, 5):
        scene.fail(scene.dice.choice(("500", "502", "cut", "reset")), "", after=after)
    scene.read()


@fault("no token is left behind, and no file", on=CENTRAL, quick=CENTRAL)
def _no_token(scene: Scene) -> None:
    scene.patch.setenv("HOME", str(scene.folder))
    scene.read()
    assert list(scene.folder.glob(".pyodk*")) == []
    assert scene.double.answers.tokens == set(), "it was not signed out"
