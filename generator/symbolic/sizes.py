"""Sizes: whole numbers that carry the expression that gave them.

A size of a tensor, and any whole-number argument of a layer, is an ``int`` or a `Dim`. A
`Dim` *is* the number it has when the source is generated, so that shape rules read as plain
arithmetic; beside it stands the expression over constructor arguments and run-time sizes
that gave the number, so that generated source can say ``2 * width`` or ``16 * 5 * 5``.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Hashable, Iterable, Mapping
from functools import cached_property
from typing import Any, Union

from msgspec import Struct

from .algebra import (
    Atom,
    Poly,
    Symbol,
    Symbols,
    constant,
    factor_text,
    factor_trees,
    of_atom,
    operand,
    quotient,
    remainder,
)
from .tree import Expression, call, multiplied, of_plain

Size = Union[int, "Dim"]


def poly_of(size: Size) -> Poly:
    """The expression of a size as one sum, with its factors multiplied out."""
    if not isinstance(size, Dim):
        return constant(size)
    result = size.factors[0]
    for factor in size.factors[1:]:
        result = result * factor
    return result


class Dim(int):
    """A whole number with the product of sums (`factors`) that it came from."""

    factors: tuple[Poly, ...]

    @staticmethod
    def make(value: int, factors: tuple[Poly, ...]) -> Dim:
        dim = Dim(value)
        dim.factors = factors
        return dim

    @staticmethod
    def named(name: str, value: int, *, runtime: bool = False, known: bool = False) -> Dim:
        """The size called `name`; it is `value` when the source is generated."""
        symbol = Symbol(name, runtime, known)
        atom = Atom(Expression.leaf(name), Symbols((symbol,)), tight=True)
        return Dim.make(value, (of_atom(atom),))

    @staticmethod
    def opaque(expression: Expression, value: int, symbols: Symbols, *, tight: bool = False) -> Dim:
        """The size that an expression gives; arithmetic treats it as one atom."""
        return Dim.make(value, (of_atom(Atom(expression, symbols, tight)),))

    @cached_property
    def symbols(self) -> Symbols:
        """The symbols in the size's expression."""
        return Symbols.of(*(factor.symbols for factor in self.factors))

    @cached_property
    def is_runtime(self) -> bool:
        """Whether the size is known only when the network runs."""
        return any(symbol.runtime for symbol in self.symbols)

    @cached_property
    def code(self) -> str:
        """Python source for the size, with its products left visible."""
        if all(factor.written is None for factor in self.factors):
            return self.normal
        return ast.unparse(self.tree())

    @cached_property
    def normal(self) -> str:
        """The source that is the same for all sizes of the same factors, however written."""
        if len(self.factors) == 1:
            return self.factors[0].normal()
        return " * ".join(map(factor_text, self.factors))

    def tree(self) -> ast.expr:
        """The tree of the size's expression: what Python reads in its `code`."""
        if len(self.factors) == 1:
            return self.factors[0].tree()
        return multiplied([part for factor in self.factors for part in factor_trees(factor)])

    def __format__(self, spec: str) -> str:
        """The size in a message (see `shown`), unless a format is asked for."""
        return int.__format__(self, spec) if spec else shown(self)

    def __add__(self, other: int) -> int:
        return _size(int(self) + int(other), poly_of(self) + poly_of(other))

    def __radd__(self, other: int) -> int:
        return _size(int(other) + int(self), poly_of(other) + poly_of(self))

    def __sub__(self, other: int) -> int:
        return self + -1 * other

    def __rsub__(self, other: int) -> int:
        return other + -1 * self

    def __neg__(self) -> int:
        return -1 * self

    def __mul__(self, other: int) -> int:
        return _size(int(self) * int(other), poly_of(self) * poly_of(other))

    def __rmul__(self, other: int) -> int:
        return _size(int(other) * int(self), poly_of(other) * poly_of(self))

    def __floordiv__(self, other: int) -> int:
        return _size(int(self) // int(other), quotient(poly_of(self), poly_of(other)))

    def __rfloordiv__(self, other: int) -> int:
        return _size(int(other) // int(self), quotient(poly_of(other), poly_of(self)))

    def __mod__(self, other: int) -> int:
        return _size(int(self) % int(other), remainder(poly_of(self), poly_of(other)))

    def __rmod__(self, other: int) -> int:
        return _size(int(other) % int(self), remainder(poly_of(other), poly_of(self)))


LONGEST_CODE = 6000  # characters of a size's expression
DEEPEST_CODE = 40
MOST_TERMS = 400


def _size(value: int, poly: Poly) -> Size:
    _check_length(poly)
    return value if poly.constant is not None else Dim.make(value, (poly,))


def _check_length(poly: Poly) -> None:
    """Raise `TooLong` for an expression that is too long to be read, before it grows further."""
    atoms = [atom for _, factors in poly.terms.values() for atom in factors]
    length = sum(len(atom.text) for atom in atoms)
    if len(poly.terms) > MOST_TERMS or length > LONGEST_CODE:
        raise TooLong
    if length > DEEPEST_CODE and any(_is_too_deep(atom.text) for atom in atoms):
        raise TooLong


def _is_too_deep(text: str) -> bool:
    """Whether brackets are nested too deeply; most texts have too few for that."""
    if text.count("(") <= DEEPEST_CODE:
        return False
    depth = deepest = 0
    for char in text:
        depth += (char == "(") - (char == ")")
        deepest = max(deepest, depth)
    return deepest > DEEPEST_CODE


class TooLong(Exception):
    """The expression of a size or another value is too long to be written."""


def product(sizes: Iterable[Size]) -> Size:
    """The product, with its factors left visible: ``16 * 5 * 5`` rather than 400."""
    sizes = [size for size in sizes if isinstance(size, Dim) or size != 1]
    if len(sizes) == 1:
        return sizes[0]
    if not sizes:
        return 1
    factors: list[Poly] = []
    for size in sizes:
        factors.extend(size.factors if isinstance(size, Dim) else (constant(size),))
    return Dim.make(math.prod(int(size) for size in sizes), tuple(factors))


def exactly(size: Size) -> Size:
    """The same size with all its divisions marked as exact: without a remainder."""
    if not isinstance(size, Dim):
        return size
    return Dim.make(int(size), tuple(factor.exactly() for factor in size.factors))


def scaled(size: Size, factor: float) -> Size:
    """``floor(size * factor)``, as `torch.nn.Upsample` rounds."""
    if isinstance(factor, int) or factor == int(factor):
        return size * int(factor)
    value = math.floor(int(size) * factor)
    if not symbols_in(size):
        return value
    whole = Poly(poly_of(size).terms)
    tree = call("int", ast.BinOp(whole.tree(), ast.Mult(), ast.Constant(factor)))
    text = Expression(f"int({operand(whole)} * {factor!r})", tree)
    return Dim.opaque(text, value, symbols_in(size), tight=True)


PLAIN = frozenset({bool, int, float, str, type(None)})  # types of values without names
_NONE = Symbols()


def symbols_in(value: object) -> Symbols:
    """The symbols that a value depends on, in order of appearance; none for a plain value."""
    if type(value) in PLAIN:
        return _NONE
    if isinstance(value, Dim):
        return value.symbols
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return Symbols.of(*map(symbols_in, value))
    found: Symbols = getattr(value, "symbols", _NONE)
    return found


def named_by(size: Size) -> Symbols:
    """The symbol of a size that is one name and nothing else; otherwise none."""
    only = poly_of(size).only_atom() if isinstance(size, Dim) else None
    return only.symbols if only and only.text in {s.name for s in only.symbols} else _NONE


def is_batch(size: Size) -> bool:
    """Whether a size is the batch's."""
    return {symbol.name for symbol in named_by(size)} == {"N"}


def is_runtime(value: object) -> bool:
    """Whether a value is known only when the network runs."""
    if type(value) is Dim:
        return value.is_runtime
    return type(value) not in PLAIN and any(symbol.runtime for symbol in symbols_in(value))


def nameless(value: Any) -> Any:
    """A value with plain numbers for sizes, except those known only at run time."""
    if isinstance(value, Dim):
        return value if is_runtime(value) else int(value)
    return tuple(map(nameless, value)) if isinstance(value, tuple) else value


def is_unknown(value: object) -> bool:
    """Whether a value can't be known when the source is generated."""
    if type(value) in PLAIN:
        return False
    return any(symbol.runtime and not symbol.known for symbol in symbols_in(value))


def code(size: Size) -> str:
    """Python source for a size, as an argument: products stay visible."""
    return size.code if isinstance(size, Dim) else str(size)


def shown(size: Size) -> str:
    """A size in a message: its expression if it is known only at run time, else its number."""
    return code(size) if is_unknown(size) else str(int(size))


def shape_text(shape: Iterable[Size]) -> str:
    """A shape with the expressions of its sizes: ``(N, 16, H, out_channels)``."""
    return bracketed(
        [size.code if isinstance(size, Dim) and size.symbols else str(int(size)) for size in shape]
    )


def shown_shape(shape: Iterable[Size]) -> str:
    """A shape in a message: ``(N, 16, H, 64)``."""
    return bracketed(map(shown, shape))


def bracketed(texts: Iterable[str]) -> str:
    """Texts as Python writes a tuple."""
    sizes = [*texts]
    return f"({sizes[0]},)" if len(sizes) == 1 else f"({', '.join(sizes)})"


class Coded(Struct, frozen=True):
    """A value that is no whole number, with the Python expression that it came from.

    Sizes in the `expression` are in their normal form. It is printed as it is `written`, if it is.
    """

    value: Any
    expression: Expression
    symbols: Symbols
    written: Expression | None = None

    @property
    def code(self) -> str:
        """Python source of the expression."""
        return (self.written or self.expression).text

    @property
    def normal(self) -> str:
        """The source that is the same for equal expressions, however their sizes are written."""
        return self.expression.text

    def tree(self) -> ast.expr:
        """The tree of the expression, as it is printed."""
        return (self.written or self.expression).tree


def exact(value: Any) -> Hashable:
    """A key that is equal for values with the same number and the same expression."""
    if isinstance(value, (Dim, Coded)):
        return (value.normal, exact(int(value) if isinstance(value, Dim) else value.value))
    if isinstance(value, (tuple, list)):
        return tuple(map(exact, value))
    if isinstance(value, Mapping):
        return tuple((name, exact(item)) for name, item in value.items())
    return (type(value).__name__, repr(value))


def tree_of(value: Any) -> ast.expr:
    """The tree of a value's expression; of a plain value, or a list of values, as it is written."""
    if isinstance(value, (Dim, Coded)):
        return value.tree()
    return ast.List([*map(tree_of, value)]) if isinstance(value, list) else of_plain(value)


def normal_tree(value: Any) -> ast.expr:
    """The same tree, with sizes in their normal form."""
    if isinstance(value, Dim):
        return Dim.make(0, tuple(Poly(factor.terms) for factor in value.factors)).tree()
    if isinstance(value, list):
        return ast.List([*map(normal_tree, value)])
    return value.expression.tree if isinstance(value, Coded) else of_plain(value)


def plain(value: Any) -> Any:
    """The value of a `Coded` without its expression; all others, a `Dim` included, as they are."""
    return value.value if isinstance(value, Coded) else value
