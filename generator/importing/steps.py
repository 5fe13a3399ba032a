"""Steps: what a recorded network computes, in the catalogue's terms, before layers have names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ..run.recording.recorded import Fields, Held, Items, Tree, Value


class Step(Struct, frozen=True):
    """A layer, as it will stand in the spec, whose inputs are values still.

    `arguments` are those that are not the defaults; a tensor among them is a `Value` or a `Held`.
    `gives` are the numbers of its outputs, in the order of its ports; -1 for one that is not read.
    Only a module has a `path`, and what holds a tensor.
    """

    type: str
    reads: tuple[Value | Held, ...]
    gives: tuple[int, ...]
    arguments: Mapping[str, Any]
    path: str = ""
    source: str = ""

    @property
    def needs(self) -> Iterator[Value | Held]:
        """All tensors that it reads, those among its arguments, too."""
        yield from self.reads
        for value in self.arguments.values():
            yield from tensors_of(value)

    def reading(self, other: Callable[[Value | Held], Value | Held]) -> Step:
        """The step with the `other` tensor in the place of each that it needs."""
        arguments = {name: _changed(value, other) for name, value in self.arguments.items()}
        return replace(self, reads=tuple(map(other, self.reads)), arguments=arguments)


class Shaped(Struct, frozen=True):
    """A size in an argument that is that of a dimension of a value, divided or multiplied."""

    value: Value | Held
    place: int  # without the batch
    times: int = 1
    over: int = 1


def _changed(value: Any, other: Callable[[Value | Held], Value | Held]) -> Any:
    """An argument with other tensors."""
    if isinstance(value, (Value, Held)):
        return other(value)
    if isinstance(value, Shaped):
        return replace(value, value=other(value.value))
    if isinstance(value, list):
        return [_changed(x, other) for x in value]
    return value


def size_text(reference: str, place: int, times: int, over: int) -> str:
    """The expression for a size of what is referred to, multiplied or divided."""
    text = f"shape({reference})[{place}]"
    text += f" * {times}" * (times > 1) + f" // {over}" * (over > 1)
    return f"$({text})"


class Inexpressible(Exception):
    """What a spec can't say; the text says what, for a message that begins with the module."""


def tensors_of(x: Any) -> Iterator[Value | Held]:
    """The tensors in an argument or a result, in order."""
    if isinstance(x, (Value, Held)):
        yield x
    elif isinstance(x, Shaped):
        yield x.value
    elif isinstance(x, Items):
        for item in x.items:
            yield from tensors_of(item)
    elif isinstance(x, Fields):
        for _, item in x.items:
            yield from tensors_of(item)
    elif isinstance(x, (list, tuple)):
        for item in x:
            yield from tensors_of(item)


def values_in(x: Tree) -> tuple[int, ...]:
    """The numbers of the values in a result, in order."""
    return tuple(tensor.number for tensor in tensors_of(x) if isinstance(tensor, Value))
