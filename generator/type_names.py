"""Types of layers as values: in arguments, and in the conditions of generated source."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from .algebra import Symbols
from .diagnostics import Diagnostic, NetgenError, printable
from .layers import CATALOGUE
from .layers.base import Layer
from .sizes import Coded


def type_code(name: str, rows: Mapping[str, Layer]) -> Coded:
    """A type of layer as source; nothing else can be one."""
    if name not in rows and name not in CATALOGUE:
        message = f"`{printable(name)}` is no layer type, but stands for one"
        raise NetgenError(Diagnostic("NG202", message))
    return Coded(name, name if name in rows else f"nn.{name}", Symbols())


def with_types(code: str, names: set[str], rows: Mapping[str, Layer]) -> str:
    """An expression in which the parameters of these names are compared with types, not words."""
    tree = _Types(names, rows).visit(ast.parse(code, mode="eval"))
    return ast.unparse(ast.fix_missing_locations(tree))


class _Types(ast.NodeTransformer):
    """``activation == "ReLU"`` as ``activation is nn.ReLU``."""

    def __init__(self, names: set[str], rows: Mapping[str, Layer]) -> None:
        self.names = names
        self.rows = rows

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        right = node.comparators[0]
        word = right.value if isinstance(right, ast.Constant) else None
        if not isinstance(node.left, ast.Name) or node.left.id not in self.names:
            return node
        if not isinstance(word, str):
            return node
        same = isinstance(node.ops[0], ast.Eq)
        kind = ast.parse(type_code(word, self.rows).code, mode="eval").body
        return ast.Compare(node.left, [ast.Is() if same else ast.IsNot()], [kind])
