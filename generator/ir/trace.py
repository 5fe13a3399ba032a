"""Shape propagation: every call of a run with its types, for given run-time sizes."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Generic, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from ..layers.applying import outputs_of
from ..layers.base import Args, Layer, Refusal, Weight
from ..layers.broadcasting import facing
from ..layers.tensor import TensorType
from ..symbolic.algebra import INDEX
from ..symbolic.sizes import Dim, Size, code, is_runtime, nameless, plain, shown, symbols_in
from .graph import Graph, Node, Ref, copy_port
from .substitute import number_of, rebind

T = TypeVar("T", bound=TensorType)
Types = Mapping[str, TensorType]  # by port
BATCHES = (2, 3)  # the batch sizes for which runs are worked out


class Value(TensorType, frozen=True, kw_only=True):
    """A tensor of a run: its type, and its `number` among the values of the run.

    The inputs have the first numbers; each output of a layer's call has the next one. Blocks and
    containers make no values: they give what a layer inside of them made.
    """

    number: int


class Call(Struct, frozen=True, dict=True):
    """A call in a run: of a layer with its arguments `a`, of a block, or of a container.

    `path` is the module's. The calls from number `begins` up to this one are inside of it. A
    call that no output depends on is not `made`: the module has its weights, but is not called.
    In a loop, `copy` is the number of the copy.
    """

    path: str
    node: Node
    layer: Layer | None  # the catalogue's row, if a layer is called
    a: Args
    inputs: tuple[Value, ...]
    outputs: Mapping[str, Value]
    begins: int
    made: bool = True
    copy: int | None = None

    @property
    def output(self) -> Value:
        """The first output."""
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
    def is_unread(self) -> bool:
        """Whether it is a parameter or a buffer on which no output depends."""
        return not self.made and self.layer is not None and self.layer.held

    @property
    def is_module(self) -> bool:
        """Whether it calls a module (a layer or a block) that is an attribute of the class."""
        row = self.node.row
        return row is not None and not row.source and bool(self.node.target.strip("."))


class Maker(Struct, frozen=True):
    """The call that makes a value, by its number, and the `port` that gives it."""

    call: int
    port: str


class Trace(Struct, frozen=True):
    """One run: the outputs of each call of the graph, and all calls in order of completion.

    `makers` has the maker of each value by the value's number, ``None`` where no call makes it.
    """

    inputs: tuple[Value, ...]
    outputs: tuple[Mapping[str, Value], ...]
    calls: tuple[Call, ...]
    first: Mapping[str, int]  # the number of the first call of each layer, by its path
    makers: tuple[Maker | None, ...]

    def read(self, ref: Ref) -> Value:
        """The value that a reference of the graph names."""
        place = ref.node - len(self.inputs)
        return self.inputs[ref.node] if place < 0 else _pick(self.outputs, Ref(place, ref.port))

    def maker(self, value: Value) -> Call | None:
        """The layer's call that makes a value; ``None`` for inputs."""
        found = self.makers[value.number]
        return None if found is None else self.calls[found.call]


class Misfit(Refusal):
    """A layer's refusal in a run, with its node and the types that it reads."""

    def __init__(
        self, refusal: Refusal, node: Node, inputs: Sequence[TensorType], *, runs: bool = False
    ) -> None:
        super().__init__(refusal.message, refusal.argument, refusal.help, refusal.note)
        self.by_values = refusal.by_values
        self.span = refusal.span
        self.node = node
        self.inputs = inputs
        self.runs = runs or refusal.runs


def propagate(
    graph: Graph, sizes: Mapping[str, int], *, exact: bool = False
) -> tuple[TensorType, ...]:
    """The output types of a run with these run-time sizes (``N`` among them).

    Raises `Misfit` where a layer that ``forward`` calls can't take the sizes. With `exact` also
    where a shape differs from what its expressions evaluate to, as after an accidental broadcast.
    Equal runs of a block are worked out once.
    """
    known = _Types(graph.made, exact).run(graph, sizes)
    return tuple(_pick(known, ref) for _, ref in graph.outputs)


def traced(graph: Graph, sizes: Mapping[str, int]) -> Trace:
    """The run with these run-time sizes, with a record of its calls; raises `Misfit`."""
    record = _Record(graph.made)
    return record.trace(record.run(graph, sizes), len(graph.inputs))


def traced_alone(graph: Graph, call: Call) -> Trace:
    """The run of a block of this network alone, on tensors of the types that a call gives it."""
    assert call.node.use is not None
    block, record = call.node.use.graph, _Record(graph.made)
    inputs = [record.new(x) for x in call.inputs]
    sizes = {name: inputs[at].shape[dim] for name, at, dim in block.size_names}
    return record.trace(record.graph(block, inputs, sizes, ""), len(inputs))


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


def value_names(graph: Graph, trace: Trace, calls: Sequence[str]) -> tuple[str, ...]:
    """The name of each value by its number: an input's, or its call's with the port, if several.

    `calls` are the names of the calls, as `call_names` gives them.
    """
    found = [x.name for x in graph.inputs]
    for maker in trace.makers[len(found) :]:
        if maker is None:  # of a source that is absent, which nothing reads
            found.append("")
            continue
        several = len(trace.calls[maker.call].outputs) > 1
        found.append(f"{calls[maker.call]}.{maker.port}" if several else calls[maker.call])
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


class _Frame(Struct, Generic[T]):
    """A graph in a run: the outputs of its nodes so far, inputs first.

    `values` are the numbers of its names, `prefix` is the path of the module.
    """

    graph: Graph
    known: list[Mapping[str, T]]
    values: Mapping[str, Any]
    prefix: str
    made: Container[int]  # the indices of the calls that are made
    numbers: dict[str, int] = {}  # what sizes came to so far, by their expressions

    def reads(self, node: Node) -> list[T]:
        """The inputs of a call; of an absent one the value that replaces it."""
        if node.kind == "absent" and node.otherwise is not None:
            return [_pick(self.known, node.otherwise)]
        known = self.known
        return [known[ref.node].get(ref.port) or _pick(known, ref) for ref in node.inputs]

    def number(self, size: Size) -> int:
        """The plain number that a size comes to in this run."""
        if not is_runtime(size):
            return int(size)
        text = code(size)
        if text not in self.numbers:
            self.numbers[text] = number_of(size, self.values)
        return self.numbers[text]

    def named(self, node: Node) -> Mapping[str, T]:
        """The optional tensors that a call reads, by the names of its arguments."""
        return {name: _pick(self.known, ref) for name, ref in node.named}


class _Run(Generic[T]):
    """A walk through a graph and the graphs of its blocks, over types or numbered values.

    `made` has the indices of the calls that each graph makes.
    """

    def __init__(self, made: Mapping[Graph, Container[int]]) -> None:
        self.made = made
        self.batches: dict[int, Dim] = {}  # the size of the batch, which keeps its name

    def new(self, type_: TensorType, maker: Maker | None = None) -> T:
        """A tensor that the run has not had before."""
        raise NotImplementedError

    def run(self, graph: Graph, sizes: Mapping[str, int]) -> list[Mapping[str, T]]:
        """The outputs of all nodes of a network, inputs first."""
        given: Mapping[str, int] = sizes
        if "N" in sizes and _folds(graph):  # a batch is known by its name where it is found again
            given = {**sizes, "N": self.batch(sizes["N"])}
        inputs = [self.new(concrete(placeholder.type, given)) for placeholder in graph.inputs]
        return self.graph(graph, inputs, sizes, "")

    def graph(
        self, graph: Graph, inputs: Sequence[T], sizes: Mapping[str, int], prefix: str
    ) -> list[Mapping[str, T]]:
        """The outputs of all nodes, inputs first; `prefix` is the path of the module."""
        values = {**graph.values, **sizes}
        if "N" in sizes:
            values["N"] = self.batch(sizes["N"])
        frame = _Frame(graph, [{"output": x} for x in inputs], values, prefix, self.made[graph])
        for place, node in enumerate(graph.nodes):
            frame.known.append(self.place(frame, place, node))
        return frame.known

    def batch(self, size: int) -> Dim:
        if size not in self.batches:
            self.batches[size] = Dim.named("N", size, runtime=True)
        return self.batches[size]

    def place(self, frame: _Frame[T], place: int, node: Node) -> Mapping[str, T]:
        """The outputs of the graph's node in this place."""
        return self.node(frame, node, frame.reads(node))

    def node(self, frame: _Frame[T], node: Node, inputs: Sequence[T]) -> Mapping[str, T]:
        """The outputs of a call that reads these inputs."""
        if node.is_layer:
            return self.layer(frame, node, inputs)
        if node.kind == "absent":  # a source reads nothing, so it has no input to pass on
            return dict.fromkeys(node.outputs, inputs[0] if inputs else self.new(node.output))
        if node.use is not None:
            return self.block(node.use.graph, tuple(inputs), _join(frame.prefix, node.target))
        given: list[T] = []
        for child, values in _turns(node, frame.values):
            inside = frame if values is frame.values else replace(frame, values=values, numbers={})
            inner = self.node(inside, child, inputs)
            carried = node.carries and not child.absent
            inputs = tuple(inner.values()) if carried else (next(iter(inner.values())), *inputs[1:])
            if not child.absent:
                given.append(inputs[0])
        outputs = dict(zip(node.outputs, inputs if node.carries else inputs[:1], strict=False))
        return outputs | {copy_port(n): x for n, x in enumerate(given) if node.collects}

    def layer(self, frame: _Frame[T], node: Node, inputs: Sequence[T]) -> Mapping[str, T]:
        """The outputs of a layer's call; raises `Misfit` where the layer refuses."""
        assert node.row is not None
        a, others = node.plain_args
        if others:
            own = {name: _in_run(value, frame.values) for name, value in others.items()}
            a = Args(**vars(a), **own)
        named = frame.named(node) if node.named else {}
        reads = (*inputs, *named.values()) if named else tuple(inputs)
        try:
            outputs = outputs_of(node.row, a, inputs, named)
        except Refusal as refusal:
            outputs = self.refused(frame, Misfit(refusal, node, reads))
        return self.called(frame, node, a, reads, outputs)

    def refused(self, frame: _Frame[T], misfit: Misfit) -> Types:
        """The outputs of a call that is refused; raises the `misfit`."""
        raise misfit from None

    def called(
        self, frame: _Frame[T], node: Node, a: Args, reads: tuple[T, ...], outputs: Types
    ) -> Mapping[str, T]:
        """The outputs of a layer's call, whose types are known."""
        raise NotImplementedError

    def block(self, graph: Graph, inputs: tuple[T, ...], path: str) -> Mapping[str, T]:
        """The outputs of a block, whose module has this path."""
        sizes = {name: inputs[at].shape[dim] for name, at, dim in graph.size_names}
        known = self.graph(graph, inputs, sizes, path)
        return {
            name if name is not None else str(place): _pick(known, ref)
            for place, (name, ref) in enumerate(graph.outputs)
        }


class _Types(_Run[TensorType]):
    """A run of types alone; equal runs of a block are worked out once.

    If `exact`, shapes are compared with what their expressions evaluate to.
    """

    def __init__(self, made: Mapping[Graph, Container[int]], exact: bool) -> None:
        super().__init__(made)
        self.exact = exact
        self.known: dict[tuple[Graph, tuple[TensorType, ...]], Types] = {}  # runs of blocks

    def new(self, type_: TensorType, maker: Maker | None = None) -> TensorType:
        return type_

    def place(self, frame: _Frame[TensorType], place: int, node: Node) -> Types:
        if place not in frame.made:
            return node.outputs
        reads = frame.reads(node)
        found = self.node(frame, node, reads)
        if self.exact:
            _compare(frame, node, reads, found)
            _compare_met(frame.graph, node, reads)
        return found

    def called(
        self,
        frame: _Frame[TensorType],
        node: Node,
        a: Args,
        reads: tuple[TensorType, ...],
        outputs: Types,
    ) -> Types:
        return outputs

    def block(self, graph: Graph, inputs: tuple[TensorType, ...], path: str) -> Types:
        key = (graph, inputs)
        if key not in self.known:
            self.known[key] = super().block(graph, inputs, path)
        return self.known[key]


class _Record(_Run[Value]):
    """A run with a record of its `calls`, and of the maker of each value.

    A call that is not made takes all sizes: where it would refuse them, it gives its outputs at
    the sample sizes.
    """

    def __init__(self, made: Mapping[Graph, Container[int]]) -> None:
        super().__init__(made)
        self.idle = 0  # how many of the enclosing calls are not made
        self.calls: list[Call] = []
        self.makers: list[Maker | None] = []

    def trace(self, known: Sequence[Mapping[str, Value]], inputs: int) -> Trace:
        """What has been recorded; `known` are the outputs of all nodes, so many `inputs` first."""
        first: dict[str, int] = {}
        for number, call in enumerate(self.calls):
            if call.layer is not None:
                first.setdefault(call.path, number)
        given = tuple(x["output"] for x in known[:inputs])
        return Trace(given, tuple(known[inputs:]), tuple(self.calls), first, tuple(self.makers))

    def new(self, type_: TensorType, maker: Maker | None = None) -> Value:
        number = len(self.makers)
        self.makers.append(maker)
        x = type_
        return Value(x.shape, x.dtype, x.batch, x.lost, x.bound, number=number)

    def place(self, frame: _Frame[Value], place: int, node: Node) -> Mapping[str, Value]:
        idle = place not in frame.made
        self.idle += idle
        found = super().place(frame, place, node)
        self.idle -= idle
        return found

    def node(
        self, frame: _Frame[Value], node: Node, inputs: Sequence[Value]
    ) -> Mapping[str, Value]:
        begins = len(self.calls)
        outputs = super().node(frame, node, inputs)
        if not node.is_layer and node.kind != "absent":
            path, made = _join(frame.prefix, node.target), not self.idle
            reads = (*inputs, *frame.named(node).values())
            self.calls.append(Call(path, node, None, Args(), reads, outputs, begins, made))
        return outputs

    def refused(self, frame: _Frame[Value], misfit: Misfit) -> Types:
        if not self.idle:
            return super().refused(frame, misfit)
        return {
            port: replace(type_, shape=tuple(map(int, type_.shape)))
            for port, type_ in misfit.node.outputs.items()
        }

    def called(
        self,
        frame: _Frame[Value],
        node: Node,
        a: Args,
        reads: tuple[Value, ...],
        outputs: Types,
    ) -> Mapping[str, Value]:
        number, path, made = len(self.calls), _join(frame.prefix, node.target), not self.idle
        found = {port: self.new(type_, Maker(number, port)) for port, type_ in outputs.items()}
        copy = frame.values.get(INDEX)
        self.calls.append(Call(path, node, node.row, a, reads, found, number, made, copy))
        return found


def _pick(known: Sequence[Mapping[str, T]], ref: Ref) -> T:
    """The tensor that a reference names.

    What replaces an absent layer may have fewer ports: then it is the first one.
    """
    outputs = known[ref.node]
    return outputs.get(ref.port) or next(iter(outputs.values()))


def _compare(
    frame: _Frame[TensorType], node: Node, reads: Sequence[TensorType], found: Types
) -> None:
    """Raise `Misfit` where an output's shape is not what its expressions evaluate to."""
    for port, type_ in node.outputs.items():
        real = found.get(port) or next(iter(found.values()))
        shape = tuple(map(frame.number, type_.shape))
        if shape != real.shape:
            message = f"`{node.name}` gives {real} where {type_} is written"
            raise Misfit(Refusal(message), node, reads, runs=True)


def _compare_met(graph: Graph, node: Node, reads: Sequence[TensorType]) -> None:
    """Raise `Misfit` where two sizes that meet have equal expressions, but differ in this run."""
    if node.row is None or not node.is_layer or len(reads) < 2:
        return
    written = facing(node.row, node.a, [graph.type_of(ref) for ref in node.inputs])
    for sizes, wanted in zip(facing(node.row, node.a, reads), written, strict=True):
        if wanted[0] == wanted[1] and sizes[0] != sizes[1]:
            left, right = map(shown, wanted)
            message = f"{left} is not {right}: one of them is 1, and repeated"
            raise Misfit(Refusal(message), node, reads, runs=True)


def _turns(node: Node, values: Mapping[str, Any]) -> Iterator[tuple[Node, Mapping[str, Any]]]:
    """The calls in a container, each with the values of names: copies get their index."""
    for child in node.body:
        if child.kind != "copies":
            yield child, values
        for place, copy in enumerate(child.body if child.kind == "copies" else ()):
            yield copy, {**values, INDEX: child.start + place // child.each}


def _folds(graph: Graph) -> bool:
    """Whether the batch is joined with other dimensions somewhere in a network."""
    nodes = [*graph.nodes]
    for node in nodes:  # which grows
        if node.body:
            nodes += node.body
        if node.use is not None:
            nodes += node.use.graph.nodes
        elif node.output.lost:
            return True
    return False


def _join(prefix: str, target: str) -> str:
    target = target.strip(".")
    return f"{prefix}.{target}" if prefix and target else prefix or target


def _in_run(value: Any, values: Mapping[str, Any]) -> Any:
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
