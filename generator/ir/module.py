"""An attribute of a class: a layer, a block, or a container with its children."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from ..diagnostics.diagnostics import SpecPath
from ..layers.base import Layer, Weight, arguments, prefixed

if TYPE_CHECKING:
    from .graph import Use


class Module(Struct, frozen=True, dict=True):
    """An attribute of a class: a layer, or a container with children in order.

    `kind` is ``layer``, ``Sequential``, ``ModuleList``, ``ModuleDict``, or ``copies``: children
    of the container around it, `each` of them `count` times, from number `start` on. `name` is the
    last part of the attribute's path, empty where a `Sequential` numbers its children. A layer that
    is a block has a `use`. With a `condition` a module is there only where it holds; it may be
    `absent`, and is what it `would` be for other arguments. `callee` is the expression that gave
    the type, `label` the one that names copies.
    """

    name: str
    kind: str = "layer"
    row: Layer | None = None
    args: Mapping[str, Any] | None = None
    children: tuple[Module, ...] = ()
    path: SpecPath = ()
    use: Use | None = None
    condition: Any = None
    absent: bool = False
    count: Any = None
    start: int = 0
    callee: Any = None
    label: str = ""
    each: int = 1
    would: Module | None = None

    def entries(self) -> Iterator[tuple[str, Module]]:
        """The children that are there, by their keys."""
        place = 0
        for child in self.children:
            group = child.children if child.kind == "copies" else (child,)
            for module in group:
                if not module.absent:
                    yield module.name or str(place), module
                    place += 1

    @cached_property
    def weights(self) -> Sequence[Weight]:
        """Parameters and buffers in the order of the `state_dict`."""
        if self.absent:
            return ()
        if self.use is not None:
            return self.use.graph.weights
        if self.row is not None and self.args is not None:
            return self.row.weights(arguments(self.args))
        return [w for key, child in self.entries() for w in prefixed(key, child.weights)]

    @property
    def is_stateless(self) -> bool:
        """Whether there are no weights in it."""
        if self.absent:
            return True
        if self.use is not None:
            return self.use.graph.is_stateless
        if self.row is not None and self.args is not None:
            return not self.weights
        return all(module.is_stateless for _, module in self.entries())

    def layers(self, path: str) -> Iterator[tuple[str, Module]]:
        """The layers and blocks in it by their paths, itself included, blocks before their own."""
        if self.absent:
            return
        if self.kind == "layer":
            yield path, self
            for inner, module in self.use.graph.layers() if self.use else ():
                yield f"{path}.{inner}", module
        for key, child in self.entries():
            yield from child.layers(f"{path}.{key}")
