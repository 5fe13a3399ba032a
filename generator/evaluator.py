"""The expression language's operations, on values that remember where they come from.

A whitelist of Python's syntax nodes, each with a method; a budget on every result.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn, Protocol

from .algebra import Symbol
from .sizes import Coded, Dim, plain, symbols_in

MOST_DIGITS = 30
MOST_ITEMS = 100_000
MOST_STEPS = 2_000_000  # of one spec


class ExpressionError(Exception):
    """An expression that can't be evaluated; `word` is the unknown name, if that is the cause."""

    def __init__(self, message: str, word: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.word = word


def fail(message: str, word: str | None = None) -> NoReturn:
    """Raise an `ExpressionError`."""
    raise ExpressionError(message, word)


class Names(Protocol):
    """What an expression can see."""

    def value(self, name: str) -> Any:
        """The value of a name; raises `ExpressionError` if there is none."""

    def shape(self, reference: str) -> Sequence[Any]:
        """The shape, without the batch, of what a reference names."""

    def pin(self, symbols: frozenset[Symbol]) -> None:
        """Called where a value decides on something that can't be written as an expression."""


@dataclass(slots=True)
class Budget:
    """The steps that the expressions of one spec may still take."""

    steps: int = MOST_STEPS

    def spend(self, steps: int = 1) -> None:
        self.steps -= steps
        if self.steps < 0:
            fail("the spec's expressions take too long")


def named(name: str, value: Any) -> Any:
    """A constructor argument's value, with the argument's name as where it comes from."""
    symbols = frozenset({Symbol(name)})
    if isinstance(value, int) and not isinstance(value, bool):
        return Dim.named(name, value)
    return _wrap(value, ast.Name(name), symbols)


def _wrap(value: Any, code: ast.expr, symbols: frozenset[Symbol]) -> Any:
    """The value with the code that it came from."""
    if not symbols:
        return value
    text = ast.unparse(ast.fix_missing_locations(code))
    if isinstance(value, int) and not isinstance(value, bool):
        tight = isinstance(code, (ast.Name, ast.Call, ast.Subscript))
        return Dim.opaque(text, int(value), symbols, tight=tight)
    if isinstance(value, list):
        items = [
            _wrap(_plain(item), ast.Subscript(code, ast.Constant(place)), symbols)
            for place, item in enumerate(value)
        ]
        return Coded(items, text, symbols)
    return Coded(value, text, symbols)


def _plain(value: Any) -> Any:
    """The value without any trace of where it came from."""
    if isinstance(value, Coded):
        value = value.value
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, Dim) else value


def _code(value: Any) -> ast.expr:
    if isinstance(value, list):
        return ast.List([_code(item) for item in value])
    text = value.code if isinstance(value, (Dim, Coded)) else repr(value)
    return ast.parse(text, mode="eval").body


_BINARY: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_EXACT = (ast.Add, ast.Sub, ast.Mult, ast.FloorDiv, ast.Mod)  # operations that sizes carry along
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


def weight(value: Any) -> int:
    """The number of values in a list, those in its lists included; refuses too many."""
    count, waiting = 0, [plain(value)]
    while waiting:
        items = waiting.pop()
        if isinstance(items, list):
            count += len(items)
            waiting += [plain(item) for item in items if isinstance(item, (list, Coded))]
        if count > MOST_ITEMS:
            fail(f"a value of more than {MOST_ITEMS} items is too long")
    return count


def divisible(v: float, by: int) -> int:
    """MobileNet's rounding: to the nearest multiple of `by`, never below 90 % of `v`."""
    if by < 1:
        raise ValueError("the second argument must be 1 or more")
    rounded = max(by, int(v + by / 2) // by * by)
    return rounded + by if rounded < 0.9 * v else rounded


def rounded(number: float, digits: int | None = None) -> float:
    """Python's ``round``, which computes 10 to the power of `digits`."""
    if digits is not None and abs(digits) > MOST_DIGITS:
        raise ValueError(f"`round` takes {MOST_DIGITS} digits at most")
    return round(number, digits)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "min": min,
    "max": max,
    "abs": abs,
    "round": rounded,
    "ceil": math.ceil,
    "floor": math.floor,
    "int": int,
    "len": len,
    "sum": sum,
    "sqrt": math.sqrt,
    "exp": math.exp,
    "log": math.log,
    "sin": math.sin,
    "cos": math.cos,
    "divisible": divisible,
}
_BUILTIN = {"min", "max", "abs", "round", "int", "len", "sum"}  # the same words in Python
KNOWN = (*FUNCTIONS, "range", "shape", "pi", "in_shape", "in_channels", "in_features", "index")


@dataclass(slots=True)
class Evaluator:
    """One expression's evaluation."""

    names: Names
    budget: Budget
    local: dict[str, Any] = field(default_factory=dict)

    def value(self, node: ast.expr) -> Any:
        self.budget.spend()
        method = getattr(self, f"_{type(node).__name__.lower()}", None)
        if method is None:
            fail(f"`{ast.unparse(node)}` is not part of the expression language")
        return self._bounded(method(node))

    def _bounded(self, value: Any) -> Any:
        if isinstance(value, int) and abs(int(value)) >= 10**MOST_DIGITS:
            fail(f"a number of more than {MOST_DIGITS} digits is too long")
        if isinstance(value, float) and not math.isfinite(value):
            fail("the result is not a finite number")
        if isinstance(value, str) and len(value) > MOST_ITEMS:
            fail(f"a text of {len(value)} characters is too long")
        if isinstance(value, (list, Coded)):
            self.budget.spend(weight(value))
        return value

    def _constant(self, node: ast.Constant) -> Any:
        if node.value is None or isinstance(node.value, (bool, int, float, str)):
            return node.value
        fail(f"`{ast.unparse(node)}` is not part of the expression language")

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
            return -operand
        return self._apply(apply, [operand], lambda codes: ast.UnaryOp(node.op, codes[0]))

    def _binop(self, node: ast.BinOp) -> Any:
        apply = _BINARY.get(type(node.op))
        if apply is None:
            fail(f"`{ast.unparse(node)}` is not part of the expression language")
        left, right = self.value(node.left), self.value(node.right)
        self._check_growth(node.op, _plain(left), _plain(right))
        if isinstance(node.op, _EXACT) and _is_whole(left) and _is_whole(right):
            if not right and isinstance(node.op, (ast.FloorDiv, ast.Mod)):
                fail("division by zero")
            return apply(left, right)
        return self._apply(
            apply, [left, right], lambda codes: ast.BinOp(codes[0], node.op, codes[1])
        )

    def _check_growth(self, op: ast.operator, left: Any, right: Any) -> None:
        """Refuse a large result before it is made."""
        if isinstance(op, ast.Mult):
            for many, times in ((left, right), (right, left)):
                counts = isinstance(many, (str, list)) and isinstance(times, int)
                if counts and len(many) * max(times, 0) > MOST_ITEMS:
                    fail("the result is too long")
        if isinstance(op, ast.Mod) and isinstance(left, str):
            fail("text can't be formatted with `%`")
        whole = isinstance(left, int) and isinstance(right, int)
        powers = isinstance(op, ast.Pow) and whole and right > 0
        if powers and (abs(int(left)).bit_length() - 1) * right > 4 * MOST_DIGITS:
            fail(f"a number of more than {MOST_DIGITS} digits is too long")

    def _boolop(self, node: ast.BoolOp) -> Any:
        stop = isinstance(node.op, ast.Or)
        values: list[Any] = []
        for operand in node.values:
            values.append(self.value(operand))
            if bool(_plain(values[-1])) is stop:
                break
        result, symbols = values[-1], symbols_in(values)
        if not symbols:
            return result
        try:
            codes = [_code(self.value(operand)) for operand in node.values]
        except ExpressionError:
            self.names.pin(symbols)
            return _plain(result)
        return _wrap(_plain(result), ast.BoolOp(node.op, codes), symbols)

    def _compare(self, node: ast.Compare) -> Any:
        operands = [self.value(node.left), *map(self.value, node.comparators)]
        applied = [_COMPARE[type(op)] for op in node.ops]

        def compare(*values: Any) -> bool:
            pairs = zip(applied, values, values[1:], strict=False)
            return all(holds(left, right) for holds, left, right in pairs)

        return self._apply(
            compare, operands, lambda codes: ast.Compare(codes[0], node.ops, codes[1:])
        )

    def _ifexp(self, node: ast.IfExp) -> Any:
        test = self.value(node.test)
        chosen = self.value(node.body if _plain(test) else node.orelse)
        symbols = symbols_in(test)
        if not symbols:
            return chosen
        try:
            sides = [self.value(node.body), self.value(node.orelse)]
        except ExpressionError:
            self.names.pin(symbols)
            return chosen
        symbols = symbols.union(*map(symbols_in, sides))
        code = ast.IfExp(_code(test), _code(sides[0]), _code(sides[1]))
        return _wrap(_plain(chosen), code, symbols)

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
            return items[slice(*bounds)]
        place = self._index(self.value(node.slice))
        if not -len(items) <= place < len(items):
            fail(f"`{ast.unparse(node.value)}` has {len(items)} items, none at {place}")
        return items[place]

    def _index(self, value: Any) -> int:
        if not _is_whole(value):
            fail("an index is a whole number")
        self.names.pin(symbols_in(value))
        return int(value)

    def _call(self, node: ast.Call) -> Any:
        if not isinstance(node.func, ast.Name) or node.keywords:
            fail(f"`{ast.unparse(node)}` is not part of the expression language")
        name = node.func.id
        if name == "shape":
            return self._shape(node)
        if name not in FUNCTIONS:
            fail(f"`{name}` is not a function of the expression language", name)
        operands = [self.value(argument) for argument in node.args]
        self.budget.spend(sum(len(part) for part in operands if isinstance(part, (list, str))))
        if name not in _BUILTIN and symbols_in(operands):
            # these need an import or a helper in the generated source: fixed when it is made
            self.names.pin(symbols_in(operands))
            operands = [_plain(part) for part in operands]
        if name == "int" and operands and isinstance(_plain(operands[0]), str):
            fail("`int` takes a number")
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
        items: list[Any] = []
        self._generate(node, 0, items)
        return items

    def _generate(self, node: ast.ListComp, level: int, items: list[Any]) -> None:
        if level == len(node.generators):
            items.append(self.value(node.elt))
            if len(items) > MOST_ITEMS:
                fail(f"a list of more than {MOST_ITEMS} items is too long")
            return
        loop = node.generators[level]
        if not isinstance(loop.target, ast.Name) or loop.is_async:
            fail("a comprehension runs over `range` with one name")
        before = dict(self.local)
        for number in self._range(loop.iter):
            self.local[loop.target.id] = number
            if all(_plain(self.value(condition)) for condition in loop.ifs):
                self._generate(node, level + 1, items)
        self.local = before

    def _range(self, node: ast.expr) -> range:
        called = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        if not called or node.func.id != "range" or node.keywords:  # type: ignore[attr-defined]
            fail("a comprehension runs over `range`")
        bounds = [self._index(self.value(bound)) for bound in node.args]  # type: ignore[attr-defined]
        if not 1 <= len(bounds) <= 3 or (len(bounds) == 3 and not bounds[2]):
            fail("`range` takes one to three whole numbers, a step other than 0")
        return range(*bounds)

    def _apply(
        self,
        function: Callable[..., Any],
        operands: list[Any],
        code: Callable[[list[ast.expr]], ast.expr],
    ) -> Any:
        try:
            value = function(*map(_plain, operands))
        except (TypeError, ValueError, ArithmeticError) as error:
            fail(str(error).replace("'", "`"))
        symbols = symbols_in(operands)
        if not symbols:
            return value
        return _wrap(value, code([_code(operand) for operand in operands]), symbols)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
