"""Sizes that meet and are equal by their numbers: whether they must stay as they are.

Sizes that are not the same by name are equal for some arguments and differ for others. Where they
differ torch refuses them, so the class needs no care, unless they are equal for nothing else: then
an argument would be one in name only. And where one is 1 and spreads over the other, torch refuses
nothing: then the name that goes on must be that of the larger one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import combinations, islice, product
from typing import Any

from .binding import rebind
from .equality import Meeting
from .sizes import TooLong, symbols_in
from .syntax import ExpressionError

MOST_TRIALS = 300  # of arguments, for one meeting


def rebound(meeting: Meeting, values: Mapping[str, Any]) -> Meeting:
    """The meeting in other terms."""
    kept, other = rebind(meeting.kept, values), rebind(meeting.other, values)
    return Meeting(kept, other, meeting.spreads)


def is_free(meeting: Meeting, values: Mapping[str, Any]) -> bool:
    """Whether the class may take other arguments: torch refuses those that don't fit.

    `values` are what all names stand for, each in terms of those before it. Arguments are tried:
    some others must fit, and none may give the wrong name to what goes on.
    """
    symbols = symbols_in([meeting.kept, meeting.other])
    known = _closed({symbol.name for symbol in symbols}, values)
    runtime = {symbol.name for symbol in symbols if symbol.runtime}
    fits = meeting.kept != meeting.other  # now one of them is 1
    if not fits:
        trials = islice(_trials(known, _far), MOST_TRIALS)
        sizes = (_sizes(meeting, known, varied) for varied in trials if not runtime & {*varied})
        fits = any(0 < kept == other for kept, other in sizes)
    return fits and not (meeting.spreads and _misnamed(meeting, known))


def _misnamed(meeting: Meeting, known: Mapping[str, Any]) -> bool:
    """Whether the name that goes on can be that of a 1 which is spread over more."""
    if not symbols_in(meeting.kept):
        return meeting.kept == 1
    trials = islice(_trials(known, _all), MOST_TRIALS)
    return any(k == 1 < other for k, other in (_sizes(meeting, known, v) for v in trials))


def _closed(names: set[str], values: Mapping[str, Any]) -> dict[str, Any]:
    """What the names stand for, with those that they hang on before them."""
    found = {*names}
    for name in reversed([*values]):
        if name in found:
            found |= {symbol.name for symbol in symbols_in(values[name])}
    return {name: value for name, value in values.items() if name in found}


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
    if not isinstance(value, int):
        return []
    tried = (2 * value, value // 2, 3 * value)
    return [other for other in tried if other > 0 and other != value]


def _all(value: Any) -> list[Any]:
    """The same with those that are near, and the smallest."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    near = (1, value + 1, value - 1) if whole else ()
    return [*_far(value), *(other for other in near if other > 0 and other != value)]


def _sizes(meeting: Meeting, known: Mapping[str, Any], varied: Mapping[str, Any]) -> list[int]:
    """The two sizes with other values; zeros where they can't be worked out."""
    try:
        numbers = _worked_out(known, varied)
        return [int(rebind(size, numbers)) for size in (meeting.kept, meeting.other)]
    except (ExpressionError, TooLong):
        return [0, 0]


def _worked_out(known: Mapping[str, Any], varied: Mapping[str, Any]) -> dict[str, Any]:
    """What the names come to: those that are varied as they are, others by what they hang on."""
    found: dict[str, Any] = {}
    for name, value in known.items():
        found[name] = varied[name] if name in varied else rebind(value, found)
    return found
