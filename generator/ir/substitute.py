"""Values in other terms: the names in an expression replaced by what they stand for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ..layers.base import Nested
from ..layers.tensor import TensorType
from ..symbolic.algebra import Atom, Poly, Symbols
from ..symbolic.budget import Budget
from ..symbolic.buffers import Table
from ..symbolic.expressions import evaluate
from ..symbolic.sizes import Coded, Dim, Size, product, symbols_in


class _Values(Struct, frozen=True):
    """An expression's view of values by name."""

    values: Mapping[str, Any]

    def value(self, name: str) -> Any:
        return self.values[name]

    def shape(self, reference: str) -> Sequence[Any]:
        raise AssertionError("the code of a value holds no references")

    def pin(self, symbols: Symbols, why: str) -> None:
        """Nothing is decided here that was not when the value was worked out."""


def rebind(value: Any, values: Mapping[str, Any]) -> Any:
    """The value with each of its names replaced by what `values` gives for it.

    The products of a size stay visible.
    """
    if not symbols_in(value):
        return value
    if isinstance(value, Nested):
        return Nested(value.row, {name: rebind(arg, values) for name, arg in value.args.items()})
    if isinstance(value, Table):
        shape = tuple(rebind(size, values) for size in value.shape)
        return replace(value, shape=shape, symbols=Symbols())
    if isinstance(value, tuple):
        return tuple(rebind(item, values) for item in value)
    if isinstance(value, list):
        return [rebind(item, values) for item in value]
    names = _Values(values)
    if isinstance(value, Dim) and len(value.factors) > 1:
        return product(
            evaluate(factor.text(), names, Budget(), rebinds=True) for factor in value.factors
        )
    assert isinstance(value, (Dim, Coded))
    return evaluate(value.code, names, Budget(), rebinds=True)


def rebind_type(type_: TensorType, values: Mapping[str, Any]) -> TensorType:
    """The type with the names in its sizes replaced."""
    shape = tuple(rebind(size, values) for size in type_.shape)
    bound = rebind(type_.bound, values)
    return TensorType(shape, type_.dtype, type_.batch, type_.lost, bound)


def number_of(size: Size, values: Mapping[str, Any]) -> int:
    """What a size comes to with these values of its names, as a plain number."""
    if not isinstance(size, Dim):
        return size
    return math.prod(_sum(factor, values) for factor in size.factors)


def _sum(poly: Poly, values: Mapping[str, Any]) -> int:
    return sum(
        factor * math.prod(_factor(atom, values) for atom in atoms)
        for factor, atoms in poly.terms.values()
    )


def _factor(atom: Atom, values: Mapping[str, Any]) -> int:
    if atom.quotient is not None:
        over, under = atom.quotient
        return _sum(over, values) // _sum(under, values)
    if atom.text in values:
        return int(values[atom.text])
    return int(evaluate(atom.text, _Values(values), Budget()))
