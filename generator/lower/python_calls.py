"""A layer that is written as a call of Python: what a spec has in its place."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..layers.base import Layer
from .context import Context

_WORDS = {"True": "true", "False": "false", "None": "null"}


def as_called(context: Context, text: str) -> str | None:
    """The help for `nn.Linear(400, 120)` and `Conv2d(64, 3, padding=1)`; for others ``None``.

    With `nn.` before it a call has torch's order, in which inferred arguments stand, too.
    """
    found = re.fullmatch(r"((?:\w+\.)*)(\w+)\((.+)\)", text, re.DOTALL)
    row = context.row(found[2]) if found is not None else None
    if found is None or row is None or not (found[1] or "=" in found[3]):
        return None
    names = [arg.name for arg in (row.args if found[1] else row.written)]
    return f"write `{row.name}{as_arguments(row, _parts(found[3]), names)}`"


def as_arguments(row: Layer, parts: Sequence[str], names: Sequence[str]) -> str:
    """The arguments of a call as a spec writes them after a type, without those it infers.

    `names` are those of arguments that are given by their places.
    """
    given: dict[str, str] = {}
    for part, name in zip(parts, [*names, *parts], strict=False):
        key, _, value = part.partition("=") if is_named(part) else (name, "", part)
        given[key.strip()] = _WORDS.get(value.strip(), value.strip())
    inferred = {arg.name for arg in row.args if arg.inferred}
    given = {name: value for name, value in given.items() if name not in inferred}
    if any(map(is_named, parts)):
        return f": {{{', '.join(f'{name}: {value}' for name, value in given.items())}}}"
    return f": [{', '.join(given.values())}]" if given else ""


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
