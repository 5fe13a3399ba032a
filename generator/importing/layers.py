"""A recorded call of a layer as a step: its arguments without defaults and what is inferred."""

from __future__ import annotations

from typing import Any

from ..layers import TYPES
from ..layers.base import REQUIRED, Layer, is_default
from ..run.recording.recorded import (
    Fields,
    Held,
    Items,
    Module,
    ModuleCall,
    Recording,
    Tree,
    Value,
    Word,
)
from .kept import kept_step
from .steps import Inexpressible, Step, tensors_of

# arguments that are written as one number where all their numbers are the same
_SHORT = frozenset(
    """kernel_size stride padding dilation output_padding output_size scale_factor
    upscale_factor""".split()
)


def layer_step(call: ModuleCall, recording: Recording) -> Step:
    """The step of a layer's call; raises `Inexpressible`."""
    module = recording.by_path[call.path]
    if "." in module.layer:
        return kept_step(call, recording)
    row = TYPES[module.layer]
    arguments = layer_arguments(module)
    named = {name: value for name, value in call.named if value is not None}
    reads: list[Value | Held] = []
    for name in row.tensors:
        if name in named:
            reads += tensors_of(named.pop(name))
    if not reads and named:  # a class of its own calls it otherwise
        reads += tensors_of(named.pop(next(iter(named))))
    for name, value in named.items():
        found = [*tensors_of(value)]
        if name in row.optional_tensors and len(found) == 1:
            arguments[name] = found[0]
        elif name == "hx":
            reads += found
        elif name in row.known:
            if not is_default(row.arg(name), plain(value)):
                arguments[name] = plain(value)
        elif value is not False:
            raise Inexpressible(f"with `{name}`")
    if not reads:
        raise Inexpressible("with no tensor")
    if len({*reads}) == 1 and len(reads) > 1 and row.fills:
        reads = reads[:1]
    elif len(reads) == 3 and row.fills and reads[1] == reads[2]:
        reads = reads[:2]
    return Step(module.layer, tuple(reads), _gives(call.result), arguments, call.path, call.source)


def _gives(result: Tree) -> tuple[int, ...]:
    """The numbers of what a layer gives, in the order of its ports; -1 for what is not there."""
    if isinstance(result, Value):
        return (result.number,)
    if isinstance(result, Items):
        return tuple(number for item in result.items for number in _gives(item))
    return (-1,)


def layer_arguments(module: Module) -> dict[str, Any]:
    """The arguments of a layer that a person writes: none that is a default or inferred."""
    row = TYPES[module.layer]
    settings = dict(module.settings)
    found: dict[str, Any] = {}
    for arg in row.args:
        if arg.name not in settings:
            continue
        value = plain(settings[arg.name])
        if arg.inferred:
            several = isinstance(value, list) and len(value) > 1
            if several:
                found[arg.name] = value
            continue
        value = shortened(arg.name, value)
        if arg.default is REQUIRED or not is_default(arg, value):
            found[arg.name] = value
    if "parametrize" in settings:
        ways = plain(settings["parametrize"])
        found["parametrize"] = ways["weight"] if [*ways] == ["weight"] else ways
    return without_echo(row, found)


def without_echo(row: Layer, found: dict[str, Any]) -> dict[str, Any]:
    """Arguments without a stride that is the kernel's size, where torch has this by default."""
    if "stride" in found and row.arg("stride").default is None:
        size = found.get("kernel_size")
        if found["stride"] == size or found["stride"] is None:
            del found["stride"]
    return found


def shortened(name: str, value: Any) -> Any:
    """A value as one number, where it is a list of equal ones that may be one."""
    if name in _SHORT and isinstance(value, list) and len({*map(str, value)}) == 1:
        return value[0]
    return value


def plain(value: Tree) -> Any:
    """An argument as a spec has it; raises `Inexpressible` for what it has no word for."""
    if isinstance(value, Items):
        return [plain(item) for item in value.items]
    if isinstance(value, Fields):
        return {name: plain(item) for name, item in value.items}
    if isinstance(value, Word):  # a function, such as an activation, by its name
        return value.text.rpartition(".")[2]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise Inexpressible("with an argument that a spec has no word for")
