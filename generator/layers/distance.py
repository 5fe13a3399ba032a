"""Distances between two tensors."""

from __future__ import annotations

from collections.abc import Sequence

from ..symbolic.sizes import Size
from .base import ALL, FLOATS, INEXACT, WIDE, Arg, Args, Layer, dimension, refuse
from .broadcasting import broadcast, joined_batch, promoted
from .kinds import BOOL, FLOAT, INDEX, NUMBER
from .saved import Saved
from .tensor import TensorType


def _without(
    shape: tuple[Size, ...], dim: int, batch: int | None, keepdim: bool
) -> tuple[tuple[Size, ...], int | None]:
    """The shape without a dimension (of size 1 with `keepdim`), and the batch's dimension in it."""
    if keepdim:
        return (*shape[:dim], 1, *shape[dim + 1 :]), None if batch == dim else batch
    if batch is not None:
        batch = None if batch == dim else batch - (batch > dim)
    return (*shape[:dim], *shape[dim + 1 :]), batch


def cosine_similarity(a: Args, x1: TensorType, x2: TensorType) -> TensorType:
    """The common shape of both inputs without `dim`."""
    shape = broadcast(x1, x2)
    batch, lost = joined_batch(x1, x2, len(shape))
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
    whole = any(wide) and not any(x.dtype in INEXACT for x in (x1, x2))
    if whole or "bool" in (x1.dtype, x2.dtype):
        refuse(f"`PairwiseDistance` can't subtract `{x2.dtype}` from `{x1.dtype}`")
    batch, lost = joined_batch(x1, x2, len(shape))
    dtype = promoted(x1.dtype, x2.dtype)
    real = {"complex64": "float32", "complex128": "float64"}.get(dtype, dtype)
    shape, batch = _without(shape, len(shape) - 1, batch, a.keepdim)
    return TensorType(shape, real if real in FLOATS else "float32", batch, lost)


def _similarity_saves(a: Args, xs: Sequence[TensorType], ys: Sequence[TensorType]) -> Saved:
    """Both inputs are kept, each divided by its norm, and the norms."""
    return Saved(tuple(xs), 4 * (2 * max(x.numel for x in xs) + 2 * ys[0].numel))


LAYERS = (
    Layer(
        name="CosineSimilarity",
        stem="cosine_similarity",
        rule=cosine_similarity,
        args=(Arg("dim", INDEX, 1), Arg("eps", FLOAT, 1e-08, free=True)),
        dtypes=ALL,
        tensors=("x1", "x2"),
        functional="F.cosine_similarity",
        saves=_similarity_saves,
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
        saves=lambda a, xs, ys: Saved((ys[0],), 4 * max(x.numel for x in xs)),
    ),
)
