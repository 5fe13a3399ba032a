"""A run, worked out: every call in it with its types, for given run-time sizes."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ..layers.applying import outputs_of
from ..layers.base import Args, Layer, Refusal, Weight
from ..layers.broadcasting import facing
from ..layers.tensor import TensorType
from ..symbolic.algebra import INDEX
from ..symbolic.sizes import Dim, is_runtime, nameless, plain, shown, symbols_in
from .graph import Graph, Node, Ref, made_in
from .substitute import number_of, rebind

Types = Mapping[str, TensorType]  # by port
BATCHES = (2, 3)  # the sizes of the batch for which runs are worked out


class Call(Struct, frozen=True, dict=True):
    """A call in a run: of a layer with its arguments `a`, of a block, or of a container.

    `path` is that of the module. The calls from number `begins` on are inside of it. What no
    output depends on is not `made`: its weights are there, and nothing is computed.
    """

    path: str
    node: Node
    layer: Layer | None  # what is called, if it is one
    a: Args
    inputs: tuple[TensorType, ...]
    outputs: Mapping[str, TensorType]
    begins: int
    made: bool = True

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
        return self.inputs[ref.node] if place < 0 else _pick(self.outputs, Ref(place, ref.port))


class Misfit(Refusal):
    """What a layer refuses in a run: its call, and whether it would run and give another shape."""

    def __init__(self, refusal: Refusal, call: Call, *, runs: bool = False) -> None:
        super().__init__(refusal.message, refusal.argument, refusal.help, refusal.note)
        self.call = call
        self.runs = runs


def propagate(
    graph: Graph, sizes: Mapping[str, int], *, exact: bool = False
) -> tuple[TensorType, ...]:
    """The types that come out of a run with these run-time sizes (``N`` among them).

    Raises `Misfit` where the network can't take the sizes, so that what holds at the sample
    sizes by accident does not pass; if it is to be `exact`, also where a shape is another than
    its names say, as that of what is broadcast. Equal runs of a block are worked out once.
    """
    inputs = [concrete(placeholder.type, sizes) for placeholder in graph.inputs]
    known = _Run(None, exact).graph(graph, inputs, sizes, "")
    return tuple(_pick(known, ref) for _, ref in graph.outputs)


def traced(graph: Graph, sizes: Mapping[str, int]) -> Trace:
    """The same run with a record of its calls, for those who look at one."""
    inputs = [concrete(placeholder.type, sizes) for placeholder in graph.inputs]
    calls: list[Call] = []
    known = _Run(calls, made=made_in(graph)).graph(graph, inputs, sizes, "")
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


class _Run:
    """A walk through a graph and the graphs in it; with a list of `calls` it notes each there."""

    def __init__(
        self,
        calls: list[Call] | None,
        exact: bool = False,
        made: Mapping[int, Container[int]] | None = None,
    ) -> None:
        self.calls = calls
        self.exact = exact
        self.made = made  # the places of the calls that each graph makes; of all if it is none
        self.idle = 0  # how many of the calls around are not made
        self.known: dict[tuple[int, tuple[TensorType, ...]], Types] = {}  # runs of blocks
        self.batches: dict[int, Dim] = {}  # the size of the batch, which keeps its name

    def graph(
        self, graph: Graph, inputs: Sequence[TensorType], sizes: Mapping[str, int], prefix: str
    ) -> list[Types]:
        """The outputs of inputs and calls; `prefix` is the path of the module that is run."""
        values = {**graph.values, **sizes}
        if "N" in sizes:
            values["N"] = self.batch(sizes["N"])
        known: list[Types] = [{"output": type_} for type_ in inputs]
        for place, node in enumerate(graph.nodes):
            idle = self.made is not None and place not in self.made[id(graph)]
            self.idle += idle
            reads = [_pick(known, ref) for ref in node.inputs]
            if node.is_layer and not node.named:
                known.append(self.layer(node, reads, {}, values, prefix))
            else:
                if node.kind == "absent" and node.otherwise is not None:
                    reads = [_pick(known, node.otherwise)]
                known.append(self.node(node, reads, known, values, prefix))
            if self.exact:
                _compare(node, reads, known[-1], values)
                _compare_met(graph, node, reads)
            self.idle -= idle
        return known

    def batch(self, size: int) -> Dim:
        if size not in self.batches:
            self.batches[size] = Dim.named("N", size, runtime=True)
        return self.batches[size]

    def node(
        self,
        node: Node,
        inputs: Sequence[TensorType],
        known: Sequence[Types],
        values: Mapping[str, Any],
        prefix: str,
    ) -> Types:
        """The outputs of a call; `known` is what it may read by name."""
        if node.kind == "absent":  # a source reads nothing, so nothing stands for it
            return dict.fromkeys(node.outputs, inputs[0] if inputs else node.output)
        named = {name: _pick(known, ref) for name, ref in node.named} if node.named else {}
        if node.is_layer:
            return self.layer(node, inputs, named, values, prefix)
        reads = tuple(inputs)
        path, begins = "", 0
        if self.calls is not None:
            path, begins = _join(prefix, node.target), len(self.calls)
        if node.use is not None:
            outputs = self.block(node.use.graph, reads, path)
        else:
            for child, numbered in _turns(node, values):
                inner = self.node(child, inputs, known, numbered, prefix)
                inputs = (next(iter(inner.values())), *inputs[1:])
            outputs = {"output": inputs[0]}
        if self.calls is not None:
            reads = (*reads, *named.values())
            made = not self.idle
            self.calls.append(Call(path, node, None, Args(), reads, outputs, begins, made))
        return outputs

    def layer(
        self,
        node: Node,
        inputs: Sequence[TensorType],
        named: Types,
        values: Mapping[str, Any],
        prefix: str,
    ) -> Types:
        """The outputs of a layer."""
        assert node.row is not None
        a, others = node.settled
        if others:
            own = {name: _settled(value, values) for name, value in others.items()}
            a = Args(**vars(a), **own)
        try:
            outputs = outputs_of(node.row, a, inputs, named)
        except Refusal as refusal:
            reads = (*inputs, *named.values())
            raise Misfit(refusal, Call(prefix, node, node.row, a, reads, {}, 0)) from None
        if self.calls is None:
            return outputs
        outputs = {port: replace(type_) for port, type_ in outputs.items()}  # values of their own
        path, reads = _join(prefix, node.target), (*inputs, *named.values())
        begins, made = len(self.calls), not self.idle
        self.calls.append(Call(path, node, node.row, a, reads, outputs, begins, made))
        return outputs

    def block(self, graph: Graph, inputs: tuple[TensorType, ...], path: str) -> Types:
        """The outputs of a block; where no one looks at its calls, an equal run will do."""
        key = (id(graph), inputs)
        if self.calls is None and key in self.known:
            return self.known[key]
        sizes = {name: inputs[at].shape[dim] for name, at, dim in graph.size_names}
        known = self.graph(graph, inputs, sizes, path)
        self.known[key] = found = {
            name if name is not None else str(place): _pick(known, ref)
            for place, (name, ref) in enumerate(graph.outputs)
        }
        return found


def _pick(known: Sequence[Types], ref: Ref) -> TensorType:
    """What a reference names; an absent layer may have had more ports than what is in its place."""
    outputs = known[ref.node]
    return outputs.get(ref.port) or next(iter(outputs.values()))


def _compare(
    node: Node, reads: Sequence[TensorType], found: Types, values: Mapping[str, Any]
) -> None:
    """Refuse outputs of other shapes than those that the sizes' expressions come to."""
    for port, type_ in node.outputs.items():
        real = found.get(port) or next(iter(found.values()))
        shape = tuple(number_of(s, values) if is_runtime(s) else int(s) for s in type_.shape)
        if shape != real.shape:
            message = f"`{node.name}` gives {real} where {type_} is written"
            raise Misfit(Refusal(message), _stub(node, reads), runs=True)


def _compare_met(graph: Graph, node: Node, reads: Sequence[TensorType]) -> None:
    """Refuse sizes that meet as equals by what is written, and don't."""
    if node.row is None or not node.is_layer or len(reads) < 2:
        return
    written = facing(node.row, node.a, [graph.type_of(ref) for ref in node.inputs])
    for sizes, wanted in zip(facing(node.row, node.a, reads), written, strict=True):
        if wanted[0] == wanted[1] and sizes[0] != sizes[1]:
            left, right = map(shown, wanted)
            message = f"{left} is not {right}: one of them is 1, and repeated"
            raise Misfit(Refusal(message), _stub(node, reads), runs=True)


def _stub(node: Node, reads: Sequence[TensorType]) -> Call:
    return Call("", node, node.row, Args(), tuple(reads), {}, 0)


def _turns(node: Node, values: Mapping[str, Any]) -> Iterator[tuple[Node, Mapping[str, Any]]]:
    """The calls in a container, with what names stand for there: copies have numbers."""
    for child in node.body:
        if child.kind != "copies":
            yield child, values
        for place, copy in enumerate(child.body if child.kind == "copies" else ()):
            yield copy, {**values, INDEX: child.start + place // child.each}


def _join(prefix: str, target: str) -> str:
    target = target.strip(".")
    return f"{prefix}.{target}" if prefix and target else prefix or target


def _settled(value: Any, values: Mapping[str, Any]) -> Any:
    """An argument as the number that it has in the run: only the batch keeps its name."""
    if isinstance(value, Dim) and value.code in values:  # it is but a name
        return nameless(values[value.code])
    return nameless(plain(rebind(value, values)))


def concrete(type_: TensorType, sizes: Mapping[str, int]) -> TensorType:
    """An input's type with its run-time sizes put in; sizes that have names keep them."""
    shape = []
    for size in type_.shape:
        names = [symbol.name for symbol in symbols_in(size) if symbol.runtime]
        shape.append(sizes[names[0]] if names else int(size))
    return replace(type_, shape=tuple(shape))
