"""Sizes that meet and are equal by their numbers: whether they must stay as they are.

Sizes that are not the same by name are equal for some arguments and differ for others. Where they
differ torch refuses them, so the class needs no care, unless they are equal for nothing else: then
an argument would be one in name only. And where one is 1 and spreads over the other, torch refuses
nothing: then the name that goes on must be that of the larger one.
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
MOST_EXPRESSIONS = 20_000  # worked out for all of them


def rebound(meeting: Meeting, values: Mapping[str, Any]) -> Meeting:
    """The meeting in other terms."""
    kept, other = rebind(meeting.kept, values), rebind(meeting.other, values)
    return Meeting(kept, other, meeting.spreads)


class Judge(Struct):
    """Tries other arguments on sizes that meet; after the `most` expressions it tries no more.

    `values` are what all names stand for, each in terms of those before it.
    """

    values: Mapping[str, Any]
    places: dict[str, int]
    most: int = MOST_EXPRESSIONS

    def is_free(self, meeting: Meeting) -> bool:
        """Whether the class may take other arguments: torch refuses those that don't fit.

        Some others must fit, and none may give the wrong name to what goes on.
        """
        symbols = symbols_in([meeting.kept, meeting.other])
        known = self._closed([symbol.name for symbol in symbols])
        runtime = {symbol.name for symbol in symbols if symbol.runtime}
        fits = meeting.kept != meeting.other  # now one of them is 1
        if not fits:
            trials = (varied for varied in _trials(known, _far) if not runtime & {*varied})
            fits = any(0 < kept == other for kept, other in self._sizes(meeting, known, trials))
        return fits and not (meeting.spreads and self._misnamed(meeting, known))

    def _misnamed(self, meeting: Meeting, known: Mapping[str, Any]) -> bool:
        """Whether the name that goes on can be that of a 1 which is spread over more."""
        if not symbols_in(meeting.kept):
            return meeting.kept == 1
        found = self._sizes(meeting, known, _trials(known, _all))
        return any(kept == 1 < other for kept, other in found) or self.most < 0

    def _sizes(
        self, meeting: Meeting, known: Mapping[str, Any], trials: Iterator[dict[str, Any]]
    ) -> Iterator[list[int]]:
        """The two sizes in each trial in which they can be worked out."""
        for varied in islice(trials, MOST_TRIALS):
            self.most -= len(known) + 2
            if self.most < 0:
                return
            with suppress(ExpressionError, TooLong):
                numbers = _worked_out(known, varied)
                yield [int(rebind(size, numbers)) for size in (meeting.kept, meeting.other)]

    def _closed(self, names: list[str]) -> dict[str, Any]:
        """What the names stand for, with those that they hang on before them."""
        found: set[str] = set()
        while names:
            name = names.pop()
            if name not in found:
                found.add(name)
                names += [symbol.name for symbol in symbols_in(self.values[name])]
        return {name: self.values[name] for name in sorted(found, key=self.places.__getitem__)}


def judge(values: Mapping[str, Any]) -> Judge:
    """Who judges what meets in a network."""
    return Judge(values, {name: place for place, name in enumerate(values)})


def _trials(
    known: Mapping[str, Any], others_of: Callable[[Any], list[Any]]
) -> Iterator[dict[str, Any]]:
    """Other values for one name, and for two."""
    others = {name: others_of(value) for name, value in _worked_out(known, {}).items()}
    for name, tried in others.items():
        yield from ({name: value} for value in tried)
    for first, second in combinations(others, 2):
        pairs = product(others[first], others[second])
        yield from ({first: value, second: other} for value, other in pairs)


def _far(value: Any) -> list[Any]:
    """Other values of the same kind, so far away that no rounding makes them the same."""
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
    """Other lists of whole numbers: others in all places, in all but the last, one more or less."""
    if not values or not all(type(value) is int for value in values):
        return []
    *head, last = values
    doubled = [2 * value for value in values]
    return [doubled, [*doubled[:-1], last], [*values, 2 * last], *([head] if head else [])]


def _all(value: Any) -> list[Any]:
    """The same with those that are near, and the smallest."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    near = (1, value + 1, value - 1) if whole else ()
    return [*_far(value), *(other for other in near if other > 0 and other != value)]


def _worked_out(known: Mapping[str, Any], varied: Mapping[str, Any]) -> dict[str, Any]:
    """What the names come to: those that are varied as they are, others by what they hang on."""
    found: dict[str, Any] = {}
    for name, value in known.items():
        found[name] = varied[name] if name in varied else rebind(value, found)
    return found
