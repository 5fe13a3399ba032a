"""A run, worked out: every call in it with its types, for given run-time sizes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from .binding import rebind
from .context import INDEX
from .graph import Graph, Node, Ref
from .layers.base import Args, Layer, Weight
from .layers.tensor import TensorType
from .shapes import outputs_of
from .sizes import Dim, nameless, plain, symbols_in

BATCHES = (2, 3)  # the sizes of the batch for which runs are worked out


class Call(Struct, frozen=True, dict=True):
    """A call in a run: of a layer with its arguments `a`, of a block, or of a container.

    `path` is that of the module. The calls from number `begins` on are inside of it.
    """

    path: str
    node: Node
    layer: Layer | None  # what is called, if it is one
    a: Args
    inputs: tuple[TensorType, ...]
    outputs: Mapping[str, TensorType]
    begins: int

    @property
    def output(self) -> TensorType:
        """The type of the first output."""
        return next(iter(self.outputs.values()))

    @cached_property
    def weights(self) -> Sequence[Weight]:
        """The parameters and buffers of a layer; none of blocks and containers."""
        return () if self.layer is None else self.layer.weights(self.a)

    @property
    def is_nameless(self) -> bool:
        """Whether it is the container that the block around it is, and so has no name."""
        return self.node.row is None and not (self.node.name or self.node.target.strip("."))

    @property
    def is_module(self) -> bool:
        """Whether it calls a layer or a block that is an attribute."""
        row = self.node.row
        return row is not None and not row.source and bool(self.node.target.strip("."))


class Trace(Struct, frozen=True):
    """One run: the types of each call of the graph by port, and all calls in the order of ends.

    A value is told from others of its type by the object that stands for it.
    """

    inputs: tuple[TensorType, ...]
    outputs: tuple[Mapping[str, TensorType], ...]
    calls: tuple[Call, ...]
    first: Mapping[str, int]  # the number of the first call of each layer, by its path

    def read(self, ref: Ref) -> TensorType:
        """The type of what a reference of the graph names."""
        place = ref.node - len(self.inputs)
        return self.inputs[ref.node] if place < 0 else _port(self.outputs[place], ref)


def propagate(graph: Graph, sizes: Mapping[str, int]) -> Trace:
    """The types in a run with these run-time sizes (``N`` among them).

    Raises `Refusal` where the network can't take the sizes, so that what holds at the sample
    sizes by accident does not pass.
    """
    inputs = [concrete(placeholder.type, sizes) for placeholder in graph.inputs]
    calls: list[Call] = []
    known = _run(graph, inputs, sizes, "", calls)
    first: dict[str, int] = {}
    for number, call in enumerate(calls):
        if call.layer is not None:
            first.setdefault(call.path, number)
    return Trace(tuple(inputs), tuple(known[len(inputs) :]), tuple(calls), first)


def call_names(trace: Trace) -> tuple[str, ...]:
    """What each call is called: the path of its module, or of the class and its own name.

    Later calls of one name have numbers. The container that a block itself is has no name.
    """
    times: dict[str, int] = {}
    found = []
    for call in trace.calls:
        own = "" if call.node.target.strip(".") else call.node.name
        name = ".".join(filter(None, (call.path, own)))
        if call.is_nameless:
            found.append("")
            continue
        number = times[name] = times.get(name, 0) + 1
        found.append(name if number == 1 else f"{name} (call {number})")
    return tuple(found)


def blocks_around(trace: Trace) -> tuple[int | None, ...]:
    """The number of the call of the block that each call stands in; ``None`` in the network."""
    found: list[int | None] = [None] * len(trace.calls)
    for number, call in enumerate(trace.calls):
        if call.node.use is not None:
            for inside in range(call.begins, number):
                if found[inside] is None:
                    found[inside] = number
    return tuple(found)


def _run(
    graph: Graph,
    inputs: Sequence[TensorType],
    sizes: Mapping[str, int],
    prefix: str,
    calls: list[Call],
) -> list[Mapping[str, TensorType]]:
    """The outputs of inputs and calls; `prefix` is the path of the module that is run."""
    values = {**graph.values, **sizes}
    if "N" in sizes:
        values["N"] = Dim.named("N", sizes["N"], runtime=True)
    known: list[Mapping[str, TensorType]] = [{"output": type_} for type_ in inputs]
    for node in graph.nodes:
        reads = [_pick(known, ref) for ref in node.inputs]
        if node.kind == "absent" and node.otherwise is not None:
            reads = [_pick(known, node.otherwise)]
        known.append(_call(node, reads, known, values, prefix, calls))
    return known


def _pick(known: Sequence[Mapping[str, TensorType]], ref: Ref) -> TensorType:
    return _port(known[ref.node], ref)


def _port(outputs: Mapping[str, TensorType], ref: Ref) -> TensorType:
    return outputs[ref.port] if ref.port in outputs else next(iter(outputs.values()))


def _call(
    node: Node,
    inputs: Sequence[TensorType],
    known: Sequence[Mapping[str, TensorType]],
    values: Mapping[str, Any],
    prefix: str,
    calls: list[Call],
) -> Mapping[str, TensorType]:
    """The outputs of a call, all calls in it noted; `known` is what it may read by name."""
    if node.kind == "absent":
        return {"output": inputs[0]}
    named = {name: _pick(known, ref) for name, ref in node.named}
    path, begins, reads = _join(prefix, node.target), len(calls), tuple(inputs)
    a = Args()
    outputs: Mapping[str, TensorType]
    if node.use is not None:
        outputs = _call_block(node.use.graph, inputs, values, path, calls)
    elif node.row is not None:
        same, others = node.settled
        a = Args(**same, **{name: _settled(value, values) for name, value in others.items()})
        found = outputs_of(node.row, a, inputs, named)
        outputs = {port: replace(type_) for port, type_ in found.items()}  # values of their own
    else:
        for child, numbered in _turns(node, values):
            inner = _call(child, inputs, known, numbered, prefix, calls)
            inputs = (next(iter(inner.values())), *inputs[1:])
        outputs = {"output": inputs[0]}
    layer = node.row if node.use is None else None
    calls.append(Call(path, node, layer, a, (*reads, *named.values()), outputs, begins))
    return outputs


def _turns(node: Node, values: Mapping[str, Any]) -> Iterator[tuple[Node, Mapping[str, Any]]]:
    """The calls in a container, with what names stand for there: copies have numbers."""
    for child in node.body:
        if child.kind != "copies":
            yield child, values
        for index, copy in enumerate(child.body if child.kind == "copies" else (), child.start):
            yield copy, {**values, INDEX: index}


def _call_block(
    graph: Graph,
    inputs: Sequence[TensorType],
    values: Mapping[str, Any],
    path: str,
    calls: list[Call],
) -> Mapping[str, TensorType]:
    sizes = {
        symbol.name: int(size)
        for placeholder, type_ in zip(graph.inputs, inputs, strict=True)
        for named, size in zip(placeholder.type.shape, type_.shape, strict=True)
        for symbol in symbols_in(named)
    }
    known = _run(graph, inputs, sizes, path, calls)
    return {
        key if key is not None else str(place): _pick(known, ref)
        for place, (key, ref) in enumerate(graph.outputs)
    }


def _join(prefix: str, target: str) -> str:
    target = target.strip(".")
    return f"{prefix}.{target}" if prefix and target else prefix or target


def _settled(value: Any, values: Mapping[str, Any]) -> Any:
    """An argument as the number that it has in the run: only the batch keeps its name."""
    return nameless(plain(rebind(value, values)))


def concrete(type_: TensorType, sizes: Mapping[str, int]) -> TensorType:
    """An input's type with its run-time sizes put in."""
    shape = []
    for size in type_.shape:
        names = [symbol.name for symbol in symbols_in(size) if symbol.runtime]
        shape.append(sizes[names[0]] if names else int(size))
    return replace(type_, shape=tuple(shape))
