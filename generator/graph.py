"""The graph: what a spec says, with every name, argument, shape and type worked out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .diagnostics import SpecPath
from .layers.base import Layer, TensorType, Weight, arguments, parameter_count, prefixed


@dataclass(frozen=True, slots=True)
class Ref:
    """One output of a node: `node` is its place in the graph, inputs first."""

    node: int
    port: str = "output"


@dataclass(frozen=True, slots=True)
class Placeholder:
    """An input of the network; sample values are drawn from `low` to `high` (exclusive)."""

    name: str
    type: TensorType
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Module:
    """An attribute of the network: a layer, or a container with children in order.

    `name` is the last part of the attribute's path. `kind` is ``layer``, ``Sequential``,
    ``ModuleList`` or ``ModuleDict``.
    """

    name: str
    kind: str = "layer"
    row: Layer | None = None
    args: Mapping[str, Any] | None = None
    children: tuple[Module, ...] = ()
    named: bool = False  # a child of a Sequential that was given a name

    def weights(self) -> list[Weight]:
        """Parameters and buffers in the order of the `state_dict`."""
        if self.row is not None and self.args is not None:
            return list(self.row.weights(arguments(self.args)))
        return [w for child in self.children for w in prefixed(child.name, child.weights())]

    def leaves(self) -> Iterator[Module]:
        """The layers in it, itself included."""
        if self.kind == "layer":
            yield self
        for child in self.children:
            yield from child.leaves()


@dataclass(frozen=True, slots=True)
class Node:
    """A call: a layer, or a `Sequential` with its own calls in `body`, applied to tensors.

    `target` is the path of the module that is called. `functional` calls have no module.
    `name` is what diagnostics and tables call the node. `stage` marks a copy of a repeat.
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

    @property
    def output(self) -> TensorType:
        """The type of the default output."""
        return next(iter(self.outputs.values()))

    def leaves(self) -> Iterator[Node]:
        """The calls of layers in it, itself included."""
        if self.row is not None:
            yield self
        for node in self.body:
            yield from node.leaves()


@dataclass(frozen=True, slots=True)
class Parameter:
    """A document parameter: its value, and how it stands in the generated class.

    `code` is the expression of a default that `depends` on parameters before it. A `fixed`
    parameter is no argument: its value was decided when the source was generated.
    """

    name: str
    value: Any
    doc: str | None = None
    code: str | None = None
    depends: frozenset[str] = frozenset()
    fixed: bool = False
    used: bool = True


@dataclass(frozen=True, slots=True)
class Graph:
    """A network. Node ``i`` of `Ref` is an input for ``i < len(inputs)``, else a call."""

    name: str
    description: str | None
    params: tuple[Parameter, ...]
    inputs: tuple[Placeholder, ...]
    modules: tuple[Module, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[tuple[str | None, Ref], ...]
    style: str
    sizes: Mapping[str, int]  # the sample value of each run-time size

    def type_of(self, ref: Ref) -> TensorType:
        """The type of what a reference names."""
        if ref.node < len(self.inputs):
            return self.inputs[ref.node].type
        return self.nodes[ref.node - len(self.inputs)].outputs[ref.port]

    def weights(self) -> list[Weight]:
        """Parameters and buffers in the order of the `state_dict`."""
        return [w for module in self.modules for w in prefixed(module.name, module.weights())]

    def live(self) -> set[int]:
        """The places of the calls that an output depends on; others are not made."""
        inputs = len(self.inputs)
        found: set[int] = set()
        waiting = [ref.node - inputs for _, ref in self.outputs]
        while waiting:
            place = waiting.pop()
            if place < 0 or place in found:
                continue
            found.add(place)
            node = self.nodes[place]
            refs = (*node.inputs, *(ref for _, ref in node.named))
            waiting += [ref.node - inputs for ref in refs]
        return found

    @property
    def parameter_count(self) -> int:
        """The number of trainable elements."""
        return parameter_count(self.weights())

    @property
    def macs(self) -> int:
        """The multiply-adds for one sample: convolutions, linear and recurrent layers, matrix
        products and attention, at the sample sizes."""
        return sum(
            self._macs(node, [self.type_of(ref) for ref in node.inputs])
            for node in (self.nodes[place] for place in self.live())
        )

    def _macs(self, node: Node, inputs: list[TensorType]) -> int:
        if node.row is not None:
            return node.row.macs(arguments(node.args), inputs, list(node.outputs.values()))
        total = 0
        for child in node.body:
            total += self._macs(child, inputs)
            inputs = [child.output]
        return total


def lint(graph: Graph) -> None:
    """Assert what every later stage relies on: order, existing references, unique names."""
    known = len(graph.inputs)
    for place, node in enumerate(graph.nodes):
        for ref in (*node.inputs, *(ref for _, ref in node.named)):
            assert 0 <= ref.node < known + place, f"{node.name} reads what comes later"
            if ref.node >= known:
                assert ref.port in graph.nodes[ref.node - known].outputs, (node.name, ref)
    names = [module.name for module in graph.modules]
    assert len({*names}) == len(names), f"attributes stand twice: {names}"
    assert graph.outputs, "nothing comes out"
