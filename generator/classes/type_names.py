"""Types of layers as values: in arguments, and in the conditions of generated source."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from ..diagnostics.diagnostics import Diagnostic, NetgenError, printable
from ..layers import CATALOGUE
from ..layers.base import Layer
from ..symbolic.algebra import Symbols
from ..symbolic.sizes import Coded
from ..symbolic.tree import Expression, changed


def type_code(name: str, rows: Mapping[str, Layer]) -> Coded:
    """A type of layer as generated source: `nn.ReLU`; raises `NetgenError` for an unknown one."""
    if name not in rows and name not in CATALOGUE:
        message = f"`{printable(name)}` is no layer type, but stands for one"
        raise NetgenError(Diagnostic("NG202", message))
    tree = ast.Name(name) if name in rows else ast.Attribute(ast.Name("nn"), name)
    return Coded(name, Expression.of(tree), Symbols())


def with_types(tree: ast.expr, names: set[str], rows: Mapping[str, Layer]) -> ast.expr:
    """The expression with the parameters of these names compared with types instead of words.

    It rewrites ``activation == "ReLU"`` to ``activation is nn.ReLU``.
    """

    def compared(node: ast.expr) -> ast.expr | None:
        if not isinstance(node, ast.Compare):
            return None
        operands = [node.left, *node.comparators]
        if not any(_name(operand) in names for operand in operands):
            return None
        left, *others = (_with_type(operand, rows) for operand in operands)
        same = {ast.Eq: ast.Is, ast.NotEq: ast.IsNot}
        return ast.Compare(left, [same.get(type(op), type(op))() for op in node.ops], others)

    found: ast.expr = changed(tree, compared)
    return found


def _name(node: ast.expr) -> str | None:
    """The name of a parameter, or in ``forward`` of the attribute that holds it."""
    return node.id if isinstance(node, ast.Name) else getattr(node, "attr", None)


def _with_type(node: ast.expr, rows: Mapping[str, Layer]) -> ast.expr:
    """The types that a word, or a list of words, names in a comparison with a type."""
    if isinstance(node, ast.List):
        return ast.List([_with_type(item, rows) for item in node.elts])
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return type_code(node.value, rows).tree()
    return node
