"""A sum or product of modules' results in one line: ``x = x + self.attn(self.ln_1(x))``."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ..ir.graph import Graph, Node, Ref
from .one_line import Line, inner_line
from .variables import NEVER, Variables

MOST_CALLS = 3  # of modules, one in the other


def branch_line(graph: Graph, place: int, variables: Variables, declared: bool) -> Line | None:
    """The line that begins with a module's call and ends with a sum or product, if there is one.

    One value goes in: each operand is this value, or what modules make of it that nothing else
    reads; where they stand beside others, an operand may be another value, too. The line has room
    beside others, and hides no comment on a shape. `declared` is whether ``x`` has an annotation.
    """
    ahead = len(graph.inputs)
    made: dict[Ref, int] = {}  # what each module gives, with the number of calls in it
    begun: Ref | None = None
    latest: Ref | None = None
    at = place
    while at != NEVER and _is_module(graph.nodes[at]):
        first, *others = graph.nodes[at].inputs
        begun = begun or first
        if first not in (begun, latest) or any(ref in made for ref in others):
            return None
        latest = Ref(ahead + at, next(iter(graph.nodes[at].outputs)))
        made[latest] = made.get(first, 0) + 1
        if made[latest] > MOST_CALLS or len(made) > 2 * MOST_CALLS:
            return None
        at = variables.after(at)
    if begun is None or at == NEVER:
        return None
    merge, places = graph.nodes[at], [ref.node - ahead for ref in made]
    reads = [ref for one in (*places, at) for ref in graph.nodes[one].reads if ref in made]
    once = len(reads) == len(made) == len({*reads})
    alone = once and all(variables.last_use.get(ref, NEVER) <= at for ref in made)
    known = {*made, begun} | ({*merge.inputs} if variables.anew else set())
    if not (alone and _is_merge(merge) and _joins(merge, known, made)):
        return None
    if begun not in merge.inputs and variables.last_use.get(begun, NEVER) > at:
        return None  # a residual connection goes on
    shapes = {graph.type_of(ref).usual for ref in made} | {merge.output.usual}
    if not graph.is_block and shapes != {graph.type_of(begun).usual}:
        return None
    return inner_line(graph, [*made], at, variables, declared)


def _is_module(node: Node) -> bool:
    """Whether a call is that of one module which is always there, for one result."""
    plain = node.kind in ("layer", "Sequential") and node.target and len(node.outputs) == 1
    varies = node.test or node.choices or node.names or node.named or node.collected
    single = node.row is None or not node.row.result  # it gives no tuple to take apart
    return bool(plain and single and node.inputs and not varies)


def _is_merge(node: Node) -> bool:
    """Whether a call is a sum or product of two tensors that is always made."""
    row = node.row
    operator = row is not None and row.operator in ("+", "*") and len(node.inputs) == 2
    return operator and not (node.test or node.choices or node.collected)


def _joins(merge: Node, known: Collection[Ref], made: Mapping[Ref, int]) -> bool:
    """Whether a merge reads what modules have made, in their order, and else what is `known`."""
    operands = [ref for ref in merge.inputs if ref in made]
    return (
        {*merge.inputs} <= {*known}
        and bool(operands)
        and operands == [ref for ref in made if ref in operands]
    )
