"""Groups: unlike layers that do the same several times over, as one `Group` with `repeat`.

A copy reads what the one before it gives, and nothing else from outside. In it each layer reads
the one before, or is a merge of branches: a residual connection is ``Add: {branches: [...]}``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from json import dumps
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ...layers import TYPES
from .bodies import Ref, refs_in, same
from .explanations import Text
from .unified import Laid

MOST = 40  # layers in a copy
SAVED = 2  # lines, at least
DIFFER = 2  # arguments in a copy that are another one in each


class Merge(Struct, frozen=True):
    """A layer that merges branches: its place, and the steps of each branch in order."""

    place: int
    branches: tuple[tuple[Part, ...], ...]


Part = int | Merge  # a layer by its place


class Group(Struct, frozen=True):
    """Copies that follow each other: the places of all, the parts of the first, and what differs.

    `names` and `arguments` are those of layers of the first copy, by place, over `index`.
    """

    start: int
    end: int
    count: int
    parts: tuple[Part, ...]
    names: Mapping[int, str]
    arguments: Mapping[int, Mapping[str, Any]]


def groups(
    items: Sequence[Laid], first: Ref | None, outputs: Sequence[Ref], *, named: bool
) -> list[Group]:
    """The groups in a list of layers, in order; `first` is what the first layer reads.

    Outputs that are `named` are of layers with a name, which a group has not.
    """
    readers: dict[int, set[int]] = {}
    for place, item in enumerate(items):
        for ref in _refs(item):
            readers.setdefault(ref.item, set()).add(place)
    for ref in outputs:
        readers.setdefault(ref.item, set()).add(len(items) + named)
    found: list[Group] = []
    start, before = 0, first
    while start < len(items):
        best = None if before is None else _best(items, start, before, readers)
        if best is not None:
            found.append(best)
            start, before = best.end, Ref(best.end - 1)
            continue
        if items[start].reads:
            before = Ref(start)
        start += 1
    return found


def _best(
    items: Sequence[Laid],
    start: int,
    entry: Ref,
    readers: Mapping[int, set[int]],
) -> Group | None:
    """The group that begins at a place and saves most lines; `None` if none saves enough."""
    best, saved = None, SAVED - 1
    for period in range(2, min(MOST, (len(items) - start) // 2) + 1):
        parts = _parts(items, start, period, entry)
        if parts is None:
            continue
        count = 1
        while _is_copy(items, start, period, count, entry):
            count += 1
        while count > 1 and period * count - len(parts) - 2 > saved:
            group = _group(items, start, period, count, parts)
            if group is not None and _is_closed(items, group, readers):
                best, saved = group, period * count - len(parts) - 2
                break
            count -= 1
    return best


def _refs(item: Laid) -> Iterator[Ref]:
    yield from item.reads
    for value in item.arguments.values():
        yield from refs_in(value)


def _is_plain(item: Laid) -> bool:
    """Whether a layer may stand in a group: it reads tensors alone, and by their own names."""
    known = isinstance(item.type, str) and item.when is None and "repeat" not in item.arguments
    inside = not any(True for value in item.arguments.values() for _ in refs_in(value))
    return known and inside and bool(item.reads) and all(ref.port == 0 for ref in item.reads)


def _parts(items: Sequence[Laid], start: int, period: int, entry: Ref) -> tuple[Part, ...] | None:
    """The layers of a copy as a chain from its `entry`; `None` if they are none."""
    places = range(start, start + period)
    if not all(_is_plain(items[place]) for place in places):
        return None
    seen: list[int] = []
    parts = _chain(items, Ref(places[-1]), entry, start, seen)
    return parts if parts is not None and sorted(seen) == [*places] else None


def _chain(
    items: Sequence[Laid], end: Ref, begin: Ref, start: int, seen: list[int]
) -> tuple[Part, ...] | None:
    """The layers from what `begin` stands for to `end`, each of which reads the one before."""
    found: list[Part] = []
    while end != begin:
        if end.item < start:
            return None
        item = items[end.item]
        seen.append(end.item)
        if len(item.reads) == 1:
            found.append(end.item)
            end = item.reads[0]
            continue
        merge = _merge(items, end.item, begin, start, seen)
        if merge is None:
            return None
        found.append(merge[0])
        end = merge[1]
    return tuple(found[::-1])


def _merge(
    items: Sequence[Laid], place: int, begin: Ref, start: int, seen: list[int]
) -> tuple[Merge, Ref] | None:
    """A layer as a merge of branches, and where these begin; `None` if it is none."""
    item = items[place]
    row = TYPES.get(str(item.type)) if item.frame < 0 else None
    if row is None or row.variadic is None:
        return None
    last = max(begin.item, start - 1)
    forks = [*(Ref(at) for at in range(place - 1, last, -1)), begin]
    for fork in forks:
        own: list[int] = []
        branches = [_chain(items, ref, fork, max(start, fork.item + 1), own) for ref in item.reads]
        if all(one is not None for one in branches) and len({*own}) == len(own):
            seen += own
            return Merge(place, tuple(one for one in branches if one is not None)), fork
    return None


def _is_copy(items: Sequence[Laid], start: int, period: int, number: int, entry: Ref) -> bool:
    """Whether the layers of a further copy read and do what those of the first do."""
    shift = number * period
    if start + shift + period > len(items):
        return False
    before = Ref(start + shift - 1)

    def moved(ref: Ref) -> Ref:
        return before if ref == entry else Ref(ref.item + shift, ref.port)

    for place in range(start, start + period):
        ours, theirs = items[place], items[place + shift]
        kinds = [(x.type, x.has_weights, x.when, {*x.arguments}) for x in (ours, theirs)]
        if kinds[0] != kinds[1]:
            return False
        if theirs.reads != tuple(map(moved, ours.reads)) or bool(ours.name) != bool(theirs.name):
            return False
        if [*map(_apart, ours.layers)] != [*map(_apart, theirs.layers)]:
            return False
    return True


def _apart(item: Laid) -> Laid:
    """A child of a `Sequential`, whichever call it stands for."""
    return replace(item, frame=min(item.frame, 0), layers=tuple(map(_apart, item.layers)))


def _group(
    items: Sequence[Laid], start: int, period: int, count: int, parts: tuple[Part, ...]
) -> Group | None:
    """The group of so many copies; `None` if what differs in them follows no rule."""
    names: dict[int, str] = {}
    arguments: dict[int, dict[str, Any]] = {}
    for place in range(start, start + period):
        copies = [items[place + number * period] for number in range(count)]
        if copies[0].has_weights:
            name = _name([one.name for one in copies])
            if not name:
                return None
            names[place] = name
        for argument in copies[0].arguments:
            values = [one.arguments[argument] for one in copies]
            if all(same(values[0], value) or values[0] == value for value in values):
                continue
            text = _varying(values)
            if not text:
                return None
            arguments.setdefault(place, {})[argument] = Text(text)
    if sum(map(len, arguments.values())) > DIFFER:
        return None
    return Group(start, start + period * count, count, parts, names, arguments)


def _varying(values: Sequence[Any]) -> str:
    """The expression over `index` for an argument of all copies; empty if there is none."""
    if not all(isinstance(value, (int, float, str)) for value in values):
        return ""
    texts = [dumps(value) if isinstance(value, str) else repr(value) for value in values]
    if any("$" in text or not text.isascii() for text in texts):
        return ""
    if len({*texts[1:]}) == 1:
        return f"{texts[0]} if index == 0 else {texts[1]}"
    return f"[{', '.join(texts)}][index]"


def _name(names: Sequence[str]) -> str:
    """The name that has the number of the copy in it; empty if there is none."""
    words = [re.split(r"(\d+)", name) for name in names]
    if len({*map(len, words)}) > 1:
        return ""
    differ = [at for at, parts in enumerate(zip(*words, strict=True)) if len({*parts}) > 1]
    if len(differ) != 1 or not all(own[differ[0]].isdecimal() for own in words):
        return ""
    at = differ[0]
    numbers = [int(own[at]) for own in words]
    step = numbers[1] - numbers[0]
    if step <= 0 or numbers != [numbers[0] + step * i for i in range(len(numbers))]:
        return ""
    if any(own[at] != str(number) for own, number in zip(words, numbers, strict=True)):
        return ""
    text = "index" if step == 1 else f"{step} * index"
    text += f" + {numbers[0]}" if numbers[0] else ""
    rest = "".join(words[0][at + 1 :])
    number = f"${text}" if text == "index" and not re.match(r"\w", rest) else f"$({text})"
    return "".join(words[0][:at]) + number + rest


def _is_closed(items: Sequence[Laid], group: Group, readers: Mapping[int, set[int]]) -> bool:
    """Whether nothing outside reads what is in a group, but the next layer what it ends with."""
    places = {*range(group.start, group.end)}
    last = group.end - 1
    if any(readers.get(place, set()) - places for place in places - {last}):
        return False
    if readers.get(last) != {group.end}:
        return False
    if group.end == len(items):
        return True
    following = items[group.end]
    return following.reads == (Ref(last),) and not any(
        ref.item == last for value in following.arguments.values() for ref in refs_in(value)
    )
