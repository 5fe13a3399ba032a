"""Values that carry the Python expression that gave them, and how they are combined."""

from __future__ import annotations

import ast
import operator
from typing import Any

from .algebra import Symbol, Symbols
from .sizes import LONGEST_CODE, Coded, Dim, TooLong, symbols_in


def named(name: str, value: Any) -> Any:
    """The value of a constructor argument, with the argument's name as its expression."""
    symbols = Symbols((Symbol(name),))
    if isinstance(value, int) and not isinstance(value, bool):
        return Dim.named(name, value)
    return wrap(value, ast.Name(name), symbols)


def coded(value: Any, code: str, symbols: Symbols) -> Any:
    """The value with the Python expression that gives it; a list's items get theirs, too."""
    return wrap(value, ast.parse(code, mode="eval").body, symbols)


_TIGHT = (ast.Name, ast.Attribute, ast.Call, ast.Subscript)
_BRACKETED = (ast.List, ast.ListComp, ast.Constant)


def wrap(value: Any, code: ast.expr, symbols: Symbols) -> Any:
    """The value with its expression; raises `TooLong` if that is too long to be read."""
    if not symbols:
        return value
    text = _bounded(ast.unparse(ast.fix_missing_locations(code)))
    if isinstance(value, list):
        return _items(value, text, symbols, closed=isinstance(code, (*_TIGHT, *_BRACKETED)))
    return _single(value, text, symbols, tight=isinstance(code, _TIGHT))


def _single(value: Any, text: str, symbols: Symbols, *, tight: bool) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return Dim.opaque(text, int(value), symbols, tight=tight)
    return Coded(value, text, symbols)


def _items(values: list[Any], text: str, symbols: Symbols, *, closed: bool) -> Coded:
    """A list whose items have subscripts as their expressions: ``sizes[0]``, ``sizes[1]``."""
    whole = text if closed else f"({text})"
    found: list[Any] = []
    for place, item in enumerate(map(uncoded, values)):
        code = f"{whole}[{place}]"
        if isinstance(item, list):
            found.append(_items(item, code, symbols, closed=True))
        else:
            found.append(_single(item, code, symbols, tight=True))
    return Coded(found, text, symbols)


def _bounded(text: str) -> str:
    if len(text) > LONGEST_CODE:
        raise TooLong
    return text


def uncoded(value: Any) -> Any:
    """The value without its expression, and so for the items of lists."""
    if isinstance(value, Coded):
        value = value.value
    if isinstance(value, list):
        return [uncoded(item) for item in value]
    return int(value) if isinstance(value, Dim) else value


def code_of(value: Any) -> ast.expr:
    """The expression of a value as a syntax tree; raises `TooLong` if it is too long to be read."""
    return ast.parse(_text(value), mode="eval").body


def _text(value: Any) -> str:
    if isinstance(value, list):
        if len(value) > LONGEST_CODE:
            raise TooLong
        return _bounded(f"[{', '.join(map(_text, value))}]")
    return _bounded(value.code if isinstance(value, (Dim, Coded)) else repr(value))


def both(first: Any, second: Any) -> Any:
    """The condition that two conditions hold; the second may be ``None`` for no condition."""
    if second is None:
        return first
    code = joined(ast.And(), [code_of(first), code_of(second)])
    return wrap(uncoded(first) and uncoded(second), code, symbols_in([first, second]))


def joined(op: ast.boolop, codes: list[ast.expr]) -> ast.expr:
    """Conditions joined by `and` or `or`, with equal ones written once."""
    distinct = list({ast.unparse(code): code for code in codes}.values())
    return distinct[0] if len(distinct) == 1 else ast.BoolOp(op, distinct)


def equal_unless(condition: Any) -> dict[str, Any]:
    """What names are equal to where a condition does not hold.

    For ``a != 1 or b != c`` it is 1 for `a` and `c` for `b`; empty for other kinds of conditions.
    """
    code = code_of(condition)
    parts = code.values if isinstance(code, ast.BoolOp) and isinstance(code.op, ast.Or) else [code]
    found: dict[str, Any] = {}
    for part in parts:
        if not isinstance(part, ast.Compare) or not isinstance(part.ops[0], ast.NotEq):
            return {}
        left, right = part.left, part.comparators[0]
        if len(part.ops) > 1 or not isinstance(left, ast.Name):
            return {}
        names = {node.id for node in ast.walk(right) if isinstance(node, ast.Name)}
        symbols = Symbols(s for s in symbols_in(condition) if s.name in names)
        if isinstance(right, ast.Constant):
            found[left.id] = right.value
        elif symbols:
            found[left.id] = Coded(None, ast.unparse(right), symbols)
    return found


def chosen(condition: Any, first: Any, second: Any) -> Any:
    """The first value if a condition holds, else the second, with a conditional expression."""
    test, body, orelse = code_of(condition), code_of(first), code_of(second)
    if isinstance(orelse, ast.IfExp) and ast.unparse(orelse.test) == ast.unparse(test):
        orelse = orelse.orelse  # the same condition is known not to hold here
    code = ast.IfExp(test, body, orelse)
    value = uncoded(first if uncoded(condition) else second)
    return wrap(value, code, symbols_in([condition, first, second]))


def more_than(count: Any, number: int) -> Any:
    """The condition that a count is above a number."""
    code = ast.Compare(code_of(count), [ast.Gt()], [ast.Constant(number)])
    return wrap(int(count) > number, code, symbols_in(count))


_FOLDED: dict[type, Any] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
}


class _Usual(ast.NodeTransformer):
    """Replaces expressions that depend on whether a loop has copies by those with copies."""

    def visit_IfExp(self, node: ast.IfExp) -> Any:
        test = node.test
        if isinstance(test, ast.Compare) and ast.unparse(test).endswith(" > 0"):
            return self.visit(node.body)
        return self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> Any:
        self.generic_visit(node)
        apply = _FOLDED.get(type(node.op))
        if apply and isinstance(node.left, ast.Constant) and isinstance(node.right, ast.Constant):
            return ast.Constant(apply(node.left.value, node.right.value))
        return node


def usual(code: str) -> str:
    """A shape's text, simplified for readers: as if every loop had copies."""
    try:
        return ast.unparse(_Usual().visit(ast.parse(code, mode="eval")))
    except SyntaxError:  # a `*` stands for dimensions that vary in number
        return code
