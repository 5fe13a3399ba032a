"""Group, layer, root-mean-square and response normalisation."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ..symbolic.sizes import shape_text
from .base import (
    FLOATS,
    INEXACT,
    MIXED,
    Arg,
    Args,
    Layer,
    Weight,
    check_equal,
    check_rank,
    pointwise,
    refuse,
)
from .kinds import BOOL, FLOAT, INT, either, items, optional
from .saved import Saved, saves_both, saves_input_and_copy, saves_statistics
from .tensor import TensorType


def group_norm(a: Args, x: TensorType) -> TensorType:
    """The input's shape; the channels fall into equal groups of two values or more."""
    if x.rank < 2:
        refuse(f"`GroupNorm` reads 2 dimensions or more, batch included, but {x} has {x.rank}")
    check_equal("`num_channels`", a.num_channels, x.shape[1], "the number of channels")
    if a.num_groups < 1 or a.num_channels % a.num_groups:
        groups, channels = a.num_groups, a.num_channels
        refuse(f"{channels} channels can't be divided into {groups} groups", "num_groups")
    if x.numel == a.num_groups:
        refuse(f"`GroupNorm` needs two values or more per group, but reads {x}")
    if a.affine and x.dtype not in MIXED:
        refuse(f"`GroupNorm` with `affine: true` can't read `{x.dtype}`", "affine")
    return pointwise(a, x)


def layer_norm(name: str, a: Args, x: TensorType) -> TensorType:
    """The input's shape, whose last sizes are `normalized_shape`."""
    wanted = _trailing(a)
    found = x.shape[len(x.shape) - len(wanted) :] if len(wanted) <= x.rank else ()
    if not wanted or [*map(int, wanted)] != [*map(int, found)]:
        refuse(
            f"`normalized_shape` is {shape_text(wanted)}, but {x} ends in other sizes",
            "normalized_shape",
        )
    if name == "LayerNorm" and a.elementwise_affine and x.dtype not in MIXED:
        refuse(f"`{name}` with weights can't read `{x.dtype}`", "elementwise_affine")
    return pointwise(a, x)


def _trailing(a: Args) -> tuple[int, ...]:
    """`normalized_shape` as a tuple."""
    shape = a.normalized_shape
    return tuple(shape) if isinstance(shape, tuple) else (shape,)


def cross_map(a: Args, x: TensorType) -> TensorType:
    """The input's shape: images, normalised over neighbouring channels."""
    check_rank("CrossMapLRN2d", x, 4)
    # torch slides a window of `size` over the channels and stops short of the last one
    if not a.size >= 2:
        refuse("`size` must be 2 or more", "size")
    return pointwise(a, x)


def local_response(a: Args, x: TensorType) -> TensorType:
    """The input's shape, normalised over neighbouring channels."""
    if x.rank < 3:
        refuse(f"`LocalResponseNorm` reads 3 dimensions or more, but {x} has {x.rank}")
    if a.size < 1:
        refuse("`size` must be 1 or more", "size")
    if x.rank > 3 and x.dtype in ("float16", "bfloat16"):
        refuse(f"`LocalResponseNorm` can't read `{x.dtype}` of more than 3 dimensions")
    return x.with_dtype(x.dtype if x.dtype in FLOATS else "float32")


def group_weights(a: Args) -> Sequence[Weight]:
    """A scale and a shift for each channel, if `affine`."""
    if not a.affine:
        return ()
    weight = Weight("weight", (a.num_channels,))
    return (weight, Weight("bias", (a.num_channels,), zeros=True)) if a.bias else (weight,)


def layer_weights(a: Args) -> Sequence[Weight]:
    """A scale and a shift for each normalised element, if `elementwise_affine`."""
    if not a.elementwise_affine:
        return ()
    weight = Weight("weight", _trailing(a))
    bias = Weight("bias", _trailing(a), zeros=True)
    return (weight, bias) if getattr(a, "bias", False) else (weight,)


def _last(a: Args, x: TensorType) -> dict[str, Any]:
    """The last size as `normalized_shape`, or as many of the last sizes as are written."""
    if not x.rank:
        return {}
    # how many sizes are normalised can't be inferred, only which
    written = getattr(a, "normalized_shape", None)
    count = len(written) if isinstance(written, tuple) else 1
    if count < 1 or count > x.rank:
        return {}
    return {"normalized_shape": x.shape[-count:] if isinstance(written, tuple) else x.shape[-1]}


def infer_num_channels(a: Args, x: TensorType) -> dict[str, Any]:
    """The number of channels."""
    return {"num_channels": x.shape[1]} if x.rank > 1 else {}


def _rms_saves(a: Args, xs: Sequence[TensorType], ys: Sequence[TensorType]) -> Saved:
    """The input is kept, a number for each row, and the normalised values if they are scaled."""
    rows = xs[0].numel // math.prod(_trailing(a))
    return Saved((xs[0],), 4 * (rows + (xs[0].numel if a.elementwise_affine else 0)))


def _shape_norm(name: str, *args: Arg, **more: Any) -> Layer:
    """The row of a norm over the last dimensions."""
    return Layer(
        name=name,
        stem="norm",
        rule=partial(layer_norm, name),
        args=(
            Arg(
                "normalized_shape",
                either(INT, items(INT)),
                inferred=True,
                positional=True,
                brackets=True,
            ),
            *args,
        ),
        infer=_last,
        weights=layer_weights,
        **more,
    )


def _response_norm(name: str, rule: Callable[..., TensorType], **more: Any) -> Layer:
    """The row of a norm over neighbouring channels."""
    args = (
        Arg("size", INT, positional=True),
        Arg("alpha", FLOAT, 0.0001, free=True),
        Arg("beta", FLOAT, 0.75, free=True),
        Arg("k", FLOAT, 1.0, free=True),
    )
    return Layer(name=name, stem="norm", rule=rule, brief="{size}", args=args, **more)


AFFINE = Arg("elementwise_affine", BOOL, True, free=True)

LAYERS = (
    _response_norm("CrossMapLRN2d", cross_map, dtypes=INEXACT, saves=saves_both),
    Layer(
        name="GroupNorm",
        stem="norm",
        rule=group_norm,
        brief="{num_groups} groups",
        args=(
            Arg("num_groups", INT, positional=True, doc="Number of groups"),
            Arg("num_channels", INT, inferred=True, positional=True),
            Arg("eps", FLOAT, 1e-05, free=True, doc="Epsilon"),
            Arg("affine", BOOL, True, free=True),
            Arg("bias", BOOL, True, free=True, keyword_only=True),
        ),
        infer=infer_num_channels,
        weights=group_weights,
        saves=saves_statistics(lambda a, x: int(x.shape[0]) * a.num_groups),
    ),
    _shape_norm(
        "LayerNorm",
        Arg("eps", FLOAT, 1e-05, free=True, doc="Epsilon"),
        AFFINE,
        Arg("bias", BOOL, True, free=True),
        saves=saves_statistics(lambda a, x: x.numel // math.prod(_trailing(a))),
    ),
    _response_norm(
        "LocalResponseNorm",
        local_response,
        dtypes=FLOATS | {"int64"},
        saves=saves_input_and_copy,
        functional="F.local_response_norm",
    ),
    _shape_norm(
        "RMSNorm",
        Arg("eps", optional(FLOAT), None, free=True, doc="Epsilon"),
        AFFINE,
        dtypes=INEXACT,
        saves=_rms_saves,
    ),
)
