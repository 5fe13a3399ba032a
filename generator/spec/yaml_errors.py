"""Diagnostics for a text that is no YAML, made from the parser's error."""

from __future__ import annotations

from typing import Any, Protocol

from ..diagnostics.diagnostics import Diagnostic, Location, printable


class ParserError(Protocol):
    """The error of a YAML parser: what it was reading, what stopped it, and the places of both."""

    context: str | None
    context_mark: Any
    problem: str | None
    problem_mark: Any


def not_yaml(error: ParserError, text: str, name: str) -> Diagnostic:
    """The diagnostic for a parser's error.

    Its place is where the parser gave up, or where something was opened that nothing closes.
    """
    mark = error.problem_mark or error.context_mark
    problem = printable((error.problem or "it does not parse").lower())
    if mark is None:
        return Diagnostic("NG102", f"not YAML: {problem}", Location(name, 1, 1))
    lines = text.splitlines()
    line = lines[mark.line] if mark.line < len(lines) else ""
    location = Location(name, mark.line + 1, mark.column + 1, 1, line)
    if "another document" in problem:
        message = "a spec is one YAML document, but another one begins here"
        return Diagnostic("NG102", message, location)
    begun, notes = error.context_mark, []
    context = (error.context or "").lower()
    if begun is not None and context in _OPENED and "$(" not in line:
        # the mistake is where something was opened, not where the parser gave up
        given_up = f"line {mark.line + 1}, column {mark.column + 1}"
        notes = [f"{_OPENED[context]} here, and nothing closes it up to {given_up}"]
        line = lines[begun.line] if begun.line < len(lines) else ""
        location = Location(name, begun.line + 1, begun.column + 1, 1, line)
    help = next((help for sign, help in _CURES if sign in problem or sign in line), None)
    return Diagnostic("NG102", f"not YAML: {problem}", location, tuple(notes), help)


_OPENED = {
    "while parsing a flow sequence": "a `[` is opened",
    "while parsing a flow mapping": "a `{` is opened",
    "while scanning a quoted scalar": "a quote is opened",
    "while scanning a simple key": "a key without `: ` stands",
}
# the help for a sign in the parser's message or in the line
_CURES = (
    ("\t", "YAML is indented with spaces, not with tabs"),
    ("$(", "put an expression with a bracket, a brace or a comma in quotes here"),
    ("mapping values are not allowed", "put a text that holds `: ` in quotes, or indent the line"),
    ("could not find expected ':'", "a key is followed by `: `"),
    ("did not find expected key", "items of one mapping begin in one column"),
    ("did not find expected '-'", "items of one list begin in one column"),
    ("undefined alias", "an anchor `&name` stands before its alias `*name`"),
    ("cannot start any token", "put a text that begins with such a character in quotes"),
)
