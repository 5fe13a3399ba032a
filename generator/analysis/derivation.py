"""Formulas for a layer's sizes, over its arguments and the sizes that it reads.

A layer's `rule` is run on numbers that record the arithmetic done with them, so that the formula
is always what the rule computes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ..ir.trace import Call
from ..layers.applying import apply
from ..layers.base import Args, Layer, Nested, Weight, arguments
from ..layers.tensor import TensorType
from ..symbolic.algebra import Atom, Symbol, Symbols, of_atom
from ..symbolic.sizes import Dim, code, is_batch, symbols_in
from ..symbolic.tree import Expression

SUM, PRODUCT, WHOLE = range(3)  # precedence of the last operation of a formula
_LEAF = re.compile(r"[A-Za-z_][\w.]*(?:\[\d+\])*(?!\w*\()")
_SIGN = Symbols((Symbol("term"),))


class Term(Dim):
    """A number with the formula that gave it, which is never simplified."""

    level: int

    @staticmethod
    def of(text: str, value: int, level: int = WHOLE) -> Term:
        """The number that the Python expression `text` stands for."""
        term = Term(value)
        term.factors = (of_atom(Atom(Expression.leaf(text), _SIGN, tight=level == WHOLE)),)
        term.symbols = _SIGN
        term.level = level
        return term

    def __add__(self, other: int) -> int:
        return _sum(self, "+", other)

    def __radd__(self, other: int) -> int:
        return _sum(other, "+", self)

    def __sub__(self, other: int) -> int:
        return _sum(self, "-", other)

    def __rsub__(self, other: int) -> int:
        return _sum(other, "-", self)

    def __neg__(self) -> int:
        return Term.of(f"-{_bracketed(self, WHOLE)}", -int(self), PRODUCT)

    def __mul__(self, other: int) -> int:
        return _product(self, "*", other)

    def __rmul__(self, other: int) -> int:
        return _product(other, "*", self)

    def __floordiv__(self, other: int) -> int:
        return _product(self, "//", other)

    def __rfloordiv__(self, other: int) -> int:
        return _product(other, "//", self)

    def __mod__(self, other: int) -> int:
        return _product(self, "%", other)

    def __rmod__(self, other: int) -> int:
        return _product(other, "%", self)


def _sum(left: int, sign: str, right: int) -> int:
    value = int(left) + int(right) if sign == "+" else int(left) - int(right)
    if not symbols_in(right) and not right:
        return left
    if not symbols_in(left) and not left and sign == "+":
        return right
    if sign == "+" and _text(left) == _text(right):
        return 2 * left
    tightest = PRODUCT if sign == "-" else SUM
    text = f"{_bracketed(left, SUM)} {sign} {_bracketed(right, tightest)}"
    return Term.of(text, value, SUM)


def _product(left: int, sign: str, right: int) -> int:
    work: Callable[[int, int], int] = {"*": int.__mul__, "//": int.__floordiv__}.get(
        sign, int.__mod__
    )
    value = work(int(left), int(right))
    if not symbols_in(right) and right == 1 and sign != "%":
        return left
    if not symbols_in(left) and left == 1 and sign == "*":
        return right
    text = f"{_bracketed(left, PRODUCT)} {sign} {_bracketed(right, WHOLE)}"
    return Term.of(text, value, PRODUCT)


def _bracketed(size: int, level: int) -> str:
    """An operand's text, in brackets if its precedence is below `level`."""
    return _text(size) if _level(size) >= level else f"({_text(size)})"


def _text(size: int) -> str:
    return code(size) if isinstance(size, Dim) else str(int(size))


def _level(size: int) -> int:
    if isinstance(size, Term):
        return size.level
    if not isinstance(size, Dim):
        return WHOLE if size >= 0 else SUM
    return PRODUCT if len(size.factors) > 1 else SUM


class Derived(Struct, frozen=True):
    """A number with its `formula` over a layer's arguments and the sizes that it reads.

    `reads` are the sizes of inputs in the formula: the index of the tensor, and the dimension.
    `names` has the number of each name in the formula.
    """

    value: int
    formula: str
    names: Mapping[str, int]
    reads: tuple[tuple[int, int], ...]

    @property
    def numbers(self) -> str:
        """The formula with numbers in place of names."""
        return _LEAF.sub(self._number, self.formula)

    @property
    def kept(self) -> tuple[int, int] | None:
        """The input's size (tensor, dimension) that the formula consists of, if it is only that."""
        return self.reads[0] if self.formula in self.names and self.reads else None

    def _number(self, found: re.Match[str]) -> str:
        value = self.names.get(found[0])
        if value is None:
            return found[0]
        return str(value) if value >= 0 else f"({value})"


Shape = tuple[Derived, ...]


class Derivation(Struct, frozen=True):
    """The inferred arguments, output shapes and weights of a call, each number with its formula."""

    inferred: Mapping[str, Shape]
    outputs: Mapping[str, Shape]
    weights: tuple[tuple[Weight, Shape], ...]


def derive_call(call: Call) -> Derivation:
    """The formulas for the numbers of a layer's call."""
    assert call.layer is not None
    names = [name for name, _ in call.node.named]
    count = len(call.inputs) - len(names)
    named = dict(zip(names, call.inputs[count:], strict=True))
    return derive(call.layer, call.a, call.inputs[:count], named, call.node.places)


def derive(
    row: Layer,
    a: Args,
    required: Sequence[TensorType],
    named: Mapping[str, TensorType],
    written: Container[str],
) -> Derivation:
    """The formulas for the numbers of a layer with these arguments and inputs.

    Arguments that are not `written` are inferred, where the row can infer them.
    """
    leaves = _Leaves(row)
    inputs = [leaves.tensor(x) for x in required]
    others = {name: leaves.tensor(x, name) for name, x in named.items()}
    args = {name: leaves.argument(name, value) for name, value in vars(a).items()}
    found = row.infer(arguments(args), *inputs)
    inferred = {name: value for name, value in found.items() if name not in written}
    given = {name: value for name, value in args.items() if name not in inferred}
    applied = apply(row, given, inputs, others)
    return Derivation(
        {name: leaves.shape(_tuple(value)) for name, value in inferred.items()},
        {port: leaves.shape(type_.shape) for port, type_ in applied.outputs.items()},
        tuple((weight, leaves.shape(weight.shape)) for weight in row.weights(applied.a)),
    )


def _tuple(value: Any) -> tuple[int, ...]:
    values = value if isinstance(value, tuple) else (value,)
    return tuple(value for value in values if isinstance(value, int))


class _Leaves:
    """The numbers that a rule starts from, and their names in formulas."""

    def __init__(self, row: Layer) -> None:
        self.row = row
        self.tensors = 0
        self.names: dict[str, int] = {}
        self.reads: dict[str, tuple[int, int]] = {}

    def tensor(self, x: TensorType, name: str = "") -> TensorType:
        """The next input, with sizes named ``input[0]``, ``input[1]`` and so on."""
        place, tensors = self.tensors, self.row.tensors
        self.tensors += 1
        name = name or (f"{tensors[0]}s[{place}]" if self.row.variadic else tensors[place])
        shape = []
        for dim, size in enumerate(x.shape):
            leaf = self.term(f"{name}[{dim}]", int(size))
            self.reads[code(leaf)] = (place, dim)
            shape.append(leaf)
        return replace(x, shape=tuple(shape))

    def argument(self, name: str, value: Any) -> Any:
        """An argument with named numbers; those of a nested layer are ``name.argument``."""
        if isinstance(value, Nested):
            inner = {key: self.argument(f"{name}.{key}", x) for key, x in value.args.items()}
            return replace(value, args=inner)
        if isinstance(value, (tuple, list)):
            return type(value)(self.argument(f"{name}[{i}]", x) for i, x in enumerate(value))
        if not isinstance(value, int) or isinstance(value, bool):
            return value
        if is_batch(value):  # rules recognise the batch by its name
            self.names["N"] = int(value)
            return value
        return self.term(name, int(value))

    def term(self, name: str, value: int) -> Term:
        self.names[name] = value
        return Term.of(name, value)

    def shape(self, sizes: Sequence[int]) -> Shape:
        return tuple(map(self.derived, sizes))

    def derived(self, size: int) -> Derived:
        formula = code(size)
        leaves = dict.fromkeys(_LEAF.findall(formula))
        if not leaves.keys() <= self.names.keys():  # those of a buffer's value are the network's
            return Derived(int(size), str(int(size)), {}, ())
        names = {leaf: self.names[leaf] for leaf in leaves}
        reads = tuple(self.reads[leaf] for leaf in leaves if leaf in self.reads)
        return Derived(int(size), formula, names, reads)
