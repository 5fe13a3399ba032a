"""What a person may write for a block."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct, field

from ..diagnostics.diagnostics import Diagnostic, Findings, NetgenError, SpecPath, printable
from ..symbolic.names import HELPERS, NN_CLASSES, why_no_class, why_no_variable
from .spec import CHAIN_DECLARES, COMMON_KEYS, RESERVED, Reading, validate


class BlockSpec(Struct, frozen=True):
    """A block: what becomes a class of its own."""

    layers: Annotated[list[Any], Meta(min_length=1, description="The block's layers, in order.")]
    description: Annotated[str | None, Meta(description="The docstring of the class.")] = None
    params: Annotated[
        dict[str, Any], Meta(description="Names with `required`, defaults, or `{default, doc}`.")
    ] = {}
    inputs: Annotated[
        list[str],
        Meta(description="Names, for a block that reads several tensors; `[]`: it reads nothing."),
    ] = field(default_factory=lambda: ["input"])
    outputs: Annotated[
        list[str] | dict[str, str] | None,
        Meta(
            description="References: a list gives the ports 0, 1 and so on, a mapping named ones."
        ),
    ] = None
    declare: Annotated[
        list[str], Meta(description="Layers by name that `__init__` makes first, in this order.")
    ] = []
    sequential: Annotated[bool, Meta(description="True: the class is an `nn.Sequential`.")] = False


def read_blocks(reading: Reading, findings: Findings) -> dict[str, BlockSpec]:
    """The blocks by name; those with mistakes are reported and left out."""
    blocks: dict[str, BlockSpec] = {}
    for name, raw in reading.document.blocks.items():
        with findings.collecting():
            blocks[name] = _read_block(reading, name, raw)
    return blocks


def _read_block(reading: Reading, name: str, raw: Any) -> BlockSpec:
    path: SpecPath = ("blocks", name)
    source = reading.source
    reason = _why_no_block(name, reading.document.name)
    if reason:
        message = f"`{printable(name)}` {reason}"
        raise NetgenError(Diagnostic("NG205", message, source.locate(path, key=True)))
    block = validate(BlockSpec, raw, source, path)
    for parameter in block.params:
        if parameter in COMMON_KEYS:
            message = f"`{parameter}` is a key of every layer, so no parameter can have this name"
            location = source.locate((*path, "params", parameter), key=True)
            raise NetgenError(Diagnostic("NG205", message, location))
    for place, variable in enumerate(block.inputs):
        reason = None if variable == "input" else why_no_variable(variable)
        if reason or block.inputs.count(variable) > 1:
            message = f"`{printable(variable)}` {reason or 'is given twice'}"
            location = source.locate((*path, "inputs", place))
            raise NetgenError(Diagnostic("NG205", message, location))
    if block.sequential and not block.inputs:
        message = "an `nn.Sequential` reads one tensor, but this block reads nothing"
        raise NetgenError(Diagnostic("NG210", message, source.locate((*path, "sequential"))))
    if block.sequential and block.declare:
        where = source.locate((*path, "declare"), key=True)
        raise NetgenError(Diagnostic("NG210", CHAIN_DECLARES, where))
    return block


def _why_no_block(name: str, network: str) -> str | None:
    """Why a block can't have this name, or ``None``; an operation's name is allowed."""
    if name in RESERVED:
        return "is part of the language"
    if name in NN_CLASSES:
        return "is a class of `torch.nn`"
    reason = None if name in HELPERS else why_no_class(name)
    return reason or ("is the network's own name" if name == network else None)
