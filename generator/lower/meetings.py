"""Sizes that meet in a layer and fit by their numbers: whether their parameters must be fixed.

Sizes with different expressions are equal for some arguments and differ for others. Where they
differ, torch refuses them, so the parameters may stay arguments, provided that some other arguments
fit: else they would be arguments in name only. But where one size is 1 and is broadcast, torch
refuses nothing: then the expression that is kept must be that of the larger size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from itertools import combinations, islice, product
from typing import Any

from msgspec import Struct

from ..ir.substitute import rebind
from ..symbolic.equality import Meeting
from ..symbolic.sizes import TooLong, symbols_in
from ..symbolic.syntax import ExpressionError

MOST_TRIALS = 300  # of arguments, for one meeting
MOST_EXPRESSIONS = 20_000  # evaluated for all meetings


def rebound(meeting: Meeting, values: Mapping[str, Any]) -> Meeting:
    """The meeting with its sizes in other terms: names replaced by their `values`."""
    kept, other = rebind(meeting.kept, values), rebind(meeting.other, values)
    return Meeting(kept, other, meeting.spreads, meeting.silent)


class Trials(Struct):
    """Tries other arguments on sizes that meet, until `most` expressions have been evaluated.

    `values` holds what each name stands for, in terms of the names before it, `places` its place.
    """

    values: Mapping[str, Any]
    places: dict[str, int]
    most: int = MOST_EXPRESSIONS

    def is_free(self, meeting: Meeting) -> bool:
        """Whether the parameters may stay arguments, because torch refuses values that don't fit.

        Some other values must fit, and none may let the expression of a broadcast 1 be kept. Where
        torch refuses nothing, all must fit; sizes known only at run time have their own limits.
        """
        symbols = symbols_in([meeting.kept, meeting.other])
        known = self._closed([symbol.name for symbol in symbols])
        runtime = {symbol.name for symbol in symbols if symbol.runtime}
        if meeting.silent:
            found = () if runtime else self._sizes(meeting, known, _others(known, _all))
            return all(kept == other for kept, other in found) and self.most >= 0
        fits = meeting.kept != meeting.other  # then one of them is 1, and is broadcast
        if not fits:
            others = (varied for varied in _others(known, _far) if not runtime & {*varied})
            fits = any(0 < kept == other for kept, other in self._sizes(meeting, known, others))
        return fits and not (meeting.spreads and self._misnamed(meeting, known))

    def _misnamed(self, meeting: Meeting, known: Mapping[str, Any]) -> bool:
        """Whether the kept expression may be that of a 1 that is broadcast over a larger size."""
        if not symbols_in(meeting.kept):
            return meeting.kept == 1
        found = self._sizes(meeting, known, _others(known, _all))
        return any(kept == 1 < other for kept, other in found) or self.most < 0

    def _sizes(
        self, meeting: Meeting, known: Mapping[str, Any], others: Iterator[dict[str, Any]]
    ) -> Iterator[list[int]]:
        """The two sizes for each of the other arguments for which they can be evaluated."""
        for varied in islice(others, MOST_TRIALS):
            self.most -= len(known) + 2
            if self.most < 0:
                return
            with suppress(ExpressionError, TooLong):
                numbers = _worked_out(known, varied)
                yield [int(rebind(size, numbers)) for size in (meeting.kept, meeting.other)]

    def _closed(self, names: list[str]) -> dict[str, Any]:
        """What the names, and all names that they depend on, stand for; in order."""
        found: set[str] = set()
        while names:
            name = names.pop()
            if name not in found:
                found.add(name)
                names += [symbol.name for symbol in symbols_in(self.values[name])]
        return {name: self.values[name] for name in sorted(found, key=self.places.__getitem__)}


def trials(values: Mapping[str, Any]) -> Trials:
    """The trials for a network whose names stand for these values."""
    return Trials(values, {name: place for place, name in enumerate(values)})


def _others(
    known: Mapping[str, Any], others_of: Callable[[Any], list[Any]]
) -> Iterator[dict[str, Any]]:
    """Other arguments to try: other values for one name, then for two names at once."""
    others = {name: others_of(value) for name, value in _worked_out(known, {}).items()}
    for name, tried in others.items():
        yield from ({name: value} for value in tried)
    for first, second in combinations(others, 2):
        pairs = product(others[first], others[second])
        yield from ({first: value, second: other} for value, other in pairs)


def _far(value: Any) -> list[Any]:
    """Other values of the same kind, so far away that rounding does not make them equal."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, float):
        return [value / 2, 2 * value]
    if isinstance(value, list):
        return _far_lists(value)
    if not isinstance(value, int):
        return []
    tried = (2 * value, value // 2, 3 * value)
    return [other for other in tried if other > 0 and other != value]


def _far_lists(values: list[Any]) -> list[Any]:
    """Other lists of whole numbers: all doubled, all but the last doubled, an item more or less."""
    if not values or not all(type(value) is int for value in values):
        return []
    *head, last = values
    doubled = [2 * value for value in values]
    return [doubled, [*doubled[:-1], last], [*values, 2 * last], *([head] if head else [])]


def _all(value: Any) -> list[Any]:
    """The values of `_far`, and for whole numbers also the neighbours, 0 and 1, in lists, too."""
    if isinstance(value, list):
        near = [
            [*value[:place], other, *value[place + 1 :]]
            for place, item in enumerate(value)
            for other in _near(item)
        ]
        return [*_far(value), *near]
    return [*_far(value), *_near(value)]


def _near(value: Any) -> list[int]:
    if not isinstance(value, int) or isinstance(value, bool):
        return []
    tried = dict.fromkeys((1, value + 1, value - 1, 0))
    return [other for other in tried if other >= 0 and other != value]


def _worked_out(known: Mapping[str, Any], varied: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the names: those in `varied` as given, the others evaluated from them."""
    found: dict[str, Any] = {}
    for name, value in known.items():
        found[name] = varied[name] if name in varied else rebind(value, found)
    return found
