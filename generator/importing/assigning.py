"""An assignment to a part of a tensor as steps: what is around it is joined to the new part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ..run.recording.recorded import FunctionCall, Held, Span, Tree, Value
from .indexing import FULL, ends_of, items_of, length_of
from .operations import Operations
from .sizes import Sized
from .steps import Inexpressible, Step


class _Part(Struct, frozen=True):
    """Where a part begins and ends along a dimension; no `stop` is the end of the dimension."""

    dim: int
    start: Any
    stop: Any


def assigned(own: Operations, call: FunctionCall) -> list[Step]:
    """The steps of ``x[:, 1:] = y`` for a tensor `y` of the part's type."""
    x, index, y = call.args
    if not isinstance(x, Value) or not isinstance(y, (Value, Held)):  # weights, and numbers
        raise Inexpressible("")
    if own.dtype(x) != own.dtype(y):
        raise Inexpressible("with another type")
    ((_, number),) = call.writes
    parts, shape, left = [], [*own.shape(x)], []
    items = items_of(index, len(shape))
    for dim, item in enumerate([*items, *[FULL] * (len(shape) - len(items))]):
        start, stop = _ends(item, shape[dim])
        if (start, stop) != (0, None):
            parts.append(_Part(dim, start, stop))
            shape[dim] = length_of(own, shape[dim], start, stop, 1)
        if not isinstance(item, int):
            left.append(shape[dim])
    seen = own.new(left, x)
    part = own.new(shape, x)
    steps = [*own.expand(y, seen), *own.reshape(seen, part)]
    if not parts:
        return [*steps, own.same(part, number)]
    *others, last = _put(own, x, part, parts)
    return [*steps, *others, replace(last, gives=(number,))]


def _ends(item: Tree, size: Sized) -> tuple[Any, Any]:
    """Where an index begins and ends; raises `Inexpressible` for one that is no part in a row."""
    if isinstance(item, int) and not isinstance(item, bool):
        item = Span(item, item + 1 or None, None)
    if not isinstance(item, Span):
        raise Inexpressible("")
    start, stop, by = ends_of(item, size)
    if by != 1:
        raise Inexpressible("")
    return start, stop


def _put(own: Operations, x: Value, y: Value | Held, parts: Sequence[_Part]) -> Iterator[Step]:
    """The steps for `x` with `y` in the place of a part; the last one gives it."""
    (dim, start, stop), *others = ((one.dim, one.start, one.stop) for one in parts)
    shape = own.shape(x)

    def cut(start: Any, stop: Any) -> Step:
        length = length_of(own, shape[dim], start, stop, 1)
        piece = own.new((*shape[:dim], length, *shape[dim + 1 :]), x)
        return own.layer("Slice", [x], (piece.number,), {"dim": dim, "start": start, "end": stop})

    joined: list[Value | Held] = []
    if start != 0:
        yield (before := cut(0, start))
        joined.append(Value(before.gives[0]))
    if others:
        yield (within := cut(start, stop))
        for step in _put(own, Value(within.gives[0]), y, parts[1:]):
            yield step
        y = Value(step.gives[0])
    joined.append(y)
    if stop is not None:
        yield (after := cut(stop, None))
        joined.append(Value(after.gives[0]))
    whole = own.new(shape, x)
    yield own.layer("Concat", joined, (whole.number,), {"dim": dim})
