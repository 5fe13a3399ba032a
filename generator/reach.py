"""What the parameters of a network reach, through the arguments of its blocks, too."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from .binding import rebind
from .context import INDEX
from .graph import Graph
from .module import Module
from .sizes import plain, symbols_in
from .syntax import ExpressionError


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


def positive(classes: Sequence[Graph]) -> set[str]:
    """The network's parameters that must not be 0 though torch takes that in silence.

    These are numbers of features and channels: with 0 of them there is nothing to compute.
    """
    reached: dict[str, set[str]] = {}
    for graph in classes:
        found = set()
        for module in _all(graph.modules):
            row, args = module.row, module.args or {}
            own = [args[arg.name] for arg in row.args if arg.positive] if row and args else []
            for value in (*own, *_given(module, reached)):
                found |= {s.name for s in symbols_in(value) if _is_zero_with(value, s.name, graph)}
        reached[graph.name] = found
    return reached[classes[-1].name]


def _given(module: Module, reached: dict[str, set[str]]) -> list[Any]:
    """What a use of a block gives for the parameters that reach what is looked for."""
    names = reached.get(module.row.name, set()) if module.row is not None else set()
    return [value for name, value in (module.args or {}).items() if name in names]


def _is_zero_with(value: Any, name: str, graph: Graph) -> bool:
    """Whether a number is 0 or less where a parameter is 0."""
    with contextlib.suppress(ExpressionError, KeyError):
        number = plain(rebind(value, {INDEX: 0, **graph.values, name: 0}))
        return isinstance(number, int) and number < 1
    return False


def _all(modules: Sequence[Module]) -> Iterator[Module]:
    for module in modules:
        yield module
        yield from _all(module.children)
