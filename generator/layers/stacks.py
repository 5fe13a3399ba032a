"""Stacks of transformer layers: encoder, decoder, and both as one."""

from __future__ import annotations

from collections.abc import Sequence

from .attention import check_hint, lengths
from .base import (
    MOST_LAYERS,
    PARAMETERS,
    Arg,
    Args,
    Layer,
    Nested,
    Weight,
    pointwise,
    prefixed,
    refuse,
)
from .kinds import BOOL, INT, MODULE, optional
from .saved import Saved
from .tensor import TensorType
from .transformer import (
    HINTS,
    MODEL,
    REST,
    TGT_MASKS,
    WIDE,
    check_model,
    decoder_layer,
    decoder_macs,
    decoder_saves,
    encoder_layer,
    encoder_macs,
    encoder_saves,
    infer_model,
    layer_args,
    layer_weights,
    norm_weights,
)


def _check_count(name: str, count: int) -> None:
    """Raise `Refusal` for too few or too many layers."""
    if not 1 <= count <= MOST_LAYERS:
        refuse(f"`{name}` is {count}, but must lie from 1 to {MOST_LAYERS}", name)


def _stack(kind: str, a: Args, module: Nested, x: TensorType) -> TensorType:
    """The output type of a stack of layers, as its norm gives it.

    Raises `Refusal` for a layer of another type, or a norm that does not fit.
    """
    if module.row.name != f"Transformer{kind}Layer":
        argument = f"{kind.lower()}_layer"
        refuse(f"`{argument}` must be a `Transformer{kind}Layer`", argument)
    _check_count("num_layers", a.num_layers)
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
    layer.is_causal = None
    encoder_layer(layer, src, mask, src_key_padding_mask)
    hint, length = getattr(a, "is_causal", None), lengths(layer.batch_first, src)[1]
    check_hint("is_causal", hint, "mask", mask, length)
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
    check_model("Transformer", a, src, tgt)
    for side in ("encoder", "decoder"):
        custom = getattr(a, f"custom_{side}")
        if custom is None:
            _check_count(f"num_{side}_layers", getattr(a, f"num_{side}_layers"))
        if custom is not None and custom.row.name != f"Transformer{side.title()}":
            name = f"custom_{side}"
            refuse(f"`{name}` must be a `Transformer{side.title()}`", name)
    for_encoder = {
        name.removeprefix("src_"): mask for name, mask in masks.items() if name[:4] == "src_"
    }
    for_decoder = {name: mask for name, mask in masks.items() if name[:4] != "src_"}
    source = for_encoder.get("mask"), for_encoder.get("key_padding_mask")
    layer = a.custom_encoder.args["encoder_layer"].a if a.custom_encoder else layer_args(a)
    layer.is_causal = None
    encoder_layer(layer, src, *source)
    length = lengths(layer.batch_first, src)[1]
    check_hint("src_is_causal", a.src_is_causal, "src_mask", source[0], length)
    layer = a.custom_decoder.args["decoder_layer"].a if a.custom_decoder else layer_args(a)
    layer.tgt_is_causal, layer.memory_is_causal = a.tgt_is_causal, a.memory_is_causal
    return decoder_layer(layer, tgt, src, **for_decoder)


def _stack_weights(layer: Nested, count: int, norm: Nested | None) -> list[Weight]:
    """The weights of all layers of a stack, and of its norm."""
    weights = [w for i in range(int(count)) for w in layer.weights(f"layers.{i}")]
    return weights + (norm.weights("norm") if norm else [])


def _side_weights(a: Args, side: str, norms: int) -> list[Weight]:
    """The weights of a `Transformer`'s encoder or decoder, whose layers have `norms` norms each."""
    custom = getattr(a, f"custom_{side}")
    if custom is not None:
        return list(custom.weights(side))
    weights: list[Weight] = []
    for i in range(int(getattr(a, f"num_{side}_layers"))):
        weights += prefixed(f"{side}.layers.{i}", layer_weights(norms, a))
    return weights + norm_weights(f"{side}.norm", a)


def _transformer_weights(a: Args) -> list[Weight]:
    return _side_weights(a, "encoder", 2) + _side_weights(a, "decoder", 3)


def _stack_macs(a: Args, xs: Sequence[TensorType], ys: Sequence[TensorType]) -> int:
    """The multiply-adds of one layer, times the number of layers."""
    layer = a.encoder_layer if hasattr(a, "encoder_layer") else a.decoder_layer
    return int(a.num_layers * layer.row.macs(layer.a, xs, ys))


def _transformer_macs(a: Args, xs: Sequence[TensorType], ys: Sequence[TensorType]) -> int:
    """The multiply-adds of encoder and decoder."""
    src, tgt = xs[:2]
    sides = ((a.custom_encoder, (src,)), (a.custom_decoder, (tgt, src)))
    own = (
        int(a.num_encoder_layers) * encoder_macs(a, (src,), ys),
        int(a.num_decoder_layers) * decoder_macs(a, (tgt, src), ys),
    )
    return sum(
        custom.row.macs(custom.a, reads, ys) if custom else macs
        for (custom, reads), macs in zip(sides, own, strict=True)
    )


def _stack_saves(a: Args, xs: Sequence[TensorType], ys: Sequence[TensorType]) -> Saved:
    """What one layer keeps, times the number of layers; inputs are kept once."""
    layer = a.encoder_layer if hasattr(a, "encoder_layer") else a.decoder_layer
    one = layer.row.saves(layer.a, xs, ys)
    return Saved(one.tensors, int(a.num_layers * one.more))


def _transformer_saves(a: Args, xs: Sequence[TensorType], ys: Sequence[TensorType]) -> Saved:
    """What encoder and decoder keep."""
    src, tgt = xs[:2]
    sides = (
        (a.custom_encoder, encoder_saves, a.num_encoder_layers, (src,)),
        (a.custom_decoder, decoder_saves, a.num_decoder_layers, (tgt, src)),
    )
    more = 0
    for custom, saves, count, reads in sides:
        found = custom.row.saves(custom.a, reads, ys) if custom else saves(a, reads, ys)
        more += found.more * (1 if custom else int(count))
    return Saved((), more)


HINT = Arg("is_causal", optional(BOOL), None)

LAYERS = (
    Layer(
        name="Transformer",
        stem="transformer",
        rule=transformer,
        brief="{nhead} heads, {dim_feedforward}",
        args=(
            MODEL,
            Arg("nhead", INT, 8),
            Arg("num_encoder_layers", INT, 6),
            Arg("num_decoder_layers", INT, 6),
            *WIDE,
            Arg("custom_encoder", optional(MODULE), None),
            Arg("custom_decoder", optional(MODULE), None, reads=(1, 0)),
            *REST,
        ),
        dtypes=PARAMETERS,
        infer=infer_model,
        weights=_transformer_weights,
        macs=_transformer_macs,
        saves=_transformer_saves,
        tensors=("src", "tgt"),
        optional_tensors=(
            "src_mask",
            "tgt_mask",
            "memory_mask",
            "src_key_padding_mask",
            "tgt_key_padding_mask",
            "memory_key_padding_mask",
        ),
        options=(Arg("src_is_causal", optional(BOOL), None), *HINTS),
    ),
    Layer(
        name="TransformerDecoder",
        stem="transformer_decoder",
        rule=decoder,
        brief="{num_layers} layers",
        args=(
            Arg("decoder_layer", MODULE, positional=True, reads=(0, 1)),
            Arg("num_layers", INT),
            Arg("norm", optional(MODULE), None),
        ),
        dtypes=PARAMETERS,
        weights=lambda a: _stack_weights(a.decoder_layer, a.num_layers, a.norm),
        macs=_stack_macs,
        saves=_stack_saves,
        tensors=("tgt", "memory"),
        optional_tensors=TGT_MASKS,
        options=HINTS,
    ),
    Layer(
        name="TransformerEncoder",
        stem="transformer_encoder",
        rule=encoder,
        brief="{num_layers} layers",
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
        saves=_stack_saves,
        tensors=("src",),
        optional_tensors=("mask", "src_key_padding_mask"),
        options=(HINT,),
    ),
)
