"""Operations at the ends of dimensions: padding and cropping, to another tensor's sizes, too."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial

from ..symbolic.equality import Meeting, same, smallest
from ..symbolic.sizes import Size, shown
from .base import ALL, INEXACT, INTS, Arg, Args, Layer, dimension, refuse, refuse_alone
from .kinds import INDEX, INT, NUMBER, choice, items, optional
from .saved import always
from .splits import operation, with_size
from .tensor import TensorType


def pad(a: Args, x: TensorType, to: TensorType | None = None) -> TensorType:
    """Sizes grow by the padding of their two sides, last dimension first, as in `F.pad`.

    With `to`, those in `dims` become the sizes of that tensor: `both` sides grow alike (the end by
    one more where the difference is odd), or the `start` alone.
    """
    if (a.pad is None) == (to is None):
        refuse("`Pad` needs either `pad`, or `to`: a tensor whose sizes it takes")
    if to is None:
        if a.dims is not None:
            refuse("`dims` are those in which `to` gives the sizes, but there is no `to`", "dims")
        if a.side != "both":
            refuse("`side` is where the sizes of `to` are reached, but there is no `to`", "side")
        return _padded(a, x, a.pad)
    sizes = _wanted(a, x, to)
    numbers: list[Size] = [0] * (2 * (x.rank - min(sizes)))
    for dim, size in sizes.items():
        more = size - x.shape[dim]
        if more < 0:
            refuse_alone(
                f"`to` has {shown(size)} in dimension {dim}, less than the {shown(x.shape[dim])} "
                f"of {x}",
                "to",
                "`Crop` takes away: let it read the larger tensor, `to` the smaller one",
            )
        before = more if a.side == "start" else more // 2
        place = 2 * (x.rank - 1 - dim)
        numbers[place : place + 2] = before, more - before
    _padded(a, x, numbers)
    return _with_sizes(x, sizes)


def _padded(a: Args, x: TensorType, numbers: Sequence[Size]) -> TensorType:
    """The type with each dimension's two numbers added to its size."""
    if len(numbers) % 2 or len(numbers) > 2 * x.rank:
        refuse(
            f"`pad` has {len(numbers)} numbers: two for each of the last dimensions of {x}", "pad"
        )
    if a.value is not None and a.mode != "constant":
        refuse(f"`value` means nothing to `mode: {a.mode}`", "value")
    fills = a.value is not None and any(number > 0 for number in numbers)
    if fills and x.dtype in INTS and math.isinf(a.value):
        refuse(f"`value` {a.value} is no `{x.dtype}`", "value")
    shape = list(x.shape)
    for place in range(len(numbers) // 2):
        before, after, at = numbers[2 * place], numbers[2 * place + 1], x.rank - 1 - place
        most = {"reflect": x.shape[at] - 1, "circular": x.shape[at]}.get(a.mode, before + after + 1)
        if a.mode != "constant" and max(before, after) > max(most, 0):
            refuse(f"`mode: {a.mode}` can't add {max(before, after)} to {x.shape[at]}", "pad")
        shape[at] = x.shape[at] + before + after
        if shape[at] < 1:
            refuse(f"nothing is left of a size of {x.shape[at]}", "pad")
    modes = {"constant": ALL, "circular": ALL}.get(a.mode, INEXACT | INTS)
    if x.dtype not in modes:
        refuse(f"`mode: {a.mode}` can't read `{x.dtype}`", "mode")
    if a.mode != "constant" and len(numbers) // 2 not in (x.rank - 1, x.rank - 2):
        refuse(f"`mode: {a.mode}` pads all but the first dimension or two of {x}", "pad")
    return x.with_shape(shape)


def crop(a: Args, x: TensorType, to: TensorType | None = None) -> TensorType:
    """The middle of the input, in `dims` of the sizes of `to`; an odd rest is cut at the end."""
    if to is None:
        refuse("`Crop` needs `to`: a tensor whose sizes it takes")
    sizes = _wanted(a, x, to)
    for dim, size in sizes.items():
        if size > x.shape[dim]:
            refuse_alone(
                f"`to` has {shown(size)} in dimension {dim}, more than the {shown(x.shape[dim])} "
                f"of {x}",
                "to",
                "`Pad` adds: let it read the smaller tensor, `to` the larger one",
            )
    return _with_sizes(x, sizes)


def pairs(a: Args, x: TensorType, to: TensorType) -> dict[int, int]:
    """The dimensions of the input that `dims` names, in order, each with that of `to`."""
    if not a.dims:
        refuse("`to` needs `dims`: those in which the sizes are taken", "dims")
    if not (x.rank and to.rank):
        refuse("a tensor without dimensions has no sizes to take", "dims")
    found = {dimension(x, dim, "dims"): dimension(to, dim, "dims") for dim in a.dims}
    if len(found) < len(a.dims):
        refuse("`dims` names a dimension twice", "dims")
    return dict(sorted(found.items()))


def _wanted(a: Args, x: TensorType, to: TensorType) -> dict[int, Size]:
    """The sizes that dimensions of the input get."""
    return {dim: to.shape[other] for dim, other in pairs(a, x, to).items()}


def _with_sizes(x: TensorType, sizes: dict[int, Size]) -> TensorType:
    for dim, size in sizes.items():
        x = with_size(x, dim, size)
    return x


def _ordered(
    grows: bool, a: Args, x: TensorType, to: TensorType | None = None
) -> Iterator[Meeting]:
    """The meetings of sizes of which one must not be the larger: torch would not refuse it."""
    sizes = {} if to is None else _wanted(a, x, to)
    for dim, size in sizes.items():
        least, low = smallest(x.shape[dim], size), x.shape[dim] if grows else size
        if not same(least, low):
            yield Meeting(least, low, silent=True)


_DIMS = items(INDEX)

LAYERS: Sequence[Layer] = (
    operation(
        "Pad",
        pad,
        Arg("pad", items(INT), positional=True, instead="to"),
        Arg("mode", choice("constant", "reflect", "replicate", "circular"), "constant"),
        Arg("value", optional(NUMBER), None),
        Arg("dims", optional(_DIMS), None, keyword_only=True, code=True),
        Arg("side", choice("both", "start"), "both", keyword_only=True, code=True),
        meets=partial(_ordered, True),
        function="F.pad",
        stem="pad",
        list_argument="pad",
        optional_tensors=("to",),
    ),
    operation(
        "Crop",
        crop,
        Arg("dims", _DIMS, keyword_only=True, code=True),
        meets=partial(_ordered, False),
        view=always,
        function="",
        stem="crop",
        call="crop",
        optional_tensors=("to",),
        moves=True,
    ),
)
