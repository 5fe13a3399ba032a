"""Networks from where their code stands, and the arguments that each module was made with."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from torch import nn

from .initial import Draws, remember

_made: WeakKeyDictionary[nn.Module, tuple[tuple[Any, ...], dict[str, Any]]] = WeakKeyDictionary()


class Unloadable(Exception):
    """The code or the file gives no network, or not its weights; the text says why."""

    def __init__(self, message: str, help: str = "", *, code: str = "NG701") -> None:
        super().__init__(message)
        self.help = help
        self.code = code


class Unsayable:
    """What stands for an argument that no spec can say."""

    __slots__ = ("why",)

    def __init__(self, why: str) -> None:
        self.why = why

    def __repr__(self) -> str:
        return self.why


def watch_constructors() -> None:
    """Note down from now on with what every module is made, in the order of `__init__`."""

    def noted(class_: type[nn.Module], *args: Any, **named: Any) -> nn.Module:
        module: nn.Module = object.__new__(class_)
        # lists are copied: a constructor may take its arguments apart
        kept = tuple([*x] if type(x) is list else x for x in args)
        _made[module] = (kept, dict(named))
        return module

    # called on a module, too, by what copies it: then it must not get the module first
    nn.Module.__new__ = staticmethod(noted)  # type: ignore[method-assign, assignment]


def forget(network: nn.Module) -> None:
    """Take what was seen of the network's constructors as not seen: they were not called."""
    for module in network.modules():
        _made.pop(module, None)


def made_with(module: nn.Module) -> dict[str, Any]:
    """The arguments of the module's `__init__`, defaults included; empty if they were not seen."""
    if module not in _made:
        return {}
    args, named = _made[module]
    try:
        bound = inspect.signature(type(module).__init__).bind(module, *args, **named)
    except (TypeError, ValueError):
        return {}
    bound.apply_defaults()
    kinds = inspect.signature(type(module).__init__).parameters
    found: dict[str, Any] = {}
    for name, value in [*bound.arguments.items()][1:]:
        if kinds[name].kind is inspect.Parameter.VAR_KEYWORD:
            found |= value
        else:
            found[name] = value
    return found


def guessed(module: nn.Module) -> dict[str, Any]:
    """What a module may have been made with: the attributes called as arguments of its `__init__`.

    Many classes keep their arguments so. Whether they changed them before is not known.
    """
    names = [*inspect.signature(type(module).__init__).parameters][1:]
    plain = (bool, int, float, str, tuple, list, type(None), type, nn.Module)
    found = {name: getattr(module, name) for name in names if hasattr(module, name)}
    return {name: value for name, value in found.items() if isinstance(value, plain)}


def usual(module: nn.Module, arguments: Mapping[str, Any]) -> Iterator[str]:
    """The names of those arguments of a module's `__init__` that are the default."""
    for name, one in inspect.signature(type(module).__init__).parameters.items():
        if name in arguments:
            value, default = arguments[name], one.default
            plain = isinstance(value, (bool, int, float, str, tuple, list))
            if value is default or (plain and type(value) is type(default) and value == default):
                yield name


def unseen(module: nn.Module, arguments: Mapping[str, Any]) -> Iterator[str]:
    """The names of what a module's `__init__` needs, and that is not among its arguments."""
    for name, one in [*inspect.signature(type(module).__init__).parameters.items()][1:]:
        needed = one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL) and one.default is one.empty
        if needed and name not in arguments:
            yield name


def sayable(module: nn.Module, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a module that is kept, each by its name; `Unsayable` for what has none."""
    found: dict[str, Any] = {}
    known = inspect.signature(type(module).__init__).parameters
    for name, one in [*known.items()][1:]:
        if one.kind is one.VAR_POSITIONAL:
            if arguments.get(name):
                found[name] = Unsayable(f"what stands behind `*{name}`")
        elif name in arguments:
            found[name] = arguments[name]
        elif one.default is one.empty and one.kind is not one.VAR_KEYWORD:
            found[name] = Unsayable("a value that was not seen")
    more = {name: Unsayable("what stands behind `**`") for name in arguments if name not in known}
    return {**found, **more}


def construct(module: str, name: str, args: Mapping[str, Any]) -> nn.Module:
    """The network that a callable gives; `module` is a module's name, or the path of a file.

    Raises `Unloadable`, and whatever the code raises.
    """
    with Draws() as draws:
        space = _from_file(Path(module)) if module.endswith(".py") else import_module(module)
        maker: Any = space
        for part in name.split("."):
            if not hasattr(maker, part):
                raise Unloadable(f"`{module}` has no `{name}`")
            maker = getattr(maker, part)
        network = maker if isinstance(maker, nn.Module) else _called(maker, name, args)
    if not isinstance(network, nn.Module):
        raise Unloadable(f"`{name}` gives a {type(network).__name__}, and no `nn.Module`")
    remember(network, draws)
    return network


def _called(maker: Callable[..., Any], name: str, args: Mapping[str, Any]) -> Any:
    if not callable(maker):
        raise Unloadable(f"`{name}` is a {type(maker).__name__}, which can't be called")
    return maker(**args)


def _from_file(path: Path) -> Any:
    known = sys.modules.get(path.stem)
    if getattr(known, "__file__", None) == str(path):
        return known  # its classes are those that there are
    spec = spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise Unloadable(f"`{path}` can't be imported")
    module = module_from_spec(spec)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[path.stem]
        raise
    return module
