"""The text on run-time sizes in a class's docstring, made valid for all arguments of the class.

Each argument gets other values, and `fit_of` is computed again. A number in the text that changes
with an argument is written in terms of it, as a sum or a multiple, if that explains all trials.
Else the text says that it holds for the default arguments.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from msgspec.structs import replace

from ..diagnostics.diagnostics import NetgenError
from ..emit.construct import arguments_of
from ..ir.graph import Parameter
from ..lower.lower import lower
from ..symbolic.sizes import TooLong
from .fitting import agrees, fit_of
from .members import other_values
from .prediction import Prediction, predict

_NUMBER = re.compile(r"(?<![\w.])\d+(?![\w.])")
MOST_MEMBERS = 3  # for each argument
DEFAULTS = ", with the default arguments"


def for_all_arguments(found: Prediction) -> Prediction:
    """The prediction with `fit.written`, the docstring's text that holds for all arguments."""
    network = found.classes[-1]
    texts = network.fit.texts
    if not texts:
        return _with_words(found, _of_all(found))
    named: dict[tuple[int, int], list[str]] = {}  # expressions by text and place of the number
    defaults = [False] * len(texts)
    for parameter in arguments_of(network):
        members = [*_members(found, parameter)]
        if not members or any(len(others) != len(texts) for _, others in members):
            defaults = [True] * len(texts)
            continue
        for at, text in enumerate(texts):
            said = [(value, others[at]) for value, others in members]
            if any(_NUMBER.sub("", text) != _NUMBER.sub("", other) for _, other in said):
                defaults[at] = True
                continue
            for place, code in _changes(text, said, parameter):
                named.setdefault((at, place), []).append(code)
    written = tuple(_written(text, at, named, defaults[at]) for at, text in enumerate(texts))
    return _with_words(found, written)


def _with_words(found: Prediction, written: tuple[str, ...]) -> Prediction:
    *blocks, network = found.classes
    network = replace(network, fit=replace(network.fit, written=written))
    return replace(found, classes=(*blocks, network))


def _of_all(found: Prediction) -> tuple[str, ...]:
    """The text where all sizes fit: empty, unless other arguments restrict the sizes."""
    members = (_members(found, parameter) for parameter in arguments_of(found.classes[-1]))
    if any(said for own in members for _, said in own):
        return (f"{', '.join(found.graph.sizes)}: any{DEFAULTS}",)
    return ()


def _members(found: Prediction, parameter: Parameter) -> Iterator[tuple[Any, Sequence[str]]]:
    """Other values of an argument, each with the texts for it; values that fail are left out."""
    given = parameter.value
    if isinstance(given, float):
        yield given, found.graph.fit.texts  # no size depends on an argument that is a fraction
        return
    values = other_values(parameter, bound=1)
    if type(given) is int:
        values = [*dict.fromkeys([2 * given, given + 1, given + 3, *values])]
    count = 0
    for value in values:
        try:
            said = _said(found, {**found.overrides, parameter.name: value})
        except (NetgenError, TooLong, RecursionError):
            continue
        yield value, said
        count += 1
        if count == MOST_MEMBERS or said is found.graph.fit.texts:
            return
    if not values:  # a word such as a padding mode, which decides on no size
        yield given, found.graph.fit.texts


def _said(found: Prediction, values: Mapping[str, Any]) -> Sequence[str]:
    """The texts for the sizes that a member takes.

    They are the default's own texts (the same object) if those hold at all bounds.
    """
    with suppress(NetgenError):
        graph = lower(found.reading, values, found.graph.sizes, found.imported)
        if agrees(found.graph.fit, graph):
            return found.graph.fit.texts
    return fit_of(predict(found.reading, values, found.imported).graph).texts


Said = Sequence[tuple[Any, str]]


def _changes(text: str, said: Said, parameter: Parameter) -> Iterator[tuple[int, str]]:
    """The places of numbers that change with an argument, each with its expression (or empty)."""
    numbers = [[*map(int, _NUMBER.findall(other))] for _, other in said]
    for place, old in enumerate(map(int, _NUMBER.findall(text))):
        pairs = [(value, own[place]) for (value, _), own in zip(said, numbers, strict=True)]
        if any(new != old for _, new in pairs):
            yield place, _code(parameter, old, pairs)


def _code(parameter: Parameter, old: int, pairs: Sequence[tuple[Any, int]]) -> str:
    """A number as a sum or a multiple of an argument; empty if it is neither."""
    name, given = parameter.name, parameter.value
    if type(given) is not int:
        return ""
    more = old - given
    if all(new - value == more for value, new in pairs):
        return f"{name} {'+' if more > 0 else '-'} {abs(more)}" if more else name
    times = old // given if given else 0
    exact = given and old == times * given and all(new == times * value for value, new in pairs)
    return f"{times} * {name}" if exact else ""


def _written(text: str, at: int, named: dict[tuple[int, int], list[str]], default: bool) -> str:
    """A text with expressions in place of its numbers, or marked as for default arguments."""
    places = {place: codes for (one, place), codes in named.items() if one == at}
    if default or any(len(codes) > 1 or not codes[0] for codes in places.values()):
        return text + DEFAULTS
    parts, end = [], 0
    for place, number in enumerate(_NUMBER.finditer(text)):
        parts += [text[end : number.start()], places.get(place, [number[0]])[0]]
        end = number.end()
    return "".join(parts) + text[end:]
