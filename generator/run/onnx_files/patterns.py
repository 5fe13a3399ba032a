"""What exporters spell out, in torch's terms again: linear maps, norms, activations."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from .graph import Graph
from .records import Node


def in_torchs_terms(graph: Graph) -> Graph:
    """The graph with fewer nodes, which do the same."""
    for pattern in (_with_bias, _gelu, _times_itself, _layer_norm, _group_norm):
        graph = pattern(_Links(graph))
    return graph


class _Links:
    """Which nodes give and read which values."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.maker = {name: node for node in graph.nodes for name in node.outputs}
        self.readers: dict[str, list[Node]] = {}
        for node in graph.nodes:
            for name in node.inputs:
                self.readers.setdefault(name, []).append(node)
        for port in graph.outputs:
            self.readers.setdefault(port.name, []).append(_END)

    def number(self, name: str) -> float | None:
        """The number that a constant of one element is."""
        found = self.graph.constants.get(name)
        return float(found.value.item()) if found is not None and found.value.size == 1 else None

    def is_number(self, name: str, number: float) -> bool:
        """Whether a constant is about this number."""
        found = self.number(name)
        return found is not None and math.isclose(found, number, rel_tol=1e-6)

    def made_by(self, name: str, *types: str) -> Node | None:
        """The node that gives a value, if it is of these types and nothing else reads it."""
        found = self.maker.get(name)
        alone = len(self.readers.get(name, ())) == 1
        return found if found is not None and alone and found.type in types else None

    def with_number(self, node: Node, number: float) -> str:
        """What a node reads beside a number; empty if it does not read that."""
        a, b = node.inputs
        return a if self.is_number(b, number) else b if self.is_number(a, number) else ""

    def is_closed(self, between: set[str], end: Node) -> bool:
        """Whether what lies between is read by nothing but each other and the end."""
        readers = (node for name in between for node in self.readers.get(name, ()))
        return all(node is end or between & {*node.outputs} for node in readers)

    def without(self, gone: Mapping[str, Node | None]) -> Graph:
        """The graph with other nodes, or none, in the place of those that give these values."""
        nodes = (gone.get(node.outputs[0], node) for node in self.graph.nodes)
        return replace(self.graph, nodes=tuple(node for node in nodes if node is not None))


_END = Node("", "", "", (), (), {})  # what reads an output of the graph


def _with_bias(links: _Links) -> Graph:
    """A product with a constant, and a constant sum: one linear map."""
    constants = links.graph.constants
    gone: dict[str, Node | None] = {}
    for add in links.graph.nodes:
        if add.type != "Add":
            continue
        for x, bias in (add.inputs, add.inputs[::-1]):
            product = links.made_by(x, "MatMul")
            if product is None or bias not in constants or product.inputs[1] not in constants:
                continue
            weight = constants[product.inputs[1]].value
            if weight.ndim == 2 and constants[bias].value.shape == weight.shape[1:]:
                both = (*product.inputs, bias)
                gone[x] = replace(product, inputs=both, outputs=add.outputs)
                gone[add.outputs[0]] = None
                break
    return links.without(gone)


def _gelu(links: _Links) -> Graph:
    """``x * 0.5 * (1 + erf(x / sqrt(2)))``, in whatever order it is multiplied."""
    gone: dict[str, Node | None] = {}
    for erf in links.graph.nodes:
        if erf.type != "Erf":
            continue
        scaled = links.made_by(erf.inputs[0], "Div", "Mul")
        added = _only_reader(links, erf, "Add")
        if scaled is None or added is None or not links.with_number(added, 1.0):
            continue
        root = math.sqrt(2.0)
        x = links.with_number(scaled, 1 / root) if scaled.type == "Mul" else ""
        if scaled.type == "Div" and links.is_number(scaled.inputs[1], root):
            x = scaled.inputs[0]
        product = _only_reader(links, added, "Mul")
        if not x or product is None:
            continue
        inner = {scaled.outputs[0], erf.outputs[0], added.outputs[0]}
        end = _half_of(links, product, added.outputs[0], x, inner)
        if end is not None:
            gelu = replace(erf, type="Gelu", inputs=(x,), outputs=end.outputs, attributes={})
            gone |= dict.fromkeys(inner)
            gone[end.outputs[0]] = gelu
    return links.without(gone)


def _half_of(links: _Links, product: Node, sum: str, x: str, inner: set[str]) -> Node | None:
    """The last of the nodes that multiply the sum with half of `x`; those before are `inner`."""
    other = next((name for name in product.inputs if name != sum), "")
    if other == x or links.is_number(other, 0.5):
        second = _only_reader(links, product, "Mul")
        if second is None:
            return None
        last = next((name for name in second.inputs if name != product.outputs[0]), "")
        inner.add(product.outputs[0])
        fits = links.is_number(last, 0.5) if other == x else last == x
        return second if fits else None
    half = links.made_by(other, "Mul")
    if half is not None and links.with_number(half, 0.5) == x:
        inner.add(other)
        return product
    return None


def _only_reader(links: _Links, node: Node, type: str) -> Node | None:
    """The only node that reads what a node gives, if it is of this type."""
    found = links.readers.get(node.outputs[0], ())
    return found[0] if len(found) == 1 and found[0].type == type else None


_TIMES_ITSELF = {"Sigmoid": "SiLU", "HardSigmoid": "HardSwish"}


def _times_itself(links: _Links) -> Graph:
    """``x * sigmoid(x)`` and its like."""
    gone: dict[str, Node | None] = {}
    for product in links.graph.nodes:
        if product.type != "Mul":
            continue
        for x, other in (product.inputs, product.inputs[::-1]):
            gate = links.made_by(other, *_TIMES_ITSELF)
            if gate is not None and gate.inputs == (x,) and _is_usual(gate):
                type = _TIMES_ITSELF[gate.type]
                gone[other] = None
                gone[product.outputs[0]] = replace(product, type=type, inputs=(x,), attributes={})
                break
    return links.without(gone)


def _is_usual(gate: Node) -> bool:
    """Whether a hard sigmoid has the slope that torch's has."""
    alpha, beta = gate.attributes.get("alpha", 0.2), gate.attributes.get("beta", 0.5)
    return gate.type == "Sigmoid" or (math.isclose(alpha, 1 / 6, rel_tol=1e-6) and beta == 0.5)


def _layer_norm(links: _Links) -> Graph:
    """``(x - mean) / sqrt(variance + eps) * weight + bias`` over the last dimension."""
    gone: dict[str, Node | None] = {}
    for quotient in links.graph.nodes:
        found = _normed(links, quotient) if quotient.type == "Div" else None
        if found is None:
            continue
        x, eps, inner = found
        weighed = _only_reader(links, quotient, "Mul")
        shifted = None if weighed is None else _only_reader(links, weighed, "Add")
        if weighed is None or shifted is None:
            continue
        weight, bias = (
            next((n for n in node.inputs if n in links.graph.constants), "")
            for node in (weighed, shifted)
        )
        between = inner | {quotient.outputs[0], weighed.outputs[0]}
        if weight and bias and links.is_closed(between, shifted):
            attributes = {"axis": -1, "epsilon": eps}
            type, inputs = "LayerNormalization", (x, weight, bias)
            norm = replace(shifted, type=type, inputs=inputs, attributes=attributes)
            gone |= dict.fromkeys(between)
            gone[shifted.outputs[0]] = norm
    return links.without(gone)


def _normed(links: _Links, quotient: Node) -> tuple[str, float, set[str]] | None:
    """What is normed by a quotient, with its epsilon and the values in between."""
    centred = links.maker.get(quotient.inputs[0])
    root = links.made_by(quotient.inputs[1], "Sqrt")
    added = None if root is None else links.made_by(root.inputs[0], "Add")
    if centred is None or centred.type != "Sub" or root is None or added is None:
        return None
    variance, eps = (added.inputs[0], links.number(added.inputs[1]))
    mean, second = links.maker.get(centred.inputs[1]), links.made_by(variance, "ReduceMean")
    square = None if second is None else links.made_by(second.inputs[0], "Pow")
    squared = None if square is None else links.maker.get(square.inputs[0])
    if mean is None or second is None or square is None or squared is None or eps is None:
        return None
    fits = (
        mean.type == "ReduceMean"
        and mean.inputs[0] == centred.inputs[0]
        and links.is_number(square.inputs[1], 2.0)
        and (squared.type, squared.inputs) == ("Sub", centred.inputs)  # may be computed twice
        and all(_over_last(links, node) for node in (mean, second))
    )
    if not fits:
        return None
    between = (mean, centred, squared, square, second, added, root)
    return centred.inputs[0], eps, {node.outputs[0] for node in between}


def _over_last(links: _Links, mean: Node) -> bool:
    axes: Sequence[Any] = mean.attributes.get("axes", ())
    if len(mean.inputs) > 1 and mean.inputs[1] in links.graph.constants:
        axes = links.graph.constants[mean.inputs[1]].value.tolist()
    return [*axes] == [-1] and mean.attributes.get("keepdims", 1) == 1


def _group_norm(links: _Links) -> Graph:
    """A norm over a tensor whose channels are folded into groups, and a weight and a bias."""
    constants = links.graph.constants
    gone: dict[str, Node | None] = {}
    for norm in links.graph.nodes:
        if norm.type != "InstanceNormalization" or not {*norm.inputs[1:]} <= constants.keys():
            continue
        folded = links.made_by(norm.inputs[0], "Reshape")
        unfolded = _only_reader(links, norm, "Reshape")
        weighed = None if unfolded is None else _only_reader(links, unfolded, "Mul")
        shifted = None if weighed is None else _only_reader(links, weighed, "Add")
        if folded is None or unfolded is None or weighed is None or shifted is None:
            continue
        weight, bias = (
            next((name for name in node.inputs if name in constants), "")
            for node in (weighed, shifted)
        )
        groups = constants[norm.inputs[1]].value
        shape = constants.get(folded.inputs[1])
        plain = bool((groups == 1).all()) and not constants[norm.inputs[2]].value.any()
        fits = shape is not None and shape.value.tolist() == [0, groups.size, -1]
        if weight and bias and plain and fits and _for_channels(links.graph, weight, bias):
            inputs = (folded.inputs[0], weight, bias)
            attributes = {**norm.attributes, "num_groups": groups.size}
            type, outputs = "GroupNormalization", shifted.outputs
            made = replace(norm, type=type, inputs=inputs, outputs=outputs, attributes=attributes)
            between = (folded, norm, unfolded, weighed)
            gone |= dict.fromkeys(node.outputs[0] for node in between)
            gone[shifted.outputs[0]] = made
    return links.without(gone)


def _for_channels(graph: Graph, *names: str) -> bool:
    """Whether constants have a number for each channel, and stand along the second dimension."""
    shapes = [graph.constants[name].value.shape for name in names]
    return all(shape[-2:] == (1, 1) or shape[-1:] == (1,) for shape in shapes) and all(
        sum(size > 1 for size in shape) <= 1 for shape in shapes
    )
