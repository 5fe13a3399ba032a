"""What is the same thing in several uses of a block: modules, and arguments of several types."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..ir.graph import Module
from ..layers.base import Arg, Layer


def keyed(modules: Iterable[Module], key: Any) -> dict[Any, Module]:
    """Modules by name, or by the place in the spec and how often it was met before."""
    found: dict[Any, Module] = {}
    times: dict[Any, int] = {}
    for module in modules:
        if key is not None:
            if key(module):
                found[key(module)] = module
            continue
        number = times.get(module.path, 0)
        times[module.path] = number + 1
        found[module.path, number] = module
    return found


def merged_order(lists: Sequence[list[Any]]) -> list[Any]:
    """All keys in an order that agrees with each list."""
    order = list(sorted(lists, key=len)[-1])
    known = set(order)
    for keys in lists:
        for before, key in zip([None, *keys], keys, strict=False):
            if key not in known:
                known.add(key)
                order.insert(order.index(before) + 1 if before in order else 0, key)
    return order


def counterpart(row: Layer | None, arg: Arg, place: int) -> Arg | None:
    """The argument of another type that a call with this one means."""
    own = row.args if row is not None else ()
    if arg.positional and place < len(own) and own[place].positional:
        return own[place]
    return next((other for other in own if other.name == arg.name), None)


def argument_of(module: Module, arg: Arg, place: int) -> Any:
    """What a call gives for an argument that another type has at this place."""
    own = counterpart(module.row, arg, place)
    return None if own is None else (module.args or {}).get(own.name)
