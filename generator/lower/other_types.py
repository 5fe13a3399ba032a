"""A type of layer that an argument of the class gives: which other types fit in its place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from ..layers import CATALOGUE, Types
from ..layers.applying import Applied, apply
from ..layers.base import Layer, Refusal, is_default
from ..layers.models import read_arguments
from ..spec.spec import Item
from ..symbolic.sizes import exact
from .arguments import Arguments, by_name
from .context import Context

# families whose types may stand for each other, besides the types of one family
_ALIKE = (("batchnorm", "instancenorm", "normalization"),)


def is_argument(context: Context, item: Item, *, chained: bool) -> bool:
    """Whether the type of an item may be an argument of the network's class, as far as is known.

    In a block its attribute needs a name that does not hang on the type.
    """
    named = chained or context.parent is None or "name" in item.common
    row = context.row(item.type)
    return named and item.type in CATALOGUE and row is not None and not row.options


def fitting(
    context: Context, item: Item, row: Layer, read: Arguments, applied: Applied
) -> frozenset[str]:
    """The other types that are made with the same arguments here, and give the same tensor."""
    if read.named or row.annotated is not None:
        return frozenset()
    written, _ = by_name(context, item, row)
    own = _given(row, applied.args)
    found = set()
    for other in _candidates(row):
        usable = other.tensors == row.tensors and not (other.options or other.ports)
        if other.name == row.name or not usable or other.annotated is not None:
            continue
        args = read_arguments(other, {name: read.args[name] for name in written})
        with suppress(Refusal):
            if isinstance(args, dict):
                there = apply(other, args, read.types)
                if _given(other, there.args) == own and _alike(there, applied):
                    found.add(other.name)
    return frozenset(found)


def _candidates(row: Layer) -> Iterator[Layer]:
    """The types of the row's family, and of those that are like it."""
    rest = [(family,) for family in CATALOGUE.families if not any(family in x for x in _ALIKE)]
    for families in (*_ALIKE, *rest):
        rows = [other for family in families for other in Types.rows(family)]
        if row in rows:
            yield from rows
            return


def _given(row: Layer, args: Any) -> Sequence[Any]:
    """The arguments that are written in source, with their places or names."""
    found, positional = [], True
    for arg in row.args:
        if is_default(arg, args[arg.name]):
            positional = False
            continue
        positional = positional and arg.positional
        found.append((positional or arg.name, exact(args[arg.name])))
    return found


def _alike(one: Applied, two: Applied) -> bool:
    """Whether two layers give one tensor each, of the same shape and type."""
    types = [
        (exact(y.shape), y.dtype, y.batch, y.lost) for x in (one, two) for y in x.outputs.values()
    ]
    return len(types) == 2 and types[0] == types[1]
