"""A network as nested boxes and arrows between them, independent of how it is drawn."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from msgspec import Struct

from ..ir.graph import Graph
from ..ir.trace import BATCHES, Trace, call_names, traced
from ..layers import CATALOGUE
from ..layers.base import Layer, parameter_count
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
    """A call, an input or an output: its name, type and output shape.

    `call` is its number in the trace, ``None`` at the ends of the network. `parent` is the `key`
    of the box around it, empty if there is none; `inner` tells that there are boxes in it.
    """

    key: str
    parent: str
    name: str
    type: str
    group: str
    output: str
    parameters: int
    call: int | None = None
    inner: bool = False

    @property
    def label(self) -> str:
        """The last part of its name."""
        return self.name.rpartition(".")[2] if self.parent else self.name


class Arrow(Struct, frozen=True):
    """A value: the keys of the boxes that give it and read it, and its shape.

    It is a `skip` if another input of its reader depends on the same box.
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
    boxes = [
        Box(f"i{place}", "", x.name, "input", "end", shape_of(type_), 0)
        for place, (x, type_) in enumerate(zip(graph.inputs, trace.inputs, strict=True))
    ]
    for number in _outer_first(trace):
        if number in live:
            boxes.append(_box(trace, number, names[number], parents[number], number in inner))
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


def _box(trace: Trace, number: int, name: str, parent: int | None, inner: bool) -> Box:
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
        number,
        inner,
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


def _arrows(graph: Graph, trace: Trace, live: set[int]) -> Iterator[Arrow]:
    makers = [
        f"i{number}" if maker is None else f"n{maker.call}"
        for number, maker in enumerate(trace.makers)
    ]
    calls = [(n, trace.calls[n]) for n in sorted(live) if trace.calls[n].layer is not None]
    bits = {key: 1 << place for place, key in enumerate(dict.fromkeys(makers))}
    before = dict.fromkeys(bits, 0)  # the boxes that each box depends on, as bits
    for number, call in calls:
        sources = [makers[x.number] for x in call.inputs]
        for source in sources:
            before[f"n{number}"] |= bits[source] | before[source]
        for x, source in zip(call.inputs, sources, strict=True):
            skip = any(before[other] & bits[source] for other in sources)
            yield Arrow(source, f"n{number}", shape_of(x), skip)
    for place, (_, ref) in enumerate(graph.outputs):
        x = trace.read(ref)
        yield Arrow(makers[x.number], f"o{place}", shape_of(x), False)
