"""Expressions as trees: Python's own syntax nodes, which nobody changes once they are made.

A value keeps the tree of the expression that gave it. Other values are put in for its names, and
parts of it are read off, without printing it and parsing it again.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct


class Expression(Struct, frozen=True, eq=False):
    """An expression: its tree, and how it is printed. Two are equal if they print alike."""

    text: str
    tree: ast.expr

    @staticmethod
    def of(tree: ast.expr) -> Expression:
        """The expression of a tree, as Python prints it."""
        return Expression(ast.unparse(tree), tree)

    @staticmethod
    def leaf(text: str) -> Expression:
        """A name, or a text that stands for one and is never looked into."""
        return Expression(text, ast.Name(text))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Expression) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return self.text


def changed(node: Any, change: Callable[[ast.expr], ast.expr | None]) -> Any:
    """The tree with parts replaced: those for which `change` gives another expression.

    Where it gives ``None``, the parts of the part are asked.
    """
    if isinstance(node, list):
        return [changed(item, change) for item in node]
    if not isinstance(node, ast.AST):
        return node
    found = change(node) if isinstance(node, ast.expr) else None
    if found is not None:
        return found
    return type(node)(**{name: changed(value, change) for name, value in ast.iter_fields(node)})


def put(tree: ast.expr, terms: Mapping[str, ast.expr]) -> ast.expr:
    """The tree with names replaced by the expressions of `terms`."""

    def term(node: ast.expr) -> ast.expr | None:
        return terms.get(node.id) if isinstance(node, ast.Name) else None

    found: ast.expr = changed(tree, term)
    return found


def names_in(tree: ast.expr) -> set[str]:
    """The names in a tree, those of functions included."""
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def measured(tree: ast.expr) -> set[str]:
    """The names of lists whose length an expression reads: `sizes` in ``len(sizes)``."""
    return {
        node.args[0].id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and names_in(node.func) == {"len"}
        if isinstance(node.args[0], ast.Name)
    }


def of_plain(value: Any) -> ast.expr:
    """The tree of a plain value: a number below zero is a sign and a number, as Python reads it."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value < 0:
        return ast.UnaryOp(ast.USub(), ast.Constant(-value))
    return ast.Constant(value)


def multiplied(operands: list[ast.expr]) -> ast.expr:
    """The product of operands, from left to right."""
    first, *others = operands
    for other in others:
        first = ast.BinOp(first, ast.Mult(), other)
    return first


def factors_in(tree: ast.expr) -> list[ast.expr]:
    """The operands of a product, from left to right; for any other expression the expression."""
    if isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.Mult):
        return [*factors_in(tree.left), *factors_in(tree.right)]
    return [tree]


def divided_up(over: ast.expr, under: ast.expr) -> ast.expr:
    """The division that rounds up: ``-(-over // under)``."""
    sign = ast.USub()
    return ast.UnaryOp(sign, ast.BinOp(ast.UnaryOp(sign, over), ast.FloorDiv(), under))


def call(function: str, *operands: ast.expr) -> ast.expr:
    """The call of a function."""
    return ast.Call(ast.Name(function), [*operands], [])
