"""``$name`` and ``$(...)``: a small, safe part of Python over parameters and sizes.

Values are plain Python values, sizes that remember where they come from (`Dim`), and other
values that do (`Coded`); operations carry the expression along. Nothing else is reachable, and
every result has a bound, so that text from a stranger can neither run code nor take memory.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .carried import named
from .evaluator import MOST_ITEMS, Budget, Evaluator, ExpressionError, Names, fail
from .sizes import Coded, Dim, symbols_in

LONGEST = 2_000  # characters of an expression

__all__ = [
    "Budget",
    "ExpressionError",
    "Names",
    "evaluate",
    "evaluate_text",
    "fail",
    "has_expression",
    "named",
]

_REFERENCE = re.compile(r"\bshape\(\s*([A-Za-z_][\w.]*\.[\w.]*)\s*\)")  # with a port
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class _Piece:
    """Literal text, or the text of an expression."""

    text: str
    expression: bool = False


def has_expression(text: str) -> bool:
    """Whether a string holds anything to evaluate (or a ``$$`` to unescape)."""
    return "$" in text


def evaluate_text(text: str, names: Names, budget: Budget) -> Any:
    """The value of a string: of its only expression, or its text with expressions put in."""
    pieces = list(_split(text))
    if len(pieces) == 1 and pieces[0].expression:
        return evaluate(pieces[0].text, names, budget)
    parts = []
    for piece in pieces:
        value: Any = piece.text
        if piece.expression:
            value = evaluate(piece.text, names, budget)
            names.pin(symbols_in(value))
            value = value.value if isinstance(value, Coded) else value
            if isinstance(value, (list, float)) or value is None:
                fail("only whole numbers, words and booleans can be put into text")
        parts.append(str(int(value)) if isinstance(value, Dim) else str(value))
        if sum(map(len, parts)) > MOST_ITEMS:
            fail(f"a text of more than {MOST_ITEMS} characters is too long")
    return "".join(parts)


def code_in_text(text: str, names: Names, budget: Budget) -> str:
    """The inside of an f-string that gives the text with its expressions put in."""
    parts = []
    for piece in _split(text):
        if piece.expression:
            value = evaluate(piece.text, names, budget)
            carried = isinstance(value, (Dim, Coded))
            parts.append(f"{{{value.code}}}" if carried else str(value))
        else:
            parts.append(piece.text.replace("{", "{{").replace("}", "}}"))
    return "".join(parts)


def only_expression(text: str) -> str | None:
    """The text of the expression that a string is and nothing else; ``None`` for other strings."""
    pieces = list(_split(text)) if has_expression(text) else []
    if len(pieces) == 1 and pieces[0].expression:
        return _REFERENCE.sub(r'shape("\1")', pieces[0].text.strip().replace("\n", " "))
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
        fail("`$` begins a name or an expression in `$(...)`; write `$$` for a plain `$`")
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
    return fail(f"`{text}` does not close: inside `{{...}}` and `[...]` put it in quotes")


def evaluate(text: str, names: Names, budget: Budget) -> Any:
    """The value of the text of an expression."""
    if len(text) > LONGEST:
        fail(f"an expression of {len(text)} characters is too long")
    if _NAME.fullmatch(text) and text not in ("True", "False", "None", "pi"):
        return names.value(text)
    text = _REFERENCE.sub(r'shape("\1")', text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python's opinion of odd literals
            tree = ast.parse(text.strip().replace("\n", " "), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        fail(f"`{text}` is not an expression")
    try:
        return Evaluator(names, budget).value(tree.body)
    except RecursionError:
        fail("the expression is nested too deeply")
