"""What the parameters of a network reach, through the arguments of its blocks, too."""

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
    """The network's parameters that reach a condition, a repeat or what `forward` computes."""
    reached: dict[str, set[str]] = {}
    for graph in classes:
        found = {symbol.name for _, value in graph.keeps for symbol in symbols_in(value)}
        for module in _all(graph.modules):
            found |= {s.name for s in symbols_in([module.condition, module.count])}
            given = _given(module, reached)
            found |= {symbol.name for value in given for symbol in symbols_in(value)}
        reached[graph.name] = found
    return reached[classes[-1].name]


def least(classes: Sequence[Graph]) -> dict[str, int]:
    """How large parameters of the network must be at the least, though torch takes less in silence.

    On them hang numbers of features and channels: with 0 of them there is nothing to compute. The
    number of copies may be 0, but not less.
    """
    reached: dict[str, dict[str, int]] = {}
    for graph in classes:
        found: dict[str, int] = {}
        for module in _all(graph.modules):
            row, args = module.row, module.args or {}
            own = [(args[arg.name], 1) for arg in row.args if arg.positive] if row and args else []
            bounds = reached.get(row.name, {}) if row is not None else {}
            own += [(args[name], bound) for name, bound in bounds.items() if name in args]
            own += [] if module.count is None else [(module.count, 0)]
            for value, bound in own:
                for symbol in symbols_in(value):
                    known = found.get(symbol.name, 0)
                    found[symbol.name] = max(known, _least_of(value, symbol.name, bound, graph))
        reached[graph.name] = {name: bound for name, bound in found.items() if bound}
    return reached[classes[-1].name]


def _given(module: Module, reached: dict[str, set[str]]) -> list[Any]:
    """What a use of a block gives for the parameters that reach what is looked for."""
    names = reached.get(module.row.name, set()) if module.row is not None else set()
    return [value for name, value in (module.args or {}).items() if name in names]


def _least_of(value: Any, name: str, bound: int, graph: Graph) -> int:
    """From where on a parameter makes a number that is `bound` or more; 0 if it does anyway."""
    low, high = 0, graph.values.get(name, 0)
    if type(high) is not int or _reaches(value, name, low, bound, graph):
        return 0 if type(high) is int or _reaches(value, name, 0, bound, graph) else 1
    while high - low > 1:  # it is less at `low`, and enough at `high`
        middle = (low + high) // 2
        enough = _reaches(value, name, middle, bound, graph)
        low, high = (low, middle) if enough else (middle, high)
    return high


def _reaches(value: Any, name: str, number: int, bound: int, graph: Graph) -> bool:
    """Whether a value is not below a bound where a parameter is a number."""
    with contextlib.suppress(ExpressionError, KeyError):
        found = plain(rebind(value, {INDEX: 0, **graph.values, name: number}))
        each = found if isinstance(found, (list, tuple)) else [found]
        return all(not isinstance(item, int) or item >= bound for item in each)
    return True


def _all(modules: Sequence[Module]) -> Iterator[Module]:
    for module in modules:
        yield module
        yield from _all(module.children)
