"""Products of tensors: of matrices, and of all that letters can say."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..symbolic.sizes import Size
from .base import Args, dimension, refuse
from .broadcasting import broadcast, joined
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


def cross(a: Args, x: TensorType, y: TensorType) -> TensorType:
    """Products of vectors of 3 along `dim`, in the common shape of both tensors."""
    if x.dtype != y.dtype:
        refuse(f"`Cross` multiplies one type, not `{x.dtype}` with `{y.dtype}`")
    if x.rank != y.rank or not x.rank:
        refuse(f"`Cross` reads two tensors of as many dimensions, 1 or more, not {x} and {y}")
    dim = dimension(x, a.dim)
    for z in (x, y):
        if z.shape[dim] != 3:
            refuse(f"`Cross` reads vectors of 3, but dimension {dim} of {z} is {z.shape[dim]}")
    return joined(x, y, x.dtype)


def cdist(a: Args, x1: TensorType, x2: TensorType) -> TensorType:
    """``(..., P, M)`` and ``(..., R, M)`` to ``(..., P, R)``, a distance for each pair of rows."""
    if x1.dtype != x2.dtype:
        refuse(f"`Cdist` compares one type, not `{x1.dtype}` with `{x2.dtype}`")
    if min(x1.rank, x2.rank) < 2:
        refuse(f"`Cdist` reads 2 dimensions or more, not {x1} and {x2}")
    if x1.shape[-1] != x2.shape[-1]:
        refuse(f"rows of {x1} and {x2} differ in length: {x1.shape[-1]} is not {x2.shape[-1]}")
    if a.p < 0:
        refuse("`p` must be 0 or more", "p")
    front = broadcast(TensorType(x1.shape[:-2]), TensorType(x2.shape[:-2]))
    shape = (*front, x1.shape[-2], x2.shape[-2])
    places = {*_pair_places(x1, len(shape), -2), *_pair_places(x2, len(shape), -1)}
    lost = x1.lost or x2.lost or None in places or len(places) > 1
    return TensorType(shape, x1.dtype, None if lost or not places else places.pop(), lost)


def _pair_places(x: TensorType, rank: int, rows: int) -> Sequence[int | None]:
    """Where the batch of `x` is among all pairs, whose dimension `rows` has the rows of `x`."""
    if x.batch is None:
        return ()
    if x.batch == x.rank - 1:
        return (None,)
    return (rank + rows if x.batch == x.rank - 2 else x.batch + rank - x.rank,)


ELLIPSIS = "\u2026"  # `...` in one character
Sides = tuple[list[list[str]], list[str]]


def einsum(a: Args, *tensors: TensorType) -> TensorType:
    """Shape of `torch.einsum`: the sizes of the letters on the right side."""
    terms, right = _sides(a.equation, tensors)
    sizes: dict[str, Size] = {}
    for term, x in zip(terms, tensors, strict=True):
        own: dict[str, Size] = {}
        for label, size in zip(term, x.shape, strict=True):
            if own.setdefault(label, size) != size:
                refuse(f"`{label}` is {own[label]} and {size} in one tensor", "equation")
        for label, size in own.items():
            known = sizes.setdefault(label, size)
            if known != size and 1 not in (known, size):
                name = "..." if label.isdigit() else label
                refuse(f"`{name}` is {known} and {size}", "equation")
            sizes[label] = size if known == 1 else known
    if not {*right} <= {*sizes} or len({*right}) < len(right):
        refuse("the right side names each letter of the left at most once", "equation")
    if len({x.dtype for x in tensors}) > 1:
        refuse("`Einsum` reads tensors of one type")
    batches = {term[x.batch] for term, x in zip(terms, tensors, strict=True) if x.batch is not None}
    label = min(batches, default="")
    place = right.index(label) if len(batches) == 1 and label in right else None
    lost = any(x.lost for x in tensors) or (bool(batches) and place is None)
    return TensorType(tuple(sizes[label] for label in right), tensors[0].dtype, place, lost)


def _sides(equation: str, tensors: Sequence[TensorType]) -> Sides:
    """A label for each dimension of each tensor, and those of the result.

    Dimensions under `...` have numbers for labels, counted from the last one on.
    """
    sides = equation.replace("...", ELLIPSIS).partition("->")
    left, arrow, right = (side.replace(" ", "") for side in sides)
    terms = left.split(",")
    known = ELLIPSIS not in equation and all(map(_is_term, (*terms, right)))
    if len(terms) != len(tensors) or not known:
        refuse(
            f"`equation` has {len(terms)} terms of letters for {len(tensors)} tensors", "equation"
        )
    if not arrow:
        letters = left.replace(",", "").replace(ELLIPSIS, "")
        right = ELLIPSIS + "".join(sorted(x for x in {*letters} if letters.count(x) == 1))
    pairs = [*zip(terms, tensors, strict=True)]
    most = max((x.rank - len(term) + 1 for term, x in pairs if ELLIPSIS in term), default=0)
    return [_labels(term, x.rank, x) for term, x in pairs], _labels(right, len(right) - 1 + most)


def _is_term(term: str) -> bool:
    letters = term.replace(ELLIPSIS, "", 1)
    return letters.isascii() and (letters.isalpha() or not letters)


def _labels(term: str, rank: int, x: TensorType | None = None) -> list[str]:
    """The labels of a term's dimensions; `x` is the tensor of this term."""
    before, dots, after = term.partition(ELLIPSIS)
    rest = rank - len(before) - len(after)
    if x is not None and (rest < 0 or (rest and not dots)):
        count, term = len(before) + len(after), term.replace(ELLIPSIS, "...")
        refuse(f"`{term}` names {count} dimensions, but {x} has {x.rank}", "equation")
    numbers = map(str, reversed(range(rest))) if dots else ()
    return [*before, *numbers, *after]


def matmul_macs(a: Args, xs: Sequence[TensorType], ys: Sequence[TensorType]) -> int:
    """As many multiply-adds as there are columns on the left, for each number on the right."""
    return int(ys[0].numel * xs[0].shape[-1])


def einsum_macs(a: Args, xs: Sequence[TensorType], ys: Sequence[TensorType]) -> int:
    """Tensors are multiplied from left to right, each sum taken as soon as nothing else reads it.

    A product in which nothing is summed is no multiply-add, as with `Mul`.
    """
    terms, right = _sides(a.equation, xs)
    wide = [
        {label: int(size) for label, size in zip(term, x.shape, strict=True) if size != 1}
        for term, x in zip(terms, xs, strict=True)
    ]
    total, result = 0, wide[0]
    for place, other in enumerate(wide[1:], 2):
        needed = {*right}.union(*wide[place:])
        done = {label: size for label, size in (result | other).items() if label not in needed}
        both = done.keys() & result.keys() & other.keys()
        alone = done.keys() - both  # summed before the product
        sizes = {key: size for key, size in (result | other).items() if key not in alone}
        total += math.prod(sizes.values()) if both else 0
        result = {key: size for key, size in sizes.items() if key not in done}
    return total
