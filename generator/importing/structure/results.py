"""What calls of one class give: the same in all of them, though one may not be read further."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from ...run.recording.recorded import Items, Leave, Recording, Value
from ..flat import needed_events, reads_of
from ..steps import values_in


def with_results(recording: Recording) -> Recording:
    """The recording whose output has all that a class gives and that some call of it is asked for.

    The last layer of a stack may give a tensor that only another layer would have read: it is made
    all the same, as all calls of a class have one `forward`.
    """
    leaves = [x for x in recording.events if isinstance(x, Leave) and x.path]
    given = [(recording.by_path[leave.path].type, values_in(leave.result)) for leave in leaves]
    several = [one for one in given if len(one[1]) > 1]
    while True:
        more = [*_not_read(recording, several)]
        if not more:
            return recording
        recording = replace(recording, output=Items((recording.output, *more)))


def _not_read(recording: Recording, given: Sequence[tuple[str, Sequence[int]]]) -> Iterator[Value]:
    """The values that some calls give and nothing reads, but of another call of the class."""
    if not given:
        return
    read = {*values_in(recording.output)}
    for event in needed_events(recording):
        read |= {*values_in(Items(tuple(reads_of(event))))}
    wanted: dict[tuple[str, int], set[int]] = {}
    for type, values in given:
        places = (place for place, value in enumerate(values) if value in read)
        wanted.setdefault((type, len(values)), set()).update(places)
    for type, values in given:
        if not read.isdisjoint(values):
            for place in sorted(wanted[type, len(values)]):
                if values[place] not in read:
                    yield Value(values[place])
