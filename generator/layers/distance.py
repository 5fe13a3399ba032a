"""Distances between two tensors."""

from __future__ import annotations

from ..sizes import Size
from .base import ALL, COMPLEX, FLOATS, WIDE, Arg, Args, Layer, TensorType, dimension, refuse
from .kinds import BOOL, FLOAT, INDEX, NUMBER


def broadcast(left: TensorType, right: TensorType) -> tuple[Size, ...]:
    """The common shape of two tensors by torch's rules of broadcasting."""
    rank = max(left.rank, right.rank)
    shape: list[Size] = []
    for place in range(-rank, 0):
        a = left.shape[place] if left.rank >= -place else 1
        b = right.shape[place] if right.rank >= -place else 1
        if a != b and a != 1 and b != 1:
            refuse(f"shapes {left} and {right} don't go together: {a} is not {b}")
        shape.append(b if a == 1 else a)
    return tuple(shape)


def _joined_batch(left: TensorType, right: TensorType, rank: int) -> tuple[int | None, bool]:
    """Where the batch is after broadcasting: counted from the end it stays in place."""
    places = {x.batch + rank - x.rank for x in (left, right) if x.batch is not None and not x.lost}
    lost = left.lost or right.lost or len(places) > 1
    return (None if lost or not places else places.pop()), lost


def promoted(left: str, right: str) -> str:
    """The common type of two tensors by torch's rules of promotion."""
    if left == right:
        return left
    for kind in (COMPLEX, FLOATS):
        found = {dtype for dtype in (left, right) if dtype in kind}
        if kind is COMPLEX and found and "float64" in (left, right):
            return "complex128"
        if len(found) == 1:
            return found.pop()
        if found:
            return "float32" if found == {"float16", "bfloat16"} else max(found, key=_bits)
    return max((left, right), key=_bits) if "bool" in (left, right) else "int64"


def _bits(dtype: str) -> int:
    return int("".join(filter(str.isdigit, dtype)) or 1)


def _without(
    shape: tuple[Size, ...], dim: int, batch: int | None, keepdim: bool
) -> tuple[tuple[Size, ...], int | None]:
    if keepdim:
        return (*shape[:dim], 1, *shape[dim + 1 :]), None if batch == dim else batch
    if batch is not None:
        batch = None if batch == dim else batch - (batch > dim)
    return (*shape[:dim], *shape[dim + 1 :]), batch


def cosine_similarity(a: Args, x1: TensorType, x2: TensorType) -> TensorType:
    """The common shape of both inputs without `dim`."""
    shape = broadcast(x1, x2)
    batch, lost = _joined_batch(x1, x2, len(shape))
    joined = TensorType(shape, promoted(x1.dtype, x2.dtype), batch, lost)
    if joined.dtype not in FLOATS:
        refuse(f"`CosineSimilarity` can't compare `{x1.dtype}` with `{x2.dtype}`")
    shape, batch = _without(shape, dimension(joined, a.dim), batch, keepdim=False)
    return TensorType(shape, joined.dtype, batch, lost)


def pairwise_distance(a: Args, x1: TensorType, x2: TensorType) -> TensorType:
    """The common shape of both inputs without the last dimension."""
    shape = broadcast(x1, x2)
    if not shape:
        refuse("`PairwiseDistance` needs at least one dimension")
    wide = [x.dtype in WIDE for x in (x1, x2)]
    whole = any(wide) and not any(x.dtype in FLOATS | COMPLEX for x in (x1, x2))
    if whole or "bool" in (x1.dtype, x2.dtype):
        refuse(f"`PairwiseDistance` can't subtract `{x2.dtype}` from `{x1.dtype}`")
    batch, lost = _joined_batch(x1, x2, len(shape))
    dtype = promoted(x1.dtype, x2.dtype)
    real = {"complex64": "float32", "complex128": "float64"}.get(dtype, dtype)
    shape, batch = _without(shape, len(shape) - 1, batch, a.keepdim)
    return TensorType(shape, real if real in FLOATS else "float32", batch, lost)


LAYERS = (
    Layer(
        name="CosineSimilarity",
        stem="cosine_similarity",
        rule=cosine_similarity,
        args=(Arg("dim", INDEX, 1), Arg("eps", FLOAT, 1e-08, free=True)),
        dtypes=ALL,
        tensors=("x1", "x2"),
        functional="F.cosine_similarity",
    ),
    Layer(
        name="PairwiseDistance",
        stem="pairwise_distance",
        rule=pairwise_distance,
        args=(
            Arg("p", NUMBER, 2.0, free=True),
            Arg("eps", FLOAT, 1e-06, free=True),
            Arg("keepdim", BOOL, False),
        ),
        dtypes=ALL,
        tensors=("x1", "x2"),
        functional="F.pairwise_distance",
    ),
)
