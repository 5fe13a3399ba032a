"""Scaled dot-product attention, as a function of queries, keys and values."""

from __future__ import annotations

from collections.abc import Sequence

from .attention import check_probability
from .base import FLOATS, Arg, Args, Layer, refuse
from .broadcasting import broadcast
from .kinds import BOOL, FLOAT, optional
from .saved import Saved
from .tensor import TensorType


def scaled_attention(
    a: Args,
    query: TensorType,
    key: TensorType,
    value: TensorType,
    attn_mask: TensorType | None = None,
) -> TensorType:
    """``(..., L, E)``, ``(..., S, E)`` and ``(..., S, V)`` to ``(..., L, V)``."""
    tensors = (query, key, value)
    if len({x.dtype for x in tensors}) > 1 or min(x.rank for x in tensors) < 2:
        shapes = ", ".join(f"{x} {x.dtype}" for x in tensors)
        refuse(f"attention reads three tensors of one type and 2 dimensions or more, not {shapes}")
    if query.shape[-1] != key.shape[-1] or key.shape[-2] != value.shape[-2]:
        refuse(f"query {query}, key {key} and value {value} don't go together")
    fronts = [TensorType(x.shape[:-2], x.dtype, None) for x in tensors]
    if a.enable_gqa:
        fronts = [_with_heads_of(query, x) for x in tensors]
    front = broadcast(TensorType(broadcast(fronts[0], fronts[1])), fronts[2])
    if a.dropout_p > 0:  # torch takes numbers below 0 for no dropout
        check_probability("dropout_p", a.dropout_p)
    if attn_mask is not None:
        if a.is_causal:
            refuse("give `attn_mask` or `is_causal`, not both", "is_causal")
        _check_mask(query, key, attn_mask)
    return TensorType(
        (*front, query.shape[-2], value.shape[-1]), query.dtype, query.batch, query.lost
    )


def _with_heads_of(query: TensorType, x: TensorType) -> TensorType:
    """The dimensions before the last two, with the heads repeated that several queries share."""
    if min(query.rank, x.rank) < 3:
        refuse(f"grouped queries need a dimension of heads, but {query} or {x} has none")
    heads, shared = query.shape[-3], x.shape[-3]
    if int(shared) != int(heads) and (int(shared) == 0 or int(heads) % int(shared)):
        refuse(f"{heads} heads of queries can't share {shared} of keys or values", "enable_gqa")
    return TensorType((*x.shape[:-3], heads), x.dtype, None)


def _check_mask(query: TensorType, key: TensorType, mask: TensorType) -> None:
    """Raise `Refusal` for a mask of the wrong type, or that does not broadcast to the weights."""
    if mask.dtype not in ("bool", query.dtype):
        refuse(f"`attn_mask` must be bool or {query.dtype}, but is `{mask.dtype}`", "attn_mask")
    wanted = TensorType((*query.shape[:-1], key.shape[-2]), query.dtype)
    if [*map(int, broadcast(wanted, mask))] != [*map(int, wanted.shape)]:
        refuse(f"`attn_mask` {mask} does not fit into {wanted}", "attn_mask")


def _macs(a: Args, xs: Sequence[TensorType], ys: Sequence[TensorType]) -> int:
    """The multiply-adds of queries by keys, and of weights by values."""
    return int(ys[0].numel // ys[0].shape[-1] * xs[1].shape[-2]) * int(
        xs[0].shape[-1] + xs[2].shape[-1]
    )


def _saves(a: Args, xs: Sequence[TensorType], ys: Sequence[TensorType]) -> Saved:
    """Queries, keys, values and the output are kept; with dropout, the weights, too."""
    weights = xs[0].numel // int(xs[0].shape[-1]) * int(xs[1].shape[-2])
    return Saved((*xs[:3], ys[0]), 12 * weights if a.dropout_p > 0 else 0)


SCALED_ATTENTION = Layer(
    name="ScaledDotProductAttention",
    rule=scaled_attention,
    brief="[causal{is_causal}]",
    args=(
        Arg("dropout_p", FLOAT, 0.0, free=True, trains=True),
        Arg("is_causal", BOOL, False, free=True),
        Arg("scale", optional(FLOAT), None, free=True),
        Arg("enable_gqa", BOOL, False),
    ),
    operation=True,
    dtypes=FLOATS,
    macs=_macs,
    saves=_saves,
    stem="attn",
    tensors=("query", "key", "value"),
    optional_tensors=("attn_mask",),
    functional="F.scaled_dot_product_attention",
    attends=True,
    reads_true=True,
)
