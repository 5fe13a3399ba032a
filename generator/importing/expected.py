"""What a spec expects of its network, said so that it holds for all values of its parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..analysis.prediction import Prediction, check_source
from ..diagnostics.diagnostics import NetgenError
from ..run.recording.recorded import Recording
from ..spec.source import parse
from .initial import changed
from .spec_text import spec_text

if TYPE_CHECKING:
    from ..lower.context import Ask

Place = tuple[str, int]  # of a number in `expect`: its key, and which size of the output it is


def for_all_values(
    spec: Mapping[str, Any], recordings: Sequence[Recording], file: str, ask: Ask
) -> Mapping[str, Any]:
    """What a spec expects of the network itself, with expressions for what parameters change.

    A number that no parameter changes stays as it is. One that grows with a single one is an
    expression, which is tried with a third value. A key with any other number is left out.
    """
    expected: Mapping[str, Any] = spec["expect"]
    first, *others = recordings
    names = [*spec.get("params", {})]
    known = [one for one in (changed(first, other, names) for other in others) if one is not None]
    if not known:
        return expected
    said: dict[Place, int | str | None] = {**_numbers(expected)}
    plain = {*said}
    source = parse(spec_text({key: x for key, x in spec.items() if key != "expect"}), file)
    for one in known:
        own, other = one.values
        values = (own, other, 2 * other - own)
        rows = [_numbers(expected)]
        for value in values[1:]:
            with suppress(NetgenError):  # it takes no such value
                found = check_source(source, {one.name: value}, ask=ask)
                rows.append(_numbers(_figures(found)))
        for place in said:
            several = [row.get(place) for row in rows]
            if len({*several}) > 1:
                said[place] = _said(one.name, values, several) if place in plain else None
                plain.discard(place)
    return _put_together(expected, said)


def _figures(found: Prediction) -> dict[str, Any]:
    """The shape of the first output without the batch, the parameters and the multiply-adds."""
    output = found.graph.type_of(found.graph.outputs[0][1])
    sizes = [int(x) for place, x in enumerate(output.shape) if place != output.batch]
    return {"output": sizes, "parameters": found.costs.parameters, "macs": int(found.costs.macs)}


def _numbers(expected: Mapping[str, Any]) -> dict[Place, int]:
    return {
        (key, place): number
        for key, value in expected.items()
        for place, number in enumerate(value if isinstance(value, list) else [value])
    }


def _said(name: str, values: Sequence[int], numbers: Sequence[int | None]) -> str | None:
    """An expression that gives a number for each value, if they lie on a line."""
    given = [number for number in numbers if number is not None]
    if len(given) < len(values):
        return None
    slope = (given[1] - given[0]) // (values[1] - values[0])
    rest = given[0] - slope * values[0]
    if any(rest + slope * x != y for x, y in zip(values, given, strict=True)):
        return None
    grows = name if slope == 1 else f"{slope} * {name}"
    if not rest:
        return f"${name}" if slope == 1 else f"$({grows})"
    return f"$({rest} + {grows})" if rest > 0 else f"$({grows} - {-rest})"


def _put_together(
    expected: Mapping[str, Any], said: Mapping[Place, int | str | None]
) -> dict[str, Any]:
    """What is expected, with what is said of each number; without keys of which that is nothing."""
    found: dict[str, Any] = {}
    for key, value in expected.items():
        own = [x for (of, _), x in said.items() if of == key]
        if None not in own:
            found[key] = own if isinstance(value, list) else own[0]
    return found
