"""Multiply-adds for one sample: convolutions, linear and recurrent layers, products, attention."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from .graph import Graph
from .layers.base import Refusal
from .layers.tensor import TensorType
from .trace import Call, Trace, traced

_SIZES = (2, 3, 4)  # of the batch, from which the number for one of 1 follows


def macs(graph: Graph, trace: Trace) -> tuple[int, ...]:
    """The multiply-adds of each call of a run, for one sample; of what is inside of it none.

    A batch that has become part of another dimension, or meets itself, can't be divided by: then
    the numbers for three batches tell that for one, as they grow with its square at the most.
    """
    pairs = zip(graph.inputs, trace.inputs, strict=True)
    sizes = [int(own.shape[x.type.batch]) for x, own in pairs if x.type.batch is not None]
    found = [_share(call, sizes[0] if sizes else 1) for call in trace.calls]
    mixed = [number for number, call in enumerate(trace.calls) if found[number] and _is_mixed(call)]
    if mixed and sizes:
        with contextlib.suppress(Refusal):
            runs = [traced(graph, {**graph.sizes, "N": size}).calls for size in _SIZES]
            for number in mixed:
                two, three, four = (_whole(calls[number]) for calls in runs)
                found[number] = 3 * two - 3 * three + four
    return tuple(found)


def network_macs(graph: Graph) -> int:
    """The multiply-adds of a network for one sample."""
    return sum(macs(graph, traced(graph, {**graph.sizes, "N": _SIZES[0]})))


def _whole(call: Call) -> int:
    """The multiply-adds for all that a call reads."""
    if call.layer is None:
        return 0
    return call.layer.macs(call.a, call.inputs, list(call.outputs.values()))


def _share(call: Call, batch: int) -> int:
    """A sample's share of them; what reads nothing of the batch is done for each sample anew."""
    batched = any(type_.batch is not None for type_ in _types(call))
    return _whole(call) // batch if batched else _whole(call)


def _is_mixed(call: Call) -> bool:
    """Whether the batch is in another dimension, or one input's meets another's."""
    places = {x.batch for x in call.inputs if x.batch is not None}
    return len(places) > 1 or any(type_.lost for type_ in _types(call))


def _types(call: Call) -> Sequence[TensorType]:
    return (*call.inputs, *call.outputs.values())
