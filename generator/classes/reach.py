"""What depends on the parameters of a network, directly or through the arguments of its blocks."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from ..ir.graph import Graph, Module
from ..ir.substitute import rebind
from ..lower.context import INDEX
from ..symbolic.sizes import plain, symbols_in
from ..symbolic.syntax import ExpressionError


def deciding(classes: Sequence[Graph]) -> set[str]:
    """The network's parameters on which a condition, a repeat or a value in `forward` depends."""
    reached: dict[str, set[str]] = {}
    for graph in classes:
        found = {symbol.name for _, value in graph.keeps for symbol in symbols_in(value)}
        for module in _all(graph.modules):
            found |= {s.name for s in symbols_in([module.condition, module.node.count])}
            given = _given(module, reached)
            found |= {symbol.name for value in given for symbol in symbols_in(value)}
        reached[graph.name] = found
    return reached[classes[-1].name]


def least(classes: Sequence[Graph], *, alone: bool = False) -> dict[str, int]:
    """The least values that make sense for parameters of the network; torch may accept less.

    Numbers of features and channels depend on them: with 0 there is nothing to compute. A number of
    copies may be 0, but not less. Where several parameters decide on a number together, the least
    value of one is that with the defaults of the others; `alone` leaves it out.
    """
    reached: dict[str, dict[str, int]] = {}
    for graph in classes:
        found: dict[str, int] = {}
        for module in _all(graph.modules):
            row, args = module.row, module.node.args
            own = [(args[arg.name], 1) for arg in row.args if arg.positive] if row and args else []
            bounds = reached.get(row.name, {}) if row is not None else {}
            own += [(args[name], bound) for name, bound in bounds.items() if name in args]
            own += [] if module.node.count is None else [(module.node.count, 0)]
            for value, bound in own:
                names = {symbol.name for symbol in symbols_in(value)}
                for name in () if alone and len(names - {INDEX}) > 1 else names:
                    known = found.get(name, 0)
                    found[name] = max(known, _least_of(value, name, bound, graph))
        reached[graph.name] = {name: bound for name, bound in found.items() if bound}
    return reached[classes[-1].name]


def _given(module: Module, reached: dict[str, set[str]]) -> list[Any]:
    """The arguments of a module that its own class has in `reached`."""
    names = reached.get(module.row.name, set()) if module.row is not None else set()
    return [value for name, value in module.node.args.items() if name in names]


def _least_of(value: Any, name: str, bound: int, graph: Graph) -> int:
    """The least value of a parameter with which a value is `bound` or more; 0 if it always is.

    Of fractions there is no least one.
    """
    low, high = 0, graph.values.get(name, 0)
    if type(high) is not int or _reaches(value, name, low, bound, graph):
        return 0
    while high - low > 1:  # bisect: too small at `low`, enough at `high`
        middle = (low + high) // 2
        enough = _reaches(value, name, middle, bound, graph)
        low, high = (low, middle) if enough else (middle, high)
    return high


def _reaches(value: Any, name: str, number: int, bound: int, graph: Graph) -> bool:
    """Whether a value is `bound` or more, with the parameter `name` set to `number`."""
    with contextlib.suppress(ExpressionError, KeyError):
        found = plain(rebind(value, {INDEX: 0, **graph.values, name: number}))
        each = found if isinstance(found, (list, tuple)) else [found]
        return all(not isinstance(item, int) or item >= bound for item in each)
    return True


def _all(modules: Sequence[Module]) -> Iterator[Module]:
    for module in modules:
        yield module
        yield from _all(module.children)
