"""A spec as text, as a person writes it: one line for each layer, defaults and names left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..layers import TYPES
from ..layers.base import REQUIRED
from ..spec.yaml_writing import in_flow


def item(type: str, arguments: Mapping[str, Any]) -> Any:
    """An item of `layers` in its shortest form."""
    if not arguments:
        return type
    names = [*arguments]
    if names == ["from"] and isinstance(arguments["from"], list):
        return {type: arguments["from"]}
    if type == "Reuse" and names == ["layer"]:
        return {type: arguments["layer"]}
    if type in TYPES and len(names) == 1:
        row, value = TYPES[type], arguments[names[0]]
        first = row.written[0] if row.written else None
        name = row.list_argument or (first.name if first and first.default is REQUIRED else "")
        if names[0] == name and isinstance(value, list) == bool(row.list_argument):
            return {type: value}
    return {type: dict(arguments)}


def spec_text(spec: Mapping[str, Any]) -> str:
    """The text of a spec."""
    lines: list[str] = []
    for key, value in spec.items():
        if key == "layers":
            lines += ["", "layers:", *_items(value, "  ")]
        elif key == "blocks":
            lines += ["", "blocks:", *(line for each in value.items() for line in _block(*each))]
        else:
            lines += [""] * (key in _APART)
            long = isinstance(value, Mapping) and len(in_flow(value)) > _LONG
            if key == "init" or (long and key != "expect"):
                own = (f"  {in_flow({name: one})[1:-1]}" for name, one in value.items())
                lines += [f"{key}:", *own]
            else:
                lines.append(f"{key}: {in_flow(value)}")
    return "\n".join(lines) + "\n"


def _block(name: str, block: Mapping[str, Any]) -> list[str]:
    lines = [f"  {name}:"]
    for key, value in block.items():
        if key == "layers":
            lines += ["    layers:", *_items(value, "      ")]
        else:
            lines.append(f"    {key}: {in_flow(value)}")
    return lines


def _items(layers: Sequence[Any], margin: str) -> list[str]:
    """The lines of a list of layers: one for each, but those in a container stand below it."""
    lines = []
    for layer in layers:
        if isinstance(layer, str):
            lines.append(f"{margin}- {layer}")
            continue
        ((type, value),) = layer.items()
        line = f"{margin}- {type}: {in_flow(value)}"
        inner = next((key for key in _INNER if isinstance(value, Mapping) and key in value), "")
        if not inner or (len(line) <= _WIDTH and type != "Group"):
            lines.append(line)
            continue
        own = {name: x for name, x in value.items() if name != inner}
        lines.append(f"{margin}- {type}:")
        lines += [f"{margin}    {name}: {in_flow(x)}" for name, x in own.items()]
        lines.append(f"{margin}    {inner}:")
        if inner == "layers":
            lines += _items(value["layers"], f"{margin}      ")
        else:
            lines += [line for x in value["branches"] for line in _branch(x, f"{margin}      ")]
    return lines


def _branch(layers: Sequence[Any], margin: str) -> list[str]:
    """The lines of a branch: one, or one for each layer."""
    line = f"{margin}- {in_flow(layers)}"
    if len(line) <= _WIDTH:
        return [line]
    first, *rest = _items(layers, f"{margin}  ")
    return [f"{margin}- {first.removeprefix(f'{margin}  ')}", *rest]


_INNER = ("layers", "branches")  # keys with layers
_APART = ("init", "tie", "alias", "expect")  # before which there is an empty line
_LONG = 80  # of a mapping in a line
_WIDTH = 120  # of a line with a container and all that is in it
