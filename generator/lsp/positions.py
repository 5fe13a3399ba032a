"""Conversion between netgen's places in a text and an editor's.

netgen counts lines and characters from 1, with YAML's line breaks. An editor counts from 0, in
units of some encoding, and has fewer kinds of line breaks.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable

_YAML_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_BREAK = re.compile("\r\n|[\n\r]")


class Positions:
    """Converts places of one text; `units` gives a text's length in the editor's units."""

    def __init__(self, text: str, units: Callable[[str], int]) -> None:
        self.text, self.units = text, units
        self.ours, self.theirs = _starts(_YAML_BREAK, text), _starts(_BREAK, text)

    def to_editor(self, line: int, column: int) -> tuple[int, int]:
        """The editor's line and character of a place, or of the end of its line."""
        start = self.ours[min(line, len(self.ours)) - 1]
        end = _YAML_BREAK.search(self.text, start)
        offset = min(start + column - 1, end.start() if end else len(self.text))
        row = bisect_right(self.theirs, offset) - 1
        return row, self.units(self.text[self.theirs[row] : offset])

    def from_editor(self, row: int, character: int) -> tuple[int, int]:
        """The line and column of an editor's place, or of the end of its line."""
        offset = self.theirs[min(row, len(self.theirs) - 1)]
        while character > 0 and self.text[offset : offset + 1] not in ("", "\n", "\r"):
            character -= self.units(self.text[offset])
            offset += 1
        line = bisect_right(self.ours, offset)
        return line, offset - self.ours[line - 1] + 1


def _starts(end: re.Pattern[str], text: str) -> list[int]:
    """Where each line begins."""
    return [0, *(found.end() for found in end.finditer(text))]
