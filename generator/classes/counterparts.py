"""Which modules of several uses of a block, and which arguments of several types, correspond."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..ir.graph import Module
from ..layers.base import Arg, Layer


def keyed(modules: Iterable[Module], key: Any) -> dict[Any, Module]:
    """Modules by their `key`; without one, by place in the spec and number among those there."""
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
    """All keys of the lists, each once, in an order that agrees with every list."""
    order = list(sorted(lists, key=len)[-1])
    known = set(order)
    for keys in lists:
        for before, key in zip([None, *keys], keys, strict=False):
            if key not in known:
                known.add(key)
                order.insert(order.index(before) + 1 if before in order else 0, key)
    return order


def counterpart(row: Layer | None, arg: Arg, place: int) -> Arg | None:
    """The argument of the type `row` to which a call gives what another type calls `arg`.

    By its place if both are positional, else by name; `None` if there is none.
    """
    own = row.args if row is not None else ()
    if arg.positional and place < len(own) and own[place].positional:
        return own[place]
    return next((other for other in own if other.name == arg.name), None)


def argument_of(module: Module, arg: Arg, place: int) -> Any:
    """The value that a module has for an argument that another type has in this place."""
    own = counterpart(module.row, arg, place)
    return None if own is None else (module.args or {}).get(own.name)
