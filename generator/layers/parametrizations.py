"""Weights that are computed from others, by the functions of `torch.nn.utils.parametrizations`.

A layer of which a weight is parametrized is a row of its own: its rule is the same, its weights are
those that torch then has.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache, partial

from msgspec import Struct
from msgspec.structs import replace

from ..diagnostics.diagnostics import printable
from ..symbolic.hints import closest
from .base import Arg, Args, Layer, Parametrization, Weight, arguments, pointwise, refuse
from .kin import TRANSPOSED
from .kinds import BOOL, FLOAT, INT, choice, optional
from .saved import FLOAT as WIDTH
from .saved import Saved
from .tensor import TensorType

MOST_TOLD = 4  # names in a message
SPARSE = "sparse"  # the argument of a layer that says which gradients its weight gets
DENSE = ("weight_norm", "orthogonal")  # they take no sparse ones


class _Way(Struct, frozen=True):
    """One of the functions: what it takes as a row, what it refuses, keeps and saves.

    `parts` gives the parameters and buffers from which the weight of a shape is computed, `more`
    the bytes that autograd keeps of that.
    """

    row: Layer
    check: Callable[[Args, Weight], None]
    parts: Callable[[Args, tuple[int, ...]], Sequence[Weight]]
    more: Callable[[tuple[int, ...]], int]


def _function(name: str, *args: Arg) -> Layer:
    """A function's row, by which its arguments are read."""
    return Layer(name=name, stem=name, rule=pointwise, args=args)


# weight norm


def _check_weight_norm(a: Args, weight: Weight) -> None:
    if a.dim is not None and not 0 <= a.dim < len(weight.shape):
        _refuse_dim(a, weight, "null is the norm of the whole")
    if weight.zeros:
        refuse(f"`{weight.name}` begins with zeros: `weight_norm` would divide by their norm")


def _norm_shape(a: Args, shape: tuple[int, ...]) -> tuple[int, ...]:
    if a.dim is None:
        return ()
    return tuple(size if place == a.dim else 1 for place, size in enumerate(shape))


def _weight_norm(a: Args, shape: tuple[int, ...]) -> Sequence[Weight]:
    """The norms, then the direction."""
    return (Weight("original0", _norm_shape(a, shape)), Weight("original1", shape))


# spectral norm


def _check_spectral_norm(a: Args, weight: Weight) -> None:
    if a.n_power_iterations < 1:
        refuse("`n_power_iterations` must be 1 or more", "n_power_iterations")
    if a.dim is not None and not 0 <= a.dim < len(weight.shape):
        _refuse_dim(a, weight)
    # one row of zeros, as that of an embedding's padding, is no matter here
    if weight.zeros and weight.name.endswith("bias") and len(weight.shape) > 1:
        what = "`spectral_norm` would divide by their largest singular value"
        refuse(f"`{weight.name}` begins with zeros: {what}")


def _spectral_norm(a: Args, shape: tuple[int, ...]) -> Sequence[Weight]:
    """The weight, and the singular vectors that belong to its largest singular value.

    A vector is divided by its length.
    """
    original = Weight("original", shape)
    if len(shape) < 2:
        return (original,)
    others = math.prod([size for place, size in enumerate(shape) if place != a.dim])
    vectors = ("0._u", shape[a.dim]), ("0._v", others)
    return (original, *(Weight(name, (size,), trainable=False) for name, size in vectors))


# orthogonal


def _check_orthogonal(a: Args, weight: Weight) -> None:
    if len(weight.shape) < 2:
        refuse(f"`orthogonal` needs a matrix, but `{weight.name}` has one dimension only")


def _orthogonal(a: Args, shape: tuple[int, ...]) -> Sequence[Weight]:
    """What the rotation is computed from, and the matrix that it starts from."""
    original = Weight("original", shape)
    if not a.use_trivialization:
        return (original,)
    largest = max(shape[-2:])
    return (original, Weight("0.base", (*shape[:-2], largest, largest), trainable=False))


def _refuse_dim(a: Args, weight: Weight, more: str = "") -> None:
    last = len(weight.shape) - 1
    told = f"`dim` is {a.dim}, but `{weight.name}` has dimension 0 only"
    if last:
        told = f"`dim` is {a.dim}, but the dimensions of `{weight.name}` go from 0 to {last}"
    refuse(told, "dim", more or None)


_MAP = optional(choice("matrix_exp", "cayley", "householder"))
_WAYS = {
    way.row.name: way
    for way in (
        _Way(
            _function("weight_norm", Arg("dim", optional(INT), 0)),
            _check_weight_norm,
            _weight_norm,
            lambda shape: WIDTH * (math.prod(shape) + shape[0]),
        ),
        _Way(
            _function(
                "spectral_norm",
                Arg("n_power_iterations", INT, 1),
                Arg("eps", FLOAT, 1e-12),
                Arg("dim", optional(INT), None),
            ),
            _check_spectral_norm,
            _spectral_norm,
            lambda shape: WIDTH * (math.prod(shape) + shape[0] + math.prod(shape[1:]) + 1),
        ),
        _Way(
            _function(
                "orthogonal",
                Arg("orthogonal_map", _MAP, None),
                Arg("use_trivialization", BOOL, True),
            ),
            _check_orthogonal,
            _orthogonal,
            lambda shape: 3 * WIDTH * (math.prod(shape) + math.prod(shape[:-2]) * min(shape[-2:])),
        ),
    )
}
FUNCTIONS = {name: way.row for name, way in _WAYS.items()}
"""The functions by name, each as a row with its arguments."""


@cache
def parametrized(row: Layer, ways: tuple[Parametrization, ...]) -> Layer:
    """The row of a layer of which these weights are computed."""
    return replace(
        row,
        weights=partial(_weights, row, ways),
        saves=partial(_saves, row, ways),
        parametrized=ways,
        bare=row,
    )


def _weights(row: Layer, ways: Sequence[Parametrization], a: Args) -> Sequence[Weight]:
    """The weights in the order of the ``state_dict``: those that are computed stand last."""
    own = {weight.name: weight for weight in row.weights(a)}
    computed = [(way, own.pop(way.weight)) for way in ways if way.weight in own]
    return [
        *own.values(),
        *(
            replace(part, name=f"parametrizations.{way.weight}.{part.name}")
            for way, weight in computed
            for part in _WAYS[way.function].parts(_args(row, way), weight.shape)
        ),
    ]


def _args(row: Layer, way: Parametrization) -> Args:
    """The arguments of the function for a weight of this layer, those by default included."""
    args = {arg.name: arg.default for arg in FUNCTIONS[way.function].args} | dict(way.args)
    if way.function == "spectral_norm" and args["dim"] is None:
        args["dim"] = int(row.name in TRANSPOSED)
    return arguments(args)


def _saves(
    row: Layer,
    ways: Sequence[Parametrization],
    a: Args,
    inputs: Sequence[TensorType],
    outputs: Sequence[TensorType],
) -> Saved:
    """What the layer keeps, the computed weights, and what they are computed with."""
    saved = row.saves(a, inputs, outputs)
    shapes = {weight.name: weight.shape for weight in row.weights(a)}
    more = sum(_WAYS[way.function].more(shapes[way.weight]) for way in ways)
    return replace(saved, more=saved.more + more)


def check_parametrized(row: Layer, a: Args, way: Parametrization) -> None:
    """Raise `Refusal` for a weight that the layer lacks, or that can't be computed in this way.

    The `row` is that of the layer as it is without.
    """
    weights = {weight.name: weight for weight in row.weights(a)}
    own = [w.name for w in weights.values() if w.trainable and "." not in w.name]
    found = weights.get(way.weight)
    if found is None and not own:
        inside = " of its own: they belong to layers inside of it" * any("." in n for n in weights)
        refuse(f"`{row.name}` has no parameters{inside}")
    if found is None:
        told = [f"`{name}`" for name in own]
        told = [*told[:MOST_TOLD], "..."] if len(told) > MOST_TOLD else told
        help = closest(way.weight, own) or f"it has {', '.join(told)}"
        refuse(f"`{row.name}` has no parameter `{printable(way.weight)}`", help=help)
    if "." in way.weight:
        what = f"`{way.weight}` belongs to a layer inside of `{row.name}`"
        refuse(f"{what}: it can't be parametrized")
    if not found.trainable:
        refuse(f"`{way.weight}` is a buffer: only parameters are parametrized")
    if way.function in DENSE and getattr(a, SPARSE, False):
        refuse(f"`{way.function}` takes no sparse gradients", help="leave `sparse` out")
    _WAYS[way.function].check(_args(row, way), found)
