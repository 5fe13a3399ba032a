"""Shapes: what a layer infers from its inputs, and what it gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .graph import Graph, Node, Ref
from .layers.base import (
    REQUIRED,
    Args,
    Layer,
    Nested,
    Refusal,
    TensorType,
    arguments,
    check_dtype,
    refuse,
)
from .sizes import is_runtime, plain, shape_text, shown, symbols_in


@dataclass(frozen=True, slots=True)
class Applied:
    """A layer applied to inputs: all its arguments, and its outputs by port."""

    args: Mapping[str, Any]
    outputs: Mapping[str, TensorType]

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
    for tensor, name in zip(inputs, row.tensors, strict=True):
        if name != "indices":
            check_dtype(row, tensor)
    named = named or {}
    args = complete(row, written, inputs)
    result = row.rule(arguments(args), *inputs, **named)
    outputs = {"output": result} if isinstance(result, TensorType) else result
    for tensor in outputs.values():
        _check_sizes(row, tensor)
    return Applied(args, outputs)


def complete(
    row: Layer,
    written: Mapping[str, Any],
    inputs: Sequence[TensorType],
) -> dict[str, Any]:
    """The written arguments, the inferred ones and the defaults, in torch's order."""
    args: dict[str, Any] = {}
    for arg in (*row.args, *row.options):
        value = written.get(arg.name, None if arg.default is REQUIRED else arg.default)
        if arg.kind.module and isinstance(value, Nested):
            value = _complete_nested(value, [inputs[place] for place in arg.reads])
        args[arg.name] = value
    inferred = row.infer(arguments(args), *inputs)
    for name, value in inferred.items():
        if name in written and written[name] is not None:
            _check_agrees(name, plain(written[name]), value)
        else:
            args[name] = value
    for arg in row.args:
        if arg.inferred and args[arg.name] is None and arg.default is REQUIRED:
            refuse(f"`{row.name}` can't work out `{arg.name}` from {inputs[0]}")
    _check_runtime(row, args)
    return args


def _complete_nested(module: Nested, inputs: Sequence[TensorType]) -> Nested:
    inputs = inputs[: len(module.row.tensors)]
    if len(inputs) < len(module.row.tensors):
        refuse(f"`{module.row.name}` reads {len(module.row.tensors)} tensors and can't stand here")
    return Nested(module.row, complete(module.row, module.args, inputs))


def _check_agrees(name: str, written: Any, found: Any) -> None:
    if written == found:
        return
    given, reads = (
        shape_text(value) if isinstance(value, tuple) else shown(value) if value else "null"
        for value in (written, found)
    )
    help = f"leave `{name}` out: netgen fills it in"
    raise Refusal(f"`{name}` is {given}, but what is read makes it {reads}", name, help)


def _check_runtime(row: Layer, args: Mapping[str, Any]) -> None:
    """A module is built before the network runs: its arguments can't depend on run-time sizes."""
    for arg in row.args:
        values = args[arg.name] if isinstance(args[arg.name], tuple) else (args[arg.name],)
        for value in values:
            if is_runtime(value):
                refuse(
                    f"`{arg.name}` would be {shown(value)}, which is known only at run time",
                    arg.name,
                    "give the input's shape in numbers, or pool to a fixed size first",
                )


def _check_sizes(row: Layer, tensor: TensorType) -> None:
    if tensor.numel > 2**62:
        refuse(f"`{row.name}` would give a tensor of {shape_text(tensor.shape)}: too large")


def propagate(graph: Graph, sizes: Mapping[str, int]) -> dict[str, Mapping[str, TensorType]]:
    """The output types of every call by its name, with these run-time sizes (``N`` among them).

    Raises `Refusal` where the network can't take the sizes, so that what holds at the sample
    sizes by accident does not pass.
    """
    known: list[Mapping[str, TensorType]] = [
        {"output": concrete(placeholder.type, sizes)} for placeholder in graph.inputs
    ]
    found: dict[str, Mapping[str, TensorType]] = {}
    for place, node in enumerate(graph.nodes):
        inputs = [_pick(known, ref) for ref in node.inputs]
        named = {name: _pick(known, ref) for name, ref in node.named}
        known.append(_call(node, inputs, named, found))
        # calls of one attribute bear one name: their place tells them apart
        found[f"{place}"] = known[-1]
    return found


def _pick(known: Sequence[Mapping[str, TensorType]], ref: Ref) -> TensorType:
    outputs = known[ref.node]
    return outputs[ref.port] if ref.port in outputs else next(iter(outputs.values()))


def _call(
    node: Node,
    inputs: Sequence[TensorType],
    named: Mapping[str, TensorType],
    found: dict[str, Mapping[str, TensorType]],
) -> Mapping[str, TensorType]:
    if node.row is not None:
        return apply(node.row, node.args, inputs, named).outputs
    through = inputs[0]
    for child in node.body:
        outputs = _call(child, [through], {}, found)
        if child.row is not None:
            found[child.target] = outputs
        through = next(iter(outputs.values()))
    return {"output": through}


def concrete(type_: TensorType, sizes: Mapping[str, int]) -> TensorType:
    """An input's type with its run-time sizes put in."""
    shape = []
    for size in type_.shape:
        names = [symbol.name for symbol in symbols_in(size) if symbol.runtime]
        shape.append(sizes[names[0]] if names else int(size))
    return replace(type_, shape=tuple(shape))
