"""A network as nested boxes and arrows between them, independent of how it is drawn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ..ir.graph import Graph
from ..ir.trace import BATCHES, Call, Trace, call_names, traced
from ..layers import CATALOGUE
from ..layers.base import Layer, Nested, parameter_count
from ..layers.brief import brief
from ..layers.tensor import TensorType

# layers that look alike in a picture, by the families of the catalogue
_GROUPS = {
    "activation": "activation dropout",
    "attention": "attention transformer stacks",
    "conv": "conv",
    "linear": "linear sparse",
    "norm": "batchnorm instancenorm normalization",
    "pooling": "pooling upsampling",
    "recurrent": "rnn",
    "shape": "shapes padding",
}
GROUPS = (*_GROUPS, "merge", "operation", "block", "end")


class Box(Struct, frozen=True):
    """A call, an input or an output: its name, type and output shape, and `told`, what matters.

    `call` is its number in the trace, ``None`` at the ends of the network. `parent` is the `key`
    of the box around it, empty if there is none; `inner` tells that there are boxes in it. Boxes
    of one `kind` have the same type and arguments. A box may stand for equal ones, whose names are
    its `others`: it is so many `times` in a row, up to the one called `last`.
    """

    key: str
    parent: str
    name: str
    type: str
    group: str
    output: str
    parameters: int
    told: str = ""
    kind: int = -1
    call: int | None = None
    inner: bool = False
    others: tuple[str, ...] = ()
    times: int = 1
    last: str = ""

    @property
    def label(self) -> str:
        """The last part of its name; of equal ones in a row the first and the last."""
        return (
            f"{self._own(self.name)} \u2026 {self._own(self.last)}"
            if self.last
            else self._own(self.name)
        )

    @property
    def title(self) -> str:
        """Its type and what matters of it; of equal ones in a row how many they are."""
        times = f"x{self.times}" if self.times > 1 else ""
        return " ".join(filter(None, (self.type, self.told, times)))

    @property
    def held(self) -> str:
        """Its parameters in words, empty if there are none."""
        each = f"{self.times} x " if self.times > 1 else ""
        return f"{each}{self.parameters:,} parameters" if self.parameters else ""

    def _own(self, name: str) -> str:
        return name.rpartition(".")[2] if self.parent else name


class Arrow(Struct, frozen=True):
    """A value: the keys of the boxes that give it and read it, and its shape.

    It is a `skip` if it is part of a way around others: of a way from a box to one that has another
    input which depends on that box, too.
    """

    source: str
    target: str
    shape: str
    skip: bool


class Picture(Struct, frozen=True):
    """A network's boxes, outer ones before those in them, and the arrows between innermost ones."""

    name: str
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    sizes: str = ""  # the sample values of run-time sizes, as text

    def at_depth(self, depth: int) -> frozenset[str]:
        """The keys of the boxes to close so that `depth` levels of boxes are visible."""
        depths = {"": 0}
        for box in self.boxes:
            depths[box.key] = depths[box.parent] + 1
        return frozenset(box.key for box in self.boxes if box.inner and depths[box.key] >= depth)

    def folded(self, closed: Collection[str]) -> Picture:
        """The picture without the boxes inside of closed ones; arrows end at the closed boxes."""
        shown: dict[str, str] = {"": ""}  # the visible box that replaces each box
        boxes = []
        for box in self.boxes:
            around = shown[box.parent]
            hidden = around != box.parent or around in closed
            shown[box.key] = around if hidden else box.key
            if not hidden:
                boxes.append(box)
        arrows: dict[tuple[str, str, str], bool] = {}
        for arrow in self.arrows:
            way = (shown[arrow.source], shown[arrow.target], arrow.shape)
            if way[0] != way[1]:
                arrows[way] = arrow.skip and arrows.get(way, True)
        met = tuple(Arrow(*way, skip) for way, skip in arrows.items())
        return Picture(self.name, tuple(boxes), met, self.sizes)


def picture(graph: Graph) -> Picture:
    """The picture of a network, with nothing folded."""
    trace = traced(graph, {**graph.sizes, "N": BATCHES[0]})
    live = _live(trace)
    names, parents = call_names(trace), _parents(trace)
    inner = set(parents)
    kinds: dict[Any, int] = {}
    boxes = [
        Box(f"i{place}", "", x.name, "input", "end", shape_of(type_), 0)
        for place, (x, type_) in enumerate(zip(graph.inputs, trace.inputs, strict=True))
    ]
    for number in _outer_first(trace):
        if number in live:
            kind = kinds.setdefault(_kind(trace.calls[number]), len(kinds))
            box = _box(trace, number, names[number], parents[number], kind)
            boxes.append(replace(box, inner=number in inner))
    boxes += [
        Box(f"o{place}", "", key or "output", "output", "end", shape_of(trace.read(ref)), 0)
        for place, (key, ref) in enumerate(graph.outputs)
    ]
    known = ", ".join(f"{name} = {size}" for name, size in graph.sizes.items() if name != "N")
    return Picture(graph.name, tuple(boxes), tuple(_arrows(graph, trace, live)), known)


def _outer_first(trace: Trace) -> Iterator[int]:
    """The numbers of all calls in the order in which they begin."""
    order = sorted(range(len(trace.calls)), key=lambda n: (trace.calls[n].begins, -n))
    return iter(order)


def _parents(trace: Trace) -> list[int | None]:
    """The number of the call around each call; nameless bodies of blocks are passed over."""
    parents: list[int | None] = [None] * len(trace.calls)
    waiting: list[int] = []
    for number, call in enumerate(trace.calls):
        inside = [n for n in waiting if n >= call.begins]
        if inside:
            waiting = [n for n in waiting if n < call.begins]
            for n in inside:
                parents[n] = number
        waiting.append(number)
    return [_named(trace, parent, parents) for parent in parents]


def _named(trace: Trace, number: int | None, parents: Sequence[int | None]) -> int | None:
    while number is not None and trace.calls[number].is_nameless:
        number = parents[number]
    return number


def _live(trace: Trace) -> set[int]:
    """The calls that are drawn: made, not nameless, and layers or with layers inside."""
    found = {number for number, call in enumerate(trace.calls) if call.made}
    return {n for n in found if _has_layers(trace, n, found) and not trace.calls[n].is_nameless}


def _has_layers(trace: Trace, number: int, live: Collection[int]) -> bool:
    """Whether a call is a layer's, or has a layer's call inside of it."""
    inside = range(trace.calls[number].begins, number + 1)
    return any(n in live and trace.calls[n].layer is not None for n in inside)


def _kind(call: Call) -> Any:
    """What is the same for calls of one type with the same arguments."""
    row = call.node.row
    name = call.node.kind if row is None else row.name
    given = () if call.layer is None else _settings(vars(call.a))
    return name, given, tuple((port, x.dtype) for port, x in call.outputs.items())


def _settings(value: Any) -> Any:
    """Arguments as what can be compared: numbers without the expressions that gave them."""
    if isinstance(value, Mapping):
        return tuple((name, _settings(item)) for name, item in value.items())
    if isinstance(value, (list, tuple)):
        return tuple(map(_settings, value))
    if isinstance(value, Nested):
        return value.row.name, _settings(value.args)
    return int(value) if isinstance(value, int) else repr(value)


def _box(trace: Trace, number: int, name: str, parent: int | None, kind: int) -> Box:
    call = trace.calls[number]
    row = call.node.row
    held = sum(
        parameter_count(inside.weights)
        for n, inside in enumerate(trace.calls[call.begins : number + 1], call.begins)
        if trace.first.get(inside.path) == n
    )
    return Box(
        f"n{number}",
        "" if parent is None else f"n{parent}",
        name,
        row.name if row is not None else call.node.kind,
        "block" if call.layer is None else group_of(call.layer),
        shape_of(call.output),
        held,
        "" if call.layer is None else brief(call.layer, call.a),
        kind,
        number,
    )


def group_of(row: Layer) -> str:
    """The group that decides how a layer is drawn."""
    if row.variadic:
        return "merge"
    if row.operation or row.local:
        return "operation"
    families = (family for family in CATALOGUE.families if row in CATALOGUE.rows(family))
    name = next(families, "")
    return next((group for group, names in _GROUPS.items() if name in names.split()), "operation")


def shape_of(type_: TensorType) -> str:
    """The shape of one sample: ``64x56x56``; a batch that is not the first dimension is ``N``."""
    sizes = [str(int(size)) for size in type_.shape]
    if type_.batch is not None:
        sizes[type_.batch : type_.batch + 1] = ["N"] if type_.batch else []
    return "x".join(sizes) or "scalar"


# what a way around others may lead through: on the way to a sum, or to what keeps its parts apart
_PROJECTING = frozenset({"conv", "linear", "norm", "pooling", "shape"})


def _arrows(graph: Graph, trace: Trace, live: set[int]) -> Iterator[Arrow]:
    makers = [
        f"i{number}" if maker is None else f"n{maker.call}"
        for number, maker in enumerate(trace.makers)
    ]
    read = {
        f"n{n}": [(makers[x.number], shape_of(x)) for x in trace.calls[n].inputs]
        for n in sorted(live)
        if trace.calls[n].layer is not None
    }
    ends = [(makers[x.number], shape_of(x)) for x in (trace.read(ref) for _, ref in graph.outputs)]
    ways = _Ways(trace, read, Counter(key for key, _ in (*chain(*read.values()), *ends)))
    skips = {way for key in read for way in ways.around(key)}
    for key, sources in read.items():
        for source, shape in sources:
            yield Arrow(source, key, shape, (source, key) in skips)
    for place, (source, shape) in enumerate(ends):
        yield Arrow(source, f"o{place}", shape, False)


class _Ways:
    """Finds the ways around others, in what each box reads: the sources and their shapes."""

    def __init__(
        self, trace: Trace, read: Mapping[str, list[tuple[str, str]]], readers: Mapping[str, int]
    ) -> None:
        self.trace, self.read, self.readers = trace, read, readers
        self.bits = {key: 1 << place for place, key in enumerate(dict.fromkeys([*readers, *read]))}
        self.before = dict.fromkeys(self.bits, 0)  # the boxes that each box depends on, as bits
        for key, sources in read.items():
            for source, _ in sources:
                self.before[key] |= self.bits[source] | self.before[source]

    def around(self, key: str) -> Iterator[tuple[str, str]]:
        """The arrows, each a source and its reader, of the ways around others that end at a box."""
        back = [self.way(key, source, shape, alone=False) for source, shape in self.read[key]]
        for source, shape in self.read[key]:
            way = self.way(key, source, shape, alone=True)
            start, direct = way[-1], len(way) == 2
            # another way that only projects what begins there is no longer than this one
            others = [other[1] for other in back if direct or start not in other]
            if any(self.before[other] & self.bits[start] for other in others):
                yield from zip(way[1:], way, strict=False)

    def way(self, reader: str, source: str, shape: str, *, alone: bool) -> list[str]:
        """The boxes from a reader back to where more is done than to project.

        Where it goes `alone`, it ends where others read the same.
        """
        way = [reader, source]
        row = self._row(reader)
        sums = row.operator == "+" and shape == shape_of(self._call(reader).output)
        while self.read.get(source) and (self.readers[source] == 1 or not alone):
            passed = self._row(source)
            moved = passed.moves or group_of(passed) == "shape"
            if not (row.variadic and (moved or (sums and group_of(passed) in _PROJECTING))):
                break
            if len(self.read[source]) > 1 and not moved:
                break
            source = self.read[source][0][0]
            way.append(source)
        return way

    def _call(self, key: str) -> Call:
        return self.trace.calls[int(key[1:])]

    def _row(self, key: str) -> Layer:
        row = self._call(key).layer
        assert row is not None
        return row
