"""Which parts of several uses of a block, and which arguments of several types, correspond."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from ..ir.graph import Module, Node
from ..layers.base import Arg, Layer
from .common_value import Case

Part = TypeVar("Part", Module, Node)
Parts = Sequence[tuple[Case, Part]]  # what corresponds, each with the case of its use


def counterparts(
    containers: Sequence[tuple[Case, Sequence[Module]]], *, by_name: bool
) -> Iterator[Parts[Module]]:
    """The children of a container in all uses, each with those that correspond to it.

    They correspond by their names, or by their places in the spec. One without a name is absent,
    and corresponds to all others from its place.
    """
    tables = [(case, _keyed(modules, by_name=by_name)) for case, modules in containers]
    nameless = [{m.path: m for m in modules if by_name and not m.name} for _, modules in containers]
    for key in _merged_order([list(table) for _, table in tables]):
        path = next(table[key].path for _, table in tables if key in table)
        yield [
            (case, table[key] if key in table else absent[path])
            for (case, table), absent in zip(tables, nameless, strict=True)
            if key in table or path in absent
        ]


def foreseen(group: Parts[Part]) -> Parts[Part]:
    """The parts; if all are absent, those that other arguments would make of them."""
    if all(part.absent for _, part in group):
        return [(case, part.would or part) for case, part in group]
    return group


def _keyed(modules: Iterable[Module], *, by_name: bool) -> dict[Any, Module]:
    """Modules by their name, or by place in the spec and number among those from there."""
    if by_name:
        return {module.name: module for module in modules if module.name}
    found: dict[Any, Module] = {}
    times: dict[Any, int] = {}
    for module in modules:
        number = times[module.path] = times.get(module.path, -1) + 1
        found[module.path, number] = module
    return found


def _merged_order(lists: Sequence[list[Any]]) -> list[Any]:
    """All keys of the lists, each once, in an order that agrees with every list."""
    order = list(sorted(lists, key=len)[-1])
    known = set(order)
    for keys in lists:
        for before, key in zip([None, *keys], keys, strict=False):
            if key not in known:
                known.add(key)
                order.insert(order.index(before) + 1 if before in order else 0, key)
    return order


def shared_arguments(rows: Sequence[Layer]) -> Sequence[Mapping[str, Arg]]:
    """The arguments that all types have, each as every type declares it, by the type's name."""
    found = []
    for place, arg in enumerate(rows[0].args):
        own = {row.name: other for row in rows if (other := _counterpart(row, arg, place))}
        if len(own) == len(rows):
            found.append(own)
    return found


def lone_arguments(row: Layer, shared: Sequence[Mapping[str, Arg]]) -> Iterator[Arg]:
    """The arguments of a type that others lack."""
    known = [own[row.name].name for own in shared]
    return (arg for arg in row.args if arg.name not in known)


def _counterpart(row: Layer, arg: Arg, place: int) -> Arg | None:
    """The argument of the type `row` to which a call gives what another type calls `arg`.

    By its place if both are positional, else by name; `None` if there is none.
    """
    if arg.positional and place < len(row.args) and row.args[place].positional:
        return row.args[place]
    return next((other for other in row.args if other.name == arg.name), None)
