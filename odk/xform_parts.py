"""The pieces an XForm is written in: translations, body controls, binds, lists beside the form. Makes no schema."""
from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from lxml import etree

from odk.xml import local

JAVAROSA = "{http://openrosa.org/javarosa}"
ENTITIES = "{http://www.opendatakit.org/xforms/entities}"
NAMJAI = "{https://namjai.org/xforms}"

_CONTROLS = frozenset({"input", "secret", "select1", "select", "rank", "upload", "trigger", "range"})
MEDIA = re.compile(r"jr://(?:images|audio|video|file|file-csv)/(.+)")
INSTANCE = re.compile(r"""instance\(\s*['"]([^'"]+)['"]\s*\)""")
_ITEXT = re.compile(r"""jr:itext\(\s*['"](.*)['"]\s*\)""")
_PREDICATE = re.compile(r"\[[^\]]*\]")
# Names by what they are not: the vowels of Thai and its neighbours are no word characters to `re`.
_STEP = r"""[^\s./()\[\]'"=<>!+*,|@$][^\s/()\[\]'"=<>!+*,|@$]*"""
_STEPS = f"{_STEP}(?:/{_STEP})*"
_REFERENCE = re.compile(rf"(?P<up>(?:\.\./)+)(?P<relative>{_STEPS})|(?<![\w)\]./])/(?P<absolute>{_STEPS})")
_LANGUAGE_CODE = re.compile(r"\(\s*([A-Za-z]{2,3}(?:-[A-Za-z0-9]+)*)\s*\)\s*$")
_LANGUAGE_NAMES = {"default": "", "english": "en", "thai": "th", "ไทย": "th", "ภาษาไทย": "th"}
_TYPES = {"integer": "int", "float": "decimal", "double": "decimal", "datetime": "dateTime", "select one": "select1"}


def language_code(name: str) -> str:
    """"English (en)" -> "en", "ไทย (th)" -> "th", "default" -> ""; a name without a code stays as it is."""
    coded = _LANGUAGE_CODE.search(name[-40:])
    return coded[1].lower() if coded else _LANGUAGE_NAMES.get(name.strip().lower(), name.strip())


def path_of(ref: str) -> str:
    """"/data/orx:meta/orx:instanceID" -> "meta/instanceID": relative to the root, without prefixes and predicates."""
    steps = _PREDICATE.sub("", ref).strip().split("/")[2:]
    return "/".join(step.strip().rpartition(":")[2] for step in steps)


def named(top: etree._Element, name: str) -> Iterator[etree._Element]:
    return top.iter("{*}" + name)


def children(parent: etree._Element, name: str) -> list[etree._Element]:
    return [child for child in parent if local(child.tag) == name]


def child_of(parent: etree._Element, name: str) -> etree._Element | None:
    return next((child for child in parent if local(child.tag) == name), None)


def words_of(element: etree._Element) -> str:
    """Text with its outputs as "${name}", spaces made single: pyxform pads labels that have outputs."""
    parts = [element.text or ""]
    for child in element:
        if local(child.tag) == "output":
            ref = child.get("value") or child.get("ref") or ""
            parts.append("${" + ref.strip().rpartition("/")[2].rpartition(":")[2] + "}")
        else:
            parts.append(words_of(child))
        parts.append(child.tail or "")
    text = "".join(parts)
    return text.strip() if len(element) else text


@dataclass
class Texts:
    """The itext of a form: id -> language -> text, and the media files that it names."""

    by_id: dict[str, dict[str, str]] = field(default_factory=dict)
    languages: list[str] = field(default_factory=list)
    default: str = ""
    media: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, model: etree._Element) -> Texts:
        texts = cls()
        for translation in (one for itext in children(model, "itext") for one in children(itext, "translation")):
            language = language_code(translation.get("lang", ""))
            texts.languages.append(language)
            if translation.get("default"):
                texts.default = language
            for text in children(translation, "text"):
                texts._take(text, language)
        if texts.languages and not any(one.get("default") for one in named(model, "translation")):
            texts.default = texts.languages[0]
        return texts

    def _take(self, text: etree._Element, language: str) -> None:
        for value in children(text, "value"):
            words, form = words_of(value), value.get("form")
            named = MEDIA.fullmatch(words.strip())
            if named:
                self.media.append(named[1])
            elif form in (None, "long") and words.strip() not in ("", "-"):
                # "-" is what pyxform writes where a translation is lacking.
                self.by_id.setdefault(text.get("id", ""), {})[language] = words

    def of_label(self, element: etree._Element | None) -> dict[str, str]:
        """The texts of a <label> or <hint>, by reference or written out."""
        if element is None:
            return {}
        referred = _ITEXT.fullmatch((element.get("ref") or "").strip())
        if referred:
            return dict(self.by_id.get(referred[1], {}))
        words = words_of(element)
        return {"": words} if words.strip() else {}


@dataclass
class Control:
    """What the body says about a node."""

    kind: str
    element: etree._Element
    labels: dict[str, str]
    hints: dict[str, str]
    appearance: str


@dataclass
class Body:
    controls: dict[str, Control] = field(default_factory=dict)
    repeats: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, element: etree._Element | None, texts: Texts) -> Body:
        body = cls()
        if element is not None:
            body._walk(element, "", texts)
        return body

    def _walk(self, parent: etree._Element, above: str, texts: Texts) -> None:
        for element in parent:
            name = local(element.tag)
            if name not in _CONTROLS and name not in ("group", "repeat"):
                continue
            ref = (element.get("nodeset") or element.get("ref") or element.get("bind") or "").strip()
            path = path_of(ref) if ref.startswith("/") else "/".join(filter(None, (above, ref)))
            if name == "repeat":
                self.repeats.add(path)
            if ref and (path not in self.controls or self.controls[path].kind == "group"):
                self._take(path, name, element, texts)
            if name in ("group", "repeat"):
                self._walk(element, path if ref else above, texts)

    def _take(self, path: str, name: str, element: etree._Element, texts: Texts) -> None:
        labels = texts.of_label(child_of(element, "label"))
        group = self.controls.get(path)
        if group is not None:
            # pyxform wraps a repeat in a group of the same path, and the group has the label.
            labels = group.labels or labels
        self.controls[path] = Control(name, element, labels, texts.of_label(child_of(element, "hint")),
                                       element.get("appearance") or (group.appearance if group else ""))


@dataclass
class Bind:
    type: str
    attributes: dict[str, str]

    def says(self, name: str) -> str:
        return self.attributes.get(name, "").strip()


def read_binds(model: etree._Element) -> dict[str, Bind]:
    binds: dict[str, Bind] = {}
    for bind in children(model, "bind"):
        kind = (bind.get("type") or "").rpartition(":")[2]
        ref = bind.get("nodeset") or bind.get("ref") or ""
        binds.setdefault(path_of(ref), Bind(_TYPES.get(kind.lower(), kind), dict(bind.attrib)))
    return binds


def read_values(document: etree._Element) -> dict[str, str]:
    """What <setvalue> puts into nodes: path -> expressions."""
    values: dict[str, str] = {}
    for one in named(document, "setvalue"):
        path = path_of(one.get("ref") or "")
        values[path] = f"{values.get(path, '')} {one.get('value') or ''}"
    return values


def sources_of(expression: str, path: str, root: str) -> tuple[str, ...]:
    """The paths that an XPath expression of the node at `path` reads, absolute or relative, in order."""
    found: dict[str, None] = {}
    for reference in _REFERENCE.finditer(_PREDICATE.sub("", expression)):
        steps = [step.rpartition(":")[2] for step in (reference["relative"] or reference["absolute"]).split("/")]
        if reference["up"]:
            steps = path.split("/")[:-(len(reference["up"]) // 3)] + steps
        elif steps.pop(0) != root:
            continue
        found["/".join(steps)] = None
    return tuple(found)


def read_actions(document: etree._Element) -> dict[str, str]:
    """Nodes that Collect fills by itself: path -> "recordaudio" or "setgeopoint"."""
    return {path_of(one.get("ref") or ""): name for name in ("recordaudio", "setgeopoint", "setlocation")
            for one in named(document, name)}


@dataclass
class Secondary:
    """A list beside the form: written in it, or a file that comes with it."""

    element: etree._Element
    source: str

    @property
    def file(self) -> str | None:
        named = MEDIA.fullmatch(self.source)
        return named[1] if named else None


def read_secondary(model: etree._Element) -> dict[str, Secondary]:
    return {one.get("id", ""): Secondary(one, (one.get("src") or "").strip())
            for one in children(model, "instance")[1:]}
