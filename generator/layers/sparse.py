"""Embeddings: rows of a table picked by whole numbers."""

from __future__ import annotations

from collections.abc import Sequence

from .base import INDICES, Arg, Args, Layer, Weight, refuse, refuse_values
from .kinds import BOOL, FLOAT, INT, NUMBER, choice, optional
from .tensor import TensorType


def _check_table(a: Args) -> None:
    """Raise `Refusal` for an empty table, or a `padding_idx` that is none of its rows."""
    for name in ("num_embeddings", "embedding_dim"):
        if getattr(a, name) < 1:
            refuse(f"`{name}` is {getattr(a, name)}, but must be 1 or more", name)
    padding, rows = a.padding_idx, a.num_embeddings
    if padding is not None and not -rows <= padding < rows:
        refuse(f"`padding_idx` {padding} is out of range: there are {rows} rows", "padding_idx")


def _check_bound(a: Args, x: TensorType) -> None:
    """Raise `Refusal` for positions beyond the table."""
    if x.bound is not None and x.bound > a.num_embeddings:
        refuse_values(
            f"the input goes up to {x.bound - 1}, but the table has {a.num_embeddings} rows"
        )


def _check_gradients(a: Args) -> None:
    if a.sparse and a.scale_grad_by_freq:
        refuse("`sparse` gradients can't be scaled by frequency", "scale_grad_by_freq")


def embedding(a: Args, x: TensorType) -> TensorType:
    """A row of `embedding_dim` for each element of the input."""
    _check_table(a)
    _check_bound(a, x)
    _check_gradients(a)
    return TensorType((*x.shape, a.embedding_dim), "float32", x.batch, x.lost)


def embedding_bag(
    a: Args,
    x: TensorType,
    offsets: TensorType | None = None,
    per_sample_weights: TensorType | None = None,
) -> TensorType:
    """One row for each bag: the rows of the input, or the runs that begin at `offsets`."""
    _check_table(a)
    _check_bound(a, x)
    if a.mode == "max" and (a.sparse or a.scale_grad_by_freq):
        refuse("`mode: max` knows neither `sparse` nor `scale_grad_by_freq`", "mode")
    _check_gradients(a)
    if per_sample_weights is not None:
        _check_weights(a, x, per_sample_weights)
    if x.rank == 2 and offsets is None:
        return TensorType((x.shape[0], a.embedding_dim), "float32", x.batch, x.lost)
    if x.rank != 1 or offsets is None or offsets.rank != 1:
        refuse(f"`EmbeddingBag` reads 2 dimensions, or 1 with `offsets` of 1, but reads {x}")
    if offsets.dtype not in INDICES:
        refuse(f"`offsets` are int32 or int64, but are `{offsets.dtype}`")
    bags = offsets.shape[0] - (1 if a.include_last_offset else 0)
    if bags < 1:
        refuse("`include_last_offset` needs two offsets or more", "include_last_offset")
    return TensorType((bags, a.embedding_dim), "float32", offsets.batch, offsets.lost)


def _check_weights(a: Args, x: TensorType, weights: TensorType) -> None:
    """Raise `Refusal` for `per_sample_weights` that torch does not take."""
    if a.mode != "sum":
        refuse("`per_sample_weights` need `mode: sum`", "mode")
    if [*map(int, weights.shape)] != [*map(int, x.shape)] or weights.dtype != "float32":
        refuse(f"`per_sample_weights` must be float32 of shape {x}, but are {weights}")


def table(a: Args) -> Sequence[Weight]:
    """The table of embeddings; that of the padding begins with zeros."""
    shape = (a.num_embeddings, a.embedding_dim)
    return (Weight("weight", shape, zeros=a.padding_idx is not None),)


_FIRST = (
    Arg("num_embeddings", INT, positional=True, positive=True, doc="Number of embeddings"),
    Arg("embedding_dim", INT, positional=True, positive=True, doc="Embedding size"),
)
_MAX_NORM = (
    Arg("max_norm", optional(FLOAT), None, free=True),
    Arg("norm_type", NUMBER, 2.0, free=True),
    Arg("scale_grad_by_freq", BOOL, False),
)
_SPARSE = Arg("sparse", BOOL, False)
_PADDING = Arg("padding_idx", optional(INT), None)

LAYERS = (
    Layer(
        name="Embedding",
        rows="num_embeddings",
        stem="embedding",
        rule=embedding,
        brief="{num_embeddings}, {embedding_dim}",
        args=(*_FIRST, _PADDING, *_MAX_NORM, _SPARSE),
        dtypes=INDICES,
        weights=table,
    ),
    Layer(
        name="EmbeddingBag",
        rows="num_embeddings",
        stem="embedding_bag",
        rule=embedding_bag,
        brief="{num_embeddings}, {embedding_dim}[, {mode}]",
        args=(
            *_FIRST,
            *_MAX_NORM,
            Arg("mode", choice("sum", "mean", "max"), "mean"),
            _SPARSE,
            Arg("include_last_offset", BOOL, False),
            _PADDING,
        ),
        dtypes=INDICES,
        weights=table,
        optional_tensors=("offsets", "per_sample_weights"),
    ),
)
