"""A layer that is written as a call of Python: what a spec has in its place."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..layers.base import REQUIRED, Layer
from ..symbolic.hints import as_expression, is_sum, meant_argument
from .context import Context

_WORDS = {"True": "true", "False": "false", "None": "null"}
LONGEST = 500  # characters of a call that are read
_CALL = r"(?:(?:self\.)?(\w+)\s*=\s*)?((?:\w+\.)*)(\w+)\s*:?\s*([(\[ ])(.+)"


def as_called(context: Context, text: str, name: str = "") -> str | None:
    """The help for `nn.Linear(400, 120)` and `Conv2d(64, 3, padding=1)`; for others ``None``.

    With `nn.` before it a call has torch's order, in which inferred arguments stand, too. A `name`
    is that of the attribute which the call was to be: `self.conv = nn.Conv2d(3, 64, 3)`.
    """
    found = re.fullmatch(_CALL, text[:LONGEST].rstrip(" ,;"), re.DOTALL)
    inside = None if found is None else _inside(found[5])
    if found is None or inside is None:
        return None
    name, parts = name or found[1] or "", _parts(inside)
    row, block = context.row(found[3]), context.known.blocks.get(found[3])
    if row is not None:
        of_torch = found[2] and not _lacking(row, as_given(row, parts, _names(row.args)))
        names = _names(row.args if of_torch else row.written)
        given = as_given(row, parts, names)
        given |= dict.fromkeys(_lacking(row, given), "...")
    elif block is not None:
        given = _by_name(parts, list(block.params))
    elif found[3] == "Sequential":
        return "write `Sequential: {layers: [...]}`, with each layer as an item of the list"
    else:
        return None
    if not given and not name:
        return None
    return f"write `{found[3]}{_text(context, given, parts, name)}`"


def as_arguments(context: Context, row: Layer, parts: Sequence[str]) -> str:
    """What follows a type for arguments of a call, in the order that a spec has."""
    return _text(context, as_given(row, parts, _names(row.written)), parts)


def as_given(row: Layer, parts: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """The arguments of a call by name, without those that a spec infers.

    `names` are those of arguments that are given by their places.
    """
    known = _names((*row.args, *row.options))
    inferred = {arg.name for arg in row.args if arg.inferred}
    given = _by_name(parts, names)
    named = {meant_argument(name, known, ()) or name: value for name, value in given.items()}
    return {name: value for name, value in named.items() if name not in inferred}


def _names(args: Sequence[Any]) -> list[str]:
    return [arg.name for arg in args]


def _lacking(row: Layer, given: Mapping[str, str]) -> list[str]:
    """The names of arguments that are needed and not given."""
    return [arg.name for arg in row.written if arg.default is REQUIRED and arg.name not in given]


def _by_name(parts: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    given: dict[str, str] = {}
    for part, name in zip(parts, [*names, *parts], strict=False):
        key, _, value = part.partition("=") if is_named(part) else (name, "", part)
        given[key.strip()] = value.strip()
    return given


def _text(context: Context, given: Mapping[str, str], parts: Sequence[str], name: str = "") -> str:
    """What follows a type: its arguments in braces where one of them has a name."""
    values = {key: _value(context, value) for key, value in given.items()}
    if name or any(map(is_named, parts)) or "..." in values.values():
        values = {"name": name, **values} if name else values
        return f": {{{', '.join(f'{key}: {value}' for key, value in values.items())}}}"
    return f": [{', '.join(values.values())}]" if values else ""


def _value(context: Context, value: str) -> str:
    """A value of Python as a spec writes it."""
    if value.startswith("(") and value.endswith(")") and "," in value:
        return f"[{value[1:-1].rstrip(' ,')}]"
    if is_sum(value):
        return f"$({value})"
    if as_expression(value, context.declared()):
        return f"${value}" if value.isidentifier() else f"$({value})"
    return _WORDS.get(value, value)


def is_named(value: object) -> bool:
    """Whether a value is an argument with its name: `padding=1`."""
    return isinstance(value, str) and bool(re.match(r"\s*[a-z_]+\s*=[^=]", value))


def _parts(text: str) -> list[str]:
    """The arguments of a call, which commas divide that are in no bracket."""
    parts, depth = [""], 0
    for char in text:
        depth += (char in "([{") - (char in ")]}")
        if char == "," and not depth:
            parts.append("")
        else:
            parts[-1] += char
    return [part.strip() for part in parts if part.strip()]


def whole_call(text: str) -> str:
    """The call that begins a text, or all of the text if its bracket does not close in it."""
    before, bracket, after = text.partition("(")
    depth = 1
    for place, char in enumerate(after):
        depth += (char in "([{") - (char in ")]}")
        if not depth:
            return f"{before}{bracket}{after[: place + 1]}"
    return text


def _inside(text: str) -> str | None:
    """What stands in the brackets of a call, which may not be closed; `None` if more follows."""
    depth = 1
    for place, char in enumerate(text):
        depth += (char in "([{") - (char in ")]}")
        if not depth:
            return text[:place] if place == len(text) - 1 else None
    return text
