"""Values that carry the Python expression that gave them, and how they are combined."""

from __future__ import annotations

import ast
import operator
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec.structs import replace

from .algebra import Symbol, Symbols, renamed
from .sizes import (
    LONGEST_CODE,
    Coded,
    Dim,
    Size,
    TooLong,
    bracketed,
    normal_tree,
    poly_of,
    symbols_in,
    tree_of,
)
from .tree import Expression, changed, names_in, put


def named(name: str, value: Any) -> Any:
    """The value of a constructor argument, with the argument's name as its expression."""
    symbols = Symbols((Symbol(name),))
    if isinstance(value, int) and not isinstance(value, bool):
        return Dim.named(name, value)
    return wrap(value, ast.Name(name), symbols)


_TIGHT = (ast.Name, ast.Attribute, ast.Call, ast.Subscript)
_BRACKETED = (ast.List, ast.ListComp, ast.Constant)


def wrap(value: Any, tree: ast.expr, symbols: Symbols) -> Any:
    """The value with its expression; raises `TooLong` if that is too long to be read.

    The items of a list get theirs, too.
    """
    if not symbols:
        return value
    expression = Expression.of(tree)
    if len(expression.text) > LONGEST_CODE:
        raise TooLong
    if isinstance(value, list):
        return _items(value, expression, symbols)
    return _single(value, expression, symbols)


def written(value: Any, tree: ast.expr) -> Any:
    """The value, to be printed as it is written: by a tree with the same names in it."""
    if isinstance(value, Dim):
        return Dim.make(int(value), (replace(poly_of(value), written=tree),))
    if isinstance(value, Coded) and not isinstance(value.value, list):
        return replace(value, written=Expression.of(tree))
    return value


def is_written(value: Any) -> bool:
    """Whether a value is printed in another way than its normal form."""
    if isinstance(value, list):
        return any(map(is_written, value))
    if isinstance(value, Dim):
        return any(factor.written is not None for factor in value.factors)
    return isinstance(value, Coded) and value.written is not None


def _single(value: Any, expression: Expression, symbols: Symbols) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        tight = isinstance(expression.tree, _TIGHT)
        return Dim.opaque(expression, int(value), symbols, tight=tight)
    return Coded(value, expression, symbols)


def _items(values: list[Any], expression: Expression, symbols: Symbols) -> Coded:
    """A list whose items have subscripts as their expressions: ``sizes[0]``, ``sizes[1]``."""
    text, tree = expression.text, expression.tree
    whole = text if isinstance(tree, (*_TIGHT, *_BRACKETED)) else f"({text})"
    found: list[Any] = []
    for place, item in enumerate(map(uncoded, values)):
        own = Expression(f"{whole}[{place}]", ast.Subscript(tree, ast.Constant(place)))
        give = _items if isinstance(item, list) else _single
        found.append(give(item, own, symbols))
    return Coded(found, expression, symbols)


def reading(value: Any, sources: Mapping[str, Expression]) -> Any:
    """The value whose expression reads some of its names elsewhere: ``H`` as ``x.shape[2]``."""
    if not symbols_in(value):
        return value
    if isinstance(value, (tuple, list)):
        return type(value)(reading(item, sources) for item in value)
    if isinstance(value, Dim):
        return Dim.make(int(value), tuple(renamed(factor, sources) for factor in value.factors))
    trees = {name: source.tree for name, source in sources.items()}
    inner = reading(value.value, sources)
    found = Coded(inner, Expression.of(put(normal_tree(value), trees)), value.symbols)
    return found if value.written is None else written(found, put(value.tree(), trees))


def uncoded(value: Any) -> Any:
    """The value without its expression, and so for the items of lists."""
    if isinstance(value, Coded):
        value = value.value
    if isinstance(value, list):
        return [uncoded(item) for item in value]
    return int(value) if isinstance(value, Dim) else value


def both(first: Any, second: Any) -> Any:
    """The condition that two conditions hold; the second may be ``None`` for no condition."""
    if second is None:
        return first
    code = joined(ast.And(), [tree_of(first), tree_of(second)])
    return wrap(uncoded(first) and uncoded(second), code, symbols_in([first, second]))


def joined(op: ast.boolop, codes: list[ast.expr]) -> ast.expr:
    """Conditions joined by `and` or `or`, with equal ones written once."""
    distinct = list({ast.unparse(code): code for code in codes}.values())
    return distinct[0] if len(distinct) == 1 else ast.BoolOp(op, distinct)


def equal_unless(condition: Any) -> dict[str, Any]:
    """What names are equal to where a condition does not hold.

    For ``a != 1 or b != c`` it is 1 for `a` and `c` for `b`; empty for other kinds of conditions.
    """
    code = tree_of(condition)
    parts = code.values if isinstance(code, ast.BoolOp) and isinstance(code.op, ast.Or) else [code]
    found: dict[str, Any] = {}
    for part in parts:
        if not isinstance(part, ast.Compare) or not isinstance(part.ops[0], ast.NotEq):
            return {}
        left, right = part.left, part.comparators[0]
        if len(part.ops) > 1 or not isinstance(left, ast.Name):
            return {}
        symbols = symbols_of(right, symbols_in(condition))
        if isinstance(right, ast.Constant):
            found[left.id] = right.value
        elif symbols:
            found[left.id] = Coded(None, Expression.of(right), symbols)
    return found


def symbols_of(tree: ast.expr, known: Symbols) -> Symbols:
    """Those of the `known` symbols whose names are in a tree."""
    names = names_in(tree)
    return Symbols(symbol for symbol in known if symbol.name in names)


def chosen(condition: Any, first: Any, second: Any) -> Any:
    """The first value if a condition holds, else the second, with a conditional expression."""
    test, body, orelse = tree_of(condition), tree_of(first), tree_of(second)
    if isinstance(orelse, ast.IfExp) and ast.unparse(orelse.test) == ast.unparse(test):
        orelse = orelse.orelse  # the same condition is known not to hold here
    code = ast.IfExp(test, body, orelse)
    value = uncoded(first if uncoded(condition) else second)
    return wrap(value, code, symbols_in([condition, first, second]))


def more_than(count: Any, number: int) -> Any:
    """The condition that a count is above a number."""
    code = ast.Compare(tree_of(count), [ast.Gt()], [ast.Constant(number)])
    return wrap(int(count) > number, code, symbols_in(count))


_FOLDED: dict[type, Any] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
}


def usual(shape: Iterable[Size]) -> str:
    """A shape's text, simplified for readers: as if every loop had copies."""
    trees = (_simplified(tree_of(size if symbols_in(size) else int(size))) for size in shape)
    return bracketed([ast.unparse(tree) for tree in trees])


def _simplified(tree: ast.expr) -> ast.expr:
    """The tree with expressions for loops that have copies, and with sums of numbers computed."""

    def simpler(node: ast.expr) -> ast.expr | None:
        if isinstance(node, ast.IfExp) and isinstance(node.test, ast.Compare):
            return _simplified(node.body) if ast.unparse(node.test).endswith(" > 0") else None
        if not isinstance(node, ast.BinOp) or type(node.op) not in _FOLDED:
            return None
        left, right = _simplified(node.left), _simplified(node.right)
        if isinstance(left, ast.Constant) and isinstance(right, ast.Constant):
            return ast.Constant(_FOLDED[type(node.op)](left.value, right.value))
        return ast.BinOp(left, node.op, right)

    found: ast.expr = changed(tree, simpler)
    return found
