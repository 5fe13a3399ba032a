"""Sampling at places that a grid names."""

from __future__ import annotations

from collections.abc import Sequence

from ..symbolic.sizes import shown
from .base import FLOATS, Arg, Args, Layer, refuse
from .kinds import BOOL, INT, choice, items
from .saved import saves_inputs
from .splits import operation
from .tensor import TensorType

SPATIAL = {4: "(N, C, H, W)", 5: "(N, C, D, H, W)"}


def affine_grid(a: Args, theta: TensorType) -> TensorType:
    """Matrices ``(N, n, n + 1)`` to ``(N, *size[1:], n)``, a place for each of the `n` sizes."""
    n = len(a.size) - 1
    if n not in (2, 3):
        refuse("`size` holds channels and 2 or 3 sizes: the batch is kept", "size")
    for size in a.size:
        if size < 1:
            refuse(f"a size is {shown(size)}, but must be 1 or more", "size")
    if theta.rank != 3 or theta.shape[1] != n or theta.shape[2] != n + 1:
        refuse(f"for {n} sizes matrices are (N, {n}, {n + 1}), but what is read is {theta}")
    if theta.dtype in ("float16", "bfloat16") and 1 in a.size[1:]:
        refuse(f"torch makes no grid of `{theta.dtype}` where a size is 1", "size")
    apart = theta.batch not in (None, 0)
    shape = (theta.shape[0], *a.size[1:], n)
    return TensorType(shape, theta.dtype, None if apart else theta.batch, theta.lost or apart)


def grid_sample(a: Args, x: TensorType, grid: TensorType) -> TensorType:
    """``(N, C, *in)`` at the places in a grid ``(N, *out, n)``: ``(N, C, *out)``."""
    if x.dtype != grid.dtype:
        refuse(f"`GridSample` reads one type, not `{x.dtype}` with `{grid.dtype}`")
    if x.rank not in SPATIAL or grid.rank != x.rank:
        shapes = " or ".join(SPATIAL.values())
        refuse(f"`GridSample` reads {shapes} and a grid of as many dimensions, not {x} and {grid}")
    n = x.rank - 2
    if grid.shape[-1] != n:
        refuse(f"the grid's last size is {shown(grid.shape[-1])}, but a place has {n} numbers")
    if x.shape[0] != grid.shape[0]:
        refuse(f"the input {x} and the grid {grid} differ in the first size")
    if a.mode == "bicubic" and n != 2:
        refuse(f"`mode: bicubic` reads 4 dimensions, but {x} has {x.rank}", "mode")
    batch, lost = _sampled_batch(x, grid)
    return TensorType((*x.shape[:2], *grid.shape[1:-1]), x.dtype, batch, lost)


def _sampled_batch(x: TensorType, grid: TensorType) -> tuple[int | None, bool]:
    """Where the batch of both is in the samples, and whether it is lost."""
    places: set[int | None] = set()
    if x.batch is not None:
        places.add(x.batch if x.batch < 2 else None)
    if grid.batch is not None:
        moved = grid.batch + 1 if grid.batch else 0
        places.add(moved if moved < grid.rank else None)
    lost = x.lost or grid.lost or None in places or len(places) > 1
    return (None if lost or not places else places.pop()), lost


_CORNERS = Arg("align_corners", BOOL, False)
_ALWAYS = (("align_corners", None),)  # torch warns where it is left out

LAYERS: Sequence[Layer] = (
    operation(
        "AffineGrid",
        affine_grid,
        Arg("size", items(INT), positional=True, spread=True),
        _CORNERS,
        dtypes=FLOATS,
        function="F.affine_grid",
        functional_defaults=_ALWAYS,
        stem="affine_grid",
        list_argument="size",
        call="affine_grid",
    ),
    operation(
        "GridSample",
        grid_sample,
        Arg("mode", choice("bilinear", "nearest", "bicubic"), "bilinear"),
        Arg("padding_mode", choice("zeros", "border", "reflection"), "zeros"),
        _CORNERS,
        dtypes=FLOATS,
        function="F.grid_sample",
        functional_defaults=_ALWAYS,
        stem="grid_sample",
        tensors=("input", "grid"),
        saves=saves_inputs,
    ),
)
