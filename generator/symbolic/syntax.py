"""The syntax of expressions: a whitelist of Python's, checked without values.

Checks raise `ExpressionError`.
"""

from __future__ import annotations

import ast
from typing import NoReturn, TypeGuard

from .functions import FUNCTIONS
from .hints import closest
from .names import why_no_variable

OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow)
_KNOWN = (
    *(ast.BinOp, ast.BoolOp, ast.Call, ast.Compare, ast.Constant, ast.IfExp, ast.List),
    *(ast.ListComp, ast.Name, ast.Subscript, ast.UnaryOp),
)


class ExpressionError(Exception):
    """An expression that can't be evaluated; `word` is the unknown name, if that is the cause."""

    def __init__(self, message: str, word: str | None = None, help: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.word = word
        self.help = help


def fail(message: str, word: str | None = None, help: str | None = None) -> NoReturn:
    """Raise an `ExpressionError`."""
    raise ExpressionError(message, word, help)


def check_known(node: ast.expr) -> None:
    """Refuse a kind of expression that the language does not have."""
    if not isinstance(node, _KNOWN):
        no_part(node)


def no_part(node: ast.expr) -> NoReturn:
    """Refuse what the language does not have; the help says what to write instead."""
    message = f"`{ast.unparse(node)}` is not part of the expression language"
    fail(message, help=_instead(node))


def _instead(node: ast.expr) -> str | None:
    """The help for Python that is written in another way in the language."""
    named = node.func if isinstance(node, ast.Call) else node
    if isinstance(node, ast.Tuple):
        return f"write `{ast.unparse(ast.List(node.elts))}`"
    if isinstance(node, ast.GeneratorExp):
        return f"write `{ast.unparse(ast.ListComp(node.elt, node.generators))}`"
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitXor):
        return "the power is written `**`"
    if not isinstance(named, ast.Attribute):
        return None
    if isinstance(node, ast.Call) and named.attr in FUNCTIONS:
        right = ast.unparse(ast.Call(ast.Name(named.attr), node.args, []))
        return f"write `{right}`: functions stand without a module"
    if named.attr == "pi":
        return "write `pi`"
    if named.attr in ("shape", "size"):
        return f"write `shape({ast.unparse(named.value)})`, which leaves the batch out"
    return None


def check_operator(node: ast.BinOp) -> None:
    """Refuse an operator that the language does not have."""
    if type(node.op) not in OPERATORS:
        no_part(node)


def check_function(name: str) -> None:
    """Refuse a function that the language does not have."""
    if name not in FUNCTIONS:
        help = closest(name, [*FUNCTIONS, "shape", "range"])
        fail(f"`{name}` is not a function of the expression language", help=help)


def calls(node: ast.AST, name: str) -> TypeGuard[ast.Call]:
    """Whether a node is a call of this function, without keywords."""
    if not isinstance(node, ast.Call) or node.keywords:
        return False
    return isinstance(node.func, ast.Name) and node.func.id == name


def check_target(target: ast.expr) -> None:
    """Refuse what can't be the variable of a comprehension, or the variables between commas."""
    for variable in target.elts if isinstance(target, ast.Tuple) else [target]:
        check_variable(variable)


def check_variable(target: ast.expr) -> None:
    """Refuse what can't be the variable of a comprehension."""
    plain = isinstance(target, ast.Name) and (target.id == "_" or not why_no_variable(target.id))
    if not plain:
        fail(f"`{ast.unparse(target)}` can't be the variable of a comprehension")


def check_syntax(tree: ast.expr) -> None:
    """Refuse a tree that is no expression of the language, whatever values its names have."""
    loops = [node for node in ast.walk(tree) if isinstance(node, ast.comprehension)]
    targets = {loop.target for loop in loops}
    for node in ast.walk(tree):
        if node in targets:
            check_target(node)
        elif isinstance(node, ast.Call):
            if not isinstance(node.func, ast.Name) or node.keywords:
                no_part(node)
            if node.func.id not in ("range", "shape"):
                check_function(node.func.id)
        elif isinstance(node, ast.Constant) and isinstance(node.value, (bytes, complex)):
            fail(f"`{ast.unparse(node)}` is not part of the expression language")
        elif isinstance(node, ast.BinOp):
            check_operator(node)
        elif isinstance(node, ast.expr) and not isinstance(node, ast.Slice):
            check_known(node)
