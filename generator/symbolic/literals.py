"""Text that goes into generated source: literals, docstrings and comments, in one place.

Nothing else turns a string of a spec into source: names are checked identifiers, values go
through `literal`, prose through `prose`.
"""

from __future__ import annotations

import ast
import math
import re
import textwrap
from typing import Any

from .functions import OF_MATH
from .sizes import Coded, Dim
from .tree import changed

WIDTH = 88

_COMMAND = r"^( *)::"  # begins a command to GitHub in a workflow's log

# expressions call these functions without `math.`
_OF_MATH = rf"(?<![\w.])({'|'.join(OF_MATH)})\("


def literal(value: Any, *, brackets: bool = False) -> str:
    """Python source for a value: its expression if it has one; raises `TypeError` for other types.

    With `brackets`, a tuple is written as a list.
    """
    if isinstance(value, (Dim, Coded)):
        code = value.code
        if "[" in code:
            tree = value.tree() if brackets else _as_tuples(value.tree())
            code = ast.unparse(comparing_tuples(tree))
        return pythonic(code)
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, (tuple, list)):
        inner = ", ".join(literal(item) for item in value)
        if brackets:
            return f"[{inner}]"
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    if value is None or isinstance(value, (bool, int, float)):
        return repr(value)
    raise TypeError(f"no literal for {type(value).__name__}")


def pythonic(code: str) -> str:
    """An expression as generated source: functions of `math` get their module."""
    return re.sub(_OF_MATH, r"math.\1(", code)


def comparing_tuples(tree: ast.expr) -> ast.expr:
    """The expression with tuples for the lists that it compares.

    The arguments of a class are tuples, and no tuple equals a list.
    """

    def compared(node: ast.expr) -> ast.expr | None:
        if not isinstance(node, ast.Compare):
            return None
        parts = (_as_tuples(operand) for operand in (node.left, *node.comparators))
        left, *others = map(comparing_tuples, parts)  # a comparison may stand in another one
        return ast.Compare(left, node.ops, others)

    found: ast.expr = changed(tree, compared)
    return found


def _as_tuples(node: ast.expr) -> ast.expr:
    """The expression with tuples for the lists among which its value is."""
    if isinstance(node, ast.List):
        return ast.Tuple([*map(_as_tuples, node.elts)])
    if isinstance(node, ast.ListComp):
        items = ast.GeneratorExp(_as_tuples(node.elt), node.generators)
        return ast.Call(ast.Name("tuple"), [items], [])
    if isinstance(node, ast.IfExp):
        return ast.IfExp(node.test, _as_tuples(node.body), _as_tuples(node.orelse))
    if isinstance(node, ast.BoolOp):
        return ast.BoolOp(node.op, [*map(_as_tuples, node.values)])
    if isinstance(node, ast.BinOp):
        return ast.BinOp(_as_tuples(node.left), node.op, _as_tuples(node.right))
    return node


def quoted(text: str) -> str:
    """A string literal in double quotes, all but printable ASCII escaped."""
    body = text.encode("unicode_escape").decode("ascii").replace('"', '\\"')
    return f'"{body}"'


def prose(text: str) -> str:
    """Text that is safe in a docstring or comment: one line that can't end it or hide anything.

    Backslashes are escaped first, and double quotes in pairs, so that none ends the docstring.
    Characters that can't be seen, or change the direction of others, are written as escapes.
    """
    text = " ".join(text.split())
    text = text.replace("\\", "\\\\").replace('""', '\\"\\"')
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def paragraphs(text: str) -> list[str]:
    """The paragraphs of a description, each in one line."""
    blocks = text.replace("\r", "\n").split("\n\n")
    return [prose(block) for block in blocks if block.strip()]


def wrapped(text: str, indent: int, hanging: int = 0, opening: int = 0) -> list[str]:
    """The text in lines that fit a docstring with this indentation.

    The first line has `opening` characters less room, as for the quotes in front of it. Generated
    source may be printed in a log that a service reads: no line begins like one of its commands.
    """
    width = max(WIDTH - indent, 20)
    later = " " * hanging
    lines = textwrap.wrap(
        text,
        width,
        initial_indent="-" * opening,
        subsequent_indent=later,
        break_long_words=False,
        break_on_hyphens=False,
    )
    lines[:1] = [line[opening:] for line in lines[:1]]
    return [re.sub(_COMMAND, r"\1\\x3a:", line) for line in lines]


def summary(text: str) -> str:
    """The first line of a docstring: it ends in a full stop, never in a quote or backslash."""
    return text if text.endswith((".", "!", "?")) else f"{text}."
