"""A KoboToolbox as tablets see it: the form list, manifests, XForms and submissions, as the recordings show them."""
from __future__ import annotations

import hashlib
from typing import Any
from xml.sax.saxutils import escape

from doubles.kobo_data import Data
from doubles.kobo_http import Asked, in_json, mimetype, multipart, recorded
from doubles.kobo_world import Form, Refused, Sub, World
from doubles.server import Answer
from lxml import etree

_SPEAKS = {"X-OpenRosa-Version": "1.0", "X-OpenRosa-Accept-Content-Length": "10000000"}
_XML = "text/xml; charset=utf-8"
_LIST, _MANIFEST = 'xforms xmlns="http://openrosa.org/xforms/xformsList"', 'manifest xmlns="http://openrosa.org/xforms/xformsManifest"'
_NO_ENTRY = "Authentication credentials were not provided."
_PLAIN_HTTP = "Using basic authentication without HTTPS transmits credentials in clear text! You MUST connect via HTTPS to use basic authentication."


class OpenRosa(Data):
    def __init__(self, world: World, **hosts: str) -> None:
        super().__init__(world, **hosts)
        self.doors = [("/formList", _LIST, self.form_list), ("/xformsManifest/", _MANIFEST, self.manifest), ("/xformsMedia/", _LIST, self.media), ("/forms/", _LIST, self.form_xml), ("/submission", "root", self.submission)]

    def answer(self, method: str, target: str, headers: Any, body: bytes) -> Answer:
        path = target.partition("?")[0]
        user, _, rest = path[1:].partition("/")
        anonymous = user in self.world.passwords
        for door, tag, do in self.doors:
            if (f"/{rest}" if anonymous else path).startswith(door):
                return self._door(method, target, headers, body, tag, do, anonymous)
        return super().answer(method, target, headers, body)

    def _door(self, method: str, target: str, headers: Any, body: bytes, tag: str, do: Any, anonymous: bool) -> Answer:
        asked = Asked(method, target.partition("?")[0], dict(one.split("=", 1) for one in target.partition("?")[2].split("&") if "=" in one), headers, None, body)
        try:
            if not self.secure and (headers.get("Authorization") or "").startswith("Basic "):
                raise Refused(401, _PLAIN_HTTP)
            asked.user = self._who(headers)
            if asked.user is None and not (anonymous and (method == "HEAD" or tag == _LIST)):
                raise Refused(401, _NO_ENTRY)
            return do(asked)
        except Refused as refused:
            if refused.status == 401 or refused.more.get("plain"):
                more = {"WWW-Authenticate": 'Digest realm="DJANGO", qop="auth", nonce="N", opaque="O", algorithm="MD5", stale="false"'} if refused.status == 401 else {}
                return Answer(refused.status, _tagged(tag, f"<detail>{escape(refused.message)}</detail>"), {"Content-Type": _XML, **more})
            where = {"Location": f"{self.kc}/submission"} if refused.status in (202, 409, 423) else {}
            return Answer(refused.status, _message(refused.message), {"Content-Type": _XML, **_SPEAKS, **where})

    # Forms

    def form_list(self, asked: Asked) -> Answer:
        forms = [one for one in self.world.forms.values() if one.active and self.world.may(one, asked.user, "add_submissions") and asked.query.get("formID", one.uid) == one.uid]
        return _list(_LIST, "".join(self._listed(one) for one in sorted(forms, key=lambda one: one.number)))

    def _listed(self, form: Form) -> str:
        live = form.versions[-1]
        said = {
            "formID": form.uid, "name": form.title, "majorMinorVersion": live.version, "version": live.version, "hash": "md5:" + hashlib.md5(live.xform).hexdigest(),
            "descriptionText": form.title, "downloadUrl": f"{self.kc}/forms/{form.number}/form.xml", "manifestUrl": f"{self.kc}/xformsManifest/{form.number}",
        }
        return "<xform>" + "".join(f"<{name}>{escape(value)}</{name}>" for name, value in said.items()) + "</xform>"

    def _numbered(self, asked: Asked) -> Form:
        number = asked.path.split("/")[2]
        found = [one for one in self.world.forms.values() if str(one.number) == number and self.world.may(one, asked.user, "view_asset")]
        if not found:
            raise Refused(404, "No XForm matches the given query.", plain=True)
        return found[0]

    def form_xml(self, asked: Asked) -> Answer:
        return Answer(200, self._numbered(asked).versions[-1].xform, {"Content-Type": _XML, **_SPEAKS})

    def manifest(self, asked: Asked) -> Answer:
        form = self._numbered(asked)
        rows = ""
        for one in form.media.values():
            url = f"{self.kc}/xformsMedia/{form.number}/{one.number}.{one.name.rpartition('.')[2]}"
            rows += f"<mediaFile><filename>{escape(one.name)}</filename><hash>md5:{hashlib.md5(one.content).hexdigest()}</hash><downloadUrl>{url}</downloadUrl></mediaFile>"
        return _list(_MANIFEST, rows)

    def media(self, asked: Asked) -> Answer:
        form, number = self._numbered(asked), asked.path.rsplit("/", 1)[1].partition(".")[0]
        for one in form.media.values():
            if str(one.number) == number:
                return Answer(200, one.content, {"Content-Type": mimetype(one.name), "Content-Disposition": f"attachment; filename={one.name}"})
        raise Refused(404, "Not found.", plain=True)

    # Submissions

    def submission(self, asked: Asked) -> Answer:
        here = {"Content-Type": _XML, **_SPEAKS, "Location": f"{self.kc}{asked.path}"}
        if asked.method == "HEAD":
            return Answer(204, b"", here)
        if (asked.headers.get("Content-Type") or "").startswith("application/json"):
            sub, form = self._from_json(asked)
            said = {"message": "Successful submission.", "formid": form.uid, "encrypted": False, "instanceID": f"uuid:{sub.current.uuid}", "submissionDate": _zoned(sub.at), "markedAsCompleteDate": _zoned(sub.current.at)}
            answer = in_json(said, 201)
            answer.headers |= {**_SPEAKS, "Location": here["Location"]}
            return answer
        parts = multipart(asked)
        if "xml_submission_file" not in parts:
            return Answer(500, recorded(100), {"Content-Type": "text/html; charset=utf-8"})
        xml = parts.pop("xml_submission_file")[1]
        files = {name: content for name, content in parts.values() if name}
        sub = self.world.submit(xml, files, by=asked.user)
        form = next(one for one in self.world.forms.values() if one.by_id.get(sub.id) is sub)
        return Answer(201, _taken(form, sub), here)

    def _from_json(self, asked: Asked) -> tuple[Sub, Form]:
        """Kobo makes the XML itself, the names in alphabetical order."""
        said = asked.json()
        form = self.world.forms[said["id"]]
        root = etree.Element(form.uid, id=form.uid)

        def put(node: etree._Element, content: dict[str, Any]) -> None:
            for name, value in sorted(content.items()):
                child = etree.SubElement(node, name)
                if isinstance(value, dict):
                    put(child, value)
                else:
                    child.text = " ".join(value) if isinstance(value, list) else str(value)

        put(root, said["submission"])
        return self.world.submit(etree.tostring(root, encoding="unicode").encode(), by=asked.user), form


def _zoned(at: str) -> str:
    return at.replace("Z", "+00:00")


def _tagged(tag: str, inside: str) -> bytes:
    return f'<?xml version="1.0" encoding="utf-8"?>\n<{tag}>{inside}</{tag.split()[0]}>'.encode()


def _list(tag: str, inside: str) -> Answer:
    return Answer(200, _tagged(tag, inside), {"Content-Type": _XML, **_SPEAKS})


def _message(text: str) -> bytes:
    return (
        "<?xml version='1.0' encoding='UTF-8' ?>\n<OpenRosaResponse xmlns=\"http://openrosa.org/http/response\">\n"
        f'        <message nature="">{escape(text)}</message>\n</OpenRosaResponse>'
    ).encode()


def _taken(form: Form, sub: Sub) -> bytes:
    return (
        '<OpenRosaResponse xmlns="http://openrosa.org/http/response">\n    <message>Successful submission.</message>\n'
        f'    <submissionMetadata xmlns="http://www.opendatakit.org/xforms" id="{form.uid}"  instanceID="uuid:{sub.current.uuid}" submissionDate="{_zoned(sub.at)}" '
        f'isComplete="true" markedAsCompleteDate="{_zoned(sub.current.at)}"/>\n</OpenRosaResponse>\n'
    ).encode()
