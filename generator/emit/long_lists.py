"""black's format of long lists of numbers, which black itself takes minutes for.

Two names, each too long for a line, stand in place of what is in a list while black formats the
module. So it breaks the lines around the list as it would. Then the numbers are put back, one a
line, and of lists in a list each that fits in a line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from ..symbolic.literals import WIDTH

_WIDE = "x" * WIDTH
_NAME = re.compile(r"( *)_([0-9]+)_([ab])x+,")

Parts = list[Any]  # numbers as they are written, and lists of them


def without_lists(text: str, pattern: re.Pattern[str]) -> tuple[str, list[Parts]]:
    """The text with names in place of what is in long lists, and what has been in each."""
    lists: list[Parts] = []

    def replace(found: re.Match[str]) -> str:
        try:
            parts = json.loads(found[0], parse_float=_number, parse_int=str)
        except ValueError:
            return found[0]
        before = ""
        while len(parts) == 1 and isinstance(parts[0], list):  # black adds no comma to these
            before, parts = f"{before}[", parts[0]
        if len(parts) < 2:
            return found[0]
        lists.append(parts)
        names = ", ".join(f"_{len(lists) - 1}_{which}{_WIDE}" for which in "ab")
        return f"{before}[{names}]{']' * len(before)}"

    return pattern.sub(replace, text), lists


def put_back(text: str, lists: list[Parts]) -> str:
    """The formatted text with the lists; empty if a name does not stand on a line of its own."""
    lines: list[str] = []
    found = 0
    for line in text.split("\n"):
        name = _NAME.fullmatch(line)
        if name is None:
            lines.append(line)
            continue
        found += 1
        if name[3] == "a":
            for part in lists[int(name[2])]:
                lines += _lines(part, len(name[1]), ",")
    return "\n".join(lines) if found == 2 * len(lists) else ""


def _lines(part: Any, indent: int, end: str) -> Iterator[str]:
    """A number or a list in black's format; `end` is the comma after it, if there is one."""
    margin = " " * indent
    if isinstance(part, str):
        yield f"{margin}{part}{end}"
    elif indent + len(flat := _flat(part)) + len(end) <= WIDTH:
        yield f"{margin}{flat}{end}"
    else:
        yield f"{margin}["
        for inner in part:
            yield from _lines(inner, indent + 4, "," if part[1:] else "")
        yield f"{margin}]{end}"


def _number(text: str) -> str:
    """A number as black writes it."""
    return text.replace("e+", "e")


def _flat(part: Any) -> str:
    return part if isinstance(part, str) else f"[{', '.join(map(_flat, part))}]"
