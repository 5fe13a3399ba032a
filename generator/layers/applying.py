"""Applies a layer's row to inputs: the inferred arguments and the output types."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ..symbolic.buffers import Table
from ..symbolic.equality import Meeting, same
from ..symbolic.literals import literal
from ..symbolic.sizes import PLAIN, is_unknown, plain, shape_text, shown, shown_shape
from .base import (
    REQUIRED,
    THIS,
    Args,
    Init,
    Layer,
    Nested,
    Refusal,
    arguments,
    check_dtype,
    nothing_inferred,
    refuse,
)
from .broadcasting import met
from .tensor import TensorType

LARGEST = 2**62  # elements of a tensor: torch counts them in 64 bits
# inputs that the row's `dtypes` say nothing of: positions and conditions have their own types
OTHER_TYPES = frozenset({"condition", "index", "indices", "mask"})


class Applied(Struct, frozen=True):
    """A layer applied to inputs: all its arguments, also as rules read them, and its outputs.

    The `meetings` are pairs of sizes that are equal now, but perhaps not for other arguments.
    """

    args: Mapping[str, Any]
    a: Args
    outputs: Mapping[str, TensorType]
    meetings: tuple[Meeting, ...] = ()


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
    _check_dtypes(row, inputs)
    args, a, meetings = complete(row, written, inputs)
    outputs = _outputs(row, a, inputs, named or {})
    return Applied(args, a, outputs, (*meetings, *met(row, a, inputs, named or {})))


def outputs_of(
    row: Layer, a: Args, inputs: Sequence[TensorType], named: Mapping[str, TensorType]
) -> Mapping[str, TensorType]:
    """The output types of a layer whose arguments are all known, inferred ones too.

    Raises `Refusal` where they don't fit what is read.
    """
    if row.takes_layers and any(isinstance(value, Nested) for value in vars(a).values()):
        return apply(row, vars(a), inputs, named).outputs
    for tensor in inputs:
        if tensor.dtype not in row.dtypes:
            _check_dtypes(row, inputs)
    inferred = row.infer(a, *inputs) if row.infer is not nothing_inferred else {}
    for name, value in inferred.items():
        written = getattr(a, name)
        if written is not None and written != value:
            _check_agrees(name, written, value, inputs[0])
    return _outputs(row, a, inputs, named)


def _check_dtypes(row: Layer, inputs: Sequence[TensorType]) -> None:
    for place, tensor in enumerate(inputs):
        if row.tensors[min(place, len(row.tensors) - 1)] not in OTHER_TYPES:
            check_dtype(row, tensor)


def _outputs(
    row: Layer, a: Args, inputs: Sequence[TensorType], named: Mapping[str, TensorType]
) -> Mapping[str, TensorType]:
    result = row.rule(a, *inputs, **named)
    outputs: Mapping[str, TensorType]
    if isinstance(result, TensorType):
        outputs = {"output": result}
        if not inputs or result.shape is not inputs[0].shape:
            _check_size(row, result)
    else:
        outputs = result
        for tensor in outputs.values():
            _check_size(row, tensor)
    if row.moves and inputs and all(x.bound is not None for x in inputs):
        return _bounded(outputs, inputs)
    return outputs


def _check_size(row: Layer, tensor: TensorType) -> None:
    """Raise `Refusal` for a tensor of more elements than torch can count."""
    if math.prod(map(int, tensor.shape)) > LARGEST:
        refuse(f"`{row.name}` would give a tensor of {tensor.text}: too large")


def _bounded(
    outputs: Mapping[str, TensorType], inputs: Sequence[TensorType]
) -> Mapping[str, TensorType]:
    """The outputs with the bound of the positions that they are made of."""
    bound = max(x.bound for x in inputs if x.bound is not None)
    return {port: replace(y, bound=bound) for port, y in outputs.items()}


def complete(
    row: Layer,
    written: Mapping[str, Any],
    inputs: Sequence[TensorType],
) -> tuple[dict[str, Any], Args, list[Meeting]]:
    """All arguments in torch's order (written, inferred, defaults), and meetings of numbers.

    The arguments also come in the form that rules read.

    A meeting is a written and an inferred number that are equal, but not as expressions. Raises
    `Refusal`.
    """
    args: dict[str, Any] = {}
    meetings: list[Meeting] = []
    for arg in (*row.args, *row.options):
        value = written.get(arg.name, None if arg.default is REQUIRED else arg.default)
        if arg.kind.module and isinstance(value, Nested):
            value, more = _complete_nested(value, [inputs[place] for place in arg.reads])
            meetings += more
        args[arg.name] = value
    a = arguments(args)
    inferred = row.infer(a, *inputs) if row.infer is not nothing_inferred else {}
    for name, value in inferred.items():
        if name in written and written[name] is not None:
            meetings += _check_agrees(name, plain(written[name]), value, inputs[0])
        else:
            args[name] = value
            setattr(a, name, plain(value))
    for arg in row.args:
        if arg.inferred and args[arg.name] is None and arg.default is REQUIRED:
            refuse(f"`{row.name}` can't work out `{arg.name}` from {inputs[0]}")
    _check_runtime(row, args, inputs)
    return args, a, meetings


def _complete_nested(module: Nested, inputs: Sequence[TensorType]) -> tuple[Nested, list[Meeting]]:
    inputs = inputs[: len(module.row.tensors)]
    if len(inputs) < len(module.row.tensors):
        refuse(f"`{module.row.name}` reads {len(module.row.tensors)} tensors and can't stand here")
    args, _, meetings = complete(module.row, module.args, inputs)
    return Nested(module.row, args), meetings


def _check_agrees(name: str, written: Any, found: Any, x: TensorType) -> list[Meeting]:
    """Raise `Refusal` if two numbers differ; else the pairs that are not equal as expressions."""
    if written == found:
        sides = (_as_tuple(written), _as_tuple(found))
        loose = [pair for pair in zip(*sides, strict=True) if None not in pair and not same(*pair)]
        if not is_unknown(loose):
            return [Meeting(*pair) for pair in loose]
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
    """Raise `Refusal` for a module's argument that depends on run-time sizes.

    A module is made before the network runs. An operation's arguments may depend on such sizes:
    they are evaluated in ``forward``.
    """
    for arg in () if row.operation or row.fresh else row.args:
        value = args[arg.name]
        if type(value) in PLAIN:
            continue
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
    if isinstance(value, Init):
        return value.source("tensor")
    return value.code if isinstance(value, Table) else literal(value)
