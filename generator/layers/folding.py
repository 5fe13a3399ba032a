"""Batches that other dimensions are put into: what to write for that, for help.

In torch the -1 of ``x.reshape(-1, 12, 16)`` takes the batch in. A `Reshape` keeps the batch, so its
-1 is a dimension beside it; the batch is folded by a pattern.
"""

from __future__ import annotations

from ..symbolic.equality import same
from ..symbolic.sizes import is_unknown, shown
from .base import Args, Layer
from .tensor import TensorType

IMAGES = "n t c h w -> (n t) c h w"
_LAST = {0: "", 1: "d", 2: "s d", 3: "c h w", 4: "c d h w"}  # usual letters for what is kept


def takes_batch(row: Layer | None, a: Args, x: TensorType) -> bool:
    """Whether a layer is written as one of torch that puts other dimensions into the batch."""
    folds = row is not None and row.name == "Reshape" and x.batch == 0
    return folds and len(a.shape) > 1 and a.shape[0] == -1


def into_batch(a: Args, x: TensorType, y: TensorType) -> str | None:
    """The help to do what a `Reshape` with -1 for the batch would do in torch, if that can be."""
    item = _item(a, x)
    batch = shown(x.shape[0] * y.shape[1])
    return f"`Reshape` keeps the batch: write {item} for a batch of {batch}" if item else None


def _item(a: Args, x: TensorType) -> str | None:
    before, after = [*x.shape[1:]], [*a.shape[1:]]
    kept = 0
    while before and after and same(before[-1], after[-1]):
        kept += 1
        before.pop()
        after.pop()
    if kept not in _LAST or not before:
        return None
    last = _LAST[kept]
    if not after and len(before) < 4:
        first = " ".join("tuv"[: len(before)])
        return f"`Rearrange: {f'n {first} {last}'.strip()} -> {f'(n {first}) {last}'.strip()}`"
    if len(before) == len(after) == 1 and not is_unknown(after[0]):
        return f"`Rearrange: {{pattern: n (s t) {last} -> (n s) t {last}, t: {after[0]}}}`"
    return None


def split_off(rank: int) -> str:
    """The pattern that splits a batch off again which was folded."""
    last = _LAST.get(rank - 1, "...")
    return f"(n t) {last} -> n t {last}".replace("  ", " ").strip()
