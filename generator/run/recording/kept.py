"""Which classes of a network its spec keeps as they are."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from torch import nn

from ...symbolic.names import is_identifier
from .construction import Unloadable
from .modules import Keep, inside_of_kept
from .names import name_in_python
from .recorded import Enter, ModuleCall, Recording


def kept_types(network: nn.Module, names: Sequence[str]) -> Keep:
    """The full names of the classes that are called so; raises `Unloadable`."""
    types = {name_in_python(type(module)): type(module) for module in network.modules()}
    found: set[str] = set()
    for name in names:
        own = [path for path in types if name in (path, path.rpartition(".")[2])]
        if not own:
            known = sorted(path for path in types if not path.startswith("torch."))
            text = ", ".join(f"`{path.rpartition('.')[2]}`" for path in known[:12])
            message = f"the network has no module of a class `{name}`"
            raise Unloadable(message, f"it has {text}" if text else "", code="NG707")
        for path in own:
            _check(path, types[path])
        found |= {*own}
    if name_in_python(type(network)) in found:
        message = f"`{type(network).__name__}` is the network itself: nothing would be left of it"
        raise Unloadable(message, code="NG707")
    return frozenset(found)


def _check(path: str, class_: type[nn.Module]) -> None:
    """Refuse a class that a spec can't import by its name."""
    module, _, name = path.rpartition(".")
    there = getattr(sys.modules.get(module), name, None) is class_
    if module == "__main__" or not there or not all(map(is_identifier, path.split("."))):
        message = f"`{path}` can't be kept: no module has it under that name"
        help = "a spec imports classes by `package.module.Class`: put it at the top of a module"
        raise Unloadable(message, help, code="NG707")


def check_inside(network: nn.Module, keep: Keep, recording: Recording) -> None:
    """Refuse calls of what is inside of a module that is kept; raises `Unloadable`."""
    inside = inside_of_kept(network, keep)
    for event in recording.events:
        if isinstance(event, (Enter, ModuleCall)) and event.path not in recording.by_path:
            owner = next(path for path in inside if event.path.startswith(path))
            message = f"`{event.path}` is called by itself, and is a part of `{owner[:-1]}`"
            raise Unloadable(f"{message}, which is kept", code="NG707")
