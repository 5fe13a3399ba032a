"""Shapes: what a layer infers from its inputs, and what it gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .algebra import Symbol
from .expressions import Budget, evaluate
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
from .literals import literal
from .sizes import is_runtime, named_by, plain, same, shape_text, shown, symbols_in

# tensors of positions and conditions have types of their own
OTHER_TYPES = frozenset({"condition", "index", "indices", "mask"})


@dataclass(frozen=True, slots=True)
class Applied:
    """A layer applied to inputs: all its arguments, and its outputs by port.

    `pinned` are the names that must keep their values for what was written to agree.
    """

    args: Mapping[str, Any]
    outputs: Mapping[str, TensorType]
    pinned: frozenset[Symbol] = frozenset()

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
    args, pinned = complete(row, written, inputs)
    result = row.rule(arguments(args), *inputs, **named)
    outputs = {"output": result} if isinstance(result, TensorType) else result
    for tensor in outputs.values():
        _check_sizes(row, tensor)
    return Applied(args, outputs, pinned)


def complete(
    row: Layer,
    written: Mapping[str, Any],
    inputs: Sequence[TensorType],
) -> tuple[dict[str, Any], frozenset[Symbol]]:
    """The written arguments, the inferred ones and the defaults, in torch's order.

    Beside them the names on whose values the agreement of written and inferred numbers hangs.
    """
    args: dict[str, Any] = {}
    pinned: frozenset[Symbol] = frozenset()
    for arg in (*row.args, *row.options):
        value = written.get(arg.name, None if arg.default is REQUIRED else arg.default)
        if arg.kind.module and isinstance(value, Nested):
            value, more = _complete_nested(value, [inputs[place] for place in arg.reads])
            pinned |= more
        args[arg.name] = value
    inferred = row.infer(arguments(args), *inputs)
    for name, value in inferred.items():
        if name in written and written[name] is not None:
            pinned |= _check_agrees(name, plain(written[name]), value)
        else:
            args[name] = value
    for arg in row.args:
        if arg.inferred and args[arg.name] is None and arg.default is REQUIRED:
            refuse(f"`{row.name}` can't work out `{arg.name}` from {inputs[0]}")
    _check_runtime(row, args, inputs)
    return args, pinned


def _complete_nested(
    module: Nested, inputs: Sequence[TensorType]
) -> tuple[Nested, frozenset[Symbol]]:
    inputs = inputs[: len(module.row.tensors)]
    if len(inputs) < len(module.row.tensors):
        refuse(f"`{module.row.name}` reads {len(module.row.tensors)} tensors and can't stand here")
    args, pinned = complete(module.row, module.args, inputs)
    return Nested(module.row, args), pinned


def _check_agrees(name: str, written: Any, found: Any) -> frozenset[Symbol]:
    """Refuse two numbers that differ; the names that must not change for them to be equal."""
    if written == found:
        sides = (_as_tuple(written), _as_tuple(found))
        loose = [pair for pair in zip(*sides, strict=True) if None not in pair and not same(*pair)]
        if not is_runtime(loose):
            return symbols_in(loose)
    given, reads = (
        shape_text(value) if isinstance(value, tuple) else shown(value) if value else "null"
        for value in (written, found)
    )
    help = f"leave `{name}` out: netgen fills it in"
    raise Refusal(f"`{name}` is {given}, but what is read makes it {reads}", name, help)


def _as_tuple(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _check_runtime(row: Layer, args: Mapping[str, Any], inputs: Sequence[TensorType]) -> None:
    """A module is built before the network runs: its arguments can't depend on run-time sizes.

    An operation's can, where they are sizes of what it reads itself.
    """
    if row.operation:
        own = {symbol for x in inputs for size in x.shape for symbol in named_by(size)}
        for arg in row.args:
            for symbol in symbols_in(args[arg.name]):
                if symbol.runtime and symbol not in own:
                    message = f"`{arg.name}` depends on `{symbol.name}`, no size of {inputs[0]}"
                    refuse(message, arg.name)
        return
    for arg in row.args:
        value = args[arg.name]
        if not isinstance(value, Nested) and is_runtime(value):
            text = shape_text(value) if isinstance(value, tuple) else literal(value)
            refuse(
                f"`{arg.name}` would be {text}, which is known only at run time",
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
        known.append(_call(node, inputs, named, sizes, found))
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
    sizes: Mapping[str, int],
    found: dict[str, Mapping[str, TensorType]],
) -> Mapping[str, TensorType]:
    if node.row is not None:
        return apply(node.row, _settled(node.args, sizes), inputs, named).outputs
    through = inputs[0]
    for child in node.body:
        outputs = _call(child, [through], {}, sizes, found)
        if child.row is not None:
            found[child.target] = outputs
        through = next(iter(outputs.values()))
    return {"output": through}


def _settled(args: Mapping[str, Any], sizes: Mapping[str, int]) -> Mapping[str, Any]:
    """Arguments with run-time sizes as the numbers that they have in the run."""
    if not is_runtime(args):
        return args
    names = _Sizes(sizes)
    return {
        name: tuple(names.settle(item) for item in value)
        if isinstance(value, tuple)
        else names.settle(value)
        for name, value in args.items()
    }


@dataclass(frozen=True, slots=True)
class _Sizes:
    """An expression's view of run-time sizes alone."""

    sizes: Mapping[str, int]

    def settle(self, value: Any) -> Any:
        return evaluate(literal(value), self, Budget()) if is_runtime(value) else value

    def value(self, name: str) -> Any:
        return self.sizes[name]

    def shape(self, reference: str) -> Sequence[Any]:
        raise AssertionError("sizes hold no references")

    def pin(self, symbols: frozenset[Symbol]) -> None:
        raise AssertionError("numbers pin nothing")


def concrete(type_: TensorType, sizes: Mapping[str, int]) -> TensorType:
    """An input's type with its run-time sizes put in."""
    shape = []
    for size in type_.shape:
        names = [symbol.name for symbol in symbols_in(size) if symbol.runtime]
        shape.append(sizes[names[0]] if names else int(size))
    return replace(type_, shape=tuple(shape))
