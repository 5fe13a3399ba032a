"""Multiply-adds for one sample: convolutions, linear and recurrent layers, products, attention."""

from __future__ import annotations

from ..ir.graph import Graph
from ..ir.trace import BATCHES, Call, Trace, traced
from ..layers.base import Refusal


def macs(graph: Graph, trace: Trace) -> tuple[int, ...]:
    """The multiply-adds of each call of a run for one sample, without the calls inside of it."""
    found = [_whole(call) for call in trace.calls]
    if any(number and _may_mix(call) for number, call in zip(found, trace.calls, strict=True)):
        return tuple(_of_one(graph))
    pairs = zip(graph.inputs, trace.inputs, strict=True)
    sizes = [int(own.shape[x.type.batch]) for x, own in pairs if x.type.batch is not None]
    batch = sizes[0] if sizes else 1
    calls = zip(found, trace.calls, strict=True)
    return tuple(number // batch if _is_batched(call) else number for number, call in calls)


def network_macs(graph: Graph) -> int:
    """The multiply-adds of a network for one sample."""
    return sum(macs(graph, traced(graph, {**graph.sizes, "N": BATCHES[0]})))


def _whole(call: Call) -> int:
    """The multiply-adds of a call for the whole batch."""
    if call.layer is None or not call.made:
        return 0
    return call.layer.macs(call.a, call.inputs, list(call.outputs.values()))


def _may_mix(call: Call) -> bool:
    """Whether the count of a call may not be proportional to the batch size.

    So it is where the batch may be in several dimensions, or in one together with another size.
    """
    product = call.layer is not None and call.layer.operation
    return product or any(x.lost for x in (*call.inputs, *call.outputs.values()))


def _is_batched(call: Call) -> bool:
    """Whether a call has the batch in an input or output; others cost the same for any batch."""
    return any(x.batch is not None for x in (*call.inputs, *call.outputs.values()))


def _of_one(graph: Graph) -> list[int]:
    """The multiply-adds of each call with a batch of one."""
    try:
        return _counted(graph, 1)
    except Refusal:  # some norms take no batch of one: extrapolate from batches of 2 and 3
        two, three = (_counted(graph, size) for size in BATCHES)
        return [_before(*pair) for pair in zip(two, three, strict=True)]


def _counted(graph: Graph, batch: int) -> list[int]:
    return [_whole(call) for call in traced(graph, {**graph.sizes, "N": batch}).calls]


def _before(two: int, three: int) -> int:
    """The count for a batch of one, by linear extrapolation from batches of two and three."""
    one = 2 * two - three
    return one if one > 0 else two // 2  # not linear where samples are multiplied by each other
