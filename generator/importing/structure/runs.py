"""Runs: items that do the same, one after the other, as one item with `repeat`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from .bodies import Body, First, Item, Ramp, Ref, refs_in, same, with_refs

_LINE = 1.0  # what an item costs, in lines
_FIRST = 0.35  # and an argument of which the first copy has its own value
_RAMP = 0.2


def folded(body: Body) -> Body:
    """A body with its runs as repeats."""
    items = [replace(item, layers=folded_chain(item.layers)) for item in body.items]
    readers: dict[int, set[int]] = {}
    for place, item in enumerate(items):
        for ref in (*item.reads, *refs_in([*item.arguments.values()])):
            readers.setdefault(ref.item, set()).add(place)
    for ref in body.outputs:
        readers.setdefault(ref.item, set()).add(len(items))

    def follows(place: int) -> bool:
        """Whether an item reads the one before it, which nothing else does."""
        one, before = items[place], items[place - 1]
        chained = bool(one.reads) and one.reads[0] == Ref(place - 1)
        alone = readers.get(place - 1) == {place}
        return chained and alone and one.reads[1:] == before.reads[1:]

    names = {item.name for item in items}

    several = {ref.item for one in items for ref in one.reads if ref.port}
    several |= {ref.item for ref in body.outputs if ref.port}  # copies give one tensor

    def named(start: int, end: int) -> bool:
        """Whether copies have a name; one with their number can't be referred to."""
        if end - 1 in several:
            return False
        label = _label(items[start:end], names)
        if label is None or not label[1]:
            return label is not None
        reads = items[end].reads if end < len(items) else tuple(body.outputs)
        return readers.get(end - 1, {end}) == {end} and reads == (Ref(end - 1),)

    spans = _best(items, follows, named)
    change: dict[int, int] = {}
    found: list[Item] = []
    for start, end in spans:
        change |= dict.fromkeys(range(start, end), len(found))
        part = items[start:end]
        if len(part) > 1:
            label = _label(part, names)
            assert label is not None
            found.append(replace(_folded(part), name=label[0], label=label[1]))
        else:
            found.append(_collapsed(part[0]))
    moved = [_moved(item, change) for item in found]
    outputs = tuple(Ref(change.get(r.item, r.item), r.port) for r in body.outputs)
    return Body(tuple(moved), outputs)


def _moved(item: Item, change: Mapping[int, int]) -> Item:
    arguments = {name: with_refs(value, change) for name, value in item.arguments.items()}
    reads = tuple(Ref(change.get(r.item, r.item), r.port) for r in item.reads)
    return replace(item, reads=reads, arguments=arguments)


def folded_chain(items: Sequence[Item]) -> tuple[Item, ...]:
    """The children of a `Sequential` with runs as repeats; numbers are no names any more."""
    items = [replace(item, layers=folded_chain(item.layers)) for item in items]
    numbered = [item.name for item in items] == [*map(str, range(len(items)))]
    if numbered:
        items = [replace(item, name="") for item in items]

    def named(start: int, end: int) -> bool:
        return numbered or bool(_pattern(items[start:end]))

    spans = _best(items, lambda place: True, named)
    found = []
    for start, end in spans:
        part = items[start:end]
        if len(part) == 1:
            found.append(part[0])
        else:
            label = "" if numbered else _pattern(part)
            found.append(replace(_folded(part), name=label, label=label))
    return tuple(found)


def _collapsed(item: Item) -> Item:
    """A `Sequential` of one run as a repeat with its name; a whole body that is one has none."""
    if item.type == "Sequential" and item.name and len(item.layers) == 1:
        only = item.layers[0]
        if "repeat" in only.arguments and not only.name:
            return replace(only, name=item.name, reads=item.reads)
    return item


def _pattern(part: Sequence[Item]) -> str:
    """The name that holds the number of the copy: ``layer$(index + 1)``."""
    found = [re.fullmatch(r"(.*?)(\d+)", item.name) for item in part]
    if not all(found):
        return ""
    stems = {match[1] for match in found if match}
    numbers = [int(match[2]) for match in found if match]
    if len(stems) > 1 or numbers != [*range(numbers[0], numbers[0] + len(numbers))]:
        return ""
    stem, first = stems.pop(), numbers[0]
    if any(match and match[2] != str(int(match[2])) for match in found):
        return ""
    return f"{stem}$(index + {first})" if first else f"{stem}$index"


def _label(part: Sequence[Item], names: set[str]) -> tuple[str, str] | None:
    """The name of copies in a body, as an item's name and its label; `None` if there is none."""
    if not part[0].has_weights:
        return None
    label = _pattern(part)
    if not label:
        return None
    stem = label.partition("$")[0]
    if not stem.endswith("."):
        return label, label
    within = {name for name in names if name.startswith(stem)}
    if within == {item.name for item in part} and label.endswith(".$index"):
        return stem[:-1], ""
    return None


def _best(
    items: Sequence[Item], follows: Callable[[int], bool], may: Callable[[int, int], bool]
) -> list[tuple[int, int]]:
    """How to part items into runs, with the fewest lines and exceptions.

    `follows` tells of a place whether it goes on with a run, `may` whether a run may be one.
    """
    best: list[tuple[float, int]] = [(0.0, 0)]
    for end in range(1, len(items) + 1):
        options = [(best[end - 1][0] + _LINE, end - 1)]
        start = end - 1
        while start > 0 and _alike(items[start - 1], items[start]) and follows(start):
            start -= 1
            part = items[start:end]
            cost = _cost(part)
            if cost is not None and may(start, end):
                options.append((best[start][0] + cost, start))
            if cost is None and end - start > 2 and not _equal(items[start + 1], items[end - 1]):
                break
        best.append(min(options, key=lambda option: (round(option[0], 6), option[1])))
    spans = []
    end = len(items)
    while end:
        start = best[end][1]
        spans.append((start, end))
        end = start
    return spans[::-1]


def _alike(a: Item, b: Item) -> bool:
    if a.type != b.type or a.type in ("Reuse", "Parameter", "Buffer") or "repeat" in a.arguments:
        return False
    return a.has_weights and b.has_weights and {*a.arguments} == {*b.arguments}


def _equal(a: Item, b: Item) -> bool:
    """Whether two items do the same, but for arguments that grow."""
    if len(a.layers) != len(b.layers) or not all(map(_same_child, a.layers, b.layers)):
        return False
    return all(
        same(value, b.arguments[name])
        or (isinstance(value, float) and isinstance(b.arguments[name], float))
        for name, value in a.arguments.items()
    )


def _same_child(a: Item, b: Item) -> bool:
    """Whether two children of a `Sequential` are the same."""
    alike = a.type == b.type and a.name == b.name and {*a.arguments} == {*b.arguments}
    if not alike or len(a.layers) != len(b.layers):
        return False
    return all(same(value, b.arguments[name]) for name, value in a.arguments.items()) and all(
        map(_same_child, a.layers, b.layers)
    )


def _cost(part: Sequence[Item]) -> float | None:
    """What a run costs; `None` if these items are none."""
    first, *rest = part
    if any(not _equal(rest[0], item) for item in rest[1:]):
        return None
    if len(first.layers) != len(rest[0].layers):
        return None
    if not all(map(_same_child, first.layers, rest[0].layers)):
        return None
    cost = _LINE
    for name in first.arguments:
        values = [item.arguments[name] for item in part]
        value = _varying(values)
        if value is None and not all(one is None for one in values):
            return None
        if isinstance(value, First):
            cost += _FIRST * (2 if len(part) == 2 else 1)
        elif isinstance(value, Ramp):
            cost += _RAMP
    return cost


def _varying(values: Sequence[Any]) -> Any:
    """The argument of a run; `None` if it follows no rule."""
    if all(same(values[0], x) for x in values):
        return values[0]
    if all(same(values[1], x) for x in values[1:]):
        if all(isinstance(x, float) for x in values) and len(values) == 2:
            text = ramp(values)
            return Ramp(text) if text else First(values[0], values[1])
        return First(values[0], values[1])
    if all(isinstance(x, float) for x in values):
        text = ramp(values)
        return Ramp(text) if text else None
    return None


def ramp(values: Sequence[float]) -> str:
    """An expression over `index` that gives exactly these fractions; empty if none is known."""
    step = values[1] - values[0]
    if step <= 0:
        return ""
    begin = round(values[0] / step)
    for over in range(1, 400):
        for most in (round(step * over, 6), round(step * over, 4), round(step * over, 2)):
            if not most:
                continue
            made = [most * (begin + i) / over for i in range(len(values))]
            if made == [*values] and _is_short(most):
                copy = f"(index + {begin})" if begin else "index"
                return f"{most} * {copy}" + (f" / {over}" if over > 1 else "")
    return ""


def _is_short(number: float) -> bool:
    return len(f"{number:.10f}".rstrip("0").rpartition(".")[2]) <= 4


def _folded(part: Sequence[Item]) -> Item:
    """One item for a run."""
    first = part[0]
    arguments = {n: _varying([item.arguments[n] for item in part]) for n in first.arguments}
    shapes = {item.shape for item in part}
    shape = first.shape if len(shapes) == 1 else _common([item.shape for item in part])
    return replace(first, arguments={**arguments, "repeat": len(part)}, shape=shape)


def _common(shapes: Sequence[Sequence[int | None]]) -> tuple[int | None, ...]:
    """The sizes that all have in common."""
    if len({*map(len, shapes)}) > 1:
        return ()
    return tuple(sizes[0] if len({*sizes}) == 1 else None for sizes in zip(*shapes, strict=True))
