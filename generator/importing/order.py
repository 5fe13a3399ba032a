"""The order of the `state_dict`: which layers a spec has to `declare`."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Any

Tree = dict[str, Any]  # names in order, each with the names in it
TENSORS = {"Parameter": 0, "Buffer": 1}  # a `state_dict` lists them first


def declared_first(keys: Iterable[str], types: Mapping[str, str]) -> list[str]:
    """What `declare` has to say for layers in the order in which they stand, each with its type.

    The `keys` are those of the `state_dict`, in its order.
    """
    wanted = [name for name in dict.fromkeys(_owner(key, types) for key in keys) if name]
    return _needed(_listed(_tree(types), types, ""), _tree(wanted), "")


def merged(orders: Iterable[Iterable[str]]) -> list[str]:
    """One order of all names: one that is not in the first order stands after the one before it."""
    found: list[str] = []
    for order in orders:
        place = 0
        for name in order:
            if name in found:
                place = found.index(name) + 1
            else:
                found.insert(place, name)
                place += 1
    return found


def _owner(key: str, names: Container[str]) -> str:
    """The layer that a key of the `state_dict` belongs to; empty for one that is not there."""
    while key not in names and key:
        key = key.rpartition(".")[0]
    return key


def _tree(names: Iterable[str]) -> Tree:
    tree: Tree = {}
    for name in names:
        inner = tree
        for part in name.split("."):
            inner = inner.setdefault(part, {})
    return tree


def _listed(tree: Tree, types: Mapping[str, str], prefix: str) -> Tree:
    """The names in the order in which a `state_dict` lists them if nothing is declared."""
    names = sorted(tree, key=lambda name: TENSORS.get(types.get(prefix + name, ""), 2))
    return {name: _listed(tree[name], types, f"{prefix}{name}.") for name in names}


def _needed(written: Tree, wanted: Tree, prefix: str) -> list[str]:
    """What is made first: the least, so that the rest has the right order by itself."""
    inner = {x: _needed(written[x], wanted[x], f"{prefix}{x}.") for x in wanted}
    if all(name.isdecimal() for name in wanted):
        return [name for own in inner.values() for name in own]  # numbers have their own order
    places = {name: place for place, name in enumerate(written)}
    rest = [places[name] for name in wanted]
    first = next((i for i in range(len(rest) - 1, 0, -1) if rest[i - 1] > rest[i]), 0)
    last = max((place + 1 for place, name in enumerate(wanted) if inner[name]), default=0)
    found: list[str] = []
    for name in [*wanted][: max(first, last)]:
        found += inner[name] or [f"{prefix}{name}"]
    return found
