"""Multi-head attention."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..symbolic.equality import same
from ..symbolic.sizes import Dim, Size, shape_text
from .base import (
    FIRST,
    FLOATS,
    PARAMETERS,
    THIS,
    Arg,
    Args,
    Layer,
    Outputs,
    Weight,
    check_rank,
    refuse,
)
from .broadcasting import promoted
from .kinds import BOOL, FLOAT, INT, optional
from .saved import Saved, attention_saves
from .tensor import TensorType


def check_heads(embed_dim: Size, num_heads: Size, argument: str) -> None:
    """Raise `Refusal` if the heads don't divide the embedding evenly, or either is below 1."""
    if embed_dim < 1:
        refuse(f"{embed_dim} features are none to attend to", argument)
    if num_heads < 1 or embed_dim % num_heads:
        refuse(f"{embed_dim} features can't be divided among {num_heads} heads", argument)


def check_probability(name: str, p: float) -> None:
    """Raise `Refusal` for a probability outside 0 to 1."""
    if not 0 <= p <= 1:
        refuse(f"`{name}` is a probability from 0 to 1, but is {p}", name)


def lengths(batch_first: bool, x: TensorType) -> tuple[tuple[Size, ...], Size]:
    """The batch size (nothing if unbatched) and the length of a sequence."""
    if x.rank == 2:
        return (), x.shape[0]
    length = x.shape[1 if batch_first else 0]
    return (x.shape[0 if batch_first else 1],), length


def check_hint(
    name: str, hint: bool | None, mask_name: str, mask: TensorType | None, length: Size
) -> None:
    """Raise `Refusal` for a hint that a mask is causal, if the mask is not given."""
    if not hint or mask is not None:
        return
    size = f'"$(shape({FIRST})[0])"' if isinstance(length, Dim) else length
    help = (
        f"write `Ones: {{name: ones, size: [{size}, {size}], dtype: bool}}` and "
        f"`Triu: {{name: later, from: ones, diagonal: 1}}` before {THIS}, and in it "
        f"`{mask_name}: later`, with a `from`: it reads `later` otherwise"
    )
    refuse(f"`{name}` only says of `{mask_name}` that it is causal: give the mask", name, help)


def check_sequences(name: str, batch_first: bool, query: TensorType, *others: TensorType) -> None:
    """Raise `Refusal` for sequences of different ranks or batch sizes."""
    check_rank(name, query, 3, 2)
    for other in others:
        if other.rank != query.rank:
            refuse(f"`{name}` reads sequences alike, but one is {query} and one is {other}")
        if [*map(int, lengths(batch_first, other)[0])] != [
            *map(int, lengths(batch_first, query)[0])
        ]:
            refuse(f"`{name}` reads sequences of one batch, but they are {query} and {other}")
        if other.dtype not in PARAMETERS:
            refuse(f"`{name}` reads `float32`, but {other} is `{other.dtype}`")


def check_mask(name: str, mask: TensorType | None, *shapes: Sequence[Size]) -> None:
    """Raise `Refusal` for a mask of another shape, or neither boolean nor floating."""
    if mask is None:
        return
    if mask.dtype not in FLOATS | {"bool"}:
        refuse(f"`{name}` must be boolean or floating, but is `{mask.dtype}`", name)
    if [*map(int, mask.shape)] not in [[*map(int, shape)] for shape in shapes]:
        wanted = " or ".join(shape_text(shape) for shape in shapes)
        refuse(f"`{name}` must be {wanted}, but is {mask}", name)


def check_masks(
    heads: Size,
    batch: tuple[Size, ...],
    length: Size,
    source: Size,
    attn_mask: TensorType | None,
    padding: TensorType | None,
    names: tuple[str, str],
) -> None:
    """Raise `Refusal` for masks that torch's attention refuses."""
    samples = batch or (1,)
    check_mask(names[0], attn_mask, (length, source), (samples[0] * heads, length, source))
    check_mask(names[1], padding, (*batch, source))
    types = [mask.dtype for mask in (attn_mask, padding) if mask is not None]
    # boolean masks become float32; two masks are added up
    floats = ["float32" if dtype == "bool" else dtype for dtype in types]
    if floats and promoted(floats[0], floats[-1]) != "float32":
        given = " and ".join(f"`{dtype}`" for dtype in types)
        refuse(f"masks must be bool or float32, but are {given}", names[0])


def attention(
    a: Args,
    query: TensorType,
    key: TensorType,
    value: TensorType,
    key_padding_mask: TensorType | None = None,
    attn_mask: TensorType | None = None,
) -> Outputs:
    """Shapes of `torch.nn.MultiheadAttention` (under "Outputs" in its documentation)."""
    check_sequences("MultiheadAttention", a.batch_first, query, key, value)
    _check_features(a, query, key, value)
    batch, length = lengths(a.batch_first, query)
    _, source = lengths(a.batch_first, key)
    if int(source) != int(lengths(a.batch_first, value)[1]):
        refuse(f"key and value must be of one length, but are {key} and {value}")
    masks = (attn_mask, key_padding_mask)
    names = ("attn_mask", "key_padding_mask")
    check_masks(a.num_heads, batch, length, source, *masks, names)
    check_hint("is_causal", a.is_causal, "attn_mask", attn_mask, length)
    if not a.need_weights:
        return {"output": query}
    source = source + bool(a.add_bias_kv) + bool(a.add_zero_attn)
    heads = () if a.average_attn_weights else (a.num_heads,)
    known = query.batch == (0 if a.batch_first else 1) and query.rank == 3
    lost = query.lost or (query.batch is not None and not known)
    weights = TensorType((*batch, *heads, length, source), query.dtype, 0 if known else None, lost)
    return {"output": query, "weights": weights}


def _check_features(a: Args, query: TensorType, key: TensorType, value: TensorType) -> None:
    """Raise `Refusal` for arguments or numbers of features that do not fit."""
    check_heads(a.embed_dim, a.num_heads, "num_heads")
    check_probability("dropout", a.dropout)
    wanted = (
        ("embed_dim", a.embed_dim, query),
        ("kdim", a.embed_dim if a.kdim is None else a.kdim, key),
        ("vdim", a.embed_dim if a.vdim is None else a.vdim, value),
    )
    for name, size, x in wanted:
        if int(size) != int(x.shape[-1]):
            refuse(f"`{name}` is {size}, but {x} has {x.shape[-1]} features", name)


def infer_attention(
    a: Args, query: TensorType, key: TensorType, value: TensorType
) -> dict[str, Any]:
    """The numbers of features: of the query, and of key and value where they differ from it."""
    if not (query.rank and key.rank and value.rank):
        return {}
    embed = query.shape[-1]
    inferred: dict[str, Any] = {"embed_dim": embed}
    for name, x in (("kdim", key), ("vdim", value)):
        # null, the default, means `embed_dim`, whatever that is
        implied = getattr(a, name) is None and same(x.shape[-1], embed)
        inferred[name] = None if implied else x.shape[-1]
    return inferred


def attention_weights(a: Args) -> list[Weight]:
    """The projections (in one, where all features are alike), their biases, and the output's."""
    embed = a.embed_dim
    kdim, vdim = (embed if size is None else size for size in (a.kdim, a.vdim))
    if int(kdim) == int(embed) and int(vdim) == int(embed):
        weights = [Weight("in_proj_weight", (3 * embed, embed))]
    else:
        sizes = (("q", embed), ("k", kdim), ("v", vdim))
        weights = [Weight(f"{name}_proj_weight", (embed, size)) for name, size in sizes]
    if a.bias:
        weights.append(Weight("in_proj_bias", (3 * embed,), zeros=True))
    if a.add_bias_kv:
        weights += [Weight("bias_k", (1, 1, embed)), Weight("bias_v", (1, 1, embed))]
    weights.append(Weight("out_proj.weight", (embed, embed)))
    return [*weights, Weight("out_proj.bias", (embed,))] if a.bias else weights


def attention_macs(
    embed: Size, length: Size, source: Size, extra: int = 0, kdim: Size = 0, vdim: Size = 0
) -> int:
    """The multiply-adds for one pair of sequences.

    These are the four projections, queries by keys, and weights by values.
    """
    projections = 2 * length * embed + source * ((kdim or embed) + (vdim or embed))
    return int(embed * (projections + 2 * length * (source + extra)))


def _macs(a: Args, xs: Sequence[TensorType], ys: Sequence[TensorType]) -> int:
    """The multiply-adds of all pairs of sequences in the batch."""
    (batch, length), (_, source) = (sequences(a.batch_first, x) for x in xs[:2])
    extra = bool(a.add_bias_kv) + bool(a.add_zero_attn)
    return batch * attention_macs(a.embed_dim, length, source, extra, a.kdim or 0, a.vdim or 0)


def sequences(batch_first: bool, x: TensorType) -> tuple[int, int]:
    """The batch size (1 if unbatched) and the length as plain numbers."""
    batch, length = lengths(batch_first, x)
    return int(batch[0]) if batch else 1, int(length)


def _saved(a: Args, xs: Sequence[TensorType], ys: Sequence[TensorType]) -> Saved:
    """The inputs are kept, and what the attention keeps."""
    batch, length = sequences(a.batch_first, xs[0])
    reads = sequences(a.batch_first, xs[1])[1]
    weights = batch * a.num_heads * length * reads
    more = attention_saves(
        batch * length,
        batch * reads,
        a.embed_dim,
        weights,
        dropout=a.dropout,
        shown=getattr(a, "need_weights", True),
    )
    return Saved(tuple(xs[:3]), more)


LAYERS = (
    Layer(
        name="MultiheadAttention",
        fills=True,
        attends=True,
        stem="attn",
        brief="{num_heads} heads",
        rule=attention,
        args=(
            Arg("embed_dim", INT, inferred=True, positional=True),
            Arg("num_heads", INT, positional=True, doc="Number of attention heads"),
            Arg("dropout", FLOAT, 0.0, free=True, doc="Dropout probability"),
            Arg("bias", BOOL, True, free=True),
            Arg("add_bias_kv", BOOL, False),
            Arg("add_zero_attn", BOOL, False),
            Arg("kdim", optional(INT), None, inferred=True),
            Arg("vdim", optional(INT), None, inferred=True),
            Arg("batch_first", BOOL, False),
        ),
        dtypes=PARAMETERS,
        infer=infer_attention,
        weights=attention_weights,
        macs=_macs,
        saves=_saved,
        tensors=("query", "key", "value"),
        optional_tensors=("key_padding_mask", "attn_mask"),
        options=(
            Arg("need_weights", BOOL, True),
            Arg("average_attn_weights", BOOL, True),
            Arg("is_causal", BOOL, False),
        ),
        ports=("output", "weights"),
        result="{0}, {1}",
    ),
)
