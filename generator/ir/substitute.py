"""Substitution: the names in an expression replaced by given values."""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping, Sequence
from functools import reduce
from operator import add, mul
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ..layers.base import Init, Nested
from ..layers.tensor import TensorType
from ..symbolic.algebra import Atom, Poly, Symbols
from ..symbolic.budget import Budget
from ..symbolic.buffers import Table
from ..symbolic.expressions import evaluate_again
from ..symbolic.provenance import written
from ..symbolic.sizes import Coded, Dim, Size, product, symbols_in, tree_of
from ..symbolic.syntax import fail
from ..symbolic.tree import put


class _Values(Struct, frozen=True):
    """The names that an expression may read: a mapping of values."""

    values: Mapping[str, Any]

    def value(self, name: str) -> Any:
        return self.values[name]

    def shape(self, reference: str) -> Sequence[Any]:
        raise AssertionError("the code of a value holds no references")

    def fix_names(self, symbols: Symbols, why: str) -> None:
        """Do nothing: what had to be fixed was fixed when the value was first evaluated."""


def rebind(value: Any, values: Mapping[str, Any]) -> Any:
    """The value with each of its names replaced by its value in `values`.

    A size that is a product stays a product of factors. What is written in the spec stays as it is
    where names are replaced by names.
    """
    if not symbols_in(value):
        return value
    if isinstance(value, Dim):
        found = [_factor_of(value, factor, values) for factor in value.factors]
        return product(found) if len(found) > 1 else found[0]
    if isinstance(value, Nested):
        return Nested(value.row, {name: rebind(arg, values) for name, arg in value.args.items()})
    if isinstance(value, Init):
        return Init(value.function, tuple((name, rebind(arg, values)) for name, arg in value.args))
    if isinstance(value, Table):
        shape = tuple(rebind(size, values) for size in value.shape)
        return replace(value, shape=shape, symbols=Symbols())
    if isinstance(value, tuple):
        return tuple(rebind(item, values) for item in value)
    if isinstance(value, list):
        return [rebind(item, values) for item in value]
    assert isinstance(value, Coded)
    return evaluate_again(value.tree(), _Values(values))


def _factor_of(size: Dim, factor: Poly, values: Mapping[str, Any]) -> Any:
    """A factor of a size with its names replaced; sums of whole numbers need no evaluator."""
    if not all(type(values[symbol.name]) in (int, Dim) for symbol in size.symbols):
        return evaluate_again(factor.tree(), _Values(values))
    try:
        found = Budget().bounded(_sum(factor, values))
    except ZeroDivisionError:
        fail("division by zero")
    if factor.written is None:
        return found
    trees = {symbol.name: tree_of(values[symbol.name]) for symbol in factor.symbols}
    names = {tree.id for tree in trees.values() if isinstance(tree, ast.Name)}
    renames = len(names) == len(trees)  # each to another name, so that none cancels out
    return written(found, put(factor.written, trees)) if renames else found


def rebind_type(type_: TensorType, values: Mapping[str, Any]) -> TensorType:
    """The type with the names in its sizes and its bound replaced."""
    shape = tuple(rebind(size, values) for size in type_.shape)
    bound = rebind(type_.bound, values)
    return TensorType(shape, type_.dtype, type_.batch, type_.lost, bound)


def number_of(size: Size, values: Mapping[str, Any]) -> int:
    """The plain number that a size evaluates to with these values of its names."""
    if not isinstance(size, Dim):
        return size
    if size.code in values:  # it is a single name
        return int(values[size.code])
    return math.prod([_number(factor, values) for factor in size.factors])


def _number(poly: Poly, values: Mapping[str, Any]) -> int:
    """The plain number that a sum comes to."""
    total = 0
    for factor, atoms in poly.terms.values():
        for atom in atoms:
            if atom.quotient is not None:
                over, under = atom.quotient
                factor *= _number(over, values) // _number(under, values)
            else:
                factor *= int(_factor(atom, values))
        total += factor
    return total


def _sum(poly: Poly, values: Mapping[str, Any]) -> Size:
    """The sum with its names replaced by whole numbers, which may have expressions of their own."""
    terms: list[Size] = []
    for factor, atoms in poly.terms.values():
        factors = [_factor(atom, values) for atom in atoms]
        if factor != 1 or not factors:
            factors.insert(0, factor)
        terms.append(reduce(mul, factors))
    return reduce(add, terms) if terms else 0


def _factor(atom: Atom, values: Mapping[str, Any]) -> Size:
    if atom.quotient is not None:
        over, under = atom.quotient
        return _sum(over, values) // _sum(under, values)
    if atom.text in values:
        return values[atom.text]  # type: ignore[no-any-return]
    return evaluate_again(atom.expression.tree, _Values(values))  # type: ignore[no-any-return]
