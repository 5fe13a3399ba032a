"""An assignment to a part of a tensor as steps: what is around it is joined to the new part."""

from __future__ import annotations

from collections.abc import Sequence
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
    """The steps of ``x[:, 1:] = y`` for a tensor `y`; raises `Inexpressible`."""
    x, index, y = call.args
    if not isinstance(y, (Value, Held)):
        raise Inexpressible("with a number")
    if not isinstance(x, Value):
        raise Inexpressible("on a weight")
    if own.dtype(x) != own.dtype(y):
        raise Inexpressible("with another type of element")
    ((_, number),) = call.writes
    items = items_of(index, len(own.shape(x)))
    if not all(isinstance(item, (int, Span)) and not isinstance(item, bool) for item in items):
        raise Inexpressible("by more than places in a row")
    parts, shape, left = [], [*own.shape(x)], []
    for dim, item in enumerate([*items, *[FULL] * (len(shape) - len(items))]):
        start, stop = _ends(own, item, shape[dim])
        if (start, stop) != (0, None):
            parts.append(_Part(dim, start, stop))
            shape[dim] = length_of(own, shape[dim], start, stop, 1)
        if not isinstance(item, int):
            left.append(shape[dim])
    surplus = max(len(own.shape(y)) - len(left), 0)  # dimensions of 1, which torch leaves out
    given, seen, part = own.new(own.shape(y)[surplus:], x), own.new(left, x), own.new(shape, x)
    steps = [*own.reshape(y, given), *own.expand(given, seen), *own.reshape(seen, part)]
    if not parts:
        return [*steps, own.same(part, number)]
    *others, last = _put(own, x, part, parts)
    return [*steps, *others, replace(last, gives=(number,))]


def _ends(own: Operations, item: Tree, size: Sized) -> tuple[Any, Any]:
    """Where an index begins and ends; raises `Inexpressible` for one that is no part in a row."""
    if isinstance(item, int):
        item = Span(item, item + 1 or None, None)
    assert isinstance(item, Span)
    start, stop, by = ends_of(item, size)
    if by != 1:
        raise Inexpressible("by more than places in a row")
    if (start, stop) != (0, None) and own.sizes.has_batch(size):
        raise Inexpressible("on some samples alone")
    numbers = own.sizes.numbers
    for bound in (start, 0 if stop is None else stop):  # beyond it, less is written than it says
        if any(abs(place) > n for place, n in zip(numbers(bound), numbers(size), strict=True)):
            raise Inexpressible("beyond the end of a dimension")
    return start, stop


def _put(own: Operations, x: Value, y: Value | Held, parts: Sequence[_Part]) -> list[Step]:
    """The steps for `x` with `y` in the place of a part; the last one gives it."""
    steps: list[Step] = []
    part, *inner = parts
    shape = own.shape(x)

    def cut(start: Any, stop: Any) -> Value:
        length = length_of(own, shape[part.dim], start, stop, 1)
        piece = own.new((*shape[: part.dim], length, *shape[part.dim + 1 :]), x)
        given = {"dim": part.dim, "start": start, "end": stop}
        steps.append(own.layer("Slice", [x], (piece.number,), given))
        return piece

    before = [cut(0, part.start)] if part.start != 0 else []
    if inner:
        steps += _put(own, cut(part.start, part.stop), y, inner)
        y = Value(steps[-1].gives[0])
    after = [cut(part.stop, None)] if part.stop is not None else []
    joined = [*before, y, *after]
    whole = own.new(shape, x)
    return [*steps, own.layer("Concat", joined, (whole.number,), {"dim": part.dim})]
