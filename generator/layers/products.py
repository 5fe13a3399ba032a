"""Products of tensors: of matrices, and of all that letters can say."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..sizes import Size
from .base import Args, refuse
from .broadcasting import joined
from .tensor import TensorType


def matmul(a: Args, x: TensorType, y: TensorType) -> TensorType:
    """Shape of `torch.matmul`: rows times columns, the dimensions before broadcast."""
    if not x.rank or not y.rank:
        refuse(f"`MatMul` needs at least one dimension in each, but reads {x} and {y}")
    if x.dtype != y.dtype or x.dtype == "bool":
        refuse(f"`MatMul` multiplies one type, not `{x.dtype}` with `{y.dtype}`")
    inner = y.shape[-2] if y.rank > 1 else y.shape[-1]
    if x.shape[-1] != inner:
        refuse(f"{x} and {y} can't be multiplied: {x.shape[-1]} is not {inner}")
    front = joined(
        TensorType(x.shape[:-2], x.dtype, _in_front(x), x.lost),
        TensorType(y.shape[:-2], y.dtype, _in_front(y), y.lost),
        x.dtype,
    )
    rows = x.shape[-2:-1] if x.rank > 1 else ()
    columns = y.shape[-1:] if y.rank > 1 else ()
    batch = front.batch
    if batch is None and x.rank > 1 and x.batch == x.rank - 2:
        batch = len(front.shape)
    return TensorType((*front.shape, *rows, *columns), x.dtype, batch, front.lost)


def _in_front(x: TensorType) -> int | None:
    return x.batch if x.batch is not None and x.batch < x.rank - 2 else None


def einsum(a: Args, *tensors: TensorType) -> TensorType:
    """Shape of `torch.einsum`: the sizes of the letters on the right side."""
    left, arrow, right = a.equation.replace(" ", "").partition("->")
    terms = left.split(",")
    letters = left.replace(",", "")
    if not letters.isalpha() or not letters.isascii() or len(terms) != len(tensors):
        refuse(
            f"`equation` has {len(terms)} terms of letters for {len(tensors)} tensors", "equation"
        )
    if not arrow:
        right = "".join(sorted(letter for letter in {*letters} if letters.count(letter) == 1))
    sizes: dict[str, Size] = {}
    for term, x in zip(terms, tensors, strict=True):
        if len(term) != x.rank:
            refuse(f"`{term}` names {len(term)} dimensions, but {x} has {x.rank}", "equation")
        for letter, size in zip(term, x.shape, strict=True):
            known = sizes.setdefault(letter, size)
            if known != size and 1 not in (known, size):
                refuse(f"`{letter}` is {known} and {size}", "equation")
            sizes[letter] = size if known == 1 else known
    if not {*right} <= {*sizes} or len({*right}) < len(right):
        refuse(f"the right side `{right}` names each letter of the left at most once", "equation")
    if len({x.dtype for x in tensors}) > 1:
        refuse("`Einsum` reads tensors of one type")
    batches = [term[x.batch] for term, x in zip(terms, tensors, strict=True) if x.batch is not None]
    place = right.find(batches[0]) if batches and {*batches} == {batches[0]} else -1
    lost = any(x.lost for x in tensors) or (bool(batches) and place < 0)
    shape = tuple(sizes[letter] for letter in right)
    return TensorType(shape, tensors[0].dtype, place if place >= 0 else None, lost)


def matmul_macs(a: Args, xs: Sequence[TensorType], ys: Sequence[TensorType]) -> int:
    """As many multiply-adds as there are columns on the left, for each number on the right."""
    return int(ys[0].numel * xs[0].shape[-1])


def einsum_macs(a: Args, xs: Sequence[TensorType], ys: Sequence[TensorType]) -> int:
    """Every combination of letters is one multiply-add."""
    terms = a.equation.replace(" ", "").partition("->")[0].split(",")
    sizes = {
        letter: int(size)
        for term, x in zip(terms, xs, strict=True)
        for place, (letter, size) in enumerate(zip(term, x.shape, strict=True))
    }
    return math.prod(sizes.values()) if len(xs) > 1 else 0
