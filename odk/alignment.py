"""Which rows of a repeat are the same in two versions of an instance. Knows nothing but what the rows say.

An instance names its rows by their places alone, and a place is another person once somebody before was taken out.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator, Sequence

from lxml import etree

_MOST_ALIGNED = 2000
_RowKey = tuple[tuple[str, str], ...]


def aligned(before: Sequence[etree._Element], now: Sequence[etree._Element]) -> list[int | None]:
    """Which of the rows of an earlier version each row of a later one is; None: a new one.

    Rows that are alike are the same. Others are told by what only one of the earlier and one of the later rows says;
    one that then stands where another stood was edited, unless it has nothing in common with it: to take somebody new
    for somebody known is worse than the reverse.
    """
    old, new = [_row_key(one) for one in before], [_row_key(one) for one in now]
    if len(old) > _MOST_ALIGNED or len(new) > _MOST_ALIGNED:
        return [number if number < len(old) else None for number in range(len(new))]
    found: list[int | None] = [None] * len(new)
    steps = difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    for what, a, b, c, d in steps:
        if what == "equal":
            found[c:d] = range(a, b)
    lost = sorted(set(range(len(old))) - set(found))
    _match(found, lost, old, new)
    for what, a, b, c, d in steps:
        left = [number for number in lost if a <= number < b]
        free = [number for number in range(c, d) if found[number] is None]
        if what == "replace" and len(left) == len(free):
            for one, other in zip(free, left, strict=True):
                if set(new[one]) & set(old[other]) or len(new[one]) < 2:
                    found[one] = other
                    lost.remove(other)
    return found


def _match(found: list[int | None], lost: list[int], old: list[_RowKey], new: list[_RowKey]) -> None:
    """Rows that were moved, then rows of which one answer says who they are."""
    for number, key in enumerate(new):
        same = next((one for one in lost if old[one] == key), None) if found[number] is None else None
        if same is not None:
            found[number] = same
            lost.remove(same)
    said_before = Counter(leaf for row in old for leaf in set(row))
    said_now = Counter(leaf for row in new for leaf in set(row))
    telling = {leaf for leaf, times in said_now.items() if times == said_before[leaf] == 1}
    for number, key in enumerate(new):
        evidence = telling & set(key) if found[number] is None else set()
        best = max(lost, key=lambda one: len(evidence & set(old[one])), default=None) if evidence else None
        if best is not None and evidence & set(old[best]):
            found[number] = best
            lost.remove(best)


def _row_key(row: etree._Element) -> _RowKey:
    return tuple(_leaves(row, ""))


def _leaves(parent: etree._Element, above: str) -> Iterator[tuple[str, str]]:
    for node in parent:
        if node.tag == "meta":
            continue
        path = f"{above}/{node.tag}"
        if len(node):
            yield from _leaves(node, path)
        elif node.text and node.text.strip():
            yield path, node.text
