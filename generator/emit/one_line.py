"""Calls that share a line of ``forward``: a tensor that is only moved on has no name in between."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from ..ir.graph import Graph, Node, Ref
from ..symbolic.literals import WIDTH
from .calls import call_source
from .statements import INDENT
from .variables import NEVER, Variables, short


class Line(Struct, frozen=True):
    """The calls in one line by their indices, and their source.

    `inner` are the values that have no variable, each with the number of functions and methods of
    torch that have been called in the line when it is there.
    """

    places: tuple[int, ...]
    source: str
    inner: tuple[tuple[Ref, int], ...] = ()


def line_from(graph: Graph, place: int, node: Node, variables: Variables, declared: bool) -> Line:
    """The line that begins with a call: ``x.reshape(N, 8, -1).transpose(1, 2)``.

    The `node` is the call at `place` with its chosen inputs. Only the next call reads what it
    gives, and so on. A module's call stands apart if not all that follows has room beside it.
    `declared` is whether ``x`` has an annotation.
    """
    line = alone = Line((place,), call_source(graph, node, variables.names, variables.sizes))
    sizes = variables.sizes.copy()
    while _goes_on(graph, line.places[-1], variables, declared):
        last, following = line.places[-1], variables.after(line.places[-1])
        own, taker, tried = variables.output(last), graph.nodes[following], sizes.copy()
        source = call_source(graph, taker, {**variables.names, own: line.source}, tried)
        named = taker.written or not variables.is_chained(following)
        usual = short(taker.name) if named else "x"
        left = ", ".join(taker.names) or variables.leading.get(following, usual)
        twice = source.count(line.source) > 1  # a size would be read off a call
        if twice or INDENT + len(f"{left} = {source}") > WIDTH:
            if node.target:
                return alone
            break
        inner = (*line.inner, (own, _count(line.source)))
        line, sizes = Line((*line.places, following), source, inner), tried
    if not line.inner:
        return line
    variables.sizes.take(sizes)
    # neither a module nor a place in a list of parameters is a function of torch
    first = _count(alone.source if node.target else variables.names[node.inputs[0]])
    count = _count(line.source)
    # indices that stand in one pair of brackets are one call, which gives the last one's value
    there = {n - first: ref for ref, n in line.inner if first < n < count}
    return replace(line, inner=tuple((ref, n) for n, ref in there.items()))


def inner_line(
    graph: Graph, made: Sequence[Ref], place: int, variables: Variables, declared: bool
) -> Line | None:
    """The line of the call at `place` with the calls that have `made` what it reads written in it.

    Those stand before it, in their order, and each gives one value. `None` if there is no room.
    `declared` is whether ``x`` has an annotation.
    """
    taker, places = graph.nodes[place], [ref.node - len(graph.inputs) for ref in made]
    sizes, names = variables.sizes.copy(), {**variables.names}
    for at, own in zip(places, made, strict=True):
        names[own] = call_source(graph, graph.nodes[at], names, sizes)
    source = call_source(graph, taker, names, sizes)
    named = taker.written or not variables.is_chained(place)
    left = short(taker.name) if named else "x" if declared else "x: Tensor"
    if INDENT + len(f"{left} = {source}") > WIDTH:
        return None
    variables.sizes.take(sizes)
    return Line((*places, place), source)


def _count(source: str) -> int:
    """The number of functions and methods that are called on a tensor, one after the other."""
    number, node = 0, ast.parse(source, mode="eval").body
    while isinstance(node, (ast.Call, ast.Subscript)):
        number += 1
        if isinstance(node, ast.Subscript):
            node = node.value
        elif ast.unparse(node.func).startswith("torch."):
            node = node.args[0]
        else:
            node = node.func.value if isinstance(node.func, ast.Attribute) else node.func
    return number


def _goes_on(graph: Graph, place: int, variables: Variables, declared: bool) -> bool:
    """Whether the next call can be written around the one at `place`."""
    following = variables.after(place)
    node = graph.nodes[place]
    apart = following == NEVER or not variables.is_chained(place)
    if apart or node.test or node.choices or node.names or len(node.outputs) > 1:
        return False
    taker = graph.nodes[following]
    alone = taker.inputs == (variables.output(place),) and not taker.named
    if not alone or taker.choices or taker.test or taker.row is None or taker.target:
        return False
    unpacks = bool(taker.names) and taker.row.functional.startswith(".")
    if not node.target:
        return _is_shape(node) and (_is_shape(taker) or unpacks)
    if unpacks:
        # the result of a module is `Any`: where it is returned, `x` needs an annotation
        return node.kind == "layer" and (declared or place not in variables.places[-2:])
    flows = variables.flows(place) and place not in variables.leading
    is_x = flows and not variables.live("x", place)
    return node.kind == "layer" and _is_shape(taker) and not is_x


def _is_shape(node: Node) -> bool:
    """Whether a call only moves the elements of one tensor, and can be a method of it."""
    row = node.row
    if row is None or node.target or len(node.outputs) > 1 or len(node.inputs) != 1:
        return False
    method = row.functional[:1] in ("", ".") or row.axes or row.inline
    return row.moves and bool(method) and (row.operation or row.inline)
