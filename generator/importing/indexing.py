"""Indexing as steps: a selection, a slice, a new dimension, or places by a tensor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import takewhile
from math import prod
from typing import Any

from msgspec.structs import replace

from ..run.recording.recorded import FunctionCall, Held, Items, Size, Span, Tree, Value, Word
from .operations import Operations, tensor_of
from .sizes import Sized
from .steps import Inexpressible, Step

FULL = Span(None, None, None)


def indexed(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
    """Indexing, one step for each index that is no full slice."""
    x = tensor_of(call.args[0])
    items = items_of(call.args[1], len(own.shape(x)))
    steps: list[Step] = []
    dim = 0
    for place, item in enumerate(items):
        if _is_tensor(item):
            several = [*takewhile(_is_tensor, items[place:])]
            if any(later != FULL for later in items[place + len(several) :]):
                raise Inexpressible("by a tensor before other indices")
            return [*steps, *_picked_by_several(own, x, several, dim, out)]
        shape = own.shape(x)
        if isinstance(item, Span) and ends_of(item, shape[dim]) == (0, None, 1):
            dim += 1
            continue
        type, arguments, left = _one(own, item, dim, shape)
        taken = 0 if item is None else 1
        y = own.new((*shape[:dim], *left, *shape[dim + taken :]), x)
        steps.append(own.layer(type, [x], (y.number,), arguments))
        x = y
        dim += len(left)
    if not steps:
        return [own.same(x, out[0])]
    return [*steps[:-1], replace(steps[-1], gives=out)]


def items_of(index: Tree, rank: int) -> list[Tree]:
    """The indices in brackets, with full slices for an ellipsis."""
    items = [*index.items] if isinstance(index, Items) and not index.is_list else [index]
    if Word("...") in items:
        taken = sum(item is not None and item != Word("...") for item in items)
        place = items.index(Word("..."))
        items[place : place + 1] = [FULL] * (rank - taken)
    return items


def _one(
    own: Operations, item: Tree, dim: int, shape: Sequence[Sized]
) -> tuple[str, dict[str, Any], tuple[Sized, ...]]:
    """The type and the arguments for one index, and the sizes that it leaves in its place."""
    if item is None:
        return "Unsqueeze", {"dim": dim}, (1,)
    if isinstance(item, bool):
        raise Inexpressible("by a condition")
    if isinstance(item, int):
        return "Select", {"dim": dim, "index": item}, ()
    if isinstance(item, Span):
        start, stop, by = ends_of(item, shape[dim])
        given = {"dim": dim, "start": start, "end": stop, "step": by}
        return "Slice", given, (length_of(own, shape[dim], start, stop, by),)
    raise Inexpressible("by an index that a spec has no word for")


def ends_of(item: Span, size: Sized) -> tuple[Any, Any, Any]:
    """The start, the end and the step of a slice; no end if it goes to the last place."""
    start, stop = 0 if item.start is None else item.start, item.stop
    if isinstance(size, int) and isinstance(stop, int) and stop >= size:
        stop = None
    return start, stop, item.step or 1


def length_of(own: Operations, size: Sized, start: Any, stop: Any, step: Any) -> Sized:
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


def _is_tensor(item: Tree) -> bool:
    return isinstance(item, (Value, Held))


def _picked_by_several(
    own: Operations, x: Value | Held, items: Sequence[Tree], dim: int, out: tuple[int, ...]
) -> Iterator[Step]:
    """Indexing by a tensor for each of several dimensions: by one tensor, along all of them as one.

    Indices that count from the end would be others then; the comparison finds them.
    """
    index, *others = map(tensor_of, items)
    shape, places = own.shape(x), own.shape(index)
    counts = [size for size in shape[dim : dim + len(items)] if isinstance(size, int)]
    if any(own.shape(other) != places for other in others):
        raise Inexpressible("by several indices of different shapes")
    if others and len(counts) < len(items):
        raise Inexpressible("by several indices, along sizes that vary")
    for other, count in zip(others, counts[1:], strict=True):
        rows, both = own.new(places, index), own.new(places, index)
        yield Step("Mul", (index,), (rows.number,), {"other": count})
        yield Step("Add", (rows, other), (both.number,), {})
        index = both
    if others:
        joined = own.new((*shape[:dim], prod(counts), *shape[dim + len(items) :]), x)
        yield from own.reshape(x, joined)
        x = joined
    yield from _picked(own, x, index, dim, out)


def _picked(
    own: Operations, x: Value | Held, index: Value | Held, dim: int, out: tuple[int, ...]
) -> Iterator[Step]:
    """Indexing by a tensor along one dimension."""
    if own.dtype(index) not in ("int64", "int32"):
        raise Inexpressible("by a mask")
    places, shape = own.shape(index), own.shape(x)
    if any(map(own.sizes.has_batch, places)):
        raise Inexpressible("by an index that has a batch")
    if len(places) == 1:
        yield Step("IndexSelect", (x, index), out, {"dim": dim})
        return
    sizes = [size for size in places if isinstance(size, int)]
    if len(sizes) < len(places):
        raise Inexpressible("by an index whose sizes vary")
    count = prod(sizes)
    row = own.new((count,), index)
    yield Step("Reshape", (index,), (row.number,), {"shape": [count]})
    taken = own.new((*shape[:dim], count, *shape[dim + 1 :]), x)
    yield Step("IndexSelect", (x, row), (taken.number,), {"dim": dim})
    yield from own.reshape(taken, Value(out[0]))
