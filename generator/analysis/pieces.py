"""A network in pieces: modules that are run alone, where the whole takes more memory than there is.

A piece is a layer or a block. Where a block does not fit either, its own layers and blocks are
pieces. What joins the pieces has no weights, and is shown without data.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from ..ir.graph import Graph, Placeholder, Use
from ..ir.trace import Call, Trace, blocks_around, traced_alone
from ..layers.base import parameter_count
from ..layers.tensor import TensorType
from .costs import Memory, memory_of, width
from .plan import Plan, Run, make_plan, sample_of, shape_of


class Piece(Struct, frozen=True):
    """One call of a module: the module's `path`, and the predictions for it alone."""

    path: str
    plan: Plan

    @property
    def bytes(self) -> int:
        """The least memory that it takes to run it."""
        return self.plan.memory.step


def pieces_of(graph: Graph, traces: Sequence[Trace], most: float) -> tuple[Piece, ...]:
    """The pieces of a network, in the order of their calls; blocks are taken apart above `most`.

    `most` is in bytes. The `traces` are runs of the network that differ in their sizes.
    """
    return tuple(_Pieces(graph, traces, most).inside(None))


class _Pieces(Struct):
    """The calls of a network by the block that makes them; equal ones are planned once."""

    graph: Graph
    traces: Sequence[Trace]
    most: float
    within: Mapping[int | None, Sequence[int]] = field(default_factory=dict)
    known: dict[Any, Plan] = field(default_factory=dict)

    def __post_init__(self) -> None:
        within: dict[int | None, list[int]] = {}
        for number, block in enumerate(blocks_around(self.traces[0])):
            within.setdefault(block, []).append(number)
        self.within = within

    def inside(self, block: int | None) -> Iterator[Piece]:
        """The pieces among the calls that a block makes; ``None`` is the network itself."""
        for number in self.within.get(block, ()):
            calls = [trace.calls[number] for trace in self.traces]
            call = calls[0]
            if not (call.is_module and call.made):
                continue
            piece = Piece(call.path, self.plan(calls))
            if call.node.use is not None and piece.bytes > self.most:
                yield from self.inside(number)
            else:
                yield piece

    def plan(self, calls: Sequence[Call]) -> Plan:
        """The predictions for a module alone; `calls` are the same call in each run."""
        use = calls[0].node.use
        what = calls[0].node if use is None else use.graph
        key = (id(what), *(_types(call) for call in calls))  # all of it outlives this
        if key not in self.known:
            self.known[key] = self.layer(calls) if use is None else self.block(calls, use)
        return self.known[key]

    def block(self, calls: Sequence[Call], use: Use) -> Plan:
        """The predictions for a block, which gives its outputs as a tuple."""
        traces = [traced_alone(self.graph, call) for call in calls]
        plan = make_plan(use.graph, (), traces, memory_of(use.graph, traces[0]))
        runs = (
            replace(run, outputs=tuple((None, *facts) for _, *facts in run.outputs))
            for run in plan.runs
        )
        return replace(plan, class_name=use.block, runs=tuple(runs))

    def layer(self, calls: Sequence[Call]) -> Plan:
        """The predictions for a layer."""
        first = calls[0]
        assert first.layer is not None
        return Plan(
            first.layer.name,
            tuple(_run(call, trace) for call, trace in zip(calls, self.traces, strict=True)),
            tuple((w.name, [*map(int, w.shape)], w.dtype, w.trainable) for w in first.weights),
            parameter_count(first.weights),
            (),
            _memory(first),
            custom=("",) if first.layer.imported else (),
        )


def _types(call: Call) -> tuple[TensorType, ...]:
    """The types of what a call reads."""
    return tuple(TensorType(x.shape, x.dtype, x.batch, x.lost, x.bound) for x in call.inputs)


def _run(call: Call, trace: Trace) -> Run:
    """The run of a layer alone: what a call reads, and what it gives."""
    node, roles = call.node, call.layer.tensors if call.layer is not None else ()
    ahead = len(call.inputs) - len(node.named)
    read = [roles[min(place, len(roles) - 1)] for place in range(ahead)]
    samples = (
        sample_of(Placeholder(role, x), x, [(node, role)], trace)
        for role, x in zip([*read, *(name for name, _ in node.named)], call.inputs, strict=True)
    )
    outputs = tuple((None, *shape_of(x)) for x in call.outputs.values())
    return Run(tuple(samples), (), (), {"": [shape_of(call.output)]}, outputs)


def _memory(call: Call) -> Memory:
    """The memory of a layer alone; what it keeps is taken to be what it reads and gives."""
    sizes = [(w.trainable, math.prod(map(int, w.shape)) * width(w.dtype)) for w in call.weights]
    weights, trainable = sum(size for _, size in sizes), sum(size for own, size in sizes if own)
    kept = sum(x.numel * width(x.dtype) for x in (*call.inputs, *call.outputs.values()))
    return Memory(weights, trainable, kept, kept)
