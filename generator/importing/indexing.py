"""Indexing as steps: a selection, a slice, a new dimension, or places by a tensor."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from ..run.recording.recorded import FunctionCall, Held, Items, Size, Span, Value, Word
from .operations import Operations, tensor_of
from .sizes import Sized
from .steps import Inexpressible, Step


def indexed(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
    """Indexing, one step for each index that is no full slice."""
    x = tensor_of(call.args[0])
    index = call.args[1]
    items = [*index.items] if isinstance(index, Items) and not index.is_list else [index]
    taken = sum(1 for item in items if item is not None and item != Word("..."))
    rest = len(own.shape(x)) - taken
    full = Span(None, None, None)
    if Word("...") in items:
        place = items.index(Word("..."))
        items[place : place + 1] = [full] * rest
    steps: list[Step] = []
    dim = 0
    for item in items:
        shape = own.shape(x)
        if item == full:
            dim += 1
            continue
        if item is None:
            after = (*shape[:dim], 1, *shape[dim:])
            step: tuple[str, dict[str, Any]] = ("Unsqueeze", {"dim": dim})
        elif isinstance(item, bool):
            raise Inexpressible("by a condition")
        elif isinstance(item, int):
            after = (*shape[:dim], *shape[dim + 1 :])
            step = ("Select", {"dim": dim, "index": item})
        elif isinstance(item, Span):
            start, stop, by = (0 if item.start is None else item.start, item.stop, item.step or 1)
            size = shape[dim]
            if isinstance(size, int) and isinstance(stop, int) and stop >= size:
                stop = None
            if start == 0 and stop is None and by == 1:
                dim += 1
                continue
            given = {"dim": dim, "start": start, "end": stop, "step": by}
            after = (*shape[:dim], _length(own, shape[dim], start, stop, by), *shape[dim + 1 :])
            step = ("Slice", given)
        elif isinstance(item, (Value, Held)):
            steps += _picked(own, x, item, dim, out)
            if items[-1] is not item and any(i != full for i in items[items.index(item) + 1 :]):
                raise Inexpressible("by several indices at once")
            return steps
        else:
            raise Inexpressible("by an index that a spec has no word for")
        y = own.new(after, x)
        steps.append(own.layer(step[0], [x], (y.number,), step[1]))
        x = y
        dim += 1 if step[0] != "Select" else 0
    if not steps:
        return [own.same(x, out[0])]
    last = steps[-1]
    return [*steps[:-1], replace(last, gives=out)]


def _length(own: Operations, size: Sized, start: Any, stop: Any, step: Any) -> Sized:
    """The size that a slice leaves."""
    numbers = own.sizes.numbers
    each = [
        len(range(*slice(a, b, c).indices(n)))
        for n, a, b, c in zip(
            numbers(size),
            numbers(start),
            numbers(stop) if stop is not None else (None,) * len(own.sizes.recording.runs),
            numbers(step),
            strict=True,
        )
    ]
    return each[0] if len({*each}) == 1 else Size(tuple(each))


def _picked(
    own: Operations, x: Value | Held, index: Value | Held, dim: int, out: tuple[int, ...]
) -> Iterator[Step]:
    """Indexing by a tensor along one dimension."""
    if own.sizes.dtype(index) not in ("int64", "int32"):
        raise Inexpressible("by a mask")
    places, shape = own.shape(index), own.shape(x)
    if any(map(own.sizes.has_batch, places)):
        raise Inexpressible("by an index that has a batch")
    if len(places) == 1:
        yield Step("IndexSelect", (x, index), out, {"dim": dim})
        return
    count = 1
    for size in places:
        if isinstance(size, Size):
            raise Inexpressible("by an index whose sizes vary")
        count *= size
    row = own.new((count,), index)
    yield Step("Reshape", (index,), (row.number,), {"shape": [count]})
    taken = own.new((*shape[:dim], count, *shape[dim + 1 :]), x)
    yield Step("IndexSelect", (x, row), (taken.number,), {"dim": dim})
    yield from own.reshape(taken, Value(out[0]))
