"""The way through an instance, worked out once a schema: which child is what. Knows schemas; reads nothing."""
from __future__ import annotations

from dataclasses import dataclass

from odk.schema import Field, FormSchema
from odk.values import Convert, converter


@dataclass(slots=True)
class Node:
    """What may stand at one place. `children` is None for an answer; `order` is the place in the form."""

    order: int = 0
    children: dict[str, Node] | None = None
    is_repeat: bool = False
    is_meta: bool = False
    convert: Convert = str
    special: bool = False
    is_file: bool = False
    list: str | None = None
    preload: str | None = None

    @classmethod
    def meta(cls) -> Node:
        return cls(order=1 << 29, children={}, is_meta=True)


def plan_of(schema: FormSchema) -> Node:
    """The plan of a schema, made when it is first asked for and kept with it."""
    plan = schema.__dict__.get("_plan")
    if plan is None:
        plan = schema.__dict__["_plan"] = _made(schema)
    return plan


def _made(schema: FormSchema) -> Node:
    root = Node(children={})
    for order, asked in enumerate(schema.fields):
        parent = root
        *above, name = asked.path.split("/")
        for step in above:
            if parent.children is None:
                break
            if step not in parent.children:
                parent.children[step] = Node.meta() if step == "meta" else Node(order, {})
            parent = parent.children[step]
        if parent.children is not None:
            parent.children[name] = _node(asked, order, schema)
    return root


def _node(asked: Field, order: int, schema: FormSchema) -> Node:
    if asked.type in ("group", "repeat"):
        return Node(order, {}, is_repeat=asked.type == "repeat")
    choices = schema.choices.get(asked.choices) if asked.choices else None
    node = Node(order, None, convert=converter(asked.type, frozenset(choices) if choices else None),
                is_file=asked.type == "binary", list=asked.from_file, preload=asked.preload)
    node.special = node.is_file or node.list is not None or node.preload is not None
    return node
