"""Transformer layers and stacks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..sizes import Size
from .attention import (
    attention_macs,
    attention_weights,
    check_heads,
    check_masks,
    check_probability,
    check_sequences,
    lengths,
)
from .base import (
    PARAMETERS,
    Arg,
    Args,
    Layer,
    Nested,
    TensorType,
    Weight,
    pointwise,
    prefixed,
    refuse,
)
from .kinds import BOOL, FLOAT, INT, MODULE, choice, either, optional
from .linear import biased

ACTIVATION = either(choice("relu", "gelu"), MODULE, "`relu`, `gelu` or a layer")


def _check_model(name: str, a: Args, *inputs: TensorType) -> None:
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
    """Refuse a layer that changes the shape or type of what it reads."""
    if len(module.row.tensors) != 1:
        refuse(f"`{argument}` must read one tensor", argument)
    y = module.row.rule(module.a, x)
    if not isinstance(y, TensorType) or y.shape != x.shape or y.dtype != x.dtype:
        refuse(f"`{argument}` must keep the shape that it reads", argument)


def _check_self(
    a: Args, x: TensorType, mask: TensorType | None, padding: TensorType | None, *names: str
) -> None:
    batch, length = lengths(a.batch_first, x)
    check_masks(a.nhead, batch, length, length, mask, padding, (names[0], names[1]))


def _check_hint(name: str, hint: bool | None, mask: TensorType | None) -> None:
    if hint and mask is None:
        refuse(f"`{name}` is a hint about a mask, which is not given", name)


def encoder_layer(
    a: Args,
    src: TensorType,
    src_mask: TensorType | None = None,
    src_key_padding_mask: TensorType | None = None,
) -> TensorType:
    """The shape of `src`, as in `torch.nn.TransformerEncoderLayer`."""
    _check_model("TransformerEncoderLayer", a, src)
    _check_self(a, src, src_mask, src_key_padding_mask, "src_mask", "src_key_padding_mask")
    _check_hint("is_causal", getattr(a, "is_causal", False), src_mask)
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
    _check_model("TransformerDecoderLayer", a, tgt, memory)
    _check_self(a, tgt, tgt_mask, tgt_key_padding_mask, "tgt_mask", "tgt_key_padding_mask")
    batch, length = lengths(a.batch_first, tgt)
    _, source = lengths(a.batch_first, memory)
    names = ("memory_mask", "memory_key_padding_mask")
    check_masks(a.nhead, batch, length, source, memory_mask, memory_key_padding_mask, names)
    _check_hint("tgt_is_causal", getattr(a, "tgt_is_causal", False), tgt_mask)
    _check_hint("memory_is_causal", getattr(a, "memory_is_causal", False), memory_mask)
    return pointwise(a, tgt)


def _stack(kind: str, a: Args, module: Nested, x: TensorType) -> TensorType:
    if module.row.name != f"Transformer{kind}Layer":
        argument = f"{kind.lower()}_layer"
        refuse(f"`{argument}` must be a `Transformer{kind}Layer`", argument)
    if a.num_layers < 1:
        refuse("`num_layers` must be 1 or more", "num_layers")
    if a.norm is None:
        return pointwise(a, x)
    if len(a.norm.row.tensors) != 1:
        refuse("`norm` must read one tensor", "norm")
    y = a.norm.row.rule(a.norm.a, x)
    return y if isinstance(y, TensorType) else refuse("`norm` must give one tensor", "norm")


def encoder(
    a: Args,
    src: TensorType,
    mask: TensorType | None = None,
    src_key_padding_mask: TensorType | None = None,
) -> TensorType:
    """The shape of `src`, as in `torch.nn.TransformerEncoder`."""
    result = _stack("Encoder", a, a.encoder_layer, src)
    layer = a.encoder_layer.a
    layer.is_causal = getattr(a, "is_causal", None)
    encoder_layer(layer, src, mask, src_key_padding_mask)
    return result


def decoder(a: Args, tgt: TensorType, memory: TensorType, **masks: TensorType) -> TensorType:
    """The shape of `tgt`, as in `torch.nn.TransformerDecoder`."""
    result = _stack("Decoder", a, a.decoder_layer, tgt)
    layer = a.decoder_layer.a
    layer.tgt_is_causal = getattr(a, "tgt_is_causal", None)
    layer.memory_is_causal = getattr(a, "memory_is_causal", False)
    decoder_layer(layer, tgt, memory, **masks)
    return result


def transformer(a: Args, src: TensorType, tgt: TensorType, **masks: TensorType) -> TensorType:
    """The shape of `tgt`, as in `torch.nn.Transformer`."""
    _check_model("Transformer", a, src, tgt)
    for side in ("encoder", "decoder"):
        custom = getattr(a, f"custom_{side}")
        if custom is None and getattr(a, f"num_{side}_layers") < 1:
            refuse(f"`num_{side}_layers` must be 1 or more", f"num_{side}_layers")
        if custom is not None and custom.row.name != f"Transformer{side.title()}":
            name = f"custom_{side}"
            refuse(f"`{name}` must be a `Transformer{side.title()}`", name)
    for_encoder = {
        name.removeprefix("src_"): mask for name, mask in masks.items() if name[:4] == "src_"
    }
    for_decoder = {name: mask for name, mask in masks.items() if name[:4] != "src_"}
    source = for_encoder.get("mask"), for_encoder.get("key_padding_mask")
    layer = a.custom_encoder.args["encoder_layer"].a if a.custom_encoder else _layer_args(a)
    layer.is_causal = a.src_is_causal
    encoder_layer(layer, src, *source)
    layer = a.custom_decoder.args["decoder_layer"].a if a.custom_decoder else _layer_args(a)
    layer.tgt_is_causal, layer.memory_is_causal = a.tgt_is_causal, a.memory_is_causal
    return decoder_layer(layer, tgt, src, **for_decoder)


def _layer_args(a: Args) -> Args:
    return Args(**{arg.name: getattr(a, arg.name) for arg in _LAYER_ARGS})


def infer_model(a: Args, x: TensorType, *others: TensorType) -> dict[str, Any]:
    return {"d_model": x.shape[-1]} if x.rank else {}


def _norm_weights(name: str, a: Args) -> list[Weight]:
    weights = [Weight("weight", (a.d_model,))]
    return prefixed(name, [*weights, Weight("bias", (a.d_model,))] if a.bias else weights)


def _layer_weights(norms: int, a: Args) -> list[Weight]:
    attention = Args(
        embed_dim=a.d_model, kdim=None, vdim=None, bias=a.bias, add_bias_kv=False
    )
    names = ("self_attn", "multihead_attn")[: norms - 1]
    weights = [w for name in names for w in prefixed(name, attention_weights(attention))]
    wide = a.dim_feedforward
    weights += prefixed("linear1", biased(a, (wide, a.d_model), wide))
    weights += prefixed("linear2", biased(a, (a.d_model, wide), a.d_model))
    for norm in range(1, norms + 1):
        weights += _norm_weights(f"norm{norm}", a)
    # a layer as the activation may have weights of its own: it is registered last
    return weights + (a.activation.weights("activation") if isinstance(a.activation, Nested) else [])


def _encoder_layer_weights(a: Args) -> list[Weight]:
    return _layer_weights(2, a)


def _decoder_layer_weights(a: Args) -> list[Weight]:
    return _layer_weights(3, a)


def _stack_weights(layer: Nested, count: int, norm: Nested | None) -> list[Weight]:
    weights = [w for i in range(int(count)) for w in layer.weights(f"layers.{i}")]
    return weights + (norm.weights("norm") if norm else [])


def _side_weights(a: Args, side: str, norms: int) -> list[Weight]:
    custom = getattr(a, f"custom_{side}")
    if custom is not None:
        return list(custom.weights(side))
    weights: list[Weight] = []
    for i in range(int(getattr(a, f"num_{side}_layers"))):
        weights += prefixed(f"{side}.layers.{i}", _layer_weights(norms, a))
    return weights + _norm_weights(f"{side}.norm", a)


def _transformer_weights(a: Args) -> list[Weight]:
    return _side_weights(a, "encoder", 2) + _side_weights(a, "decoder", 3)


def _encoder_macs(a: Args, xs: Sequence[TensorType], ys: Sequence[TensorType]) -> int:
    length = lengths(a.batch_first, xs[0])[1]
    return attention_macs(a.d_model, length, length) + _feed_macs(a, length)


def _decoder_macs(a: Args, xs: Sequence[TensorType], ys: Sequence[TensorType]) -> int:
    length, source = (lengths(a.batch_first, x)[1] for x in xs[:2])
    own = attention_macs(a.d_model, length, length)
    return own + attention_macs(a.d_model, length, source) + _feed_macs(a, length)


def _feed_macs(a: Args, length: Size) -> int:
    return int(2 * length * a.d_model * a.dim_feedforward)


def _stack_macs(a: Args, xs: Sequence[TensorType], ys: Sequence[TensorType]) -> int:
    layer = a.encoder_layer if hasattr(a, "encoder_layer") else a.decoder_layer
    return int(a.num_layers) * layer.row.macs(layer.a, xs, ys)


def _transformer_macs(a: Args, xs: Sequence[TensorType], ys: Sequence[TensorType]) -> int:
    src, tgt = xs[:2]
    sides = ((a.custom_encoder, (src,)), (a.custom_decoder, (tgt, src)))
    own = (
        int(a.num_encoder_layers) * _encoder_macs(a, (src,), ys),
        int(a.num_decoder_layers) * _decoder_macs(a, (tgt, src), ys),
    )
    return sum(
        custom.row.macs(custom.a, reads, ys) if custom else macs
        for (custom, reads), macs in zip(sides, own, strict=True)
    )


_MODEL = Arg("d_model", INT, inferred=True, positional=True)
_REST = (
    Arg("layer_norm_eps", FLOAT, 1e-05, free=True),
    Arg("batch_first", BOOL, False),
    Arg("norm_first", BOOL, False, free=True),
    Arg("bias", BOOL, True, free=True),
)
_WIDE = (
    Arg("dim_feedforward", INT, 2048),
    Arg("dropout", FLOAT, 0.1, free=True),
    Arg("activation", ACTIVATION, "relu"),
)
_LAYER_ARGS = (_MODEL, Arg("nhead", INT, positional=True), *_WIDE, *_REST)
_SRC_MASKS = ("src_mask", "src_key_padding_mask")
_TGT_MASKS = ("tgt_mask", "memory_mask", "tgt_key_padding_mask", "memory_key_padding_mask")
_HINT = Arg("is_causal", optional(BOOL), None)
_HINTS = (Arg("tgt_is_causal", optional(BOOL), None), Arg("memory_is_causal", BOOL, False))

LAYERS = (
    Layer(
        name="Transformer",
        stem="transformer",
        rule=transformer,
        args=(
            _MODEL,
            Arg("nhead", INT, 8),
            Arg("num_encoder_layers", INT, 6),
            Arg("num_decoder_layers", INT, 6),
            *_WIDE,
            Arg("custom_encoder", optional(MODULE), None),
            Arg("custom_decoder", optional(MODULE), None, reads=(1, 0)),
            *_REST,
        ),
        dtypes=PARAMETERS,
        infer=infer_model,
        weights=_transformer_weights,
        macs=_transformer_macs,
        tensors=("src", "tgt"),
        optional_tensors=(
            "src_mask",
            "tgt_mask",
            "memory_mask",
            "src_key_padding_mask",
            "tgt_key_padding_mask",
            "memory_key_padding_mask",
        ),
        options=(Arg("src_is_causal", optional(BOOL), None), *_HINTS),
    ),
    Layer(
        name="TransformerDecoder",
        stem="transformer_decoder",
        rule=decoder,
        args=(
            Arg("decoder_layer", MODULE, positional=True, reads=(0, 1)),
            Arg("num_layers", INT),
            Arg("norm", optional(MODULE), None),
        ),
        dtypes=PARAMETERS,
        weights=lambda a: _stack_weights(a.decoder_layer, a.num_layers, a.norm),
        macs=_stack_macs,
        tensors=("tgt", "memory"),
        optional_tensors=_TGT_MASKS,
        options=_HINTS,
    ),
    Layer(
        name="TransformerDecoderLayer",
        stem="transformer_decoder_layer",
        rule=decoder_layer,
        args=_LAYER_ARGS,
        dtypes=PARAMETERS,
        infer=infer_model,
        weights=_decoder_layer_weights,
        macs=_decoder_macs,
        tensors=("tgt", "memory"),
        optional_tensors=_TGT_MASKS,
        options=(Arg("tgt_is_causal", BOOL, False), Arg("memory_is_causal", BOOL, False)),
    ),
    Layer(
        name="TransformerEncoder",
        stem="transformer_encoder",
        rule=encoder,
        args=(
            Arg("encoder_layer", MODULE, positional=True),
            Arg("num_layers", INT),
            Arg("norm", optional(MODULE), None),
            Arg("enable_nested_tensor", BOOL, True, free=True),
            Arg("mask_check", BOOL, True, free=True),
        ),
        dtypes=PARAMETERS,
        weights=lambda a: _stack_weights(a.encoder_layer, a.num_layers, a.norm),
        macs=_stack_macs,
        tensors=("src",),
        optional_tensors=("mask", "src_key_padding_mask"),
        options=(_HINT,),
    ),
    Layer(
        name="TransformerEncoderLayer",
        stem="transformer_encoder_layer",
        rule=encoder_layer,
        args=_LAYER_ARGS,
        dtypes=PARAMETERS,
        infer=infer_model,
        weights=_encoder_layer_weights,
        macs=_encoder_macs,
        tensors=("src",),
        optional_tensors=_SRC_MASKS,
        options=(Arg("is_causal", BOOL, False),),
    ),
)
