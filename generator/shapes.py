"""Shapes: what a layer infers from its inputs, and what it gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .binding import rebind
from .context import INDEX
from .graph import Graph, Node, Ref
from .layers.base import (
    REQUIRED,
    THIS,
    Args,
    Layer,
    Nested,
    Refusal,
    TensorType,
    arguments,
    check_dtype,
    refuse,
)
from .layers.broadcasting import meeting
from .literals import literal
from .sizes import (
    Dim,
    Size,
    is_runtime,
    is_unknown,
    plain,
    same,
    shape_text,
    shown,
    shown_shape,
    symbols_in,
)
from .tables import Table

# tensors of positions and conditions have types of their own
OTHER_TYPES = frozenset({"condition", "index", "indices", "mask"})


@dataclass(frozen=True, slots=True)
class Applied:
    """A layer applied to inputs: all its arguments, and its outputs by port.

    `loose` are pairs of sizes that must stay equal, and are so by their numbers only.
    """

    args: Mapping[str, Any]
    outputs: Mapping[str, TensorType]
    loose: tuple[tuple[Size, Size], ...] = ()

    @property
    def a(self) -> Args:
        return arguments(self.args)


def apply(
    row: Layer,
    written: Mapping[str, Any],
    inputs: Sequence[TensorType],
    named: Mapping[str, TensorType] | None = None,
) -> Applied:
    """All arguments and the output types of a layer that reads these inputs.

    `inputs` are the required tensors in the order of torch's ``forward``, `named` the optional
    ones that are given. Raises `Refusal` where torch refuses.
    """
    names = row.tensors * len(inputs) if row.variadic else row.tensors
    for tensor, name in zip(inputs, names, strict=False):
        if name not in OTHER_TYPES:
            check_dtype(row, tensor)
    named = named or {}
    args, loose = complete(row, written, inputs)
    result = row.rule(arguments(args), *inputs, **named)
    outputs = {"output": result} if isinstance(result, TensorType) else result
    for tensor in outputs.values():
        _check_sizes(row, tensor)
    return Applied(args, outputs, (*loose, *meeting(row, arguments(args), inputs)))


def complete(
    row: Layer,
    written: Mapping[str, Any],
    inputs: Sequence[TensorType],
) -> tuple[dict[str, Any], list[tuple[Size, Size]]]:
    """The written arguments, the inferred ones and the defaults, in torch's order.

    Beside them the pairs of written and inferred numbers that agree by accident.
    """
    args: dict[str, Any] = {}
    loose: list[tuple[Size, Size]] = []
    for arg in (*row.args, *row.options):
        value = written.get(arg.name, None if arg.default is REQUIRED else arg.default)
        if arg.kind.module and isinstance(value, Nested):
            value, more = _complete_nested(value, [inputs[place] for place in arg.reads])
            loose += more
        args[arg.name] = value
    inferred = row.infer(arguments(args), *inputs)
    for name, value in inferred.items():
        if name in written and written[name] is not None:
            loose += _check_agrees(name, plain(written[name]), value, inputs[0])
        else:
            args[name] = value
    for arg in row.args:
        if arg.inferred and args[arg.name] is None and arg.default is REQUIRED:
            refuse(f"`{row.name}` can't work out `{arg.name}` from {inputs[0]}")
    _check_runtime(row, args, inputs)
    return args, loose


def _complete_nested(
    module: Nested, inputs: Sequence[TensorType]
) -> tuple[Nested, list[tuple[Size, Size]]]:
    inputs = inputs[: len(module.row.tensors)]
    if len(inputs) < len(module.row.tensors):
        refuse(f"`{module.row.name}` reads {len(module.row.tensors)} tensors and can't stand here")
    args, loose = complete(module.row, module.args, inputs)
    return Nested(module.row, args), loose


def _check_agrees(name: str, written: Any, found: Any, x: TensorType) -> list[tuple[Size, Size]]:
    """Refuse two numbers that differ; the pairs that are equal by their numbers only."""
    if written == found:
        sides = (_as_tuple(written), _as_tuple(found))
        loose = [pair for pair in zip(*sides, strict=True) if None not in pair and not same(*pair)]
        if not is_runtime(loose):
            return loose
    given, reads = (
        shown_shape(value) if isinstance(value, tuple) else shown(value) if value else "null"
        for value in (written, found)
    )
    help = f"leave `{name}` out: netgen fills it in"
    if name == "in_features" and x.rank > 2 and written == x.sample_numel:
        help = f"put `Flatten` before {THIS}: {written} are all the elements of {x}"
    what = _COUNTED.get(name)
    found_text = f"{THIS} reads {reads} {what}" if what else f"what {THIS} reads makes it {reads}"
    raise Refusal(f"`{name}` is {given}, but {found_text}", name, help)


_COUNTED = {"in_channels": "channels", "num_channels": "channels", "in_features": "features"}
_COUNTED |= {"num_features": "channels", "input_size": "features"}


def _as_tuple(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _with_channels(x: TensorType) -> str:
    """The shape of an input with one channel, as a spec writes it."""
    return f"`[{', '.join(['1', *map(shown, x.shape[1:])])}]`"


def _check_runtime(row: Layer, args: Mapping[str, Any], inputs: Sequence[TensorType]) -> None:
    """A module is built before the network runs: its arguments can't depend on run-time sizes.

    An operation's can: they are worked out in `forward`.
    """
    for arg in () if row.operation or row.source == "arange" else row.args:
        value = args[arg.name]
        if not isinstance(value, Nested) and is_unknown(value):
            text = shape_text(value) if isinstance(value, tuple) else _text(value)
            if text == "N":
                refuse(
                    f"`{arg.name}` would be the batch: {inputs[0]} has a dimension too few",
                    arg.name,
                    f"write it into the input's shape: {_with_channels(inputs[0])}",
                )
            refuse(
                f"`{arg.name}` would be {text}, which is known only at run time",
                arg.name,
                "give the input's shape in numbers, or pool to a fixed size first",
            )


def _text(value: Any) -> str:
    return value.code if isinstance(value, Table) else literal(value)


def _check_sizes(row: Layer, tensor: TensorType) -> None:
    if tensor.numel > 2**62:
        refuse(f"`{row.name}` would give a tensor of {shape_text(tensor.shape)}: too large")


@dataclass(frozen=True, slots=True)
class Trace:
    """The types in one run: of each call of the graph by port, and of every layer as it is called.

    `calls` holds the path and the first output of the layers in order, those in containers and
    blocks included.
    """

    outputs: tuple[Mapping[str, TensorType], ...]
    calls: tuple[tuple[str, TensorType], ...]


def propagate(graph: Graph, sizes: Mapping[str, int]) -> Trace:
    """The types in a run with these run-time sizes (``N`` among them).

    Raises `Refusal` where the network can't take the sizes, so that what holds at the sample
    sizes by accident does not pass.
    """
    inputs = [concrete(placeholder.type, sizes) for placeholder in graph.inputs]
    calls: list[tuple[str, TensorType]] = []
    known = _run(graph, inputs, sizes, "", calls)
    return Trace(tuple(known[len(inputs) :]), tuple(calls))


def _run(
    graph: Graph,
    inputs: Sequence[TensorType],
    sizes: Mapping[str, int],
    prefix: str,
    calls: list[tuple[str, TensorType]],
) -> list[Mapping[str, TensorType]]:
    """The outputs of inputs and calls; `prefix` is the path of the module that is run."""
    values = {**graph.values, **sizes}
    if "N" in sizes:
        values["N"] = Dim.named("N", sizes["N"], runtime=True)
    known: list[Mapping[str, TensorType]] = [{"output": type_} for type_ in inputs]
    for node in graph.nodes:
        reads = [_pick(known, ref) for ref in node.inputs]
        if node.kind == "absent" and node.otherwise is not None:
            reads = [_pick(known, node.otherwise)]
        named = {name: _pick(known, ref) for name, ref in node.named}
        known.append(_call(node, reads, named, values, prefix, calls))
    return known


def _pick(known: Sequence[Mapping[str, TensorType]], ref: Ref) -> TensorType:
    outputs = known[ref.node]
    return outputs[ref.port] if ref.port in outputs else next(iter(outputs.values()))


def _call(
    node: Node,
    inputs: Sequence[TensorType],
    named: Mapping[str, TensorType],
    values: Mapping[str, Any],
    prefix: str,
    calls: list[tuple[str, TensorType]],
) -> Mapping[str, TensorType]:
    """The outputs of a call, all calls of modules in it noted."""
    if node.kind == "absent":
        return {"output": inputs[0]}
    path = _join(prefix, node.target)
    outputs: Mapping[str, TensorType]
    if node.use is not None:
        outputs = _call_block(node.use.graph, inputs, values, path, calls)
    elif node.row is not None:
        outputs = apply(node.row, _settled(node.args, values), inputs, named).outputs
    else:
        for child, numbered in _turns(node, values):
            found = _call(child, inputs, {}, numbered, prefix, calls)
            inputs = (next(iter(found.values())), *inputs[1:])
        return {"output": inputs[0]}
    if node.target.strip(".") and not (node.row and node.row.source):
        calls.append((path, next(iter(outputs.values()))))
    return outputs


def _turns(node: Node, values: Mapping[str, Any]) -> Iterator[tuple[Node, Mapping[str, Any]]]:
    """The calls in a container, with what names stand for there: copies have numbers."""
    for child in node.body:
        if child.kind != "copies":
            yield child, values
        for index, copy in enumerate(child.body if child.kind == "copies" else (), child.start):
            yield copy, {**values, INDEX: index}


def _call_block(
    graph: Graph,
    inputs: Sequence[TensorType],
    values: Mapping[str, Any],
    path: str,
    calls: list[tuple[str, TensorType]],
) -> Mapping[str, TensorType]:
    sizes = {
        symbol.name: int(size)
        for placeholder, type_ in zip(graph.inputs, inputs, strict=True)
        for named, size in zip(placeholder.type.shape, type_.shape, strict=True)
        for symbol in symbols_in(named)
    }
    known = _run(graph, inputs, sizes, path, calls)
    return {
        key if key is not None else str(place): _pick(known, ref)
        for place, (key, ref) in enumerate(graph.outputs)
    }


def _join(prefix: str, target: str) -> str:
    return ".".join(filter(None, (prefix, target.strip("."))))


def _settled(args: Mapping[str, Any], values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Arguments with run-time sizes as the numbers that they have in the run."""
    if not is_runtime(args):
        return args
    return {
        name: rebind(value, values) if is_runtime(value) else value for name, value in args.items()
    }


def concrete(type_: TensorType, sizes: Mapping[str, int]) -> TensorType:
    """An input's type with its run-time sizes put in."""
    shape = []
    for size in type_.shape:
        names = [symbol.name for symbol in symbols_in(size) if symbol.runtime]
        shape.append(sizes[names[0]] if names else int(size))
    return replace(type_, shape=tuple(shape))
