"""XLSForms written as Markdown, recorded bodies, and instances filled in by hand: what the tests of `odk/` read."""
from __future__ import annotations

from email.parser import BytesParser
from pathlib import Path

from pyxform.xls2xform import convert

from odk.schema import FormSchema
from odk.xform import read_xform

RECORDINGS = Path(__file__).parent / "recordings"


def xform_of(form: str | Path) -> bytes:
    """What pyxform makes of an XLSForm: a Markdown table, or a file."""
    if isinstance(form, Path):
        return convert(form, validate=False).xform.encode()
    return convert(form, file_type=".md", validate=False).xform.encode()


def schema_of(form: str | Path) -> FormSchema:
    return read_xform(xform_of(form))


def recorded(server: str, name: str) -> bytes:
    """A body that the real server sent or received; of a multipart POST, its XML."""
    body = (RECORDINGS / server / "bodies" / name).read_bytes()
    if not name.endswith(".multipart"):
        return body
    boundary = body.split(b"\r\n", 1)[0][2:].decode()
    message = BytesParser().parsebytes(f"Content-Type: multipart/form-data; boundary={boundary}\r\n\r\n".encode() + body)
    return message.get_payload()[0].get_payload(decode=True)


def submission(inside: str, *, form: str = "form", version: str = "1", meta: str = "", more: str = "") -> bytes:
    """An instance with these answers, as Collect would write it."""
    return (f'<?xml version="1.0"?><data xmlns:orx="http://openrosa.org/xforms" id="{form}" version="{version}"{more}>'
            f"{inside}<meta><instanceID>uuid:1</instanceID>{meta}</meta></data>").encode()
