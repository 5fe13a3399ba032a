"""The plan of a smoke-run: every prediction about a graph, as plain data."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct, to_builtins
from msgspec.structs import replace

from ..emit.statements import Statement
from ..ir.graph import Graph, Node, Placeholder, Ref
from ..ir.trace import BATCHES, Call, Trace, concrete
from ..layers.base import BOOLEAN, INEXACT
from ..layers.tensor import TensorType
from .costs import Memory

LARGEST_TOKEN = 10  # whole numbers without an upper bound are drawn below this


class Sample(Struct, frozen=True):
    """How to make an input: random values from `low` to `high` (exclusive), or a `kind`.

    `kind` is ``values``, ``zeros`` or ``ones``. Whole numbers always have a `high`. `batch` is
    the dimension of the batch, if the input has one.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    low: float | None
    high: float | None
    kind: str = "values"
    batch: int | None = None


class Run(Struct, frozen=True):
    """One forward pass: its inputs, and the shape and type of everything in it."""

    samples: tuple[Sample, ...]
    variables: tuple[tuple[tuple[str, list[int], str], ...], ...]  # for each statement
    # values that have no variable: the call, and how many functions are called in the statement
    inner: tuple[tuple[tuple[str, int, list[int], str], ...], ...]
    calls: Mapping[str, list[tuple[list[int], str]]]  # of each module by its path, in order
    outputs: tuple[tuple[str | None, list[int], str], ...]


class Outside(Struct, frozen=True):
    """Inputs of sizes that do not fit, and a text with these sizes."""

    samples: tuple[Sample, ...]
    sizes: str


class Plan(Struct, frozen=True):
    """All predictions that a smoke-run checks.

    The first two runs differ in the batch size; the third, if there is one, has other `sizes`.
    """

    class_name: str
    runs: tuple[Run, ...]
    weights: tuple[tuple[str, list[int], str, bool], ...]
    parameters: int
    names: tuple[str, ...]  # the node's name for each statement, empty where there is none
    memory: Memory
    idle: tuple[str, ...] = ()  # paths of layers that get no gradient
    unread: tuple[str, ...] = ()  # those of them that `forward` has nothing to do with
    custom: tuple[str, ...] = ()  # paths of layers of imported classes
    aliases: tuple[tuple[str, str], ...] = ()  # further paths of modules, each with the own one
    sizes: str = ""  # the run-time sizes of the third run, as text
    outside: tuple[Outside, ...] = ()
    fit: str = ""  # which sizes fit, as text

    def request(self) -> dict[str, Any]:
        """All fields but the memory, as plain data for the worker process."""
        names = [name for name in self.__struct_fields__ if name != "memory"]
        return {name: _plain(getattr(self, name)) for name in names}


def make_plan(
    graph: Graph, statements: Sequence[Statement], traces: Sequence[Trace], memory: Memory
) -> Plan:
    """The plan with a run for each of the `traces`; the `memory` is that of the first.

    The `statements` are those of the network's ``forward``.
    """
    return Plan(
        graph.name,
        tuple(_run(graph, statements, trace) for trace in traces),
        tuple((w.name, [*map(int, w.shape)], w.dtype, w.trainable) for w in graph.weights),
        graph.parameter_count,
        tuple(graph.nodes[x.nodes[-1]].name if x.nodes else "" for x in statements),
        memory,
        tuple(_idle(graph, traces[0])),
        tuple(call.path for call in traces[0].calls if call.is_unread),
        tuple(path for path, layer in graph.layers() if layer.row and layer.row.imported),
        tuple((alias.name, alias.own) for alias in graph.aliases),
    )


def with_sizes(plan: Plan, graph: Graph, sizes: Mapping[str, int] | None) -> Plan:
    """The plan with the text for the last run's `sizes`, and with sizes that torch must refuse."""
    from .fitting import sizes_that_do_not

    outside = []
    for other in sizes_that_do_not(graph):
        types = [concrete(x.type, {**other, "N": BATCHES[0]}) for x in graph.inputs]
        pairs = zip(plan.runs[0].samples, types, strict=True)
        samples = (replace(one, shape=(*map(int, type_.shape),)) for one, type_ in pairs)
        outside.append(Outside(tuple(samples), sizes_text(other)))
    facts = {"sizes": "" if sizes is None else sizes_text(sizes), "fit": "; ".join(graph.fit.texts)}
    return replace(plan, outside=tuple(outside), **facts)


def sizes_text(sizes: Mapping[str, int]) -> str:
    """Sizes by name: ``H = 16, W = 32``."""
    return ", ".join(f"{name} = {size}" for name, size in sizes.items())


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return to_builtins(value) if isinstance(value, (Run, Sample, Outside)) else value


def _idle(graph: Graph, trace: Trace) -> Iterable[str]:
    """The paths of layers with parameters that no gradient can reach from an output."""
    reached: set[str] = set()
    found: dict[str, None] = {}
    needed = {trace.read(ref).number for _, ref in graph.outputs}
    for call in reversed(trace.calls):
        if call.layer is None:
            continue  # what is inside of it has calls of its own
        if any(x.number in needed and x.dtype in INEXACT for x in call.outputs.values()):
            reached.add(call.path)
            needed.update(x.number for x in call.inputs if x.dtype in INEXACT)
        if any(weight.trainable for weight in call.weights):
            found[call.path] = None
    return (path for path in reversed(found) if path not in reached)


def _run(graph: Graph, statements: Sequence[Statement], trace: Trace) -> Run:
    ahead = len(graph.inputs)
    variables = []
    for statement in statements:
        made = (
            (x, ref) for x, ref in statement.passing if not graph.nodes[ref.node - ahead].absent
        )
        held = (*statement.targets, *made)
        variables.append(tuple((name, *shape_of(trace.read(ref))) for name, ref in held))
    inner = tuple(
        tuple(
            (graph.nodes[ref.node - ahead].name, number, *shape_of(trace.read(ref)))
            for ref, number in statement.inner
        )
        for statement in statements
    )
    calls: dict[str, list[tuple[list[int], str]]] = {}
    for call in trace.calls:
        if call.is_module and call.made:
            calls.setdefault(call.path, []).append(shape_of(call.output))
    samples = tuple(
        sample_of(x, trace.inputs[place], _readers(graph, Ref(place)), trace)
        for place, x in enumerate(graph.inputs)
    )
    last = tuple((key, *shape_of(trace.read(ref))) for key, ref in graph.outputs)
    return Run(samples, tuple(variables), inner, calls, last)


def shape_of(type_: TensorType) -> tuple[list[int], str]:
    """A tensor's shape and type, as plain data."""
    return [*map(int, type_.shape)], type_.dtype


def sample_of(
    placeholder: Placeholder, type_: TensorType, readers: Iterable[tuple[Node, str]], trace: Trace
) -> Sample:
    """How to make an input; its range follows from the layers that read it, each in a role.

    Indices are below the number of rows of the table, or of places, that they select from.
    """
    low, high, kind = placeholder.low, placeholder.high, "values"
    for node, role in readers:
        if node.row is not None and node.row.reads_true:
            kind = "ones" if "mask" in role else kind  # this mask says what is read
        elif role == "offsets" or "mask" in role:
            kind = "zeros"  # all bags begin at 0; the mask hides nothing
        bound = _bound(node, role, trace)
        if placeholder.high is None and bound is not None:
            high = bound if high is None else min(high, bound)
    if high is None and type_.dtype not in INEXACT | BOOLEAN:
        high = LARGEST_TOKEN
    shape = (*map(int, type_.shape),)
    return Sample(placeholder.name, shape, type_.dtype, low, high, kind, type_.batch)


def _readers(graph: Graph, ref: Ref) -> Iterable[tuple[Node, str]]:
    """The layers' calls that read a value, each with the name of its argument for it.

    Calls inside of blocks count, and so do readers of the outputs of layers that only move values.
    """
    for place, node in enumerate(graph.nodes):
        for position, read in enumerate(node.inputs):
            if read != ref:
                continue
            first = next(node.leaves(), None)
            if first is None or first.row is None:
                continue
            if first.use is not None:
                yield from _readers(first.use.graph, Ref(position))
                continue
            roles = first.row.tensors
            yield first, roles[min(position, len(roles) - 1)]
            if node.row is not None and node.row.moves:
                for port in node.outputs:
                    yield from _readers(graph, Ref(len(graph.inputs) + place, port))
        for call in node.walk():
            yield from ((call, name) for name, read in call.named if read == ref)


def _bound(node: Node, role: str, trace: Trace) -> float | None:
    """The number that all whole numbers in an input of a layer are below, if there is one."""
    if node.row is None:
        return None
    args = node.a
    if node.row.rows and role == "input":
        return float(getattr(args, node.row.rows))
    if role == "index":
        return float(min(_places(call) for call in trace.calls if call.node is node))
    if role == "indices":
        return float(min(_room(call) for call in trace.calls if call.node is node))
    return None


def _room(call: Call) -> int:
    """The number of places that `MaxUnpool*d` puts values into."""
    spatial = int(call.node.row.name[-2]) if call.node.row is not None else 0
    return math.prod(int(size) for size in call.output.shape[-spatial:])


def _places(call: Call) -> int:
    """The number of places that an index picks from: the size of `dim`."""
    shape = call.inputs[0].shape
    return int(shape[call.a.dim]) if shape else 1
