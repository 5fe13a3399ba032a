"""What matters most of a layer, in few words: the ``3x3, 64, /2`` of a convolution."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from .base import Args, Layer, is_default

_PART = re.compile(r"\[([^]]*)\]|([^[]+)")
NAMED = re.compile(r"\{(\w+)(?::(\d|,))?\}")


def brief(row: Layer, a: Args) -> str:
    """The arguments that the row's pattern names, as text; empty if it names none.

    ``{size}`` is an argument's value, ``{size:2}`` one value for each of 2 dimensions, ``{dims:,}``
    several that are no sizes. What is in brackets is left out where the argument is its default;
    a boolean decides on that and has no text of its own.
    """
    return "".join(_parts(row, a)).removeprefix(", ")


def _parts(row: Layer, a: Args) -> Iterator[str]:
    for optional, always in _PART.findall(row.brief):
        names = [name for name, _ in NAMED.findall(optional)]
        if not any(is_default(row.arg(name), getattr(a, name)) for name in names):
            yield NAMED.sub(lambda found: _shown(getattr(a, found[1]), found[2]), optional + always)


def _shown(value: Any, form: str | None) -> str:
    if form is not None and form.isdecimal():
        value = value if isinstance(value, (tuple, list)) else (value,) * int(form)
    if isinstance(value, (tuple, list)):
        even = not form and len(set(map(_shown_one, value))) == 1
        sign = ", " if form == "," else "x"
        return _shown_one(value[0]) if even else sign.join(map(_shown_one, value))
    return _shown_one(value)


def _shown_one(value: Any) -> str:
    if isinstance(value, bool):
        return ""
    if isinstance(value, int):
        return str(int(value))
    return f"{value:g}" if isinstance(value, float) else str(value)
