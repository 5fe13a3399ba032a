"""A call of a node while the network runs: what it reads, and what it is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from .fixed_batch import Fixed, Misfit
from .graph import Graph
from .records import Array, Constant, Node


class Network(Protocol):
    """What a call asks of the network that it is made in."""

    graph: Graph
    fixed: Fixed | None

    def layer_for(
        self, node: Node, make: Callable[[], nn.Module], kind: type[nn.Module], stem: str
    ) -> nn.Module:
        """The layer of a node, which is made if there is none yet."""

    def held(self, node: Node | None, name: str) -> Tensor:
        """A tensor of the file as a parameter or a buffer."""

    def is_weight(self, name: str) -> bool:
        """Whether a name is that of a weight of the network."""

    def parameters_of(self, node: Node, weights: Mapping[str, Array]) -> list[Tensor]:
        """The weights of a linear map that are parameters of a module of another kind."""


class Refused(Exception):
    """What no spec can say; the text says what is special, after the operator's name."""


class Call:
    """A node with what it reads in this run: tensors, and numbers of the file or of sizes."""

    def __init__(self, network: Network, node: Node, values: Sequence[Any]) -> None:
        self.network = network
        self.node = node
        self.values = values
        self.opset = network.graph.opset

    @property
    def count(self) -> int:
        """How many inputs there are."""
        return len(self.node.inputs)

    def has(self, place: int) -> bool:
        """Whether an input is there: it may be left out."""
        return place < self.count and bool(self.node.inputs[place])

    def attribute(self, name: str, default: Any) -> Any:
        """An attribute, or what it is where it is not there."""
        return self.node.attributes.get(name, default)

    def short(self, name: str, default: float) -> float:
        """A number of an attribute as a person writes it: it is a float32 in the file."""
        return shortest(float(self.attribute(name, default)))

    def _value(self, place: int) -> Any:
        return self.values[place] if place < len(self.values) else None

    def array(self, place: int) -> Array | None:
        """What an input is if that is known without the network's inputs."""
        value = self._value(place)
        return value if isinstance(value, np.ndarray) else None

    def constant(self, place: int) -> Constant | None:
        """A tensor of the file."""
        name = self.node.inputs[place] if place < self.count else ""
        return self.network.graph.constants.get(name)

    def tensor(self, place: int) -> Tensor:
        """An input as a tensor: a constant is a parameter or a buffer of the network."""
        value = self._value(place)
        if isinstance(value, Tensor):
            return value
        if value is None:
            raise Refused(f"without the input {place}")
        if self.constant(place) is not None:
            return self.network.held(self.node, self.node.inputs[place])
        return torch.tensor(value.tolist(), dtype=getattr(torch, value.dtype.name))

    def operand(self, place: int) -> Any:
        """An input as a tensor, or a number if it has one element and is no weight."""
        array = self.array(place)
        if (
            array is not None
            and array.size == 1
            and not self.network.is_weight(self.node.inputs[place])
        ):
            number = array.reshape(-1)[0].item()
            return shortest(number) if array.dtype == np.float32 else number
        return self.tensor(place)

    def numbers(self, name: str, place: int) -> list[int] | None:
        """Whole numbers, which are an attribute or an input; `None` if they are not there."""
        if name in self.node.attributes:
            found = self.node.attributes[name]
            return [*map(int, found)] if isinstance(found, (list, tuple)) else [int(found)]
        array = self.array(place)
        return None if array is None else [*map(int, array.reshape(-1).tolist())]

    def floats(self, name: str, place: int) -> list[float] | None:
        """Numbers like `numbers`."""
        if name in self.node.attributes:
            return [*map(float, self.node.attributes[name])]
        array = self.array(place)
        return None if array is None else [*map(float, array.reshape(-1).tolist())]

    def number(self, name: str, place: int) -> float | None:
        """One number, which is an attribute or an input; `None` if it is not there."""
        if name in self.node.attributes:
            return self.short(name, 0.0)
        if self._value(place) is None:
            return None
        array = self.array(place)
        if array is None or array.size != 1:
            raise Refused("with a number that is computed")
        found = array.reshape(-1)[0].item()
        return shortest(found) if array.dtype == np.float32 else found

    def axis(self, x: Tensor, name: str, default: int) -> int:
        """A dimension, counted from the first."""
        return int(self.attribute(name, default)) % max(x.dim(), 1)

    def pads(
        self, x: Tensor, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
    ) -> tuple[list[int], list[int]]:
        """What is added before and after in each dimension."""
        how = self.attribute("auto_pad", "NOTSET")
        rank = len(kernel)
        if how in ("NOTSET", ""):
            pads = self.attribute("pads", [0] * (2 * rank))
            return [*pads[:rank]], [*pads[rank:]]
        if how == "VALID":
            return [0] * rank, [0] * rank
        begin, end = [], []
        for size, k, stride, dilation in zip(x.shape[2:], kernel, strides, dilations, strict=True):
            out = -(-size // stride)
            total = max((out - 1) * stride + (k - 1) * dilation + 1 - size, 0)
            first = total // 2 if how == "SAME_UPPER" else total - total // 2
            begin.append(first)
            end.append(total - first)
        return begin, end

    def around(self, begin: Sequence[int], end: Sequence[int]) -> list[int]:
        """What is added before and after, in the order of torch's `pad`."""
        pairs = zip(reversed(begin), reversed(end), strict=True)
        return [size for pair in pairs for size in pair]

    def weights(self, **places: int) -> dict[str, Array]:
        """The tensors of the file at these inputs, by the names that a layer of torch has."""
        constants = {name: self.constant(place) for name, place in places.items()}
        return {name: one.value for name, one in constants.items() if one is not None}

    def layer(
        self, kind: type[nn.Module], stem: str, weights: Mapping[str, Array], **given: Any
    ) -> nn.Module:
        """The layer of this node, with these weights; it is made in the first run."""
        return self.network.layer_for(self.node, lambda: made(kind, weights, given), kind, stem)

    def base(self, place: int) -> tuple[int, ...] | None:
        """The shape of an input in a run with the file's own batch, if there is only one."""
        fixed = self.network.fixed
        return None if fixed is None else fixed.shapes.get(self.node.inputs[place])

    def is_literal(self, target: Sequence[int]) -> bool:
        """Whether a shape is the same as with the file's own batch: numbers of the file."""
        fixed = self.network.fixed
        assert fixed is not None
        known = fixed.targets.setdefault(self.node.outputs[0], tuple(target))
        return known == tuple(target)

    def for_batch(self, x: Tensor, shape: Sequence[int]) -> Sequence[int]:
        """The shape that a node asks for, with the batch of this run."""
        fixed, before = self.network.fixed, self.base(0)
        if fixed is None or not self.is_literal(shape) or before is None:
            return shape
        after = fixed.shapes.get(self.node.outputs[0])
        if after is None or tuple(x.shape) == before:
            return shape
        try:
            return fixed.reshaped(before, tuple(x.shape), after)
        except Misfit:
            raise Refused("which mixes samples of a batch that is fixed") from None

    def with_one_batch(self, tensors: Sequence[Tensor], dim: int) -> list[Tensor]:
        """Tensors to be joined; those that do not hang on an input get the batch of the others."""
        fixed = self.network.fixed
        if fixed is None or len({x.shape[:dim] + x.shape[dim + 1 :] for x in tensors}) == 1:
            return [*tensors]
        sizes = [
            max(x.shape[at] for x in tensors) if at != dim else -1 for at in range(tensors[0].dim())
        ]
        found = []
        for x in tensors:
            short = any(a not in (-1, b) for a, b in zip(sizes, x.shape, strict=True))
            if short and x.shape[0] == fixed.batch > 1:
                raise Refused("of a constant with a batch")
            found.append(x.expand(sizes) if short else x)
        return found


Operator = Callable[[Call], Any]


def made(
    kind: type[nn.Module], weights: Mapping[str, Array], given: Mapping[str, Any]
) -> nn.Module:
    """A layer with these weights, in evaluation mode."""
    layer = kind(**given, device="meta").to_empty(device="cpu")  # nothing is drawn at random
    own = layer.state_dict()
    for name, value in weights.items():
        own[name].copy_(as_tensor(value))
    for name in own.keys() - weights.keys():
        own[name].zero_()  # how many batches a norm has seen
    return layer.eval()


def as_tensor(value: Array) -> Tensor:
    """A copy of an array."""
    return torch.from_numpy(np.array(value))


def shortest(number: float) -> float:
    """The fraction with the fewest digits that is the same in float32."""
    return float(str(np.float32(number)))
