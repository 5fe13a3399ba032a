"""The arithmetic of sliding windows, shared by convolutions, pools and folds.

Sizes are counted in elements along one dimension. The formulas are those under "Shape" in the
documentation of `torch.nn.Conv2d`, `torch.nn.ConvTranspose2d` and `torch.nn.MaxPool2d`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Any

from msgspec import Struct

from ..symbolic.equality import smallest
from ..symbolic.sizes import Size, shown
from .base import COMPLEX, Args, refuse
from .tensor import TensorType


def per_dimension(value: Any, n: int) -> tuple[Any, ...]:
    """One value for each of `n` dimensions."""
    return value if isinstance(value, tuple) else (value,) * n


def windows(
    size: Size, kernel: Size, stride: Size, padding: Size, dilation: Size, ceil: bool = False
) -> Size:
    """How often a window fits: ``(size + padding - dilation*(kernel-1) - 1) // stride + 1``.

    Where it does not fit at all the number is 0 or less. `padding` is the sum of both sides. With
    `ceil` a last, incomplete window counts if it starts inside the input or its left padding
    (torch's `pooling_output_shape`).
    """
    room = size + padding - dilation * (kernel - 1) - 1
    if not ceil:
        return room // stride + 1 if room >= 0 else -1
    begun = (size + padding // 2 - 1) // stride + 1
    return smallest((room + stride - 1) // stride + 1, begun)


class Axis(Struct, frozen=True):
    """A window along one dimension, for messages on why it does not fit."""

    size: Size
    kernel: Size
    stride: Size
    padding: Size
    dilation: Size
    ceil: bool = False

    def windows(self) -> Size:
        """How often it fits."""
        sizes = (self.size, self.kernel, self.stride, self.padding, self.dilation)
        return windows(*sizes, self.ceil)

    def fits(self, kernel: int, side: int | None = None) -> bool:
        """Whether another kernel would, with another padding of each side."""
        padding = int(self.padding) if side is None else 2 * side
        sizes = (int(self.size), kernel, int(self.stride), padding, int(self.dilation))
        return windows(*sizes, self.ceil) >= 1


Axes = tuple[Sequence[Size], ...]  # sizes, kernels, strides, paddings, dilations: one per dimension
Limit = Callable[[int], int]


def window_sizes(axes: Axes, limit: Limit | None = None, *, ceil: bool = False) -> list[Size]:
    """How often windows fit along each dimension; raises `Refusal` if one does not fit at all.

    `limit` gives the largest padding of a side for a kernel, if there is a limit.
    """
    found = [*map(windows, *axes, repeat(ceil))]
    if min(found) < 1:
        _refuse([Axis(*axis) for axis in zip(*axes, repeat(ceil))], limit)
    return found


def _refuse(axes: Sequence[Axis], limit: Limit | None) -> None:
    for axis in axes:
        if axis.windows() < 1:
            span = axis.dilation * (axis.kernel - 1) + 1
            wide = shown(axis.kernel)
            wide = wide if axis.dilation == 1 else f"{wide} (dilated: {shown(span)})"
            padded = f" + {shown(axis.padding)} of padding" if axis.padding else ""
            refuse(
                f"a kernel of {wide} is larger than the input of {shown(axis.size)}{padded}",
                "kernel_size",
                help=what_fits(axes, axis, limit),
                note=_arithmetic(axis),
            )


def _arithmetic(axis: Axis) -> str:
    """The formula with its numbers."""
    both = int(axis.padding)
    padded = f"{both}" if both % 2 else f"2*{both // 2}"
    size, kernel, dilation = int(axis.size), int(axis.kernel), int(axis.dilation)
    room = size + both - dilation * (kernel - 1) - 1
    numbers = f"({size} + {padded} - {dilation}*({kernel}-1) - 1)"
    if axis.ceil:
        return f"ceil({numbers} / {int(axis.stride)}) + 1 is below 1"
    stride = int(axis.stride)
    return f"{numbers} // {stride} + 1 = {room // stride + 1}, but 1 is the least"


def what_fits(axes: Sequence[Axis], wrong: Axis, limit: Callable[[int], int] | None) -> str | None:
    """The largest kernel, and the smallest padding of each side, with which all windows fit.

    Where the kernel differs from dimension to dimension, those for the one that is `wrong`.
    """
    same = len({int(axis.kernel) for axis in axes}) == 1
    meant = list(axes) if same else [wrong]
    kernel, side = int(wrong.kernel), int(wrong.padding) // 2
    parts = []
    largest = _last(lambda k: all(axis.fits(k) for axis in meant), 1, kernel - 1)
    if largest is not None and (limit is None or side <= limit(largest)):
        where = "" if same else f" in a size of {int(wrong.size)}"
        parts.append(f"the largest kernel that fits{where} is {largest}")
    most = kernel if limit is None else limit(kernel)
    fitting = _last(lambda back: all(a.fits(kernel, most - back) for a in meant), 0, most)
    if fitting is not None:
        parts.append(f"this one fits with a padding of {most - fitting}")
    return "; ".join(parts) or None


def _last(holds: Callable[[int], bool], first: int, last: int) -> int | None:
    """The largest number for which `holds` is true, by bisection; ``None`` if it never is."""
    if first > last or not holds(first):
        return None
    while first < last:
        middle = (first + last + 1) // 2
        first, last = (middle, last) if holds(middle) else (first, middle - 1)
    return first


def transposed_size(size: Size, kernel: Size, stride: Size, padding: Size, dilation: Size) -> Size:
    """``(size - 1) * stride - 2 * padding + dilation * (kernel - 1) + 1``."""
    return (size - 1) * stride - 2 * padding + dilation * (kernel - 1) + 1


def check_output(spatial: Sequence[Size], x: TensorType) -> None:
    """Raise `Refusal` for an output without elements."""
    if min(spatial) < 1:
        sizes = " x ".join(shown(size) for size in spatial)
        refuse(f"the output would be of size {sizes}: nothing is left of {x}")


def check_average(name: str, spatial: Sequence[Size], x: TensorType) -> None:
    """Raise `Refusal` for averages of complex numbers over less than all places."""
    if x.dtype in COMPLEX and any(size != 1 for size in spatial):
        refuse(f"{name} reads `{x.dtype}` only where the output is of size 1")


# the windows of pools


def check_pool(n: int, a: Args, padding: Any, dilation: Any) -> None:
    """Raise `Refusal` for windows that torch refuses; padding may be half a window at most."""
    kernels, strides = per_dimension(a.kernel_size, n), per_dimension(stride_of(a), n)
    for name, sizes in (("kernel_size", kernels), ("stride", strides), ("dilation", dilation)):
        if min(sizes) < 1:
            refuse(f"`{name}` must be 1 or more", name)
    for pad, kernel in zip(padding, kernels, strict=True):
        most = kernel // 2
        if not 0 <= pad <= most:
            refuse(f"`padding` is {pad}, but must lie from 0 to half a window: {most}", "padding")


def check_kernel(n: int, a: Args, x: TensorType) -> None:
    """Raise `Refusal` for a 3-d kernel larger than the unpadded input, as torch's averages do."""
    for kernel, size in zip(per_dimension(a.kernel_size, n), x.shape[-n:], strict=True):
        if n == 3 and kernel > size:
            message = f"a kernel of {kernel} is larger than the input of {size}"
            help = f"the largest kernel that fits is {min(map(int, x.shape[-n:]))}"
            refuse(message, "kernel_size", help)


def stride_of(a: Args) -> Any:
    """The stride; without one it is the kernel's size, so windows lie side by side."""
    return a.kernel_size if a.stride is None else a.stride


def pool_sizes(
    n: int, a: Args, x: TensorType, padding: Sequence[Size], dilation: Sequence[Size]
) -> tuple[Size, ...]:
    """The number of windows in each dimension."""
    kernels, strides = per_dimension(a.kernel_size, n), per_dimension(stride_of(a), n)
    both = [2 * side for side in padding]
    axes = (x.shape[-n:], kernels, strides, both, dilation)
    pads = "padding" in vars(a)  # power pools know none
    limit = (lambda kernel: kernel // 2) if pads else (lambda kernel: 0)
    return tuple(window_sizes(axes, limit, ceil=a.ceil_mode))
