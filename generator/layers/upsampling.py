"""Upsampling by repetition or interpolation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from ..symbolic.sizes import scaled
from .base import COMPLEX, FLOATS, INEXACT, Arg, Args, Layer, refuse
from .kinds import BOOL, FLOAT, INT, Kind, choice, either, items, loosely, optional
from .saved import Saved, saves_averages, saves_nothing
from .tensor import TensorType
from .windows import check_average, check_output

RANKS = {
    "nearest": (3, 4, 5),
    "nearest-exact": (3, 4, 5),
    "area": (3, 4, 5),
    "linear": (3,),
    "bilinear": (4,),
    "bicubic": (4,),
    "trilinear": (5,),
}
BYTES = ("nearest", "nearest-exact", "bilinear", "bicubic")  # the modes that read uint8


def interpolate(a: Args, x: TensorType) -> TensorType:
    """Shape of `torch.nn.functional.interpolate`: the given size, or ``floor(size * scale)``."""
    if x.rank not in RANKS[a.mode]:
        ranks = " or ".join(map(str, RANKS[a.mode]))
        refuse(f"`mode: {a.mode}` reads {ranks} dimensions, but {x} has {x.rank}", "mode")
    if (x.dtype == "uint8" and a.mode not in BYTES) or (x.dtype in COMPLEX and a.mode != "area"):
        refuse(f"`mode: {a.mode}` can't read `{x.dtype}`", "mode")
    if a.align_corners is not None and a.mode in ("nearest", "nearest-exact", "area"):
        refuse(f"`align_corners` means nothing to `mode: {a.mode}`", "align_corners")
    if (a.size is None) == (a.scale_factor is None):
        refuse("give either `size` or `scale_factor`", "size")
    if a.recompute_scale_factor and a.size is not None:
        refuse("`recompute_scale_factor` goes with `scale_factor` only", "recompute_scale_factor")
    n = x.rank - 2
    given = a.scale_factor if a.size is None else a.size
    name = "scale_factor" if a.size is None else "size"
    if isinstance(given, tuple) and len(given) != n:
        refuse(f"`{name}` has {len(given)} numbers, but {x} has {n} sizes to change", name)
    values = given if isinstance(given, tuple) else (given,) * n
    if a.size is None:
        values = tuple(scaled(x.shape[2 + i], values[i]) for i in range(n))
    check_output(values, x)
    check_average("`mode: area`", values, x)
    return x.with_shape((*x.shape[:2], *values))


def interpolate_saves(a: Args, xs: Sequence[TensorType], ys: Sequence[TensorType]) -> Saved:
    """`area` keeps what an adaptive average pool does, the other modes nothing."""
    return saves_averages(xs[0].rank - 2)(a, xs, ys) if a.mode == "area" else Saved()


def _fixed(mode: str, align_corners: bool | None) -> Any:
    """The rule of a type whose mode is fixed."""

    def rule(a: Args, x: TensorType) -> TensorType:
        """Shape of `torch.nn.Upsample`: the given size, or ``floor(size * scale)``."""
        own = {"mode": mode, "align_corners": align_corners, "recompute_scale_factor": None}
        return interpolate(Args(**vars(a), **own), x)

    return rule


FACTORS = replace(either(FLOAT, items(FLOAT)), structural=True, index=True)


def _args(size: Kind, scale: Kind) -> tuple[Arg, ...]:
    return (
        Arg("size", optional(size), None),
        Arg("scale_factor", optional(scale), None),
    )


LAYERS = (
    Layer(
        name="Upsample",
        stem="upsample",
        saves=interpolate_saves,
        rule=interpolate,
        brief="[{size}][x{scale_factor}][, {mode}]",
        args=(
            *_args(either(INT, items(INT)), FACTORS),
            Arg("mode", choice(*RANKS), "nearest"),
            Arg("align_corners", optional(BOOL), None),
            Arg("recompute_scale_factor", optional(BOOL), None),
        ),
        dtypes=INEXACT | {"uint8"},
        functional="F.interpolate",
    ),
    Layer(
        name="UpsamplingBilinear2d",
        stem="upsample",
        saves=saves_nothing,
        rule=_fixed("bilinear", True),
        brief="[{size}][x{scale_factor}]",
        args=_args(loosely(INT, 2), replace(loosely(FLOAT, 2), structural=True, index=True)),
        dtypes=FLOATS | {"uint8"},
    ),
    Layer(
        name="UpsamplingNearest2d",
        stem="upsample",
        saves=saves_nothing,
        rule=_fixed("nearest", None),
        brief="[{size}][x{scale_factor}]",
        args=_args(loosely(INT, 2), replace(loosely(FLOAT, 2), structural=True, index=True)),
        dtypes=FLOATS | {"uint8"},
    ),
)
