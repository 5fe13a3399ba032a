"""What a run costs: multiply-adds, activations, and memory in bytes.

What a layer keeps for its gradient is given by `saves` of its row. A tensor that two layers keep
counts once, for the first of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cache, cached_property
from itertools import accumulate

from msgspec import Struct

from ..ir.graph import Graph
from ..ir.table import Row
from ..ir.trace import Call, Trace, Value, blocks_around
from ..layers.base import INEXACT, Weight, parameter_count
from .macs import macs

DEFAULT_TYPE = "float32"
_WIDTHS = {"64": 8, "32": 4, "16": 2, "8": 1, "complex64": 8, "complex128": 16, "bool": 1}


class Memory(Struct, frozen=True):
    """The memory that a network takes, in bytes, for a batch of 2.

    `weights` are parameters and buffers, `gradients` those of the parameters. `training` is what
    autograd keeps of a forward pass, plus the outputs. `inference` is the peak of activations
    without autograd. The temporary memory of kernels is not included.
    """

    weights: int
    gradients: int
    training: int
    inference: int

    @property
    def step(self) -> int:
        """The bytes of a training step: weights, gradients, and what autograd keeps."""
        return self.weights + self.gradients + self.training


class Cost(Struct, frozen=True):
    """The cost of one call, all calls inside of it included.

    `parameters` are trainable elements (0 for further calls of the same module), `macs` are
    multiply-adds for one sample, `kept` are the bytes that it is the first to keep for gradients.
    """

    parameters: int
    macs: int
    kept: int


class Overwritten(Struct, frozen=True):
    """A call (`writer`) that overwrites in place what another one still needs.

    The `other` call reads it later or, if it is `kept`, needs it for its gradient.
    """

    writer: Call
    other: Call
    kept: bool = False


class Costs(Struct, frozen=True, dict=True):
    """The costs of a network's run, by the types in its trace; each is worked out when read."""

    graph: Graph
    trace: Trace

    @property
    def parameters(self) -> int:
        """The trainable elements."""
        return self.graph.parameter_count

    @property
    def macs(self) -> int:
        """The multiply-adds for one sample."""
        return sum(self._macs)

    @property
    def weights(self) -> int:
        """The bytes of parameters and buffers; nothing else need be known for that."""
        return sum(map(weight_bytes, self.graph.own_weights))

    @cached_property
    def calls(self) -> tuple[Cost, ...]:
        """The cost of each call of the trace."""
        return tuple(_costs(self.trace, self._macs, self._lives, self._kept))

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """A row for each layer."""
        return tuple(_rows(self.graph, self.trace, self.calls))

    @cached_property
    def memory(self) -> Memory:
        """The memory that the network takes."""
        return _memory(self.graph, self.trace, self._lives, self._kept)

    @cached_property
    def overwritten(self) -> tuple[Overwritten, ...]:
        """The in-place writes to values that other calls still need."""
        return tuple(_overwritten(self.trace, self._lives)) if _has_writes(self.trace) else ()

    @cached_property
    def _macs(self) -> Sequence[int]:
        return macs(self.graph, self.trace)

    @cached_property
    def _lives(self) -> _Lives:
        return _Lives(self.trace)

    @cached_property
    def _kept(self) -> Sequence[_Kept]:
        return self._lives.kept()


def memory_of(graph: Graph, trace: Trace, dtype: str = DEFAULT_TYPE) -> Memory:
    """The memory that a run takes, computed from the types in its trace.

    All that is float32 there has the `dtype` instead, as after ``network.to(dtype)``.
    """
    lives = _Lives(trace, dtype)
    return _memory(graph, trace, lives, lives.kept())


def _memory(graph: Graph, trace: Trace, lives: _Lives, kept: Sequence[_Kept]) -> Memory:
    weights = graph.own_weights
    held = [weight_bytes(weight, lives.dtype) for weight in weights]
    results = [lives.place(trace.read(ref)) for _, ref in graph.outputs]
    alive = {*results, *(place for call in kept for place in call.places)}
    return Memory(
        sum(held),
        sum(size for size, weight in zip(held, weights, strict=True) if weight.trainable),
        sum(lives.sizes[place] for place in alive) + sum(call.more for call in kept),
        lives.peak(results),
    )


def _costs(
    trace: Trace, macs: Sequence[int], lives: _Lives, kept: Sequence[_Kept]
) -> Iterator[Cost]:
    """The cost of each call, all calls inside of it included."""
    own = [
        (_new_parameters(trace, number), macs[number], lives.bytes(kept[number]))
        for number, call in enumerate(trace.calls)
    ]
    sums = [list(accumulate(column, initial=0)) for column in zip(*own, strict=True)]
    for number, call in enumerate(trace.calls):
        yield Cost(*(column[number + 1] - column[call.begins] for column in sums))


def _new_parameters(trace: Trace, number: int) -> int:
    """The trainable elements of a layer on its first call; 0 for all other calls."""
    call = trace.calls[number]
    if call.layer is None or number != trace.first[call.path]:
        return 0
    return parameter_count(call.weights)


def weight_bytes(weight: Weight, dtype: str = DEFAULT_TYPE) -> int:
    """The bytes of a weight, where all that is float32 has the `dtype`."""
    return math.prod(map(int, weight.shape)) * _width(weight.dtype, dtype)


class _Kept(Struct, frozen=True):
    """What a call keeps: buffers of `_Lives`, and `more` bytes of its own."""

    places: tuple[int, ...] = ()
    more: int = 0


class _Lives:
    """The memory buffers of a run: which value lies in which, its size, and its lifetime.

    A view has the buffer of the tensor that it views.
    """

    def __init__(self, trace: Trace, dtype: str = DEFAULT_TYPE) -> None:
        self.trace = trace
        self.dtype = dtype  # of what is float32 in the trace
        self.places: dict[int, int] = {}  # the buffer of each value, by the value's number
        self.sizes: list[int] = []
        self.smooth: set[int] = set()  # numbers of values through which a gradient flows
        for x in trace.inputs:
            self._new(x)
        for call in trace.calls:
            for x in call.outputs.values():
                if x.number not in self.places:
                    self._made(call, x)

    def _made(self, call: Call, x: Value) -> None:
        row = call.layer
        if row is not None and row.source:
            self._new(x, None if row.fresh else 0)  # weights are counted apart
        elif row is not None and row.view(call.a, *call.inputs):
            self.places[x.number] = self.place(call.inputs[0])
        else:
            self._new(x)
        trainable = any(weight.trainable for weight in call.weights)
        if x.dtype in INEXACT and (trainable or any(map(self.is_smooth, call.inputs))):
            self.smooth.add(x.number)

    def _new(self, x: Value, size: int | None = None) -> None:
        self.places[x.number] = len(self.sizes)
        self.sizes.append(x.numel * _width(x.dtype, self.dtype) if size is None else size)

    def place(self, x: Value) -> int:
        """The index of the buffer in which a value lies."""
        return self.places[x.number]

    def is_smooth(self, x: Value) -> bool:
        """Whether a gradient flows through a value."""
        return x.number in self.smooth

    def kept(self) -> list[_Kept]:
        """What each call is the first to keep for its gradient."""
        seen: set[int] = set()
        found = []
        for call in self.trace.calls:
            saved = self.saved(call)
            places = {*saved.places} - seen
            seen |= places
            found.append(_Kept(tuple(places), saved.more))
        return found

    def saved(self, call: Call) -> _Kept:
        """What a call keeps for its gradient; empty where no gradient flows through it."""
        outputs = list(call.outputs.values())
        if call.layer is None or not call.made or not any(map(self.is_smooth, outputs)):
            return _Kept()
        saved = call.layer.saves(call.a, call.inputs, outputs)
        kept = [x for x in saved.tensors if isinstance(x, Value)]
        assert len(kept) == len(saved.tensors), "only inputs and outputs are kept"
        if saved.crossed:
            flows = [*map(self.is_smooth, call.inputs)]
            kept = [x for at, x in enumerate(call.inputs) if any(flows[:at] + flows[at + 1 :])]
        more = saved.more * width(self.dtype) // width(DEFAULT_TYPE) + saved.indices
        return _Kept(tuple(map(self.place, kept)), more)

    def bytes(self, kept: _Kept) -> int:
        """The bytes that a call keeps."""
        return sum(self.sizes[place] for place in kept.places) + kept.more

    def peak(self, results: list[int]) -> int:
        """The most bytes alive at a time without autograd; `results` are the outputs' buffers."""
        calls = self.trace.calls
        last: dict[int, int] = {}
        made = [(number, call) for number, call in enumerate(calls) if call.made]
        for number, call in made:
            for x in call.inputs:
                last[self.place(x)] = number
        # the caller holds the inputs to the end, and gets the outputs
        last |= {place: len(calls) for place in results}
        last |= {self.place(x): len(calls) for x in self.trace.inputs}
        born = dict.fromkeys(map(self.place, self.trace.inputs), 0)
        for number, call in made:
            for x in call.outputs.values():
                born.setdefault(self.place(x), number)
        changes = [0] * (len(calls) + 2)
        for place, number in born.items():
            changes[number] += self.sizes[place]
            changes[last.get(place, number) + 1] -= self.sizes[place]
        most = alive = 0
        for change in changes:
            alive += change
            most = max(most, alive)
        return most


def _overwritten(trace: Trace, lives: _Lives) -> Iterator[Overwritten]:
    """In-place writes to values that are read later, or kept for a gradient."""
    writers: dict[int, list[Call]] = {}  # the calls that have written to each buffer
    keepers: dict[int, Call] = {}  # the call that keeps the present content of a buffer
    age: dict[int, int] = {}  # how often a value's buffer had been overwritten when it was made
    copies = _perhaps_copied(trace)
    for call in trace.calls:
        if call.layer is None or not call.made:
            continue
        for x in call.inputs:
            known = writers.get(lives.place(x), [])
            if age.get(x.number, 0) < len(known):
                yield Overwritten(known[-1], call)
        if _writes(call) and call.inputs[0].number not in copies:
            place = lives.place(call.inputs[0])
            writers.setdefault(place, []).append(call)
            if place in keepers:
                yield Overwritten(call, keepers.pop(place), kept=True)
        for x in call.outputs.values():
            age[x.number] = len(writers.get(lives.place(x), []))
        for place in lives.saved(call).places:
            keepers.setdefault(place, call)


def _has_writes(trace: Trace) -> bool:
    return any(map(_writes, trace.calls))


def _writes(call: Call) -> bool:
    """Whether a call overwrites its input; a dropout with ``p=0`` does not."""
    row, a = call.layer, call.a
    if row is None or not getattr(a, "inplace", False) or getattr(a, "p", None) == 0:
        return False
    return row.view(a, *call.inputs)


def _perhaps_copied(trace: Trace) -> set[int]:
    """Numbers of values that may be copies: a view of a non-contiguous tensor may copy it."""
    turned: set[int] = set()
    found: set[int] = set()
    for call in trace.calls:
        row = call.layer
        if row is None or not call.inputs or not row.view(call.a, *call.inputs):
            continue
        known, outputs = call.inputs[0].number, {x.number for x in call.outputs.values()}
        in_order = row.in_order or getattr(call.a, "inplace", False)
        flattens = in_order or bool(row.axes)  # a pattern may turn and flatten
        if known in found or (known in turned and flattens):
            found |= outputs
        if known in turned or not in_order:
            turned |= outputs
    return found


@cache
def width(dtype: str) -> int:
    """The bytes of an element of this type."""
    digits = "".join(char for char in dtype if char.isdigit())
    return _WIDTHS.get(dtype) or _WIDTHS[digits]


def _width(dtype: str, default: str) -> int:
    """The bytes of an element, where `default` is what float32 has become."""
    return width(default if dtype == DEFAULT_TYPE else dtype)


def _rows(graph: Graph, trace: Trace, calls: Sequence[Cost]) -> Iterator[Row]:
    """The rows of the table: inputs, then each layer's call in order; a block is one row."""
    for x in graph.inputs:
        yield Row(x.name, "input", x.type.text, 0)
    for call, cost, block in zip(trace.calls, calls, blocks_around(trace), strict=True):
        node = call.node
        if block is None and node.row is not None:
            activations = sum(x.numel for x in call.outputs.values())
            head = (node.name, node.row.name, node.output.usual)
            yield Row(*head, cost.parameters, cost.macs, activations, cost.kept)
