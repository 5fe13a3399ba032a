"""The graph: what a spec says, with every name, argument, shape and type worked out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from msgspec import Struct, field

from ..diagnostics.diagnostics import SpecPath
from ..layers.base import Args, Layer, Weight, arguments, parameter_count, prefixed
from ..layers.tensor import TensorType
from ..symbolic.provenance import named
from ..symbolic.sizes import PLAIN, is_runtime, nameless, plain, symbols_in
from .needs import Reason
from .ranges import Fit


class Ref(Struct, frozen=True):
    """One output of a node: `node` is its place in the graph, inputs first.

    `choice` tells what a call chooses from several tensors from the tensors themselves.
    """

    node: int
    port: str = "output"
    choice: int = 0


class Pick(Struct, frozen=True):
    """How ``forward`` finds which of several tensors is read: the names that `from` gives them."""

    test: str
    first: Pick | str
    other: Pick | str


class Choice(Struct, frozen=True):
    """What a call reads in one place, where `from` hangs on arguments: `value` names one of `refs`.

    `pick` is how ``forward`` finds it, once the class is known.
    """

    place: int
    value: Any
    refs: Mapping[str, Ref]
    pick: Pick | str = ""


class Node(Struct, frozen=True, dict=True):
    """A call: of a layer, of a block, or of a container with its own calls in `body`.

    `kind` is ``layer``, ``Sequential``, ``ModuleList`` (its children chain the first input and
    all read the others), ``copies`` in a body, or ``absent``: then the call is not made and the
    value is that of `otherwise`. `target` is the path of the module that is called; `functional`
    calls have no module. `name` is what diagnostics and tables call the node. `repeated` marks a
    copy of a repeat.
    """

    name: str
    target: str
    row: Layer | None
    args: Mapping[str, Any]
    inputs: tuple[Ref, ...]
    named: tuple[tuple[str, Ref], ...]
    outputs: Mapping[str, TensorType]
    path: SpecPath
    functional: bool = False
    body: tuple[Node, ...] = ()
    repeated: bool = False
    kind: str = "layer"
    use: Use | None = None
    condition: Any = None
    otherwise: Ref | None = None
    callee: Any = None
    start: int = 0  # the number of the first of `copies`
    each: int = 1  # the calls that one of `copies` comes to
    test: str = ""  # what `forward` asks before a conditional call
    places: Mapping[str, SpecPath] = field(default_factory=dict)  # where arguments are written
    choices: tuple[Choice, ...] = ()  # of what it reads, those that hang on arguments
    would: Node | None = None  # of an absent one the call that other arguments make

    @cached_property
    def a(self) -> Args:
        """The arguments as rules read them."""
        return arguments(self.args)

    @cached_property
    def is_layer(self) -> bool:
        """Whether it is the call of a layer: not of a block or container, and not absent."""
        return self.row is not None and self.use is None and self.kind != "absent"

    @cached_property
    def settled(self) -> tuple[Args, dict[str, Any]]:
        """The arguments that are the same in all runs, as plain numbers, and all others."""
        same, others = {}, {}
        for name, value in self.args.items():
            if type(value) in PLAIN:
                same[name] = value
            elif is_runtime(value):
                others[name] = value
            else:
                same[name] = nameless(plain(value))
        return Args(**same), others

    @property
    def is_replaceable(self) -> bool:
        """Whether ``nn.Identity()``, or an empty list, can stand for it where it is absent."""
        alone = self.kind == "ModuleList" or (len(self.inputs) == 1 and not self.named)
        passes = self.otherwise is None or self.inputs[:1] == (self.otherwise,)
        return alone and len(self.outputs) == 1 and passes

    @property
    def output(self) -> TensorType:
        """The type of the default output."""
        return next(iter(self.outputs.values()))

    @property
    def reads(self) -> tuple[Ref, ...]:
        """All that it may read."""
        other = () if self.otherwise is None else (self.otherwise,)
        others = (ref for choice in self.choices for ref in choice.refs.values())
        would = () if self.would is None else self.would.reads
        return (*self.inputs, *(ref for _, ref in self.named), *other, *others, *would)

    def calls(self) -> Iterator[Node]:
        """The calls in a container, copies one by one; of anything else itself."""
        if self.kind in ("Sequential", "ModuleList", "copies"):
            for node in self.body:
                yield from node.body if node.kind == "copies" else (node,)
        else:
            yield self

    def walk(self) -> Iterator[Node]:
        """The call and all that are written in it; what is in a block is not."""
        yield self
        for node in self.body:
            yield from node.walk()

    def leaves(self) -> Iterator[Node]:
        """The calls of layers and blocks in it, itself included."""
        return (node for node in self.walk() if node.row is not None)


class Module(Struct, frozen=True, dict=True):
    """An attribute of a class: a layer, or a container with children in order.

    `kind` is ``layer``, ``Sequential``, ``ModuleList``, ``ModuleDict``, or ``copies``: children
    of the container around it, `each` of them `count` times, from number `start` on. `name` is the
    last part of the attribute's path, empty where a `Sequential` numbers its children. A layer that
    is a block has a `use`. With a `condition` a module is there only where it holds; it may be
    `absent`, and is what it `would` be for other arguments. `callee` is the expression that gave
    the type, `label` the one that names copies.
    """

    name: str
    kind: str = "layer"
    row: Layer | None = None
    args: Mapping[str, Any] | None = None
    children: tuple[Module, ...] = ()
    path: SpecPath = ()
    use: Use | None = None
    condition: Any = None
    absent: bool = False
    count: Any = None
    start: int = 0
    callee: Any = None
    label: str = ""
    each: int = 1
    would: Module | None = None

    def entries(self) -> Iterator[tuple[str, Module]]:
        """The children that are there, by their keys."""
        place = 0
        for child in self.children:
            group = child.children if child.kind == "copies" else (child,)
            for module in group:
                if not module.absent:
                    yield module.name or str(place), module
                    place += 1

    @cached_property
    def weights(self) -> Sequence[Weight]:
        """Parameters and buffers in the order of the `state_dict`."""
        if self.absent:
            return ()
        if self.use is not None:
            return self.use.graph.weights
        if self.row is not None and self.args is not None:
            return self.row.weights(arguments(self.args))
        return [w for key, child in self.entries() for w in prefixed(key, child.weights)]

    @property
    def is_stateless(self) -> bool:
        """Whether there are no weights in it."""
        if self.absent:
            return True
        if self.use is not None:
            return self.use.graph.is_stateless
        if self.row is not None and self.args is not None:
            return not self.weights
        return all(module.is_stateless for _, module in self.entries())

    def layers(self, path: str) -> Iterator[tuple[str, Module]]:
        """The layers and blocks in it by their paths, itself included, blocks before their own."""
        if self.absent:
            return
        if self.kind == "layer":
            yield path, self
            for inner, module in self.use.graph.layers() if self.use else ():
                yield f"{path}.{inner}", module
        for key, child in self.entries():
            yield from child.layers(f"{path}.{key}")


class Placeholder(Struct, frozen=True):
    """An input of a scope; sample values are drawn from `low` to `high` (exclusive).

    `name` is what ``forward`` calls it, `words` what references call it where that is not the name.
    """

    name: str
    type: TensorType
    low: float | None = None
    high: float | None = None
    words: tuple[str, ...] = ()

    def is_called(self, word: str) -> bool:
        """Whether a reference to this word means the input."""
        return word in (self.words or (self.name,))

    @property
    def word(self) -> str:
        """What messages call it."""
        return (self.words or (self.name,))[0]


class Parameter(Struct, frozen=True):
    """A parameter of a class: its value, and how it stands in the signature.

    `code` is the expression of a default that `depends` on parameters before it. A `fixed`
    parameter is no argument: its value was decided when the source was generated, for a `reason`.
    `hint` is its annotation, where the default does not say it all.
    """

    name: str
    value: Any
    doc: str | None = None
    code: str | None = None
    depends: frozenset[str] = frozenset()
    fixed: bool = False
    reason: Reason | None = None
    used: bool = True
    required: bool = False
    default: Any = None  # in the terms of the parameters before it
    hint: str = ""
    is_type: bool = False


class Initial(Struct, frozen=True):
    """What the spec says of some layers' initial weights: a call for one weight of each.

    `kind` says whether `key` is a ``type``, a ``name`` or a ``path``; `types` are the types of
    the layers that are meant. `guarded`: some of them lack the weight; `top`: an attribute of
    the network is meant and nothing else.
    """

    kind: str
    key: str
    types: tuple[str, ...]
    weight: str
    init: Any
    guarded: bool = False
    top: bool = False


class Graph(Struct, frozen=True, dict=True):
    """A network, or what a use of a block comes to.

    Node ``i`` of `Ref` is an input for ``i < len(inputs)``, else a call. `values` are the plain
    values of all names but run-time sizes; `fit` is which of these sizes the network takes.
    """

    name: str
    description: str | None
    params: tuple[Parameter, ...]
    inputs: tuple[Placeholder, ...]
    modules: tuple[Module, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[tuple[str | None, Ref], ...]
    style: str
    sizes: Mapping[str, int]  # the sample value of each run-time size
    values: Mapping[str, Any]
    sequential: bool = False
    ties: tuple[tuple[str, str], ...] = ()
    initial: tuple[Initial, ...] = ()
    keeps: tuple[tuple[str, Any], ...] = ()  # values that `forward` needs, by attribute
    is_block: bool = False
    imports: tuple[Layer, ...] = ()  # the types that are a person's own classes
    # what goes in and what comes out in all uses of a block
    shapes: tuple[tuple[TensorType, ...], tuple[TensorType, ...]] | None = None
    fit: Fit = Fit()

    def terms(self) -> dict[str, Any]:
        """What each name in the graph's own values stands for: itself."""
        sizes = [size for x in self.inputs for size in x.type.shape]
        runtime = {s.name: size for size in sizes for s in symbols_in(size)}
        known = {name: named(name, value) for name, value in self.values.items()}
        return {**known, **runtime}

    @cached_property
    def size_names(self) -> tuple[tuple[str, int, int], ...]:
        """The names of sizes of inputs, each with the input and the dimension that has it."""
        return tuple(
            (symbol.name, place, dim)
            for place, placeholder in enumerate(self.inputs)
            for dim, size in enumerate(placeholder.type.shape)
            for symbol in symbols_in(size)
        )

    def type_of(self, ref: Ref) -> TensorType:
        """The type of what a reference names."""
        if ref.node < len(self.inputs):
            return self.inputs[ref.node].type
        outputs = self.nodes[ref.node - len(self.inputs)].outputs
        return outputs.get(ref.port) or outputs["*"]  # of an absent layer they are all one

    @cached_property
    def weights(self) -> Sequence[Weight]:
        """Parameters and buffers in the order of the `state_dict`: its own before others'."""
        own = {
            source: [m for m in self.modules if m.row and m.row.source == source]
            for source in ("parameter", "buffer", "")
        }
        others = [m for m in self.modules if not m.row or not m.row.source]
        modules = [*own["parameter"], *own["buffer"], *others]
        return [w for module in modules for w in prefixed(module.name, module.weights)]

    def layers(self) -> Iterator[tuple[str, Module]]:
        """The layers and blocks by their paths, blocks before their own."""
        for module in self.modules:
            for path, layer in module.layers(module.name):
                yield path.lstrip("."), layer

    def live(self) -> set[int]:
        """The places of the calls that an output depends on; others are not made."""
        return _live([self])

    @property
    def is_stateless(self) -> bool:
        """Whether there are no weights in it."""
        return all(module.is_stateless for module in self.modules)

    @cached_property
    def parameter_count(self) -> int:
        """The number of trainable elements; a tied one counts once."""
        again = {name for name, _ in self.ties}
        return parameter_count([w for w in self.weights if w.name not in again])


class Use(Struct, eq=False):
    """A use of a block: its body read with one user's arguments and inputs.

    The body is in the block's own terms; `outer` says what the user gives for each of its
    names. `call` holds the arguments of the class, once it is known which there are.
    """

    block: str
    graph: Graph
    outer: Mapping[str, Any]
    given: dict[str, Any]  # the arguments that are written
    spec: Any  # what the block is declared as
    path: SpecPath
    call: dict[str, Any] = field(default_factory=dict)


def _live(graphs: Sequence[Graph]) -> set[int]:
    """The places of the calls that an output of one class depends on, in some use of it."""
    inputs = len(graphs[0].inputs)
    found: set[int] = set()
    waiting = [ref.node - inputs for graph in graphs for _, ref in graph.outputs]
    while waiting:
        place = waiting.pop()
        if place < 0 or place in found:
            continue
        found.add(place)
        waiting += [ref.node - inputs for graph in graphs for ref in graph.nodes[place].reads]
    return found


def made_in(graph: Graph) -> dict[int, set[int]]:
    """The places of the calls that each `forward` makes, by the `id` of the graph.

    The uses of a block share one: what some of them need, all compute.
    """
    found = {id(graph): graph.live()}
    for uses in uses_in(graph).values():
        graphs = [use.graph for use in uses]
        found |= dict.fromkeys(map(id, graphs), _live(graphs))
    return found


def uses_in(graph: Graph) -> dict[str, list[Use]]:
    """The uses of each block in a graph, blocks that others use before those others."""
    found: dict[str, list[Use]] = {}
    seen: set[int] = set()

    def visit(inner: Graph) -> None:
        for use in _own_uses(inner):
            if id(use) in seen:
                continue
            seen.add(id(use))
            if id(use.graph) not in seen:
                seen.add(id(use.graph))
                visit(use.graph)
            found.setdefault(use.block, []).append(use)

    visit(graph)
    if not found:
        return {}
    from graphlib import TopologicalSorter

    inner = {
        block: dict.fromkeys(own.block for use in uses for own in _own_uses(use.graph))
        for block, uses in found.items()
    }
    return {block: found[block] for block in TopologicalSorter(inner).static_order()}


def _own_uses(graph: Graph) -> Iterator[Use]:
    for node in graph.nodes:
        yield from _uses_of(node)


def _uses_of(node: Node) -> Iterator[Use]:
    """The uses of blocks in a call, in what it would be for other arguments, too."""
    if node.use is not None:
        yield node.use
    for inner in (*node.body, *(() if node.would is None else (node.would,))):
        yield from _uses_of(inner)


def lint(graph: Graph) -> None:
    """Assert what every later stage relies on: order, existing references, unique names."""
    known = len(graph.inputs)
    for place, node in enumerate(graph.nodes):
        for ref in node.reads:
            assert 0 <= ref.node < known + place, f"{node.name} reads what comes later"
            if ref.node >= known:
                assert ref.port in graph.nodes[ref.node - known].outputs, (node.name, ref)
    names = [module.name for module in graph.modules if module.name]
    assert len({*names}) == len(names), f"attributes stand twice: {names}"
    assert graph.outputs, "nothing comes out"
