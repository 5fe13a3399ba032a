"""The catalogue: one row for each layer type of `torch.nn`, by family as in `torch.nn.modules`.

A row holds all that netgen knows about a type, so that a new layer is a new row and nothing
else. A family is imported when a type is looked for that those before it don't have.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module

from .base import Layer

GROUPING = ("Group", "Reuse", "Sequential")  # items that hold or use layers, and are none


class Types(Mapping[str, Layer]):
    """The types of some families by name.

    A name is looked for in the families imported so far, then in those that are `likely`, then in
    the others: a name that none of them has imports them all. Iteration has the order of the
    families.
    """

    def __init__(self, families: str, likely: str = "") -> None:
        self.families = tuple(families.split())
        self._order = sorted(self.families, key=f"{likely} {families}".split().index)
        self._read = 0  # the number of imported families; threads may set it back without harm
        self._found: dict[str, Layer] = {}

    def __getitem__(self, name: str) -> Layer:
        if name not in self._found and name not in GROUPING:
            for place in range(self._read, len(self._order)):
                self._found.update((row.name, row) for row in self.rows(self._order[place]))
                self._read = place + 1
                if name in self._found:
                    break
        return self._found[name]

    def __contains__(self, name: object) -> bool:
        return name in self._found or super().__contains__(name)

    def __iter__(self) -> Iterator[str]:
        return (row.name for family in self.families for row in self.rows(family))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    @staticmethod
    def rows(family: str) -> tuple[Layer, ...]:
        """The types of one family."""
        found: tuple[Layer, ...] = import_module(f".{family}", __name__).LAYERS
        return found


_TORCH = """activation attention batchnorm conv distance dropout instancenorm linear normalization
    padding pooling rnn shapes sparse stacks transformer upsampling"""
_OPERATIONS = """elementwise combining splits tensors edges einops indexing sampling fourier
    weighted"""
_LIKELY = """linear conv activation pooling shapes batchnorm dropout combining normalization
    tensors elementwise sparse local"""

CATALOGUE = Types(_TORCH)
"""The layer types of `torch.nn`."""

OPERATIONS = Types(_OPERATIONS)
"""What torch has as functions and operators only."""

LOCAL = Types("local")
"""Sources, and the small modules that are written into the generated file."""

TYPES = Types(f"{_TORCH} {_OPERATIONS} local", _LIKELY)
