"""Transformer layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..symbolic.sizes import Size
from .attention import (
    attention_macs,
    attention_weights,
    check_heads,
    check_hint,
    check_masks,
    check_probability,
    check_sequences,
    lengths,
    sequences,
)
from .base import PARAMETERS, Arg, Args, Layer, Nested, Weight, pointwise, prefixed, refuse
from .kinds import BOOL, FLOAT, INT, MODULE, choice, either, optional
from .linear import biased
from .saved import Saved, attention_saves, feed_forward_saves
from .tensor import TensorType

ACTIVATION = either(choice("relu", "gelu"), MODULE, "`relu`, `gelu` or a layer")


def check_model(name: str, a: Args, *inputs: TensorType) -> None:
    """Raise `Refusal` for inputs or arguments that torch's transformers refuse."""
    check_sequences(name, a.batch_first, *inputs)
    for x in inputs:
        if int(x.shape[-1]) != int(a.d_model):
            refuse(f"`d_model` is {a.d_model}, but {x} has {x.shape[-1]} features", "d_model")
    check_heads(a.d_model, a.nhead, "nhead")
    check_probability("dropout", a.dropout)
    if a.dim_feedforward < 0:
        refuse("`dim_feedforward` must be 0 or more", "dim_feedforward")
    if isinstance(a.activation, Nested):
        _check_same("activation", a.activation, TensorType((2, a.dim_feedforward)))


def _check_same(argument: str, module: Nested, x: TensorType) -> None:
    """Raise `Refusal` for a layer that changes the shape or type of its input."""
    if len(module.row.tensors) != 1:
        refuse(f"`{argument}` must read one tensor", argument)
    y = module.row.rule(module.a, x)
    if not isinstance(y, TensorType) or y.shape != x.shape or y.dtype != x.dtype:
        refuse(f"`{argument}` must keep the shape that it reads", argument)


def _check_self(
    a: Args, x: TensorType, mask: TensorType | None, padding: TensorType | None, *names: str
) -> None:
    """Raise `Refusal` for masks that the attention of a sequence to itself refuses."""
    batch, length = lengths(a.batch_first, x)
    check_masks(a.nhead, batch, length, length, mask, padding, (names[0], names[1]))


def encoder_layer(
    a: Args,
    src: TensorType,
    src_mask: TensorType | None = None,
    src_key_padding_mask: TensorType | None = None,
) -> TensorType:
    """The shape of `src`, as in `torch.nn.TransformerEncoderLayer`."""
    check_model("TransformerEncoderLayer", a, src)
    _check_self(a, src, src_mask, src_key_padding_mask, "src_mask", "src_key_padding_mask")
    hint, length = getattr(a, "is_causal", False), lengths(a.batch_first, src)[1]
    check_hint("is_causal", hint, "src_mask", src_mask, length)
    return pointwise(a, src)


def decoder_layer(
    a: Args,
    tgt: TensorType,
    memory: TensorType,
    tgt_mask: TensorType | None = None,
    memory_mask: TensorType | None = None,
    tgt_key_padding_mask: TensorType | None = None,
    memory_key_padding_mask: TensorType | None = None,
) -> TensorType:
    """The shape of `tgt`, as in `torch.nn.TransformerDecoderLayer`."""
    check_model("TransformerDecoderLayer", a, tgt, memory)
    _check_self(a, tgt, tgt_mask, tgt_key_padding_mask, "tgt_mask", "tgt_key_padding_mask")
    batch, length = lengths(a.batch_first, tgt)
    _, source = lengths(a.batch_first, memory)
    names = ("memory_mask", "memory_key_padding_mask")
    check_masks(a.nhead, batch, length, source, memory_mask, memory_key_padding_mask, names)
    hints = [getattr(a, f"{name}_is_causal", False) for name in ("tgt", "memory")]
    check_hint("tgt_is_causal", hints[0], "tgt_mask", tgt_mask, length)
    check_hint("memory_is_causal", hints[1], "memory_mask", memory_mask, source)
    return pointwise(a, tgt)


def layer_args(a: Args) -> Args:
    """The arguments of a `Transformer` that it hands to its layers."""
    return Args(**{arg.name: getattr(a, arg.name) for arg in LAYER_ARGS})


def infer_model(a: Args, x: TensorType, *others: TensorType) -> dict[str, Any]:
    """The number of features."""
    return {"d_model": x.shape[-1]} if x.rank else {}


def norm_weights(name: str, a: Args) -> list[Weight]:
    """The weights of a layer norm of this name."""
    weights = [Weight("weight", (a.d_model,))]
    return prefixed(name, [*weights, Weight("bias", (a.d_model,))] if a.bias else weights)


def layer_weights(norms: int, a: Args) -> list[Weight]:
    """The weights of a layer with two norms (encoder) or three (decoder), in torch's order."""
    attention = Args(embed_dim=a.d_model, kdim=None, vdim=None, bias=a.bias, add_bias_kv=False)
    names = ("self_attn", "multihead_attn")[: norms - 1]
    weights = [w for name in names for w in prefixed(name, attention_weights(attention))]
    wide = a.dim_feedforward
    weights += prefixed("linear1", biased(a, (wide, a.d_model), wide))
    weights += prefixed("linear2", biased(a, (a.d_model, wide), a.d_model))
    for norm in range(1, norms + 1):
        weights += norm_weights(f"norm{norm}", a)
    # a layer as the activation may have weights of its own: it is registered last
    return weights + (
        a.activation.weights("activation") if isinstance(a.activation, Nested) else []
    )


def _encoder_layer_weights(a: Args) -> list[Weight]:
    return layer_weights(2, a)


def _decoder_layer_weights(a: Args) -> list[Weight]:
    return layer_weights(3, a)


def encoder_macs(a: Args, xs: Sequence[TensorType], ys: Sequence[TensorType]) -> int:
    """The multiply-adds of the attention and of the feed-forward part."""
    batch, length = sequences(a.batch_first, xs[0])
    return batch * (attention_macs(a.d_model, length, length) + _feed_macs(a, length))


def decoder_macs(a: Args, xs: Sequence[TensorType], ys: Sequence[TensorType]) -> int:
    """The multiply-adds of both attentions and of the feed-forward part."""
    (batch, length), (_, source) = (sequences(a.batch_first, x) for x in xs[:2])
    attends = attention_macs(a.d_model, length, length) + attention_macs(a.d_model, length, source)
    return batch * (attends + _feed_macs(a, length))


def _feed_macs(a: Args, length: Size) -> int:
    """The multiply-adds of the feed-forward part for one sequence: two linear layers."""
    return int(2 * length * a.d_model * a.dim_feedforward)


def _attends(a: Args, x: TensorType, memory: TensorType) -> int:
    """The bytes that an attention from `x` to `memory` keeps."""
    batch, length = sequences(a.batch_first, x)
    reads = sequences(a.batch_first, memory)[1]
    weights = batch * a.nhead * length * reads
    return attention_saves(batch * length, batch * reads, a.d_model, weights, dropout=a.dropout)


def _feeds(a: Args, x: TensorType) -> int:
    """The bytes that the feed-forward part keeps."""
    return feed_forward_saves(x.numel // a.d_model, a.d_model, a.dim_feedforward, a.dropout)


def encoder_saves(a: Args, xs: Sequence[TensorType], ys: Sequence[TensorType]) -> Saved:
    """What the attention and the feed-forward part keep."""
    return Saved((), int(_attends(a, xs[0], xs[0]) + _feeds(a, xs[0])))


def decoder_saves(a: Args, xs: Sequence[TensorType], ys: Sequence[TensorType]) -> Saved:
    """What both attentions and the feed-forward part keep."""
    own = _attends(a, xs[0], xs[0]) + _attends(a, xs[0], xs[1])
    norm = 4 * (3 if a.dropout else 1) * xs[0].numel
    return Saved((xs[1],), int(own + norm + _feeds(a, xs[0])))


MODEL = Arg("d_model", INT, inferred=True, positional=True)
REST = (
    Arg("layer_norm_eps", FLOAT, 1e-05, free=True),
    Arg("batch_first", BOOL, False),
    Arg("norm_first", BOOL, False, free=True),
    Arg("bias", BOOL, True, free=True),
)
WIDE = (
    Arg("dim_feedforward", INT, 2048, doc="Width of the feed-forward part"),
    Arg("dropout", FLOAT, 0.1, free=True, doc="Dropout probability"),
    Arg("activation", ACTIVATION, "relu"),
)
LAYER_ARGS = (
    MODEL,
    Arg("nhead", INT, positional=True, doc="Number of attention heads"),
    *WIDE,
    *REST,
)
_SRC_MASKS = ("src_mask", "src_key_padding_mask")
TGT_MASKS = ("tgt_mask", "memory_mask", "tgt_key_padding_mask", "memory_key_padding_mask")
HINTS = (Arg("tgt_is_causal", optional(BOOL), None), Arg("memory_is_causal", BOOL, False))

LAYERS = (
    Layer(
        name="TransformerDecoderLayer",
        stem="transformer_decoder_layer",
        rule=decoder_layer,
        brief="{nhead} heads, {dim_feedforward}",
        args=LAYER_ARGS,
        dtypes=PARAMETERS,
        infer=infer_model,
        weights=_decoder_layer_weights,
        macs=decoder_macs,
        saves=decoder_saves,
        tensors=("tgt", "memory"),
        optional_tensors=TGT_MASKS,
        options=(Arg("tgt_is_causal", BOOL, False), Arg("memory_is_causal", BOOL, False)),
    ),
    Layer(
        name="TransformerEncoderLayer",
        stem="transformer_encoder_layer",
        rule=encoder_layer,
        brief="{nhead} heads, {dim_feedforward}",
        args=LAYER_ARGS,
        dtypes=PARAMETERS,
        infer=infer_model,
        weights=_encoder_layer_weights,
        macs=encoder_macs,
        saves=encoder_saves,
        tensors=("src",),
        optional_tensors=_SRC_MASKS,
        options=(Arg("is_causal", BOOL, False),),
    ),
)
