"""The memory that training takes on one machine, and on each of several that share the weights."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from msgspec import Struct

from ..ir.graph import Graph
from ..ir.trace import Trace, blocks_around, traced
from ..layers.base import Weight
from .costs import DEFAULT_TYPE, memory_of, weight_bytes

STATES: Mapping[str, int] = {"sgd": 0, "adam": 2, "adamw": 2, "adagrad": 1, "rmsprop": 1}
"""How many tensors like each parameter an optimizer of `torch.optim` keeps, by its defaults."""

DTYPES: Mapping[str, str] = {
    "float32": "float32",
    "bfloat16": "bfloat16",
    "float16": "float16",
    "float64": "float64",
    "fp32": "float32",
    "bf16": "bfloat16",
    "fp16": "float16",
    "fp64": "float64",
}
"""Element types by torch's names, and by the short ones."""

_STEP = 4  # the bytes of the number of steps, which an optimizer keeps for each parameter


class Terms(Struct, frozen=True):
    """What training is to be like: the element type of all weights, the optimizer, and the ranks.

    With several `ranks` each has a batch of its own.
    """

    dtype: str = DEFAULT_TYPE
    optimizer: str = "adamw"
    ranks: int = 1


class Share(Struct, frozen=True):
    """The bytes that training takes on one rank.

    `activations` are what autograd keeps of a forward pass. `gathered` is what a rank has of the
    others at a time: weights with gradients of the largest block, and of all that is in no block.
    """

    weights: int
    gradients: int
    optimizer: int
    activations: int
    gathered: int = 0

    @property
    def total(self) -> int:
        """All of it."""
        found = (self.weights, self.gradients, self.optimizer, self.activations, self.gathered)
        return sum(found)


class Training(Struct, frozen=True):
    """The memory of training in these terms: all on one rank, and on each of several, if asked."""

    terms: Terms
    batch: int
    whole: Share
    sharded: Share | None = None


def training(graph: Graph, batch: int, terms: Terms) -> Training:
    """The memory of training with a batch of this size; raises `Refusal` if it can't be taken."""
    trace = traced(graph, {**graph.sizes, "N": batch})
    memory = memory_of(graph, trace, terms.dtype)
    trainable = [weight for weight in graph.own_weights if weight.trainable]
    buffers = memory.weights - memory.gradients
    state = _state(len(trainable), memory.gradients, terms)
    whole = Share(memory.weights, memory.gradients, state, memory.training)
    if terms.ranks == 1:
        return Training(terms, batch, whole)
    own = sum(_shard(weight, terms) for weight in trainable)
    state = _state(len(trainable), own, terms)
    gathered = 2 * _at_a_time(trace, trainable, terms)
    sharded = Share(own + buffers, own, state, memory.training, gathered)
    return Training(terms, batch, whole, sharded)


def _state(count: int, parameters: int, terms: Terms) -> int:
    """The bytes of an optimizer's state for so many parameters, which have so many bytes."""
    states = STATES[terms.optimizer]
    return states * parameters + (_STEP * count if states else 0)


def _shard(weight: Weight, terms: Terms) -> int:
    """The bytes of the first rank's part of a weight, which is split along its first dimension."""
    first, *rest = map(int, weight.shape or (1,))
    part = math.ceil(first / terms.ranks) * math.prod(rest)
    return weight_bytes(weight, terms.dtype) * part // max(first * math.prod(rest), 1)


def _at_a_time(trace: Trace, weights: Sequence[Weight], terms: Terms) -> int:
    """The bytes of the largest block's parameters, and of those that are in no block.

    Blocks are the outermost ones, each sharded as a unit.
    """
    around = blocks_around(trace)
    paths = {
        f"{call.path}."
        for call, block in zip(trace.calls, around, strict=True)
        if block is None and call.node.use is not None
    }
    units: dict[str, int] = {}
    for weight in weights:
        path = next((path for path in paths if weight.name.startswith(path)), "")
        units[path] = units.get(path, 0) + weight_bytes(weight, terms.dtype)
    rest = units.pop("", 0)
    return rest + max(units.values(), default=0)
