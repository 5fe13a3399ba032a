"""Classes that a network keeps as they are: custom layers, which its spec imports."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ..layers import TYPES
from ..layers.base import Layer, Weight, refuse
from ..run.recording.recorded import (
    Enter,
    Fields,
    Held,
    Items,
    Leave,
    Module,
    ModuleCall,
    Part,
    Recording,
    Tree,
    Value,
    Word,
)
from ..spec.spec import RESERVED
from ..symbolic.names import why_no_class
from .steps import Inexpressible, Step


def _rule(*_: object) -> Any:
    refuse("only the class itself knows")


def _weights(_: object) -> Sequence[Weight]:
    return ()  # only the class itself knows


# what is known of all of them; their types are the full names of the classes
KEPT = Layer(name="", stem="layer", rule=_rule, weights=_weights)


def row_of(type: str) -> Layer:
    """The row of a type of layer, those that are kept included."""
    return KEPT if "." in type else TYPES[type]


def kept_step(call: ModuleCall, recording: Recording) -> Step:
    """The step of a call of a module that is kept; raises `Inexpressible`."""
    module = recording.by_path[call.path]
    arguments = _arguments(module, recording)
    defaults = dict(module.defaults)
    reads: list[Value | Held] = []
    for name, value in call.named:
        if name in defaults and value == defaults[name]:
            continue
        if not isinstance(value, (Value, Held)):
            raise Inexpressible(f"with a `{name}` that is no tensor")
        if name in defaults:
            arguments[name] = value
        else:
            reads.append(value)
    if not reads:
        raise Inexpressible("with no tensor")
    if not isinstance(call.result, Value):
        raise Inexpressible("for what is not one tensor")
    gives = (call.result.number,)
    return Step(module.type, tuple(reads), gives, arguments, call.path, call.source)


def _arguments(module: Module, recording: Recording) -> dict[str, Any]:
    """The arguments of a module's constructor that are not the default in each of its class."""
    same = [one for one in recording.modules if one.type == module.type]
    names = {name for one in same for name, _ in one.arguments if name not in one.usual}
    return {name: _word(name, value) for name, value in module.arguments if name in names}


def _word(name: str, value: Tree) -> Any:
    """An argument of a custom layer; raises `Inexpressible` for one that is no plain value."""
    if isinstance(value, Items):
        return [_word(name, item) for item in value.items]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    kinds: Mapping[type, str] = {Part: "a module", Fields: "a mapping"}
    what = kinds.get(type(value), f"a {type(value).__name__.lower()}")
    if isinstance(value, Word):  # the name of what it is, or words for it
        what = value.text if " " in value.text else f"`{value.text}`"
    raise Inexpressible(f"made with {what} for `{name}`")


def with_imports(spec: dict[str, Any], recording: Recording) -> dict[str, Any]:
    """A spec in which classes that are kept have names, and are imported by these."""
    blocks = spec.get("blocks", {})
    lists = [spec["layers"], *(block["layers"] for block in blocks.values())]
    types = dict.fromkeys(type for layers in lists for type in _types(layers) if "." in type)
    if not types:
        return spec
    taken = {spec["name"], *blocks, *spec.get("params", ())}
    names: Names = {}
    for type in types:
        others = {name for name, _ in names.values()}
        name = _free(type.rpartition(".")[2], {*taken, *others})
        names[type] = (name, _defaults(type, recording))
    found: dict[str, Any] = {}
    for key, value in spec.items():
        if key in ("params", "blocks", "sequential", "declare", "layers"):
            found.setdefault("imports", {name: type for type, (name, _) in names.items()})
        found[key] = value
    found["layers"] = _renamed(spec["layers"], names)
    if blocks:
        found["blocks"] = {
            name: {**block, "layers": _renamed(block["layers"], names)}
            for name, block in blocks.items()
        }
    return found


Names = dict[str, tuple[str, Mapping[str, Any]]]  # with the defaults of the class's arguments


def _defaults(type: str, recording: Recording) -> dict[str, Any]:
    """The defaults of a class's arguments, as far as they are known and plain."""
    own = [one for one in recording.modules if one.type == type]
    return {
        name: _word(name, value)
        for one in own
        for name, value in one.arguments
        if name in one.usual and _is_plain(value)
    }


def _types(layers: Sequence[Any]) -> list[str]:
    """The types of a list of layers, in order."""
    found = []
    for layer in layers:
        type, value = _parts(layer)
        found.append(type)
        if isinstance(value, Mapping):
            found += _types(value.get("layers", ()))
    return found


def _parts(layer: Any) -> tuple[str, Any]:
    """The type of an item of `layers`, and its arguments."""
    return (layer, None) if isinstance(layer, str) else next(iter(layer.items()))


def _renamed(layers: Sequence[Any], names: Names) -> list[Any]:
    """Items of `layers` in which classes that are kept have their names, and no defaults."""
    found: list[Any] = []
    for layer in layers:
        type, value = _parts(layer)
        if isinstance(value, Mapping) and "layers" in value:
            value = {**value, "layers": _renamed(value["layers"], names)}
        if type in names:
            type, defaults = names[type]
            given = (value or {}).items()
            # 1, 1.0 and true are other values
            value = {n: x for n, x in given if n not in defaults or repr(x) != repr(defaults[n])}
        found.append({type: value} if value else type)
    return found


def _free(stem: str, taken: Collection[str]) -> str:
    """A name for an imported class that nothing has."""
    stem = stem.strip("_") or "Layer"
    stem = stem[0].upper() + stem[1:]
    if stem in TYPES or stem in RESERVED or why_no_class(stem):
        stem += "Layer"
    name, number = stem, 1
    while name in taken:
        number += 1
        name = f"{stem}{number}"
    return name


def _is_plain(value: Tree) -> bool:
    inner = isinstance(value, Items) and all(map(_is_plain, value.items))
    return inner or value is None or isinstance(value, (bool, int, float, str))


def way_out(recording: Recording, path: str, option: str) -> str | None:
    """How the class of the innermost module around a path that may be kept is kept.

    The `option` has `{}` for the name of the class. If no argument but one that nobody has seen is
    in the way, that is told.
    """
    outer = path
    while outer:
        module = recording.by_path.get(outer)
        if module is not None and _may_be_kept(module, recording):
            return f"`{option.format(module.class_name)}` keeps it as a custom layer"
        outer = outer.rpartition(".")[0]
    inner = recording.by_path.get(path)
    if inner is not None and not path and inner.type.startswith("torch.nn.modules."):
        return "put it into an `nn.Sequential`, or a module of your own: then it is a layer"
    if inner is None or not inner.unseen:
        return None
    what = "".join(f", self.{name} = {name}" for name in inner.unseen).removeprefix(", ")
    return f"`{inner.class_name}` may be kept where its `__init__` says `{what}`"


def _may_be_kept(module: Module, recording: Recording) -> bool:
    """Whether a module is called with tensors, gives one, and was made with plain values."""
    if module.layer or module.unseen or module.type.startswith("torch."):
        return False
    if "<locals>" in module.type:
        return False
    defaults = dict(module.defaults)
    calls = [event for event in recording.events if isinstance(event, (Enter, Leave))]
    for event in (event for event in calls if event.path == module.path):
        if isinstance(event, Enter):
            named = [*zip(module.reads, event.args, strict=False), *event.named]
            others = [x for name, x in named if name not in defaults or x != defaults[name]]
            if not others or not all(isinstance(x, (Value, Held)) for x in others):
                return False
        elif not isinstance(event.result, Value):
            return False
    try:
        _arguments(module, recording)
    except Inexpressible:
        return False
    return True
