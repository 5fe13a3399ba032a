"""Pools: maximum, average, power average, fractional, adaptive, and unpooling."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

from msgspec.structs import replace

from ..symbolic.sizes import Size, product, scaled, shown
from .base import (
    BOOLEAN,
    FLOATS,
    INEXACT,
    INTS,
    WIDE,
    Arg,
    Args,
    Layer,
    Outputs,
    check_rank,
    refuse,
    refuse_values,
)
from .kinds import BOOL, FLOAT, INT, each, either, floats, items, loosely, optional
from .saved import Saved, saves_averages, saves_positions, saves_second
from .tensor import TensorType
from .windows import (
    check_average,
    check_kernel,
    check_output,
    check_pool,
    per_dimension,
    pool_sizes,
    stride_of,
    transposed_size,
)


def _with_indices(a: Args, n: int, x: TensorType, spatial: Sequence[Size]) -> Outputs:
    """The output and, if `return_indices`, the positions of its elements in the input."""
    output = x.with_shape((*x.shape[:-n], *spatial))
    if not a.return_indices:
        return output
    bound = product(x.shape[-n:])
    return {"output": output, "indices": replace(output, dtype="int64", bound=bound)}


def max_pool(n: int, a: Args, x: TensorType) -> Outputs:
    """Shape of `torch.nn.MaxPool*d` (under "Shape" in its documentation)."""
    check_rank(f"MaxPool{n}d", x, n + 2, n + 1)
    padding, dilation = per_dimension(a.padding, n), per_dimension(a.dilation, n)
    check_pool(n, a, padding, dilation)
    return _with_indices(a, n, x, pool_sizes(n, a, x, padding, dilation))


def avg_pool(n: int, a: Args, x: TensorType) -> TensorType:
    """Shape of `torch.nn.AvgPool*d` (under "Shape" in its documentation)."""
    check_rank(f"AvgPool{n}d", x, n + 2, n + 1)
    if n > 1 and a.divisor_override == 0:
        refuse("`divisor_override` must not be 0", "divisor_override")
    padding, dilation = per_dimension(a.padding, n), (1,) * n
    check_pool(n, a, padding, dilation)
    check_kernel(n, a, x)
    return x.with_shape((*x.shape[:-n], *pool_sizes(n, a, x, padding, dilation)))


def lp_pool(n: int, a: Args, x: TensorType) -> TensorType:
    """Shape of `torch.nn.LPPool*d`: that of an average pool without padding."""
    check_rank(f"LPPool{n}d", x, n + 2, n + 1)
    if a.norm_type == 0:
        refuse("`norm_type` must not be 0", "norm_type")
    check_pool(n, a, (0,) * n, (1,) * n)
    check_kernel(n, a, x)
    dtype = x.dtype if x.dtype in FLOATS else "float32"
    spatial = pool_sizes(n, a, x, (0,) * n, (1,) * n)
    return x.with_shape((*x.shape[:-n], *spatial)).with_dtype(dtype)


def adaptive_pool(n: int, name: str, a: Args, x: TensorType) -> Outputs:
    """Shape of `torch.nn.Adaptive*Pool*d`: the wanted size; null keeps the input's."""
    wanted = per_dimension(a.output_size, n)
    if name == "Max" or n == 1 or {*wanted} != {1}:
        check_rank(f"Adaptive{name}Pool{n}d", x, n + 2, n + 1)
    elif x.rank < n:  # an average over all places allows any number of dimensions before
        refuse(f"`Adaptive{name}Pool{n}d` averages {n} dimensions, but {x} has {x.rank}")
    if any(size is not None and size < 1 for size in wanted):
        refuse("`output_size` must be 1 or more", "output_size")
    pairs = zip(wanted, x.shape[-n:], strict=True)
    spatial = [size if given is None else given for given, size in pairs]
    if name == "Avg":
        check_average(f"`AdaptiveAvgPool{n}d`", spatial, x)
        return x.with_shape((*x.shape[:-n], *spatial))
    return _with_indices(a, n, x, spatial)


def fractional_max_pool(n: int, a: Args, x: TensorType) -> Outputs:
    """Shape of `torch.nn.FractionalMaxPool*d`: the wanted size, or a share of the input's."""
    check_rank(f"FractionalMaxPool{n}d", x, n + 2, n + 1)
    if (a.output_size is None) == (a.output_ratio is None):
        refuse("give either `output_size` or `output_ratio`", "output_size")
    kernels = per_dimension(a.kernel_size, n)
    if min(kernels) < 1:
        refuse("`kernel_size` must be 1 or more", "kernel_size")
    spatial = per_dimension(a.output_size, n)
    if a.output_ratio is not None:
        ratios = per_dimension(a.output_ratio, n)
        if not all(0 < ratio < 1 for ratio in ratios):
            refuse("`output_ratio` must lie between 0 and 1", "output_ratio")
        spatial = tuple(scaled(x.shape[i - n], ratios[i]) for i in range(n))
    check_output(spatial, x)
    for out, kernel, size in zip(spatial, kernels, x.shape[-n:], strict=True):
        if out + kernel - 1 > size - (n == 3):
            refuse(f"{out} windows of {kernel} don't fit into a size of {size}", "kernel_size")
    return _with_indices(a, n, x, spatial)


def max_unpool(n: int, a: Args, x: TensorType, indices: TensorType) -> TensorType:
    """Shape of `torch.nn.MaxUnpool*d` (under "Shape" in its documentation)."""
    check_rank(f"MaxUnpool{n}d", x, n + 2, n + 1)
    kernels, strides, padding = (
        per_dimension(value, n) for value in (a.kernel_size, stride_of(a), a.padding)
    )
    if n == 3 and min(strides) < 1:
        refuse("`stride` must be 1 or more", "stride")
    if indices.dtype != "int64" or [*map(int, indices.shape)] != [*map(int, x.shape)]:
        refuse(f"the indices must be int64 of shape {x}, but are {indices.dtype} of {indices}")
    spatial = tuple(
        transposed_size(x.shape[i - n], kernels[i], strides[i], padding[i], 1) for i in range(n)
    )
    if a.output_size is not None:
        spatial = _wanted(n, a.output_size, spatial, strides)
    check_output(spatial, x)
    room = math.prod(int(size) for size in spatial)
    if indices.bound is not None and indices.bound > room:
        refuse_values(
            f"the pool read {shown(indices.bound)} positions, but the output has only {room}",
            help="give `output_size`, the size that the pool read",
        )
    return x.with_shape((*x.shape[:-n], *spatial))


def _wanted(
    n: int, wanted: Sequence[Size], default: Sequence[Size], strides: Sequence[Size]
) -> tuple[Size, ...]:
    """The spatial sizes in `output_size`; raises `Refusal` if `default` is a stride or more off."""
    if len(wanted) not in (n, n + 2):
        refuse(f"`output_size` has {len(wanted)} numbers, but {n} are needed", "output_size")
    sizes = tuple(wanted[-n:])
    for size, least, step in zip(sizes, default, strides, strict=True):
        if not least - step < size < least + step:
            low, high = least - step + 1, least + step - 1
            refuse(f"`output_size` must lie from {low} to {high}, but is {size}", "output_size")
    return sizes


def _max_args(n: int) -> tuple[Arg, ...]:
    return (
        Arg("kernel_size", loosely(INT, n)),
        Arg("stride", optional(loosely(INT, n)), None),
        Arg("padding", loosely(INT, n), 0),
        Arg("dilation", loosely(INT, n), 1),
        Arg("return_indices", BOOL, False),
        Arg("ceil_mode", BOOL, False),
    )


def _avg_args(n: int) -> tuple[Arg, ...]:
    args = (
        Arg("kernel_size", loosely(INT, n)),
        Arg("stride", optional(loosely(INT, n)), None),
        Arg("padding", loosely(INT, n), 0),
        Arg("ceil_mode", BOOL, False),
        Arg("count_include_pad", BOOL, True, free=True),
    )
    return args if n == 1 else (*args, Arg("divisor_override", optional(INT), None))


def _lp_args(n: int) -> tuple[Arg, ...]:
    return (
        Arg("norm_type", FLOAT),
        Arg("kernel_size", INT if n == 1 else each(INT, n)),
        Arg("stride", optional(each(INT, n)), None),
        Arg("ceil_mode", BOOL, False),
    )


def _unpool_args(n: int) -> tuple[Arg, ...]:
    return (
        Arg("kernel_size", each(INT, n)),
        Arg("stride", optional(each(INT, n)), None),
        Arg("padding", each(INT, n), 0),
    )


def _fractional_args(n: int) -> tuple[Arg, ...]:
    return (
        Arg("kernel_size", each(INT, n), positive=True),
        Arg("output_size", optional(each(INT, n)), None),
        Arg("output_ratio", optional(floats(n)), None),
        Arg("return_indices", BOOL, False),
    )


def _adaptive_size(n: int) -> Arg:
    """The argument `output_size`, in which null keeps the input's size."""
    kind = each(INT, n) if n == 1 else either(INT, items(optional(INT), n))
    return Arg("output_size", kind, positional=True, positive=True)


def _averages(n: int) -> tuple[Layer, ...]:
    averaged = FLOATS | {"int64"} if n < 3 else frozenset({"float32", "float64", "int64"})
    powered = FLOATS if n < 3 else frozenset({"float32", "float64"})
    return (
        Layer(
            name=f"AvgPool{n}d",
            stem="avgpool",
            rule=partial(avg_pool, n),
            brief=f"{{kernel_size:{n}}}[, /{{stride}}]",
            args=_avg_args(n),
            dtypes=averaged,
            functional=f"F.avg_pool{n}d",
        ),
        Layer(
            name=f"LPPool{n}d",
            stem="lppool",
            rule=partial(lp_pool, n),
            brief=f"{{kernel_size:{n}}}[, /{{stride}}], norm {{norm_type}}",
            args=_lp_args(n),
            dtypes=powered | INTS | WIDE | BOOLEAN,
            functional=f"F.lp_pool{n}d",
            saves=_powers_saved,
        ),
        Layer(
            name=f"AdaptiveAvgPool{n}d",
            ends_features=True,
            stem="avgpool",
            rule=partial(adaptive_pool, n, "Avg"),
            brief=f"{{output_size:{n}}}",
            args=(_adaptive_size(n),),
            dtypes=INEXACT,
            functional=f"F.adaptive_avg_pool{n}d",
            saves=saves_averages(n),
        ),
    )


def _powers_saved(a: Args, xs: Sequence[TensorType], ys: Sequence[TensorType]) -> Saved:
    """The input is kept, its powers, and their sums."""
    return Saved((xs[0],), 4 * (xs[0].numel + ys[0].numel))


def _maxima(n: int) -> tuple[Layer, ...]:
    ports = ("output", "indices")
    return (
        Layer(
            name=f"MaxPool{n}d",
            stem="maxpool",
            rule=partial(max_pool, n),
            brief=f"{{kernel_size:{n}}}[, /{{stride}}]",
            args=_max_args(n),
            dtypes=FLOATS if n == 1 else FLOATS | INTS,
            ports=ports,
            functional=f"F.max_pool{n}d",
            saves=saves_positions,
        ),
        Layer(
            name=f"AdaptiveMaxPool{n}d",
            ends_features=True,
            stem="maxpool",
            rule=partial(adaptive_pool, n, "Max"),
            brief=f"{{output_size:{n}}}",
            args=(_adaptive_size(n), Arg("return_indices", BOOL, False)),
            ports=ports,
            functional=f"F.adaptive_max_pool{n}d",
            saves=saves_positions,
        ),
        Layer(
            name=f"MaxUnpool{n}d",
            stem="maxunpool",
            rule=partial(max_unpool, n),
            brief=f"{{kernel_size:{n}}}[, /{{stride}}]",
            args=_unpool_args(n),
            tensors=("input", "indices"),
            saves=saves_second,
            options=(Arg("output_size", optional(items(INT)), None, brackets=True),),
        ),
    )


def _fractional(n: int) -> Layer:
    return Layer(
        name=f"FractionalMaxPool{n}d",
        stem="maxpool",
        rule=partial(fractional_max_pool, n),
        brief=f"{{kernel_size:{n}}}",
        args=_fractional_args(n),
        ports=("output", "indices"),
        saves=saves_positions,
    )


LAYERS = (
    *(layer for n in (1, 2, 3) for layer in (*_averages(n), *_maxima(n))),
    _fractional(2),
    _fractional(3),
)
