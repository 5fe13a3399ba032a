"""Values of buffers: numbers, nested lists, and comprehensions that are kept as expressions.

A comprehension may stand for millions of numbers. Its shape and type are computed from its ranges
and its first and last elements; only the generated class computes all numbers.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from .algebra import Symbols
from .budget import Budget
from .evaluator import Evaluator, Names
from .expressions import only_expression
from .functions import KNOWN
from .sizes import Coded, Dim, Size, plain, symbols_in, tree_of
from .syntax import calls, check_syntax, fail
from .tree import Expression, changed, divided_up, names_in, of_plain, put

MOST_VALUES = 4_000_000
_WHOLE_FUNCTIONS = frozenset({"int", "floor", "ceil", "len", "divisible", "ceil_div", "any", "all"})
_FLOAT_FUNCTIONS = frozenset({"sqrt", "exp", "log", "sin", "cos"})


class Table(Struct, frozen=True):
    """The value of a buffer as an expression, with its shape and element type."""

    expression: Expression
    shape: tuple[Size, ...]
    dtype: str
    symbols: Symbols = Symbols()
    later: bool = False  # a `state_dict` brings the numbers

    @property
    def code(self) -> str:
        """Python source of the value."""
        return self.expression.text

    def with_numbers(self, values: Mapping[str, Any], names: frozenset[str]) -> Table:
        """The table with some names in its source replaced by plain numbers."""
        if not any(symbol.name in names for symbol in self.symbols):
            return self
        return self.in_terms({name: int(values[name]) for name in names})

    def in_terms(self, terms: Mapping[str, Any]) -> Table:
        """The table with names in its source replaced by the expressions of `terms`."""
        tree = put(self.expression.tree, {name: tree_of(value) for name, value in terms.items()})
        left = Symbols(symbol for symbol in self.symbols if symbol.name not in terms)
        symbols = left | symbols_in([*terms.values()])
        return replace(self, expression=Expression.of(tree), symbols=symbols)


LOADED = Table(Expression("0.0", ast.Constant(0.0)), (), "float32", later=True)
"""The value of a buffer that a `state_dict` brings: zeros until then."""


def table(value: Any, names: Names, budget: Budget) -> Table:
    """The value that a spec gives to a buffer; raises `ExpressionError`."""
    text = only_expression(value) if isinstance(value, str) else None
    if text is None:
        return _plain_table(value, names, budget)
    tree = ast.parse(text, mode="eval").body
    check_syntax(tree)
    reader = _Reader(names, budget)
    shape, kinds = reader.measure(tree, {})
    count = math.prod(map(int, shape))
    if not count:
        fail("a buffer's `value` is empty")
    if count > MOST_VALUES:
        fail(f"{count} values are too many: {MOST_VALUES} at most")
    found = reader.bound(tree, frozenset())
    _check_cost(found)
    return Table(Expression.of(found), shape, _dtype(kinds), reader.symbols)


def _plain_table(value: Any, names: Names, budget: Budget) -> Table:
    """The table for numbers and nested lists, which may hold expressions."""
    if isinstance(value, str):
        inner = only_expression(value)
        value = (
            value
            if inner is None
            else Evaluator(names, budget).value(ast.parse(inner, mode="eval").body)
        )
    if isinstance(value, list) and value and {*map(type, value)} <= {int, float}:
        text = f"[{', '.join(map(repr, value))}]"
        tree = ast.List([*map(of_plain, value)])
        return Table(Expression(text, tree), (len(value),), _dtype({*map(type, value)}))
    if isinstance(value, list):
        parts = [_plain_table(item, names, budget) for item in value]
        if not parts or len({tuple(map(int, part.shape)) for part in parts}) > 1:
            fail("lists in a `value` are of one length, and not empty")
        tree = ast.List([part.expression.tree for part in parts])
        expression = Expression(f"[{', '.join(part.code for part in parts)}]", tree)
        symbols = Symbols.of(*(part.symbols for part in parts))
        kinds = {part.dtype for part in parts}
        dtype = next(name for name in ("float32", "int64", "bool") if name in kinds)
        return Table(expression, (len(parts), *parts[0].shape), dtype, symbols)
    if not isinstance(plain(value), (bool, int, float)):
        fail("a buffer's `value` is a number, nested lists of numbers or an expression")
    text = value.code if isinstance(value, (Dim, Coded)) else repr(value)
    expression = Expression(text, tree_of(value))
    return Table(expression, (), _dtype({type(plain(value))}), symbols_in(value))


def _dtype(kinds: set[type]) -> str:
    if float in kinds:
        return "float32"
    return "bool" if kinds == {bool} else "int64"


class _Quiet(Struct, frozen=True):
    """The same names, but evaluation fixes no parameters."""

    names: Names

    def value(self, name: str) -> Any:
        return self.names.value(name)

    def shape(self, reference: str) -> Sequence[Any]:
        return self.names.shape(reference)

    def fix_names(self, symbols: Symbols, why: str) -> None:
        """Do nothing: an expression carries what depends on these symbols."""


class _Reader(Struct):
    """Reads one expression of a buffer: its shape, its types and its source.

    `symbols` collects the symbols in the source.
    """

    names: Names
    budget: Budget
    symbols: Symbols = Symbols()

    def measure(self, node: ast.expr, local: dict[str, Any]) -> tuple[tuple[Size, ...], set[type]]:
        """The shape of an expression's value, and the Python types of its numbers.

        `local` holds the variables of comprehensions and, under an empty name, the number of times
        that the expression is evaluated.
        """
        if isinstance(node, ast.ListComp):
            return self._comprehension(node, local)
        if isinstance(node, ast.List):
            return self._same([self.measure(item, local) for item in node.elts], len(node.elts))
        if _makes_list(node):
            assert isinstance(node, ast.BinOp)
            return self._joined(node, local)
        value = Evaluator(self.names, self.budget, dict(local)).value(node)
        return self._of(value)

    def _of(self, value: Any) -> tuple[tuple[Size, ...], set[type]]:
        value = plain(value)
        if isinstance(value, list):
            return self._same([self._of(item) for item in value], len(value))
        if not isinstance(value, (bool, int, float)):
            fail("a buffer holds numbers")
        return (), {int if isinstance(value, Dim) else type(value)}

    def _same(
        self, parts: list[tuple[tuple[Size, ...], set[type]]], length: Size
    ) -> tuple[tuple[Size, ...], set[type]]:
        if len({tuple(map(int, shape)) for shape, _ in parts}) > 1:
            fail("lists in a `value` are of one length")
        inner = parts[0][0] if parts else ()
        return (length, *inner), set().union(*(kinds for _, kinds in parts))

    def _joined(self, node: ast.BinOp, local: dict[str, Any]) -> tuple[tuple[Size, ...], set[type]]:
        """The shape and types of ``[a] + [b]`` or ``[a] * n``."""
        if isinstance(node.op, ast.Add):
            return self._one_list([self.measure(node.left, local), self.measure(node.right, local)])
        items, times = node.left, node.right
        if not _makes_list(items):
            items, times = times, items
        shape, kinds = self.measure(items, local)
        evaluator = Evaluator(_Quiet(self.names), self.budget, dict(local))
        count = evaluator.value(times)
        if not isinstance(count, int) or isinstance(count, bool):
            fail("a list is repeated a whole number of times")
        return (shape[0] * evaluator.count(times), *shape[1:]), kinds

    def _one_list(
        self, parts: list[tuple[tuple[Size, ...], set[type]]]
    ) -> tuple[tuple[Size, ...], set[type]]:
        """The shape and types of lists joined into one; an empty list fits all others."""
        if not all(shape for shape, _ in parts):
            fail("a list is joined to a list")
        shapes = [shape for shape, _ in parts if shape[0]] or [(0,)]
        if len({tuple(map(int, shape[1:])) for shape in shapes}) > 1:
            fail("lists in a `value` are of one length")
        length: Size = 0
        for shape, _ in parts:
            length = length + shape[0]
        return (length, *shapes[0][1:]), set().union(*(kinds for _, kinds in parts))

    def _comprehension(
        self, node: ast.ListComp, local: dict[str, Any]
    ) -> tuple[tuple[Size, ...], set[type]]:
        """The shape and types of a comprehension.

        With a condition or a `zip` it is evaluated as a whole. Otherwise each range is represented
        by its first and last number, or by all numbers if lengths of inner lists depend on them.
        """
        loop = node.generators[0]
        whole = any(part.ifs or calls(part.iter, "zip") for part in node.generators)
        if whole or not isinstance(loop.target, ast.Name):
            return self._of(Evaluator(self.names, self.budget, dict(local)).value(node))
        # the length of `range(n)` is n, whatever n is: n need not be fixed
        counts = isinstance(loop.iter, ast.Call) and len(loop.iter.args) == 1
        rest = node.generators[1:]
        inner = ast.ListComp(node.elt, rest) if rest else node.elt
        varies = _decides_on_lengths(loop.target.id, inner)
        names: Names = _Quiet(self.names) if counts and not (rest and varies) else self.names
        evaluator = Evaluator(names, self.budget, dict(local))
        numbers = evaluator.range(loop.iter)
        outside = local.get("", 1) * len(numbers)  # the number of values; no variable has this key
        if outside > MOST_VALUES:
            fail(f"{outside} values are too many: {MOST_VALUES} at most")
        ends = numbers if varies else dict.fromkeys((*numbers[:1], *numbers[-1:]))
        parts = [
            self.measure(inner, {**local, "": outside, loop.target.id: number}) for number in ends
        ]
        if not parts:
            length = evaluator.range_length(loop.iter, numbers)
            self.names.fix_names(symbols_in(length), "has no items")  # none shows what they are
            return (0,), set()
        if rest and varies:
            return self._one_list(parts)
        shape, kinds = self._same(parts, evaluator.range_length(loop.iter, numbers))
        if rest:  # `for i in a for j in b` gives one list
            shape = (shape[0] * shape[1], *shape[2:])
        return shape, kinds | _static_kinds(node.elt)

    def bound(self, tree: ast.expr, local: frozenset[str]) -> ast.expr:
        """The expression with names replaced by the expressions of their values.

        The `local` names are variables of comprehensions around it, which stay.
        """

        def bind(node: ast.expr) -> ast.expr | None:
            if isinstance(node, ast.ListComp):
                return self._bound_comprehension(node, local)
            if isinstance(node, ast.Name):
                return node if node.id in local else self._evaluated(node)
            if isinstance(node, ast.Subscript) and not names_in(node) & local:
                return self._evaluated(node)
            if isinstance(node, ast.Call):
                return self._bound_call(node, local)
            if isinstance(node, ast.BinOp):
                self._fix_lengths(node, local)
            return None

        found: ast.expr = changed(tree, bind)
        return found

    def _bound_call(self, node: ast.Call, local: frozenset[str]) -> ast.expr:
        """The call of a function, as it is written in Python."""
        if calls(node, "shape"):
            return self._evaluated(node)
        if calls(node, "zip"):
            if names_in(node) & local:
                fail("in a buffer the lists of a `zip` don't depend on variables")
            return self._evaluated(node)
        operands = [self.bound(operand, local) for operand in node.args]
        return (
            divided_up(*operands) if calls(node, "ceil_div") else ast.Call(node.func, operands, [])
        )

    def _bound_items(self, node: ast.expr, local: frozenset[str]) -> ast.expr:
        """What a comprehension runs over."""
        if not calls(node, "zip"):
            return self.bound(node, local)
        return ast.Call(node.func, [self.bound(operand, local) for operand in node.args], [])

    def _bound_comprehension(self, node: ast.ListComp, local: frozenset[str]) -> ast.expr:
        inner = local | {name for loop in node.generators for name in names_in(loop.target)}
        loops = [
            ast.comprehension(
                loop.target,
                self._bound_items(loop.iter, inner),
                [self.bound(condition, inner) for condition in loop.ifs],
                0,
            )
            for loop in node.generators
        ]
        return ast.ListComp(self.bound(node.elt, inner), loops)

    def _fix_lengths(self, node: ast.BinOp, local: frozenset[str]) -> None:
        """Fix the parameters in lists that are joined or repeated: the shape depends on them."""
        for side in (node.left, node.right):
            if isinstance(side, ast.Name) and side.id not in local:
                value = self.names.value(side.id) if side.id not in KNOWN else 0
                if isinstance(plain(value), list):
                    self.names.fix_names(symbols_in(value), "needs its length")

    def _evaluated(self, node: ast.expr) -> ast.expr:
        """The expression of a part's value."""
        value = Evaluator(self.names, self.budget).value(node)
        self.symbols |= symbols_in(value)
        return tree_of(value)


def _check_cost(tree: ast.expr) -> None:
    """Refuse operations that may take much time or memory for an element that was not evaluated."""
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp):
            _check_operation(node)
        if isinstance(node, (ast.IfExp, ast.BoolOp, ast.Compare)) and any(
            isinstance(part, (ast.ListComp, ast.BinOp)) and _makes_list(part)
            for part in ast.walk(node)
        ):
            fail("in a buffer a condition is about numbers")
        rounds = isinstance(node, ast.Call) and getattr(node.func, "id", "") == "round"
        if rounds and not all(map(_small, node.args[1:])):  # type: ignore[attr-defined]
            fail("in a buffer `round` takes a small number of digits")


def _check_operation(node: ast.BinOp) -> None:
    """Refuse a power of whole numbers without a bound, and operations on texts and lists."""
    if isinstance(node.op, ast.Pow):
        powers = any(isinstance(part, ast.Pow) for part in ast.walk(node.left))
        bounded = _small(node.right) or _fraction(node.left) or _fraction(node.right)
        if powers or not bounded:
            fail("in a buffer a power has a fraction in it, or a small number as its exponent")
    elif not _makes_list(node) and any(map(_holds_items, (node.left, node.right))):
        fail("in a buffer only numbers are worked with")


def _makes_list(node: ast.AST) -> bool:
    """Whether an expression is a list: written, joined of two, or repeated."""
    if not isinstance(node, ast.BinOp):
        return isinstance(node, (ast.List, ast.ListComp))
    sides = [_makes_list(node.left), _makes_list(node.right)]
    return all(sides) if isinstance(node.op, ast.Add) else _repeats(node)


def _repeats(node: ast.expr) -> bool:
    """Whether this is a list times a number."""
    if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Mult):
        return False
    return _makes_list(node.left) != _makes_list(node.right)


def _decides_on_lengths(name: str, node: ast.expr) -> bool:
    """Whether the length of a list depends on this variable: in a range, or as a list's factor."""
    counts: list[ast.expr] = []
    for part in ast.walk(node):
        if isinstance(part, ast.ListComp):
            counts += [loop.iter for loop in part.generators]
        elif isinstance(part, ast.BinOp) and _repeats(part):
            counts.append(part.right if _makes_list(part.left) else part.left)
    return any(
        isinstance(part, ast.Name) and part.id == name
        for count in counts
        for part in ast.walk(count)
    )


def _small(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value in range(65)


def _fraction(node: ast.expr) -> bool:
    """Whether a value is surely a float, whose powers take no more memory."""
    divides = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)
    return divides or (isinstance(node, ast.Constant) and isinstance(node.value, float))


def _holds_items(node: ast.expr) -> bool:
    """Whether an expression may evaluate to a text or a list that is written in it."""
    return any(
        isinstance(part, (ast.List, ast.ListComp))
        or (isinstance(part, ast.Constant) and isinstance(part.value, str))
        for part in _results(node)
    )


def _results(node: ast.expr) -> list[ast.expr]:
    """The parts of an expression to one of which it evaluates, by its conditions."""
    if isinstance(node, ast.IfExp):
        return [*_results(node.body), *_results(node.orelse)]
    if isinstance(node, ast.BoolOp):
        return [part for value in node.values for part in _results(value)]
    return [node]


def _static_kinds(node: ast.expr) -> set[type]:
    """The types that an element may have inside a range, whatever it is at the ends."""
    return {float} if any(map(_gives_fraction, _results(node))) else set()


def _gives_fraction(node: ast.AST) -> bool:
    """Whether a float goes into the value, and nothing on its way makes a whole number of it."""
    if isinstance(node, ast.Call):
        name = getattr(node.func, "id", "")
        whole = name in _WHOLE_FUNCTIONS or (name == "round" and len(node.args) == 1)
        if whole or name in _FLOAT_FUNCTIONS:
            return not whole
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        return True
    if isinstance(node, ast.Constant):
        return isinstance(node.value, float)
    if isinstance(node, ast.Compare) or (
        isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
    ):
        return False
    parts = [node.body, node.orelse] if isinstance(node, ast.IfExp) else ast.iter_child_nodes(node)
    return any(map(_gives_fraction, parts))
