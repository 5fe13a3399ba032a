"""Why a layer changes nothing, with the arguments that it has and for what it reads."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ..symbolic.equality import same
from .base import INEXACT, Args, Layer
from .tensor import TensorType

Rule = Callable[[Args, TensorType, TensorType], str | None]


def rule_of(row: Layer) -> Rule | None:
    """What says, for arguments, input and output, why a layer of the type changes nothing.

    The rule gives ``None`` where it may change something.
    """
    return _RULES.get(row.name) or _RULES.get(re.sub(r"\dd$", "", row.name))


def depends_on_sizes(row: Layer) -> bool:
    """Whether a layer of the type may change something for other sizes."""
    return row.name in ("Crop", "Pad", "Squeeze", "Reshape", "Expand", "Unflatten")


def is_placeholder(row: Layer) -> bool:
    """Whether a layer of the type that changes nothing may keep the numbers of those after it."""
    return "Drop" in row.name


def _numbers(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _same_shape(a: Args, x: TensorType, y: TensorType) -> str | None:
    alike = x.rank == y.rank and [*map(int, x.shape)] == [*map(int, y.shape)]
    return f"{x} stays what it is" if alike else None


def _to_a_tensor(a: Args, x: TensorType, y: TensorType) -> str | None:
    alike = all(map(same, x.shape, y.shape))
    return "its sizes are those of `to` already" if alike else None


def _padded(a: Args, x: TensorType, y: TensorType) -> str | None:
    return _to_a_tensor(a, x, y) if a.pad is None else _all("pad", 0)(a, x, y)


def _squeezed(a: Args, x: TensorType, y: TensorType) -> str | None:
    if x.rank != y.rank:
        return None
    dim = _numbers(a.dim)[0]
    return f"dimension {dim} of {x} is {x.shape[dim]}, not 1"


def _ordered(a: Args, x: TensorType, y: TensorType) -> str | None:
    dims = [dim % x.rank for dim in a.dims]
    return f"{x} stays in its order" if dims == sorted(dims) else None


def _transposed(a: Args, x: TensorType, y: TensorType) -> str | None:
    return f"{a.dim0} and {a.dim1} are one dimension" if (a.dim0 - a.dim1) % x.rank == 0 else None


def _all(argument: str, number: float) -> Rule:
    """A rule for layers that change nothing if all numbers of an argument are `number`."""

    def rule(a: Args, x: TensorType, y: TensorType) -> str | None:
        given = _numbers(getattr(a, argument, None))
        alike = all(isinstance(value, (int, float)) and value == number for value in given)
        return f"its `{argument}` is {number}" if alike else None

    return rule


def _pooled(a: Args, x: TensorType, y: TensorType) -> str | None:
    ones = {*_numbers(a.kernel_size), *_numbers(a.stride or a.kernel_size)} == {1}
    bare = {*_numbers(a.padding)} == {0} and not getattr(a, "return_indices", False)
    return "its windows are single places" if ones and bare else None


def _sliced(a: Args, x: TensorType, y: TensorType) -> str | None:
    return "it goes from 0 to the end" if (a.start, a.end, a.step) == (0, None, 1) else None


def _cast(a: Args, x: TensorType, y: TensorType) -> str | None:
    if a.dtype is None and x.dtype in INEXACT:
        return None  # in a network of another type its weights may give another type than it reads
    return f"{x} is {x.dtype} already"


_RULES: Mapping[str, Rule] = {
    **dict.fromkeys(("Reshape", "Expand", "Flatten", "Unflatten"), _same_shape),
    "Squeeze": _squeezed,
    "Permute": _ordered,
    "Transpose": _transposed,
    "Cast": _cast,
    "Roll": _all("shifts", 0),
    "Crop": _to_a_tensor,
    "Pad": _padded,
    **dict.fromkeys(("ZeroPad", "ConstantPad", "ReflectionPad"), _all("padding", 0)),
    **dict.fromkeys(("ReplicationPad", "CircularPad"), _all("padding", 0)),
    **dict.fromkeys(("Dropout", "AlphaDropout", "FeatureAlphaDropout"), _all("p", 0)),
    "DropPath": _all("p", 0),
    **dict.fromkeys(("Add", "Sub"), _all("other", 0)),
    **dict.fromkeys(("Mul", "Div"), _all("other", 1)),
    "Pow": _all("exponent", 1),
    "Scale": _all("factor", 1),
    **dict.fromkeys(("MaxPool", "AvgPool"), _pooled),
    **dict.fromkeys(("Upsample", "Interpolate"), _all("scale_factor", 1)),
    **dict.fromkeys(("UpsamplingNearest", "UpsamplingBilinear"), _all("scale_factor", 1)),
    "PixelShuffle": _all("upscale_factor", 1),
    "PixelUnshuffle": _all("downscale_factor", 1),
    "ChannelShuffle": _all("groups", 1),
    "Slice": _sliced,
}
