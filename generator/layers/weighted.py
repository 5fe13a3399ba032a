"""Convolutions and linear maps that read their weight: one that the network computes or holds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from ..symbolic.equality import Meeting, same
from ..symbolic.sizes import Size, shown
from .base import INEXACT, Arg, Args, Layer, Refusal, check_rank, refuse
from .conv import channels, conv, conv_transpose
from .kinds import INT, choice, either, loosely
from .saved import saves_factors, saves_inputs
from .splits import operation
from .tensor import TensorType


def convolution(
    n: int, a: Args, x: TensorType, weight: TensorType, bias: TensorType | None = None
) -> TensorType:
    """The shape of `Conv*d`: a weight is ``(out_channels, in_channels / groups, ...)``."""
    _check_weight(f"FunctionalConv{n}d", n, x, weight, bias)
    y = _applied(conv, n, False, a, x, weight)
    _check_pairs(_met(n, False, a, x, weight, bias), x, weight, bias)
    return y


def transposed(
    n: int, a: Args, x: TensorType, weight: TensorType, bias: TensorType | None = None
) -> TensorType:
    """The shape of `ConvTranspose*d`: a weight is ``(in_channels, out_channels / groups, ...)``."""
    _check_weight(f"FunctionalConvTranspose{n}d", n, x, weight, bias)
    y = _applied(conv_transpose, n, True, a, x, weight)
    _check_pairs(_met(n, True, a, x, weight, bias), x, weight, bias)
    return y


def linear(
    a: Args, x: TensorType, weight: TensorType, bias: TensorType | None = None
) -> TensorType:
    """The last dimension becomes the first of a weight ``(out_features, in_features)``.

    A weight of one dimension gives a number for each place.
    """
    _check_types("FunctionalLinear", x, weight, bias)
    if not x.rank:
        refuse("`FunctionalLinear` needs at least one dimension")
    if weight.rank not in (1, 2):
        refuse(f"a weight is (out_features, in_features), but is {weight}")
    if bias is not None and weight.rank == 1:
        refuse(f"a weight of one dimension, as {weight} is, takes no bias")
    _check_pairs(_met_linear(a, x, weight, bias), x, weight, bias)
    place = x.batch if x.batch != x.rank - 1 else None
    lost = x.lost or weight.lost or weight.batch is not None or place != x.batch
    return TensorType((*x.shape[:-1], *weight.shape[:-1]), x.dtype, None if lost else place, lost)


def _check_types(name: str, x: TensorType, weight: TensorType, bias: TensorType | None) -> None:
    """Refuse tensors of several types, and a bias that is no list of numbers."""
    for other in (weight, bias):
        if other is not None and other.dtype != x.dtype:
            refuse(f"`{name}` reads one type, not `{x.dtype}` with `{other.dtype}`")
    if bias is not None and bias.rank != 1:
        refuse(f"a bias has one dimension, but is {bias}")


def _check_weight(
    name: str, n: int, x: TensorType, weight: TensorType, bias: TensorType | None
) -> None:
    check_rank(name, x, n + 2, n + 1)
    if weight.rank != n + 2:
        refuse(f"a weight of `{name}` has {n + 2} dimensions, but is {weight}")
    _check_types(name, x, weight, bias)


def _channels(is_transposed: bool, a: Args, weight: TensorType) -> tuple[Size, Size]:
    """The channels that a weight reads, and those that it gives."""
    first, others = weight.shape[0], weight.shape[1] * a.groups
    return (first, others) if is_transposed else (others, first)


def _applied(
    rule: Any, n: int, is_transposed: bool, a: Args, x: TensorType, weight: TensorType
) -> TensorType:
    """What the module's rule gives for the sizes of this weight."""
    _, out = _channels(is_transposed, a, weight)
    known: dict[str, Any] = {"in_channels": x.shape[channels(n, x)], "out_channels": out}
    known |= {"kernel_size": weight.shape[2:], "padding_mode": "zeros", "output_size": None}
    try:
        y: TensorType = rule(n, Args(**vars(a), **known), x)
    except Refusal as refusal:
        if refusal.argument in known:  # it is the weight that says so
            refusal.argument, refusal.help = None, None
        raise
    apart = x.batch is None or (x.batch == 0 and x.rank == n + 2)
    lost = x.lost or not apart or weight.lost or weight.batch is not None
    return TensorType(y.shape, y.dtype, None if lost else x.batch, lost)


Pairs = Iterator[tuple[str, Size, Size]]


def _met(
    n: int,
    is_transposed: bool,
    a: Args,
    x: TensorType,
    weight: TensorType,
    bias: TensorType | None = None,
) -> Pairs:
    """The sizes that must be equal, and what they are."""
    read, given = _channels(is_transposed, a, weight)
    yield "channels", x.shape[channels(n, x)], read
    if bias is not None:
        yield "bias", given, bias.shape[0]


def _met_linear(
    a: Args, x: TensorType, weight: TensorType, bias: TensorType | None = None
) -> Pairs:
    yield "features", x.shape[-1], weight.shape[-1]
    if bias is not None:
        yield "bias", weight.shape[0], bias.shape[0]


def _check_pairs(pairs: Pairs, x: TensorType, weight: TensorType, bias: TensorType | None) -> None:
    for what, own, other in pairs:
        if int(own) != int(other) and what == "bias":
            refuse(f"a weight {weight} gives {shown(own)} sums, but the bias is {bias}")
        if int(own) != int(other):
            refuse(f"a weight {weight} reads {shown(other)} {what}, but {x} has {shown(own)}")


def meetings(pairs: Any, *read: Any, **named: TensorType) -> list[Meeting]:
    """The sizes that are equal here, and may not be so for other arguments."""
    found = pairs(*read, **named)
    return [Meeting(own, other) for _, own, other in found if not same(own, other)]


def _conv_macs(
    is_transposed: bool, a: Args, xs: Sequence[TensorType], ys: Sequence[TensorType]
) -> int:
    """The multiply-adds: one kernel for each element of the output (transposed: of the input)."""
    places = (xs if is_transposed else ys)[0].numel
    return places * math.prod(map(int, xs[1].shape[1:]))


def _linear_macs(a: Args, xs: Sequence[TensorType], ys: Sequence[TensorType]) -> int:
    """The multiply-adds: one for each output element and input feature."""
    return int(ys[0].numel * xs[0].shape[-1])


_GROUPS = Arg("groups", INT, 1, doc="Number of groups")
_READING: dict[str, Any] = {
    "dtypes": INEXACT,
    "tensors": ("input", "weight"),
    "optional_tensors": ("bias",),
}


def _layers(n: int) -> tuple[Layer, Layer]:
    stride = Arg("stride", loosely(INT, n), 1, doc="Stride")
    dilation = Arg("dilation", loosely(INT, n), 1, doc="Dilation")
    padding = Arg("padding", either(loosely(INT, n), choice("same", "valid")), 0, doc="Padding")
    plain = operation(
        f"FunctionalConv{n}d",
        partial(convolution, n),
        stride,
        padding,
        dilation,
        _GROUPS,
        function=f"F.conv{n}d",
        stem=f"conv{n}d",
        macs=partial(_conv_macs, False),
        meets=partial(meetings, partial(_met, n, False)),
        saves=saves_inputs,
        **_READING,
    )
    other = operation(
        f"FunctionalConvTranspose{n}d",
        partial(transposed, n),
        stride,
        Arg("padding", loosely(INT, n), 0, doc="Padding"),
        Arg("output_padding", loosely(INT, n), 0),
        _GROUPS,
        dilation,
        function=f"F.conv_transpose{n}d",
        stem=f"conv_transpose{n}d",
        macs=partial(_conv_macs, True),
        meets=partial(meetings, partial(_met, n, True)),
        saves=saves_inputs,
        **_READING,
    )
    return plain, other


LAYERS = (
    operation(
        "FunctionalLinear",
        linear,
        function="F.linear",
        stem="linear",
        macs=_linear_macs,
        meets=partial(meetings, _met_linear),
        saves=saves_factors,
        **_READING,
    ),
    *(layer for n in (1, 2, 3) for layer in _layers(n)),
)
