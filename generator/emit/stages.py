"""The stages of ``forward``, which blank lines separate."""

from __future__ import annotations

from ..ir.graph import Graph, Node
from ..layers.base import Layer

POOLS = ("maxpool", "avgpool", "lppool")


def stages_of(graph: Graph) -> set[int]:
    """The indices of calls that begin a stage.

    Stages begin after a pool, with a run of repeats, at a merge of branches, and at the head;
    a sum that is kept, as in a residual connection, ends one.
    """
    stages = set()
    head, ahead = _head(graph), len(graph.inputs)
    last_use = {ref.node - ahead: place for place, x in enumerate(graph.nodes) for ref in x.reads}
    for place, node in enumerate(graph.nodes):
        before = graph.nodes[place - 1] if place else None
        if before is None or "absent" in (node.kind, before.kind):
            continue
        after_pool = _is_pool(_skip_dropouts(graph, place - 1)) and _holds_weights(node)
        run_begins = node.repeated and before.path != node.path and not before.repeated
        joins = node.row is not None and bool(node.row.variadic) and len(node.inputs) > 1
        if after_pool or run_begins or place == head:
            stages.add(place)
        elif _is_operator(node, "+") and last_use.get(place, 0) > place + 1:
            stages.add(place + 1)
        elif joins and not _is_function(before) and not _is_operator(node, "*"):
            if not _is_beside(graph, place - 1):
                stages.add(place)
            elif _is_operator(node, "+"):
                stages.add(place - 1)
    return stages


def _is_operator(node: Node, sign: str) -> bool:
    return node.row is not None and node.row.operator == sign


def _is_function(node: Node) -> bool:
    """Whether a call is an operation, or makes a tensor."""
    return node.row is not None and bool(node.row.operation or node.row.source)


def _is_beside(graph: Graph, place: int) -> bool:
    """Whether a module's call does not read the value computed just before, as in a shortcut."""
    node, ahead = graph.nodes[place], len(graph.inputs) + place - 1
    return bool(place and node.target) and all(ref.node != ahead for ref in node.inputs)


def _holds_weights(node: Node) -> bool:
    return any(leaf.row.weights(leaf.a) for leaf in node.leaves() if leaf.row)


def _skip_dropouts(graph: Graph, place: int) -> Node:
    while place > 0 and _stem(graph.nodes[place]) == "dropout":
        place -= 1
    return graph.nodes[place]


def _stem(node: Node) -> str:
    return node.row.stem if node.row is not None else ""


def _is_pool(node: Node) -> bool:
    return _stem(node) in POOLS


def _head(graph: Graph) -> int | None:
    """The index of the call that begins the head: the last flatten, or global pools before it."""
    rows = [node.row for node in graph.nodes]
    ends = [place for place, row in enumerate(rows) if row is not None and row.ends_features]
    if not ends:
        return None
    head = ends[-1]
    while head > 0 and _is_global(rows[head - 1]):
        head -= 1
    return head


def _is_global(row: Layer | None) -> bool:
    """Whether a layer is a global pool."""
    return row is not None and row.ends_features and row.stem in POOLS
