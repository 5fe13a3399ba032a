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
    size: Size, kernel: Size, stride: Size, padding: Size, dilation: Size, *, ceil: bool = False
) -> Size:
    """How often a window fits: ``(size + padding - dilation*(kernel-1) - 1) // stride + 1``.

    `padding` is the sum of both sides. With `ceil` a last, incomplete window counts if it starts
    inside the input or its left padding (torch's `pooling_output_shape`).
    """
    span = dilation * (kernel - 1) + 1
    room = size + padding - span
    if not ceil:
        if room < 0:
            refuse(_does_not_fit(size, kernel, padding, dilation, span), "kernel_size")
        return room // stride + 1
    result = (room + stride - 1) // stride + 1
    begun = (size + padding // 2 - 1) // stride + 1
    result = smallest(result, begun)
    if result < 1:
        refuse(_does_not_fit(size, kernel, padding, dilation, span), "kernel_size")
    return result


def _does_not_fit(size: Size, kernel: Size, padding: Size, dilation: Size, span: Size) -> str:
    wide = shown(kernel) if dilation == 1 else f"{shown(kernel)} (dilated: {shown(span)})"
    padded = f" + {shown(padding)} of padding" if padding else ""
    return f"a kernel of {wide} is larger than the input of {shown(size)}{padded}"


def transposed_size(size: Size, kernel: Size, stride: Size, padding: Size, dilation: Size) -> Size:
    """``(size - 1) * stride - 2 * padding + dilation * (kernel - 1) + 1``."""
    return (size - 1) * stride - 2 * padding + dilation * (kernel - 1) + 1


def check_output(spatial: Sequence[Size], x: TensorType) -> None:
    """Refuse an output with nothing in it."""
    if min(spatial) < 1:
        sizes = " x ".join(shown(size) for size in spatial)
        refuse(f"the output would be of size {sizes}: nothing is left of {x}")
