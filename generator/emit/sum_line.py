"""Products in the line of the sum that reads them: ``x = qk * cos + rotated * sin``."""

from __future__ import annotations

from ..ir.graph import Graph, Node, Ref
from .one_line import Line, inner_line
from .variables import NEVER, Variables

MOST_PRODUCTS = 3


def sum_line(graph: Graph, place: int, variables: Variables, declared: bool) -> Line | None:
    """The line that begins with products, or with negated tensors, which only the next call reads.

    Products are read by a sum or difference, negated tensors by a function of a list of tensors.
    The line has room, and hides no comment on a shape. `declared` is whether ``x`` has an
    annotation.
    """
    ahead, made, at = len(graph.inputs), list[Ref](), place
    while at != NEVER and len(made) < MOST_PRODUCTS and _is_part(graph.nodes[at]):
        if any(ref in made for ref in graph.nodes[at].reads):
            break
        made.append(Ref(ahead + at, next(iter(graph.nodes[at].outputs))))
        at = variables.after(at)
    if not made or at == NEVER:
        return None
    taker = graph.nodes[at]
    parts = [graph.nodes[ref.node - ahead] for ref in made]
    reads = [ref for ref in taker.reads if ref in made]
    once = len(reads) == len(made) == len({*reads})
    alone = once and all(variables.last_use.get(ref, NEVER) == at for ref in made)
    if not (alone and _is_plain(taker) and all(_fits(part, taker) for part in parts)):
        return None
    shapes = {graph.type_of(ref).usual for ref in (*made, *(part.inputs[0] for part in parts))}
    sums = taker.row is not None and not taker.row.takes_list
    if not graph.is_block and (len(shapes) > 1 or (sums and taker.output.usual not in shapes)):
        return None
    return inner_line(graph, made, at, variables, declared)


def _is_plain(node: Node) -> bool:
    """Whether a call is an operation on tensors alone that is always made, for one result."""
    varies = node.test or node.choices or node.names or node.named or node.collected
    return node.row is not None and node.row.operation and len(node.outputs) == 1 and not varies


def _is_part(node: Node) -> bool:
    """Whether a call is a product, or negates a tensor."""
    row = node.row
    return _is_plain(node) and row is not None and (row.operator == "*" or row.prefix == "-")


def _fits(part: Node, taker: Node) -> bool:
    """Whether a product or a negated tensor may stand in another call as it is."""
    assert part.row is not None
    assert taker.row is not None
    if part.row.prefix:
        return taker.row.takes_list
    return taker.row.operator in ("+", "-") and len(taker.inputs) > 1
