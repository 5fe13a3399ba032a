"""A network that is an `nn.Sequential` itself: a document with ``sequential: true``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..run.recording.recorded import FunctionCall, ModuleCall, Recording, Value
from .layers import layer_step
from .spec_text import item
from .steps import Step


def is_chain(recording: Recording) -> bool:
    """Whether a network is an `nn.Sequential` of layers, and of others like it."""
    modules = recording.modules
    chains = {m.path for m in modules if m.is_sequential}
    calls = [x for x in recording.events if isinstance(x, (ModuleCall, FunctionCall))]
    return (
        all(m.is_sequential or m.layer for m in modules)
        and modules[0].is_sequential
        and not any(m.others for m in modules)
        and [x.path for x in calls if isinstance(x, ModuleCall)]
        == [m.path for m in modules if m.layer]
        and len(calls) == sum(bool(m.layer) for m in modules)
        and recording.output == calls[-1].result
        and isinstance(recording.output, Value)
        and not any(key.rpartition(".")[0] in chains for key in recording.keys)
    )


def chain_layers(recording: Recording) -> list[Any]:
    """The items of a chain; raises `Inexpressible`."""
    steps = {
        call.path: layer_step(call, recording)
        for call in recording.events
        if isinstance(call, ModuleCall)
    }
    return _children(recording, "", steps)


def _children(recording: Recording, path: str, steps: Mapping[str, Step]) -> list[Any]:
    before = f"{path}." if path else ""
    found: list[Any] = []
    for module in recording.modules:
        key = module.path.removeprefix(before)
        if not key or "." in key or not module.path.startswith(before) or module.path == path:
            continue
        named = {} if key == str(len(found)) else {"name": key}
        if module.layer:
            found.append(item(module.layer, {**named, **steps[module.path].arguments}))
        else:
            layers = _children(recording, module.path, steps)
            found.append({"Sequential": {**named, "layers": layers}})
    return found
