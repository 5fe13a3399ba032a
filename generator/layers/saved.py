"""What a layer keeps in training so that its gradient can be computed, beside its weights.

Measured with torch's hooks for saved tensors on a CPU, and held against them by the tests. For
recurrent layers, attention and transformers, whose kernels keep buffers of their own, the rules
are fitted to what was measured.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

from .tensor import TensorType

FLOAT, LONG = 4, 8  # bytes of an element


class Saved(Struct, frozen=True):
    """Tensors among inputs and outputs that are kept alive, and bytes that are made for it.

    Of `crossed` inputs each is kept for the gradients of the others: only if one of them has any.
    """

    tensors: tuple[TensorType, ...] = ()
    more: int = 0
    crossed: bool = False


def never(a: Any) -> bool:
    """The output has memory of its own."""
    return False


def always(a: Any) -> bool:
    """The output is the input's memory, seen in another way."""
    return True


def in_place(a: Any) -> bool:
    """The output is written over the input if the layer is told to."""
    return bool(a.inplace)


Saves = Callable[[Any, Sequence[TensorType], Sequence[TensorType]], Saved]


def saves_nothing(a: Any, inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> Saved:
    """The gradient needs no values: sums, copies, views, padding with a constant."""
    return Saved()


def saves_inputs(a: Any, inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> Saved:
    """What came in: matrix products, convolutions, most activations."""
    return Saved(tuple(inputs))


def saves_factors(a: Any, inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> Saved:
    """The factors of a product."""
    return Saved(tuple(inputs), crossed=True)


def saves_original(a: Any, inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> Saved:
    """What came in, of which torch makes a copy before it is overwritten in place."""
    return saves_copy(a, inputs, outputs) if a.inplace else saves_inputs(a, inputs, outputs)


def saves_output(a: Any, inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> Saved:
    """What came out: ReLU, sigmoid, tanh, softmax."""
    return Saved((outputs[0],))


def saves_both(a: Any, inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> Saved:
    """What came in and what came out."""
    return Saved((*inputs, outputs[0]))


def saves_second(a: Any, inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> Saved:
    """Positions or a condition, and not the values."""
    return Saved((inputs[1],))


def saves_copy(a: Any, inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> Saved:
    """Something of the output's size that is neither input nor output: a mask, a part result."""
    return Saved((), FLOAT * outputs[0].numel)


def saves_input_and_copy(
    a: Any, inputs: Sequence[TensorType], outputs: Sequence[TensorType]
) -> Saved:
    """The input, and a part result of the output's size."""
    return Saved((inputs[0],), FLOAT * outputs[0].numel)


def saves_positions(a: Any, inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> Saved:
    """The input, and the place of each maximum (which is an output itself if asked for)."""
    if len(outputs) > 1:
        return Saved((inputs[0], outputs[1]))
    return Saved((inputs[0],), LONG * outputs[0].numel)


def saves_averages(n: int) -> Saves:
    """Averages to a size of `n` dimensions: the input, but for a mean, which needs no values."""

    def saves(a: Any, inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> Saved:
        whole = all(int(size) == 1 for size in outputs[0].shape[-n:])
        return Saved() if whole else Saved((inputs[0],))

    return saves


def saves_statistics(groups: Callable[[Any, TensorType], int]) -> Saves:
    """The input, and two numbers (mean and deviation) for each group that is normalised."""

    def saves(a: Any, inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> Saved:
        return Saved((inputs[0],), 2 * FLOAT * groups(a, inputs[0]))

    return saves


def saves_mask(leading: Callable[[TensorType], int]) -> Saves:
    """Dropout: a mask of so many leading dimensions; a single zero where all is dropped."""

    def saves(a: Any, inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> Saved:
        x = inputs[0]
        numel = math.prod(map(int, x.shape[: leading(x)])) if a.p < 1 else 1
        return Saved((), FLOAT * numel if a.p else 0)

    return saves


def attention_saves(
    rows: int, reads: int, width: int, weights: int, *, dropout: float, shown: bool = False
) -> int:
    """About the bytes of one attention.

    `rows` are the positions of all queries, `reads` those of keys, `weights` the numbers of
    pairs in all heads: they are kept where dropout falls on them or where they are `shown`.
    """
    kept = 3 if dropout else int(shown)
    return FLOAT * (width * ((4 if dropout or shown else 3) * rows + 2 * reads) + kept * weights)


def feed_forward_saves(rows: int, width: int, hidden: int, dropout: float) -> int:
    """About the bytes of two linear layers with an activation, and of the norms around them."""
    kept = (6 if dropout else 3) * width + (3 if dropout else 1) * hidden
    return FLOAT * rows * kept
