"""``$name`` and ``$(...)``: a small, safe part of Python over parameters and sizes.

Values are plain Python values, or carry the expression that gave them: sizes (`Dim`) and other
values (`Coded`). Operations combine the expressions, too. Nothing else is reachable, and every
result has a bound, so that text from a stranger can neither run code nor take memory.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from msgspec import Struct

from ..diagnostics.diagnostics import SpecPath
from .algebra import Symbols
from .budget import MOST_ITEMS, Budget
from .evaluator import Evaluator, Names
from .functions import KNOWN
from .literals import quoted
from .sizes import Coded, Dim, symbols_in
from .syntax import ExpressionError, calls, check_syntax, fail
from .tree import names_in

LONGEST = 2_000  # characters of an expression

_REFERENCE = r"\bshape\(\s*([A-Za-z_][\w.]*\.[\w.]*)\s*\)"  # with a port
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class _Piece(Struct, frozen=True):
    """Literal text, or the text of an expression."""

    text: str
    expression: bool = False


def has_expression(text: str) -> bool:
    """Whether a string holds anything to evaluate (or a ``$$`` to unescape)."""
    return "$" in text


def evaluate_text(text: str, names: Names, budget: Budget) -> Any:
    """The value of a string: that of its only expression, or the text with all expressions' values.

    Symbols in a text are fixed. Raises `ExpressionError` or `TooLong`.
    """
    pieces = list(_split(text))
    if len(pieces) == 1 and pieces[0].expression:
        return evaluate(pieces[0].text, names, budget)
    parts, length = [], 0
    for piece in pieces:
        budget.spend()
        value: Any = piece.text
        if piece.expression:
            value = evaluate(piece.text, names, budget)
            names.fix_names(symbols_in(value), "needs it in a text")
            value = value.value if isinstance(value, Coded) else value
            if isinstance(value, (list, float)) or value is None:
                fail("only whole numbers, words and booleans can be put into text")
        parts.append(str(int(value)) if isinstance(value, Dim) else str(value))
        length += len(parts[-1])
        if length > MOST_ITEMS:
            fail(f"a text of more than {MOST_ITEMS} characters is too long")
    return "".join(parts)


def code_in_text(text: str, names: Names, budget: Budget) -> str:
    """The inside of an f-string that gives the text with the values of its expressions."""
    parts = []
    for piece in _split(text):
        if piece.expression:
            value = evaluate(piece.text, names, budget)
            if isinstance(value, (Dim, Coded)):
                parts.append(f"{{{_in_braces(value.code)}}}")
                continue
            parts.append(_in_quotes(str(value)))
        else:
            parts.append(_in_quotes(piece.text))
    return "".join(parts)


def _in_quotes(text: str) -> str:
    """Text escaped for the inside of an f-string."""
    return quoted(text)[1:-1].replace("{", "{{").replace("}", "}}")


def _in_braces(code: str) -> str:
    """An expression for the braces of an f-string; refuses what Python 3.11 refuses there."""
    if any(char in code for char in '"\\{}#!\n'):
        fail("an expression with quotes can't be part of a name")
    return code


def only_expression(text: str) -> str | None:
    """The text of the expression if a string is one expression and nothing else, or ``None``."""
    pieces = list(_split(text)) if has_expression(text) else []
    if len(pieces) == 1 and pieces[0].expression:
        return re.sub(_REFERENCE, r'shape("\1")', pieces[0].text.strip().replace("\n", " "))
    return None


def _split(text: str) -> Iterator[_Piece]:
    literal, place = "", 0
    while place < len(text):
        if text[place] != "$":
            literal, place = literal + text[place], place + 1
            continue
        if text.startswith("$$", place):
            literal, place = literal + "$", place + 2
            continue
        if literal:
            yield _Piece(literal)
            literal = ""
        end = _end(text, place + 1)
        inner = text[place + 1 : end]
        yield _Piece(inner[1:-1] if inner[0] == "(" else inner, expression=True)
        place = end
    if literal or not text:
        yield _Piece(literal)


def _end(text: str, start: int) -> int:
    """The end of the name or the bracketed expression that begins at `start`."""
    name = _NAME.match(text, start)
    if name:
        return name.end()
    if not text.startswith("(", start):
        help = "write `$name`, or `$(...)` for an expression, or `$$` for a plain `$`"
        number = re.match(r"-?\d[\d.]*", text[start:])
        help = f"write `{number[0]}`: a number needs no `$`" if number else help
        fail("`$` begins a name or an expression", help=help)
    depth, quote = 0, ""
    for place in range(start, len(text)):
        char = text[place]
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
            if not depth:
                return place + 1
    return fail(
        f"`{text}` does not close",
        help="close its bracket; inside `{...}` and `[...]` an expression with a comma, a bracket, "
        "a brace or a colon stands in quotes",
    )


def evaluate(text: str, names: Names, budget: Budget) -> Any:
    """The value of an expression's text; raises `ExpressionError` or `TooLong`."""
    if len(text) > LONGEST:
        fail(f"an expression of {len(text)} characters is too long")
    if _NAME.fullmatch(text) and text not in ("True", "False", "None", "pi"):
        return names.value(text)
    tree = _parsed(re.sub(_REFERENCE, r'shape("\1")', text)).body
    try:
        return Evaluator(names, budget).value(tree)
    except RecursionError:
        fail("the expression is nested too deeply")


def evaluate_again(tree: ast.expr, names: Names) -> Any:
    """The value of an expression that a value came from, with other values of its names.

    Raises `ExpressionError` or `TooLong`.
    """
    if isinstance(tree, ast.Name) and tree.id != "pi":
        return names.value(tree.id)
    try:
        return Evaluator(names, Budget(), rebinds=True).value(tree)
    except RecursionError:
        fail("the expression is nested too deeply")


# signs of other languages that people write out of habit, each with the help for it
_SLIPS = {
    "$": "inside `$(...)` names stand without `$`",
    "&&": "write `and`",
    "||": "write `or`",
    "!": "write `not`",
    "=": "`==` compares; nothing is assigned",
}


def _parsed(text: str) -> ast.Expression:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python's opinion of odd literals
            return ast.parse(text.strip().replace("\n", " "), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        if not text.strip():
            fail("nothing stands in `$()`")
        slips = (help for sign, help in _SLIPS.items() if sign in text)
        fail(f"`{text}` is not an expression", help=next(slips, None))


def check_names(text: str, known: Container[str] | None) -> None:
    """Refuse invalid expressions in a string, and names in them that are not `known`.

    Nothing is evaluated. If `known` is ``None``, any name may be right.
    """
    for piece in _split(text):
        if not piece.expression:
            continue
        tree = _parsed(re.sub(_REFERENCE, "0", piece.text))
        check_syntax(tree.body)
        loops = [node for node in ast.walk(tree) if isinstance(node, ast.comprehension)]
        own = {name for loop in loops for name in names_in(loop.target)}
        called = {node.func for node in ast.walk(tree) if isinstance(node, ast.Call)}
        read = [arg for node in ast.walk(tree) if calls(node, "shape") for arg in node.args]
        for node in ast.walk(tree):
            if not isinstance(node, ast.Name) or node in called or node in read or known is None:
                continue
            if not any(node.id in some for some in (known, own, KNOWN)):
                fail(f"there is no parameter `{node.id}` here", node.id)


def texts(
    value: Any, path: SpecPath, skipped: Container[str] = ()
) -> Iterator[tuple[SpecPath, str]]:
    """The strings with expressions in a value, with their places; none under `skipped` keys."""
    if isinstance(value, str) and has_expression(value):
        yield path, value
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from texts(item, (*path, place), skipped)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key not in skipped:
                yield from texts(item, (*path, key), skipped)
            if has_expression(key):
                yield path, key


def words_in(text: str) -> set[str]:
    """The names in a string's expressions, up to the first that is malformed."""
    found: set[str] = set()
    with suppress(ExpressionError):
        for piece in _split(text):
            if piece.expression:
                found |= set(_NAME.findall(piece.text))
    return found


def constant(text: str, budget: Budget) -> bool | int | str | None:
    """The value of a string that is an expression without names and could be written as it is.

    ``None`` for all others. Fractions (``$(1 / 3)``) and comprehensions say more than their values.
    """
    only = only_expression(text)
    if only is None:
        return None
    nodes = [*ast.walk(_parsed(only))]
    functions = {node.func for node in nodes if isinstance(node, ast.Call)}
    names = [node for node in nodes if isinstance(node, ast.Name) and node not in functions]
    if names or any(isinstance(node, ast.comprehension) or calls(node, "shape") for node in nodes):
        return None
    value = Evaluator(PlainNames({}), budget).value(_parsed(only).body)
    return value if isinstance(value, (bool, int, str)) else None


class PlainNames(Struct, frozen=True):
    """The names of an expression that sees only these values: no layer can be read."""

    values: Mapping[str, Any]

    def words(self) -> list[str]:
        """The names that there are."""
        return list(self.values)

    def value(self, name: str) -> Any:
        if name not in self.values:
            fail(f"there is no parameter `{name}` here", name)
        return self.values[name]

    def shape(self, reference: str) -> Sequence[Any]:
        fail("`shape` has no meaning here: no layer can be read")

    def fix_names(self, symbols: Symbols, why: str) -> None:
        """Do nothing: there is no parameter to fix."""
