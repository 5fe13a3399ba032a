"""Names of attributes: those that are written, and those that layers without a name get."""

from __future__ import annotations

import itertools
import re
from collections.abc import Hashable, Mapping
from typing import Any

from msgspec import Struct, field

from ..symbolic.sizes import Coded, Dim

_NUMBERED = r"(.*?)([1-9][0-9]*)"


def written_names(items: Any) -> set[str]:
    """The names that stand literally in a scope's items, those in its `Group`s included."""
    found: set[str] = set()
    for item in items if isinstance(items, list) else ():
        for type_, args in item.items() if isinstance(item, dict) else ():
            if isinstance(args, dict):
                name = args.get("name")
                names = name if isinstance(name, list) else [name]
                found.update(word for word in names if isinstance(word, str))
                if type_ == "Group":
                    found |= written_names(args.get("layers"))
    return found


def key_of(row: str, args: Mapping[str, Any]) -> Hashable:
    """A key that is equal for stateless layers that can share one attribute."""
    return (row, *((name, _frozen(value)) for name, value in args.items()))


def _frozen(value: Any) -> Hashable:
    if isinstance(value, (Dim, Coded)):
        return value.normal
    if isinstance(value, (tuple, list)):
        return tuple(map(_frozen, value))
    return (type(value).__name__, value)  # `True` is no 1, and 1.0 neither


class Names(Struct):
    """The names of one scope while it is being read from top to bottom.

    `taken` are names that numbering must leave out, `highest` the last number by stem, `stateless`
    the keys of shared attributes by stem, each with its place.
    """

    taken: set[str]
    highest: dict[str, int] = field(default_factory=dict)
    stateless: dict[str, dict[Hashable, int]] = field(default_factory=dict)

    def note(self, name: str) -> None:
        """Let numbering go on from a written name: after `conv3` comes `conv4`."""
        match = re.fullmatch(_NUMBERED, name)
        if match:
            stem, number = match[1], int(match[2])
            self.highest[stem] = max(self.highest.get(stem, 0), number)

    def numbered(self, stem: str) -> str:
        """Take the next numbered name of a stem, for a layer with parameters or buffers."""
        number = self.highest.get(stem, 0) + 1
        while f"{stem}{number}" in self.taken:
            number += 1
        self.highest[stem] = number
        self.taken.add(f"{stem}{number}")
        return f"{stem}{number}"

    def shared(self, stem: str, key: Hashable) -> int:
        """The place, from 0, of the stem's attribute that serves stateless layers of this key."""
        known = self.stateless.setdefault(stem, {})
        return known.setdefault(key, len(known))

    def final(self, stem: str, place: int) -> str:
        """The name of a stem's shared attribute, once all of the scope has been read."""
        if len(self.stateless[stem]) == 1 and stem not in self.taken:
            return stem
        return self.numbered_name(stem, place)

    def numbered_name(self, stem: str, place: int) -> str:
        """The name of a stem's shared attribute if the stem has several, which are numbered."""
        names = (f"{stem}{number}" for number in itertools.count(1))
        return next(
            itertools.islice((name for name in names if name not in self.taken), place, None)
        )
