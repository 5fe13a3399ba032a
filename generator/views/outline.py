"""A network as a tree of calls, each with what it reads, gives, holds and computes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ..analysis.costs import Cost, Costs, Memory
from ..ir.graph import Graph
from ..ir.trace import Call, Trace, Value, traced
from ..layers.base import Init, Nested
from ..layers.tensor import TensorType
from ..symbolic.buffers import Table
from ..symbolic.literals import literal


class Entry(Struct, frozen=True):
    """A call: its name, the `path` of its module, and the calls inside of it as `children`.

    `reads` are the names of its inputs, empty where it only reads the output of the entry before.
    `weights` are names with shapes, `macs` for one sample, `activations` the elements and
    `kept` the bytes for the batch. Numbers include those of the children.
    """

    name: str
    path: str
    type: str
    reads: tuple[str, ...]
    output: str
    weights: tuple[tuple[str, tuple[int, ...]], ...]
    parameters: int
    macs: int
    activations: int
    kept: int
    children: tuple[Entry, ...] = ()

    def walk(self, depth: int = 0) -> Iterator[tuple[int, Entry]]:
        """The entry and all entries inside of it, each with its depth."""
        yield depth, self
        for child in self.children:
            yield from child.walk(depth + 1)


class Outline(Struct, frozen=True):
    """A network's inputs and calls, for a batch of this size; `batch` is ``None`` without one.

    `sizes` are the sample values of other run-time sizes; `fit` says which of them the network
    takes.
    """

    name: str
    batch: int | None
    sizes: Mapping[str, int]
    fit: tuple[str, ...]
    inputs: tuple[Entry, ...]
    entries: tuple[Entry, ...]
    parameters: int
    macs: int
    activations: int
    memory: Memory

    def walk(self, depth: int) -> Iterator[tuple[int, Entry]]:
        """All entries down to a depth, from top to bottom; 1 are the network's own calls."""
        for entry in (*self.inputs, *self.entries):
            for level, inner in entry.walk():
                if level < depth:
                    yield level, inner


def outline(graph: Graph, batch: int) -> Outline:
    """The outline of a network; raises `Refusal` if it can't take the batch."""
    return outline_of_calls(graph, batch)[0]


def outline_of_calls(graph: Graph, batch: int) -> tuple[Outline, list[int | None]]:
    """The outline, and the number of the call of each entry, from top to bottom."""
    trace = traced(graph, {**graph.sizes, "N": batch})
    found = Costs(graph, trace)
    batched = any(x.type.batch is not None for x in graph.inputs)
    inputs = tuple(
        Entry(x.name, x.name, "input", (), shown_type(type_), (), 0, 0, 0, 0)
        for x, type_ in zip(graph.inputs, trace.inputs, strict=True)
    )
    tree = _Tree(graph, trace, found.calls)
    entries = tree.entries(0, len(trace.calls))
    activations = sum(entry.activations for entry in entries)
    size = batch if batched else None
    sizes = {name: value for name, value in graph.sizes.items() if name != "N"}
    whole = Outline(
        graph.name,
        size,
        sizes,
        graph.fit.texts,
        inputs,
        entries,
        found.parameters,
        found.macs,
        activations,
        found.memory,
    )
    return whole, [*(None for _ in inputs), *tree.order]


def shown_type(type_: TensorType) -> str:
    """A shape in numbers, with the batch as ``N``."""
    sizes = [
        "N" if place == type_.batch else str(int(size)) for place, size in enumerate(type_.shape)
    ]
    return f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"


def shown_value(value: Any) -> str:
    """An argument's value without the names that it came from."""
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(shown_value, value))}]"
    if isinstance(value, int) and not isinstance(value, bool):
        return str(int(value))
    if isinstance(value, Table):
        return value.code
    if isinstance(value, Init):
        return value.source("tensor")
    if isinstance(value, Nested):
        return value.row.name
    return literal(value) if value is None or isinstance(value, (bool, float, str)) else "a value"


class _Tree:
    """Makes a tree of entries from a trace, whose calls are in the order of completion."""

    def __init__(self, graph: Graph, trace: Trace, found: Sequence[Cost]) -> None:
        self.calls, self.costs = trace.calls, found
        # the name of each value by its number; what a block gives has the block's name after it
        self.names = {number: x.name for number, x in enumerate(graph.inputs)}
        self.seen: set[str] = set()
        self.times: dict[str, int] = {}
        self.order: list[int] = []  # the calls of the entries, from top to bottom

    def entries(self, start: int, end: int) -> tuple[Entry, ...]:
        """The entries of the outermost calls from `start` to `end`, with their children."""
        places, place = [], end
        while place > start:
            places.append(place - 1)
            place = self.calls[place - 1].begins
        before: Value | None = None
        found = []
        for number in reversed(places):
            call = self.calls[number]
            found.append(self.entry(number, before))
            before = call.output
        return tuple(found)

    def entry(self, number: int, before: Value | None) -> Entry:
        self.order.append(number)
        call, cost = self.calls[number], self.costs[number]
        node = call.node
        reads = tuple(self.names.get(x.number, "?") for x in call.inputs)
        chained = len(call.inputs) == 1 and before in (None, call.inputs[0])
        children = self.entries(call.begins, number)
        if node.use is not None and len(children) == 1 and self.calls[number - 1].is_nameless:
            children = children[0].children  # a block that is a container is one entry
            self.order.remove(number - 1)
        entry = Entry(
            self.called(call),
            call.path if node.target.strip(".") else "",
            node.row.name if node.row is not None else node.kind,
            () if chained else reads,
            shown_type(call.output),
            self.weights(call),
            cost.parameters,
            cost.macs,
            sum(type_.numel for type_ in call.outputs.values()),
            cost.kept,
            children,
        )
        ports = node.ports if node.collects else call.outputs  # copies have names already
        for port in ports:
            name = f"{entry.name}.{port}" if len(ports) > 1 else entry.name
            self.names[call.outputs[port].number] = name
        if children:
            return replace(entry, activations=sum(child.activations for child in children))
        return entry

    def called(self, call: Call) -> str:
        """The name of a call; further calls of a module with weights or calls have a number."""
        node, name = call.node, call.node.name or call.path.rpartition(".")[2]
        if not node.target.strip("."):
            return name  # an operation
        number = self.times[call.path] = self.times.get(call.path, 0) + 1
        inner = node.use.graph.weights if node.use is not None else node.body
        held = inner if call.layer is None else call.weights
        return f"{name} (call {number})" if number > 1 and held else name

    def weights(self, call: Call) -> tuple[tuple[str, tuple[int, ...]], ...]:
        """The shapes of a layer's parameters, on the first call of the module only."""
        if call.layer is None or call.path in self.seen:
            return ()
        self.seen.add(call.path)
        return tuple(
            (weight.name or call.path, tuple(map(int, weight.shape)))
            for weight in call.weights
            if weight.trainable
        )
