"""Layers that only move elements: flatten, unflatten, fold, unfold, shuffles."""

from __future__ import annotations

import math

from msgspec.structs import replace

from ..symbolic.sizes import Size, exactly, product, shape_text
from .base import (
    ALL,
    BOOLEAN,
    COMPLEX,
    FLOATS,
    INTS,
    Arg,
    Args,
    Layer,
    check_rank,
    dimension,
    refuse,
)
from .kinds import INDEX, INT, each, items
from .saved import always, saves_nothing
from .tensor import TensorType
from .windows import check_output, per_dimension, window_sizes


def flatten(a: Args, x: TensorType) -> TensorType:
    """The dimensions from `start_dim` to `end_dim` become one, the product of their sizes."""
    start, end = dimension(x, a.start_dim, "start_dim"), dimension(x, a.end_dim, "end_dim")
    if not x.rank:
        return replace(x, shape=(1,), batch=None)
    if start > end:
        refuse(f"`start_dim` {a.start_dim} comes after `end_dim` {a.end_dim} in {x}", "start_dim")
    shape = (*x.shape[:start], product(x.shape[start : end + 1]), *x.shape[end + 1 :])
    batch, lost = x.batch, x.lost
    if batch is not None and start <= batch <= end and end > start:
        batch, lost = None, True
    elif batch is not None and batch > end:
        batch -= end - start
    return TensorType(shape, x.dtype, batch, lost)


def unflatten(a: Args, x: TensorType) -> TensorType:
    """The dimension `dim` becomes several; one size may be -1 and is worked out."""
    dim = dimension(x, a.dim)
    sizes, whole = a.unflattened_size, x.shape[dim] if x.rank else 1
    if not sizes or not x.rank:
        refuse("`unflattened_size` must not be empty", "unflattened_size")
    known = math.prod(int(size) for size in sizes if size != -1)
    unknown = [place for place, size in enumerate(sizes) if size == -1]
    if len(unknown) > 1 or any(size < 1 and size != -1 for size in sizes):
        refuse("sizes are 1 or more, and one of them may be -1", "unflattened_size")
    if (int(whole) % known) if unknown else known != whole:
        shown = shape_text(sizes)
        refuse(f"a size of {whole} can't become {shown}", "unflattened_size")
    rest = product(size for size in sizes if size != -1)
    # torch refuses sizes that do not divide, so these divisions are exact
    sizes = tuple(exactly(whole // rest if size == -1 else size) for size in sizes)
    batch, lost = x.batch, x.lost
    if batch == dim and len(sizes) > 1:
        batch, lost = None, True
    elif batch is not None and batch > dim:
        batch += len(sizes) - 1
    return TensorType((*x.shape[:dim], *sizes, *x.shape[dim + 1 :]), x.dtype, batch, lost)


def _blocks(a: Args, sizes: tuple[Size, ...]) -> list[Size]:
    """The number of windows along height and width; raises `Refusal` if none fits."""
    kernel, dilation, padding, stride = (
        per_dimension(value, 2) for value in (a.kernel_size, a.dilation, a.padding, a.stride)
    )
    for name, values in (("kernel_size", kernel), ("dilation", dilation), ("stride", stride)):
        if min(values) < 1:
            refuse(f"`{name}` must be 1 or more", name)
    if min(padding) < 0:
        refuse("`padding` must be 0 or more", "padding")
    both = [2 * side for side in padding]
    return window_sizes((sizes, kernel, stride, both, dilation))


def unfold(a: Args, x: TensorType) -> TensorType:
    """``(N, C, H, W)`` to ``(N, C * kernel, windows)``, as in `torch.nn.Unfold`."""
    check_rank("Unfold", x, 4, 3)
    windows = product(_blocks(a, x.shape[-2:]))
    columns = product((x.shape[-3], *per_dimension(a.kernel_size, 2)))
    return x.with_shape((*x.shape[:-3], columns, windows))


def fold(a: Args, x: TensorType) -> TensorType:
    """``(N, C * kernel, windows)`` to ``(N, C, *output_size)``, as in `torch.nn.Fold`."""
    check_rank("Fold", x, 3, 2)
    kernel = math.prod(per_dimension(a.kernel_size, 2))
    size = per_dimension(a.output_size, 2)
    check_output(size, x)
    windows = math.prod(_blocks(a, size))
    if x.shape[-2] % kernel:
        refuse(f"{x.shape[-2]} rows can't be divided into kernels of {kernel}", "kernel_size")
    if x.shape[-1] != windows:
        refuse(f"an output of {shape_text(size)} has {windows} windows, but {x} holds others")
    return x.with_shape((*x.shape[:-2], x.shape[-2] // kernel, *size))


def channel_shuffle(a: Args, x: TensorType) -> TensorType:
    """The input's shape; the channels fall into equal groups."""
    if x.rank < 3:
        refuse(f"`ChannelShuffle` reads 3 dimensions or more, but {x} has {x.rank}")
    if a.groups < 1 or x.shape[1] % a.groups:
        refuse(f"{x.shape[1]} channels can't be divided into {a.groups} groups", "groups")
    return x.with_shape(x.shape)


def pixel_shuffle(a: Args, x: TensorType) -> TensorType:
    """``(*, C * r**2, H, W)`` to ``(*, C, H * r, W * r)``."""
    r = a.upscale_factor
    if x.rank < 3 or r < 1 or x.shape[-3] % (r * r):
        refuse(f"the channels of {x} can't be divided by {r} * {r}", "upscale_factor")
    *front, channels, height, width = x.shape
    return x.with_shape((*front, channels // (r * r), height * r, width * r))


def pixel_unshuffle(a: Args, x: TensorType) -> TensorType:
    """``(*, C, H * r, W * r)`` to ``(*, C * r**2, H, W)``."""
    r = a.downscale_factor
    if x.rank < 3 or r < 1 or x.shape[-2] % r or x.shape[-1] % r:
        refuse(f"height and width of {x} can't be divided by {r}", "downscale_factor")
    *front, channels, height, width = x.shape
    return x.with_shape((*front, channels * r * r, height // r, width // r))


def _window_args(*first: Arg) -> tuple[Arg, ...]:
    pair = each(INT, 2)
    return (
        *first,
        Arg("kernel_size", pair),
        Arg("dilation", pair, 1),
        Arg("padding", pair, 0),
        Arg("stride", pair, 1),
    )


COLUMNS = FLOATS | BOOLEAN | COMPLEX
MOVED = FLOATS | INTS | BOOLEAN | COMPLEX

LAYERS = (
    Layer(
        name="ChannelShuffle",
        saves=saves_nothing,
        stem="channel_shuffle",
        rule=channel_shuffle,
        brief="{groups} groups",
        args=(Arg("groups", INT, positional=True),),
        dtypes=MOVED,
        functional="F.channel_shuffle",
    ),
    Layer(
        name="Flatten",
        ends_features=True,
        inline=True,
        moves=True,
        in_order=True,
        saves=saves_nothing,
        view=always,
        stem="flatten",
        rule=flatten,
        args=(Arg("start_dim", INDEX, 1, positional=True), Arg("end_dim", INDEX, -1)),
        dtypes=ALL,
        functional="torch.flatten",
        functional_defaults=(("start_dim", 0),),
    ),
    Layer(
        name="Fold",
        saves=saves_nothing,
        stem="fold",
        rule=fold,
        brief="{kernel_size:2}[, /{stride}]",
        args=_window_args(Arg("output_size", each(INT, 2))),
        dtypes=COLUMNS,
        functional="F.fold",
    ),
    Layer(
        name="PixelShuffle",
        saves=saves_nothing,
        stem="pixel_shuffle",
        rule=pixel_shuffle,
        brief="x{upscale_factor}",
        args=(Arg("upscale_factor", INT, positional=True),),
        dtypes=MOVED,
        functional="F.pixel_shuffle",
    ),
    Layer(
        name="PixelUnshuffle",
        saves=saves_nothing,
        stem="pixel_unshuffle",
        rule=pixel_unshuffle,
        brief="/{downscale_factor}",
        args=(Arg("downscale_factor", INT, positional=True),),
        dtypes=MOVED,
        functional="F.pixel_unshuffle",
    ),
    Layer(
        name="Unflatten",
        moves=True,
        in_order=True,
        saves=saves_nothing,
        view=always,
        stem="unflatten",
        rule=unflatten,
        args=(
            Arg("dim", INDEX, positional=True),
            Arg("unflattened_size", items(INT), positional=True),
        ),
        dtypes=ALL,
    ),
    Layer(
        name="Unfold",
        saves=saves_nothing,
        stem="unfold",
        rule=unfold,
        brief="{kernel_size:2}[, /{stride}]",
        args=_window_args(),
        dtypes=COLUMNS,
        functional="F.unfold",
    ),
)
