"""Which parts of several uses of a block, and which arguments of several types, correspond.

Calls correspond by their order; `form_of` says what they must have in common.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from ..ir.graph import Graph, Module, Node
from ..layers.base import Arg
from ..symbolic.sizes import plain
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
    if group[0][1].absent and all(part.absent for _, part in group):
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


def form_of(node: Node, read: Container[str]) -> Hashable:
    """How ``forward`` writes a call, its tensors and arguments aside; `None` if none is made.

    Outputs are assigned if their ports are in `read`; in a loop over modules only the first one.
    """
    called, masks = node, None
    if node.kind == "ModuleList":
        if node.first_call is None:
            return None
        called = node.first_call
        first = next(iter(called.outputs))
        masks, read = called.named, called.outputs if node.carries else {first}
    row = called.row
    if row is None:
        return node.target
    if called.functional or row.operation or row.source:
        spread = [len(plain(node.args[arg.name])) for arg in row.args if arg.spread]
        shape = (*spread, node.output.rank, node.output.batch is None) if spread else ()
        if row.call == "fourier":  # of several dimensions it is another function
            shape = (isinstance(plain(node.args["dim"]), (list, tuple)),)
        return node.target, row.name, tuple(node.outputs), shape
    names = [port if port in read else "_" for port in row.ports]
    return node.target, masks, row.call if called.named else "", row.unpacked(names)


def read_ports(graphs: Sequence[Graph]) -> Mapping[int, Container[str]]:
    """The ports of each node that a call or an output reads in any of the graphs."""
    found: defaultdict[int, set[str]] = defaultdict(set)
    for graph in graphs:
        calls = (ref for node in graph.nodes for ref in node.reads)
        for ref in (*calls, *(ref for _, ref in graph.outputs)):
            found[ref.node].add(ref.port)
    return found


Types = Mapping[str, Sequence[Arg]]  # the arguments of each type, by its name


def shared_arguments(types: Types) -> Sequence[Mapping[str, Arg]]:
    """The arguments that all types have, each as every type declares it."""
    found = []
    for place, arg in enumerate(next(iter(types.values()), ())):
        own = {n: other for n, args in types.items() if (other := _counterpart(args, arg, place))}
        if len(own) == len(types):
            found.append(own)
    return found


def _counterpart(args: Sequence[Arg], arg: Arg, place: int) -> Arg | None:
    """The argument, of these, to which a call gives what another type calls `arg`.

    By its place if both are positional, else by name; `None` if there is none.
    """
    if arg.positional and place < len(args) and args[place].positional:
        return args[place]
    return next((other for other in args if other.name == arg.name), None)
