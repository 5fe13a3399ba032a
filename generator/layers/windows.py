"""The arithmetic of sliding windows, shared by convolutions, pools and folds.

Sizes are counted in elements along one dimension. The formulas are those under "Shape" in the
documentation of `torch.nn.Conv2d`, `torch.nn.ConvTranspose2d` and `torch.nn.MaxPool2d`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..sizes import Size, shown, smallest
from .base import TensorType, refuse


def per_dimension(value: Any, n: int) -> tuple[Any, ...]:
    """One value for each of `n` dimensions."""
    return value if isinstance(value, tuple) else (value,) * n


def window_size(
    size: Size,
    kernel: Size,
    stride: Size,
    padding: Size,
    dilation: Size,
    *,
    ceil: bool = False,
    most_padding: Size | None = None,
) -> Size:
    """How often a window fits: ``(size + padding - dilation*(kernel-1) - 1) // stride + 1``.

    `padding` is the sum of both sides. With `ceil` a last, incomplete window counts if it starts
    inside the input or its left padding (torch's `pooling_output_shape`). `most_padding` is what
    a side may be padded with, where there is a limit.
    """
    span = dilation * (kernel - 1) + 1
    room = size + padding - span
    if not ceil and room >= 0:
        return room // stride + 1
    if ceil:
        result = (room + stride - 1) // stride + 1
        begun = (size + padding // 2 - 1) // stride + 1
        result = smallest(result, begun)
        if result >= 1:
            return result
    wide = shown(kernel) if dilation == 1 else f"{shown(kernel)} (dilated: {shown(span)})"
    padded = f" + {shown(padding)} of padding" if padding else ""
    return refuse(
        f"a kernel of {wide} is larger than the input of {shown(size)}{padded}",
        "kernel_size",
        help=what_fits(size, kernel, padding, dilation, most_padding),
        note=_arithmetic(size, kernel, stride, padding, dilation),
    )


def _arithmetic(size: Size, kernel: Size, stride: Size, padding: Size, dilation: Size) -> str:
    """The formula with its numbers."""
    both = int(padding)
    padded = f"{both}" if both % 2 else f"2*{both // 2}"
    room = int(size) + both - int(dilation) * (int(kernel) - 1) - 1
    numbers = f"({int(size)} + {padded} - {int(dilation)}*({int(kernel)}-1) - 1)"
    return f"{numbers} // {int(stride)} + 1 = {room // int(stride) + 1}, but 1 is the least"


def what_fits(
    size: Size, kernel: Size, padding: Size, dilation: Size, most_padding: Size | None
) -> str | None:
    """The largest kernel and the smallest padding of each side with which one window fits."""
    largest = (int(size) + int(padding) - 1) // int(dilation) + 1
    if largest < 1:
        return None
    span = int(dilation) * (int(kernel) - 1) + 1
    side = -((int(size) - span) // 2)  # rounded up
    text = f"the largest kernel that fits is {largest}"
    if most_padding is None or side <= most_padding:
        text += f"; this one fits with a padding of {side}"
    return text


def transposed_size(size: Size, kernel: Size, stride: Size, padding: Size, dilation: Size) -> Size:
    """``(size - 1) * stride - 2 * padding + dilation * (kernel - 1) + 1``."""
    return (size - 1) * stride - 2 * padding + dilation * (kernel - 1) + 1


def check_output(spatial: Sequence[Size], x: TensorType) -> None:
    """Refuse an output with nothing in it."""
    if min(spatial) < 1:
        sizes = " x ".join(shown(size) for size in spatial)
        refuse(f"the output would be of size {sizes}: nothing is left of {x}")
