"""Types of layers as values: in arguments, and in the conditions of generated source."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from ..diagnostics.diagnostics import Diagnostic, NetgenError, printable
from ..layers import CATALOGUE
from ..layers.base import Layer
from ..symbolic.algebra import Symbols
from ..symbolic.sizes import Coded


def type_code(name: str, rows: Mapping[str, Layer]) -> Coded:
    """A type of layer as generated source: `nn.ReLU`; raises `NetgenError` for an unknown one."""
    if name not in rows and name not in CATALOGUE:
        message = f"`{printable(name)}` is no layer type, but stands for one"
        raise NetgenError(Diagnostic("NG202", message))
    return Coded(name, name if name in rows else f"nn.{name}", Symbols())


def with_types(code: str, names: set[str], rows: Mapping[str, Layer]) -> str:
    """The expression with the parameters of these names compared with types instead of words."""
    tree = _Types(names, rows).visit(ast.parse(code, mode="eval"))
    return ast.unparse(ast.fix_missing_locations(tree))


class _Types(ast.NodeTransformer):
    """Rewrites ``activation == "ReLU"`` to ``activation is nn.ReLU``."""

    def __init__(self, names: set[str], rows: Mapping[str, Layer]) -> None:
        self.names = names
        self.rows = rows

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        operands = [node.left, *node.comparators]
        if not any(map(self._is_type, operands)):
            left, *others = map(self.visit, operands)
            return ast.Compare(left, node.ops, others)
        left, *others = map(self._with_type, operands)
        same = {ast.Eq: ast.Is, ast.NotEq: ast.IsNot}
        return ast.Compare(left, [same.get(type(op), type(op))() for op in node.ops], others)

    def _is_type(self, node: ast.expr) -> bool:
        """Whether a name, or in ``forward`` an attribute, stands for a type."""
        name = node.id if isinstance(node, ast.Name) else getattr(node, "attr", None)
        return name in self.names

    def _with_type(self, node: ast.expr) -> ast.expr:
        """The types that a word, or a list of words, names in a comparison with a type."""
        if isinstance(node, ast.List):
            return ast.List([*map(self._with_type, node.elts)])
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return ast.parse(type_code(node.value, self.rows).code, mode="eval").body
        return node
