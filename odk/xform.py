"""Read an XForm, as pyxform, Central and Kobo serve it, into a FormSchema. Knows XML; knows no answers, no database.

What is read leniently (prefixes, relative paths, older ways of writing choices) is what real servers send; what is
not understood is left out of the labels, never out of the fields: every node of the primary instance becomes one.
"""
from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from lxml import etree

from odk import xml as safe
from odk.schema import EntityDeclaration, Field, FormSchema, Privacy
from odk.xform_parts import (
    ENTITIES,
    INSTANCE,
    JAVAROSA,
    NAMJAI,
    Bind,
    Body,
    Control,
    Secondary,
    Texts,
    child_of,
    children,
    named,
    read_actions,
    read_binds,
    read_secondary,
    read_values,
    sources_of,
    words_of,
)
from odk.xform_problems import FormIdMissing, XFormUnreadable
from odk.xml import local

__all__ = ["EntityDeclaration", "Field", "FormIdMissing", "FormSchema", "Privacy", "XFormUnreadable", "read_xform"]

_SEARCH = re.compile(r"""\bsearch\(\s*['"]([^'"]+)['"]""")
_SELECTS = frozenset({"select1", "select", "rank"})
_BOOKKEEPING = frozenset({"__version__", "formhub/uuid"})  # Kobo's own, in every form it serves


def read_xform(xml: bytes) -> FormSchema:
    """The schema of an XForm. Raises the problems of `odk.xml`, XFormUnreadable and FormIdMissing."""
    document = safe.parse(xml)
    model = next(named(document, "model"), None)
    if model is None:
        raise XFormUnreadable(lacking="<model>")
    primary = next(iter(children(model, "instance")), None)
    root = next(iter(primary), None) if primary is not None else None
    if root is None:
        raise XFormUnreadable(lacking="<instance>")
    form_id = (root.get("id") or root.nsmap.get(None) or "").strip()
    if not root.get("id") and form_id in (model.nsmap.get(None), ""):
        raise FormIdMissing()
    texts = Texts.of(model)
    body = Body.of(next(named(document, "body"), None), texts)
    secondary = read_secondary(model)
    fields = _Fields(read_binds(model), body, texts, secondary, read_actions(document), read_values(document),
                     local(root.tag)).of(root)
    title = next((one.text for one in named(document, "title") if one.text), "")
    return FormSchema(
        form_id=form_id, version=safe.version_of(root), title=title.strip() or form_id,
        root=local(root.tag), languages=tuple(texts.languages), default_language=texts.default, fields=fields,
        choices=_choices(fields, body, texts, secondary), entities=_entities(root, fields),
        media=_media(fields, body, texts, secondary),
        encrypted=any(one.get("base64RsaPublicKey") for one in children(model, "submission")))



@dataclass(frozen=True)
class _Itemset:
    """Where the choices of a select come from."""

    list: str
    value: str = "name"
    label: str = "label"


@dataclass(frozen=True)
class _Fields:
    """Walks the primary instance and says what each node is."""

    binds: dict[str, Bind]
    body: Body
    texts: Texts
    secondary: dict[str, Secondary]
    actions: dict[str, str]
    values: dict[str, str]
    root: str

    def of(self, root: etree._Element) -> tuple[Field, ...]:
        # A repeat stands twice, as template and as first row: the first of a path counts.
        found: dict[str, Field] = {}
        for one in self._below(root, "", ()):
            found.setdefault(one.path, one)
        return tuple(found.values())

    def _below(self, parent: etree._Element, above: str, repeats: tuple[str, ...]) -> Iterator[Field]:
        for node in parent:
            name = local(node.tag)
            path = f"{above}/{name}" if above else name
            if name == "meta" and (not above or child_of(node, "entity") is not None):
                yield from self._meta(node, path, repeats)
            elif path in self.body.repeats or len(node):
                repeat = path in self.body.repeats or node.get(JAVAROSA + "template") is not None
                yield self._field(path, "repeat" if repeat else "group", repeats)
                yield from self._below(node, path, (*repeats, path) if repeat else repeats)
            else:
                yield self._field(path, self._kind(path), repeats)

    def _meta(self, meta: etree._Element, path: str, repeats: tuple[str, ...]) -> Iterator[Field]:
        for node in meta:
            # Entities are no answers: entity_actions reads them.
            if local(node.tag) != "entity":
                yield self._field(f"{path}/{local(node.tag)}", "metadata", repeats)

    def _privacy(self, path: str) -> str | None:
        """What the node declares, else the nearest group around it."""
        while path:
            declared = self.binds[path].says(NAMJAI + "privacy").lower() if path in self.binds else ""
            if declared:
                return declared
            path = path.rpartition("/")[0]
        return None

    def _kind(self, path: str) -> str:
        bind, control = self.binds.get(path), self.body.controls.get(path)
        preload = bind.says(JAVAROSA + "preload") if bind else ""
        if path in _BOOKKEEPING or preload or (path in self.actions and control is None):
            return "metadata"
        if control is None:
            return "calculation"
        if bind is not None and bind.says("readonly") == "true()" and control.kind == "input":
            return "calculation" if bind.says("calculate") else "note"
        return "question"

    def _field(self, path: str, kind: str, repeats: tuple[str, ...]) -> Field:
        bind, control = self.binds.get(path), self.body.controls.get(path)
        made = Field(path=path, kind=kind, repeats=repeats, type=self._type(bind, control, kind),
                     privacy=self._privacy(path))
        if bind is not None:
            made = replace(made, required=bind.says("required") == "true()", preload=_preload(bind),
                           save_to=bind.says(ENTITIES + "saveto") or None)
        if made.privacy is None and kind in ("calculation", "metadata"):
            expression = f"{bind.says('calculate') if bind else ''} {self.values.get(path, '')}"
            made = replace(made, sources=sources_of(expression, path, self.root))
        if control is not None:
            made = replace(made, labels=control.labels, hints=control.hints, appearance=control.appearance)
            if made.type in _SELECTS:
                made = self._with_choices(made, control.element)
        if made.type == "binary":
            made = replace(made, media=self._media_kind(path, control))
        return made

    @staticmethod
    def _type(bind: Bind | None, control: Control | None, kind: str) -> str:
        if kind in ("group", "repeat"):
            return kind
        if control is not None:
            if control.kind in _SELECTS:
                return control.kind
            if control.element.get("query"):
                return "select1"
            if control.kind == "upload":
                return "binary"
        return (bind.type if bind is not None else "") or "string"

    def _media_kind(self, path: str, control: Control | None) -> str:
        if path in self.actions:
            return "audio"
        kind = (control.element.get("mediatype") or "").partition("/")[0] if control is not None else ""
        return kind if kind in ("image", "audio", "video") else "file"

    def _with_choices(self, made: Field, element: etree._Element) -> Field:
        searched = _SEARCH.search(made.appearance)
        if searched:
            return replace(made, from_file=_stem(searched[1]))
        itemset = _itemset(element)
        if itemset is None:
            return replace(made, choices=made.path) if children(element, "item") else made
        beside = self.secondary.get(itemset.list)
        if beside is not None and beside.source:
            return replace(made, from_file=_stem(beside.file) if beside.file else None)
        return replace(made, choices=itemset.list) if beside is not None else made


def _preload(bind: Bind) -> str | None:
    """What the tablet fills in: start, end, today, deviceid, username, ...; None for an ordinary question."""
    if bind.says(JAVAROSA + "preload") in ("timestamp", "date", "property"):
        return bind.says(JAVAROSA + "preloadParams") or None
    return None


def _stem(file: str) -> str:
    return file.rpartition(".")[0] or file


def _itemset(control: etree._Element) -> _Itemset | None:
    element = child_of(control, "itemset")
    if element is None:
        return None
    # The choices may be wrapped: randomize(instance('needs')/root/item).
    list_id = INSTANCE.search(element.get("nodeset") or "")
    value, label = child_of(element, "value"), child_of(element, "label")
    ref = (label.get("ref") or "").strip() if label is not None else ""
    return _Itemset(list_id[1] if list_id else "", (value.get("ref") if value is not None else "") or "name",
                    ref.removeprefix("jr:itext(").removesuffix(")").strip() or "label")


_Choices = dict[str, dict[str, dict[str, str]]]


def _choices(fields: tuple[Field, ...], body: Body, texts: Texts, secondary: dict[str, Secondary]) -> _Choices:
    choices: _Choices = {}
    for one in fields:
        if one.choices is None or one.choices in choices:
            continue
        element = body.controls[one.path].element
        itemset = _itemset(element)
        if itemset is None:
            choices[one.choices] = {
                words_of(value).strip(): texts.of_label(child_of(item, "label"))
                for item in children(element, "item") if (value := child_of(item, "value")) is not None}
        else:
            choices[one.choices] = dict(_listed(secondary[itemset.list].element, itemset, texts))
    return choices


def _listed(instance: etree._Element, itemset: _Itemset, texts: Texts) -> Iterator[tuple[str, dict[str, str]]]:
    for item in (item for top in instance for item in children(top, "item")):
        value, label = child_of(item, itemset.value), child_of(item, itemset.label)
        if value is None or not (value.text or "").strip():
            continue
        if label is None:
            labels: dict[str, str] = {}
        elif itemset.label == "itextId":
            labels = dict(texts.by_id.get((label.text or "").strip(), {}))
        else:
            labels = texts.of_label(label)
        yield value.text.strip(), labels


def _media(fields: tuple[Field, ...], body: Body, texts: Texts, secondary: dict[str, Secondary]) -> tuple[str, ...]:
    """Every file that a tablet must have beside the form, once, in order."""
    files = [*texts.media, *(one.file for one in secondary.values() if one.file)]
    for one in fields:
        control = body.controls.get(one.path)
        if control is not None and control.element.get("query"):
            files.append("itemsets.csv")
        searched = _SEARCH.search(one.appearance)
        if searched:
            files.append(searched[1] if "." in searched[1] else searched[1] + ".csv")
    return tuple(dict.fromkeys(files))


def _entities(root: etree._Element, fields: tuple[Field, ...]) -> tuple[EntityDeclaration, ...]:
    declared: dict[str, EntityDeclaration] = {}
    for node in named(root, "entity"):
        meta = node.getparent()
        if meta is None or local(meta.tag) != "meta":
            continue
        path = _path_in(root, meta.getparent())
        attributes = {local(name): value for name, value in node.attrib.items()}
        declared.setdefault(path, EntityDeclaration(
            attributes.get("dataset", "").strip(), path, "create" in attributes, "update" in attributes))
    saves: dict[str, list[tuple[str, str]]] = {path: [] for path in declared}
    for one in fields:
        if one.save_to:
            # A value belongs to the entity of the nearest group or repeat around it that has one.
            owner = one.path.rpartition("/")[0]
            while owner and owner not in declared:
                owner = owner.rpartition("/")[0]
            if owner in declared:
                saves[owner].append((one.path, one.save_to))
    return tuple(replace(one, saves=tuple(saves[path])) for path, one in declared.items())


def _path_in(root: etree._Element, node: etree._Element) -> str:
    steps = []
    while node is not root:
        steps.append(local(node.tag))
        node = node.getparent()
    return "/".join(reversed(steps))
