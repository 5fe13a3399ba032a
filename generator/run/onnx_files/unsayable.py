"""What no spec can say of a file."""

from __future__ import annotations

from collections.abc import Sequence


class Unsayable(Exception):
    """Nodes that no spec can say, each in words."""

    def __init__(self, found: Sequence[str]) -> None:
        super().__init__(found[0])
        self.found = tuple(dict.fromkeys(found))
