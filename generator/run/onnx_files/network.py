"""An ONNX graph as a module of torch that runs, with its weights in layers."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..recording.construction import Unloadable
from ..recording.names import first_line
from ..recording.record import sample, tensors_in
from ..recording.recorded import BATCH, Input
from ..recording.runs import choices
from .calls import Call, Refused, as_tensor
from .fixed_batch import Fixed
from .graph import Graph, is_weight
from .inputs import inputs_of
from .names import Paths, is_key, owner_of, variables
from .operators import OPERATORS
from .patterns import in_torchs_terms
from .records import Array, Node
from .unsayable import Unsayable

MOST_LITERALS = 1 << 12  # elements of a constant that is no weight by its name
MOST_ORDERS = 16  # ways to read a file of a fixed batch that are tried
LOST = object()  # what a node would give that no spec can say


class Places:
    """Where the tensors of the file are in the network."""

    def __init__(self, graph: Graph, reserved: frozenset[str]) -> None:
        owners = (owner_of(name)[0] for name in graph.constants)
        self.paths = Paths(frozenset(filter(None, owners)), reserved)
        self.layers: dict[str, str] = {}  # by what their nodes give
        self.shared: dict[object, str] = {}  # by what they are made of
        self.held: dict[str, str] = {}  # other tensors, by their names in the file
        self.roots: set[str] = set()  # the tensors of the file that the `state_dict` is made of
        self.refused: list[str] = []

    def __deepcopy__(self, memo: object) -> Places:
        return self


class OnnxNetwork(nn.Module):
    """A graph as a network: `forward` goes through its nodes.

    Its layers are made in a first run, which meets each node with its sizes. `doing` is the node
    that is being run.
    """

    def __init__(self, graph: Graph, title: str, asked: Sequence[Input] = ()) -> None:
        super().__init__()
        self.title = title
        self.doing = ""
        self.graph = in_torchs_terms(graph)
        self.inputs, batch = inputs_of(graph, asked)
        self.fixed = None if batch is None else Fixed(batch)
        self.is_new = True
        self.places = Places(self.graph, frozenset((*dir(self), "places")))
        self._make()
        self.is_new = False
        self.eval()

    def _make(self) -> None:
        """Run for the first time, with the file's own batch; raises `Unloadable`."""
        own = {BATCH: self.fixed.batch} if self.fixed is not None else {}
        tried = [{**sizes[0], **own} for sizes in choices(self.inputs)]
        for place, sizes in enumerate(tried):
            try:
                self.run(*(sample(one, sizes, "cpu") for one in self.inputs))
            except (RuntimeError, ValueError, IndexError) as error:
                if place + 1 == len(tried):
                    message = f"`{self.doing}` can't be run: {first_line(error)}"
                    raise Unloadable(message) from None
            else:
                break
        if self.places.refused:
            raise Unsayable(self.places.refused)

    def settle(self) -> None:
        """Find out how a larger batch goes through a file that is made for one; else nothing.

        Each sample must give what it gives alone, with weights of which none is zero. Raises
        `Unloadable`.
        """
        if self.fixed is not None:
            twin = copy.deepcopy(self)
            with torch.no_grad():
                for weight in twin.parameters():
                    weight.add_(torch.randn_like(weight) * 0.02)
            twin._settle(self.fixed)

    def _settle(self, fixed: Fixed) -> None:
        sizes = {**choices(self.inputs)[0][0], BATCH: 2 * fixed.batch}
        tensors = [sample(one, sizes, "cpu") for one in self.inputs]
        places = [one.whole.index(BATCH) for one in self.inputs]
        halves = [
            self.run(
                *(x.narrow(dim, at, fixed.batch) for x, dim in zip(tensors, places, strict=True))
            )
            for at in (0, fixed.batch)
        ]
        alone = [*zip(*(tensors_in(half) for half in halves), strict=True)]
        tried: set[tuple[int, ...]] = set()
        for _ in range(MOST_ORDERS):
            try:
                if _is_joined([*tensors_in(self.run(*tensors))], alone):
                    return
            except (RuntimeError, Unsayable):
                pass
            tried.add(tuple(fixed.order.get(doubt, 0) for doubt in fixed.doubts))
            orders = product(*(range(count) for count in fixed.doubts.values()))
            order = next((one for one in orders if one not in tried), None)
            if order is None:
                break
            fixed.order = dict(zip(fixed.doubts, order, strict=True))
        message = f"the file is made for a batch of {fixed.batch}, and gives no rule for others"
        raise Unloadable(message, "export it with a dynamic batch")

    def batch_of_outputs(self) -> list[int | None]:
        """The dimension of the batch in each output of a file that is made for one batch."""
        assert self.fixed is not None
        sizes = {**choices(self.inputs)[0][0], BATCH: 2 * self.fixed.batch}
        found = tensors_in(self.run(*(sample(one, sizes, "cpu") for one in self.inputs)))
        before = [self.fixed.shapes.get(port.name, ()) for port in self.graph.outputs]
        return [
            next((dim for dim, (a, b) in enumerate(zip(x.shape, own, strict=True)) if a != b), None)
            for x, own in zip(found, before, strict=True)
        ]

    @torch.no_grad()
    def run(self, *tensors: Tensor) -> Any:
        """One run without gradients."""
        return self(*tensors)

    def forward(self, *tensors: Tensor, **named: Tensor) -> Any:
        """The outputs of the graph: a tensor, or tensors by their names."""
        given = [*tensors, *(named[one.name] for one in self.inputs if one.name in named)]
        values: dict[str, Any] = {"": None}
        values |= dict(zip((port.name for port in self.graph.inputs), given, strict=True))
        constants = self.graph.constants
        for node in self.graph.nodes:
            self.doing = node.name
            reads = [values[n] if n in values else constants[n].value for n in node.inputs]
            found = self._called(node, reads)
            values |= dict(zip(node.outputs, found, strict=False))
            if self.is_new and self.fixed is not None:
                tensors_of = zip(node.outputs, found, strict=False)
                self.fixed.shapes |= {n: tuple(x.shape) for n, x in tensors_of if is_tensor(x)}
        self.doing = ""
        names = [port.name for port in self.graph.outputs]
        outputs = [values[name] if name in values else self.held(None, name) for name in names]
        if len(outputs) == 1:
            return outputs[0]
        return dict(zip(variables(names), outputs, strict=True))

    def _called(self, node: Node, reads: Sequence[Any]) -> Sequence[Any]:
        """What a node gives: tensors, or arrays where it reads numbers alone."""
        if any(x is LOST for x in reads):
            return [LOST] * len(node.outputs)
        if node.type == "Shape" and is_tensor(reads[0]):
            start, end = node.attributes.get("start", 0), node.attributes.get("end")
            return [np.array([*reads[0].shape][start:end], np.int64)]
        if node.type == "Size" and is_tensor(reads[0]):
            return [np.array(reads[0].numel(), np.int64)]
        if node.type == "Range" and [*map(int, (reads[0], reads[2]))] == [0, 1]:
            return [torch.arange(int(reads[1]))]  # what is constant is not among the nodes
        if not any(map(is_tensor, reads)) and not any(map(self.is_weight, node.inputs)):
            found = self.graph.folding.evaluated(node, reads)
            if found is not None:
                return found
        try:
            if node.domain or node.type not in OPERATORS:
                raise Refused("")
            result = OPERATORS[node.type](Call(self, node, reads))
        except Refused as why:
            if not self.is_new:
                raise Unsayable([refusal(node, str(why))]) from None
            self.places.refused.append(refusal(node, str(why)))
            return [LOST] * len(node.outputs)
        return result if isinstance(result, (tuple, list)) else [result]

    def layer_for(
        self, node: Node, make: Callable[[], nn.Module], kind: type[nn.Module], stem: str
    ) -> nn.Module:
        """The layer of a node, which is made if there is none yet."""
        places = self.places
        given = node.outputs[0]
        if given not in places.layers:
            names = [name for name in node.inputs if name in self.graph.constants]
            made_of = (node.scope, node.type, *names) if names else node.outputs
            if made_of not in places.shared:
                places.shared[made_of] = self._place(node, names, kind.__name__, stem)
                self._put(places.shared[made_of], make())
                places.roots |= self._roots(names)
            places.layers[given] = places.shared[made_of]
        return self.get_submodule(places.layers[given])

    def _place(self, node: Node, names: Sequence[str], kind: str, stem: str) -> str:
        """The path of a new layer: that of the module that made the node, or that has a weight."""
        owner = next((owner for name in names if (owner := owner_of(name)[0])), "")
        inside = f"{node.scope}.{stem}" if node.scope else stem
        exact = node.made_by == kind
        wanted = (node.scope, owner) if exact or not owner else (owner, node.scope)
        return self.places.paths.take(*wanted, stem=inside)

    def _roots(self, names: Sequence[str]) -> frozenset[str]:
        return frozenset[str]().union(*(self.graph.constants[name].roots for name in names))

    def _put(self, path: str, module: nn.Module) -> None:
        """Give a module its path."""
        owner, own = self._owner(path)
        owner.add_module(own, module)

    def _owner(self, path: str) -> tuple[nn.Module, str]:
        """The module in which a path ends, and the last name."""
        *outer, own = path.split(".")
        module: nn.Module = self
        for name in outer:
            if name not in module._modules:
                module.add_module(name, nn.Module())
            module = module.get_submodule(name)
        return module, own

    def is_weight(self, name: str) -> bool:
        """Whether a name is that of a weight of the network."""
        return is_weight(name, self.graph.constants)

    def held(self, node: Node | None, name: str) -> Tensor:
        """A tensor of the file as a parameter or a buffer, which is made if there is none yet."""
        places = self.places
        if name not in places.held:
            scope = "" if node is None else node.scope
            value = self.graph.constants[name].value
            is_weight = is_key(name) and value.dtype.kind in "fc"
            named = [name] if is_key(name) else []
            own = f"{scope}.constant" if scope else "constant"
            path = places.paths.take(*named, stem=own)
            places.held[name] = path
            self._hold(path, value, is_weight or value.size > MOST_LITERALS, bool(named))
            if isinstance(self._held(path), nn.Parameter):
                places.roots |= self._roots([name])
        return self._held(places.held[name])

    def _hold(self, path: str, value: Array, is_weight: bool, is_named: bool) -> None:
        owner, own = self._owner(path)
        tensor = as_tensor(value)
        if is_weight and tensor.is_floating_point():
            owner.register_parameter(own, nn.Parameter(tensor))
        else:
            owner.register_buffer(own, tensor, persistent=is_named)

    def _held(self, path: str) -> Tensor:
        owner, _, own = path.rpartition(".")
        found: Tensor = getattr(self.get_submodule(owner), own)
        return found

    def parameters_of(self, node: Node, weights: Mapping[str, Array]) -> list[Tensor]:
        """The weights of a linear map that are parameters of a module of another kind.

        So it is if the name of one ends as `in_proj_bias` does; else there are none.
        """
        names = [name for name in node.inputs if name in self.graph.constants]
        for name in names:
            owner, own = owner_of(name)
            for kind in weights:
                if own.endswith(f"_{kind}"):
                    return self._prefixed(node, names, owner, own.removesuffix(kind), weights)
        return []

    def _prefixed(
        self,
        node: Node,
        names: Sequence[str],
        owner: str,
        prefix: str,
        weights: Mapping[str, Array],
    ) -> list[Tensor]:
        found = []
        places = self.places
        for kind, value in weights.items():
            key = f"{node.outputs[0]} {kind}"
            if key not in places.held:
                wanted = [f"{own}.{prefix}{kind}" for own in (owner, node.scope) if own]
                places.held[key] = places.paths.take(*wanted, stem=f"{prefix}{kind}")
                self._hold(places.held[key], value, True, True)
                places.roots |= self._roots(names)
            found.append(self._held(places.held[key]))
        return found


def refusal(node: Node, why: str) -> str:
    """The words for a node that no spec can say."""
    own = f" of the domain `{node.domain}`" if node.domain else ""
    more = f" {why}" if why else ""
    return f"the node `{node.name}` is a `{node.type}`{own}{more}, which no spec can say"


def _is_joined(found: Sequence[Tensor], alone: Sequence[Sequence[Tensor]]) -> bool:
    """Whether outputs are those of their halves, joined along some dimension."""
    for x, halves in zip(found, alone, strict=True):
        several = [torch.cat([*halves], dim) for dim in range(halves[0].dim())]
        if not any(_is_near(x, one) for one in (*several, *halves[:1])):
            return False
    return True


def _is_near(a: Tensor, b: Tensor) -> bool:
    if a.shape != b.shape:
        return False
    scale = max(float(b.abs().max()), 1e-6) if b.numel() else 1.0
    return (
        bool(((a - b).abs() <= 1e-3 * scale).all()) if b.is_floating_point() else torch.equal(a, b)
    )


def is_tensor(x: object) -> bool:
    """Whether a value hangs on the network's inputs."""
    return isinstance(x, Tensor)
