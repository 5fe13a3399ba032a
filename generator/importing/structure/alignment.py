"""The items of several bodies side by side: which of one is which of another."""

from __future__ import annotations

from collections.abc import Sequence

from ...layers.activation import LAYERS
from .bodies import Item

_ACTIVATIONS = frozenset(row.name for row in LAYERS if not row.has_weights)
Row = list[Item | None]  # an item in each use; `None` where it is absent


def aligned(bodies: Sequence[Sequence[Item]]) -> list[Row]:
    """Rows of items that are the same one, in an order that is that of each body."""
    order = sorted(range(len(bodies)), key=lambda use: -len(bodies[use]))
    rows: list[Row] = []
    known: list[Item] = []  # one item of each row
    for use in order:
        pairs = _pairs(known, bodies[use])
        merged, shown = [], []
        for ours, theirs in pairs:
            row: Row = rows[ours] if ours is not None else [None] * len(bodies)
            if theirs is not None:
                row[use] = bodies[use][theirs]
            merged.append(row)
            item = known[ours] if ours is not None else bodies[use][theirs or 0]
            shown.append(item)
        rows, known = merged, shown
    return rows


def _pairs(left: Sequence[Item], right: Sequence[Item]) -> list[tuple[int | None, int | None]]:
    """The best way to lay two lists of items side by side."""
    n, m = len(left), len(right)
    best = [[0.0] * (m + 1) for _ in range(n + 1)]
    for i in range(n - 1, -1, -1):
        for j in range(m - 1, -1, -1):
            one = max(best[i + 1][j], best[i][j + 1])
            if _may_be_one(left[i], right[j]):
                one = max(one, best[i + 1][j + 1] + 1 + _likeness(left[i], right[j]))
            best[i][j] = one
    found: list[tuple[int | None, int | None]] = []
    i = j = 0
    while i < n or j < m:
        if i < n and j < m and _may_be_one(left[i], right[j]):
            both = best[i + 1][j + 1] + 1 + _likeness(left[i], right[j])
            if both >= best[i][j] - 1e-9:
                found.append((i, j))
                i, j = i + 1, j + 1
                continue
        if j == m or (i < n and best[i + 1][j] >= best[i][j + 1]):
            found.append((i, None))
            i += 1
        else:
            found.append((None, j))
            j += 1
    return found


def _may_be_one(a: Item, b: Item) -> bool:
    """Whether two items can be one item of a block."""
    if len(a.reads) != len(b.reads) or a.label != b.label:
        return False
    if ("repeat" in a.arguments) != ("repeat" in b.arguments):
        return False
    if a.has_weights or b.has_weights:
        return a.type == b.type and a.name == b.name and a.has_weights == b.has_weights
    if a.type != b.type:
        return is_activation(a) and is_activation(b) and a.name == b.name
    return a.type != "Reuse" or a.arguments == b.arguments


def is_activation(item: Item) -> bool:
    """Whether another activation may stand in an item's place."""
    return item.type in _ACTIVATIONS and item.frame < 0


def _likeness(a: Item, b: Item) -> float:
    """How much two items have in common, from 0 to 1."""
    ours, theirs = _features(a), _features(b)
    both = ours | theirs
    return len(ours & theirs) / len(both) if both else 1.0


def _features(item: Item) -> set[tuple[str, str]]:
    """The arguments of an item, those that are its channels by this."""
    found = set()
    for name, value in item.arguments.items():
        channels = bool(item.shape) and type(value) is int and value == item.shape[0]
        found.add((name, "in" if channels else repr(value)))
    return found
