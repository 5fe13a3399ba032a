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
    if not notes and _is_text(line) and "\t" not in line:
        help = _indented(lines, mark.line, mark.column) or help
    if beside := _item_before(lines, location.line - 1):
        help = f"an item of the list begins with `- `, as in line {beside + 1}"
    return Diagnostic("NG102", f"not YAML: {problem}", location, tuple(notes), help)


def _indented(lines: list[str], number: int, column: int) -> str | None:
    """The help where a line begins in another column than the line before it has it begin."""
    before = next((at for at in range(number - 1, -1, -1) if _is_text(lines[at])), None)
    if before is None:
        return None
    own, other = _column(lines[number]), _column(lines[before])
    above = lines[before].partition(" #")[0].rstrip()
    if column == own and above.endswith(":") and own <= other:
        key = printable(above.strip().removeprefix("- "))
        return f"indent the line: it stands under `{key}` of line {before + 1}"
    if column == own < other:
        alike = next((at for at in range(before, -1, -1) if _column(lines[at]) <= own), before)
        if _is_text(lines[alike]) and _column(lines[alike]) < own:
            return f"begin the line in column {other + 1}, as line {before + 1} does"
    if column > own > other and not above.endswith((":", "|", ">", "-", "{", "[", ",")):
        place = f"begin it in column {other + 1}, as line {before + 1} does"
        return f"the line is indented too far: {place}"
    return None


def _item_before(lines: list[str], number: int) -> int | None:
    """The line of the item before, where a line has its column but not its `- `."""
    line = lines[number] if number < len(lines) else ""
    if not _is_text(line) or line.lstrip().startswith("-"):
        return None
    own = _column(line)
    above = (at for at in range(number - 1, -1, -1) if _is_text(lines[at]))
    before = next((at for at in above if _column(lines[at]) <= own), None)
    if before is None or _column(lines[before]) < own:
        return None
    return before if lines[before].lstrip().startswith("- ") else None


def _is_text(line: str) -> bool:
    """Whether a line has more than blanks and a comment."""
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _column(line: str) -> int:
    """The column, from 0, in which a line begins."""
    return len(line) - len(line.lstrip())


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
