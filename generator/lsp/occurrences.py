"""The calls of a network that come from a place in its spec, with their values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..diagnostics.diagnostics import SpecPath
from ..ir.graph import ALL
from ..symbolic.sizes import bracketed, plain
from ..views.outline import shown_type, shown_value
from .snapshot import Snapshot

MOST_USES = 4  # the uses that are listed at most
Valued = tuple[str, str]
"""The name of a call, empty for the network itself, and a value that it has there."""


def calls_of(snapshot: Snapshot, item: SpecPath) -> list[int]:
    """The numbers of the calls that come from a layer of the spec."""
    calls = snapshot.network.trace.calls if snapshot.network is not None else ()
    return [number for number, call in enumerate(calls) if item and call.node.path == item]


def uses_of(snapshot: Snapshot, block: str) -> list[int]:
    """The numbers of the calls of a block."""
    calls = snapshot.network.trace.calls if snapshot.network is not None else ()
    uses = ((number, call.node.use) for number, call in enumerate(calls))
    return [number for number, use in uses if use is not None and use.block == block]


def values_of(snapshot: Snapshot, scope: SpecPath, name: str) -> Iterator[Valued]:
    """The value of a parameter, of a block's in each of its uses."""
    network = snapshot.network
    if network is None:
        return
    if not scope:
        yield "", shown_value(plain(network.graph.values.get(name)))
    for number in uses_of(snapshot, str(scope[1])) if scope else ():
        use = network.trace.calls[number].node.use
        assert use is not None
        yield network.names[number], shown_value(plain(use.graph.values.get(name)))


def argument_values(snapshot: Snapshot, item: SpecPath, name: str) -> Iterator[Valued]:
    """The value of an argument in each call of a layer."""
    for number in calls_of(snapshot, item):
        assert snapshot.network is not None
        args = snapshot.network.trace.calls[number].node.args
        if name in args:
            yield snapshot.network.names[number], shown_value(plain(args[name]))


def shapes_read(snapshot: Snapshot, item: SpecPath) -> Iterator[tuple[str, list[int]]]:
    """The shape that each call of a layer reads first, without the batch."""
    for number in calls_of(snapshot, item):
        assert snapshot.network is not None
        for x in snapshot.network.trace.calls[number].inputs[:1]:
            shape = [int(size) for place, size in enumerate(x.shape) if place != x.batch]
            yield snapshot.network.names[number], shape


def shapes_given(snapshot: Snapshot, item: SpecPath, name: str, port: str) -> Iterator[Valued]:
    """The shape of a layer's output in each use of its scope; of copies, that of the last one.

    The `name` is the layer's or that of one of its outputs.
    """
    last: dict[int | None, Valued] = {}
    for number in calls_of(snapshot, item):
        assert snapshot.network is not None
        call = snapshot.network.trace.calls[number]
        named = dict(zip(call.node.names, call.outputs, strict=False))
        given = shown_type(call.outputs.get(named.get(name, port), call.output))
        if port == ALL and call.node.collects:
            own = call.node.ports
            each = [shown_type(x) for port, x in call.outputs.items() if port not in own]
            given = f"{len(each)} times {', '.join(dict.fromkeys(each))}" if each else "no tensors"
        last[snapshot.network.blocks[number]] = snapshot.network.names[number], given
    yield from last.values()


def shapes_put_in(snapshot: Snapshot, scope: SpecPath, path: SpecPath) -> Iterator[Valued]:
    """The shape of an input of the network, or of a block's in each of its uses."""
    network = snapshot.network
    if network is None:
        return
    for x, type_ in zip(network.graph.inputs, network.trace.inputs, strict=True):
        if not scope and (len(path) == 1 or x.name == path[-1]):
            yield "", shown_type(type_)
    place = path[-1] if isinstance(path[-1], int) else 0
    for number in uses_of(snapshot, str(scope[1])) if scope else ():
        yield network.names[number], shown_type(network.trace.calls[number].inputs[place])


def listed(values: Iterable[Valued]) -> str:
    """Values with the calls that have them, each value once."""
    uses: dict[str, list[str]] = {}
    for use, value in values:
        uses.setdefault(value, []).append(use)
    lines = []
    for value, names in uses.items():
        told = ", ".join(f"`{name}`" for name in names[:MOST_USES] if name)
        more = f" and {len(names) - MOST_USES} more" if len(names) > MOST_USES else ""
        lines.append(f"{value} in {told}{more}" if told else value)
    return bullets(lines)


def flows(snapshot: Snapshot, numbers: list[int]) -> str:
    """The input and output shapes of calls with their costs, as a list."""
    return bullets(_flow(snapshot, number) for number in numbers)


def _flow(snapshot: Snapshot, number: int) -> str:
    network, cost = snapshot.network, snapshot.costs[number]
    assert network is not None
    call = network.trace.calls[number]
    reads = ", ".join(shown_type(x) for x in call.inputs) or "nothing"
    gives = ", ".join(shown_type(x) for x in call.outputs.values())
    told = f"`{network.names[number] or call.path}`: {reads} → {gives}"
    if cost.parameters:
        told += f", {cost.parameters:,} parameters"
    return told + (f", {cost.macs:,} multiply-adds for a sample" if cost.macs else "")


def numbers_of(snapshot: Snapshot, number: int) -> Iterator[str]:
    """The arguments of a block's call; of a layer's the inferred arguments, sizes and weights."""
    network = snapshot.network
    assert network is not None
    call = network.trace.calls[number]
    if call.layer is None:
        for name, value, _ in network.block_arguments(number):
            yield f"`{name}` = {value}"
        return
    if call.layer.imported:
        return
    found = network.derivation(number)
    for name, sizes in found.inferred.items():
        formula = ", ".join(size.formula for size in sizes)
        yield f"`{name}` = {shown_value(plain(call.node.args[name]))}, inferred: `{formula}`"
    for port, shape in found.outputs.items():
        for dim, size in enumerate(shape):
            if size.names and size.formula not in size.names:
                yield f"`{port}[{dim}]` = {size.value}: `{size.formula}` = `{size.numbers}`"
    for weight, shape in found.weights:
        if weight.name:
            yield f"`{weight.name}`: {bracketed(str(size.value) for size in shape)}"


def bullets(lines: Iterable[str], most: int = MOST_USES) -> str:
    """Lines as a Markdown list, at most `most` and the number of the others."""
    every = [f"- {line}" for line in lines]
    more = [f"- and {len(every) - most} more"] if len(every) > most else []
    return "\n".join([*every[:most], *more])
