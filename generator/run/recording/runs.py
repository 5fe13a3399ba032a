"""The sizes that a network is run with: batches, and pairs for each named size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from msgspec import Struct

from .recorded import BATCH, Input

Sizes = Mapping[str, int]
_BATCHES = ((2, 3),)
# usual values for named sizes, in pairs: the network is run with both
_IMAGES = ((64, 96), (224, 256), (32, 48), (128, 160), (512, 640))
_LENGTHS = ((16, 24), (8, 12), (50, 60), (100, 120))
_MOST = 4096  # that is tried for a size that has limits


class Limit(Struct, frozen=True):
    """The numbers that a size may be: from `low` to `high`, in steps."""

    low: int = 1
    high: int | None = None
    step: int = 1
    offset: int = 0

    def allows(self, size: int) -> bool:
        """Whether the size may be this number."""
        fits = (size - self.offset) % self.step == 0
        return fits and self.low <= size and (self.high is None or size <= self.high)


Limits = Mapping[str, Limit]
ANY = Limit()


def choices(
    inputs: Sequence[Input], limits: Limits = MappingProxyType({})
) -> list[list[dict[str, int]]]:
    """The sizes of all runs, for each pair of values that named sizes may take."""
    sizes = (x for one in inputs for x in one.whole if x != BATCH)
    names = [*dict.fromkeys(x for x in sizes if isinstance(x, str))]
    images = any(len(one.whole) > 3 for one in inputs)
    usual = (*_IMAGES, *_LENGTHS) if images else (*_LENGTHS, *_IMAGES)
    few, more = _pair(_BATCHES, limits.get(BATCH, ANY))
    found = []
    for place in range(len(usual) if names else 1):
        tried = (*usual[place:], *usual[:place])
        pairs = {name: _pair(tried, limits.get(name, ANY)) for name in names}
        first = {BATCH: few, **{name: pair[0] for name, pair in pairs.items()}}
        others = ({**first, name: pair[1]} for name, pair in pairs.items())
        runs = [first, {**first, BATCH: more}, *others]
        if runs not in found:
            found.append(runs)
    return found


def _pair(usual: Sequence[tuple[int, int]], limit: Limit) -> tuple[int, int]:
    """Two numbers that a size may be, usual ones if these fit."""
    for pair in usual:
        if all(map(limit.allows, pair)):
            return pair
    fitting = (n for n in range(max(limit.low, 2), max(limit.low, 2) + _MOST) if limit.allows(n))
    first = next(fitting, limit.low)
    return first, next(fitting, first)
