"""Operators with weights: layers where the file has these, functions where they are computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .calls import Call, Operator, Refused, shortest
from .graph import is_table
from .records import Array


def _convolution(call: Call) -> Any:
    x, weight = call.tensor(0), call.constant(1)
    shape = _shape(call, 1)
    rank = len(shape) - 2
    strides, dilations = (call.attribute(n, [1] * rank) for n in ("strides", "dilations"))
    groups = call.attribute("group", 1)
    begin, end = call.pads(x, shape[2:], strides, dilations)
    given: dict[str, Any] = {"stride": _one(strides), "dilation": _one(dilations), "groups": groups}
    if begin == end:
        given["padding"] = _one(begin)
    else:
        x = F.pad(x, call.around(begin, end))
    if weight is None or not _is_constant(call, 2):
        bias = call.tensor(2) if call.has(2) else None
        return getattr(F, f"conv{rank}d")(x, call.tensor(1), bias, **given)
    channels = {"in_channels": shape[1] * groups, "out_channels": shape[0]}
    own = {"kernel_size": _one(shape[2:]), "bias": call.has(2), **given}
    kind = getattr(nn, f"Conv{rank}d")
    return call.layer(kind, "conv", call.weights(weight=1, bias=2), **channels, **own)(x)


def _transposed_convolution(call: Call) -> Any:
    x, weight = call.tensor(0), call.constant(1)
    shape = _shape(call, 1)
    rank = len(shape) - 2
    if weight is None or not _is_constant(call, 2):
        raise Refused("with weights that are computed")
    if call.attribute("output_shape", None) or call.attribute("auto_pad", "NOTSET") != "NOTSET":
        raise Refused("with `output_shape` or `auto_pad`")
    strides, dilations = (call.attribute(n, [1] * rank) for n in ("strides", "dilations"))
    pads = call.attribute("pads", [0] * (2 * rank))
    if pads[:rank] != pads[rank:]:
        raise Refused("with other sizes before than after")
    groups = call.attribute("group", 1)
    layer = call.layer(
        getattr(nn, f"ConvTranspose{rank}d"), "conv", call.weights(weight=1, bias=2),
        in_channels=shape[0], out_channels=shape[1] * groups, kernel_size=_one(shape[2:]),
        stride=_one(strides), padding=_one(pads[:rank]), dilation=_one(dilations),
        output_padding=_one(call.attribute("output_padding", [0] * rank)),
        groups=groups, bias=call.has(2),
    )  # fmt: skip
    return layer(x)


def _gemm(call: Call) -> Any:
    alpha, beta = call.attribute("alpha", 1.0), call.attribute("beta", 1.0)
    weight = call.constant(1)
    turned, plain = bool(call.attribute("transB", 0)), not call.attribute("transA", 0)
    if weight is not None and plain and (alpha, beta) == (1, 1) and call.array(0) is None:
        width = weight.value.shape[0 if turned else 1]
        if not call.has(2) or (_is_constant(call, 2) and _shape(call, 2) == (width,)):
            return _linear(call, turned)
    x, y = call.tensor(0), call.tensor(1)
    x = x if plain else torch.transpose(x, 0, 1)
    found = torch.matmul(x, torch.transpose(y, 0, 1) if turned else y)
    found = found if alpha == 1 else found * shortest(alpha)
    if not call.has(2):
        return found
    other = call.operand(2)
    return found + (other if beta == 1 else other * shortest(beta))


def _product(call: Call) -> Any:
    weight = call.constant(1)
    if weight is not None and weight.value.ndim == 2 and call.array(0) is None:
        return _linear(call, turned=False)
    return torch.matmul(call.tensor(0), call.tensor(1))


def _linear(call: Call, turned: bool) -> Any:
    """A linear map; `turned` if its weight has the outputs first, as torch's has."""
    out, ins = _shape(call, 1) if turned else _shape(call, 1)[::-1]
    weights = call.weights(weight=1, bias=2)
    if not turned:
        weights["weight"] = weights["weight"].T
    parameters = call.network.parameters_of(call.node, weights)
    if parameters:  # such as `in_proj_weight` and `in_proj_bias`
        return F.linear(call.tensor(0), *parameters)
    given = {"in_features": ins, "out_features": out, "bias": call.has(2)}
    return call.layer(nn.Linear, "linear", weights, **given)(call.tensor(0))


def _batch_norm(call: Call) -> Any:
    x = call.tensor(0)
    if call.attribute("training_mode", 0) or any(call.node.outputs[1:]):
        raise Refused("in training mode")
    _all_constant(call, 5)
    kind = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}.get(x.dim())
    if kind is None:
        raise Refused(f"of {x.dim()} dimensions")
    weights = call.weights(weight=1, bias=2, running_mean=3, running_var=4)
    given = {"num_features": _shape(call, 1)[0], "eps": call.short("epsilon", 1e-5)}
    return call.layer(kind, "bn", weights, **given)(x)


def _layer_norm(call: Call) -> Any:
    x = call.tensor(0)
    if any(call.node.outputs[1:]):
        raise Refused("with its statistics")
    axis = call.axis(x, "axis", -1)
    shape = [*x.shape[axis:]]
    eps = call.short("epsilon", 1e-5)
    fits = all(not call.has(place) or [*_shape(call, place)] == shape for place in (1, 2))
    if not fits or not all(_is_constant(call, place) for place in (1, 2)):
        found = F.layer_norm(x, shape, eps=eps) * call.operand(1)
        return found + call.operand(2) if call.has(2) else found
    weights = call.weights(weight=1, bias=2)
    given = {"normalized_shape": shape, "eps": eps, "bias": call.has(2)}
    return call.layer(nn.LayerNorm, "norm", weights, **given)(x)


def _rms_norm(call: Call) -> Any:
    x = call.tensor(0)
    axis = call.axis(x, "axis", -1)
    shape = [*x.shape[axis:]]
    if not _is_constant(call, 1) or [*_shape(call, 1)] != shape:
        raise Refused("with weights that are computed")
    eps = call.short("epsilon", 1e-5)
    weights = call.weights(weight=1)
    return call.layer(nn.RMSNorm, "norm", weights, normalized_shape=shape, eps=eps)(x)


def _instance_norm(call: Call) -> Any:
    x = call.tensor(0)
    _all_constant(call, 3)
    kind = {3: nn.InstanceNorm1d, 4: nn.InstanceNorm2d, 5: nn.InstanceNorm3d}.get(x.dim())
    if kind is None:
        raise Refused(f"of {x.dim()} dimensions")
    channels, eps = _shape(call, 1)[0], call.short("epsilon", 1e-5)
    weight, bias = call.array(1), call.array(2)
    assert weight is not None
    assert bias is not None
    if (
        bool((weight == 1).all())
        and not bias.any()
        and not call.network.is_weight(call.node.inputs[1])
    ):
        return call.layer(kind, "norm", {}, num_features=channels, eps=eps)(x)
    given = {"num_features": channels, "eps": eps, "affine": True}
    return call.layer(kind, "norm", call.weights(weight=1, bias=2), **given)(x)


def _group_norm(call: Call) -> Any:
    x = call.tensor(0)
    _all_constant(call, 3)
    channels = x.shape[1]
    weights = {name: x.reshape(-1) for name, x in call.weights(weight=1, bias=2).items()}
    if weights["weight"].size != channels:
        raise Refused("with weights for each group")
    groups, eps = call.attribute("num_groups", 1), call.short("epsilon", 1e-5)
    given = {"num_groups": groups, "num_channels": channels, "eps": eps}
    return call.layer(nn.GroupNorm, "norm", weights, **given)(x)


def embedded(call: Call) -> Any:
    """What a `Gather` of rows of a table of weights gives; `None` if it is something else."""
    table, places = call.constant(0), call.array(1)
    if table is None or not is_table(table) or call.attribute("axis", 0):
        return None
    if places is not None and not places.ndim:
        return None
    rows, width = table.value.shape
    given = {"num_embeddings": rows, "embedding_dim": width}
    return call.layer(nn.Embedding, "embedding", call.weights(weight=0), **given)(call.tensor(1))


def _prelu(call: Call) -> Any:
    x, slope = call.tensor(0), call.constant(1)
    if slope is None or slope.value.size not in (1, x.shape[1]):
        raise Refused("with slopes that are not one for each channel")
    weights = {"weight": slope.value.reshape(-1)}
    return call.layer(nn.PReLU, "prelu", weights, num_parameters=slope.value.size)(x)


def _recurrent(kind: type[nn.Module], gates: Sequence[int]) -> Operator:
    """A recurrent layer; `gates` are those of the file, in the order that torch has them."""

    def called(call: Call) -> Any:
        x = call.tensor(0)
        usual = not call.attribute("layout", 0) and not call.attribute("clip", 0)
        if kind is nn.GRU and not call.attribute("linear_before_reset", 0):
            usual = False
        if not usual or any(call.node.inputs[7:8]) or "activations" in call.node.attributes:
            raise Refused("with settings that torch's layer has not")
        if any(not _is_constant(call, place) for place in (1, 2, 3)) or not call.has(3):
            raise Refused("with weights that are computed, or without a bias")
        directions, _, features = _shape(call, 1)
        if call.attribute("direction", "forward") == "reverse":
            raise Refused("in reverse")
        hidden = int(call.attribute("hidden_size", _shape(call, 2)[2]))
        if call.has(4) and call.array(4) is None:
            raise Refused("with lengths of sequences")
        states = [_state(call, place) for place in (5, 6) if call.has(place)]
        sizes = {"input_size": features, "hidden_size": hidden, "bidirectional": directions == 2}
        layer = call.layer(kind, "rnn", _recurrent_weights(call, gates, hidden), **sizes)
        given = [x for x in states if x is not None]
        hx = (tuple(given) if kind is nn.LSTM else given[0]) if given else None
        y, last = layer(x) if hx is None else layer(x, hx)
        apart = torch.reshape(y, (*y.shape[:2], directions, hidden))
        return (torch.permute(apart, (0, 2, 1, 3)), *(last if kind is nn.LSTM else (last,)))

    return called


def _recurrent_weights(call: Call, gates: Sequence[int], hidden: int) -> dict[str, Array]:
    """The weights of a recurrent layer in torch's order of gates, by torch's names."""
    inner, hidden_to, biases = (constant.value for constant in map(call.constant, (1, 2, 3)))  # type: ignore[union-attr]
    found: dict[str, Array] = {}
    count = len(gates)
    for direction, suffix in enumerate(("", "_reverse")[: len(inner)]):
        both = np.split(biases[direction], 2)
        parts = (inner[direction], hidden_to[direction], *both)
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        for name, part in zip(names, parts, strict=True):
            apart = part.reshape(count, hidden, *part.shape[1:])[[*gates]]
            found[f"{name}_l0{suffix}"] = apart.reshape(part.shape)
    return found


def _state(call: Call, place: int) -> Tensor | None:
    """A first state; `None` if it is zero."""
    array = call.array(place)
    return None if array is not None and not array.any() else call.tensor(place)


def _shape(call: Call, place: int) -> tuple[int, ...]:
    array = call.array(place)
    return tuple(call.tensor(place).shape) if array is None else array.shape


def _is_constant(call: Call, place: int) -> bool:
    """Whether an input is a tensor of the file, or is not there."""
    return not call.has(place) or call.constant(place) is not None


def _all_constant(call: Call, count: int) -> None:
    if not all(_is_constant(call, place) for place in range(1, count)):
        raise Refused("with weights that are computed")


def _one(sizes: Sequence[int]) -> int | tuple[int, ...]:
    """Sizes as one number where they are the same."""
    return sizes[0] if len({*sizes}) == 1 else tuple(sizes)


WEIGHTED: Mapping[str, Operator] = {
    "Conv": _convolution,
    "ConvTranspose": _transposed_convolution,
    "Gemm": _gemm,
    "MatMul": _product,
    "BatchNormalization": _batch_norm,
    "LayerNormalization": _layer_norm,
    "RMSNormalization": _rms_norm,
    "SimplifiedLayerNormalization": _rms_norm,
    "InstanceNormalization": _instance_norm,
    "GroupNormalization": _group_norm,
    "PRelu": _prelu,
    "LSTM": _recurrent(nn.LSTM, (0, 2, 3, 1)),
    "GRU": _recurrent(nn.GRU, (1, 0, 2)),
}
