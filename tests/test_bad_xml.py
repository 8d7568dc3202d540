"""Whatever the bytes are, the answer is a problem with a sentence, quickly, and nothing is fetched or expanded."""
from __future__ import annotations

import contextlib
import http.server
import threading
import time
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from odk_files import recorded, schema_of, submission

from namjai.problems import Problem, catalogue
from odk import xml as safe
from odk.entities import entity_actions
from odk.instance import InstanceIdMissing, InstanceIdUnusable, read_answers, read_instance
from odk.xform import FormIdMissing, read_xform

BOMB = b"""<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "lol">%s]><data id="f">&z;<meta><instanceID>uuid:1</instanceID>
</meta></data>""" % b"".join(b'<!ENTITY %c "%s">' % (n, b"&%c;" % (n - 1) * 10) for n in range(ord("b"), ord("z") + 1))
ATTRIBUTE_BOMB = BOMB.replace(b"&z;", b'<a b="&z;"/>')
XXE = b"""<!DOCTYPE data [<!ENTITY x SYSTEM "file:///etc/passwd">]><data id="f">&x;<meta><instanceID>uuid:1</instanceID></meta></data>"""
BARE_DTD = b"<!DOCTYPE data><data id='f'><meta><instanceID>uuid:1</instanceID></meta></data>"


@pytest.fixture(scope="module")
def form():
    return schema_of("""
        | survey |
        | | type | name | label |
        | | text | a | A |
        | | begin_repeat | r | R |
        | | integer | b | B |
        | | end_repeat | | |
        | settings |
        | | form_id | version |
        | | form | 1 |
    """)


@pytest.mark.parametrize("xml", [
    BOMB, ATTRIBUTE_BOMB, XXE, BARE_DTD, b" \n" + BARE_DTD, b"\xef\xbb\xbf" + BARE_DTD,
    BARE_DTD.decode().encode("utf-16"), *(('<?xml version="1.0" encoding="UTF-16"?>' + BARE_DTD.decode()).encode(order)
                                          for order in ("utf-16-le", "utf-16-be")),
    b'<?xml version="1.0" encoding="windows-874"?>' + BARE_DTD,
    b"<!-- <data> --><?pi <data>?>" + BARE_DTD,
    b'<!DOCTYPE data PUBLIC "x" "http://127.0.0.1:9/x.dtd"><data id="f"/>',
])
def test_a_dtd_is_refused_unread(xml):
    began = time.perf_counter()
    for read in (read_instance, read_xform):
        with pytest.raises(safe.XmlDtd):
            read(xml)
    assert time.perf_counter() - began < 1


def test_no_external_dtd_is_fetched():
    asked: list[str] = []

    class Spy(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *words):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Spy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        where = f"http://127.0.0.1:{server.server_port}/x.dtd".encode()
        with pytest.raises(safe.XmlDtd):
            read_instance(b'<!DOCTYPE data SYSTEM "' + where + b'"><data id="f"/>')
        xinclude = submission(f'<a><xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="{where.decode()}"/></a>')
        assert read_instance(xinclude).instance_id == "uuid:1"
    finally:
        server.shutdown()
        server.server_close()
    assert asked == []


def test_the_word_doctype_in_an_answer_or_a_comment_is_only_text(form):
    xml = submission("<!-- <!DOCTYPE x> --><a><![CDATA[<!DOCTYPE x>]]></a>")
    assert read_answers(read_instance(xml), form).values == {"a": "<!DOCTYPE x>"}


def test_fifty_megabytes_are_refused_at_once():
    began = time.perf_counter()
    with pytest.raises(safe.XmlTooLarge):
        read_instance(submission("<a>" + "x" * 50_000_000 + "</a>"))
    assert time.perf_counter() - began < 1


def test_millions_of_small_tags_are_refused_before_they_fill_the_memory():
    with pytest.raises(safe.XmlTooLarge):
        read_instance(submission("<a/>" * 2_000_000))


def test_so_are_millions_of_attributes():
    with pytest.raises(safe.XmlTooLarge):
        read_instance(submission("<a " + " ".join(f'a{n:x}=""' for n in range(500_000)) + "/>"))


def test_a_long_but_honest_submission_is_read(form):
    read = read_answers(read_instance(submission("<r><b>1</b></r>" * 20_000 + f"<a>{'x' * 5_000_000}</a>")), form)
    assert read.repeats == {"r": 20_000}
    assert len(read.values) == 20_001


@pytest.mark.parametrize("depth", [64, 200, 3_000, 100_000])
def test_nesting_without_end_is_refused(depth):
    with pytest.raises(safe.XmlTooDeep):
        read_instance(submission("<a>" * depth + "</a>" * depth))


def test_sixty_four_levels_are_read(form):
    read = read_answers(read_instance(submission("<a>" * 63 + "x" + "</a>" * 63)), form)
    assert list(read.values.values()) == ["x"]


@pytest.mark.parametrize("xml", [
    b"", b" ", b"\0", b"<", b"<a", b"this is not xml", b"<data></dat>", b"<data id='f'/><data/>", b"%PDF-1.7", b"PK\x03\x04",
    b'{"instanceID": "uuid:1"}', b"<data id='f'>\0</data>", b"<data id='f'>&#0;</data>", b"<data id='f'>&nbsp;</data>",
    b"<data id='f'>\xff\xfe\xfa</data>", b"<data id='f'>\xed\xa0\x80</data>", b"<data id='f' id='g'/>", b"<x:data id='f'/>",
    b"<data id='f'>&#xD800;</data>", b"\xff\xfe", b"\xfe\xff\x00", b"\xef\xbb\xbf", b"<?xml version='1.0'?>",
    b"<data id='f'><![CDATA[</data>", b"<data id='f'>&z;</data>", b"\x1f\x8b\x08\x00",
])
def test_what_is_no_xml_is_refused_in_words(xml):
    for read in (read_instance, read_xform):
        with pytest.raises(safe.XmlBroken) as refused:
            read(xml)
        assert refused.value.http_status == 400
        assert "…" not in refused.value.both()


def test_a_body_cut_in_half_is_refused():
    whole = recorded("central", "034-request.multipart")
    for end in range(1, len(whole), 37):
        with pytest.raises(Problem):
            read_instance(whole[:end])


def test_central_s_recorded_refusals_are_refused_here_too():
    with pytest.raises(safe.XmlBroken):
        read_instance(recorded("central", "046-request.multipart"))
    # Central makes up an id; Kobo refuses, and so do we: without one nothing can be sent twice safely.
    with pytest.raises(InstanceIdMissing):
        read_instance(recorded("central", "047-request.multipart"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_every_unicode_encoding_is_read(form, encoding):
    text = submission("<a>สมหญิง ใจดี</a>").decode().replace('<?xml version="1.0"?>', "")
    declared = f'<?xml version="1.0" encoding="{encoding[:6]}"?>' if encoding.startswith("utf-16-") else ""
    declared = declared.replace("utf-16", "UTF-16")
    assert read_answers(read_instance((declared + text).encode(encoding)), form).values == {"a": "สมหญิง ใจดี"}


def test_thai_windows_encoding_is_read(form):
    xml = submission("<a>ใจดี</a>").decode().replace('"1.0"', '"1.0" encoding="windows-874"').encode("cp874")
    assert read_answers(read_instance(xml), form).values == {"a": "ใจดี"}


@pytest.mark.parametrize("encoding", ["utf-7", "utf-32", "utf-32-le", "cp037", "hz", "iso2022_jp", "shift_jis", "gb18030"])
def test_an_encoding_in_which_a_dtd_could_hide_is_refused(encoding):
    xml = f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE d [<!ENTITY x "y">]><data id="f">&x;</data>'.encode(encoding)
    with pytest.raises(safe.XmlBroken if encoding == "cp037" else Problem):
        read_instance(xml)


def test_a_wrong_declaration_of_the_encoding_is_refused():
    with pytest.raises(safe.XmlEncoding):
        read_instance(b'<?xml version="1.0" encoding="klingon"?><data id="f"/>')


def test_an_instance_without_its_ids_is_refused():
    with pytest.raises(InstanceIdMissing):
        read_instance(b"<data id='f'><meta><instanceID> </instanceID></meta></data>")
    with pytest.raises(InstanceIdMissing):
        read_instance(b"<data id='f'><person><instanceID>uuid:1</instanceID></person></data>")
    with pytest.raises(FormIdMissing):
        read_instance(b"<data><meta><instanceID>uuid:1</instanceID></meta></data>")


@pytest.mark.parametrize("xml", [
    b"<data id='f'><meta><instanceID>" + b"u" * 256 + b"</instanceID></meta></data>",
    b"<data id='" + b"f" * 256 + b"'><meta><instanceID>u</instanceID></meta></data>",
    b"<data id='f' version='" + b"1" * 256 + b"'><meta><instanceID>u</instanceID></meta></data>",
    b"<data id='f'><meta><instanceID>u</instanceID><deprecatedID>" + b"u" * 256 + b"</deprecatedID></meta></data>",
])
def test_an_id_too_long_to_be_a_key_is_refused(xml):
    with pytest.raises(InstanceIdUnusable):
        read_instance(xml)


@pytest.mark.parametrize("text", [
    "'; DROP TABLE submission; --", "<script>alert(1)</script>", "{{7*7}}", "${jndi:ldap://example.org/a}", "=SUM(A1)",
    "../../etc/passwd", "\u202eevil", "a\u0301" * 50, "👩‍👩‍👧‍👦", "null", "None", "NaN", "-0", "1e309", "\ufeffx", "ด้้้้้้้็็็็็",
    "\u2028", "\x7f", "%s%n", "\\0", "𠜎𠜱",
])
def test_naughty_strings_are_kept_as_they_are(form, text):
    assert read_answers(read_instance(submission(f"<a>{escape(text)}</a>")), form).values == {"a": text}


@pytest.mark.parametrize("name", ["__class__", "text", "constructor", "meta", "form", "_plan", "ก", "a-b.c"])
def test_naughty_names_are_only_unknown_nodes(form, name):
    read = read_answers(read_instance(submission(f"<{name}>x</{name}>")), form)
    assert "x" in read.values.values()
    assert set(read.flags.values()) == {"unknown"}


def test_a_problem_never_repeats_what_stood_in_the_document():
    for xml in (b"<data id='f'><given>Somchai</given2></data>", b"<data id='f'>&Somchai;</data>", XXE, b"Somchai"):
        with pytest.raises(Problem) as refused:
            read_instance(xml)
        assert "Somchai" not in refused.value.both()
        assert "Somchai" not in repr(refused.value.facts)
        assert refused.value.__cause__ is None
        assert refused.value.__suppress_context__ or refused.value.__context__ is None


def test_every_problem_speaks_both_languages():
    kinds = [kind for code, kind in catalogue().items() if code.startswith(("xml-", "xform-", "instance-", "form-id"))]
    assert {kind.code for kind in kinds} >= {"xml-broken", "xml-encoding", "xml-dtd", "xml-too-deep", "xml-too-large",
                                             "xform-unreadable", "form-id-missing", "instance-id-missing"}
    for kind in kinds:
        assert kind.en.endswith(".")
        assert any("\u0e00" <= letter <= "\u0e7f" for letter in kind.th)


_SEEDS = [recorded("central", "034-request.multipart"), recorded("kobo", "306-request.multipart"), BOMB, XXE,
          recorded("central", "016-response.xml")]


@given(st.one_of(
    st.binary(max_size=300),
    st.text(alphabet="<>/&;![]-?='\" abmetinsacID:xEYTPOCD\0\n", max_size=200).map(lambda text: text.encode()),
    st.tuples(st.sampled_from(_SEEDS), st.integers(0, 8000), st.integers(0, 40), st.binary(max_size=12)).map(
        lambda cut: cut[0][:cut[1] % len(cut[0])] + cut[3] + cut[0][cut[1] % len(cut[0]) + cut[2]:])))
def test_any_bytes_raise_nothing_but_a_problem(form, xml):
    try:
        instance = read_instance(xml)
    except Problem:
        pass
    else:
        read_answers(instance, form).by_privacy(form)
        entity_actions(instance, form)
    with contextlib.suppress(Problem):
        read_xform(xml)
