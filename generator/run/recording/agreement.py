"""Several runs as one: what they have in common, and the sizes in which they differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import fields

from .recorded import Constant, Event, Meta, Recording, Size, Tree


class Run(Struct, frozen=True):
    """What one run left."""

    values: tuple[Meta, ...]
    events: tuple[Event, ...]
    output: Tree
    constants: tuple[Constant, ...] = ()


class Differs(Exception):
    """The runs are not the same but for sizes; `source` is the line where they part.

    `first` is the recording of the first run by itself.
    """

    def __init__(self, message: str, source: str = "") -> None:
        super().__init__(message)
        self.source = source
        self.first: Recording | None = None


def agreed(runs: Sequence[Run]) -> tuple[tuple[Meta, ...], tuple[Event, ...], Tree]:
    """The values, the events and the output of all runs; raises `Differs`."""
    events: list[Event] = []
    for several in zip(*(run.events for run in runs), strict=False):
        try:
            events.append(_same(several))
        except Differs as error:
            raise Differs(str(error), getattr(several[0], "source", "")) from None
    if len({len(run.events) for run in runs}) > 1:
        last = runs[-1].events[-1]
        raise Differs("it makes more calls for other sizes", getattr(last, "source", ""))
    values = tuple(_same(several) for several in zip(*(run.values for run in runs), strict=True))
    return values, tuple(events), _same([run.output for run in runs])


def _same(several: Sequence[Any]) -> Any:
    """What several records are together."""
    first = several[0]
    if all(each == first and type(each) is type(first) for each in several):
        return first
    if len({type(each) for each in several}) > 1:
        raise Differs("it makes other calls for other sizes")
    if type(first) is int:
        return Size(tuple(several))
    if isinstance(first, tuple):
        if len({len(each) for each in several}) > 1:
            raise Differs("it makes calls with other arguments for other sizes")
        return tuple(_same(items) for items in zip(*several, strict=True))
    if isinstance(first, Struct) and not isinstance(first, Size):
        names = [field.name for field in fields(first)]
        return type(first)(*(_same([getattr(x, name) for x in several]) for name in names))
    raise Differs(f"it computes with {first!r} for some sizes, and with {several[-1]!r} for others")
