"""Pictures are drawn anew: no position, no bomb, nothing but a picture."""
from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import pytest
from flask import Flask
from PIL import Image
from readers import PICTURE, Field, picture, signed_in

from store.actor import Actor
from store.opening import Store
from submissions.delivery import File
from web.photos import LONGEST, THUMB, PictureUnreadable, redrawn


def located() -> bytes:
    """A picture that says where it was taken and by what."""
    exif = Image.Exif()
    exif[0x010F] = "Phone of somebody"
    exif[0x0112] = 6
    exif.get_ifd(0x8825)[2] = (18.0, 47.0, 18.0)
    return picture(exif.tobytes(), size=(400, 300))


def bomb() -> bytes:
    """A PNG of a few hundred bytes that says it is 50,000 points wide and high."""
    head = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")


def test_a_picture_loses_where_it_was_taken_and_keeps_its_upright() -> None:
    before = located()
    assert b"Phone of somebody" in before
    drawn, kind = redrawn(before)
    assert kind == "image/jpeg" and b"Phone" not in drawn and b"Exif" not in drawn
    with Image.open(io.BytesIO(drawn)) as shown:
        assert shown.size == (300, 400) and not dict(shown.getexif())


def test_a_png_stays_one_without_its_texts() -> None:
    from PIL.PngImagePlugin import PngInfo

    texts = PngInfo()
    texts.add_text("Comment", "taken at the shelter")
    out = io.BytesIO()
    Image.new("RGBA", (20, 20), (1, 2, 3, 0)).save(out, "PNG", pnginfo=texts)
    drawn, kind = redrawn(out.getvalue())
    assert kind == "image/png" and b"shelter" not in drawn


def test_a_large_picture_is_shown_smaller() -> None:
    drawn, _ = redrawn(picture(size=(4000, 3000)))
    with Image.open(io.BytesIO(drawn)) as shown:
        assert max(shown.size) == LONGEST
    thumb, _ = redrawn(picture(size=(4000, 3000)), thumb=True)
    with Image.open(io.BytesIO(thumb)) as shown:
        assert shown.size[0] <= THUMB[0] and shown.size[1] <= THUMB[1]


@pytest.mark.parametrize("content", [b"", b"GIF89a" + b"\0" * 40, b"<svg onload='x'/>", bomb(), picture()[:200], b"\xff\xd8\xff" + b"\0" * 100])
def test_what_is_no_safe_picture_is_refused(content: bytes) -> None:
    with pytest.raises(PictureUnreadable):
        redrawn(content)


@pytest.fixture
def worker(person: Callable[..., Actor]) -> Actor:
    return person("field_staff", "Nok P.", "north")


def sent(store: Store, home: Actor, worker: Actor, name: str, content: bytes, kind: str) -> str:
    desk = Field(store, home, team="north", files=(File(name, content, kind),))
    desk.intake(by=worker)
    return f"/submissions/{desk.form['intake']}/files/{name}"


def test_a_picture_that_was_sent_is_shown_without_its_position(app: Flask, store: Store, aftercare: Actor, worker: Actor) -> None:
    path = sent(store, aftercare, worker, PICTURE, located(), "image/jpeg")
    answer = signed_in(app, store, worker).get(path)
    assert answer.status_code == 200 and answer.mimetype == "image/jpeg" and b"Phone" not in answer.data
    assert answer.headers["Cache-Control"] == "no-store" and "sandbox" in answer.headers["Content-Security-Policy"]
    assert signed_in(app, store, worker).get(path + "?thumb=1").mimetype == "image/jpeg"


@pytest.mark.parametrize(("name", "content", "kind"), [("page.html", b"<script>alert(1)</script>", "text/html"), ("x.svg", b"<svg/>", "image/svg+xml"), ("fake.jpg", b"<html>", "image/jpeg")])
def test_everything_else_is_a_download(app: Flask, store: Store, aftercare: Actor, worker: Actor, name: str, content: bytes, kind: str) -> None:
    answer = signed_in(app, store, worker).get(sent(store, aftercare, worker, name, content, kind))
    assert answer.status_code == 200 and answer.mimetype == "application/octet-stream"
    assert answer.headers["Content-Disposition"].startswith("attachment") and answer.headers["X-Content-Type-Options"] == "nosniff"


def test_another_teams_picture_is_not_there(app: Flask, store: Store, aftercare: Actor, worker: Actor, person: Callable[..., Actor]) -> None:
    path = sent(store, aftercare, worker, PICTURE, picture(), "image/jpeg")
    assert signed_in(app, store, person("field_staff", "Other", "south")).get(path).status_code == 404
    assert signed_in(app, store, person("finance")).get(path).status_code == 403


def test_a_signature_has_no_address_of_its_own(app: Flask, store: Store, aftercare: Actor, worker: Actor) -> None:
    desk = Field(store, aftercare, team="north", files=(File("signed.png", picture(kind="PNG"), "image/png"),))
    desk.intake(by=worker, **{"consent/consent_signature": "signed.png"})
    reader = signed_in(app, store, worker)
    assert reader.get(f"/submissions/{desk.form['intake']}/files/signed.png").status_code == 404
    assert "signed.png" not in reader.page(f"/submissions/{desk.form['intake']}")
    answer = reader.post(f"/submissions/{desk.form['intake']}/reveal?key=consent/consent_signature", {"reason": "check"})
    assert answer.status_code == 200 and "data:image/png;base64," in answer.get_data(as_text=True)
