"""Files that are made for one batch: what their numbers are for another one.

Such a file has the batch in its numbers, as in a reshape to 1, 197 and 768. It is run with its own
batch first; of another batch it is then known which sizes of what a node reads have changed, and
its numbers change with them.
"""

from __future__ import annotations

from math import prod

Shape = tuple[int, ...]


class Misfit(Exception):
    """A shape of which no other batch can be told."""


class Fixed:
    """The batch of a file, and the shapes of its values with that batch.

    Where a reshape may put the batch into one of several dimensions, `order` says which is taken.
    """

    def __init__(self, batch: int) -> None:
        self.batch = batch
        self.shapes: dict[str, Shape] = {}
        self.targets: dict[str, Shape] = {}
        self.doubts: dict[tuple[Shape, int, Shape], int] = {}  # how many ways there are
        self.order: dict[tuple[Shape, int, Shape], int] = {}

    def __deepcopy__(self, memo: object) -> Fixed:
        return self

    def reshaped(self, before: Shape, now: Shape, after: Shape) -> list[int]:
        """What a tensor is reshaped to, if it becomes `after` where it is as it was `before`."""
        changed = [dim for dim, (a, b) in enumerate(zip(before, now, strict=True)) if a != b]
        if not changed:
            return [*after]
        if len(changed) > 1:
            raise Misfit
        (dim,) = changed
        places = _places(before, dim, after, self.batch)
        if not places:
            raise Misfit
        doubt = (before, dim, after)
        if len(places) > 1:
            self.doubts[doubt] = len(places)
        place = places[self.order.get(doubt, 0) % len(places)]
        size, rest = divmod(after[place] * now[dim], before[dim])
        if rest:
            raise Misfit
        return [size if at == place else own for at, own in enumerate(after)]


def expanded(before: Shape, now: Shape, after: Shape) -> list[int]:
    """What a tensor is expanded to, if it becomes `after` where it is as it was `before`."""
    offset = len(after) - len(before)
    found = [*after]
    for dim, (old, new) in enumerate(zip(before, now, strict=True)):
        if old != new:
            found[dim + offset] = new
    return found


def _places(before: Shape, dim: int, after: Shape, batch: int) -> list[int]:
    """The dimensions that may have the batch after a reshape, the likeliest first.

    `dim` counts samples, or samples and what is in each, or the other way round.
    """
    inner = prod(before[dim + 1 :])  # elements from one of its places to the next
    exact: list[int] = []
    leading: list[int] = []  # it counts samples, and what is in each
    trailing: list[int] = []  # it counts something, and samples for each
    for apart in dict.fromkeys((inner * before[dim] // batch, inner)):  # from sample to sample
        for place in sorted(range(len(after)), key=lambda place: abs(place - dim)):
            size, rest = after[place], prod(after[place + 1 :])
            if size % batch:
                continue
            if size == batch and rest == apart:
                exact.append(place)
            if rest * size == apart * batch:
                leading.append(place)
            if rest == apart:
                trailing.append(place)
    if exact:
        return exact[:1]
    merged = len(after) < len(before)
    return [*dict.fromkeys((*trailing, *leading) if merged else (*leading, *trailing))]
