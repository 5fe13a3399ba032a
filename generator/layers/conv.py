"""Convolutions and transposed convolutions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

from ..symbolic.sizes import Size
from .base import PARAMETERS, Arg, Args, Layer, Weight, check_rank, refuse
from .kinds import BOOL, INT, choice, each, either, items, loosely, optional
from .saved import Saved
from .tensor import TensorType
from .windows import check_output, per_dimension, transposed_size, window_sizes

PADDING_MODES = choice("zeros", "reflect", "replicate", "circular")


def channels(n: int, x: TensorType) -> int:
    """The index of the channels' dimension, which stands before `n` spatial dimensions."""
    return x.rank - n - 1


def infer_channels(name: str, n: int, a: Args, x: TensorType) -> dict[str, Any]:
    """The number of input channels; raises `Refusal` for the wrong rank."""
    check_rank(name, x, n + 2, n + 1)
    return {"in_channels": x.shape[channels(n, x)]}


def _check_groups(a: Args) -> None:
    """Raise `Refusal` unless `groups` divides the channels of input and output."""
    if a.groups < 1:
        refuse(f"`groups` is {a.groups}, but must be 1 or more", "groups")
    if a.groups == 1:
        return
    for name, number in (("in_channels", a.in_channels), ("out_channels", a.out_channels)):
        if number % a.groups:
            refuse(f"`{name}` {number} can't be divided into {a.groups} groups", "groups")


def _check_numbers(
    a: Args, kernel: tuple[Size, ...], stride: tuple[Size, ...], dilation: tuple[Size, ...]
) -> None:
    """Raise `Refusal` for numbers below 1."""
    if a.out_channels < 1:
        refuse(f"`out_channels` is {a.out_channels}, but must be 1 or more", "out_channels")
    if min(kernel + stride + dilation) < 1:
        values = {"kernel_size": kernel, "stride": stride, "dilation": dilation}
        name = next(name for name, value in values.items() if min(value) < 1)
        refuse(f"`{name}` must be 1 or more", name)


def _paddings(n: int, a: Args) -> tuple[Sequence[Size], Sequence[Size]]:
    """The paddings before each spatial dimension, and those of both sides together."""
    if a.padding == "valid":
        return (0,) * n, (0,) * n
    if isinstance(a.padding, int):
        return (a.padding,) * n, (2 * a.padding,) * n
    if a.padding != "same":
        return a.padding, [2 * size for size in a.padding]
    sizes = zip(per_dimension(a.kernel_size, n), per_dimension(a.dilation, n), strict=True)
    both = [dilation * (kernel - 1) for kernel, dilation in sizes]
    return [total // 2 for total in both], both


# modes that copy the padding from the input: how much smaller than the size it must be
_ROOM = {"reflect": 1, "circular": 0}


def _check_padding(
    n: int, a: Args, x: TensorType, before: Sequence[Size], both: Sequence[Size]
) -> None:
    """Raise `Refusal` for a padding that torch can't add to this input."""
    if a.padding == "same" and max(per_dimension(a.stride, n)) > 1:
        refuse("`padding: same` needs a stride of 1", "padding")
    if a.padding_mode == "zeros" and min(before) < 0:
        refuse("`padding` must be 0 or more", "padding")
    room = _ROOM.get(a.padding_mode)
    if room is None:
        return
    for left, total, size in zip(before, both, x.shape[-n:], strict=True):
        most = max(left, total - left)
        if most > size - room:
            refuse(f"`padding_mode: {a.padding_mode}` can't add {most} to a size of {size}")


def conv(n: int, a: Args, x: TensorType) -> TensorType:
    """Shape of `torch.nn.Conv*d` (the formula under "Shape" in its documentation)."""
    kernel, stride = per_dimension(a.kernel_size, n), per_dimension(a.stride, n)
    dilation, sizes = per_dimension(a.dilation, n), x.shape[-n:]
    _check_numbers(a, kernel, stride, dilation)
    _check_groups(a)
    before, both = _paddings(n, a)
    _check_padding(n, a, x, before, both)
    room = _ROOM.get(a.padding_mode)
    limit = None if room is None else lambda kernel: int(min(sizes)) - room
    spatial = window_sizes((sizes, kernel, stride, both, dilation), limit)
    return x.with_shape((*x.shape[: -n - 1], a.out_channels, *spatial))


def conv_transpose(
    n: int, a: Args, x: TensorType, output_size: TensorType | None = None
) -> TensorType:
    """Shape of `torch.nn.ConvTranspose*d` (under "Shape" in its documentation)."""
    kernel, stride, padding, dilation, extra = (
        per_dimension(value, n)
        for value in (a.kernel_size, a.stride, a.padding, a.dilation, a.output_padding)
    )
    _check_numbers(a, kernel, stride, dilation)
    _check_groups(a)
    if a.padding_mode != "zeros":
        refuse("transposed convolutions know only `padding_mode: zeros`", "padding_mode")
    if min(padding) < 0 or min(extra) < 0:
        refuse("`padding` and `output_padding` must be 0 or more", "padding")
    bare = [
        transposed_size(x.shape[i - n], kernel[i], stride[i], padding[i], dilation[i])
        for i in range(n)
    ]
    if a.output_size is not None:
        extra = _extra(n, a.output_size, bare, stride)
    for i in range(n):
        if extra[i] >= max(stride[i], dilation[i]):
            refuse(
                "`output_padding` must be less than the stride or the dilation", "output_padding"
            )
    spatial = tuple(size + more for size, more in zip(bare, extra, strict=True))
    check_output(spatial, x)
    return x.with_shape((*x.shape[: channels(n, x)], a.out_channels, *spatial))


def _extra(
    n: int, wanted: Sequence[Size], bare: Sequence[Size], stride: Sequence[Size]
) -> tuple[Size, ...]:
    """The output padding that gives the wanted size; raises `Refusal` if none does."""
    if len(wanted) not in (n, n + 2):
        refuse(f"`output_size` has {len(wanted)} numbers, but {n} are needed", "output_size")
    extra = tuple(size - least for size, least in zip(wanted[-n:], bare, strict=True))
    for more, step, least in zip(extra, stride, bare, strict=True):
        if not 0 <= more < step:
            refuse(f"`output_size` must lie from {least} to {least + step - 1}", "output_size")
    return extra


def _weights(n: int, transposed: bool, a: Args) -> list[Weight]:
    """The kernels, and a bias if there is one."""
    first, second = a.out_channels, a.in_channels // a.groups
    if transposed:
        first, second = a.in_channels, a.out_channels // a.groups
    weights = [Weight("weight", (first, second, *per_dimension(a.kernel_size, n)))]
    return [*weights, Weight("bias", (a.out_channels,))] if a.bias else weights


def _macs(
    n: int, transposed: bool, a: Args, xs: Sequence[TensorType], ys: Sequence[TensorType]
) -> int:
    """The multiply-adds: one kernel for each element of the output (transposed: of the input)."""
    places = (xs if transposed else ys)[0].numel
    other = a.out_channels if transposed else a.in_channels
    for kernel in per_dimension(a.kernel_size, n):
        places *= kernel
    return int(places * (other // a.groups))


def _conv_args(n: int) -> tuple[Arg, ...]:
    paddings = either(loosely(INT, n), choice("same", "valid"))
    return (
        Arg("in_channels", INT, inferred=True, positional=True),
        Arg("out_channels", INT, positional=True, positive=True, doc="Output channels"),
        Arg("kernel_size", each(INT, n), doc="Kernel size"),
        Arg("stride", loosely(INT, n), 1, doc="Stride"),
        Arg("padding", paddings, 0, doc="Padding"),
        Arg("dilation", loosely(INT, n), 1, doc="Dilation"),
        Arg("groups", INT, 1, doc="Number of groups"),
        Arg("bias", BOOL, True, free=True, doc="Whether there is a bias"),
        Arg("padding_mode", PADDING_MODES, "zeros"),
    )


def _transposed_args(n: int) -> tuple[Arg, ...]:
    return (
        Arg("in_channels", INT, inferred=True, positional=True),
        Arg("out_channels", INT, positional=True, positive=True, doc="Output channels"),
        Arg("kernel_size", each(INT, n), doc="Kernel size"),
        Arg("stride", loosely(INT, n), 1, doc="Stride"),
        Arg("padding", loosely(INT, n), 0, doc="Padding"),
        Arg("output_padding", loosely(INT, n), 0),
        Arg("groups", INT, 1, doc="Number of groups"),
        Arg("bias", BOOL, True, free=True, doc="Whether there is a bias"),
        Arg("dilation", loosely(INT, n), 1, doc="Dilation"),
        Arg("padding_mode", PADDING_MODES, "zeros"),
    )


_MORE = "[, dilation {dilation}][, groups {groups}]"


def _layers(n: int) -> tuple[Layer, Layer]:
    plain = Layer(
        name=f"Conv{n}d",
        stem="conv",
        rule=partial(conv, n),
        brief=f"{{kernel_size:{n}}}, {{out_channels}}[, /{{stride}}]{_MORE}",
        args=_conv_args(n),
        dtypes=PARAMETERS,
        infer=partial(infer_channels, f"Conv{n}d", n),
        weights=partial(_weights, n, False),
        macs=partial(_macs, n, False),
        saves=partial(_saved, n),
    )
    transposed = Layer(
        name=f"ConvTranspose{n}d",
        stem="deconv",
        rule=partial(conv_transpose, n),
        brief=f"{{kernel_size:{n}}}, {{out_channels}}[, stride {{stride}}]{_MORE}",
        args=_transposed_args(n),
        dtypes=PARAMETERS,
        infer=partial(infer_channels, f"ConvTranspose{n}d", n),
        weights=partial(_weights, n, True),
        macs=partial(_macs, n, True),
        options=(Arg("output_size", optional(items(INT)), None, brackets=True),),
    )
    return plain, transposed


def _saved(n: int, a: Args, xs: Sequence[TensorType], ys: Sequence[TensorType]) -> Saved:
    """The input is kept, or a copy with the padding that the kernel of torch can't add itself."""
    x, (before, both) = xs[0], _paddings(n, a)
    added = both
    if a.padding_mode == "zeros":
        added = [abs(total - 2 * left) for left, total in zip(before, both, strict=True)]
    sizes = [size + more for size, more in zip(x.shape[-n:], added, strict=True)]
    copy = 4 * math.prod(map(int, (*x.shape[:-n], *sizes)))
    mirrored = a.padding_mode in ("reflect", "replicate")  # their gradients need the input, too
    if not any(added) and not mirrored:
        return Saved((x,))
    return Saved((x,) if mirrored else (), copy)


LAYERS = tuple(layer for n in (1, 2, 3) for layer in _layers(n))
