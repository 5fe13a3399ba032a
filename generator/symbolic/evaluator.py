"""Evaluation of the expression language, on values that carry the expression that gave them.

Each of Python's syntax nodes on the whitelist has a method, and each result has to be within the
budget.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NoReturn, Protocol

from msgspec import Struct, field

from .algebra import INDEX, Symbols
from .budget import LONGEST_RANGE, MOST_ITEMS, Budget, check_growth, weight
from .equality import surely_equal
from .functions import FUNCTIONS, ceil_div, zipped
from .hints import whole
from .provenance import is_written, joined, uncoded, wrap, written
from .sizes import Coded, Dim, exact, normal_tree, plain, poly_of, symbols_in, tree_of
from .syntax import (
    ExpressionError,
    calls,
    check_function,
    check_known,
    check_operator,
    check_target,
    fail,
    no_part,
)
from .tree import factors_in, multiplied, names_in


class Names(Protocol):
    """The names and references that an expression can use."""

    def value(self, name: str) -> Any:
        """The value of a name; raises `ExpressionError` if there is none."""

    def shape(self, reference: str) -> Sequence[Any]:
        """The shape, without the batch, of what a reference names."""

    def fix_names(self, symbols: Symbols, why: str) -> None:
        """Fix the parameters with these names: something that no expression can carry needs them.

        `why` are words like "needs it as an index".
        """


_BINARY: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_EXACT = (ast.Add, ast.Sub, ast.Mult, ast.FloorDiv, ast.Mod)  # `Dim` computes these itself
_UNARY: dict[type, Callable[[Any], Any]] = {
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
    ast.Not: operator.not_,
}
_COMPARE: dict[type, Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda left, right: left in right,
    ast.NotIn: lambda left, right: left not in right,
    ast.Is: lambda left, right: left is right,
    ast.IsNot: lambda left, right: left is not right,
}

MIXED = "gives true or false, or a number, by it"  # why `a and b` fixes its parameters


class Evaluator(Struct):
    """Evaluates one expression; if it `rebinds`, that of a value, which is put into other terms.

    `local` holds the variables of comprehensions. An expression is `derived` once it has read a
    value that is more than a name.
    """

    names: Names
    budget: Budget
    local: dict[str, Any] = field(default_factory=dict)
    rebinds: bool = False
    derived: bool = False

    def value(self, node: ast.expr) -> Any:
        self.budget.spend()
        check_known(node)
        return self.budget.bounded(getattr(self, f"_{type(node).__name__.lower()}")(node))

    def _constant(self, node: ast.Constant) -> Any:
        if node.value is not None and not isinstance(node.value, (bool, int, float, str)):
            fail(f"`{ast.unparse(node)}` is not part of the expression language")
        return node.value

    def _name(self, node: ast.Name) -> Any:
        if node.id in self.local:
            return self.local[node.id]
        return math.pi if node.id == "pi" else self.names.value(node.id)

    def _list(self, node: ast.List) -> Any:
        return [self.value(item) for item in node.elts]

    def _unaryop(self, node: ast.UnaryOp) -> Any:
        apply = _UNARY.get(type(node.op)) or fail("`~` is not part of the expression language")
        operand = self.value(node.operand)
        if isinstance(operand, Dim) and isinstance(node.op, ast.USub):
            return self._as_written(-operand, [node.operand], [operand], _negative)
        return self._apply(apply, [operand], lambda codes: ast.UnaryOp(node.op, codes[0]))

    def _binop(self, node: ast.BinOp) -> Any:
        check_operator(node)
        apply = _BINARY[type(node.op)]
        left, right = self.value(node.left), self.value(node.right)
        check_growth(node.op, uncoded(left), uncoded(right))
        if (trivial := _trivial(node.op, left, right)) is not None:
            return trivial
        if isinstance(node.op, _EXACT) and _is_whole(left) and _is_whole(right):
            divides = isinstance(node.op, (ast.FloorDiv, ast.Mod))
            if divides and not right:
                fail("division by zero")
            found = self._divided(apply(left, right), right) if divides else apply(left, right)
            return self._as_written(found, [node.left, node.right], [left, right], _joins(node))
        if {type(left), type(right)} == {Coded, list}:  # an argument is a tuple: it joins no list
            self.names.fix_names(symbols_in([left, right]), "joins it with a list")
            return self._apply(apply, [uncoded(left), uncoded(right)], lambda codes: codes[0])
        return self._apply(apply, [left, right], partial(_binary, node.op))

    def _as_written(
        self,
        found: Any,
        nodes: list[ast.expr],
        operands: list[Any],
        code: Callable[[list[ast.expr]], ast.expr],
    ) -> Any:
        """A size as it is written: the `code` of its operands.

        Where netgen worked out one of them, the size is printed in the shorter form. One that
        lacks a name of its operands stays in its normal form.
        """
        if self.rebinds or not isinstance(found, Dim):
            return found
        self.derived = self.derived or any(map(_is_derived, nodes, operands))
        if _is_tight(found) or {*found.symbols} != {*symbols_in(operands)}:
            return found
        trees = [*map(_source_of, nodes, operands)]
        shown = written(found, code(trees))
        return found if self.derived and len(shown.code) >= len(found.normal) else shown

    def _divided(self, found: Any, under: Any) -> Any:
        """The result of a division; a divisor that cancels out of it is fixed, for it may be 0."""
        left = {symbol.name for symbol in symbols_in(found)}
        names = [s for s in symbols_in(under) if not s.runtime and s.name not in left]
        if gone := Symbols(names):
            self.names.fix_names(gone, "divides by it where it cancels out")
        return found

    def _boolop(self, node: ast.BoolOp) -> Any:
        stop = isinstance(node.op, ast.Or)
        values: list[Any] = []
        for operand in node.values:
            values.append(self.value(operand))
            if bool(uncoded(values[-1])) is stop:
                break
        result, symbols = values[-1], symbols_in(values)
        if not symbols:
            return result
        try:
            values += [self.value(operand) for operand in node.values[len(values) :]]
        except ExpressionError:
            self.names.fix_names(symbols, "needs it for a condition")
            return uncoded(result)
        symbols |= symbols_in(values)
        if _of_two_kinds(values):
            self.names.fix_names(symbols, MIXED)
        # what is known to be true adds nothing to `and`, nor what is false to `or`
        adds_nothing = (not stop) if all(type(uncoded(v)) is bool for v in values) else ...
        told = [value for value in values if value is not adds_nothing]
        return self._coded(uncoded(result), told, lambda codes: joined(node.op, codes), symbols)

    def _compare(self, node: ast.Compare) -> Any:
        operands = [self.value(node.left), *map(self.value, node.comparators)]
        applied = [_COMPARE[type(op)] for op in node.ops]

        whole = len(operands) == 2 and _is_whole(operands[0]) and _is_whole(operands[1])
        if whole and isinstance(node.ops[0], (ast.Eq, ast.NotEq)):
            nonzero = any(map(_is_size, (node.left, *node.comparators)))
            known = surely_equal(*operands, nonzero=nonzero)
            if known is not None:
                return known is isinstance(node.ops[0], ast.Eq)

        def compare(*values: Any) -> bool:
            pairs = zip(applied, values, values[1:], strict=False)
            return all(holds(left, right) for holds, left, right in pairs)

        return self._apply(
            compare, operands, lambda codes: ast.Compare(codes[0], node.ops, codes[1:])
        )

    def _ifexp(self, node: ast.IfExp) -> Any:
        test = self.value(node.test)
        sides = [node.body, node.orelse]
        place = 0 if uncoded(test) else 1
        sides[place] = chosen = self.value(sides[place])
        symbols = symbols_in(test)
        if not symbols:
            return chosen
        try:
            sides[1 - place] = self.value(sides[1 - place])
        except ExpressionError:
            self.names.fix_names(symbols, "needs it for a condition")
            return chosen
        if exact(sides[0]) == exact(sides[1]):
            return chosen
        if _of_two_kinds(sides):
            self.names.fix_names(symbols, MIXED)
        parts = [sides[0], test, sides[1]]
        return self._coded(uncoded(chosen), parts, _conditional)

    def _subscript(self, node: ast.Subscript) -> Any:
        value = self.value(node.value)
        items = value.value if isinstance(value, Coded) else value
        if not isinstance(items, (list, tuple, str)):
            fail(f"`{ast.unparse(node.value)}` has no items")
        if isinstance(node.slice, ast.Slice):
            bounds = [
                None if part is None else self._index(self.value(part))
                for part in (node.slice.lower, node.slice.upper, node.slice.step)
            ]
            if bounds[2] == 0:
                fail("a slice's step must not be 0")
            part = items[slice(*bounds)]
            if isinstance(value, Coded):
                codes = [None if bound is None else ast.Constant(bound) for bound in bounds]
                return wrap(
                    uncoded(part), ast.Subscript(tree_of(value), ast.Slice(*codes)), value.symbols
                )
            return part
        at = self.value(node.slice)
        carried = isinstance(items, list) and _is_whole(at) and self._carries(at)
        place = int(at) if carried else self._index(at)
        if not -len(items) <= place < len(items):
            if self.rebinds and isinstance(value, Coded) and isinstance(items, list):
                # with these values there is no such item, and nothing reads it
                code = ast.Subscript(tree_of(value), tree_of(at))
                return wrap(0, code, symbols_in([value, at]))
            self._no_item(node, items, place)
        if carried:
            return self._item(value, place, at)
        if isinstance(value, Coded) and (place < 0 or isinstance(items, str)):
            # from the end, it is another item in a list of another length
            return self._item(value, place, place)
        return items[place]

    def _no_item(self, node: ast.Subscript, items: Sequence[Any], place: int) -> NoReturn:
        """Refuse the place of an item that there is not; in a shape the batch was counted, too."""
        is_shape = calls(node.value, "shape") or ast.unparse(node.value) == "in_shape"
        text = ast.unparse(node.value)
        help = None
        if is_shape and 0 < place <= len(items):
            help = f"shapes leave the batch out: write `{text}[{place - 1}]`"
        many = "item" if len(items) == 1 else "items"
        fail(f"`{text}` has {len(items)} {many}, none at {place}", help=help)

    def _carries(self, place: Any) -> bool:
        """Whether an item keeps the expression of its place: if that has a copy's number in it."""
        names = {symbol.name for symbol in symbols_in(place)}
        return bool(names) and (self.rebinds or INDEX in names)

    def _item(self, values: Any, place: int, at: Any) -> Any:
        """An item of a list, with a subscript as its expression: ``sizes[index - 1]``."""
        whole, item = tree_of(values), uncoded(plain(values)[place])
        if ast.unparse(normal_tree(at)) == f"len({ast.unparse(whole)}) - 1":
            code = ast.Subscript(whole, ast.Constant(-1))
            return wrap(item, code, symbols_in([values, at]))
        return self._coded(item, [values, at], lambda codes: ast.Subscript(codes[0], codes[1]))

    def _index(self, value: Any) -> int:
        if not _is_whole(value):
            help = whole(None) if isinstance(uncoded(value), float) else None
            fail("an index is a whole number", help=help)
        self.names.fix_names(symbols_in(value), "needs it as an index")
        return int(value)

    def _call(self, node: ast.Call) -> Any:
        if not isinstance(node.func, ast.Name) or node.keywords:
            no_part(node)
        name = node.func.id
        if name == "shape":
            return self._shape(node)
        check_function(name)
        if name == "zip":
            return zipped(*self._zipped(node))
        operands = [self.value(argument) for argument in node.args]
        self.budget.spend(sum(len(part) for part in operands if isinstance(part, (list, str))))
        if name == "len" and operands and isinstance(operands[0], list):
            return len(operands[0])  # whatever its items depend on
        if name == "int" and operands and isinstance(uncoded(operands[0]), str):
            fail("`int` takes a number")
        if name == "ceil_div":
            if len(operands) != 2:
                fail(_TWO_NUMBERS)
            return self._divided(_divided_up(*operands), operands[1])
        return self._apply(
            FUNCTIONS[name], operands, lambda codes: ast.Call(ast.Name(name), codes, [])
        )

    def _shape(self, node: ast.Call) -> Any:
        if len(node.args) != 1:
            fail("`shape` takes one reference")
        reference = node.args[0]
        text = reference.value if isinstance(reference, ast.Constant) else ast.unparse(reference)
        return list(self.names.shape(str(text)))

    def _listcomp(self, node: ast.ListComp) -> Any:
        items, count = [], 0
        for item in self._generated(node, 0):
            items.append(item)
            count += 1 + (weight(item) if isinstance(item, (list, Coded)) else 0)
            if count > MOST_ITEMS:
                fail(f"a list of more than {MOST_ITEMS} items is too long")
        return items

    def _generated(self, node: ast.ListComp, level: int) -> Iterator[Any]:
        if level == len(node.generators):
            yield self.value(node.elt)
            return
        loop = node.generators[level]
        if loop.is_async:
            no_part(node)
        before = dict(self.local)
        check_target(loop.target)
        for item in self._items(loop.iter):
            self._bind(loop.target, item)
            if all(uncoded(self.value(condition)) for condition in loop.ifs):
                yield from self._generated(node, level + 1)
        self.local = before

    def _items(self, node: ast.expr) -> Sequence[Any]:
        """What a comprehension runs over: the numbers of a `range`, or the items of lists."""
        return zipped(*self._zipped(node)) if calls(node, "zip") else self.range(node)

    def _bind(self, target: ast.expr, item: Any) -> None:
        """Give the variables of a comprehension their values in one of its turns."""
        if isinstance(target, ast.Name):
            self.local[target.id] = item
            return
        names = target.elts if isinstance(target, ast.Tuple) else []
        items = item if isinstance(item, list) else []
        if len(items) != len(names):
            given = f"`zip` of {len(items)}" if items else "`range`"
            fail(f"`{ast.unparse(target)[1:-1]}` can't be variables for the items of a {given}")
        for name, value in zip(names, items, strict=True):
            self._bind(name, value)

    def _zipped(self, node: ast.Call) -> list[Sequence[Any]]:
        """The lists and ranges that a call of `zip` goes through side by side."""
        found: list[Sequence[Any]] = []
        for argument in node.args:
            if calls(argument, "range"):
                found.append(self.range(argument))
                continue
            value = self.value(argument)
            items = plain(value)
            if not isinstance(items, list):
                fail("`zip` takes lists")
            if isinstance(value, Coded):  # an argument, which may be of another length
                self.names.fix_names(value.symbols, "needs its length")
            found.append(items)
        if not found:
            fail("`zip` takes lists")
        if min(map(len, found)) * len(found) > MOST_ITEMS:
            fail(f"a list of more than {MOST_ITEMS} items is too long")
        return found

    def range_length(self, node: ast.expr, numbers: range) -> int:
        """The length of a range; for ``range(n)`` it is `n` with its expression."""
        bounds = node.args if isinstance(node, ast.Call) else []
        return self.count(bounds[0]) if len(bounds) == 1 else len(numbers)

    def count(self, node: ast.expr) -> int:
        """A number of items: 0 where the expression is negative, as for ``range`` and lists."""
        value: int = self.value(node)
        if not symbols_in(value):
            return max(value, 0)
        if int(value) < 0 or any(factor < 0 for factor, _ in poly_of(value).terms.values()):
            value = self.value(ast.Call(ast.Name("max"), [node, ast.Constant(0)], []))
        return value

    def range(self, node: ast.expr) -> range:
        """The numbers that a call of `range` gives; refuses any other expression."""
        if not calls(node, "range"):
            items = ast.unparse(node)
            help = f"write `{items}[i]` and `for i in range(len({items}))`"
            message = "a comprehension runs over `range`, or over lists by `zip`"
            fail(message, help=help if isinstance(node, ast.Name) else None)
        bounds = [self._index(self.value(bound)) for bound in node.args]
        if not 1 <= len(bounds) <= 3 or (len(bounds) == 3 and not bounds[2]):
            fail("`range` takes one to three whole numbers, a step other than 0")
        numbers = range(*bounds)
        if numbers and abs(numbers[-1] - numbers[0]) > LONGEST_RANGE:
            fail("a `range` of so many numbers is too long")
        return numbers

    def _apply(
        self,
        function: Callable[..., Any],
        operands: list[Any],
        code: Callable[[list[ast.expr]], ast.expr],
    ) -> Any:
        try:
            value = function(*map(uncoded, operands))
        except TypeError:
            kinds = " and ".join(map(_kind, operands)) or "nothing"
            fail(f"this can't be worked out for {kinds}")
        except (ValueError, ArithmeticError) as error:
            text = str(error).replace("'", "`")
            numbers = ", ".join(str(uncoded(operand)) for operand in operands)
            fail(text if text != "math domain error" else f"this has no value for {numbers}")
        return self._coded(value, operands, code)

    def _coded(
        self,
        value: Any,
        operands: list[Any],
        code: Callable[[list[ast.expr]], ast.expr],
        symbols: Symbols | None = None,
    ) -> Any:
        """The value with the `code` of its operands: in normal form, and as it is written.

        It depends on `symbols`, or else on those of the operands.
        """
        symbols = symbols_in(operands) if symbols is None else symbols
        if not symbols:
            return value
        found = wrap(value, code([normal_tree(operand) for operand in operands]), symbols)
        if self.rebinds or not any(map(is_written, operands)):
            return found
        return written(found, code([tree_of(operand) for operand in operands]))


def _binary(op: ast.operator, codes: list[ast.expr]) -> ast.expr:
    return ast.BinOp(codes[0], op, codes[1])


def _joins(node: ast.BinOp) -> Callable[[list[ast.expr]], ast.expr]:
    """How the sides of an operation on whole numbers are joined: products need no brackets."""
    if isinstance(node.op, ast.Mult) and not isinstance(node.right, ast.BinOp):
        return lambda codes: multiplied([part for code in codes for part in factors_in(code)])
    return partial(_binary, node.op)


def _conditional(codes: list[ast.expr]) -> ast.expr:
    """A conditional expression, its parts in the order in which they stand in it."""
    return ast.IfExp(codes[1], codes[0], codes[2])


def _negative(codes: list[ast.expr]) -> ast.expr:
    return ast.UnaryOp(ast.USub(), codes[0])


_NEUTRAL: dict[type, int] = {ast.Add: 0, ast.Sub: 0, ast.Mult: 1, ast.Div: 1, ast.FloorDiv: 1}


def _trivial(op: ast.operator, left: Any, right: Any) -> Any:
    """What an operation with 0 or 1 gives without being computed, or ``None``.

    ``1 * x`` and ``x + 0`` are `x`; ``0 * x`` is 0.0 for a fraction `x`.
    """
    if type(left) in (int, float) and isinstance(op, (ast.Add, ast.Mult)):
        left, right = right, left
    if type(left) not in (Dim, Coded) or type(right) not in (int, float):
        return None
    fraction = isinstance(uncoded(left), float)
    if fraction and isinstance(op, ast.Mult) and right == 0:
        return 0.0
    if right != _NEUTRAL.get(type(op)):
        return None
    if fraction:
        return None if isinstance(op, ast.FloorDiv) else left
    whole = type(left) is Dim and type(right) is int
    return left if whole and not isinstance(op, ast.Div) else None


_TWO_NUMBERS = "`ceil_div` takes two whole numbers"


def _divided_up(over: Any, under: Any) -> Any:
    """The division that rounds up: ``-(-over // under)``."""
    if not _is_whole(over) or not _is_whole(under):
        fractions = any(isinstance(uncoded(number), float) for number in (over, under))
        fail(_TWO_NUMBERS, help=whole(None) if fractions else None)
    return ceil_div(over, under) if under else fail("division by zero")


LONGEST_NAME = 40  # characters of an expression that is no more than a name


def _is_derived(node: ast.expr, value: Any) -> bool:
    """Whether netgen worked out the expression of an operand: no number or name stands there."""
    if not isinstance(value, Dim):
        return bool(names_in(node))
    if isinstance(node, (ast.BinOp, ast.UnaryOp)):
        return False  # its own operands have been asked
    return not _is_tight(value) or len(value.code) > LONGEST_NAME


def _source_of(node: ast.expr, value: Any) -> ast.expr:
    """The tree of an operand: of numbers alone, it is what stands there."""
    return tree_of(value) if isinstance(value, Dim) or names_in(node) else node


def _is_tight(size: Dim) -> bool:
    """Whether the expression of a size is a name, an item or a call."""
    only = size.factors[0].only_atom() if len(size.factors) == 1 else None
    return only is not None and only.tight


def _is_size(node: ast.expr) -> bool:
    """Whether an expression is a tensor's size, which is not 0 as a parameter may be."""
    if isinstance(node, ast.Subscript):
        return calls(node.value, "shape") or _is_name(node.value, "in_shape")
    return _is_name(node, "in_channels", "in_features")


def _is_name(node: ast.expr, *names: str) -> bool:
    return isinstance(node, ast.Name) and node.id in names


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _of_two_kinds(values: Sequence[Any]) -> bool:
    """Whether some of the values are true or false, and others are not."""
    return len({type(uncoded(value)) is bool for value in values}) > 1


def _kind(value: Any) -> str:
    """What a value is, in words."""
    value = plain(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    kinds = {int: "a whole number", float: "a number", str: "a word", list: "a list"}
    return next((text for kind, text in kinds.items() if isinstance(value, kind)), "this")
