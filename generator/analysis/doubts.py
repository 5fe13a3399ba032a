"""Warnings that need shapes: what is legal, runs, and was probably meant otherwise.

They look at the finished graph and its trace. Each is reported once for its place in the spec.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from ..diagnostics.diagnostics import Diagnostic, SpecPath
from ..ir.graph import Graph, Node
from ..ir.trace import BATCHES, Call, Trace, Value, propagate
from ..layers.base import Args
from ..layers.folding import into_batch, split_off, takes_batch
from ..layers.idle import depends_on_sizes, is_placeholder, rule_of
from ..layers.kin import (
    BROADCASTING,
    CONVOLUTIONS,
    EMBEDDINGS,
    LAYER_NORMS,
    LINEAR,
    MOVING,
    OF_FEATURES,
    OF_NUMBERS_OF_VALUES,
    OF_SEQUENCES,
    TRANSPOSED,
    dimension_of,
    is_odd,
    joins_places,
    places_behind_channels,
)
from ..layers.tensor import TensorType
from ..spec.source import Source
from ..spec.spec import COMMON_KEYS, Reading
from ..symbolic.sizes import is_batch, is_unknown, shown, symbols_in

_HABITS = (*COMMON_KEYS, "branches")  # keys that are no arguments of a layer


def doubts(reading: Reading, graph: Graph, trace: Trace) -> Iterator[Diagnostic]:
    """The warnings about a network, without those that the spec allows."""
    found: dict[SpecPath, Diagnostic] = {}
    finders = (_along, _by_position, _of_samples, _meeting, _other_batches, _of_one_value, _unread)
    for finder in finders:
        for path, diagnostic in finder(reading.source, graph, trace):
            found.setdefault((*path, diagnostic.code), diagnostic)
    yield from (d for d in found.values() if d.code not in reading.document.allow)
    if "NG314" not in reading.document.allow:
        yield from _idle(reading.source, graph)


Found = Iterator[tuple[SpecPath, Diagnostic]]


def _doubt(source: Source, code: str, node: Node, message: str, help: str) -> Diagnostic:
    where = source.locate(node.path, key=True)
    return Diagnostic(code, message, where, help=help, severity="warning")


# along which dimension a layer works


def _along(source: Source, graph: Graph, trace: Trace) -> Found:
    """Layers that work on the last dimension but read channels-first tensors, and the reverse."""
    for call in trace.calls:
        if call.layer is None or not call.inputs or not _is_candidate(call):
            continue
        x = call.inputs[0]
        first = origin = trace.maker(x)
        while origin is not None and _keeps_places(origin):
            x = origin.inputs[0]
            origin = trace.maker(x)
        if origin is None:
            yield from _of_input(source, graph, call, x.number)
        elif origin is not None and first is not None:
            yield from _of_layer(source, call, origin, first.node.output)


def _is_candidate(call: Call) -> bool:
    name, rank = call.node.row.name if call.node.row else "", call.inputs[0].rank
    if name in OF_FEATURES:
        return rank > 2 and not isinstance(getattr(call.a, "normalized_shape", 0), tuple)
    if rank != 3 or call.node.row is None:
        return False
    return name in OF_SEQUENCES or joins_places(call.node.row, _kernel(call.a))


def _kernel(a: Args) -> Any:
    """The `kernel_size`; 2 for layers without one, such as adaptive pools: more than one place."""
    return getattr(a, "kernel_size", 2)


def _keeps_places(call: Call) -> bool:
    """Whether a layer keeps the meaning of dimensions, so that the search can go on before it."""
    assert call.layer is not None
    name, dims = call.layer.name, places_behind_channels(call.layer.name)
    if not call.inputs:
        return False
    if dims:  # one-dimensional norms and pools work on channels-first tensors too
        convolves = name in (*CONVOLUTIONS, *TRANSPOSED)
        return dims == 1 and not convolves and call.inputs[0].rank == 3
    shapes = [[*map(int, x.shape)] for x in (call.output, call.inputs[0])]
    return name not in (*OF_FEATURES, *OF_SEQUENCES, *MOVING) and shapes[0] == shapes[1]


def _of_input(source: Source, graph: Graph, call: Call, place: int) -> Found:
    """A linear layer that reads an input which looks like an image."""
    x = graph.inputs[place]
    sizes = [int(size) for at, size in enumerate(x.type.shape) if at != x.type.batch]
    image = len(sizes) == 3 and sizes[0] in (1, 3) and sizes[1] == sizes[2] >= 8
    if image and x.type.batch == 0 and call.node.row and call.node.row.name in LINEAR:
        message = f"`{call.node.name}` reads the last dimension of the image `{x.name}` alone"
        yield call.node.path, _doubt(source, "NG312", call.node, message, _for_images(call))


def _of_layer(source: Source, call: Call, origin: Call, x: TensorType) -> Found:
    """A layer that reads `x`, which comes from the output of `origin`."""
    assert call.layer is not None
    assert origin.layer is not None
    name, dims = call.layer.name, places_behind_channels(origin.layer.name)
    if x.batch != 0:
        return
    if dims and origin.output.rank == dims + 2 == x.rank:
        convolves = origin.layer.name in (*CONVOLUTIONS, *TRANSPOSED)
        if dims > 1 and name in OF_FEATURES:
            what = f"`{call.node.name}` reads the last dimension of {x} alone"
            message = f"{what}: `{origin.node.name}` puts channels first"
            yield call.node.path, _doubt(source, "NG312", call.node, message, _for_images(call))
        elif convolves and (name in OF_SEQUENCES or (name in LINEAR and x.shape[-1] == 1)):
            message = _taken(call, x, "features", f"`{origin.node.name}` puts channels first")
            help = "put `Flatten` before it" if x.shape[-1] == 1 else _channels_last()
            yield call.node.path, _doubt(source, "NG312", call.node, message, help)
    elif places_behind_channels(name) and origin.layer.name in (*EMBEDDINGS, *OF_SEQUENCES):
        message = _taken(call, x, "channels", f"`{origin.node.name}` puts features last")
        yield call.node.path, _doubt(source, "NG312", call.node, message, _channels_last())


def _taken(call: Call, x: TensorType, what: str, why: str) -> str:
    size = shown(x.shape[-1 if what == "features" else 1])
    places = f"the {size} places" if size != "1" else "the only place"
    return f"`{call.node.name}` takes {places} of {x} for {what}: {why}"


def _channels_last() -> str:
    from ..lower.cures import swapped  # doubts are few

    return f"put `{swapped(3, 1, 2)}` before it"


def _for_images(call: Call) -> str:
    assert call.layer is not None
    x = call.inputs[0]
    if call.layer.name in LAYER_NORMS and x.rank == 4:
        return "write `LayerNorm2d`, which normalises the channels, or the sizes of all dimensions"
    from ..lower.cures import swapped

    order = swapped(x.rank, 1, x.rank - 1)
    return f"put `Flatten` before it, or `{order}` if each place has features of its own"


# deviations of a single value


def _of_one_value(source: Source, graph: Graph, trace: Trace) -> Found:
    """Variances that divide by 0 or less: of no more values than `correction` takes off."""
    for call in trace.calls:
        if call.layer is None or call.layer.name not in OF_NUMBERS_OF_VALUES:
            continue
        dims = call.a.dim if isinstance(call.a.dim, tuple) else (call.a.dim,)
        x = call.inputs[0]
        count = math.prod(int(x.shape[dim]) for dim in dims if x.rank)
        if count <= call.a.correction:
            values = "1 value" if count == 1 else f"{count} values"
            less = f"their number less `correction`, {count} - {call.a.correction}"
            message = f"`{call.node.name}` of {values} is not finite: it divides by {less}"
            help = "write `correction: 0`, or take out the layer"
            yield call.node.path, _doubt(source, "NG309", call.node, message, help)


# arguments by position


def _by_position(source: Source, graph: Graph, trace: Trace) -> Found:
    """Items whose numbers only make sense in torch's order, with the arguments inferred here."""
    for call in trace.calls:
        if call.layer is None or call.layer.operation or not call.inputs:
            continue
        written = _written(source.values, call.node.path)
        if not isinstance(written, list) or len(written) < 2:
            continue
        numbers = all(type(value) is int for value in written[:2])
        if not numbers or not is_odd(call.layer, written):
            continue
        from ..lower.cures import without_inferred

        right = without_inferred(call.layer, written, vars(call.a), call.inputs)
        if right is None:
            continue
        names = [arg.name for arg in call.layer.written]
        means = ", ".join(f"{n} {v}" for n, v in zip(names, written, strict=False))
        message = f"by position this is {means}: `{call.layer.args[0].name}` is inferred"
        help = f"write `{right}`, or the arguments by name if it is meant"
        yield call.node.path, _doubt(source, "NG313", call.node, message, help)


def _written(values: Any, path: SpecPath) -> Any:
    """The value at a path of the spec; ``None`` if there is none, or only a layer's type."""
    for step in path:
        if isinstance(values, dict):
            values = values.get(step)
        elif isinstance(values, list) and isinstance(step, int) and step < len(values):
            values = values[step]
        else:
            return None
    return None if isinstance(values, str) and path and isinstance(path[-1], int) else values


def _of_samples(source: Source, graph: Graph, trace: Trace) -> Found:
    """Shapes with -1 for the batch, which is kept beside them: it comes to a size of 1."""
    for call in trace.calls:
        if not call.inputs or not takes_batch(call.layer, call.a, call.inputs[0]):
            continue
        left, *rest = call.output.shape[1:]
        if int(left) != 1 or is_unknown(left):
            continue
        message = (
            f"`{call.node.name}` keeps the batch, so -1 comes to 1: it gives {call.node.output}"
        )
        right = ", ".join(map(shown, rest))
        help = f"write `Reshape: [{right}]`, or `1` for the -1 if it is meant"
        yield call.node.path, _doubt(source, "NG313", call.node, message, help)


def _meeting(source: Source, graph: Graph, trace: Trace) -> Found:
    """Sums and the like whose tensors have the batch in other places, counted from the last."""
    for reading in _readings(graph, set()):
        node, several = reading.node, len(reading.inputs) > 1
        if not several or node.row is None or node.row.name not in BROADCASTING:
            continue
        if _batches(node.output) < 2 or max(map(_batches, reading.inputs)) > 1:
            continue
        few = min(reading.inputs, key=lambda x: x.rank)
        rest = node.output.rank - few.rank
        told = " and ".join(map(str, reading.inputs))
        message = f"`{node.name}` has each sample meet every other: {told} give {node.output}"
        cure = f"put {', then '.join(['`Unsqueeze: 1`'] * rest)} behind what gives {few}"
        cure = cure if rest else "bring the batch to one place with `Transpose`"
        help = f"{cure}; if samples are to meet, `allow: [NG311]`"
        yield node.path, _doubt(source, "NG311", node, message, help)


def _batches(x: TensorType) -> int:
    """In how many places a size is that of the batch."""
    return sum(map(is_batch, x.shape))


# operations that change the batch


def _other_batches(source: Source, graph: Graph, trace: Trace) -> Found:
    """The calls that make an output lose the batch although a size of it depends on the batch."""
    given = [trace.read(ref) for _, ref in graph.outputs]
    if all(x.type.batch is None for x in graph.inputs) or all(x.batch is not None for x in given):
        return
    first, second = (propagate(graph, {**graph.sizes, "N": batch}) for batch in BATCHES)
    for place, (left, right) in enumerate(zip(first, second, strict=True)):
        pairs = [*zip(map(int, left.shape), map(int, right.shape), strict=True)]
        if BATCHES in pairs or all(a == b for a, b in pairs):
            continue
        cause = _cause(trace, given[place])
        if cause is None:
            continue
        message = f"`{cause.node.name}` makes another batch: it gives {cause.node.output}"
        yield cause.node.path, _doubt(source, "NG315", cause.node, message, _own_batch(cause))


def _cause(trace: Trace, x: Value) -> Call | None:
    """The earliest call found upstream of `x` that reads a batch and gives none."""
    waiting, seen, found = [x], {x.number}, None
    while waiting:
        call = trace.maker(waiting.pop())
        if call is None:
            continue
        if any(y.batch is not None for y in call.inputs):
            found = call
            continue
        for y in call.inputs:
            if y.number not in seen:
                seen.add(y.number)
                waiting.append(y)
    return found


def _own_batch(cause: Call) -> str:
    argument = dimension_of(cause.layer) if cause.layer is not None else None
    if argument is not None:
        help = f"write `{argument}: 1`, or `allow: [NG315]` if it is meant"
        return f"dimension 0 is the batch: {help}"
    if cause.layer is not None and cause.layer.axes:
        pattern = split_off(cause.output.rank)
        return f"`Rearrange: {pattern}` splits it again later; if it is meant, `allow: [NG315]`"
    return "dimension 0 is the batch: another was probably meant; if not, `allow: [NG315]`"


# weights that only the `state_dict` has


def _unread(source: Source, graph: Graph, trace: Trace) -> Found:
    """Parameters and buffers on which no output depends."""
    for call in trace.calls:
        if call.is_unread:
            message = f"no output depends on `{call.node.name}`: only the `state_dict` has it"
            help = "read it, take it out, or `allow: [NG317]` if the weights to load have it"
            yield call.node.path, _doubt(source, "NG317", call.node, message, help)


# layers that change nothing


class _Reading(Struct, frozen=True):
    """A layer's call with the types of its inputs."""

    node: Node
    inputs: tuple[TensorType, ...]
    contained: bool  # whether it is in a container, where layers are numbered


def _idle(source: Source, graph: Graph) -> Iterator[Diagnostic]:
    """Warnings about items that change nothing in all of their calls."""
    found: dict[SpecPath, list[str | None]] = {}
    nodes: dict[SpecPath, Node] = {}
    instead: dict[SpecPath, str | None] = {}
    for reading in _readings(graph, set()):
        path = reading.node.path
        nodes[path], instead[path] = reading.node, _for_batches(reading)
        found.setdefault(path, []).append(_why_idle(source, reading))
    for path, reasons in found.items():
        if all(reasons):
            row = nodes[path].row
            assert row is not None
            message = f"`{row.name}` changes nothing: {reasons[0]}"
            help = instead[path] or "take it out, or write what was meant"
            yield _doubt(source, "NG314", nodes[path], message, help)


def _for_batches(reading: _Reading) -> str | None:
    """The help for what in torch would put other dimensions into the batch."""
    node, x = reading.node, reading.inputs[0] if reading.inputs else None
    if x is None or not takes_batch(node.row, node.a, x):
        return None
    return into_batch(node.a, x, node.output)


def _readings(graph: Graph, seen: set[Graph]) -> Iterator[_Reading]:
    seen.add(graph)
    for node in graph.nodes:
        types = tuple(graph.type_of(ref) for ref in node.inputs)
        yield from _in(node, types, seen, contained=False)


def _in(
    node: Node, types: tuple[TensorType, ...], seen: set[Graph], *, contained: bool
) -> Iterator[_Reading]:
    if node.use is not None and node.use.graph not in seen:
        yield from _readings(node.use.graph, seen)
    elif node.is_layer:
        yield _Reading(node, types, contained)
    for child in node.body:
        yield from _in(child, types, seen, contained=True)
        types = (child.output, *types[1:])


def _why_idle(source: Source, reading: _Reading) -> str | None:
    """Why a layer changes nothing; ``None`` if it may, or if that depends on parameters."""
    node = reading.node
    assert node.row is not None
    rule = rule_of(node.row)
    if rule is None or not reading.inputs or "$" in str(node.path[-1]):
        return None
    if reading.contained and is_placeholder(node.row):
        return None
    x = reading.inputs[0]
    sizes = {symbol for size in x.shape for symbol in symbols_in(size)}
    if any(not symbol.runtime for symbol in sizes) and depends_on_sizes(node.row):
        return None  # with another value of a parameter it may change something
    written = _written(source.values, node.path)
    numbers = written
    if isinstance(written, dict):
        numbers = {key: value for key, value in written.items() if key not in _HABITS}
    if "$" in str(numbers) or node.output.dtype != x.dtype:
        return None
    return rule(node.a, x, node.output)
