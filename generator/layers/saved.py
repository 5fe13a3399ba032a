"""What autograd keeps of a layer's call for its gradient, beside the weights.

Measured with torch's hooks for saved tensors on a CPU; the tests compare the rules with them. For
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
    """Inputs and outputs that are kept alive, and `more` bytes that are allocated for the gradient.

    `more` are of float32, `indices` are further bytes, of whole numbers. With `crossed`, an input
    is only kept if another input needs a gradient.
    """

    tensors: tuple[TensorType, ...] = ()
    more: int = 0
    indices: int = 0
    crossed: bool = False


def never(a: Any, *inputs: TensorType) -> bool:
    """The output has memory of its own."""
    return False


def always(a: Any, *inputs: TensorType) -> bool:
    """The output is a view of the input."""
    return True


def in_place(a: Any, *inputs: TensorType) -> bool:
    """The output overwrites the input if `inplace` is true."""
    return bool(a.inplace)


Saves = Callable[[Any, Sequence[TensorType], Sequence[TensorType]], Saved]


def saves_nothing(a: Any, inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> Saved:
    """The gradient needs no values: sums, copies, views, padding with a constant."""
    return Saved()


def saves_inputs(a: Any, inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> Saved:
    """The inputs are kept: matrix products, convolutions, most activations."""
    return Saved(tuple(inputs))


def saves_factors(a: Any, inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> Saved:
    """The factors of a product are kept, each for the gradients of the others."""
    return Saved(tuple(inputs), crossed=True)


def saves_original(a: Any, inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> Saved:
    """The inputs are kept; with `inplace` torch keeps a copy instead."""
    return saves_copy(a, inputs, outputs) if a.inplace else saves_inputs(a, inputs, outputs)


def saves_output(a: Any, inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> Saved:
    """The output is kept: ReLU, sigmoid, tanh, softmax."""
    return Saved((outputs[0],))


def saves_both(a: Any, inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> Saved:
    """The inputs and the output are kept."""
    return Saved((*inputs, outputs[0]))


def saves_second(a: Any, inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> Saved:
    """The second input is kept: indices or a condition, not the values."""
    return Saved((inputs[1],))


def saves_copy(a: Any, inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> Saved:
    """A new tensor of the output's size is kept: a mask, or an intermediate result."""
    return Saved((), FLOAT * outputs[0].numel)


def saves_input_and_copy(
    a: Any, inputs: Sequence[TensorType], outputs: Sequence[TensorType]
) -> Saved:
    """The input is kept, and an intermediate result of the output's size."""
    return Saved((inputs[0],), FLOAT * outputs[0].numel)


def saves_positions(a: Any, inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> Saved:
    """The input is kept, and the index of each maximum (which may itself be an output)."""
    if len(outputs) > 1:
        return Saved((inputs[0], outputs[1]))
    return Saved((inputs[0],), indices=LONG * outputs[0].numel)


def saves_averages(n: int) -> Saves:
    """Averages over `n` dimensions: the input is kept, but nothing for a mean of all places."""

    def saves(a: Any, inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> Saved:
        whole = all(int(size) == 1 for size in outputs[0].shape[-n:])
        return Saved() if whole else Saved((inputs[0],))

    return saves


def saves_statistics(groups: Callable[[Any, TensorType], int]) -> Saves:
    """The input is kept, and two numbers (mean and deviation) for each normalised group."""

    def saves(a: Any, inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> Saved:
        return Saved((inputs[0],), 2 * FLOAT * groups(a, inputs[0]))

    return saves


def saves_mask(leading: Callable[[TensorType], int]) -> Saves:
    """Dropout: a mask over the `leading` dimensions is kept; a single zero for ``p=1``."""

    def saves(a: Any, inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> Saved:
        x = inputs[0]
        numel = math.prod(map(int, x.shape[: leading(x)])) if a.p < 1 else 1
        return Saved((), FLOAT * numel if a.p else 0)

    return saves


def attention_saves(
    rows: int, reads: int, width: int, weights: int, *, dropout: float, shown: bool = False
) -> int:
    """The approximate bytes kept for one attention.

    `rows` is the number of positions of all queries, `reads` that of all keys, `weights` that of
    attention weights in all heads. The weights are kept if dropout is applied to them, or if they
    are `shown` (returned).
    """
    kept = 3 if dropout else int(shown)
    return FLOAT * (width * ((4 if dropout or shown else 3) * rows + 2 * reads) + kept * weights)


def feed_forward_saves(rows: int, width: int, hidden: int, dropout: float) -> int:
    """The approximate bytes kept for two linear layers, their activation and the norms around."""
    kept = (6 if dropout else 3) * width + (3 if dropout else 1) * hidden
    return FLOAT * rows * kept
