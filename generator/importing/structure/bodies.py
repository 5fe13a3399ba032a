"""Bodies: what a module does in one of its calls, with references instead of values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct

Shape = tuple[int | None, ...]  # without the batch; None is a size that varies


class Unstructured(Exception):
    """What has no structured form; the text says why."""


class Opened(Exception):
    """Classes that can't be blocks: their layers stand where they are used."""

    def __init__(self, types: Iterable[str], why: str) -> None:
        super().__init__(why)
        self.types = frozenset(types)


class Ref(Struct, frozen=True):
    """An output of an item of the same body, by its place; inputs are -1, -2, ..."""

    item: int
    port: int = 0


class SizeOf(Struct, frozen=True):
    """A size of what is referred to, multiplied or divided."""

    ref: Ref
    place: int
    times: int = 1
    over: int = 1


class First(Struct, frozen=True):
    """An argument of copies, the first of which has another value than the rest."""

    first: Any
    rest: Any


class Ramp(Struct, frozen=True):
    """An argument of copies that grows from one to the next; `text` says how, over `index`."""

    text: str


class Table:
    """A long list of numbers; two that are equal are one object."""

    def __init__(self, number: int, value: Any) -> None:
        self.number = number
        self.value = value

    def __repr__(self) -> str:
        return f"table {self.number}"


class Item(Struct, frozen=True):
    """A layer, an operation, a `Sequential` with its `layers`, or a use of a block.

    `name` is its path below the module; empty for what is no module. `shape` is that of the first
    tensor that it reads. A use of a block has the number of its `frame`.
    """

    type: str
    name: str
    reads: tuple[Ref, ...]
    arguments: Mapping[str, Any]
    shape: Shape = ()
    layers: tuple[Item, ...] = ()
    frame: int = -1
    has_weights: bool = False
    label: str = ""  # the name for copies, if it is not that of a container


class Body(Struct, frozen=True):
    """The items of one call of a module, and what comes out."""

    items: tuple[Item, ...]
    outputs: tuple[Ref, ...]


def refs_in(value: Any) -> Iterator[Ref]:
    """The references in an argument."""
    if isinstance(value, Ref):
        yield value
    elif isinstance(value, SizeOf):
        yield value.ref
    elif isinstance(value, list):
        for one in value:
            yield from refs_in(one)


def with_refs(value: Any, change: Mapping[int, int]) -> Any:
    """An argument with references to other places."""
    if isinstance(value, Ref):
        return Ref(change.get(value.item, value.item), value.port)
    if isinstance(value, SizeOf):
        return SizeOf(with_refs(value.ref, change), value.place, value.times, value.over)
    if isinstance(value, list):
        return [with_refs(one, change) for one in value]
    return value


def same(a: Any, b: Any) -> bool:
    """Whether two arguments are the same value of the same type."""
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and bool(a == b)
