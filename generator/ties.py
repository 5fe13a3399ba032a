"""`tie`: one parameter under two names."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from .context import Context
from .diagnostics import printable
from .graph import Graph
from .hints import closest
from .layers.base import Weight
from .literals import literal
from .names import is_identifier
from .sizes import shape_text


def read_ties(context: Context, graph: Graph) -> Graph:
    """The graph with its ties, checked: both sides are parameters of one shape."""
    if not context.document.tie:
        return graph
    weights = {weight.name: weight for weight in graph.weights if weight.trainable}
    ties = []
    for left, right in context.document.tie.items():
        with context.shared.findings.collecting():
            _check(context, weights, left, right)
            _check_no_circle(context, left, right)
            ties.append((left, right))
    return replace(graph, ties=tuple(ties))


def _check(context: Context, weights: Mapping[str, Weight], left: str, right: str) -> None:
    """Refuse a tie unless both sides are parameters of one shape."""
    for side, key in ((left, True), (right, False)):
        if side not in weights:
            message = f"there is no parameter `{printable(side)}`"
            context.error("NG204", message, ("tie", left), key=key, help=closest(side, weights))
    pair = (weights[left], weights[right])
    sizes = [shape_text([int(size) for size in weight.shape]) for weight in pair]
    if sizes[0] != sizes[1]:
        message = f"`{left}` {sizes[0]} can't be `{right}` {sizes[1]}"
        context.error("NG211", message, ("tie", left))


def _check_no_circle(context: Context, left: str, right: str) -> None:
    """Refuse a parameter that would be kept by itself."""
    ties = context.document.tie
    for _ in ties:
        if right == left:
            message = f"`{left}` would be tied to itself"
            context.error("NG211", message, ("tie", left))
        right = ties.get(right, right)


def tie_lines(graph: Graph) -> list[str]:
    """The statements of ``__init__`` that put one parameter under a second name."""
    return [f"{_owner(left)} = {_parameter(right)}" for left, right in graph.ties]


def _owner(path: str) -> str:
    module, _, name = path.rpartition(".")
    if not module:
        return f"self.{name}"
    plain = is_identifier(module)
    return f"self.{module}.{name}" if plain else f"self.get_submodule({literal(module)}).{name}"


def _parameter(path: str) -> str:
    module, _, name = path.rpartition(".")
    simple = is_identifier(module) and name in ("weight", "bias")
    return f"self.{path}" if simple or "." not in path else f"self.get_parameter({literal(path)})"
