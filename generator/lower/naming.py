"""Names of attributes: what is written, and what layers without a name are called."""

from __future__ import annotations

import itertools
import re
from collections.abc import Hashable, Mapping
from typing import Any

from msgspec import Struct, field

from ..symbolic.sizes import Coded, Dim

_NUMBERED = re.compile(r"(.*?)([1-9][0-9]*)")


def written_names(items: Any) -> set[str]:
    """The names that stand literally in a scope's items: `Group`s belong to it."""
    found: set[str] = set()
    for item in items if isinstance(items, list) else ():
        for type_, args in item.items() if isinstance(item, dict) else ():
            if isinstance(args, dict):
                if isinstance(args.get("name"), str):
                    found.add(args["name"])
                if type_ == "Group":
                    found |= written_names(args.get("layers"))
    return found


def key_of(row: str, args: Mapping[str, Any]) -> Hashable:
    """Equal for layers that one attribute can serve."""
    return (row, *((name, _frozen(value)) for name, value in args.items()))


def _frozen(value: Any) -> Hashable:
    if isinstance(value, (Dim, Coded)):
        return value.code
    if isinstance(value, (tuple, list)):
        return tuple(map(_frozen, value))
    return (type(value).__name__, value) if isinstance(value, Hashable) else id(value)


class Names(Struct):
    """The names of one scope as it is read from top to bottom."""

    taken: set[str]
    highest: dict[str, int] = field(default_factory=dict)
    stateless: dict[str, dict[Hashable, int]] = field(default_factory=dict)

    def note(self, name: str) -> None:
        """A written name: numbering goes on from it."""
        match = _NUMBERED.fullmatch(name)
        if match:
            stem, number = match[1], int(match[2])
            self.highest[stem] = max(self.highest.get(stem, 0), number)

    def numbered(self, stem: str) -> str:
        """The next name of a layer that holds parameters or buffers."""
        number = self.highest.get(stem, 0) + 1
        while f"{stem}{number}" in self.taken:
            number += 1
        self.highest[stem] = number
        self.taken.add(f"{stem}{number}")
        return f"{stem}{number}"

    def shared(self, stem: str, key: Hashable) -> int:
        """Which of a stem's attributes serves a layer without parameters, from 0."""
        known = self.stateless.setdefault(stem, {})
        return known.setdefault(key, len(known))

    def final(self, stem: str, place: int) -> str:
        """The name of a stem's attribute, once all of the scope has been read."""
        if len(self.stateless[stem]) == 1 and stem not in self.taken:
            return stem
        return self.numbered_name(stem, place)

    def numbered_name(self, stem: str, place: int) -> str:
        """The name of a stem's attribute if the stem's attributes are numbered."""
        names = (f"{stem}{number}" for number in itertools.count(1))
        return next(
            itertools.islice((name for name in names if name not in self.taken), place, None)
        )
