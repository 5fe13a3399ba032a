"""The order of the `state_dict`: which layers a spec has to `declare`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..run.recording.recorded import Recording

Tree = dict[str, Any]  # names in order, each with the names in it


def declared_first(recording: Recording, names: Sequence[str]) -> list[str]:
    """What `declare` has to say for layers with these names, in the order in which they stand."""
    known = {*names}
    wanted = [name for name in dict.fromkeys(_owner(key, known) for key in recording.keys) if name]
    return _needed(_tree(names), _tree(wanted), "")


def _owner(key: str, names: set[str]) -> str:
    """The layer that a key of the `state_dict` belongs to; empty for one that is not there."""
    while key not in names and key:
        key = key.rpartition(".")[0]
    return key


def _tree(names: Sequence[str]) -> Tree:
    tree: Tree = {}
    for name in names:
        inner = tree
        for part in name.split("."):
            inner = inner.setdefault(part, {})
    return tree


def _needed(written: Tree, wanted: Tree, prefix: str) -> list[str]:
    """What is made first: the least, so that the rest has the right order by itself."""
    if all(name.isdecimal() for name in wanted):
        return []  # what has numbers, and what is in it, can't be declared
    inner = {x: _needed(written[x], wanted[x], f"{prefix}{x}.") for x in wanted}
    places = {name: place for place, name in enumerate(written)}
    rest = [places[name] for name in wanted]
    first = next((i for i in range(len(rest) - 1, 0, -1) if rest[i - 1] > rest[i]), 0)
    last = max((place + 1 for place, name in enumerate(wanted) if inner[name]), default=0)
    found: list[str] = []
    for name in [*wanted][: max(first, last)]:
        found += inner[name] or [f"{prefix}{name}"]
    return found
