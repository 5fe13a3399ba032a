"""The sizes that ``forward`` reads off tensors when it runs."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct, field

from ..ir.graph import Graph
from ..symbolic.names import SOURCE_NAMES
from ..symbolic.sizes import named_by

MANY = 3  # reads of one size from which on it is a variable
NEVER_FRESH = frozenset({"x", "identity"}) | SOURCE_NAMES  # names that no other variable has


class Sizes(Struct):
    """The run-time sizes that calls read: as variables, or where they are (``x.shape[1]``)."""

    graph: Graph
    variables: dict[str, str] = field(default_factory=dict)  # read off the inputs at the start
    in_place: list[str] = field(default_factory=list)

    def read(self, name: str, place: str = "") -> str:
        """The source of a size; `place` is that of its tensor in the same call, if it has one."""
        if place and name not in self.variables:
            self.in_place.append(name)
            return place
        known = self.variables.get(name)
        if known is not None:
            return known
        word = self.graph.letters.get(name, name)
        taken = {x.name for x in self.graph.inputs} | NEVER_FRESH
        variable = f"{word}_size" if word in taken else word
        if variable not in self.variables.values():  # else it has been read off another input
            self.variables[name] = variable
        return variable

    def wanted(self) -> list[str]:
        """The sizes that should be variables: all, if several are read, or one of them often."""
        several = len({*self.variables, *self.in_place}) > 1 or len(self.in_place) >= MANY
        return [*self.variables, *dict.fromkeys(self.in_place if several else ())]

    def lines(self) -> Iterator[str]:
        """The statements that read them off the inputs: ``N, T, _ = x.shape``."""
        left = dict(self.variables)
        for placeholder in self.graph.inputs:
            dims = [
                next((left.pop(s.name) for s in named_by(size) if s.name in left), "_")
                for size in placeholder.type.shape
            ]
            places = [place for place, name in enumerate(dims) if name != "_"]
            if len(places) == 1:
                yield f"{dims[places[0]]} = {placeholder.name}.shape[{places[0]}]"
            elif places:
                first, end = places[0], places[-1] + 1
                part = f"{first or ''}:{end if end < len(dims) else ''}"
                names = ", ".join(dims[first:end])
                yield f"{names} = {placeholder.name}.shape{'' if part == ':' else f'[{part}]'}"

    def copy(self) -> Sizes:
        """The same sizes, to try a line that may be too long."""
        return Sizes(self.graph, {**self.variables}, [*self.in_place])

    def take(self, other: Sizes) -> None:
        """Take over what a copy has read."""
        self.variables, self.in_place = other.variables, other.in_place
