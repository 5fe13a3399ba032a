"""Sizes that a class puts into the batch, and takes out again by the shapes that had them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from msgspec.structs import replace

from .bodies import Item, Ref, SizeOf

Folded = dict[str, tuple[SizeOf, int]]  # by letter: the size where it was, and its number


def told_by_shapes(items: Sequence[Item]) -> list[Item]:
    """The items of a class, in which a `Rearrange` reads each size that it takes out of the batch.

    A class is for inputs of any length, so a number would fit some of its uses alone.
    """
    found: list[Item] = []
    for item in items:
        if item.type == "Rearrange":
            item = replace(item, arguments={**item.arguments, **_taken_out(item, found)})
        found.append(item)
    return found


def _folds(item: Item) -> Iterator[Folded]:
    """The sizes that a `Rearrange` folds into the batch, if each was a dimension alone."""
    left, right = _sides(item)
    shape = dict(zip(left, (None, *item.shape), strict=False))
    for letters in map(_beside_batch, right):
        if left[0] == "n" and letters and all(shape.get(letter) for letter in letters):
            yield {
                letter: (SizeOf(item.reads[0], left.index(letter) - 1), shape[letter] or 0)
                for letter in letters
            }


def _taken_out(item: Item, before: Sequence[Item]) -> dict[str, Any]:
    """The sizes that a `Rearrange` takes out of the batch, if they have been folded into it."""
    left, _ = _sides(item)
    for letters in filter(None, map(_beside_batch, left)):
        numbers = [item.arguments.get(letter) for letter in letters]
        for fold in _folds_above(item.reads, before):
            if numbers == [number for _, number in fold.values()]:
                return dict(zip(letters, (size for size, _ in fold.values()), strict=True))
    return {}


def _folds_above(reads: Sequence[Ref], items: Sequence[Item]) -> Iterator[Folded]:
    """What has been folded into the batch of what is read, the last fold first."""
    todo, seen = [ref.item for ref in reads], set()
    while todo:
        place = todo.pop(0)
        if place < 0 or place in seen:
            continue
        seen.add(place)
        if items[place].type == "Rearrange":
            yield from _folds(items[place])
        todo += [ref.item for ref in items[place].reads]


def _sides(item: Item) -> list[list[str]]:
    """The axes on both sides of a pattern."""
    return [re.findall(r"\([^)]*\)|\S+", side) for side in item.arguments["pattern"].split(" -> ")]


def _beside_batch(axis: str) -> list[str]:
    """The letters of an axis that begins with the batch, without that."""
    first, *letters = axis.strip("()").split() or [""]
    return letters if first == "n" else []
