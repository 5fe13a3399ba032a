"""Shape propagation: every call of a run with its types, for given run-time sizes."""

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
BATCHES = (2, 3)  # the batch sizes for which runs are worked out


class Call(Struct, frozen=True, dict=True):
    """A call in a run: of a layer with its arguments `a`, of a block, or of a container.

    `path` is the module's. The calls from number `begins` up to this one are inside of it. A
    call that no output depends on is not `made`: the module has its weights, but is not called.
    """

    path: str
    node: Node
    layer: Layer | None  # the catalogue's row, if a layer is called
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
        """The parameters and buffers of a layer; empty for blocks and containers."""
        return () if self.layer is None else self.layer.weights(self.a)

    @property
    def is_nameless(self) -> bool:
        """Whether it is a container without a name: the body of a class that is a container."""
        return self.node.row is None and not (self.node.name or self.node.target.strip("."))

    @property
    def is_module(self) -> bool:
        """Whether it calls a module (a layer or a block) that is an attribute of the class."""
        row = self.node.row
        return row is not None and not row.source and bool(self.node.target.strip("."))


class Trace(Struct, frozen=True):
    """One run: the output types of each call of the graph, and all calls in order of completion.

    Each value has a `TensorType` object of its own, so `id` tells values of equal types apart.
    """

    inputs: tuple[TensorType, ...]
    outputs: tuple[Mapping[str, TensorType], ...]
    calls: tuple[Call, ...]
    first: Mapping[str, int]  # the number of the first call of each layer, by its path

    def read(self, ref: Ref) -> TensorType:
        """The type of the tensor that a reference of the graph names."""
        place = ref.node - len(self.inputs)
        return self.inputs[ref.node] if place < 0 else _pick(self.outputs, Ref(place, ref.port))


class Misfit(Refusal):
    """A layer's refusal in a run, with its call.

    `runs` says that torch would accept the sizes, but with another shape than is written.
    """

    def __init__(self, refusal: Refusal, call: Call, *, runs: bool = False) -> None:
        super().__init__(refusal.message, refusal.argument, refusal.help, refusal.note)
        self.by_values = refusal.by_values
        self.call = call
        self.runs = runs


def propagate(
    graph: Graph, sizes: Mapping[str, int], *, exact: bool = False
) -> tuple[TensorType, ...]:
    """The output types of a run with these run-time sizes (``N`` among them).

    Raises `Misfit` where a layer can't take the sizes. With `exact` also where a shape differs
    from what its expressions evaluate to, as after an accidental broadcast. Equal runs of a block
    are worked out once.
    """
    inputs = [concrete(placeholder.type, sizes) for placeholder in graph.inputs]
    known = _Run(None, exact).graph(graph, inputs, sizes, "")
    return tuple(_pick(known, ref) for _, ref in graph.outputs)


def traced(graph: Graph, sizes: Mapping[str, int]) -> Trace:
    """The run with these run-time sizes, with a record of its calls; raises `Misfit`."""
    inputs = [concrete(placeholder.type, sizes) for placeholder in graph.inputs]
    calls: list[Call] = []
    known = _Run(calls, made=made_in(graph)).graph(graph, inputs, sizes, "")
    first: dict[str, int] = {}
    for number, call in enumerate(calls):
        if call.layer is not None:
            first.setdefault(call.path, number)
    return Trace(tuple(inputs), tuple(known[len(inputs) :]), tuple(calls), first)


def call_names(trace: Trace) -> tuple[str, ...]:
    """The name of each call: the path of its module, or the class's path and the node's name.

    Further calls of the same name have numbers. The body of a block that is a container has
    an empty name.
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
    """For each call the number of the block's call around it; ``None`` in the network itself."""
    found: list[int | None] = [None] * len(trace.calls)
    for number, call in enumerate(trace.calls):
        if call.node.use is not None:
            for inside in range(call.begins, number):
                if found[inside] is None:
                    found[inside] = number
    return tuple(found)


class _Run:
    """A walk through a graph and the graphs of its blocks; it records calls if given a list."""

    def __init__(
        self,
        calls: list[Call] | None,
        exact: bool = False,
        made: Mapping[int, Container[int]] | None = None,
    ) -> None:
        self.calls = calls
        self.exact = exact
        self.made = made  # the indices of the calls that each graph makes; ``None`` means all
        self.idle = 0  # how many of the enclosing calls are not made
        self.known: dict[tuple[int, tuple[TensorType, ...]], Types] = {}  # runs of blocks
        self.batches: dict[int, Dim] = {}  # the size of the batch, which keeps its name

    def graph(
        self, graph: Graph, inputs: Sequence[TensorType], sizes: Mapping[str, int], prefix: str
    ) -> list[Types]:
        """The output types of all nodes, inputs first; `prefix` is the path of the module."""
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
        """The output types of a call; `known` are those of all nodes before it."""
        if node.kind == "absent":  # a source reads nothing, so it has no input to pass on
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
        """The output types of a layer's call; raises `Misfit` where the layer refuses."""
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
        """The output types of a block; without a record of calls, equal runs are cached."""
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
    """The type that a reference names.

    What replaces an absent layer may have fewer ports: then it is the type of the first one.
    """
    outputs = known[ref.node]
    return outputs.get(ref.port) or next(iter(outputs.values()))


def _compare(
    node: Node, reads: Sequence[TensorType], found: Types, values: Mapping[str, Any]
) -> None:
    """Raise `Misfit` where an output's shape is not what its expressions evaluate to."""
    for port, type_ in node.outputs.items():
        real = found.get(port) or next(iter(found.values()))
        shape = tuple(number_of(s, values) if is_runtime(s) else int(s) for s in type_.shape)
        if shape != real.shape:
            message = f"`{node.name}` gives {real} where {type_} is written"
            raise Misfit(Refusal(message), _stub(node, reads), runs=True)


def _compare_met(graph: Graph, node: Node, reads: Sequence[TensorType]) -> None:
    """Raise `Misfit` where two sizes that meet have equal expressions, but differ in this run."""
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
    """The calls in a container, each with the values of names: copies get their index."""
    for child in node.body:
        if child.kind != "copies":
            yield child, values
        for place, copy in enumerate(child.body if child.kind == "copies" else ()):
            yield copy, {**values, INDEX: child.start + place // child.each}


def _join(prefix: str, target: str) -> str:
    target = target.strip(".")
    return f"{prefix}.{target}" if prefix and target else prefix or target


def _settled(value: Any, values: Mapping[str, Any]) -> Any:
    """An argument's number in the run; of all names only the batch's is kept."""
    if isinstance(value, Dim) and value.code in values:  # it is a single name
        return nameless(values[value.code])
    return nameless(plain(rebind(value, values)))


def concrete(type_: TensorType, sizes: Mapping[str, int]) -> TensorType:
    """An input's type with its run-time sizes replaced by the given ones.

    Sizes that are given with names keep these names.
    """
    shape = []
    for size in type_.shape:
        names = [symbol.name for symbol in symbols_in(size) if symbol.runtime]
        shape.append(sizes[names[0]] if names else int(size))
    return replace(type_, shape=tuple(shape))
