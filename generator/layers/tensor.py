"""The type of a tensor, as rules see it: its shape, element type and batch dimension."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import cached_property

from msgspec import Struct

from ..symbolic.sizes import Size, shape_text, shown_shape


class TensorType(Struct, frozen=True, dict=True):
    """The shape (the batch included), element type and place of the batch of a tensor.

    `batch` is the dimension that holds the batch, ``None`` where there is none or its place
    cannot be known (then `lost` is true). `bound` is set for tensors of positions: all values
    are below it.
    """

    shape: tuple[Size, ...]
    dtype: str = "float32"
    batch: int | None = 0
    lost: bool = False
    bound: Size | None = None

    @cached_property
    def text(self) -> str:
        """The shape in brackets, with the expressions of its sizes."""
        return shape_text(self.shape)

    @cached_property
    def usual(self) -> str:
        """The shape's text for tables and comments, for the case that every loop has copies."""
        if " if " not in self.text:
            return self.text
        from ..symbolic.provenance import usual  # few sizes depend on conditions

        return usual(self.shape)

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def numel(self) -> int:
        """The number of elements, as a plain number."""
        return math.prod(map(int, self.shape))

    @property
    def sample_numel(self) -> int:
        """The number of elements that belong to one sample."""
        sizes = enumerate(self.shape)
        return math.prod(int(size) for place, size in sizes if place != self.batch)

    def with_shape(self, shape: Sequence[Size]) -> TensorType:
        """The same type in another shape of the same rank, the batch in the same place."""
        return TensorType(tuple(shape), self.dtype, self.batch, self.lost)

    def with_dtype(self, dtype: str) -> TensorType:
        return TensorType(self.shape, dtype, self.batch, self.lost)

    def __str__(self) -> str:
        return shown_shape(self.shape)


class Copies(TensorType, frozen=True, kw_only=True):
    """The type of each tensor in a list of `count`; the number may be an expression."""

    count: Size


def number_of(tensors: Iterable[TensorType]) -> Size:
    """How many tensors there are, those in lists counted."""
    found: Size = 0
    for x in tensors:
        found = found + (x.count if isinstance(x, Copies) else 1)
    return found
