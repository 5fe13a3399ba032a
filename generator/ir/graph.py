"""The graph that lowering gives: every name, argument, shape and type of a spec, worked out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from ..diagnostics.diagnostics import SpecPath
from ..layers.base import (
    Args,
    Layer,
    Parametrization,
    Weight,
    arguments,
    parameter_count,
    prefixed,
)
from ..layers.tensor import TensorType
from ..symbolic.names import SKIPPED
from ..symbolic.provenance import named
from ..symbolic.sizes import PLAIN, Coded, Size, is_runtime, nameless, plain, symbols_in
from .aliases import Alias, also_named
from .needs import Reason
from .ranges import Fit

ALL = "all"  # in references: what each child of a `ModuleList` gives
LIST = f"{ALL}.*"  # the port that stands for all of it, as a list


def copy_port(number: int) -> str:
    """The port of what one child of a `ModuleList` gives, by the child's number."""
    return f"{ALL}.{number}"


class Ref(Struct, frozen=True):
    """A reference to one output of a node: `node` is its index in the graph, inputs first.

    `choice` is 0 for the output itself. For the tensor that a call's `Choice` selects it is
    the place of that `Choice` plus 1.
    """

    node: int
    port: str = "output"
    choice: int = 0


class Pick(Struct, frozen=True):
    """The conditional expression with which ``forward`` selects one of several tensors.

    It is `first` where `test` is true, else `other`: names that `from` gives, or further picks.
    """

    test: str
    first: Pick | str
    other: Pick | str


class Choice(Struct, frozen=True):
    """One input of a call, where `from` depends on arguments.

    `place` is its index among the inputs; `value` evaluates to one of the names in `refs`.
    `pick` is the expression that ``forward`` uses. It is set once the class is known.
    """

    place: int
    value: Any
    refs: Mapping[str, Ref]
    pick: Pick | str = ""


class Collected(Struct, frozen=True):
    """A list among the inputs of a call: `count` of them, from `place` on.

    They are what the children of a ``ModuleList`` give, whose index in the graph is `node`.
    """

    place: int
    node: int
    count: Size


class Node(Struct, frozen=True, dict=True, kw_only=True):
    """A call of a layer, of a block, or of a container with its own calls in `body`.

    Lowering makes it, and it stays one record up to the source: each stage gives it what is known
    by then.

    As it is read: `kind` is ``layer``, ``Sequential``, ``ModuleList``, ``copies`` (in a body),
    ``absent``, or ``lost`` to a mistake. The children of a ``ModuleList`` pass the first input on
    from one to the next, and all of them read the other inputs; if it `carries`, they pass all
    inputs on. One that `collects` has one more output for what each child gives (`copy_port`); a
    call that reads all of these as a list has the list in `collected`. ``copies`` are `count`
    groups of `each` calls, numbered from `start`; `label` is the expression that names them, and
    `number` the name that their number has in the spec, if any. An ``absent`` call is not made:
    its value is that of `otherwise`, and `would` is the call that other arguments make. A call
    with a `condition` is made only where that is true. `functional` calls have no module. `callee`
    is the expression that gives the type, `repeated` marks a copy of a `repeat`, `reuses` is the
    index of the call whose module is called again.

    Its name: what is `written` in the spec, or else made of the `stem`. `shared` is the place of
    the module among those of the stem, for calls without weights. `names` are those that the spec
    gives its outputs, if it names each of them. Once the scope is read, `name`
    is the name in diagnostics and tables, and `target` the path of the module.

    Once the class is known: `test` is the condition that ``forward`` tests before the call.
    """

    path: SpecPath
    row: Layer | None = None
    args: Mapping[str, Any] = {}
    inputs: tuple[Ref, ...] = ()
    named: tuple[tuple[str, Ref], ...] = ()
    outputs: Mapping[str, TensorType] = {}
    kind: str = "layer"
    functional: bool = False
    repeated: bool = False
    use: Use | None = None
    body: tuple[Node, ...] = ()
    count: Any = None
    start: int = 0
    each: int = 1
    label: str = ""
    number: str = ""
    condition: Any = None
    otherwise: Ref | None = None
    would: Node | None = None
    callee: Any = None
    reuses: int | None = None
    places: Mapping[str, SpecPath] = {}  # where arguments are written
    choices: tuple[Choice, ...] = ()  # the inputs that depend on arguments
    carries: bool = False
    collects: bool = False
    collected: tuple[Collected, ...] = ()
    names: tuple[str, ...] = ()
    stem: str = ""
    written: bool = False
    shared: int | None = None
    name: str = ""
    target: str = ""
    test: str = ""

    @cached_property
    def a(self) -> Args:
        """The arguments in the form that a layer's `rule` reads."""
        return arguments(self.args)

    @cached_property
    def is_layer(self) -> bool:
        """Whether it calls a layer: no block, no container, and not absent."""
        return self.row is not None and self.use is None and self.kind != "absent"

    @cached_property
    def plain_args(self) -> tuple[Args, dict[str, Any]]:
        """The arguments that are the same in all runs, as plain numbers; then the other ones."""
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
    def absent(self) -> bool:
        """Whether the call is not made."""
        return self.kind == "absent"

    @property
    def is_replaceable(self) -> bool:
        """Whether ``nn.Identity()`` or an empty ``nn.ModuleList`` can replace it where absent."""
        alone = self.kind == "ModuleList" or (len(self.inputs) == 1 and not self.named)
        passes = self.otherwise is None or self.inputs[:1] == (self.otherwise,)
        return alone and len(self.outputs) == 1 and passes

    @property
    def foreseen(self) -> Node | None:
        """The call that other arguments make in place of an absent one, on the same condition."""
        if self.would is None:
            return None
        return replace(self.would, condition=self.condition, otherwise=self.otherwise)

    @property
    def ports(self) -> list[str]:
        """The names of its outputs, without those for what each child gives (`copy_port`)."""
        if not self.collects:
            return list(self.outputs)
        return [port for port in self.outputs if not port.startswith(f"{ALL}.")]

    @property
    def word(self) -> str:
        """Its name in messages while its scope is read: the written one, or the stem."""
        return self.name or self.stem

    @property
    def default_port(self) -> str:
        """The output that its name stands for; `*` if each must be named."""
        row = self.row if self.would is None else self.would.row
        if self.names[:1] == (SKIPPED,) or (row is not None and row.ports == ("*",)):
            return "*"
        return next(iter(self.outputs))

    @property
    def output(self) -> TensorType:
        """The type of the first output."""
        return next(iter(self.outputs.values()))

    @property
    def reads(self) -> tuple[Ref, ...]:
        """All references that it may read, for these and for other arguments.

        Those of a container are also the optional tensors that the calls in it read.
        """
        several = self.named or self.choices or self.body
        if not (several or self.otherwise or self.would or self.collected):
            return self.inputs
        other = () if self.otherwise is None else (self.otherwise,)
        others = (ref for choice in self.choices for ref in choice.refs.values())
        would = () if self.would is None else self.would.reads
        lists = (Ref(each.node, LIST) for each in self.collected)
        named = dict.fromkeys(ref for call in self.walk() for _, ref in call.named)
        return (*self.inputs, *named, *other, *others, *would, *lists)

    @property
    def listed(self) -> tuple[Ref, ...]:
        """The inputs, with one reference to `LIST` for each list among them."""
        found = [*self.inputs]
        for each in reversed(self.collected):
            found[each.place : each.place + each.count] = [Ref(each.node, LIST)]
        return tuple(found)

    def calls(self) -> Iterator[Node]:
        """The calls in a container, each copy by itself; for any other node the node itself."""
        if self.kind in ("Sequential", "ModuleList", "copies"):
            for node in self.body:
                yield from node.body if node.kind == "copies" else (node,)
        else:
            yield self

    @property
    def first_call(self) -> Node | None:
        """The first call in a container that is made, if there is one; else the node itself."""
        return next((call for call in self.calls() if not call.absent), None)

    def walk(self) -> Iterator[Node]:
        """The call and all calls nested in its `body`, but not those inside a block's graph."""
        yield self
        for node in self.body:
            yield from node.walk()

    def leaves(self) -> Iterator[Node]:
        """The calls of layers and blocks in it, the node itself included."""
        return (node for node in self.walk() if node.row is not None)


class Module(Struct, frozen=True, dict=True):
    """An attribute of a class: the module of a call, or a container with children in order.

    `name` is the last part of the attribute's path; it is empty where a `Sequential` numbers its
    children. The `node` is the call that it is made for, with the arguments of its constructor; of
    a container that names with dots make it has only the `kind`: ``ModuleList``, ``ModuleDict``, or
    ``Module`` if it holds tensors only.
    """

    name: str
    node: Node
    children: tuple[Module, ...] = ()

    @staticmethod
    def of(node: Node, name: str) -> Module:
        """The module of a call, with its children."""
        return Module(name, node, tuple(Module.of(child, child.name) for child in node.body))

    @property
    def path(self) -> SpecPath:
        """Where it stands in the spec."""
        return self.node.path

    @property
    def row(self) -> Layer | None:
        """The layer's or block's type; ``None`` for a container."""
        return self.node.row

    @property
    def is_tensor(self) -> bool:
        """Whether it is no module, but a parameter or a buffer."""
        return self.row is not None and bool(self.row.source)

    @property
    def condition(self) -> Any:
        """What must be true for it to exist; ``None`` if it always does."""
        return self.node.condition

    @property
    def absent(self) -> bool:
        """Whether it does not exist."""
        return self.node.absent

    @property
    def would(self) -> Module | None:
        """Where it is absent, the module that other arguments make."""
        would = self.node.foreseen
        return None if would is None else Module.of(would, self.name)

    def where(self, **facts: Any) -> Module:
        """The same module, but with these facts of its node."""
        return replace(self, node=replace(self.node, **facts))

    def entries(self) -> Iterator[tuple[str, Module]]:
        """The children that are not absent, with their keys in the `state_dict`."""
        place = 0
        for child in self.children:
            group = child.children if child.node.kind == "copies" else (child,)
            for module in group:
                if not module.absent:
                    yield module.name or str(place), module
                    place += 1

    @cached_property
    def weights(self) -> Sequence[Weight]:
        """Parameters and buffers in the order of the `state_dict`."""
        if self.absent:
            return ()
        if self.node.use is not None:
            return self.node.use.graph.weights
        if self.row is not None:
            return self.row.weights(self.node.a)
        return _in_order(self.entries())

    @property
    def bare_weights(self) -> Sequence[Weight]:
        """The weights by the names that they have before any of them is parametrized."""
        bare = None if self.row is None or self.absent else self.row.bare
        return self.weights if bare is None else bare.weights(self.node.a)

    @property
    def is_stateless(self) -> bool:
        """Whether it has neither parameters nor buffers."""
        if self.absent:
            return True
        if self.node.use is not None:
            return self.node.use.graph.is_stateless
        if self.row is not None:
            return not self.weights
        return all(module.is_stateless for _, module in self.entries())

    def layers(self, path: str) -> Iterator[tuple[str, Module]]:
        """The layers and blocks in it, itself included, with their paths.

        A block comes before the layers inside of it.
        """
        if self.absent:
            return
        if self.node.kind == "layer":
            yield path, self
            for inner, module in self.node.use.graph.layers() if self.node.use else ():
                yield f"{path}.{inner}", module
        for key, child in self.entries():
            yield from child.layers(f"{path}.{key}")


def _in_order(entries: Iterable[tuple[str, Module]]) -> list[Weight]:
    """The weights of attributes with their keys, in the order of the `state_dict`.

    The owner's own tensors come first: parameters, then buffers; after them those of its modules.
    """
    ordered = sorted(entries, key=lambda entry: _place(entry[1]))
    return [weight for key, module in ordered for weight in prefixed(key, module.weights)]


def _place(module: Module) -> int:
    kinds = ("parameter", "buffer")
    return kinds.index(module.row.source) if module.row and module.row.source in kinds else 2


class Placeholder(Struct, frozen=True):
    """An input of a scope; sample values are drawn from `low` to `high` (exclusive).

    `name` is the argument's name in ``forward``. `words` are the names that references in the
    spec may use instead, if there are any.
    """

    name: str
    type: TensorType
    low: float | None = None
    high: float | None = None
    words: tuple[str, ...] = ()

    def is_called(self, word: str) -> bool:
        """Whether `word` in a reference means this input."""
        return word in (self.words or (self.name,))

    @property
    def word(self) -> str:
        """The input's name in messages."""
        return (self.words or (self.name,))[0]


class Parameter(Struct, frozen=True):
    """A parameter of a class: its value, and how the signature shows it.

    `code` is the expression of a default that `depends` on parameters before it. A `fixed`
    parameter is no argument: generation decided its value, for a `reason`. `hint` is its
    annotation where the default's type does not suffice. An `inferred` one is no parameter in the
    spec: it is a size of what a block reads, or differs between its uses otherwise.
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
    inferred: bool = False
    default: Any = None  # over the names of the parameters before it
    hint: str = ""
    is_type: bool = False
    types: tuple[str, ...] = ()  # others that fit, where it is a type of the network's layers


class Initial(Struct, frozen=True):
    """An entry of `initial`: the call of ``nn.init`` for one weight of some layers.

    `kind` says whether `key` is a ``type``, a ``name`` or a ``path``; `types` are the types of
    the layers that it selects. A type counts inside of `scope` only, which is a module's path, or
    everywhere if that is empty. `guarded`: some of these layers lack the weight. `top`: the scope,
    or all that it selects, is one attribute of the network, which is always there. `ways`: how the
    weights of these layers are computed, if this is one of them; then `mixed` says that of some
    layers it is not. `opaque`: some layers have computed weights, so to a type checker their
    attributes are unknown.
    """

    kind: str
    key: str
    types: tuple[str, ...]
    weight: str
    init: Any
    scope: str = ""
    guarded: bool = False
    top: bool = False
    ways: tuple[Parametrization, ...] = ()
    mixed: bool = False
    opaque: bool = False


class Graph(Struct, frozen=True, dict=True, eq=False):
    """A network, or one use of a block; no other graph is equal to it.

    Node ``i`` of `Ref` is an input for ``i < len(inputs)``, else a call. `values` are the plain
    values of all names except run-time sizes; `fit` says which run-time sizes the network takes.
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
    aliases: tuple[Alias, ...] = ()  # further names of modules
    initial: tuple[Initial, ...] = ()
    keeps: tuple[tuple[str, Any], ...] = ()  # attributes that hold values for `forward`
    is_block: bool = False
    imports: tuple[Layer, ...] = ()  # the classes that the spec imports
    # the types of inputs and outputs that hold in all uses of a block
    shapes: tuple[tuple[TensorType, ...], tuple[TensorType, ...]] | None = None
    letters: Mapping[str, str] = {}  # what sizes of a block's inputs are called in its class
    fit: Fit = Fit()

    def terms(self) -> dict[str, Any]:
        """The value of each name in the graph's own terms: the name itself, with its number."""
        sizes = [size for x in self.inputs for size in x.type.shape]
        runtime = {s.name: size for size in sizes for s in symbols_in(size)}
        known = {name: named(name, value) for name, value in self.values.items()}
        return {**known, **runtime}

    @cached_property
    def size_names(self) -> tuple[tuple[str, int, int], ...]:
        """The names of sizes of inputs, each with the index of its input and of its dimension."""
        return tuple(
            (symbol.name, place, dim)
            for place, placeholder in enumerate(self.inputs)
            for dim, size in enumerate(placeholder.type.shape)
            for symbol in symbols_in(size)
        )

    def type_of(self, ref: Ref) -> TensorType:
        """The type of the tensor that a reference names."""
        if ref.node < len(self.inputs):
            return self.inputs[ref.node].type
        outputs = self.nodes[ref.node - len(self.inputs)].outputs
        return outputs.get(ref.port) or outputs["*"]  # of an absent layer they are all one

    def origin(self, ref: Ref) -> Ref:
        """What gives the tensor of a reference: an absent call passes on what others give."""
        while ref.node >= len(self.inputs):
            call = self.nodes[ref.node - len(self.inputs)]
            if call.kind != "absent" or call.otherwise is None:
                break
            ref = call.otherwise
        return ref

    @cached_property
    def weights(self) -> Sequence[Weight]:
        """Parameters and buffers in the order of the `state_dict`."""
        weights = _in_order((module.name, module) for module in self.modules)
        if not self.aliases:
            return weights
        paths = [path for path, layer in self.layers() if not layer.is_tensor]
        return also_named(weights, self.aliases, paths)

    @property
    def steady(self) -> str:
        """The name of a weight that the class always has; empty if it may have none."""
        for module in self.modules:
            if is_steady(module):
                assert module.row is not None
                return module.name if module.row.source else f"{module.name}.weight"
        return ""

    def layers(self) -> Iterator[tuple[str, Module]]:
        """All layers and blocks with their paths; a block comes before the layers inside of it."""
        for module in self.modules:
            for path, layer in module.layers(module.name):
                yield path.lstrip("."), layer

    def live(self) -> set[int]:
        """The indices of the calls that an output depends on; ``forward`` makes no others."""
        return _live([self])

    @cached_property
    def made(self) -> Mapping[Graph, set[int]]:
        """The indices of the calls that the ``forward`` of each graph in this network makes.

        All uses of a block share one ``forward``: it makes every call that any use needs.
        """
        found = {self: self.live()}
        for uses in uses_in(self).values():
            graphs = [use.graph for use in uses]
            found |= dict.fromkeys(graphs, _live(graphs))
        return found

    @property
    def is_stateless(self) -> bool:
        """Whether it has neither parameters nor buffers."""
        return all(module.is_stateless for module in self.modules)

    @cached_property
    def parameter_count(self) -> int:
        """The number of trainable elements; those of tied parameters count once."""
        return parameter_count(self.own_weights)

    @property
    def own_weights(self) -> Sequence[Weight]:
        """The weights without those that are others under a second name."""
        tied = {name for name, _ in self.ties}
        also = tuple(f"{alias.name}." for alias in self.aliases)
        return [w for w in self.weights if w.name not in tied and not w.name.startswith(also)]


class Use(Struct, eq=False):
    """A use of a block: the block's body lowered with the arguments and inputs of this use.

    The `graph` is in the block's own names; `outer` has the value of each of these names in the
    scope that uses the block. `call` holds the arguments of the class, once they are known.
    """

    block: str
    graph: Graph
    outer: Mapping[str, Any]
    given: dict[str, Any]  # the arguments that are written
    spec: Any  # what the block is declared as
    path: SpecPath
    call: dict[str, Any] = field(default_factory=dict)


def is_steady(module: Module) -> bool:
    """Whether an attribute is a weight, or a layer that has a `weight`, whatever the arguments."""
    row, node = module.row, module.node
    if row is None or row.local or row.imported or module.absent or node.callee is not None:
        return False
    if module.condition is not None:
        return False
    flags = [value for value in node.args.values() if isinstance(value, Coded)]
    named = any(weight.name == "weight" for weight in module.weights)
    return row.held or (named and not symbols_in(flags))


def _live(graphs: Sequence[Graph]) -> set[int]:
    """The indices of the calls that an output depends on in at least one of a class's graphs."""
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


def uses_in(graph: Graph) -> dict[str, list[Use]]:
    """The uses of each block in a graph; a block comes before the blocks that use it."""
    found: dict[str, list[Use]] = {}
    seen: set[Use | Graph] = set()

    def visit(inner: Graph) -> None:
        for use in own_uses(inner):
            if use in seen:
                continue
            seen.add(use)
            if use.graph not in seen:
                seen.add(use.graph)
                visit(use.graph)
            found.setdefault(use.block, []).append(use)

    visit(graph)
    if not found:
        return {}
    from graphlib import TopologicalSorter

    inner = {
        block: dict.fromkeys(own.block for use in uses for own in own_uses(use.graph))
        for block, uses in found.items()
    }
    return {block: found[block] for block in TopologicalSorter(inner).static_order()}


def own_uses(graph: Graph) -> Iterator[Use]:
    """The uses of blocks in a graph, without those inside of these blocks."""
    for node in graph.nodes:
        yield from _uses_of(node)


def _uses_of(node: Node) -> Iterator[Use]:
    """The uses of blocks in a call, and in the call that other arguments would make."""
    if node.use is not None:
        yield node.use
    for inner in (*node.body, *(() if node.would is None else (node.would,))):
        yield from _uses_of(inner)


def lint(graph: Graph) -> None:
    """Assert what later stages rely on: references that exist and point back, unique names."""
    known = len(graph.inputs)
    for place, node in enumerate(graph.nodes):
        for ref in node.reads:
            assert 0 <= ref.node < known + place, f"{node.name} reads what comes later"
            if ref.node >= known:
                maker = graph.nodes[ref.node - known]
                assert ref.port in maker.outputs or ref.port == LIST, (node.name, ref)
    names = [module.name for module in graph.modules if module.name]
    assert len({*names}) == len(names), f"attributes stand twice: {names}"
    assert graph.outputs, "nothing comes out"
